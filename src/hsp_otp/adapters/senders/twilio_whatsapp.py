"""WhatsApp messages by Twilio: its API for messages, with templates of its Content API."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from hsp_otp.adapters.senders.http_client import open_client
from hsp_otp.adapters.senders.provider import Means, Provider
from hsp_otp.adapters.senders.twilio import message_receipts, probe_account
from hsp_otp.adapters.senders.twilio_account import WHATSAPP_NAME, TwilioWhatsAppAccount
from hsp_otp.domain.contact import Channel
from hsp_otp.ports.sender import Sender, WhatsApp


@asynccontextmanager
async def _open(account: TwilioWhatsAppAccount, means: Means) -> AsyncGenerator[Sender[WhatsApp]]:
    # Imported late: the package is large, and other providers do not need it.
    from hsp_otp.adapters.senders.twilio_api import TwilioWhatsApp  # noqa: PLC0415

    async with open_client() as client:
        yield TwilioWhatsApp(account, client, means.callback)


TWILIO_WHATSAPP: Final = Provider(
    channel=Channel.WHATSAPP,
    name=WHATSAPP_NAME,
    account=TwilioWhatsAppAccount,
    open=_open,
    receipts=message_receipts,
    probe=probe_account,
)
