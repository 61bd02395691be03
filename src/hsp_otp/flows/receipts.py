"""Processes delivery receipts."""

from functools import partial

from hsp_otp.domain.delivery import (
    EARLY_FOR,
    DeliveryState,
    EarlyReceipt,
    Noted,
    UnknownMessage,
    message_id,
    note,
)
from hsp_otp.domain.instant import after
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.deliveries import Deliveries, EarlyReceipts


async def take_receipt(
    deliveries: Deliveries,
    sender: str,
    provider_message_id: str,
    reported: DeliveryState,
    *,
    early: EarlyReceipts,
    clock: Clock,
) -> Noted | UnknownMessage:
    """
    Record a report of *sender* about a message, or keep it if the message is not recorded yet.

    Raises:
        Unavailable: The database did not answer; the provider should report again.
    """
    if message_id(provider_message_id) is None:
        return UnknownMessage()  # no message is stored under such an id
    outcome = await deliveries.transition(
        sender, provider_message_id, partial(note, reported=reported)
    )
    if isinstance(outcome, Noted):
        return outcome
    early.keep(EarlyReceipt(sender, provider_message_id, reported))
    since = after(clock.now(), -EARLY_FOR)
    expected = await deliveries.may_become_known(sender, provider_message_id, since)
    return Noted() if expected else outcome
