"""The code itself: `docs/contract.md`, rules of the code."""

import copy
import pickle
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.code import Code, MalformedCodeError, derive
from hsp_otp.domain.keys import Key, KeyRing
from tests.strategies import codes, dashes, interspersed, invisibles, pasted

KEY = Key("k", bytes(range(32)))
NONCE = b"\x07" * 16
BOUND_TO = ("pass_login", "phone_verification")


@pytest.mark.parametrize(
    ("digits", "expected"),
    [(4, "9488"), (5, "99488"), (6, "599488"), (9, "829599488"), (10, "7829599488")],
)
def test_derivation_is_fixed(digits: int, expected: str) -> None:
    """A code is HMAC-SHA-256 modulo the space: machines of two versions agree on it."""
    assert derive(KEY, NONCE, BOUND_TO, digits).reveal() == expected


def test_every_code_is_equally_likely() -> None:
    """Over 20 000 challenges each leading digit comes up about equally often, zero included."""
    drawn = [derive(KEY, n.to_bytes(16, "big"), BOUND_TO, 6).reveal() for n in range(20_000)]
    assert all(len(code) == 6 and code.isascii() and code.isdigit() for code in drawn)
    for position in range(6):
        counted = Counter(code[position] for code in drawn)
        assert len(counted) == 10
        assert all(1_800 < times < 2_200 for times in counted.values())
    assert len(set(drawn)) > 19_700


def test_leading_zeros_are_kept() -> None:
    """A small number is still a code of full length."""
    drawn = [derive(KEY, n.to_bytes(16, "big"), BOUND_TO, 4).reveal() for n in range(2_000)]
    assert any(code.startswith("00") for code in drawn)
    assert {len(code) for code in drawn} == {4}


@pytest.mark.parametrize(
    ("key", "nonce", "bound_to"),
    [
        (Key("k", bytes(32)), NONCE, BOUND_TO),
        (KEY, b"\x08" * 16, BOUND_TO),
        (KEY, NONCE, ("pass_login", "signup")),
        (KEY, NONCE, ("pass_loginp", "hone_verification")),
        (KEY, NONCE, ("pass_login", "phone_verification", "")),
    ],
)
def test_any_difference_makes_another_code(key: Key, nonce: bytes, bound_to: tuple[str]) -> None:
    """Key, nonce and every part that it is bound to go into the code, each with its length."""
    assert derive(key, nonce, bound_to, 10).reveal() != "7829599488"


@given(digits=codes())
def test_the_plain_form_is_read(digits: str) -> None:
    """Exactly the digits of the policy's length are a code."""
    assert Code.parse(digits, 6).reveal() == digits


@pytest.mark.parametrize(
    "text",
    [
        "012345",
        "  012345 ",
        "\t012345\r\n",
        "\u00a0012345\u3000",
        "012 345",
        "012-345",
        "0 1 2 3 4 5",
        "012 - 345",
        "012\u2013345",
        "012\u00a0345",
        "012\u2009345",
        "٠١٢٣٤٥",
        "۰۱۲۳۴۵",
        "०१२३४५",
        "０１２３４５",
        "𝟎𝟏𝟐𝟑𝟒𝟓",
        "०12 ٣45",
        "\u200e012345",
        "\ufeff012\u200b345\u202c",
        "012\u2011345",
        "012\u2212345",
        "012\uff0d345",
    ],
)
def test_spellings_of_one_code(text: str) -> None:
    """Outer white space, what nobody sees, separators and the script of digits do not matter."""
    assert Code.parse(text, 6).reveal() == "012345"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-",
        "12345",
        "1234567",
        "-12345",
        "-123456",
        "123456-",
        "\u2013123456",
        "+123456",
        "123.456",
        "123_456",
        "123,456",
        "12345a",
        "abcdef",
        "0x1234",
        "123\t456",
        "123\n456",
        "123\x00456",
        "\x00123456",
        "123456\x00",
        "123\u2028456",
        "12345²",
        "①②③④⑤⑥",
        "一二三四五六",
        "½½½½½½",
        "\ud800123456",
    ],
)
def test_anything_else_is_malformed(text: str) -> None:
    """Other lengths, outer dashes, control characters and what is no decimal digit are refused."""
    with pytest.raises(MalformedCodeError) as caught:
        Code.parse(text, 6)
    assert str(caught.value) == "not 6 digits"


@given(data=st.data(), digits=codes())
def test_a_code_through_a_clipboard(data: st.DataObject, digits: str) -> None:
    """Whatever invisible characters, dashes and spaces are put into a code, it is that code."""
    separators = st.one_of(dashes(), st.sampled_from(" \u00a0\u2009"))
    apart = data.draw(interspersed(digits, separators, range(1, 6)))
    assert Code.parse(data.draw(pasted(apart)), 6).reveal() == digits


@given(text=st.text(st.one_of(st.sampled_from("0123456789०٣-\u2011 "), invisibles()), max_size=9))
def test_no_digit_of_a_code_is_dropped_or_made(text: str) -> None:
    """What is read as a code has all the digits of the text, in their order: no two are one."""
    try:
        found = Code.parse(text, 4).reveal()
    except MalformedCodeError:
        return
    assert found == "".join(str(int(one)) for one in text if one.isdecimal())


@given(text=st.text())
def test_what_is_read_is_ascii_digits(text: str) -> None:
    """Whatever is submitted is malformed or exactly so many ASCII digits, never a crash."""
    try:
        found = Code.parse(text, 4).reveal()
    except MalformedCodeError:
        return
    assert len(found) == 4
    assert set(found) <= set("0123456789")


@pytest.mark.parametrize("digits", [4, 6, 10])
def test_the_length_is_the_policys(digits: int) -> None:
    """A code has exactly as many digits as its policy says."""
    assert Code.parse("1" * digits, digits).reveal() == "1" * digits
    for other in (digits - 1, digits + 1):
        with pytest.raises(MalformedCodeError):
            Code.parse("1" * other, digits)


def test_matching() -> None:
    """Only the same digits match; a code of another length or script does not, and is no crash."""
    assert Code("012345").matches(Code("012345"))
    assert not Code("012345").matches(Code("012346"))
    assert not Code("012345").matches(Code("12345"))
    assert not Code("012345").matches(Code("٠١٢٣٤٥"))


@given(digits=codes())
def test_a_code_is_never_shown(digits: str) -> None:
    """No way of printing a code tells its digits."""
    code = Code(digits)
    shown = [repr(code), str(code), f"{code}", f"{code!r}", f"{code!s}", f"{[code]}", "%s" % code]  # noqa: UP031 - one way of printing
    shown += ["{}".format(code), "%r" % code, format(code), ascii(code), f"{ {'code': code} }"]  # noqa: UP031, UP032
    assert set(shown[:5]) == {"Code(******)"}
    assert not any(digits in text for text in shown)


def test_a_code_is_never_pickled_or_copied_to_a_store() -> None:
    """Pickling or copying a code is refused, and the refusal does not tell it."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError) as caught:
            pickle.dumps(Code("012345"), protocol)
        assert str(caught.value) == "a code is never pickled"
    with pytest.raises(TypeError):
        copy.copy(Code("012345"))


def test_a_code_has_no_equality_of_its_own() -> None:
    """Codes are compared by `matches` alone, which takes the same time either way."""
    assert Code.__eq__ is object.__eq__
    assert not hasattr(Code("012345"), "__dict__")


def test_a_key_is_never_shown() -> None:
    """Neither a key nor its ring shows a secret."""
    key = Key("k1", b"sixteen secret b")
    assert repr(key) == "Key(id='k1')"
    assert "secret b" not in repr(KeyRing((key,)))


def test_the_first_key_writes_and_all_verify() -> None:
    """A ring writes with its first key, finds every key by its id, and knows no other."""
    new, old = Key("new", bytes(32)), Key("old", bytes(range(32)))
    ring = KeyRing((new, old))
    assert ring.first is new
    assert ring.find("new") is new
    assert ring.find("old") is old
    assert ring.find("gone") is None


def test_fingerprints_are_keyed() -> None:
    """A fingerprint is 128 bits of HMAC-SHA-256 with the key's id in front."""
    ring = KeyRing((Key("k1", bytes(range(32))),))
    assert ring.fingerprint("+919876543210") == "k1:8c11c441aff5653f77ac6349c2acbc89"
    assert ring.fingerprint("+919876543211") != "k1:8c11c441aff5653f77ac6349c2acbc89"
