"""The counter of frequent, cheap operations."""

from collections.abc import Callable
from typing import Protocol

from hsp_otp.domain.decision import Decision, O
from hsp_otp.domain.quota import UsageKey, Usages


class UsageCounter(Protocol):
    """Stores the usages that limit checks and look-ups."""

    async def transition(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        """
        Replace the usages of *keys* with the result of *decide*, in one step.

        Makes the same promises as `SlotRepository.transition`.
        """
        ...
