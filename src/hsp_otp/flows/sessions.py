"""Sessions after a proof: sign-in with tokens, refresh, sign-out."""

from __future__ import annotations  # those of nested functions would cost every request

from typing import ClassVar

import attrs

from hsp_otp.domain.audit import Action, AuditFacts, SignInRow
from hsp_otp.domain.client_limits import Counted
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.exchange import (
    CodeReused,
    Exchanged,
    ExchangeOutcome,
    InvalidCode,
    PassUnusable,
    exchange,
    is_exchangeable,
)
from hsp_otp.domain.instant import Duration, Instant, after
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.passes import Pass, UsablePass, User, usable
from hsp_otp.domain.policy import EXCHANGE_LIFETIME
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.refresh_tokens import (
    AlreadyBegan,
    Began,
    BeganAgain,
    BeginOutcome,
    Exchange,
    ExchangeCode,
    Family,
    InvalidToken,
    PassLapsed,
    Refreshed,
    RefreshOutcome,
    RefreshToken,
    Revoked,
    TokenReused,
    begin,
    refresh,
    revoke,
)
from hsp_otp.domain.slot_record import Challenge
from hsp_otp.flows.caller import Caller, about, audited_failures, new_id, with_outcome
from hsp_otp.flows.limits import Limiter
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.passes import Passes
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.refresh_tokens import FamilyRepository
from hsp_otp.ports.tokens import Access, AccessTokens

_TOKEN_BYTES = 32

RefusedToken = InvalidToken | PassLapsed | TokenReused
RefusedCode = InvalidCode | CodeReused | PassUnusable


@attrs.frozen(kw_only=True)
class Grant:
    """
    The tokens of a signed-in customer.

    Attributes:
        access_token: Other backends accept it too.
        refresh_token: Opaque.
        expires_in: Lifetime of the access token.
    """

    access_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    expires_in: Duration


@attrs.frozen
class Handed:
    """
    What the browser takes to another site in place of tokens.

    Attributes:
        code: For the backend of that site.
        until: The end of the code's life.
    """

    code: str = attrs.field(repr=False)
    until: Instant


@attrs.frozen
class Redeemed:
    """
    The tokens of a code, with the pass of the sign-in.

    Attributes:
        at: The instant of the exchange.
    """

    word: ClassVar[str] = Exchanged.word
    grant: Grant
    signed_in: Pass
    at: Instant


@attrs.frozen
class Me:
    """The pass of the sign-in, with its user, in the state at that instant."""

    signed_in: Pass
    at: Instant


@attrs.frozen(kw_only=True)
class Sessions:
    """
    The sessions of signed-in customers.

    Attributes:
        refresh_keys: The ring of refresh tokens.
        exchange_keys: The ring of exchange codes.
        fingerprints: The ring of contact fingerprints.
        access_lifetime: Lifetime of an access token.
        family_lifetime: Lifetime of a family of refresh tokens, from the sign-in.
    """

    families: FamilyRepository
    passes: Passes
    limiter: Limiter
    access_tokens: AccessTokens
    audit: AuditTrail
    clock: Clock
    randomness: Randomness
    refresh_keys: KeyRing
    exchange_keys: KeyRing
    fingerprints: KeyRing
    access_lifetime: Duration
    family_lifetime: Duration

    async def begin(
        self, challenge: Challenge, found: Pass, facts: AuditFacts
    ) -> Grant | AlreadyBegan:
        """
        Sign the holder of *found* in, once per challenge.

        Args:
            challenge: The challenge of the right code; it remembers the browser, if there is one.
            facts: What is known of the request.

        Raises:
            Unavailable: The database did not answer; the sign-in may have been recorded.
        """
        token = self._fresh_token(challenge.id)
        now = self.clock.now()
        outcome = await self._begin(challenge, found, facts, token=token, now=now)
        if isinstance(outcome, AlreadyBegan):
            return outcome
        return self._grant(outcome.family, found.user, token, now)

    async def hand_over(
        self, challenge: Challenge, found: Pass, facts: AuditFacts, return_url: str
    ) -> Handed | AlreadyBegan:
        """
        Sign the holder of *found* in as `begin` does, with an exchange code in place of tokens.

        Args:
            return_url: The address that the code is for.

        Raises:
            Unavailable: As for `begin`.
        """
        random = self.randomness.draw(_TOKEN_BYTES)
        code = ExchangeCode.mint(self.exchange_keys.first, challenge.id, random)
        now = self.clock.now()
        made = Exchange(return_url, after(now, EXCHANGE_LIFETIME))
        outcome = await self._begin(challenge, found, facts, token=code, now=now, made=made)
        if isinstance(outcome, AlreadyBegan):
            return outcome
        return Handed(code.value, made.until)

    async def _begin(
        self,
        challenge: Challenge,
        found: Pass,
        facts: AuditFacts,
        *,
        token: RefreshToken,
        now: Instant,
        made: Exchange | None = None,
    ) -> Began | BeganAgain | AlreadyBegan:
        success = challenge.success
        marks = SignInRow(
            user_id=found.user.id, pass_code=found.code.value, pass_ended=found.is_expired(now)
        )

        def decide(held: Family | None) -> Decision[Family | None, BeginOutcome]:
            decision = begin(
                held,
                token=token,
                family_id=challenge.id,
                user_id=found.user.id,
                pass_code=found.code,
                purpose=challenge.purpose,
                channel=challenge.channel,
                lifetime=self.family_lifetime,
                now=now,
                browser=None if success is None else success.browser,
                exchange=made,
            )
            began = isinstance(decision.outcome, Began)
            ended = with_outcome(facts, decision.outcome, changed=decision.becomes is not held)
            rows = (ended, marks) if began else (ended,)
            return Decision(decision.outcome, decision.becomes, rows)

        return await self.families.transition(challenge.id, decide)

    async def is_exchangeable(self, text: str, return_url: str) -> bool:
        """
        Whether an exchange code can still be exchanged; changes nothing.

        Raises:
            Unavailable: The database did not answer.
        """
        presented = ExchangeCode.read(text, self.exchange_keys)
        if presented is None:
            return False
        family = await self.families.transition(presented.family_id, _look)
        return is_exchangeable(family, presented, return_url, self.clock.now())

    async def exchange(
        self, text: str, return_url: str, caller: Caller, api_key_id: str
    ) -> Redeemed | RefusedCode:
        """
        Give the first tokens of a sign-in for its exchange code, once.

        Args:
            return_url: The address that codes are made for now.
            api_key_id: The key of the caller.

        Raises:
            Unavailable: A store did not answer; the code may have been used.
        """
        facts = attrs.evolve(self._facts(Action.EXCHANGE, caller), api_key_id=api_key_id)
        async with audited_failures(self.audit, facts):
            return await self._exchange(text, return_url, facts)

    async def _exchange(
        self, text: str, return_url: str, facts: AuditFacts
    ) -> Redeemed | RefusedCode:
        presented = ExchangeCode.read(text, self.exchange_keys)
        if presented is None:
            return await self._unknown(facts)
        family = await self.families.transition(presented.family_id, _look)
        if family is None:
            return await self._unknown(facts)
        found = usable(await self.passes.find(family.pass_code))
        if isinstance(found, UsablePass) and found.found.user.id == family.user_id:
            facts, held_by = self._about(facts, family, found), found.found
        else:
            facts, held_by = self._about(facts, family, None), None
        fresh = self._fresh_token(family.id)

        def decide(held: Family | None) -> Decision[Family | None, ExchangeOutcome]:
            decision = exchange(
                held,
                presented=presented,
                return_url=return_url,
                fresh=fresh,
                usable=held_by,
                now=facts.at,
            )
            changed = decision.becomes is not held
            return attrs.evolve(
                decision, rows=(with_outcome(facts, decision.outcome, changed=changed),)
            )

        outcome = await self.families.transition(family.id, decide)
        if isinstance(outcome, Exchanged):
            grant = self._grant(outcome.family, outcome.signed_in.user, fresh, facts.at)
            return Redeemed(grant, outcome.signed_in, facts.at)
        return outcome

    async def _unknown(self, facts: AuditFacts) -> InvalidCode:
        outcome = InvalidCode()
        await self.audit.write(with_outcome(facts, outcome))
        return outcome

    async def refresh(self, text: str, caller: Caller) -> Grant | RefusedToken | Refusal:
        """
        Exchange a refresh token for a new pair of tokens.

        A token of an unknown family is charged to the client, and refused once the limit is
        reached.

        Raises:
            Unavailable: A store did not answer; the token may have been rotated.
        """
        facts = self._facts(Action.REFRESH, caller)
        async with audited_failures(self.audit, facts):
            return await self._refresh(text, facts, caller)

    async def _refresh(
        self, text: str, facts: AuditFacts, caller: Caller
    ) -> Grant | RefusedToken | Refusal:
        now = facts.at
        presented = RefreshToken.read(text, self.refresh_keys)
        if presented is None:
            return await self._rejected(facts, caller)
        family = await self.families.transition(presented.family_id, _look)
        if family is None:
            return await self._rejected(facts, caller)
        found = usable(await self.passes.find(family.pass_code))
        user = found.found.user if isinstance(found, UsablePass) else None
        is_usable = user is not None and user.id == family.user_id
        facts = self._about(facts, family, found if is_usable else None)
        fresh = self._fresh_token(family.id)

        def decide(held: Family | None) -> Decision[Family | None, RefreshOutcome]:
            decision = refresh(held, presented=presented, fresh=fresh, usable=is_usable, now=now)
            changed = decision.becomes is not held
            return attrs.evolve(
                decision, rows=(with_outcome(facts, decision.outcome, changed=changed),)
            )

        outcome = await self.families.transition(family.id, decide)
        if isinstance(outcome, Refreshed):
            assert user is not None, "the pass is usable"  # noqa: S101 - for the type checkers
            return self._grant(outcome.family, user, fresh, now)
        return outcome

    async def revoke(self, text: str, caller: Caller) -> Refusal | None:
        """
        End the family of a refresh token; any other text changes nothing.

        A token of an unknown family is charged as in `refresh`.

        Raises:
            Unavailable: The database did not answer.
        """
        facts = self._facts(Action.REVOKE, caller)
        async with audited_failures(self.audit, facts):
            outcome = await self._revoke(text, facts, caller)
            return outcome if isinstance(outcome, Refusal) else None

    async def _revoke(
        self, text: str, facts: AuditFacts, caller: Caller
    ) -> Revoked | InvalidToken | Refusal:
        presented = RefreshToken.read(text, self.refresh_keys)
        if presented is None:
            return await self._rejected(facts, caller)

        def decide(held: Family | None) -> Decision[Family | None, Revoked | InvalidToken | None]:
            if held is None:
                return Decision(None, None)
            decision = revoke(held, now=facts.at)
            changed = decision.becomes is not held
            ended = with_outcome(self._about(facts, held, None), decision.outcome, changed=changed)
            return Decision(decision.outcome, decision.becomes, (ended,))

        outcome = await self.families.transition(presented.family_id, decide)
        return outcome or await self._rejected(facts, caller)

    async def me(self, access_token: str) -> Me | InvalidToken:
        """
        The holder of *access_token*, whose family must still be live.

        Raises:
            Unavailable: The database did not answer.
        """
        now = self.clock.now()
        access = self.access_tokens.verify(access_token, now)
        if access is None:
            return InvalidToken()
        family = await self.families.transition(access.family_id, _look)
        if family is None or not family.lives(now):
            return InvalidToken()
        found = await self.passes.find(family.pass_code)
        if found is None or found.user.id != family.user_id:
            return InvalidToken()
        # A token may be older than the house's id of its user.
        if access.user_id not in {found.user.known_as, found.user.id}:
            return InvalidToken()
        return Me(found, now)

    def _fresh_token(self, family_id: str) -> RefreshToken:
        random = self.randomness.draw(_TOKEN_BYTES)
        return RefreshToken.mint(self.refresh_keys.first, family_id, random)

    def _grant(self, family: Family, user: User, token: RefreshToken, now: Instant) -> Grant:
        access = Access(
            user_id=user.known_as,
            email=user.email,
            family_id=family.id,
            token_id=new_id(self.randomness),
            purpose=family.purpose,
            channel=family.channel,
            issued_at=now,
            expires_at=after(now, self.access_lifetime),
        )
        return Grant(
            access_token=self.access_tokens.sign(access),
            refresh_token=token.value,
            expires_in=self.access_lifetime,
        )

    def _facts(self, action: Action, caller: Caller) -> AuditFacts:
        return AuditFacts(
            at=self.clock.now(),
            flow=Flow.PASS_LOGIN,
            purpose=None,
            action=action,
            client=caller.client,
            request_id=caller.request_id,
        )

    def _about(self, facts: AuditFacts, family: Family, found: object) -> AuditFacts:
        facts = attrs.evolve(facts, purpose=family.purpose, pass_code=family.pass_code.masked)
        if isinstance(found, UsablePass):
            return about(facts, found.contact, self.fingerprints)
        return facts

    async def _rejected(self, facts: AuditFacts, caller: Caller) -> InvalidToken | Refusal:
        outcome = InvalidToken()
        refusal = await self.limiter.admit(Counted.REJECTED, caller.client, facts, outcome)
        return refusal or outcome


def _look(held: Family | None) -> Decision[Family | None, Family | None]:
    return Decision(held, held)
