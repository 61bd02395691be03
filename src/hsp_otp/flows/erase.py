"""Erases personal data, as described in docs/erasing.md."""

from collections.abc import Mapping
from typing import assert_never

import attrs

from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import Action, AuditFacts, AuditRow
from hsp_otp.domain.challenge import forget, slots_about
from hsp_otp.domain.challenge_outcomes import Forgotten, Locked
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.email_address import EmailAddress
from hsp_otp.domain.instant import CLOCK_SKEW, Instant, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Purpose, Slot, SubjectKind
from hsp_otp.domain.quota import LONGEST_WINDOW
from hsp_otp.domain.slot_record import Held
from hsp_otp.flows.caller import about, of_command
from hsp_otp.flows.person import user_of_app
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.erasure import Erasure, Kept, OfAddress, OfAppUser, OfNumber, Whose
from hsp_otp.ports.passes import Users
from hsp_otp.ports.verifications import Verifications


@attrs.frozen(kw_only=True)
class Found:
    """
    A person, and the data about them.

    Attributes:
        slots: The slots of the holders of a number and of the number itself, of an address, or of a
            user.
        until: When the limits stop counting the last data of the slots.
        devices: Whether there are known devices.
    """

    whose: Whose
    slots: tuple[Slot, ...]
    until: Instant | None
    devices: bool
    kept: Kept


@attrs.frozen(kw_only=True)
class Erasing:
    """
    Erases the data about a person; raises Unavailable if a store does not answer.

    A locked slot is not erased, because that would lift the lock.

    Attributes:
        app_policies: One for each purpose of apps.
    """

    users: Users
    slots: SlotRepository
    verifications: Verifications
    erasure: Erasure
    clock: Clock
    fingerprints: KeyRing
    policies: Mapping[Purpose, Policy]
    app_policies: Mapping[Purpose, Policy]

    async def look(self, phone: PhoneNumber) -> Found | Locked:
        """What erasing *phone* would delete."""
        users = tuple(user.id for user in await self.users.users_of(phone))
        contact = Contact.of_phone(phone)
        slots = (*slots_about(users, contact), *await self.verifications.slots_of(contact))
        fingerprints = tuple(self.fingerprints.fingerprints(contact.value))
        return await self._look(
            OfNumber(phone=phone, users=users, fingerprints=fingerprints), slots
        )

    async def look_at_address(self, address: EmailAddress) -> Found | Locked:
        """What erasing the e-mail *address* would delete."""
        contact = Contact.of_email(address)
        fingerprints = tuple(self.fingerprints.fingerprints(contact.value))
        return await self._look(
            OfAddress(contact=contact, fingerprints=fingerprints),
            tuple(await self.verifications.slots_of(contact)),
        )

    async def look_at_user(self, app: App, subject: str) -> Found | Locked:
        """What erasing the user of *app* would delete for whom its backend has that id."""
        fingerprints = tuple(self.fingerprints.fingerprints(subject))
        return await self._look(
            OfAppUser(app=app, subject=subject, fingerprints=fingerprints),
            user_of_app(app, subject).slots,
        )

    async def erase(self, found: Found, reason: str) -> Locked | None:
        """
        Erase what was *found*, with the *reason* in the audit. The call may be repeated.

        Returns:
            The lock of a slot that has been locked in the meantime; only the slots before it are
                erased then.
        """
        now = self.clock.now()
        locked = await self._forget(found, now)
        if locked is not None:
            return locked
        row = AuditRow(
            facts=self._about(found.whose, of_command(now, Action.ERASE, reason)), outcome="erased"
        )
        await self.erasure.erase(found.whose, found.slots, _counted_since(now), row)
        # Repeated for people who were asking or signing in meanwhile. A lock no longer matters
        # here.
        await self._forget(found, now)
        return None

    async def _look(self, whose: Whose, slots: tuple[Slot, ...]) -> Found | Locked:
        now = self.clock.now()
        until: Instant | None = None
        devices = False
        for slot in slots:
            policy = self._policy_of(slot)
            outcome = await forget_slot(self.slots, slot, policy, now, only_look=True)
            if isinstance(outcome, Locked):
                return outcome
            devices = devices or outcome.devices
            if outcome.until is not None:
                until = max(until or outcome.until, outcome.until)
        kept = await self.erasure.kept(whose, slots, _counted_since(now))
        return Found(whose=whose, slots=slots, until=until, devices=devices, kept=kept)

    def _about(self, whose: Whose, facts: AuditFacts) -> AuditFacts:
        """*facts* that only somebody finds who searches for the person."""
        match whose:
            case OfNumber(phone=phone):
                told = about(facts, Contact.of_phone(phone), self.fingerprints)
                return attrs.evolve(told, contact=None)
            case OfAddress(contact=contact):
                return attrs.evolve(about(facts, contact, self.fingerprints), contact=None)
            case OfAppUser(app=app, subject=subject):
                fingerprint = self.fingerprints.fingerprint(subject)
                return attrs.evolve(facts, app=app.name, subject_fingerprint=fingerprint)
            case _:
                assert_never(whose)

    def _policy_of(self, slot: Slot) -> Policy:
        is_of_app = slot.subject.kind is SubjectKind.APP
        return (self.app_policies if is_of_app else self.policies)[slot.purpose]

    async def _forget(self, found: Found, now: Instant) -> Locked | None:
        for slot in found.slots:
            outcome = await forget_slot(self.slots, slot, self._policy_of(slot), now)
            if isinstance(outcome, Locked):
                return outcome
        if isinstance(found.whose, OfNumber):
            await self.erasure.erase_records(found.whose)
        return None


def _counted_since(now: Instant) -> Instant:
    return after(now, -LONGEST_WINDOW - CLOCK_SKEW)


async def forget_slot(
    slots: SlotRepository, slot: Slot, policy: Policy, now: Instant, *, only_look: bool = False
) -> Forgotten | Locked:
    """
    Erase the personal data of *slot*; a locked slot stays as it is.

    *only_look* changes nothing, and returns what the outcome would be.
    """

    def decide(held: Held) -> Decision[Held, Forgotten | Locked]:
        decision = forget(held, policy, now)
        return Decision(decision.outcome, held) if only_look else decision

    return await slots.transition(slot, (), decide)
