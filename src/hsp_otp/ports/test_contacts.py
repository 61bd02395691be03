"""Test contacts: finding them for requests, and keeping them for operators."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.test_contacts import HeldTestContacts, KeptTestContact

O = TypeVar("O")  # noqa: E741


class TestContactRepository(Protocol):
    """Finds test contacts for requests."""

    async def of_app(self, app_id: str) -> Sequence[KeptTestContact]:
        """
        The test contacts of an app, ended ones included. Their state is at most 5 s old.

        None of them has proved itself in the app, even if it did so after it was added.

        Raises:
            Unavailable: The database did not answer.
        """
        ...


class TestContactRegister(Protocol):
    """Keeps test contacts, for operators. Each raises Unavailable."""

    async def list(self) -> Sequence[KeptTestContact]:
        """All test contacts, ended ones included, the oldest first."""
        ...

    async def transition(
        self,
        app_id: str,
        contact: Contact,
        fingerprints: Sequence[str],
        decide: Callable[[HeldTestContacts], Decision[HeldTestContacts, O]],
    ) -> O:
        """
        Replace the test contacts of an app by what *decide* makes of them, as one step.

        *decide* receives the latest committed state, and may be called again, so it must not have
        effects. The rows of its decision are committed with the change, or not at all.

        Args:
            contact: The contact that the change is about.
            fingerprints: Its fingerprints under every key.
        """
        ...
