"""The error answers of signup."""

from typing import Final

from hsp_otp.domain.challenge_outcomes import Exhausted, Locked, NoLiveCode, WrongCode
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.signup import NEXT_STEP, AlreadyVerified, Closed, SessionNotFound
from hsp_otp.entrypoints.http.problems import Problem, of_ask, of_check
from hsp_otp.flows.otp import NotSent

PHONE_REQUIRED: Final = Problem(400, "phone_required")
INVALID_PHONE: Final = Problem(400, "invalid_phone")
REGION_NOT_ALLOWED: Final = Problem(400, "region_not_allowed")
SESSION_NOT_FOUND: Final = Problem(400, SessionNotFound.word)


def of_signup_send(outcome: Closed | NotSent) -> Problem:
    """Return the problem of a signup code that was not sent."""
    match outcome:
        case SessionNotFound() | AlreadyVerified():
            return _of_closed(outcome)
        case _:
            return of_ask(outcome)


def of_signup_verify(
    outcome: Exhausted | Locked | Refusal | WrongCode | NoLiveCode | Closed,
) -> Problem:
    """Return the problem of a presented code that did not verify the number."""
    match outcome:
        case SessionNotFound() | AlreadyVerified():
            return _of_closed(outcome)
        case Exhausted():
            # In signup this is a limit: the caller has to wait for a new code.
            return Problem(429, outcome.word, outcome.resend_at, outcome.resend_at)
        case _:
            return of_check(outcome)


def _of_closed(outcome: Closed) -> Problem:
    if isinstance(outcome, AlreadyVerified):
        return Problem(400, outcome.word, next_step=NEXT_STEP)
    return Problem(400, outcome.word)
