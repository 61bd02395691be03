"""Erases personal data, as described in docs/erasing.md."""

from collections.abc import Mapping

import attrs

from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.challenge import forget, slots_about
from hsp_otp.domain.challenge_outcomes import Forgotten, Locked
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import CLOCK_SKEW, Instant, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Purpose, Slot, SubjectKind
from hsp_otp.domain.quota import LONGEST_WINDOW
from hsp_otp.domain.slot_record import Held
from hsp_otp.flows.caller import about, of_command
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.erasure import Erasure, Kept
from hsp_otp.ports.passes import Users
from hsp_otp.ports.verifications import Verifications


@attrs.frozen(kw_only=True)
class Found:
    """
    The holders of a number, and the data about them.

    Attributes:
        slots: The slots of the holders and of the number itself.
        until: When the limits stop counting the last data of the slots.
        devices: Whether there are known devices.
    """

    users: tuple[str, ...]
    slots: tuple[Slot, ...]
    until: Instant | None
    devices: bool
    kept: Kept


@attrs.frozen(kw_only=True)
class Erasing:
    """
    Erases the data about a number; raises Unavailable if a store does not answer.

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
        """
        What erasing *phone* would delete. A locked slot is not erased, because that would lift the
        lock.
        """
        now = self.clock.now()
        users = tuple(user.id for user in await self.users.users_of(phone))
        contact = Contact.of_phone(phone)
        slots = (*slots_about(users, contact), *await self.verifications.slots_of(contact))
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
        fingerprints = self.fingerprints.fingerprints(contact.value)
        kept = await self.erasure.kept(phone, users, slots, _counted_since(now), fingerprints)
        return Found(users=users, slots=slots, until=until, devices=devices, kept=kept)

    async def erase(self, phone: PhoneNumber, found: Found, reason: str) -> Locked | None:
        """
        Erase what was *found*, with the *reason* in the audit. The call may be repeated.

        Returns:
            The lock of a slot that has been locked in the meantime; only the slots before it are
                erased then.
        """
        now = self.clock.now()
        locked = await self._forget(phone, found, now)
        if locked is not None:
            return locked
        # Only somebody who searches for the number finds this row.
        command = of_command(now, Action.ERASE, reason)
        told = about(command, Contact.of_phone(phone), self.fingerprints)
        row = AuditRow(facts=attrs.evolve(told, contact=None), outcome="erased")
        fingerprints = self.fingerprints.fingerprints(phone.e164)
        await self.erasure.erase(phone, found.slots, _counted_since(now), fingerprints, row)
        # Repeated for people who were asking or signing in meanwhile. A lock no longer matters
        # here.
        await self._forget(phone, found, now)
        return None

    def _policy_of(self, slot: Slot) -> Policy:
        is_of_app = slot.subject.kind is SubjectKind.APP
        return (self.app_policies if is_of_app else self.policies)[slot.purpose]

    async def _forget(self, phone: PhoneNumber, found: Found, now: Instant) -> Locked | None:
        for slot in found.slots:
            outcome = await forget_slot(self.slots, slot, self._policy_of(slot), now)
            if isinstance(outcome, Locked):
                return outcome
        await self.erasure.erase_records(phone, found.users)
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
