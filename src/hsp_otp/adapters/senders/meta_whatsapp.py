"""
WhatsApp messages by Meta's Cloud API, and its delivery receipts.

https://developers.facebook.com/documentation/business-messaging/whatsapp
"""

import hashlib
import hmac
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

import attrs

from hsp_otp.adapters.senders.http_client import PROBE_SECONDS, Answer, open_client, parsed, post
from hsp_otp.adapters.senders.provider import (
    URL_TAKES,
    Means,
    Probed,
    Provider,
    Shape,
    setting,
    text,
    url,
)
from hsp_otp.adapters.senders.whatsapp_templates import Templates, template_in, templates
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.sender import SEND_WITHIN, Receipt, Sender, WhatsApp

if TYPE_CHECKING:
    from aiohttp import ClientSession

NAME: Final = "meta-whatsapp"

_REJECTED: Final = frozenset({131021, 131026})
"""Error codes about the number: our own, and not on WhatsApp (or not able to take the message)."""

_UNWELL: Final = frozenset(
    {
        *(0, 3, 10, 190, *range(200, 300), 131005),  # the access token, or its permissions
        # The account and its number: restricted, locked, unpaid, deleted, without a name, in the
        # midst of a change, not registered.
        *(368, 131031, 131042, 33, 131037, 131045, 131057, 133010),
        *(4, 80007, 130429, 131048),  # too much: of the app, the account, the number, its spam
        *(2, 131000, 131016),  # Meta's own trouble
    }
)
"""Error codes about Meta or the account, whatever the message. Codes in neither set mean that Meta
refused this one message here: 130472 (an experiment), 130497 (country not allowed for the account),
131030 (a test account's unlisted number), 131047 and 131049 (not now), 131056 (too many to this
number), 132000 to 132016 (the template, which depends on the language), and unknown codes."""

_CODES: Final = range(1_000_000)
"""Valid error codes. A longer value may be part of a number."""

_UNWELL_STATUSES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})

_STATES: Final = {
    "sent": DeliveryState.SENT,
    "delivered": DeliveryState.DELIVERED,
    "read": DeliveryState.DELIVERED,
    "failed": DeliveryState.FAILED,
}

_REFUSED_TOKEN: Final = frozenset({0, 10, 190, *range(200, 300)})
"""Error codes of requests that send nothing, about the access token."""

_MOST_REPORT_BYTES: Final = 3 * 1024 * 1024
"""The size up to which Meta gathers notices in one body."""

_CHALLENGE: Final = re.compile("[!-~]{1,100}")


def _phone_number_id(given: str) -> str:
    if not re.fullmatch("[0-9]{1,32}", given):
        raise ValueError
    return given


@attrs.frozen(kw_only=True)
class MetaAccount:
    """The WhatsApp account at Meta, the sender of its messages, and the app that it is used by."""

    phone_number_id: str = setting(
        _phone_number_id,
        "",
        "Meta's id of the number that WhatsApp messages come from",
        takes="the digits of the id, which are not those of the number",
        required=True,
        variable="META_PHONE_NUMBER_ID",
    )
    access_token: str = setting(
        text,
        "",
        "authenticates to Meta: the permanent token of a system user",
        takes="a text",
        secret=True,
        required=True,
        variable="META_ACCESS_TOKEN",
    )
    app_secret: str = setting(
        text,
        "",
        "verifies Meta's callbacks; without it no receipts are taken",
        takes="a text",
        secret=True,
        variable="META_APP_SECRET",
    )
    verify_token: str = setting(
        text,
        "",
        "a text of your own, by which Meta confirms the address for receipts",
        takes="a text",
        secret=True,
        variable="META_VERIFY_TOKEN",
    )
    templates: Templates = setting(
        templates("[a-z0-9_]{1,512}(:[a-z]{2,3}(_[A-Z]{2,3})?)?"),
        (),
        "names of the approved authentication templates, one for each language; a language without "
        "one gets the English one, otherwise the first",
        takes="language:name, several with commas; language:name:en_US if Meta has the template "
        "under another code than the language",
        shown_default="none",
        required=True,
        shape=Shape.LIST,
        variable="META_TEMPLATES",
    )
    base_url: str = setting(
        url,
        "https://graph.facebook.com/v25.0",
        "base URL of Meta's API with its version, or a test gateway's",
        takes=URL_TAKES,
        variable="META_BASE_URL",
    )


class MetaWhatsApp:
    """Hands WhatsApp messages to Meta."""

    def __init__(self, account: MetaAccount, client: "ClientSession") -> None:
        self._account = account
        self._client = client

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return True

    async def send(self, message: WhatsApp, within: Duration = SEND_WITHIN) -> Receipt:
        """Implement `Sender.send`. The template says for how long Meta tries to deliver it."""
        account = self._account
        language, template = template_in(message.language, account.templates)
        name, _, code = template.partition(":")
        parameters = [{"type": "text", "text": message.code}]
        answer = await post(
            self._client,
            f"{account.base_url}/{account.phone_number_id}/messages",
            within,
            "Meta",
            json={
                "messaging_product": "whatsapp",
                "recipient_type": "individual",
                "to": message.to.value,
                "type": "template",
                "template": {
                    "name": name,
                    "language": {"code": code or language.replace("-", "_")},
                    "components": [
                        {"type": "body", "parameters": parameters},
                        {
                            "type": "button",
                            "sub_type": "url",
                            "index": "0",
                            "parameters": parameters,
                        },
                    ],
                },
            },
            headers=_signed_in(account),
        )
        return Receipt(sender=NAME, provider_message_id=_message_id(answer))


def _signed_in(account: MetaAccount) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.access_token}"}


def _message_id(answer: Answer) -> str:
    """
    Our name of the message that Meta took.

    Raises:
        SendRejected: Meta refused the number.
        SendRefusedHere: Meta refused the message.
        SendFailed: Meta answered anything else.
    """
    told = parsed(answer.body)
    if not answer.is_success:
        raise _failure(answer.status, _member(_member(told, "error"), "code"))
    found = next((_member(one, "id") for one in _items(told, "messages")), None)
    if isinstance(found, str) and found:
        return _named(found)
    raise SendFailed(f"Meta answered {answer.status} without an id for the message")


def _named(wamid: str) -> str:
    """
    Our name of the message that Meta calls *wamid*.

    Meta's own name has the recipient's number in it, in base64, and may be too long to be kept.
    """
    return hashlib.sha256(wamid.encode("utf-8", "surrogatepass")).hexdigest()


def _failure(status: int, code: object) -> SendFailed:
    """The failure that an unsuccessful answer means: the page "WhatsApp error codes" of Meta."""
    if not isinstance(code, int) or code not in _CODES:
        return SendFailed(f"Meta answered {status}")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _UNWELL_STATUSES or code in _UNWELL:
        return SendFailed(f"Meta answered {status}: {code}")
    refusal = SendRejected if code in _REJECTED else SendRefusedHere
    return refusal(f"Meta refused the message: {code}")


def _member(of: object, name: str) -> object:
    return cast("dict[str, object]", of).get(name) if isinstance(of, dict) else None


def _items(of: object, name: str) -> Sequence[object]:
    found = _member(of, name)
    return cast("list[object]", found) if isinstance(found, list) else ()


async def _probe(account: MetaAccount, _: Means) -> Probed:
    """Fetch the number that messages come from."""
    async with open_client() as client:
        try:
            answer = await post(
                client,
                f"{account.base_url}/{account.phone_number_id}",
                round(PROBE_SECONDS * SECOND),
                "Meta",
                method="GET",
                params={"fields": "id"},
                headers=_signed_in(account),
            )
        except SendFailed as error:
            return Probed(f"{error}: check the network and HSP_OTP_META_BASE_URL")
    told = parsed(answer.body)
    if answer.is_success and _member(told, "id") == account.phone_number_id:
        return Probed(told="Meta knows the number that messages come from")
    code = _member(_member(told, "error"), "code")
    if answer.status == HTTPStatus.UNAUTHORIZED or code in _REFUSED_TOKEN:
        return Probed("HSP_OTP_META_ACCESS_TOKEN: Meta refuses it")
    if (
        isinstance(code, int)
        and code in _CODES
        and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        return Probed(
            f"HSP_OTP_META_PHONE_NUMBER_ID: Meta has no such number for this token: {code}"
        )
    return Probed(f"Meta answered {answer.status}: check HSP_OTP_META_BASE_URL")


@attrs.frozen(kw_only=True)
class MetaReceipts:
    """Reads status messages, of which one body may have several; other notices are ignored."""

    app_secret: str = attrs.field(repr=False)
    phone_number_id: str

    def is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Implement `Receipts.is_signed`."""
        expected = hmac.digest(self.app_secret.encode(), body, hashlib.sha256).hex()
        given = headers.get("x-hub-signature-256", "").encode("latin-1")
        return hmac.compare_digest(given, f"sha256={expected}".encode())

    def read(self, body: bytes) -> Sequence[tuple[str, DeliveryState]]:
        """Implement `Receipts.read`."""
        return [
            (_named(wamid), _STATES[state])
            for value in self._values(parsed(body))
            for one in _items(value, "statuses")
            if isinstance(wamid := _member(one, "id"), str)
            and isinstance(state := _member(one, "status"), str)
            and state in _STATES
        ]

    def _values(self, told: object) -> Iterator[object]:
        """What is told of our number: an account may have several, used by others."""
        for entry in _items(told, "entry"):
            for change in _items(entry, "changes"):
                value = _member(change, "value")
                if _member(_member(value, "metadata"), "phone_number_id") == self.phone_number_id:
                    yield value


@asynccontextmanager
async def _open(account: MetaAccount, _: Means) -> AsyncGenerator[Sender[WhatsApp]]:
    async with open_client() as client:
        yield MetaWhatsApp(account, client)


def _receipts(account: MetaAccount, _: Means) -> MetaReceipts | None:
    if not account.app_secret:
        return None
    return MetaReceipts(app_secret=account.app_secret, phone_number_id=account.phone_number_id)


def _handshake(account: MetaAccount, query: Mapping[str, str]) -> str | None:
    """Confirm the address: https://developers.facebook.com/docs/graph-api/webhooks."""
    given = query.get("hub.verify_token", "").encode("utf-8", "replace")
    is_known = hmac.compare_digest(given, account.verify_token.encode())
    challenge = query.get("hub.challenge", "")
    if not is_known or query.get("hub.mode") != "subscribe" or not _CHALLENGE.fullmatch(challenge):
        return None
    return challenge


def _check(account: MetaAccount, _: str | None) -> None:
    if bool(account.app_secret) != bool(account.verify_token):
        raise ValueError(
            "HSP_OTP_META_VERIFY_TOKEN: goes with HSP_OTP_META_APP_SECRET; set both or neither"
        )


META_WHATSAPP: Final = Provider(
    channel=Channel.WHATSAPP,
    name=NAME,
    account=MetaAccount,
    open=_open,
    receipts=_receipts,
    most_report_bytes=_MOST_REPORT_BYTES,
    handshake=_handshake,
    check=_check,
    probe=_probe,
)
