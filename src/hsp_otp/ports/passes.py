"""Passes and their holders."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.listed_passes import ListedUser
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.pass_changes import HeldPass
from hsp_otp.domain.passes import KeptPass, Pass, User
from hsp_otp.domain.phone import PhoneNumber

O = TypeVar("O")  # noqa: E741


class Passes(Protocol):
    """Finds passes, with their holders."""

    async def find(self, code: PassCode) -> Pass | None:
        """
        The pass of that code in its current state, or None.

        Raises:
            Unavailable: The database did not answer.
        """
        ...


class PassRepository(Protocol):
    """Changes passes and their holders."""

    async def find_kept(self, code: PassCode) -> KeptPass | None:
        """
        The pass of that code with everything stored about it, or None.

        Raises:
            Unavailable: The database did not answer.
        """
        ...

    async def transition(
        self,
        code: PassCode,
        holder: ListedUser | None,
        decide: Callable[[HeldPass], Decision[HeldPass, O]],
    ) -> O:
        """
        Replace what is stored of a pass and its holder by what *decide* makes of it, as one step.

        *decide* receives the latest committed state, and may be called again, so it must not have
        effects. The rows of its decision are committed with the change, or not at all. A changed
        number is not verified, and a pass with a changed end is active again. Without a pass in the
        new state, the pass is deleted and its holder stays.

        Args:
            holder: The user who may hold the pass from now on; None to look for none.

        Raises:
            Unavailable: The database did not answer; the step may or may not have happened.
        """
        ...


class Users(Protocol):
    """Finds users by their number."""

    async def users_of(self, phone: PhoneNumber) -> list[User]:
        """
        The users whose number is *phone*.

        Raises:
            Unavailable: The database did not answer.
        """
        ...
