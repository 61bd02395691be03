"""Formats numbers, times and words for the dashboard."""

from collections.abc import Mapping
from typing import Final, cast

from babel import Locale

from hsp_otp.domain.instant import Instant, to_datetime

UNKNOWN: Final = "unknown"
"""The word for an unknown value, in URLs and for people."""

REFUSED: Final = {
    "invalid_otp": "wrong code",
    "otp_expired": "no live code",
    "too_many_attempts": "guesses used up",
    "phone_rate_limited": "too many to one number",
    "email_rate_limited": "too many to one mailbox",
    "app_rate_limited": "too many for one app",
    "named_limit": "over a limit of an app",
    "range_rate_limited": "too many unverified in one range",
    "region_rate_limited": "too much spent on one country",
    "spend_limited": "too much spent",
    "rate_limited": "too many from one address",
    "resend_too_soon": "asked again too soon",
    "lookup_rate_limited": "too many look-ups",
    "locked_out": "locked by wrong guesses",
    "work_required": "work to be done first",
    "sms_failed": "no sender accepted it",
    "pass_not_found": "unknown pass",
    "pass_not_paid": "unpaid pass",
    "no_phone": "pass without a number",
    "internal_error": "internal error",
    "unavailable": "a store was unavailable",
}


def country(code: str) -> str:
    """Return the English name of a country."""
    names = cast("Mapping[str, str]", Locale("en").territories)  # the library has no types
    return names.get(code, code.capitalize() if code == UNKNOWN else code)


def seconds(value: float | None) -> str:
    """Format a duration for people."""
    if value is None:
        return "unknown"
    if value < 10:  # noqa: PLR2004
        return f"{value:.1f} s"
    if value < 120:  # noqa: PLR2004
        return f"{value:.0f} s"
    return f"{int(value) // 60} min {int(value) % 60:02d} s"


def moment(at: Instant) -> str:
    """Format *at* to the minute and in UTC, otherwise like `time_range.in_short`."""
    return f"{to_datetime(at):%Y-%m-%d %H:%M}"


def tick(at: Instant, *, days: bool) -> str:
    """Format *at* for the time axis."""
    return f"{to_datetime(at):%d %b}" if days else f"{to_datetime(at):%H:%M}"
