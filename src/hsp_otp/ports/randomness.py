"""Random bytes."""

from typing import Protocol


class Randomness(Protocol):
    """A cryptographically secure source."""

    def draw(self, count: int) -> bytes:
        """*count* unpredictable bytes."""
        ...
