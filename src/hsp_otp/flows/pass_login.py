"""Pass login: a pass code, the masked number, a code by SMS, and a signed-in customer."""

from typing import ClassVar

import attrs

from hsp_otp.domain.code import Code
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.lookups import keys, look_up
from hsp_otp.domain.names import ClientAddress, Flow, PassCode, Purpose, Slot, Subject
from hsp_otp.domain.passes import NoPhone, Pass, PassNotFound, PassNotPaid, UsablePass, usable
from hsp_otp.domain.policy import ClientLimits
from hsp_otp.domain.quota import Refusal, Usages
from hsp_otp.domain.repeats import VerifiedAgain
from hsp_otp.domain.rows import Action, AuditRow
from hsp_otp.domain.sessions import AlreadyBegan
from hsp_otp.domain.slot import (
    Challenge,
    Exhausted,
    Issued,
    Locked,
    NoLiveCode,
    Verified,
    WrongCode,
)
from hsp_otp.flows.caller import Caller, about, audited_failures, told
from hsp_otp.flows.otp import Otp, Request, Undelivered
from hsp_otp.flows.sessions import Grant, Sessions
from hsp_otp.ports.passes import Passes
from hsp_otp.ports.usage import UsageCounter


@attrs.frozen
class SignedIn:
    """
    The proof became a login.

    Attributes:
        at: The instant of the sign-in.
    """

    word: ClassVar[str] = "verified"
    grant: Grant
    signed_in: Pass
    at: Instant


@attrs.frozen
class CodeSent:
    """The provider took the message."""

    word: ClassVar[str] = "sent"
    challenge: Challenge
    resend_at: Instant | None


FoundPass = UsablePass | PassNotFound | PassNotPaid | NoPhone
LookUpOutcome = FoundPass | Refusal
SendOutcome = CodeSent | PassNotFound | PassNotPaid | NoPhone | Refusal | Locked | Undelivered
VerifyOutcome = (
    SignedIn
    | PassNotFound
    | PassNotPaid
    | NoPhone
    | Refusal
    | Locked
    | WrongCode
    | NoLiveCode
    | Exhausted
)


@attrs.frozen(kw_only=True)
class PassLogin:
    """
    Attributes:
        fingerprints: The ring of number fingerprints.
    """

    otp: Otp
    sessions: Sessions
    passes: Passes
    usage: UsageCounter
    limits: ClientLimits
    fingerprints: KeyRing

    async def validate(self, code: PassCode, caller: Caller) -> LookUpOutcome:
        """
        Look a pass up.

        Raises:
            Unavailable: A store did not answer.
        """
        return await self._look_up(code, caller, Action.LOOK_UP, self.otp.clock.now())

    async def send(self, code: PassCode, caller: Caller) -> SendOutcome:
        """
        Send a code to the holder of a pass.

        Raises:
            Unavailable: A store did not answer.
        """
        now = self.otp.clock.now()
        found = await self._look_up(code, caller, Action.SEND, now)
        if not isinstance(found, UsablePass):
            return found
        request = self._request(found, caller, Action.SEND, now)
        async with audited_failures(self.otp.audit, request.row):
            outcome = await self.otp.ask(request)
        if isinstance(outcome, Issued):
            return CodeSent(outcome.challenge, outcome.resend_at)
        return outcome

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
            challenge_id: Which challenge it is for, where the caller knows.
            browser: What tells the caller's browser apart; it may present a right code again,
                where the answer was lost.

        Raises:
            Unavailable: A store did not answer; the guess may have been counted.
        """
        now = self.otp.clock.now()
        found = await self._look_up(code, caller, Action.CHECK, now)
        if not isinstance(found, UsablePass):
            return found
        request = self._request(found, caller, Action.CHECK, now)
        async with audited_failures(self.otp.audit, request.row):
            outcome = await (
                self.otp.check(request, guess, challenge_id)
                if browser is None
                else self.otp.check_in_browser(request, guess, challenge_id, browser)
            )
            if not isinstance(outcome, Verified | VerifiedAgain):
                return outcome
            return await self._sign_in(outcome, found.found, request)

    async def _look_up(
        self, code: PassCode, caller: Caller, action: Action, now: Instant
    ) -> LookUpOutcome:
        """
        Make the look-up, charge it, and only then answer.

        Where it ends the request it is audited here, in the same step.

        Args:
            now: Of the charges and of the audit row, so that each can be told from the other.
        """
        row = self._row(code, caller, action, now)
        async with audited_failures(self.otp.audit, row):
            found = usable(await self.passes.find(code))
            return await self._charge(found, caller.client, row)

    async def _charge(
        self, found: FoundPass, client: ClientAddress, row: AuditRow
    ) -> LookUpOutcome:
        def decide(usages: Usages) -> Decision[Usages, LookUpOutcome]:
            decision = look_up(
                usages,
                client=client,
                limits=self.limits,
                missed=not isinstance(found, UsablePass),
                checking=row.action is Action.CHECK,
                now=row.at,
            )
            outcome = decision.outcome or found
            if isinstance(outcome, UsablePass) and row.action is not Action.LOOK_UP:
                return Decision(outcome, decision.becomes)
            ended = told(row, outcome.word, outcome)
            if isinstance(outcome, UsablePass):
                ended = about(ended, outcome.phone, self.fingerprints)
            return Decision(outcome, decision.becomes, (ended,))

        return await self.usage.transition(keys(client), decide)

    async def _sign_in(
        self, verified: Verified | VerifiedAgain, found: Pass, request: Request
    ) -> SignedIn | NoLiveCode:
        grant = await self.sessions.begin(verified.challenge, found, request.row)
        if isinstance(grant, AlreadyBegan):
            return NoLiveCode(verified.resend_at)
        return SignedIn(grant, found, self.otp.clock.now())

    def _request(self, found: UsablePass, caller: Caller, action: Action, now: Instant) -> Request:
        row = self._row(found.found.code, caller, action, now)
        return Request(
            slot=Slot(Subject("user", found.found.user.id), Purpose.PHONE_VERIFICATION),
            flow=Flow.PASS_LOGIN,
            phone=found.phone,
            client=caller.client,
            row=about(row, found.phone, self.fingerprints),
            language=caller.language,
        )

    def _row(self, code: PassCode, caller: Caller, action: Action, now: Instant) -> AuditRow:
        return AuditRow(
            at=now,
            flow=Flow.PASS_LOGIN,
            purpose=Purpose.PHONE_VERIFICATION,
            action=action,
            outcome="",
            client=caller.client,
            request_id=caller.request_id,
            pass_code=code.masked,
        )
