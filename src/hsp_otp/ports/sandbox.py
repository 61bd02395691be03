"""The sandbox of development mode: messages that can be read, and a clock that can be turned."""

from collections.abc import Sequence
from typing import Protocol

import attrs

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import Duration, Instant


@attrs.frozen(kw_only=True)
class SentMessage:
    """
    A message that a sender took.

    Attributes:
        to: The contact in canonical form.
        code: The digits in its text.
    """

    at: Instant
    to: str = attrs.field(repr=False)
    channel: Channel
    text: str = attrs.field(repr=False)
    code: str = attrs.field(repr=False)


class Outbox(Protocol):
    """The latest messages of all workers."""

    def add(self, message: SentMessage) -> None:
        """Keep *message*, possibly in place of the oldest one."""
        ...

    def messages(self) -> Sequence[SentMessage]:
        """The messages, the newest first."""
        ...

    def clear(self) -> None:
        """Forget all messages."""
        ...


class TurnableClock(Protocol):
    """A clock of all workers, which can be turned forward."""

    def now(self) -> Instant:
        """The current instant."""
        ...

    def advance(self, duration: Duration) -> bool:
        """
        Turn the clock forward, for all workers at once.

        Returns:
            Whether it was turned. It stays as it is if it would be too far ahead of the real time.
        """
        ...
