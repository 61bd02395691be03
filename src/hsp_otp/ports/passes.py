"""Passes and their holders."""

from typing import Protocol

from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import Pass, User
from hsp_otp.domain.phone import PhoneNumber


class Passes(Protocol):
    """Finds passes, with their holders; raises Unavailable if the database does not answer."""

    async def find(self, code: PassCode) -> Pass | None:
        """The pass of that code in its current state, or None."""
        ...


class Users(Protocol):
    """Finds users by their number; raises Unavailable if the database does not answer."""

    async def users_of(self, phone: PhoneNumber) -> list[User]:
        """The users whose number is *phone*."""
        ...
