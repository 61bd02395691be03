"""Limits rebuilt from the SQL database, for a store that has lost them."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.quota import UsageKey, Usages


class SendHistory(Protocol):
    """Tells of admitted sends by their rows."""

    async def sends(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """
        What was charged to each of the limits on sends within its windows.

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

    def all_sends(self, now: Instant) -> AsyncIterator[Usages]:
        """
        What was charged to every limit on sends within its windows, page by page.

        A usage is whole in the page that it is in.

        Raises:
            Unavailable: The database did not answer.
        """
        ...

    def all_asked_at(self, now: Instant) -> AsyncIterator[Mapping[str, Instant]]:
        """
        When the latest code of every slot, as text, was issued within a day, page by page.

        Raises:
            Unavailable: The database did not answer.
        """
        ...


class UsageHistory(Protocol):
    """Tells of what is counted for clients by their audit rows."""

    async def usages(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """
        What was charged to each of the limits of clients within their windows.

        Raises:
            Unavailable: The database did not answer.
        """
        ...

    def all_usages(self, now: Instant) -> AsyncIterator[Usages]:
        """
        The same of every client, page by page; a usage is whole in the page that it is in.

        Raises:
            Unavailable: The database did not answer.
        """
        ...


class SignInHistory(Protocol):
    """Tells of sign-ins by their audit rows."""

    async def signed_in(self, client: ClientAddress, since: Instant) -> bool:
        """
        Whether somebody has signed in from *client* after *since*.

        Raises:
            Unavailable: The database did not answer.
        """
        ...
