"""The state of a database server, for doctor."""

import enum

import attrs
from sqlalchemy import func, select, text

from hsp_otp.adapters.sql.database import Database, is_postgres
from hsp_otp.adapters.sql.tables import audit, sends
from hsp_otp.domain.instant import Instant


class Rights(enum.Enum):
    """The privileges of the service's user in its database."""

    ROWS = "read and write rows"
    SCHEMA = "change the schema"
    SUPERUSER = "everything"


@attrs.frozen(kw_only=True)
class Health:
    """
    The state of a database that answers.

    Attributes:
        version: The version that it reports.
        clock: Its own clock; None if it has none.
        connections: The maximum number of connections; None without a limit.
        oldest_audit: The instant of the oldest audit row, if there is one.
        oldest_send: The instant of the oldest send row, if there is one.
        rights: The privileges of its user. On SQLite, anyone who can write the file has all of
            them.
    """

    version: str
    clock: Instant | None
    connections: int | None
    oldest_audit: Instant | None
    oldest_send: Instant | None
    rights: Rights


async def health(database: Database) -> Health:
    """The current state; raises Unavailable if the database does not answer or has no schema."""
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
