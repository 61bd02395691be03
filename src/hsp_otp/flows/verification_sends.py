"""Verification: other backends have codes sent to the contacts of their users, and sent again."""

from collections.abc import Callable
from typing import TypeVar, assert_never

import attrs

from hsp_otp.domain.app_limits import demand_apart
from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import (
    Action,
    AuditRow,
)
from hsp_otp.domain.challenge import usage_keys
from hsp_otp.domain.challenge_outcomes import Exhausted, Issued, Locked, NotStanding
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.slot_record import Held
from hsp_otp.domain.test_contacts import NOT_SENT
from hsp_otp.domain.verification import (
    Claimed,
    Prospects,
    is_under_way,
    prospects,
    resend,
    start,
)
from hsp_otp.domain.verification_request import (
    Flaw,
    Given,
    Unacceptable,
    read,
    read_channel,
)
from hsp_otp.flows.app_requests import AppRequests, Backend, over
from hsp_otp.flows.caller import audited_failures, with_outcome
from hsp_otp.flows.limits import Limiter
from hsp_otp.flows.otp import Otp
from hsp_otp.flows.verification_asks import Ask, VerificationAsks, rows_of
from hsp_otp.flows.verification_delivery import VerificationDelivery
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
)
from hsp_otp.ports.verifications import KeptSend

Asked = Issued | Refusal | Locked | Claimed

A = TypeVar("A", Asked, Asked | Over | Exhausted)
R = TypeVar("R", Sent | NotDelivered, InProgress, Mismatch, Refused)


@attrs.frozen(kw_only=True)
class VerificationSends:
    """
    Sends codes for the backends of apps.

    Every method raises Unavailable if a store does not answer. No code of that request can succeed
    then unless its message went out.
    """

    otp: Otp
    limiter: Limiter
    requests: AppRequests
    asks: VerificationAsks
    delivery: VerificationDelivery

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
        new = self.asks.new_verification(app, wanted, fixed)
        ask = self.asks.prepare(app, new, backend, idempotency_key, (*asked, *subject), fixed=fixed)
        # Nobody knows yet whether there will be one of that id.
        ask = attrs.evolve(ask, facts=attrs.evolve(ask.facts, verification_id=None))

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
        kind, reach = verification.contact.kind, self.requests.reach
        by = read_channel(channel, kind, app, reach) if channel else None
        if channel and by is None:
            return Unacceptable(Flaw.CHANNEL)
        verification = attrs.evolve(verification, channel=by or verification.channel)
        asked = ("resend", verification.id, verification.channel.value)
        fixed = await self.requests.fixed_code(app, verification.contact)
        ask = self.asks.prepare(app, verification, backend, idempotency_key, asked, fixed=fixed)

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
        ask = self.asks.prepare(
            app, self.asks.new_verification(app, wanted, fixed), backend, None, (), fixed=fixed
        )
        facts = attrs.evolve(ask.facts, action=Action.READ)
        row = AuditRow(facts=facts, outcome=Prospect.word, folds=True)

        def decide(held: Held) -> Decision[Held, Prospects]:
            found = prospects(held, ask.request, ask.drawn, ask.policy, ask.at)
            return Decision(found, held, (row,))

        async with audited_failures(self.otp.audit, facts):
            found = await self.otp.slots.transition(
                ask.request.slot, usage_keys(ask.request), decide
            )
        return Prospect(found, self.requests.next_sends(app, wanted.contact, found.resend_at))

    async def _without_asking(
        self, ask: Ask
    ) -> Sent | NotDelivered | InProgress | Mismatch | Refused | None:
        """The answer to a request that no slot has to judge; None if one has to."""
        replayed = await self._replayed(ask)
        if replayed is not None or ask.request.fixed is not None:
            return replayed
        channel = ask.request.channel
        senders = self.otp.senders.get(channel)  # None: it had some when the code was asked for
        if senders is None or not senders.available(ask.app.rules.senders.get(channel, ())):
            return await self._told(ask, NotDelivered(resend_at=None))
        apart = demand_apart(ask.app)
        if apart is None:
            return None
        refusal = await self.limiter.admit_demand(apart, ask.facts)
        return None if refusal is None else self._refused(ask, refusal)

    async def _admit(self, ask: Ask, rule: Callable[[Held], Decision[Held, A]]) -> A:
        """Apply *rule* to the slot. The rows of an admitted send are stored when this returns."""

        def decide(held: Held) -> Decision[Held, A]:
            decision = rule(held)
            outcome = decision.outcome
            if isinstance(outcome, Issued):
                return attrs.evolve(decision, rows=rows_of(ask, held, outcome.challenge))
            if isinstance(outcome, Claimed):
                return decision
            return attrs.evolve(decision, rows=(with_outcome(ask.facts, outcome),))

        return await self.otp.slots.transition(ask.request.slot, usage_keys(ask.request), decide)

    async def _answer(
        self, ask: Ask, outcome: Asked
    ) -> Sent | NotDelivered | InProgress | Mismatch | Refused:
        match outcome:
            case Issued() if ask.request.fixed is not None:
                facts = attrs.evolve(ask.facts, verification_id=outcome.challenge.id)
                await self.otp.audit.write(AuditRow(facts=facts, outcome=NOT_SENT))
                return await self.delivery.sent(ask, outcome)
            case Issued():
                return await self.delivery.deliver(ask, outcome)
            case Refusal() | Locked():
                return self._refused(ask, outcome)
            case Claimed():  # if there is no facts, it is still to be written
                return await self._replayed(ask) or await self._told(ask, InProgress())
            case _:
                assert_never(outcome)

    async def _replayed(self, ask: Ask) -> Sent | NotDelivered | InProgress | Mismatch | None:
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

    async def _as_it_stands(self, ask: Ask, send: KeptSend) -> Sent | NotDelivered | Mismatch:
        verification = await self.requests.verifications.find(send.verification_id)
        if verification is None:  # erased since
            return await self._told(ask, Mismatch())
        # With the word of the first request, it would count as another message.
        await self.otp.audit.write(with_outcome(ask.facts, Claimed()))
        seen = await self.requests.look(ask.app, verification, ask.at)
        if send.was_refused:
            return NotDelivered(resend_at=seen.resend_at, replayed=True)
        view = await self.requests.view(ask.app, verification, seen, ask.at)
        resent = send.at != verification.created_at
        return Sent(view=view, resent=resent, replayed=True)

    async def _told(self, ask: Ask, outcome: R) -> R:
        """Audit a request that changed nothing."""
        await self.otp.audit.write(with_outcome(ask.facts, outcome))
        return outcome

    def _refused(self, ask: Ask, why: Refusal | Locked) -> Refused:
        contact = ask.request.contact
        return Refused(why, self.requests.next_sends(ask.app, contact, why.retry_at))
