"""Operators' sessions that were ended, over every SQL database: docs/contract.md, 5.7."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.ended_sessions import SqlEndedSessions
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.stores import SqlUsage
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.operator_sessions import ended_key
from hsp_otp.ports.failures import Unavailable
from tests.integration.behind import execute, lock_held
from tests.world import START

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def worker(url: str, folder: Path) -> AsyncGenerator[SqlEndedSessions]:
    """A process of its own, as far as the database and the folder can tell."""
    async with Database(url, durable=False) as database:
        commits = GroupCommit(database)
        yield SqlEndedSessions(SqlUsage(commits), database, folder)
        await commits.close()


@attrs.frozen
class Machines:
    """
    Two machines over one database.

    Attributes:
        one: A worker of the first, with another beside it in `beside`.
        other: A worker of the second.
    """

    one: SqlEndedSessions
    beside: SqlEndedSessions
    other: SqlEndedSessions


@pytest.fixture
async def machines(url: str, tmp_path: Path) -> AsyncGenerator[Machines]:
    """What is tested."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    async with (
        worker(url, folders[0]) as one,
        worker(url, folders[0]) as beside,
        worker(url, folders[1]) as other,
    ):
        yield Machines(one, beside, other)


def marks(ended: SqlEndedSessions) -> list[str]:
    """What stands in the folder."""
    return sorted(one.name for one in ended.folder.iterdir())


async def test_a_session_that_ended(machines: Machines) -> None:
    """It has ended for every worker of every machine, and no other has; twice does no harm."""
    for ended in (machines.one, machines.beside, machines.other):
        assert not await ended.is_ended("s1")
    for at in (START, Instant(START + 1)):
        await machines.one.end("s1", at)
    for ended in (machines.one, machines.beside, machines.other):
        assert await ended.is_ended("s1")
        assert not await ended.is_ended("s2")
        assert not await ended.is_ended("s")
    assert marks(machines.one) == []


async def test_whoever_writes_keeps_nobody_from_asking(machines: Machines, file: Path) -> None:
    """While somebody holds the lock it can be asked what ended."""
    await machines.one.end("s1", START)
    async with lock_held(file):
        assert await machines.other.is_ended("s1")
        assert not await machines.other.is_ended("s2")


async def test_an_end_that_cannot_be_written(machines: Machines, file: Path) -> None:
    """It is told; it holds for this machine at once, and for the others once it is written."""
    async with lock_held(file):
        with pytest.raises(Unavailable):
            await machines.one.end("s1", START)
        assert await machines.one.is_ended("s1")
        assert await machines.beside.is_ended("s1")
        assert not await machines.other.is_ended("s1")
        await machines.beside.try_again()
        assert marks(machines.one) == ["ended-s1"]
    # Whichever worker tries again first, whatever became of the one that was asked.
    await machines.beside.try_again()
    assert marks(machines.one) == []
    assert await machines.other.is_ended("s1")
    await machines.one.try_again()
    # It is kept from when it was, for the purge.
    ((body,),) = execute(file, "SELECT body FROM records WHERE key = ?", f"usage:{ended_key('s1')}")
    (at,) = body.strip("[]").split(",")
    assert int(at) > START


async def test_a_folder_that_takes_no_file(machines: Machines) -> None:
    """The database takes it all the same."""
    ended = attrs.evolve(machines.one, folder=Path("/nowhere"))
    await ended.end("s1", START)
    assert await ended.is_ended("s1")
    assert await machines.other.is_ended("s1")
    await ended.try_again()


async def test_a_database_that_is_away(tmp_path: Path) -> None:
    """Nobody knows, but what was ended here has ended."""
    nowhere = "sqlite+aiosqlite:////nowhere/hsp-otp.db"
    async with worker(nowhere, tmp_path) as ended:
        with pytest.raises(Unavailable):
            await ended.is_ended("s1")
        with pytest.raises(Unavailable):
            await ended.end("s1", START)
        assert await ended.is_ended("s1")
