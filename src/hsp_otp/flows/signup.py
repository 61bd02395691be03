"""Signup, step 1: a number, a code by SMS, and a signed proof for the next backend."""

from functools import partial
from typing import ClassVar

import attrs

from hsp_otp.domain.audit import Action, AuditFacts, Entered
from hsp_otp.domain.challenge_outcomes import (
    Exhausted,
    Issued,
    Locked,
    NoLiveCode,
    Standing,
    Verified,
    WrongCode,
)
from hsp_otp.domain.client_limits import Counted
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import SessionId
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import PROOF_LIFETIME
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.signup import (
    AlreadyRecorded,
    AlreadyVerified,
    Closed,
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
from hsp_otp.domain.slot_record import Presented, Request
from hsp_otp.flows.caller import (
    Caller,
    about,
    audited_failures,
    new_id,
    visit_of,
    with_outcome,
)
from hsp_otp.flows.limits import Limiter
from hsp_otp.flows.otp import NotSent, Otp, Undelivered, of_success
from hsp_otp.ports.signups import SignupSessions, SignupSteps
from hsp_otp.ports.tokens import Proof, Proofs


@attrs.frozen
class SignupCodeSent:
    """The provider took the message."""

    word: ClassVar[str] = "sent"
    session_id: SessionId
    issued: Issued


@attrs.frozen
class Proved:
    """
    The number is proved.

    Attributes:
        proof: The signed proof.
        device_token: Makes this device a known one.
    """

    word: ClassVar[str] = "verified"
    contact: Contact = attrs.field(repr=False)
    proof: str = attrs.field(repr=False)
    device_token: str = attrs.field(repr=False)


@attrs.frozen
class Progress:
    """
    The progress of a session.

    Attributes:
        standing: The state of the code; meaningless once the number is proved.
    """

    session: SignupSession
    standing: Standing


SignupSendOutcome = SignupCodeSent | Closed | NotSent
SignupVerifyOutcome = (
    Proved
    | SessionNotFound
    | AlreadyVerified
    | Refusal
    | Locked
    | WrongCode
    | NoLiveCode
    | Exhausted
)


@attrs.frozen(kw_only=True)
class Signup:
    """
    The first step of a signup.

    Attributes:
        fingerprints: The ring of contact fingerprints.
    """

    otp: Otp
    sessions: SignupSessions
    steps: SignupSteps
    proofs: Proofs
    limiter: Limiter
    fingerprints: KeyRing

    async def send(
        self,
        phone: PhoneNumber,
        session_id: SessionId | None,
        caller: Caller,
        channel: Channel = Channel.SMS,
    ) -> SignupSendOutcome:
        """
        Send a code to a number, in a new session or in an existing one.

        A session changes its number only after the code was admitted; then the previous number's
        code is withdrawn. Requests with an invalid session or a locked number are charged to the
        client, and refused once the limit is reached.

        Args:
            phone: The number.
            session_id: None begins a session.
            caller: The caller.
            channel: One that the service has senders for.

        Raises:
            Unavailable: A store did not answer. No code of this request can succeed unless its
                message went out.
        """
        facts = about(self._facts(Action.SEND, caller), Contact.of_phone(phone), self.fingerprints)
        async with audited_failures(self.otp.audit, facts):
            return await self._send(phone, session_id, caller, facts, channel)

    async def _send(
        self,
        phone: PhoneNumber,
        session_id: SessionId | None,
        caller: Caller,
        facts: AuditFacts,
        channel: Channel,
    ) -> SignupSendOutcome:
        entered = Entered.NEW
        if session_id is not None:
            found = await self._find(session_id)
            if not isinstance(found, SignupSession):
                return await self._rejected(found, facts, caller)
            entered = Entered.AGAIN if found.phone == phone else Entered.CORRECTED
        facts = attrs.evolve(facts, visit=attrs.evolve(visit_of(caller), entered=entered))
        session = session_id or SessionId(new_id(self.otp.randomness))
        request = attrs.evolve(_request(session, phone, caller), channel=channel)
        outcome = await self.otp.issue(
            request, facts, caller.language, caller.work, locked_as=Counted.REJECTED
        )
        if not isinstance(outcome, Issued):
            return outcome
        stepped = await self.sessions.transition(
            session,
            partial(
                issued,
                challenge=outcome.challenge,
                begins=session_id is None,
                now=self.otp.clock.now(),
            ),
        )
        if not isinstance(stepped, Stepped):  # the session has ended or moved on meanwhile
            await self.otp.unsent(request, outcome, facts)
            return await self._ended(stepped, facts)
        if stepped.left is not None:
            left = Contact.of_phone(stepped.left.phone)
            await self.otp.withdraw(
                slot_of(stepped.left.phone),
                stepped.left.challenge_id,
                about(facts, left, self.fingerprints),
            )
        delivered = await self.otp.deliver(outcome, request, facts, caller.language)
        if isinstance(delivered, Undelivered):
            return delivered
        return SignupCodeSent(session, delivered)

    async def verify(
        self, session_id: SessionId, guess: Code, caller: Caller
    ) -> SignupVerifyOutcome:
        """
        Check a code, and move the session to the next step.

        Args:
            guess: The presented code.

        Raises:
            Unavailable: A store did not answer; the guess may have been counted.
        """
        facts = self._facts(Action.CHECK, caller)
        async with audited_failures(self.otp.audit, facts):
            refusal = await self.limiter.admit(Counted.CHECKS, caller.client, facts)
            if refusal is not None:
                return refusal
            facts = attrs.evolve(facts, charged=(Counted.CHECKS.value,))
            found = await self._find(session_id)
            if isinstance(found, SessionNotFound):
                return await self._ended(found, facts)
        facts = about(facts, Contact.of_phone(found.phone), self.fingerprints)
        async with audited_failures(self.otp.audit, facts):
            if isinstance(found, AlreadyVerified):
                return await self._ended(found, facts)
            request = _request(session_id, found.phone, caller)
            outcome = await self.otp.check(request, Presented(guess), facts)
            if not isinstance(outcome, Verified):
                return outcome
            return await self._prove(session_id, outcome, facts, request)

    async def progress(self, session_id: SessionId, caller: Caller) -> Progress | SessionNotFound:
        """
        The progress of a session, for a visitor who returns to it; charges nothing.

        Raises:
            Unavailable: A store did not answer.
        """
        now = self.otp.clock.now()
        held = await self.sessions.transition(session_id, _look)
        if held is None or not held.lives(now):
            return SessionNotFound()
        return Progress(held, await self.otp.look(_request(session_id, held.phone, caller)))

    async def _prove(
        self, session_id: SessionId, verified: Verified, facts: AuditFacts, request: Request
    ) -> Proved | NoLiveCode | Closed:
        """Record the step once in the SQL database, then move the session."""
        now = self.otp.clock.now()
        challenge = verified.challenge
        facts = of_success(facts, verified)

        def decide_record(
            held: SignupStep | None,
        ) -> Decision[SignupStep | None, Recorded | AlreadyRecorded]:
            decision = record(held, now=now)
            if isinstance(decision.outcome, Recorded):
                return decision
            return attrs.evolve(decision, rows=(with_outcome(facts, decision.outcome),))

        def decide(
            held: SignupSession | None,
        ) -> Decision[SignupSession | None, Stepped | Corrected | Closed]:
            decision = proved(held, challenge=challenge, now=now)
            changed = decision.becomes is not held
            return attrs.evolve(
                decision,
                rows=(with_outcome(facts, decision.outcome, changed=changed),),
            )

        recorded = await self.steps.transition(challenge.id, decide_record)
        if isinstance(recorded, AlreadyRecorded):
            return NoLiveCode(verified.resend_at)
        outcome = await self.sessions.transition(session_id, decide)
        if isinstance(outcome, Stepped):
            token = self.otp.device_token(request, verified)
            phone = PhoneNumber(challenge.contact.value)
            proof = self._sign(session_id, phone, challenge.id, challenge.channel, proved_at=now)
            return Proved(challenge.contact, proof, token)
        return NoLiveCode(verified.resend_at) if isinstance(outcome, Corrected) else outcome

    def proof_of(self, session_id: SessionId, session: SignupSession) -> str | None:
        """The proof that a proved session was given, signed again; None once it has expired."""
        ends = after(session.stepped_at, PROOF_LIFETIME)
        if not session.is_verified or self.otp.clock.now() >= ends:
            return None
        return self._sign(
            session_id,
            session.phone,
            session.challenge_id,
            session.channel,
            proved_at=session.stepped_at,
        )

    def _sign(
        self,
        session_id: SessionId,
        phone: PhoneNumber,
        challenge_id: str,
        channel: Channel,
        *,
        proved_at: Instant,
    ) -> str:
        return self.proofs.sign(
            Proof(
                session_id=session_id.value,
                phone=phone,
                token_id=challenge_id,
                channel=channel,
                purpose=Purpose.SIGNUP,
                issued_at=proved_at,
                expires_at=after(proved_at, PROOF_LIFETIME),
            )
        )

    async def _find(self, session_id: SessionId) -> SignupSession | Closed:
        held = await self.sessions.transition(session_id, _look)
        return find(held, self.otp.clock.now())

    async def _ended(self, outcome: Closed, facts: AuditFacts) -> Closed:
        await self.otp.audit.write(with_outcome(facts, outcome, changed=True))
        return outcome

    async def _rejected(
        self, outcome: Closed, facts: AuditFacts, caller: Caller
    ) -> Closed | Refusal:
        refusal = await self.limiter.admit(Counted.REJECTED, caller.client, facts, outcome)
        return refusal or outcome

    def _facts(self, action: Action, caller: Caller) -> AuditFacts:
        return AuditFacts(
            at=self.otp.clock.now(),
            flow=Flow.SIGNUP,
            purpose=Purpose.SIGNUP,
            action=action,
            client=caller.client,
            request_id=caller.request_id,
            visit=visit_of(caller),
        )


def _request(session: SessionId, phone: PhoneNumber, caller: Caller) -> Request:
    return Request(
        slot=slot_of(phone),
        flow=Flow.SIGNUP,
        contact=Contact.of_phone(phone),
        client=caller.client,
        session=session.value,
        devices=caller.devices,
    )


def _look(held: SignupSession | None) -> Decision[SignupSession | None, SignupSession | None]:
    return Decision(held, held)
