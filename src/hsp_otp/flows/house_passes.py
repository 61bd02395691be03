"""Passes and their holders as the house's own backend keeps them, by API."""

import attrs

from hsp_otp.domain import pass_changes
from hsp_otp.domain.api_keys import ApiKey
from hsp_otp.domain.audit import Action, AuditFacts, AuditRow
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.listed_passes import ListedPass
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.pass_changes import Change, HeldPass, PassPut, PutOutcome
from hsp_otp.domain.passes import KeptPass, PassNotFound
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.flows.caller import Caller, about, audited_failures, new_id
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.passes import PassRepository
from hsp_otp.ports.randomness import Randomness


@attrs.frozen(kw_only=True)
class HousePasses:
    """
    Puts, shows and ends passes at the request of the house's backend.

    Only what changes something leaves a row, in the same transaction as the change.

    Attributes:
        fingerprints: The ring of contact fingerprints.
    """

    passes: PassRepository
    audit: AuditTrail
    clock: Clock
    randomness: Randomness
    fingerprints: KeyRing

    async def put(self, listed: ListedPass, key: ApiKey, caller: Caller) -> PutOutcome:
        """
        Store a pass and its holder as *listed*.

        Raises:
            Unavailable: The database did not answer; the pass may have been stored, and the request
                may be repeated.
        """
        identity = new_id(self.randomness)
        facts = self._facts(Action.PUT_PASS, listed.code, key, caller)

        def decide(held: HeldPass) -> Decision[HeldPass, PutOutcome]:
            decision = pass_changes.put(held, listed, identity)
            if not isinstance(decision.outcome, PassPut) or decision.becomes is held:
                return decision
            rows = (self._row(facts, decision.outcome.change, listed.user.phone),)
            return attrs.evolve(decision, rows=rows)

        async with audited_failures(self.audit, facts):
            return await self.passes.transition(listed.code, listed.user, decide)

    async def find(self, code: PassCode) -> KeptPass | PassNotFound:
        """
        A pass with its holder, whether it is usable or not.

        Raises:
            Unavailable: The database did not answer.
        """
        return await self.passes.find_kept(code) or PassNotFound()

    async def end(self, code: PassCode, key: ApiKey, caller: Caller) -> Change:
        """
        End a pass; its holder stays.

        Raises:
            Unavailable: The database did not answer; the pass may have ended, and the request may
                be repeated.
        """
        facts = self._facts(Action.END_PASS, code, key, caller)

        def decide(held: HeldPass) -> Decision[HeldPass, Change]:
            decision = pass_changes.end(held)
            if held.stored is None:
                return decision
            row = self._row(facts, decision.outcome, held.stored.user.phone)
            return attrs.evolve(decision, rows=(row,))

        async with audited_failures(self.audit, facts):
            return await self.passes.transition(code, None, decide)

    def _facts(self, action: Action, code: PassCode, key: ApiKey, caller: Caller) -> AuditFacts:
        return AuditFacts(
            at=self.clock.now(),
            flow=None,
            purpose=None,
            action=action,
            client=caller.client,
            request_id=caller.request_id,
            pass_code=code.masked,
            api_key_id=key.id,
        )

    def _row(self, facts: AuditFacts, change: Change, phone: PhoneNumber | None) -> AuditRow:
        if phone is not None:
            facts = about(facts, Contact.of_phone(phone), self.fingerprints)
        return AuditRow(facts=facts, outcome=change.value)
