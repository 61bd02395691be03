"""The answers of signup that are no success."""

from hsp_otp.domain.challenge import Exhausted, Locked, NoLiveCode, WrongCode
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.signup import NEXT_STEP, AlreadyVerified, Closed, SessionNotFound
from hsp_otp.entrypoints.http.problems import Problem, of_ask, of_check
from hsp_otp.flows.otp import Undelivered


def of_signup_send(outcome: Closed | Refusal | Locked | Undelivered) -> Problem:
    """Why no code was sent for a signup."""
    match outcome:
        case SessionNotFound() | AlreadyVerified():
            return _of_closed(outcome)
        case _:
            return of_ask(outcome)


def of_signup_verify(
    outcome: Closed | Refusal | Locked | WrongCode | NoLiveCode | Exhausted,
) -> Problem:
    """Why a presented code proved no number."""
    match outcome:
        case SessionNotFound() | AlreadyVerified():
            return _of_closed(outcome)
        case Exhausted():
            # A limit here: what to wait for is a new code.
            return Problem(429, outcome.word, outcome.resend_at, outcome.resend_at)
        case _:
            return of_check(outcome)


def _of_closed(outcome: Closed) -> Problem:
    if isinstance(outcome, AlreadyVerified):
        return Problem(400, outcome.word, next_step=NEXT_STEP)
    return Problem(400, outcome.word)
