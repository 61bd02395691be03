"""
SQLAlchemy's engine and connections for asyncio, without its ORM.

The library's own classes are in a package that loads the ORM, which takes 6.6 MB and is not used
here. The asynchronous drivers work without that package; these classes only run the library's
calls where such a driver may wait.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from sys import exc_info
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, CursorResult, Dialect, Engine, Executable, ScalarResult
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

T = TypeVar("T")


class AsyncConnection:
    """A connection of the pool; results are complete when they are returned."""

    def __init__(self, connection: Connection) -> None:
        self._connection: Final = connection

    @property
    def dialect(self) -> Dialect:
        """The dialect of its database."""
        return self._connection.dialect

    async def run_sync(self, work: Callable[[Connection], T]) -> T:
        """The result of *work*, which may call the library as if it waited for nothing."""
        return await greenlet_spawn(work, self._connection)

    async def execute(
        self,
        statement: Executable,
        parameters: Any = None,  # noqa: ANN401 - as the library takes them
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run *statement*, for each set of *parameters* if it is a list."""
        return await greenlet_spawn(self._connection.execute, statement, parameters)

    async def scalar(self, statement: Executable) -> Any:  # noqa: ANN401 - the column's type
        """The first column of the first row; None if there is no row."""
        return await greenlet_spawn(self._connection.scalar, statement)

    async def scalars(self, statement: Executable) -> ScalarResult[Any]:
        """The first column of every row."""
        return await greenlet_spawn(self._connection.scalars, statement)

    async def exec_driver_sql(self, statement: str) -> CursorResult[*tuple[Any, ...]]:
        """Run a statement in the driver's own words."""
        return await greenlet_spawn(self._connection.exec_driver_sql, statement)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        """Commit at the end of the block; roll back if it raises."""
        transaction = (await greenlet_spawn(self._connection.begin)).__enter__()
        try:
            yield
        finally:
            await greenlet_spawn(transaction.__exit__, *exc_info())

    async def begin(self) -> None:
        """Begin a transaction, which ends with `commit` or `close`."""
        await greenlet_spawn(self._connection.begin)

    async def commit(self) -> None:
        """Commit the transaction."""
        await greenlet_spawn(self._connection.commit)

    async def close(self) -> None:
        """Roll back what is not committed, and give the connection back to its pool."""
        await greenlet_spawn(self._connection.close)

    async def driver_connection(self) -> Any:  # noqa: ANN401 - the driver's own
        """The driver's connection."""

        def found() -> Any:  # noqa: ANN401
            return self._connection.connection.driver_connection

        return await greenlet_spawn(found)

    async def invalidate(self) -> None:
        """Drop the driver's connection instead of giving it back."""
        await greenlet_spawn(self._connection.invalidate)


async def connect(engine: Engine) -> AsyncConnection:
    """Take a connection of the pool of *engine*, whose driver is an asynchronous one."""
    return AsyncConnection(await greenlet_spawn(engine.connect))


async def raw_connection(engine: Engine) -> PoolProxiedConnection:
    """Take a connection of the pool without the library's layers."""
    return await greenlet_spawn(engine.raw_connection)


async def dispose(engine: Engine) -> None:
    """Close the connections of the pool."""
    await greenlet_spawn(engine.dispose)
