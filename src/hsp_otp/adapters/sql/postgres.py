"""PostgreSQL: bounded pools, and a watchdog that closes unresponsive connections."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Final, NoReturn, cast
from weakref import WeakSet

import asyncpg
from asyncpg.exceptions import (
    InterfaceError,
    InternalClientError,
    InvalidCachedStatementError,
    PostgresError,
)
from sqlalchemy import create_engine, event, text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, DisconnectionError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import AsyncAdaptedQueuePool

from hsp_otp.adapters.sql.async_engine import AsyncConnection, connect, dispose, raw_connection
from hsp_otp.adapters.sql.connections import (
    DEADLINE_SECONDS,
    STUDY_SECONDS,
    Changes,
    Flaws,
    Found,
    Given,
    HeldError,
    MovedError,
    Read,
    RefusedError,
    deadline,
    is_past,
    turn,
)
from hsp_otp.adapters.sql.rows import floods, late
from hsp_otp.adapters.sql.write_statements import (
    MOVED,
    NUMBERED_ON_POSTGRES,
    READ,
    Written,
    as_json,
    is_apart,
    on_postgres,
    postgres_statement,
)
from hsp_otp.ports.failures import Unavailable

OLDEST: Final = 140_000
"""PostgreSQL 14, as its `server_version_num`."""

WRITERS: Final = 3
"""Writing connections of a process. One suffices until a lock or a slow server holds it up."""

READERS: Final = 2
"""Reading connections of a process; no lock keeps them waiting."""

_SHARDS: Final = 16
"""Rows for one count; two processes that draw the same wait for each other's commits."""

_LOCK_SECONDS: Final = 0.5
"""How long the server waits for a row that another transaction holds; then the step is retried."""

_CONNECT_SECONDS: Final = 1.0

_GOODBYE_SECONDS: Final = 0.5

_IDLE_SECONDS: Final = 30.0
"""A connection that was idle for longer may have been cut off, and a new one takes less time than
finding out."""

_SERVER_SETTINGS: Final = {
    "application_name": "hsp-otp",
    "default_transaction_isolation": "read committed",
    # A plan may be older than its table's growth, so always use indexes, even while a table is
    # small. Compiling a statement takes longer than running any of them.
    "enable_seqscan": "off",
    "jit": "off",
    "lock_timeout": "500ms",
    "statement_timeout": "1800ms",
    # Ends the transactions of a process that was stopped during a step.
    "idle_in_transaction_session_timeout": "3s",
    # Ends the connections of a machine that has disappeared.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5s",
}

_STUDY_SETTINGS: Final = _SERVER_SETTINGS | {
    "default_transaction_read_only": "on",
    "statement_timeout": f"{STUDY_SECONDS:.0f}s",
    "enable_seqscan": "on",
    # Enough to aggregate a million rows in memory.
    "work_mem": "64MB",
}

_READ: Final = on_postgres(READ)
_LOCK: Final = f"{_READ} ORDER BY key FOR UPDATE"
"""In a fixed order, against deadlocks."""

_MOVED: Final = {
    MOVED,
    "40001",  # serialization failure
    "40P01",  # deadlock
}

_HELD: Final = "55P03"
"""Lock not available."""

_OUR_MISTAKES: Final = ("22", "23", "42")
"""Classes of errors that are not the server's fault: data, integrity, statements."""

_GONE: Final = {
    "42P01",  # undefined table
    "42703",  # undefined column
    "42501",  # insufficient privilege
}
"""Exceptions in these classes, caused by an older schema or lost privileges."""

_REASONS: Final = {
    "28": "the SQL database refused the user or the password",
    "3D000": "the SQL server has no database with that name",
    "25006": "the SQL database accepts no writes",
    "42501": "the SQL database does not permit that to its user; hsp-otp db upgrade is for the "
    "owner of the tables",
    "53100": "the SQL database has no space left on its disk",
    "53300": "the SQL server has no connection left",
}
"""Reasons to report, by SQLSTATE or class."""

_SILENCE: Final = (OSError, TimeoutError, PoolTimeoutError, PendingRollbackError)
"""Errors of a server that does not answer or has closed the connection."""

_UNSENT: Final = "cannot switch to state"
"""The beginning of the driver's error if it has sent nothing, because the server has announced the
end of the connection."""

_open: Callable[..., Awaitable[Any]] = cast("Any", asyncpg).connect  # its types are incomplete

_by: ContextVar[float] = ContextVar("by")
"""The event loop's time until which a caller waits for a connection."""


class PostgresConnections:
    """
    PostgreSQL in READ COMMITTED: rows are locked as they are read, and writes are guarded.

    The server's own timeouts end waits for locks. If the server itself does not answer, only
    closing the connection helps, because the driver would first ask the server to cancel a call.
    """

    most_transactions = WRITERS
    upgrade_seconds = 600.0

    def __init__(self, url: str) -> None:
        """Open no connection yet."""
        self._writing = _Pool(url, WRITERS, "READ COMMITTED")
        self._reading = _Pool(url, READERS, "AUTOCOMMIT")
        self._studying = _Pool(url, 1, "AUTOCOMMIT", _STUDY_SETTINGS)
        self.shard = secrets.randbelow(_SHARDS)

    async def close(self) -> None:
        """Close all connections."""
        await self._writing.close()
        await self._reading.close()
        await self._studying.close()

    async def settle(
        self, keys: Sequence[str], decide: Callable[[Found], Changes], by: float, *, locking: bool
    ) -> bool:
        """Implement `Connections.settle`."""
        async with self._writing.driver(by) as driver:
            if not locking:
                return await self._settle(driver, _READ, keys, decide)
            async with driver.transaction():
                return await self._settle(driver, _LOCK, keys, decide)

    async def _settle(
        self,
        driver: Any,  # noqa: ANN401 - the driver's connection
        statement: str,
        keys: Sequence[str],
        decide: Callable[[Found], Changes],
    ) -> bool:
        found = await driver.fetch(statement, as_json(keys)) if keys else ()
        changes = decide({key: (body, version) for key, body, version in found})
        if not changes.late:
            await _write(driver, changes.needed)
            return True
        try:
            told = late(changes.late, await _numbered(driver, floods(changes.late)), self.shard)
            both = {**changes.needed, **told}
            if is_apart(both):
                await _write(driver, both)
            else:
                async with driver.transaction():
                    await _write(driver, changes.needed)
                    await _write(driver, told)
        except PostgresError as error:
            if _state(error) == MOVED or driver.is_closed():
                raise
        else:
            return True
        await _write(driver, changes.needed)
        return False

    async def revise(
        self,
        reads: Sequence[Read],
        decide: Callable[[Sequence[list[Any]]], Written],
        by: float,
        *,
        lock: int,
    ) -> None:
        """Implement `Connections.revise`."""
        async with self._writing.driver(by) as driver, driver.transaction():
            # On its own: a statement sees what was committed before it began.
            await driver.execute(f"SELECT pg_advisory_xact_lock({lock})")
            found = [
                await driver.fetch(on_postgres(statement), values) for statement, values in reads
            ]
            await _write(driver, decide(found), alone=True)

    async def fetch(self, statement: str, given: Given, by: float) -> list[Any]:
        """Implement `Connections.fetch`."""
        async with self._reading.driver(by) as driver:
            found: list[Any] = await driver.fetch(on_postgres(statement), *given)
            return found

    @asynccontextmanager
    async def write(self, by: float) -> AsyncGenerator[AsyncConnection]:
        """Implement `Connections.write`."""
        async with self._writing.connection(by) as connection, connection.transaction():
            yield connection

    def read(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """Implement `Connections.read`."""
        return self._reading.connection(by)

    def study(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """Implement `Connections.study`."""
        return self._studying.connection(by)

    async def flaws(self) -> Flaws:
        """Implement `Connections.flaws`."""
        names = ("server_encoding", "synchronous_commit", "fsync", "full_page_writes")
        shown = ", ".join(f"current_setting('{name}')" for name in names)
        async with self.read(deadline()) as connection:
            found = await connection.execute(
                text(f"SELECT current_setting('server_version_num')::int, {shown}")
            )
            version, encoding, *kept = found.one()
        if version < OLDEST:
            told = f"it is PostgreSQL {version // 10_000}, but 14 or newer is required"
            return Flaws(unfit=told)
        if encoding != "UTF8":
            return Flaws(unfit=f"its encoding is {encoding}, but UTF8 is required")
        for name, value in zip(names[1:], kept, strict=True):
            if value == "off":
                told = f"{name} is off there, so a crash could make a used code valid again"
                return Flaws(forgetful=told)
        return Flaws()


async def _numbered(driver: Any, asked: Sequence[Any]) -> list[Any]:  # noqa: ANN401
    if not asked:
        return []
    async with _point(driver):
        found: list[Any] = await driver.fetch(NUMBERED_ON_POSTGRES, as_json(asked))
        return found


async def _write(driver: Any, written: Written, *, alone: bool = False) -> None:  # noqa: ANN401
    """Write rows; if they are the only ones of a transaction, it needs no savepoint."""
    if not written:
        return
    rows = map(as_json, written.values())
    async with nullcontext() if alone else _point(driver):
        await driver.execute(postgres_statement(tuple(written)), *rows)


def _point(driver: Any) -> AbstractAsyncContextManager[object]:  # noqa: ANN401
    """A savepoint inside a transaction. A single statement is all or nothing as well."""
    savepoint: AbstractAsyncContextManager[object] = driver.transaction()
    return savepoint if driver.is_in_transaction() else nullcontext()


class _Pool:
    """A pool of connections for one use."""

    def __init__(
        self,
        url: str,
        size: int,
        isolation_level: str,
        server_settings: Mapping[str, str] = _SERVER_SETTINGS,
    ) -> None:
        self._turns = asyncio.Semaphore(size)
        self._engine = create_engine(
            url,
            isolation_level=isolation_level,
            hide_parameters=True,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=size,
            max_overflow=0,
            pool_timeout=DEADLINE_SECONDS,
            connect_args={
                "async_creator_fn": self._connect,
                "server_settings": dict(server_settings),
            },
        )
        self._in_the_making: dict[Any, asyncio.TimerHandle] = {}
        self._raws: WeakSet[Any] = WeakSet()
        self._good_since = 0.0
        event.listen(self._engine, "checkout", self._check_out)
        event.listen(self._engine, "checkin", _check_in)

    @asynccontextmanager
    async def connection(self, by: float) -> AsyncGenerator[AsyncConnection]:
        """A connection that is closed at *by*."""
        async with _telling(by), turn(self._turns, by):
            _by.set(by)
            connection = await connect(self._engine)
            raw: Any = await connection.driver_connection()
            try:
                with self._watched(raw, by):
                    yield connection
            finally:
                if raw.is_closed():
                    await connection.invalidate()
                await connection.close()

    @asynccontextmanager
    async def driver(self, by: float) -> AsyncGenerator[Any]:
        """The driver's own connection, without the library's layers, for work of every request."""
        async with _telling(by), turn(self._turns, by):
            _by.set(by)
            pooled = await raw_connection(self._engine)
            driver: Any = pooled.driver_connection
            try:
                with self._watched(driver, by):
                    yield driver
            finally:
                if driver.is_closed():
                    pooled.invalidate()
                else:
                    pooled.close()

    @contextmanager
    def _watched(self, driver: Any, by: float) -> Generator[None]:  # noqa: ANN401
        """Close the connection at *by*, or if it has become unusable."""
        watchdog = asyncio.get_running_loop().call_at(by, self._hang_up, driver)
        try:
            yield
        except InternalClientError:
            # The server has closed the connection, and the driver does not handle that.
            driver.terminate()
            raise
        finally:
            watchdog.cancel()

    async def close(self) -> None:
        """Close the connections, abruptly if the server does not answer."""
        loop = asyncio.get_running_loop()
        timers = [loop.call_later(_GOODBYE_SECONDS, raw.terminate) for raw in self._raws]
        await dispose(self._engine)
        for timer in timers:
            timer.cancel()

    async def _connect(self, **arguments: Any) -> Any:  # noqa: ANN401 - the driver's own
        loop, by = asyncio.get_running_loop(), _by.get()
        patience = min(_CONNECT_SECONDS, by - loop.time())
        if patience <= 0:
            raise TimeoutError
        raw = await _open(**arguments, timeout=patience)
        self._raws.add(raw)
        # The watchdog also covers the pool's own queries on a new connection.
        self._in_the_making[raw] = loop.call_at(by, self._hang_up, raw)
        return raw

    def _hang_up(self, raw: Any) -> None:  # noqa: ANN401
        raw.terminate()
        self._in_the_making.pop(raw, None)
        # If one connection gets no answer, idle ones are no better.
        self._good_since = asyncio.get_running_loop().time()

    def _check_out(self, adapted: Any, record: Any, _: object) -> None:  # noqa: ANN401
        raw, now = adapted.driver_connection, asyncio.get_running_loop().time()
        made = self._in_the_making.pop(raw, None)
        if made is not None:
            made.cancel()
        used = record.info.get("used", now)
        if raw.is_closed() or used < self._good_since or now - used > _IDLE_SECONDS:
            raw.terminate()
            raise DisconnectionError  # makes the pool open another one


def _check_in(adapted: object, record: Any) -> None:  # noqa: ANN401
    if adapted is not None:
        record.info["used"] = asyncio.get_running_loop().time()


@asynccontextmanager
async def _telling(by: float) -> AsyncGenerator[None]:
    """Translate the driver's errors into the interface's."""
    try:
        yield
    except DBAPIError as error:
        driver = None if error.orig is None else error.orig.__cause__
        _tell(error, driver, by, is_gone=error.connection_invalidated, refused=type(error))
    except AsyncAdapt_asyncpg_dbapi.Error as error:  # the connection could not be made
        _tell(error, error.__cause__, by, is_gone=True)
    except PostgresError as error:
        _tell(error, error, by)
    except InterfaceError as error:
        if isinstance(error, ValueError):  # invalid data, which its text repeats
            raise RefusedError(type(error).__name__) from None
        raise Unavailable(_reason("")) from error
    except InternalClientError as error:
        if str(error).startswith(_UNSENT):
            raise MovedError from error
        raise Unavailable(_reason("")) from error
    except (*_SILENCE, AttributeError) as error:
        # The driver does not expect the watchdog between an answer and its own next step.
        if isinstance(error, AttributeError) and not is_past(by):
            raise
        raise Unavailable(_reason("")) from error


def _tell(
    error: Exception,
    driver: BaseException | None,
    by: float,
    *,
    is_gone: bool = False,
    refused: type[DBAPIError] | None = None,
) -> NoReturn:
    state = _state(driver)
    # A plan made before a change of the schema is replaced by a retry.
    if state in _MOVED or isinstance(driver, InvalidCachedStatementError):
        raise MovedError from error
    if state == _HELD and asyncio.get_running_loop().time() + _LOCK_SECONDS < by:
        raise HeldError from error
    mistaken = not state or (state.startswith(_OUR_MISTAKES) and state not in _GONE)
    if mistaken and not is_gone:
        # The server's own text repeats the row, which contains numbers and addresses.
        told = f"SQLSTATE {state}" if state else type(driver).__name__
        if refused is None:
            raise RefusedError(told) from None
        raise refused(None, None, Exception(told), hide_parameters=True) from None
    raise Unavailable(_reason(state)) from error


def _state(error: BaseException | None) -> str:
    """The SQLSTATE of the driver's error."""
    return getattr(error, "sqlstate", None) or ""


def _reason(state: str) -> str:
    told = _REASONS.get(state) or _REASONS.get(state[:2])
    return told or "PostgreSQL did not answer"
