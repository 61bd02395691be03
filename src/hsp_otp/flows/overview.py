"""The dashboard's traffic overview, queried once for all viewers of the same stretch of time."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import attrs

from hsp_otp.domain.budgets import Caps
from hsp_otp.domain.fraud_patterns import Suspicion
from hsp_otp.domain.guard import GuardPolicy
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant, after
from hsp_otp.domain.policy import FUNNEL_DAYS
from hsp_otp.domain.spend_report import BudgetUse, budget_uses
from hsp_otp.domain.test_contacts import KeptTestContact
from hsp_otp.ports.apps import AppRegister
from hsp_otp.ports.audit_queries import AuditQueries, Entry, Span, Tally, Wanted
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.spending_queries import FullBlock, SpendingQueries, Spent
from hsp_otp.ports.test_contacts import TestContactRegister
from hsp_otp.ports.traffic_queries import Delivery, Movement, Proof, StepCount, TrafficQueries

_FRESH: Final[Duration] = 5 * SECOND
"""How long a worker reuses an answer for everybody who asks for the same stretch."""

_REST: Final = 5
"""Minimum pause between two queries, as a multiple of the time the last one took. It keeps the load
of the page low."""

_PATIENCE_SECONDS: Final = 10.0
"""How long a viewer waits. The query continues, and a later viewer may find its answer."""

_TOP: Final = 6
"""Number of addresses and ranges shown."""

_STORY: Final = 200
"""Number of rows shown for one number."""


@attrs.frozen
class Stretch:
    """
    A stretch of time to choose from.

    Attributes:
        word: Its name in URLs.
        name: Its name for people.
        period: The length of time that is counted together.
        periods: The number of periods in the stretch.
    """

    word: str
    name: str
    period: Duration
    periods: int

    def span(self, now: Instant) -> Span:
        """Whole periods, the last of which contains *now*."""
        until = Instant((now // self.period + 1) * self.period)
        return Span(after(until, -self.period * self.periods), until)


HOUR_BY_MINUTES: Final = Stretch("hour", "Last hour", 2 * MINUTE, 30)
A_DAY: Final = Stretch("day", "24 hours", 30 * MINUTE, 48)
STRETCHES: Final = {
    stretch.word: stretch
    for stretch in (HOUR_BY_MINUTES, A_DAY, Stretch("week", "7 days", 3 * HOUR, 56))
}


@attrs.frozen(kw_only=True)
class Spending:
    """
    What messages cost in the last 24 hours.

    Attributes:
        uses: How much of each budget is used.
        spent: What was sent.
        full_blocks: The blocks of numbers that were too full for the most asks.
        names: The names of apps, by their ids.
    """

    uses: Sequence[BudgetUse]
    spent: Sequence[Spent]
    full_blocks: Sequence[FullBlock]
    names: Mapping[str, str]


@attrs.frozen(kw_only=True)
class SpendingNumbers:
    """
    What the money is asked for, and held against.

    Attributes:
        apps: Their names.
    """

    queries: SpendingQueries
    apps: AppRegister
    caps: Caps
    policy: GuardPolicy


@attrs.frozen(kw_only=True)
class Seen:
    """
    The result of the queries.

    Attributes:
        at: When they were made.
        suspicions: Of the stretch, or of its last day if it is longer.
        by_day: Steps of the funnel of the last `FUNNEL_DAYS` days, with the present one.
        by_country: The same steps.
        by_language: The same steps.
        test_contacts: Those that are alive.
        spending: None if nothing bounds it.
    """

    stretch: Stretch
    span: Span
    at: Instant
    movements: Sequence[Movement]
    deliveries: Sequence[Delivery]
    proofs: Sequence[Proof]
    suspicions: Sequence[Suspicion]
    addresses: Sequence[Tally]
    prefixes: Sequence[Tally]
    by_day: Sequence[StepCount]
    by_country: Sequence[StepCount]
    by_language: Sequence[StepCount]
    test_contacts: Sequence[KeptTestContact]
    spending: Spending | None = None


@attrs.frozen
class Look:
    """
    The overview to show.

    Attributes:
        seen: None if no answer has come yet.
        answered: The database answered; otherwise *seen* is an earlier answer.
    """

    seen: Seen | None
    answered: bool = True


@attrs.define
class Overview:
    """
    Makes the queries, and keeps the answers for a while.

    Attributes:
        money: None if nothing bounds what messages cost.
    """

    traffic: TrafficQueries
    audit: AuditQueries
    test_contacts: TestContactRegister
    clock: Clock
    money: SpendingNumbers | None = None
    patience_seconds: float = _PATIENCE_SECONDS
    _kept: dict[str, tuple[Seen, Instant]] = attrs.field(
        factory=dict[str, tuple[Seen, Instant]], init=False
    )
    _asking: dict[str, "asyncio.Task[Seen]"] = attrs.field(
        factory=dict[str, "asyncio.Task[Seen]"], init=False
    )

    async def look(self, stretch: Stretch) -> Look:
        """The overview to show for *stretch*."""
        kept = self._kept.get(stretch.word)
        if kept and self.clock.now() < kept[1]:
            return Look(kept[0])
        asking = self._asking.get(stretch.word)
        if asking is None:
            asking = asyncio.ensure_future(self._ask(stretch))
            self._asking[stretch.word] = asking
            asking.add_done_callback(partial(self._answered, stretch.word))
        # A timeout must not cancel the query: the driver handles cancellation badly.
        done, _ = await asyncio.wait({asking}, timeout=self.patience_seconds)
        if done:
            if asking.exception() is None:
                return Look(asking.result())
            if not isinstance(asking.exception(), Unavailable):
                await asking  # raises: this is a bug
        return Look(kept[0] if kept else None, answered=False)

    async def story(self, fingerprints: tuple[str, ...]) -> list[Entry]:
        """The latest rows of one number, oldest first; raises Unavailable without an answer."""
        return await self.audit.latest(Wanted(contacts=fingerprints), _STORY)

    async def close(self) -> None:
        """Cancel all queries."""
        asked = [*self._asking.values()]
        for asking in asked:
            asking.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    def _answered(self, word: str, asking: "asyncio.Task[Seen]") -> None:
        del self._asking[word]
        if not asking.cancelled():
            asking.exception()  # retrieved here; waiting viewers get it too

    async def _ask(self, stretch: Stretch) -> Seen:
        began = self.clock.now()
        span = stretch.span(began)
        first_day = after(began, -(FUNNEL_DAYS - 1) * DAY)
        recent = Span(max(span.since, after(span.until, -DAY)), span.until)
        seen = Seen(
            stretch=stretch,
            span=span,
            at=began,
            movements=await self.traffic.movements(span, stretch.period),
            deliveries=await self.traffic.deliveries(span, stretch.period),
            proofs=await self.traffic.proofs(span, stretch.period),
            suspicions=await self.audit.suspicions(recent),
            addresses=await self.audit.top_addresses(span, _TOP),
            prefixes=await self.audit.top_prefixes(span, _TOP),
            by_day=await self.traffic.steps(first_day, "day"),
            by_country=await self.traffic.steps(first_day, "country"),
            by_language=await self.traffic.steps(first_day, "language"),
            test_contacts=[one for one in await self.test_contacts.list() if one.lives(began)],
            spending=None if self.money is None else await _spending(self.money, began),
        )
        now = self.clock.now()
        self._kept[stretch.word] = seen, after(now, max(_FRESH, _REST * (now - began)))
        return seen


async def _spending(money: SpendingNumbers, now: Instant) -> Spending:
    day = Span(after(now, -DAY))
    tenants = await money.apps.tenants()
    return Spending(
        uses=budget_uses(await money.queries.budgets(), money.caps, money.policy, now),
        spent=await money.queries.spent(day),
        full_blocks=await money.queries.full_blocks(day, _TOP),
        names={app.id: app.name for app in tenants.apps},
    )
