"""Checks that many ask for are made once a second: docs/contract.md, 5.4."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import attrs
import pytest

from hsp_otp.entrypoints.readiness import SharedCheck
from hsp_otp.ports.failures import Unavailable

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """What *work* comes to in an event loop."""
    with asyncio.Runner() as runner:
        return runner.run(work)


@attrs.define
class Store:
    """
    A store that may be away.

    Attributes:
        tried: How often it was tried.
        gate: What a try waits for.
    """

    finds: bool | Exception = True
    tried: int = 0
    gate: asyncio.Event | None = None
    time: float = 100.0

    async def takes_writes(self) -> bool:
        """Whether it does."""
        self.tried += 1
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.finds, Exception):
            raise self.finds
        return self.finds

    def check(self, within: float = 60.0) -> SharedCheck:
        """The check of it."""
        return SharedCheck(check=self.takes_writes, within=within, now=lambda: self.time)


def test_all_who_ask_at_once_share_one_try() -> None:
    """However many ask, the store is tried once, and each is told what was found."""

    async def work() -> list[bool]:
        check = store.check()
        return await asyncio.gather(*(check() for _ in range(50)))

    for finds in (True, False):
        store = Store(finds)
        assert run(work()) == [finds] * 50
        assert store.tried == 1


def test_what_was_found_lasts_a_second() -> None:
    """The store is tried again a second after the last try began, and not before."""
    store = Store()

    async def work() -> None:
        check = store.check()
        assert await check()
        store.finds = False
        store.time = 100.999
        assert await check()
        assert store.tried == 1
        store.time = 101.0
        assert not await check()
        store.finds, store.time = True, 101.5
        assert not await check()
        assert store.tried == 2
        store.time = 102.0
        assert await check()

    run(work())


def test_a_store_that_hangs_is_away() -> None:
    """No answer in time counts as a failed try, which goes on, and no other is begun beside it."""
    store = Store()

    async def work() -> None:
        store.gate = asyncio.Event()
        check = store.check(within=0.0)
        for store.time in (100.0, 100.5, 107.0):
            assert not await check()
        assert store.tried == 1
        check.within = 60.0
        store.gate.set()
        assert await check()
        store.finds = False
        assert not await check()
        assert store.tried == 2

    run(work())


def test_a_check_that_fails_tells_all() -> None:
    """An exception reaches each of those who asked."""
    store = Store(Unavailable())

    async def work() -> None:
        check = store.check()
        for found in await asyncio.gather(*(check() for _ in range(3)), return_exceptions=True):
            assert isinstance(found, Unavailable)

    run(work())
    assert store.tried == 1


def test_who_goes_away_ends_nobodys_check() -> None:
    """A caller that is cancelled leaves the check to the others."""
    store = Store()

    async def work() -> None:
        store.gate = asyncio.Event()
        check = store.check()
        gone, stays = asyncio.ensure_future(check()), asyncio.ensure_future(check())
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        store.gate.set()
        assert await stays
        await check.close()

    run(work())
    assert store.tried == 1
