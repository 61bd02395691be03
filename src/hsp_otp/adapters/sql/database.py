"""A SQL database, SQLite or PostgreSQL: reads, writes, and deadlines for both."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from uuid import uuid4

from sqlalchemy import Table, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from hsp_otp.adapters.sql.connections import (
    STUDY_SECONDS,
    Changes,
    Connections,
    Flaws,
    Found,
    HeldError,
    MovedError,
    deadline,
    is_past,
)
from hsp_otp.adapters.sql.tables import records
from hsp_otp.adapters.sql.write_statements import as_json
from hsp_otp.domain.instant import Instant
from hsp_otp.ports.failures import Unavailable

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

_PROBE_SECONDS: Final = 1.5

_PROBE_BODY: Final = "0" * 4096
"""More than fits beside other records: on SQLite it takes a page of its own."""

_PAUSE_SECONDS: Final = 0.001
"""Before a step is tried again, so that whoever was faster gets on."""


class Database:
    """
    SQLite or PostgreSQL, by its URL.

    Attributes:
        is_postgres: Which of the two.
    """

    def __init__(self, url: str, *, durable: bool) -> None:
        """
        Open nothing yet.

        Args:
            url: ``sqlite+aiosqlite:///`` and a path, or ``postgresql+asyncpg://``.
            durable: SQLite syncs at every commit. Without it a power cut can lose the last
                commits, and with them a used code; only for development. PostgreSQL does as
                its server is set up.
        """
        # Of each process one of its own: none waits for another's.
        self._probe = f"probe:{uuid4().hex}"
        self._connections: Connections
        self.is_postgres = url.startswith("postgresql")
        # Late: a process loads one driver.
        if self.is_postgres:
            from hsp_otp.adapters.sql.postgres import PostgresConnections  # noqa: PLC0415

            self._connections = PostgresConnections(url)
        else:
            from hsp_otp.adapters.sql.sqlite import SqliteConnections  # noqa: PLC0415

            self._connections = SqliteConnections(url, durable=durable)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connections.close()

    @property
    def most_transactions(self) -> int:
        """How many may write at the same time."""
        return self._connections.most_transactions

    @property
    def upgrade_seconds(self) -> float:
        """How long an upgrade of the schema may wait, and on PostgreSQL take."""
        return self._connections.upgrade_seconds

    @asynccontextmanager
    async def write(self, by: float | None = None) -> AsyncGenerator[AsyncConnection]:
        """
        One transaction; committed at the end of the block, rolled back where it raises.

        Args:
            by: The event loop's time until which to wait; two seconds from now where not given.

        Raises:
            MovedError: It was rolled back for what another writer did.
            HeldError: It was rolled back because another writer holds what it needs.
            Unavailable: The lock was not to be had, or the database failed; where that happened
                during the commit, the transaction may have been committed.
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
        What *work* makes of a transaction of its own, tried again where others stood in its way.

        Args:
            work: Called again for every try, so that it must have no effects elsewhere.
            by: As for `write`.
            patient: Goes on until *by* where somebody holds what it needs.

        Raises:
            HeldError: Somebody holds what it needs, and it is not patient.
            Unavailable: As for `write`, or others stood in the way until *by*.
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
        Write what *decide* makes of the records of *keys*, as one step, tried again where others
        stood in its way.

        Args:
            decide: Called again for every try, and perhaps in another thread.
            by: As for `write`.
            patient: As for `step`.

        Returns:
            Whether what is late was written.

        Raises:
            HeldError: Somebody holds what it needs, and it is not patient.
            RefusedError: What is needed was refused for what it is.
            Unavailable: As for `step`.
        """
        tries = count()
        # What moved once is locked the next time, so that it ends.
        return await _tried(
            lambda: self._connections.settle(keys, decide, by, locking=next(tries) > 0),
            by,
            patient=patient,
        )

    async def fetch(
        self, statement: str, values: Sequence[str], since: Instant | None = None
    ) -> list[Any]:
        """
        The rows that *statement* finds for any of *values*.

        Args:
            statement: With ``{any}`` where they belong; behind it ``{since}``, where it is given.

        Raises:
            Unavailable: The database failed.
        """
        texts = as_json(values)
        given = (texts,) if since is None else (texts, since)
        return await self._connections.fetch(statement, given, deadline())

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """
        Whatever was committed last, statement by statement.

        Raises:
            Unavailable: The database failed.
        """
        async with self._connections.read(deadline()) as connection:
            yield connection

    @asynccontextmanager
    async def study(self) -> AsyncGenerator[AsyncConnection]:
        """
        The same for questions over many rows, which take longer: requests do not wait for them.

        Raises:
            Unavailable: The database failed, or had no answer after half a minute.
        """
        by = asyncio.get_running_loop().time() + STUDY_SECONDS
        async with self._connections.study(by) as connection:
            yield connection

    async def takes_writes(self) -> bool:
        """
        Whether the database takes what requests write, right now.

        It commits a record and nothing remains of it. A read would succeed on a standby and on a
        full disk, too.
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
        """
        What is wrong with how the server is set up.

        Raises:
            Unavailable: The database did not answer.
        """
        return await self._connections.flaws()


async def _tried(step: Callable[[], Awaitable[T]], by: float, *, patient: bool) -> T:
    while True:
        try:
            return await step()
        except (MovedError, HeldError) as error:
            if isinstance(error, HeldError) and not patient:
                raise
            if is_past(by):
                raise Unavailable("the records would not hold still") from error
        await asyncio.sleep(_PAUSE_SECONDS)


def is_postgres(connection: AsyncConnection) -> bool:
    """Whether it is PostgreSQL; else it is SQLite."""
    return connection.dialect.name == "postgresql"


def insert(connection: AsyncConnection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """The dialect's INSERT, which can say ON CONFLICT."""
    # Late, as the drivers.
    if is_postgres(connection):
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415

    return sqlite.insert(table)
