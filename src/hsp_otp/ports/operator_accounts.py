"""The accounts of named operators."""

from typing import Protocol

import attrs


@attrs.frozen(kw_only=True)
class Account:
    """
    A named operator, or a decoy that costs as much to check and that no password opens.

    Attributes:
        hashed: The hash of the password, with its parameters and salt.
        version: Changes with the password; reveals nothing about it.
        exists: False for a decoy.
    """

    name: str
    hashed: str = attrs.field(repr=False)
    version: str = attrs.field(repr=False)
    exists: bool = True


class OperatorAccounts(Protocol):
    """The latest accounts; changes take effect at once."""

    async def find(self, name: str) -> Account:
        """
        The account of *name*; a decoy if there is none.

        Raises:
            Unavailable: The accounts cannot be read.
        """
        ...

    async def opens(self, account: Account, password: str) -> bool:
        """Whether *password* is that of *account*. Takes the same time for every password."""
        ...
