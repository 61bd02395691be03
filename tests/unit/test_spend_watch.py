"""Who is told that a cap fills up, and how often: docs/fraud.md."""

import asyncio
from collections.abc import Mapping, Sequence

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryAudit, MemoryUsage
from hsp_otp.domain.apps import App, AppRules
from hsp_otp.domain.budgets import Budget, BudgetKey, Caps, charged
from hsp_otp.domain.guard import Debt, GuardPolicy
from hsp_otp.domain.instant import DAY, HOUR, SECOND, Instant, after
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.domain.spend_report import BudgetUse
from hsp_otp.flows.spend_watch import SpendWatch
from hsp_otp.ports.audit_queries import Span
from hsp_otp.ports.failures import SendFailed, Unavailable
from hsp_otp.ports.spend_alerts import SpendAlert
from hsp_otp.ports.spending_queries import FullBlock, Spent
from tests.world import START, ManualClock, run

INDIA = BudgetKey("signup", "IN")
ALL = BudgetKey("signup", None)
CAPS = Caps(default=100 * DOLLAR, region=50 * DOLLAR)

SHOP = App(
    id="a1",
    account_id="t1",
    name="shop",
    rules=AppRules(service_name="Shop"),
    made_at=Instant(0),
    changed_at=Instant(0),
)


@attrs.define
class Books:
    """
    Budgets, and the caps that refuse.

    Attributes:
        is_away: Nothing answers.
    """

    stored: dict[BudgetKey, Budget] = attrs.field(factory=dict[BudgetKey, Budget])
    refuse: frozenset[BudgetKey] = frozenset()
    spans: list[Span] = attrs.field(factory=list[Span])
    is_away: bool = False

    def spend(self, key: BudgetKey, dollars: float, at: Instant = START) -> None:
        """Spend so much."""
        price = round(dollars * DOLLAR)
        self.stored[key] = charged(self.stored.get(key, Budget()), Debt.CLIENT, price, at)

    async def spent(self, span: Span) -> list[Spent]:
        """Nobody asks for it here."""
        raise NotImplementedError(span)

    async def budgets(self) -> Mapping[BudgetKey, Budget]:
        """Implement `SpendingQueries.budgets`."""
        if self.is_away:
            raise Unavailable
        return self.stored

    async def full_blocks(self, span: Span, count: int) -> list[FullBlock]:
        """Nobody asks for them here."""
        raise NotImplementedError(span, count)

    async def refusing(self, span: Span) -> frozenset[BudgetKey]:
        """Implement `SpendingQueries.refusing`."""
        self.spans.append(span)
        return self.refuse


@attrs.define
class Operators:
    """
    Notes what operators are told.

    Attributes:
        failures: How often nobody takes an alert from now on.
    """

    noted: list[SpendAlert] = attrs.field(factory=list[SpendAlert])
    told: list[SpendAlert] = attrs.field(factory=list[SpendAlert])
    failures: int = 0
    has_heard: asyncio.Event = attrs.field(factory=asyncio.Event)

    def note(self, alert: SpendAlert) -> None:
        """Implement `SpendAlerts.note`."""
        self.noted.append(alert)

    async def tell(self, alert: SpendAlert) -> None:
        """Implement `SpendAlerts.tell`."""
        if self.failures:
            self.failures -= 1
            raise SendFailed
        self.told.append(alert)
        self.has_heard.set()

    @property
    def heard(self) -> list[tuple[str, str | None, int]]:
        """The account, the region and the percentage of each alert."""
        return [(one.account, one.region, one.percent) for one in self.told]


class Apps:
    """One app."""

    async def find(self, app_id: str) -> App | None:
        """Implement `AppRepository.find`."""
        return SHOP if app_id == SHOP.id else None

    async def of_account(self, account_id: str) -> Sequence[App]:
        """Nobody asks for them here."""
        raise NotImplementedError(account_id)


@attrs.define
class World:
    """What several processes watch together."""

    books: Books = attrs.field(factory=Books)
    operators: Operators = attrs.field(factory=Operators)
    clock: ManualClock = attrs.field(factory=ManualClock)
    usage: MemoryUsage = attrs.field(factory=lambda: MemoryUsage(MemoryAudit()))
    shown: list[Sequence[BudgetUse]] = attrs.field(factory=list[Sequence[BudgetUse]])

    def process(self) -> SpendWatch:
        """One of them."""
        return SpendWatch(
            queries=self.books,
            usage=self.usage,
            apps=Apps(),
            alerts=self.operators,
            clock=self.clock,
            caps=CAPS,
            policy=GuardPolicy(),
            show=self.shown.append,
        )


@pytest.fixture
def world() -> World:
    """A world in which nothing was spent."""
    return World()


def test_each_part_is_told_once(world: World) -> None:
    """By one process of several, at 50, 80 and 100 %."""
    one, other = world.process(), world.process()
    for dollars in (24.99, 0.01, 14.99, 0.01, 9.99, 0.01, 10):
        world.books.spend(INDIA, dollars)
        for watch in (one, other, one):
            run(watch.look())
    assert world.operators.heard == [("signup", "IN", percent) for percent in (50, 80, 100)]
    assert world.operators.noted == world.operators.told
    first = world.operators.told[0]
    assert (first.spent, first.cap, first.at) == (25 * DOLLAR, 50 * DOLLAR, START)
    assert len({alert.id for alert in world.operators.told}) == 3


def test_what_is_spent_at_once_is_told_once(world: World) -> None:
    """Smaller parts are not told after larger ones, not even when the cap has room again."""
    world.books.spend(ALL, 85)
    run(world.process().look())
    world.clock.advance(HOUR)
    world.books.stored.clear()
    world.books.spend(ALL, 60)
    run(world.process().look())
    assert world.operators.heard == [("signup", None, 80)]


def test_the_next_day_it_is_told_again(world: World) -> None:
    """Once in 24 hours, as long as it is so."""
    watch = world.process()
    for days in range(3):
        world.books.spend(INDIA, 40, after(START, days * DAY))
        run(watch.look())
        world.clock.advance(DAY - 1)
        run(watch.look())
        world.clock.advance(1)
    assert [one.at for one in world.operators.told] == [after(START, n * DAY) for n in range(3)]


def test_a_cap_that_refuses_is_full(world: World) -> None:
    """What is left of it is less than a message costs; only recent refusals count."""
    world.books.spend(INDIA, 49.9)
    world.books.spend(ALL, 49.9)
    world.books.refuse = frozenset({INDIA})
    run(world.process().look())
    assert world.operators.heard == [("signup", "IN", 100)]
    assert [one.since for one in world.books.spans] == [after(START, -30 * SECOND)]


def test_apps_are_told_by_name(world: World) -> None:
    """One that is gone is told by its id."""
    world.books.spend(BudgetKey("a1", "FR"), 26)
    world.books.spend(BudgetKey("a2", None), 50)
    run(world.process().look())
    assert world.operators.heard == [("shop", "FR", 50), ("a2", None, 50)]


def test_an_alert_that_nobody_takes_is_repeated(world: World) -> None:
    """With the same id, until somebody takes it; others go out meanwhile."""
    world.operators.failures = 2
    watch = world.process()
    world.books.spend(INDIA, 25)
    run(watch.look())
    run(watch.look())
    assert world.operators.told == []
    world.books.spend(ALL, 50)
    run(watch.look())
    run(watch.look())
    assert world.operators.heard == [("signup", "IN", 50), ("signup", None, 50)]
    assert world.operators.noted == world.operators.told


def test_an_alert_of_yesterday_is_not_repeated(world: World) -> None:
    """After a day it is of no use; if the cap is still full, there is a new one."""
    world.operators.failures = 3
    watch = world.process()
    world.books.spend(INDIA, 25)
    run(watch.look())
    world.clock.advance(DAY - 1)
    run(watch.look())
    world.clock.advance(1)
    world.books.stored.clear()
    run(watch.look())
    run(watch.look())
    assert world.operators.failures == 0
    assert world.operators.told == []


def test_every_look_is_shown(world: World) -> None:
    """Metrics show what was found."""
    world.books.spend(INDIA, 25)
    run(world.process().look())
    (uses,) = world.shown
    assert [(use.key, use.spent_percent) for use in uses] == [(INDIA, 50)]


def test_without_metrics_nothing_is_shown(world: World) -> None:
    """There may be none."""
    watch = SpendWatch(
        queries=world.books,
        usage=world.usage,
        apps=Apps(),
        alerts=world.operators,
        clock=world.clock,
        caps=CAPS,
        policy=GuardPolicy(),
    )
    run(watch.look())
    assert world.operators.told == []


def test_it_looks_again_and_again(world: World) -> None:
    """Also after the database did not answer."""
    quick = attrs.evolve(world.process(), pause_seconds=0)
    world.books.spend(INDIA, 25)
    world.books.is_away = True

    async def watch() -> None:
        looking = asyncio.ensure_future(quick.keep_looking())
        for _ in range(3):
            await asyncio.sleep(0)
        world.books.is_away = False
        await world.operators.has_heard.wait()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    asyncio.run(watch())
    assert world.operators.heard == [("signup", "IN", 50)]
