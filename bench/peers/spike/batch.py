import asyncio


class Batched:
    """What waits while a worker is busy goes in its next round; awaited, so nothing is lost. work(list of items) -> list of results."""

    def __init__(self, work, workers=1, most=256):
        self.work, self.free, self.most, self.pend, self.tasks, self.loop = (
            work,
            workers,
            most,
            [],
            set(),
            asyncio.get_running_loop(),
        )
        self.armed = False

    def __call__(self, item):
        f = self.loop.create_future()
        self.pend.append((item, f))
        if not self.armed and self.free:
            self.armed = True
            self.loop.call_soon(self._kick)
        return f

    def _kick(self):
        self.armed = False
        if self.pend and self.free:
            self.free -= 1
            t = self.loop.create_task(self._run())
            self.tasks.add(t)
            t.add_done_callback(self.tasks.discard)

    async def _run(self):
        try:
            while self.pend:
                b = self.pend[: self.most]
                del self.pend[: self.most]
                try:
                    for (_, f), r in zip(b, await self.work([i for i, _ in b])):
                        if not f.done():
                            f.set_exception(r) if isinstance(r, BaseException) else f.set_result(r)
                except Exception as e:
                    for _, f in b:
                        f.done() or f.set_exception(e)
        finally:
            self.free += 1
