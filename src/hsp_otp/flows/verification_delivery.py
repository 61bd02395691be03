"""Hands the messages of verifications over, and records whether a sender took them."""

import attrs

from hsp_otp.domain.audit import AuditRow, EndedRow, HandedOverRow, UnsentRow
from hsp_otp.domain.challenge import look, usage_keys
from hsp_otp.domain.challenge_outcomes import Issued, Withdrawn
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.slot_record import Challenge, Held
from hsp_otp.domain.verification import undelivered
from hsp_otp.domain.verification_record import Status
from hsp_otp.flows.app_requests import AppRequests
from hsp_otp.flows.caller import with_outcome
from hsp_otp.flows.otp import Otp
from hsp_otp.flows.verification_asks import Ask, is_resent, stored_as
from hsp_otp.flows.verification_outcomes import NotDelivered, Sent, View
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.messages import Letterhead
from hsp_otp.ports.sender import Receipt


@attrs.frozen(kw_only=True)
class VerificationDelivery:
    """Delivers the codes of admitted sends."""

    otp: Otp
    requests: AppRequests

    async def deliver(self, ask: Ask, issued: Issued) -> Sent | NotDelivered:
        """Hand the message over, and record whether a sender took it."""
        challenge, verification = issued.challenge, ask.verification
        resent = is_resent(ask, challenge)
        facts = attrs.evolve(ask.facts, verification_id=challenge.id)
        letterhead = Letterhead(
            service_name=ask.app.rules.service_name,
            web_origin=ask.app.rules.web_origin,
            android_hash=verification.app_hash,
            email_from=ask.app.rules.email_from,
            wordings=ask.app.rules.texts,
        )
        receipt: Receipt | None = None
        resend_at: Instant | None = None
        try:
            receipt = await self.otp.hand_over(
                challenge,
                verification.language,
                challenge.expires_at - ask.at,
                letterhead=letterhead,
                senders=ask.app.rules.senders.get(challenge.channel, ()),
                send_id=ask.send_id,
            )
        except SendFailed:
            pass
        finally:
            if receipt is None:
                resend_at = await self._unsent(ask, challenge, resent=resent)
        if receipt is None:
            unsent = NotDelivered(resend_at=resend_at)
            await self.otp.audit.write(with_outcome(facts, unsent, changed=True))
            return unsent
        await self.otp.audit.write(
            AuditRow(
                facts=facts,
                outcome=Sent.word,
                sender=receipt.sender,
                provider_message_id=receipt.provider_message_id,
            ),
            HandedOverRow(
                send_id=ask.send_id,
                sender=receipt.sender,
                provider_message_id=receipt.provider_message_id,
            ),
        )
        return await self.sent(ask, issued)

    async def sent(self, ask: Ask, issued: Issued) -> Sent:
        """The answer about a send that has just been made."""
        challenge = issued.challenge
        resent = is_resent(ask, challenge)
        stored = await self.requests.verifications.find(challenge.id) if resent else None
        view = View(
            verification=stored or stored_as(ask.verification, challenge),
            at=ask.at,
            status=Status.PENDING,
            channel=ask.request.channel,
            attempts_remaining=ask.policy.max_attempts - challenge.attempts,
            updated_at=ask.at,
            next=self.requests.next_sends(ask.app, challenge.contact, issued.resend_at),
        )
        return Sent(view=view, resent=resent)

    async def _unsent(self, ask: Ask, challenge: Challenge, *, resent: bool) -> Instant | None:
        """Record that no sender took a message; return when the next one may be asked for."""
        now, request = self.otp.clock.now(), ask.request
        unsent = UnsentRow(send_id=ask.send_id, at=now)
        failed = EndedRow(verification_id=challenge.id, status=Status.FAILED, at=now)

        def decide(held: Held) -> Decision[Held, Instant | None]:
            ended = undelivered(held, challenge.id, ask.at, resent=resent)
            rows = (unsent, failed) if isinstance(ended.outcome, Withdrawn) else (unsent,)
            looked = look(ended.becomes, request, ask.policy, now)
            return Decision(looked.outcome.resend_at, ended.becomes, rows)

        return await self.otp.slots.transition(request.slot, usage_keys(request), decide)
