"""
Limits on a client's activity, whatever its purpose: look-ups, checks, rejected requests and failed
authentications.

Each limit holds for the client's address and, several times as wide, for its network. Scans for
pass codes from many networks are caught by counting everybody's misses. While that count is above
its limit, a client that nobody has signed in from may miss only a few times, and learns less from
each miss.
"""

import enum
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from operator import attrgetter
from typing import Final

import attrs

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import MISS_WEIGHT, ClientLimits
from hsp_otp.domain.quota import (
    Demand,
    Limit,
    Quota,
    Refusal,
    Usage,
    UsageKey,
    Usages,
    admitted_at,
    as_of,
    charge,
    judge,
)


class Counted(enum.Enum):
    """The activities that are counted per client, by the scope that they are stored under."""

    LOOKUPS = "lookups"
    MISSES = "lookup_misses"
    CHECKS = "checks"
    UNSENT_ASKS = "unsent_asks"
    REJECTED = "rejected_requests"
    AUTHENTICATIONS = "failed_authentications"


MISSES_OF_ALL: Final = UsageKey(Counted.MISSES.value, "everybody")
"""The one usage that is counted for everybody together."""


APP_CHECKS: Final = "app_client_checks/"
"""Begins the scopes of checks from the clients of an app. Its id follows."""


@attrs.frozen
class Admitted:
    """
    A look-up was charged.

    Attributes:
        uniform: A scan is under way, and nobody is known to have signed in from this client. It
            gets the same answer for every unusable pass.
    """

    uniform: bool = False


@attrs.frozen
class IsItKnown:
    """The verdict depends on whether somebody signed in from this client. Nothing was charged."""


@attrs.frozen(kw_only=True)
class Charged:
    """
    The charges of a request, as its audit row records them.

    Attributes:
        scopes: Values of `Counted`, or of `APP_CHECKS` and an app, repeated once per charge.
        count: Requests that the row stands for.
    """

    at: Instant
    client: ClientAddress
    scopes: tuple[str, ...]
    count: int = 1


def keys(counted: Counted, client: ClientAddress) -> tuple[UsageKey, ...]:
    """The keys that a limit of *client* reads and charges."""
    scope, whos = counted.value, dict.fromkeys((client.value, client.network))
    return tuple([UsageKey(scope, who) for who in whos])


def look_up_keys(client: ClientAddress, *, checking: bool) -> tuple[UsageKey, ...]:
    """The keys that `look_up` reads and charges."""
    return (
        *keys(Counted.LOOKUPS, client),
        *(keys(Counted.CHECKS, client) if checking else ()),
        *keys(Counted.MISSES, client),
        MISSES_OF_ALL,
    )


@cache  # for each of the four kinds of look-up
def look_up_charges(*, missed: bool, checking: bool) -> tuple[str, ...]:
    """The scopes that an admitted look-up is charged to, repeated once per charge."""
    lookups = [Counted.LOOKUPS] * (MISS_WEIGHT if missed else 1)
    misses = [Counted.MISSES] if missed else []
    checks = [Counted.CHECKS] if checking else []
    return tuple(counted.value for counted in (*lookups, *misses, *checks))


def look_up(
    usages: Usages,
    *,
    client: ClientAddress,
    known: bool | None,
    limits: ClientLimits,
    missed: bool,
    checking: bool,
    now: Instant,
) -> Decision[Usages, Refusal | Admitted | IsItKnown]:
    """
    Judge and charge a look-up that has been made, and the check that it was made for, if any.

    A refusal is the same for a hit and a miss, including its wait; otherwise the last look-up of
    the window would reveal which it was, at no cost. A scan never causes a check to be refused, so
    it cannot keep people from signing in.

    Args:
        usages: The usages of `look_up_keys`.
        known: Somebody has signed in from this client lately; None if that was not looked up.
        limits: The quotas. Quotas that are off neither judge nor charge.
        missed: The look-up found no usable pass, and weighs double.
        checking: A code was presented too.
    """
    usages = as_of(usages, now)
    scanned_until = admitted_at(usages.get(MISSES_OF_ALL, ()), (limits.misses,), now)
    if scanned_until > now and known is None:
        return Decision(IsItKnown(), usages)
    uniform = scanned_until > now and not known
    demands = _demands(Counted.LOOKUPS, client, limits, weight=MISS_WEIGHT if missed else 1)
    if checking:
        demands += _demands(Counted.CHECKS, client, limits)
    allowance = list[Demand]()
    if missed or uniform:
        allowance.extend(_demands(Counted.MISSES, client, limits))
    refusal = judge(usages, demands, now)
    held_back = judge(usages, allowance, now) if uniform and not checking else None
    if held_back is not None:
        # The end of the scan ends this wait as well.
        held_back = attrs.evolve(held_back, retry_at=min(held_back.retry_at, scanned_until))
    refusals = [one for one in (refusal, held_back) if one is not None]
    if refusals:
        return Decision(max(refusals, key=_RETRY_AT), usages)
    if missed and limits.misses.limit:
        demands += (*allowance, _OF_ALL._replace(quotas=(limits.misses,)))
    return Decision(Admitted(uniform), charge(usages, demands, now))


def admit(
    usages: Usages,
    *,
    counted: Counted,
    client: ClientAddress,
    limits: ClientLimits,
    charges: bool = True,
    now: Instant,
) -> Decision[Usages, Refusal | None]:
    """
    Judge and charge one activity of a client.

    Args:
        usages: The usages of `keys`.
        charges: Whether the activity is charged if it is admitted.
    """
    usages = as_of(usages, now)
    demands = _demands(counted, client, limits)
    refusal = judge(usages, demands, now)
    is_charged = charges and refusal is None
    return Decision(refusal, charge(usages, demands, now) if is_charged else usages)


def recount(rows: Iterable[Charged]) -> dict[UsageKey, Usage]:
    """Rebuild the usages of addresses, networks and everybody from the charges in audit rows."""
    told: dict[UsageKey, list[Instant]] = {}
    for row in rows:
        for scope in row.scopes:
            if scope.startswith(APP_CHECKS):
                charged_to = [UsageKey(scope, row.client.value)]
            else:
                charged_to = list(keys(Counted(scope), row.client))
            if scope == MISSES_OF_ALL.scope:
                charged_to.append(MISSES_OF_ALL)
            for key in charged_to:
                told.setdefault(key, []).extend([row.at] * row.count)
    return {key: tuple(sorted(instants)) for key, instants in told.items()}


def client_demands(
    limit: Limit,
    scope: str,
    client: ClientAddress,
    quotas: tuple[Quota, ...],
    *,
    factor: int,
    weight: int = 1,
) -> tuple[Demand, ...]:
    """
    The demands of one client limit: for its address and, *factor* times as wide, for its network.

    Args:
        factor: 0 sets no limit on networks.
    """
    address = Demand(limit=limit, key=UsageKey(scope, client.value), quotas=quotas, weight=weight)
    if not factor or client.network == client.value:
        return (address,)
    network = UsageKey(scope, client.network)
    wider = _wider(quotas, factor)
    return (address, Demand(limit=limit, key=network, quotas=wider, weight=weight))


@lru_cache(maxsize=1024)  # policies have a few dozen
def _wider(quotas: tuple[Quota, ...], factor: int) -> tuple[Quota, ...]:
    return tuple(Quota(quota.limit * factor, quota.window) for quota in quotas)


def _demands(
    counted: Counted, client: ClientAddress, limits: ClientLimits, weight: int = 1
) -> tuple[Demand, ...]:
    limit, quota_of = _LIMITS[counted]
    return client_demands(
        limit,
        counted.value,
        client,
        (quota_of(limits),),
        factor=limits.network_factor,
        weight=weight,
    )


_LIMITS: Final[Mapping[Counted, tuple[Limit, Callable[[ClientLimits], Quota]]]] = {
    Counted.LOOKUPS: (Limit.LOOKUPS, lambda limits: limits.lookups),
    Counted.MISSES: (Limit.LOOKUPS, lambda limits: limits.newcomer_misses),
    Counted.CHECKS: (Limit.CLIENT, lambda limits: limits.checks),
    Counted.UNSENT_ASKS: (Limit.CLIENT, lambda limits: limits.unsent_asks),
    Counted.REJECTED: (Limit.CLIENT, lambda limits: limits.rejected),
    Counted.AUTHENTICATIONS: (Limit.CLIENT, lambda limits: limits.authentications),
}

_OF_ALL: Final = Demand(limit=Limit.LOOKUPS, key=MISSES_OF_ALL, quotas=())
"""An additional charge of each miss, which refuses nobody."""

_RETRY_AT: Final = attrgetter("retry_at")
