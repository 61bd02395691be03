"""The names of things: `docs/contract.md`, pass login."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.names import ClientAddress, MalformedPassCodeError, PassCode
from hsp_otp.domain.purposes import PURPOSES, Purpose, Slot, Subject, SubjectKind
from tests.strategies import codes, dashes, invisibles, pasted


@pytest.mark.parametrize(
    "text",
    [
        *("HSP-1234-5678", "hsp-1234-5678", "Hsp-1234-5678", " HSP-1234-5678 "),
        *("HSP-1234-5678\r\n", "HSP\u20111234\u20115678", "HSP\u20131234\u22125678"),
        *("H\u200bSP-1234-5678", "\u202aHSP-1234-5678\u202c", "HSP - 1234 - 5678"),
    ],
)
def test_spellings_of_one_pass_code(text: str) -> None:
    """Letter case, outer white space, what nobody sees and the kind of dash do not matter."""
    assert PassCode.parse(text).value == "HSP-1234-5678"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HSP",
        "HSP-1234-567",
        "HSP-1234-56789",
        "HSP12345678",
        "HSP-12345678",
        "HSP 1234 5678",
        "HSP--1234-5678",
        "HSP-12-34-5678",
        "HSP-1234\t-5678",
        "ABC-1234-5678",
        "XHSP-1234-5678",
        "HSP-1234-567A",
        "HSP-1234\n-5678",
        "HSP-1234-5678\nHSP-1234-5678",
        "HSP-1234-5678\x00",
        "\x00HSP-1234-5678",
        "HſP-1234-5678",
        "hſp-1234-5678",
        "ＨＳＰ-1234-5678",
        "HSP-१२३४-५६७८",
        "HSP-١٢٣٤-٥٦٧٨",
        "HSP-1234-567８",
        "HSP-1234-567\ud800",
    ],
)
def test_what_is_no_pass_code(text: str) -> None:
    """Letters and digits but ASCII ones of the form are refused, and not repeated."""
    with pytest.raises(MalformedPassCodeError) as caught:
        PassCode.parse(text)
    assert str(caught.value) == "not of the form HSP-dddd-dddd"


@pytest.mark.parametrize(
    "text",
    [
        *("HSP-1234-5678", "12345678", "HSP12345678", "hsp 1234 5678", "1234 5678"),
        *("1234-5678", "HSP\u20141234\u20145678", " hsp - 12 34 56 78 ", "HSP-१२३४-५६७८"),
    ],
)
def test_a_pass_code_as_people_type_it(text: str) -> None:
    """With or without the letters, with spaces and dashes anywhere, in digits of any script."""
    assert PassCode.typed(text).value == "HSP-1234-5678"


@pytest.mark.parametrize(
    "text",
    [
        *("", "HSP", "1234567", "123456789", "SP12345678", "HSPHSP12345678", "1234.5678"),
        *("HſP12345678", "ＨＳＰ12345678", "12345678\x00", "1234\n5678", "1234567²"),
    ],
)
def test_what_people_do_not_mean_as_a_pass_code(text: str) -> None:
    """Other letters, another number of digits and control characters are refused."""
    with pytest.raises(MalformedPassCodeError) as caught:
        PassCode.typed(text)
    assert str(caught.value) == "not eight digits, with or without HSP before them"


@given(data=st.data(), digits=codes(8))
def test_a_pass_code_through_a_clipboard(data: st.DataObject, digits: str) -> None:
    """Whatever invisible characters and dashes are put into a pass code, it is that one."""
    first, second = data.draw(dashes()), data.draw(dashes())
    typed = f"HsP{first}{digits[:4]}{second}{digits[4:]}"
    found = PassCode.parse(data.draw(pasted(typed)))
    assert found.value == f"HSP-{digits[:4]}-{digits[4:]}"


@given(text=st.text(st.one_of(st.sampled_from("HSP-\u2011 0123456789"), invisibles())))
def test_no_digit_of_a_pass_code_is_dropped_or_made(text: str) -> None:
    """What is read as a pass code has all the digits of the text, in their order."""
    for typed in (text, f"HSP-1234-{text}"):
        try:
            found = PassCode.parse(typed).value
        except MalformedPassCodeError:
            continue
        assert found.replace("-", "")[3:] == "".join(one for one in typed if one.isdecimal())


@given(text=st.text())
def test_no_text_is_a_crash(text: str) -> None:
    """Whatever is submitted is of the form or refused."""
    try:
        value = PassCode.parse(text).value
    except MalformedPassCodeError:
        return
    assert len(value) == 13
    assert value.isascii()


def test_a_pass_code_is_masked() -> None:
    """Neither `repr` nor `str` nor a format shows more than the last four digits."""
    code = PassCode("HSP-1234-5678")
    assert code.masked == "HSP-****-5678"
    assert str(code) == "HSP-****-5678"
    assert f"{code}" == "HSP-****-5678"
    assert repr(code) == "PassCode()"


def test_a_slot_has_a_name_of_its_own() -> None:
    """A slot is named by its purpose and its subject: codes are bound to that name."""
    slot = Slot(Subject(SubjectKind.USER, "u1"), Purpose.PHONE_VERIFICATION)
    assert str(slot) == "phone_verification:user:u1"


def test_a_client_address_is_shown_as_it_is() -> None:
    """Logs and audit show the address that the limits count."""
    assert str(ClientAddress("198.51.100.7")) == "198.51.100.7"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("198.51.100.0/24", "198.51.100.0/24"),
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8:1::/48", "2001:db8:1::/48"),
        ("2001:db8::/64", "2001:db8::/48"),
        ("::/64", "::/48"),
        ("unknown", "unknown"),
    ],
)
def test_the_network_of_a_client(address: str, network: str) -> None:
    """Of IPv4 a /24, of IPv6 a /48; a network and what is no address are their own."""
    assert ClientAddress(address).network == network


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_purpose_is_about_somebody(purpose: Purpose) -> None:
    """The kind of its subjects says who is unlocked and erased with whom."""
    expected = {"phone_verification": SubjectKind.USER, "signup": SubjectKind.PHONE}
    assert PURPOSES[purpose].subject_kind is expected[purpose.value]


def test_a_text_that_holds_a_pass_code() -> None:
    """A whole pass code is found in a text, in any case; a masked one is none."""
    assert PassCode.is_in("about hsp-1234-5678, again")
    assert PassCode.is_in("about HSP\u20111234\u22125678")
    assert PassCode.is_in("about HSP-12\u034f34-5678")
    assert PassCode.is_in("about HSP-१२३४-५६७८")
    assert not PassCode.is_in("about HSP-****-5678")
