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
"""From the first byte of a request, or from the connection's start, to the last byte."""

STALL_SECONDS: Final = 10.0
"""For which an answer may wait without a byte of it being taken."""

RESERVED_DESCRIPTORS: Final = 80
"""What a process has open beside connections and what they lead to: some 15 files of its own, 9
of SQLite or 6 to PostgreSQL, 32 to Redis, and 20 that ask for metrics."""

_FEWEST: Final = 8

_BACKLOG: Final = 2048
"""Connections that the system keeps waiting; it may have a limit of its own."""

_AT_ONCE: Final = 32
"""Connections that are accepted before others have their turn, at most."""

_SHARE_AT_ONCE: Final = 16
"""One for so many that are open: whoever took all that wait would leave nothing to other workers,
and whoever takes one between many requests keeps newcomers waiting."""

_LOOK_SECONDS: Final = 0.5
"""Between two looks at deadlines."""

_FULL_SECONDS: Final = 0.1
"""For which new connections wait where there is no room, so that another worker may take them."""

_SPARED_SECONDS: Final = 1.0
"""For which a connection is not ended for another one's sake."""

_IDLE_FAVOUR_SECONDS: Final = 9.0
"""By which an idle connection outlasts one whose request is on its way: those who ask now and then
stay beside any number who never finish a request."""

_WARN_SECONDS: Final = 60.0

_RESET: Final = struct.pack("ii", 1, 0)

_OUT_OF_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_log = structlog.get_logger()


def most_connections() -> int:
    """
    How many connections a worker serves at once, by the limit on its open files.

    Each may lead to another one, to a sender.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        limit = 1_000_000
    return max(_FEWEST, (limit - RESERVED_DESCRIPTORS) // 2)


class Listener:
    """
    One listening socket and its connections.

    Where there is no room, others wait in the system's queue, and the first to be ended for them
    are connections that nobody is served by. It goes by the event loop's clock.
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
        Begin to accept, inside a running event loop.

        Args:
            make: The protocol of a new connection.
            most: Connections at once.
            keep_alive: Seconds for which a connection is kept between two requests.
        """
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._make = make
        self._most = most
        self._keep_alive = keep_alive
        self._opening = set[asyncio.Task[None]]()
        self._open = set[HttpProtocol]()
        # In the order of the instants since when they are so.
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
        """Accept nothing more; what is open stays."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Return at once: nothing is left to be done."""
        self._looking.cancel()

    # What a connection tells of itself

    def opened(self, connection: HttpProtocol) -> None:
        """It is there."""
        self._open.add(connection)
        self._arriving[connection] = self._loop.time()

    def arriving(self, connection: HttpProtocol) -> None:
        """A request has begun."""
        self._idle.pop(connection, None)
        self._arriving.setdefault(connection, self._loop.time())

    def answering(self, connection: HttpProtocol) -> None:
        """A request has arrived, and its answer is awaited."""
        self._idle.pop(connection, None)
        self._arriving.pop(connection, None)

    def idle(self, connection: HttpProtocol) -> None:
        """Its next request has not begun."""
        self._arriving.pop(connection, None)
        self._idle.setdefault(connection, self._loop.time())

    def closed(self, connection: HttpProtocol) -> None:
        """It has gone."""
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
        """Make room for those whom no other worker has accepted meanwhile."""
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
        except OSError as error:  # mostly nobody waits any more
            if error.errno in _OUT_OF_ROOM:
                self._make_room()
                self._wait_for_room()
            return False
        self._start(accepted)
        return True

    def _start(self, accepted: socket.socket) -> None:
        accepted.settimeout(0.0)
        with suppress(OSError):  # it may have gone already
            # The end of an answer does not wait until its beginning is acknowledged.
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
        """Whether a connection was ended that nobody is served by."""
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
                hint="further connections wait; LimitNOFILE and HSP_OTP_WORKERS say how many",
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
            # With a reset: the system would go on offering what it has of the answer.
            sending: socket.socket = connection.transport.get_extra_info("socket")
            sending.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.transport.abort()
        self._unsent[connection] = (size, since)


def _longest(waiting: Mapping[HttpProtocol, float]) -> list[tuple[HttpProtocol, float]]:
    """The first in *waiting* to which nothing remains to be told, where there is one."""
    for connection, since in waiting.items():
        if not connection.transport.get_write_buffer_size():
            return [(connection, since)]
    return []
