"""Verification: other backends have codes sent to the contacts of their users, and sent again."""

from collections.abc import Callable, Mapping
from typing import TypeVar, assert_never

import attrs

from hsp_otp.domain.app_limits import demand_apart
from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import (
    Action,
    AuditRow,
)
from hsp_otp.domain.challenge import held_keys, next_sends
from hsp_otp.domain.challenge_outcomes import Exhausted, Issued, Locked, NotStanding
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
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
from hsp_otp.domain.verification_record import fallback_id
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
from hsp_otp.flows.verification_asks import Ask, VerificationAsks, is_available, is_resent, rows_of
from hsp_otp.flows.verification_delivery import Admitted, VerificationDelivery
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

        def rule(held: Held, ask: Ask) -> Decision[Held, Asked]:
            return start(held, ask.request, ask.drawn, ask.policy, ask.at)

        async with audited_failures(self.otp.audit, ask.facts):
            await self.requests.announce(ask.facts, ask.request)
            early = await self._without_asking(ask)
            if not isinstance(early, Ask):
                return early
            ask = early
            return await self._answer(ask, *await self._admit(ask, rule))

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
        contact, reach = verification.contact, self.requests.reach
        by = read_channel(channel, contact, app, reach) if channel else None
        if channel and by is None:
            return Unacceptable(Flaw.CHANNEL)
        verification = attrs.evolve(verification, channel=by or verification.channel)
        asked = ("resend", verification.id, verification.channel.value)
        fixed = await self.requests.fixed_code(app, verification.contact)
        ask = self.asks.prepare(app, verification, backend, idempotency_key, asked, fixed=fixed)

        def rule(held: Held, ask: Ask) -> Decision[Held, Asked | Over | Exhausted]:
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
            if not isinstance(early, Ask):
                return early
            ask = early
            outcome, waits = await self._admit(ask, rule)
            if isinstance(outcome, Over | Exhausted):
                return outcome
            return await self._answer(ask, outcome, waits)

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
            ask, reserved = await self.asks.reserve(ask)
            try:
                found = await self.otp.slots.transition(
                    ask.request.slot, held_keys(ask.request), decide
                )
            finally:
                self.otp.guard.settle(reserved, None)
        return Prospect(found)

    async def _without_asking(
        self, ask: Ask
    ) -> Ask | Sent | NotDelivered | InProgress | Mismatch | Refused:
        """
        The answer to a request that no slot has to judge; otherwise the request, by the first
        channel in its order whose senders are not all being skipped.
        """
        replayed = await self._replayed(ask)
        if replayed is not None:
            return replayed
        if ask.request.fixed is not None:
            return ask
        channels = (ask.request.channel, *ask.request.following)
        usable = [one for one in channels if is_available(ask.app, one, self.otp.senders)]
        if not usable:
            return await self._told(ask, NotDelivered(resend_at=None))
        ask = self.asks.instead(ask, usable[0])
        apart = demand_apart(ask.app)
        refusal = None if apart is None else await self.limiter.admit_demand(apart, ask.facts)
        if refusal is None:
            return ask
        return Refused(refusal, dict.fromkeys(ask.request.channels, refusal.retry_at))

    async def _admit(
        self, ask: Ask, rule: Callable[[Held, Ask], Decision[Held, A]]
    ) -> tuple[A, Mapping[Channel, Instant | None]]:
        """
        Apply *rule* to the slot. The rows of an admitted send are stored when this returns.

        Returns:
            The outcome, and when each channel may be used next.
        """

        def decide(held: Held) -> Decision[Held, tuple[A, Mapping[Channel, Instant | None]]]:
            decision = rule(held, ask)
            outcome, becomes, rows = decision.outcome, decision.becomes, decision.rows
            if isinstance(outcome, Issued):
                rows = rows_of(ask, held, outcome)
            elif not isinstance(outcome, Claimed):
                rows = (with_outcome(ask.facts, outcome),)
            waits = next_sends(becomes, ask.request, ask.policy, ask.at)
            return Decision((outcome, _not_before(waits, outcome)), becomes, rows)

        ask, reserved = await self.asks.reserve(ask)
        issued: Issued | None = None
        try:
            found = await self.otp.slots.transition(
                ask.request.slot, held_keys(ask.request), decide
            )
            issued = found[0] if isinstance(found[0], Issued) else None
        finally:
            self.otp.guard.settle(reserved, issued)
        return found

    async def _answer(
        self, ask: Ask, outcome: Asked, waits: Mapping[Channel, Instant | None]
    ) -> Sent | NotDelivered | InProgress | Mismatch | Refused:
        match outcome:
            case Issued():
                resent = is_resent(ask, outcome.challenge)
                admitted = Admitted(ask=ask, issued=outcome, resent=resent, next=waits)
                if ask.request.fixed is None:
                    return await self.delivery.deliver(admitted)
                facts = attrs.evolve(ask.facts, verification_id=outcome.challenge.id)
                await self.otp.audit.write(AuditRow(facts=facts, outcome=NOT_SENT))
                return await self.delivery.sent(admitted)
            case Refusal() | Locked():
                return Refused(outcome, waits)
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
        last = await self._last_of(send)
        if last.state is None and not last.test:
            if is_under_way(last.at, ask.at) or not await self.delivery.resume(last):
                return await self._told(ask, InProgress())
            found = await self.requests.verifications.find_send((last.id,))
            last = await self._last_of(found or last)
        return await self._as_it_stands(ask, send, last)

    async def _last_of(self, send: KeptSend) -> KeptSend:
        """The send that a request came to, whose first one was *send*."""
        if not send.was_refused:
            return send
        sends = await self.requests.verifications.sends_of(send.verification_id)
        by_id = {one.id: one for one in sends}
        while send.was_refused:
            ids = (fallback_id(send.id, channel) for channel in Channel)
            followed = next((by_id[one] for one in ids if one in by_id), None)
            if followed is None:
                break
            send = followed
        return send

    async def _as_it_stands(
        self, ask: Ask, send: KeptSend, last: KeptSend
    ) -> Sent | NotDelivered | Mismatch:
        verification = await self.requests.verifications.find(send.verification_id)
        if verification is None:  # erased since
            return await self._told(ask, Mismatch())
        # With the word of the first request, it would count as another message.
        await self.otp.audit.write(with_outcome(ask.facts, Claimed()))
        seen = await self.requests.look(ask.app, verification, ask.at)
        if last.was_refused:
            return NotDelivered(resend_at=seen.resend_at, replayed=True)
        view = await self.requests.view(verification, seen, ask.at)
        resent = send.at != verification.created_at
        return Sent(view=view, resent=resent, replayed=True)

    async def _told(self, ask: Ask, outcome: R) -> R:
        """Audit a request that changed nothing."""
        await self.otp.audit.write(with_outcome(ask.facts, outcome))
        return outcome


def _not_before(
    waits: Mapping[Channel, Instant | None], outcome: object
) -> Mapping[Channel, Instant | None]:
    """
    *waits* until the guard admits a send, too, if it is what has refused one: it judges all
    channels to a number.
    """
    if not isinstance(outcome, Refusal) or outcome.assessment is None:
        return waits
    ready = outcome.retry_at
    return {channel: at and max(at, ready) for channel, at in waits.items()}
