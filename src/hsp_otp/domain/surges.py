"""Detects when traffic departs from its usual level."""

from collections.abc import Mapping, Sequence
from math import inf
from statistics import median
from typing import Final

import attrs

from hsp_otp.domain.instant import Duration, Instant, after

SURGE_TIMES: Final = 3
"""Times what is usual, from which on it is a surge."""

SURGE_SENDS: Final = 20
"""Sends within a period that are worth anybody's look, however quiet it is else."""

_LEAST_BEATS: Final = 6
"""Periods with sends, below which nobody knows what is usual."""


@attrs.frozen(kw_only=True)
class Beat:
    """
    One period.

    Attributes:
        at: When it began.
        sent: Codes.
        verified: Those of right codes.
    """

    at: Instant
    sent: int
    verified: int


@attrs.frozen(kw_only=True)
class Surge:
    """
    A time in which far more was sent than usual, and far less of it verified.

    Attributes:
        since: Inside.
        until: Outside.
        usual: Sends that there usually are in as long a time.
        usual_percent: Of sends that usually are verified.
    """

    since: Instant
    until: Instant
    sent: int
    verified: int
    usual: int
    usual_percent: int


def surges(beats: Sequence[Beat], period: Duration) -> list[Surge]:
    """
    The surges among *beats*, which follow each other.

    Many people who come at once verify what they ask for; that is none. Neither is it one where
    what was sent is as usual, and only the codes do not arrive: the pictures tell of that.
    """
    busy = [beat.sent for beat in beats if beat.sent]
    if len(busy) < _LEAST_BEATS:
        return []
    usual = median(busy)
    most = max(SURGE_SENDS, SURGE_TIMES * usual)
    calm = [beat for beat in beats if beat.sent < most]
    percent = share(sum(beat.verified for beat in calm), sum(beat.sent for beat in calm))
    found: list[Surge] = []
    for beat in beats:
        if beat.sent < most or 2 * share(beat.verified, beat.sent) >= percent:
            continue
        last = found[-1] if found and found[-1].until == beat.at else None
        one = Surge(
            since=last.since if last else beat.at,
            until=after(beat.at, period),
            sent=beat.sent + (last.sent if last else 0),
            verified=beat.verified + (last.verified if last else 0),
            usual=round(usual) + (last.usual if last else 0),
            usual_percent=percent,
        )
        found = [*(found[:-1] if last else found), one]
    return found


def share(part: int, whole: int) -> int:
    """*part* of *whole* in percent, 100 at most; 0 where there is nothing."""
    return min(100, round(100 * part / whole)) if whole else 0


def quantile(buckets: Mapping[float, int], part: float) -> float | None:
    """
    What *part* of all is at most; in between the ends of a bucket it is taken to be even.

    Args:
        buckets: How many there are in each, by its upper end; the last may be endless.

    Returns:
        None where there are none; the end before where it lies in an endless bucket.
    """
    wanted = part * sum(buckets.values())
    below, begin = 0, 0.0
    for end in sorted(buckets):
        count = buckets[end]
        if count and below + count >= wanted:
            if end == inf:
                return begin
            return begin + (end - begin) * (wanted - below) / count
        below, begin = below + count, end
    return None
