"""The table of senders: one line for each provider."""

from collections.abc import Mapping
from typing import Any, Final

from hsp_otp.adapters.senders.console import CONSOLE
from hsp_otp.adapters.senders.provider import Provider
from hsp_otp.adapters.senders.twilio import TWILIO
from hsp_otp.adapters.senders.vonage import VONAGE
from hsp_otp.adapters.senders.webhook import WEBHOOK

_TABLE: Final[tuple[Provider[Any], ...]] = (
    CONSOLE,
    TWILIO,
    VONAGE,
    WEBHOOK,
)

SENDERS: Final[Mapping[str, Provider[Any]]] = {provider.name: provider for provider in _TABLE}
"""By the names that `HSP_OTP_SENDERS` knows."""


def receipts_path(name: str) -> str:
    """Where the provider of that name reports what becomes of messages."""
    return f"/callbacks/{name}/status/"


def receipts_url(public_url: str, name: str) -> str | None:
    """The same as the provider sees it; None where it sees nothing of us."""
    return public_url + receipts_path(name) if public_url else None
