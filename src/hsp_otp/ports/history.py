"""What the SQL database remembers of what was admitted, for a store that has forgotten it."""

from typing import Protocol

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import Slot
from hsp_otp.domain.quota import UsageKey, Usages


class SendHistory(Protocol):
    """Tells of admitted sends by their rows."""

    async def sends(self, keys: tuple[UsageKey, ...]) -> Usages:
        """
        What was charged to each of the limits on sends, as far as rows are kept.

        Raises:
            Unavailable: The database did not answer.
        """
        ...

    async def asked_at(self, slot: Slot) -> Instant | None:
        """
        When the latest code of a slot was issued, as far as rows are kept.

        Raises:
            Unavailable: The database did not answer.
        """
        ...


class UsageHistory(Protocol):
    """Tells of checks and look-ups by their audit rows."""

    async def usages(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """
        What was charged to each of the limits on checks and look-ups within their windows.

        Raises:
            Unavailable: The database did not answer.
        """
        ...
