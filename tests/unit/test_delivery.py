"""What becomes of a message: docs/contract.md, 7."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState, Noted, UnknownMessage, note
from hsp_otp.domain.rows import HandedOverRow
from hsp_otp.flows.receipts import take_receipt
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
