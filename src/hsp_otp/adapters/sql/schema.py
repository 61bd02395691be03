"""The schema's version: what it is, what it should be, and how to get there."""

import asyncio
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text
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
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

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
    return await _current(database) == ScriptDirectory.from_config(_config()).get_current_head()


async def is_known(database: Database) -> bool:
    """
    Whether this version can bring the database to its newest schema; a later version's it cannot.

    Raises:
        Unavailable: The database did not answer.
    """
    known = {step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions()}
    return await _current(database) in {None, *known}


async def _current(database: Database) -> str | None:
    async with database.read() as connection:
        return await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
