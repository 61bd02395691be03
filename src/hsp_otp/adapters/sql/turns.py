"""What every kind of database keeps to: deadlines, turns, and when to try again."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol

import attrs
from sqlalchemy.ext.asyncio import AsyncConnection

DEADLINE_SECONDS: Final = 2.0
"""How long a step may take: an answer is promised within 3 s where the database is away."""


STUDY_SECONDS: Final = 30.0
"""How long a question over many rows may take."""


class MovedError(Exception):
    """Another writer was faster: nothing was written, and all may be tried again."""


class HeldError(Exception):
    """Somebody else holds a row for longer than is worth waiting: as `MovedError`, but not soon."""


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

    Both blocks raise Unavailable where the database failed or the time was up.
    """

    @property
    def most_transactions(self) -> int:
        """How many may write at the same time."""
        ...

    @property
    def upgrade_seconds(self) -> float:
        """How long an upgrade of the schema may wait, and on PostgreSQL take."""
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
