"""Verification: other backends have codes sent to the contacts of their users."""

from collections.abc import Callable
from typing import Final, TypeVar, assert_never

import attrs

from hsp_otp.domain.app_limits import claim_keys, demand_apart
from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import (
    Action,
    AuditFacts,
    AuditRow,
    EndedRow,
    HandedOverRow,
    Row,
    SendRow,
    UnsentRow,
)
from hsp_otp.domain.challenge import look, usage_keys
from hsp_otp.domain.challenge_outcomes import Exhausted, Issued, Locked, NotStanding, Withdrawn
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import id_of
from hsp_otp.domain.policy import ID_BYTES, NONCE_BYTES, Policy
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.slot_record import Challenge, Drawn, Held, Request
from hsp_otp.domain.test_contacts import FixedCode
from hsp_otp.domain.verification import (
    Claimed,
    Prospects,
    end_of_replaced,
    is_under_way,
    prospects,
    resend,
    start,
    undelivered,
)
from hsp_otp.domain.verification_record import NamedValue, Status, Verification
from hsp_otp.domain.verification_request import (
    Flaw,
    Given,
    Unacceptable,
    Wanted,
    read,
    read_channel,
)
from hsp_otp.flows.app_requests import AppRequests, Backend, next_sends, over
from hsp_otp.flows.caller import audited_failures, new_id, with_outcome
from hsp_otp.flows.limits import Limiter
from hsp_otp.flows.otp import Otp
from hsp_otp.flows.verification_outcomes import (
    InProgress,
    Mismatch,
    NotDelivered,
    Over,
    Prospect,
    Refused,
    ResendOutcome,
    Sent,
    StartOutcome,
    View,
)
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.messages import Letterhead
from hsp_otp.ports.sender import Receipt
from hsp_otp.ports.verifications import KeptSend

Asked = Issued | Refusal | Locked | Claimed

_NOT_SENT: Final = "not_sent"
"""The audit's word for a start that is admitted and sends nothing, since it is for a test
contact."""

A = TypeVar("A", Asked, Asked | Over | Exhausted)
R = TypeVar("R", Sent | NotDelivered, InProgress, Mismatch, Refused)


@attrs.frozen(kw_only=True)
class _Claim:
    """
    What an idempotency key makes of a request, by every key of the ring, the first one first.

    Attributes:
        send_ids: The id of its send.
        requests: The fingerprint of what it asks for.
    """

    send_ids: tuple[str, ...]
    requests: tuple[str, ...]


@attrs.frozen(kw_only=True)
class _Ask:
    """
    A start or a resend.

    Attributes:
        verification: As it is stored if a new challenge is issued; its own if it is sent again.
        service_name: In the message.
        facts: What is known of the request.
    """

    app: App
    verification: Verification
    service_name: str
    request: Request
    policy: Policy
    drawn: Drawn
    send_id: str
    facts: AuditFacts
    claim: _Claim | None
    at: Instant


@attrs.frozen(kw_only=True)
class VerificationSends:
    """
    Sends codes for the backends of apps.

    Every method raises Unavailable if a store does not answer. No code of that request can succeed
    then unless its message went out.

    Attributes:
        idempotency: The ring of idempotency keys.
    """

    otp: Otp
    limiter: Limiter
    requests: AppRequests
    idempotency: KeyRing

    async def start(
        self, app: App, given: Given, backend: Backend, idempotency_key: str | None = None
    ) -> StartOutcome:
        """Send a code to a contact: the live one of its slot again, or a new one."""
        wanted = read(given, app, self.requests.reach)
        if isinstance(wanted, Unacceptable):
            return wanted
        asked = ("start", wanted.contact.value, wanted.channel.value, wanted.purpose.value)
        subject = () if wanted.subject is None else (wanted.subject,)
        fixed = await self.requests.fixed_code(app, wanted.contact)
        new = self._new(app, wanted, fixed)
        ask = self._ask(app, new, backend, idempotency_key, (*asked, *subject), fixed=fixed)
        # Nobody knows yet whether there will be one of that id.
        facts = attrs.evolve(ask.facts, verification_id=None)
        ask = attrs.evolve(ask, facts=facts, service_name=wanted.service_name)

        def rule(held: Held) -> Decision[Held, Asked]:
            return start(held, ask.request, ask.drawn, ask.policy, ask.at)

        async with audited_failures(self.otp.audit, ask.facts):
            await self.requests.announce(ask.facts, ask.request)
            early = await self._without_asking(ask)
            if early is not None:
                return early
            return await self._answer(ask, await self._admit(ask, rule))

    async def resend(
        self,
        verification_id: str,
        channel: str | None,
        backend: Backend,
        idempotency_key: str | None = None,
    ) -> ResendOutcome:
        """Send the code of a live verification again; *channel* is one of the app's."""
        found = await self.requests.find(verification_id, backend)
        if found is None:
            return await self.requests.missing(Action.SEND, backend)
        app, verification = found
        by = read_channel(channel, verification.contact.kind, app) if channel else None
        if channel and by is None:
            return Unacceptable(Flaw.CHANNEL)
        verification = attrs.evolve(verification, channel=by or verification.channel)
        asked = ("resend", verification.id, verification.channel.value)
        fixed = await self.requests.fixed_code(app, verification.contact)
        ask = self._ask(app, verification, backend, idempotency_key, asked, fixed=fixed)

        def rule(held: Held) -> Decision[Held, Asked | Over | Exhausted]:
            decision = resend(
                held,
                verification.id,
                ask.request,
                ask.drawn,
                ask.policy,
                ring=self.otp.codes,
                now=ask.at,
            )
            if isinstance(decision.outcome, NotStanding):
                ended = over(verification, held, ask.request, ask.policy, ask.at)
                return Decision(ended, held)
            return Decision(decision.outcome, decision.becomes)

        async with audited_failures(self.otp.audit, ask.facts):
            if ask.request.test_contact == verification.test_contact:
                await self.requests.announce(ask.facts, ask.request)
            early = await self._without_asking(ask)
            if early is not None:
                return early
            outcome = await self._admit(ask, rule)
            if isinstance(outcome, Over | Exhausted):
                return outcome
            return await self._answer(ask, outcome)

    async def standing(self, app: App, given: Given, backend: Backend) -> Prospect | Unacceptable:
        """What a start would meet; charges nothing."""
        wanted = read(given, app, self.requests.reach)
        if isinstance(wanted, Unacceptable):
            return wanted
        fixed = await self.requests.fixed_code(app, wanted.contact)
        ask = self._ask(app, self._new(app, wanted, fixed), backend, None, (), fixed=fixed)
        facts = attrs.evolve(ask.facts, action=Action.READ)
        row = AuditRow(facts=facts, outcome=Prospect.word, folds=True)

        def decide(held: Held) -> Decision[Held, Prospects]:
            found = prospects(held, ask.request, ask.drawn, ask.policy, ask.at)
            return Decision(found, held, (row,))

        async with audited_failures(self.otp.audit, facts):
            found = await self.otp.slots.transition(
                ask.request.slot, usage_keys(ask.request), decide
            )
        return Prospect(found, next_sends(app, wanted.contact, found.resend_at))

    def _new(self, app: App, wanted: Wanted, fixed: FixedCode | None) -> Verification:
        now, policy = self.otp.clock.now(), self.requests.policy_of(app, wanted.purpose, fixed)
        return Verification(
            id=new_id(self.otp.randomness),
            app_id=app.id,
            purpose=wanted.purpose,
            subject=wanted.subject,
            contact=wanted.contact,
            channel=wanted.channel,
            language=wanted.language,
            client=wanted.client,
            values=tuple(
                NamedValue(name, self._fingerprint_of(app, name, value))
                for name, value in sorted(wanted.limits.items())
            ),
            metadata=wanted.metadata,
            app_hash=wanted.app_hash,
            digits=policy.digits,
            test_contact=None if fixed is None else fixed.contact_id,
            created_at=now,
            expires_at=after(now, policy.lifetime),
        )

    def _fingerprint_of(self, app: App, name: str, value: str) -> str:
        key = self.requests.fingerprints.first
        return key.digest("named limit", app.id, name, value).hex()[:32]

    def _ask(
        self,
        app: App,
        verification: Verification,
        backend: Backend,
        idempotency_key: str | None,
        asked: tuple[str, ...],
        *,
        fixed: FixedCode | None,
    ) -> _Ask:
        claim = None if idempotency_key is None else self._claim(app, idempotency_key, asked)
        claims = () if claim is None else claim_keys(claim.send_ids)
        facts = self.requests.facts(Action.SEND, backend, app, verification.client)
        facts = attrs.evolve(self.requests.about(facts, verification), channel=verification.channel)
        return _Ask(
            app=app,
            verification=verification,
            service_name=app.rules.service_name,
            request=self.requests.request(
                app, verification, verification.channel, claims, fixed=fixed
            ),
            policy=self.requests.policy_of(app, verification.purpose, fixed),
            drawn=Drawn(
                challenge_id=verification.id,
                nonce=self.otp.randomness.draw(NONCE_BYTES),
                key_id=self.otp.codes.first.id,
            ),
            send_id=new_id(self.otp.randomness) if claim is None else claim.send_ids[0],
            facts=facts,
            claim=claim,
            at=facts.at,
        )

    def _claim(self, app: App, idempotency_key: str, asked: tuple[str, ...]) -> _Claim:
        keys = self.idempotency.keys
        return _Claim(
            send_ids=tuple(
                id_of(key.digest("send", app.id, idempotency_key)[:ID_BYTES]) for key in keys
            ),
            requests=tuple(key.digest("request", app.id, *asked).hex()[:32] for key in keys),
        )

    async def _without_asking(
        self, ask: _Ask
    ) -> Sent | NotDelivered | InProgress | Mismatch | Refused | None:
        """The answer to a request that no slot has to judge; None if one has to."""
        replayed = await self._replayed(ask)
        if replayed is not None or ask.request.fixed is not None:
            return replayed
        channel = ask.request.channel
        if not self.otp.senders[channel].available(ask.app.rules.senders.get(channel, ())):
            return await self._told(ask, NotDelivered(resend_at=None))
        apart = demand_apart(ask.app)
        if apart is None:
            return None
        refusal = await self.limiter.admit_demand(apart, ask.facts)
        return None if refusal is None else _refused(ask, refusal)

    async def _admit(self, ask: _Ask, rule: Callable[[Held], Decision[Held, A]]) -> A:
        """Apply *rule* to the slot. The rows of an admitted send are stored when this returns."""

        def decide(held: Held) -> Decision[Held, A]:
            decision = rule(held)
            outcome = decision.outcome
            if isinstance(outcome, Issued):
                return attrs.evolve(decision, rows=_rows(ask, held, outcome.challenge))
            if isinstance(outcome, Claimed):
                return decision
            return attrs.evolve(decision, rows=(with_outcome(ask.facts, outcome),))

        return await self.otp.slots.transition(ask.request.slot, usage_keys(ask.request), decide)

    async def _answer(
        self, ask: _Ask, outcome: Asked
    ) -> Sent | NotDelivered | InProgress | Mismatch | Refused:
        match outcome:
            case Issued() if ask.request.fixed is not None:
                facts = attrs.evolve(ask.facts, verification_id=outcome.challenge.id)
                await self.otp.audit.write(AuditRow(facts=facts, outcome=_NOT_SENT))
                return await self._sent(ask, outcome)
            case Issued():
                return await self._deliver(ask, outcome)
            case Refusal() | Locked():
                return _refused(ask, outcome)
            case Claimed():  # if there is no facts, it is still to be written
                return await self._replayed(ask) or await self._told(ask, InProgress())
            case _:
                assert_never(outcome)

    async def _deliver(self, ask: _Ask, issued: Issued) -> Sent | NotDelivered:
        """Hand the message over, and record whether a sender took it."""
        challenge, verification = issued.challenge, ask.verification
        resent = _is_resent(ask, challenge)
        facts = attrs.evolve(ask.facts, verification_id=challenge.id)
        letterhead = Letterhead(
            service_name=ask.service_name,
            web_origin=ask.app.rules.web_origin,
            android_hash=verification.app_hash,
        )
        receipt: Receipt | None = None
        resend_at: Instant | None = None
        try:
            receipt = await self.otp.hand_over(
                challenge,
                verification.language,
                challenge.expires_at - ask.at,
                letterhead,
                ask.app.rules.senders.get(challenge.channel, ()),
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
        return await self._sent(ask, issued)

    async def _sent(self, ask: _Ask, issued: Issued) -> Sent:
        challenge = issued.challenge
        resent = _is_resent(ask, challenge)
        stored = await self.requests.verifications.find(challenge.id) if resent else None
        view = View(
            verification=stored or _stored(ask.verification, challenge),
            at=ask.at,
            status=Status.PENDING,
            channel=ask.request.channel,
            attempts_remaining=ask.policy.max_attempts - challenge.attempts,
            updated_at=ask.at,
            next=next_sends(ask.app, challenge.contact, issued.resend_at),
        )
        return Sent(view=view, resent=resent)

    async def _unsent(self, ask: _Ask, challenge: Challenge, *, resent: bool) -> Instant | None:
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

    async def _replayed(self, ask: _Ask) -> Sent | NotDelivered | InProgress | Mismatch | None:
        """The answer to a request whose idempotency key belongs to a send; None if none has it."""
        claim = ask.claim
        if claim is None:
            return None
        send = await self.requests.verifications.find_send(claim.send_ids)
        if send is None:
            return None
        if send.request not in claim.requests:
            return await self._told(ask, Mismatch())
        if send.state is None and not send.test and is_under_way(send.at, ask.at):
            return await self._told(ask, InProgress())
        return await self._as_it_stands(ask, send)

    async def _as_it_stands(self, ask: _Ask, send: KeptSend) -> Sent | NotDelivered | Mismatch:
        verification = await self.requests.verifications.find(send.verification_id)
        if verification is None:  # erased since
            return await self._told(ask, Mismatch())
        seen = await self.requests.look(ask.app, verification, ask.at)
        if send.was_refused:
            return await self._told(ask, NotDelivered(resend_at=seen.resend_at, replayed=True))
        view = await self.requests.view(ask.app, verification, seen, ask.at)
        resent = send.at != verification.created_at
        return await self._told(ask, Sent(view=view, resent=resent, replayed=True))

    async def _told(self, ask: _Ask, outcome: R) -> R:
        """Audit a request that changed nothing."""
        await self.otp.audit.write(with_outcome(ask.facts, outcome))
        return outcome


def _is_resent(ask: _Ask, challenge: Challenge) -> bool:
    """Whether the code of *challenge* was there before."""
    return challenge.nonce != ask.drawn.nonce


def _refused(ask: _Ask, why: Refusal | Locked) -> Refused:
    return Refused(why, next_sends(ask.app, ask.request.contact, why.retry_at))


def _rows(ask: _Ask, held: Held, challenge: Challenge) -> tuple[Row, ...]:
    """The rows of an admitted send: the verification, the send, and the end of another."""
    send = SendRow(
        id=ask.send_id,
        at=ask.at,
        flow=Flow.VERIFICATION,
        purpose=challenge.purpose,
        slot=challenge.slot,
        contact=challenge.contact.value,
        client=ask.request.client,
        language=ask.verification.language,
        channel=ask.request.channel,
        verification_id=challenge.id,
        app_id=ask.app.id,
        values=ask.verification.values,
        request=None if ask.claim is None else ask.claim.requests[0],
        test_contact=challenge.test_contact,
    )
    replaced = end_of_replaced(held.record, challenge, ask.policy, ask.at)
    ended = (
        ()
        if replaced is None
        else (EndedRow(verification_id=replaced[0].id, status=replaced[1], at=ask.at),)
    )
    return (_stored(ask.verification, challenge), send, *ended)


def _stored(verification: Verification, challenge: Challenge) -> Verification:
    """
    *verification* as the one of *challenge*.

    Of a challenge that is sent again, it is stored already, unless its first send was interrupted.
    """
    return attrs.evolve(
        verification,
        id=challenge.id,
        digits=challenge.digits or verification.digits,
        created_at=challenge.issued_at,
        expires_at=challenge.expires_at,
    )
