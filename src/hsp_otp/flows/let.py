"""Lets operators let one address in, for a person who calls support from a new device."""

from collections.abc import Mapping

import attrs

from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.challenge import let, lock
from hsp_otp.domain.challenge_outcomes import Locked
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.lanes import Let
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Purpose, Slot, SubjectKind
from hsp_otp.domain.slot_record import Held
from hsp_otp.flows.caller import operator_row
from hsp_otp.flows.person import Person
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock


@attrs.frozen
class LetIn:
    """
    What one slot lets an address do.

    Attributes:
        locked: The lock that holds nevertheless, because it counts the guesses of all devices.
    """

    slot: Slot
    let: Let
    locked: Locked | None


@attrs.frozen(kw_only=True)
class Letting:
    """Lets an address in, past the limits and the lock of devices that are not known."""

    slots: SlotRepository
    clock: Clock
    fingerprints: KeyRing
    policies: Mapping[Purpose, Policy]

    async def let(self, person: Person, client: ClientAddress, reason: str) -> tuple[LetIn, ...]:
        """
        Let *client* in at every slot of *person*, with the *reason* in the audit.

        Repeating it starts again.

        Raises:
            Unavailable: A store did not answer. Slots before that one let the address in.
        """
        now = self.clock.now()
        row = operator_row(now, Action.LET, "let_in", reason, client)
        return tuple(
            [
                await self._let(slot, client, now, person.row_of(slot, row, self.fingerprints))
                for slot in person.slots
                if slot.subject.kind is not SubjectKind.APP  # nothing holds strangers back there
            ]
        )

    async def _let(self, slot: Slot, client: ClientAddress, now: Instant, row: AuditRow) -> LetIn:
        policy = self.policies[slot.purpose]

        def decide(held: Held) -> Decision[Held, LetIn]:
            given = let(held, client, now)
            locked = lock(given.becomes.record, policy, now, is_let=True)
            return Decision(LetIn(slot, given.outcome, locked), given.becomes, (row,))

        return await self.slots.transition(slot, (), decide)
