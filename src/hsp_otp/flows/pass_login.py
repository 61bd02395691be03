"""Pass login: from a pass code through the masked number and a code by SMS to a sign-in."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar, TypeVar

import attrs

from hsp_otp.domain.audit import Action, AuditFacts, AuditRow
from hsp_otp.domain.challenge_outcomes import (
    Exhausted,
    Locked,
    NoLiveCode,
    Standing,
    Verified,
    WrongCode,
)
from hsp_otp.domain.client_limits import look_up_charges
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import (
    Pass,
    PassNotFound,
    UnusablePass,
    UsablePass,
    usable,
)
from hsp_otp.domain.purposes import Flow, Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.refresh_tokens import AlreadyBegan
from hsp_otp.domain.repeated_success import VerifiedAgain
from hsp_otp.domain.slot_record import Presented, Request
from hsp_otp.flows.caller import Caller, about, audited_failures, visit_of, with_outcome
from hsp_otp.flows.limits import Limiter
from hsp_otp.flows.otp import AskedOutcome, Otp, of_success
from hsp_otp.flows.sessions import Grant, Handed, Sessions
from hsp_otp.ports.passes import Passes

M = TypeVar("M")
S = TypeVar("S")


@attrs.frozen
class SignedIn:
    """
    The code was right, and the customer is signed in.

    Attributes:
        contact: The one that the code was sent to.
        at: The instant of the sign-in.
        device_token: Makes this device a known one.
    """

    word: ClassVar[str] = "verified"
    grant: Grant
    signed_in: Pass
    contact: Contact
    at: Instant
    device_token: str = attrs.field(repr=False)


@attrs.frozen
class LedBack:
    """
    The code was right, and another site's backend completes the sign-in.

    Attributes:
        handed: What the browser takes there.
        contact: The one that the code was sent to.
        device_token: Makes this device a known one.
        again: The code was right a moment ago in the same browser.
    """

    word: ClassVar[str] = "verified"
    handed: Handed
    contact: Contact
    device_token: str = attrs.field(repr=False)
    again: bool


FoundPass = UsablePass | UnusablePass
_SignIn = Callable[[Verified | VerifiedAgain, Pass, AuditFacts, Request], Awaitable[S | NoLiveCode]]
"""What follows a right code."""

LookUpOutcome = FoundPass | Refusal
SendOutcome = AskedOutcome | UnusablePass
UnverifiedOutcome = UnusablePass | Refusal | Locked | WrongCode | NoLiveCode | Exhausted
VerifyOutcome = SignedIn | UnverifiedOutcome


@attrs.frozen(kw_only=True)
class PassLogin:
    """
    The journey of pass login.

    Attributes:
        fingerprints: The ring of contact fingerprints.
    """

    otp: Otp
    sessions: Sessions
    passes: Passes
    limiter: Limiter
    fingerprints: KeyRing

    async def validate(self, code: PassCode, caller: Caller) -> LookUpOutcome:
        """
        Look up a pass.

        Raises:
            Unavailable: A store did not answer.
        """
        looked = await self._look_up(code, caller, Action.LOOK_UP)
        return _alike(looked.outcome) if looked.uniform else looked.outcome

    async def send(self, code: PassCode, caller: Caller) -> SendOutcome:
        """
        Send a code to the holder of a pass.

        Raises:
            Unavailable: A store did not answer.
        """
        looked = await self._look_up(code, caller, Action.SEND)
        found = looked.outcome
        if not isinstance(found, UsablePass):
            return _alike(found) if looked.uniform else found
        facts = about(looked.facts, found.contact, self.fingerprints)
        async with audited_failures(self.otp.audit, facts):
            request = _request(found, caller)
            return await self.otp.ask(request, facts, caller.language, caller.work)

    async def verify(
        self,
        code: PassCode,
        guess: Code,
        challenge_id: str | None,
        caller: Caller,
        browser: str | None = None,
    ) -> VerifyOutcome:
        """
        Check a code and sign the holder of the pass in.

        Args:
            guess: The presented code.
            challenge_id: The challenge that the code is for, if the caller knows it.
            browser: A value that identifies the caller's browser, which may present a right code
                again if the answer was lost.

        Raises:
            Unavailable: A store did not answer; the guess may have been counted.
        """
        return await self._verify(
            code, guess, challenge_id, caller, browser=browser, sign_in=self._sign_in
        )

    async def verify_and_lead_back(
        self,
        code: PassCode,
        guess: Code,
        challenge_id: str | None,
        caller: Caller,
        *,
        browser: str | None,
        return_url: str,
    ) -> LedBack | UnverifiedOutcome:
        """
        Check a code as `verify` does, for a sign-in that another site's backend completes.

        Args:
            return_url: The address of that site.

        Raises:
            Unavailable: As for `verify`.
        """
        lead_back = partial(self._lead_back, return_url=return_url)
        return await self._verify(
            code, guess, challenge_id, caller, browser=browser, sign_in=lead_back
        )

    async def _verify(
        self,
        code: PassCode,
        guess: Code,
        challenge_id: str | None,
        caller: Caller,
        *,
        browser: str | None,
        sign_in: "_SignIn[S]",
    ) -> S | UnverifiedOutcome:
        looked = await self._look_up(code, caller, Action.CHECK)
        found = looked.outcome
        if isinstance(found, UnusablePass) and looked.uniform:
            # Checks must not serve as a scan either: answer as for a usable pass without a code.
            return NoLiveCode(looked.facts.at)
        if not isinstance(found, UsablePass):
            return found
        request, presented = _request(found, caller), Presented(guess, challenge_id)
        facts = about(looked.facts, found.contact, self.fingerprints)
        async with audited_failures(self.otp.audit, facts):
            outcome = await (
                self.otp.check(request, presented, facts)
                if browser is None
                else self.otp.check_in_browser(request, presented, facts, browser)
            )
            if not isinstance(outcome, Verified | VerifiedAgain):
                return outcome
            facts = of_success(facts, outcome)
            return await sign_in(outcome, found.found, facts, request)

    async def standing(
        self, code: PassCode, challenge_id: str | None, caller: Caller
    ) -> Standing | None:
        """
        The current state for *caller*, None if the pass is not usable; charges nothing.

        It is meant for somebody whose look-up was charged and whose request was refused.

        Args:
            challenge_id: The challenge that the caller would name, if any.

        Raises:
            Unavailable: A store did not answer.
        """
        found = usable(await self.passes.find(code))
        if not isinstance(found, UsablePass):
            return None
        return await self.otp.look(_request(found, caller), challenge_id)

    async def _look_up(self, code: PassCode, caller: Caller, action: Action) -> "_LookedUp":
        """
        Make the look-up, charge it, and only then answer.

        If the request ends with the look-up, it is audited here, in the same step.
        """
        facts = self._facts(code, caller, action)
        checking = action is Action.CHECK
        async with audited_failures(self.otp.audit, facts):
            found = usable(await self.passes.find(code))
            missed = not isinstance(found, UsablePass)
            charged = attrs.evolve(facts, charged=look_up_charges(missed=missed, checking=checking))
            ended: AuditRow | None = None
            if not isinstance(found, UsablePass):
                ended = with_outcome(charged, found, changed=True)
            elif action is Action.LOOK_UP:
                about_it = about(charged, found.contact, self.fingerprints)
                ended = with_outcome(about_it, found, changed=True)
            outcome = await self.limiter.look_up(
                caller.client, facts, missed=missed, checking=checking, ended=ended
            )
        if isinstance(outcome, Refusal):
            return _LookedUp(outcome, facts)
        return _LookedUp(found, charged, outcome.uniform)

    async def _sign_in(
        self, verified: Verified | VerifiedAgain, found: Pass, facts: AuditFacts, request: Request
    ) -> SignedIn | NoLiveCode:
        grant = await self.sessions.begin(verified.challenge, found, facts)
        if isinstance(grant, AlreadyBegan):
            return NoLiveCode(verified.resend_at)
        token = self.otp.device_token(request, verified)
        contact = verified.challenge.contact
        return SignedIn(grant, found, contact, self.otp.clock.now(), token)

    async def _lead_back(
        self,
        verified: Verified | VerifiedAgain,
        found: Pass,
        facts: AuditFacts,
        request: Request,
        return_url: str,
    ) -> LedBack | NoLiveCode:
        handed = await self.sessions.hand_over(verified.challenge, found, facts, return_url)
        if isinstance(handed, AlreadyBegan):
            return NoLiveCode(verified.resend_at)
        contact, again = verified.challenge.contact, isinstance(verified, VerifiedAgain)
        return LedBack(handed, contact, self.otp.device_token(request, verified), again)

    def _facts(self, code: PassCode, caller: Caller, action: Action) -> AuditFacts:
        return AuditFacts(
            at=self.otp.clock.now(),
            flow=Flow.PASS_LOGIN,
            purpose=Purpose.PHONE_VERIFICATION,
            action=action,
            client=caller.client,
            request_id=caller.request_id,
            pass_code=code.masked,
            visit=visit_of(caller),
        )


@attrs.frozen
class _LookedUp:
    """
    The result of a look-up.

    Attributes:
        facts: What is known of the request. Their instant equals that of the charges, so each leads
            to the other.
        uniform: The caller must not learn why a pass is not usable.
    """

    outcome: LookUpOutcome
    facts: AuditFacts
    uniform: bool = False


def _request(found: UsablePass, caller: Caller) -> Request:
    return Request(
        slot=Slot(Subject(SubjectKind.USER, found.found.user.id), Purpose.PHONE_VERIFICATION),
        flow=Flow.PASS_LOGIN,
        contact=found.contact,
        client=caller.client,
        devices=caller.devices,
    )


def _alike(outcome: M) -> M | PassNotFound:
    return PassNotFound() if isinstance(outcome, UnusablePass) else outcome
