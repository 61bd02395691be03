"""API keys: finding them for requests, and keeping them for operators."""

from typing import Protocol

from hsp_otp.domain.api_keys import ApiKey
from hsp_otp.domain.instant import Instant


class ApiKeyRepository(Protocol):
    """Finds API keys for requests."""

    async def find(self, key_id: str) -> ApiKey | None:
        """
        The key of that id, or None. Its state is at most 5 s old.

        Raises:
            Unavailable: The database did not answer.
        """
        ...

    def note_use(self, key: ApiKey, becomes: ApiKey) -> None:
        """
        Store *becomes* in place of *key*, which was found, some time later.

        Never waits or fails: if the database does not take it, a later use stores it.
        """
        ...


class ApiKeyRegister(Protocol):
    """Makes, lists and revokes API keys, for operators. Each raises Unavailable."""

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""
        ...

    async def list(self) -> list[ApiKey]:
        """All keys, the oldest first."""
        ...

    async def revoke(self, key_id: str, at: Instant) -> ApiKey | None:
        """
        Revoke a key, unless it is revoked already.

        Returns:
            The revoked key, or None if there is no key of that id.
        """
        ...
