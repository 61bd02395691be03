"""Finds the slots of a person, for operators' commands that concern all of them."""

from collections.abc import Iterable, Mapping

import attrs

from hsp_otp.domain.audit import AuditRow
from hsp_otp.domain.challenge import slots_about
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import PassNotFound
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Purpose, Slot
from hsp_otp.flows.caller import about
from hsp_otp.ports.passes import Passes, Users
from hsp_otp.ports.verifications import Verifications


@attrs.frozen
class Person:
    """The slots of a person, their numbers by the subjects' ids, and the masked pass, if any."""

    slots: tuple[Slot, ...]
    phones: Mapping[str, PhoneNumber | None] = attrs.field(repr=False)
    pass_code: str | None = None

    def row_of(self, slot: Slot, row: AuditRow, fingerprints: KeyRing) -> AuditRow:
        """*row* with what may be told of *slot*."""
        told = attrs.evolve(row, purpose=slot.purpose, pass_code=self.pass_code)
        phone = self.phones[slot.subject.id]
        return told if phone is None else about(told, Contact.of_phone(phone), fingerprints)


@attrs.frozen(kw_only=True)
class People:
    """Finds people by a pass or by a number; raises Unavailable if the store does not answer."""

    passes: Passes
    users: Users
    verifications: Verifications

    async def of_pass(
        self, code: PassCode, purposes: Iterable[Purpose] = Purpose
    ) -> Person | PassNotFound:
        """The holder of a pass; their number's own slots are not included."""
        found = await self.passes.find(code)
        if found is None:
            return PassNotFound()
        user = found.user
        slots = slots_about((user.id,), None, purposes)
        return Person(tuple(slots), {user.id: user.phone}, code.masked)

    async def of_number(self, phone: PhoneNumber, purposes: Iterable[Purpose] = Purpose) -> Person:
        """Everybody who has a number, and the number itself, also in apps. There may be no slot."""
        users = [user.id for user in await self.users.users_of(phone)]
        contact = Contact.of_phone(phone)
        of_apps = await self.verifications.slots_of(contact)
        slots = [
            *slots_about(users, contact, purposes),
            *(slot for slot in of_apps if slot.purpose in purposes),
        ]
        return Person(tuple(slots), dict.fromkeys([slot.subject.id for slot in slots], phone))
