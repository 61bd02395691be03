"""Checks that several commands share."""

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.schema import is_known, is_newest
from hsp_otp.entrypoints.errors import CommandError


async def insist_on_fit(database: Database, *, for_good: bool = False) -> None:
    """
    Refuse a server that does not do.

    Args:
        for_good: What it has acknowledged must not be lost in a crash.

    Raises:
        CommandError: It does not do.
        Unavailable: It did not answer.
    """
    flaws = await database.flaws()
    if flaws.unfit:
        raise CommandError(f"HSP_OTP_DATABASE_URL: {flaws.unfit}")
    if for_good and flaws.forgetful:
        raise CommandError(f"HSP_OTP_DATABASE_URL: {flaws.forgetful}")


async def insist_on_known(database: Database) -> None:
    """
    Refuse a database of a later version's schema: no command of this one helps.

    Raises:
        CommandError: Its schema is not known here.
        Unavailable: It did not answer.
    """
    if not await is_known(database):
        raise CommandError("the database has the schema of a later version: run that one")


async def insist_on_newest(database: Database) -> None:
    """
    Refuse to work on a database of another schema.

    Raises:
        CommandError: Its schema is not the newest.
        Unavailable: It did not answer.
    """
    await insist_on_known(database)
    if not await is_newest(database):
        raise CommandError(
            "the database has no schema yet, or an older one; run: hsp-otp db upgrade"
        )
