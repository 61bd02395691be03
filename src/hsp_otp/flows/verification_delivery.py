"""Hands the messages of verifications over, and records whether a sender took them."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from hsp_otp.domain.audit import Action, EndedRow, HandedOverRow, UnsentRow
from hsp_otp.domain.challenge import held_keys, look, next_sends
from hsp_otp.domain.challenge_outcomes import Issued, Locked, NotStanding, Withdrawn
from hsp_otp.domain.circuit import share
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.decision import Decision, O
from hsp_otp.domain.delivery import AppSend
from hsp_otp.domain.guarded_asks import forgive, owed_keys
from hsp_otp.domain.instant import Duration, Instant
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.slot_record import Held, Owed
from hsp_otp.domain.verification import Claimed, before_interrupted, fall_back, undelivered
from hsp_otp.domain.verification_record import Status, fallback_id
from hsp_otp.flows.app_requests import AppRequests
from hsp_otp.flows.caller import audited_failures, with_outcome
from hsp_otp.flows.otp import Otp
from hsp_otp.flows.spending import Reserved
from hsp_otp.flows.verification_asks import (
    Ask,
    VerificationAsks,
    letterhead_of,
    rows_of,
    stored_as,
)
from hsp_otp.flows.verification_outcomes import NotDelivered, Sent, View
from hsp_otp.ports.apps import AppRepository
from hsp_otp.ports.failures import SendFailed, Unavailable
from hsp_otp.ports.sender import SEND_WITHIN, Receipt
from hsp_otp.ports.verifications import KeptSend


@attrs.frozen(kw_only=True)
class Admitted:
    """
    A send that the slot has admitted.

    Attributes:
        resent: An earlier message may have the code.
        next: When each channel may be used next.
    """

    ask: Ask
    issued: Issued
    resent: bool
    next: Mapping[Channel, Instant | None]


@attrs.frozen
class _Unsent:
    """No other channel was admitted either; the next send may be asked for at that instant."""

    resend_at: Instant | None


_Next = Admitted | Refusal | Locked | Claimed | NotStanding
_Moved = Admitted | _Unsent


@attrs.frozen(kw_only=True)
class _Place:
    """
    The place of a send that does not arrive.

    Attributes:
        ask: The request for it, as those are judged that may follow.
        sends: Of its verification, with rows.
    """

    lost: AppSend
    ask: Ask
    sends: tuple[KeptSend, ...]

    @property
    def used(self) -> set[Channel]:
        """The channels that the code went out by."""
        return {send.channel for send in self.sends}

    def before_interrupted(self, held: Held) -> Held | Claimed:
        """Apply `before_interrupted` to what the slot holds."""
        ask, rows = self.ask, {send.id for send in self.sends}
        return before_interrupted(held, self.lost, ask.request, ask.policy, ask.at, rows=rows)


@attrs.frozen(kw_only=True)
class VerificationDelivery:
    """
    Delivers the codes of admitted sends, by one channel of the app's order after another.

    Attributes:
        apps: Finds the apps of receipts.
    """

    otp: Otp
    requests: AppRequests
    asks: VerificationAsks
    apps: AppRepository

    async def deliver(self, admitted: Admitted) -> Sent | NotDelivered:
        """Hand the message over, and record whether a sender took it."""
        began = self.otp.clock.now()
        while True:
            ask = admitted.ask
            facts = attrs.evolve(ask.facts, verification_id=admitted.issued.challenge.id)
            channels = 1 + len(self.asks.following(ask, self.otp.senders))
            receipt: Receipt | None = None
            moved: _Moved = _Unsent(None)
            goes_on = False
            try:
                receipt = await self._hand_over(admitted, share(self._left(began), channels))
            except SendFailed as failure:
                goes_on = failure.tries_channels and self._left(began) > 0
            finally:
                if receipt is None:
                    moved = await self._move_on(admitted, goes_on=goes_on)
            if receipt is not None:
                break
            if isinstance(moved, _Unsent):
                unsent = NotDelivered(resend_at=moved.resend_at)
                assessment = admitted.issued.assessment
                await self.otp.audit.write(
                    with_outcome(facts, unsent, changed=True, assessment=assessment)
                )
                return unsent
            admitted = moved
        await self.otp.audit.write(
            with_outcome(facts, admitted.issued, changed=True, receipt=receipt),
            HandedOverRow(
                send_id=ask.send_id,
                sender=receipt.sender,
                provider_message_id=receipt.provider_message_id,
            ),
        )
        return await self.sent(admitted)

    def _left(self, began: Instant) -> Duration:
        """The time for the messages of a request, whose first one *began* then."""
        # A clock that was set back in between must not extend it.
        return SEND_WITHIN - max(0, self.otp.clock.now() - began)

    async def sent(self, admitted: Admitted) -> Sent:
        """The answer about a send that has just been made."""
        ask, challenge, resent = admitted.ask, admitted.issued.challenge, admitted.resent
        stored = await self.requests.verifications.find(challenge.id) if resent else None
        view = View(
            verification=stored or stored_as(ask.verification, challenge),
            at=ask.at,
            status=Status.PENDING,
            channel=ask.request.channel,
            attempts_remaining=ask.policy.max_attempts - challenge.attempts,
            updated_at=ask.at,
            next=admitted.next,
        )
        return Sent(view=view, resent=resent)

    async def fall_back(self, lost: AppSend) -> None:
        """
        Send the code of a message that will not arrive by the next channel that was not used.

        It happens once for each send, however often this is called, while the verification is
        pending and no later send is on its way.

        Raises:
            Unavailable: A store did not answer, or a send in its place may be under way, which has
                no row yet; call it again.
        """
        place = await self._place_of(lost)
        if place is None:
            return
        ask = place.ask
        following = [
            one
            for one in self.asks.following(ask, self.otp.senders)
            if one.request.channel not in place.used
        ]

        def decide(held: Held, asks: Sequence[Ask]) -> Decision[Held, _Next]:
            before = place.before_interrupted(held)
            if isinstance(before, Claimed):
                return Decision(before, held)
            found = self._next(lost.id, asks, before, resent=True)
            if isinstance(found.outcome, Refusal | Locked):
                return attrs.evolve(found, rows=(with_outcome(ask.facts, found.outcome),))
            return found

        async with audited_failures(self.otp.audit, ask.facts):
            admitted = await self._admit_one(ask, following, decide)
            if isinstance(admitted, Admitted):
                await self.deliver(admitted)
        if isinstance(admitted, Claimed) and not await self._is_followed(lost):
            raise Unavailable("a send in its place may be under way")

    async def resume(self, interrupted: KeptSend) -> bool:
        """
        Go on after *interrupted*, whose row does not tell what became of it, if the slot tells that
        no sender took its message and that the send in its place never got a row.

        Args:
            interrupted: A send that is not under way any more.

        Returns:
            False if a send in its place may be under way.

        Raises:
            Unavailable: A store did not answer.
        """
        lost = AppSend(
            id=interrupted.id,
            verification_id=interrupted.verification_id,
            channel=interrupted.channel,
        )
        place = await self._place_of(lost)
        if place is None:
            return True
        ask = place.ask
        resent = not all(send.was_refused for send in place.sends if send.id != lost.id)
        paid = list[Owed]()
        moved = self._moving(ask, lost.verification_id, paid, resent=resent)

        def decide(
            held: Held, asks: Sequence[Ask]
        ) -> Decision[Held, _Moved | Claimed | NotStanding]:
            paid.clear()
            before = place.before_interrupted(held)
            if isinstance(before, Claimed):
                return Decision(before, held)
            if before is held:
                return Decision(NotStanding(), held)
            found = moved(before, asks)
            return Decision(found.outcome, found.becomes, found.rows)

        async with audited_failures(self.otp.audit, ask.facts):
            following = self.asks.following(ask, self.otp.senders)
            outcome = await self._admit_one(ask, following, decide)
            self.otp.guard.pay(paid, is_verified=False)
            if isinstance(outcome, Admitted):
                await self.deliver(outcome)
            elif isinstance(outcome, _Unsent):
                unsent = NotDelivered(resend_at=outcome.resend_at)
                await self.otp.audit.write(with_outcome(ask.facts, unsent, changed=True))
        return not isinstance(outcome, Claimed) or await self._is_followed(lost)

    async def _place_of(self, lost: AppSend) -> _Place | None:
        """What may take the place of *lost*; None if its verification or its app has ended."""
        verification = await self.requests.verifications.find(lost.verification_id)
        app = None if verification is None else await self.apps.find(verification.app_id)
        if verification is None or app is None or verification.ended is not None:
            return None
        sends = await self.requests.verifications.sends_of(verification.id)
        verification = attrs.evolve(verification, channel=lost.channel)
        fixed = await self.requests.fixed_code(app, verification.contact)
        ask = self.asks.prepare(
            app, verification, None, None, (), fixed=fixed, action=Action.FALL_BACK
        )
        ask = attrs.evolve(ask, drawn=attrs.evolve(ask.drawn, send_id=lost.id))
        return _Place(lost=lost, ask=ask, sends=tuple(sends))

    async def _is_followed(self, lost: AppSend) -> bool:
        """Whether a send in place of *lost* has its row."""
        sends = await self.requests.verifications.sends_of(lost.verification_id)
        ids = {fallback_id(lost.id, channel) for channel in Channel}
        return any(send.id in ids for send in sends)

    async def _admit_one(
        self,
        ask: Ask,
        following: Sequence[Ask],
        decide: Callable[[Held, Sequence[Ask]], Decision[Held, O]],
        owed: Iterable[Owed] = (),
    ) -> O:
        """
        Apply *decide* to the slot of *ask*, with money put aside for each of the asks *following*.

        Args:
            owed: Sends that it may let nobody owe any more.
        """
        put_aside = list[tuple[Ask, Reserved | None]]()
        admitted: Admitted | None = None
        try:
            for one in following:
                put_aside.append(await self.asks.reserve(one))
            asks = [one for one, _ in put_aside]
            keys = [key for one in (ask, *asks) for key in held_keys(one.request)]

            def decide_on(held: Held) -> Decision[Held, O]:
                return decide(held, asks)

            found = await self.otp.slots.transition(
                ask.request.slot, tuple(dict.fromkeys((*keys, *owed_keys(owed)))), decide_on
            )
            admitted = found if isinstance(found, Admitted) else None
        finally:
            for one, reserved in put_aside:
                issued = admitted.issued if admitted and admitted.ask is one else None
                self.otp.guard.settle(reserved, issued)
        return found

    async def _hand_over(self, admitted: Admitted, within: Duration) -> Receipt:
        ask, challenge = admitted.ask, admitted.issued.challenge
        return await self.otp.hand_over(
            challenge,
            ask.verification.language,
            challenge.expires_at - ask.at,
            letterhead=letterhead_of(ask),
            senders=ask.app.rules.senders.get(challenge.channel, ()),
            send_id=ask.send_id,
            within=within,
        )

    async def _move_on(self, admitted: Admitted, *, goes_on: bool) -> _Moved:
        """Record that no sender took a message, and admit a send by the next channel."""
        ask, issued, paid = admitted.ask, admitted.issued, list[Owed]()
        following = self.asks.following(ask, self.otp.senders) if goes_on else []
        owed = () if issued.owed is None else (issued.owed,)
        move = self._moving(ask, issued.challenge.id, paid, resent=admitted.resent)
        moved = await self._admit_one(ask, following, move, owed)
        self.otp.guard.pay(paid, is_verified=False)
        return moved

    def _moving(
        self, ask: Ask, challenge_id: str, paid: list[Owed], *, resent: bool
    ) -> Callable[[Held, Sequence[Ask]], Decision[Held, _Moved]]:
        """
        The rule that admits a send in place of that of *ask*, which no sender took.

        Args:
            paid: Becomes what nobody owes any more of it.
        """
        now = self.otp.clock.now()
        unsent = UnsentRow(send_id=ask.send_id, at=now)
        failed = EndedRow(verification_id=challenge_id, status=Status.FAILED, at=now)

        def decide(held: Held, asks: Sequence[Ask]) -> Decision[Held, _Moved]:
            forgiven = forgive(held, ask.send_id, now)
            paid[:] = () if forgiven.outcome is None else (forgiven.outcome,)
            held, rows = forgiven.becomes, (unsent, *forgiven.rows)
            found = self._next(ask.send_id, asks, held, resent=resent)
            if isinstance(found.outcome, Admitted):
                return Decision(found.outcome, found.becomes, (*rows, *found.rows))
            ended = undelivered(held, challenge_id, ask.at, resent=resent)
            if isinstance(ended.outcome, Withdrawn):
                rows = (*rows, failed)
            looked = look(ended.becomes, ask.request, ask.policy, now)
            return Decision(_Unsent(looked.outcome.resend_at), ended.becomes, rows)

        return decide

    def _next(
        self, send_id: str, following: Sequence[Ask], held: Held, *, resent: bool
    ) -> Decision[Held, _Next]:
        """Admit the first of the sends *following* the one with that id that all limits admit."""
        refused: _Next = NotStanding()
        for ask in following:
            decision = fall_back(
                held,
                send_id,
                ask.request,
                ask.drawn,
                ask.policy,
                ring=self.otp.codes,
                now=ask.at,
            )
            outcome, becomes = decision.outcome, decision.becomes
            if isinstance(outcome, Issued):
                waits = next_sends(becomes, ask.request, ask.policy, ask.at)
                admitted = Admitted(ask=ask, issued=outcome, resent=resent, next=waits)
                return Decision(admitted, becomes, rows_of(ask, held, outcome))
            refused = outcome
        return Decision(refused, held)
