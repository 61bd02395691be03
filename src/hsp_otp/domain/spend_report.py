"""How much of each cap is used, and what regions owe."""

from collections.abc import Mapping
from typing import Final

import attrs

from hsp_otp.domain import ledger as ledgers
from hsp_otp.domain.budgets import Budget, BudgetKey, Caps
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import GuardPolicy, RegionMoney, region_allowance, usual_of
from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.domain.prices import Money
from hsp_otp.domain.quota import UsageKey, Usages

ALERT_PERCENTS: Final = (50, 80, 100)
"""Parts of a cap at which operators are told."""


@attrs.frozen(kw_only=True)
class BudgetUse:
    """
    How much of one budget is used, in 24 hours.

    Attributes:
        spent: What processes have leased counts as spent.
        cap: 0 is no cap.
        owed: Of a region, like the rest: what is not paid back.
        may_owe: 0 is no limit.
    """

    key: BudgetKey
    spent: Money
    cap: Money
    owed: Money = 0
    may_owe: Money = 0

    @property
    def spent_ratio(self) -> float:
        """The used part of the cap; 0 without a cap."""
        return self.spent / self.cap if self.cap else 0

    @property
    def spent_percent(self) -> int:
        """The same in whole percent, rounded down."""
        return 100 * self.spent // self.cap if self.cap else 0

    @property
    def owed_ratio(self) -> float:
        """The part of what may be owed; 0 without a limit."""
        return self.owed / self.may_owe if self.may_owe else 0


def budget_uses(
    budgets: Mapping[BudgetKey, Budget], caps: Caps, policy: GuardPolicy, now: Instant
) -> list[BudgetUse]:
    """The uses of all *budgets*, that of an account's regions together before each region."""
    in_order = sorted(budgets, key=lambda key: (key.account, key.region or ""))
    return [_use(key, budgets[key], caps, policy, now) for key in in_order]


def percent_reached(use: BudgetUse, *, is_refusing: bool) -> int | None:
    """
    The highest of `ALERT_PERCENTS` that *use* has reached.

    Args:
        is_refusing: A message was refused since it did not fit into the cap any more. What is left
            may be less than the price of a message, so that 100 % of the cap are never spent.
    """
    percent = ALERT_PERCENTS[-1] if is_refusing else use.spent_percent
    return max((one for one in ALERT_PERCENTS if one <= percent), default=None)


def alert_key(use: BudgetUse, percent: int) -> UsageKey:
    """The key under which it is recorded that operators were told of *percent* of a cap."""
    return UsageKey("spend_alerts", f"{use.key} {percent}")


def alert_keys(use: BudgetUse, percent: int) -> tuple[UsageKey, ...]:
    """The keys of *percent* and all smaller parts, which are told with it."""
    return tuple(alert_key(use, one) for one in ALERT_PERCENTS if one <= percent)


def claim(usages: Usages, *, key: UsageKey, now: Instant) -> Decision[Usages, bool]:
    """
    Take it on to tell operators of the part of a cap that *key* stands for, and of all that
    *usages* has; once in 24 hours.

    The outcome is False if somebody else has taken it on.
    """
    if any(at > now - DAY for at in usages.get(key, ())):
        return Decision(outcome=False, becomes=usages)
    return Decision(outcome=True, becomes=dict.fromkeys(usages, (now,)))


def _use(
    key: BudgetKey, budget: Budget, caps: Caps, policy: GuardPolicy, now: Instant
) -> BudgetUse:
    spent = ledgers.owed(ledgers.as_of(budget.spent, now), DAY, now)
    if key.region is None:
        return BudgetUse(key=key, spent=spent, cap=caps.of(key))
    debt = ledgers.as_of(budget.debt, now)
    factor = usual_of(debt, policy, now).factor
    money = RegionMoney(region=key.region, debt=debt, factor=factor, client_factor=factor)
    is_limited = policy.region_debts.get(key.region, policy.region_debt) > 0
    return BudgetUse(
        key=key,
        spent=spent,
        cap=caps.of(key),
        owed=ledgers.owed(debt, DAY, now),
        may_owe=region_allowance(money, policy, now) if is_limited else 0,
    )
