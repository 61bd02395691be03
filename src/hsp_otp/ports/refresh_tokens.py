"""The repository of refresh token families."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.refresh_tokens import Family

O = TypeVar("O")  # noqa: E741


class FamilyRepository(Protocol):
    """Stores families in the SQL database, whichever store holds the challenges."""

    async def transition(
        self,
        family_id: str,
        /,
        decide: Callable[[Family | None], Decision[Family | None, O]],
    ) -> O:
        """
        Replace the family of that id with the result of *decide*, in one step.

        Makes the same promises as `SlotRepository.transition`.

        Raises:
            Unavailable: The database did not answer.
        """
        ...
