"""Exact sliding windows: no interval of a window's length admits more than the limit."""

import bisect
import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import attrs

from hsp_otp.domain.guard import Assessment, Group
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
"""The instants charged to a key, oldest first, at least as far back as its longest window."""


LONGEST_WINDOW: Final[Duration] = DAY
"""The longest window of any usage; failed guesses are kept in slots."""


CLIENT_WINDOW: Final[Duration] = HOUR
"""The longest window of any client limit."""


class Limit(enum.Enum):
    """The limits, each with the word that its refusal carries."""

    CONTACT_SENDS = "phone_rate_limited"
    MAILBOX_SENDS = "email_rate_limited"
    CLIENT = "rate_limited"
    COOLDOWN = "resend_too_soon"
    LOOKUPS = "lookup_rate_limited"
    APP = "app_rate_limited"
    NAMED = "named_limit"
    RANGE = "range_rate_limited"
    REGION = "region_rate_limited"
    SPEND = "spend_limited"


LIMITS: Final[Mapping[Group, Limit]] = {
    Group.ADDRESS: Limit.CLIENT,
    Group.NETWORK: Limit.CLIENT,
    Group.RANGE: Limit.RANGE,
    Group.BLOCK: Limit.RANGE,
    Group.REGION: Limit.REGION,
    Group.STRETCH: Limit.REGION,
    Group.REGION_CAP: Limit.REGION,
    Group.CAP: Limit.SPEND,
}
"""The limit that the guard refuses an ask by, by the group that is full."""

OF_GUARD: Final = frozenset({Limit.RANGE, Limit.REGION, Limit.SPEND})
"""The limits that the guard alone has; other ways than a message by phone may be open."""


class Quota(NamedTuple):
    """At most *limit* charges in any half-open interval of *window* microseconds; 0 is no limit."""

    limit: int
    window: Duration


class UsageKey(NamedTuple):
    """
    The key that a usage is stored under; a tuple, since a request makes and compares dozens.

    Attributes:
        scope: What is counted, for example ``phone_sends``.
        who: The contact or client it is counted for. May be a full number, so `repr` leaves it out.
    """

    scope: str
    who: str

    def __str__(self) -> str:
        return f"{self.scope}:{self.who}"

    def __repr__(self) -> str:
        return f"UsageKey(scope={self.scope!r})"


Usages: TypeAlias = Mapping[UsageKey, Usage]


class Demand(NamedTuple):
    """
    One limit that a request has to pass; a tuple, since a request makes about ten.

    Attributes:
        limit: The word of the refusal.
        quotas: All of them must admit the request; those that are off are skipped.
        weight: How often the key is charged if the request is admitted. It does not affect the
            judgement, so a refusal reveals nothing about the reason for the weight.
        name: Of a limit that an app has named.
    """

    limit: Limit
    key: UsageKey
    quotas: tuple[Quota, ...]
    weight: int = 1
    name: str | None = None


@attrs.frozen
class Refusal:
    """
    A limit refused the request.

    Attributes:
        retry_at: The first instant at which the same request would be admitted if nothing else were
            charged in the meantime.
        live: Of the cooldown, whether the code that was sent last can still be right; None of other
            limits.
        name: Of the limit that an app has named; None of other limits.
        assessment: What the guard made of the ask, if the guard refused it.
    """

    limit: Limit
    retry_at: Instant
    live: bool | None = None
    name: str | None = None
    assessment: Assessment | None = None

    @property
    def word(self) -> str:
        """The stable word of this outcome."""
        return self.limit.value


def admitted_at(usage: Sequence[Instant], quotas: Iterable[Quota], now: Instant) -> Instant:
    """
    The first instant, not before *now*, at which all *quotas* have room for one more charge.

    Instants after *now* count too, because the clocks of machines may differ.
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
    """The refusal with the longest wait, after which all admit; None if all admit now."""
    worst: Refusal | None = None
    for demand in demands:
        usage = usages.get(demand.key)
        if not usage:
            continue
        ready = admitted_at(usage, demand.quotas, now)
        if ready > now and (worst is None or ready > worst.retry_at):
            worst = Refusal(demand.limit, ready, name=demand.name)
    return worst


@lru_cache(maxsize=1024)  # policies have a few dozen
def reach(quotas: tuple[Quota, ...]) -> tuple[Duration, int]:
    """The longest window, and how many of the latest charges suffice to judge; 0 if all are off."""
    on = [quota for quota in quotas if quota.limit]
    longest = max([quota.window for quota in on], default=0)
    return longest, max([quota.limit for quota in on], default=0)


@attrs.frozen(kw_only=True)
class Headroom:
    """
    What is left of one quota.

    Attributes:
        name: Of a limit that an app has named.
        retry_at: When it admits one more.
    """

    limit: Limit
    name: str | None
    remaining: int
    window: Duration
    retry_at: Instant


def headroom(usages: Usages, demands: Iterable[Demand], now: Instant) -> tuple[Headroom, ...]:
    """What is left of the quotas of *demands* that are on."""
    left = list[Headroom]()
    for demand in demands:
        usage = usages.get(demand.key, ())
        for quota in demand.quotas:
            counted = len(usage) - bisect.bisect_right(usage, now - quota.window)
            if quota.limit:
                one = Headroom(
                    limit=demand.limit,
                    name=demand.name,
                    remaining=max(0, quota.limit - counted),
                    window=quota.window,
                    retry_at=admitted_at(usage, (quota,), now),
                )
                left.append(one)
    return tuple(left)


def charge(usages: Usages, demands: Iterable[Demand], now: Instant) -> Usages:
    """
    *usages* with every demand charged; the same mapping if nothing is charged.

    Charges that no window can reach any more are dropped, allowing for a machine whose clock is
    behind. So are those older than the number of charges that the largest quota admits, because
    they no longer affect any judgement.
    """
    charged: dict[UsageKey, Usage] = {}
    for demand in demands:
        longest, most = reach(demand.quotas)
        if longest and demand.weight:
            since = now - longest - CLOCK_SKEW
            kept = [at for at in usages.get(demand.key, ()) if at > since]
            for _ in range(demand.weight):
                bisect.insort(kept, now)
            charged[demand.key] = tuple(kept[-most:])
    return {**usages, **charged} if charged else usages


def taken_back(usages: Usages, demands: Iterable[Demand], at: Instant) -> Usages:
    """*usages* without what these demands were charged at that instant."""
    becomes: dict[UsageKey, Usage] = {}
    for demand in demands:
        usage = becomes.get(demand.key, usages.get(demand.key, ()))
        place = bisect.bisect_left(usage, at)
        end = min(bisect.bisect_right(usage, at), place + demand.weight)
        becomes[demand.key] = usage[:place] + usage[end:]
    return {**usages, **becomes}


def as_of(usages: Usages, now: Instant) -> Usages:
    """
    *usages* with future instants, left behind by a clock that ran ahead, taken as *now*. Returns
    the same mapping if there are none.
    """
    latest = max([usage[-1] for usage in usages.values() if usage], default=now)
    if is_credible(latest, now):
        return usages
    return {key: tuple(sorted(believed(at, now) for at in usage)) for key, usage in usages.items()}


def union(one: Usage, other: Usage) -> Usage:
    """
    The charges that either of two stores holds for the same usage.

    A charge that both hold counts once: it has the same instant in both.
    """
    if not other:
        return one
    return tuple(sorted((Counter(one) | Counter(other)).elements()))


def is_over(usage: Usage, now: Instant) -> bool:
    """Whether no window can reach any charge of *usage* any more, on any machine."""
    return not usage or usage[-1] <= now - LONGEST_WINDOW - CLOCK_SKEW
