"""The journey of signup: `docs/contract.md`, signup and audit."""

from collections.abc import Callable
from typing import TypeVar

import attrs
import pytest

from hsp_otp.domain.audit import Action, AuditRow, HandedOverRow
from hsp_otp.domain.challenge_outcomes import (
    CodeEnd,
    Exhausted,
    Locked,
    NoLiveCode,
    Standing,
    WrongCode,
)
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import HOUR, MINUTE, SECOND, Instant, after
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ClientAddress, SessionId
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import ClientLimits
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.quota import Limit, Quota, Refusal
from hsp_otp.domain.signup import AlreadyVerified, SessionNotFound, SignupSession, slot_of
from hsp_otp.domain.slot_record import Ended, Held, LaneRecord, SlotRecord
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.otp import Undelivered
from hsp_otp.flows.signup import Progress, Proved, SignupCodeSent
from hsp_otp.ports.failures import SendFailed, Unavailable
from hsp_otp.ports.signups import SignupSessions
from hsp_otp.ports.tokens import Proof
from tests.audit_rows import evolved, row_of
from tests.world import (
    CLIENT,
    OTHER_CLIENT,
    OTHER_PHONE,
    PHONE,
    START,
    ScriptedRandomness,
    World,
    open_world,
    other_than,
    ring,
    run,
)

O = TypeVar("O")  # noqa: E741

UNKNOWN = SessionId("A" * 22)
CALLER = Caller(ClientAddress(CLIENT), "r1")


def begin(world: World, phone: str = PHONE) -> tuple[SessionId, str]:
    """The session and the code of an ask that is admitted."""
    outcome = world.sign_up(phone)
    assert isinstance(outcome, SignupCodeSent)
    return outcome.session_id, world.outbox.codes[-1]


def again(world: World, session: SessionId, phone: str = PHONE) -> str:
    """The code of another ask in the same session, after the cooldown."""
    world.clock.advance(30 * SECOND)
    outcome = world.sign_up(phone, session)
    assert isinstance(outcome, SignupCodeSent)
    assert outcome.session_id == session
    return world.outbox.codes[-1]


def record(world: World, phone: str = PHONE) -> LaneRecord:
    """What strangers have left in the slot of a number."""

    def look(held: Held) -> Decision[Held, LaneRecord]:
        return Decision(held.record.others, held)

    return run(world.slots.transition(slot_of(PhoneNumber(phone)), (), look))


def stored(world: World, session: SessionId) -> SignupSession | None:
    """What is stored of a session."""
    return run(world.signup_sessions.transition(session, lambda held: Decision(held, held)))


def put(world: World, session: SessionId, becomes: SignupSession | None) -> None:
    """Make the store of sessions say something else."""
    run(world.signup_sessions.transition(session, lambda _: Decision(None, becomes)))


def last(world: World) -> AuditRow:
    """The latest audit row."""
    return world.audit.rows[-1]


def told(outcome: str, action: Action, charged: tuple[str, ...] = ()) -> AuditRow:
    """The audit row of a request about the usual number."""
    fingerprints = ring("fingerprints")
    return row_of(
        at=START,
        flow=Flow.SIGNUP,
        purpose=Purpose.SIGNUP,
        action=action,
        outcome=outcome,
        client=ClientAddress("198.51.100.7"),
        request_id="request-of-198.51.100.7",
        contact="***-***-3210",
        region="IN",
        contact_fingerprint=fingerprints.fingerprint("+919876543210"),
        range_fingerprint=fingerprints.fingerprint("+91987654"),
        block_fingerprint=fingerprints.fingerprint("+919876"),
        charged=charged,
    )


# Asking


def test_a_number_begins_a_session() -> None:
    """A code goes to the number, bound to a new session that holds it."""
    world = World()
    outcome = world.sign_up()
    assert isinstance(outcome, SignupCodeSent)
    (sms,) = world.outbox.sent
    assert sms.to == Contact(ContactKind.PHONE, PHONE)
    assert sms.useful_for == 300 * SECOND
    assert outcome.issued.challenge.session == outcome.session_id.value
    assert outcome.issued.challenge.expires_at == after(START, 300 * SECOND)
    assert outcome.issued.resend_at == after(START, 30 * SECOND)
    assert stored(world, outcome.session_id) == SignupSession(
        phone=PhoneNumber(PHONE), challenge_id=outcome.issued.challenge.id, stepped_at=START
    )
    assert SessionId.parse(outcome.session_id.value) == outcome.session_id
    assert world.audit.rows == [
        evolved(
            told("sent", Action.SEND),
            lane=Lane.OTHERS,
            sender="outbox",
            provider_message_id="message-1",
        )
    ]
    assert [row.slot for row in world.audit.sends] == ["signup:phone:+919876543210"]
    assert world.audit.handed_over == [
        HandedOverRow(
            send_id=outcome.issued.challenge.id,
            sender="outbox",
            provider_message_id="message-1",
        )
    ]


def test_every_session_has_another_id() -> None:
    """Two asks without a session begin two."""
    world = World()
    first, _ = begin(world)
    second, _ = begin(world, OTHER_PHONE)
    assert first != second


def test_the_session_stands_before_the_message_goes_out() -> None:
    """When the sender is called, the session is stored: the code in the message can be used."""
    world = World()
    seen = list[SignupSession | None]()
    session, _ = begin(world)
    world.clock.advance(30 * SECOND)
    world.outbox.witness = lambda: seen.append(stored(world, session))
    assert isinstance(world.sign_up(PHONE, session), SignupCodeSent)
    (held,) = seen
    assert held is not None
    assert held.stepped_at == after(START, 30 * SECOND)


def test_a_refused_ask_begins_no_session() -> None:
    """The cooldown of a number holds for every session; nothing is stored for the new one."""
    randomness = ScriptedRandomness()
    world = World(randomness=randomness)
    begin(world)
    draws = randomness.draws
    outcome = world.sign_up()
    assert outcome == Refusal(Limit.COOLDOWN, after(START, 30 * SECOND), live=False)
    assert last(world).outcome == "resend_too_soon"
    assert last(world).folds
    assert randomness.draws > draws  # the ids that were drawn lead nowhere
    assert len(world.outbox.sent) == 1


def test_signups_of_one_client_are_counted_apart_from_its_logins() -> None:
    """Five signups a minute from one address do not touch its five logins an hour."""
    world = World()
    world.add()
    for last_digits in range(5):
        begin(world, f"+91987654{last_digits:04}")
    assert world.sign_up(OTHER_PHONE) == Refusal(Limit.CLIENT, after(START, MINUTE))
    assert world.send() is not None
    assert len(world.outbox.sent) == 6


def test_a_number_has_one_budget_in_both_journeys() -> None:
    """Sends to a number count together, whatever they are for."""
    world = World(policy=attrs.evolve(World().policy, contact_sends=Quota(1, HOUR)))
    world.signup_policy = attrs.evolve(world.signup_policy, contact_sends=Quota(1, HOUR))
    world.add()
    begin(world)
    assert world.send() == Refusal(Limit.CONTACT_SENDS, after(START, HOUR))


def test_a_correction_withdraws_the_code_of_the_old_number() -> None:
    """The session takes the new number, and the old number's code can never succeed."""
    world = World()
    session, old_code = begin(world)
    new_code = again(world, session, OTHER_PHONE)
    before = record(world).challenge
    assert before is not None
    assert before.ended is Ended.WITHDRAWN
    assert isinstance(world.prove(other_than(new_code), session), WrongCode)
    if old_code != new_code:
        assert isinstance(world.prove(old_code, session), WrongCode)
    assert isinstance(world.prove(new_code, session), Proved)
    assert world.proofs.signed[0].phone == PhoneNumber(OTHER_PHONE)


def test_sending_again_withdraws_nothing() -> None:
    """The code that takes the old one's place is live."""
    world = World()
    session, _ = begin(world)
    assert isinstance(world.prove(again(world, session), session), Proved)


def test_a_refused_correction_changes_nothing() -> None:
    """The old number and its code stay."""
    world = World()
    session, code = begin(world)
    begin(world, OTHER_PHONE)
    outcome = world.sign_up(OTHER_PHONE, session)
    assert isinstance(outcome, Refusal)
    assert isinstance(world.prove(code, session), Proved)
    assert world.proofs.signed[0].phone == PhoneNumber(PHONE)


@pytest.mark.parametrize("session", [UNKNOWN, None])
def test_an_ask_in_a_session_that_has_ended_sends_nothing(session: SessionId | None) -> None:
    """Unknown or ended: no send is charged, and the row says why."""
    world = World()
    if session is None:
        session, _ = begin(world)
        world.clock.advance(30 * MINUTE)
    sent, sends = len(world.outbox.sent), len(world.audit.sends)
    assert world.sign_up(PHONE, session) == SessionNotFound()
    row = told("session_not_found", Action.SEND, charged=("rejected_requests",))
    assert evolved(last(world), at=START) == attrs.evolve(row, folds=True)
    assert (len(world.outbox.sent), len(world.audit.sends)) == (sent, sends)


def test_an_ask_in_a_session_past_step_1_sends_nothing() -> None:
    """The session goes on elsewhere."""
    world = World()
    session, code = begin(world)
    assert isinstance(world.prove(code, session), Proved)
    world.clock.advance(MINUTE)
    assert world.sign_up(OTHER_PHONE, session) == AlreadyVerified(PhoneNumber(PHONE))
    assert last(world).outcome == "already_verified"
    assert len(world.outbox.sent) == 1


def test_a_session_that_moves_on_meanwhile_gets_no_message() -> None:
    """Between the limits and the session's step somebody proves it: the new code is withdrawn."""
    world = World()
    session, code = begin(world)
    world.clock.advance(30 * SECOND)
    sessions = Moving(world.signup_sessions, lambda: world.prove(code, session))
    signup = attrs.evolve(world.signup, sessions=sessions)
    outcome = run(signup.send(PhoneNumber(OTHER_PHONE), session, CALLER))
    assert outcome == AlreadyVerified(PhoneNumber(PHONE))
    challenge = record(world, OTHER_PHONE).challenge
    assert challenge is not None
    assert challenge.ended is Ended.WITHDRAWN
    assert len(world.outbox.sent) == 1


def test_an_undelivered_code_is_withdrawn() -> None:
    """Where no sender takes the message, its code can never succeed; the session stays."""
    world = World()
    world.outbox.failure = SendFailed("down")
    outcome = world.sign_up()
    assert outcome == Undelivered(START)
    challenge = record(world).challenge
    assert challenge is not None
    assert challenge.ended is Ended.WITHDRAWN
    assert last(world).outcome == "sms_failed"


def test_an_ask_while_every_sender_is_skipped_is_no_send() -> None:
    """No limit on sends is charged, and no session begins."""
    world = World()
    world.outbox.skipped = True
    assert world.sign_up() == Undelivered(None)
    assert world.audit.sends == []


# Checking


def test_the_right_code_proves_the_number() -> None:
    """The session moves to step 2, and a proof of ten minutes tells of it."""
    world = World()
    session, code = begin(world)
    outcome = world.prove(code, session)
    assert isinstance(outcome, Proved)
    assert outcome.proof == "proof-1"
    assert repr(outcome) == "Proved()"
    held = stored(world, session)
    assert held is not None
    (proof,) = world.proofs.signed
    assert proof == Proof(
        session_id=session.value,
        phone=PhoneNumber(PHONE),
        token_id=held.challenge_id,
        channel=Channel.SMS,
        purpose=Purpose.SIGNUP,
        issued_at=START,
        expires_at=after(START, 10 * MINUTE),
    )
    assert held.step == 2
    verified = told("verified", Action.CHECK, ("checks",))
    assert world.audit.rows[1:] == [evolved(verified, lane=Lane.OTHERS)]


def test_a_proof_is_signed_again_for_a_page() -> None:
    """It is the same proof, with the same id and end, until its ten minutes are over."""
    world = World()
    session, code = begin(world)
    held = stored(world, session)
    assert held is not None
    assert world.signup.proof_of(session, held) is None
    world.prove(code, session)
    held = stored(world, session)
    assert held is not None
    world.clock.advance(10 * MINUTE - 1)
    assert world.signup.proof_of(session, held) == "proof-2"
    first, second = world.proofs.signed
    assert second == first
    world.clock.advance(1)
    assert world.signup.proof_of(session, held) is None


def test_a_code_proves_once() -> None:
    """The same code again finds a session that is past step 1."""
    world = World()
    session, code = begin(world)
    assert isinstance(world.prove(code, session), Proved)
    assert world.prove(code, session) == AlreadyVerified(PhoneNumber(PHONE))
    assert last(world).outcome == "already_verified"
    assert len(world.proofs.signed) == 1


def test_three_wrong_codes_exhaust_the_right_one() -> None:
    """The third wrong guess leaves none; the right code comes too late, until it expires."""
    world = World()
    session, code = begin(world)
    cooled = after(START, 30 * SECOND)
    for remaining in (2, 1, 0):
        assert world.prove(other_than(code), session) == WrongCode(remaining, cooled)
    assert world.prove(code, session) == Exhausted(cooled)
    world.clock.advance(300 * SECOND)
    assert world.prove(code, session) == NoLiveCode(world.clock.now())
    assert [row.outcome for row in world.audit.rows[1:]] == [
        "invalid_otp",
        "invalid_otp",
        "invalid_otp",
        "too_many_attempts",
        "otp_expired",
    ]


def test_a_code_is_bound_to_its_session() -> None:
    """Through another session of the same number it is no live code, and no guess is charged."""
    world = World()
    first, _ = begin(world)
    world.clock.advance(30 * SECOND)
    second, code = begin(world)
    assert isinstance(world.prove(code, first), NoLiveCode)
    challenge = record(world).challenge
    assert challenge is not None
    assert challenge.attempts == 0
    assert isinstance(world.prove(code, second), Proved)


def test_a_lock_holds_in_every_session() -> None:
    """Failed guesses lock the number's signup, asking included, and nothing else of it."""
    world = World()
    world.signup_policy = attrs.evolve(world.signup_policy, failures=(Quota(1, HOUR),))
    world.add()
    session, code = begin(world)
    assert isinstance(world.prove(other_than(code), session), WrongCode)
    assert world.prove(code, session) == Locked(after(START, HOUR))
    assert world.sign_up() == Locked(after(START, HOUR))
    assert len(world.sign_in().access_token) > 0


def test_an_ask_that_finds_a_lock_is_charged_in_its_row() -> None:
    """It is charged as rejected, its one row says so, and past the limit it is refused."""
    world = World()
    world.signup_policy = attrs.evolve(world.signup_policy, failures=(Quota(1, HOUR),))
    world.limits = attrs.evolve(world.limits, rejected=Quota(2, MINUTE))
    session, code = begin(world)
    world.prove(other_than(code), session)
    before = len(world.audit.rows)
    for _ in range(2):
        assert world.sign_up() == Locked(after(START, HOUR))
    assert isinstance(world.sign_up(), Refusal)
    told = [(row.outcome, row.facts.charged, row.retry_at) for row in world.audit.rows[before:]]
    assert told == [
        *[("locked_out", ("rejected_requests",), after(START, HOUR))] * 2,
        ("rate_limited", (), after(START, MINUTE)),
    ]
    assert world.charged("rejected_requests") == 2


@pytest.mark.parametrize("ended", [False, True])
def test_a_check_in_a_session_that_is_not_there(*, ended: bool) -> None:
    """Unknown or ended: the check is charged, for ids could be tried, and no guess is."""
    world = World()
    session, code = begin(world) if ended else (UNKNOWN, "123456")
    world.clock.advance(30 * MINUTE)
    assert world.prove(code, session) == SessionNotFound()
    assert world.charged("checks") == 1
    assert last(world).outcome == "session_not_found"
    assert last(world).facts.contact is None


def test_the_checks_of_a_client_are_counted_for_both_journeys() -> None:
    """A client that is out of checks learns nothing of sessions, and each refusal tells so."""
    world = World(limits=ClientLimits(checks=Quota(1, HOUR)))
    world.add()
    session, code = begin(world)
    world.send()
    assert isinstance(world.verify(other_than(world.outbox.codes[-1])), WrongCode)
    refusal = Refusal(Limit.CLIENT, after(START, HOUR))
    assert world.prove(code, session) == refusal
    assert world.prove(code, UNKNOWN) == refusal
    assert last(world).outcome == "rate_limited"
    assert last(world).folds
    assert isinstance(world.prove(code, session, client=OTHER_CLIENT), Proved)


def test_checks_that_are_not_limited_are_not_counted() -> None:
    """With the limit off nothing is kept of them."""
    world = World(limits=ClientLimits(checks=Quota(0, HOUR)))
    session, code = begin(world)
    assert isinstance(world.prove(other_than(code), session), WrongCode)
    assert world.charged("checks") == 0
    assert isinstance(world.prove(code, session), Proved)


def test_a_store_that_lost_a_write_gives_no_second_proof() -> None:
    """Where slot and session have forgotten the success, the recorded step remembers it."""
    world = World()
    session, code = begin(world)
    before, held = record(world), stored(world, session)
    assert isinstance(world.prove(code, session), Proved)

    def back(now: Held) -> Decision[Held, None]:
        return Decision(None, Held(SlotRecord(others=before), now.usages))

    run(world.slots.transition(slot_of(PhoneNumber(PHONE)), (), back))
    put(world, session, held)
    assert isinstance(world.prove(code, session), NoLiveCode)
    assert last(world).outcome == "otp_expired"
    assert len(world.proofs.signed) == 1


@pytest.mark.parametrize(
    ("becomes", "outcome", "word"),
    [
        (
            SignupSession(phone=PhoneNumber(OTHER_PHONE), challenge_id="other", stepped_at=START),
            NoLiveCode(after(START, 30 * SECOND)),
            "otp_expired",
        ),
        (
            SignupSession(
                phone=PhoneNumber(PHONE),
                challenge_id="old",
                stepped_at=Instant(START - 30 * MINUTE),
            ),
            SessionNotFound(),
            "session_not_found",
        ),
    ],
)
def test_a_session_that_changes_under_a_right_code(
    becomes: SignupSession, outcome: object, word: str
) -> None:
    """Corrected or ended between the check and the step: no proof."""
    world = World()
    session, code = begin(world)
    sessions = Moving(world.signup_sessions, lambda: put(world, session, becomes))
    signup = attrs.evolve(world.signup, sessions=sessions)
    assert run(signup.verify(session, Code(code), CALLER)) == outcome
    assert last(world).outcome == word
    assert world.proofs.signed == []


def test_a_failure_of_the_store_is_no_refusal() -> None:
    """A store that does not answer is a failure of its own, whatever was issued by then."""
    world = World()

    def away() -> None:
        raise Unavailable("away")

    sessions = Moving(world.signup_sessions, away, at=1)
    signup = attrs.evolve(world.signup, sessions=sessions)
    with pytest.raises(Unavailable):
        run(signup.send(PhoneNumber(PHONE), None, CALLER))
    assert world.outbox.sent == []


# Coming back


def test_a_visitor_comes_back_to_where_the_session_is() -> None:
    """The number, the live code's end and the wait for another are told, and nothing charged."""
    world = World()
    session, code = begin(world)
    world.clock.advance(10 * SECOND)
    progress = world.progress(session)
    assert isinstance(progress, Progress)
    assert progress.session.phone == PhoneNumber(PHONE)
    assert not progress.session.is_verified
    assert progress.standing.expires_at == after(START, 300 * SECOND)
    assert progress.standing.resend_at == after(START, 30 * SECOND)
    assert world.charged("checks") == 0
    assert isinstance(world.prove(code, session), Proved)
    verified = world.progress(session)
    assert isinstance(verified, Progress)
    assert verified.session.is_verified
    assert verified.standing.expires_at is None


def test_nobody_comes_back_to_a_session_that_is_not_there() -> None:
    """Unknown or ended."""
    world = World()
    session, _ = begin(world)
    assert world.progress(UNKNOWN) == SessionNotFound()
    world.clock.advance(30 * MINUTE)
    assert world.progress(session) == SessionNotFound()


def test_there_is_no_live_code_to_come_back_to() -> None:
    """Once exhausted, expired, undelivered, locked or superseded from another session."""
    world = open_world()
    session, code = begin(world)

    def end() -> CodeEnd | None:
        progress = world.progress(session)
        assert isinstance(progress, Progress)
        assert (progress.standing.expires_at is None) == (progress.standing.end is not None)
        return progress.standing.end

    for _ in range(3):
        assert end() is None
        assert isinstance(world.prove(other_than(code), session), WrongCode)
    assert end() is CodeEnd.EXHAUSTED
    again(world, session)
    assert end() is None
    world.clock.advance(300 * SECOND)
    assert end() is CodeEnd.EXPIRED
    world.outbox.failure = SendFailed("down")
    world.sign_up(session=session)
    assert end() is CodeEnd.UNDELIVERED
    world.outbox.failure = None
    again(world, session)
    world.clock.advance(30 * SECOND)
    begin(world)
    assert end() is CodeEnd.OTHER
    locking = World()
    locking.signup_policy = attrs.evolve(locking.signup_policy, failures=(Quota(1, HOUR),))
    session, code = begin(locking)
    assert isinstance(locking.prove(other_than(code), session), WrongCode)
    progress = locking.progress(session)
    assert isinstance(progress, Progress)
    unlocked = after(START, HOUR)
    assert progress.standing == Standing(None, unlocked, CodeEnd.LOCKED, call_at=unlocked)


@attrs.define
class Moving:
    """
    A store of sessions in which something happens between the first look and the step.

    Attributes:
        meanwhile: What happens.
        at: Before which call.
    """

    sessions: SignupSessions
    meanwhile: Callable[[], object]
    at: int = 2
    calls: int = 0

    async def transition(
        self,
        session_id: SessionId,
        /,
        decide: Callable[[SignupSession | None], Decision[SignupSession | None, O]],
    ) -> O:
        """Keep the promise of `SignupSessions.transition`."""
        self.calls += 1
        if self.calls == self.at:
            self.meanwhile()
        return await self.sessions.transition(session_id, decide)
