"""Randomness."""

from typing import Protocol


class Randomness(Protocol):
    """A cryptographic source."""

    def draw(self, count: int) -> bytes:
        """*count* unpredictable bytes."""
        ...
