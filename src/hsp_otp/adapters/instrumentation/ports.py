"""
Ports that are observed: each hands every call on, and tells how long it took and what came of it.

Audit rows tell what was asked and what became of it. They are counted here, and not where they
are written, because those of a flood become one row there.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

import attrs

from hsp_otp.adapters.instrumentation import port_times
from hsp_otp.domain.audit import AuditRow, Row
from hsp_otp.domain.challenge import Held, Verified
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import Duration, Instant
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import Pass
from hsp_otp.domain.purposes import Flow, Slot
from hsp_otp.domain.quota import UsageKey, Usages
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.deliveries import Deliveries
from hsp_otp.ports.ended_sessions import EndedSessions
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.passes import Passes
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt, Sender
from hsp_otp.ports.usage_counter import UsageCounter

_SQL: Final = "sql"
_SENDER: Final = "sender"

H = TypeVar("H")
K_contra = TypeVar("K_contra", contravariant=True)
L = TypeVar("L")
O = TypeVar("O")  # noqa: E741
T = TypeVar("T")


class Listener(Protocol):
    """Is told of every call once it has ended, in the context of whoever made it."""

    def called(self, port: str, store: str, seconds: float, failure: BaseException | None) -> None:
        """
        Take note of a call of a port.

        Args:
            store: What keeps the port's promise: sql, redis or memory.
            failure: What it raised. Its text may hold secrets.
        """
        ...

    def attempted(self, sender: str, result: str, seconds: float) -> None:
        """
        Take note of a message that was offered to a sender.

        Args:
            result: taken, refused or failed.
        """
        ...


class Counts(Protocol):
    """Is told what came of calls."""

    def told(self, *rows: Row) -> None:
        """Count what rows tell of, once they are kept."""
        ...

    def verified(self, flow: Flow, after: Duration) -> None:
        """Count a code's success, so long after its issue."""
        ...

    def moved(self, sender: str, state: DeliveryState) -> None:
        """Count a message of *sender* that came to *state*."""
        ...

    def skipped(self, sender: str) -> None:
        """Count a message that nobody was offered, *sender* neither."""
        ...


class NobodyCounts:
    """Where metrics are off."""

    def told(self, *rows: Row) -> None:
        """Keep the promise of `Counts.told`."""

    def verified(self, flow: Flow, after: Duration) -> None:
        """Keep the promise of `Counts.verified`."""

    def moved(self, sender: str, state: DeliveryState) -> None:
        """Keep the promise of `Counts.moved`."""

    def skipped(self, sender: str) -> None:
        """Keep the promise of `Counts.skipped`."""


@attrs.frozen(kw_only=True)
class Watch:
    """
    Those who are told, beside the request that waits.

    Attributes:
        timer: Seconds from some moment on.
    """

    listeners: tuple[Listener, ...] = ()
    counts: Counts = attrs.field(factory=NobodyCounts)
    timer: Callable[[], float] = time.perf_counter


@attrs.frozen
class Meter:
    """
    Observes one port.

    Attributes:
        port: What it is called.
        store: What keeps its promise: sql, redis or memory.
    """

    watch: Watch
    port: str
    store: str

    async def call(self, asked: Awaitable[T]) -> T:
        """What *asked* answers."""
        began = self.watch.timer()
        try:
            answer = await asked
        except BaseException as failure:
            self._ended(began, failure)
            raise
        self._ended(began, None)
        return answer

    async def step(
        self,
        decide: Callable[[H], Decision[H, O]],
        transition: Callable[[Callable[[H], Decision[H, O]]], Awaitable[O]],
    ) -> O:
        """The outcome of *transition* by *decide*, whose rows are counted once it is done."""
        rows: tuple[Row, ...] = ()

        def noted(held: H) -> Decision[H, O]:
            nonlocal rows
            decision = decide(held)
            rows = decision.rows  # where it is called again, the last decision is the one
            return decision

        outcome = await self.call(transition(noted))
        self.watch.counts.told(*rows)
        return outcome

    def _ended(self, began: float, failure: BaseException | None) -> None:
        seconds = self.watch.timer() - began
        port_times.note(self.port, seconds)
        for listener in self.watch.listeners:
            listener.called(self.port, self.store, seconds, failure)


@attrs.frozen
class ObservedSlots:
    """Slots, and how long it took from a code to its success."""

    slots: SlotRepository
    meter: Meter
    clock: Clock

    async def transition(
        self,
        slot: Slot,
        usages: tuple[UsageKey, ...],
        decide: Callable[[Held], Decision[Held, O]],
    ) -> O:
        """Keep the promise of `SlotRepository.transition`."""
        outcome = await self.meter.step(
            decide, lambda noted: self.slots.transition(slot, usages, noted)
        )
        if isinstance(outcome, Verified):
            challenge = outcome.challenge
            self.meter.watch.counts.verified(challenge.flow, self.clock.now() - challenge.issued_at)
        return outcome


@attrs.frozen
class ObservedUsage:
    """Usages that limit checks and look-ups."""

    usage: UsageCounter
    meter: Meter

    async def transition(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        """Keep the promise of `UsageCounter.transition`."""
        return await self.meter.step(decide, lambda noted: self.usage.transition(keys, noted))


@attrs.frozen
class ObservedEndedSessions:
    """Operators' sessions that were ended, which are kept among the usages."""

    ended: EndedSessions
    meter: Meter

    async def end(self, session_id: str, at: Instant) -> None:
        """Keep the promise of `EndedSessions.end`."""
        await self.meter.call(self.ended.end(session_id, at))

    async def is_ended(self, session_id: str) -> bool:
        """Keep the promise of `EndedSessions.is_ended`."""
        return await self.meter.call(self.ended.is_ended(session_id))


class Records(Protocol[K_contra, L]):
    """Families, signup sessions or signup steps."""

    async def transition(
        self, key: K_contra, /, decide: Callable[[L | None], Decision[L | None, O]]
    ) -> O:
        """Keep the promise of `FamilyRepository.transition` and its like."""
        ...


@attrs.frozen
class ObservedRecords(Generic[K_contra, L]):
    """Families, signup sessions or signup steps."""

    records: Records[K_contra, L]
    meter: Meter

    async def transition(
        self, key: K_contra, /, decide: Callable[[L | None], Decision[L | None, O]]
    ) -> O:
        """Keep the promise of `FamilyRepository.transition` and its like."""
        return await self.meter.step(decide, lambda noted: self.records.transition(key, noted))


@attrs.frozen
class ObservedAudit:
    """Rows that flows write by themselves."""

    audit: AuditTrail
    meter: Meter

    async def write(self, *rows: Row) -> None:
        """Keep the promise of `AuditTrail.write`."""
        await self.meter.call(self.audit.write(*rows))
        self.meter.watch.counts.told(*rows)

    async def note(self, row: AuditRow) -> None:
        """Keep the promise of `AuditTrail.note`."""
        await self.meter.call(self.audit.note(row))
        self.meter.watch.counts.told(row)


@attrs.frozen
class ObservedPasses:
    """Passes."""

    passes: Passes
    meter: Meter

    async def find(self, code: PassCode) -> Pass | None:
        """Keep the promise of `Passes.find`."""
        return await self.meter.call(self.passes.find(code))


@attrs.frozen
class ObservedDeliveries:
    """The states of messages, and every step forward."""

    deliveries: Deliveries
    meter: Meter

    async def transition(
        self,
        sender: str,
        provider_message_id: str,
        decide: Callable[[DeliveryState | None], Decision[DeliveryState | None, O]],
    ) -> O:
        """Keep the promise of `Deliveries.transition`."""
        became: DeliveryState | None = None

        def noted(held: DeliveryState | None) -> Decision[DeliveryState | None, O]:
            nonlocal became
            decision = decide(held)
            became = None if decision.becomes is held else decision.becomes
            return decision

        outcome = await self.meter.call(
            self.deliveries.transition(sender, provider_message_id, noted)
        )
        if became is not None:
            self.meter.watch.counts.moved(sender, became)
        return outcome

    async def may_become_known(self, sender: str, provider_message_id: str, since: Instant) -> bool:
        """Keep the promise of `Deliveries.may_become_known`."""
        return await self.meter.call(
            self.deliveries.may_become_known(sender, provider_message_id, since)
        )


@attrs.frozen
class ObservedSender:
    """What becomes of messages that are offered to one sender."""

    sender: Sender
    name: str
    watch: Watch

    def available(self) -> bool:
        """Keep the promise of `Sender.available`."""
        return self.sender.available()

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:
        """Keep the promise of `Sender.send`."""
        began = self.watch.timer()
        result = "failed"
        try:
            receipt = await self.sender.send(message, within)
            result = "taken"
        except SendFailed as failure:
            if not failure.blames_sender:
                result = "refused"
            raise
        finally:
            seconds = self.watch.timer() - began
            port_times.note(_SENDER, seconds)
            for listener in self.watch.listeners:
                listener.attempted(self.name, result, seconds)
        return receipt


@attrs.frozen
class ObservedSenders:
    """
    All senders, for whoever has a message.

    Attributes:
        names: Of each of them.
    """

    senders: Sender
    names: tuple[str, ...]
    counts: Counts

    def available(self) -> bool:
        """Keep the promise of `Sender.available`; where nobody would try, all are skipped."""
        found = self.senders.available()
        if not found:
            for name in self.names:
                self.counts.skipped(name)
        return found

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:
        """Keep the promise of `Sender.send`."""
        return await self.senders.send(message, within)


@attrs.frozen
class Observer:
    """Puts what observes around ports."""

    watch: Watch
    clock: Clock

    def slots(self, slots: SlotRepository, store: str) -> SlotRepository:
        """*slots*, which *store* keeps."""
        return ObservedSlots(slots, self._meter("slots", store), self.clock)

    def usage(self, usage: UsageCounter, store: str) -> UsageCounter:
        """*usage*, which *store* counts."""
        return ObservedUsage(usage, self._meter("usage", store))

    def ended_sessions(self, ended: EndedSessions) -> EndedSessions:
        """*ended*, whose own usages are not observed."""
        return ObservedEndedSessions(ended, self._meter("usage", _SQL))

    def records(
        self, name: str, records: Records[K_contra, L], store: str
    ) -> ObservedRecords[K_contra, L]:
        """*records* of that name, which *store* keeps."""
        return ObservedRecords(records, self._meter(name, store))

    def audit(self, audit: AuditTrail) -> AuditTrail:
        """The rows that flows write by themselves; those of stores are counted with their steps."""
        return ObservedAudit(audit, self._meter("audit", _SQL))

    def passes(self, passes: Passes) -> Passes:
        """*passes*."""
        return ObservedPasses(passes, self._meter("passes", _SQL))

    def deliveries(self, deliveries: Deliveries) -> Deliveries:
        """*deliveries*."""
        return ObservedDeliveries(deliveries, self._meter("deliveries", _SQL))

    def sender(self, name: str, sender: Sender) -> Sender:
        """One sender. What skips it is to stand around this, so that only what is tried counts."""
        return ObservedSender(sender, name, self.watch)

    def senders(self, senders: Sender, names: tuple[str, ...]) -> Sender:
        """All of them together, for whoever has a message; not for whoever looks after them."""
        return ObservedSenders(senders, names, self.watch.counts)

    def _meter(self, port: str, store: str) -> Meter:
        return Meter(self.watch, port, store)
