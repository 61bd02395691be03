"""Queries of the audit, for investigations and for the operators' page."""

from collections.abc import AsyncIterator
from typing import Protocol

import attrs

from hsp_otp.domain.fraud_patterns import Suspicion
from hsp_otp.domain.instant import Instant


@attrs.frozen
class Span:
    """A span of time from *since* until before *until*, by default all that is recorded."""

    since: Instant = Instant(0)
    until: Instant = Instant(2**62)


@attrs.frozen(kw_only=True)
class Entry:
    """
    A stored audit row, with the delivery state of its message. The commands list its members.

    Attributes:
        count: Requests that the row stands for.
        state: The state of the message that was handed over; None if there is none, or no longer.
        state_at: When a receipt last changed it.
        price: In micro-dollars.
    """

    id: int
    at: Instant
    flow: str | None
    purpose: str | None
    action: str
    outcome: str
    client: str | None
    request_id: str | None
    pass_code: str | None
    contact: str | None
    region: str | None
    contact_fingerprint: str | None
    range_fingerprint: str | None
    sender: str | None
    provider_message_id: str | None
    lane: str | None
    api_key_id: str | None
    state: str | None
    state_at: Instant | None
    retry_at: Instant | None
    reason: str | None
    operator: str | None
    app: str | None
    verification_id: str | None
    subject_fingerprint: str | None
    channel: str | None
    block_fingerprint: str | None
    price: int | None
    spent_by: str | None
    verdict: str | None
    reasons: str | None
    count: int


@attrs.frozen(kw_only=True)
class Wanted:
    """
    A filter for rows; what is not given matches everything. Fingerprints are of every key.

    Attributes:
        app: The name of an app.
        verification: The id of a verification.
    """

    contacts: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    address: str | None = None
    outcome: str | None = None
    app: str | None = None
    verification: str | None = None
    span: Span = Span()


@attrs.frozen(kw_only=True)
class Tally:
    """
    The counts of one address, range or country; None for what was not counted.

    Attributes:
        kind: ``address``, ``prefix`` or ``country``.
        who: The address, the range's fingerprint, or the region.
        requests: Includes every request that a folded row stands for.
        missed: Look-ups that found no usable pass.
        numbers: Distinct numbers that a code was sent to.
    """

    kind: str
    who: str
    region: str | None = None
    requests: int | None = None
    sent: int
    verified: int
    wrong: int | None = None
    missed: int | None = None
    refused: int | None = None
    numbers: int | None = None


class AuditQueries(Protocol):
    """Queries of the audit. Each raises Unavailable if the database does not answer."""

    def entries(self, wanted: Wanted) -> AsyncIterator[Entry]:
        """All rows that match, oldest first, without a limit."""
        ...

    async def latest(self, wanted: Wanted, count: int) -> list[Entry]:
        """The latest *count* matching rows, oldest first."""
        ...

    async def top_addresses(self, span: Span, count: int) -> list[Tally]:
        """The addresses with the most requests."""
        ...

    async def top_prefixes(self, span: Span, count: int) -> list[Tally]:
        """The ranges of numbers that received the most codes."""
        ...

    async def top_countries(self, span: Span, count: int) -> list[Tally]:
        """The regions that received the most codes."""
        ...

    async def suspicions(self, span: Span) -> list[Suspicion]:
        """Suspicious patterns, each with its evidence."""
        ...
