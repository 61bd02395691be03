"""The time that a request has spent waiting for each port."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import attrs


@attrs.define
class PortTimes:
    """
    What one request has waited until now.

    Attributes:
        seconds: By the port's name, of all its calls together.
        calls: How often each was asked.
    """

    seconds: dict[str, float] = attrs.field(factory=dict[str, float])
    calls: dict[str, int] = attrs.field(factory=dict[str, int])

    def add(self, port: str, seconds: float) -> None:
        """Count a call."""
        self.seconds[port] = self.seconds.get(port, 0.0) + seconds
        self.calls[port] = self.calls.get(port, 0) + 1


# What a request starts has a copy of its context, and so the same object. What goes on in the
# background calls no port that is observed: a request is charged only for what it awaits itself.
_waited: Final[ContextVar[PortTimes | None]] = ContextVar("waited", default=None)


@contextmanager
def port_times() -> Generator[PortTimes]:
    """What is waited within the block."""
    times = PortTimes()
    token = _waited.set(times)
    try:
        yield times
    finally:
        _waited.reset(token)


def note(port: str, seconds: float) -> None:
    """Charge a call to the request that waited for it, where there is one."""
    times = _waited.get()
    if times is not None:
        times.add(port, seconds)
