"""The schema's version: what it is, what it should be, and how to get there."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from hsp_otp.adapters.sql.database import Database

_MIGRATIONS: Final = Path(__file__).with_name("migrations")


async def upgrade(database: Database) -> None:
    """
    Bring the database to the newest schema; nothing happens where it is there already.

    Raises:
        Unavailable: The database did not answer.
    """

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with database.write() as connection:
        await connection.run_sync(run)


async def is_newest(database: Database) -> bool:
    """
    Whether the database has the schema that this version was written for.

    Raises:
        Unavailable: The database did not answer.
    """
    async with database.read() as connection:
        current = await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )
    return current == ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
