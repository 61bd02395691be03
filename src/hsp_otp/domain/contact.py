"""What codes are sent to: a phone number today, by a text message."""

import enum
from typing import assert_never

import attrs

from hsp_otp.domain.phone import PhoneNumber


class ContactKind(enum.Enum):
    """What a contact is."""

    PHONE = "phone"


class Channel(enum.Enum):
    """The way that a message takes to a contact."""

    SMS = "sms"


@attrs.frozen
class Contact:
    """
    What a code is sent to, in the canonical form that alone is compared, limited, stored and used.

    Attributes:
        value: Of a phone E.164. Masked in `repr` and `str`.
    """

    kind: ContactKind
    value: str = attrs.field(repr=False)

    @classmethod
    def of_phone(cls, phone: PhoneNumber) -> "Contact":
        """The contact that *phone* is."""
        return cls(ContactKind.PHONE, phone.e164)

    @classmethod
    def stored(cls, value: str) -> "Contact":
        """The contact whose canonical form is *value*; those of two kinds never look alike."""
        return cls(ContactKind.PHONE, value)

    @property
    def masked(self) -> str:
        """What may be shown to anyone."""
        match self.kind:
            case ContactKind.PHONE:
                return PhoneNumber(self.value).masked
            case _:
                assert_never(self.kind)

    @property
    def region(self) -> str | None:
        """ISO 3166-1 alpha-2 code of its region, where it has one."""
        match self.kind:
            case ContactKind.PHONE:
                return PhoneNumber(self.value).region
            case _:
                assert_never(self.kind)

    @property
    def range(self) -> str:
        """What it has in common with its neighbours: of a number all but its last four digits."""
        match self.kind:
            case ContactKind.PHONE:
                return PhoneNumber(self.value).prefix
            case _:
                assert_never(self.kind)

    def __str__(self) -> str:
        return self.masked
