"""The Twilio provider: delivery receipts, and its row for the table of senders."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs
from twilio.request_validator import RequestValidator

from hsp_otp.adapters.senders.http_client import fields, open_client
from hsp_otp.adapters.senders.provider import Means, Probed, Provider
from hsp_otp.adapters.senders.twilio_account import BLOCKED, NAME, Credentials, TwilioAccount
from hsp_otp.domain.delivery import LOST, DeliveryState
from hsp_otp.ports.sender import Sender, Sms

_STATES: Final = {
    "accepted": DeliveryState.QUEUED,
    "scheduled": DeliveryState.QUEUED,
    "queued": DeliveryState.QUEUED,
    "sending": DeliveryState.QUEUED,
    "sent": DeliveryState.SENT,
    "delivered": DeliveryState.DELIVERED,
    "read": DeliveryState.DELIVERED,
    "undelivered": DeliveryState.UNDELIVERED,
    "failed": DeliveryState.FAILED,
    "canceled": DeliveryState.FAILED,
}

_BLOCKED: Final = frozenset(str(code) for code in BLOCKED)


@attrs.frozen
class TwilioReceipts:
    """
    Reads status callbacks, which are forms.

    Attributes:
        url: As Twilio knows it; the signature covers it.
        told: What the fields of a report tell: the id of a message or call, and its state.
    """

    auth_token: str = attrs.field(repr=False)
    url: str
    told: Callable[[Mapping[str, str]], tuple[str, DeliveryState | None]]

    def is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Implement `Receipts.is_signed`."""
        return is_signed(self.auth_token, self.url, body, headers)

    def read(self, body: bytes) -> Sequence[tuple[str, DeliveryState]]:
        """Implement `Receipts.read`."""
        sid, state = self.told(form_of(body))
        return [(sid, state)] if sid and state else []


def _of_message(form: Mapping[str, str]) -> tuple[str, DeliveryState | None]:
    state = _STATES.get(form.get("MessageStatus", ""))
    if state in LOST and form.get("ErrorCode") in _BLOCKED:
        state = DeliveryState.BLOCKED
    return form.get("MessageSid", ""), state


def is_signed(auth_token: str, url: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether Twilio posted *body* to *url*, for the account with that token."""
    validator: Any = RequestValidator(auth_token)
    signature = headers.get("x-twilio-signature", "")
    return bool(validator.validate(url, form_of(body), signature))


def form_of(body: bytes) -> dict[str, str]:
    """The fields of a report."""
    return fields(body.decode("latin-1"))


@asynccontextmanager
async def _open(account: TwilioAccount, means: Means) -> AsyncGenerator[Sender[Sms]]:
    # Imported late: the package is large, and other providers do not need it.
    from hsp_otp.adapters.senders.twilio_api import TwilioSms  # noqa: PLC0415

    async with open_client() as client:
        yield TwilioSms(account, client, means.callback)


async def probe_account(account: Credentials, _: Means) -> Probed:
    """Check the account, for each of the senders by Twilio."""
    from hsp_otp.adapters.senders.twilio_api import probe  # noqa: PLC0415 - as above

    return await probe(account)


def message_receipts(account: Credentials, means: Means) -> TwilioReceipts | None:
    """Read reports of messages, of whatever channel."""
    if not means.callback:
        return None
    return TwilioReceipts(account.auth_token, means.callback, _of_message)


def _check(account: TwilioAccount, _: str | None) -> None:
    if bool(account.from_) == bool(account.messaging_service_sid):
        raise ValueError(
            "HSP_OTP_TWILIO_FROM: twilio needs either this or HSP_OTP_TWILIO_MESSAGING_SERVICE_SID"
        )


TWILIO: Final = Provider(
    name=NAME,
    account=TwilioAccount,
    open=_open,
    receipts=message_receipts,
    check=_check,
    probe=probe_account,
)
