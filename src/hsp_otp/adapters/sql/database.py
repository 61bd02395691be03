"""A SQL database, SQLite or PostgreSQL: reads and writes, with deadlines."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from uuid import uuid4

from sqlalchemy import Table, delete

from hsp_otp.adapters.sql.async_engine import AsyncConnection
from hsp_otp.adapters.sql.connections import (
    STUDY_SECONDS,
    Changes,
    Connections,
    Flaws,
    Found,
    HeldError,
    MovedError,
    Read,
    deadline,
    is_past,
)
from hsp_otp.adapters.sql.tables import records
from hsp_otp.adapters.sql.write_statements import Written, as_json
from hsp_otp.domain.instant import Instant
from hsp_otp.ports.failures import Unavailable

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

_PROBE_SECONDS: Final = 1.5

_PROBE_BODY: Final = "0" * 4096
"""Too large to fit next to other records, so on SQLite it takes a page of its own."""

_PAUSE_SECONDS: Final = 0.001
"""Pause before a step is retried, so that the faster writer can proceed."""


class Database:
    """
    SQLite or PostgreSQL, chosen by the URL.

    Every method that asks the database raises Unavailable if it fails or does not answer in time.
    """

    def __init__(self, url: str, *, durable: bool) -> None:
        """
        Open no connection yet.

        Args:
            url: ``sqlite+aiosqlite:///`` and a path, or ``postgresql+asyncpg://``.
            durable: SQLite syncs at every commit. Without it, a power cut can lose the last
                commits, and with them a used code; for development only. PostgreSQL follows its
                server's configuration.
        """
        # Each process has its own, so that none waits for another.
        self._probe = f"probe:{uuid4().hex}"
        self._connections: Connections
        self.is_postgres = url.startswith("postgresql")
        # Imported late, so that a process loads only one driver.
        if self.is_postgres:
            from hsp_otp.adapters.sql.postgres import PostgresConnections  # noqa: PLC0415

            self._connections = PostgresConnections(url)
        else:
            from hsp_otp.adapters.sql.sqlite import SqliteConnections  # noqa: PLC0415

            self._connections = SqliteConnections(url, durable=durable)
        self.most_transactions = self._connections.most_transactions
        self.shard = self._connections.shard
        self.upgrade_seconds = self._connections.upgrade_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connections.close()

    @asynccontextmanager
    async def write(self, by: float | None = None) -> AsyncGenerator[AsyncConnection]:
        """
        One transaction, committed at the end of the block and rolled back if the block raises.

        Args:
            by: The event loop's time until which to wait; by default two seconds from now.

        Raises:
            MovedError: It was rolled back because of another writer's change.
            HeldError: It was rolled back because another writer holds a row or lock that it needs.
            Unavailable: The lock could not be obtained, or the database failed. If it failed during
                the commit, the transaction may have been committed.
        """
        async with self._connections.write(deadline() if by is None else by) as connection:
            yield connection

    async def step(
        self,
        work: Callable[[AsyncConnection], Awaitable[T]],
        by: float | None = None,
        *,
        patient: bool = True,
    ) -> T:
        """
        The result of *work* in its own transaction, retried if other writers interfere.

        Args:
            work: Called again on every attempt, so it must not have effects elsewhere.
            by: As for `write`.
            patient: Keep trying until *by* while another writer holds a row or lock.

        Raises:
            HeldError: Another writer holds a row or lock, and *patient* is off.
            Unavailable: As for `write`, or others interfered until *by*.
        """
        by = deadline() if by is None else by

        async def tried() -> T:
            async with self._connections.write(by) as connection:
                return await work(connection)

        return await _tried(tried, by, patient=patient)

    async def settle(
        self,
        keys: Sequence[str],
        decide: Callable[[Found], Changes],
        by: float,
        *,
        patient: bool = True,
    ) -> bool:
        """
        Write the result of *decide* for the records of *keys*, in one step, retried if other
        writers interfere.

        Args:
            decide: Called again on every attempt, possibly in another thread.
            by: As for `write`.
            patient: As for `step`.

        Returns:
            Whether the late rows were written.

        Raises:
            HeldError: Another writer holds a row or lock, and *patient* is off.
            RefusedError: The needed rows were refused because of their data.
            Unavailable: As for `step`.
        """
        tries = count()
        # After one lost race the records are locked, so that the retries come to an end.
        return await _tried(
            lambda: self._connections.settle(keys, decide, by, locking=next(tries) > 0),
            by,
            patient=patient,
        )

    async def revise(
        self,
        reads: Sequence[Read],
        decide: Callable[[Sequence[list[Any]]], Written],
        by: float,
        *,
        lock: int,
    ) -> None:
        """
        Write what *decide* makes of the rows of *reads*, in one step, retried if other writers
        interfere.

        Args:
            decide: Called again on every attempt, possibly in another thread.
            by: As for `write`.
            lock: The PostgreSQL advisory lock of everyone who writes such rows.

        Raises:
            RefusedError: The rows were refused because of their data.
            Unavailable: As for `step`.
        """
        await _tried(
            lambda: self._connections.revise(reads, decide, by, lock=lock), by, patient=True
        )

    async def fetch(
        self, statement: str, values: Sequence[str], since: Instant | None = None
    ) -> list[Any]:
        """
        The rows that *statement* finds for any of *values*.

        The statement contains ``{any}`` for the values, followed by ``{since}`` if that is given.
        """
        texts, by = as_json(values), deadline()
        given = (texts,) if since is None else (texts, since)
        return await _tried(lambda: self._connections.fetch(statement, given, by), by, patient=True)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """Reads of the latest committed data, statement by statement."""
        with _unavailable():
            async with self._connections.read(deadline()) as connection:
                yield connection

    @asynccontextmanager
    async def study(self) -> AsyncGenerator[AsyncConnection]:
        """Like `read`, for up to half a minute and many rows; requests do not wait for it."""
        by = asyncio.get_running_loop().time() + STUDY_SECONDS
        with _unavailable():
            async with self._connections.study(by) as connection:
                yield connection

    async def takes_writes(self) -> bool:
        """
        Whether the database accepts the writes of requests right now.

        Commits a record and leaves nothing behind. A mere read would succeed on a standby and on a
        full disk too.
        """
        key = records.c.key == self._probe

        async def write(connection: AsyncConnection) -> None:
            row = {"key": self._probe, "body": _PROBE_BODY, "version": 1}
            await connection.execute(insert(connection, records).values(row))
            await connection.execute(delete(records).where(key))

        try:
            await self.step(write, asyncio.get_running_loop().time() + _PROBE_SECONDS)
        except Unavailable:
            return False
        return True

    async def flaws(self) -> Flaws:
        """The problems with the setup of the server."""
        return await self._connections.flaws()


@contextmanager
def _unavailable() -> Generator[None]:
    """For work that cannot be tried again here: its caller may do that."""
    try:
        yield
    except MovedError as error:
        raise Unavailable("the connection was lost") from error


async def _tried(step: Callable[[], Awaitable[T]], by: float, *, patient: bool) -> T:
    while True:
        try:
            return await step()
        except (MovedError, HeldError) as error:
            if isinstance(error, HeldError) and not patient:
                raise
            if is_past(by):
                raise Unavailable("the records kept changing") from error
        await asyncio.sleep(_PAUSE_SECONDS)


def is_postgres(connection: AsyncConnection) -> bool:
    """Whether it is PostgreSQL; otherwise it is SQLite."""
    return connection.dialect.name == "postgresql"


def insert(connection: AsyncConnection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """The dialect's INSERT, which supports ON CONFLICT."""
    # Imported late, like the drivers.
    if is_postgres(connection):
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415

    return sqlite.insert(table)
