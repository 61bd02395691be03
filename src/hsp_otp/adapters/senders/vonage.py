"""The Vonage provider, which uses the SMS API: https://developer.vonage.com/en/api/sms."""

import base64
import hashlib
import hmac
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

import attrs

from hsp_otp.adapters.senders.http_client import (
    PROBE_SECONDS,
    Answer,
    fields,
    open_client,
    parsed,
    post,
)
from hsp_otp.adapters.senders.provider import URL_TAKES, Means, Probed, Provider, setting, text, url
from hsp_otp.domain.delivery import LOST, DeliveryState
from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.domain.sms_segments import is_gsm_7
from hsp_otp.ports.failures import SendBlocked, SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.sender import SEND_WITHIN, Receipt, Sender, Sms

if TYPE_CHECKING:
    from aiohttp import ClientSession

NAME: Final = "vonage"

_MILLISECOND: Final = 1_000
_LEAST_TTL: Final = 20_000
_MOST_TTL: Final = 604_800_000
"""Range of a message's time to live that Vonage accepts, in milliseconds."""

_LONGEST_CALLBACK: Final = 100
"""Maximum characters of a callback's URL."""

_CODE = re.compile("[0-9]{1,3}")
_NO_CODE: Final = "no code"
_OK: Final = "0"
_BLOCKED: Final = "7"
"""Barred: who has opted out is barred too."""

_DEACTIVATED: Final = "33"
"""About the number, and the same at other senders."""

_UNWELL: Final = frozenset(
    {
        *("1", "10"),  # too fast, too many connections
        *("5", "13"),  # Vonage's own trouble
        # The account: its credentials, barred, no credit, not enabled for this API, signatures.
        *("4", "8", "9", "11", "14", "32"),
    }
)
"""Statuses about Vonage or the account, whatever the message. Statuses in neither set mean that
Vonage refused this one message here: 6 (no route, or no such number), 15 (sender name not allowed
there), 29 (a trial account's unlisted number), and unknown ones."""

_STATES: Final = {
    "accepted": DeliveryState.SENT,
    "buffered": DeliveryState.SENT,
    "delivered": DeliveryState.DELIVERED,
    "expired": DeliveryState.UNDELIVERED,
    "rejected": DeliveryState.UNDELIVERED,
    "failed": DeliveryState.FAILED,
}

_OPTED_OUT: Final = frozenset({"4", "9"})
"""Error codes of receipts: barred by the user, and messages of this sender declined by the user."""


@attrs.frozen(kw_only=True)
class VonageAccount:
    """The account at Vonage, and the sender of its messages."""

    api_key: str = setting(text, "", "API key of the Vonage account", takes="a text", required=True)
    api_secret: str = setting(
        text, "", "authenticates to Vonage", takes="a text", secret=True, required=True
    )
    from_: str = setting(
        text,
        "",
        "number or name that messages come from; in India the registered header",
        takes="a number or a name",
        required=True,
    )
    signature_secret: str = setting(
        text,
        "",
        "verifies Vonage's callbacks (SHA-256 HMAC); without it no receipts are requested",
        takes="a text",
        secret=True,
    )
    base_url: str = setting(
        url,
        "https://rest.nexmo.com",
        "base URL of Vonage's API: a region's, or a test gateway's",
        takes=URL_TAKES,
    )


class VonageSms:
    """Hands messages to Vonage."""

    def __init__(
        self, account: VonageAccount, client: "ClientSession", callback: str | None = None
    ) -> None:
        """Hand messages to *account*; *callback* is the URL for receipts, if they are wanted."""
        self._account = account
        self._client = client
        self._callback = callback

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return True

    async def send(self, message: Sms, within: Duration = SEND_WITHIN) -> Receipt:
        """Implement `Sender.send`."""
        account = self._account
        form = {
            "from": account.from_,
            "to": message.to.value.removeprefix("+"),
            "text": message.text,
            # With the type "text", Vonage turns other characters into question marks.
            "type": "text" if is_gsm_7(message.text) else "unicode",
            "ttl": str(min(max(message.useful_for // _MILLISECOND, _LEAST_TTL), _MOST_TTL)),
        }
        if self._callback:
            form |= {"status-report-req": "1", "callback": self._callback}
        if message.entity_id:
            form["entity-id"] = message.entity_id
        if message.template_id:
            form["content-id"] = message.template_id
        answer = await post(
            self._client,
            f"{account.base_url}/sms/json",
            within,
            "Vonage",
            data=form,
            headers=_signed_in(account),
        )
        return Receipt(sender=NAME, provider_message_id=_message_id(answer))


def _signed_in(account: VonageAccount) -> dict[str, str]:
    told = base64.b64encode(f"{account.api_key}:{account.api_secret}".encode()).decode()
    return {"Authorization": f"Basic {told}"}


def _message_id(answer: Answer) -> str:
    """
    Vonage's id of the message, or of the first part of a long one.

    Raises:
        SendBlocked: Vonage barred the number.
        SendRejected: Vonage refused the number.
        SendRefusedHere: Vonage refused the message, which has the status 200 too.
        SendFailed: Vonage answered anything else.
    """
    parts = _parts(parsed(answer.body)) if answer.is_success else []
    for part in parts:
        status = part.get("status")
        # Any other value in its place is not repeated.
        code = status if isinstance(status, str) and _CODE.fullmatch(status) else _NO_CODE
        if code == _OK:
            continue
        if code == _BLOCKED:
            raise SendBlocked(f"Vonage refused the message: {code}")
        if code == _DEACTIVATED:
            raise SendRejected(f"Vonage refused the message: {code}")
        if code in _UNWELL or code is _NO_CODE:
            raise SendFailed(f"Vonage did not take the message: {code}")
        raise SendRefusedHere(f"Vonage refused the message: {code}")
    found = parts[0].get("message-id") if parts else None
    if isinstance(found, str) and found:
        return found
    raise SendFailed(f"Vonage answered {answer.status} without an id for the message")


def _parts(answer: object) -> list[dict[str, object]]:
    found = cast("dict[str, object]", answer).get("messages") if isinstance(answer, dict) else None
    parts = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("dict[str, object]", part) if isinstance(part, dict) else {} for part in parts]


async def _probe(account: VonageAccount, _: Means) -> Probed:
    """Fetch the balance: https://developer.vonage.com/en/api/account."""
    async with open_client() as client:
        try:
            answer = await post(
                client,
                f"{account.base_url}/account/get-balance",
                round(PROBE_SECONDS * SECOND),
                "Vonage",
                method="GET",
                headers=_signed_in(account),
            )
        except SendFailed as error:
            return Probed(f"{error}: check the network and HSP_OTP_VONAGE_BASE_URL")
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Probed(
            "HSP_OTP_VONAGE_API_KEY: Vonage refuses it together with HSP_OTP_VONAGE_API_SECRET"
        )
    told = parsed(answer.body)
    value = cast("dict[str, object]", told).get("value") if isinstance(told, dict) else None
    if not answer.is_success or not isinstance(value, int | float):
        return Probed(f"Vonage answered {answer.status}: check HSP_OTP_VONAGE_BASE_URL")
    if value <= 0:
        return Probed("the Vonage account has no credit left: top it up")
    return Probed(told="Vonage knows the account, which has credit")


@attrs.frozen
class VonageReceipts:
    """
    Reads delivery receipts, which are forms or JSON, depending on the account.

    The signature: https://developer.vonage.com/en/getting-started/concepts/signing-messages. The
    time in a receipt is ignored: Vonage repeats a receipt for a day, and a replayed one changes
    nothing.
    """

    signature_secret: str = attrs.field(repr=False)

    def is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Implement `Receipts.is_signed`."""
        told = _told(body)
        given = told.pop("sig", "").lower()
        signed = "".join(
            f"&{name}={told[name].replace('&', '_').replace('=', '_')}" for name in sorted(told)
        )
        expected = hmac.digest(self.signature_secret.encode(), _bytes(signed), hashlib.sha256)
        return hmac.compare_digest(_bytes(given), expected.hex().encode())

    def read(self, body: bytes) -> Sequence[tuple[str, DeliveryState]]:
        """Implement `Receipts.read`."""
        told = _told(body)
        state, message_id = _STATES.get(told.get("status", "")), told.get("messageId", "")
        if state in LOST and told.get("err-code") in _OPTED_OUT:
            state = DeliveryState.BLOCKED
        return [(message_id, state)] if message_id and state else []


def _told(body: bytes) -> dict[str, str]:
    found = parsed(body)
    if isinstance(found, dict):
        members = cast("dict[str, object]", found)
        return {name: str(value) for name, value in members.items() if isinstance(value, str | int)}
    return fields(body.decode("utf-8", "replace"))


def _bytes(signed: str) -> bytes:
    return signed.encode("utf-8", "surrogatepass")


@asynccontextmanager
async def _open(account: VonageAccount, means: Means) -> AsyncGenerator[Sender[Sms]]:
    async with open_client() as client:
        yield VonageSms(account, client, means.callback if account.signature_secret else None)


def _receipts(account: VonageAccount, _: Means) -> VonageReceipts | None:
    return VonageReceipts(account.signature_secret) if account.signature_secret else None


def _check(account: VonageAccount, callback: str | None) -> None:
    if account.signature_secret and callback and len(callback) > _LONGEST_CALLBACK:
        raise ValueError(
            f"HSP_OTP_PUBLIC_URL: vonage takes addresses of {_LONGEST_CALLBACK} characters, and "
            f"that of its receipts has {len(callback)}"
        )


VONAGE: Final = Provider(
    name=NAME, account=VonageAccount, open=_open, receipts=_receipts, check=_check, probe=_probe
)
