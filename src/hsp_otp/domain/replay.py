"""Asks of the past, judged again: under the numbers they were judged by, or under others."""

import heapq
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import attrs

from hsp_otp.domain import ledger as ledgers
from hsp_otp.domain.budgets import Budget, BudgetKey, Caps, Payment, capped, charged, settled
from hsp_otp.domain.guard import (
    Debt,
    Group,
    GuardedAsk,
    GuardPolicy,
    LedgerKey,
    RegionMoney,
    Usual,
    Verdict,
    debt_of,
    judge,
    mean_factor,
    owing,
    usual_of,
)
from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.prices import Money


@attrs.frozen(kw_only=True)
class PastAsk:
    """
    An ask as its row tells of it.

    Attributes:
        id: Of its request.
        keys: The ledgers that it is owed in.
        is_known: It was not judged by where the message goes.
        verified_at: When its code was right; None if it never was.
        undelivered_at: When a receipt said that the message did not arrive, or its senders refused
            it.
    """

    id: str
    at: Instant
    account: str
    region: str
    keys: tuple[LedgerKey, ...]
    price: Money
    is_known: bool = False
    verified_at: Instant | None = None
    undelivered_at: Instant | None = None


_NEW: Final = Ledger()
_EMPTY: Final = Budget()


class Judged(NamedTuple):
    """A past ask, and what it is answered now."""

    ask: PastAsk
    verdict: Verdict


class _PaidBack(NamedTuple):
    at: Instant
    number: int
    ask: PastAsk
    debt: Debt
    is_verified: bool


@attrs.define
class Replay:
    """
    Plays asks against ledgers of its own, in their order.

    It cannot know what people do who are refused now and were not, or the other way round: an ask
    that was refused counts as not verified, and nobody tries again.

    Attributes:
        policy: The numbers to judge by.
        caps: What may be spent, verified or not.
    """

    policy: GuardPolicy
    caps: Caps = Caps(default=0, region=0)
    _ledgers: dict[LedgerKey, Ledger] = attrs.field(factory=dict[LedgerKey, Ledger])
    _budgets: dict[BudgetKey, Budget] = attrs.field(factory=dict[BudgetKey, Budget])
    _usual: dict[str, dict[str, Usual]] = attrs.field(factory=dict[str, dict[str, Usual]])
    _means: dict[str, int] = attrs.field(factory=dict[str, int])
    _day: int = -1
    _coming: list[_PaidBack] = attrs.field(factory=list[_PaidBack])

    def judged(self, asks: Iterable[PastAsk]) -> Iterator[Judged]:
        """The verdicts of *asks*, which are in the order of their instants."""
        for number, ask in enumerate(asks):
            while self._coming and self._coming[0].at <= ask.at:
                self._pay_back(heapq.heappop(self._coming))
            yield Judged(ask, self._judge(ask, number))

    def _judge(self, ask: PastAsk, number: int) -> Verdict:
        now, key = ask.at, BudgetKey(ask.account, ask.region)
        self._learn(now // DAY)
        usual = self._usual.get(ask.account, {})
        budget = self._budgets.get(key, _EMPTY)
        of_region = RegionMoney(
            region=ask.region,
            debt=budget.debt,
            stretch=budget.stretch,
            factor=usual[ask.region].factor if ask.region in usual else self.policy.grows,
            client_factor=self._means.get(ask.account, self.policy.grows),
        )
        guarded = GuardedAsk(keys=ask.keys, money=of_region, price=ask.price, is_known=ask.is_known)
        held = {one: self._ledgers[one] for one in ask.keys if one in self._ledgers}
        verdict = judge(held, guarded, self.policy, now)
        debt = debt_of(verdict, is_known=ask.is_known)
        if debt is Debt.NOBODY:
            return verdict
        altogether = BudgetKey(ask.account, None)
        for one, group in ((key, Group.REGION_CAP), (altogether, Group.CAP)):
            cap, spent = self.caps.of(one), self._budgets.get(one, _EMPTY).spent
            if cap and ledgers.owed(spent, DAY, now) + ask.price > cap:
                return capped(spent, group, cap, ask.price, now)
        for owes in owing(ask.keys, debt):
            self._ledgers[owes] = ledgers.charge(self._ledgers.get(owes, _NEW), 1, now)
        for one in (key, altogether):
            self._budgets[one] = charged(self._budgets.get(one, _EMPTY), debt, ask.price, now)
        for at, is_verified in ((ask.undelivered_at, False), (ask.verified_at, True)):
            if at is not None:
                heapq.heappush(self._coming, _PaidBack(at, number, ask, debt, is_verified))
                break
        return verdict

    def _pay_back(self, paid: _PaidBack) -> None:
        ask, now = paid.ask, paid.at
        for key in owing(ask.keys, paid.debt):
            one = self._ledgers[key]
            self._ledgers[key] = (
                ledgers.pay(one, 1, ask.at, now)
                if paid.is_verified
                else ledgers.forgive(one, 1, ask.at)
            )
        payment = Payment(ask.price, paid.debt, ask.at, paid.is_verified)
        region = BudgetKey(ask.account, ask.region)
        self._budgets[region] = settled(self._budgets[region], now, payments=(payment,))

    def _learn(self, day: int) -> None:
        """Take the usual debts of all regions, once a day."""
        if day == self._day:
            return
        self._day, self._usual = day, {}
        for key, budget in self._budgets.items():
            if key.region is not None:
                usual = usual_of(budget.debt, self.policy, Instant(day * DAY))
                self._usual.setdefault(key.account, {})[key.region] = usual
        self._means = {
            account: mean_factor(usual.values(), self.policy)
            for account, usual in self._usual.items()
        }
