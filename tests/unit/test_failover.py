"""Several senders in turn: docs/contract.md, 5.6 and 7."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.adapters.sms.circuit import CircuitSms
from hsp_otp.adapters.sms.failover import FailoverSms
from hsp_otp.domain.circuit import share
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.ports.failures import SmsFailed, SmsRejected
from hsp_otp.ports.sms import SEND_WITHIN, Receipt, Sms
from tests.world import PHONE, ManualClock, Outbox, run

SMS = Sms(to=PhoneNumber(PHONE), text="012345 is your code", useful_for=600_000_000)

TAKEN = Receipt(sender="outbox", provider_message_id="message-1")


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
        self.circuits = [CircuitSms("one", box, self.clock) for box in self.boxes]
        self.sender = FailoverSms(self.circuits, self.clock)

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
    chain = Chain(SmsFailed("away"), None, None)
    assert run(chain.sender.send(SMS)) == TAKEN
    assert chain.asked == [1, 1, 0]
    assert chain.boxes[1].sent == [SMS]


def test_nobody_takes_it() -> None:
    """Where all fail the message failed, and each was asked once."""
    chain = Chain(*[SmsFailed("away")] * 3)
    with pytest.raises(SmsFailed, match=r"^no sender took the message$") as caught:
        run(chain.sender.send(SMS))
    assert not isinstance(caught.value, SmsRejected)
    assert chain.asked == [1, 1, 1]


@pytest.mark.parametrize("place", [0, 1])
def test_a_refusal_is_final(place: int) -> None:
    """A refusal about the number is the answer, and the message is tried nowhere else."""
    failures: list[Exception | None] = [SmsFailed("away"), None, None]
    failures[place] = refusal = SmsRejected("opted out")
    chain = Chain(*failures)
    with pytest.raises(SmsRejected) as caught:
        run(chain.sender.send(SMS))
    assert caught.value is refusal
    assert chain.asked == [1, place, 0]


def test_a_bug_is_not_hidden_by_the_next() -> None:
    """What no sender promised to raise goes up as it is."""
    chain = Chain(RuntimeError("a bug"), None)
    with pytest.raises(RuntimeError, match="a bug"):
        run(chain.sender.send(SMS))
    assert chain.asked == [1, 0]


def test_who_is_skipped_is_passed_over() -> None:
    """After five failures the first is not asked for 15 s, and then it is again."""
    chain = Chain(SmsFailed("away"), None)
    for _ in range(6):
        run(chain.sender.send(SMS))
    assert chain.asked == [5, 6]
    chain.clock.advance(15_000_000)
    chain.boxes[0].failure = None
    run(chain.sender.send(SMS))
    assert chain.asked == [6, 6]


def test_it_is_available_while_one_is() -> None:
    """A message would be tried as long as one of the senders would be; then nobody is asked."""
    chain = Chain(SmsFailed("away"), SmsFailed("away"))
    for _ in range(4):
        with pytest.raises(SmsFailed):
            run(chain.sender.send(SMS))
    chain.boxes[1].failure = None
    run(chain.sender.send(SMS))
    assert not chain.circuits[0].available()
    assert chain.sender.available()
    chain.boxes[1].failure = SmsFailed("away")
    for _ in range(5):
        with pytest.raises(SmsFailed):
            run(chain.sender.send(SMS))
    assert not chain.sender.available()
    asked = chain.asked
    with pytest.raises(SmsFailed, match=r"^no sender took the message$"):
        run(chain.sender.send(SMS))
    assert chain.asked == asked


def test_without_senders() -> None:
    """Nobody is nobody."""
    sender = FailoverSms((), ManualClock())
    assert not sender.available()
    with pytest.raises(SmsFailed):
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
    chain = Chain(*[SmsFailed("slow")] * 2, None, takes=(2_500_000, 2_500_000, 0))
    run(chain.sender.send(SMS))
    assert [box.given for box in chain.boxes] == [[2_500_000], [2_500_000], [2_500_000]]


def test_who_fails_at_once_leaves_more() -> None:
    """What one does not use is for those after it."""
    chain = Chain(*[SmsFailed("refused")] * 2, None, takes=(100_000, 400_000, 0))
    run(chain.sender.send(SMS))
    assert [box.given for box in chain.boxes] == [[2_500_000], [3_700_000], [7_000_000]]


def test_who_is_skipped_gets_no_share() -> None:
    """The time is divided among those that are tried, not among all there are."""
    chain = Chain(SmsFailed("away"), None)
    for _ in range(6):
        run(chain.sender.send(SMS))
    assert chain.boxes[0].given == [3_750_000] * 5
    assert chain.boxes[1].given == [7_500_000] * 6


def test_a_caller_may_give_less() -> None:
    """The whole is what the caller gives."""
    chain = Chain(SmsFailed("away"), None, takes=(500_000, 0))
    run(chain.sender.send(SMS, 1_000_000))
    assert [box.given for box in chain.boxes] == [[500_000], [500_000]]


def test_when_the_time_is_up() -> None:
    """A sender that took more than its share leaves nothing, and nobody is asked after it."""
    chain = Chain(SmsFailed("slow"), None, takes=(7_500_000, 0))
    with pytest.raises(SmsFailed):
        run(chain.sender.send(SMS))
    assert chain.asked == [1, 0]


def test_a_clock_that_is_set_back() -> None:
    """However the clock moves, nobody is given more than the whole."""
    chain = Chain(SmsFailed("away"), None, takes=(-3_600_000_000, 0))
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
        box = Outbox(failure=None if works else SmsFailed("away"))
        box.witness = using(box, tenths)
        boxes.append(box)
    sender = FailoverSms(boxes, clock)
    if any(works for _, works in answers):
        assert run(sender.send(SMS)) == TAKEN
    else:
        with pytest.raises(SmsFailed):
            run(sender.send(SMS))
    assert clock.now() - began <= SEND_WITHIN
    asked = [len(box.given) for box in boxes]
    first = next((n for n, (_, works) in enumerate(answers) if works), len(answers) - 1)
    assert asked == [1] * (first + 1) + [0] * (len(answers) - first - 1)
    assert all(box.given[0] >= SEND_WITHIN // len(boxes) for box in boxes[: first + 1])
