"""A provider tells what became of a message."""

from functools import partial

from hsp_otp.domain.delivery import DeliveryState, Noted, UnknownMessage, message_id, note
from hsp_otp.ports.deliveries import Deliveries


async def take_receipt(
    deliveries: Deliveries, sender: str, provider_message_id: str, reported: DeliveryState
) -> Noted | UnknownMessage:
    """
    Note what *sender* reports of a message.

    Raises:
        Unavailable: The database did not answer; the provider should tell again.
    """
    if message_id(provider_message_id) is None:
        return UnknownMessage()  # no message is kept under such a name
    return await deliveries.transition(
        sender, provider_message_id, partial(note, reported=reported)
    )
