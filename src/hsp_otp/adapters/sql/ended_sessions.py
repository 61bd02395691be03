"""Ended operator sessions, stored in the database and, until they get there, in files."""

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
"""Prefix of the files' names; the session's id follows."""

_TRY_AGAIN_SECONDS: Final = 1.0


@attrs.frozen
class SqlEndedSessions:
    """
    Stores ended sessions as usages.

    If the database cannot take one yet, for example while SQLite is locked, an empty file tells the
    other workers of this machine. Any worker that finds the file retries. Nobody else can read the
    *folder*.
    """

    usage: UsageCounter
    database: Database
    folder: Path

    async def end(self, session_id: str, at: Instant) -> None:
        """Implement `EndedSessions.end`."""
        mark = self.folder / f"{_PREFIX}{session_id}"
        # A full disk takes no file, but the database may still take the row.
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
        """Write the sessions that the database has not taken yet, once a second, for ever."""
        while True:
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
            await self.try_again()

    async def try_again(self) -> None:
        """Write the sessions that the database has not taken yet, as far as it takes them now."""
        for mark in self.folder.glob(f"{_PREFIX}*"):
            # Another worker may have been faster.
            with suppress(Unavailable, FileNotFoundError):
                at = Instant(mark.stat().st_mtime_ns // 1_000)
                await self._write(mark.name.removeprefix(_PREFIX), at)
                mark.unlink()

    async def _write(self, session_id: str, at: Instant) -> None:
        key = operator_sessions.ended_key(session_id)
        await self.usage.transition(
            (key,), partial(operator_sessions.end, session_id=session_id, now=at)
        )
