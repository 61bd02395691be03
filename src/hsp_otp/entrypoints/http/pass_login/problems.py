"""The error answers of pass login."""

from typing import assert_never

from hsp_otp.domain.challenge import Exhausted, Locked, NoLiveCode, WrongCode
from hsp_otp.domain.passes import NoPhone, PassNotFound, PassNotPaid, UnusablePass
from hsp_otp.domain.quota import Refusal
from hsp_otp.entrypoints.http.problems import Problem, of_ask, of_check, of_refusal
from hsp_otp.flows.otp import Undelivered


def of_look_up(outcome: UnusablePass | Refusal, *, uniform: bool) -> Problem:
    """
    Return the problem of a pass that cannot be used.

    Args:
        uniform: Give the same answer for an unknown pass, an unpaid pass and one without a number.
    """
    match outcome:
        case Refusal():
            return of_refusal(outcome)
        case PassNotFound():
            return Problem(200, outcome.word)
        case PassNotPaid() | NoPhone() if uniform:
            return Problem(200, PassNotFound.word)
        case PassNotPaid():
            return Problem(200, outcome.word)
        case NoPhone():
            return Problem(400, outcome.word)
        case _:
            assert_never(outcome)


def of_send(outcome: UnusablePass | Refusal | Locked | Undelivered, *, uniform: bool) -> Problem:
    """Return the problem of a code that was not sent."""
    match outcome:
        case NoPhone() if not uniform:
            return Problem(400, "no_phone_number")
        case PassNotFound() | PassNotPaid() | NoPhone():
            return Problem(400, "invalid_pass")
        case _:
            return of_ask(outcome)


def of_verify(
    outcome: UnusablePass | Refusal | Locked | WrongCode | NoLiveCode | Exhausted,
) -> Problem:
    """Return the problem of a presented code that did not sign its user in."""
    match outcome:
        case PassNotFound() | PassNotPaid() | NoPhone():
            return Problem(400, "invalid_pass")
        case _:
            return of_check(outcome)
