"""Sending a text message."""

from typing import Protocol

import attrs

from hsp_otp.domain.phone import PhoneNumber


@attrs.frozen(kw_only=True)
class Sms:
    """
    A message on its way.

    Attributes:
        text: Holds the code, so `repr` leaves it out.
    """

    to: PhoneNumber
    text: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Receipt:
    """
    A provider took a message.

    Attributes:
        sender: The adapter's name.
        provider_message_id: The provider's name for it, where it gives one.
    """

    sender: str
    provider_message_id: str | None = None


class SmsSender(Protocol):
    """Hands messages to a provider."""

    async def send(self, sms: Sms) -> Receipt:
        """
        Hand *sms* over, once.

        Raises:
            SmsRejected: It was refused for its number or content.
            SmsFailed: It could not be handed over.
        """
        ...
