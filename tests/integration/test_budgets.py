"""The budgets of money, in memory and in every SQL database."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import pytest

from hsp_otp.domain.budgets import Budget, BudgetKey, Caps, charged
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import Debt, GuardPolicy
from hsp_otp.domain.instant import DAY, SECOND, after
from hsp_otp.domain.ledger import owed
from hsp_otp.flows.spending import Spending
from tests.integration.stores import POSTGRES, SQLITE, Kind, Stores
from tests.world import START

pytestmark = pytest.mark.anyio

AF = BudgetKey("signup", "AF")
PRICE = 10


def spend(budget: Budget) -> Decision[Budget, Budget]:
    """Send a message, and tell what was there before."""
    return Decision(budget, charged(budget, Debt.ALL, PRICE, START))


def look(budget: Budget) -> Decision[Budget, Budget]:
    """Change nothing."""
    return Decision(budget, budget)


async def test_a_budget_is_kept(stores: Stores) -> None:
    """A step sees what the step before has left; without one, the budget is empty."""
    assert await stores.budgets.transition(AF, look) == Budget()
    assert await stores.budgets.of_account("signup") in ({}, {AF: Budget()})
    assert await stores.budgets.transition(AF, spend) == Budget()
    assert await stores.budgets.transition(AF, look) == charged(Budget(), Debt.ALL, PRICE, START)


async def test_the_budgets_of_an_account(stores: Stores) -> None:
    """Those of all its regions, and none of an account whose name begins alike."""
    mine = [AF, BudgetKey("signup", "IN"), BudgetKey("signup", None)]
    for key in (*mine, BudgetKey("signup2", "AF"), BudgetKey("sign", None)):
        await stores.budgets.transition(key, spend)
    spent = charged(Budget(), Debt.ALL, PRICE, START)
    assert await stores.budgets.of_account("signup") == dict.fromkeys(mine, spent)
    assert await stores.budgets.of_account("login") == {}


async def test_steps_at_once_do_not_lose_money(stores: Stores) -> None:
    """Of fifty at once, every one sees all before it."""
    seen = await asyncio.gather(*(stores.budgets.transition(AF, spend) for _ in range(50)))
    assert sorted(owed(one.spent, DAY, START) for one in seen) == [PRICE * n for n in range(50)]


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES], ids=lambda kind: kind.name)
async def test_writers_never_spend_more_than_a_cap(kind: Kind, tmp_path: Path) -> None:
    """Four writers ask fifty times at once; two of them stop without giving anything back."""
    caps, most = Caps(region=20 * PRICE, default=0), 20

    async def ask(spending: Spending) -> bool:
        found = await spending.reserve("signup", "AF", PRICE, START)
        if found.cap is None:
            spending.settle(found, Debt.ALL)
        return found.cap is None

    async with AsyncExitStack() as stack:
        first, second, *killed = [
            Spending(
                (await stack.enter_async_context(kind.open(tmp_path))).budgets, GuardPolicy(), caps
            )
            for _ in range(4)
        ]
        asks = [ask(one) for one in (first, second, *killed) for _ in range(4)]
        admitted = sum(await asyncio.gather(*asks))
        assert admitted == len(asks)
        for one in (first, second):
            await one.close(START)
        survivor = attrs.evolve(first)
        later = after(START, SECOND)
        rest = [await ask(survivor) for _ in range(most)]
        left = await first.budgets.transition(AF, look)
        await survivor.close(later)
    assert admitted + sum(rest) <= most
    assert not rest[-1]
    assert owed(left.spent, DAY, later) <= most * PRICE
