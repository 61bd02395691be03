"""What a service does, over time: what the operators' page asks."""

from collections.abc import Sequence
from typing import Final, Protocol

import attrs

from hsp_otp.domain.instant import Duration, Instant
from hsp_otp.ports.audit_queries import Span

STEPS: Final = (2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600)
"""Seconds at which the steps of a distribution end, outside; one more is for all above."""


@attrs.frozen(kw_only=True)
class Movement:
    """
    Requests of one kind that came to the same within one period.

    Attributes:
        at: When the period began.
        sender: Who took the message, where one was sent.
        requests: What floods stand for included.
    """

    at: Instant
    flow: str | None
    region: str | None
    sender: str | None
    action: str
    outcome: str
    requests: int


@attrs.frozen(kw_only=True)
class Delivery:
    """
    Messages of one period that a sender took, and what became of them.

    Attributes:
        state: The latest that was heard; None where it is not known any more.
        step: Which of `STEPS` the time from the ask to the delivery lies in; None where
            they have not been delivered.
    """

    at: Instant
    flow: str | None
    region: str | None
    sender: str | None
    state: str | None
    step: int | None
    messages: int


@attrs.frozen(kw_only=True)
class Proof:
    """
    Right codes of one period, with the messages that they came by.

    Attributes:
        sender: Who took the message; None where its row is not found.
        step: Which of `STEPS` the time from the message to the right code lies in.
    """

    at: Instant
    flow: str | None
    region: str | None
    sender: str | None
    step: int | None
    codes: int


class TrafficQueries(Protocol):
    """Each question raises Unavailable where the database does not answer."""

    async def movements(self, span: Span, period: Duration) -> Sequence[Movement]:
        """What was asked for, and what it came to."""
        ...

    async def deliveries(self, span: Span, period: Duration) -> Sequence[Delivery]:
        """What became of the messages."""
        ...

    async def proofs(self, span: Span, period: Duration) -> Sequence[Proof]:
        """How long it took from a message to the right code."""
        ...
