"""Delivery receipts that arrive before their message is known, kept in memory."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import attrs
import structlog

from hsp_otp.domain.delivery import EARLY_FOR, EarlyReceipt, Noted, note
from hsp_otp.domain.instant import SECOND
from hsp_otp.ports.deliveries import Deliveries
from hsp_otp.ports.failures import Unavailable

_MOST: Final = 10_000
"""Receipts that wait; some 4 MB."""

_LOOK_SECONDS: Final = 0.25
"""Between two looks at those that wait, and the first pause of each; every further one is twice
as long as the one before it."""

_LIFE_SECONDS: Final = EARLY_FOR / SECOND
_TOLD_SECONDS: Final = 60.0
_CLOSE_SECONDS: Final = 2.0
"""How long the tries at the end may take, for a process that stops has to be gone in time."""

_log = structlog.get_logger()


@attrs.define(eq=False)
class _Wait:
    """
    How long one receipt has to wait, by the timer.

    Attributes:
        ends_at: When it is tried for the last time.
        pause: Before the next try.
    """

    ends_at: float
    next_at: float
    pause: float = _LOOK_SECONDS


class MemoryEarlyReceipts:
    """
    Tries each receipt again and again, whatever worker hands its message over.

    The oldest one makes room where there are too many. How many were never of use is told by one
    line a minute at most.
    """

    def __init__(
        self, deliveries: Deliveries, timer: Callable[[], float] = time.monotonic, most: int = _MOST
    ) -> None:
        """
        Keep none yet.

        Args:
            timer: Seconds from some moment on; it is not set back.
            most: How many may wait.
        """
        self._deliveries = deliveries
        self._timer = timer
        self._most = most
        self._waiting: dict[EarlyReceipt, _Wait] = {}
        self._unknown = self._no_room = 0
        self._told_at: float | None = None

    def keep(self, receipt: EarlyReceipt) -> None:
        """Keep the promise of `EarlyReceipts.keep`."""
        now = self._timer()
        self._waiting.pop(receipt, None)
        self._waiting[receipt] = _Wait(now + _LIFE_SECONDS, now + _LOOK_SECONDS)
        if len(self._waiting) > self._most:
            del self._waiting[next(iter(self._waiting))]
            self._no_room += 1

    async def keep_trying(self) -> None:
        """Try those whose pause is over; forever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.try_again()

    async def try_again(self) -> None:
        """Try those whose pause is over, and drop those whose time is."""
        now = self._timer()
        due = [(one, wait) for one, wait in self._waiting.items() if wait.next_at <= now]
        with suppress(Unavailable):  # all of them wait for the database, whatever their time
            for receipt, wait in due:
                if await self._noted(receipt):
                    self._waiting.pop(receipt, None)
                elif wait.ends_at > now:
                    wait.pause *= 2
                    wait.next_at = min(now + wait.pause, wait.ends_at)
                elif self._waiting.get(receipt) is wait:  # and has not come once more meanwhile
                    del self._waiting[receipt]
                    self._unknown += 1
        if self._told_at is None or now - self._told_at >= _TOLD_SECONDS:
            self._tell(now)

    async def close(self) -> None:
        """Try all of them for the last time."""
        until = self._timer() + _CLOSE_SECONDS
        with suppress(Unavailable):
            for receipt in [*self._waiting]:
                if self._timer() >= until:
                    break
                if await self._noted(receipt):
                    del self._waiting[receipt]
        self._unknown += len(self._waiting)
        self._waiting.clear()
        self._tell(self._timer())

    async def _noted(self, receipt: EarlyReceipt) -> bool:
        outcome = await self._deliveries.transition(
            receipt.sender, receipt.message_id, partial(note, reported=receipt.reported)
        )
        return isinstance(outcome, Noted)

    def _tell(self, now: float) -> None:
        if self._unknown or self._no_room:
            _log.info("receipts_dropped", unknown=self._unknown, no_room=self._no_room)
            self._unknown = self._no_room = 0
            self._told_at = now
