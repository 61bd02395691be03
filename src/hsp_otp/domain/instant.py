"""Time in whole microseconds: exact to compare, compact to store, and independent of time zones."""

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
"""The largest expected difference between the clocks of two machines."""

_ISO = re.compile(r"[0-9]{4}[0-9W-]*([T ][0-9:.,]+(Z|[+-][0-9:]+)?)?")
_NO_INSTANT = "neither a date nor an ISO 8601 instant"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = date.min


def after(instant: Instant, duration: Duration) -> Instant:
    """The instant *duration* after *instant*, or before it if *duration* is negative."""
    return Instant(instant + duration)


def is_credible(at: Instant, now: Instant) -> bool:
    """
    Whether *at* can be in the past, given that clocks differ.

    A later instant was recorded by a clock that ran ahead and has since been set back.
    """
    return at <= now + CLOCK_SKEW


def believed(at: Instant, now: Instant) -> Instant:
    """*at* if it is credible; otherwise *now*, the latest instant that it can have been."""
    return at if is_credible(at, now) else now


def day_of(at: Instant) -> Instant:
    """The instant at which the day of *at* begins, in UTC."""
    return Instant(at - at % DAY)


def seconds_until(later: Instant, now: Instant) -> int:
    """
    Whole seconds from *now* to *later*, rounded up, never negative.

    After waiting that long, *later* has been reached; a second less is not enough.
    """
    return max(0, -((now - later) // SECOND))


def from_datetime(moment: datetime) -> Instant:
    """The instant of *moment*, which must be aware."""
    return Instant((moment - _EPOCH) // timedelta(microseconds=1))


def to_datetime(instant: Instant) -> datetime:
    """The aware UTC datetime of *instant*."""
    return _EPOCH + timedelta(microseconds=instant)


def last_day_before(end: Instant) -> date:
    """The day in UTC that contains the last microsecond before *end*."""
    moment = to_datetime(end)
    if moment.time() != time.min or moment.date() == _FIRST_DAY:
        return moment.date()
    return moment.date() - timedelta(days=1)


def from_iso(text: str) -> Instant:
    """
    The instant of an ISO 8601 date or date and time, in UTC unless it names an offset.

    Raises:
        ValueError: The text is neither.
    """
    # The library by itself accepts any character between date and time.
    if not _ISO.fullmatch(text):
        raise ValueError(_NO_INSTANT)
    try:
        moment = datetime.fromisoformat(text)
        instant = from_datetime(moment.replace(tzinfo=moment.tzinfo or UTC))
        to_datetime(instant)  # in UTC, its year may be out of range
    except (ValueError, OverflowError):
        raise ValueError(_NO_INSTANT) from None
    return instant


def to_iso(instant: Instant) -> str:
    """ISO 8601 in UTC with Z; with a fraction only if there is one."""
    return to_datetime(instant).isoformat().replace("+00:00", "Z")
