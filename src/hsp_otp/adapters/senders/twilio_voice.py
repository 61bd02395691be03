"""Calls by Twilio: reports of their ends and of pressed keys, and the row for the table."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import attrs

from hsp_otp.adapters.senders.http_client import open_client
from hsp_otp.adapters.senders.provider import (
    CallMeans,
    Means,
    Provider,
    no_public_url,
)
from hsp_otp.adapters.senders.twilio import TwilioReceipts, form_of, is_signed, probe_account
from hsp_otp.adapters.senders.twilio_account import VOICE_NAME, TwilioVoiceAccount
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.ports.calls import Script, Speech
from hsp_otp.ports.sender import Call, Sender

_ENDS: Final = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
"""The only states that Twilio reports by default. A call in which a key was pressed is delivered by
the time that it ends, and stays so."""


def _of_call(form: Mapping[str, str]) -> tuple[str, DeliveryState | None]:
    ended = form.get("CallStatus") in _ENDS
    return form.get("CallSid", ""), DeliveryState.UNDELIVERED if ended else None


@attrs.frozen
class TwilioVoiceControl:
    """Reads reports of pressed keys; the signature covers the URL with the id of the send."""

    auth_token: str = attrs.field(repr=False)
    calls: CallMeans

    def is_signed(self, send_id: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Implement `CallControl.is_signed`."""
        return is_signed(self.auth_token, self.calls.keys_of(send_id), body, headers)

    def pressed(self, body: bytes) -> str | None:
        """Implement `CallControl.pressed`."""
        form = form_of(body)
        return (form.get("CallSid") or None) if form.get("Digits") else None

    def script(self, speech: Speech) -> Script:
        """Implement `CallControl.script`."""
        # Imported late: the package is large, and other providers do not need it.
        from hsp_otp.adapters.senders.twilio_speech import saying  # noqa: PLC0415

        return Script(media_type="text/xml", content=saying(speech).encode())


@asynccontextmanager
async def _open(account: TwilioVoiceAccount, means: Means) -> AsyncGenerator[Sender[Call]]:
    from hsp_otp.adapters.senders.twilio_api import TwilioVoice  # noqa: PLC0415 - as above

    if means.calls is None:
        raise no_public_url(VOICE_NAME)
    async with open_client() as client:
        yield TwilioVoice(account, client, means.calls)


def _receipts(account: TwilioVoiceAccount, means: Means) -> TwilioReceipts | None:
    if not means.callback:
        return None
    return TwilioReceipts(account.auth_token, means.callback, _of_call)


def _calls(account: TwilioVoiceAccount, means: Means) -> TwilioVoiceControl | None:
    return TwilioVoiceControl(account.auth_token, means.calls) if means.calls else None


def _check(_: TwilioVoiceAccount, callback: str | None) -> None:
    if callback is None:
        raise no_public_url(VOICE_NAME)


TWILIO_VOICE: Final = Provider(
    channel=Channel.VOICE,
    name=VOICE_NAME,
    account=TwilioVoiceAccount,
    open=_open,
    receipts=_receipts,
    calls=_calls,
    check=_check,
    probe=probe_account,
)
