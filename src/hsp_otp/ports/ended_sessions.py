"""The operator sessions that have been ended."""

from typing import Protocol

from hsp_otp.domain.instant import Instant


class EndedSessions(Protocol):
    """Remembers ended sessions for as long as their cookies could be valid."""

    async def end(self, session_id: str, at: Instant) -> None:
        """
        End a session, for every copy of its cookie. Repeating the call is harmless.

        Raises:
            Unavailable: The database did not take it. The session has ended on this machine all the
                same, and is written for the other machines as soon as the database takes it.
        """
        ...

    async def is_ended(self, session_id: str) -> bool:
        """
        Whether `end` was called for a session. Never waits for a writer.

        Raises:
            Unavailable: The database did not answer, so the state is unknown.
        """
        ...
