"""Combines reads that are requested at the same time into one query, and remembers answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import attrs

from hsp_otp.adapters.waiting_steps import tell, telling

N = TypeVar("N", bound=Hashable)
T = TypeVar("T")

REMEMBERED_SECONDS: Final = 5.0
"""How long a process may use an answer without asking the database again. A change takes effect
everywhere within this time."""

_HELD_UP_SECONDS: Final = 0.02
"""Later reads do not wait for a query that takes longer than this."""


class BatchedReads(Generic[N, T]):
    """Look-ups by name, one query at a time. Look-ups made meanwhile share the next query."""

    def __init__(self, ask: Callable[[Sequence[N]], Awaitable[Mapping[N, T]]]) -> None:
        """Look several names up with *ask*, which returns a value for each one that it finds."""
        self._ask = ask
        self._waiting: list[_Read[N]] = []
        self._running: asyncio.Task[None] | None = None
        self._asking = set[asyncio.Task[None]]()

    async def answer(self, name: N) -> T | None:
        """The value for *name*, or None; raises the query's exception."""
        loop = asyncio.get_running_loop()
        read = _Read(name, loop.create_future())
        self._waiting.append(read)
        if self._running is None:
            # A separate task, so that a cancelled caller does not cancel the others' look-ups.
            self._running = loop.create_task(self._run())
        found: T | None = await read.done
        return found

    async def _run(self) -> None:
        try:
            with telling(self._waiting):
                while self._waiting:
                    await asyncio.sleep(0)  # let all look-ups of this turn of the loop join
                    together = [*self._waiting]
                    self._waiting.clear()
                    task = asyncio.get_running_loop().create_task(self._answer(together))
                    self._asking.add(task)
                    task.add_done_callback(self._asking.discard)
                    await asyncio.wait([task], timeout=_HELD_UP_SECONDS)
        finally:
            self._running = None

    async def _answer(self, together: list["_Read[N]"]) -> None:
        with telling(together):
            answers = await self._ask([*dict.fromkeys([read.name for read in together])])
            for read in together:
                tell(read, answers.get(read.name))


@attrs.define(eq=False)
class _Read(Generic[N]):
    """A look-up that waits for its query."""

    name: N
    done: asyncio.Future[Any]


class RememberedReads(Generic[N, T]):
    """Look-ups by name, of which each process remembers what it found for a while."""

    def __init__(
        self,
        ask: Callable[[Sequence[N]], Awaitable[Mapping[N, T]]],
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Look names up as `BatchedReads` does.

        Args:
            timer: A monotonic clock, in seconds.
        """
        self._reads = BatchedReads(ask)
        self._timer = timer
        self._remembered: dict[N, tuple[float, T]] = {}

    async def answer(self, name: N) -> T | None:
        """The value for *name*, or None; raises the query's exception."""
        # Before the query, so that the time it takes is part of the answer's age.
        now = self._timer()
        until, found = self._remembered.get(name, (now, None))
        if now < until:
            return found
        found = await self._reads.answer(name)
        # Unknown names are not remembered: callers choose them, and could fill the memory.
        if found is not None:
            self._remembered[name] = (now + REMEMBERED_SECONDS, found)
        return found

    def replace(self, name: N, held: T, becomes: T) -> None:
        """Remember *becomes* instead, unless another value than *held* was read meanwhile."""
        until, remembered = self._remembered.get(name, (0.0, None))
        if remembered is held:
            self._remembered[name] = (until, becomes)
