"""Repositories of single records."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from hsp_otp.domain.decision import Decision, O

K_contra = TypeVar("K_contra", contravariant=True)
T = TypeVar("T")


class Records(Protocol[K_contra, T]):
    """Stores one record per key."""

    async def transition(
        self, key: K_contra, /, decide: Callable[[T | None], Decision[T | None, O]]
    ) -> O:
        """
        Replace the record of *key*, None if there is none, with the result of *decide*.

        Makes the same promises as `SlotRepository.transition`.
        """
        ...
