"""Delivery receipts that cannot be applied yet, kept in memory."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

import attrs
import structlog

from hsp_otp.domain.delivery import EARLY_FOR, EarlyReceipt, LostSend, Noted, note
from hsp_otp.domain.instant import SECOND
from hsp_otp.ports.deliveries import Deliveries
from hsp_otp.ports.failures import Unavailable

Follow: TypeAlias = Callable[[LostSend], Awaitable[None]]

_MOST: Final = 10_000
"""Maximum number of waiting receipts; about 4 MB."""

_LOOK_SECONDS: Final = 0.25
"""Interval between two checks for due receipts, and the first pause of each receipt. Every further
pause is twice as long."""

_LIFE_SECONDS: Final = EARLY_FOR / SECOND
_TOLD_SECONDS: Final = 60.0
CLOSE_SECONDS: Final = 2.0
"""Time for the last attempts, because a stopping process has to end in time."""

_log = structlog.get_logger()


@attrs.define(eq=False)
class _Wait:
    """A receipt's last and next attempt, and the pause before the next, in the timer's seconds."""

    ends_at: float
    next_at: float
    pause: float = _LOOK_SECONDS


class MemoryEarlyReceipts:
    """
    Retries each receipt, whichever worker hands its message over.

    If there are too many, the oldest one is dropped. Dropped receipts are counted in a log line, at
    most once a minute.
    """

    def __init__(
        self, deliveries: Deliveries, timer: Callable[[], float] = time.monotonic, most: int = _MOST
    ) -> None:
        """Keep at most *most* receipts; *timer* is a monotonic clock, in seconds."""
        self._deliveries = deliveries
        self._timer = timer
        self._most = most
        self._waiting: dict[EarlyReceipt, _Wait] = {}
        self._unknown = self._no_room = 0
        self._told_at: float | None = None

    def keep(self, receipt: EarlyReceipt) -> None:
        """Implement `EarlyReceipts.keep`."""
        now = self._timer()
        self._waiting.pop(receipt, None)
        self._waiting[receipt] = _Wait(now + _LIFE_SECONDS, now + _LOOK_SECONDS)
        if len(self._waiting) > self._most:
            del self._waiting[next(iter(self._waiting))]
            self._no_room += 1

    async def keep_trying(self, follow: Follow | None = None) -> None:
        """
        Retry the receipts that are due, for ever.

        Args:
            follow: Called with a send whose message will not arrive.
        """
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.try_again(follow)

    async def try_again(self, follow: Follow | None = None) -> None:
        """Retry the receipts that are due, and drop those whose time is over."""
        now = self._timer()
        due = [(one, wait) for one, wait in self._waiting.items() if wait.next_at <= now]
        with suppress(Unavailable):  # if the database is away, all of them keep waiting
            for receipt, wait in due:
                if await self._applied(receipt, follow):
                    self._waiting.pop(receipt, None)
                elif wait.ends_at > now:
                    wait.pause *= 2
                    wait.next_at = min(now + wait.pause, wait.ends_at)
                elif self._waiting.get(receipt) is wait:  # not kept again meanwhile
                    del self._waiting[receipt]
                    self._unknown += 1
        if self._told_at is None or now - self._told_at >= _TOLD_SECONDS:
            self._tell(now)

    async def close(self, follow: Follow | None = None) -> None:
        """
        Try all of them for the last time.

        Args:
            follow: As in `keep_trying`. A call that has begun is waited for, unless this is
                cancelled.
        """
        until = self._timer() + CLOSE_SECONDS
        try:
            with suppress(Unavailable):
                for receipt in [*self._waiting]:
                    if self._timer() >= until:
                        break
                    if await self._applied(receipt, follow):
                        del self._waiting[receipt]
        finally:
            self._unknown += len(self._waiting)
            self._waiting.clear()
            self._tell(self._timer())

    async def _applied(self, receipt: EarlyReceipt, follow: Follow | None) -> bool:
        """
        Whether *receipt* is noted, and what follows from it is done.

        Raises:
            Unavailable: The database does not answer.
        """
        for sender in receipt.senders:
            outcome = await self._deliveries.transition(
                sender, receipt.message_id, partial(note, reported=receipt.reported)
            )
            if isinstance(outcome, Noted):
                if outcome.lost is None or follow is None:
                    return True
                with suppress(Unavailable):
                    await follow(outcome.lost)
                    return True
                return False
        return False

    def _tell(self, now: float) -> None:
        if self._unknown or self._no_room:
            _log.info("receipts_dropped", unknown=self._unknown, no_room=self._no_room)
            self._unknown = self._no_room = 0
            self._told_at = now
