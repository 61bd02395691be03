"""Operators of the dashboard: sign in, search, sign out."""

import asyncio
import hashlib
import hmac
from functools import partial

import attrs

from hsp_otp.domain import operator_sessions
from hsp_otp.domain.audit import Action, AuditFacts, AuditRow
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.operator_sessions import OperatorSession, WrongPassword
from hsp_otp.domain.quota import Refusal
from hsp_otp.flows.caller import Caller, about, audited_failures, new_id, with_outcome
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.ended_sessions import EndedSessions
from hsp_otp.ports.operator_accounts import Account, OperatorAccounts
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
        password: The password that operators share; empty if there is none.
        accounts: The named operators; None without them.
        network_factor: How many times the failures of one address its network may have.
        fingerprints: For fingerprints of the contacts that operators search for.
    """

    usage: UsageCounter
    ended: EndedSessions
    audit: AuditTrail
    clock: Clock
    randomness: Randomness
    password: str = attrs.field(repr=False)
    accounts: OperatorAccounts | None
    network_factor: int
    fingerprints: KeyRing
    _turn: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)

    async def sign_in(
        self, name: str, password: str, caller: Caller
    ) -> OperatorSession | WrongPassword | Refusal:
        """
        Start a session if *password* is right and this client may still try.

        Args:
            name: The operator's name; empty for the shared password.
        """
        facts = self._facts(Action.OPS_SIGN_IN, caller)
        async with audited_failures(self.audit, facts):
            if not name or self.accounts is None:
                # Hashes have the same length, so the time taken reveals nothing about either.
                same = hmac.compare_digest(_hash(password), _hash(self.password))
                right = same and self.password != ""
                return await self._begin(facts, None, await self._judge(caller.client, right=right))
            # One at a time, because a comparison takes much memory.
            async with self._turn:
                account = await self.accounts.find(name)
                facts = attrs.evolve(facts, operator=account.name if account.exists else None)
                # An attempt that is refused anyway is not compared.
                refused = await self._judge(caller.client, right=True)
                if refused is None:
                    right = await self.accounts.opens(account, password)
                    refused = await self._judge(caller.client, right=right)
                return await self._begin(facts, account, refused)

    async def _begin(
        self, facts: AuditFacts, account: Account | None, refused: WrongPassword | Refusal | None
    ) -> OperatorSession | WrongPassword | Refusal:
        if refused is not None:
            await self.audit.write(with_outcome(facts, refused, changed=True))
            return refused
        await self.audit.write(AuditRow(facts=facts, outcome="signed_in"))
        now = self.clock.now()
        session = OperatorSession(new_id(self.randomness), now, now)
        if account is None:
            return session
        return attrs.evolve(session, operator=account.name, version=account.version)

    async def _judge(self, client: ClientAddress, *, right: bool) -> WrongPassword | Refusal | None:
        return await self.usage.transition(
            operator_sessions.sign_in_keys(client, network_factor=self.network_factor),
            partial(
                operator_sessions.sign_in,
                client=client,
                network_factor=self.network_factor,
                right=right,
                now=self.clock.now(),
            ),
        )

    async def sign_out(self, session: OperatorSession) -> None:
        """End *session* for everybody who has its cookie; raises like `EndedSessions.end`."""
        await self.ended.end(session.id, self.clock.now())

    async def is_over(self, session: OperatorSession) -> bool:
        """
        Whether *session* has expired or was ended, or its operator's account has changed.

        Raises:
            Unavailable: The database did not answer, or the accounts cannot be read. The session
                has not expired, but may have been ended.
        """
        if not session.lives(self.clock.now()) or not await self._is_current(session):
            return True
        return await self.ended.is_ended(session.id)

    async def search(
        self, contact: Contact, session: OperatorSession, caller: Caller
    ) -> tuple[str, ...]:
        """The fingerprints to find rows of *contact* by. The search itself is audited as well."""
        facts = attrs.evolve(self._facts(Action.OPS_SEARCH, caller), operator=session.operator)
        facts = about(facts, contact, self.fingerprints)
        await self.audit.write(AuditRow(facts=facts, outcome="searched"))
        return self.fingerprints.fingerprints(contact.value)

    async def _is_current(self, session: OperatorSession) -> bool:
        if session.operator is None:
            return self.password != ""
        if self.accounts is None:
            return False
        account = await self.accounts.find(session.operator)
        return account.exists and account.version == session.version

    def _facts(self, action: Action, caller: Caller) -> AuditFacts:
        return AuditFacts(
            at=self.clock.now(),
            flow=None,
            purpose=None,
            action=action,
            client=caller.client,
            request_id=caller.request_id,
        )


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
