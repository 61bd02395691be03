"""Signup sessions and their steps: `docs/contract.md`, signup."""

import attrs
import pytest

from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.instant import MINUTE, Instant, after
from hsp_otp.domain.names import MalformedSessionIdError, SessionId
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.signup import (
    AlreadyRecorded,
    AlreadyVerified,
    Corrected,
    Recorded,
    SessionNotFound,
    SignupSession,
    SignupStep,
    Stepped,
    find,
    issued,
    proved,
    record,
    slot_of,
)
from hsp_otp.domain.slot_record import Challenge
from tests.world import OTHER_PHONE, PHONE, START

SESSION = SignupSession(phone=PhoneNumber(PHONE), challenge_id="first", stepped_at=START)
VERIFIED = attrs.evolve(SESSION, step=2)
END = after(START, 30 * MINUTE)
BEFORE_END = Instant(END - 1)


def challenge(phone: str = PHONE, channel: Channel = Channel.SMS) -> Challenge:
    """A code that was issued."""
    return Challenge(
        id="second",
        flow=Flow.SIGNUP,
        purpose=Purpose.SIGNUP,
        slot=str(slot_of(PhoneNumber(phone))),
        contact=Contact(ContactKind.PHONE, phone),
        channel=channel,
        key_id="k1",
        nonce=b"",
        issued_at=START,
        expires_at=after(START, 5 * MINUTE),
    )


def test_the_subject_of_signup_is_the_number() -> None:
    """Whatever session a code is asked in, it stands where the number's code stands."""
    assert str(slot_of(PhoneNumber(PHONE))) == "signup:phone:+919876543210"


@pytest.mark.parametrize(
    ("held", "now", "found"),
    [
        (None, START, SessionNotFound()),
        (SESSION, START, SESSION),
        (SESSION, BEFORE_END, SESSION),
        (SESSION, END, SessionNotFound()),
        (VERIFIED, BEFORE_END, AlreadyVerified(PhoneNumber(PHONE))),
        (VERIFIED, END, SessionNotFound()),
    ],
)
def test_a_session_ends_half_an_hour_after_its_last_step(
    held: SignupSession | None, now: Instant, found: object
) -> None:
    """A session lives while less than 30 minutes have passed since its last step."""
    assert find(held, now) == found


def test_a_session_begins_with_the_code_that_was_issued_for_it() -> None:
    """A new session holds the number and is at step 1."""
    decision = issued(None, challenge=challenge(), begins=True, now=START)
    assert decision.outcome == Stepped()
    assert decision.becomes == attrs.evolve(SESSION, challenge_id="second")
    assert not SESSION.is_verified


def test_another_code_is_another_half_hour() -> None:
    """Sending again is a step: the session is where it was, and lasts longer."""
    decision = issued(SESSION, challenge=challenge(), begins=False, now=BEFORE_END)
    assert decision.outcome == Stepped()
    assert decision.becomes == attrs.evolve(SESSION, challenge_id="second", stepped_at=BEFORE_END)


def test_a_correction_tells_what_was_there_before() -> None:
    """The session takes the new number, and the old one's code is known, to be withdrawn."""
    decision = issued(SESSION, challenge=challenge(OTHER_PHONE), begins=False, now=START)
    assert decision.outcome == Stepped(SESSION)
    assert decision.becomes is not None
    assert decision.becomes.phone == PhoneNumber(OTHER_PHONE)


@pytest.mark.parametrize(
    ("held", "now", "outcome"),
    [
        (None, START, SessionNotFound()),
        (SESSION, END, SessionNotFound()),
        (VERIFIED, START, AlreadyVerified(PhoneNumber(PHONE))),
    ],
)
def test_a_session_only_moves_forward(
    held: SignupSession | None, now: Instant, outcome: object
) -> None:
    """A session that ended, or is past step 1, takes neither a number nor a proof."""
    again = issued(held, challenge=challenge(OTHER_PHONE), begins=False, now=now)
    assert again.outcome == outcome
    assert again.becomes is held
    proof = proved(held, challenge=challenge(PHONE), now=now)
    assert proof.outcome == outcome
    assert proof.becomes is held


def test_a_proof_is_the_second_step() -> None:
    """The session moves to step 2, lasts 30 minutes from there, and knows what proved it."""
    right = challenge(channel=Channel.VOICE)
    decision = proved(SESSION, challenge=right, now=BEFORE_END)
    assert decision.outcome == Stepped()
    becomes = attrs.evolve(
        SESSION, challenge_id="second", channel=Channel.VOICE, step=2, stepped_at=BEFORE_END
    )
    assert decision.becomes == becomes
    assert decision.becomes is not None
    assert decision.becomes.is_verified


def test_a_proof_of_another_number_moves_nothing() -> None:
    """Where the number was corrected meanwhile, the code of the old one proves nothing."""
    decision = proved(SESSION, challenge=challenge(OTHER_PHONE), now=START)
    assert decision.outcome == Corrected()
    assert decision.becomes is SESSION


def test_a_challenge_leads_to_one_step() -> None:
    """The step is recorded once; a second time the challenge counts as used."""
    first = record(None, now=START)
    assert first.outcome == Recorded()
    assert first.becomes == SignupStep(START)
    second = record(first.becomes, now=END)
    assert second.outcome == AlreadyRecorded()
    assert second.becomes is first.becomes


ID = "aI7HpmwPr-rSBiYSYhURX_"


def test_the_id_of_a_session_is_not_shown() -> None:
    """Who has the id acts for the session, so it stands in no log."""
    session = SessionId.parse(ID)
    assert session.value == ID
    assert ID not in repr(session) + str(session)


@pytest.mark.parametrize(
    "text", ["", ID[1:], f"{ID}A", f"{ID}\n", f"\0{ID[1:]}", f"é{ID[1:]}", f"+{ID[1:]}"]
)
def test_what_is_no_id_of_a_session(text: str) -> None:
    """An id is 22 characters of URL-safe base64, and nothing else."""
    with pytest.raises(MalformedSessionIdError, match=r"^not the id of a session$"):
        SessionId.parse(text)
