"""
The values of all workers, read from the files that they share.

Every worker writes files of its own, named after its process, which outlive it.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import attrs
from prometheus_client import CollectorRegistry, mmap_dict, multiprocess
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from hsp_otp.domain.instant import SECOND, Instant

_files: Any = mmap_dict  # the library has no types for either
_processes: Any = multiprocess

TEXT: Final = CONTENT_TYPE_PLAIN_0_0_4

_NOBODY: Final = 0
"""The process that has the counts of those that have ended. None has that number."""

_COUNTED: Final = ("counter", "histogram")
"""What stays counted when its process ends."""


@attrs.frozen(eq=False, kw_only=True)
class Workers:
    """
    A group of processes, as one.

    Attributes:
        folder: Where their files are.
        version: Of the service.
        started_at: When the group did.
    """

    folder: Path
    version: str
    started_at: Instant

    def collect(self) -> Iterable[Metric]:
        """Keep the promise of the library's `Collector`."""
        self.bury()
        yield InfoMetricFamily("hsp_otp_build", "The version that runs.", {"version": self.version})
        yield GaugeMetricFamily(
            "hsp_otp_start_time_seconds",
            "When the service was started, in seconds since 1970.",
            self.started_at / SECOND,
        )
        # One that was made just now may have nothing in it yet.
        files = [str(file) for file in sorted(self.folder.glob("*.db")) if file.stat().st_size]
        yield from _processes.MultiProcessCollector.merge(files)

    def bury(self) -> None:
        """
        Take the gauges of workers that have ended away, and put their counts together.

        However often workers are replaced, there are files of one more than live.
        """
        dead = {pid for pid in map(pid_of, self.folder.glob("*.db")) if not lives(pid)}
        for pid in dead:
            _processes.mark_process_dead(pid, str(self.folder))
            for kind in _COUNTED:
                file = self.folder / f"{kind}_{pid}.db"
                if file.exists():
                    _add(file, self.folder / f"{kind}_{_NOBODY}.db")
                    file.unlink()


def exposed(workers: Workers) -> bytes:
    """All metrics as text, of the type `TEXT`."""
    registry = CollectorRegistry()
    registry.register(workers)
    return generate_latest(registry)


def pid_of(file: Path) -> int:
    """The process whose values are in *file*."""
    return int(file.stem.rsplit("_", 1)[1])


def lives(pid: int) -> bool:
    """Whether there is a process of that number; of those that have ended nobody is one."""
    if pid == _NOBODY:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's by now
    return True


def _add(file: Path, to: Path) -> None:
    total = _files.MmapedDict(str(to))
    try:
        for key, value, _, _ in _files.MmapedDict.read_all_values_from_file(str(file)):
            total.write_value(key, total.read_value(key)[0] + value, 0.0)
    finally:
        total.close()
