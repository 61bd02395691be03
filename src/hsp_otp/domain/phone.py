"""Phone numbers by the rules of Google's libphonenumber, with E.164 as the canonical form."""

import re
from collections.abc import Iterator

import attrs
import phonenumbers

from hsp_otp.domain.typed_text import plain, with_ascii_digits

_ALLOWED = re.compile(r"[ (]*\+?[0-9 ()./-]+")
_AFTER_THE_LAST_DIGIT = " ()./-"
_SPREADSHEET = re.compile(r"(\+?[0-9]+)\.0{1,2}")
"""The output of a spreadsheet that treated a number as an amount."""

_PAIRS = re.compile(r"(?<![0-9])[0-9]{2}\.[0-9]{2}\.00")
"""The end of a number written in pairs of digits, such as 06.12.34.56.00."""

_DIGITS = re.compile(r"[0-9]+")
_LEADING = re.compile(r"^\+?0*")
_DOT_OR_SLASH = re.compile(r"[./]")
_RUNS_OF_DIGITS = (re.compile(r"\+?[0-9()./-]+"), re.compile(r"\+?[0-9][0-9 ()./-]*"))
_LONGER_THAN_A_DATE = 11
_CALLING_CODES = frozenset(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
_MAX_LENGTH = 64
_SHOWN_DIGITS = 4
_TOO_SHORT_TO_SHOW = 7
_TEXTED = {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}


class InvalidPhoneError(ValueError):
    """The text is not a valid number that can receive texts."""


class NotTextedError(InvalidPhoneError):
    """The number is valid, but of a kind that receives no texts, such as a landline."""


class RegionNotAllowedError(ValueError):
    """The number is valid, but its region is not allowed."""


@attrs.frozen
class PhoneNumber:
    """
    A number in canonical form, E.164, which `repr` and `str` mask.

    Only this form is compared, limited, stored and sent to.
    """

    e164: str = attrs.field(repr=False)

    @classmethod
    def parse(
        cls,
        text: str,
        default_region: str | None,
        regions: frozenset[str] | None = None,
        *,
        landlines: bool = False,
    ) -> "PhoneNumber":
        """
        Read a number that is valid, in an allowed region and able to receive texts, judged in that
        order.

        Common mistakes in the prefix are corrected: zeros before or after the calling code, and a
        calling code that is repeated or lacks its plus. Text that can be read as two numbers is
        refused.

        Args:
            text: May contain spaces, dots, dashes, slashes and parentheses, invisible characters,
                digits of any script, and a national number if there is a default region.
            default_region: ISO 3166-1 alpha-2 code of the region for national numbers.
            regions: The allowed regions, or None for any.
            landlines: Whether a landline will do as well, because it will be called. Numbers that
                cost extra never do.

        Raises:
            InvalidPhoneError: The text is not a number, or the number is not valid.
            NotTextedError: The number cannot receive texts.
            RegionNotAllowedError: The number is valid, but its region is not allowed.
        """
        typed = _typed(text, default_region)
        readings = _readings(typed, default_region)
        wanted = [one for one in readings if _is_texted(one)] or readings[:1]
        if len(wanted) != 1:
            possible = _parsed(typed, default_region) is not None
            raise InvalidPhoneError(f"not a {'valid ' if possible else ''}phone number")
        (number,) = wanted
        if regions is not None and phonenumbers.region_code_for_number(number) not in regions:
            raise RegionNotAllowedError("not of an allowed region")
        if not _is_texted(number) and not (landlines and _is_landline(number)):
            raise NotTextedError("not a mobile number")
        return cls(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    @property
    def receives_texts(self) -> bool:
        """Whether it is of a kind that receives texts."""
        return _is_texted(self._number)

    @property
    def region(self) -> str | None:
        """ISO 3166-1 alpha-2 code of the number's region, if it has one."""
        return phonenumbers.region_code_for_number(self._number)

    @property
    def _number(self) -> phonenumbers.PhoneNumber:
        digits = self.e164.removeprefix("+")
        # Parsing the number again would take longer than everything else done with it.
        for length in (1, 2, 3):
            code, rest = digits[:length], digits[length:]
            if code in _CALLING_CODES and not rest.startswith("0"):
                return phonenumbers.PhoneNumber(int(code), int(rest))
        return phonenumbers.parse(self.e164)

    @property
    def prefix(self) -> str:
        """The number without its last four digits: the range that it belongs to."""
        return self.e164[:-4]

    @property
    def masked(self) -> str:
        """The masked number, which anyone may see: at most the last four digits."""
        digits = self.e164.removeprefix("+")
        return f"***-***-{digits[-_SHOWN_DIGITS:] if len(digits) >= _TOO_SHORT_TO_SHOW else '****'}"

    def __str__(self) -> str:
        return self.masked


def mentions_number(text: str, default_region: str | None) -> bool:
    """Whether *text* contains a valid number of any type."""
    searched = with_ascii_digits(plain(text))
    if phonenumbers.PhoneNumberMatcher(searched, default_region).has_next():
        return True
    # The matcher does not recognize all the notations that `parse` accepts.
    runs = (run for pattern in _RUNS_OF_DIGITS for run in pattern.findall(searched))
    return any(_is_long_number(run, default_region) for run in runs)


def _is_long_number(text: str, default_region: str | None) -> bool:
    if len(_bare(text)) < _LONGER_THAN_A_DATE:
        return False
    try:
        PhoneNumber.parse(text, default_region)
    except InvalidPhoneError:
        return False
    return True


def _typed(text: str, default_region: str | None) -> str:
    """
    The ASCII digits of *text*, with a leading plus if it has one.

    Only plain separators may stand between digits, because the parser would accept much more.
    """
    folded = plain(text)
    if len(folded) > _MAX_LENGTH:
        raise InvalidPhoneError("not a phone number")
    folded = with_ascii_digits(folded).rstrip(_AFTER_THE_LAST_DIGIT)
    if amount := _SPREADSHEET.fullmatch(folded):
        return amount[1]
    if not _ALLOWED.fullmatch(folded) or _is_unclear(folded, default_region):
        raise InvalidPhoneError("not a phone number")
    return _bare(folded)


def _is_unclear(text: str, default_region: str | None) -> bool:
    """
    Whether a dot or slash in *text* may be more than a separator between groups of digits.

    That is the case before a single last digit; before a final ``00``, except in numbers written in
    pairs; and after a complete number, where a slash may separate two numbers and a dot may begin
    decimals.
    """
    places = [found.start() for found in _DOT_OR_SLASH.finditer(text)]
    if not places:
        return False
    last = _bare(text[places[-1] :])
    if len(last) == 1 or (text.endswith(".00") and not _PAIRS.search(text)):
        return True
    separators = [place for place in places if text[place] == "/" or text.count(".") == 1]
    return any(_valid(_bare(text[:place]), default_region) for place in separators)


def _bare(text: str) -> str:
    return ("+" if "+" in text else "") + "".join(_DIGITS.findall(text))


def _readings(typed: str, default_region: str | None) -> list[phonenumbers.PhoneNumber]:
    """The distinct valid numbers that *typed* may be, the library's own reading first."""
    if typed.startswith("+0"):  # no calling code begins with a zero
        typed = typed.removeprefix("+")
    first = _valid(typed, default_region)
    if first and typed.startswith(("+", "0")):
        return [first]  # the prefix leaves no other reading
    found = [first, *_repaired(typed, default_region)]
    valid = [one for one in found if one]
    return [one for place, one in enumerate(valid) if one not in valid[:place]]


def _repaired(typed: str, default_region: str | None) -> Iterator[phonenumbers.PhoneNumber | None]:
    """The readings of *typed* with a repeated or misplaced prefix removed."""
    digits = _LEADING.sub("", typed)
    if typed.startswith(("+", "00")):
        # At most one calling code matches, because none is a prefix of another.
        codes = _CALLING_CODES.intersection(digits[:length] for length in (1, 2, 3))
    elif default_region:
        codes = frozenset({str(phonenumbers.country_code_for_region(default_region))})
    else:
        return
    for code in codes:
        rest = digits
        while rest.startswith(code):
            rest = rest.removeprefix(code)
            without_zeros = _LEADING.sub("", rest)
            # In some countries a leading zero belongs to the number.
            yield _valid(f"+{code}{rest}", None) or _valid(f"+{code}{without_zeros}", None)
            rest = without_zeros


def _parsed(typed: str, default_region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(typed, default_region)
    except phonenumbers.NumberParseException:
        return None


def _valid(typed: str, default_region: str | None) -> phonenumbers.PhoneNumber | None:
    number = _parsed(typed, default_region)
    return number if number and phonenumbers.is_valid_number(number) else None


def _is_texted(number: phonenumbers.PhoneNumber) -> bool:
    return phonenumbers.number_type(number) in _TEXTED


def _is_landline(number: phonenumbers.PhoneNumber) -> bool:
    return phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.FIXED_LINE
