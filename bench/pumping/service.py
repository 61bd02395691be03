"""The rules that judge an ask, over dictionaries: limits on sends, the guard, and money."""

# ruff: noqa: INP001 - part of a script

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

import attrs
from bench.pumping.world import REGIONS, Site

from hsp_otp.domain import budgets, guard, ledger, quota
from hsp_otp.domain.budgets import Bounds, Budget, BudgetKey, Caps, Lease, Payment, Slice
from hsp_otp.domain.debtors import ledger_keys
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
)
from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.prices import DOLLAR, Money
from hsp_otp.domain.purposes import PURPOSES, Flow
from hsp_otp.domain.quota import Usage, UsageKey
from hsp_otp.domain.send_limits import (
    Sent,
    charged_keys,
    client_keys,
    given_back,
    send_demands,
)
from hsp_otp.domain.work import LEVELS

SIGNUP: Final = Flow.SIGNUP.value

LIMITS: Final = {
    row.flow: Policy(client_sends=tuple(row.client_sends.values())) for row in PURPOSES.values()
}
"""The limits on sends, as they are without any setting."""

CAPS: Final = Caps(
    default=2_000 * DOLLAR,
    altogether={Flow.PASS_LOGIN.value: 100 * DOLLAR},
    regions={
        "IN": 1_500 * DOLLAR,
        "AE": 200 * DOLLAR,
        "GB": 100 * DOLLAR,
        "US": 50 * DOLLAR,
        "AF": 40 * DOLLAR,
    },
)
"""A few times what people cost; for pass login, what it is without any setting."""

Leases: TypeAlias = dict[BudgetKey, Lease]

_NOTHING: Final = Budget()


class Message(NamedTuple):
    """A message that was sent, and who owes it."""

    at: Instant
    sent: Sent
    region: str
    keys: tuple[LedgerKey, ...]
    debt: Debt
    price: Money


@attrs.frozen
class Answer:
    """
    What an ask was answered.

    Attributes:
        verdict: None if the limits on sends refused it, or if there is no guard.
        message: None if the ask was refused.
    """

    verdict: Verdict | None = None
    message: Message | None = None

    @property
    def group(self) -> str:
        """What refused the ask."""
        return self.verdict.group.value if isinstance(self.verdict, Refused) else "limits"

    @property
    def level(self) -> int:
        """The level of the work that the guard asked for."""
        match self.verdict:
            case guard.Priced(level):
                return level
            case guard.Stretched():
                return LEVELS[-1]
            case _:
                return 0


@attrs.define
class Service:
    """
    What processes share, and what each has leased.

    Attributes:
        policy: None for the limits on sends alone.
        leases: One mapping for each process; one alone needs none.
    """

    policy: GuardPolicy | None
    caps: Caps = CAPS
    leases: list[Leases] = attrs.field(factory=lambda: [{}])
    usages: dict[UsageKey, Usage] = attrs.field(factory=dict[UsageKey, Usage])
    ledgers: dict[LedgerKey, Ledger] = attrs.field(factory=dict[LedgerKey, Ledger])
    budgets: dict[BudgetKey, Budget] = attrs.field(factory=dict[BudgetKey, Budget])
    usual: dict[str, Usual] = attrs.field(factory=dict[str, Usual])
    client_factor: int = 0
    day: int = -1

    def ask(
        self,
        site: Site,
        client: ClientAddress,
        now: Instant,
        *,
        flow: Flow = Flow.SIGNUP,
        process: int = 0,
    ) -> Answer:
        """Judge an ask and charge it; work is done if it is asked for."""
        self._begin_day(now)
        sent = Sent(flow=flow, contact=site.contact, client=client, lane=Lane.OTHERS)
        demands = send_demands(sent, LIMITS[flow], is_let=False)
        usages = self._usages(charged_keys(sent))
        if quota.judge(usages, demands, now) is not None:
            return Answer()
        price = REGIONS[site.region].price
        if self.policy is None:
            self.usages.update(quota.charge(usages, demands, now))
            return Answer(None, Message(now, sent, site.region, (), Debt.NOBODY, price))
        keys = ledger_keys(SIGNUP, client, site.contact.range)
        held = {key: self.ledgers[key] for key in keys if key in self.ledgers}
        leases = self.leases[process] if len(self.leases) > 1 else None
        of_region = self._money(site.region, now, leases)
        verdict: Verdict = Free()
        debt = Debt.NOBODY
        # In pass login the number is the operator's own: caps alone judge it.
        if flow is Flow.SIGNUP:
            ask = GuardedAsk(keys=keys, money=of_region, price=price)
            verdict = guard.judge(held, ask, self.policy, now)
            debt = guard.debt_of(verdict, is_known=False)
        if isinstance(verdict, Refused):
            return Answer(verdict)
        if leases is None:
            capped = self._spend(flow.value, site.region, debt, price, now)
        else:
            capped = self._spend_leased(flow.value, of_region, debt, price, now, leases=leases)
        if capped is not None:
            return Answer(capped)
        self.usages.update(quota.charge(usages, demands, now))
        self.ledgers.update(guard.charged(held, keys, debt, now))
        return Answer(verdict, Message(now, sent, site.region, keys, debt, price))

    def pay(self, messages: Iterable[Message], now: Instant) -> None:
        """Pay back what a right code pays for."""
        messages = tuple(messages)
        sent = [(one.sent, one.at) for one in messages]
        self.usages.update(given_back(self._usages(client_keys(one for one, _ in sent)), sent))
        debts = [(tuple(guard.owing(one.keys, one.debt)), one.at) for one in messages]
        held = {key: self.ledgers.get(key, Ledger()) for keys, _ in debts for key in keys}
        self.ledgers.update(guard.paid(held, debts, now))
        self._settle(messages, now, is_verified=True)

    def forgive(self, message: Message, now: Instant) -> None:
        """Forgive a message of which a receipt says that it did not arrive."""
        keys = guard.owing(message.keys, message.debt)
        held = {key: self.ledgers[key] for key in keys if key in self.ledgers}
        self.ledgers.update(guard.forgiven(held, keys, message.at))
        self._settle([message], now, is_verified=False)

    def crash(self, process: int) -> None:
        """Lose what a process has leased."""
        self.leases[process] = {}

    def _money(self, region: str, now: Instant, leases: Leases | None) -> RegionMoney:
        key = BudgetKey(SIGNUP, region)
        budget = self.budgets.get(key, _NOTHING)
        lease = leases.get(key) if leases else None
        if lease is not None:
            budget = budgets.settled(budget, now, returned=[lease.rest])
        policy = self.policy or GuardPolicy()
        usual = self.usual.get(region)
        return RegionMoney(
            region=region,
            debt=budget.debt,
            stretch=budget.stretch,
            factor=policy.grows if usual is None else usual.factor,
            client_factor=self.client_factor,
        )

    def _spend(
        self, account: str, region: str, debt: Debt, price: Money, now: Instant
    ) -> Refused | None:
        """Charge budgets; the refusal of a cap if one is reached."""
        of_region, of_all = BudgetKey(account, region), BudgetKey(account, None)
        for key, group in ((of_region, Group.REGION_CAP), (of_all, Group.CAP)):
            cap = self.caps.of(key)
            spent = self.budgets.get(key, _NOTHING).spent
            if ledger.owed(spent, DAY, now) + price > cap:
                return budgets.capped(spent, group, cap, price, now)
        for key, owed_by in ((of_region, debt), (of_all, Debt.NOBODY)):
            budget = self.budgets.get(key, _NOTHING)
            self.budgets[key] = budgets.charged(budget, owed_by, price, now)
        return None

    def _spend_leased(
        self,
        account: str,
        of_region: RegionMoney,
        debt: Debt,
        price: Money,
        now: Instant,
        *,
        leases: Leases,
    ) -> Refused | None:
        """The same with leases, as in a process that is not alone."""
        policy, region = self.policy or GuardPolicy(), of_region.region
        owed = Slice(price, price if debt is Debt.ALL else 0, price if debt is Debt.STRETCH else 0)
        allowance = guard.region_allowance(of_region, policy, now)
        of_one, of_all = BudgetKey(account, region), BudgetKey(account, None)
        bounds = (
            (of_one, Bounds(self.caps.of(of_one), allowance, policy.stretch), owed),
            (of_all, Bounds(self.caps.of(of_all), 0, 0), Slice(price)),
        )
        for key, bound, needed in bounds:
            lease = leases.get(key)
            if lease is None or now >= lease.until or not _suffices(lease, needed):
                budget = self.budgets.get(key, _NOTHING)
                decision = budgets.renewed(
                    budget, bound, price, now, returned=[] if lease is None else [lease.rest]
                )
                self.budgets[key] = decision.becomes
                leases[key] = lease = decision.outcome
            if not _suffices(lease, needed):
                group = Group.CAP if key.region is None else Group.REGION_CAP
                spent = self.budgets[key].spent
                return budgets.capped(spent, group, self.caps.of(key), price, now)
        for key, _, needed in bounds:
            leases[key] = leases[key]._replace(left=leases[key].left.minus(needed))
        return None

    def _settle(self, messages: Iterable[Message], now: Instant, *, is_verified: bool) -> None:
        for one in messages:
            if self.policy is not None:
                key = BudgetKey(one.sent.flow.value, one.region)
                payment = Payment(one.price, one.debt, one.at, is_verified)
                self.budgets[key] = budgets.settled(self.budgets[key], now, payments=[payment])

    def _begin_day(self, now: Instant) -> None:
        """Once a day, take what regions usually owe, and drop what no window reaches."""
        if now // DAY == self.day:
            return
        self.day = now // DAY
        policy = self.policy or GuardPolicy()
        self.usual = {
            key.region: guard.usual_of(one.debt, policy, now)
            for key, one in self.budgets.items()
            if key.account == SIGNUP and key.region is not None
        }
        self.client_factor = guard.mean_factor(self.usual.values(), policy)
        self.usages = {key: one for key, one in self.usages.items() if not quota.is_over(one, now)}
        self.ledgers = {
            key: one for key, one in self.ledgers.items() if not ledger.is_over(one, now)
        }

    def _usages(self, keys: Iterable[UsageKey]) -> dict[UsageKey, Usage]:
        return {key: self.usages[key] for key in keys if key in self.usages}


def is_reproduced(verdict: Verdict) -> bool:
    """Whether the stored reasons of a verdict, by themselves, lead to it."""
    stored = guard.reasons_text(verdict.reasons)
    return guard.verdict_word(guard.read_reasons(stored)) == str(verdict)


def _suffices(lease: Lease, needed: Slice) -> bool:
    return all(left >= one for left, one in zip(lease.left, needed, strict=True))
