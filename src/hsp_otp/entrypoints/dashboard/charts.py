"""
Charts as SVG: stacked bars, a stepped line, and horizontal bars.

A chart stretches to the available space, so it contains no text. Axes and legends are HTML around
it, and a table beside it has the same numbers. Colours and patterns are classes of the style
sheet.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import attrs
from markupsafe import Markup

_WIDE: Final = 10
"""The width of one period."""

_GAP: Final = 1
_HIGH: Final = 100


@attrs.frozen
class Series:
    """One kind of event, counted per period and drawn with the CSS class *look*."""

    name: str
    look: str
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        """The sum over all periods."""
        return sum(self.values)


@attrs.frozen(kw_only=True)
class Picture:
    """
    A chart and the texts around it.

    Attributes:
        says: A description for people who cannot see it.
        most: The end of the scale.
        ticks: The labels of the time axis, from start to end.
        periods: The start of each period, in words.
        svg: The drawing.
    """

    id: str
    title: str
    says: str
    most: int
    unit: str
    ticks: Sequence[str]
    periods: Sequence[str]
    series: Sequence[Series]
    svg: Markup


def stacked(
    name: str, says: str, series: Sequence[Series], most: int, marks: Iterable[tuple[int, int]] = ()
) -> Markup:
    """
    Draw stacked bars for each period, with the first series at the bottom.

    Args:
        name: The prefix of element ids.
        says: The description.
        most: The end of the scale.
        marks: The first and last period of each shaded area.
    """
    count = max((len(one.values) for one in series), default=0)
    parts = [_mark(first, last) for first, last in marks]
    parts += [_grid(count)]
    below = [0.0] * count
    for one in series:
        bars: list[Markup] = []
        for place, value in enumerate(one.values):
            height = _HIGH * value / most
            if not value:
                continue
            below[place] += height
            bars.append(
                Markup('<rect x="{}" y="{}" width="{}" height="{}"/>').format(
                    place * _WIDE + _GAP / 2,
                    _short(_HIGH - below[place]),
                    _WIDE - _GAP,
                    _short(height),
                )
            )
        parts.append(Markup('<g class="{}">{}</g>').format(one.look, Markup().join(bars)))
    return _svg(name, says, count * _WIDE, parts)


def steps(
    name: str,
    says: str,
    values: Sequence[int | None],
    most: int,
    marks: Iterable[tuple[int, int]] = (),
) -> Markup:
    """Draw a stepped line, level in each period and interrupted where there is no value."""
    parts = [_mark(first, last) for first, last in marks]
    parts += [_grid(len(values))]
    path, drawing = "", False
    for place, value in enumerate(values):
        if value is not None:
            height = _short(_HIGH - _HIGH * value / most)
            start = f"V{height}" if drawing else f"M{place * _WIDE} {height}"
            path += f"{start}H{(place + 1) * _WIDE}"
        drawing = value is not None
    parts.append(Markup('<path class="line" d="{}"/>').format(path))
    return _svg(name, says, len(values) * _WIDE, parts)


def lying(name: str, says: str, parts: Sequence[tuple[str, float]], most: float) -> Markup:
    """Draw one horizontal bar of consecutive parts, each with its CSS class."""
    drawn: list[Markup] = []
    start = 0.0
    for look, value in parts:
        width = _HIGH * min(value, most) / most if most else 0
        drawn.append(
            Markup('<rect class="{}" x="{}" y="0" width="{}" height="10"/>').format(
                look, _short(start), _short(width)
            )
        )
        start += width
    return _svg(name, says, _HIGH, drawn, high=10)


def ceiling(value: int) -> int:
    """Return the least suitable end of a scale for *value*; half of it is a whole number."""
    size = 1
    while True:
        for step in (4, 6, 10, 20):
            if value <= size * step:
                return size * step
        size *= 10


def _svg(name: str, says: str, wide: int, parts: Iterable[Markup], high: int = _HIGH) -> Markup:
    return Markup(
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-labelledby="{}-says"><title id="{}-says">{}</title>{}</svg>'
    ).format(max(wide, 1), high, name, name, says, Markup().join(parts))


def _mark(first: int, last: int) -> Markup:
    wide = (last - first + 1) * _WIDE
    return Markup('<rect class="mark" x="{}" y="0" width="{}" height="{}"/>').format(
        first * _WIDE, wide, _HIGH
    )


def _grid(count: int) -> Markup:
    wide = count * _WIDE
    return Markup('<path class="ruler" d="M0 0H{w}M0 50H{w}M0 100H{w}"/>').format(w=wide)


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
