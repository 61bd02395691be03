"""
Ports that are measured: each hands every call on, and counts what comes of it.

Audit rows tell what was asked and what became of it. They are counted here, and not where they
are written, because those of a flood become one row there.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

import attrs

from hsp_otp.adapters.prometheus.metrics import Metrics
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import Duration
from hsp_otp.domain.names import PassCode, Slot
from hsp_otp.domain.passes import Pass
from hsp_otp.domain.quota import UsageKey, Usages
from hsp_otp.domain.rows import AuditRow, Row
from hsp_otp.domain.slot import Held, Verified
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.deliveries import Deliveries
from hsp_otp.ports.failures import SmsRejected, Unavailable
from hsp_otp.ports.passes import Passes
from hsp_otp.ports.slots import SlotRepository
from hsp_otp.ports.sms import SEND_WITHIN, Receipt, Sms, SmsSender
from hsp_otp.ports.usage import UsageCounter

_SQL: Final = "sql"

H = TypeVar("H")
K_contra = TypeVar("K_contra", contravariant=True)
L = TypeVar("L")
O = TypeVar("O")  # noqa: E741
T = TypeVar("T")


@attrs.frozen
class Meter:
    """
    Measures one port.

    Attributes:
        port: What it is called.
        store: What keeps its promise: sql, redis or memory.
    """

    metrics: Metrics
    port: str
    store: str

    async def call(self, asked: Awaitable[T]) -> T:
        """What *asked* answers."""
        began = self.metrics.timer()
        answered = True
        try:
            return await asked
        except Unavailable:
            answered = False
            raise
        finally:
            seconds = self.metrics.timer() - began
            self.metrics.called(self.port, self.store, seconds, answered=answered)

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
        self.metrics.told(*rows)
        return outcome


@attrs.frozen
class MeasuredSlots:
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
            self.meter.metrics.verified(challenge.flow, self.clock.now() - challenge.issued_at)
        return outcome


@attrs.frozen
class MeasuredUsage:
    """Usages that limit checks and look-ups."""

    usage: UsageCounter
    meter: Meter

    async def transition(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        """Keep the promise of `UsageCounter.transition`."""
        return await self.meter.step(decide, lambda noted: self.usage.transition(keys, noted))


class Records(Protocol[K_contra, L]):
    """Families, signup sessions or signup steps."""

    async def transition(
        self, key: K_contra, /, decide: Callable[[L | None], Decision[L | None, O]]
    ) -> O:
        """Keep the promise of `FamilyRepository.transition` and its like."""
        ...


@attrs.frozen
class MeasuredRecords(Generic[K_contra, L]):
    """Families, signup sessions or signup steps."""

    records: Records[K_contra, L]
    meter: Meter

    async def transition(
        self, key: K_contra, /, decide: Callable[[L | None], Decision[L | None, O]]
    ) -> O:
        """Keep the promise of `FamilyRepository.transition` and its like."""
        return await self.meter.step(decide, lambda noted: self.records.transition(key, noted))


@attrs.frozen
class MeasuredAudit:
    """Rows that flows write by themselves."""

    audit: AuditTrail
    meter: Meter

    async def write(self, *rows: Row) -> None:
        """Keep the promise of `AuditTrail.write`."""
        await self.meter.call(self.audit.write(*rows))
        self.meter.metrics.told(*rows)

    async def note(self, row: AuditRow) -> None:
        """Keep the promise of `AuditTrail.note`."""
        await self.meter.call(self.audit.note(row))
        self.meter.metrics.told(row)


@attrs.frozen
class MeasuredPasses:
    """Passes."""

    passes: Passes
    meter: Meter

    async def find(self, code: PassCode) -> Pass | None:
        """Keep the promise of `Passes.find`."""
        return await self.meter.call(self.passes.find(code))


@attrs.frozen
class MeasuredDeliveries:
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
            self.meter.metrics.moved(sender, became)
        return outcome


@attrs.frozen
class MeasuredSms:
    """What becomes of messages that are offered to one sender."""

    sender: SmsSender
    name: str
    metrics: Metrics

    def available(self) -> bool:
        """Keep the promise of `SmsSender.available`."""
        return self.sender.available()

    async def send(self, sms: Sms, within: Duration = SEND_WITHIN) -> Receipt:
        """Keep the promise of `SmsSender.send`."""
        began = self.metrics.timer()
        result = "failed"
        try:
            receipt = await self.sender.send(sms, within)
            result = "taken"
        except SmsRejected:
            result = "refused"
            raise
        finally:
            self.metrics.attempted(self.name, result, self.metrics.timer() - began)
        return receipt


@attrs.frozen
class MeasuredSenders:
    """
    All senders, for whoever has a message.

    Attributes:
        names: Of each of them.
    """

    senders: SmsSender
    names: tuple[str, ...]
    metrics: Metrics

    def available(self) -> bool:
        """Keep the promise of `SmsSender.available`; where nobody would try, all are skipped."""
        found = self.senders.available()
        if not found:
            for name in self.names:
                self.metrics.skipped(name)
        return found

    async def send(self, sms: Sms, within: Duration = SEND_WITHIN) -> Receipt:
        """Keep the promise of `SmsSender.send`."""
        return await self.senders.send(sms, within)


@attrs.frozen
class Measures:
    """Puts what measures around ports."""

    metrics: Metrics
    clock: Clock

    def slots(self, slots: SlotRepository, store: str) -> SlotRepository:
        """*slots*, which *store* keeps."""
        return MeasuredSlots(slots, self._meter("slots", store), self.clock)

    def usage(self, usage: UsageCounter, store: str) -> UsageCounter:
        """*usage*, which *store* counts."""
        return MeasuredUsage(usage, self._meter("usage", store))

    def records(
        self, name: str, records: Records[K_contra, L], store: str
    ) -> MeasuredRecords[K_contra, L]:
        """*records* of that name, which *store* keeps."""
        return MeasuredRecords(records, self._meter(name, store))

    def audit(self, audit: AuditTrail) -> AuditTrail:
        """The rows that flows write by themselves; those of stores are counted with their steps."""
        return MeasuredAudit(audit, self._meter("audit", _SQL))

    def passes(self, passes: Passes) -> Passes:
        """*passes*."""
        return MeasuredPasses(passes, self._meter("passes", _SQL))

    def deliveries(self, deliveries: Deliveries) -> Deliveries:
        """*deliveries*."""
        return MeasuredDeliveries(deliveries, self._meter("deliveries", _SQL))

    def sender(self, name: str, sender: SmsSender) -> SmsSender:
        """One sender. What skips it is to stand around this, so that only what is tried counts."""
        return MeasuredSms(sender, name, self.metrics)

    def senders(self, senders: SmsSender, names: tuple[str, ...]) -> SmsSender:
        """All of them together, for whoever has a message; not for whoever looks after them."""
        return MeasuredSenders(senders, names, self.metrics)

    def _meter(self, port: str, store: str) -> Meter:
        return Meter(self.metrics, port, store)
