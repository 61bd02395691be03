"""Accepts connections up to a limit, and closes those that keep others out."""

import asyncio
import errno
import resource
import select
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import itemgetter
from typing import Final

import structlog

from hsp_otp.entrypoints.server.http_protocol import HttpProtocol

ARRIVAL_SECONDS: Final = 10.0
"""The time limit from the connection's start or a request's first byte to its last byte."""

STALL_SECONDS: Final = 10.0
"""The time limit for which an answer may wait without the client reading a byte of it."""

RESERVED_DESCRIPTORS: Final = 80
"""The descriptors that a process needs besides those of client connections and their requests:
some 15 files of its own, 9 for SQLite or 6 for PostgreSQL, 32 for Redis and 20 for metrics."""

_FEWEST: Final = 8

_BACKLOG: Final = 2048
"""The most connections in the system's queue; the system may have a lower limit."""

_AT_ONCE: Final = 32
"""The most connections that are accepted in one turn of the event loop."""

_SHARE_AT_ONCE: Final = 16
"""The number of open connections for which one more is accepted per turn. A worker that accepted
all would leave none to other workers; one that accepted a single one would keep newcomers
waiting behind many requests."""

_LOOK_SECONDS: Final = 0.5
"""The time between two checks of deadlines."""

_FULL_SECONDS: Final = 0.1
"""The time for which new connections wait at the limit, so that another worker may accept them."""

_SPARED_SECONDS: Final = 1.0
"""The time for which a connection is not closed to make room for another."""

_IDLE_FAVOUR_SECONDS: Final = 9.0
"""The advantage of an idle connection over one with an unfinished request, so that occasional
clients keep their connections however many others never finish a request."""

_WARN_SECONDS: Final = 60.0

_RESET: Final = struct.pack("ii", 1, 0)

_OUT_OF_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_log = structlog.get_logger()


def most_connections() -> int:
    """
    Return how many connections a worker may serve at once, from its limit on open files.

    Each connection may need another one, to a sender.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        limit = 1_000_000
    return max(_FEWEST, (limit - RESERVED_DESCRIPTORS) // 2)


class Listener:
    """
    One listening socket and its connections.

    At the limit, new connections wait in the system's queue, and connections that are not being
    answered are closed to make room. All times are by the event loop's clock.
    """

    def __init__(
        self,
        listening: socket.socket,
        make: Callable[["Listener"], HttpProtocol],
        *,
        most: int,
        keep_alive: float,
    ) -> None:
        """
        Start to accept, inside a running event loop.

        Args:
            make: Makes the protocol of a new connection.
            most: The most connections at once.
            keep_alive: Seconds for which a connection is kept open between two requests.
        """
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._make = make
        self._most = most
        self._keep_alive = keep_alive
        self._opening = set[asyncio.Task[None]]()
        self._open = set[HttpProtocol]()
        # In the order in which connections entered the state.
        self._arriving = OrderedDict[HttpProtocol, float]()
        self._idle = OrderedDict[HttpProtocol, float]()
        self._unsent: dict[HttpProtocol, tuple[int, float]] = {}
        self._warn_again = 0.0
        self._pause: asyncio.TimerHandle | None = None
        listening.settimeout(0.0)
        listening.listen(_BACKLOG)
        self._loop.add_reader(listening, self._accept)
        self._looking = self._loop.call_later(_LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Stop accepting; open connections stay open."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Stop the checks of deadlines, and return at once."""
        self._looking.cancel()

    # Events of connections

    def opened(self, connection: HttpProtocol) -> None:
        """Note that *connection* is open."""
        self._open.add(connection)
        self._arriving[connection] = self._loop.time()

    def arriving(self, connection: HttpProtocol) -> None:
        """Note that a request has begun to arrive."""
        self._idle.pop(connection, None)
        self._arriving.setdefault(connection, self._loop.time())

    def answering(self, connection: HttpProtocol) -> None:
        """Note that a request has arrived and is being answered."""
        self._idle.pop(connection, None)
        self._arriving.pop(connection, None)

    def idle(self, connection: HttpProtocol) -> None:
        """Note that *connection* waits for its next request."""
        self._arriving.pop(connection, None)
        self._idle.setdefault(connection, self._loop.time())

    def closed(self, connection: HttpProtocol) -> None:
        """Note that *connection* is closed, and accept others again."""
        self._forget(connection)
        if self._pause is not None:
            self._resume()

    # Accepting

    def _accept(self) -> None:
        for _ in range(min(_AT_ONCE, 1 + len(self._open) // _SHARE_AT_ONCE)):
            if self._is_full():
                self._wait_for_room()
                return
            if not self._accept_one():
                return

    def _admit(self) -> None:
        """Make room for connections that no other worker has accepted meanwhile."""
        self._resume()
        waiting = select.poll()
        waiting.register(self._listening, select.POLLIN)
        for _ in range(_AT_ONCE):
            if not self._is_full() or not waiting.poll(0) or not self._make_room():
                return
            if not self._accept_one():
                return

    def _is_full(self) -> bool:
        return len(self._open) + len(self._opening) >= self._most

    def _accept_one(self) -> bool:
        try:
            accepted, _ = self._listening.accept()
        except OSError as error:  # usually because no connection waits any more
            if error.errno in _OUT_OF_ROOM:
                self._make_room()
                self._wait_for_room()
            return False
        self._start(accepted)
        return True

    def _start(self, accepted: socket.socket) -> None:
        accepted.settimeout(0.0)
        with suppress(OSError):  # the client may have disconnected already
            # Send the end of an answer without waiting until its beginning is acknowledged.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._connect(accepted))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: self._make(self), accepted)
        except OSError:
            accepted.close()

    def _wait_for_room(self) -> None:
        self._warn()
        self._loop.remove_reader(self._listening)
        self._pause = self._loop.call_later(_FULL_SECONDS, self._admit)

    def _resume(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
            self._loop.add_reader(self._listening, self._accept)

    def _make_room(self) -> bool:
        """Close a connection that is not being answered; return whether there was one."""
        now = self._loop.time()
        waiting = [
            (since + favour, connection)
            for connections, favour in ((self._arriving, 0.0), (self._idle, _IDLE_FAVOUR_SECONDS))
            for connection, since in _longest(connections)
            if now - since >= _SPARED_SECONDS
        ]
        if not waiting:
            return False
        self._warn()
        _, ended = min(waiting, key=itemgetter(0))
        self._forget(ended)
        ended.transport.abort()
        return True

    def _forget(self, connection: HttpProtocol) -> None:
        self._open.discard(connection)
        self._arriving.pop(connection, None)
        self._idle.pop(connection, None)
        self._unsent.pop(connection, None)

    def _warn(self) -> None:
        now = self._loop.time()
        if now >= self._warn_again:
            self._warn_again = now + _WARN_SECONDS
            _log.warning(
                "connections_full",
                most=self._most,
                hint="further connections wait; LimitNOFILE and HSP_OTP_WORKERS set the limit",
            )

    # Deadlines

    def _look(self) -> None:
        now = self._loop.time()
        self._looking = self._loop.call_later(_LOOK_SECONDS, self._look)
        for connections, seconds in (
            (self._arriving, ARRIVAL_SECONDS),
            (self._idle, self._keep_alive),
        ):
            for connection, since in list(connections.items()):
                if now - since < seconds:
                    break
                connection.transport.close()
        for connection in list(self._open):
            self._look_at_answer(connection, now)

    def _look_at_answer(self, connection: HttpProtocol, now: float) -> None:
        size = connection.transport.get_write_buffer_size()
        if not size:
            self._unsent.pop(connection, None)
            return
        before, since = self._unsent.get(connection, (size, now))
        if size < before:
            since = now
        elif now - since >= STALL_SECONDS:
            # Close with a reset; otherwise the system would keep trying to send the rest.
            sending: socket.socket = connection.transport.get_extra_info("socket")
            sending.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.transport.abort()
        self._unsent[connection] = (size, since)


def _longest(waiting: Mapping[HttpProtocol, float]) -> list[tuple[HttpProtocol, float]]:
    """Return the first connection in *waiting* without unsent data, if there is one."""
    for connection, since in waiting.items():
        if not connection.transport.get_write_buffer_size():
            return [(connection, since)]
    return []
