"""The webhook provider: a signed request to a URL of the operator's choice."""

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from hsp_otp.adapters.senders.http_client import PROBE_SECONDS, open_client, post
from hsp_otp.adapters.senders.provider import URL_TAKES, Means, Probed, Provider, setting, url
from hsp_otp.adapters.senders.standard_webhooks import KEY_TAKES, SignedReports, read_key, signature
from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.sender import SEND_WITHIN, Receipt, Sender, Sms

if TYPE_CHECKING:
    from aiohttp import ClientSession

NAME: Final = "webhook"

_ID_BYTES: Final = 16

_REFUSED_HERE: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT})
"""Statuses for a message that the webhook cannot send but another sender may. A message that no
sender can send gets 422. Any other unsuccessful status is trouble of the webhook's own."""


@attrs.frozen(kw_only=True)
class WebhookAccount:
    """The webhook's URL and secret."""

    url: str = setting(url, "", "URL that messages are posted to", takes=URL_TAKES, required=True)
    secret: bytes = setting(
        read_key,
        b"",
        "signs messages, and the reports about them",
        takes=KEY_TAKES,
        secret=True,
        required=True,
    )


class WebhookSms:
    """Posts messages to one URL."""

    def __init__(self, account: WebhookAccount, client: "ClientSession", means: Means) -> None:
        self._account = account
        self._client = client
        self._means = means

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return True

    async def send(self, message: Sms, within: Duration = SEND_WITHIN) -> Receipt:
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


@asynccontextmanager
async def _open(account: WebhookAccount, means: Means) -> AsyncGenerator[Sender[Sms]]:
    async with open_client() as client:
        yield WebhookSms(account, client, means)


WEBHOOK: Final = Provider(
    name=NAME,
    account=WebhookAccount,
    open=_open,
    receipts=lambda account, means: SignedReports(account.secret, means.clock),
    probe=_probe,
)
