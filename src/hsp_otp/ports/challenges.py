"""The repository of slots, in which challenges live."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from hsp_otp.domain.challenge import Held
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.quota import UsageKey

O = TypeVar("O")  # noqa: E741


class SlotRepository(Protocol):
    """Keeps one record per slot, and the usages that limit sends."""

    async def transition(
        self,
        slot: Slot,
        usages: tuple[UsageKey, ...],
        decide: Callable[[Held], Decision[Held, O]],
    ) -> O:
        """
        Replace what *slot* and *usages* hold by what *decide* makes of it, as one step.

        *decide* receives the latest committed state, with an empty usage where nothing was
        charged, and is called again when another transition wins the race, so it must not have
        effects. What it leaves unchanged is not written. Its rows are kept before this returns.

        Raises:
            Unavailable: The store did not answer; the step may or may not have happened,
                and the caller must treat it as refused.
        """
        ...
