"""The engine that journeys share: issuing, delivering and checking codes."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, TypeVar

import attrs

from hsp_otp.domain.audit import AuditRow, HandedOverRow, SendRow
from hsp_otp.domain.challenge import (
    AskOutcome,
    Challenge,
    CheckOutcome,
    Drawn,
    Held,
    Issued,
    Locked,
    Presented,
    Request,
    Standing,
    Verified,
    ask,
    check,
    code_of,
    look,
    send_keys,
    withdraw,
)
from hsp_otp.domain.client_limits import Counted
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import Language
from hsp_otp.domain.policy import NONCE_BYTES, Policy
from hsp_otp.domain.purposes import Purpose, Slot
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.repeated_success import VerifiedAgain, check_in_browser
from hsp_otp.flows.caller import new_id, with_outcome
from hsp_otp.flows.limits import Limiter
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.messages import Messages
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.sender import Message, Receipt, Sender

O = TypeVar("O", AskOutcome, CheckOutcome, CheckOutcome | VerifiedAgain)  # noqa: E741


@attrs.frozen
class Undelivered:
    """
    No sender took the message. Its challenge, if there was one, has been withdrawn.

    Attributes:
        resend_at: When a new code may be asked for; the send still counts. None if every sender is
            being skipped, in which case no limit on sends was charged.
    """

    word: ClassVar[str] = "sms_failed"
    resend_at: Instant | None


@attrs.frozen(kw_only=True)
class Otp:
    """
    Issues, delivers and checks codes.

    Attributes:
        senders: One for each channel.
        codes: The ring of codes.
        policies: One for each purpose.
    """

    slots: SlotRepository
    limiter: Limiter
    senders: Mapping[Channel, Sender]
    messages: Messages
    audit: AuditTrail
    clock: Clock
    randomness: Randomness
    codes: KeyRing
    policies: Mapping[Purpose, Policy]

    async def ask(
        self, request: Request, row: AuditRow, language: Language
    ) -> Issued | Refusal | Locked | Undelivered:
        """
        Issue a new code and hand its message over.

        Args:
            row: The request's row, complete except for its outcome.
            language: The language of the message.

        Raises:
            Unavailable: A store did not answer. No code of this request can succeed unless its
                message went out.
        """
        outcome = await self.issue(request, row)
        if isinstance(outcome, Issued):
            return await self.deliver(outcome, request, row, language)
        return outcome

    async def issue(
        self, request: Request, row: AuditRow
    ) -> Issued | Refusal | Locked | Undelivered:
        """
        Put a new challenge into the slot; call `deliver` or `withdraw` next.

        The challenge and its send row are stored when this returns.

        Raises:
            Unavailable: The store did not answer.
        """
        if not self.senders[request.channel].available():
            unsent = Undelivered(None)
            refusal = await self.limiter.admit(
                Counted.UNSENT_ASKS, request.client, row, unsent.word
            )
            return refusal or unsent
        policy = self.policies[request.slot.purpose]
        drawn = Drawn(
            challenge_id=new_id(self.randomness),
            nonce=self.randomness.draw(NONCE_BYTES),
            key_id=self.codes.first.id,
        )
        now = self.clock.now()

        def decide(held: Held) -> Decision[Held, AskOutcome]:
            decision = ask(held, request, drawn, policy, now)
            if isinstance(decision.outcome, Issued):
                return attrs.evolve(decision, rows=(_send_row(decision.outcome, request),))
            return _audited(decision, held, row)

        usages = send_keys(request)
        return await self.slots.transition(request.slot, usages, decide)

    async def deliver(
        self, issued: Issued, request: Request, row: AuditRow, language: Language
    ) -> Issued | Undelivered:
        """
        Hand the message of an issued code over; on any failure, withdraw the challenge.

        Raises:
            Unavailable: The store did not answer.
        """
        receipt = await self._hand_over(issued.challenge, request.slot, language)
        if receipt is None:
            undelivered = Undelivered(issued.resend_at)
            await self.audit.write(with_outcome(row, undelivered, changed=True))
            return undelivered
        await self.audit.write(
            attrs.evolve(
                with_outcome(row, issued, changed=True),
                sender=receipt.sender,
                provider_message_id=receipt.provider_message_id,
            ),
            HandedOverRow(
                challenge_id=issued.challenge.id,
                sender=receipt.sender,
                provider_message_id=receipt.provider_message_id,
            ),
        )
        return issued

    async def withdraw(self, slot: Slot, challenge_id: str) -> None:
        """
        End a challenge, so that it can never succeed; a superseded one has ended already.

        Raises:
            Unavailable: The store did not answer.
        """
        await self.slots.transition(slot, (), partial(withdraw, challenge_id=challenge_id))

    async def look(self, request: Request) -> Standing:
        """
        The current state for the session of *request*; changes nothing.

        Raises:
            Unavailable: The store did not answer.
        """
        policy, now = self.policies[request.slot.purpose], self.clock.now()
        decide = partial(look, request=request, policy=policy, now=now)
        return await self.slots.transition(request.slot, send_keys(request), decide)

    async def check(self, request: Request, presented: Presented, row: AuditRow) -> CheckOutcome:
        """
        Judge a presented code, once.

        A success is not audited here; the journey audits it together with the step that follows.

        Raises:
            Unavailable: The store did not answer; the guess may have been counted.
        """
        policy = self.policies[request.slot.purpose]
        now = self.clock.now()

        def decide(held: Held) -> Decision[Held, CheckOutcome]:
            decision = check(held, request, presented, policy, ring=self.codes, now=now)
            if isinstance(decision.outcome, Verified):
                return decision
            return _audited(decision, held, row)

        usages = send_keys(request)
        return await self.slots.transition(request.slot, usages, decide)

    async def check_in_browser(
        self, request: Request, presented: Presented, row: AuditRow, browser: str
    ) -> CheckOutcome | VerifiedAgain:
        """
        `check`, but accept a code again that was right in the same *browser* moments ago.

        That success is not audited here either.

        Raises:
            Unavailable: The store did not answer; the guess may have been counted.
        """
        policy = self.policies[request.slot.purpose]
        now = self.clock.now()

        def decide(held: Held) -> Decision[Held, CheckOutcome | VerifiedAgain]:
            decision = check_in_browser(
                held, request, presented, policy, ring=self.codes, now=now, browser=browser
            )
            if isinstance(decision.outcome, Verified | VerifiedAgain):
                return decision
            return _audited(decision, held, row)

        usages = send_keys(request)
        return await self.slots.transition(request.slot, usages, decide)

    async def _hand_over(
        self, challenge: Challenge, slot: Slot, language: Language
    ) -> Receipt | None:
        policy = self.policies[challenge.purpose]
        receipt = None
        try:
            code = code_of(challenge, self.codes.first, policy.digits)
            text = self.messages.sms(challenge.purpose, code, policy.lifetime, language)
            message = Message(
                to=challenge.contact,
                text=text.text,
                useful_for=challenge.expires_at - self.clock.now(),
                template_id=text.template_id,
                entity_id=text.entity_id,
            )
            receipt = await self.senders[challenge.channel].send(message)
        except SendFailed:
            return None
        finally:
            if receipt is None:
                await self.withdraw(slot, challenge.id)
        return receipt


def _audited(decision: Decision[Held, O], held: Held, row: AuditRow) -> Decision[Held, O]:
    changed = decision.becomes is not held
    return attrs.evolve(
        decision,
        rows=(with_outcome(row, decision.outcome, changed=changed),),
    )


def _send_row(issued: Issued, request: Request) -> SendRow:
    return SendRow(
        challenge_id=issued.challenge.id,
        at=issued.challenge.issued_at,
        flow=request.flow,
        purpose=request.slot.purpose,
        slot=str(request.slot),
        contact=request.contact.value,
        client=request.client,
    )
