"""Normalization of typed or pasted text: invisible characters, dashes and digits."""

import re
import unicodedata
from typing import Final

_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")

_INVISIBLE: Final = {
    one: ""
    for first, last in (
        # Category Cf, formatting characters
        *((0xAD, 0xAD), (0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD), (0x70F, 0x70F)),
        *((0x890, 0x891), (0x8E2, 0x8E2), (0x180E, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E)),
        *((0x2060, 0x2064), (0x2066, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB)),
        *((0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3)),
        (0x1D173, 0x1D17A),
        # Other code points with Unicode's property Default_Ignorable_Code_Point: the grapheme
        # joiner, Hangul fillers, variation selectors, and reserved code points (tags among them)
        *((0x34F, 0x34F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2065, 0x2065)),
        *((0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8)),
        (0xE0000, 0xE0FFF),
    )
    for one in range(first, last + 1)
}
_SPACES: Final = {
    one: " "
    for first, last in (  # Category Zs
        *((0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x202F, 0x202F), (0x205F, 0x205F)),
        (0x3000, 0x3000),
    )
    for one in range(first, last + 1)
}
_DASHES: Final = {
    one: "-"
    for first, last in (
        # Category Pd
        *((0x58A, 0x58A), (0x5BE, 0x5BE), (0x1400, 0x1400), (0x1806, 0x1806), (0x2010, 0x2015)),
        *((0x2E17, 0x2E17), (0x2E1A, 0x2E1A), (0x2E3A, 0x2E3B), (0x2E40, 0x2E40)),
        *((0x2E5D, 0x2E5D), (0x301C, 0x301C), (0x3030, 0x3030), (0x30A0, 0x30A0)),
        *((0xFE31, 0xFE32), (0xFE58, 0xFE58), (0xFE63, 0xFE63), (0xFF0D, 0xFF0D)),
        *((0x10D6E, 0x10D6E), (0x10EAD, 0x10EAD)),
        # Others that people paste as a dash: minus signs, the hyphen bullet, box-drawing lines, and
        # the long vowel mark, which is on the dash key of Japanese keyboards
        *((0x2D7, 0x2D7), (0x2043, 0x2043), (0x207B, 0x207B), (0x208B, 0x208B), (0x2212, 0x2212)),
        *((0x2796, 0x2796), (0x2500, 0x2501), (0x30FC, 0x30FC), (0xFF70, 0xFF70)),
    )
    for one in range(first, last + 1)
}
_SIGNS: Final = str.maketrans(
    {  # Other widths
        **dict.fromkeys("\u207a\u208a\u2795\ufb29\ufe62\uff0b", "+"),
        **dict.fromkeys("\u2024\ufe52\uff0e", "."),
        **dict.fromkeys("\u207d\u208d\ufe35\ufe59\uff08", "("),
        **dict.fromkeys("\u207e\u208e\ufe36\ufe5a\uff09", ")"),
        "\uff0f": "/",
    }
)
_IN_NAMES: Final = frozenset(
    one
    for first, last in (
        # Zero-width non-joiner and joiner, which several Indian scripts need inside a word
        (0x200C, 0x200D),
        # Variation selectors for Mongolian, Han ideographs and emoji
        *((0x180B, 0x180D), (0x180F, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF)),
    )
    for one in range(first, last + 1)
)
_NOT_IN_NAMES: Final = {one: "" for one in _INVISIBLE if one not in _IN_NAMES}
_PLAIN: Final = {**_INVISIBLE, **_SPACES, **_DASHES, **_SIGNS}


def visible(text: str) -> str:
    """*text* without its invisible characters."""
    return text.translate(_INVISIBLE)


def visible_in_names(text: str) -> str:
    """*text* without its invisible characters, except those that change the spelling of a word."""
    return text.translate(_NOT_IN_NAMES)


def plain(text: str) -> str:
    """
    *text* trimmed, without invisible characters, with every kind of dash as ``-``, every width of
    space as a space, and every width of plus, dot, slash and parentheses as ASCII.

    Letters, digits and inner control characters stay as they are.
    """
    return text.translate(_PLAIN).strip()


def with_ascii_digits(text: str) -> str:
    """*text* with the decimal digits of every script as ASCII digits."""
    return _NOT_ASCII.sub(_ascii_digit, text)


def _ascii_digit(found: re.Match[str]) -> str:
    return str(unicodedata.decimal(found[0], found[0]))
