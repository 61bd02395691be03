"""The segments of a text message, which determine its cost."""

from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = frozenset("^{}\\[~]|€")
"""3GPP TS 23.038, 6.2.1 and 6.2.1.1; a character of the extension takes two septets."""

_SEPTETS: Final = (160, 153)
_UNITS: Final = (70, 67)
"""UTF-16 units in a single segment, and in each of several (3GPP TS 23.040). `_SEPTETS` is the same
in septets."""

_ONE_UNIT: Final = 0xFFFF
"""The last character that takes one unit; those after it take two."""


def is_gsm_7(text: str) -> bool:
    """Whether *text* fits the GSM 7-bit alphabet; any other more than halves what fits."""
    return (_BASIC | _EXTENSION).issuperset(text)


def segments(text: str) -> int:
    """The number of segments that *text* takes, at least one."""
    if is_gsm_7(text):
        size, (alone, each) = len(text) + sum(c in _EXTENSION for c in text), _SEPTETS
    else:
        size, (alone, each) = len(text) + sum(ord(c) > _ONE_UNIT for c in text), _UNITS
    return 1 if size <= alone else -(-size // each)
