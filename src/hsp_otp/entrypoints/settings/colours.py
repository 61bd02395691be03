"""Accent colours: their contrast with the pages (WCAG 2.2, 1.4.3), and the shades of each."""

import re
from collections.abc import Iterable
from colorsys import hls_to_rgb, rgb_to_hls
from typing import Final

import attrs

LEAST_CONTRAST: Final = 4.5

_WHITE: Final = "#ffffff"
_BLACK: Final = "#000000"


@attrs.frozen(kw_only=True)
class Scheme:
    """
    The colours that an accent meets in one colour scheme, as in pages/static/colours.css.

    Attributes:
        on_accent: Text on the accent.
        backgrounds: What links in the accent stand on.
        deepens_to: The colour that the accent moves towards under the mouse.
    """

    on_accent: str
    backgrounds: tuple[str, ...]
    deepens_to: str


LIGHT: Final = Scheme(on_accent="#ffffff", backgrounds=("#f3f4f7", "#ffffff"), deepens_to=_BLACK)
DARK: Final = Scheme(on_accent="#0e1117", backgrounds=("#0e1117", "#171b24"), deepens_to=_WHITE)

_DEEPENS_BY: Final = 20
"""Percent."""


def read_accent(text: str) -> str:
    """Read an accent for the light scheme."""
    return _legible(text, LIGHT)


def read_dark_accent(text: str) -> str:
    """Read an accent for the dark scheme."""
    return _legible(text, DARK)


def _legible(text: str, scheme: Scheme) -> str:
    if not re.fullmatch("#[0-9A-Fa-f]{6}", text):
        raise ValueError
    if (found := least_contrast(text, scheme)) < LEAST_CONTRAST:
        # Rounded down, so that no refused contrast is shown as the least one.
        raise ValueError(f"its contrast is {int(found * 10) / 10}")
    return text.lower()


def least_contrast(colour: str, scheme: Scheme) -> float:
    """Return the lowest contrast that *colour* has in *scheme*, as an accent."""
    return min(contrast(colour, other) for other in (scheme.on_accent, *scheme.backgrounds))


def lightened(colour: str) -> str:
    """Return *colour* of the same hue, only as much lighter as the dark scheme needs it."""
    hue, lightness, saturation = rgb_to_hls(*(channel / 255 for channel in _channels(colour)))
    lighter = (
        _written(hls_to_rgb(hue, lightness + (1 - lightness) * percent / 100, saturation))
        for percent in range(101)
    )
    return next(one for one in lighter if least_contrast(one, DARK) >= LEAST_CONTRAST)


def deepened(colour: str, scheme: Scheme) -> str:
    """Return the shade of an accent under the mouse, whose contrast is higher."""
    return mixed(colour, scheme.deepens_to, _DEEPENS_BY)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def mixed(colour: str, other: str, percent: int) -> str:
    """Return *colour* with *percent* of *other* in it."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return _written((mine + (its - mine) * percent / 100) / 255 for mine, its in pairs)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _written(channels: Iterable[float]) -> str:
    return "#" + bytes(round(channel * 255) for channel in channels).hex()
