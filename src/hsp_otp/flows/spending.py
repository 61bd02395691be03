"""Spends money from leases, so that asks of one region do not wait for each other."""

import asyncio
from collections.abc import Iterable
from typing import Final, assert_never

import attrs

from hsp_otp.domain.budgets import (
    Bounds,
    Budget,
    BudgetKey,
    Caps,
    Lease,
    Payment,
    Returned,
    Slice,
    capped,
    renewed,
    settled,
)
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import (
    Debt,
    Group,
    GuardPolicy,
    Refused,
    RegionMoney,
    mean_factor,
    region_allowance,
    usual_of,
)
from hsp_otp.domain.instant import DAY, SECOND, Duration, Instant, after
from hsp_otp.domain.prices import Money
from hsp_otp.ports.budgets import Budgets

_EMPTY_FOR: Final[Duration] = SECOND
"""How long a budget that had no room is not asked again."""

_NO_LEASE: Final = Lease(Slice(), Instant(0), Instant(0))

_NOTHING: Final = Returned(Slice(), Instant(0))


@attrs.frozen
class Reserved:
    """
    Money that is put aside for one message, until it is known who owes it.

    Attributes:
        region: What the message is judged by.
        taken: Out of the budgets of the region and of the account, with when each was leased;
            nothing if a cap is reached.
        cap: The refusal of that cap, as far as this process can know.
    """

    key: BudgetKey
    region: RegionMoney
    taken: Returned
    altogether: Returned
    cap: Refused | None = None


@attrs.define(eq=False)
class _Purse:
    """
    What this process knows of one budget.

    Attributes:
        budget: As it was stored with the last lease, which counts as spent there.
        in_flight: Of the stretch, what is put aside for messages that are being judged.
        empty_until: When a part that had no room is asked for again, each by its own.
        returned: What was reserved out of earlier leases and not used.
    """

    key: BudgetKey
    budget: Budget = Budget()
    lease: Lease = _NO_LEASE
    factor: int = 100
    in_flight: Money = 0
    empty_until: Instant = Instant(0)
    empty_for: Slice = Slice()
    returned: list[Returned] = attrs.field(factory=list[Returned])
    payments: list[Payment] = attrs.field(factory=list[Payment])
    turn: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    def is_short(self, wanted: Slice, now: Instant) -> bool:
        """
        Whether a new lease is needed, and could help.

        Few messages need the stretch, and each has some for a moment only: while some of it is put
        aside, no more is leased.
        """
        lease = self.lease
        if now >= lease.until:
            return True
        if lease.left.covers(wanted):
            return False
        if self.in_flight:
            wanted = wanted.without_stretch
        is_empty = now < self.empty_until
        return any(
            left < want and not (is_empty and empty and want >= empty)
            for left, want, empty in zip(lease.left, wanted, self.empty_for, strict=True)
        )

    def take(self, wanted: Slice) -> Returned:
        """Take as much of *wanted* as the lease has whole parts of."""
        lease, taken = self.lease, wanted
        if not lease.left.covers(wanted):
            parts = zip(lease.left, wanted, strict=True)
            taken = Slice(*(want if left >= want else 0 for left, want in parts))
        self.lease = Lease(lease.left.minus(taken), lease.taken_at, lease.until)
        self.in_flight += taken.stretch
        return Returned(taken, lease.taken_at)

    def put_back(self, rest: Slice, at: Instant) -> None:
        """Give back what was taken out of the lease of that instant."""
        if not any(rest):
            return
        if at == self.lease.taken_at:
            lease = self.lease
            self.lease = Lease(lease.left.plus(rest), lease.taken_at, lease.until)
        else:
            self.returned.append(Returned(rest, at))

    def end(self) -> None:
        """Let the lease be over."""
        self.lease = self.lease._replace(until=Instant(0))

    def to_settle(self) -> tuple[tuple[Returned, ...], tuple[Payment, ...]]:
        """
        What the budget is to be told. It is forgotten here: told twice, it would make debts of
        others disappear, and not told, it makes the guard stricter.
        """
        told = (*self.returned, self.lease.rest), tuple(self.payments)
        self.returned, self.payments = [], []
        self.lease = _NO_LEASE
        return told


@attrs.frozen
class _Renewed:
    """A new lease, and the budget in which it counts as spent."""

    lease: Lease
    budget: Budget
    factor: int


@attrs.frozen
class Spending:
    """The money of this process: what it has leased, and what it has yet to tell."""

    budgets: Budgets
    policy: GuardPolicy
    caps: Caps
    _purses: dict[BudgetKey, _Purse] = attrs.field(factory=dict[BudgetKey, _Purse], init=False)
    _client_factors: dict[str, tuple[int, int]] = attrs.field(
        factory=dict[str, tuple[int, int]], init=False
    )

    async def reserve(
        self, account: str, region: str, price: Money, now: Instant, *, is_judged: bool = True
    ) -> Reserved:
        """
        Put money aside for a message; call `settle` once it is sent, or `release`.

        Args:
            is_judged: Somebody may owe the message. Otherwise it is only spent.

        Raises:
            Unavailable: The budgets did not answer.
        """
        own = self._purse(BudgetKey(account, region))
        altogether = self._purse(BudgetKey(account, None))
        whole = Slice(spent=price)
        wanted = Slice(price, price, price) if is_judged else whole
        client_factor = await self._client_factor(account, now)
        while own.is_short(wanted, now) or altogether.is_short(whole, now):
            await self._renew(own, wanted, now)
            await self._renew(altogether, whole, now)
        # A group fits if, and only if, the lease has the money.
        money = RegionMoney(
            region=region,
            debt=own.budget.debt,
            stretch=own.budget.stretch,
            unused_debt=own.lease.left.debt,
            unused_stretch=own.lease.left.stretch,
            factor=own.factor,
            client_factor=client_factor,
        )
        for purse, group in ((own, Group.REGION_CAP), (altogether, Group.CAP)):
            if purse.lease.left.spent < price:
                cap = capped(purse.budget.spent, group, self.caps.of(purse.key), price, now)
                return Reserved(own.key, money, _NOTHING, _NOTHING, cap)
        return Reserved(own.key, money, own.take(wanted), altogether.take(whole))

    def release(self, reserved: Reserved) -> None:
        """Give everything back that was put aside for a message that is not sent."""
        own = self._purse(reserved.key)
        own.in_flight -= reserved.taken.rest.stretch
        own.put_back(*reserved.taken)
        self._purse(BudgetKey(reserved.key.account, None)).put_back(*reserved.altogether)

    def settle(self, reserved: Reserved, debt: Debt) -> None:
        """Give back what a message that is sent, and owed as *debt* says, does not need."""
        taken, at = reserved.taken
        match debt:
            case Debt.NOBODY | Debt.CLIENT:
                rest = Slice(debt=taken.debt, stretch=taken.stretch)
            case Debt.ALL:
                rest = Slice(stretch=taken.stretch)
            case Debt.STRETCH:
                rest = Slice(debt=taken.debt)
            case _:
                assert_never(debt)
        own = self._purse(reserved.key)
        own.in_flight -= taken.stretch
        own.put_back(rest, at)

    async def take(self, account: str, price: Money, now: Instant) -> Returned | None:
        """
        Spend money of an account in no region, owed by nobody; None if its cap is reached.

        Raises:
            Unavailable: The budgets did not answer.
        """
        purse, whole = self._purse(BudgetKey(account, None)), Slice(spent=price)
        while purse.is_short(whole, now):
            await self._renew(purse, whole, now)
        return None if purse.lease.left.spent < price else purse.take(whole)

    def give_back(self, account: str, taken: Returned) -> None:
        """Give back what was taken for a message that was not sent."""
        self._purse(BudgetKey(account, None)).put_back(*taken)

    def is_empty(self, account: str, now: Instant) -> bool:
        """Whether the cap of an account was found to be reached a moment ago."""
        purse = self._purse(BudgetKey(account, None))
        return now < purse.empty_until and purse.empty_for.spent > 0

    def pay(self, account: str, region: str, payments: Iterable[Payment]) -> None:
        """Note money that is not owed any more; it is told with the next lease."""
        self._purse(BudgetKey(account, region)).payments += payments

    async def flush(self, now: Instant) -> None:
        """
        Tell all budgets what is due: call it every few seconds, and at the end.

        Raises:
            Unavailable: The budgets did not answer.
        """
        for purse in list(self._purses.values()):
            async with purse.turn:
                is_over = now >= purse.lease.until and any(purse.lease.left)
                if is_over or purse.payments or purse.returned:
                    await self._tell(purse, now)

    async def close(self, now: Instant) -> None:
        """Give every lease back; raises Unavailable if the budgets do not answer."""
        for purse in self._purses.values():
            purse.end()
        await self.flush(now)

    def _purse(self, key: BudgetKey) -> _Purse:
        found = self._purses.get(key)
        if found is None:
            found = self._purses[key] = _Purse(key)
        return found

    async def _tell(self, purse: _Purse, now: Instant) -> None:
        returned, payments = purse.to_settle()

        def decide(budget: Budget) -> Decision[Budget, Budget]:
            becomes = settled(budget, now, returned=returned, payments=payments)
            return Decision(becomes, budget if becomes == budget else becomes)

        purse.budget = await self.budgets.transition(purse.key, decide)

    async def _renew(self, purse: _Purse, wanted: Slice, now: Instant) -> None:
        async with purse.turn:
            if not purse.is_short(wanted, now):  # somebody else has renewed it meanwhile
                return
            returned, payments = purse.to_settle()
            cap, region, price = self.caps.of(purse.key), purse.key.region, wanted.spent

            def decide(budget: Budget) -> Decision[Budget, _Renewed]:
                before = settled(budget, now, returned=returned, payments=payments)
                factor, bounds = 100, Bounds(cap or None, 0, 0)
                if region is not None:
                    factor = usual_of(before.debt, self.policy, now).factor
                    money = RegionMoney(
                        region=region, debt=before.debt, factor=factor, client_factor=100
                    )
                    bounds = Bounds(
                        cap or None,
                        region_allowance(money, self.policy, now),
                        self.policy.stretch,
                    )
                decision = renewed(before, bounds, price, now)
                after_it = decision.becomes
                outcome = _Renewed(decision.outcome, after_it, factor)
                return Decision(outcome, budget if after_it == budget else after_it)

            found = await self.budgets.transition(purse.key, decide)
            purse.budget, purse.lease, purse.factor = found.budget, found.lease, found.factor
            purse.empty_until = min(after(now, _EMPTY_FOR), found.lease.until)
            purse.empty_for = Slice(
                *(0 if left else want for left, want in zip(found.lease.left, wanted, strict=True))
            )

    async def _client_factor(self, account: str, now: Instant) -> int:
        """The same all day: it is taken once."""
        day, factor = self._client_factors.get(account, (-1, 0))
        if day != now // DAY:
            found = await self.budgets.of_account(account)
            factor = mean_factor(
                (
                    usual_of(one.debt, self.policy, now)
                    for key, one in found.items()
                    if key.region is not None
                ),
                self.policy,
            )
            self._client_factors[account] = (now // DAY, factor)
        return factor
