"""Accounts and apps: finding them for requests, and keeping them for operators."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.apps import App
from hsp_otp.domain.decision import Decision

O = TypeVar("O")  # noqa: E741


class AppRepository(Protocol):
    """Finds apps for requests."""

    async def find(self, app_id: str) -> App | None:
        """
        The app of that id, or None. Its state is at most 5 s old.

        Raises:
            Unavailable: The database did not answer.
        """
        ...

    async def of_account(self, account_id: str) -> Sequence[App]:
        """
        The apps of an account, in the order of their names. Their state is at most 5 s old.

        Raises:
            Unavailable: The database did not answer.
        """
        ...


class AppRegister(Protocol):
    """Keeps accounts and apps, for operators. Each raises Unavailable."""

    async def tenants(self) -> Tenants:
        """All accounts and apps, each in the order of their names."""
        ...

    async def transition(self, decide: Callable[[Tenants], Decision[Tenants, O]]) -> O:
        """
        Replace all accounts and apps by what *decide* makes of them, as one step.

        *decide* receives the latest committed state, and may be called again, so it must not have
        effects. It may add and change, and takes nothing away.
        """
        ...
