"""How much of each cap is used, and what regions owe: docs/fraud.md."""

import pytest

from hsp_otp.domain.budgets import Budget, BudgetKey, Caps, Payment, charged, settled
from hsp_otp.domain.guard import Debt, GuardPolicy
from hsp_otp.domain.instant import DAY, HOUR, after
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.domain.spend_report import BudgetUse, budget_uses, percent_reached
from tests.world import START

ALL = BudgetKey("signup", None)
INDIA = BudgetKey("signup", "IN")
CAPS = Caps(default=100 * DOLLAR, region=50 * DOLLAR, regions={"FR": 0})


def used(spent: int, cap: int) -> BudgetUse:
    """The use of a cap."""
    return BudgetUse(key=INDIA, spent=spent, cap=cap)


def test_what_is_spent_and_owed_in_a_day() -> None:
    """Both count 24 hours; a region may owe 15 $, or its share of what was verified."""
    yesterday = charged(Budget(), Debt.ALL, 30 * DOLLAR, after(START, -DAY - HOUR))
    budget = charged(yesterday, Debt.ALL, 4 * DOLLAR, START)
    budget = charged(budget, Debt.CLIENT, DOLLAR, START)
    stored = {INDIA: budget, ALL: charged(Budget(), Debt.ALL, 5 * DOLLAR, START)}
    assert budget_uses(stored, CAPS, GuardPolicy(), START) == [
        BudgetUse(key=ALL, spent=5 * DOLLAR, cap=100 * DOLLAR),
        BudgetUse(
            key=INDIA,
            spent=5 * DOLLAR,
            cap=50 * DOLLAR,
            owed=4 * DOLLAR,
            may_owe=15 * DOLLAR,
        ),
    ]


def test_a_region_that_verifies_may_owe_more() -> None:
    """A share of what was verified, five times as long as nothing usual is known."""
    budget = charged(Budget(), Debt.ALL, 100 * DOLLAR, START)
    paid = Payment(100 * DOLLAR, Debt.ALL, START, is_verified=True)
    (use,) = budget_uses(
        {INDIA: settled(budget, START, payments=(paid,))}, CAPS, GuardPolicy(), START
    )
    assert (use.owed, use.may_owe) == (0, 100 * DOLLAR)
    assert use.owed_ratio == 0


def test_what_has_no_limit() -> None:
    """Without a cap and without a limit on debts, nothing is a part of them."""
    budget = charged(Budget(), Debt.ALL, 100 * DOLLAR, START)
    key, policy = BudgetKey("signup", "FR"), GuardPolicy(region_debts={"FR": 0})
    (use,) = budget_uses({key: budget}, CAPS, policy, START)
    assert (use.cap, use.may_owe) == (0, 0)
    assert (use.spent_percent, use.spent_ratio, use.owed_ratio) == (0, 0, 0)


def test_parts() -> None:
    """Of a cap, and of what may be owed."""
    use = BudgetUse(key=INDIA, spent=1_999, cap=2_000, owed=3, may_owe=4)
    assert (use.spent_ratio, use.spent_percent, use.owed_ratio) == (0.9995, 99, 0.75)


@pytest.mark.parametrize(
    ("spent", "percent"),
    [(0, None), (499, None), (500, 50), (799, 50), (800, 80), (999, 80), (1000, 100), (2000, 100)],
)
def test_parts_at_which_operators_are_told(spent: int, percent: int | None) -> None:
    """The highest part that is reached, exactly."""
    assert percent_reached(used(spent, 1000), is_refusing=False) == percent


def test_a_cap_that_refuses_is_reached() -> None:
    """What is left of it may be less than a message costs."""
    assert percent_reached(used(999, 1000), is_refusing=True) == 100


def test_no_cap_is_never_reached() -> None:
    """Whatever is spent."""
    assert percent_reached(used(10**12, 0), is_refusing=False) is None
