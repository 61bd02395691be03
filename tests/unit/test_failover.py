"""Several senders in turn: docs/contract.md, 5.6 and 7."""

from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hsp_otp.adapters.senders.circuit_breaker import CircuitBreaker
from hsp_otp.adapters.senders.failover import Failover
from hsp_otp.domain.circuit import share
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.instant import MINUTE, SECOND, Duration, after
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt, Sms
from tests.world import PHONE, ManualClock, Outbox, run

SMS = Sms(to=Contact(ContactKind.PHONE, PHONE), text="012345 is your code", useful_for=600_000_000)

TAKEN = Receipt(sender="outbox", provider_message_id="message-1")


def sms_to(number: int) -> Message:
    """A message to somebody; each *number* is of a range of its own."""
    return attrs.evolve(SMS, to=Contact(ContactKind.PHONE, f"+9198{number:04d}3210"))


class Chain:
    """
    Three senders in turn, each behind a circuit, and a clock.

    Attributes:
        takes: Microseconds that each sender needs before it answers.
    """

    def __init__(self, *failures: Exception | None, takes: tuple[int, ...] = (0, 0, 0)) -> None:
        self.clock = ManualClock()
        self.boxes = [
            Outbox(failure=failure, witness=self._passing(time))
            for failure, time in zip(failures, takes, strict=False)
        ]
        self.circuits = [CircuitBreaker("one", box, self.clock) for box in self.boxes]
        self.sender = Failover(self.circuits, self.clock, ("one", "two", "three"))

    def _passing(self, time: int) -> Callable[[], None]:
        return lambda: self.clock.advance(time)

    @property
    def asked(self) -> list[int]:
        """How often each sender was."""
        return [len(box.given) for box in self.boxes]


def test_the_first_takes_it() -> None:
    """Where the first sender takes the message nobody else hears of it."""
    chain = Chain(None, None, None)
    assert run(chain.sender.send(SMS)) == TAKEN
    assert chain.asked == [1, 0, 0]
    assert chain.boxes[0].sent == [SMS]


def test_the_next_takes_it() -> None:
    """Where one fails the next is given the very same message, and its receipt is the answer."""
    chain = Chain(SendFailed("away"), None, None)
    assert run(chain.sender.send(SMS)) == TAKEN
    assert chain.asked == [1, 1, 0]
    assert chain.boxes[1].sent == [SMS]


def test_some_senders_in_another_order() -> None:
    """Only the named senders are tried, in the order in which they are named."""
    chain = Chain(None, SendFailed("away"), SendFailed("away"))
    names = ("three", "gone", "two")
    with pytest.raises(SendFailed, match=r"^no sender took the message$"):
        run(chain.sender.send(SMS, names=names))
    assert chain.asked == [0, 1, 1]
    chain.boxes[1].failure = None
    assert run(chain.sender.send(SMS, names=names)) == TAKEN
    assert chain.asked == [0, 2, 2]


def test_senders_that_are_all_gone() -> None:
    """Nothing is tried where none of the named senders is configured any more."""
    chain = Chain(None, None, None)
    assert chain.sender.available()
    assert chain.sender.available(("gone", "two"))
    assert not chain.sender.available(("gone",))
    with pytest.raises(SendFailed, match=r"^no sender took the message$"):
        run(chain.sender.send(SMS, names=("gone",)))
    assert chain.asked == [0, 0, 0]


def test_nobody_takes_it() -> None:
    """Where all fail the message failed, and each was asked once."""
    chain = Chain(*[SendFailed("away")] * 3)
    with pytest.raises(SendFailed, match=r"^no sender took the message$") as caught:
        run(chain.sender.send(SMS))
    assert not isinstance(caught.value, SendRejected)
    assert chain.asked == [1, 1, 1]


@pytest.mark.parametrize("place", [0, 1])
def test_a_refusal_is_final(place: int) -> None:
    """A refusal about the number is the answer, and the message is tried nowhere else."""
    failures: list[Exception | None] = [SendFailed("away"), None, None]
    failures[place] = refusal = SendRejected("opted out")
    chain = Chain(*failures)
    with pytest.raises(SendRejected) as caught:
        run(chain.sender.send(SMS))
    assert caught.value is refusal
    assert chain.asked == [1, place, 0]


def test_what_one_sender_refuses_the_next_may_take() -> None:
    """A refusal that is this sender's alone is no answer: the next one is given the message."""
    chain = Chain(SendRefusedHere("no route"), SendRefusedHere("no route"), None)
    assert run(chain.sender.send(SMS)) == TAKEN
    assert chain.asked == [1, 1, 1]


def test_what_every_sender_refuses_is_not_taken() -> None:
    """Where each sender refuses it for itself the message failed, and each was asked once."""
    chain = Chain(*[SendRefusedHere("no route")] * 3)
    with pytest.raises(SendFailed, match=r"^no sender took the message$"):
        run(chain.sender.send(SMS))
    assert chain.asked == [1, 1, 1]


@pytest.mark.parametrize(
    ("failure", "event"),
    [
        (SendFailed("why"), "message_not_taken"),
        (SendRefusedHere("why"), "message_refused"),
        (SendRejected("why"), "message_refused"),
    ],
)
def test_the_log_tells_trouble_from_refusals(failure: SendFailed, event: str) -> None:
    """Why a message was not taken is told as a sender's trouble or as a refusal of the message."""
    chain = Chain(failure)
    with capture_logs() as logged, pytest.raises(SendFailed):
        run(chain.sender.send(SMS))
    assert logged == [{"event": event, "why": "why", "log_level": "info"}]


def test_a_bug_is_not_hidden_by_the_next() -> None:
    """What no sender promised to raise goes up as it is."""
    chain = Chain(RuntimeError("a bug"), None)
    with pytest.raises(RuntimeError, match="a bug"):
        run(chain.sender.send(SMS))
    assert chain.asked == [1, 0]


def test_who_is_skipped_is_passed_over() -> None:
    """After five failures the first is not asked for 15 s, and then it is again."""
    chain = Chain(SendFailed("away"), None)
    for number in range(6):
        run(chain.sender.send(sms_to(number)))
    assert chain.asked == [5, 6]
    chain.clock.advance(15_000_000)
    chain.boxes[0].failure = None
    run(chain.sender.send(SMS))
    assert chain.asked == [6, 6]


def test_it_is_available_while_one_is() -> None:
    """A message would be tried as long as one of the senders would be; then nobody is asked."""
    chain = Chain(SendFailed("away"), SendFailed("away"))
    for number in range(4):
        with pytest.raises(SendFailed):
            run(chain.sender.send(sms_to(number)))
    chain.boxes[1].failure = None
    run(chain.sender.send(SMS))
    assert not chain.circuits[0].available()
    assert chain.sender.available()
    chain.boxes[1].failure = SendFailed("away")
    for number in range(5):
        with pytest.raises(SendFailed):
            run(chain.sender.send(sms_to(number)))
    assert not chain.sender.available()
    asked = chain.asked
    with pytest.raises(SendFailed, match=r"^no sender took the message$"):
        run(chain.sender.send(SMS))
    assert chain.asked == asked


def test_without_senders() -> None:
    """Nobody is nobody."""
    sender = Failover((), ManualClock())
    assert not sender.available()
    with pytest.raises(SendFailed):
        run(sender.send(SMS))


# --- Everybody's share of the time


def test_the_share() -> None:
    """What is left is divided evenly among those who remain, rounded down; never less than 0."""
    assert share(7_500_000, 1) == 7_500_000
    assert share(7_500_000, 2) == 3_750_000
    assert share(7_500_001, 2) == 3_750_000
    assert share(0, 3) == 0
    assert share(-5, 2) == 0


def test_who_hangs_leaves_the_others_as_much() -> None:
    """Two senders that use all of their share leave the third as much as they had."""
    chain = Chain(*[SendFailed("slow")] * 2, None, takes=(2_500_000, 2_500_000, 0))
    run(chain.sender.send(SMS))
    assert [box.given for box in chain.boxes] == [[2_500_000], [2_500_000], [2_500_000]]


def test_who_fails_at_once_leaves_more() -> None:
    """What one does not use is for those after it."""
    chain = Chain(*[SendFailed("refused")] * 2, None, takes=(100_000, 400_000, 0))
    run(chain.sender.send(SMS))
    assert [box.given for box in chain.boxes] == [[2_500_000], [3_700_000], [7_000_000]]


def test_who_is_skipped_gets_no_share() -> None:
    """The time is divided among those that are tried, not among all there are."""
    chain = Chain(SendFailed("away"), None)
    for number in range(6):
        run(chain.sender.send(sms_to(number)))
    assert chain.boxes[0].given == [3_750_000] * 5
    assert chain.boxes[1].given == [7_500_000] * 6


def test_a_caller_may_give_less() -> None:
    """The whole is what the caller gives."""
    chain = Chain(SendFailed("away"), None, takes=(500_000, 0))
    run(chain.sender.send(SMS, 1_000_000))
    assert [box.given for box in chain.boxes] == [[500_000], [500_000]]


def test_when_the_time_is_up() -> None:
    """A sender that took more than its share leaves nothing, and nobody is asked after it."""
    chain = Chain(SendFailed("slow"), None, takes=(7_500_000, 0))
    with pytest.raises(SendFailed):
        run(chain.sender.send(SMS))
    assert chain.asked == [1, 0]


def test_a_clock_that_is_set_back() -> None:
    """However the clock moves, nobody is given more than the whole."""
    chain = Chain(SendFailed("away"), None, takes=(-3_600_000_000, 0))
    run(chain.sender.send(SMS))
    assert chain.boxes[1].given == [7_500_000]


@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=6))
def test_all_together_never_pass_the_whole(answers: list[tuple[int, bool]]) -> None:
    """
    However much of its share each sender uses (in tenths), and whoever takes it: each is asked
    once at most and gets its fair share, and all together stay within the whole.
    """
    clock = ManualClock()
    began = clock.now()

    def using(box: Outbox, tenths: int) -> Callable[[], None]:
        return lambda: clock.advance(box.given[-1] * tenths // 10)

    boxes: list[Outbox] = []
    for tenths, works in answers:
        box = Outbox(failure=None if works else SendFailed("away"))
        box.witness = using(box, tenths)
        boxes.append(box)
    sender = Failover(boxes, clock)
    if any(works for _, works in answers):
        assert run(sender.send(SMS)) == TAKEN
    else:
        with pytest.raises(SendFailed):
            run(sender.send(SMS))
    assert clock.now() - began <= SEND_WITHIN
    asked = [len(box.given) for box in boxes]
    first = next((n for n, (_, works) in enumerate(answers) if works), len(answers) - 1)
    assert asked == [1] * (first + 1) + [0] * (len(answers) - first - 1)
    assert all(box.given[0] >= SEND_WITHIN // len(boxes) for box in boxes[: first + 1])


# --- Somebody asks for numbers that senders refuse


@attrs.define
class Provider:
    """
    Refuses some numbers, and may be away.

    Attributes:
        refused: Ranges that it refuses.
        refusal: What it says then.
        takes: How long it needs.
    """

    clock: ManualClock
    refused: frozenset[str]
    refusal: type[SendFailed] = SendRefusedHere
    takes: Duration = 20_000
    away: bool = False
    taken: list[Message] = attrs.field(factory=list[Message])

    def available(self) -> bool:
        """Keep the promise of `Sender.available`."""
        return True

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:
        """Keep the promise of `Sender.send`."""
        self.clock.advance(min(within, self.takes))
        if self.away:
            raise SendFailed("away")
        if message.to.range in self.refused:
            raise self.refusal("not that one")
        self.taken.append(message)
        return Receipt(sender="provider")


REFUSED = frozenset(f"+9198{number:04d}" for number in range(1_000, 2_000))
"""The ranges that the attacker asks for."""


@attrs.define
class Siege:
    """An attacker asks twenty times a second for refused numbers, and people ask in between."""

    clock: ManualClock
    providers: list[Provider]
    sender: Failover
    asked: int = 0

    @classmethod
    def of(cls, refusal: type[SendFailed], senders: int) -> "Siege":
        """So many senders, all of which refuse the same."""
        clock = ManualClock()
        providers = [Provider(clock, REFUSED, refusal) for _ in range(senders)]
        circuits = [CircuitBreaker("provider", one, clock) for one in providers]
        return cls(clock, providers, Failover(circuits, clock))

    def attack(self) -> None:
        """The attacker asks."""
        self.asked += 1
        with pytest.raises(SendFailed):
            run(self.sender.send(sms_to(1_000 + self.asked % 1_000)))

    def honest(self) -> bool:
        """Whether somebody else's message is taken."""
        self.asked += 1
        try:
            run(self.sender.send(sms_to(self.asked % 1_000)))
        except SendFailed:
            return False
        return True

    def minute(self) -> list[bool]:
        """What becomes of honest messages, one a second."""
        until, found = after(self.clock.now(), MINUTE), list[bool]()
        while self.clock.now() < until:
            for _ in range(20):
                self.attack()
                self.clock.advance(SECOND // 20)
            found.append(self.honest())
        return found

    def outage(self) -> None:
        """All providers are away until all are skipped, by messages of other people."""
        for provider in self.providers:
            provider.away = True
        while self.sender.available():
            assert not self.honest()
        for provider in self.providers:
            provider.away = False


both = pytest.mark.parametrize("senders", [1, 2])
answers = pytest.mark.parametrize("refusal", [SendRefusedHere, SendRejected])


@both
@answers
def test_refused_numbers_fail_nobody_else(refusal: type[SendFailed], senders: int) -> None:
    """A minute of refused numbers, twenty a second: every other message is taken."""
    siege = Siege.of(refusal, senders)
    found = siege.minute()
    assert len(found) > 20
    assert all(found)


@both
@answers
def test_refused_numbers_do_not_prolong_an_outage(refusal: type[SendFailed], senders: int) -> None:
    """After an outage the attacker's message tries the sender first, and all others are taken."""
    siege = Siege.of(refusal, senders)
    siege.outage()
    siege.attack()
    assert not siege.honest()
    siege.clock.advance(15 * SECOND)
    assert siege.sender.available()
    siege.attack()
    assert siege.honest()
    assert all(siege.minute())


@both
@answers
def test_refused_numbers_do_not_hide_an_outage(refusal: type[SendFailed], senders: int) -> None:
    """While they are asked for, a sender that is away is skipped like any other."""
    siege = Siege.of(refusal, senders)
    siege.minute()
    for provider in siege.providers:
        provider.away = True
    for _ in range(5):
        siege.attack()
        siege.honest()
    assert not siege.sender.available()


def test_numbers_that_one_sender_refuses_are_sent_by_the_next() -> None:
    """What the first refuses for itself the second takes, and the first goes on with the rest."""
    clock = ManualClock()
    first, second = Provider(clock, REFUSED), Provider(clock, frozenset())
    sender = Failover([CircuitBreaker("one", one, clock) for one in (first, second)], clock)
    for number in range(100):
        run(sender.send(sms_to(1_000 + number)))
        run(sender.send(sms_to(number)))
    assert [len(one.taken) for one in (first, second)] == [100, 100]


def test_a_slow_range_fails_for_itself_alone() -> None:
    """Where a sender times out for one range of numbers, others are sent by it all the same."""
    clock = ManualClock()
    slow = Provider(clock, frozenset({"+91981000"}), SendFailed, takes=7_500_000)
    sender = Failover([CircuitBreaker("one", slow, clock)], clock)
    for _ in range(40):
        with pytest.raises(SendFailed):
            run(sender.send(sms_to(1_000)))
    run(sender.send(sms_to(1)))
