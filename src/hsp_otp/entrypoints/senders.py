"""The table of senders: one line for each provider."""

from collections.abc import Mapping
from typing import Any, Final

from hsp_otp.adapters.senders.console import (
    CONSOLE,
    CONSOLE_EMAIL,
    CONSOLE_VOICE,
    CONSOLE_WHATSAPP,
)
from hsp_otp.adapters.senders.meta_whatsapp import META_WHATSAPP
from hsp_otp.adapters.senders.provider import Provider
from hsp_otp.adapters.senders.smtp import SMTP_RELAYS
from hsp_otp.adapters.senders.twilio import TWILIO
from hsp_otp.adapters.senders.twilio_whatsapp import TWILIO_WHATSAPP
from hsp_otp.adapters.senders.vonage import VONAGE
from hsp_otp.adapters.senders.webhook import WEBHOOK

_TABLE: Final[tuple[Provider[Any], ...]] = (
    CONSOLE,
    CONSOLE_EMAIL,
    CONSOLE_VOICE,
    CONSOLE_WHATSAPP,
    META_WHATSAPP,
    SMTP_RELAYS,
    TWILIO,
    TWILIO_WHATSAPP,
    VONAGE,
    WEBHOOK,
)

SENDERS: Final[Mapping[str, Provider[Any]]] = {provider.name: provider for provider in _TABLE}
"""The providers by their names in `HSP_OTP_SENDERS`."""


def receipts_path(name: str) -> str:
    """Return the path to which the provider *name* sends delivery receipts."""
    return f"/callbacks/{name}/status/"


def receipts_url(public_url: str, name: str) -> str | None:
    """Return the public URL for delivery receipts; None if the service has no public URL."""
    return public_url + receipts_path(name) if public_url else None
