"""Processes delivery receipts."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

import attrs

from hsp_otp.domain.delivery import (
    EARLY_FOR,
    DeliveryState,
    EarlyReceipt,
    LostSend,
    Noted,
    UnknownMessage,
    message_id,
    note,
)
from hsp_otp.domain.instant import after
from hsp_otp.flows.otp import Otp
from hsp_otp.flows.verification_delivery import VerificationDelivery
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.deliveries import Deliveries, EarlyReceipts
from hsp_otp.ports.failures import Unavailable

_NO_FURTHER: Final[Mapping[str, Sequence[str]]] = {}


@attrs.frozen(kw_only=True)
class LostMessages:
    """What follows from messages that will not arrive."""

    otp: Otp
    delivery: VerificationDelivery

    async def follow(self, lost: LostSend) -> None:
        """
        Let nobody owe the message, and send the code of an app by its next channel.

        It happens once for each send, however often this is called.

        Raises:
            Unavailable: A store did not answer; call it again.
        """
        otp = self.otp
        await otp.guard.forgive(otp.slots, lost.slot, lost.id, otp.clock.now())
        if lost.app_send is not None:
            await self.delivery.fall_back(lost.app_send)


async def take_receipt(
    deliveries: Deliveries,
    sender: str,
    provider_message_id: str,
    reported: DeliveryState,
    *,
    early: EarlyReceipts,
    clock: Clock,
    further: Mapping[str, Sequence[str]] = _NO_FURTHER,
    follow: Callable[[LostSend], Awaitable[None]] | None = None,
) -> Noted | UnknownMessage:
    """
    Record a report of *sender* about a message. Keep it if the message is not recorded yet, or if
    what follows from it cannot be done yet.

    Args:
        further: The further senders of a provider, by the name of its first one, which reports for
            all of them.
        follow: Called with a send whose message will not arrive.

    Raises:
        Unavailable: A store did not answer; the provider should report again.
    """
    if message_id(provider_message_id) is None:
        return UnknownMessage()  # no message is stored under such an id
    names = (sender, *further.get(sender, ()))
    receipt = EarlyReceipt(names, provider_message_id, reported)
    for name in names:
        outcome = await deliveries.transition(
            name, provider_message_id, partial(note, reported=reported)
        )
        if isinstance(outcome, Noted):
            if outcome.lost is not None and follow is not None:
                try:
                    await follow(outcome.lost)
                except Unavailable:  # not every provider reports again
                    early.keep(receipt)
                    raise
            return outcome
    early.keep(receipt)
    since = after(clock.now(), -EARLY_FOR)
    for name in names:
        if await deliveries.may_become_known(name, provider_message_id, since):
            return Noted()
    return UnknownMessage()
