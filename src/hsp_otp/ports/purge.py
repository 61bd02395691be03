"""What is past its time, and how it goes."""

from collections.abc import Collection, Mapping
from typing import Protocol

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.policy import Policy


class Purge(Protocol):
    """
    Each method says how many rows it deleted, and may be stopped and called again.

    Each raises Unavailable where the database does not answer.
    """

    async def audit(self, before: Instant) -> int:
        """Delete audit rows from before an instant."""
        ...

    async def sends(self, before: Instant) -> int:
        """Delete rows of sends from before an instant."""
        ...

    async def records_over(self, policies: Collection[Policy], now: Instant) -> Mapping[str, int]:
        """Delete records that mean nothing any more, by what people call their kind."""
        ...
