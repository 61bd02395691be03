"""Contacts, to which codes are sent, and channels. So far: phone numbers, by SMS."""

import enum
from typing import assert_never

import attrs

from hsp_otp.domain.phone import PhoneNumber


class ContactKind(enum.Enum):
    """The kinds of contact."""

    PHONE = "phone"


class Channel(enum.Enum):
    """The ways to send a message to a contact."""

    SMS = "sms"


@attrs.frozen
class Contact:
    """
    The recipient of a code, in canonical form (for a phone number, E.164).

    Only this form is compared, limited, stored and used; `repr` and `str` mask it.
    """

    kind: ContactKind
    value: str = attrs.field(repr=False)

    @classmethod
    def of_phone(cls, phone: PhoneNumber) -> "Contact":
        """The contact for *phone*."""
        return cls(ContactKind.PHONE, phone.e164)

    @classmethod
    def stored(cls, value: str) -> "Contact":
        """The contact with the canonical form *value*. No value is valid for two kinds."""
        return cls(ContactKind.PHONE, value)

    @property
    def masked(self) -> str:
        """The masked form, which anyone may see."""
        return self._typed.masked

    @property
    def region(self) -> str | None:
        """ISO 3166-1 alpha-2 code of the contact's region, if it has one."""
        return self._typed.region

    @property
    def range(self) -> str:
        """The part that neighbouring contacts share: for a number, all but its last four digits."""
        return self._typed.prefix

    @property
    def _typed(self) -> PhoneNumber:
        match self.kind:
            case ContactKind.PHONE:
                return PhoneNumber(self.value)
            case _:
                assert_never(self.kind)

    def __str__(self) -> str:
        return self.masked
