"""Changes that tests make to a database behind the service's back."""

import asyncio
import re
import sqlite3
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection

import hsp_otp
from hsp_otp.adapters.sql.database import Database
from tests.integration import postgres_server

T = TypeVar("T")

HOLDING_THE_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""

MIGRATIONS = Path(hsp_otp.__file__).parent / "adapters" / "sql" / "migrations"

PATIENCE_SECONDS: Final = 30
"""The time limit for something certain to happen, on a busy machine."""

LATE: Final = 10
"""Seconds that tell a kept promise of three seconds from the drivers' default of a minute."""

TABLES = ("users", "passes", "api_keys", "records", "sends", "verifications", "audit", "funnel")


async def upgrade_to(database: Database, revision: str) -> None:
    """Upgrade an empty database to the schema of an earlier version."""

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    by = asyncio.get_running_loop().time() + database.upgrade_seconds
    async with database.write(by) as connection:
        await connection.run_sync(run)


def postgres_url(file: Path) -> str | None:
    """Return the URL in *file*; None if *file* is a database itself."""
    return file.read_text() if file.name == "postgres-url" else None


def execute(file: Path, statement: str, *parameters: object) -> list[Any]:
    """Run one statement with question marks for parameters, and return its rows."""
    if url := postgres_url(file):
        numbers = iter(range(1, 100))
        statement = re.sub(r"\?", lambda _: f"${next(numbers)}", statement)
        return [tuple(row) for row in apart(postgres_server.execute(url, statement, *parameters))]
    with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
        return connection.execute(statement, parameters).fetchall()


def execute_many(file: Path, statement: str, rows: list[tuple[Any, ...]]) -> None:
    """Run one statement for every row of parameters."""
    if url := postgres_url(file):
        numbers = iter(range(1, 100))
        apart(_execute_many(url, re.sub(r"\?", lambda _: f"${next(numbers)}", statement), rows))
        return
    with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
        connection.executemany(statement, rows)


async def _execute_many(url: str, statement: str, rows: list[tuple[Any, ...]]) -> None:
    connection = await postgres_server.connect(url)
    try:
        await connection.executemany(statement, rows)
    finally:
        await connection.close()


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* in a separate event loop while this thread waits, and return its result."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def refuse(file: Path, what: str, table: str) -> None:
    """Make every INSERT or UPDATE of a table fail."""
    if postgres_url(file):
        execute(
            file,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
            " AS $body$ BEGIN RAISE EXCEPTION 'no'; END $body$",
        )
        execute(
            file,
            f"CREATE TRIGGER refusing BEFORE {what} ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
    else:
        execute(
            file,
            f"CREATE TRIGGER refusing BEFORE {what} ON {table}"
            " BEGIN SELECT RAISE(ABORT, 'no'); END",
        )


def allow(file: Path, table: str) -> None:
    """Undo `refuse`."""
    execute(
        file, f"DROP TRIGGER refusing ON {table}" if postgres_url(file) else "DROP TRIGGER refusing"
    )


def raw(file: Path) -> bytes:
    """Return all content of an open database."""
    if postgres_url(file):
        rows = [execute(file, f"SELECT {table}::text FROM {table}") for table in TABLES]  # noqa: S608
        return repr(rows).encode()
    return file.read_bytes() + file.with_name(f"{file.name}-wal").read_bytes()


@asynccontextmanager
async def lock_held(file: Path) -> AsyncGenerator[None]:
    """Hold a lock that blocks all other writers."""
    if url := postgres_url(file):
        connection = await postgres_server.connect(url)
        try:
            await connection.execute(f"BEGIN; LOCK TABLE {', '.join(TABLES)} IN EXCLUSIVE MODE")
            yield
        finally:
            await connection.close()
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLDING_THE_LOCK,
        str(file),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        process.stdin.close()
        await process.wait()


async def until(found: Callable[[], Awaitable[bool]]) -> None:
    """Wait until *found* returns true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if await found():
                return
            await asyncio.sleep(0.01)


async def within(seconds: float, found: Callable[[], bool]) -> None:
    """Wait until *found* returns true, for *seconds* at most."""
    async with asyncio.timeout(seconds):
        while True:
            if found():
                return
            await asyncio.sleep(0.01)
