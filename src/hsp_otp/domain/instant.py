"""Time as whole microseconds: exact to compare, small to store, and free of time zones."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import NewType, TypeAlias

Instant = NewType("Instant", int)
"""Microseconds since 1970-01-01T00:00:00Z."""

Duration: TypeAlias = int
"""Microseconds."""

SECOND: Duration = 1_000_000
MINUTE: Duration = 60 * SECOND
HOUR: Duration = 60 * MINUTE
DAY: Duration = 24 * HOUR

CLOCK_SKEW: Duration = 5 * SECOND
"""How far the clocks of two machines may lie apart."""

_ISO = re.compile(r"[0-9]{4}[0-9W-]*([T ][0-9:.,]+(Z|[+-][0-9:]+)?)?")
_NO_INSTANT = "neither a date nor an ISO 8601 instant"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = date.min


def after(instant: Instant, duration: Duration) -> Instant:
    """The instant that lies *duration* later; earlier where it is negative."""
    return Instant(instant + duration)


def is_credible(at: Instant, now: Instant) -> bool:
    """
    Whether something can have happened at *at*, although clocks differ.

    What lies further ahead was noted by a clock that was ahead, and has been set back since.
    """
    return at <= now + CLOCK_SKEW


def believed(at: Instant, now: Instant) -> Instant:
    """*at* where it is credible; else *now*, for it was not later than that."""
    return at if is_credible(at, now) else now


def seconds_until(later: Instant, now: Instant) -> int:
    """
    Whole seconds from *now* to *later*, rounded up, never negative.

    Whoever waits that long has reached *later*; whoever waits a second less has not.
    """
    return max(0, -((now - later) // SECOND))


def from_datetime(moment: datetime) -> Instant:
    """The instant of an aware *moment*."""
    return Instant((moment - _EPOCH) // timedelta(microseconds=1))


def to_datetime(instant: Instant) -> datetime:
    """The aware UTC datetime of *instant*."""
    return _EPOCH + timedelta(microseconds=instant)


def last_day_before(end: Instant) -> date:
    """The day in UTC on which the last microsecond before *end* lies."""
    moment = to_datetime(end)
    if moment.time() != time.min or moment.date() == _FIRST_DAY:
        return moment.date()
    return moment.date() - timedelta(days=1)


def from_iso(text: str) -> Instant:
    """
    The instant of a date or an ISO 8601 instant, in UTC unless it says otherwise.

    Raises:
        ValueError: It is neither.
    """
    # The library alone takes any character between date and time.
    if not _ISO.fullmatch(text):
        raise ValueError(_NO_INSTANT)
    try:
        moment = datetime.fromisoformat(text)
        instant = from_datetime(moment.replace(tzinfo=moment.tzinfo or UTC))
        to_datetime(instant)  # in UTC it may be of a year that no date has
    except (ValueError, OverflowError):
        raise ValueError(_NO_INSTANT) from None
    return instant


def to_iso(instant: Instant) -> str:
    """ISO 8601 in UTC with Z; fractions only where there are any."""
    return to_datetime(instant).isoformat().replace("+00:00", "Z")
