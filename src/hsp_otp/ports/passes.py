"""Passes and their users."""

from typing import Protocol

from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import Pass, User
from hsp_otp.domain.phone import PhoneNumber


class Passes(Protocol):
    """Passes with the users who hold them."""

    async def find(self, code: PassCode) -> Pass | None:
        """
        The pass of that code as it is now, or None.

        Raises:
            Unavailable: The database did not answer.
        """
        ...


class Users(Protocol):
    """Users by their number."""

    async def users_of(self, phone: PhoneNumber) -> list[User]:
        """
        The users whose number is *phone*.

        Raises:
            Unavailable: The database did not answer.
        """
        ...
