"""How the operator's page draws: docs/ops.md."""

import re
from xml.etree import ElementTree as ET

import pytest
from markupsafe import Markup

from hsp_otp.entrypoints.dashboard.charts import Series, ceiling, lying, stacked, steps


def shapes(svg: Markup, look: str) -> list[dict[str, str]]:
    """The rectangles within what is drawn by *look*."""
    root = ET.fromstring(str(svg))  # noqa: S314 - our own
    groups = [one for one in root.iter() if one.get("class") == look]
    return [dict(rect.attrib) for group in groups for rect in group.iter("rect")]


def test_bars_stand_on_each_other() -> None:
    """From the bottom, to the scale; what is nothing is not drawn."""
    series = [Series("one", "a", (10, 0)), Series("two", "b", (5, 20))]
    svg = stacked("p", "what it says", series, 20)
    assert shapes(svg, "a") == [{"x": "0.5", "y": "50", "width": "9", "height": "50"}]
    assert shapes(svg, "b") == [
        {"x": "0.5", "y": "25", "width": "9", "height": "25"},
        {"x": "10.5", "y": "0", "width": "9", "height": "100"},
    ]
    assert [one.total for one in series] == [10, 25]


def test_marks() -> None:
    """A surge is shaded from its first period to its last, over the whole height."""
    svg = stacked("p", "", [Series("one", "a", (1,) * 9)], 4, [(2, 4)])
    mark = shapes(svg, "mark")
    assert [(one["x"], one["width"], one["height"]) for one in mark] == [("20", "30", "100")]


def test_a_line_of_steps() -> None:
    """It keeps its height through a period, and breaks where nothing is known."""
    svg = str(steps("p", "", [50, 100, None, 0], 100))
    path = re.search(r'class="line" d="([^"]*)"', svg)
    assert path
    assert path[1] == "M0 50H10V0H20M30 100H40"


def test_bars_that_lie() -> None:
    """Parts follow each other from the left; what goes beyond the scale ends with it."""
    svg = lying("p", "", [("a", 1.0), ("b", 1.0), ("c", 9.0)], 4)
    drawn = [shapes(svg, look)[0] for look in "abc"]
    assert [(one["x"], one["width"]) for one in drawn] == [("0", "25"), ("25", "25"), ("50", "100")]
    assert shapes(lying("p", "", [("a", 0)], 0), "a")[0]["width"] == "0"


def test_it_is_named_for_whoever_does_not_see_it() -> None:
    """And whatever stands in its name is text."""
    for svg in (
        stacked("p", '<script>"', [], 4),
        steps("p", '<script>"', [], 100),
        lying("p", '<script>"', [], 1),
    ):
        root = ET.fromstring(str(svg))  # noqa: S314 - our own
        assert root.get("role") == "img"
        assert root.get("aria-labelledby") == "p-says"
        title = root.find("title")
        assert title is not None
        assert (title.get("id"), title.text) == ("p-says", '<script>"')


@pytest.mark.parametrize(
    ("value", "end"),
    [(0, 4), (4, 4), (5, 6), (7, 10), (11, 20), (21, 40), (60, 60), (61, 100), (999, 1000)],
)
def test_where_a_scale_ends(value: int, end: int) -> None:
    """At or above the largest value, and half of it is whole."""
    assert ceiling(value) == end
