"""Delivery receipts, and the messages they belong to."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState, EarlyReceipt
from hsp_otp.domain.instant import Instant

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

    async def may_become_known(self, sender: str, provider_message_id: str, since: Instant) -> bool:
        """
        Whether that message may be one that is being handed over, or has been meanwhile.

        It may while there is a send that was admitted after *since* and that no sender has been
        heard to take.

        Raises:
            Unavailable: The database did not answer.
        """
        ...


class EarlyReceipts(Protocol):
    """Keeps receipts until their messages are known, for `EARLY_FOR` at most."""

    def keep(self, receipt: EarlyReceipt) -> None:
        """Note *receipt* as soon as its message is known. Keeping it twice is keeping it once."""
        ...


class Receipts(Protocol):
    """Reads what one provider reports of messages."""

    def is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """
        Whether the provider made this report. Whatever it is given, it does not raise.

        Args:
            headers: By their names in lower case.
        """
        ...

    def read(self, body: bytes) -> tuple[str, DeliveryState] | None:
        """The message and its state, of a signed report; None where it tells of neither."""
        ...
