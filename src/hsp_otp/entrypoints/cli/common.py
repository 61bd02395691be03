"""
Checks that several commands share.

They raise CommandError to reject, and Unavailable if the database does not answer.
"""

from typing import Final

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.schema import Schema, schema_of
from hsp_otp.entrypoints.errors import CommandError

_UPGRADE: Final = "run hsp-otp db upgrade"

SCHEMA_FLAWS: Final = {
    Schema.NONE: ("is empty", _UPGRADE),
    Schema.UNRELATED: ("has tables, but none of hsp-otp", f"if it is the right one, {_UPGRADE}"),
    Schema.FOREIGN: ("has the schema of another program", "name another in HSP_OTP_DATABASE_URL"),
    Schema.OLDER: ("has an older schema", _UPGRADE),
    Schema.LATER: ("has the schema of a later version", "run that version"),
}
"""What is wrong with a database, and what to do, by its schema."""


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
    """
    Reject a database with a schema that this version can neither use nor upgrade.

    Raises:
        CommandError: The schema is a later version's, or another program's.
        Unavailable: The database did not answer.
    """
    _insist(await schema_of(database), Schema.LATER, Schema.FOREIGN)


async def insist_on_newest(database: Database) -> None:
    """
    Reject a database without the newest schema.

    Raises:
        CommandError: The schema is not the newest.
        Unavailable: The database did not answer.
    """
    _insist(await schema_of(database), *SCHEMA_FLAWS)


def _insist(schema: Schema, *flawed: Schema) -> None:
    if schema in flawed:
        says, do = SCHEMA_FLAWS[schema]
        raise CommandError(f"the database {says}: {do}")
