"""Money by region and altogether, and the leases that processes take of it: docs/fraud.md."""

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hsp_otp.domain import ledger as ledgers
from hsp_otp.domain.budgets import (
    Bounds,
    Budget,
    BudgetKey,
    Caps,
    Lease,
    Payment,
    Slice,
    budget_key,
    capped,
    charged,
    is_over,
    renewed,
    settled,
)
from hsp_otp.domain.guard import Debt, Group, Reason
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant, after
from hsp_otp.domain.ledger import LEDGER_WINDOW, Ledger
from tests.strategies import MACHINE_ROUNDS
from tests.world import START

PRICE = 10
BOUNDS = Bounds(spent=1_000, debt=400, stretch=30)


def test_budgets_have_keys() -> None:
    """One for each region of an account, and one for all of them."""
    assert str(BudgetKey("signup", "AF")) == "signup AF"
    assert str(BudgetKey("signup", None)) == "signup *"
    assert budget_key("signup AF") == BudgetKey("signup", "AF")
    assert budget_key("signup *") == BudgetKey("signup", None)


def test_a_lease_takes_a_twentieth_of_what_is_left() -> None:
    """And one message at least; it counts as spent at once."""
    decision = renewed(Budget(), BOUNDS, PRICE, START)
    assert decision.outcome.left == Slice(50, 20, 10)
    becomes = decision.becomes
    assert [
        ledgers.owed(one, DAY, START) for one in (becomes.spent, becomes.debt, becomes.stretch)
    ] == [50, 20, 10]


def test_without_a_bound_a_lease_is_worth_twenty_messages() -> None:
    """What is spent is noted where no cap holds, too."""
    assert renewed(Budget(), Bounds(), PRICE, START).outcome.left == Slice(200, 200, 200)


def test_the_last_message_of_a_cap_can_be_sent_and_no_other() -> None:
    """Room for one message is leased whole, and less than that is not."""
    spent = Budget(spent=ledgers.charge(Ledger(), 990, START))
    assert renewed(spent, BOUNDS, PRICE, START).outcome.left.spent == 10
    full = Budget(spent=ledgers.charge(Ledger(), 991, START))
    decision = renewed(full, Bounds(1_000, 5, 5), PRICE, START)
    assert decision.outcome.left == Slice()
    assert decision.becomes is full


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (START, after(START, 10 * SECOND)),
        (after(START, HOUR - 10 * SECOND), after(START, HOUR)),
        (after(START, HOUR - SECOND), after(START, HOUR)),
    ],
)
def test_a_lease_ends_with_its_hour(now: Instant, until: Instant) -> None:
    """What is spent of it later would be counted too early."""
    assert renewed(Budget(), BOUNDS, PRICE, now).outcome.until == until


def test_what_is_left_of_a_lease_comes_back() -> None:
    """Given back whole, it leaves the budget as it was."""
    taken = renewed(Budget(), BOUNDS, PRICE, START)
    assert settled(taken.becomes, START, returned=[taken.outcome.rest]) == Budget()
    spent = taken.outcome._replace(left=taken.outcome.left.minus(Slice(10, 10, 0)))
    again = settled(taken.becomes, START, returned=[spent.rest])
    assert ledgers.owed(again.spent, DAY, START) == 10
    assert ledgers.owed(again.debt, DAY, START) == 10
    assert again.stretch == Ledger()


def test_payments_are_noted_with_the_next_lease() -> None:
    """A right code is verified money, whoever owed it; a message that never arrived is not."""
    budget = charged(charged(Budget(), Debt.ALL, 10, START), Debt.STRETCH, 10, START)
    now = after(START, MINUTE)
    payments = (
        Payment(10, Debt.ALL, START, is_verified=True),
        Payment(10, Debt.STRETCH, START, is_verified=True),
        Payment(10, Debt.CLIENT, START, is_verified=True),
    )
    paid = settled(budget, now, payments=payments)
    assert paid == Budget(
        spent=budget.spent, debt=ledgers.verify(Ledger(), 20, now), stretch=Ledger()
    )
    lost = settled(budget, now, payments=(Payment(10, Debt.ALL, START, is_verified=False),))
    assert lost == attrs.evolve(budget, debt=Ledger())


def test_known_people_spend_and_owe_no_region_anything() -> None:
    """Their messages count for the caps alone."""
    spent = ledgers.charge(Ledger(), 10, START)
    assert charged(Budget(), Debt.CLIENT, 10, START) == Budget(spent=spent)


def test_slices_add_up() -> None:
    """What is taken from one and put back leaves it as it was."""
    whole, part = Slice(9, 8, 7), Slice(1, 2, 3)
    assert whole.minus(part) == Slice(8, 6, 4)
    assert whole.minus(part).plus(part) == whole


def test_caps_of_budgets() -> None:
    """Each region and each account may have its own."""
    caps = Caps(default=1, altogether={"login": 2}, region=3, regions={"AF": 4})
    keys = [
        BudgetKey(account, region)
        for account in ("signup", "login")
        for region in (None, "IN", "AF")
    ]
    assert [caps.of(key) for key in keys] == [1, 3, 4, 2, 3, 4]


def test_a_cap_tells_when_there_is_room_again() -> None:
    """The first full hour at which enough of what is spent has left the window."""
    spent = ledgers.charge(ledgers.charge(Ledger(), 500, START), 500, after(START, 2 * HOUR))
    now = after(START, 3 * HOUR)
    refused = capped(spent, Group.CAP, 1_000, PRICE, now)
    assert (refused.group, refused.retry_at) == (Group.CAP, after(START, 25 * HOUR))
    assert refused.reasons == (Reason(Group.CAP, 1_010, 1_000, DAY),)
    of_region = capped(spent, Group.REGION_CAP, 500, PRICE, now)
    assert (of_region.group, of_region.retry_at) == (Group.REGION_CAP, after(START, 27 * HOUR))
    assert capped(spent, Group.CAP, 5, PRICE, now).retry_at == after(now, DAY)


def test_a_budget_is_over_when_no_window_reaches_it() -> None:
    """It is kept as long as the days of its debts count."""
    budget = charged(Budget(), Debt.ALL, 10, START)
    assert not is_over(budget, after(START, LEDGER_WINDOW))
    assert is_over(budget, after(START, LEDGER_WINDOW + 2 * DAY))


class Processes(RuleBasedStateMachine):
    """
    Any number of processes that lease one cap, spend, and are killed.

    In every 24 h at most the cap is spent (law 10), and nothing is refused for good: after a day
    without anybody the whole cap is there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.budget, self.now = Budget(), START
        self.leases: dict[int, Lease] = {}
        self.spent: list[Instant] = []

    @rule(process=st.integers(0, 3), renews=st.booleans())
    def spend(self, process: int, renews: bool) -> None:  # noqa: FBT001
        """Send a message from the lease, if it has money for one, or else from a new one."""
        lease = self.leases.get(process)
        if renews or lease is None or lease.left.spent < PRICE or self.now >= lease.until:
            returned = [] if lease is None else [lease.rest]
            decision = renewed(self.budget, Bounds(spent=120), PRICE, self.now, returned=returned)
            self.budget, lease = decision.becomes, decision.outcome
        if lease.left.spent >= PRICE:
            lease = lease._replace(left=lease.left.minus(Slice(PRICE)))
            self.spent.append(self.now)
        self.leases[process] = lease

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        """Lose a lease: what it had stays spent."""
        del self.leases[data.draw(st.sampled_from(sorted(self.leases)))]

    @rule(wait=st.sampled_from((1, SECOND, 10 * SECOND, HOUR, HOUR - 1, 23 * HOUR)))
    def wait(self, wait: int) -> None:
        """Let time pass."""
        self.now = after(self.now, wait)

    @invariant()
    def the_cap_holds(self) -> None:
        """In every interval of 24 h."""
        for begin in self.spent[-13:]:
            assert sum(begin <= one < begin + DAY for one in self.spent) * PRICE <= 120

    def teardown(self) -> None:
        """A day later, everything is there again."""
        later = after(self.now, 25 * HOUR)
        assert renewed(self.budget, Bounds(spent=120), 120, later).outcome.left.spent == 120


TestProcesses = pytest.mark.slow(Processes.TestCase)
TestProcesses.settings = settings(max_examples=60 * MACHINE_ROUNDS, stateful_step_count=40)
