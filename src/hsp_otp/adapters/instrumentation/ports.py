"""
Observed ports: each passes every call on, and reports its duration and result.

Audit rows record requests and their outcomes. They are counted here rather than where they are
written, because there the rows of a flood are folded into one.
"""

from __future__ import annotations  # those of nested functions would cost every request

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

import attrs
import structlog

from hsp_otp.adapters.instrumentation import port_times
from hsp_otp.domain.api_keys import ApiKey
from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import Action, AuditRow, Row, StepRow
from hsp_otp.domain.challenge_outcomes import Verified
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision, H, O
from hsp_otp.domain.delivery import DeliveryState, TakenMessage
from hsp_otp.domain.instant import Duration, Instant
from hsp_otp.domain.listed_passes import ListedUser
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.pass_changes import HeldPass
from hsp_otp.domain.passes import KeptPass, Pass
from hsp_otp.domain.policy import WORK_LIFETIME
from hsp_otp.domain.purposes import Flow, Slot
from hsp_otp.domain.quota import UsageKey, Usages
from hsp_otp.domain.slot_record import Held, HeldKey
from hsp_otp.domain.test_contacts import KeptTestContact
from hsp_otp.domain.verification_record import Verification
from hsp_otp.domain.work import Judgement, Solved
from hsp_otp.ports.api_keys import ApiKeyRepository
from hsp_otp.ports.apps import AppRepository
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.deliveries import Deliveries
from hsp_otp.ports.ended_sessions import EndedSessions
from hsp_otp.ports.failures import SendFailed
from hsp_otp.ports.passes import Passes, PassRepository
from hsp_otp.ports.proof_of_work import ProofOfWork, Work
from hsp_otp.ports.records import Records
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt, Sender, Senders
from hsp_otp.ports.test_contacts import TestContactRepository
from hsp_otp.ports.usage_counter import UsageCounter
from hsp_otp.ports.verifications import Event, KeptSend, Verifications

_SQL: Final = "sql"
_SENDER: Final = "sender"

_log = structlog.get_logger()

K_contra = TypeVar("K_contra", contravariant=True)
L = TypeVar("L")
T = TypeVar("T")


class Listener(Protocol):
    """Receives a report of every call after it has ended, in the caller's context."""

    def called(self, port: str, store: str, seconds: float, failure: BaseException | None) -> None:
        """
        Report a call of a port.

        *store* is sql, redis or memory. The text of *failure* may contain secrets.
        """
        ...

    def attempted(self, sender: str, result: str, seconds: float) -> None:
        """Report a message that was offered to a sender; *result* is taken, refused or failed."""
        ...


class Counts(Protocol):
    """Receives the results of calls."""

    def told(self, *rows: Row) -> None:
        """Count rows once they are stored."""
        ...

    def verified(self, flow: Flow, after: Duration) -> None:
        """Count a code's success, and the time since its issue."""
        ...

    def moved(self, sender: str, state: DeliveryState) -> None:
        """Count a message of *sender* that reached *state*."""
        ...

    def skipped(self, sender: str) -> None:
        """Count a message that was not offered to *sender* because all senders were skipped."""
        ...

    def posed(self, level: int) -> None:
        """Count work of *level* that was handed out."""
        ...

    def solved(self, level: int, after: Duration) -> None:
        """Count work of *level* that was done, and the time since it was posed."""
        ...

    def unsolved(self, outcome: str) -> None:
        """Count what was handed in and solves nothing: it is wrong, stale or malformed."""
        ...


class NobodyCounts:
    """Counts nothing, for when metrics are off."""

    def told(self, *rows: Row) -> None:
        """Implement `Counts.told`."""

    def verified(self, flow: Flow, after: Duration) -> None:
        """Implement `Counts.verified`."""

    def moved(self, sender: str, state: DeliveryState) -> None:
        """Implement `Counts.moved`."""

    def skipped(self, sender: str) -> None:
        """Implement `Counts.skipped`."""

    def posed(self, level: int) -> None:
        """Implement `Counts.posed`."""

    def solved(self, level: int, after: Duration) -> None:
        """Implement `Counts.solved`."""

    def unsolved(self, outcome: str) -> None:
        """Implement `Counts.unsolved`."""


@attrs.frozen(kw_only=True)
class Watch:
    """The receivers of reports, besides the waiting request; *timer* is monotonic, in seconds."""

    listeners: tuple[Listener, ...] = ()
    counts: Counts = attrs.field(factory=NobodyCounts)
    timer: Callable[[], float] = time.perf_counter


@attrs.frozen
class Meter:
    """Observes one port, by its name, in front of a store: sql, redis or memory."""

    watch: Watch
    port: str
    store: str

    async def call(self, asked: Awaitable[T]) -> T:
        """Await *asked* and report the call."""
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
        """The outcome of *transition* with *decide*. The rows are counted once it is done."""
        rows: tuple[Row, ...] = ()

        def noted(held: H) -> Decision[H, O]:
            nonlocal rows
            decision = decide(held)
            rows = decision.rows  # of several calls, the last decision counts
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
    """Observes slots, and the time from each code's issue to its success."""

    slots: SlotRepository
    meter: Meter
    clock: Clock

    async def transition(
        self, slot: Slot, keys: tuple[HeldKey, ...], decide: Callable[[Held], Decision[Held, O]]
    ) -> O:
        """Implement `SlotRepository.transition`."""
        outcome = await self.meter.step(
            decide, lambda noted: self.slots.transition(slot, keys, noted)
        )
        if isinstance(outcome, Verified) and outcome.challenge.test_contact is None:
            challenge = outcome.challenge
            self.meter.watch.counts.verified(challenge.flow, self.clock.now() - challenge.issued_at)
        return outcome


@attrs.frozen
class ObservedUsage:
    """Observes the usages that limit checks and look-ups."""

    usage: UsageCounter
    meter: Meter

    async def transition(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        """Implement `UsageCounter.transition`."""
        return await self.meter.step(decide, lambda noted: self.usage.transition(keys, noted))


@attrs.frozen
class ObservedEndedSessions:
    """Observes the ended operator sessions, which are stored among the usages."""

    ended: EndedSessions
    meter: Meter

    async def end(self, session_id: str, at: Instant) -> None:
        """Implement `EndedSessions.end`."""
        await self.meter.call(self.ended.end(session_id, at))

    async def is_ended(self, session_id: str) -> bool:
        """Implement `EndedSessions.is_ended`."""
        return await self.meter.call(self.ended.is_ended(session_id))


@attrs.frozen
class ObservedRecords(Generic[K_contra, L]):
    """Observes families, signup sessions or signup steps."""

    records: Records[K_contra, L]
    meter: Meter

    async def transition(
        self, key: K_contra, /, decide: Callable[[L | None], Decision[L | None, O]]
    ) -> O:
        """Implement `Records.transition`."""
        return await self.meter.step(decide, lambda noted: self.records.transition(key, noted))


@attrs.frozen
class ObservedAudit:
    """Observes the rows that flows write directly, and warns of test contacts."""

    audit: AuditTrail
    meter: Meter

    async def write(self, *rows: Row) -> None:
        """Implement `AuditTrail.write`."""
        await self.meter.call(self.audit.write(*rows))
        self.meter.watch.counts.told(*rows)
        for row in rows:
            if isinstance(row, AuditRow) and row.facts.action is Action.TEST_CONTACT:
                _log.warning("test_contact_used", app=row.facts.app, request=row.outcome)

    async def note(self, row: AuditRow) -> None:
        """Implement `AuditTrail.note`."""
        await self.meter.call(self.audit.note(row))
        self.meter.watch.counts.told(row)

    def count(self, row: StepRow) -> None:
        """Implement `AuditTrail.count`."""
        self.audit.count(row)
        self.meter.watch.counts.told(row)


@attrs.frozen
class ObservedPasses:
    """Observes passes."""

    passes: Passes
    meter: Meter

    async def find(self, code: PassCode) -> Pass | None:
        """Implement `Passes.find`."""
        return await self.meter.call(self.passes.find(code))


@attrs.frozen
class ObservedPassRepository:
    """Observes changes of passes."""

    repository: PassRepository
    meter: Meter

    async def find_kept(self, code: PassCode) -> KeptPass | None:
        """Implement `PassRepository.find_kept`."""
        return await self.meter.call(self.repository.find_kept(code))

    async def transition(
        self,
        code: PassCode,
        holder: ListedUser | None,
        decide: Callable[[HeldPass], Decision[HeldPass, O]],
    ) -> O:
        """Implement `PassRepository.transition`."""
        return await self.meter.step(
            decide, lambda noted: self.repository.transition(code, holder, noted)
        )


@attrs.frozen
class ObservedVerifications:
    """Observes reads of verifications."""

    verifications: Verifications
    meter: Meter

    async def find(self, verification_id: str) -> Verification | None:
        """Implement `Verifications.find`."""
        return await self.meter.call(self.verifications.find(verification_id))

    async def find_send(self, send_ids: Sequence[str]) -> KeptSend | None:
        """Implement `Verifications.find_send`."""
        return await self.meter.call(self.verifications.find_send(send_ids))

    async def sends_of(self, verification_id: str) -> Sequence[KeptSend]:
        """Implement `Verifications.sends_of`."""
        return await self.meter.call(self.verifications.sends_of(verification_id))

    async def events_of(self, verification_id: str) -> Sequence[Event]:
        """Implement `Verifications.events_of`."""
        return await self.meter.call(self.verifications.events_of(verification_id))

    async def slots_of(self, contact: Contact) -> Sequence[Slot]:
        """Implement `Verifications.slots_of`."""
        return await self.meter.call(self.verifications.slots_of(contact))


@attrs.frozen
class ObservedApiKeys:
    """Observes look-ups of API keys."""

    keys: ApiKeyRepository
    meter: Meter

    async def find(self, key_id: str) -> ApiKey | None:
        """Implement `ApiKeyRepository.find`."""
        return await self.meter.call(self.keys.find(key_id))

    def note_use(self, key: ApiKey, becomes: ApiKey) -> None:
        """Implement `ApiKeyRepository.note_use`."""
        self.keys.note_use(key, becomes)


@attrs.frozen
class ObservedApps:
    """Observes look-ups of apps."""

    apps: AppRepository
    meter: Meter

    async def find(self, app_id: str) -> App | None:
        """Implement `AppRepository.find`."""
        return await self.meter.call(self.apps.find(app_id))

    async def of_account(self, account_id: str) -> Sequence[App]:
        """Implement `AppRepository.of_account`."""
        return await self.meter.call(self.apps.of_account(account_id))


@attrs.frozen
class ObservedTestContacts:
    """Observes look-ups of test contacts."""

    test_contacts: TestContactRepository
    meter: Meter

    async def of_app(self, app_id: str) -> Sequence[KeptTestContact]:
        """Implement `TestContactRepository.of_app`."""
        return await self.meter.call(self.test_contacts.of_app(app_id))


@attrs.frozen
class ObservedDeliveries:
    """Observes the states of messages, and counts every step forward."""

    deliveries: Deliveries
    meter: Meter

    async def transition(
        self,
        sender: str,
        provider_message_id: str,
        decide: Callable[[TakenMessage | None], Decision[TakenMessage | None, O]],
    ) -> O:
        """Implement `Deliveries.transition`."""
        became: TakenMessage | None = None

        def noted(held: TakenMessage | None) -> Decision[TakenMessage | None, O]:
            nonlocal became
            decision = decide(held)
            became = None if decision.becomes is held else decision.becomes
            return decision

        outcome = await self.meter.step(
            noted, lambda seen: self.deliveries.transition(sender, provider_message_id, seen)
        )
        if became is not None:
            self.meter.watch.counts.moved(sender, became.state)
        return outcome

    async def may_become_known(self, sender: str, provider_message_id: str, since: Instant) -> bool:
        """Implement `Deliveries.may_become_known`."""
        return await self.meter.call(
            self.deliveries.may_become_known(sender, provider_message_id, since)
        )


@attrs.frozen
class ObservedSender:
    """Observes the messages that are offered to one sender."""

    sender: Sender[Any]
    name: str
    watch: Watch

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return self.sender.available()

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:
        """Implement `Sender.send`."""
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
    """Observes all senders together, for the flows."""

    senders: Senders
    names: tuple[str, ...]
    counts: Counts

    def available(self, names: Sequence[str] = ()) -> bool:
        """Implement `Senders.available`. If none is available, each of them counts as skipped."""
        found = self.senders.available(names)
        if not found:
            for name in self.names:
                if name in names or not names:
                    self.counts.skipped(name)
        return found

    async def send(
        self, message: Message, within: Duration = SEND_WITHIN, names: Sequence[str] = ()
    ) -> Receipt:
        """Implement `Senders.send`."""
        return await self.senders.send(message, within, names)


@attrs.frozen
class ObservedProofOfWork:
    """Counts work that is posed and handed in. Both only compute, so calls are not timed."""

    work: ProofOfWork
    counts: Counts

    def pose(self, bound_to: str, level: int, expires_at: Instant, drawn: bytes) -> Work:
        """Implement `ProofOfWork.pose`."""
        posed = self.work.pose(bound_to, level, expires_at, drawn)
        self.counts.posed(level)
        return posed

    def judge(self, payload: str, bound_to: str, now: Instant) -> Judgement:
        """Implement `ProofOfWork.judge`."""
        judgement = self.work.judge(payload, bound_to, now)
        if isinstance(judgement, Solved):
            posed_at = judgement.expires_at - WORK_LIFETIME
            self.counts.solved(judgement.level, Duration(now - posed_at))
        else:
            self.counts.unsolved(type(judgement).__name__.lower())
        return judgement


@attrs.frozen
class Observer:
    """Wraps ports for observation."""

    watch: Watch
    clock: Clock

    def slots(self, slots: SlotRepository, store: str) -> SlotRepository:
        """Observe *slots*, stored in *store*."""
        return ObservedSlots(slots, self._meter("slots", store), self.clock)

    def usage(self, usage: UsageCounter, store: str) -> UsageCounter:
        """Observe *usage*, stored in *store*."""
        return ObservedUsage(usage, self._meter("usage", store))

    def ended_sessions(self, ended: EndedSessions) -> EndedSessions:
        """Observe *ended*; its own usages are not observed as well."""
        return ObservedEndedSessions(ended, self._meter("usage", _SQL))

    def records(
        self, name: str, records: Records[K_contra, L], store: str
    ) -> ObservedRecords[K_contra, L]:
        """Observe *records* with that name, stored in *store*."""
        return ObservedRecords(records, self._meter(name, store))

    def audit(self, audit: AuditTrail) -> AuditTrail:
        """Observe rows that flows write directly; transitions count the rows of their decisions."""
        return ObservedAudit(audit, self._meter("audit", _SQL))

    def passes(self, passes: Passes) -> Passes:
        """Observe *passes*."""
        return ObservedPasses(passes, self._meter("passes", _SQL))

    def pass_repository(self, repository: PassRepository) -> PassRepository:
        """Observe *repository*."""
        return ObservedPassRepository(repository, self._meter("passes", _SQL))

    def api_keys(self, keys: ApiKeyRepository) -> ApiKeyRepository:
        """Observe *keys*."""
        return ObservedApiKeys(keys, self._meter("api_keys", _SQL))

    def apps(self, apps: AppRepository) -> AppRepository:
        """Observe *apps*."""
        return ObservedApps(apps, self._meter("apps", _SQL))

    def test_contacts(self, test_contacts: TestContactRepository) -> TestContactRepository:
        """Observe *test_contacts*."""
        return ObservedTestContacts(test_contacts, self._meter("test_contacts", _SQL))

    def verifications(self, verifications: Verifications) -> Verifications:
        """Observe *verifications*."""
        return ObservedVerifications(verifications, self._meter("verifications", _SQL))

    def deliveries(self, deliveries: Deliveries) -> Deliveries:
        """Observe *deliveries*."""
        return ObservedDeliveries(deliveries, self._meter("deliveries", _SQL))

    def sender(self, name: str, sender: Sender[Any]) -> Sender[Any]:
        """
        Observe one sender. Wrap a breaker around it, not inside it, so that only real attempts
        count.
        """
        return ObservedSender(sender, name, self.watch)

    def senders(self, senders: Senders, names: tuple[str, ...]) -> Senders:
        """Observe all senders together, for flows that send; not for checks of their health."""
        return ObservedSenders(senders, names, self.watch.counts)

    def work(self, work: ProofOfWork) -> ProofOfWork:
        """Observe *work*."""
        return ObservedProofOfWork(work, self.watch.counts)

    def _meter(self, port: str, store: str) -> Meter:
        return Meter(self.watch, port, store)
