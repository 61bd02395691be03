"""What is worth a look: docs/investigating.md."""

from typing import Any

import pytest

from hsp_otp.domain.fraud_patterns import (
    ADDRESS,
    NUMBER,
    PREFIX,
    Traffic,
    of_lookups,
    of_sends,
    shown,
)
from hsp_otp.domain.instant import Instant


def seen(**counts: Any) -> Traffic:  # noqa: ANN401 - any of its numbers
    """Traffic of somebody."""
    return Traffic(who="x", first=Instant(1), last=Instant(2), **counts)


@pytest.mark.parametrize(
    ("of", "counts", "kind"),
    [
        (PREFIX, {"sent": 10, "numbers": 10, "verified": 4}, "many_numbers_of_one_prefix"),
        (PREFIX, {"sent": 10, "numbers": 10, "verified": 5}, None),
        (PREFIX, {"sent": 201, "numbers": 10, "verified": 100}, "many_numbers_of_one_prefix"),
        (PREFIX, {"sent": 10, "numbers": 9, "verified": 1}, None),
        (PREFIX, {"sent": 10, "numbers": 9}, "sends_without_a_verify"),
        (PREFIX, {"sent": 9, "numbers": 9}, None),
        (ADDRESS, {"sent": 10, "numbers": 10, "verified": 4}, "many_numbers_from_one_address"),
        (ADDRESS, {"sent": 40, "numbers": 40, "verified": 20}, None),
        (ADDRESS, {"sent": 10, "numbers": 2}, "sends_without_a_verify"),
        (NUMBER, {"sent": 5}, "sends_without_a_verify"),
        (NUMBER, {"sent": 4}, None),
        (NUMBER, {"sent": 50, "numbers": 50, "verified": 1}, None),
    ],
)
def test_sends(of: str, counts: dict[str, int], kind: str | None) -> None:
    """Many numbers are suspicious where less than half is verified, sends where nothing is."""
    found = of_sends(of, [seen(**counts)])
    assert [one.kind for one in found] == ([kind] if kind else [])
    assert all((one.of, one.traffic) == (of, seen(**counts)) for one in found)


@pytest.mark.parametrize(
    ("missed", "hits", "suspected"), [(20, 19, True), (20, 20, False), (19, 0, False)]
)
def test_lookups(missed: int, hits: int, suspected: bool) -> None:  # noqa: FBT001
    """Twenty look-ups that miss are suspicious, unless as many hit."""
    found = of_lookups([seen(missed=missed, hits=hits)])
    assert [(one.kind, one.of, one.traffic) for one in found] == (
        [("lookups_that_miss", "address", seen(missed=missed, hits=hits))] if suspected else []
    )


@pytest.mark.parametrize(
    ("of", "masked", "told"),
    [
        (NUMBER, "***-***-3210", "***-***-3210"),
        (NUMBER, "a***@example.com", "a***@example.com"),
        (PREFIX, "a***@example.com", "***@example.com"),
        (PREFIX, "***-***-3210", None),
        (ADDRESS, "a***@example.com", None),
        (PREFIX, None, None),
    ],
)
def test_what_is_shown_of_a_contact(of: str, masked: str | None, told: str | None) -> None:
    """One contact is shown masked, a range of e-mail addresses by its domain, others not at all."""
    assert shown(of, masked) == told
