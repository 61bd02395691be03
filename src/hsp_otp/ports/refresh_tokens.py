"""The repository of families of refresh tokens."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.refresh_tokens import Family

O = TypeVar("O")  # noqa: E741


class FamilyRepository(Protocol):
    """Keeps families in the SQL database, whatever store the challenges are in."""

    async def transition(
        self,
        family_id: str,
        /,
        decide: Callable[[Family | None], Decision[Family | None, O]],
    ) -> O:
        """
        Replace the family of that id by what *decide* makes of it, as one step.

        The same promises as `SlotRepository.transition`.

        Raises:
            Unavailable: The database did not answer.
        """
        ...
