"""Asks of the past, judged again: under the numbers they were judged by, or under others."""

import heapq
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import attrs

from hsp_otp.domain import ledger as ledgers
from hsp_otp.domain.budgets import Budget, BudgetKey, Caps, Payment, capped, charged, settled
from hsp_otp.domain.guard import (
    Debt,
    Free,
    Group,
    GuardedAsk,
    GuardPolicy,
    LedgerKey,
    Refused,
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
        is_judged: Groups judge it beside the caps.
        told: The verdict that it had, as `str` writes it; None if caps alone judged it.
        is_admitted: Its message was charged.
        count: Requests that it stands for.
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
    is_judged: bool = True
    told: str | None = None
    is_admitted: bool = True
    count: int = 1
    verified_at: Instant | None = None
    undelivered_at: Instant | None = None


_REFUSED: Final = "refused"
_STRETCH: Final = "stretch"

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
    _number: int = 0
    _coming: list[_PaidBack] = attrs.field(factory=list[_PaidBack])

    def judged(self, asks: Iterable[PastAsk]) -> Iterator[Judged]:
        """The verdicts of *asks*, which are in the order of their instants."""
        for ask in asks:
            self._go_on(ask.at)
            yield Judged(ask, self._judge(ask))

    def remember(self, ask: PastAsk) -> None:
        """Take *ask* for what it was told, so that the asks after it find what it has left."""
        self._go_on(ask.at)
        if ask.is_admitted:
            self._charge(ask, _debt_told(ask))

    def _go_on(self, now: Instant) -> None:
        while self._coming and self._coming[0].at <= now:
            self._pay_back(heapq.heappop(self._coming))

    def _judge(self, ask: PastAsk) -> Verdict:
        now, key = ask.at, BudgetKey(ask.account, ask.region)
        self._learn(now // DAY)
        if not ask.is_judged:
            refused = self._capped(ask)
            if refused is None:
                self._charge(ask, Debt.NOBODY)
            return refused or Free()
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
        refused = self._capped(ask)
        if refused is None:
            self._charge(ask, debt)
        return refused or verdict

    def _capped(self, ask: PastAsk) -> Refused | None:
        whole = BudgetKey(ask.account, None)
        region = BudgetKey(ask.account, ask.region)
        for one, group in ((region, Group.REGION_CAP), (whole, Group.CAP)):
            cap = self.caps.of(one)
            if cap:
                spent = self._budgets.get(one, _EMPTY).spent
                if ledgers.owed(spent, DAY, ask.at) + ask.price > cap:
                    return capped(spent, group, cap, ask.price, ask.at)
        return None

    def _charge(self, ask: PastAsk, debt: Debt) -> None:
        now, region = ask.at, BudgetKey(ask.account, ask.region)
        for owes in owing(ask.keys, debt):
            self._ledgers[owes] = ledgers.charge(self._ledgers.get(owes, _NEW), 1, now)
        self._budgets[region] = charged(self._budgets.get(region, _EMPTY), debt, ask.price, now)
        # Nobody asks what all regions together owe.
        whole = BudgetKey(ask.account, None)
        self._budgets[whole] = charged(
            self._budgets.get(whole, _EMPTY), Debt.NOBODY, ask.price, now
        )
        if debt is Debt.NOBODY:
            return
        for at, is_verified in ((ask.undelivered_at, False), (ask.verified_at, True)):
            if at is not None:
                self._number += 1
                paid = _PaidBack(at, self._number, ask, debt, is_verified)
                heapq.heappush(self._coming, paid)
                break

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


def _debt_told(ask: PastAsk) -> Debt:
    """Who owes a past message by the verdict that it had."""
    if ask.told is None or ask.told == _REFUSED:
        return Debt.NOBODY
    if ask.told == _STRETCH:
        return Debt.STRETCH
    return Debt.CLIENT if ask.is_known else Debt.ALL
