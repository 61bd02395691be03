"""Questions about names that are asked together."""

import asyncio
from collections.abc import Sequence

import pytest

from hsp_otp.adapters.sql.batched_reads import BatchedReads
from hsp_otp.ports.failures import Unavailable

pytestmark = pytest.mark.anyio


class Answers:
    """Knows lengths of names, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.began = asyncio.Event()
        self.waits = asyncio.Event()
        self.waits.set()

    async def answer(self, names: Sequence[str]) -> dict[str, int]:
        """The length of every name but those that begin with a dash."""
        self.asked.append(names)
        self.began.set()
        await self.waits.wait()
        if "bad" in names:
            raise LookupError("bad")
        if "cut" in names:
            raise asyncio.CancelledError
        return {name: len(name) for name in names if not name.startswith("-")}


@pytest.fixture
def answers() -> Answers:
    """Who knows."""
    return Answers()


async def test_those_of_one_turn_share_a_question(answers: Answers) -> None:
    """Each name once."""
    gathered = BatchedReads(answers.answer)
    found = await asyncio.gather(*map(gathered.answer, ("a", "bb", "-", "a")))
    assert found == [1, 2, None, 1]
    assert answers.asked == [["a", "bb", "-"]]


async def test_those_who_come_meanwhile_share_the_next(answers: Answers) -> None:
    """Whoever comes while a question is asked does not get its answer, which may be older."""
    gathered = BatchedReads(answers.answer)
    answers.waits.clear()
    first = asyncio.create_task(gathered.answer("a"))
    await answers.began.wait()
    later = [asyncio.create_task(gathered.answer(name)) for name in ("a", "bb")]
    await asyncio.sleep(0)
    answers.waits.set()
    assert [await first, await later[0], await later[1]] == [1, 1, 2]
    assert answers.asked == [["a"], ["a", "bb"]]


async def test_a_slow_question_holds_nobody_up(answers: Answers) -> None:
    """The next one is asked beside it."""
    gathered = BatchedReads(answers.answer)
    answers.waits.clear()
    slow = asyncio.create_task(gathered.answer("a"))
    beside = None
    while len(answers.asked) < 2:
        await asyncio.sleep(0.001)
        beside = beside or asyncio.create_task(gathered.answer("bb"))
    answers.waits.set()
    assert beside is not None
    assert (await slow, await beside) == (1, 2)


async def test_a_failure_is_everybodys(answers: Answers) -> None:
    """Of that question alone."""
    gathered = BatchedReads(answers.answer)
    found = await asyncio.gather(*map(gathered.answer, ("a", "bad")), return_exceptions=True)
    assert [type(one) for one in found] == [LookupError] * 2
    assert await gathered.answer("a") == 1


async def test_an_interrupted_question_leaves_nobody_waiting(answers: Answers) -> None:
    """A question whose task is cancelled is nobody's answer, and the next one is asked."""
    gathered = BatchedReads(answers.answer)
    found = await asyncio.gather(*map(gathered.answer, ("a", "cut")), return_exceptions=True)
    assert [type(one) for one in found] == [Unavailable] * 2
    assert await gathered.answer("a") == 1


async def test_who_leaves_takes_nobody_along(answers: Answers) -> None:
    """Neither those with the same name nor those with another."""
    gathered = BatchedReads(answers.answer)
    tasks = [asyncio.create_task(gathered.answer(name)) for name in ("a", "a", "bb")]
    await asyncio.sleep(0)
    tasks[0].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [1, 2]
