"""The version of the schema: reading, checking and upgrading it."""

import asyncio
from pathlib import Path
from typing import Final

from sqlalchemy import func, inspect, select, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from hsp_otp.adapters.sql.database import Database, is_postgres

_MIGRATIONS: Final = Path(__file__).with_name("migrations")

_LOCK: Final = 0x6873702D6F7470
"""Of PostgreSQL's advisory locks the one that upgrades take: "hsp-otp"."""


async def upgrade(database: Database) -> None:
    """
    Bring the database to the newest schema; nothing happens where it is there already.

    Of several that begin at once one does it, and the others wait for that.

    Raises:
        Unavailable: The database did not answer, or others kept it from beginning.
    """

    def run(connection: Connection) -> None:
        # Late: no server loads the library; it only looks at the version.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    if await is_newest(database):
        return

    async def step(connection: AsyncConnection) -> None:
        if is_postgres(connection):
            # Building an index takes as long as it takes; requests wait for no longer than ever.
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        await connection.run_sync(run)

    await database.step(step, asyncio.get_running_loop().time() + database.upgrade_seconds)


async def is_newest(database: Database) -> bool:
    """
    Whether the database has the schema that this version was written for.

    Raises:
        Unavailable: The database did not answer.
    """
    return await _current(database) == max(known())


async def is_known(database: Database) -> bool:
    """
    Whether this version can bring the database to its newest schema; a later version's it cannot.

    Raises:
        Unavailable: The database did not answer.
    """
    return await _current(database) in {None, *known()}


def known() -> set[str]:
    """The versions of the schema that there are; each is a file whose name begins with it."""
    files = (_MIGRATIONS / "versions").glob("[0-9]*.py")
    return {file.name.partition("_")[0] for file in files}


async def _current(database: Database) -> str | None:
    def found(connection: Connection) -> str | None:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return version

    async with database.read() as connection:
        return await connection.run_sync(found)
