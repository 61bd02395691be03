"""What senders did lately."""

from collections.abc import Mapping

import attrs

from hsp_otp.domain.instant import Instant


@attrs.frozen(kw_only=True)
class SenderLately:
    """
    What there was of one sender.

    Attributes:
        attempts: Messages offered to it, by what came of them.
        p50: Seconds that half of the attempts took at most; None where there were none.
        p95: The same of 19 in 20.
        skipped: Messages not offered to it.
        is_open: Whether a worker skips it now.
        since: From when on.
    """

    name: str
    attempts: Mapping[str, int]
    p50: float | None
    p95: float | None
    skipped: int
    is_open: bool
    since: Instant
