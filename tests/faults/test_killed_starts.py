"""Servers are killed while backends start verifications: docs/contract.md, 13.6."""

import asyncio
from collections.abc import Iterator
from typing import Final

import attrs
import pytest

from tests.e2e.server import until
from tests.faults.killed import (
    ROUNDS,
    Backend,
    Killing,
    Moment,
    Place,
    Sent,
    before_its_message,
    instant_of,
    moment_of,
    open_place,
)
from tests.faults.site import open_http

STARTS: Final = 4
CALLERS: Final = 3
"""Of each start, at once."""


@pytest.fixture(scope="module", params=["sqlite", "postgres", "redis"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """SQLite or PostgreSQL holds everything, or Redis the challenges beside PostgreSQL."""
    with open_place(request.param, tmp_path_factory.mktemp("killed"), {"twilio": "sms"}) as found:
        yield found


@attrs.frozen(kw_only=True)
class Repeated:
    """
    What came of the starts of a round.

    Attributes:
        answers: To each number.
        charged: The sends that each number was charged.
    """

    answers: dict[str, list[Sent]]
    charged: dict[str, int]


async def kill_and_repeat(place: Place, moment: Moment, number: int) -> Repeated:
    """Kill the server amid starts, and repeat them at the next one."""
    numbers = [f"+9198{number:06d}{one:02d}" for one in range(STARTS)]
    note = f"note-{number}-"
    async with open_http() as http:
        backend = Backend.to(numbers, note, place, http)
        moment(place, Killing("twilio", note.encode(), instant_of(number)))
        await asyncio.gather(*(backend.try_to_start(to) for to in numbers for _ in range(CALLERS)))
        await asyncio.to_thread(until, place.killed.is_set)
        place.begin()
        await backend.repeat()
        charged = {to: await backend.charged(to) for to in numbers}
        return Repeated(answers=backend.sent, charged=charged)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_kill_amid_starts(place: Place, number: int) -> None:
    """
    However often a start is repeated under its key, there is one verification with one send in the
    database, at most one message, and no charge without a row.

    Where Redis holds the challenges, the row follows the charge. After a kill in between, the
    repeated start is admitted anew, and what was charged before is taken back.
    """
    moment = moment_of(place, number)
    found = asyncio.run(kill_and_repeat(place, moment, number))
    messages = {to: len(place.gateways["twilio"].to(to)) for to in found.answers}
    assert max(messages.values()) <= 1, messages
    assert set(found.charged.values()) == {1}, found
    if moment is before_its_message:
        assert 0 in messages.values(), messages
    for to, answers in found.answers.items():
        assert len({verification_id for verification_id, _ in answers}) == 1, (to, answers)
        assert sum(not replayed for _, replayed in answers) <= 1, (to, answers)
        assert answers[-1][1], (to, answers)
        rows = place.query(
            "SELECT sends.verification_id FROM sends JOIN verifications"  # noqa: S608
            f" ON verifications.id = sends.verification_id WHERE sends.contact = '{to}'"
        )
        assert [row[0] for row in rows] == [answers[0][0]], (to, answers, rows)
