"""When a sender is skipped: docs/contract.md, 7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hsp_otp.adapters.sms.circuit import CircuitSms
from hsp_otp.domain.circuit import Circuit, attempted, begun
from hsp_otp.domain.instant import SECOND, Duration, Instant, after
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.ports.failures import SmsFailed, SmsRejected
from hsp_otp.ports.sms import Receipt, Sms
from tests.world import PHONE, START, ManualClock, Outbox, run

SMS = Sms(to=PhoneNumber(PHONE), text="012345 is your code", useful_for=600_000_000)

GOOD, BAD = True, False

STEPS = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from((0, 1, 15_000_000 - 1, 15_000_000, 30_000_000 - 1, 30_000_000)),
            st.integers(0, 4_000_000),
        ),
        st.booleans(),
    ),
    max_size=60,
)
"""How long after the one before it an attempt ended, and whether it worked."""


def after_all(*worked: bool, gap: Duration = SECOND, circuit: Circuit | None = None) -> Circuit:
    """A circuit after attempts that lie *gap* apart, the first of them at the start."""
    circuit = circuit or Circuit()
    for number, good in enumerate(worked):
        circuit = attempted(circuit, worked=good, now=after(START, number * gap))
    return circuit


def at(seconds: float) -> Instant:
    """That many seconds after the start."""
    return after(START, round(seconds * SECOND))


def test_a_new_sender_is_tried() -> None:
    """Nothing is known of a sender at first, and it is tried."""
    assert Circuit().admits(START)


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
    assert not circuit.admits(Instant(START + 4_000_000 + 14_999_999))
    assert circuit.admits(Instant(START + 4_000_000 + 15_000_000))


@pytest.mark.parametrize("by", ["row", "half"])
def test_one_more_failure_opens_it_again(by: str) -> None:
    """However it was opened, the first failure after it skips the sender for 15 s more."""
    first = [BAD] * 5 if by == "row" else [GOOD, BAD] * 10
    circuit = after_all(*first)
    assert not circuit.admits(at(18.9))
    again = attempted(circuit, worked=False, now=at(40))
    assert not again.admits(Instant(START + 40_000_000 + 14_999_999))
    assert again.admits(at(55))


def test_a_success_closes_it() -> None:
    """After a success it takes five failures in a row again."""
    circuit = attempted(after_all(*[BAD] * 5), worked=GOOD, now=at(40))
    for number in range(4):
        circuit = attempted(circuit, worked=False, now=at(41 + number))
        assert circuit.admits(at(41 + number))
    assert not attempted(circuit, worked=False, now=at(45)).admits(at(45))


def test_a_late_success_does_not_cut_the_wait_short() -> None:
    """A success of an attempt from before the circuit opened leaves it open for its time."""
    circuit = attempted(after_all(*[BAD] * 5), worked=GOOD, now=at(5))
    assert not circuit.admits(Instant(START + 4_000_000 + 14_999_999))
    assert circuit.admits(at(19))


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


def test_the_sample_is_of_the_latest() -> None:
    """Only the last twenty attempts count: older successes do not hide new failures."""
    assert not after_all(*[GOOD] * 20, *[BAD, GOOD] * 9, BAD, BAD, gap=100_000).admits(at(4))


def test_the_sample_has_thirty_seconds() -> None:
    """What ended thirty seconds before counts no more, and a microsecond less does."""
    first = attempted(Circuit(), worked=False, now=START)
    for number in range(18):
        first = attempted(first, worked=number % 2 == 0, now=at(1 + number))
    early = attempted(first, worked=False, now=Instant(START + 29_999_999))
    late = attempted(first, worked=False, now=Instant(START + 30_000_000))
    assert not early.admits(at(30))
    assert late.admits(at(30))


@pytest.mark.slow
@given(STEPS)
def test_only_a_failure_opens_it_and_for_fifteen_seconds(steps: list[tuple[int, bool]]) -> None:
    """It opens at a failure alone, and is open for 15 s from it; it remembers 20 at most."""
    circuit, now = Circuit(), START
    for gap, worked in steps:
        now = after(now, gap)
        before, circuit = circuit, attempted(circuit, worked=worked, now=now)
        assert circuit == attempted(before, worked=worked, now=now)
        assert len(circuit.attempts) <= 20
        if circuit.open_until != before.open_until:
            assert not worked
            assert circuit.open_until == now + 15_000_000
            assert not circuit.admits(now)


@given(STEPS)
def test_a_sender_that_works_is_never_skipped(steps: list[tuple[int, bool]]) -> None:
    """Without a failure, and with fewer than five among fewer than twenty, it is tried."""
    circuit, now, failed = Circuit(), START, 0
    for number, (gap, good) in enumerate(steps):
        now = after(now, gap)
        worked = good or failed == 4 or number >= 19
        failed += not worked
        circuit = attempted(circuit, worked=worked, now=now)
        assert circuit.admits(now)


@given(STEPS)
def test_five_in_a_row_always_open_it(steps: list[tuple[int, bool]]) -> None:
    """Whatever happened before, five failures in a row skip the sender."""
    circuit, now = Circuit(), START
    for gap, worked in steps:
        now = after(now, gap)
        circuit = attempted(circuit, worked=worked, now=now)
    for _ in range(5):
        circuit = attempted(circuit, worked=False, now=now)
    assert not circuit.admits(now)
    assert not circuit.admits(Instant(now + 14_999_999))
    assert circuit.admits(Instant(now + 15_000_000))


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
    assert attempted(probed, worked=GOOD, now=at(20)).admits(at(20))
    failed = attempted(probed, worked=False, now=at(20))
    assert not failed.admits(Instant(START + 20_000_000 + 14_999_999))
    assert failed.admits(at(35))


@pytest.mark.parametrize("worked", [[], [BAD] * 4, [*[BAD] * 5, GOOD]])
def test_who_works_is_tried_by_all(worked: list[bool]) -> None:
    """Nobody waits for another one's attempt while the circuit is closed."""
    circuit = after_all(*worked, gap=20 * SECOND)
    assert begun(circuit, at(200)) is circuit


# --- The breaker around a sender


def breaker() -> tuple[CircuitSms, Outbox, ManualClock]:
    """A breaker around an outbox."""
    clock, outbox = ManualClock(), Outbox()
    return CircuitSms("twilio", outbox, clock), outbox, clock


def fail(sender: CircuitSms, outbox: Outbox, failure: SmsFailed) -> None:
    """One send that fails."""
    outbox.failure = failure
    with pytest.raises(SmsFailed) as caught:
        run(sender.send(SMS))
    assert caught.value is failure
    outbox.failure = None


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
    for _ in range(5):
        assert sender.available()
        fail(sender, outbox, SmsFailed("away"))
    for waited in (0, 14_999_999):
        clock.instant = Instant(START + waited)
        assert not sender.available()
        with pytest.raises(SmsFailed, match=r"^the circuit is open$"):
            run(sender.send(SMS))
    assert outbox.sent == []
    clock.instant = Instant(START + 15_000_000)
    assert sender.available()
    assert run(sender.send(SMS)).provider_message_id == "message-1"


def test_the_log_tells_once_of_a_row_of_failures_and_once_of_its_end() -> None:
    """Whoever looks at warnings sees when a sender begins to be skipped, and when that is over."""
    sender, outbox, clock = breaker()
    with capture_logs() as logged:
        for _ in range(4):
            fail(sender, outbox, SmsFailed("away"))
        assert logged == []
        for _ in range(3):
            fail(sender, outbox, SmsFailed("away"))
            clock.advance(15_000_000)
        for _ in range(2):
            run(sender.send(SMS))
    told = {"sender": "twilio", "log_level": "warning"}
    assert logged == [{"event": "sender_skipped", **told}, {"event": "sender_works_again", **told}]


def test_one_message_tries_it_again() -> None:
    """After 15 s one message goes out, and while it is on its way the others are told at once."""
    sender, outbox, clock = breaker()
    for _ in range(5):
        fail(sender, outbox, SmsFailed("away"))
    clock.advance(15_000_000)
    seen: list[bool] = []

    def look() -> None:
        seen.append(sender.available())
        with pytest.raises(SmsFailed, match=r"^the circuit is open$"):
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


def test_a_refusal_of_a_message_is_no_failure() -> None:
    """Any number of refused numbers leave the sender tried, and end a row of failures."""
    sender, outbox, _ = breaker()
    for _ in range(30):
        fail(sender, outbox, SmsRejected("opted out"))
    for _ in range(4):
        fail(sender, outbox, SmsFailed("away"))
    fail(sender, outbox, SmsRejected("opted out"))
    fail(sender, outbox, SmsFailed("away"))
    assert sender.available()


def test_a_sender_that_skips_itself_is_skipped() -> None:
    """A sender that is not there is not asked, whatever the circuit says."""
    sender, outbox, _ = breaker()
    outbox.skipped = True
    assert not sender.available()
    with pytest.raises(SmsFailed):
        run(sender.send(SMS))
    assert outbox.sent == []


def test_a_bug_is_not_the_providers_failure() -> None:
    """An exception that no sender promised says nothing of the provider."""
    sender, outbox, _ = breaker()
    outbox.failure = RuntimeError("a bug")
    for _ in range(6):
        with pytest.raises(RuntimeError):
            run(sender.send(SMS))
    assert sender.available()
