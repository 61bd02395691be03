"""Store checks for /readyz, shared by concurrent requests."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final

import attrs

EVERY_SECONDS: Final = 1.0

DATABASE_SECONDS: Final = 2.0
REDIS_SECONDS: Final = 0.9
"""Together with the database's less than the 3 s within which /readyz promises an answer."""


@attrs.define(eq=False, kw_only=True)
class SharedCheck:
    """
    A check that runs at most once a second; callers in between share its result.

    Attributes:
        within: Seconds after which an unfinished check counts as failed. It is not cancelled,
            because cancelling a driver's call leaves its connection unusable.
        now: The clock; the event loop's by default.
    """

    check: Callable[[], Awaitable[bool]]
    within: float
    now: Callable[[], float] | None = None
    _running: "asyncio.Task[bool] | None" = attrs.field(default=None, init=False)
    _began: float = attrs.field(default=0.0, init=False)

    async def __call__(self) -> bool:
        """Return the result, or raise the failure, of a check at most one second old."""
        loop = asyncio.get_running_loop()
        now = (self.now or loop.time)()
        running = self._running
        if running is None or (running.done() and now - self._began >= EVERY_SECONDS):
            # An empty context keeps the check separate from the request that starts it.
            running = loop.create_task(self._made(), context=Context())
            self._running, self._began = running, now
        left = self._began + self.within - now
        await asyncio.wait({running}, timeout=max(0.0, left))
        return running.done() and running.result()

    async def close(self) -> None:
        """Wait for a running check, for *within* seconds at most."""
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=self.within)

    async def _made(self) -> bool:
        return await self.check()
