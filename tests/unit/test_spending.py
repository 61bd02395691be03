"""Leases of money, spent by a process: docs/architecture.md."""

import asyncio

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryBudgets
from hsp_otp.domain import ledger as ledgers
from hsp_otp.domain.budgets import Budget, BudgetKey, Caps, Payment
from hsp_otp.domain.guard import (
    Debt,
    Free,
    Group,
    GuardedAsk,
    GuardPolicy,
    Refused,
    Stretched,
    judge,
)
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant, after
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.flows.spending import Reserved, Spending
from hsp_otp.ports.failures import Unavailable
from tests.world import START, run

AF = BudgetKey("signup", "AF")
ALL = BudgetKey("signup", None)
PRICE = 100_000


@attrs.define
class Away(MemoryBudgets):
    """Budgets that do not answer while they are *away*."""

    is_away: bool = False
    steps: int = 0

    async def transition(self, key, decide):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """Keep the promise of `Budgets.transition`."""
        self.steps += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise Unavailable("away")
        return await MemoryBudgets.transition(self, key, decide)


def spent(
    budgets: MemoryBudgets, key: BudgetKey = AF, now: Instant = START
) -> tuple[int, int, int]:
    """What a budget has spent, owes, and owes by the stretch, leases included."""
    one = budgets.stored.get(key, Budget())
    owed = (ledgers.owed(series, DAY, now) for series in (one.spent, one.debt, one.stretch))
    first, second, third = owed
    return first, second, third


def reserved(spending: Spending, now: Instant = START, price: int = PRICE) -> Reserved:
    """What is put aside for a message to Afghanistan."""
    found = run(spending.reserve("signup", "AF", price, now))
    assert found.cap is None
    return found


def refused(spending: Spending, now: Instant = START, price: int = PRICE) -> Refused:
    """The refusal of a message to Afghanistan."""
    found = run(spending.reserve("signup", "AF", price, now))
    assert found.cap is not None
    spending.release(found)
    return found.cap


def spending_of(budgets: MemoryBudgets, caps: Caps | None = None) -> Spending:
    """A process."""
    return Spending(budgets, GuardPolicy(), caps or Caps())


@pytest.mark.parametrize(
    ("debt", "region", "altogether"),
    [
        (Debt.ALL, (PRICE, PRICE, 0), (PRICE, 0, 0)),
        (Debt.STRETCH, (PRICE, 0, PRICE), (PRICE, 0, 0)),
        (Debt.CLIENT, (PRICE, 0, 0), (PRICE, 0, 0)),
        (Debt.NOBODY, (PRICE, 0, 0), (PRICE, 0, 0)),
        (None, (0, 0, 0), (0, 0, 0)),
    ],
)
def test_only_what_a_message_costs_stays_spent(
    debt: Debt | None, region: tuple[int, int, int], altogether: tuple[int, int, int]
) -> None:
    """When the leases are given back, the budgets have what the message is owed by."""
    budgets = MemoryBudgets()
    spending = spending_of(budgets)
    found = reserved(spending)
    if debt is None:
        spending.release(found)
    else:
        spending.settle(found, debt)
    assert spent(budgets) == (2_500_000, 750_000, 125_000)
    run(spending.close(after(START, SECOND)))
    assert (spent(budgets), spent(budgets, ALL)) == (region, altogether)


def test_a_lease_is_asked_for_once() -> None:
    """The messages of ten seconds are one step for the region, and one for all of them."""
    budgets = Away()
    spending = spending_of(budgets)

    async def send() -> None:
        for second in range(7):
            found = await spending.reserve("signup", "AF", PRICE, after(START, second * SECOND))
            spending.settle(found, Debt.ALL)

    asyncio.run(send())
    assert budgets.steps == 2
    assert spent(budgets) == (2_500_000, 750_000, 125_000)


def test_a_lease_ends_after_ten_seconds() -> None:
    """Then the rest is given back and a new one is taken."""
    budgets = MemoryBudgets()
    spending = spending_of(budgets)
    spending.settle(reserved(spending), Debt.ALL)
    later = after(START, 10 * SECOND)
    spending.settle(reserved(spending, later), Debt.ALL)
    run(spending.close(after(later, SECOND)))
    assert spent(budgets) == (2 * PRICE, 2 * PRICE, 0)


def test_what_a_crash_leaves_behind_stays_spent() -> None:
    """Another process sees the lease as spent."""
    budgets = MemoryBudgets()
    reserved(spending_of(budgets))
    other = spending_of(budgets)
    reserved(other)
    run(other.close(START))
    assert spent(budgets) == (2_500_000 + PRICE, 750_000 + PRICE, 125_000 + PRICE)


def test_the_last_message_of_a_cap() -> None:
    """It is admitted; the next one is refused, with the hour at which there is room."""
    budgets = MemoryBudgets()
    spending = spending_of(budgets, Caps(region=2 * PRICE))
    for _ in range(2):
        spending.settle(reserved(spending), Debt.CLIENT)
    full = refused(spending)
    assert (full.group, full.retry_at) == (Group.REGION_CAP, after(START, 25 * HOUR))
    assert spent(budgets) == (2 * PRICE, 750_000, 125_000)
    again = reserved(spending, full.retry_at)
    spending.settle(again, Debt.ALL)


def test_the_cap_of_an_account() -> None:
    """It holds for all regions together."""
    spending = spending_of(MemoryBudgets(), Caps(default=PRICE, region=0))
    spending.settle(reserved(spending), Debt.ALL)
    assert refused(spending).group is Group.CAP
    other = run(spending.reserve("login", "AF", PRICE, START))
    assert other.cap is None


def test_a_full_budget_is_not_asked_for_every_message() -> None:
    """Within a second the answer is known; a cheaper message may still fit, and is asked for."""
    budgets = Away()
    spending = spending_of(budgets, Caps(region=PRICE + PRICE // 2))

    async def ask(price: int, now: Instant) -> bool:
        found = await spending.reserve("signup", "AF", price, now)
        if found.cap is None:
            spending.settle(found, Debt.CLIENT)
        return found.cap is None

    async def send() -> list[bool]:
        return [
            await ask(PRICE, START),
            await ask(PRICE, START),
            await ask(PRICE, after(START, 900_000)),
            await ask(PRICE // 2, after(START, 950_000)),
        ]

    assert asyncio.run(send()) == [True, False, False, True]
    assert budgets.steps == 4


def test_fifty_asks_at_once_for_the_last_message() -> None:
    """One of them gets it."""
    budgets = Away()
    spending = spending_of(budgets, Caps(region=PRICE))

    async def ask() -> bool:
        found = await spending.reserve("signup", "AF", PRICE, START)
        return found.cap is None

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(ask() for _ in range(50)))

    assert sum(asyncio.run(all_of_them())) == 1
    assert spent(budgets)[0] == PRICE


def test_a_full_region_leaves_the_stretch() -> None:
    """What the region may owe is leased like a cap, and judged by what is left of the lease."""
    budgets = MemoryBudgets({AF: Budget(debt=ledgers.charge(Ledger(), 15 * DOLLAR, START))})
    spending = spending_of(budgets)
    found = reserved(spending)
    ask = GuardedAsk(keys=(), money=found.region, price=PRICE)
    assert isinstance(judge({}, ask, GuardPolicy(), START), Stretched)
    assert found.taken.rest == (PRICE, 0, PRICE)
    spending.settle(found, Debt.STRETCH)
    run(spending.close(START))
    assert spent(budgets) == (PRICE, 15 * DOLLAR, PRICE)


def test_what_fits_is_what_the_lease_has() -> None:
    """Until the region's debt is full, every message that fits has its money in the lease."""
    spending = spending_of(MemoryBudgets(), Caps(region=0, default=0))
    count = 0
    while True:
        found = reserved(spending)
        ask = GuardedAsk(keys=(), money=found.region, price=PRICE)
        verdict = judge({}, ask, GuardPolicy(), START)
        if isinstance(verdict, Stretched):
            break
        assert found.taken.rest.debt == PRICE
        spending.settle(found, Debt.ALL)
        count += 1
    assert count == 150
    assert found.taken.rest.debt == 0


def test_payments_are_told_with_the_next_lease() -> None:
    """A right code makes room for another message."""
    budgets = MemoryBudgets()
    spending = spending_of(budgets)
    spending.settle(reserved(spending), Debt.ALL)
    spending.pay("signup", "AF", [Payment(PRICE, Debt.ALL, START, is_verified=True)])
    assert budgets.stored[AF].debt.verified_hours.amounts == ()
    run(spending.flush(after(START, SECOND)))
    assert spent(budgets) == (PRICE, 0, 0)
    assert budgets.stored[AF].debt.verified_hours.amounts == (PRICE,)


def test_what_is_over_is_given_back_without_asks() -> None:
    """A flush gives a lease back once it is over, and leaves the others alone."""
    budgets = Away()
    spending = spending_of(budgets)

    async def send() -> None:
        found = await spending.reserve("signup", "AF", PRICE, START)
        spending.settle(found, Debt.ALL)
        await spending.flush(after(START, 9 * SECOND))
        assert budgets.steps == 2
        await spending.flush(after(START, 10 * SECOND))
        await spending.flush(after(START, 11 * SECOND))

    asyncio.run(send())
    assert budgets.steps == 4
    assert spent(budgets) == (PRICE, PRICE, 0)


def test_a_reservation_outlives_its_lease() -> None:
    """What it does not need is given back for the hour in which it was leased."""
    budgets = MemoryBudgets()
    spending = spending_of(budgets)
    first = reserved(spending)
    later = after(START, 30 * MINUTE)
    spending.settle(reserved(spending, later), Debt.ALL)
    spending.release(first)
    run(spending.close(later))
    assert spent(budgets, now=later) == (PRICE, PRICE, 0)


def test_what_is_not_needed_comes_back_while_a_lease_is_renewed() -> None:
    """The rest of the old lease has been told by then, so this is told after it."""
    budgets = Away()
    spending = spending_of(budgets)
    later = after(START, 10 * SECOND)

    async def send() -> None:
        first = await spending.reserve("signup", "AF", PRICE, START)
        renewing = asyncio.create_task(spending.reserve("signup", "AF", PRICE, later))
        await asyncio.sleep(0)
        assert budgets.steps == 3
        spending.release(first)
        second = await renewing
        spending.settle(second, Debt.ALL)
        await spending.close(later)

    asyncio.run(send())
    assert (spent(budgets), spent(budgets, ALL)) == ((PRICE, PRICE, 0), (PRICE, 0, 0))


def test_a_lost_step_makes_the_guard_stricter() -> None:
    """What could not be told is not told again, or it would be forgiven twice."""
    budgets = Away()
    spending = spending_of(budgets)

    async def send() -> None:
        found = await spending.reserve("signup", "AF", PRICE, START)
        spending.settle(found, Debt.ALL)
        spending.pay("signup", "AF", [Payment(PRICE, Debt.ALL, START, is_verified=True)])
        budgets.is_away = True
        with pytest.raises(Unavailable):
            await spending.flush(after(START, SECOND))
        with pytest.raises(Unavailable):
            await spending.reserve("signup", "AF", PRICE, after(START, SECOND))
        budgets.is_away = False
        await spending.close(after(START, SECOND))

    asyncio.run(send())
    assert spent(budgets) == (2_500_000, 750_000, 125_000)


def test_shares_of_clients_are_taken_once_a_day() -> None:
    """From all regions of the account, by the days before yesterday."""
    ledger = Ledger()
    for day in range(2, 8):
        at = after(START, -day * DAY)
        ledger = ledgers.verify(ledgers.charge(ledger, 15 * DOLLAR, at), 100 * DOLLAR, at)
    budgets = MemoryBudgets({AF: Budget(debt=ledger), ALL: Budget()})
    spending = spending_of(budgets)
    found = reserved(spending)
    assert (found.region.factor, found.region.client_factor) == (200, 200)
    budgets.stored.clear()
    assert reserved(spending, after(START, DAY - 1)).region.client_factor == 200
    assert reserved(spending, after(START, DAY)).region.client_factor == 500
    ask = GuardedAsk(keys=(), money=found.region, price=PRICE)
    assert isinstance(judge({}, ask, GuardPolicy(), START), Free)
