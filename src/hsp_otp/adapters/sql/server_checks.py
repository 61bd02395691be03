"""The health of a database server, for doctor."""

import enum

import attrs
from sqlalchemy import func, select, text

from hsp_otp.adapters.sql.database import Database, is_postgres
from hsp_otp.adapters.sql.tables import audit, sends
from hsp_otp.domain.instant import Instant


class Rights(enum.Enum):
    """What the user of the service may do in its database."""

    ROWS = "read and write rows"
    SCHEMA = "change the schema"
    SUPERUSER = "everything"


@attrs.frozen(kw_only=True)
class Health:
    """
    How a database that answers is doing.

    Attributes:
        version: What it calls itself.
        clock: Its own; None where it has none of its own.
        connections: How many it lets in; None where it does not count.
        oldest_audit: The oldest row of the audit, where there is one.
        oldest_send: The oldest row of a send, where there is one.
        rights: What its user may do; of SQLite whoever may write the file may do all with it.
    """

    version: str
    clock: Instant | None
    connections: int | None
    oldest_audit: Instant | None
    oldest_send: Instant | None
    rights: Rights


async def health(database: Database) -> Health:
    """
    How it is doing.

    Raises:
        Unavailable: It does not answer, or has no schema.
    """
    oldest = select(
        select(func.min(audit.c.at)).scalar_subquery(),
        select(func.min(sends.c.at)).scalar_subquery(),
    )
    async with database.read() as connection:
        oldest_audit, oldest_send = (await connection.execute(oldest)).one()
        if is_postgres(connection):
            asked = text(
                "SELECT 'PostgreSQL ' || current_setting('server_version'),"
                " current_setting('max_connections')::int"
                " - current_setting('superuser_reserved_connections')::int,"
                " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,"
                " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),"
                " pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'records'::regclass),"
                "  'MEMBER') OR has_schema_privilege(current_schema(), 'CREATE')"
            )
            version, connections, clock, is_super, may_change = (
                await connection.execute(asked)
            ).one()
            rights = Rights.SCHEMA if may_change else Rights.ROWS
            rights = Rights.SUPERUSER if is_super else rights
        else:
            found = await connection.execute(text("SELECT 'SQLite ' || sqlite_version()"))
            version, connections, clock = found.scalar_one(), None, None
            rights = Rights.ROWS
    return Health(
        version=version,
        clock=clock,
        connections=connections,
        oldest_audit=oldest_audit,
        oldest_send=oldest_send,
        rights=rights,
    )
