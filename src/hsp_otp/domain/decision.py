"""The result of a rule: the outcome, the next state, and the rows to write."""

from typing import Generic, TypeVar

import attrs

from hsp_otp.domain.audit import Row

H = TypeVar("H")
O = TypeVar("O")  # noqa: E741 - O for outcome, H for the state held


@attrs.frozen
class Decision(Generic[H, O]):
    """
    The result of a rule.

    Attributes:
        outcome: The answer. It is a value even for a refusal: a wrong guess must be committed, and
            an exception that crosses a transaction would roll it back.
        becomes: The next state. The same object as the given state means that nothing changed, and
            no state is written.
        rows: Audit, send and sign-in rows. They are committed together with the state if both are
            in one database, otherwise written right after it.
    """

    outcome: O
    becomes: H
    rows: tuple[Row, ...] = ()
