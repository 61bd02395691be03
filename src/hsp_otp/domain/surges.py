"""Detection of surges: traffic far above its usual level."""

from collections.abc import Mapping, Sequence
from math import inf
from statistics import median
from typing import Final

import attrs

from hsp_otp.domain.instant import Duration, Instant, after

SURGE_TIMES: Final = 3
"""Multiple of the usual traffic at which a surge begins."""

SURGE_SENDS: Final = 20
"""Sends within a period that deserve attention even if traffic is otherwise low."""

_LEAST_BEATS: Final = 6
"""Minimum number of periods with sends; with fewer, the usual level is unknown."""


@attrs.frozen(kw_only=True)
class Beat:
    """
    The traffic of one period.

    Attributes:
        at: When the period began.
        sent: Codes sent.
        verified: Sent codes that were verified.
    """

    at: Instant
    sent: int
    verified: int


@attrs.frozen(kw_only=True)
class Surge:
    """
    A time in which far more codes than usual were sent, and far fewer of them verified.

    Attributes:
        since: Inclusive.
        until: Exclusive.
        usual: The usual number of sends in a time of this length.
        usual_percent: The percentage of sends that is usually verified.
    """

    since: Instant
    until: Instant
    sent: int
    verified: int
    usual: int
    usual_percent: int


def surges(beats: Sequence[Beat], period: Duration) -> list[Surge]:
    """
    The surges among *beats*, which are consecutive.

    A rush of real people is not a surge, because they verify the codes they ask for. Usual traffic
    whose codes do not arrive is not a surge either; the charts show it.
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
    """*part* of *whole* in percent, at most 100; 0 if *whole* is 0."""
    return min(100, round(100 * part / whole)) if whole else 0


def quantile(buckets: Mapping[float, int], part: float) -> float | None:
    """
    The value that the fraction *part* of the observations does not exceed, interpolated linearly
    within a bucket.

    Args:
        buckets: The number of observations in each bucket, by its upper bound; the last may be
            infinite.

    Returns:
        None without observations; the lower bound of the bucket if the bucket is unbounded.
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
