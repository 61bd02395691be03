"""Combines reads that are requested at the same time into one query."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

N = TypeVar("N", bound=Hashable)
T = TypeVar("T")

_HELD_UP_SECONDS: Final = 0.02
"""A question that takes longer is not waited for by those who come later."""


class BatchedReads(Generic[N, T]):
    """Questions about names, one at a time: those who come meanwhile share the next one."""

    def __init__(self, ask: Callable[[Sequence[N]], Awaitable[Mapping[N, T]]]) -> None:
        """
        Ask nothing yet.

        Args:
            ask: Answers for each of the names that it knows.
        """
        self._ask = ask
        self._waiting: dict[N, asyncio.Future[T | None]] = {}
        self._running: asyncio.Task[None] | None = None
        self._asking = set[asyncio.Task[None]]()

    async def answer(self, name: N) -> T | None:
        """What is known of *name*; raises what the question did."""
        waiting = self._waiting.get(name)
        if waiting is None:
            loop = asyncio.get_running_loop()
            waiting = self._waiting[name] = loop.create_future()
            if self._running is None:
                # A task of its own: a caller that is cancelled takes nobody else along.
                self._running = loop.create_task(self._run())
        return await asyncio.shield(waiting)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # let everybody of this turn of the loop join
                together, self._waiting = self._waiting, {}
                task = asyncio.get_running_loop().create_task(self._answer(together))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
                await asyncio.wait([task], timeout=_HELD_UP_SECONDS)
        finally:
            self._running = None

    async def _answer(self, together: dict[N, asyncio.Future[T | None]]) -> None:
        try:
            answers = await self._ask(list(together))
        except Exception as failure:  # noqa: BLE001 - it belongs to the callers
            for waiting in together.values():
                waiting.set_exception(failure)
                waiting.exception()  # where everybody has gone, it is no news
            return
        for name, waiting in together.items():
            waiting.set_result(answers.get(name))
