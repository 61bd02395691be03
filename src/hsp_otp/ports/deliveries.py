"""Delivery receipts, and the messages that they belong to."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from hsp_otp.domain.decision import Decision, O
from hsp_otp.domain.delivery import DeliveryState, EarlyReceipt, TakenMessage
from hsp_otp.domain.instant import Instant


class Deliveries(Protocol):
    """
    Stores the delivery state of every message that was handed over, with its send.

    Each method raises Unavailable if the database does not answer.
    """

    async def transition(
        self,
        sender: str,
        provider_message_id: str,
        decide: Callable[[TakenMessage | None], Decision[TakenMessage | None, O]],
    ) -> O:
        """
        Replace the state of that message with the result of *decide*, in one step with its rows.

        *decide* receives None if no such message was handed over, and cannot create one.
        """
        ...

    async def may_become_known(self, sender: str, provider_message_id: str, since: Instant) -> bool:
        """
        Whether the message may still be recorded, or has been recorded in the meantime.

        It may be while there is a send that was admitted after *since* and that no sender is known
        to have taken.
        """
        ...


class EarlyReceipts(Protocol):
    """
    Keeps receipts until their messages are recorded, and what follows from them is done, for at
    most `EARLY_FOR`.
    """

    def keep(self, receipt: EarlyReceipt) -> None:
        """Apply *receipt* once that is possible. Keeping it twice has no further effect."""
        ...


class Receipts(Protocol):
    """Reads the delivery reports of one provider."""

    def is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """
        Whether the provider made this report. Never raises, whatever the input.

        *headers* are keyed by name in lower case.
        """
        ...

    def read(self, body: bytes) -> Sequence[tuple[str, DeliveryState]]:
        """The messages of a signed report in their order, each with its state, if it has both."""
        ...
