"""Query plans of databases."""

from typing import Any

from sqlalchemy import Select

from hsp_otp.adapters.sql.async_engine import AsyncConnection
from hsp_otp.adapters.sql.database import is_postgres


async def plan(connection: AsyncConnection, asked: Select[Any]) -> list[str]:
    """Return the plan of a query, line by line."""
    statement = asked.compile(
        dialect=connection.dialect, compile_kwargs={"literal_binds": True}
    ).string
    how = "EXPLAIN" if is_postgres(connection) else "EXPLAIN QUERY PLAN"
    found = await connection.exec_driver_sql(f"{how} {statement}")
    return [str(row[-1]) for row in found]
