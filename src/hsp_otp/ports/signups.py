"""The repositories of signup."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.names import SessionId
from hsp_otp.domain.signup import SignupSession, SignupStep

O = TypeVar("O")  # noqa: E741


class SignupSessions(Protocol):
    """Stores signup sessions, in the same store as the challenges."""

    async def transition(
        self,
        session_id: SessionId,
        /,
        decide: Callable[[SignupSession | None], Decision[SignupSession | None, O]],
    ) -> O:
        """
        Replace the session of that id with the result of *decide*, in one step.

        Makes the same promises as `SlotRepository.transition`.

        Raises:
            Unavailable: The store did not answer.
        """
        ...


class SignupSteps(Protocol):
    """
    Stores the steps that challenges led to in the SQL database, whichever store holds the
    challenges.
    """

    async def transition(
        self,
        challenge_id: str,
        /,
        decide: Callable[[SignupStep | None], Decision[SignupStep | None, O]],
    ) -> O:
        """
        Replace the step of that challenge with the result of *decide*, in one step.

        Makes the same promises as `SlotRepository.transition`.

        Raises:
            Unavailable: The database did not answer.
        """
        ...
