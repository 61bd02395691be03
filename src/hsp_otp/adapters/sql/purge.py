"""Deletes what is past its time, in small steps, so that requests never wait for it."""

import asyncio
from collections.abc import Callable
from typing import Final

import attrs
from sqlalchemy import Table, delete, select

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.tables import audit, records, sends
from hsp_otp.domain.instant import Instant

_STEP: Final = 500
"""Rows in a transaction: a request that waits for the lock does so for some milliseconds."""

_PAUSE_SECONDS: Final = 0.005
"""Between transactions: whoever waits for the lock gets it now."""


@attrs.frozen
class SqlPurge:
    """Each method says how many rows it deleted, and may be stopped and called again."""

    database: Database

    async def audit(self, before: Instant) -> int:
        """
        Delete audit rows from before an instant.

        Raises:
            Unavailable: The database did not answer.
        """
        return await self._older(audit, before)

    async def sends(self, before: Instant) -> int:
        """
        Delete rows of sends from before an instant.

        Raises:
            Unavailable: The database did not answer.
        """
        return await self._older(sends, before)

    async def records(self, kind: str, is_over: Callable[[str], bool]) -> int:
        """
        Delete the records of a kind that are over; one that changes meanwhile stays.

        Args:
            kind: What stands before the colon of their keys.
            is_over: Tells by a record's body.

        Raises:
            Unavailable: The database did not answer.
        """
        deleted, last = 0, f"{kind}:"
        while True:
            page = (
                select(records)
                .where(records.c.key > last, records.c.key < f"{kind};")  # the next after a colon
                .order_by(records.c.key)
                .limit(_STEP)
            )
            async with self.database.read() as connection:
                rows = (await connection.execute(page)).all()
            if not rows:
                return deleted
            last = rows[-1].key
            over = [row for row in rows if is_over(row.body)]
            if over:
                async with self.database.write() as connection:
                    for row in over:
                        gone = await connection.execute(
                            delete(records).where(
                                records.c.key == row.key,
                                records.c.version == row.version,
                                # Made anew since another purge, it has the same version.
                                records.c.body == row.body,
                            )
                        )
                        deleted += gone.rowcount
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _older(self, table: Table, before: Instant) -> int:
        key = next(iter(table.primary_key))
        page = select(key).where(table.c.at < before).limit(_STEP)
        deleted = 0
        while True:
            # Looked for outside the transaction: it takes a while where there are few among many.
            async with self.database.read() as connection:
                old = list((await connection.execute(page)).scalars())
            if not old:
                return deleted
            async with self.database.write() as connection:
                gone = await connection.execute(delete(table).where(key.in_(old)))
            deleted += gone.rowcount
            await asyncio.sleep(_PAUSE_SECONDS)
