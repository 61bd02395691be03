"""The error answers of pass login."""

from typing import Final, assert_never

import attrs

from hsp_otp.domain.challenge_outcomes import Exhausted, Locked, NoLiveCode, WrongCode
from hsp_otp.domain.passes import NoPhone, PassNotFound, PassNotPaid, UnusablePass
from hsp_otp.domain.quota import Refusal
from hsp_otp.entrypoints.http.problems import Problem, of_ask, of_check, of_refusal
from hsp_otp.flows.otp import NotSent, Undelivered

PASS_CODE_REQUIRED: Final = Problem(400, "pass_code_required")
INVALID_FORMAT: Final = Problem(400, "invalid_format")
INVALID_PASS: Final = Problem(400, "invalid_pass")
NO_PHONE_NUMBER: Final = Problem(400, "no_phone_number", asks_for_support=True)


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
            return Problem(200, outcome.word, asks_for_support=True)
        case NoPhone():
            return Problem(400, outcome.word, asks_for_support=True)
        case _:
            assert_never(outcome)


def of_send(outcome: UnusablePass | NotSent, *, uniform: bool = False) -> Problem:
    """Why no code was sent."""
    if isinstance(outcome, NoPhone) and not uniform:
        return NO_PHONE_NUMBER
    if isinstance(outcome, UnusablePass):
        return INVALID_PASS
    problem = of_ask(outcome)
    if isinstance(outcome, Undelivered) and outcome.for_good and not outcome.by_call:
        # Its holder cannot enter another number, as a visitor of signup can.
        return attrs.evolve(problem, sentence="sms_refused_for_pass", asks_for_support=True)
    return problem


def of_verify(
    outcome: UnusablePass | WrongCode | NoLiveCode | Exhausted | Locked | Refusal,
) -> Problem:
    """Why a presented code signed nobody in."""
    return INVALID_PASS if isinstance(outcome, UnusablePass) else of_check(outcome)
