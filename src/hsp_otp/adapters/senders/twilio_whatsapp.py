"""WhatsApp messages by Twilio: its API for messages, with templates of its Content API."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from hsp_otp.adapters.senders.http_client import open_client
from hsp_otp.adapters.senders.provider import Means, Probed, Provider
from hsp_otp.adapters.senders.twilio import TwilioReceipts
from hsp_otp.adapters.senders.twilio_account import WHATSAPP_NAME, TwilioWhatsAppAccount
from hsp_otp.domain.contact import Channel
from hsp_otp.ports.sender import Sender, WhatsApp


@asynccontextmanager
async def _open(account: TwilioWhatsAppAccount, means: Means) -> AsyncGenerator[Sender[WhatsApp]]:
    # Imported late: the package is large, and other providers do not need it.
    from hsp_otp.adapters.senders.twilio_api import TwilioWhatsApp  # noqa: PLC0415

    async with open_client() as client:
        yield TwilioWhatsApp(account, client, means.callback)


async def _probe(account: TwilioWhatsAppAccount, _: Means) -> Probed:
    from hsp_otp.adapters.senders.twilio_api import probe  # noqa: PLC0415 - as above

    return await probe(account)


def _receipts(account: TwilioWhatsAppAccount, means: Means) -> TwilioReceipts | None:
    return TwilioReceipts(account.auth_token, means.callback) if means.callback else None


TWILIO_WHATSAPP: Final = Provider(
    channel=Channel.WHATSAPP,
    name=WHATSAPP_NAME,
    account=TwilioWhatsAppAccount,
    open=_open,
    receipts=_receipts,
    probe=_probe,
)
