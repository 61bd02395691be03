"""Traffic over time, for the operators' page."""

from collections.abc import Sequence
from typing import Final, Literal, Protocol, TypeAlias

import attrs

from hsp_otp.domain.audit import Step
from hsp_otp.domain.instant import Duration, Instant
from hsp_otp.domain.purposes import Flow
from hsp_otp.ports.audit_queries import Span

STEPS: Final = (2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600)
"""Upper bounds, exclusive, of the steps of a distribution, in seconds. One more step holds
everything above."""


@attrs.frozen(kw_only=True)
class Movement:
    """
    Requests of one period with the same kind and outcome.

    Attributes:
        at: When the period began.
        sender: The sender that took the message, if one was sent.
        requests: Includes every request that a folded row stands for.
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
    Messages of one period that a sender took, and their delivery.

    Attributes:
        state: The latest reported state; None if it is no longer known.
        step: Index of the step of `STEPS` for the time from ask to delivery; None if not delivered.
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
    Right codes of one period, and the messages that carried them.

    Attributes:
        sender: The sender that took the message; None if its row was not found.
        step: Index of the step of `STEPS` for the time from the message to the right code.
    """

    at: Instant
    flow: str | None
    region: str | None
    sender: str | None
    step: int | None
    codes: int


By: TypeAlias = Literal["day", "country", "language"]
"""What the figures of the funnel can be grouped by."""


@attrs.frozen(kw_only=True)
class StepCount:
    """
    How often a step of the funnel was counted.

    Attributes:
        of: The day, as YYYY-MM-DD; the country; or the language. Empty if it is not known.
        word: The outcome of a request; empty for other steps.
    """

    of: str
    flow: Flow
    step: Step
    word: str
    count: int


class TrafficQueries(Protocol):
    """Queries of traffic. Each raises Unavailable if the database does not answer."""

    async def movements(self, span: Span, period: Duration) -> Sequence[Movement]:
        """The requests and their outcomes."""
        ...

    async def deliveries(self, span: Span, period: Duration) -> Sequence[Delivery]:
        """The deliveries of messages."""
        ...

    async def proofs(self, span: Span, period: Duration) -> Sequence[Proof]:
        """The times from a message to the right code."""
        ...

    async def steps(self, since: Instant, by: By) -> Sequence[StepCount]:
        """The steps of the funnel, from the whole day of *since* on; days in their order."""
        ...
