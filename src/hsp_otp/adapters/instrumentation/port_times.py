"""The time that a request has spent waiting for each port."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import attrs


@attrs.define
class PortTimes:
    """The waiting time of one request so far, in seconds, and its calls, both by port name."""

    seconds: dict[str, float] = attrs.field(factory=dict[str, float])
    calls: dict[str, int] = attrs.field(factory=dict[str, int])

    def add(self, port: str, seconds: float) -> None:
        """Count one call."""
        self.seconds[port] = self.seconds.get(port, 0.0) + seconds
        self.calls[port] = self.calls.get(port, 0) + 1


# Tasks that a request starts have a copy of its context, and therefore the same object. Background
# work calls no observed port, so a request is charged only for what it awaits itself.
_waited: Final[ContextVar[PortTimes | None]] = ContextVar("waited", default=None)


@contextmanager
def port_times() -> Generator[PortTimes]:
    """Collect the waiting times within the block."""
    times = PortTimes()
    token = _waited.set(times)
    try:
        yield times
    finally:
        _waited.reset(token)


def note(port: str, seconds: float) -> None:
    """Charge a call to the request that waited for it, if there is one."""
    times = _waited.get()
    if times is not None:
        times.add(port, seconds)
