"""The `db` commands, for the schema of the database."""

import asyncio

from cyclopts import App

from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.entrypoints.cli.common import insist_on_fit, insist_on_known
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.wiring import open_database

db = App(name="db", help="Manage the SQL database.")


@db.command(name="upgrade")
def upgrade_database() -> None:
    """
    Upgrade the database to the newest schema.

    Example: hsp-otp db upgrade
    """
    asyncio.run(_upgrade(load()))
    print("the database has the newest schema")


async def _upgrade(settings: Settings) -> None:
    async with open_database(settings) as database:
        await insist_on_fit(database)
        await insist_on_known(database)
        await upgrade(database)
