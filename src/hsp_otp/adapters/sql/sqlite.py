"""SQLite: one writing connection, one reading connection, and the lock on the file."""

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.dialects.sqlite import aiosqlite
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import AsyncAdaptedQueuePool

from hsp_otp.adapters.sql.async_engine import AsyncConnection, connect, dispose
from hsp_otp.adapters.sql.connections import (
    DEADLINE_SECONDS,
    Changes,
    Flaws,
    Found,
    Given,
    MovedError,
    Read,
    RefusedError,
    is_past,
    turn,
)
from hsp_otp.adapters.sql.rows import floods, late
from hsp_otp.adapters.sql.write_statements import (
    NUMBERED_ON_SQLITE,
    READ,
    RECORDS,
    Written,
    as_json,
    on_sqlite,
)
from hsp_otp.domain.audit import LateRow
from hsp_otp.ports.failures import Unavailable

T = TypeVar("T")

_RETRY_SECONDS: Final = 0.001

_READ: Final = on_sqlite(READ)

_REASONS: Final = {
    "SQLITE_CANTOPEN": "the SQL database cannot be opened",
    "SQLITE_READONLY": "the SQL database cannot be written to",
    "SQLITE_FULL": "the SQL database has no space left",
}
"""Reasons to report, by the prefix of SQLite's error name."""

_CACHE: Final = "cache_size=-65536"
"""64 MiB for pages and sorting before SQLite uses the disk."""


class SqliteConnections:
    """
    SQLite with a write-ahead log.

    One connection writes, so that writers of this process queue here rather than for the file's
    lock. Writers of other processes are waited for by retrying every millisecond, because the
    library's own wait sleeps longer and longer and starves. Another connection reads, and no writer
    blocks it. A third one serves queries over many rows. Steps and look-ups, which every request
    makes, have two connections of their own, each in its own thread.
    """

    most_transactions = 1
    shard = 0
    upgrade_seconds = DEADLINE_SECONDS

    def __init__(self, url: str, *, durable: bool) -> None:
        """Open no connection yet; *durable* syncs at every commit."""
        synchronous = "FULL" if durable else "NORMAL"
        self._url = make_url(url)
        self._writing = _engine(url, synchronous)
        self._reading = _engine(url, "FULL")
        self._studying = _engine(url, "FULL", "query_only=ON", "temp_store=MEMORY", _CACHE)
        self._turns = asyncio.Semaphore(self.most_transactions)
        event.listen(self._writing, "begin", _begin_immediate)
        self._settling = _Thread(self._url, synchronous)
        self._fetching = _Thread(self._url, "FULL")

    async def close(self) -> None:
        """Close all connections."""
        await self._settling.close()
        await self._fetching.close()
        await dispose(self._writing)
        await dispose(self._reading)
        await dispose(self._studying)

    async def settle(
        self, keys: Sequence[str], decide: Callable[[Found], Changes], by: float, *, locking: bool
    ) -> bool:
        """Implement `Connections.settle`; the file's lock keeps others out in any case."""
        del locking
        async with _failing_as_unavailable(self._url), turn(self._turns, by):
            return await self._settling.run(
                lambda connection: _settle(connection, keys, decide), by
            )

    async def revise(
        self,
        reads: Sequence[Read],
        decide: Callable[[Sequence[list[Any]]], Written],
        by: float,
        *,
        lock: int,
    ) -> None:
        """Implement `Connections.revise`; the file's lock keeps others out in any case."""
        del lock
        async with _failing_as_unavailable(self._url), turn(self._turns, by):
            await self._settling.run(lambda connection: _revise(connection, reads, decide), by)

    async def fetch(self, statement: str, given: Given, by: float) -> list[Any]:
        """Implement `Connections.fetch`."""
        asked = on_sqlite(statement)
        async with _failing_as_unavailable(self._url):
            return await self._fetching.run(lambda one: one.execute(asked, given).fetchall(), by)

    @asynccontextmanager
    async def write(self, by: float) -> AsyncGenerator[AsyncConnection]:
        """Implement `Connections.write`; *by* limits the wait for the lock."""
        # Only the wait is cut short: a cancelled driver call would leave its connection in an
        # undefined state. Those calls do not wait themselves.
        async with _failing_as_unavailable(self._url), turn(self._turns, by):
            connection = await _connected(self._writing, by)
            try:
                yield connection
                await connection.commit()
            finally:
                await connection.close()

    def read(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """Implement `Connections.read`."""
        return _read(self._reading, by)

    def study(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """Implement `Connections.study`; *by* limits the wait for the connection."""
        return _read(self._studying, by)

    async def flaws(self) -> Flaws:
        """No problems: everything is configured per connection."""
        return Flaws()


def _says_locked(error: BaseException | None) -> bool:
    """Whether SQLite reported that somebody else holds the lock."""
    return "locked" in str(error) or "busy" in str(error)


class _Thread:
    """
    One connection of the standard library, in its own thread.

    Work that every request needs runs there as a whole; the asynchronous driver would switch
    threads for every statement.
    """

    def __init__(self, url: URL, synchronous: str) -> None:
        self._url = url
        self._synchronous = synchronous
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T], by: float) -> T:
        """
        The result of *work* on the connection, retried until *by* while the lock is held.

        Raises:
            sqlite3.DatabaseError: The database failed, refused a statement, or was locked.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await loop.run_in_executor(self._thread, self._worked, work)
            except sqlite3.OperationalError as error:
                if not _says_locked(error) or is_past(by):
                    raise
            await asyncio.sleep(_RETRY_SECONDS)

    async def close(self) -> None:
        """Close the connection and the thread."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _worked(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = _connect(self._url, self._synchronous)
        return work(self._connection)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _revise(
    connection: sqlite3.Connection,
    reads: Sequence[Read],
    decide: Callable[[Sequence[list[Any]]], Written],
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        asked = [(on_sqlite(statement), values) for statement, values in reads]
        found = [
            connection.execute(statement, (values,) * statement.count("?")).fetchall()
            for statement, values in asked
        ]
        _write(connection, decide(found))
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _settle(
    connection: sqlite3.Connection, keys: Sequence[str], decide: Callable[[Found], Changes]
) -> bool:
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = connection.execute(_READ, (as_json(keys),)) if keys else ()
        changes = decide({key: (body, version) for key, body, version in found})
        _write(connection, changes.needed)
        told = _wrote_late(connection, changes.late)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return told


def _wrote_late(connection: sqlite3.Connection, rows: Sequence[LateRow]) -> bool:
    if not rows:
        return True
    connection.execute("SAVEPOINT late")
    try:
        found = [connection.execute(NUMBERED_ON_SQLITE, flood) for flood in floods(rows)]
        _write(connection, late(rows, chain.from_iterable(found), SqliteConnections.shard))
    except sqlite3.DatabaseError:
        connection.execute("ROLLBACK TO late")
        return False
    return True


def _write(connection: sqlite3.Connection, written: Written) -> None:
    for part, rows in written.items():
        done = connection.executemany(part.sqlite, rows)
        if part is RECORDS and done.rowcount < len(rows):
            raise MovedError


def _connect(url: URL, synchronous: str) -> sqlite3.Connection:
    """A connection for one thread; raises OperationalError if the file is locked or unusable."""
    path = _path(url)
    if path is not None:
        _make_private(path)
    positional, named = aiosqlite.dialect().create_connect_args(url)
    opened: Callable[..., sqlite3.Connection] = sqlite3.connect
    connection = opened(*positional, **{**named, "timeout": 0, "isolation_level": None})
    try:
        for pragma in _pragmas(synchronous):
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def _path(url: URL) -> Path | None:
    """The path of the file; None if the URL does not name one."""
    return Path(url.database) if url.database and "uri" not in url.query else None


def _pragmas(synchronous: str) -> tuple[str, ...]:
    return (
        "PRAGMA busy_timeout=0",
        "PRAGMA journal_mode=WAL",
        f"PRAGMA synchronous={synchronous}",
        "PRAGMA foreign_keys=ON",
    )


@asynccontextmanager
async def _read(engine: Engine, by: float) -> AsyncGenerator[AsyncConnection]:
    async with _failing_as_unavailable(engine.url):
        connection = await _connected(engine, by)
        try:
            yield connection
        finally:
            await connection.close()


def _engine(url: str, synchronous: str, *more: str) -> Engine:
    engine = create_engine(
        url,
        # The driver must not open transactions: a deferred one that reads and then writes fails at
        # once under contention, so they begin explicitly with BEGIN IMMEDIATE.
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
        for pragma in (*_pragmas(synchronous), *(f"PRAGMA {one}" for one in more)):
            cursor.execute(pragma)
        cursor.close()

    path = _path(make_url(url))
    if path is not None:
        event.listen(engine, "do_connect", lambda *_: _make_private(path))
    event.listen(engine, "connect", prepare)
    return engine


def _make_private(path: Path) -> None:
    """
    Create a missing file with access for its owner only; SQLite's files next to it follow suit.

    An existing file is not opened here, because closing it would drop other connections' locks.
    """
    try:
        os.close(os.open(path.resolve(), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        if not path.is_dir() and os.access(path, os.R_OK):
            return
        why = os.strerror(errno.EISDIR if path.is_dir() else errno.EACCES)
        raise _CannotOpenError(why) from None
    except OSError as error:
        raise _CannotOpenError(error.strerror) from error


class _CannotOpenError(sqlite3.OperationalError):
    """The error that SQLite would raise, but from a thread that outlives the event loop."""

    sqlite_errorname = "SQLITE_CANTOPEN"


def _begin_immediate(connection: Any) -> None:  # noqa: ANN401
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _connected(engine: Engine, by: float) -> AsyncConnection:
    """A connection whose transaction, or first read, has begun."""
    while True:
        try:
            return await _begun(engine)
        except OperationalError as error:
            if not _says_locked(error.orig) or is_past(by):
                raise
        await asyncio.sleep(_RETRY_SECONDS)


async def _begun(engine: Engine) -> AsyncConnection:
    connection = await connect(engine)
    try:
        await connection.begin()
    except BaseException:
        await connection.close()
        raise
    return connection


@asynccontextmanager
async def _failing_as_unavailable(url: URL) -> AsyncGenerator[None]:
    try:
        yield
    except (OperationalError, sqlite3.OperationalError, TimeoutError, PoolTimeoutError) as error:
        raise Unavailable(_reason(error, url)) from error
    except (DatabaseError, sqlite3.DatabaseError) as error:
        # The file is damaged or not a database. Subclasses report our own mistakes.
        if type(error) not in {DatabaseError, sqlite3.DatabaseError}:
            if isinstance(error, sqlite3.DatabaseError):
                raise RefusedError(error.sqlite_errorname) from None
            raise
        raise Unavailable("the SQL database cannot be read") from error


def _reason(error: Exception, url: URL) -> str:
    cause = getattr(error, "orig", error)
    name: str = getattr(cause, "sqlite_errorname", "")
    path = _path(url)
    where = f" in the folder {str(path.absolute().parent)!r}" if path else ""
    why = f": {cause}" if isinstance(cause, _CannotOpenError) else ""
    found = (told for start, told in _REASONS.items() if name.startswith(start))
    return next((f"{one}{where}{why}" for one in found), "the SQL database did not answer")
