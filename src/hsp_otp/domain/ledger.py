"""
What a group of asks owes: what was sent for it and not paid back, and what was verified.

Amounts are counted by whole hours and by whole days, both in UTC. A window reaches one bucket
further back for what is owed than for what was verified, so it never counts a debt too little nor a
payment too much.
"""

from bisect import bisect_left
from functools import lru_cache
from typing import Final, NamedTuple

import attrs

from hsp_otp.domain.instant import CLOCK_SKEW, DAY, HOUR, Duration, Instant, after

LONGEST_DAYS: Final = 30
"""The longest window that is counted by days."""

LONGEST_HOURS: Final = 24
"""The longest window that is counted by hours."""

LEDGER_WINDOW: Final[Duration] = (LONGEST_DAYS + 1) * DAY
"""How far back any window reaches, whole buckets included."""


class Series(NamedTuple):
    """
    Amounts by bucket, oldest first; buckets without any are left out.

    Attributes:
        buckets: Whole hours or whole days since 1970.
        amounts: As many as there are buckets, each above zero.
    """

    buckets: tuple[int, ...] = ()
    amounts: tuple[int, ...] = ()

    def since(self, bucket: int) -> int:
        """The sum of *bucket* and all later ones."""
        buckets, amounts = self
        if not buckets or buckets[-1] < bucket:
            return 0
        return sum(amounts if buckets[0] >= bucket else amounts[bisect_left(buckets, bucket) :])

    def of(self, bucket: int) -> int:
        """The amount of one bucket."""
        buckets, amounts = self
        if not buckets:
            return 0
        if buckets[-1] == bucket:
            return amounts[-1]
        place = bisect_left(buckets, bucket)
        return amounts[place] if place < len(buckets) and buckets[place] == bucket else 0

    def plus(self, bucket: int, amount: int, *, since: int) -> "Series":
        """
        This with *amount* added to *bucket*, without the buckets before *since*.

        A negative *amount* takes no more away than there is.
        """
        buckets, amounts = self
        if not buckets:
            return _series((bucket,), (amount,)) if amount > 0 else self
        first = 0 if buckets[0] >= since else bisect_left(buckets, since)
        last = buckets[-1]
        if last == bucket:  # nearly always: it is the present one
            place, end, total = len(buckets) - 1, len(buckets), amounts[-1] + amount
            if total > 0:
                return _series(buckets[first:], (*amounts[first:place], total))
        elif last < bucket and amount > 0:
            return _series((*buckets[first:], bucket), (*amounts[first:], amount))
        else:
            place = bisect_left(buckets, bucket, first)
            is_there = place < len(buckets) and buckets[place] == bucket
            end, total = place + is_there, amount + (amounts[place] if is_there else 0)
        if total <= 0:
            return _series(
                buckets[first:place] + buckets[end:], amounts[first:place] + amounts[end:]
            )
        return _series(
            (*buckets[first:place], bucket, *buckets[end:]),
            (*amounts[first:place], total, *amounts[end:]),
        )

    def as_of(self, latest: int) -> "Series":
        """This with the amounts of buckets after *latest* taken for those of *latest*."""
        if not self.buckets or self.buckets[-1] <= latest:
            return self
        ahead = self.since(latest + 1)
        place = bisect_left(self.buckets, latest + 1)
        past = Series(self.buckets[:place], self.amounts[:place])
        return past.plus(latest, ahead, since=0)


def _series(buckets: tuple[int, ...], amounts: tuple[int, ...]) -> Series:
    """A series, made without the two calls in Python that the class takes."""
    made: Series = tuple.__new__(Series, (buckets, amounts))  # pyright: ignore[reportUnknownMemberType] - of `tuple`
    return made


@attrs.frozen(kw_only=True)
class Ledger:
    """What one group owes and has verified: messages, or micro-dollars."""

    owed_hours: Series = Series()
    owed_days: Series = Series()
    verified_hours: Series = Series()
    verified_days: Series = Series()


class DebtLimit(NamedTuple):
    """
    A group may owe *floor* and *percent* of what was verified for it, both within *window*.

    Attributes:
        window: Up to a day in whole hours, or more in whole days.
    """

    floor: int
    percent: int
    window: Duration


def bucket_size(window: Duration) -> Duration:
    """The length of the buckets that a window is counted by."""
    return HOUR if window <= LONGEST_HOURS * HOUR else DAY


def owed(ledger: Ledger, window: Duration, now: Instant) -> int:
    """What is owed within *window*, and at most one bucket more."""
    size = bucket_size(window)
    return _owed(ledger, size).since(now // size - window // size)


def most_owed(ledger: Ledger) -> int:
    """No less than is owed within any window."""
    return max(sum(ledger.owed_hours.amounts), sum(ledger.owed_days.amounts))


def verified(ledger: Ledger, window: Duration, now: Instant) -> int:
    """What was verified within *window*, and at most one bucket less."""
    size = bucket_size(window)
    series = ledger.verified_hours if size == HOUR else ledger.verified_days
    return series.since(now // size - window // size + 1)


def allowance(ledger: Ledger, limit: DebtLimit, factor: int, now: Instant) -> int:
    """
    What a group may owe.

    Args:
        factor: Percent that the share of what was verified grows to.
    """
    floor, percent, window = limit
    if not ledger.verified_days.buckets:
        return floor
    return floor + percent * factor * verified(ledger, window, now) // 10_000


def charge(ledger: Ledger, amount: int, now: Instant) -> Ledger:
    """*ledger* with one more debt, without what no window reaches."""
    hour, day, first_hour, first_day = _buckets(now // HOUR)
    return Ledger(
        owed_hours=ledger.owed_hours.plus(hour, amount, since=first_hour),
        owed_days=ledger.owed_days.plus(day, amount, since=first_day),
        verified_hours=ledger.verified_hours,
        verified_days=ledger.verified_days,
    )


def forgive(ledger: Ledger, amount: int, at: Instant) -> Ledger:
    """*ledger* without a debt that was charged *at* that instant, as far as its hour has it."""
    forgiven = min(amount, ledger.owed_hours.of(at // HOUR))
    if not forgiven:
        return ledger
    return Ledger(
        owed_hours=ledger.owed_hours.plus(at // HOUR, -forgiven, since=0),
        owed_days=ledger.owed_days.plus(at // DAY, -forgiven, since=0),
        verified_hours=ledger.verified_hours,
        verified_days=ledger.verified_days,
    )


def verify(ledger: Ledger, amount: int, now: Instant) -> Ledger:
    """*ledger* with *amount* verified."""
    hour, day, first_hour, first_day = _buckets(now // HOUR)
    return Ledger(
        owed_hours=ledger.owed_hours,
        owed_days=ledger.owed_days,
        verified_hours=ledger.verified_hours.plus(hour, amount, since=first_hour),
        verified_days=ledger.verified_days.plus(day, amount, since=first_day),
    )


def pay(ledger: Ledger, amount: int, at: Instant, now: Instant) -> Ledger:
    """`forgive` a debt whose code was right, and `verify` its amount."""
    hour, day, first_hour, first_day = _buckets(now // HOUR)
    owed_hours, owed_days = ledger.owed_hours, ledger.owed_days
    owed_at = at // HOUR
    forgiven = min(amount, owed_hours.of(owed_at))
    if forgiven:
        owed_hours = owed_hours.plus(owed_at, -forgiven, since=0)
        owed_days = owed_days.plus(owed_at // 24, -forgiven, since=0)
    return Ledger(
        owed_hours=owed_hours,
        owed_days=owed_days,
        verified_hours=ledger.verified_hours.plus(hour, amount, since=first_hour),
        verified_days=ledger.verified_days.plus(day, amount, since=first_day),
    )


def merged(one: Ledger, other: Ledger) -> Ledger:
    """What either of two stores knows of the same group; what both know counts once."""
    return Ledger(
        owed_hours=_merged(one.owed_hours, other.owed_hours),
        owed_days=_merged(one.owed_days, other.owed_days),
        verified_hours=_merged(one.verified_hours, other.verified_hours),
        verified_days=_merged(one.verified_days, other.verified_days),
    )


def as_of(ledger: Ledger, now: Instant) -> Ledger:
    """
    *ledger* with what a clock that ran ahead left in the future taken as of *now*; the very
    *ledger* if there is none.
    """
    latest = (now + CLOCK_SKEW) // HOUR
    owed_until, verified_until = ledger.owed_hours.buckets, ledger.verified_hours.buckets
    if (not owed_until or owed_until[-1] <= latest) and (
        not verified_until or verified_until[-1] <= latest
    ):
        return ledger
    hour, day = latest, latest // 24
    return Ledger(
        owed_hours=ledger.owed_hours.as_of(hour),
        owed_days=ledger.owed_days.as_of(day),
        verified_hours=ledger.verified_hours.as_of(hour),
        verified_days=ledger.verified_days.as_of(day),
    )


def is_over(ledger: Ledger, now: Instant) -> bool:
    """Whether no window reaches anything in *ledger* any more, on any machine."""
    first = after(now, -LEDGER_WINDOW - CLOCK_SKEW) // DAY
    return all(
        not series.buckets or series.buckets[-1] < first
        for series in (ledger.owed_days, ledger.verified_days)
    )


def let_go(ledger: Ledger, window: Duration, now: Instant) -> list[Instant]:
    """The instants after *now* at which a debt leaves *window*, earliest first."""
    size = bucket_size(window)
    reach = window // size
    oldest = now // size - reach
    buckets = _owed(ledger, size).buckets
    return [Instant((one + reach + 1) * size) for one in buckets if one >= oldest]


def best_day(ledger: Ledger, days: int, now: Instant) -> int:
    """What was verified on the best of the last *days* whole days."""
    today, (buckets, amounts) = now // DAY, ledger.verified_days
    first, end = bisect_left(buckets, today - days), bisect_left(buckets, today)
    return max(amounts[first:end], default=0)


def usual_debt(ledger: Ledger, days: int, least: int, now: Instant) -> tuple[int, int, int]:
    """
    How many of *days* are known, the median of what was owed on them in percent of what was
    verified, and all that was verified on them.

    The last of the days is that before yesterday: nothing pays back its debts any more, so the
    median is the same all day. A day is known if at least *least* was verified on it. Of an even
    number of days the median is the higher one of the two in the middle.
    """
    end = now // DAY - 1
    ratios, total = list[int](), 0
    for day in range(end - days, end):
        of_day = ledger.verified_days.of(day)
        total += of_day
        if of_day and of_day >= least:
            ratios.append(100 * ledger.owed_days.of(day) // of_day)
    ratios.sort()
    return len(ratios), ratios[len(ratios) // 2] if ratios else 0, total


def _merged(one: Series, other: Series) -> Series:
    buckets = tuple(sorted({*one.buckets, *other.buckets}))
    return Series(buckets, tuple(max(one.of(at), other.of(at)) for at in buckets))


def _owed(ledger: Ledger, size: Duration) -> Series:
    return ledger.owed_hours if size == HOUR else ledger.owed_days


@lru_cache(maxsize=4)
def _buckets(hour: int) -> tuple[int, int, int, int]:
    """
    The hour and its day, and the first of each that is kept: one more than windows reach, for a
    machine whose clock is behind.
    """
    day = hour // 24
    return hour, day, hour - LONGEST_HOURS - 1, day - LONGEST_DAYS - 1
