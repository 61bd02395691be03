"""Combines reads that are requested at the same time into one query."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

N = TypeVar("N", bound=Hashable)
T = TypeVar("T")

_HELD_UP_SECONDS: Final = 0.02
"""Later reads do not wait for a query that takes longer than this."""


class BatchedReads(Generic[N, T]):
    """Look-ups by name, one query at a time. Look-ups made meanwhile share the next query."""

    def __init__(self, ask: Callable[[Sequence[N]], Awaitable[Mapping[N, T]]]) -> None:
        """Look several names up with *ask*, which returns a value for each one that it finds."""
        self._ask = ask
        self._waiting: list[tuple[N, asyncio.Future[T | None]]] = []
        self._running: asyncio.Task[None] | None = None
        self._asking = set[asyncio.Task[None]]()

    async def answer(self, name: N) -> T | None:
        """The value for *name*, or None; raises the query's exception."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[T | None] = loop.create_future()
        self._waiting.append((name, waiting))
        if self._running is None:
            # A separate task, so that a cancelled caller does not cancel the others' look-ups.
            self._running = loop.create_task(self._run())
        return await waiting

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # let all look-ups of this turn of the loop join
                together, self._waiting = self._waiting, []
                task = asyncio.get_running_loop().create_task(self._answer(together))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
                await asyncio.wait([task], timeout=_HELD_UP_SECONDS)
        finally:
            self._running = None

    async def _answer(self, together: list[tuple[N, asyncio.Future[T | None]]]) -> None:
        answers: Mapping[N, T] = {}
        failure: Exception | None = None
        try:
            answers = await self._ask([*dict.fromkeys([name for name, _ in together])])
        except Exception as error:  # noqa: BLE001 - passed on to the callers
            failure = error
        for name, waiting in together:
            if waiting.done():
                continue  # its caller was cancelled
            if failure is None:
                waiting.set_result(answers.get(name))
            else:
                waiting.set_exception(failure)
                waiting.exception()  # marks it as retrieved, in case its caller is cancelled now
