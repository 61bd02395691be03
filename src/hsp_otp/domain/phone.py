"""Phone numbers by Google's rules (libphonenumber); E.164 is the canonical form."""

import re
import unicodedata

import attrs
import phonenumbers

_ALLOWED = re.compile(r"[ (]*\+?[0-9 ().-]+")
_MAX_LENGTH = 64
_SHOWN_DIGITS = 4
_TOO_SHORT_TO_SHOW = 7
_TEXTED = {
    phonenumbers.PhoneNumberType.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
}


class InvalidPhoneError(ValueError):
    """The text is not a valid number that can be texted."""


class RegionNotAllowedError(ValueError):
    """The number is valid, and of a region that is not served."""


@attrs.frozen
class PhoneNumber:
    """
    A number in its canonical form, which alone is compared, limited, stored and sent.

    Attributes:
        e164: For example ``+919876543210``. Masked in `repr` and `str`.
    """

    e164: str = attrs.field(repr=False)

    @classmethod
    def parse(
        cls, text: str, default_region: str | None, regions: frozenset[str] | None = None
    ) -> "PhoneNumber":
        """
        Read a number that is valid, of an allowed region and of a type that can be texted,
        judged in that order.

        Args:
            text: May carry spaces, dots, dashes and parentheses, digits of any script, and
                national form where there is a default region.
            default_region: ISO 3166-1 alpha-2 code of the region of national form.
            regions: The allowed regions, or None for any.

        Raises:
            InvalidPhoneError: Not a number, not a valid one, or not one to be texted.
            RegionNotAllowedError: Valid, but of another region.
        """
        try:
            number = phonenumbers.parse(_canonical(text), default_region)
        except phonenumbers.NumberParseException as error:
            raise InvalidPhoneError("not a phone number") from error
        if not phonenumbers.is_valid_number(number):
            raise InvalidPhoneError("not a valid phone number")
        if regions is not None and phonenumbers.region_code_for_number(number) not in regions:
            raise RegionNotAllowedError("not of an allowed region")
        if phonenumbers.number_type(number) not in _TEXTED:
            raise InvalidPhoneError("not a mobile number")
        return cls(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    @property
    def region(self) -> str | None:
        """ISO 3166-1 alpha-2 code of the number's region, where it has one."""
        return phonenumbers.region_code_for_number(phonenumbers.parse(self.e164))

    @property
    def prefix(self) -> str:
        """The number without its last four digits: the range it was taken from."""
        return self.e164[:-4]

    @property
    def masked(self) -> str:
        """What may be shown to anyone: at most the last four digits."""
        digits = self.e164.removeprefix("+")
        return f"***-***-{digits[-_SHOWN_DIGITS:] if len(digits) >= _TOO_SHORT_TO_SHOW else '****'}"

    def __str__(self) -> str:
        return self.masked


def mentions_number(text: str, default_region: str | None) -> bool:
    """Whether somewhere in *text* there is a valid number, of whatever type."""
    return phonenumbers.PhoneNumberMatcher(text, default_region).has_next()


def _canonical(text: str) -> str:
    """ASCII digits and plain separators only: the parser would let much more through."""
    folded = "".join(_fold(character) for character in text.strip())
    if len(folded) > _MAX_LENGTH or not _ALLOWED.fullmatch(folded):
        raise InvalidPhoneError("not a phone number")
    return folded


def _fold(character: str) -> str:
    value = unicodedata.decimal(character, None)
    if value is not None:
        return str(value)
    return {"Zs": " ", "Pd": "-"}.get(unicodedata.category(character), character)
