"""The version of the schema: reading, checking and upgrading it."""

import asyncio
import enum
import re
from pathlib import Path
from typing import Final

from sqlalchemy import func, inspect, select, text
from sqlalchemy.engine import Connection

from hsp_otp.adapters.sql.async_engine import AsyncConnection
from hsp_otp.adapters.sql.database import Database, is_postgres

_MIGRATIONS: Final = Path(__file__).with_name("migrations")

_VERSION: Final = re.compile("[0-9]{4}")

_LOCK: Final = 0x6873702D6F7470
"""The PostgreSQL advisory lock for upgrades: "hsp-otp" in ASCII."""


class Schema(enum.Enum):
    """What a database has, compared with the schema that this version was written for."""

    NONE = "nothing"
    UNRELATED = "tables of others"
    FOREIGN = "the schema of another program"
    OLDER = "an older schema"
    NEWEST = "the schema"
    LATER = "a later schema"


async def upgrade(database: Database) -> None:
    """
    Bring the database to the newest schema; does nothing if it is there already.

    Of several concurrent upgrades, one runs while the others wait for it. Raises Unavailable if the
    database does not answer, or others prevent the start.
    """

    def run(connection: Connection) -> None:
        # Imported late: no server loads the library; servers only check the version.
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
            # Building an index may take long. The waiting time of requests is not affected.
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        await connection.run_sync(run)

    await database.step(step, asyncio.get_running_loop().time() + database.upgrade_seconds)


async def is_newest(database: Database) -> bool:
    """Whether the database has this version's schema; raises Unavailable if it does not answer."""
    return await schema_of(database) is Schema.NEWEST


async def schema_of(database: Database) -> Schema:
    """
    The schema that the database has.

    Raises Unavailable if the database does not answer.
    """

    def found(connection: Connection) -> Schema:
        tables = inspect(connection).get_table_names()
        if "alembic_version" not in tables:
            return Schema.UNRELATED if tables else Schema.NONE
        version = connection.scalar(text("SELECT version_num FROM alembic_version"))
        if version is None:
            return Schema.NONE
        if version in known():
            return Schema.NEWEST if version == max(known()) else Schema.OLDER
        return Schema.LATER if _VERSION.fullmatch(version) else Schema.FOREIGN

    async with database.read() as connection:
        return await connection.run_sync(found)


def known() -> set[str]:
    """The known versions of the schema. Each is a file whose name begins with the version."""
    files = (_MIGRATIONS / "versions").glob("[0-9]*.py")
    return {file.name.partition("_")[0] for file in files}
