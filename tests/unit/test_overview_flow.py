"""What the operators' page asks of the database, and how seldom: docs/ops.md."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryAudit, MemoryTestContacts
from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.apps import App, AppRules
from hsp_otp.domain.audit import Step
from hsp_otp.domain.budgets import Budget, BudgetKey, Caps, charged
from hsp_otp.domain.decision import Decision, O
from hsp_otp.domain.fraud_patterns import Suspicion
from hsp_otp.domain.guard import Debt, GuardPolicy
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant, after
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.test_contacts import KeptTestContact
from hsp_otp.flows.overview import A_DAY, HOUR_BY_MINUTES, STRETCHES, Overview, SpendingNumbers
from hsp_otp.ports.audit_queries import Entry, Span, Tally, Wanted
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.spending_queries import FullBlock, Spent
from hsp_otp.ports.traffic_queries import By, Delivery, Movement, Proof, StepCount
from tests.world import START, ManualClock


@attrs.define
class Database:
    """
    Counts what it is asked, and answers with nothing.

    Attributes:
        before: Called before each answer: it may fail, or take its time.
    """

    asked: list[Span] = attrs.field(factory=list[Span])
    wanted: list[Wanted] = attrs.field(factory=list[Wanted])
    since: set[Instant] = attrs.field(factory=set[Instant])
    before: Callable[[], None] = lambda: None
    go_on: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def movements(self, span: Span, period: Duration) -> Sequence[Movement]:
        """Keep the promise of `TrafficQueries.movements`."""
        assert period > 0
        self.asked.append(span)
        self.before()
        await self.go_on.wait()
        return []

    async def deliveries(self, *_: object) -> Sequence[Delivery]:
        """Keep the promise of `TrafficQueries.deliveries`."""
        return []

    async def proofs(self, *_: object) -> Sequence[Proof]:
        """Keep the promise of `TrafficQueries.proofs`."""
        return []

    async def steps(self, since: Instant, by: By) -> Sequence[StepCount]:
        """Keep the promise of `TrafficQueries.steps`."""
        self.since.add(since)
        return [StepCount(of=by, flow=Flow.SIGNUP, step=Step.OPENED, word="", count=1)]

    def entries(self, wanted: Wanted) -> AsyncIterator[Entry]:
        """Nobody asks for them here."""
        raise NotImplementedError(wanted)

    async def latest(self, wanted: Wanted, count: int) -> list[Entry]:
        """Keep the promise of `AuditQueries.latest`."""
        assert count == 200
        self.wanted.append(wanted)
        return []

    async def top_addresses(self, *_: object) -> list[Tally]:
        """Keep the promise of `AuditQueries.top_addresses`."""
        return []

    async def top_prefixes(self, *_: object) -> list[Tally]:
        """Keep the promise of `AuditQueries.top_prefixes`."""
        return []

    async def top_countries(self, *_: object) -> list[Tally]:
        """Nobody asks for them here."""
        raise NotImplementedError

    async def suspicions(self, span: Span) -> list[Suspicion]:
        """Keep the promise of `AuditQueries.suspicions`."""
        self.asked.append(span)
        return []


ENDED = KeptTestContact(
    id="t1",
    app_id="shop",
    contact="***-***-3210",
    fingerprint="k1:1",
    digits=6,
    key_id="k1",
    digest=b"",
    reason="a review",
    added_at=Instant(0),
    ends_at=after(START, 7 * SECOND),
)
ALIVE = attrs.evolve(ENDED, id="t2", ends_at=after(START, 7 * SECOND + 1))


def overview(database: Database, clock: ManualClock, patience: float = 10) -> Overview:
    """What is tested."""
    tests = MemoryTestContacts(MemoryAudit(), (ENDED, ALIVE))
    return Overview(database, database, tests, clock, patience_seconds=patience)


@pytest.fixture
def database() -> Database:
    """One that answers at once."""
    found = Database()
    found.go_on.set()
    return found


def test_a_stretch_is_of_whole_periods(database: Database) -> None:
    """The present instant lies in the last of them; suspicions are of a day at most."""
    clock = ManualClock(after(START, 7 * SECOND))

    async def look() -> None:
        seen = (await overview(database, clock).look(STRETCHES["week"])).seen
        assert seen is not None
        assert (seen.span.until - seen.span.since, seen.at) == (7 * 24 * HOUR, clock.now())
        assert seen.span.until - 3 * HOUR <= clock.now() < seen.span.until
        _, suspicions = database.asked
        assert suspicions == Span(after(seen.span.until, -24 * HOUR), seen.span.until)

    asyncio.run(look())


def test_the_funnel_is_of_ninety_days(database: Database) -> None:
    """Today is the last of them, whatever the stretch; by day, country and language."""
    clock = ManualClock(after(START, 7 * SECOND))
    seen = asyncio.run(overview(database, clock).look(HOUR_BY_MINUTES)).seen
    assert seen is not None
    assert database.since == {after(clock.now(), -89 * DAY)}
    assert [one.of for one in (*seen.by_day, *seen.by_country, *seen.by_language)] == [
        *("day", "country", "language"),
    ]
    assert seen.test_contacts == [ALIVE]


def test_one_answer_serves_all(database: Database) -> None:
    """Whoever looks at the same within five seconds, or at the same time, asks nothing anew."""
    clock = ManualClock()
    looks = overview(database, clock)

    async def look() -> None:
        first, second = await asyncio.gather(looks.look(A_DAY), looks.look(A_DAY))
        assert first.seen is second.seen
        clock.advance(5 * SECOND - 1)
        assert (await looks.look(A_DAY)).seen is first.seen
        assert len(database.asked) == 2
        clock.advance(1)
        assert (await looks.look(A_DAY)).seen is not first.seen
        await looks.look(HOUR_BY_MINUTES)
        assert len(database.asked) == 6

    asyncio.run(look())


def test_what_takes_long_is_asked_seldom(database: Database) -> None:
    """After an answer nothing is asked for five times as long as it took."""
    clock = ManualClock()
    database.before = lambda: clock.advance(2 * SECOND)
    looks = overview(database, clock)

    async def look() -> None:
        first = await looks.look(A_DAY)
        clock.advance(10 * SECOND - 1)
        assert (await looks.look(A_DAY)).seen is first.seen
        clock.advance(1)
        assert (await looks.look(A_DAY)).seen is not first.seen

    asyncio.run(look())


def test_while_the_database_is_away(database: Database) -> None:
    """What was seen before is shown, and that it is old; a bug is not hidden."""
    clock = ManualClock()
    looks = overview(database, clock)

    def fail() -> None:
        raise Unavailable("away")

    def stumble() -> None:
        raise KeyError("a bug")

    async def look() -> None:
        database.before = fail
        found = await looks.look(A_DAY)
        assert (found.seen, found.answered) == (None, False)
        database.before = lambda: None
        seen = (await looks.look(A_DAY)).seen
        assert seen is not None
        clock.advance(MINUTE)
        database.before = fail
        found = await looks.look(A_DAY)
        assert (found.seen, found.answered) == (seen, False)
        database.before = stumble
        with pytest.raises(KeyError):
            await looks.look(A_DAY)

    asyncio.run(look())


def test_nobody_waits_for_ever() -> None:
    """The question goes on when a reader's patience ends, and is ended with the server."""
    database = Database()
    looks = overview(database, ManualClock(), patience=0.01)

    async def look() -> None:
        assert not (await looks.look(A_DAY)).answered
        assert len(database.asked) == 1
        database.go_on.set()
        looks.patience_seconds = 10
        assert (await looks.look(A_DAY)).answered
        assert len(database.asked) == 2
        database.go_on.clear()
        looks.patience_seconds = 0.01
        assert not (await looks.look(HOUR_BY_MINUTES)).answered
        await looks.close()

    asyncio.run(look())


def test_the_story_of_a_number(database: Database) -> None:
    """Its rows are those of its fingerprints, under every key."""
    looks = overview(database, ManualClock())
    assert asyncio.run(looks.story(("k2:a", "k1:b"))) == []
    assert database.wanted == [Wanted(contacts=("k2:a", "k1:b"))]
    assert Wanted().span == Span(Instant(0), Instant(2**62))


@attrs.define
class Money:
    """Budgets and apps, of which there are some."""

    spans: list[Span] = attrs.field(factory=list[Span])

    async def spent(self, span: Span) -> list[Spent]:
        """Implement `SpendingQueries.spent`."""
        self.spans.append(span)
        return []

    async def budgets(self) -> dict[BudgetKey, Budget]:
        """Implement `SpendingQueries.budgets`."""
        return {BudgetKey("a1", None): charged(Budget(), Debt.NOBODY, DOLLAR, START)}

    async def full_blocks(self, span: Span, count: int) -> list[FullBlock]:
        """Implement `SpendingQueries.full_blocks`."""
        assert count > 0
        self.spans.append(span)
        return []

    async def refusing(self, span: Span) -> frozenset[BudgetKey]:
        """Nobody asks for them here."""
        raise NotImplementedError(span)

    async def tenants(self) -> Tenants:
        """Implement `AppRegister.tenants`."""
        shop = App(
            id="a1",
            account_id="t1",
            name="shop",
            rules=AppRules(service_name="Shop"),
            made_at=START,
            changed_at=START,
        )
        return Tenants(apps=(shop,))

    async def transition(self, decide: Callable[[Tenants], Decision[Tenants, O]]) -> O:
        """Nobody changes them here."""
        raise NotImplementedError(decide)


def test_money_of_a_day() -> None:
    """The overview has budgets against their caps, with the names of apps."""
    database, money = Database(), Money()
    database.go_on.set()
    numbers = SpendingNumbers(
        queries=money, apps=money, caps=Caps(default=4 * DOLLAR), policy=GuardPolicy()
    )
    tests = MemoryTestContacts(MemoryAudit())
    overview = Overview(database, database, tests, ManualClock(), numbers)
    look = asyncio.run(overview.look(A_DAY))
    assert look.seen is not None
    spending = look.seen.spending
    assert spending is not None
    assert [(use.key.account, use.spent_percent) for use in spending.uses] == [("a1", 25)]
    assert spending.names == {"a1": "shop"}
    assert money.spans == [Span(after(START, -DAY))] * 2
