"""Senders of messages, for any channel."""

from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias, TypeVar

import attrs

from hsp_otp.domain.contact import Contact
from hsp_otp.domain.delivery import message_id
from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.domain.names import Language

SEND_WITHIN: Final[Duration] = 7 * SECOND + SECOND // 2
"""Time to hand one message over, across all senders that are tried. Including the rest of the
request, that is eight seconds, and a stopping server waits as long."""


@attrs.frozen(kw_only=True)
class Sms:
    """
    A text message to send.

    Attributes:
        text: Contains the code, so `repr` leaves it out.
        useful_for: The remaining life of the code; a later delivery would only confuse.
        template_id: The id under which the text is registered, where operators require one (in
            India, DLT's content template id).
        entity_id: The id of the entity that registered it (DLT's principal entity id).
    """

    to: Contact
    text: str = attrs.field(repr=False)
    useful_for: Duration
    template_id: str | None = None
    entity_id: str | None = None


@attrs.frozen(kw_only=True)
class Mail:
    """
    An e-mail to send.

    Attributes:
        id: The id of the send, which the message is named after.
        subject: Does not contain the code, because mail systems log subjects.
        text: Contains the code, so `repr` leaves it out.
        html: The same as `text`, so `repr` leaves it out too.
        useful_for: The remaining life of the code.
        sender_name: The name that it comes from.
        sender_address: The address that it comes from, if it is not the service's.
    """

    id: str
    to: Contact
    subject: str
    text: str = attrs.field(repr=False)
    html: str = attrs.field(repr=False)
    language: Language
    useful_for: Duration
    sender_name: str
    sender_address: str | None = None


@attrs.frozen(kw_only=True)
class Call:
    """
    A call that says a code once a key has been pressed.

    Attributes:
        id: The id of the send, under which the provider asks for what to say.
        code: No provider is given it before a key has been pressed, and `repr` leaves it out.
        language: In which the call speaks.
        service_name: Says who is calling.
        useful_for: The remaining life of the code.
    """

    id: str
    to: Contact
    code: str = attrs.field(repr=False)
    language: Language
    service_name: str
    useful_for: Duration

    @property
    def text(self) -> str:
        """What the call says, in English, for development."""
        return f"Your {self.service_name} code is {', '.join(self.code)}."


@attrs.frozen(kw_only=True)
class WhatsApp:
    """
    A message by WhatsApp, whose text is a template that WhatsApp has approved.

    Attributes:
        id: The id of the send.
        code: Fills the template, and `repr` leaves it out.
        language: In which the template is chosen.
        useful_for: The remaining life of the code.
    """

    id: str
    to: Contact
    code: str = attrs.field(repr=False)
    language: Language
    useful_for: Duration

    @property
    def text(self) -> str:
        """The text of WhatsApp's own template in English, for development."""
        return f"{self.code} is your verification code."


Message: TypeAlias = Sms | Call | WhatsApp | Mail

M_contra = TypeVar("M_contra", bound=Message, contravariant=True)


@attrs.frozen(kw_only=True)
class Receipt:
    """
    The record that a provider took a message.

    Attributes:
        sender: The adapter's name.
        provider_message_id: The provider's id of the message; None unless it is 1 to 64 visible
            ASCII characters.
    """

    sender: str
    provider_message_id: str | None = attrs.field(default=None, converter=message_id)


class Sender(Protocol[M_contra]):
    """Hands messages of one channel over to a provider."""

    def available(self) -> bool:
        """Whether a message sent now would be tried at all."""
        ...

    async def send(self, message: M_contra, within: Duration = SEND_WITHIN) -> Receipt:
        """
        Hand *message* over once, and finish *within* that time.

        Raises:
            SendRejected: It was refused for its contact or content, and would be elsewhere too.
            SendRefusedHere: This provider refused it, and another one may take it.
            SendFailed: It could not be handed over, or the result is unknown; this counts against
                the provider.
        """
        ...


class Senders(Protocol):
    """
    The senders of one channel, tried in turn.

    Both methods take the *names* of those that may be tried, in that order; without any, all are
    tried in the service's order. A name that the service does not have is passed over.
    """

    def available(self, names: Sequence[str] = ()) -> bool:
        """Whether a message sent now would be tried at all."""
        ...

    async def send(
        self, message: Message, within: Duration = SEND_WITHIN, names: Sequence[str] = ()
    ) -> Receipt:
        """
        Hand *message* over, to one sender after another until one takes it.

        Raises:
            SendFailed: None took it, or one refused it for all of them.
        """
        ...
