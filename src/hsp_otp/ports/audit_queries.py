"""What an investigator asks of the audit, and what operators see of it."""

from collections.abc import AsyncIterator
from typing import Protocol

import attrs

from hsp_otp.domain.fraud_patterns import Suspicion
from hsp_otp.domain.instant import Instant


@attrs.frozen
class Span:
    """
    A span of time, as far as anybody remembers unless told otherwise.

    Attributes:
        since: Inside.
        until: Outside.
    """

    since: Instant = Instant(0)
    until: Instant = Instant(2**62)


@attrs.frozen(kw_only=True)
class Entry:
    """
    An audit row as it is kept, with what became of its message; the commands list its members.

    Attributes:
        count: Requests that it stands for.
        state: Of the message that was handed over; None where there is none, or no longer.
        state_at: When a receipt last moved it.
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
    state: str | None
    state_at: Instant | None
    retry_at: Instant | None
    reason: str | None
    count: int


@attrs.frozen(kw_only=True)
class Wanted:
    """
    Which rows are asked for; what is not given does not matter.

    Attributes:
        contacts: Fingerprints of one contact, under every key.
        ranges: The same of one range of numbers.
    """

    contacts: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    address: str | None = None
    outcome: str | None = None
    span: Span = Span()


@attrs.frozen(kw_only=True)
class Tally:
    """
    How much there was of one address, range or country; None is what was not counted.

    Attributes:
        kind: ``address``, ``prefix`` or ``country``.
        who: The address, the range's fingerprint, or the region.
        requests: What floods stand for included.
        missed: Look-ups that found no usable pass.
        numbers: Different ones that a code was sent to.
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
    """Each question raises Unavailable where the database does not answer."""

    def entries(self, wanted: Wanted) -> AsyncIterator[Entry]:
        """All rows that are wanted, oldest first, however many."""
        ...

    async def latest(self, wanted: Wanted, count: int) -> list[Entry]:
        """The latest *count* of the rows that are wanted, oldest first."""
        ...

    async def top_addresses(self, span: Span, count: int) -> list[Tally]:
        """The addresses with the most requests."""
        ...

    async def top_prefixes(self, span: Span, count: int) -> list[Tally]:
        """The ranges of numbers to which the most codes were sent."""
        ...

    async def top_countries(self, span: Span, count: int) -> list[Tally]:
        """The regions to which the most codes were sent."""
        ...

    async def suspicions(self, span: Span) -> list[Suspicion]:
        """Patterns that people do not make, each with its evidence."""
        ...
