"""How often a client may look passes up and present codes."""

from collections.abc import Iterable
from typing import Final

import attrs

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import ClientAddress, Flow
from hsp_otp.domain.passes import NoPhone, PassNotFound, PassNotPaid
from hsp_otp.domain.policy import MISS_WEIGHT, ClientLimits
from hsp_otp.domain.quota import Demand, Limit, Refusal, UsageKey, Usages, charge, judge
from hsp_otp.domain.rows import Action


@attrs.frozen(kw_only=True)
class Told:
    """
    What an audit row says of a request that was charged as a check or a look-up.

    Attributes:
        count: Requests that the row stands for.
    """

    at: Instant
    client: ClientAddress | None
    flow: Flow | None
    action: Action
    outcome: str
    count: int = 1


EVERYBODY: Final = "lookup_misses"
"""The one scope that is not counted for a client."""

MISSES: Final = frozenset({PassNotFound.word, PassNotPaid.word, NoPhone.word})
"""Outcomes of look-ups that missed."""


def recount(rows: Iterable[Told], client: ClientAddress) -> Usages:
    """
    What was charged to a client, and to everybody, by what audit rows tell.

    Whatever is refused after its look-up and check has paid for them; a refusal by the limits on
    them has not. A check's own limit and that on a client's sends go by one word.
    """
    told: dict[UsageKey, list[Instant]] = {key: [] for key in keys(client)}
    for row in rows:
        missed = row.outcome in MISSES
        checking = row.action is Action.CHECK
        refused = row.outcome == Limit.LOOKUPS.value or (
            checking and row.outcome == Limit.CLIENT.value
        )
        if refused or row.action not in {Action.LOOK_UP, Action.SEND, Action.CHECK}:
            continue
        looked_up = row.flow is Flow.PASS_LOGIN
        charged = [row.at] * row.count
        if looked_up and missed:
            told[_misses()] += charged
        if row.client != client:
            continue
        if checking:
            told[_checks(client)] += charged
        if looked_up:
            told[_lookups(client)] += charged * (MISS_WEIGHT if missed else 1)
            if not missed:
                told[_hits(client)] = [max([*told[_hits(client)], row.at])]
    return {key: tuple(sorted(instants)) for key, instants in told.items()}


def keys(client: ClientAddress) -> tuple[UsageKey, ...]:
    """What `look_up` reads and charges."""
    return (_checks(client), _lookups(client), _hits(client), _misses())


def look_up(
    usages: Usages,
    *,
    client: ClientAddress,
    limits: ClientLimits,
    missed: bool,
    checking: bool,
    now: Instant,
) -> Decision[Usages, Refusal | None]:
    """
    Judge and charge a look-up that has been made, and the check that it was made for.

    A refusal is the same whether the look-up missed or not, its wait included: otherwise the
    last look-up of the window would tell hits from misses for nothing.

    Args:
        usages: What `keys` hold.
        limits: The quotas; those that are off neither judge nor charge.
        missed: The look-up found no usable pass, and weighs double.
        checking: A code was presented too.
    """
    demands = [
        Demand(
            limit=Limit.LOOKUPS,
            key=_lookups(client),
            quotas=(limits.lookups,),
            weight=MISS_WEIGHT if missed else 1,
        )
    ]
    if checking:
        demands.append(_check(client, limits))
    gate = Demand(
        limit=Limit.LOOKUPS, key=_misses(), quotas=(limits.misses,), weight=1 if missed else 0
    )
    known = any(hit > now - limits.known_for for hit in usages.get(_hits(client), ()))
    refusal = judge(usages, demands if known else [*demands, gate], now)
    if refusal is not None:
        return Decision(refusal, usages)
    charged = charge(usages, [*demands, gate], now)
    if not missed and limits.misses.limit:
        charged = {**charged, _hits(client): (now,)}
    return Decision(None, usages if charged == usages else charged)


def check_keys(client: ClientAddress) -> tuple[UsageKey, ...]:
    """What `check` reads and charges."""
    return (_checks(client),)


def check(
    usages: Usages, *, client: ClientAddress, limits: ClientLimits, now: Instant
) -> Decision[Usages, Refusal | None]:
    """Judge and charge a presented code that no pass is looked up for."""
    demands = [_check(client, limits)]
    refusal = judge(usages, demands, now)
    if refusal is not None:
        return Decision(refusal, usages)
    charged = charge(usages, demands, now)
    return Decision(None, usages if charged == usages else charged)


def _check(client: ClientAddress, limits: ClientLimits) -> Demand:
    return Demand(limit=Limit.CLIENT, key=_checks(client), quotas=(limits.checks,))


def _checks(client: ClientAddress) -> UsageKey:
    return UsageKey("checks", client.value)


def _lookups(client: ClientAddress) -> UsageKey:
    return UsageKey("lookups", client.value)


def _hits(client: ClientAddress) -> UsageKey:
    return UsageKey("lookup_hits", client.value)


def _misses() -> UsageKey:
    return UsageKey(EVERYBODY, "everybody")
