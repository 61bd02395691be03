"""Verification: Twilio's clients find verifications by contact, and are told more of each."""

from collections.abc import Sequence

import attrs

from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import Action
from hsp_otp.domain.challenge_outcomes import Exhausted
from hsp_otp.domain.contact import ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.slot_record import Held
from hsp_otp.domain.verification_record import Status, Verification, slot_of
from hsp_otp.domain.verification_request import Flaw, read_contact
from hsp_otp.flows.app_requests import AppRequests, Backend
from hsp_otp.flows.caller import audited_failures, with_outcome
from hsp_otp.flows.verification_outcomes import NotFound, Over, View
from hsp_otp.ports.verifications import KeptSend


@attrs.frozen
class VerificationLookups:
    """
    Finds verifications, and charges nothing.

    Every method that waits raises Unavailable if a store does not answer.
    """

    requests: AppRequests

    async def latest(self, to: str, app: App, backend: Backend, action: Action) -> str | NotFound:
        """
        The id of the latest verification of a contact for the app's default purpose, which may have
        ended.

        Args:
            to: The contact.
            app: The app.
            backend: The backend.
            action: The kind of request, for the audit.
        """
        facts = self.requests.facts(action, backend, app, None)
        async with audited_failures(self.requests.audit, facts):
            found = await self._latest(to, app)
        return found or await self.requests.missing(action, backend)

    async def live(
        self, to: str, app: App, backend: Backend, action: Action
    ) -> str | NotFound | Over:
        """The id of the live verification of a contact for that purpose; as `latest`."""
        verification_id = await self.latest(to, app, backend, action)
        if isinstance(verification_id, NotFound):
            return verification_id
        found = await self.requests.verifications.find(verification_id)
        if found is None:
            return await self.requests.missing(action, backend)
        facts = self.requests.facts(action, backend, app, found.client)
        facts = self.requests.about(facts, found)
        async with audited_failures(self.requests.audit, facts):
            seen = await self.requests.look(app, found, facts.at)
            if seen.status is Status.PENDING:
                return found.id
            over = Over(seen.status, seen.resend_at)
            await self.requests.audit.write(with_outcome(facts, over))
            return over

    async def look(
        self, verification_id: str, backend: Backend, *, live: bool
    ) -> View | NotFound | Over | Exhausted:
        """
        A verification as it stands, for the answer to a request that has left its row.

        Args:
            verification_id: The verification.
            backend: The backend.
            live: It has to be live.
        """
        found = await self.requests.find(verification_id, backend)
        if found is None:
            return NotFound()
        now = self.requests.clock.now()
        seen = await self.requests.look(*found, now)
        if live and seen.status is Status.MAX_ATTEMPTS_REACHED:
            return Exhausted(seen.resend_at)
        if live and seen.status is not Status.PENDING:
            return Over(seen.status, seen.resend_at)
        return await self.requests.view(found[1], seen, now)

    async def sends_of(self, verification: Verification) -> Sequence[KeptSend]:
        """The sends of a verification, oldest first."""
        return await self.requests.verifications.sends_of(verification.id)

    def digits(self, app: App) -> int:
        """How many the codes of *app* have that are sent to numbers."""
        purpose = app.rules.default_purposes.get(ContactKind.PHONE, Purpose.PHONE_VERIFICATION)
        return self.requests.policy_of(app, purpose).digits

    async def _latest(self, to: str, app: App) -> str | None:
        contact = read_contact(to, app, self.requests.reach)
        purpose = None
        if not isinstance(contact, Flaw):
            purpose = app.rules.default_purposes.get(contact.kind)
        if isinstance(contact, Flaw) or purpose is None:
            return None
        slot = slot_of(app.id, purpose, contact.value)

        def decide(held: Held) -> Decision[Held, str | None]:
            challenge = held.record.others.challenge
            return Decision(None if challenge is None else challenge.id, held)

        return await self.requests.slots.transition(slot, (), decide)
