"""Operator sessions that have been ended."""

from typing import Protocol

from hsp_otp.domain.instant import Instant


class EndedSessions(Protocol):
    """Remembers which sessions were ended, for as long as their cookies could be good."""

    async def end(self, session_id: str, at: Instant) -> None:
        """
        End a session, for every copy of its cookie. Doing it again does no harm.

        Raises:
            Unavailable: The database did not take it. On this machine the session has ended all
                the same; it is written, for the others, as soon as the database takes it.
        """
        ...

    async def is_ended(self, session_id: str) -> bool:
        """
        Whether `end` was called for a session. Waits for nobody who writes.

        Raises:
            Unavailable: The database did not answer: nobody knows.
        """
        ...
