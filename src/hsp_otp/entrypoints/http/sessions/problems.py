"""The error answers about tokens."""

from typing import assert_never

from hsp_otp.domain.exchange import CodeReused, InvalidCode, PassUnusable
from hsp_otp.domain.quota import Refusal
from hsp_otp.domain.refresh_tokens import InvalidToken, PassLapsed, TokenReused
from hsp_otp.entrypoints.http.problems import Problem, of_refusal


def of_token(outcome: InvalidToken | PassLapsed | TokenReused | Refusal) -> Problem:
    """Return the problem of a refresh or access token that grants nothing."""
    return of_refusal(outcome) if isinstance(outcome, Refusal) else Problem(401, outcome.word)


def of_exchange(outcome: InvalidCode | CodeReused | PassUnusable) -> Problem:
    """Return the problem of a code that gives no tokens; only the audit tells why."""
    match outcome:
        case InvalidCode() | CodeReused() | PassUnusable():
            return Problem(400, InvalidCode.word)
        case _:
            assert_never(outcome)
