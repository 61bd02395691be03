"""What both kinds of database share: deadlines, turns and retries."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, TypeAlias

import attrs
from sqlalchemy.ext.asyncio import AsyncConnection

from hsp_otp.adapters.sql.write_statements import Written
from hsp_otp.domain.instant import Instant

DEADLINE_SECONDS: Final = 2.0
"""How long a step may take: an answer is promised within 3 s where the database is away."""


STUDY_SECONDS: Final = 30.0
"""How long a question over many rows may take."""


class MovedError(Exception):
    """Another writer was faster: nothing was written, and all may be tried again."""


class HeldError(Exception):
    """Somebody else holds a row for longer than is worth waiting: as `MovedError`, but not soon."""


class RefusedError(Exception):
    """A statement was refused for what it was given; nothing was written."""


Found = Mapping[str, tuple[str, int]]
"""Bodies and versions of records by key, where there are any."""


Given: TypeAlias = tuple[str] | tuple[str, Instant]
"""The texts for a statement's ``{any}`` in JSON, and what is for its ``{since}``, if anything."""


@attrs.frozen
class Changes:
    """
    What a step writes.

    Attributes:
        needed: All or nothing.
        late: The same, and left out where only this cannot be written.
    """

    needed: Written
    late: Written


@attrs.frozen
class Flaws:
    """
    What is wrong with how a server is set up; None where nothing is.

    Attributes:
        unfit: Keeps it from being used.
        forgetful: Lets it forget in a crash what it has acknowledged.
    """

    unfit: str | None = None
    forgetful: str | None = None


class Connections(Protocol):
    """
    The connections to one kind of database.

    All raise Unavailable where the database failed or the time was up.
    """

    @property
    def most_transactions(self) -> int:
        """How many may write at the same time."""
        ...

    @property
    def upgrade_seconds(self) -> float:
        """How long an upgrade of the schema may wait, and on PostgreSQL take."""
        ...

    async def settle(
        self, keys: Sequence[str], decide: Callable[[Found], Changes], by: float, *, locking: bool
    ) -> bool:
        """
        Write what *decide* makes of the records of *keys*, as one step.

        Args:
            decide: May be called in another thread.
            locking: Lock the records where rows can be. Whoever only reads one waits for nobody; a
                write is guarded by the version anyway.

        Returns:
            Whether what is late was written.

        Raises:
            MovedError: Another writer was faster.
            HeldError: Another writer holds a record.
            RefusedError: What is needed was refused.
        """
        ...

    async def fetch(self, statement: str, given: Given, by: float) -> list[Any]:
        """
        The rows that *statement* finds for what is *given*.

        It was committed last, and is read on a connection that waits for no writer.
        """
        ...

    def write(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """
        One transaction; committed at the end of the block, rolled back where it raises.

        Raises:
            MovedError: It was rolled back for what another writer did.
            HeldError: It was rolled back because another writer holds what it needs.
        """
        ...

    def read(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """Whatever was committed last, statement by statement."""
        ...

    def study(self, by: float) -> AbstractAsyncContextManager[AsyncConnection]:
        """The same, on a connection that no request waits for."""
        ...

    async def flaws(self) -> Flaws:
        """
        What is wrong with how the server is set up.

        Raises:
            Unavailable: It did not answer.
        """
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


def deadline() -> float:
    """The event loop's time by which a step that begins now must have ended."""
    return asyncio.get_running_loop().time() + DEADLINE_SECONDS


def is_past(by: float) -> bool:
    """Whether the event loop's time has come to *by*."""
    return asyncio.get_running_loop().time() >= by


@asynccontextmanager
async def turn(turns: asyncio.Semaphore, by: float) -> AsyncGenerator[None]:
    """
    One of the *turns*, given back at the end of the block.

    Raises:
        TimeoutError: There was none until *by*.
    """
    async with asyncio.timeout_at(by):
        await turns.acquire()
    try:
        yield
    finally:
        turns.release()
