"""Lets operators unlock slots that failed guesses have locked."""

from collections.abc import Iterable

import attrs

from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.challenge import Held, slots_about, unlock
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import PassNotFound
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Purpose, Slot
from hsp_otp.flows.caller import about
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.passes import Passes, Users


@attrs.frozen(kw_only=True)
class Unlocking:
    """
    Unlocks the slots of a pass holder or of a number.

    Attributes:
        fingerprints: The ring of contact fingerprints.
    """

    passes: Passes
    users: Users
    slots: SlotRepository
    clock: Clock
    fingerprints: KeyRing

    async def of_pass(
        self, code: PassCode, purposes: Iterable[Purpose], reason: str
    ) -> tuple[Slot, ...] | PassNotFound:
        """
        Unlock the holder of a pass, and return the slots that were unlocked.

        Args:
            reason: The reason, which is written to the audit.

        Raises:
            Unavailable: A store did not answer. Slots that were unlocked before stay unlocked.
        """
        found = await self.passes.find(code)
        if found is None:
            return PassNotFound()
        row = attrs.evolve(self._row(reason), pass_code=code.masked)
        phones = {found.user.id: found.user.phone}
        return await self._unlock(tuple(slots_about(tuple(phones), None, purposes)), phones, row)

    async def of_number(
        self, phone: PhoneNumber, purposes: Iterable[Purpose], reason: str
    ) -> tuple[Slot, ...]:
        """
        Unlock a number and all users who have it, and return the slots that were unlocked.

        Args:
            reason: The reason, which is written to the audit.

        Raises:
            Unavailable: A store did not answer. Slots that were unlocked before stay unlocked.
        """
        phones: dict[str, PhoneNumber | None] = {
            user.id: phone for user in await self.users.users_of(phone)
        }
        slots = tuple(slots_about(tuple(phones), Contact.of_phone(phone), purposes))
        return await self._unlock(slots, phones | {phone.e164: phone}, self._row(reason))

    async def _unlock(
        self, slots: tuple[Slot, ...], phones: dict[str, PhoneNumber | None], row: AuditRow
    ) -> tuple[Slot, ...]:
        """
        Unlock *slots*, auditing each one.

        Args:
            phones: Keyed by the id of the subject.
        """
        for slot in slots:
            told, phone = attrs.evolve(row, purpose=slot.purpose), phones[slot.subject.id]
            if phone is not None:
                told = about(told, Contact.of_phone(phone), self.fingerprints)
            await unlock_slot(self.slots, slot, told)
        return slots

    def _row(self, reason: str) -> AuditRow:
        return AuditRow(
            at=self.clock.now(),
            flow=None,
            purpose=None,
            action=Action.UNLOCK,
            outcome="unlocked",
            client=None,
            request_id=None,
            reason=reason,
        )


async def unlock_slot(slots: SlotRepository, slot: Slot, row: AuditRow) -> None:
    """
    Clear the failed guesses of *slot* at an operator's request.

    Args:
        row: Says whose slot was unlocked, and why.

    Raises:
        Unavailable: The store did not answer.
    """

    def decide(held: Held) -> Decision[Held, None]:
        return attrs.evolve(unlock(held), rows=(row,))

    await slots.transition(slot, (), decide)
