"""Operators of the dashboard: sign in, search, sign out."""

import hashlib
import hmac
from functools import partial

import attrs

from hsp_otp.domain import operator_sessions
from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.operator_sessions import OperatorSession, WrongPassword
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.quota import Refusal
from hsp_otp.flows.caller import Caller, about, audited_failures, new_id, with_outcome
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.ended_sessions import EndedSessions
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.usage_counter import UsageCounter


@attrs.frozen(kw_only=True)
class Operators:
    """
    Controls access to the operators' page, and audits sign-ins and searches.

    If the database does not answer, all raise Unavailable: nobody is signed in, and a search
    returns nothing.

    Attributes:
        usage: The store that counts failures.
        ended: Sessions that were ended.
        password: The operators' password.
        network_factor: How many times the failures of one address its network may have.
        fingerprints: For fingerprints of the numbers that operators search for.
    """

    usage: UsageCounter
    ended: EndedSessions
    audit: AuditTrail
    clock: Clock
    randomness: Randomness
    password: str = attrs.field(repr=False)
    network_factor: int
    fingerprints: KeyRing

    async def sign_in(
        self, password: str, caller: Caller
    ) -> OperatorSession | WrongPassword | Refusal:
        """Start a session if *password* is right and this client may still try."""
        # Hashes have the same length, so the time taken reveals nothing about either password.
        right = hmac.compare_digest(_hash(password), _hash(self.password))
        now = self.clock.now()
        row = self._row(Action.OPS_SIGN_IN, caller)
        async with audited_failures(self.audit, row):
            refused = await self.usage.transition(
                operator_sessions.sign_in_keys(caller.client, network_factor=self.network_factor),
                partial(
                    operator_sessions.sign_in,
                    client=caller.client,
                    network_factor=self.network_factor,
                    right=right,
                    now=now,
                ),
            )
            if refused is not None:
                await self.audit.write(with_outcome(row, refused, changed=True))
                return refused
            await self.audit.write(attrs.evolve(row, outcome="signed_in"))
        return OperatorSession(new_id(self.randomness), now, now)

    async def sign_out(self, session: OperatorSession) -> None:
        """End *session* for everybody who has its cookie; raises like `EndedSessions.end`."""
        await self.ended.end(session.id, self.clock.now())

    async def is_over(self, session: OperatorSession) -> bool:
        """
        Whether *session* has expired or was ended.

        Raises:
            Unavailable: The database did not answer. The session has not expired, but may have been
                ended.
        """
        return not session.lives(self.clock.now()) or await self.ended.is_ended(session.id)

    async def search(self, number: PhoneNumber, caller: Caller) -> tuple[str, ...]:
        """The fingerprints to find rows of *number* by. The search itself is audited as well."""
        row = about(
            self._row(Action.OPS_SEARCH, caller), Contact.of_phone(number), self.fingerprints
        )
        await self.audit.write(attrs.evolve(row, outcome="searched"))
        return self.fingerprints.fingerprints(number.e164)

    def _row(self, action: Action, caller: Caller) -> AuditRow:
        return AuditRow(
            at=self.clock.now(),
            flow=None,
            purpose=None,
            action=action,
            outcome="",
            client=caller.client,
            request_id=caller.request_id,
        )


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
