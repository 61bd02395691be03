"""Alerts and the dashboard ask for what there is: docs/alerts.md."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from hsp_otp.domain.passes import MISSES
from hsp_otp.domain.quota import Limit
from tests.monitoring import DASHBOARD, ROOT, RULE_TESTS, VALUES, alerts, panels, shown
from tests.unit.test_metrics import with_everything

RUNBOOK: Final = "docs/alerts.md"
OF_A_SCRAPE: Final = {"job", "instance"}

ASKED: Final = [alert["expr"] for alert in alerts()] + [asked for asked, _ in shown()]


@pytest.fixture
def labels(tmp_path: Path) -> dict[str, set[str]]:
    """The labels of every series that a scrape finds."""
    found: dict[str, set[str]] = {"up": set()}
    for family in with_everything(tmp_path).collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def selectors(asked: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The metrics that an expression looks at, and what it wants of their labels."""
    for name, wanted in re.findall(r"\b(hsp_otp_\w+|up)\b(?:\{(.*?)\})?", asked):
        yield name, re.findall(r'(\w+)[=!~]+"(.*?)"', wanted)


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_for_exists(asked: str, labels: dict[str, set[str]]) -> None:
    """Metrics, labels and their values are those that the service has."""
    grouped = {
        label
        for group in re.findall(r"\b(?:by|on) \((.*?)\)", asked)
        for label in group.split(", ")
    }
    found = list(selectors(asked))
    assert found
    for name, wanted in found:
        has = labels[name] | OF_A_SCRAPE
        for label, value in wanted:
            assert label in has
            for one in value.split("|"):
                assert any(re.fullmatch(one, known) for known in VALUES[label]), one
    # Every label that something is added up by is one of some metric that is looked at.
    assert grouped <= {label for name, _ in found for label in labels[name] | OF_A_SCRAPE}


def test_what_is_told_is_known() -> None:
    """Texts and legends name labels that the expression leaves."""
    told = [(a["expr"], " ".join(a["annotations"].values()), r"\$labels\.(\w+)") for a in alerts()]
    told += [(asked, legend, r"\{\{(\w+)\}\}") for asked, legend in shown()]
    for asked, text, pattern in told:
        groups = re.findall(r"\bby \((.*?)\)", asked)
        # Where nothing is added up, what a scrape adds is left.
        left = {label for group in groups for label in group.split(", ")} or OF_A_SCRAPE
        assert set(re.findall(pattern, text)) <= left - {"le"}, asked


def test_every_alert_says_what_to_do() -> None:
    """An alert has a severity, words for whoever it wakes, and a part of the page."""
    headings = re.findall(r"^### (\w+)$", (ROOT / RUNBOOK).read_text("utf-8"), re.MULTILINE)
    names = [alert["alert"] for alert in alerts()]
    assert headings == names
    for alert in alerts():
        assert alert["labels"] in ({"severity": "critical"}, {"severity": "warning"})
        assert alert["annotations"].keys() == {"summary", "description", "runbook"}
        assert alert["annotations"]["runbook"] == f"{RUNBOOK}#{alert['alert'].lower()}"


def test_every_alert_is_tested() -> None:
    """Of each there is something that makes it fire, and something that does not."""
    fires: Counter[str] = Counter()
    quiet: Counter[str] = Counter()
    names = {alert["alert"] for alert in alerts()}
    for file in RULE_TESTS:
        for group in yaml.safe_load(file.read_text("utf-8"))["tests"]:
            for test in group["promql_expr_test"]:
                expected = re.findall(r'alertname="(\w+)"', str(test["exp_samples"]))
                named = re.search(r'alertname=~?"(.*?)"', test["expr"])
                asked = set(named[1].split("|")) if named else names
                fires.update(expected)
                quiet.update(asked - set(expected))
    assert names <= fires.keys()
    assert names <= quiet.keys()


def test_the_dashboard_can_be_imported_anywhere() -> None:
    """It belongs to no installation: its only data source is chosen by a variable."""
    assert DASHBOARD["id"] is None
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    source = {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
    assert all(panel["datasource"] == source for panel in panels())
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == [
        *("Funnel", "Refusals", "Lanes and work", "Time to verify", "Senders", "Stores"),
        *("Service", "Visitors", "Money"),
    ]


def test_no_panel_lies_on_another() -> None:
    """The grid has 24 columns, and every cell of it one panel."""
    cells: Counter[tuple[int, int]] = Counter()
    for panel in DASHBOARD["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        across = range(place["x"], place["x"] + place["w"])
        assert across.stop <= 24
        cells.update((x, place["y"] + y) for x in across for y in range(place["h"]))
    assert set(cells.values()) == {1}


def test_the_dashboard_shows_every_metric(labels: dict[str, set[str]]) -> None:
    """Whatever the service counts can be seen."""
    seen = {name for asked, _ in shown() for name, _ in selectors(asked)}
    ends = re.compile("_(bucket|count|sum|created)$")
    assert {ends.sub("", name) for name in labels if not name.endswith("_created")} - {"up"} == {
        ends.sub("", name) for name in seen
    }


def test_the_scan_alert_counts_every_miss() -> None:
    """A new outcome of a look-up that misses is added to the alert, or this fails."""
    (asked,) = (alert["expr"] for alert in alerts() if alert["alert"] == "HspOtpScan")
    counted = [set(words.split("|")) for words in re.findall(r'outcome=~"(.*?)"', asked)]
    assert counted == [MISSES | {Limit.LOOKUPS.value}] * 3
