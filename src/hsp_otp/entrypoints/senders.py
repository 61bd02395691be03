"""The table of senders: one line for each provider."""

from collections.abc import Mapping
from typing import Any, Final

from hsp_otp.adapters.sms.console import CONSOLE
from hsp_otp.adapters.sms.provider import Provider
from hsp_otp.adapters.sms.twilio import TWILIO

_TABLE: Final[tuple[Provider[Any], ...]] = (
    CONSOLE,
    TWILIO,
)

SENDERS: Final[Mapping[str, Provider[Any]]] = {provider.name: provider for provider in _TABLE}
"""By the names that `HSP_OTP_SENDERS` knows."""


def receipts_path(name: str) -> str:
    """Where the provider of that name reports what becomes of messages."""
    return f"/callbacks/{name}/status/"
