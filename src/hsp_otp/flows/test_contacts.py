"""Adds and removes test contacts, for operators."""

from typing import Final

import attrs

from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Duration, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.test_contacts import (
    HeldTestContacts,
    KeptTestContact,
    NotAdded,
    add,
    digest_of,
    is_guessable,
    remove,
)
from hsp_otp.flows.caller import about, new_id, of_command
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.test_contacts import TestContactRegister

_DRAWN_BYTES: Final = 16


@attrs.frozen(kw_only=True)
class ManagingTestContacts:
    """
    Adds and removes test contacts. Each method raises Unavailable if the database does not answer.

    Attributes:
        fingerprints: The ring of fingerprints of contacts.
        codes: The ring of the codes of test contacts.
    """

    register: TestContactRegister
    clock: Clock
    randomness: Randomness
    fingerprints: KeyRing
    codes: KeyRing

    def draw_code(self, digits: int) -> Code:
        """A code of that many digits which nobody guesses first."""
        while True:
            # Uniform to within 2**-94, as a code has ten digits at most.
            number = int.from_bytes(self.randomness.draw(_DRAWN_BYTES), "big")
            drawn = str(number % 10**digits).zfill(digits)
            if not is_guessable(drawn):
                return Code(drawn)

    async def add(
        self, app: App, contact: Contact, code: Code, lifetime: Duration, reason: str
    ) -> KeptTestContact | NotAdded:
        """Make *contact* a test contact of *app*, with that *code*."""
        now, key, new = self.clock.now(), self.codes.first, new_id(self.randomness)
        kept = KeptTestContact(
            id=new,
            app_id=app.id,
            contact=contact.masked,
            fingerprint=self.fingerprints.fingerprint(contact.value),
            digits=len(code.reveal()),
            key_id=key.id,
            digest=digest_of(key, new, code),
            reason=reason,
            added_at=now,
            ends_at=after(now, lifetime),
        )
        command = attrs.evolve(of_command(now, Action.TEST_CONTACT, reason), app=app.name)
        row = AuditRow(facts=about(command, contact, self.fingerprints), outcome="added")
        fingerprints = self.fingerprints.fingerprints(contact.value)

        def decide(
            held: HeldTestContacts,
        ) -> Decision[HeldTestContacts, KeptTestContact | NotAdded]:
            decision = add(held, kept, fingerprints)
            rows = (row,) if isinstance(decision.outcome, KeptTestContact) else ()
            return attrs.evolve(decision, rows=rows)

        return await self.register.transition(app.id, contact, fingerprints, decide)

    async def remove(self, app: App, contact: Contact) -> KeptTestContact | None:
        """End the test contact of *app* at once; None if *contact* is an ordinary one."""
        now = self.clock.now()
        command = attrs.evolve(of_command(now, Action.TEST_CONTACT), app=app.name)
        row = AuditRow(facts=about(command, contact, self.fingerprints), outcome="removed")
        fingerprints = self.fingerprints.fingerprints(contact.value)

        def decide(held: HeldTestContacts) -> Decision[HeldTestContacts, KeptTestContact | None]:
            decision = remove(held, fingerprints, now)
            return attrs.evolve(decision, rows=() if decision.outcome is None else (row,))

        return await self.register.transition(app.id, contact, fingerprints, decide)
