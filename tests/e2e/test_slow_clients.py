"""Clients that send a byte now and then, and those that behave: docs/contract.md, 5.5."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import attrs
import pytest

from tests.e2e.server import Line, Server
from tests.integration.behind import LATE

HALF_OPEN: Final = 300
PAUSE_SECONDS: Final = 2.5
"""Between two bytes."""

CLOSED_SECONDS: Final = 10 + LATE
"""After its start each of them is gone; the deadline itself is 10."""

IN_HEADER: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
IN_BODY: Final = (
    b"POST /customer/send-otp/ HTTP/1.1\r\nHost: localhost\r\n"
    b'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"pass_code": "'
)

pytestmark = pytest.mark.timeout(120)


@attrs.frozen
class Drip:
    """
    A connection that sends a byte now and then.

    Attributes:
        closed: After how many seconds the server closed it.
    """

    closed: "asyncio.Task[float]"
    _sending: "asyncio.Task[None]"
    _writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int, beginning: bytes) -> "Drip":
        """Connect, and begin a request."""
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(beginning)

        async def hear() -> float:
            with contextlib.suppress(ConnectionResetError):  # a byte of ours was on its way
                # Nothing is said to whoever has not asked anything yet.
                assert await reader.read() == b""
            return time.monotonic() - began

        async def send() -> None:
            while True:
                await asyncio.sleep(PAUSE_SECONDS)
                writer.write(b"x")

        return cls(asyncio.ensure_future(hear()), asyncio.ensure_future(send()), writer)

    async def hang_up(self) -> None:
        """Be gone."""
        self.closed.cancel()
        self._sending.cancel()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@asynccontextmanager
async def half_open(server: Server) -> AsyncGenerator[list[Drip]]:
    """Many that drip: one half in the header, one in a body."""
    drips: list[Drip] = []
    try:
        for _ in range(HALF_OPEN // 20):
            beginnings = [IN_HEADER, IN_BODY] * 10
            drips += await asyncio.gather(*(Drip.open(server.port, b) for b in beginnings))
        yield drips
    finally:
        await asyncio.gather(*(drip.hang_up() for drip in drips))


async def seconds_of_healthz(line: Line) -> float:
    """How long an answer takes."""
    began = time.monotonic()
    assert (await line.ask("GET", "/healthz")).status == 200
    return time.monotonic() - began


def test_half_open_connections_hold_nobody_up(server: Server) -> None:
    """Beside 300 that drip others are answered at once, and each of the 300 is cut off in time."""

    async def run() -> None:
        async with half_open(server) as drips:
            assert len(drips) == HALF_OPEN
            line = await Line.open(server.port)
            taken = []
            while not all(drip.closed.done() for drip in drips):
                taken.append(await seconds_of_healthz(line))
                await asyncio.sleep(0.1)
            await line.close()
            closed = [drip.closed.result() for drip in drips]
        assert min(closed) > 9
        assert max(closed) < CLOSED_SECONDS
        assert len(taken) > 5
        assert statistics.median(taken) < 2

    asyncio.run(run())


def test_others_get_in_beside_half_open_connections(server: Server) -> None:
    """While 300 drip, a new connection is taken and answered."""

    async def run() -> None:
        async with half_open(server) as drips:
            await (await Line.open(server.port)).close()
            assert not any(drip.closed.done() for drip in drips)

    asyncio.run(run())


def test_a_client_that_behaves_keeps_its_connection(server: Server) -> None:
    """Requests 3 s apart go over one connection, also when it is older than the deadline."""

    async def run() -> None:
        line = await Line.open(server.port)
        for _ in range(4):
            await asyncio.sleep(3)
            await seconds_of_healthz(line)
        await line.close()

    asyncio.run(run())


def test_the_deadline_is_that_of_a_request(server: Server) -> None:
    """One request in two parts within the deadline is answered, late in a connection's life too."""

    async def run() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for pause in (6, 6):
            writer.write(IN_HEADER)
            await asyncio.sleep(pause)
            writer.write(b"no more\r\n\r\n")
            answer = await asyncio.wait_for(reader.readuntil(b'{"status":"ok"}'), CLOSED_SECONDS)
            assert answer.startswith(b"HTTP/1.1 200 ")
        writer.write(IN_HEADER)
        began = time.monotonic()
        assert await asyncio.wait_for(reader.read(), CLOSED_SECONDS) == b""
        assert time.monotonic() - began > 9
        writer.close()

    asyncio.run(run())
