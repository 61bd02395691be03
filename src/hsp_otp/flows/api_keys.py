"""API keys: making them, and authentication of the backends that hold them."""

import attrs

from hsp_otp.domain import api_keys
from hsp_otp.domain.api_keys import (
    ID_BYTES,
    SECRET_BYTES,
    ApiKey,
    Forbidden,
    PresentedKey,
    Scope,
    Unauthorized,
)
from hsp_otp.domain.audit import Action, AuditFacts
from hsp_otp.domain.client_limits import Counted
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.quota import Refusal
from hsp_otp.flows.caller import Caller, audited_failures
from hsp_otp.flows.limits import Limiter
from hsp_otp.ports.api_keys import ApiKeyRegister, ApiKeyRepository
from hsp_otp.ports.apps import AppRepository
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.randomness import Randomness


@attrs.frozen(kw_only=True)
class ApiKeys:
    """
    Authenticates the holders of API keys.

    Attributes:
        ring: The ring of API keys.
    """

    keys: ApiKeyRepository
    apps: AppRepository
    limiter: Limiter
    audit: AuditTrail
    clock: Clock
    ring: KeyRing

    async def authenticate(
        self, text: str | None, scope: Scope, caller: Caller, account_id: str | None = None
    ) -> ApiKey | Unauthorized | Forbidden | Refusal:
        """
        The key in *text*, if it may be used for *scope*.

        Failures are charged to the client. Once they reach the limit, right keys are refused like
        wrong ones, so that a refused guess reveals nothing.

        Args:
            text: What was presented as a key; None if nothing was.
            account_id: The account whose key it was presented as, or the key of one of its apps;
                None if it was presented alone.

        Raises:
            Unavailable: A store did not answer.
        """
        facts = AuditFacts(
            at=self.clock.now(),
            flow=None,
            purpose=None,
            action=Action.AUTHENTICATE,
            client=caller.client,
            request_id=caller.request_id,
        )
        async with audited_failures(self.audit, facts):
            presented = None if text is None else PresentedKey.read(text)
            held = None if presented is None else await self.keys.find(presented.id)
            if held is not None and account_id not in {None, await self._account_of(held)}:
                held = None
            outcome = api_keys.authenticate(held, presented, scope, self.ring)
            refusal = await self._charge(outcome, facts, caller)
        if refusal is not None:
            return refusal
        if isinstance(outcome, ApiKey) and presented is not None:
            becomes = api_keys.use(outcome, presented, self.ring, facts.at)
            if becomes is not outcome:
                self.keys.note_use(outcome, becomes)
        return outcome

    async def _account_of(self, key: ApiKey) -> str | None:
        app = None if key.app_id is None else await self.apps.find(key.app_id)
        return key.account_id if app is None else app.account_id

    async def _charge(
        self, outcome: ApiKey | Unauthorized | Forbidden, facts: AuditFacts, caller: Caller
    ) -> Refusal | None:
        known = outcome.id if isinstance(outcome, ApiKey) else outcome.api_key_id
        return await self.limiter.admit(
            Counted.AUTHENTICATIONS,
            caller.client,
            attrs.evolve(facts, api_key_id=known),
            None if isinstance(outcome, ApiKey) else outcome,
            charges=isinstance(outcome, Unauthorized),
        )


async def make_api_key(
    register: ApiKeyRegister,
    ring: KeyRing,
    name: str,
    scopes: frozenset[Scope],
    *,
    app_id: str | None = None,
    account_id: str | None = None,
    clock: Clock,
    randomness: Randomness,
) -> PresentedKey:
    """
    Make a key for an operator. Nothing can show it again.

    Args:
        ring: The ring of API keys.
        app_id: The app that it is to act for.
        account_id: The account for all of whose apps it is to act.

    Raises:
        Unavailable: The database did not answer; the key may have been stored.
    """
    presented = PresentedKey.mint(randomness.draw(ID_BYTES + SECRET_BYTES))
    key = ApiKey.make(
        presented,
        name=name,
        scopes=scopes,
        ring=ring,
        now=clock.now(),
        app_id=app_id,
        account_id=account_id,
    )
    await register.add(key)
    return presented
