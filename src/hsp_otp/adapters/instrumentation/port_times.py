"""The time that a request has spent waiting for each port."""

from contextvars import ContextVar, Token
from typing import Final, Self

import attrs


@attrs.define
class PortTimes:
    """
    Collects the waiting times of one request, which is served within its block.

    Attributes:
        seconds: The waiting time so far, by port name.
        calls: The number of calls so far, by port name.
    """

    seconds: dict[str, float] = attrs.field(factory=dict[str, float])
    calls: dict[str, int] = attrs.field(factory=dict[str, int])
    _token: "Token[PortTimes | None]" = attrs.field(init=False)

    def __enter__(self) -> Self:
        self._token = _waited.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _waited.reset(self._token)


# Tasks that a request starts have a copy of its context, and therefore the same object. Background
# work calls no observed port, so a request is charged only for what it awaits itself.
_waited: Final[ContextVar[PortTimes | None]] = ContextVar("waited", default=None)


def note(port: str, seconds: float) -> None:
    """Charge a call to the request that waited for it, if there is one."""
    times = _waited.get()
    if times is not None:
        times.seconds[port] = times.seconds.get(port, 0.0) + seconds
        times.calls[port] = times.calls.get(port, 0) + 1
