"""Limits rebuilt from the SQL database, for a store that has lost them."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from hsp_otp.domain.guard import LedgerKey, Ledgers
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.quota import UsageKey, Usages


class SendHistory(Protocol):
    """
    Recovers admitted sends from their rows.

    Each method raises Unavailable if the database does not answer.
    """

    async def sends(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """The charges to each of these limits on sends, within its windows."""
        ...

    async def ledgers(self, keys: tuple[LedgerKey, ...], now: Instant) -> Ledgers:
        """What each of these groups owes and has verified, within its windows."""
        ...

    def all_ledgers(self, now: Instant) -> AsyncIterator[Ledgers]:
        """What every group owes and has verified, in pages of whole ledgers."""
        ...

    async def asked_at(self, slot: Slot) -> Mapping[Lane, Instant]:
        """When the latest code of a slot was issued, as far back as rows are kept."""
        ...

    def all_sends(self, now: Instant) -> AsyncIterator[Usages]:
        """The charges to every limit on sends, within its windows, in pages of whole usages."""
        ...

    def all_asked_at(self, now: Instant) -> AsyncIterator[Mapping[str, Mapping[Lane, Instant]]]:
        """When the latest code of each slot (as text) was issued within the last day, in pages."""
        ...


class UsageHistory(Protocol):
    """
    Recovers the usages of clients from their audit rows.

    Each method raises Unavailable if the database does not answer.
    """

    async def usages(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """The charges to each of these client limits, within its windows."""
        ...

    def all_usages(self, now: Instant) -> AsyncIterator[Usages]:
        """The charges of every client, page by page. Each usage is complete within one page."""
        ...


class SignInHistory(Protocol):
    """Looks sign-ins up in the audit rows; raises Unavailable if the database does not answer."""

    async def signed_in(self, client: ClientAddress, since: Instant) -> bool:
        """Whether somebody has signed in from *client* after *since*."""
        ...
