"""In-memory implementations of all stores, for tests and single-worker development."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Generic, TypeVar

import attrs

from hsp_otp.domain.api_keys import ApiKey
from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import (
    Action,
    AuditRow,
    DebtRow,
    EndedRow,
    HandedOverRow,
    PaidRow,
    ProvedRow,
    Row,
    SendRow,
    SignInRow,
    StepRow,
    UnsentRow,
)
from hsp_otp.domain.budgets import Budget, BudgetKey
from hsp_otp.domain.challenge_outcomes import Verified
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.guard import LedgerKey
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.listed_passes import ListedUser
from hsp_otp.domain.names import ClientAddress, PassCode
from hsp_otp.domain.pass_changes import HeldPass
from hsp_otp.domain.passes import KeptPass, Pass, User
from hsp_otp.domain.purposes import FLOWS, Slot
from hsp_otp.domain.quota import Usage, UsageKey, Usages
from hsp_otp.domain.slot_record import Held, HeldKey, SlotRecord, split
from hsp_otp.domain.test_contacts import HeldTestContacts, KeptTestContact
from hsp_otp.domain.verification_record import Verification
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.verifications import Event, KeptSend

K = TypeVar("K")
T = TypeVar("T")
O = TypeVar("O")  # noqa: E741


class MemorySlots:
    """
    Slots in a dictionary.

    Nothing is awaited between reading and writing, so a transition is one step. The rows are
    written right after it.
    """

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit
        self._records: dict[Slot, SlotRecord] = {}
        self._usages: dict[UsageKey, Usage] = {}
        self._ledgers: dict[LedgerKey, Ledger] = {}

    async def transition(
        self,
        slot: Slot,
        keys: tuple[HeldKey, ...],
        decide: Callable[[Held], Decision[Held, O]],
    ) -> O:
        """Implement `SlotRepository.transition`."""
        usages, ledgers = split(keys)
        held = Held(
            self._records.get(slot, SlotRecord()),
            _read(self._usages, usages),
            {key: self._ledgers.get(key, Ledger()) for key in ledgers},
        )
        decision = decide(held)
        if decision.becomes is not held:
            self._records[slot] = decision.becomes.record
            self._usages.update(decision.becomes.usages)
            self._ledgers.update(decision.becomes.ledgers)
        await self._audit.write(*decision.rows)
        return decision.outcome


class MemoryUsage:
    """Usages in a dictionary."""

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit
        self._usages: dict[UsageKey, Usage] = {}

    async def transition(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        """Implement `UsageCounter.transition`."""
        held = _read(self._usages, keys)
        decision = decide(held)
        if decision.becomes is not held:
            self._usages.update(decision.becomes)
        await self._audit.write(*decision.rows)
        return decision.outcome


class MemoryRecords(Generic[K, T]):
    """Families, signup sessions or signup steps in a dictionary, by id."""

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit
        self._records: dict[K, T] = {}

    async def transition(self, key: K, decide: Callable[[T | None], Decision[T | None, O]]) -> O:
        """Implement `FamilyRepository.transition` and similar methods."""
        decision = decide(self._records.get(key))
        if decision.becomes is not None:
            self._records[key] = decision.becomes
        await self._audit.write(*decision.rows)
        return decision.outcome


@attrs.define
class MemoryBudgets:
    """Budgets in a dictionary."""

    stored: dict[BudgetKey, Budget] = attrs.field(factory=dict[BudgetKey, Budget])

    async def transition(
        self, key: BudgetKey, decide: Callable[[Budget], Decision[Budget, O]]
    ) -> O:
        """Implement `Budgets.transition`."""
        decision = decide(self.stored.get(key, Budget()))
        self.stored[key] = decision.becomes
        return decision.outcome

    async def of_account(self, account: str) -> dict[BudgetKey, Budget]:
        """Implement `Budgets.of_account`."""
        return {key: one for key, one in self.stored.items() if key.account == account}


class MemoryPasses:
    """
    Passes in a dictionary.

    Attributes:
        verified: The ids of the users who have proved their number.
    """

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit
        self._users: dict[str, User] = {}
        self.stored: dict[PassCode, Pass] = {}
        self.verified = set[str]()

    async def find(self, code: PassCode) -> Pass | None:
        """Implement `Passes.find`."""
        return self.stored.get(code)

    async def find_kept(self, code: PassCode) -> KeptPass | None:
        """Implement `PassRepository.find_kept`."""
        found = self.stored.get(code)
        return None if found is None else KeptPass(found, "active", found.user.id in self.verified)

    async def transition(
        self,
        code: PassCode,
        holder: ListedUser | None,
        decide: Callable[[HeldPass], Decision[HeldPass, O]],
    ) -> O:
        """Implement `PassRepository.transition`."""
        self._users |= {one.user.id: one.user for one in self.stored.values()}
        held = self._held(code, holder)
        decision = decide(held)
        if decision.becomes is not held:
            self._become(code, decision.becomes.stored)
        await self._audit.write(*decision.rows)
        return decision.outcome

    def _held(self, code: PassCode, holder: ListedUser | None) -> HeldPass:
        stored = self.stored.get(code)
        if holder is None:
            return HeldPass(stored=stored)
        users = self._users.values()
        by_house_id = {one.house_id: one for one in users if one.house_id is not None}
        by_email = {one.email: one for one in users}
        by_id = self._users | by_house_id
        return HeldPass(
            stored=stored,
            by_id=None if holder.house_id is None else by_id.get(holder.house_id),
            by_email=by_email.get(holder.email),
        )

    def _become(self, code: PassCode, stored: Pass | None) -> None:
        if stored is None:
            del self.stored[code]
            return
        user = stored.user
        before = self._users.get(user.id)
        if before is not None and before.phone != user.phone:
            self.verified.discard(user.id)
        self._users[user.id] = user
        self.stored = {
            one.code: attrs.evolve(one, user=user) if one.user.id == user.id else one
            for one in (self.stored | {code: stored}).values()
        }


@attrs.define
class MemoryApps:
    """Accounts and apps in tuples."""

    stored: Tenants = Tenants()

    async def find(self, app_id: str) -> App | None:
        """Implement `AppRepository.find`."""
        return next((one for one in self.stored.apps if one.id == app_id), None)

    async def of_account(self, account_id: str) -> list[App]:
        """Implement `AppRepository.of_account`."""
        return [one for one in self.stored.apps if one.account_id == account_id]

    async def tenants(self) -> Tenants:
        """Implement `AppRegister.tenants`."""
        return self.stored

    async def transition(self, decide: Callable[[Tenants], Decision[Tenants, O]]) -> O:
        """Implement `AppRegister.transition`."""
        decision = decide(self.stored)
        self.stored = Tenants(
            accounts=tuple(sorted(decision.becomes.accounts, key=attrgetter("name"))),
            apps=tuple(sorted(decision.becomes.apps, key=attrgetter("name"))),
        )
        return decision.outcome


@attrs.frozen
class MemoryVerifications:
    """Reads the verifications in *audit*; states of deliveries end with the hand-over."""

    audit: "MemoryAudit"

    async def find(self, verification_id: str) -> Verification | None:
        """Implement `Verifications.find`."""
        return self.audit.verifications.get(verification_id)

    async def find_send(self, send_ids: Sequence[str]) -> KeptSend | None:
        """Implement `Verifications.find_send`."""
        found = (row for row in self.audit.sends if row.id in send_ids)
        return next(
            (self._kept(row, row.verification_id) for row in found if row.verification_id), None
        )

    async def sends_of(self, verification_id: str) -> list[KeptSend]:
        """Implement `Verifications.sends_of`."""
        return [
            self._kept(row, verification_id)
            for row in self.audit.sends
            if row.verification_id == verification_id and row.test_contact is None
        ]

    async def events_of(self, verification_id: str) -> list[Event]:
        """Implement `Verifications.events_of`."""
        return [
            Event(row.facts.at, row.facts.action.value, row.outcome)
            for row in self.audit.rows
            if row.facts.verification_id == verification_id and row.facts.action is not Action.READ
        ]

    async def slots_of(self, contact: Contact) -> list[Slot]:
        """Implement `Verifications.slots_of`."""
        found = self.audit.verifications.values()
        return list(dict.fromkeys(one.slot for one in found if one.contact == contact))

    def _kept(self, row: SendRow, verification_id: str) -> KeptSend:
        taken = next((one for one in self.audit.handed_over if one.send_id == row.id), None)
        unsent = next((one for one in self.audit.unsent if one.send_id == row.id), None)
        state = DeliveryState.QUEUED if taken else DeliveryState.FAILED if unsent else None
        return KeptSend(
            id=row.id,
            verification_id=verification_id,
            at=row.at,
            channel=row.channel,
            sender=None if taken is None else taken.sender,
            state=state,
            state_at=None if unsent is None else unsent.at,
            request=row.request,
            test=row.test_contact is not None,
        )


class MemoryApiKeys:
    """API keys in a dictionary, by id."""

    def __init__(self) -> None:
        self.stored: dict[str, ApiKey] = {}

    async def find(self, key_id: str) -> ApiKey | None:
        """Implement `ApiKeyRepository.find`."""
        return self.stored.get(key_id)

    def note_use(self, key: ApiKey, becomes: ApiKey) -> None:
        """Implement `ApiKeyRepository.note_use`."""
        if self.stored.get(key.id) is key:
            self.stored[key.id] = becomes

    async def add(self, key: ApiKey) -> None:
        """Implement `ApiKeyRegister.add`."""
        self.stored[key.id] = key

    async def list(self) -> list[ApiKey]:
        """Implement `ApiKeyRegister.list`."""
        return sorted(self.stored.values(), key=lambda key: (key.made_at, key.id))

    async def revoke(self, key_id: str, at: Instant) -> ApiKey | None:
        """Implement `ApiKeyRegister.revoke`."""
        key = self.stored.get(key_id)
        if key is not None and key.revoked_at is None:
            key = self.stored[key_id] = attrs.evolve(key, revoked_at=at)
        return key


@attrs.define
class MemoryTestContacts:
    """
    Test contacts in a tuple.

    Attributes:
        numbers: The numbers of users of passes.
    """

    audit: "MemoryAudit"
    stored: tuple[KeptTestContact, ...] = ()
    numbers: set[str] = attrs.field(factory=set[str])

    async def of_app(self, app_id: str) -> list[KeptTestContact]:
        """Implement `TestContactRepository.of_app`."""
        return [
            one
            for one in self.stored
            if one.app_id == app_id and (app_id, one.fingerprint) not in self.audit.proved
        ]

    async def list(self) -> list[KeptTestContact]:
        """Implement `TestContactRegister.list`."""
        return sorted(self.stored, key=lambda one: (one.added_at, one.id))

    async def transition(
        self,
        app_id: str,
        contact: Contact,
        fingerprints: Sequence[str],
        decide: Callable[[HeldTestContacts], Decision[HeldTestContacts, O]],
    ) -> O:
        """Implement `TestContactRegister.transition`."""
        held = HeldTestContacts(
            stored=tuple(one for one in self.stored if one.app_id == app_id),
            is_proved=any((app_id, one) in self.audit.proved for one in fingerprints),
            is_of_user=contact.value in self.numbers,
        )
        decision = decide(held)
        others = (one for one in self.stored if one.app_id != app_id)
        self.stored = (*others, *decision.becomes.stored)
        await self.audit.write(*decision.rows)
        return decision.outcome


@attrs.define
class MemoryAudit:
    """
    Rows in lists.

    Attributes:
        sign_ins: The changes of sign-ins to users and passes.
        steps: Steps of the funnel that leave no audit row.
        proved: When contacts last proved themselves, by apps and fingerprints.
    """

    rows: list[AuditRow] = attrs.field(factory=list[AuditRow])
    sends: list[SendRow] = attrs.field(factory=list[SendRow])
    handed_over: list[HandedOverRow] = attrs.field(factory=list[HandedOverRow])
    sign_ins: list[SignInRow] = attrs.field(factory=list[SignInRow])
    steps: list[StepRow] = attrs.field(factory=list[StepRow])
    unsent: list[UnsentRow] = attrs.field(factory=list[UnsentRow])
    debts: list[DebtRow] = attrs.field(factory=list[DebtRow])
    paid: list[PaidRow] = attrs.field(factory=list[PaidRow])
    verifications: dict[str, Verification] = attrs.field(factory=dict[str, Verification])
    proved: dict[tuple[str, str], Instant] = attrs.field(factory=dict[tuple[str, str], Instant])

    async def signed_in(self, client: ClientAddress, since: Instant) -> bool:
        """Implement `SignInHistory.signed_in`."""
        return any(
            row.facts.flow is not None
            and FLOWS[row.facts.flow].signs_in
            and row.outcome == Verified.word
            and row.facts.at > since
            for row in self.rows
            if row.facts.client == client
        )

    async def note(self, row: AuditRow) -> None:
        """Implement `AuditTrail.note`."""
        await self.write(row)

    def count(self, row: StepRow) -> None:
        """Implement `AuditTrail.count`."""
        self.steps.append(row)

    async def write(self, *rows: Row) -> None:
        """Implement `AuditTrail.write`."""
        for row in rows:
            match row:
                case AuditRow():
                    self.rows.append(row)
                case SendRow():
                    self.sends.append(row)
                case HandedOverRow():
                    self.handed_over.append(row)
                case DebtRow():
                    self.debts.append(row)
                case SignInRow():
                    self.sign_ins.append(row)
                case StepRow():
                    self.steps.append(row)
                case Verification():
                    self.verifications.setdefault(row.id, row)
                case EndedRow() | ProvedRow() | UnsentRow() | PaidRow():
                    self._note(row)

    def _note(self, row: EndedRow | ProvedRow | UnsentRow | PaidRow) -> None:
        match row:
            case ProvedRow():
                of = row.app_id, row.fingerprint
                self.proved[of] = max(row.at, self.proved.get(of, row.at))
            case EndedRow():
                held = self.verifications[row.verification_id]
                if held.ended is None:
                    ended = attrs.evolve(held, ended=row.status, ended_at=row.at)
                    self.verifications[held.id] = ended
            case UnsentRow():
                self.unsent.append(row)
            case PaidRow():
                self.paid.append(row)


def _read(usages: dict[UsageKey, Usage], keys: tuple[UsageKey, ...]) -> Usages:
    return {key: usages.get(key, ()) for key in keys}
