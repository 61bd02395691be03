"""The repositories of signup."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.names import SessionId
from hsp_otp.domain.signup import SignupSession, SignupStep

O = TypeVar("O")  # noqa: E741


class SignupSessions(Protocol):
    """Keeps signup sessions, in the store that the challenges are in."""

    async def transition(
        self,
        session_id: SessionId,
        /,
        decide: Callable[[SignupSession | None], Decision[SignupSession | None, O]],
    ) -> O:
        """
        Replace the session of that id by what *decide* makes of it, as one step.

        The same promises as `SlotRepository.transition`.

        Raises:
            Unavailable: The store did not answer.
        """
        ...


class SignupSteps(Protocol):
    """Keeps what challenges led to in the SQL database, whatever store the challenges are in."""

    async def transition(
        self,
        challenge_id: str,
        /,
        decide: Callable[[SignupStep | None], Decision[SignupStep | None, O]],
    ) -> O:
        """
        Replace the step that the challenge led to by what *decide* makes of it, as one step.

        The same promises as `SlotRepository.transition`.

        Raises:
            Unavailable: The database did not answer.
        """
        ...
