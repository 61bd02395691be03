"""Time as whole microseconds: `docs/contract.md`, limits."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.instant import (
    CLOCK_SKEW,
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Instant,
    after,
    from_datetime,
    from_iso,
    seconds_until,
    to_datetime,
    to_iso,
)
from tests.world import START


def test_units() -> None:
    """Durations are microseconds."""
    assert (SECOND, MINUTE, HOUR, DAY) == (1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000)


def test_clocks_may_differ_by_five_seconds() -> None:
    """The clocks of two machines lie at most five seconds apart."""
    assert CLOCK_SKEW == 5_000_000


def test_after_goes_both_ways() -> None:
    """A negative duration goes back."""
    assert after(Instant(10), 5) == 15
    assert after(Instant(10), -5) == 5


@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        (-5_000_000, 0),
        (-1, 0),
        (0, 0),
        (1, 1),
        (999_999, 1),
        (1_000_000, 1),
        (1_000_001, 2),
        (30_000_000, 30),
    ],
)
def test_seconds_are_rounded_up(left: int, seconds: int) -> None:
    """A wait is told in whole seconds, rounded up, and never negative."""
    assert seconds_until(Instant(START + left), START) == seconds


@given(wait=st.integers(1, 40 * DAY))
def test_seconds_suffice_and_one_less_does_not(wait: int) -> None:
    """Whoever waits the told seconds is there, and a second less is not enough."""
    later = Instant(START + wait)
    told = seconds_until(later, START)
    assert START + told * 1_000_000 >= later
    assert START + (told - 1) * 1_000_000 < later


def test_datetimes_lose_nothing() -> None:
    """An aware datetime of any zone becomes its instant, and comes back in UTC."""
    india = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2026, 1, 1, 5, 30, 0, 7, tzinfo=india)
    assert from_datetime(moment) == 1_767_225_600_000_007
    assert isinstance(from_datetime(moment), int)
    assert to_datetime(Instant(1_767_225_600_000_007)) == datetime(2026, 1, 1, 0, 0, 0, 7, UTC)


def test_before_1970() -> None:
    """Instants before the epoch are negative."""
    assert from_datetime(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)) == -1_000_000


def test_naive_datetimes_are_refused() -> None:
    """A datetime without a zone is no instant."""
    with pytest.raises(TypeError):
        from_datetime(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused here


def test_iso() -> None:
    """ISO 8601 ends in Z, and has fractions only where there are any."""
    assert to_iso(START) == "2026-01-01T00:00:00Z"
    assert to_iso(Instant(START + 1)) == "2026-01-01T00:00:00.000001Z"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86_400),
        ("1970-01-01T00:01:00", 60),
        ("1970-01-01 00:01:00Z", 60),
        ("1970-01-01T02:00:00+02:00", 0),
    ],
)
def test_dates_and_instants(text: str, seconds: int) -> None:
    """ISO 8601 is read in UTC, unless it says otherwise; a date is its first moment."""
    assert from_iso(text) == seconds * SECOND


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "1970-01-01x00:00", "0001-01-01T00:00+23:00"]
)
def test_what_is_no_instant(text: str) -> None:
    """Anything else is refused, in words that repeat nothing of it."""
    with pytest.raises(ValueError, match=r"^neither a date nor an ISO 8601 instant$"):
        from_iso(text)
