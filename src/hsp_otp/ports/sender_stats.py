"""Recent statistics of senders."""

from collections.abc import Mapping

import attrs

from hsp_otp.domain.instant import Instant


@attrs.frozen(kw_only=True)
class SenderLately:
    """
    The recent activity of one sender.

    Attributes:
        attempts: Messages offered to it, by result.
        p50: Median seconds per attempt; None without attempts.
        p95: 95th percentile of seconds per attempt; None without attempts.
        skipped: Messages not offered to it.
        is_open: Whether any worker skips it now.
        since: The start of the measured time.
    """

    name: str
    attempts: Mapping[str, int]
    p50: float | None
    p95: float | None
    skipped: int
    is_open: bool
    since: Instant
