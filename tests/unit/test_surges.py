"""When traffic is not as usual: docs/ops.md."""

import pytest

from hsp_otp.domain.instant import MINUTE, after
from hsp_otp.domain.surges import Beat, quantile, share, surges
from tests.world import START

PERIOD = 30 * MINUTE
CALM = [(20, 16)] * 10


def beats(*counted: tuple[int, int]) -> list[Beat]:
    """One after the other."""
    return [
        Beat(at=after(START, place * PERIOD), sent=sent, verified=verified)
        for place, (sent, verified) in enumerate(counted)
    ]


def found(*counted: tuple[int, int]) -> list[tuple[int, int, int, int, int, int]]:
    """Surges, by the places of their periods."""
    return [
        (
            *((one.since - START) // PERIOD, (one.until - START) // PERIOD),
            *(one.sent, one.verified, one.usual, one.usual_percent),
        )
        for one in surges(beats(*counted), PERIOD)
    ]


def test_a_day_like_any_other() -> None:
    """Nothing is found where nothing happens, or too little to know what is usual."""
    assert found() == []
    assert found(*CALM) == []
    assert found(*CALM[:4], (500, 0)) == []
    assert found(*CALM[:5], (500, 0)) == [(5, 6, 500, 0, 20, 80)]


def test_a_surge() -> None:
    """Three times what is usual, of which less than half as much as usual is verified."""
    assert found(*CALM, (60, 23)) == [(10, 11, 60, 23, 20, 80)]
    assert found(*CALM, (59, 0)) == []
    assert found(*CALM, (60, 24)) == []


def test_many_people_at_once() -> None:
    """Where they verify what they asked for it is none."""
    assert found(*CALM, (900, 700)) == []


def test_surges_that_follow_each_other_are_one() -> None:
    """From the first to the last; what was usual is told for as long."""
    assert found(*CALM, (100, 1), (200, 2), *CALM, (90, 0)) == [
        (10, 12, 300, 3, 40, 80),
        (22, 23, 90, 0, 20, 80),
    ]
    assert found(*CALM, (100, 1), *CALM, (90, 0), (90, 0)) == [
        (10, 11, 100, 1, 20, 80),
        (21, 23, 180, 0, 40, 80),
    ]


def test_little_is_no_surge_however_quiet_it_is() -> None:
    """Below twenty sends in a period nobody is called."""
    quiet = [(2, 2)] * 8
    assert found(*quiet, (19, 0)) == []
    assert found(*quiet, (20, 0)) == [(8, 9, 20, 0, 2, 100)]


@pytest.mark.parametrize(
    ("part", "whole", "percent"), [(0, 0, 0), (1, 3, 33), (2, 3, 67), (5, 4, 100), (0, 9, 0)]
)
def test_shares(part: int, whole: int, percent: int) -> None:
    """In whole percent, never above a hundred."""
    assert share(part, whole) == percent


ENDLESS = float("inf")


@pytest.mark.parametrize(
    ("buckets", "part", "value"),
    [
        ({}, 0.5, None),
        ({1.0: 0}, 0.5, None),
        ({1.0: 2, 2.0: 2}, 0.5, 1.0),
        ({1.0: 2, 2.0: 2}, 0.75, 1.5),
        ({1.0: 2, 2.0: 0, 4.0: 2}, 0.5, 1.0),
        ({1.0: 2}, 1.0, 1.0),
        ({4.0: 4}, 0.25, 1.0),
        ({4.0: 0, 8.0: 4}, 0.5, 6.0),
        ({4.0: 0, 8.0: 0, ENDLESS: 3}, 0.5, 8.0),
    ],
)
def test_quantiles(buckets: dict[float, int], part: float, value: float | None) -> None:
    """Even within a bucket; of an endless one nothing is known but where it begins."""
    assert quantile(buckets, part) == value
