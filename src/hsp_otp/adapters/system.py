"""The system's clock and randomness."""

import secrets
import time

from hsp_otp.domain.instant import Instant


class SystemClock:
    """The wall clock."""

    def now(self) -> Instant:
        """Implement `Clock.now`."""
        return Instant(time.time_ns() // 1_000)


class SystemRandomness:
    """The operating system's cryptographic source."""

    def draw(self, count: int) -> bytes:
        """Implement `Randomness.draw`."""
        return secrets.token_bytes(count)
