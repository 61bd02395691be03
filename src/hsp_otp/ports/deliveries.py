"""What became of messages."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState

O = TypeVar("O")  # noqa: E741


class Deliveries(Protocol):
    """Keeps the state of every message that was handed over, beside its send."""

    async def transition(
        self,
        sender: str,
        provider_message_id: str,
        decide: Callable[[DeliveryState | None], Decision[DeliveryState | None, O]],
    ) -> O:
        """
        Replace the state of that message by what *decide* makes of it, as one step.

        *decide* receives None where no such message was handed over; it cannot make one.

        Raises:
            Unavailable: The database did not answer.
        """
        ...
