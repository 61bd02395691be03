"""Formats numbers, times and words for the dashboard."""

from collections.abc import Mapping
from typing import Final, cast

from babel import Locale

from hsp_otp.domain.instant import Instant, to_datetime

UNKNOWN: Final = "unknown"
"""What is not known, in an address and for people."""

REFUSED: Final = {
    "invalid_otp": "wrong code",
    "otp_expired": "no live code",
    "too_many_attempts": "guesses used up",
    "phone_rate_limited": "too many to one number",
    "rate_limited": "too many from one address",
    "resend_too_soon": "asked again too soon",
    "lookup_rate_limited": "too many look-ups",
    "locked_out": "locked by wrong guesses",
    "sms_failed": "no sender took it",
    "pass_not_found": "unknown pass",
    "pass_not_paid": "unpaid pass",
    "no_phone": "pass without a number",
    "internal_error": "failed on our side",
    "unavailable": "a store was away",
}


def country(code: str) -> str:
    """Its name in English."""
    names = cast("Mapping[str, str]", Locale("en").territories)  # it has no type
    return names.get(code, code.capitalize() if code == UNKNOWN else code)


def seconds(value: float | None) -> str:
    """As people say it."""
    if value is None:
        return "nobody knows"
    if value < 10:  # noqa: PLR2004
        return f"{value:.1f} s"
    if value < 120:  # noqa: PLR2004
        return f"{value:.0f} s"
    return f"{int(value) // 60} min {int(value) % 60:02d} s"


def moment(at: Instant) -> str:
    """Day and minute, in UTC."""
    return f"{to_datetime(at):%d %b %H:%M}"


def tick(at: Instant, *, days: bool) -> str:
    """For an axis."""
    return f"{to_datetime(at):%d %b}" if days else f"{to_datetime(at):%H:%M}"
