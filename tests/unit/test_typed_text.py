"""Text that people typed or pasted: `docs/contract.md`, rule 2.10 and sections 4 and 5."""

import sys
import unicodedata

import pytest

from hsp_otp.domain.typed_text import plain, visible, visible_in_names, with_ascii_digits

EVERY_CHARACTER = [chr(number) for number in range(sys.maxunicode + 1)]

OTHER_INVISIBLES = [
    *("\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u180b", "\u180f", "\u3164"),
    *("\ufe00", "\ufe0e", "\ufe0f", "\uffa0", "\U000e0100", "\U000e01ef"),
]
"""Not of category Cf: the grapheme joiner, fillers and variation selectors."""

OTHER_DASHES = ["\u02d7", "\u2043", "\u207b", "\u208b", "\u2212", "\u2500", "\u2796", "\u30fc"]
"""Not of category Pd."""


def of_category(category: str) -> list[str]:
    """Every character of a category."""
    return [one for one in EVERY_CHARACTER if unicodedata.category(one) == category]


@pytest.mark.parametrize("characters", [of_category("Cf"), OTHER_INVISIBLES], ids=["Cf", "others"])
def test_invisible_characters_are_dropped(characters: list[str]) -> None:
    """What nobody sees is no part of what somebody typed."""
    text = "".join(f"a{one}" for one in characters) + "b"
    assert visible(text) == plain(text) == "a" * len(characters) + "b"


@pytest.mark.parametrize("characters", [of_category("Pd"), OTHER_DASHES], ids=["Pd", "others"])
def test_every_dash_is_a_dash(characters: list[str]) -> None:
    """Whatever looks like a dash is one."""
    assert plain("".join(characters)) == "-" * len(characters)


def test_every_space_is_a_space() -> None:
    """A space of any width is one inside, and trimmed outside, as a line end is."""
    assert plain("a" + "".join(of_category("Zs")) + "b") == "a" + " " * 17 + "b"
    assert plain("\u2028\u3000 a\tb \u00a0\r\n") == "a\tb"
    assert plain("\u200b \ufeff a \u200e\n\u2069") == "a"


@pytest.mark.parametrize(
    ("typed", "sign"),
    [("\uff0b\ufe62\u2795", "+"), ("\uff0e\ufe52", "."), ("\uff08\ufe59", "("),
     ("\uff09\ufe5a", ")"), ("\uff0f", "/")],
)  # fmt: skip
def test_signs_of_every_width(typed: str, sign: str) -> None:
    """What keyboards of East Asia make of a plus and other signs of a number is that sign."""
    assert plain(typed) == sign * len(typed)


def test_digits_and_letters_stay() -> None:
    """No digit, letter or control character is dropped, folded or made; so are signs but a few."""
    for one in EVERY_CHARACTER:
        if unicodedata.category(one) in {"Nd", "Ll", "Lu", "Cc"}:
            assert visible(one) == one
            assert plain(f"a{one}a") == f"a{one}a"
        else:
            assert not any(character.isalnum() for character in plain(one) if character != one)


def test_digits_of_every_script() -> None:
    """A decimal digit is its ASCII digit; what merely looks like a number is none."""
    for one in of_category("Nd"):
        assert with_ascii_digits(f"a{one}") == f"a{unicodedata.decimal(one)}"
    assert with_ascii_digits("²½①一") == "²½①一"


def test_names_keep_what_spells_a_word() -> None:
    """Joiners and variation selectors stay in a name; what else is invisible does not."""
    assert visible_in_names("क\u094d\u200dष क\u094d\u200cष") == "क\u094d\u200dष क\u094d\u200cष"
    assert visible_in_names("葛\U000e0100 \u2b50\ufe0f") == "葛\U000e0100 \u2b50\ufe0f"
    assert visible_in_names("\ufeffA\u200bs\u00adh\u2060a\u200e") == "Asha"
