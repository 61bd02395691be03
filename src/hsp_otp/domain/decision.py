"""The result of a rule: the outcome, the next state, and the rows to write."""

from typing import Generic, TypeVar

import attrs

from hsp_otp.domain.audit import Row

H = TypeVar("H")
O = TypeVar("O")  # noqa: E741 - the outcome, beside H, what is held


@attrs.frozen
class Decision(Generic[H, O]):
    """
    What a rule decided.

    Attributes:
        outcome: The answer, a value also where it is a refusal: a wrong guess must be committed,
            and an exception that crosses a transaction would roll it back.
        becomes: The next state; the very object that was given means unchanged, and nothing
            of it is written.
        rows: Audit, send and sign-in rows, committed with the state where both live in one
            database, else written right after it.
    """

    outcome: O
    becomes: H
    rows: tuple[Row, ...] = ()
