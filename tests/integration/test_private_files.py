"""SQLite's files are for their owner alone: docs/contract.md, section 9."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.entrypoints.cli.doctor_checks import of_private_files
from hsp_otp.entrypoints.private_files import make_private_folder

pytestmark = pytest.mark.anyio


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """For as long as the block lasts."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """What everybody may do with the files of a folder."""
    return {file.name: stat.filemode(file.stat().st_mode) for file in folder.iterdir()}


async def use(file: Path) -> dict[str, str]:
    """Make a database in *file*, and look at what there is meanwhile."""
    async with Database(f"sqlite+aiosqlite:///{file}", durable=True) as database:
        await upgrade(database)
        return modes(file.parent)


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o022, 0o077])
async def test_a_database_is_for_its_owner_alone(tmp_path: Path, mask: int) -> None:
    """Whatever the umask, nobody else may open what SQLite keeps: the file, its log, its index."""
    with umask(mask):
        assert await use(tmp_path / "otp.db") == {
            "otp.db": "-rw-------",
            "otp.db-wal": "-rw-------",
            "otp.db-shm": "-rw-------",
        }
    assert list(of_private_files("database", [tmp_path / "otp.db"])) == []


async def test_a_link_to_a_database(tmp_path: Path) -> None:
    """A link that leads nowhere yet leads to a file for its owner alone."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "otp.db").symlink_to(tmp_path / "disk" / "otp.db")
    with umask(0):
        await use(tmp_path / "otp.db")
    assert modes(tmp_path / "disk")["otp.db"] == "-rw-------"


async def test_a_database_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    """A file that others may open is not changed, and doctor says what to do about it."""
    file = tmp_path / "otp.db"
    file.touch()
    file.chmod(0o640)
    assert (await use(file))["otp.db"] == "-rw-r-----"
    (found,) = of_private_files("database", [file, tmp_path / "otp.db-wal"])
    assert (found.status.value, found.says, found.do) == (
        "warning",
        f"other users may access {str(file)!r}",
        "set its mode to 600",
    )


def test_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Folders that are made are for their owner alone; those that are there stay as they are."""
    with umask(0):
        (tmp_path / "there").mkdir(0o755)
        make_private_folder(tmp_path / "there" / "a" / "b")
        make_private_folder(tmp_path / "there")
    assert modes(tmp_path) == {"there": "drwxr-xr-x"}
    assert modes(tmp_path / "there") == {"a": "drwx------"}
    assert modes(tmp_path / "there" / "a") == {"b": "drwx------"}
