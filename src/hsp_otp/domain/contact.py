"""Contacts, to which codes are sent, and channels."""

import enum
from collections.abc import Mapping
from typing import Final, assert_never

import attrs

from hsp_otp.domain.email_address import EmailAddress
from hsp_otp.domain.phone import PhoneNumber


class ContactKind(enum.Enum):
    """The kinds of contact."""

    PHONE = "phone"
    EMAIL = "email"


class Channel(enum.Enum):
    """The ways to send a message to a contact."""

    SMS = "sms"
    VOICE = "voice"
    WHATSAPP = "whatsapp"
    EMAIL = "email"


CHANNELS: Final[Mapping[ContactKind, tuple[Channel, ...]]] = {
    ContactKind.PHONE: (Channel.SMS, Channel.VOICE, Channel.WHATSAPP),
    ContactKind.EMAIL: (Channel.EMAIL,),
}
"""The channels that lead to each kind of contact. None leads to two."""

TEXTS: Final = frozenset({Channel.SMS, Channel.WHATSAPP})
"""The channels that lead to no landline."""


@attrs.frozen
class Contact:
    """
    The recipient of a code; `repr` and `str` mask it.

    Attributes:
        value: The canonical form: E.164, or an e-mail address in lower case. Only this form is
            compared, stored and used for fingerprints.
        given: The form that messages are sent to, if it differs: the local part of an e-mail
            address as it was given.
    """

    kind: ContactKind
    value: str = attrs.field(repr=False)
    given: str | None = attrs.field(default=None, repr=False, eq=False)

    @classmethod
    def of_phone(cls, phone: PhoneNumber) -> "Contact":
        """The contact for *phone*."""
        return cls(ContactKind.PHONE, phone.e164)

    @classmethod
    def of_email(cls, address: EmailAddress) -> "Contact":
        """The contact for *address*."""
        value = address.compared
        return cls(ContactKind.EMAIL, value, None if address.text == value else address.text)

    @classmethod
    def stored(cls, value: str) -> "Contact":
        """The contact with the canonical form *value*. No value is valid for two kinds."""
        return cls(ContactKind.EMAIL if "@" in value else ContactKind.PHONE, value)

    @property
    def destination(self) -> str:
        """The form that messages are sent to."""
        return self.given or self.value

    @property
    def limited(self) -> str:
        """The form that limits on sends count: an e-mail address without its tag."""
        match self.kind:
            case ContactKind.PHONE:
                return self.value
            case ContactKind.EMAIL:
                return EmailAddress(self.value).limited
            case _:
                assert_never(self.kind)

    @property
    def receives_texts(self) -> bool:
        """Whether the channels of `TEXTS` lead to it: whether it is a number, but no landline."""
        match self.kind:
            case ContactKind.PHONE:
                return PhoneNumber(self.value).receives_texts
            case ContactKind.EMAIL:
                return False
            case _:
                assert_never(self.kind)

    @property
    def masked(self) -> str:
        """The masked form, which anyone may see."""
        match self.kind:
            case ContactKind.PHONE:
                return PhoneNumber(self.value).masked
            case ContactKind.EMAIL:
                return EmailAddress(self.value).masked
            case _:
                assert_never(self.kind)

    @property
    def region(self) -> str | None:
        """ISO 3166-1 alpha-2 code of the contact's region, if it has one."""
        match self.kind:
            case ContactKind.PHONE:
                return PhoneNumber(self.value).region
            case ContactKind.EMAIL:
                return None
            case _:
                assert_never(self.kind)

    @property
    def range(self) -> str:
        """
        The part that neighbouring contacts share: for a number, all but its last four digits; for
        an e-mail address, the domain.
        """
        match self.kind:
            case ContactKind.PHONE:
                return PhoneNumber(self.value).prefix
            case ContactKind.EMAIL:
                return EmailAddress(self.value).domain
            case _:
                assert_never(self.kind)

    def __str__(self) -> str:
        return self.masked
