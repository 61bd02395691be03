"""When a sender is skipped: docs/contract.md, 7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hsp_otp.adapters.senders.circuit_breaker import CircuitBreaker
from hsp_otp.domain.circuit import Attempt, Circuit, Result, begun, ended
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.instant import SECOND, Duration, Instant, after
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.sender import Message, Receipt, Sms
from tests.world import PHONE, START, ManualClock, Outbox, run

GOOD, REFUSED, BAD, BROKEN_OFF = Result.TAKEN, Result.REFUSED, Result.FAILED, Result.UNKNOWN

ANSWERS = (SendRejected, SendRefusedHere)
"""What a sender that is well says of a message that it does not take."""

STEPS = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from((0, 1, 15_000_000 - 1, 15_000_000, 30_000_000 - 1, 30_000_000)),
            st.integers(0, 4_000_000),
        ),
        st.sampled_from(Result),
        st.sampled_from(("+9198765", "+9198766", "+9198767", "+4479111")),
    ),
    max_size=60,
)
"""How long after the one before it an attempt ended, what it says, and whom it was for."""


def sms_to(number: int) -> Message:
    """A message to somebody; each *number* is of a range of its own."""
    to = Contact(ContactKind.PHONE, f"+91987{number:03d}3210")
    return Sms(to=to, text="012345 is your code", useful_for=600_000_000)


SMS = Sms(to=Contact(ContactKind.PHONE, PHONE), text="012345 is your code", useful_for=600_000_000)


def after_all(
    *results: Result,
    gap: Duration = SECOND,
    circuit: Circuit | None = None,
    prefixes: tuple[str, ...] = ("+1201", "+1202", "+1203"),
) -> Circuit:
    """A circuit after attempts for those ranges by turns, *gap* apart, the first at the start."""
    circuit = circuit or Circuit()
    for number, result in enumerate(results):
        circuit = attempted(
            circuit,
            result,
            now=after(START, number * gap),
            prefix=prefixes[number % len(prefixes)],
        )
    return circuit


def attempted(circuit: Circuit, result: Result, *, now: Instant, prefix: str = "+1201") -> Circuit:
    """*circuit* after an attempt that began and ended at once."""
    probed = circuit.is_open
    return ended(begun(circuit, now), result, prefix=prefix, probed=probed, now=now)


def at(seconds: float) -> Instant:
    """That many seconds after the start."""
    return after(START, round(seconds * SECOND))


def test_a_new_sender_is_tried() -> None:
    """Nothing is known of a sender at first, and it is tried."""
    assert Circuit().admits(START)
    assert not Circuit().is_open


def test_five_failures_in_a_row_open_it() -> None:
    """After four failures in a row the sender is tried, after five it is skipped."""
    assert after_all(*[BAD] * 4).admits(at(3))
    assert not after_all(*[BAD] * 5).admits(at(4))


def test_failures_in_a_row_may_lie_far_apart() -> None:
    """Five failures with nothing in between open the circuit, however long that took."""
    assert not after_all(*[BAD] * 5, gap=3_600 * SECOND).admits(at(4 * 3_600))


def test_a_success_ends_a_row() -> None:
    """Four failures, a success and four failures leave the sender tried."""
    assert after_all(*[BAD] * 4, GOOD, *[BAD] * 4).admits(at(8))


def test_it_is_skipped_for_fifteen_seconds() -> None:
    """Fifteen seconds after the failure that opened it the sender is tried, no earlier."""
    circuit = after_all(*[BAD] * 5)
    assert not circuit.admits(at(4))
    assert not circuit.admits(Instant(START + 4_000_000 + 14_999_999))
    assert circuit.admits(Instant(START + 4_000_000 + 15_000_000))


@pytest.mark.parametrize("by", ["row", "half"])
def test_one_more_failure_opens_it_again(by: str) -> None:
    """However it was opened, the first failure after it skips the sender for 15 s more."""
    first = [GOOD] * 15 + [BAD] * 5 if by == "row" else [GOOD, BAD] * 10
    circuit = after_all(*first)
    assert not circuit.admits(at(19))
    again = attempted(circuit, BAD, now=at(40))
    assert not again.admits(Instant(START + 40_000_000 + 14_999_999))
    assert again.admits(at(55))


def test_a_success_closes_it() -> None:
    """After a success it takes five failures in a row again, from three ranges again."""
    circuit = attempted(after_all(*[BAD] * 5), GOOD, now=at(40))
    assert circuit == Circuit()
    for number in range(4):
        circuit = attempted(circuit, BAD, now=at(41 + number), prefix=f"+120{number}")
        assert circuit.admits(at(41 + number))
    assert not attempted(circuit, BAD, now=at(45)).admits(at(45))


@pytest.mark.parametrize("result", [GOOD, REFUSED, BROKEN_OFF])
def test_what_began_before_it_opened_tells_nothing(result: Result) -> None:
    """Whatever an attempt from before the circuit opened comes to, unless it failed, is too old."""
    circuit = after_all(*[BAD] * 5)
    late = ended(circuit, result, prefix="+1201", probed=False, now=at(5))
    assert late is circuit
    probed = begun(circuit, at(19))
    assert ended(probed, result, prefix="+1201", probed=False, now=at(20)) is probed


def test_half_of_twenty_failures_open_it() -> None:
    """Ten failures among twenty attempts within thirty seconds open it, in whatever order."""
    assert not after_all(*[GOOD, BAD] * 10).admits(at(19))
    assert not after_all(*[GOOD, GOOD, BAD, BAD] * 5).admits(at(19))


def test_fewer_than_half_of_twenty_do_not() -> None:
    """Nine failures among twenty attempts leave the sender tried."""
    assert after_all(GOOD, GOOD, *[GOOD, BAD] * 9).admits(at(19))


def test_half_of_fewer_than_twenty_do_not() -> None:
    """Ten failures among nineteen attempts leave the sender tried."""
    assert after_all(*[BAD, GOOD] * 9, BAD).admits(at(18))


def test_a_success_does_not_open_it() -> None:
    """Where half have failed the next failure opens it, and not a success that comes before."""
    circuit = after_all(*[BAD, GOOD] * 9, BAD, GOOD)
    assert circuit.admits(at(19))


def test_the_sample_is_of_the_latest() -> None:
    """Only the last twenty attempts count: older successes do not hide new failures."""
    assert not after_all(*[GOOD] * 20, *[BAD, GOOD] * 9, BAD, BAD, gap=100_000).admits(at(4))


def test_the_sample_has_thirty_seconds() -> None:
    """What ended thirty seconds before counts no more, and a microsecond less does."""
    first = attempted(Circuit(), BAD, now=START)
    for number in range(18):
        result = GOOD if number % 2 == 0 else BAD
        first = attempted(first, result, now=at(1 + number), prefix=f"+12{number:02d}")
    early = attempted(first, BAD, now=Instant(START + 29_999_999))
    late = attempted(first, BAD, now=Instant(START + 30_000_000))
    assert not early.admits(at(30))
    assert late.admits(at(30))


# --- Evidence


def test_a_row_of_failures_of_two_ranges_is_no_evidence() -> None:
    """However often the numbers of two ranges fail, the sender is tried; a third range opens it."""
    circuit = after_all(*[BAD] * 40, gap=2 * SECOND, prefixes=("+1201", "+1202"))
    assert circuit.admits(at(80))
    assert not attempted(circuit, BAD, now=at(80), prefix="+1203").admits(at(80))


def test_five_failures_of_three_ranges_are_evidence() -> None:
    """The third range may come at any place in the row; four failures are never enough."""
    for place in range(5):
        prefixes = ["+1201", "+1202", "+1201", "+1202", "+1201"]
        prefixes[place] = "+1203"
        circuit = after_all(*[BAD] * 5, prefixes=tuple(prefixes))
        assert circuit.is_open is (len({*prefixes}) == 3)
    four = after_all(*[BAD] * 4, prefixes=("+1201", "+1202", "+1203", "+1204"))
    assert not four.is_open
    assert four.failed_for == {"+1201", "+1202", "+1203"}  # it remembers no more than it needs


def test_half_of_twenty_of_two_ranges_are_no_evidence() -> None:
    """Failures among successes count for ranges like those in a row, and successes do not."""
    two = tuple(f"+12{number:02d}" for number in (1, 2, 3, 4, 5, 2))
    mixed = [GOOD, BAD, GOOD, BAD, GOOD, BAD]
    circuit = after_all(*mixed * 10, gap=SECOND // 2, prefixes=("+1201", "+1202"))
    assert circuit.admits(at(30))
    assert after_all(*mixed * 10, gap=SECOND // 2, prefixes=two).admits(at(30))
    assert not attempted(circuit, BAD, now=at(30)).is_open
    third = attempted(after_all(*[GOOD, BAD] * 10, prefixes=two), BAD, now=at(19.5), prefix="+1203")
    assert not third.admits(at(20))


def test_a_success_forgets_the_ranges_of_the_row() -> None:
    """Ranges of failures before a success are no evidence for the row after it."""
    circuit = after_all(BAD, BAD, BAD, GOOD)
    assert after_all(*[BAD] * 9, circuit=circuit, prefixes=("+1201", "+1202")).admits(at(9))


def test_ranges_are_not_shown() -> None:
    """Ranges are parts of numbers: no `repr` shows them."""
    circuit = after_all(*[BAD] * 4, GOOD, BAD)
    assert "120" not in repr(circuit).replace(str(START)[:9], "")
    assert circuit.recent[-1] == Attempt(at(5), "+1203")
    assert "+1203" not in repr(circuit.recent[-1])


# --- Refusals of one message


def test_a_refusal_is_neither_a_success_nor_a_failure() -> None:
    """Any number of refusals changes nothing: they end no row, fill no sample and open nothing."""
    for result in (REFUSED, BROKEN_OFF):
        assert after_all(*[result] * 40) == Circuit()
        four = after_all(*[BAD] * 4)
        assert after_all(*[result] * 40, circuit=four) is four
        assert not attempted(after_all(*[result] * 40, circuit=four), BAD, now=at(4)).admits(at(4))


def test_a_refusal_that_finds_out_releases_the_others() -> None:
    """A sender that refuses the message that tries it is well: it is tried by all at once."""
    probed = begun(after_all(*[BAD] * 5), at(19))
    closed = ended(probed, REFUSED, prefix="+1201", probed=True, now=at(19.2))
    assert closed == Circuit()
    assert closed.admits(at(19.2))


# --- Laws


@pytest.mark.slow
@given(STEPS)
def test_only_a_failure_opens_it_and_for_fifteen_seconds(
    steps: list[tuple[int, Result, str]],
) -> None:
    """It opens at a failure alone, and is open for 15 s from it; it remembers 20 at most."""
    circuit, now = Circuit(), START
    for gap, result, prefix in steps:
        now = after(now, gap)
        before, circuit = circuit, attempted(circuit, result, now=now, prefix=prefix)
        assert circuit == attempted(before, result, now=now, prefix=prefix)
        assert len(circuit.recent) <= 20
        assert len(circuit.failed_for) <= 3
        if circuit.opened_at not in {None, before.opened_at}:
            assert result is BAD
            assert circuit.opened_at == now
            assert not circuit.admits(now)
            assert not circuit.admits(Instant(now + 14_999_999))
            assert circuit.admits(Instant(now + 15_000_000))


@given(STEPS)
def test_a_sender_that_works_is_never_skipped(steps: list[tuple[int, Result, str]]) -> None:
    """Without a failure, and with fewer than five among fewer than twenty, it is tried."""
    circuit, now, failed = Circuit(), START, 0
    for number, (gap, given_result, prefix) in enumerate(steps):
        now = after(now, gap)
        spared = given_result is BAD and (failed == 4 or number >= 19)
        result = GOOD if spared else given_result
        failed += result is BAD
        circuit = attempted(circuit, result, now=now, prefix=prefix)
        assert circuit.admits(now)


@given(STEPS)
def test_numbers_of_two_ranges_never_skip_a_sender(steps: list[tuple[int, Result, str]]) -> None:
    """Whatever becomes of messages to two ranges of numbers, and when, the sender is tried."""
    circuit, now = Circuit(), START
    for gap, result, prefix in steps:
        now = after(now, gap)
        of_two = "+9198765" if prefix == "+9198765" else "+9198766"
        circuit = attempted(circuit, result, now=now, prefix=of_two)
        assert circuit.admits(now)


@given(STEPS)
def test_five_in_a_row_always_open_it(steps: list[tuple[int, Result, str]]) -> None:
    """Whatever happened before, five failures in a row of three ranges skip the sender."""
    circuit, now = Circuit(), START
    for gap, result, prefix in steps:
        now = after(now, gap)
        circuit = attempted(circuit, result, now=now, prefix=prefix)
    for prefix in ("+1201", "+1202", "+1203", "+1201", "+1202"):
        circuit = attempted(circuit, BAD, now=now, prefix=prefix)
    assert not circuit.admits(now)
    assert not circuit.admits(Instant(now + 14_999_999))
    assert circuit.admits(Instant(now + 15_000_000))


@given(
    STEPS,
    st.lists(st.integers(-7_200_000_000, 7_200_000_000), min_size=1, max_size=60),
    st.integers(-7_200_000_000, 7_200_000_000),
)
def test_a_clock_that_is_set_never_makes_it_wait_longer(
    steps: list[tuple[int, Result, str]], jumps: list[int], last: int
) -> None:
    """However the clock was set, 15 s after any instant a sender that nobody tries is tried."""
    circuit, now = Circuit(), START
    for number, (gap, result, prefix) in enumerate(steps):
        now = after(now, gap + jumps[number % len(jumps)])
        circuit = attempted(circuit, result, now=now, prefix=prefix)
    now = after(now, last)
    waits = [seconds for seconds in range(60) if not circuit.admits(after(now, seconds * SECOND))]
    assert len(waits) <= 15


# --- Who finds out whether it works again


def test_one_at_a_time_finds_out() -> None:
    """After its time a sender is tried by one, and by others 8 s later, where nothing was heard."""
    circuit = after_all(*[BAD] * 5)
    probed = begun(circuit, at(19))
    assert circuit.admits(at(19))
    assert not probed.admits(at(19))
    assert not probed.admits(Instant(START + 19_000_000 + 7_999_999))
    assert probed.admits(Instant(START + 19_000_000 + 8_000_000))


def test_what_was_found_out_counts_at_once() -> None:
    """When the one that tried comes back, the others need not wait for it any more."""
    probed = begun(after_all(*[BAD] * 5), at(19))
    worked = ended(probed, GOOD, prefix="+1201", probed=True, now=at(20))
    assert worked.admits(at(20))
    failed = ended(probed, BAD, prefix="+1201", probed=True, now=at(20))
    assert not failed.admits(Instant(START + 20_000_000 + 14_999_999))
    assert failed.admits(at(35))


def test_what_was_broken_off_makes_room_for_the_next() -> None:
    """Where the one that tries is broken off, the next one tries at once."""
    probed = begun(after_all(*[BAD] * 5), at(19))
    freed = ended(probed, BROKEN_OFF, prefix="+1201", probed=True, now=at(19.1))
    assert freed.is_open
    assert freed.admits(at(19.1))
    assert not begun(freed, at(19.1)).admits(at(19.2))


@pytest.mark.parametrize("results", [[], [BAD] * 4, [*[BAD] * 5, GOOD], [*[BAD] * 5, REFUSED]])
def test_who_works_is_tried_by_all(results: list[Result]) -> None:
    """Nobody waits for another one's attempt while the circuit is closed."""
    circuit = after_all(*results, gap=20 * SECOND)
    assert begun(circuit, at(200)) is circuit


def test_an_instant_in_the_future_is_over() -> None:
    """A clock set back by two hours neither keeps a sender skipped nor waits for who tries it."""
    circuit = after_all(*[BAD] * 5)
    early = after(START, -7_200 * SECOND)
    assert circuit.admits(early)
    assert circuit.admits(Instant(START + 3_999_999))
    probed = begun(circuit, at(19))
    assert probed.admits(early)
    assert probed.admits(Instant(START + 3_999_999))


def test_attempts_in_the_future_are_no_sample() -> None:
    """What ended later than now, by a clock that was set back, is not of the last 30 s."""
    circuit = after_all(*[BAD, GOOD] * 9, BAD)
    assert len(attempted(circuit, GOOD, now=at(18)).recent) == 20
    assert len(attempted(circuit, GOOD, now=at(17.5)).recent) == 19
    assert attempted(circuit, GOOD, now=at(-1)).recent == (Attempt(at(-1), None),)


# --- The breaker around a sender


def breaker() -> tuple[CircuitBreaker, Outbox, ManualClock]:
    """A breaker around an outbox."""
    clock, outbox = ManualClock(), Outbox()
    return CircuitBreaker("twilio", outbox, clock), outbox, clock


def fail(
    sender: CircuitBreaker, outbox: Outbox, failure: SendFailed, message: Message = SMS
) -> None:
    """One send that fails."""
    outbox.failure = failure
    with pytest.raises(SendFailed) as caught:
        run(sender.send(message))
    assert caught.value is failure
    outbox.failure = None


def trip(sender: CircuitBreaker, outbox: Outbox) -> None:
    """Five sends that fail, to numbers of five ranges."""
    for number in range(5):
        assert sender.available()
        fail(sender, outbox, SendFailed("away"), sms_to(number))
    assert not sender.available()


def test_a_message_goes_through() -> None:
    """While the circuit is closed the sender takes the message, and its receipt is the answer."""
    sender, outbox, _ = breaker()
    assert sender.available()
    receipt = run(sender.send(SMS))
    assert receipt == Receipt(sender="outbox", provider_message_id="message-1")
    assert outbox.sent == [SMS]


def test_an_open_circuit_asks_nobody() -> None:
    """After five failures the sender is not asked for 15 s, and then it is."""
    sender, outbox, clock = breaker()
    trip(sender, outbox)
    for waited in (0, 14_999_999):
        clock.instant = Instant(START + waited)
        assert not sender.available()
        with pytest.raises(SendFailed, match=r"^the circuit is open$"):
            run(sender.send(SMS))
    assert outbox.sent == []
    clock.instant = Instant(START + 15_000_000)
    assert sender.available()
    assert run(sender.send(SMS)).provider_message_id == "message-1"


def test_numbers_that_one_sender_cannot_reach_do_not_skip_it() -> None:
    """However often a sender fails for the numbers of two ranges, others are sent by it."""
    sender, outbox, _ = breaker()
    for number in range(40):
        fail(sender, outbox, SendFailed("slow there"), sms_to(number % 2))
    assert run(sender.send(sms_to(2))).provider_message_id == "message-1"


def test_the_log_tells_once_of_a_row_of_failures_and_once_of_its_end() -> None:
    """Whoever looks at warnings sees when a sender begins to be skipped, and when that is over."""
    sender, outbox, clock = breaker()
    with capture_logs() as logged:
        for number in range(4):
            fail(sender, outbox, SendFailed("away"), sms_to(number))
        assert logged == []
        for number in range(3):
            fail(sender, outbox, SendFailed("away"), sms_to(number))
            clock.advance(15_000_000)
        for _ in range(2):
            run(sender.send(SMS))
    told = {"sender": "twilio", "log_level": "warning"}
    assert logged == [{"event": "sender_skipped", **told}, {"event": "sender_works_again", **told}]


def test_one_message_tries_it_again() -> None:
    """After 15 s one message goes out, and while it is on its way the others are told at once."""
    sender, outbox, clock = breaker()
    trip(sender, outbox)
    clock.advance(15_000_000)
    seen: list[bool] = []

    def look() -> None:
        seen.append(sender.available())
        with pytest.raises(SendFailed, match=r"^the circuit is open$"):
            run(sender.send(SMS))

    outbox.witness = look
    assert run(sender.send(SMS)).provider_message_id == "message-1"
    assert seen == [False]
    assert outbox.sent == [SMS]
    assert sender.available()


def test_the_time_is_passed_on() -> None:
    """The sender is told how long it has."""
    sender, outbox, _ = breaker()
    run(sender.send(SMS, 2_500_000))
    assert outbox.given == [2_500_000]


@pytest.mark.parametrize("answer", ANSWERS)
def test_refused_messages_never_skip_a_sender(answer: type[SendFailed]) -> None:
    """Any number of refused numbers, whatever their ranges, leave the sender tried."""
    sender, outbox, _ = breaker()
    for number in range(30):
        fail(sender, outbox, answer("not that one"), sms_to(number))
    assert sender.available()


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_refusal_does_not_end_a_row_of_failures(answer: type[SendFailed]) -> None:
    """Who asks for refused numbers while a sender fails does not hide that it does."""
    sender, outbox, _ = breaker()
    for number in range(4):
        fail(sender, outbox, SendFailed("away"), sms_to(number))
        fail(sender, outbox, answer("not that one"), sms_to(9))
    assert sender.available()
    fail(sender, outbox, SendFailed("away"))
    assert not sender.available()


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_refused_message_ends_the_skipping(answer: type[SendFailed]) -> None:
    """Where the message that tries a skipped sender is refused, the next one is sent by it."""
    sender, outbox, clock = breaker()
    trip(sender, outbox)
    clock.advance(15_000_000)
    fail(sender, outbox, answer("not that one"), sms_to(9))
    assert run(sender.send(SMS)).provider_message_id == "message-1"


def test_a_sender_that_skips_itself_is_skipped() -> None:
    """A sender that is not there is not asked, whatever the circuit says."""
    sender, outbox, _ = breaker()
    outbox.skipped = True
    assert not sender.available()
    with pytest.raises(SendFailed):
        run(sender.send(SMS))
    assert outbox.sent == []


def test_a_bug_is_not_the_providers_failure() -> None:
    """An exception that no sender promised says nothing of the provider, whenever it comes."""
    sender, outbox, clock = breaker()

    def stumble() -> None:
        outbox.failure = RuntimeError("a bug")
        for number in range(6):
            with pytest.raises(RuntimeError):
                run(sender.send(sms_to(number)))
            assert sender.available()
        outbox.failure = None

    stumble()
    trip(sender, outbox)
    clock.advance(15_000_000)
    stumble()
    assert run(sender.send(SMS)).provider_message_id == "message-1"


def test_a_clock_that_is_set_back_ends_the_skipping() -> None:
    """A sender that was skipped by a clock two hours ahead is tried by the clock set right."""
    sender, outbox, clock = breaker()
    trip(sender, outbox)
    clock.advance(-7_200_000_000)
    assert sender.available()
    assert run(sender.send(SMS)).provider_message_id == "message-1"


def test_what_failures_say() -> None:
    """Whether the next sender is tried and whether this one is to blame are two questions."""
    assert (SendFailed.tries_next, SendFailed.blames_sender) == (True, True)
    assert (SendRefusedHere.tries_next, SendRefusedHere.blames_sender) == (True, False)
    assert (SendRejected.tries_next, SendRejected.blames_sender) == (False, False)
