"""Senders of messages, whatever the channel."""

from typing import Final, Protocol

import attrs

from hsp_otp.domain.contact import Contact
from hsp_otp.domain.delivery import message_id
from hsp_otp.domain.instant import SECOND, Duration

SEND_WITHIN: Final[Duration] = 7 * SECOND + SECOND // 2
"""How long handing a message over may take in all, however many senders are tried: with what is
around it a request has eight seconds, and a server that stops waits as long."""


@attrs.frozen(kw_only=True)
class Message:
    """
    A message on its way.

    Attributes:
        text: Holds the code, so `repr` leaves it out.
        useful_for: What is left of the code's life; delivered later it only confuses.
        template_id: What the text is registered as, where operators ask for that (in India DLT's
            content template id).
        entity_id: Who registered it (DLT's principal entity id).
    """

    to: Contact
    text: str = attrs.field(repr=False)
    useful_for: Duration
    template_id: str | None = None
    entity_id: str | None = None


@attrs.frozen(kw_only=True)
class Receipt:
    """
    A provider took a message.

    Attributes:
        sender: The adapter's name.
        provider_message_id: The provider's name for it, where it gives one of 1 to 64 visible
            ASCII characters; any other is as good as none.
    """

    sender: str
    provider_message_id: str | None = attrs.field(default=None, converter=message_id)


class Sender(Protocol):
    """Hands messages to a provider."""

    def available(self) -> bool:
        """Whether a message would be tried at all right now."""
        ...

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:
        """
        Hand *message* over, once, and be done *within* that.

        Raises:
            SendRejected: It was refused for its contact or content, as it would be elsewhere.
            SendRefusedHere: It was refused by this provider, and another one may take it.
            SendFailed: It could not be handed over, or nobody can tell whether it was; that speaks
                against the provider.
        """
        ...
