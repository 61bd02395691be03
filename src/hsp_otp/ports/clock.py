"""The clock."""

from typing import Protocol

from hsp_otp.domain.instant import Instant


class Clock(Protocol):
    """The current time. The clocks of several machines may differ by up to 5 seconds."""

    def now(self) -> Instant:
        """The current instant."""
        ...
