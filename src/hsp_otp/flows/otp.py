"""The engine that journeys share: issuing, delivering and checking codes."""

from __future__ import annotations  # those of nested functions would cost every request

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import ClassVar, TypeVar, assert_never

import attrs

from hsp_otp.domain.audit import Action, AuditFacts, HandedOverRow, Row, SendRow
from hsp_otp.domain.challenge import (
    ask,
    check,
    code_of,
    has_live_code,
    held_keys,
    lane_for,
    lane_of_check,
    look,
    withdraw,
)
from hsp_otp.domain.challenge_outcomes import (
    AskOutcome,
    CheckOutcome,
    Issued,
    Locked,
    MalformedWork,
    NotStanding,
    Standing,
    Verified,
    Withdrawn,
    WorkRequired,
    WrongCode,
)
from hsp_otp.domain.client_limits import Counted
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guarded_asks import forgive, owed_keys
from hsp_otp.domain.instant import Duration, Instant, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.lanes import device_token
from hsp_otp.domain.names import Language
from hsp_otp.domain.policy import NONCE_BYTES, WORK_BYTES, WORK_LIFETIME, Policy
from hsp_otp.domain.purposes import FLOWS, Purpose, Slot
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.repeated_success import VerifiedAgain, check_in_browser
from hsp_otp.domain.slot_record import Challenge, Drawn, Held, Owed, Presented, Request
from hsp_otp.domain.sms_segments import segments
from hsp_otp.flows.caller import new_id, of_ask, of_guess, with_outcome
from hsp_otp.flows.guarding import Guarding, debt_rows
from hsp_otp.flows.limits import Limiter
from hsp_otp.flows.spending import Reserved
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import SendFailed, Unavailable
from hsp_otp.ports.messages import Letterhead, Messages
from hsp_otp.ports.proof_of_work import ProofOfWork, Work
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.sender import (
    SEND_WITHIN,
    Call,
    Mail,
    Message,
    Receipt,
    Senders,
    Sms,
    WhatsApp,
)

C = TypeVar("C", CheckOutcome, CheckOutcome | VerifiedAgain)
O = TypeVar("O", AskOutcome, CheckOutcome, CheckOutcome | VerifiedAgain)  # noqa: E741


@attrs.frozen
class Undelivered:
    """
    No sender took the message. Its challenge, if there was one, has been withdrawn.

    Attributes:
        resend_at: When a new code may be asked for; the send still counts, but the cooldown does
            not run. None if every sender is being skipped, in which case no limit on sends was
            charged.
        for_good: Every sender would refuse a message to this contact.
        channel: Of the message.
    """

    word: ClassVar[str] = "sms_failed"
    resend_at: Instant | None
    for_good: bool = False
    channel: Channel = Channel.SMS

    @property
    def by_call(self) -> bool:
        """Whether the message was a call."""
        return self.channel is Channel.VOICE


@attrs.frozen
class WorkPosed:
    """Too many strangers have asked: there is work to do first. Nothing was charged."""

    word: ClassVar[str] = WorkRequired.word
    work: Work


@attrs.frozen
class _Judged:
    """The outcome of an ask, and what its row tells."""

    outcome: AskOutcome
    facts: AuditFacts


NotSent = Refusal | Locked | Undelivered | MalformedWork | WorkPosed
AskedOutcome = Issued | NotSent


@attrs.frozen(kw_only=True)
class Otp:
    """
    Issues, delivers and checks codes.

    Every step raises Unavailable if a store does not answer; a guess may have been counted then.

    Attributes:
        senders: One for each channel.
        work: What strangers do before they get more codes.
        guard: Bounds what is spent on messages.
        codes: The ring of codes.
        devices: The ring of device tokens.
        policies: One for each purpose.
    """

    slots: SlotRepository
    limiter: Limiter
    senders: Mapping[Channel, Senders]
    messages: Messages
    audit: AuditTrail
    clock: Clock
    randomness: Randomness
    work: ProofOfWork
    guard: Guarding
    codes: KeyRing
    devices: KeyRing
    policies: Mapping[Purpose, Policy]

    async def ask(
        self, request: Request, facts: AuditFacts, language: Language, work: str | None = None
    ) -> AskedOutcome:
        """
        Issue a new code and hand its message over.

        Args:
            facts: What is known of the request.
            language: The language of the message.
            work: The payload of the work that was done for it, if any.

        Raises:
            Unavailable: A store did not answer. No code of this request can succeed unless its
                message went out.
        """
        outcome = await self.issue(request, facts, language, work)
        if isinstance(outcome, Issued):
            return await self.deliver(outcome, request, facts, language)
        return outcome

    async def issue(
        self,
        request: Request,
        facts: AuditFacts,
        language: Language,
        work: str | None = None,
        *,
        locked_as: Counted | None = None,
    ) -> AskedOutcome:
        """
        Put a new challenge into the slot; call `deliver` or `withdraw` next.

        The challenge and its send row are stored when this returns.

        Args:
            language: The language of the message.
            locked_as: What an ask is charged to the client as, if the slot is locked.
        """
        if not self.senders[request.channel].available():
            unsent = Undelivered(None, channel=request.channel)
            refusal = await self.limiter.admit(Counted.UNSENT_ASKS, request.client, facts, unsent)
            return refusal or unsent
        facts = _with_channel(facts, request)
        policy = self.policies[request.slot.purpose]
        drawn = Drawn(
            challenge_id=new_id(self.randomness),
            nonce=self.randomness.draw(NONCE_BYTES),
            key_id=self.codes.first.id,
        )
        now = self.clock.now()
        if work is not None:
            judged = self.work.judge(work, _bound_to(request), now)
            request = attrs.evolve(request, work=judged)

        def decide(held: Held) -> Decision[Held, _Judged]:
            lane = lane_for(held.record, request, ring=self.devices, policy=policy, now=now)
            decision = ask(held, request, drawn, policy, now, lane=lane)
            outcome = decision.outcome
            if isinstance(outcome, Issued):
                rows: tuple[Row, ...] = (_send_row(outcome, request, facts), *debt_rows(outcome))
                return Decision(_Judged(outcome, facts), decision.becomes, rows)
            told = of_ask(facts, lane, again=has_live_code(held.record, lane, now))
            # The row of a charge is written with it.
            is_charged = isinstance(outcome, Locked) and locked_as is not None
            rows = () if is_charged else _audited(decision, held, told).rows
            return Decision(_Judged(outcome, told), decision.becomes, rows)

        request, reserved = await self._reserve(request, policy, language, facts.region, now)
        issued: Issued | None = None
        try:
            found = await self.slots.transition(request.slot, held_keys(request), decide)
            outcome = found.outcome
            if isinstance(outcome, Issued):
                issued = outcome
        finally:
            self.guard.settle(reserved, issued)
        if isinstance(outcome, Locked) and locked_as is not None:
            told = found.facts
            return await self.limiter.admit(locked_as, request.client, told, outcome) or outcome
        if isinstance(outcome, WorkRequired):
            return WorkPosed(self._pose(request, outcome, now))
        return outcome

    async def deliver(
        self, issued: Issued, request: Request, facts: AuditFacts, language: Language
    ) -> Issued | Undelivered:
        """Hand the message of an issued code over; on any failure, withdraw the challenge."""
        challenge = issued.challenge
        facts = _with_channel(facts, request)
        facts = of_ask(facts, challenge.lane, again=issued.again)
        receipt, resend_at, for_good = None, None, False
        try:
            lifetime = self.policies[challenge.purpose].lifetime
            receipt = await self.hand_over(challenge, language, lifetime)
        except SendFailed as failure:
            for_good = not failure.tries_next
        finally:
            if receipt is None:
                resend_at = await self.unsent(request, issued, facts)
        if receipt is None:
            undelivered = Undelivered(resend_at, for_good, challenge.channel)
            await self.audit.write(
                with_outcome(facts, undelivered, changed=True, assessment=issued.assessment)
            )
            return undelivered
        await self.audit.write(
            with_outcome(facts, issued, changed=True, receipt=receipt),
            HandedOverRow(
                send_id=challenge.id,
                sender=receipt.sender,
                provider_message_id=receipt.provider_message_id,
            ),
        )
        return issued

    async def withdraw(
        self, slot: Slot, challenge_id: str, facts: AuditFacts
    ) -> Withdrawn | NotStanding:
        """
        End a challenge, so that it can never succeed; a superseded one has ended already.

        *facts* are of the request that this is part of, with what may be told of the contact. A
        withdrawal leaves a row of its own.
        """

        def decide(held: Held) -> Decision[Held, Withdrawn | NotStanding]:
            return _told_of_withdrawal(withdraw(held, challenge_id), facts)

        return await self.slots.transition(slot, (), decide)

    async def unsent(self, request: Request, issued: Issued, facts: AuditFacts) -> Instant | None:
        """
        `withdraw` the challenge of a request whose message nobody got, and end the cooldown. Nobody
        owes the message; what was spent stays spent, since some sender may have taken it.

        Returns:
            When a new code may be asked for; None if only an operator can unlock.
        """
        challenge = issued.challenge
        policy, now = self.policies[challenge.purpose], self.clock.now()
        owed = () if issued.owed is None else (issued.owed,)

        def decide(held: Held) -> Decision[Held, tuple[Standing, Owed | None]]:
            ended = _told_of_withdrawal(withdraw(held, challenge.id, undelivered=True), facts)
            forgiven = forgive(ended.becomes, challenge.id, now)
            looked = look(forgiven.becomes, request.by_text, policy, now, lane=challenge.lane)
            told = looked.outcome, forgiven.outcome
            return Decision(told, forgiven.becomes, ended.rows + forgiven.rows)

        keys = (*held_keys(request), *owed_keys(owed))
        standing, forgiven = await self.slots.transition(request.slot, keys, decide)
        if forgiven is not None:
            self.guard.pay((forgiven,), is_verified=False)
        return standing.resend_at

    async def look(self, request: Request, challenge_id: str | None = None) -> Standing:
        """
        The current state for the maker of *request*; changes nothing.

        It tells when a call may be asked for, if the service has senders of calls.

        *challenge_id* is the challenge that they would name with a guess, if any.
        """
        policy, now = self.policies[request.slot.purpose], self.clock.now()
        calls = Channel.VOICE in self.senders

        def decide(held: Held) -> Decision[Held, Standing]:
            lane = lane_for(held.record, request, ring=self.devices, policy=policy, now=now)
            return look(
                held, request, policy, now, lane=lane, challenge_id=challenge_id, calls=calls
            )

        # A call is limited by what limits a text message, and more.
        widest = attrs.evolve(request, channel=Channel.VOICE) if calls else request
        return await self.slots.transition(request.slot, held_keys(widest), decide)

    async def check(
        self, request: Request, presented: Presented, facts: AuditFacts
    ) -> CheckOutcome:
        """
        Judge a presented code, once.

        A success is not audited here; the journey audits it together with the step that follows.
        """
        return await self._check(request, presented, facts, check)

    async def check_in_browser(
        self, request: Request, presented: Presented, facts: AuditFacts, browser: str
    ) -> CheckOutcome | VerifiedAgain:
        """
        `check`, but accept a code again that was right in the same *browser* moments ago.

        That success is not audited here either.
        """
        judge = partial(check_in_browser, browser=browser)
        return await self._check(request, presented, facts, judge)

    def device_token(self, request: Request, verified: Verified | VerifiedAgain) -> str:
        """The token for the device on which a code was right."""
        return device_token(self.devices.first, request.slot.subject, verified.devices)

    async def _check(
        self,
        request: Request,
        presented: Presented,
        facts: AuditFacts,
        judge: Callable[..., Decision[Held, C]],
    ) -> C:
        policy = self.policies[request.slot.purpose]
        now, most = self.clock.now(), policy.max_attempts

        def decide(held: Held) -> Decision[Held, C]:
            lane = lane_of_check(
                held.record, request, presented, ring=self.devices, policy=policy, now=now
            )
            decision = judge(held, request, presented, policy, ring=self.codes, now=now, lane=lane)
            if isinstance(decision.outcome, Verified | VerifiedAgain):
                return decision
            guessed = decision.outcome
            is_first = isinstance(guessed, WrongCode) and guessed.attempts_remaining == most - 1
            return _audited(decision, held, of_guess(facts, lane, is_first=is_first))

        outcome = await self.slots.transition(request.slot, held_keys(request), decide)
        if isinstance(outcome, Verified):
            await self.pay_back(request.slot, outcome, now)
        return outcome

    async def pay_back(self, slot: Slot, verified: Verified, now: Instant) -> None:
        """
        Give back and pay what a right code has paid for.

        If this is lost, limits are stricter than they need to be; the code stays right.
        """
        with suppress(Unavailable):
            await self.guard.pay_back(self.slots, slot, verified, now)

    async def _reserve(
        self,
        request: Request,
        policy: Policy,
        language: Language,
        region: str | None,
        now: Instant,
    ) -> tuple[Request, Reserved | None]:
        purpose = request.slot.purpose

        def count() -> int:
            return self.segments(purpose, policy.digits, policy.lifetime, language)

        return await self.guard.reserve(
            request,
            request.flow.value,
            now,
            region=region,
            text=(purpose, language),
            segments=count,
            is_judged=FLOWS[request.flow].is_judged,
        )

    def segments(
        self,
        purpose: Purpose,
        digits: int,
        lifetime: Duration,
        language: Language,
        letterhead: Letterhead | None = None,
    ) -> int:
        """The segments of a text message with any code of so many *digits*."""
        code = Code("0" * digits)
        return segments(self.messages.sms(purpose, code, lifetime, language, letterhead).text)

    def _pose(self, request: Request, required: WorkRequired, now: Instant) -> Work:
        return self.work.pose(
            _bound_to(request),
            required.level,
            after(now, WORK_LIFETIME),
            self.randomness.draw(WORK_BYTES),
        )

    async def hand_over(
        self,
        challenge: Challenge,
        language: Language,
        lifetime: Duration,
        *,
        letterhead: Letterhead | None = None,
        senders: Sequence[str] = (),
        send_id: str | None = None,
        within: Duration = SEND_WITHIN,
    ) -> Receipt:
        """
        Hand the message with the code of *challenge* to a sender.

        Args:
            challenge: Of a key that is in the ring.
            language: The language of the message.
            lifetime: What the message says of the code.
            letterhead: What an app's messages say in place of the service's.
            senders: The names of those that may be tried, in that order; without any, all are.
            send_id: The id of the send, if it is not that of the challenge.
            within: The time that they have together.

        Raises:
            SendFailed: No sender took it.
        """
        key = self.codes.find(challenge.key_id) or self.codes.first
        digits = challenge.digits or self.policies[challenge.purpose].digits
        code = code_of(challenge, key, digits)
        message: Message
        match challenge.channel:
            case Channel.SMS:
                text = self.messages.sms(challenge.purpose, code, lifetime, language, letterhead)
                message = Sms(
                    to=challenge.contact,
                    text=text.text,
                    useful_for=challenge.expires_at - self.clock.now(),
                    template_id=text.template_id,
                    entity_id=text.entity_id,
                )
            case Channel.EMAIL:
                mail = self.messages.mail(challenge.purpose, code, lifetime, language, letterhead)
                message = Mail(
                    id=send_id or challenge.id,
                    to=challenge.contact,
                    subject=mail.subject,
                    text=mail.text,
                    html=mail.html,
                    language=mail.language,
                    useful_for=challenge.expires_at - self.clock.now(),
                    sender_name=mail.service_name,
                    sender_address=None if letterhead is None else letterhead.email_from,
                )
            case Channel.VOICE:
                message = Call(
                    id=send_id or challenge.id,
                    to=challenge.contact,
                    code=code.reveal(),
                    language=language,
                    service_name=self.messages.service_name(challenge.purpose, letterhead),
                    useful_for=challenge.expires_at - self.clock.now(),
                )
            case Channel.WHATSAPP:
                message = WhatsApp(
                    id=send_id or challenge.id,
                    to=challenge.contact,
                    code=code.reveal(),
                    language=language,
                    useful_for=challenge.expires_at - self.clock.now(),
                )
            case _:
                assert_never(challenge.channel)
        return await self.senders[challenge.channel].send(message, within, names=senders)


def _told_of_withdrawal(
    decision: Decision[Held, Withdrawn | NotStanding], facts: AuditFacts
) -> Decision[Held, Withdrawn | NotStanding]:
    if not isinstance(decision.outcome, Withdrawn):
        return decision
    told = attrs.evolve(facts, action=Action.WITHDRAW, charged=())
    rows = (with_outcome(told, decision.outcome, changed=True),)
    return attrs.evolve(decision, rows=rows)


def _with_channel(facts: AuditFacts, request: Request) -> AuditFacts:
    if request.channel is Channel.SMS:
        return facts
    return attrs.evolve(facts, channel=request.channel)


def _audited(decision: Decision[Held, O], held: Held, facts: AuditFacts) -> Decision[Held, O]:
    changed = decision.becomes is not held
    rows = (with_outcome(facts, decision.outcome, changed=changed),)
    return Decision(decision.outcome, decision.becomes, rows)


def _send_row(issued: Issued, request: Request, facts: AuditFacts) -> SendRow:
    return SendRow(
        id=issued.challenge.id,
        at=issued.challenge.issued_at,
        flow=request.flow,
        purpose=request.slot.purpose,
        slot=issued.challenge.slot,
        contact=request.contact.value,
        client=request.client,
        lane=issued.challenge.lane,
        channel=request.channel,
        language=None if facts.visit is None else facts.visit.language,
    )


def of_success(facts: AuditFacts, verified: Verified | VerifiedAgain) -> AuditFacts:
    """*facts* of the request whose code was right."""
    is_first = isinstance(verified, Verified) and verified.challenge.attempts == 1
    return of_guess(facts, verified.challenge.lane, is_first=is_first)


def _bound_to(request: Request) -> str:
    """What work for *request* is good for: nothing else, and nobody else's network."""
    parts = (request.flow.value, str(request.slot), request.contact.value, request.client.network)
    return " ".join(parts)
