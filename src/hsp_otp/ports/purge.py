"""Deletion of data that has passed its retention time."""

from collections.abc import Collection, Mapping
from typing import Protocol

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.policy import Policy


class Purge(Protocol):
    """
    Deletes old rows and records. Each method may be interrupted and called again.

    Each returns the number of rows it deleted, and raises Unavailable if the database does not
    answer.
    """

    async def audit(self, before: Instant) -> int:
        """Delete audit rows older than *before*."""
        ...

    async def sends(self, before: Instant) -> int:
        """Delete send rows older than *before*."""
        ...

    async def debts(self, before: Instant) -> int:
        """Delete what was owed for sends older than *before*."""
        ...

    async def verifications(self, before: Instant) -> int:
        """Delete verifications that were started before *before*."""
        ...

    async def test_contacts(self, before: Instant) -> int:
        """Delete test contacts that ended before *before*."""
        ...

    async def proved_contacts(self, before: Instant) -> int:
        """Delete what is known of contacts that last proved themselves before *before*."""
        ...

    async def funnel(self, before: Instant) -> int:
        """Delete the funnel's counts of days that began before *before*."""
        ...

    async def records_over(self, policies: Collection[Policy], now: Instant) -> Mapping[str, int]:
        """Delete records that no longer have any effect; counts are by kind, as displayed."""
        ...
