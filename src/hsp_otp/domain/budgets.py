"""
Money that is spent and owed by region and altogether, and leases of it.

Every ask of a region needs its budget, so processes do not ask for one message at a time. Each
leases a slice, which counts as spent and owed from then on, spends it in memory, and gives the rest
back with the next lease. What a process does not give back stays spent, so all of them together
never spend more than a cap.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import attrs

from hsp_otp.domain import ledger as ledgers
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import Debt, Group, Reason, Refused
from hsp_otp.domain.instant import DAY, HOUR, SECOND, Duration, Instant, after
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.prices import DOLLAR, Money

LEASE: Final[Duration] = 10 * SECOND
"""How long a slice may be spent."""

_PERCENT_OF_ROOM: Final = 5
"""What a slice takes of what is left."""

_ALL: Final = "*"

_OF_SENDER: Final = "sender:"

_MESSAGES: Final = 20
"""Messages in a slice of what has no limit."""


class BudgetKey(NamedTuple):
    """
    The key that a budget is stored under.

    Attributes:
        account: The flow, the app, or that of a sender.
        region: None for all regions together.
    """

    account: str
    region: str | None

    def __str__(self) -> str:
        return f"{self.account} {self.region or _ALL}"


def sender_account(name: str) -> str:
    """The account of what is spent with the sender of that name, whoever the messages are for."""
    return f"{_OF_SENDER}{name}"


def sender_of(account: str) -> str | None:
    """The name of the sender whose account that is; None if it is none of a sender."""
    return account.removeprefix(_OF_SENDER) if account.startswith(_OF_SENDER) else None


def budget_key(text: str) -> BudgetKey:
    """The key that `str` writes as *text*."""
    account, _, region = text.partition(" ")
    return BudgetKey(account, None if region == _ALL else region)


@attrs.frozen(kw_only=True)
class Budget:
    """
    The money of one account, in a region or altogether.

    Attributes:
        spent: Verified or not.
        debt: What is owed, and what was verified.
        stretch: What the stretch owes.
    """

    spent: Ledger = Ledger()
    debt: Ledger = Ledger()
    stretch: Ledger = Ledger()


class Bounds(NamedTuple):
    """What a budget may come to in 24 h; None is no limit."""

    spent: Money | None = None
    debt: Money | None = None
    stretch: Money | None = None


class Slice(NamedTuple):
    """Amounts of a budget: of what is spent, owed, and owed by the stretch."""

    spent: Money = 0
    debt: Money = 0
    stretch: Money = 0

    @property
    def without_stretch(self) -> "Slice":
        """This without what the stretch owes."""
        return Slice(self.spent, self.debt)

    def covers(self, other: "Slice") -> bool:
        """Whether no part of *other* is more than that of this."""
        return (
            self.spent >= other.spent and self.debt >= other.debt and self.stretch >= other.stretch
        )

    def plus(self, other: "Slice") -> "Slice":
        """The sums."""
        return Slice(self.spent + other.spent, self.debt + other.debt, self.stretch + other.stretch)

    def minus(self, other: "Slice") -> "Slice":
        """What is left of this without *other*."""
        return Slice(self.spent - other.spent, self.debt - other.debt, self.stretch - other.stretch)


class Returned(NamedTuple):
    """What was leased *at* that instant and is not spent."""

    rest: Slice
    at: Instant


class Lease(NamedTuple):
    """
    A slice that one process may spend.

    Attributes:
        left: What has not been spent of it.
        until: The first instant at which it may not be spent any more. It is never after the end
            of the hour that the slice is counted in.
    """

    left: Slice
    taken_at: Instant
    until: Instant

    @property
    def rest(self) -> Returned:
        """What is given back of it."""
        return Returned(self.left, self.taken_at)


class Payment(NamedTuple):
    """
    Money that is not owed any more since a code was right, or since a message did not arrive.

    Attributes:
        at: When it was charged.
        is_verified: Whether a code was right.
    """

    amount: Money
    debt: Debt
    at: Instant
    is_verified: bool


def renewed(
    budget: Budget,
    bounds: Bounds,
    price: Money,
    now: Instant,
    *,
    returned: Iterable[Returned] = (),
    payments: Iterable[Payment] = (),
) -> Decision[Budget, Lease]:
    """`settled`, and take a new slice, for a message of *price* or more if there is room for it."""
    before = settled(budget, now, returned=returned, payments=payments)
    taken = Slice(
        _slice(bounds.spent, ledgers.owed(before.spent, DAY, now), price),
        _slice(bounds.debt, ledgers.owed(before.debt, DAY, now), price),
        _slice(bounds.stretch, ledgers.owed(before.stretch, DAY, now), price),
    )
    becomes = Budget(
        spent=_charged(before.spent, taken.spent, now),
        debt=_charged(before.debt, taken.debt, now),
        stretch=_charged(before.stretch, taken.stretch, now),
    )
    end_of_hour = Instant((now // HOUR + 1) * HOUR)
    given = Lease(taken, now, min(after(now, LEASE), end_of_hour))
    return Decision(given, budget if becomes == budget else becomes)


def settled(
    budget: Budget,
    now: Instant,
    *,
    returned: Iterable[Returned] = (),
    payments: Iterable[Payment] = (),
) -> Budget:
    """*budget* with what is left of leases given back, and *payments* noted."""
    spent, debt, stretch = (
        ledgers.as_of(one, now) for one in (budget.spent, budget.debt, budget.stretch)
    )
    for rest, at in returned:
        spent = ledgers.forgive(spent, rest.spent, at)
        debt = ledgers.forgive(debt, rest.debt, at)
        stretch = ledgers.forgive(stretch, rest.stretch, at)
    for amount, owed_by, at, is_verified in payments:
        if owed_by is Debt.STRETCH:
            stretch = ledgers.forgive(stretch, amount, at)
        elif owed_by is Debt.ALL:
            debt = ledgers.forgive(debt, amount, at)
        else:
            continue
        if is_verified:
            debt = ledgers.verify(debt, amount, now)
    return Budget(spent=spent, debt=debt, stretch=stretch)


def charged(budget: Budget, debt: Debt, price: Money, now: Instant) -> Budget:
    """*budget* with one message that was sent without a lease."""
    owed, stretch = budget.debt, budget.stretch
    if debt is Debt.ALL:
        owed = ledgers.charge(owed, price, now)
    elif debt is Debt.STRETCH:
        stretch = ledgers.charge(stretch, price, now)
    spent = ledgers.charge(budget.spent, price, now)
    return Budget(spent=spent, debt=owed, stretch=stretch)


@attrs.frozen(kw_only=True)
class Caps:
    """
    What may be spent in 24 h on each account; 0 is no limit.

    Attributes:
        altogether: By account; *default* for every other one.
        region: In one region, on each account, unless *regions* has the region.
    """

    default: Money = 100 * DOLLAR
    altogether: Mapping[str, Money] = attrs.field(factory=dict[str, Money])
    region: Money = 50 * DOLLAR
    regions: Mapping[str, Money] = attrs.field(factory=dict[str, Money])

    def of(self, key: BudgetKey) -> Money:
        """The cap of one budget."""
        if key.region is None:
            return self.altogether.get(key.account, self.default)
        return self.regions.get(key.region, self.region)


def capped(spent: Ledger, group: Group, cap: Money, price: Money, now: Instant) -> Refused:
    """
    The refusal of a message of *price* that no slice can be taken for.

    Args:
        spent: With all leases counted as spent.
        group: The cap that is reached.
    """
    full = Reason(group, ledgers.owed(spent, DAY, now) + price, cap, DAY)
    instants = ledgers.let_go(spent, DAY, now)
    fits = (at for at in instants if ledgers.owed(spent, DAY, at) + price <= cap)
    return Refused(group, next(fits, after(now, DAY)), (full,))


def is_over(budget: Budget, now: Instant) -> bool:
    """Whether nothing in *budget* has an effect any more on any machine."""
    return all(ledgers.is_over(one, now) for one in (budget.spent, budget.debt, budget.stretch))


def _slice(bound: Money | None, used: Money, price: Money) -> Money:
    """Of what is left, down to one message, so that the last message of a cap can be sent."""
    if bound is None:
        return _MESSAGES * price
    room = bound - used
    return 0 if room < price else max(price, room * _PERCENT_OF_ROOM // 100)


def _charged(ledger: Ledger, amount: Money, now: Instant) -> Ledger:
    return ledgers.charge(ledger, amount, now) if amount else ledger
