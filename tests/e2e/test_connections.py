"""Connections: how many, how long, how fast an answer leaves; docs/contract.md, 5.5 and 5.6."""

import asyncio
import contextlib
import select
import socket
import statistics
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import pytest

from hsp_otp.entrypoints.server.listener import Listener
from tests.e2e.server import Line, NewServer, Server

DESCRIPTORS: Final = 256

ROOM: Final = 88
"""Connections that are served at once where a process may have 256 files open."""

HALF_OPEN: Final = 300

IN_HEADER: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "

SAMPLES: Final = 200


class Narrow(NewServer):
    """A server that may have few files open, with a listener for metrics."""

    def line(self, name: str) -> list[str | Path]:
        """The command line."""
        command = super().line(name)
        return ["sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$0" "$@"', *command]

    def open_files(self) -> int:
        """How many it has."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def warnings(self) -> list[str]:
        """Its complaints but for the one that is due here."""
        return [line for line in self.complaints if "connections_full" not in line]


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Narrow]:
    """A server with room for few connections."""
    with Narrow(tmp_path, METRICS_PORT="0") as server:
        yield server
        assert server.stop() == 0
        assert server.warnings() == []
        assert server.errors.count("connections_full") <= 2  # one of each listener
        assert len(server.errors) < 20_000


@asynccontextmanager
async def connected(port: int, count: int, beginning: bytes) -> AsyncGenerator[None]:
    """So many clients that send *beginning*, and then nothing."""
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(beginning)
            writers.append(writer)
        yield
    finally:
        for writer in writers:
            writer.close()
        for writer in writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def answered(port: int, path: str) -> None:
    """A new connection's request has an answer of 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(30):
            assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 200 OK\r\n"
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def test_connected_clients_are_served_beside_half_open_ones(narrow: Narrow) -> None:
    """More half-open connections than descriptors end nobody who asks, and let others in."""

    async def run() -> None:
        line = await Line.open(narrow.port)
        async with (
            connected(narrow.port, HALF_OPEN, IN_HEADER),
            connected(narrow.metrics_port, HALF_OPEN // 5, IN_HEADER),
        ):
            entering = [
                asyncio.create_task(answered(narrow.port, "/healthz")),
                asyncio.create_task(answered(narrow.metrics_port, "/metrics")),
            ]
            asked = 0
            while asked < 20 or not all(task.done() for task in entering):
                assert (await line.ask("GET", "/healthz")).status == 200
                assert narrow.open_files() < DESCRIPTORS - 20
                asked += 1
                await asyncio.sleep(0.1)
            await asyncio.gather(*entering)
        await line.close()

    asyncio.run(run())
    narrow.wait_for_log("connections_full")


def test_idle_connections_make_room(narrow: Narrow) -> None:
    """Idle connections that take all the room are ended for new ones, and for nobody else."""

    async def run() -> None:
        lines = [await Line.open(narrow.port) for _ in range(ROOM)]
        late = lines[-1]

        async def wait() -> None:
            for _ in range(12):
                assert (await late.ask("GET", "/healthz")).status == 200
                await asyncio.sleep(0.1)

        await wait()
        for line in lines:
            assert (await line.ask("GET", "/healthz")).status == 200
        await wait()
        for _ in range(5):
            await answered(narrow.port, "/healthz")
        assert (await late.ask("GET", "/healthz")).status == 200
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await lines[0].ask("GET", "/healthz")
        for line in lines:
            await line.close()

    asyncio.run(run())


def test_an_answer_that_nobody_takes_is_given_up(tmp_path: Path) -> None:
    """On either listener, who asks and does not read is cut off once nothing moved for 10 s."""
    with Server(tmp_path, METRICS_PORT="0") as server:
        began = time.monotonic()
        left = {}
        for port, path in (
            (server.port, "/docs/static/swagger-ui-bundle.js"),
            (server.metrics_port, "/metrics"),
        ):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", port))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 1_000)
            left[connection.fileno()] = connection
        ended = select.poll()
        for number in left:
            ended.register(number, 0)  # a reset, and nothing else
        while left:
            for number, _ in ended.poll(40_000):
                assert time.monotonic() - began > 9
                ended.unregister(number)
                left.pop(number).close()
            assert time.monotonic() - began < 40


def test_an_idle_connection_is_kept_as_long_as_is_set(tmp_path: Path) -> None:
    """On either listener a connection ends so many seconds after its last answer."""
    with Server(tmp_path, METRICS_PORT="0", KEEP_ALIVE_SECONDS="7") as server:

        async def kept(port: int, path: str) -> float:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2):
                writer.write(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                await reader.readuntil(b"\r\n\r\n")
                began = time.monotonic()
                await asyncio.sleep(1)
            assert await asyncio.wait_for(reader.read(), 30) == b""
            writer.close()
            return time.monotonic() - began

        async def both() -> tuple[float, float]:
            return await asyncio.gather(
                kept(server.port, "/healthz"), kept(server.metrics_port, "/metrics")
            )

        assert min(asyncio.run(both())) > 6.5


def test_answers_leave_at_once(tmp_path: Path) -> None:
    """
    On either listener the answers of a kept connection wait for no acknowledgement, with head
    and body of the request sent in one piece or in several.
    """
    get = [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    head = (
        b"POST /customer/validate-pass/ HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\n"
    )
    body = b'{"pass_code": "nonsense"}'
    sized = head + b"Content-Length: %d\r\n\r\n" % len(body)
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    with Server(tmp_path, METRICS_PORT="0") as server:
        for port, parts in (
            (server.port, get),
            (server.port, [get[0][:30], get[0][30:]]),
            (server.port, [sized + body]),
            (server.port, [sized, body]),
            (server.port, [sized, body[:9], body[9:]]),
            (server.port, [chunked, b"%x\r\n%b\r\n" % (len(body), body), b"0\r\n\r\n"]),
            (server.metrics_port, [b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"]),
        ):
            assert statistics.median(seconds(port, parts)) < 0.01, parts


class Accepted(asyncio.Protocol):
    """A connection that asks for nothing."""

    def __init__(self, listener: Listener, there: "asyncio.Queue[Accepted]", worker: str) -> None:
        self.listener = listener
        self.there = there
        self.worker = worker

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the listener, and stay."""
        self.transport = cast("asyncio.Transport", transport)
        self.listener.opened(cast("Any", self))
        self.there.put_nowait(self)


def test_connections_that_come_at_once_are_shared() -> None:
    """Of two workers that are idle, none takes all connections that wait."""

    async def taken() -> list[str]:
        there = asyncio.Queue[Accepted]()

        def listen(listening: socket.socket, worker: str) -> Listener:
            def make(listener: Listener) -> Any:  # noqa: ANN401 - it only has to stay
                return Accepted(listener, there, worker)

            return Listener(listening, make, most=100, keep_alive=60)

        with (
            contextlib.ExitStack() as clients,
            socket.create_server(("127.0.0.1", 0), backlog=64) as first,
            first.dup() as second,
        ):
            for _ in range(32):
                clients.enter_context(socket.create_connection(first.getsockname()))
            listeners = [listen(first, "first"), listen(second, "second")]
            async with asyncio.timeout(10):
                took = [await there.get() for _ in range(32)]
            for listener in listeners:
                listener.close()
                await listener.wait_closed()
            for connection in took:
                connection.transport.abort()
            await asyncio.sleep(0)
        return [connection.worker for connection in took]

    took = asyncio.run(taken())
    assert min(took.count("first"), took.count("second")) >= 12


def seconds(port: int, parts: list[bytes]) -> Iterator[float]:
    """How long each of many answers takes over one connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(SAMPLES):
            began = time.perf_counter()
            for part in parts:
                line.sendall(part)
            answer = line.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 ")
            assert answer.endswith((b"}", b"\n"))  # the whole of it, at once
            yield time.perf_counter() - began
