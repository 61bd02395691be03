"""Queries of what messages cost, for operators."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import attrs

from hsp_otp.domain.budgets import Budget, BudgetKey
from hsp_otp.domain.guard import Reason
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.past_asks import PastRow
from hsp_otp.domain.prices import Money
from hsp_otp.ports.audit_queries import Span


@attrs.frozen(kw_only=True)
class Spent:
    """
    The messages of one flow or app to one region by one sender.

    Attributes:
        app: The name of the app; None for the customers' own journeys.
        region: None if the number's region is not known.
        priced: How many of the messages the guard knew the price of.
        money: What those cost.
    """

    flow: str
    app: str | None
    region: str | None
    sender: str | None
    messages: int
    priced: int
    money: Money


@attrs.frozen(kw_only=True)
class FullBlock:
    """
    A block of numbers that may not owe more.

    Attributes:
        block: Its fingerprint, prefixed with the key's id.
        asks: How many asks it was too full for.
        last: When the latest of them came.
        reasons: Of the latest of them.
    """

    block: str
    region: str | None
    asks: int
    last: Instant
    reasons: tuple[Reason, ...]


class SpendingQueries(Protocol):
    """Each raises Unavailable if the database does not answer."""

    async def spent(self, span: Span) -> list[Spent]:
        """What phone messages cost that were sent, the dearest first."""
        ...

    async def budgets(self) -> Mapping[BudgetKey, Budget]:
        """Every budget."""
        ...

    async def full_blocks(self, span: Span, count: int) -> list[FullBlock]:
        """The *count* blocks that were too full for the most asks."""
        ...

    async def refusing(self, span: Span) -> frozenset[BudgetKey]:
        """The budgets whose caps asks did not fit into."""
        ...


class PastQueries(Protocol):
    """Raises Unavailable if the database does not answer."""

    def past(self, span: Span) -> AsyncIterator[PastRow]:
        """The asks that the guard judged, and the right codes, oldest first, without a limit."""
        ...
