"""Phone numbers: `docs/contract.md`, phone numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.phone import (
    InvalidPhoneError,
    PhoneNumber,
    RegionNotAllowedError,
    mentions_number,
)
from tests.strategies import phones

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
    ],
)
def test_spellings_of_one_number(text: str) -> None:
    """Separators, national form and the script of the digits make no other number."""
    assert PhoneNumber.parse(text, "IN", INDIA).e164 == "+919876543210"


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
        "＋919876543210",
        "++919876543210",
        "+91\x0098765 43210",
        "\x00+919876543210",
        "+919876543210\x00",
        "+91\n98765 43210",
        "+91\t98765 43210",
        "+91\u200b9876543210",
        "\u202a+919876543210\u202c",
        "+91\u00ad9876543210",
        "\ud8009876543210",
        "98765/43210",
        "98765~43210",
        "*9876543210",
        "9876543210" + " " * 60 + "1",
        "9" * 300,
    ],
)
def test_what_is_no_number(text: str) -> None:
    """Extensions, `tel:`, letters, control and invisible characters and invalid numbers go."""
    with pytest.raises(InvalidPhoneError) as caught:
        PhoneNumber.parse(text, "IN", INDIA)
    assert "98765" not in str(caught.value)


def test_the_longest_text() -> None:
    """A text of 64 characters is read, one of 65 is not."""
    assert PhoneNumber.parse("98765" + " " * 54 + "43210", "IN").e164 == "+919876543210"
    with pytest.raises(InvalidPhoneError):
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


def test_a_number_of_no_region() -> None:
    """A number that belongs to no region has none."""
    assert PhoneNumber("+12000000000").region is None


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("called from 98765 43210", True),
        ("called from +91-98765-43210, twice", True),
        ("919876543210", True),
        ("called back", False),
        ("ticket 4711 of 2026-08-01", False),
        ("***-***-3210", False),
    ],
)
def test_a_text_that_mentions_a_number(text: str, mentions: bool) -> None:  # noqa: FBT001
    """A valid number is found in a text, in whatever form; a ticket's is none."""
    assert mentions_number(text, "IN") is mentions
