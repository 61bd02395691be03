"""Operator sessions that have been ended: in the database, and until then in files."""

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import attrs
from sqlalchemy import select

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.stores import record_of
from hsp_otp.adapters.sql.tables import records
from hsp_otp.domain import operator_sessions
from hsp_otp.domain.instant import Instant
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.usage_counter import UsageCounter

_PREFIX: Final = "ended-"
"""Of the files' names; the session's id follows."""

_TRY_AGAIN_SECONDS: Final = 1.0


@attrs.frozen
class SqlEndedSessions:
    """
    Keeps ended sessions as usages.

    An empty file tells the other workers of this machine of a session that the database has not
    taken yet, as while somebody holds SQLite's lock. Whichever worker finds it tries again.

    Attributes:
        usage: Of the database.
        folder: Which the workers of this machine share, and nobody else reads.
    """

    usage: UsageCounter
    database: Database
    folder: Path

    async def end(self, session_id: str, at: Instant) -> None:
        """Implement `EndedSessions.end`."""
        mark = self.folder / f"{_PREFIX}{session_id}"
        # A disk that is full takes no file; the database may still take the row.
        with suppress(OSError):
            mark.touch()
        await self._write(session_id, at)
        mark.unlink(missing_ok=True)

    async def is_ended(self, session_id: str) -> bool:
        """Implement `EndedSessions.is_ended`."""
        if (self.folder / f"{_PREFIX}{session_id}").exists():
            return True
        key = record_of(operator_sessions.ended_key(session_id))
        async with self.database.read() as connection:
            found = await connection.execute(select(records.c.key).where(records.c.key == key))
            return found.first() is not None

    async def keep_trying(self) -> None:
        """Write what the database did not take before; forever, once a second."""
        while True:
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
            await self.try_again()

    async def try_again(self) -> None:
        """Write what the database did not take before, as far as it takes it now."""
        for mark in self.folder.glob(f"{_PREFIX}*"):
            # Another worker may be faster.
            with suppress(Unavailable, FileNotFoundError):
                at = Instant(mark.stat().st_mtime_ns // 1_000)
                await self._write(mark.name.removeprefix(_PREFIX), at)
                mark.unlink()

    async def _write(self, session_id: str, at: Instant) -> None:
        key = operator_sessions.ended_key(session_id)
        await self.usage.transition(
            (key,), partial(operator_sessions.end, session_id=session_id, now=at)
        )
