"""Every kind of store, each in its own folder."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from tests.integration.behind import postgres_url
from tests.integration.postgres_server import DATABASES
from tests.integration.stores import (
    KINDS,
    POSTGRES,
    SHARED,
    SQLITE,
    Kind,
    Stores,
    postgres_file,
    sqlite_path,
)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that the service runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def databases() -> Iterator[None]:
    """Drop the databases that a test makes on PostgreSQL, but not those of its module."""
    before = list(DATABASES.made)
    yield
    if more := [url for url in DATABASES.made if url not in before]:
        asyncio.run(DATABASES.drop(more))


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Every kind of store."""
    found: Kind = request.param
    return found


@pytest.fixture
async def stores(kind: Kind, tmp_path: Path) -> AsyncGenerator[Stores]:
    """Every kind of store, opened."""
    async with kind.open(tmp_path) as found:
        yield found


@pytest.fixture(params=SHARED, ids=lambda kind: kind.name)
async def writers(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncGenerator[tuple[Stores, Stores]]:
    """Two writers over the same state, like two processes."""
    kind: Kind = request.param
    async with kind.open(tmp_path) as one, kind.open(tmp_path) as other:
        yield one, other


@pytest.fixture(params=(SQLITE, POSTGRES), ids=lambda kind: kind.name)
def sql_kind(request: pytest.FixtureRequest) -> Kind:
    """Every kind of SQL database."""
    found: Kind = request.param
    return found


@pytest.fixture
async def file(sql_kind: Kind, tmp_path: Path) -> Path:
    """An SQL database with the newest schema, or a file with its URL."""
    async with sql_kind.open(tmp_path):
        return postgres_file(tmp_path) if sql_kind is POSTGRES else sqlite_path(tmp_path)


@pytest.fixture
def url(file: Path) -> str:
    """The URL of the database."""
    return postgres_url(file) or f"sqlite+aiosqlite:///{file}"


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    """The database, opened, for tests of features that only SQL has."""
    async with Database(url, durable=False) as found:
        yield found


@pytest.fixture
def commits(database: Database) -> GroupCommit:
    """The group commit of the database."""
    return GroupCommit(database)
