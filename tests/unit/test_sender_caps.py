"""Caps on what is spent with one sender: docs/contract.md, 3.1."""

from typing import Final

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryBudgets
from hsp_otp.adapters.senders.failover import Failover
from hsp_otp.domain import ledger as ledgers
from hsp_otp.domain.budgets import BudgetKey, Caps, sender_account
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.guard import GuardPolicy
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND
from hsp_otp.domain.names import ENGLISH
from hsp_otp.domain.prices import Prices, SenderPrices
from hsp_otp.flows.sender_caps import CappedSender
from hsp_otp.flows.spending import Spending
from hsp_otp.ports.failures import SendFailed, SendRefusedHere
from hsp_otp.ports.sender import Call, Sms
from tests.world import PHONE, ManualClock, Outbox, run

PRICE: Final = 80_000

SMS: Final = Sms(to=Contact.stored(PHONE), text="404042 is your code.", useful_for=MINUTE)
CALL: Final = Call(
    id="c1",
    to=Contact.stored(PHONE),
    code="404042",
    language=ENGLISH,
    service_name="House",
    useful_for=MINUTE,
)


@attrs.define
class Sent:
    """A capped sender before another one."""

    clock: ManualClock = attrs.field(factory=ManualClock)
    budgets: MemoryBudgets = attrs.field(factory=MemoryBudgets)
    first: Outbox = attrs.field(factory=lambda: Outbox(name="dear"))
    second: Outbox = attrs.field(factory=lambda: Outbox(name="other"))
    cap: int = 2 * PRICE
    spending: Spending = attrs.field()

    @spending.default
    def _spending(self) -> Spending:
        caps = Caps(default=0, altogether={sender_account("dear"): self.cap})
        return Spending(self.budgets, GuardPolicy(), caps)

    @property
    def capped(self) -> CappedSender:
        """The first of them."""
        return CappedSender(
            name="dear",
            sender=self.first,
            spending=self.spending,
            prices=Prices({"dear": SenderPrices({"IN": PRICE})}),
            clock=self.clock,
        )

    def send(self, message: Sms | Call = SMS) -> str:
        """Send a message by whichever takes it, and return its name."""
        tried = Failover([self.capped, self.second], self.clock, ("dear", "other"))
        return run(tried.send(message)).sender

    def spent(self) -> int:
        """What the first has cost today."""
        run(self.spending.close(self.clock.now()))
        stored = self.budgets.stored[BudgetKey(sender_account("dear"), None)]
        return ledgers.owed(stored.spent, DAY, self.clock.now())


def test_the_next_sender_is_tried() -> None:
    """Two messages are all that the first may cost; it is back once they have left the window."""
    told = Sent()
    assert [told.send(one) for one in (SMS, CALL, SMS, SMS)] == ["dear", "dear", "other", "other"]
    assert not told.capped.available()
    assert told.spent() == 2 * PRICE
    told.clock.advance(25 * HOUR)
    assert told.capped.available()
    assert told.send() == "dear"


def test_every_segment_costs() -> None:
    """A long text is dearer, and does not fit what is left."""
    told = Sent()
    assert told.send(attrs.evolve(SMS, text=161 * "x")) == "dear"
    assert told.send() == "other"


def test_a_cap_that_is_reached_is_found_out_again() -> None:
    """What is known to be empty is asked again a second later, and the answer is the same."""
    told = Sent(cap=PRICE)
    assert [told.send(), told.send()] == ["dear", "other"]
    assert not told.capped.available()
    told.clock.advance(SECOND)
    assert told.capped.available()
    with pytest.raises(SendRefusedHere, match="dear is reached"):
        run(told.capped.send(SMS))
    assert not told.capped.available()


@pytest.mark.parametrize(
    ("failure", "spent"), [(SendRefusedHere("no route"), 0), (SendFailed("away"), PRICE)]
)
def test_a_refused_message_costs_nothing(failure: Exception, spent: int) -> None:
    """Where the result is unknown, the sender may have taken it."""
    told = Sent()
    told.first.failure = failure
    assert told.send() == "other"
    assert told.spent() == spent


def test_a_sender_that_is_skipped_stays_so() -> None:
    """The cap is not all that counts."""
    told = Sent()
    told.first.skipped = True
    assert not told.capped.available()
    assert told.send() == "other"
