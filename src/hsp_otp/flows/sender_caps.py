"""Senders that are passed over once their messages have cost what they may."""

from typing import Any

import attrs

from hsp_otp.domain.budgets import sender_account
from hsp_otp.domain.instant import Duration
from hsp_otp.domain.prices import Prices
from hsp_otp.domain.sms_segments import segments
from hsp_otp.flows.spending import Spending
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import SendFailed, SendRefusedHere
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt, Sender, Sms


@attrs.frozen(kw_only=True)
class CappedSender:
    """
    A sender under a cap on what its messages cost in 24 h.

    Attributes:
        name: The sender's, which its budget and its prices have.
    """

    name: str
    sender: Sender[Any]
    spending: Spending
    prices: Prices
    clock: Clock

    def available(self) -> bool:
        """Implement `Sender.available`; while the cap is known to be reached, it is not."""
        account = sender_account(self.name)
        return self.sender.available() and not self.spending.is_empty(account, self.clock.now())

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:
        """
        Implement `Sender.send`.

        Money is given back for a message that the sender refused. Where the result is unknown, it
        may have taken it.
        """
        account = sender_account(self.name)
        count = segments(message.text) if isinstance(message, Sms) else 1
        price = self.prices.of(message.to.region, (self.name,), count)
        taken = await self.spending.take(account, price, self.clock.now())
        if taken is None:
            raise SendRefusedHere(f"the cap on messages by {self.name} is reached")
        try:
            return await self.sender.send(message, within)
        except SendFailed as failure:
            if not failure.blames_sender:
                self.spending.give_back(account, taken)
            raise
