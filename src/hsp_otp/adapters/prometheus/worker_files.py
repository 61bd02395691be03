"""
The values of all workers, read from the files that they share.

Every worker writes its own files, which are named after its process and outlive it.
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
"""The stand-in process for the counts of workers that have ended. No process has that number."""

_COUNTED: Final = ("counter", "histogram")
"""Types whose values remain when their process ends."""


@attrs.frozen(eq=False, kw_only=True)
class Workers:
    """
    A group of worker processes.

    Attributes:
        folder: The folder of their files.
        version: The service's version.
        started_at: When the group started.
    """

    folder: Path
    version: str
    started_at: Instant

    def collect(self) -> Iterable[Metric]:
        """Implement `Collector.collect` of the library."""
        self.bury()
        yield InfoMetricFamily("hsp_otp_build", "The running version.", {"version": self.version})
        yield GaugeMetricFamily(
            "hsp_otp_start_time_seconds",
            "When the service was started, in seconds since 1970.",
            self.started_at / SECOND,
        )
        # A new file may still be empty.
        files = [str(file) for file in sorted(self.folder.glob("*.db")) if file.stat().st_size]
        yield from _processes.MultiProcessCollector.merge(files)

    def bury(self) -> None:
        """
        Remove the gauges of ended workers, and merge their counts.

        However often workers are replaced, there is only one more set of files than live workers.
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
    """All metrics as text of the type `TEXT`."""
    registry = CollectorRegistry()
    registry.register(workers)
    return generate_latest(registry)


def pid_of(file: Path) -> int:
    """The process that wrote *file*."""
    return int(file.stem.rsplit("_", 1)[1])


def lives(pid: int) -> bool:
    """Whether there is such a process; the stand-in for ended workers counts as one."""
    if pid == _NOBODY:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # reused by another user's process
    return True


def _add(file: Path, to: Path) -> None:
    total = _files.MmapedDict(str(to))
    try:
        for key, value, _, _ in _files.MmapedDict.read_all_values_from_file(str(file)):
            total.write_value(key, total.read_value(key)[0] + value, 0.0)
    finally:
        total.close()
