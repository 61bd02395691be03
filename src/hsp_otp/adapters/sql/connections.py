"""The interface of both kinds of database: deadlines, turns and retries."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, TypeAlias

import attrs

from hsp_otp.adapters.sql.async_engine import AsyncConnection
from hsp_otp.adapters.sql.write_statements import Written
from hsp_otp.domain.audit import LateRow
from hsp_otp.domain.instant import Instant

DEADLINE_SECONDS: Final = 2.0
"""Time for one step. If the database is away, a request is answered within 3 s."""


STUDY_SECONDS: Final = 30.0
"""Time for one query over many rows."""


class MovedError(Exception):
    """Another writer was faster, or the connection was gone. Nothing was written: try again."""


class HeldError(Exception):
    """Another writer holds a row for too long. Like `MovedError`, but do not retry soon."""


class RefusedError(Exception):
    """A statement was refused because of its data. Nothing was written."""


Found = Mapping[str, tuple[str, int]]
"""Bodies and versions of existing records, by key."""


Given: TypeAlias = tuple[str] | tuple[str, Instant]
"""Values for a statement: JSON texts for ``{any}``, and an instant for ``{since}`` if it has
one."""


Read: TypeAlias = tuple[str, str]
"""A statement with ``{any}``, possibly several times, and a JSON text for all of them."""


@attrs.frozen
class Changes:
    """Rows that a step writes, all or none; the *late* ones are left out if only they fail."""

    needed: Written
    late: Sequence[LateRow]


@attrs.frozen
class Flaws:
    """What is wrong with a server: it is unfit for use, or loses acknowledged data in a crash."""

    unfit: str | None = None
    forgetful: str | None = None


class Connections(Protocol):
    """
    The connections to one kind of database.

    All methods raise Unavailable if the database failed or the time was up.
    """

    @property
    def most_transactions(self) -> int:
        """The number of concurrent writing transactions."""
        ...

    @property
    def shard(self) -> int:
        """Where this process counts steps of the funnel, so that it rarely waits for others."""
        ...

    @property
    def upgrade_seconds(self) -> float:
        """How long an upgrade of the schema may wait and, on PostgreSQL, run."""
        ...

    async def settle(
        self, keys: Sequence[str], decide: Callable[[Found], Changes], by: float, *, locking: bool
    ) -> bool:
        """
        Write the result of *decide* for the records of *keys*, in one step.

        Args:
            decide: May be called in another thread.
            locking: Lock the records if the database has row locks. Without it, a step that only
                reads a record waits for no other; writes are guarded by the version in any case.

        Returns:
            Whether the late rows were written.

        Raises:
            MovedError: Another writer was faster.
            HeldError: Another writer holds a record.
            RefusedError: The needed rows were refused.
        """
        ...

    async def revise(
        self,
        reads: Sequence[Read],
        decide: Callable[[Sequence[list[Any]]], Written],
        by: float,
        *,
        lock: int,
    ) -> None:
        """
        Write what *decide* makes of the rows of *reads*, in one step that keeps others out.

        Args:
            decide: May be called in another thread.
            lock: The PostgreSQL advisory lock of everyone who writes such rows.

        Raises:
            MovedError: It was rolled back because of another writer's change.
            HeldError: Another writer holds the lock, or a row.
            RefusedError: The rows were refused.
        """
        ...

    async def fetch(self, statement: str, given: Given, by: float) -> list[Any]:
        """
        The rows that *statement* finds for the *given* values.

        It reads the latest committed data, on a connection that waits for no writer.
        """
        ...

    def write(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """
        One transaction, committed at the end of the block and rolled back if the block raises.

        Raises:
            MovedError: It was rolled back because of another writer's change.
            HeldError: It was rolled back because another writer holds a row or lock that it needs.
        """
        ...

    def read(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """Reads of the latest committed data, statement by statement."""
        ...

    def study(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """Like `read`, on a connection that no request waits for."""
        ...

    async def flaws(self) -> Flaws:
        """The problems with the setup of the server."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def deadline() -> float:
    """The event loop's time by which a step that begins now must end."""
    return asyncio.get_running_loop().time() + DEADLINE_SECONDS


def is_past(by: float) -> bool:
    """Whether the event loop's time has reached *by*."""
    return asyncio.get_running_loop().time() >= by


@asynccontextmanager
async def turn(turns: asyncio.Semaphore, by: float) -> AsyncGenerator[None]:
    """One of the *turns*, for the block; raises TimeoutError if none becomes free until *by*."""
    async with asyncio.timeout_at(by):
        await turns.acquire()
    try:
        yield
    finally:
        turns.release()
