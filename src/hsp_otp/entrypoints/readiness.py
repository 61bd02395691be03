"""Store checks for /readyz, shared by all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final

import attrs

EVERY_SECONDS: Final = 1.0

DATABASE_SECONDS: Final = 2.0
REDIS_SECONDS: Final = 0.9
"""Together less than the 3 s within which an answer is promised."""


@attrs.define(eq=False, kw_only=True)
class SharedCheck:
    """
    A check that is made at most once a second. All who ask in between share what it found.

    Attributes:
        within: Seconds after which a check that has no answer counts as failed. It goes on all
            the same: a call of a driver that is cancelled leaves its connection unusable.
        now: The event loop's time unless given.
    """

    check: Callable[[], Awaitable[bool]]
    within: float
    now: Callable[[], float] | None = None
    _running: "asyncio.Task[bool] | None" = attrs.field(default=None, init=False)
    _began: float = attrs.field(default=0.0, init=False)

    async def __call__(self) -> bool:
        """
        Whether all is well, as of a second ago at most.

        Raises:
            Exception: Whatever the check raised.
        """
        loop = asyncio.get_running_loop()
        now = (self.now or loop.time)()
        running = self._running
        if running is None or (running.done() and now - self._began >= EVERY_SECONDS):
            # No part of the request that happened to be the first to ask.
            running = loop.create_task(self._made(), context=Context())
            self._running, self._began = running, now
        left = self._began + self.within - now
        await asyncio.wait({running}, timeout=max(0.0, left))
        return running.done() and running.result()

    async def close(self) -> None:
        """Wait for a check that is being made, as long as its askers would."""
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=self.within)

    async def _made(self) -> bool:
        return await self.check()
