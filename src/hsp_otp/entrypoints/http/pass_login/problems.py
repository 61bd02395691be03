"""The error answers of pass login."""

from typing import Final, assert_never

from hsp_otp.domain.challenge_outcomes import Exhausted, Locked, NoLiveCode, WrongCode
from hsp_otp.domain.passes import NoPhone, PassNotFound, PassNotPaid, UnusablePass
from hsp_otp.domain.quota import Refusal
from hsp_otp.entrypoints.http.problems import Problem, of_ask, of_check, of_refusal
from hsp_otp.flows.otp import NotSent

PASS_CODE_REQUIRED: Final = Problem(400, "pass_code_required")
INVALID_FORMAT: Final = Problem(400, "invalid_format")
INVALID_PASS: Final = Problem(400, "invalid_pass")
NO_PHONE_NUMBER: Final = Problem(400, "no_phone_number")


def of_look_up(outcome: UnusablePass | Refusal, *, uniform: bool = False) -> Problem:
    """
    Return the problem of a pass that cannot be used.

    Args:
        uniform: Give the same answer for an unknown pass, an unpaid pass and one without a number.
    """
    if uniform and isinstance(outcome, UnusablePass):
        return Problem(200, PassNotFound.word)
    match outcome:
        case Refusal():
            return of_refusal(outcome)
        case PassNotFound():
            return Problem(200, outcome.word)
        case PassNotPaid():
            return Problem(200, outcome.word)
        case NoPhone():
            return Problem(400, outcome.word)
        case _:
            assert_never(outcome)


def of_send(outcome: UnusablePass | NotSent, *, uniform: bool = False) -> Problem:
    """Why no code was sent."""
    if isinstance(outcome, NoPhone) and not uniform:
        return NO_PHONE_NUMBER
    return INVALID_PASS if isinstance(outcome, UnusablePass) else of_ask(outcome)


def of_verify(
    outcome: UnusablePass | WrongCode | NoLiveCode | Exhausted | Locked | Refusal,
) -> Problem:
    """Why a presented code signed nobody in."""
    return INVALID_PASS if isinstance(outcome, UnusablePass) else of_check(outcome)
