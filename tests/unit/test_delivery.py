"""What becomes of a message: docs/contract.md, 7."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState, Noted, UnknownMessage, message_id, note
from hsp_otp.domain.rows import HandedOverRow
from hsp_otp.flows.receipts import take_receipt
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.sms import Receipt
from tests.world import World, run

QUEUED, SENT, DELIVERED = DeliveryState.QUEUED, DeliveryState.SENT, DeliveryState.DELIVERED
UNDELIVERED, FAILED = DeliveryState.UNDELIVERED, DeliveryState.FAILED

STEP = {QUEUED: 0, SENT: 1, DELIVERED: 2, UNDELIVERED: 2, FAILED: 2}


def become(*reported: DeliveryState) -> DeliveryState | None:
    """The state after receipts, of a message that has just been handed over."""
    state: DeliveryState | None = QUEUED
    for one in reported:
        state = note(state, one).becomes
    return state


@pytest.mark.parametrize("end", [DELIVERED, UNDELIVERED, FAILED])
def test_receipts_in_order(end: DeliveryState) -> None:
    """A message is queued, then sent, then at its end."""
    assert become() is QUEUED
    assert become(SENT) is SENT
    assert become(SENT, end) is end
    assert become(end) is end


@pytest.mark.parametrize("end", [DELIVERED, UNDELIVERED, FAILED])
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
    decision = note(SENT, SENT)
    assert decision == Decision(Noted(), SENT)
    assert decision.becomes is SENT
    assert Noted.word == "noted"


@given(st.lists(st.sampled_from(DeliveryState)))
def test_a_state_never_goes_back(reported: list[DeliveryState]) -> None:
    """Whatever is reported, each state is as far as the one before or further; an end is one."""
    state = QUEUED
    for one in reported:
        becomes = note(state, one).becomes
        assert becomes is not None
        assert STEP[becomes] == max(STEP[state], STEP[one])
        assert becomes is state or STEP[state] < 2
        state = becomes


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


def test_a_receipt_is_noted() -> None:
    """A receipt of a message that was handed over moves its state, and an older one does not."""
    world = World()
    row = HandedOverRow(challenge_id="c1", sender="twilio", provider_message_id="SM1")
    run(world.audit.write(row))
    for reported in (DELIVERED, SENT, DELIVERED):
        assert run(take_receipt(world.deliveries, "twilio", "SM1", reported)) == Noted()
        assert world.deliveries.states == {("twilio", "SM1"): DELIVERED}


@pytest.mark.parametrize(("sender", "message"), [("twilio", "SM2"), ("other", "SM1")])
def test_a_receipt_of_another_message(sender: str, message: str) -> None:
    """A receipt is for the message of that sender with that name, and for no other."""
    world = World()
    row = HandedOverRow(challenge_id="c1", sender="twilio", provider_message_id="SM1")
    run(world.audit.write(row))
    assert run(take_receipt(world.deliveries, sender, message, SENT)) == UnknownMessage()
    assert world.deliveries.states == {}


@pytest.mark.parametrize("message", BAD_IDS.values(), ids=BAD_IDS)
def test_a_receipt_of_a_message_that_has_no_such_id(message: str) -> None:
    """An id of another form is nobody's: it is looked for nowhere."""
    world = World()
    world.deliveries.failure = Unavailable("asked")
    assert run(take_receipt(world.deliveries, "twilio", message, SENT)) == UnknownMessage()
