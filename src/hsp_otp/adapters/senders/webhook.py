"""The webhook provider: a signed request to a URL of the operator's choice."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

import attrs

from hsp_otp.adapters.senders.http_client import PROBE_SECONDS, open_client, parsed, post
from hsp_otp.adapters.senders.provider import URL_TAKES, Means, Probed, Provider, setting, url
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import MINUTE, SECOND, Duration
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt, Sender

if TYPE_CHECKING:
    from aiohttp import ClientSession

NAME: Final = "webhook"

_KEY_BYTES: Final = range(24, 65)
"""The key lengths that Standard Webhooks 1.0.0 allows."""

_ID_BYTES: Final = 16

_REFUSED_HERE: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT})
"""Statuses for a message that the webhook cannot send but another sender may. A message that no
sender can send gets 422. Any other unsuccessful status is trouble of the webhook's own."""

_TOLERANCE: Final = 5 * MINUTE
"""How far the time of a report may differ from this machine's, in either direction."""


def _key(given: str) -> bytes:
    padded = given.removeprefix("whsec_").rstrip("=")
    padded += "=" * (-len(padded) % 4)
    try:
        key = base64.b64decode(padded.translate({45: 43, 95: 47}), validate=True)
    except binascii.Error:
        raise ValueError from None
    if len(key) not in _KEY_BYTES:
        raise ValueError
    return key


@attrs.frozen(kw_only=True)
class WebhookAccount:
    """The webhook's URL and secret."""

    url: str = setting(url, "", "URL that messages are posted to", takes=URL_TAKES, required=True)
    secret: bytes = setting(
        _key,
        b"",
        "signs messages, and the reports about them",
        takes="base64 of 24 to 64 bytes, with or without the prefix whsec_",
        secret=True,
        required=True,
    )


def signature(key: bytes, message_id: str, seconds: str, body: bytes) -> str:
    """The value of ``webhook-signature`` (Standard Webhooks 1.0.0, symmetric)."""
    signed = b".".join((message_id.encode("latin-1"), seconds.encode("latin-1"), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


class WebhookSms:
    """Posts messages to one URL."""

    def __init__(self, account: WebhookAccount, client: "ClientSession", means: Means) -> None:
        self._account = account
        self._client = client
        self._means = means

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return True

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:
        """Implement `Sender.send`."""
        drawn = self._means.randomness.draw(_ID_BYTES)
        message_id = "msg_" + base64.urlsafe_b64encode(drawn).rstrip(b"=").decode()
        members = {
            "message_id": message_id,
            "to": message.to.value,
            "text": message.text,
            "valid_seconds": max(1, message.useful_for // SECOND),
            "template_id": message.template_id,
            "entity_id": message.entity_id,
        }
        body = json.dumps(members, ensure_ascii=False).encode()
        seconds = str(self._means.clock.now() // SECOND)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": seconds,
            "webhook-signature": signature(self._account.secret, message_id, seconds, body),
        }
        account = self._account
        answer = await post(
            self._client, account.url, within, "the webhook", data=body, headers=headers
        )
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            raise SendRejected("the webhook refused the message: 422")
        if answer.status in _REFUSED_HERE:
            raise SendRefusedHere(f"the webhook refused the message: {answer.status}")
        if not answer.is_success:
            raise SendFailed(f"the webhook answered {answer.status}")
        return Receipt(sender=NAME, provider_message_id=message_id)


async def _probe(account: WebhookAccount, _: Means) -> Probed:
    """Check that the webhook answers. Only a message shows whether it knows the secret."""
    async with open_client() as client:
        try:
            await post(
                client, account.url, round(PROBE_SECONDS * SECOND), "the webhook", method="HEAD"
            )
        except SendFailed as error:
            return Probed(f"HSP_OTP_WEBHOOK_URL: {error}")
    return Probed(told="it answers; only a message shows whether it knows the secret")


@attrs.frozen
class WebhookReports:
    """Reads reports: JSON with ``message_id`` and ``state``, signed in the same way as messages."""

    key: bytes = attrs.field(repr=False)
    clock: Clock

    def is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Implement `Receipts.is_signed`."""
        message_id, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= len(str(2**40))):
            return False
        if abs(int(seconds) * SECOND - self.clock.now()) > _TOLERANCE:
            return False
        expected = signature(self.key, message_id, seconds, body).encode()
        # There are several while the other end rotates its keys.
        given = headers.get("webhook-signature", "").encode("latin-1").split(b" ")
        return any(hmac.compare_digest(one, expected) for one in given)

    def read(self, body: bytes) -> tuple[str, DeliveryState] | None:
        """Implement `Receipts.read`."""
        found = parsed(body)
        told = cast("dict[str, object]", found) if isinstance(found, dict) else {}
        message_id, state = told.get("message_id"), told.get("state")
        if isinstance(message_id, str) and message_id and isinstance(state, str):
            known = _STATES.get(state)
            return (message_id, known) if known else None
        return None


_STATES: Final = {state.value: state for state in DeliveryState}


@asynccontextmanager
async def _open(account: WebhookAccount, means: Means) -> AsyncGenerator[Sender]:
    async with open_client() as client:
        yield WebhookSms(account, client, means)


WEBHOOK: Final = Provider(
    name=NAME,
    account=WebhookAccount,
    open=_open,
    receipts=lambda account, means: WebhookReports(account.secret, means.clock),
    probe=_probe,
)
