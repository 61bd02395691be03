"""Deletes old data in small steps, so that requests never wait for it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import attrs
from sqlalchemy import Column, Row, Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.record_kinds import RECORD_KINDS, RecordKind
from hsp_otp.adapters.sql.tables import (
    audit,
    debts,
    funnel,
    proved_contacts,
    records,
    sends,
    test_contacts,
    verifications,
)
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.policy import Policy

R = TypeVar("R")
T = TypeVar("T")

_STEP: Final = 500
"""Rows examined at a time."""

_DELETED: Final = 25
"""Rows per transaction. On SQLite a request waits for at most one of them, for a few
milliseconds."""

_REST: Final = 4
"""Pause after a deletion, as a multiple of its duration, so that most requests meet no purge."""

_LEAST_PAUSE_SECONDS: Final = 0.002
"""Minimum pause between transactions, in which a waiting request gets the lock."""


@attrs.frozen
class SqlPurge:
    """
    Deletes old rows and records. Each method returns the number of deleted rows, may be
    interrupted and called again, and raises Unavailable if the database does not answer.
    """

    database: Database

    async def audit(self, before: Instant) -> int:
        """Implement `Purge.audit`."""
        return await self._older(audit, before)

    async def sends(self, before: Instant) -> int:
        """Implement `Purge.sends`."""
        return await self._older(sends, before)

    async def debts(self, before: Instant) -> int:
        """Implement `Purge.debts`."""
        return await self._older(debts, before)

    async def verifications(self, before: Instant) -> int:
        """Implement `Purge.verifications`."""
        return await self._older(verifications, before)

    async def test_contacts(self, before: Instant) -> int:
        """Implement `Purge.test_contacts`."""
        return await self._older(test_contacts, before, test_contacts.c.ends_at)

    async def proved_contacts(self, before: Instant) -> int:
        """Implement `Purge.proved_contacts`."""
        return await self._older(proved_contacts, before)

    async def funnel(self, before: Instant) -> int:
        """Implement `Purge.funnel`."""
        return await self._older(funnel, before)

    async def records_over(self, policies: Collection[Policy], now: Instant) -> Mapping[str, int]:
        """Implement `Purge.records_over`."""
        return {
            kind.plural: await self.records(kind, kind.over(policies, now)) for kind in RECORD_KINDS
        }

    async def records(self, kind: RecordKind[R], goes: Callable[[R], bool]) -> int:
        """Delete the records of a kind that satisfy *goes*; those that change meanwhile stay."""
        deleted = 0
        async for over in self._pages(kind, goes):
            deleted += await self._in_portions(
                over, lambda some: partial(_delete_unchanged, found=some)
            )
        return deleted

    async def count(self, kind: RecordKind[R], goes: Callable[[R], bool]) -> int:
        """The number of records that `records` would delete."""
        return sum([len(over) async for over in self._pages(kind, goes)])

    async def _pages(
        self, kind: RecordKind[R], goes: Callable[[R], bool]
    ) -> AsyncGenerator[list[Row[Any]]]:
        """The records of a kind that satisfy *goes*, page by page."""
        last = kind.key("")
        while True:
            page = (
                select(records)
                .where(
                    records.c.key > last, records.c.key < f"{kind.name};"
                )  # the character after a colon
                .order_by(records.c.key)
                .limit(_STEP)
            )
            async with self.database.read() as connection:
                rows = (await connection.execute(page)).all()
            if not rows:
                return
            last = rows[-1].key
            yield [row for row in rows if goes(kind.format.decode(row.body))]

    async def _older(self, table: Table, before: Instant, at: Column[Any] | None = None) -> int:
        """Delete the rows of *table* from before an instant, by its column *at*."""
        key, at = next(iter(table.primary_key)), table.c.at if at is None else at
        page = select(key).where(at < before).order_by(at).limit(_STEP)
        deleted = 0
        while True:
            # Outside the transaction, because the search is slow if old rows are rare.
            async with self.database.read() as connection:
                old = list((await connection.execute(page)).scalars())
            if not old:
                return deleted
            deleted += await self._in_portions(
                old, lambda some: partial(_delete, key=key, these=some)
            )

    async def _in_portions(
        self,
        these: Sequence[T],
        deletion: Callable[[Sequence[T]], Callable[[AsyncConnection], Awaitable[int]]],
    ) -> int:
        """Delete rows in portions, with pauses in between; returns their number."""
        deleted, loop = 0, asyncio.get_running_loop()
        for first in range(0, len(these), _DELETED):
            some = these[first : first + _DELETED]
            began = loop.time()
            deleted += await self.database.step(deletion(some))
            await asyncio.sleep(max(_LEAST_PAUSE_SECONDS, _REST * (loop.time() - began)))
        return deleted


async def _delete_unchanged(connection: AsyncConnection, found: Sequence[Row[Any]]) -> int:
    """Delete the records of *found* that have not changed and that no transaction holds."""
    keys = [row.key for row in found]
    still = await connection.execute(
        select(records).where(records.c.key.in_(keys)).with_for_update(skip_locked=True)
    )
    # A record that was deleted and created again has the same version.
    as_found = {(row.key, row.version, row.body) for row in found}
    over = [row.key for row in still if (row.key, row.version, row.body) in as_found]
    return await _delete(connection, records.c.key, over) if over else 0


async def _delete(connection: AsyncConnection, key: Column[Any], these: Sequence[Any]) -> int:
    gone = await connection.execute(delete(key.table).where(key.in_(these)))
    return gone.rowcount
