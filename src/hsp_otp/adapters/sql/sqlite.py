"""SQLite: a writing connection, a reading one, and the lock on the file."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, make_url
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from hsp_otp.adapters.sql.turns import DEADLINE_SECONDS, Flaws, is_past, turn
from hsp_otp.ports.failures import Unavailable

_RETRY_SECONDS: Final = 0.001

_REASONS: Final = {
    "SQLITE_CANTOPEN": "the SQL database cannot be opened",
    "SQLITE_READONLY": "the SQL database cannot be written to",
    "SQLITE_FULL": "the SQL database has no room on its disk",
}
"""What a failure comes to, by the beginning of SQLite's name for it."""

_CACHE: Final = "cache_size=-65536"
"""64 MiB of pages, and for sorting, before anything of it goes to disk."""


class SqliteConnections:
    """
    SQLite with a write-ahead log.

    One connection writes, so that writers of this process queue here and not at the file's
    lock; those of other processes are waited for by trying again every millisecond, because the
    library's own waiting sleeps ever longer and starves. Another connection reads, and is
    blocked by no writer. A third is there for questions over many rows, where somebody asks them.
    """

    most_transactions = 1
    upgrade_seconds = DEADLINE_SECONDS

    def __init__(self, url: str, *, durable: bool) -> None:
        """Open nothing yet; *durable* syncs at every commit."""
        self._writing = _engine(url, "FULL" if durable else "NORMAL")
        self._reading = _engine(url, "FULL")
        self._studying = _engine(url, "FULL", "query_only=ON", "temp_store=MEMORY", _CACHE)
        self._turns = asyncio.Semaphore(self.most_transactions)
        event.listen(self._writing.sync_engine, "begin", _begin_immediate)

    async def close(self) -> None:
        """Let go of the file."""
        await self._writing.dispose()
        await self._reading.dispose()
        await self._studying.dispose()

    @asynccontextmanager
    async def write(self, by: float) -> AsyncGenerator[AsyncConnection]:
        """Keep the promise of `Connections.write`; *by* is for the lock."""
        # Only the wait is cut short: a driver's call that is cancelled leaves its connection
        # in the middle of something. Those calls do not wait themselves.
        async with _failing_as_unavailable(), turn(self._turns, by):
            connection = await _connected(self._writing, by)
            try:
                yield connection
                await connection.commit()
            finally:
                await connection.close()

    def read(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """Keep the promise of `Connections.read`."""
        return _read(self._reading, by)

    def study(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """Keep the promise of `Connections.study`; *by* is for getting the connection."""
        return _read(self._studying, by)

    async def flaws(self) -> Flaws:
        """None: all that it needs is set on its connections."""
        return Flaws()


def is_locked(error: DBAPIError) -> bool:
    """Whether SQLite said that somebody else holds the lock."""
    return "locked" in str(error.orig) or "busy" in str(error.orig)


@asynccontextmanager
async def _read(engine: AsyncEngine, by: float) -> AsyncGenerator[AsyncConnection]:
    async with _failing_as_unavailable():
        connection = await _connected(engine, by)
        try:
            yield connection
        finally:
            await connection.close()


def _engine(url: str, synchronous: str, *more: str) -> AsyncEngine:
    engine = create_async_engine(
        url,
        # The driver opens no transaction of its own: a deferred one that reads and then writes
        # fails at once under contention, so ours begin with BEGIN IMMEDIATE.
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=DEADLINE_SECONDS,
        connect_args={"timeout": 0},
    )

    def prepare(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own
        cursor = connection.cursor()
        for pragma in (
            "busy_timeout=0",
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
            *more,
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    parsed = make_url(url)
    if parsed.database and "uri" not in parsed.query:  # else it is no path
        path = Path(parsed.database)
        event.listen(engine.sync_engine, "do_connect", lambda *_: _make_private(path))
    event.listen(engine.sync_engine, "connect", prepare)
    return engine


def _make_private(path: Path) -> None:
    """
    Make a file that is not there for its owner alone; those that SQLite keeps beside it are alike.

    One that is there is not opened here: closing it would drop the locks of other connections.
    """
    try:
        os.close(os.open(path.resolve(), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        if not path.is_dir() and os.access(path, os.R_OK):
            return
        raise _CannotOpenError from None
    except OSError as error:
        raise _CannotOpenError from error


class _CannotOpenError(sqlite3.OperationalError):
    """SQLite would say the same, from a thread that outlives the event loop."""

    sqlite_errorname = "SQLITE_CANTOPEN"


def _begin_immediate(connection: Any) -> None:  # noqa: ANN401
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _connected(engine: AsyncEngine, by: float) -> AsyncConnection:
    """A connection whose transaction, or whose first read, has begun."""
    while True:
        try:
            return await _begun(engine)
        except OperationalError as error:
            if not is_locked(error) or is_past(by):
                raise
        await asyncio.sleep(_RETRY_SECONDS)


async def _begun(engine: AsyncEngine) -> AsyncConnection:
    connection = await engine.connect().start()
    try:
        await connection.begin()
    except BaseException:
        await connection.close()
        raise
    return connection


@asynccontextmanager
async def _failing_as_unavailable() -> AsyncGenerator[None]:
    try:
        yield
    except (OperationalError, TimeoutError, PoolTimeoutError) as error:
        raise Unavailable(_reason(error)) from error
    except DatabaseError as error:
        # The file is damaged, or no database at all; the other kinds tell of our own mistakes.
        if type(error) is not DatabaseError:
            raise
        raise Unavailable("the SQL database cannot be read") from error


def _reason(error: Exception) -> str:
    name: str = getattr(getattr(error, "orig", None), "sqlite_errorname", "")
    told = (reason for start, reason in _REASONS.items() if name.startswith(start))
    return next(told, "the SQL database did not answer")
