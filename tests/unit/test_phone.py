"""Phone numbers: `docs/contract.md`, phone numbers."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.phone import (
    InvalidPhoneError,
    PhoneNumber,
    RegionNotAllowedError,
    mentions_number,
)
from tests.strategies import dashes, interspersed, invisibles, pasted, phones

INDIA = frozenset({"IN"})


@pytest.mark.parametrize(
    "text",
    [
        "+919876543210",
        "9876543210",
        "09876543210",
        "+91 98765 43210",
        "+91-98765-43210",
        "(+91) 98765.43210",
        "+91 (98765) 43210",
        " 98765 43210\n",
        "98765\u00a043210",
        "98765\u201343210",
        "00919876543210",
        "９８７６５４３２１０",
        "९८७६५४३२१०",
        "+٩١ ٩٨٧٦٥ ٤٣٢١٠",
        "98765/43210",
        "\u202a+919876543210\u202c",
        "+91\u200b98765\u00ad43210",
        "＋91 98765 43210",
        "+91（98765）43210",
        "98765\u221243210",
    ],
)
def test_spellings_of_one_number(text: str) -> None:
    """Separators, national form, what nobody sees and the script of digits do not matter."""
    assert PhoneNumber.parse(text, "IN", INDIA).e164 == "+919876543210"


@pytest.mark.parametrize(
    "text",
    [
        *("0919876543210", "091-98765-43210", "91-98765-43210", "919876543210"),
        *("+91 098765 43210", "+91(0)98765 43210", "0091 98765 43210", "00 91 0 98765 43210"),
        *("(+91) 98765 43210", "+ 91 98765 43210", "+0091 98765 43210", "+0 98765 43210"),
        *("+91 919876543210", "+91 091 98765 43210", "91 91 98765 43210"),
        *("98765 43210.", "98765 43210-", "+91 98765 43210 /", "98765 43210 ()"),
    ],
)
def test_what_stands_before_a_number_once_too_often(text: str) -> None:
    """Zeros and calling codes that leave one reading are read, and separators at the end."""
    assert PhoneNumber.parse(text, "IN", INDIA).e164 == "+919876543210"


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [
        ("447400123456", "GB", "+447400123456"),
        ("+44 (0)7400 123456", "IN", "+447400123456"),
        ("0044 7400 123456", "US", "+447400123456"),
        ("+44 447400123456", "IN", "+447400123456"),
        ("971501234567", "AE", "+971501234567"),
        ("8613812345678", "CN", "+8613812345678"),
        ("79123456789", "RU", "+79123456789"),
        ("89123456789", "RU", "+79123456789"),
        ("5511961234567", "BR", "+5511961234567"),
        ("55991234567", "BR", "+5555991234567"),
        ("2348031234567", "NG", "+2348031234567"),
        ("+34 (0)612345678", "IN", "+34612345678"),
        ("+225 225 0701020304", "IN", "+2250701020304"),
        ("+7 79123456789", "IN", "+79123456789"),
        ("+7 007 9123456789", "IN", "+79123456789"),
        ("24106031250", "GA", "+24106031250"),
        ("390 1234567", "IT", "+393901234567"),
        ("62812345678", "ID", "+62812345678"),
    ],
)
def test_readings_in_other_countries(text: str, region: str, e164: str) -> None:
    """The one reading that can be texted counts; a zero that belongs to the number stays."""
    assert PhoneNumber.parse(text, region).e164 == e164


@pytest.mark.parametrize(
    ("text", "region", "words"),
    [
        ("00 98765 43210", "IN", "not a valid phone number"),
        ("+98765 43210", "IN", "not a valid phone number"),
        ("91 12345 67890 1", "IN", "not a valid phone number"),
        ("062812345678", "ID", "not a mobile number"),
        ("435633528643", "AT", "not a mobile number"),
        ("+62 62 812345678", None, "not a mobile number"),
        ("98765 43210", None, "not a phone number"),
        ("0 98765 43210", None, "not a phone number"),
        ("+0", "IN", "not a phone number"),
        ("+00", "IN", "not a phone number"),
        ("+0 98765 43210", None, "not a phone number"),
    ],
)
def test_what_has_no_reading(text: str, region: str | None, words: str) -> None:
    """A plus or a zero says how a number is to be read: no other way is tried then."""
    with pytest.raises(InvalidPhoneError) as caught:
        PhoneNumber.parse(text, region)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [
        ("+62812345678.0", "IN", "+62812345678"),
        ("+62812345678.00", "IN", "+62812345678"),
        ("62812345678.0", "ID", "+62812345678"),
        ("9876543210.0", "IN", "+919876543210"),
        ("\uff0b919876543210\uff0e0", "IN", "+919876543210"),
        ("06.12.34.56.00", "FR", "+33612345600"),
        ("+33 6.12.34.56.00", "IN", "+33612345600"),
        ("06.12.34.56.78", "FR", "+33612345678"),
        ("0470/12.34.00", "BE", "+32470123400"),
        ("98765.43210", "IN", "+919876543210"),
        ("98765.00000", "IN", "+919876500000"),
        ("+1.2025550123", "IN", "+12025550123"),
        ("0664/1234567", "AT", "+436641234567"),
        ("0151/23456789", "DE", "+4915123456789"),
        ("0664.123.45.67", "AT", "+436641234567"),
    ],
)
def test_dots_and_slashes(text: str, region: str, e164: str) -> None:
    """They stand between groups of digits; a spreadsheet's decimal point is no digit's."""
    assert PhoneNumber.parse(text, region).e164 == e164


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("+62812345678.5", "IN"),
        ("+62812345678.25", "IN"),
        ("+62812345678.000", "IN"),
        ("+62 812 345 678.0", "IN"),
        ("+62 812 345 678 . 0", "IN"),
        ("+62 812 345 678.00", "IN"),
        ("+62.812.345.678.0", "IN"),
        ("+6281.2345678.00", "IN"),
        ("+628.12.345.67.00", "IN"),
        ("98765.4321.0", "IN"),
        ("98765.4321/0", "IN"),
        ("0151 2345678/9", "DE"),
        ("98765 43210 / 98765 43211", "IN"),
        ("0664 1234567/8901", "AT"),
        ("06 12 34 56.00", "FR"),
    ],
)
def test_dots_and_slashes_that_are_no_separators(text: str, region: str) -> None:
    """What stands after a whole number, or a last digit alone, may be no part of the number."""
    with pytest.raises(InvalidPhoneError, match=r"^not a phone number$"):
        PhoneNumber.parse(text, region)


@given(data=st.data(), e164=phones())
def test_a_number_through_a_clipboard(data: st.DataObject, e164: str) -> None:
    """Whatever invisible characters and separators are put into a number, it is that number."""
    separators = st.one_of(dashes(), st.sampled_from(" \u00a0\u2009()\uff08"))
    apart = data.draw(interspersed(e164[3:], separators, range(1, 10)))
    # A dot or slash stands between groups: not right before the last two digits.
    apart = data.draw(interspersed(apart, st.sampled_from("./\uff0e\uff0f"), range(1, 7)))
    before = data.draw(st.sampled_from(["+91", "\uff0b91 ", "(+91)", "\u202a+91", "0", "091", ""]))
    typed = data.draw(pasted(before + apart))
    assert PhoneNumber.parse(typed, "IN").e164 == e164


@given(text=st.text(st.one_of(st.sampled_from("0123456789+()- /\u2011"), invisibles())))
def test_no_digit_of_a_number_is_dropped_or_made(text: str) -> None:
    """What is read ends in the digits of the text: no two numbers are one."""
    for typed in (text, f"+91 9876{text}", f"98765{text}", f"0091{text}"):
        try:
            found = PhoneNumber.parse(typed, "IN").e164
        except InvalidPhoneError:
            continue
        digits = "".join(one for one in typed if one.isdecimal())
        national = str(phonenumbers.parse(found).national_number)
        assert digits.endswith(national)
        assert set(digits.removesuffix(national)) <= set(f"0{found.removesuffix(national)}")


@given(e164=phones())
def test_the_canonical_form_stays(e164: str) -> None:
    """E.164 is read as itself, whatever the region of national form, and national form agrees."""
    assert PhoneNumber.parse(e164, None).e164 == e164
    assert PhoneNumber.parse(e164, "US", INDIA).e164 == e164
    assert PhoneNumber.parse(e164[3:], "IN", INDIA) == PhoneNumber.parse(e164, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "()",
        "98765",
        "+91",
        "+9198765432101",
        "+910000000000",
        "+999123456789",
        "tel:+919876543210",
        "+919876543210;ext=5",
        "+919876543210 x5",
        "+919876543210 ext. 5",
        "+919876543210#5",
        "+919876543210,5",
        "1800FLOWERS",
        "+91 98765 4321O",
        "++919876543210",
        "+91\x0098765 43210",
        "\x00+919876543210",
        "+919876543210\x00",
        "+91\n98765 43210",
        "+91\t98765 43210",
        "\ud8009876543210",
        "98765~43210",
        "*9876543210",
        "9876543210" + " " * 60 + "1",
        "9" * 300,
    ],
)
def test_what_is_no_number(text: str) -> None:
    """Extensions, `tel:`, letters, control characters and invalid numbers are refused."""
    with pytest.raises(InvalidPhoneError) as caught:
        PhoneNumber.parse(text, "IN", INDIA)
    assert "98765" not in str(caught.value)


def test_the_longest_text() -> None:
    """A text of 64 characters is read, one of 65 is not."""
    assert PhoneNumber.parse("98765" + " " * 54 + "43210", "IN").e164 == "+919876543210"
    with pytest.raises(InvalidPhoneError, match=r"^not a phone number$"):
        PhoneNumber.parse("98765" + " " * 55 + "43210", "IN")


def test_national_form_needs_a_region() -> None:
    """Without a default region only the international form is a number."""
    with pytest.raises(InvalidPhoneError, match=r"^not a phone number$"):
        PhoneNumber.parse("9876543210", None)


def test_validity_before_region_before_type() -> None:
    """A number is judged as valid, then by its region, then by its type."""
    with pytest.raises(InvalidPhoneError, match=r"^not a valid phone number$"):
        PhoneNumber.parse("+12025550", None, INDIA)
    with pytest.raises(RegionNotAllowedError, match=r"^not of an allowed region$"):
        PhoneNumber.parse("+12025550123", None, INDIA)
    with pytest.raises(RegionNotAllowedError, match=r"^not of an allowed region$"):
        PhoneNumber.parse("+443031231234", None, INDIA)
    with pytest.raises(InvalidPhoneError, match=r"^not a mobile number$"):
        PhoneNumber.parse("+911123456789", None, INDIA)


def test_regions_are_not_calling_codes() -> None:
    """Canada is refused where the United States are allowed, though both are +1."""
    assert PhoneNumber.parse("+12025550123", None, frozenset({"US"})).region == "US"
    with pytest.raises(RegionNotAllowedError):
        PhoneNumber.parse("+14165550123", None, frozenset({"US"}))


def test_types_that_are_texted() -> None:
    """Mobile and fixed-line-or-mobile numbers are texted; landlines and toll-free are not."""
    assert PhoneNumber.parse("+919876543210", None).region == "IN"
    assert PhoneNumber.parse("+12025550123", None).region == "US"
    for text in ("+911123456789", "+18005550123", "+442079460958"):
        with pytest.raises(InvalidPhoneError):
            PhoneNumber.parse(text, None)


@given(text=st.text())
def test_no_text_is_a_crash(text: str) -> None:
    """Whatever is submitted is a number in E.164 or refused."""
    try:
        number = PhoneNumber.parse(text, "IN")
    except InvalidPhoneError:
        return
    assert number.e164.startswith("+")


@pytest.mark.parametrize(
    ("e164", "masked"),
    [
        ("+919876543210", "***-***-3210"),
        ("+4799999999", "***-***-9999"),
        ("+1234567", "***-***-4567"),
        ("+123456", "***-***-****"),
    ],
)
def test_masking(e164: str, masked: str) -> None:
    """At most the last four digits are shown, and none where there are fewer than seven."""
    number = PhoneNumber(e164)
    assert number.masked == masked
    assert str(number) == masked
    assert f"{number}" == masked


def test_repr_shows_nothing() -> None:
    """A `repr` tells no digit of a number."""
    assert repr(PhoneNumber("+919876543210")) == "PhoneNumber()"


def test_the_prefix() -> None:
    """The prefix is the number without its last four digits."""
    assert PhoneNumber("+919876543210").prefix == "+91987654"


@pytest.mark.parametrize(
    ("e164", "region"),
    [
        ("+919876543210", "IN"),
        ("+12025550123", "US"),
        ("+14165550123", "CA"),
        ("+390212345678", "IT"),
        ("+390669812345", "VA"),
    ],
)
def test_the_region(e164: str, region: str) -> None:
    """Also where several share a calling code, and where a zero belongs to the number."""
    assert PhoneNumber(e164).region == region


def test_a_number_of_no_region() -> None:
    """A number that belongs to no region has none."""
    assert PhoneNumber("+12000000000").region is None


def test_a_text_that_mentions_a_short_number() -> None:
    """The shortest number that is found behind its calling code has eleven digits with that."""
    assert mentions_number("of 065 8123 4567", "SG")
    assert not mentions_number("of 2026-08-0109", "SG")


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("called from 98765 43210", True),
        ("called from +91-98765-43210, twice", True),
        ("919876543210", True),
        ("called back", False),
        ("ticket 4711 of 2026-08-01", False),
        ("***-***-3210", False),
        ("called from 98765\u221243210", True),
        ("called from 98765\u034f43210", True),
        ("called from 9\u200b876543210", True),
        ("called from ９８７６５/４３２１０", True),
        ("called from 091 98765 43210", True),
        ("called from 0919876543210 98", True),
        ("called from 9876543210.0", True),
        ("from 2026-08-01 to 2026-08-31, twice", False),
        ("case 2026/08/01/000001234", False),
    ],
)
def test_a_text_that_mentions_a_number(text: str, mentions: bool) -> None:  # noqa: FBT001
    """A valid number is found in a text, in whatever form; a ticket's is none."""
    assert mentions_number(text, "IN") is mentions
