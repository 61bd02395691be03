"""
Checks that several commands share.

They raise CommandError to reject, and Unavailable if the database does not answer.
"""

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.schema import is_known, is_newest
from hsp_otp.entrypoints.errors import CommandError


async def insist_on_fit(database: Database, *, for_good: bool = False) -> None:
    """
    Reject an unsuitable database server.

    *for_good* also rejects a server that may lose acknowledged writes in a crash.
    """
    flaws = await database.flaws()
    if flaws.unfit:
        raise CommandError(f"HSP_OTP_DATABASE_URL: {flaws.unfit}")
    if for_good and flaws.forgetful:
        raise CommandError(f"HSP_OTP_DATABASE_URL: {flaws.forgetful}")


async def insist_on_known(database: Database) -> None:
    """Reject a database with a later version's schema, which this version cannot use."""
    if not await is_known(database):
        raise CommandError("the database has the schema of a later version: run that version")


async def insist_on_newest(database: Database) -> None:
    """Reject a database without the newest schema."""
    await insist_on_known(database)
    if not await is_newest(database):
        raise CommandError("the database has no schema or an older one; run: hsp-otp db upgrade")
