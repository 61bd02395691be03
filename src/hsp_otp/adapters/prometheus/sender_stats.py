"""Recent statistics of each sender, over all workers of this machine."""

import asyncio
import json
import struct
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
from prometheus_client import mmap_dict

from hsp_otp.adapters.prometheus.worker_files import lives, pid_of
from hsp_otp.domain.instant import MINUTE, Duration, Instant, after
from hsp_otp.domain.surges import quantile
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.sender_stats import SenderLately

_files: Any = mmap_dict  # the library has no types for it

SPAN: Final[Duration] = 15 * MINUTE
"""The length of time that counts as recent."""

_LOOK_SECONDS: Final = 15.0
"""Interval between two readings of a few files, each of which takes less than a millisecond."""

_ATTEMPTS: Final = "hsp_otp_send_attempt_duration_seconds_bucket"
_SKIPPED: Final = "hsp_otp_sends_skipped_total"
_CIRCUIT: Final = "hsp_otp_circuit_open"
_READ: Final = {_ATTEMPTS: "histogram", _SKIPPED: "counter", _CIRCUIT: "gauge_livemax"}
"""The metrics to read, and the type of files that contain them."""

_Series: TypeAlias = tuple[str, str, str, str]
"""A metric's name and its labels: sender, result, upper bound of the bucket."""


@attrs.define
class SenderStats:
    """
    Remembers earlier values, as far back as `SPAN`.

    Attributes:
        folder: The folder with the files of all workers.
        began: When the folder was empty. A worker that starts a little later includes what the
            others did before.
    """

    folder: Path
    clock: Clock
    began: Instant
    _seen: deque[tuple[Instant, Counter[_Series]]] = attrs.field(
        factory=deque[tuple[Instant, "Counter[_Series]"]], init=False
    )

    def __attrs_post_init__(self) -> None:
        if self.began > after(self.clock.now(), -SPAN):
            self._seen.append((self.began, Counter()))

    def look(self) -> None:
        """Record the current values, and drop those for which newer ones are old enough."""
        now = self.clock.now()
        self._seen.append((now, _summed(self.folder)))
        while len(self._seen) > 1 and self._seen[1][0] <= after(now, -SPAN):
            self._seen.popleft()

    async def keep_looking(self) -> None:
        """Record at regular intervals until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    def senders(self, names: Iterable[str]) -> list[SenderLately]:
        """The recent activity of each of *names*."""
        now = _summed(self.folder)
        since, before = self._seen[0] if self._seen else (self.clock.now(), now)
        return [_of(name, before, now, since) for name in names]


def _of(name: str, before: Counter[_Series], now: Counter[_Series], since: Instant) -> SenderLately:
    attempts: Counter[str] = Counter()
    buckets: Counter[float] = Counter()
    skipped = 0
    for series, value in now.items():
        metric, sender, result, end = series
        # A smaller value means that another process is merging files right now.
        more = max(0, round(value - before[series]))
        if sender == name and metric == _ATTEMPTS:
            attempts[result] += more
            buckets[float(end)] += more
        elif sender == name and metric == _SKIPPED:
            skipped += more
    return SenderLately(
        name=name,
        attempts={result: count for result, count in attempts.items() if count},
        p50=quantile(buckets, 0.5),
        p95=quantile(buckets, 0.95),
        skipped=skipped,
        is_open=now[_CIRCUIT, name, "", ""] > 0,
        since=since,
    )


def _summed(folder: Path) -> Counter[_Series]:
    """The values of all workers; for gauges, of live workers only."""
    found: Counter[_Series] = Counter()
    for kind in set(_READ.values()):
        for file in folder.glob(f"{kind}_*.db"):
            if kind.startswith("gauge") and not lives(pid_of(file)):
                continue
            for series, value in _values(file):
                found[series] = found[series] + value  # type: ignore[assignment]
    return found


def _values(file: Path) -> Iterable[tuple[_Series, float]]:
    try:
        read = list(_files.MmapedDict.read_all_values_from_file(str(file)))
    except (OSError, ValueError, LookupError, RuntimeError, struct.error):
        return  # deleted meanwhile, or new and still empty
    for key, value, _, _ in read:
        _, name, labels, _ = json.loads(key)
        if name in _READ:
            yield (
                (name, labels.get("sender", ""), labels.get("result", ""), labels.get("le", "")),
                value,
            )
