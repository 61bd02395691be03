"""Lets operators unlock slots that failed guesses have locked."""

from typing import Final

import attrs

from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.challenge import unlock
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.slot_record import Held
from hsp_otp.flows.caller import of_command
from hsp_otp.flows.person import Person
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock

UNLOCKED: Final = "unlocked"
DEVICES_FORGOTTEN: Final = "devices_forgotten"
"""The outcome of an unlock that also makes strangers of all known devices."""


@attrs.frozen(kw_only=True)
class Unlocking:
    """Unlocks the slots of a person."""

    slots: SlotRepository
    clock: Clock
    fingerprints: KeyRing

    async def unlock(self, person: Person, reason: str, *, devices: bool = False) -> None:
        """
        Unlock every slot of *person*, with the *reason* in an audit row for each.

        *devices* also makes strangers of all known devices.

        Raises:
            Unavailable: A store did not answer. Slots that were unlocked before stay unlocked.
        """
        outcome = DEVICES_FORGOTTEN if devices else UNLOCKED
        facts = of_command(self.clock.now(), Action.UNLOCK, reason)
        for slot in person.slots:
            told = person.about(slot, facts, self.fingerprints)
            row = AuditRow(facts=told, outcome=outcome)
            await unlock_slot(self.slots, slot, row, devices=devices)


async def unlock_slot(
    slots: SlotRepository, slot: Slot, row: AuditRow, *, devices: bool = False
) -> None:
    """
    Clear the failed guesses of *slot*, and write *row*, which says whose it is, and why.

    *devices* also makes strangers of all known devices. Raises Unavailable if the store does not
    answer.
    """

    def decide(held: Held) -> Decision[Held, None]:
        return attrs.evolve(unlock(held, devices=devices), rows=(row,))

    await slots.transition(slot, (), decide)
