"""A proxy between the service and a store that passes, delays, drops, cuts or drips data."""

import contextlib
import enum
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_AT_ONCE: Final = struct.pack("ii", 1, 0)
_DELAY_SECONDS: Final = 0.1
_DRIP_SECONDS: Final = 0.02

Watch = Callable[[bytes], bool]
"""Inspects the service's data; True drops the data and cuts the line."""


class Line(enum.Enum):
    """The behaviour of the line."""

    PASSES = enum.auto()
    DELAYS = enum.auto()
    SWALLOWS = enum.auto()
    BREAKS = enum.auto()
    DRIPS = enum.auto()


class Proxy:
    """
    Listens on its own port in front of a server.

    Args:
        target: The server's port, or the path of its socket.

    Attributes:
        watch: Set by a test that waits for certain data.
    """

    def __init__(self, target: int | Path) -> None:
        self._target = target
        self._line = Line.PASSES
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.watch: Watch | None = None
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._listening.close()
        self._break_all()

    def become(self, line: Line) -> None:
        """Change the behaviour, also for open connections."""
        self._line = line
        if line is Line.BREAKS:
            self._break_all()

    def _break_all(self) -> None:
        with self._lock:
            gone, self._open = self._open, set()
        for one in gone:
            _break(one)

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listening.accept()
            except OSError:
                return
            if self._line is Line.BREAKS:
                _break(here)
                continue
            try:
                there = self._connect()
            except OSError:
                _break(here)
                continue
            with self._lock:
                self._open |= {here, there}
            for source, sink, watched in ((here, there, True), (there, here, False)):
                threading.Thread(
                    target=self._pump, args=(source, sink), kwargs={"watched": watched}, daemon=True
                ).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        there = socket.socket(socket.AF_UNIX)
        try:
            there.connect(str(self._target))
        except OSError:
            there.close()
            raise
        return there

    def _pump(self, source: socket.socket, sink: socket.socket, *, watched: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if watched and self.watch is not None and self.watch(data):
                    break
                self._say(data, sink)
        with self._lock:
            self._open -= {source, sink}
        _break(source)
        _break(sink)

    def _say(self, data: bytes, sink: socket.socket) -> None:
        match self._line:
            case Line.SWALLOWS:
                return
            case Line.DELAYS:
                time.sleep(_DELAY_SECONDS)
            case Line.DRIPS:
                for at in range(len(data)):
                    if self._line is not Line.DRIPS:
                        sink.sendall(data[at:])
                        return
                    sink.sendall(data[at : at + 1])
                    time.sleep(_DRIP_SECONDS)
                return
            case _:
                pass
        sink.sendall(data)


def _break(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
