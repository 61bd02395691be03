"""Exact sliding windows: in any interval of a window's length at most the limit is admitted."""

import bisect
import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from hsp_otp.domain.instant import (
    CLOCK_SKEW,
    DAY,
    HOUR,
    Duration,
    Instant,
    after,
    believed,
    is_credible,
)

Usage: TypeAlias = tuple[Instant, ...]
"""What was charged to a key, oldest first, at least as far back as its longest window."""


LONGEST_WINDOW: Final[Duration] = DAY
"""Of any usage; failed guesses are kept in slots."""


CLIENT_WINDOW: Final[Duration] = HOUR
"""The longest window of any limit of a client."""


class Limit(enum.Enum):
    """The limits, by the word that a refusal carries."""

    CONTACT_SENDS = "phone_rate_limited"
    CLIENT = "rate_limited"
    COOLDOWN = "resend_too_soon"
    LOOKUPS = "lookup_rate_limited"


@attrs.frozen
class Quota:
    """
    Attributes:
        limit: Charges admitted in any interval of *window*, half open; 0 switches it off.
        window: In microseconds.
    """

    limit: int
    window: Duration


@attrs.frozen(cache_hash=True)
class UsageKey:
    """
    What a usage is counted for.

    Attributes:
        scope: What is counted, for example ``phone_sends``.
        who: Whom it is counted for. May be a full number, so `repr` leaves it out.
    """

    scope: str
    who: str = attrs.field(repr=False)

    def __str__(self) -> str:
        return f"{self.scope}:{self.who}"


Usages: TypeAlias = Mapping[UsageKey, Usage]


@attrs.frozen(kw_only=True)
class Demand:
    """
    One limit that a request wants to pass.

    Attributes:
        limit: The word of the refusal.
        quotas: All of them must admit it; those that are off are skipped.
        weight: How often the key is charged once the request is admitted. It plays no part in
            the judgement, so that a refusal tells nothing about what the weight depends on.
    """

    limit: Limit
    key: UsageKey
    quotas: tuple[Quota, ...]
    weight: int = 1

    @property
    def longest(self) -> Duration:
        """The longest window that is on, or 0 where none is."""
        return max([quota.window for quota in self.quotas if quota.limit], default=0)

    @property
    def most(self) -> int:
        """How many of the latest charges its quotas can be judged by."""
        return max([quota.limit for quota in self.quotas], default=0)


@attrs.frozen
class Refusal:
    """
    A limit said no.

    Attributes:
        retry_at: The first instant at which the same request would be admitted if nothing
            else were charged meanwhile.
    """

    limit: Limit
    retry_at: Instant

    @property
    def word(self) -> str:
        """The stable word of this outcome."""
        return self.limit.value


def admitted_at(usage: Sequence[Instant], quotas: Iterable[Quota], now: Instant) -> Instant:
    """
    The first instant, at *now* or later, at which all *quotas* have room for one more.

    Instants that lie after *now* count too: machines' clocks may differ.
    """
    ready = now
    for quota in quotas:
        if quota.limit == 0:
            continue
        counted = usage[bisect.bisect_right(usage, now - quota.window) :]
        excess = len(counted) - quota.limit
        if excess >= 0:
            ready = max(ready, after(counted[excess], quota.window))
    return ready


def judge(usages: Usages, demands: Iterable[Demand], now: Instant) -> Refusal | None:
    """The refusal with the longest wait, so that its wait suffices; None where all admit."""
    worst: Refusal | None = None
    for demand in demands:
        usage = usages.get(demand.key)
        if not usage:
            continue
        ready = admitted_at(usage, demand.quotas, now)
        if ready > now and (worst is None or ready > worst.retry_at):
            worst = Refusal(demand.limit, ready)
    return worst


def charge(usages: Usages, demands: Iterable[Demand], now: Instant) -> Usages:
    """
    *usages* with every demand charged; the very mapping where nothing is.

    What no window can reach any more is dropped, not even that of a machine whose clock is behind,
    and so is what lies before as many charges as any quota admits: it decides nothing.
    """
    charged: dict[UsageKey, Usage] = {}
    for demand in demands:
        longest = demand.longest
        if longest and demand.weight:
            reach = now - longest - CLOCK_SKEW
            kept = [at for at in usages.get(demand.key, ()) if at > reach]
            for _ in range(demand.weight):
                bisect.insort(kept, now)
            charged[demand.key] = tuple(kept[-demand.most :])
    return {**usages, **charged} if charged else usages


def as_of(usages: Usages, now: Instant) -> Usages:
    """
    *usages* with what a clock that was ahead has left in the future believed to be of *now*; the
    very mapping where there is nothing of the kind.
    """
    if all(not usage or is_credible(usage[-1], now) for usage in usages.values()):
        return usages
    return {key: tuple(sorted(believed(at, now) for at in usage)) for key, usage in usages.items()}


def union(one: Usage, other: Usage) -> Usage:
    """
    What either of two memories of the same usage holds.

    A charge that both remember is one: both know it by its instant.
    """
    if not other:
        return one
    return tuple(sorted((Counter(one) | Counter(other)).elements()))


def is_over(usage: Usage, now: Instant) -> bool:
    """Whether no window can reach any of *usage* any more, on whatever machine."""
    return not usage or usage[-1] <= now - LONGEST_WINDOW - CLOCK_SKEW
