"""The repository of slots, which hold the challenges."""

from collections.abc import Callable
from typing import Protocol

from hsp_otp.domain.decision import Decision, O
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.slot_record import Held, HeldKey


class SlotRepository(Protocol):
    """Stores one record per slot, and the usages and ledgers that limit sends."""

    async def transition(
        self, slot: Slot, keys: tuple[HeldKey, ...], decide: Callable[[Held], Decision[Held, O]]
    ) -> O:
        """
        Replace the state of *slot* and *keys* with the result of *decide*, in one step.

        *decide* receives the latest committed state, with an empty usage or ledger if nothing was
        charged. It is called again when another transition wins the race, so it must not have side
        effects.
        Unchanged state is not written. The rows of the decision are stored before this returns.

        Raises:
            Unavailable: The store did not answer. The step may or may not have happened, and the
                caller must treat it as refused.
        """
        ...
