"""What senders did lately, read from files as workers leave them: docs/ops.md."""

import os
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import mmap_dict

from hsp_otp.adapters.prometheus.sender_stats import SPAN, SenderStats
from hsp_otp.domain.instant import MINUTE, after
from tests.world import START, ManualClock

ATTEMPTS = "hsp_otp_send_attempt_duration_seconds"
ME = os.getpid()
GONE = 2**22 + 1
"""No process has so high a number."""


def write(
    file: Path, metric: str, name: str, value: float, labels: dict[str, str] | None = None
) -> None:
    """Put a value where a worker puts it."""
    told = labels or {}
    key = mmap_dict.mmap_key(metric, name, list(told), list(told.values()), "help")
    library: Any = mmap_dict  # it has no types
    values = library.MmapedDict(str(file))
    values.write_value(key, value, 0.0)
    values.close()


def attempts(folder: Path, end: str, count: float, *, result: str = "taken", pid: int = ME) -> None:
    """So many attempts of twilio until now."""
    labels = {"sender": "twilio", "result": result, "le": end}
    write(folder / f"histogram_{pid}.db", ATTEMPTS, f"{ATTEMPTS}_bucket", count, labels)


def circuit(folder: Path, *, is_open: bool, pid: int = ME) -> None:
    """Whether a worker skips twilio."""
    name = "hsp_otp_circuit_open"
    write(folder / f"gauge_livemax_{pid}.db", name, name, float(is_open), {"sender": "twilio"})


@pytest.fixture
def clock() -> ManualClock:
    """Of the tests."""
    return ManualClock()


@pytest.fixture
def recent(tmp_path: Path, clock: ManualClock) -> SenderStats:
    """What is tested: a worker of a service that has been there for long."""
    return SenderStats(tmp_path, clock, after(START, -SPAN))


@pytest.mark.parametrize(("age", "counted"), [(SPAN - 1, {"taken": 3}), (SPAN, {})])
def test_a_worker_that_starts_later(
    tmp_path: Path, clock: ManualClock, age: int, counted: dict[str, int]
) -> None:
    """What others did before is known, while the service as a whole is younger than lately."""
    attempts(tmp_path, "0.5", 3)
    recent = SenderStats(tmp_path, clock, after(START, -age))
    recent.look()
    (found,) = recent.senders(["twilio"])
    assert found.attempts == counted


def test_nothing_yet(recent: SenderStats) -> None:
    """A sender of which nothing is known is shown all the same."""
    (found,) = recent.senders(["twilio"])
    assert (found.name, found.attempts, found.p50, found.p95) == ("twilio", {}, None, None)
    assert (found.skipped, found.is_open, found.since) == (0, False, START)


def test_what_was_before_does_not_count(
    tmp_path: Path, recent: SenderStats, clock: ManualClock
) -> None:
    """Only what came since the oldest look; of all workers, those that ended included."""
    attempts(tmp_path, "0.5", 100)
    attempts(tmp_path, "0.5", 7, pid=GONE)
    recent.look()
    clock.advance(MINUTE)
    attempts(tmp_path, "0.5", 110)
    attempts(tmp_path, "1.0", 10)
    attempts(tmp_path, "0.5", 8, result="failed", pid=GONE)
    (found,) = recent.senders(["twilio"])
    assert found.attempts == {"taken": 20, "failed": 8}
    assert found.p50 == pytest.approx(0.5 * 14 / 18)
    assert found.p95 == pytest.approx(0.5 + 0.5 * (0.95 * 28 - 18) / 10)
    assert found.since == START


def test_a_quarter_of_an_hour(tmp_path: Path, recent: SenderStats, clock: ManualClock) -> None:
    """What is older than that is forgotten."""
    for minute in range(40):
        attempts(tmp_path, "0.5", minute)
        recent.look()
        clock.advance(MINUTE)
    attempts(tmp_path, "0.5", 40)
    (found,) = recent.senders(["twilio"])
    assert found.since == after(START, 24 * MINUTE)
    assert found.attempts == {"taken": 16}


def test_a_sum_that_falls(tmp_path: Path, recent: SenderStats) -> None:
    """While the values of an ended worker are put together, nothing is less than nothing."""
    attempts(tmp_path, "0.5", 9)
    recent.look()
    attempts(tmp_path, "0.5", 3)
    assert recent.senders(["twilio"])[0].attempts == {}


@pytest.mark.parametrize(("pid", "shown"), [(ME, True), (GONE, False)], ids=["lives", "ended"])
def test_circuits_of_workers_that_live(
    tmp_path: Path,
    recent: SenderStats,
    pid: int,
    shown: bool,  # noqa: FBT001
) -> None:
    """Whoever has ended skips nobody any more."""
    circuit(tmp_path, is_open=True, pid=pid)
    (found,) = recent.senders(["twilio"])
    assert found.is_open is shown
    assert not recent.senders(["vonage"])[0].is_open


def test_files_that_are_of_no_use(tmp_path: Path, recent: SenderStats) -> None:
    """One that is being made, one that is broken, and metrics of others are passed over."""
    (tmp_path / f"counter_{ME}.db").write_bytes(b"")
    (tmp_path / f"histogram_{GONE}.db").write_bytes(b"\xff\xff\x00\x00\x00\x00\x00\x00")
    write(tmp_path / "counter_1.db", "other", "other", 4.0)
    name = "hsp_otp_sends_skipped_total"
    write(tmp_path / "counter_1.db", name, name, 4.0, {"sender": "twilio"})
    recent.look()
    write(tmp_path / "counter_1.db", name, name, 6.0, {"sender": "twilio"})
    assert recent.senders(["twilio"])[0].skipped == 2
