"""Finds the slots of a person, for operators' commands that concern all of them."""

from collections.abc import Iterable, Mapping, Sequence

import attrs

from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import AuditFacts
from hsp_otp.domain.challenge import slots_about
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.email_address import EmailAddress
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import PassNotFound
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import APP_PURPOSES, Purpose, Slot
from hsp_otp.domain.verification_record import slot_of
from hsp_otp.flows.caller import about
from hsp_otp.ports.passes import Passes, Users
from hsp_otp.ports.verifications import Verifications


@attrs.frozen
class Person:
    """
    The slots of a person.

    Attributes:
        contacts: Their contacts, as far as known, by the subjects' ids.
        pass_code: The pass that they were found by, masked.
        app: The name of the app whose user they are.
        subject: The id that the app's backend has for them.
    """

    slots: tuple[Slot, ...]
    contacts: Mapping[str, Contact] = attrs.field(repr=False)
    pass_code: str | None = None
    app: str | None = None
    subject: str | None = attrs.field(default=None, repr=False)

    def about(self, slot: Slot, facts: AuditFacts, fingerprints: KeyRing) -> AuditFacts:
        """*facts* with what may be told of *slot*."""
        told = attrs.evolve(facts, purpose=slot.purpose, pass_code=self.pass_code)
        if self.subject is not None:
            subject = fingerprints.fingerprint(self.subject)
            told = attrs.evolve(told, app=self.app, subject_fingerprint=subject)
        contact = self.contacts.get(slot.subject.id)
        return told if contact is None else about(told, contact, fingerprints)


def user_of_app(app: App, subject: str, purposes: Iterable[Purpose] = Purpose) -> Person:
    """The user of *app* for whom its backend has that id, whether or not it ever named them."""
    named = [purpose for purpose in purposes if purpose in APP_PURPOSES]
    slots = tuple(slot_of(app.id, purpose, subject) for purpose in named)
    return Person(slots, {}, app=app.name, subject=subject)


@attrs.frozen(kw_only=True)
class People:
    """Finds people by a pass or a contact; raises Unavailable if the store does not answer."""

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
        contacts = {} if user.phone is None else {user.id: Contact.of_phone(user.phone)}
        return Person(tuple(slots), contacts, code.masked)

    async def of_number(self, phone: PhoneNumber, purposes: Iterable[Purpose] = Purpose) -> Person:
        """Everybody who has a number, and the number itself, also in apps. There may be no slot."""
        users = [user.id for user in await self.users.users_of(phone)]
        contact = Contact.of_phone(phone)
        of_apps = await self.verifications.slots_of(contact)
        slots = [
            *slots_about(users, contact, purposes),
            *(slot for slot in of_apps if slot.purpose in purposes),
        ]
        return _having(contact, slots)

    async def of_address(
        self, address: EmailAddress, purposes: Iterable[Purpose] = Purpose
    ) -> Person:
        """An e-mail address and the users of apps who have it. There may be no slot."""
        contact = Contact.of_email(address)
        slots = await self.verifications.slots_of(contact)
        return _having(contact, [slot for slot in slots if slot.purpose in purposes])


def _having(contact: Contact, slots: Sequence[Slot]) -> Person:
    return Person(tuple(slots), dict.fromkeys([slot.subject.id for slot in slots], contact))
