"""What becomes of a message: docs/contract.md, 7."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.adapters.memory import MemoryAudit
from hsp_otp.domain.audit import HandedOverRow, Step, StepRow
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import (
    DeliveryState,
    Noted,
    TakenMessage,
    UnknownMessage,
    message_id,
    note,
)
from hsp_otp.domain.instant import DAY, after
from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Flow
from hsp_otp.ports.failures import SendFailed, Unavailable
from hsp_otp.ports.sender import Receipt
from tests.world import PHONE, START, SentMessages, World, run, slot_of

QUEUED, SENT, DELIVERED = DeliveryState.QUEUED, DeliveryState.SENT, DeliveryState.DELIVERED
UNDELIVERED, FAILED = DeliveryState.UNDELIVERED, DeliveryState.FAILED
BLOCKED = DeliveryState.BLOCKED

STEP = {QUEUED: 0, SENT: 1, DELIVERED: 2, UNDELIVERED: 2, FAILED: 2, BLOCKED: 2}


def taken(state: DeliveryState = QUEUED) -> TakenMessage:
    """A message that a provider took, for a code that was issued late in a day."""
    return TakenMessage(
        send_id="c1",
        slot=slot_of("u1"),
        state=state,
        at=after(START, DAY - 1),
        flow=Flow.SIGNUP,
        contact=Contact.stored(PHONE),
        language=Language("es"),
    )


def become(*reported: DeliveryState) -> DeliveryState | None:
    """The state after receipts, of a message that has just been handed over."""
    held: TakenMessage | None = taken()
    for one in reported:
        held = note(held, one).becomes
    return None if held is None else held.state


@pytest.mark.parametrize("end", [DELIVERED, UNDELIVERED, FAILED, BLOCKED])
def test_receipts_in_order(end: DeliveryState) -> None:
    """A message is queued, then sent, then at its end."""
    assert become() is QUEUED
    assert become(SENT) is SENT
    assert become(SENT, end) is end
    assert become(end) is end


@pytest.mark.parametrize("end", [DELIVERED, UNDELIVERED, FAILED, BLOCKED])
def test_whatever_order(end: DeliveryState) -> None:
    """Receipts in any order, some of them twice, leave the furthest state."""
    for order in permutations((QUEUED, SENT, SENT, end)):
        assert become(*order) is end


def test_the_first_end_stays() -> None:
    """Of two ends the first that was heard of stays."""
    assert become(DELIVERED, FAILED) is DELIVERED
    assert become(UNDELIVERED, DELIVERED) is UNDELIVERED
    assert become(FAILED, UNDELIVERED, SENT) is FAILED


def test_a_message_nobody_handed_over() -> None:
    """A receipt for a message that is not known makes none."""
    assert note(None, DELIVERED) == Decision(UnknownMessage(), None)
    assert UnknownMessage.word == "not_found"


def test_a_receipt_that_tells_nothing_new() -> None:
    """A receipt is noted also where it changes nothing, and then nothing is written."""
    held = taken(SENT)
    decision = note(held, SENT)
    assert decision == Decision(Noted(), held)
    assert decision.becomes is held
    assert Noted.word == "noted"


def test_a_delivery_is_counted_once() -> None:
    """It is a step of the funnel, on the day of its send, whenever it is reported."""
    step = StepRow(
        day=START,
        flow=Flow.SIGNUP,
        step=Step.DELIVERED,
        region="IN",
        language=Language("es"),
    )
    assert note(taken(SENT), DELIVERED).rows == (step,)
    for held, reported in ((DELIVERED, DELIVERED), (QUEUED, SENT), (SENT, FAILED)):
        assert note(taken(held), reported).rows == ()


@given(st.lists(st.sampled_from(DeliveryState)))
def test_a_state_never_goes_back(reported: list[DeliveryState]) -> None:
    """Whatever is reported, each state is as far as the one before or further; an end is one."""
    held = taken()
    for one in reported:
        becomes = note(held, one).becomes
        assert becomes is not None
        assert STEP[becomes.state] == max(STEP[held.state], STEP[one])
        assert becomes is held or STEP[held.state] < 2
        held = becomes


# --- What a provider calls a message

GOOD_IDS = {
    "first of ASCII": "!",
    "last of ASCII": "~",
    "of Twilio": "SM0123456789abcdef0123456789abcdef",
    "a formula": "=HYPERLINK(1)",
    "longest": "x" * 64,
}

BAD_IDS = {
    "empty": "",
    "too long": "x" * 65,
    "space in front": " SM1",
    "space": "SM 1",
    "line end": "SM1\n",
    "NUL": "SM1\x00",
    "DEL": "SM1\x7f",
    "escape": "SM1\x1b[2J",
    "accent": "é",
    "direction": "\u202eSM1",
    "invisible": "SM1\u200b",
    "full width": "１",
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("given", GOOD_IDS.values(), ids=GOOD_IDS)
def test_an_id_of_visible_ascii_is_kept(given: str) -> None:
    """A message's id is 1 to 64 visible ASCII characters."""
    assert message_id(given) == given
    assert Receipt(sender="twilio", provider_message_id=given).provider_message_id == given


@pytest.mark.parametrize("given", BAD_IDS.values(), ids=BAD_IDS)
def test_any_other_id_is_as_good_as_none(given: str) -> None:
    """Whatever else a provider calls a message, it has no id here."""
    assert message_id(given) is None
    assert Receipt(sender="twilio", provider_message_id=given).provider_message_id is None


def test_a_message_without_an_id() -> None:
    """A provider need not give one."""
    assert message_id(None) is None
    assert Receipt(sender="console").provider_message_id is None


# --- The flow

MESSAGE = HandedOverRow(send_id="c1", sender="twilio", provider_message_id="SM1")


def test_a_receipt_is_noted() -> None:
    """A receipt of a message that was handed over moves its state, and an older one does not."""
    world = World()
    run(world.audit.write(MESSAGE))
    for reported in (DELIVERED, SENT, DELIVERED):
        assert world.report("twilio", "SM1", reported) == Noted()
        assert world.deliveries.states == {("twilio", "SM1"): DELIVERED}


@pytest.mark.parametrize(("sender", "message"), [("twilio", "SM2"), ("other", "SM1")])
def test_a_receipt_of_another_message(sender: str, message: str) -> None:
    """A receipt is for the message of that sender with that name, and for no other."""
    world = World()
    run(world.audit.write(MESSAGE))
    assert world.report(sender, message, SENT) == UnknownMessage()
    assert world.deliveries.states == {}


@pytest.mark.parametrize("message", BAD_IDS.values(), ids=BAD_IDS)
def test_a_receipt_of_a_message_that_has_no_such_id(message: str) -> None:
    """An id of another form is nobody's: it is looked for nowhere, and nothing is kept."""
    world = World()
    world.deliveries.failure = Unavailable("asked")
    assert world.report("twilio", message, SENT) == UnknownMessage()
    run(world.early.close())


# --- Receipts that come before the provider's answer to the send


def send_under_way(world: World, state: DeliveryState) -> Noted | UnknownMessage:
    """What a receipt comes to that arrives while its message is being handed over."""
    found: list[Noted | UnknownMessage] = []
    world.outbox.witness = lambda: found.append(world.report("outbox", "message-1", state))
    world.add()
    world.send()
    world.outbox.witness = None
    return found[0]


@pytest.mark.parametrize("state", DeliveryState)
def test_an_early_receipt_is_kept_and_applied(state: DeliveryState) -> None:
    """A receipt during the send, whatever it tells, is noted once its message is known."""
    world = World()
    assert send_under_way(world, state) == Noted()
    assert world.deliveries.states == {}
    world.clock.advance(250_000)
    run(world.early.try_again())
    assert world.deliveries.states == {("outbox", "message-1"): state}


def test_an_early_receipt_of_a_message_that_nobody_took() -> None:
    """Of a send that failed a receipt may still come; it is for the provider's message alone."""
    world = World()
    world.outbox.failure = SendFailed("it said, and took the message all the same")
    assert send_under_way(world, DELIVERED) == Noted()
    for _ in range(60):
        world.clock.advance(1_000_000)
        run(world.early.try_again())
    assert world.deliveries.states == {}


def test_no_receipt_is_expected_without_a_send_of_the_last_minute() -> None:
    """A minute after the last send that nobody took a receipt of a message unknown is unknown."""
    world = World()
    world.outbox.failure = SendFailed("away")
    world.add()
    world.send()
    world.clock.advance(59_999_999)
    assert world.report("outbox", "message-1", SENT) == Noted()
    world.clock.advance(1)
    assert world.report("outbox", "message-1", SENT) == UnknownMessage()


def test_a_receipt_that_was_unknown_is_kept_all_the_same() -> None:
    """Where no send was under way either, a receipt is applied if its message becomes known."""
    world = World()
    assert world.report("twilio", "SM1", DELIVERED) == UnknownMessage()
    run(world.audit.write(MESSAGE))
    world.clock.advance(1_000_000)
    run(world.early.try_again())
    assert world.deliveries.states == {("twilio", "SM1"): DELIVERED}


def test_a_message_that_becomes_known_in_between() -> None:
    """A message that is named between two questions to the database is no unknown one."""

    class Slow(SentMessages):
        """Names the message right after it was not found."""

        async def transition(self, *arguments: Any) -> Any:  # noqa: ANN401
            outcome = await super().transition(*arguments)
            await self.audit.write(MESSAGE)
            return outcome

    audit = MemoryAudit()
    world = World(audit=audit, deliveries=Slow(audit))
    assert world.report("twilio", "SM1", DELIVERED) == Noted()
    run(world.early.close())
    assert world.deliveries.states == {("twilio", "SM1"): DELIVERED}
