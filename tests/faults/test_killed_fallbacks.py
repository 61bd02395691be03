"""Servers are killed between a channel that fails and the next one: docs/contract.md, 13.1."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import httpx2
import pytest

from tests import gateway
from tests.e2e.production import PUBLIC_URL
from tests.e2e.server import until
from tests.faults.killed import (
    ROUNDS,
    START,
    Backend,
    Killing,
    Place,
    instant_of,
    moment_of,
    open_place,
)
from tests.faults.site import open_http
from tests.gateway import Taken

KILLS: Final = (ROUNDS + 1) // 2
"""In each of the two tests; the first one is before a row, where one can be held up."""

STARTS: Final = 4
CALLERS: Final = 3
"""Of each request, at once."""

FIRST, NEXT, LAST = "meta-whatsapp", "vonage", "twilio-voice"
CHANNELS: Final = {FIRST: "whatsapp", NEXT: "sms", LAST: "voice"}

RECEIPTS: Final = f"/callbacks/{FIRST}/status/"

IN_ROWS: Final = b'"sms"'
"""The channel in the row of the next send, as PostgreSQL receives it."""


@pytest.fixture(scope="module", params=["sqlite", "postgres", "redis"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Everything is held by SQLite or PostgreSQL, or Redis holds the challenges."""
    with open_place(request.param, tmp_path_factory.mktemp("fallbacks"), CHANNELS) as found:
        yield found


def _numbers(number: int, kind: int) -> list[str]:
    return [f"+9198{kind}{number:05d}{one:02d}" for one in range(STARTS)]


def _rows(place: Place, number: str) -> Counter[str]:
    """How many sends the database has for a number, by channel."""
    told = place.query(f"SELECT channel FROM sends WHERE contact = '{number}'")  # noqa: S608
    return Counter(str(row[0]) for row in told)


async def _hold(backend: Backend) -> None:
    """
    Check that each channel has at most one message, that each message has one row, and that each
    row has one charge, and each charge one row.
    """
    place = backend.place
    for to in backend.starts:
        rows = _rows(place, to)
        messages = Counter(
            {CHANNELS[name]: len(one.to(to)) for name, one in place.gateways.items()}
        )
        assert messages <= rows, (to, messages, rows)
        assert set(rows.values()) == {1}, (to, rows)
        charged = await backend.charged(to)
        assert charged == len(rows), (to, charged, rows)


@pytest.mark.parametrize("number", range(KILLS))
def test_a_kill_between_two_channels(place: Place, number: int) -> None:
    """However often a start is repeated under its key, the next channel has one message at most."""

    async def kill_and_repeat() -> None:
        async with open_http() as http:
            backend = Backend.to(_numbers(number, 1), "fallen", place, http)
            place.gateways[FIRST].behaviour = gateway.refuse_number()
            moment_of(place, number + 1)(place, Killing(NEXT, IN_ROWS, instant_of(number)))
            starts = (backend.try_to_start(to) for to in backend.starts for _ in range(CALLERS))
            await asyncio.gather(*starts)
            await asyncio.to_thread(until, place.killed.is_set)
            place.begin()
            place.gateways[FIRST].behaviour = gateway.refuse_number()
            await backend.repeat()
            for to, answers in backend.sent.items():
                assert len({verification_id for verification_id, _ in answers}) == 1, (to, answers)
                assert answers[-1][1], (to, answers)
            await _hold(backend)

    asyncio.run(kill_and_repeat())


def _report_of(place: Place, taken: Taken) -> dict[str, Any]:
    """What the provider of the first channel posts about a lost message."""
    body, headers = place.gateways[FIRST].play.report(taken.sid, "failed", PUBLIC_URL + RECEIPTS)
    url = f"http://127.0.0.1:{place.server.port}{RECEIPTS}"
    return {"url": url, "content": body, "headers": headers}


@pytest.mark.parametrize("number", range(KILLS))
def test_a_kill_after_a_receipt(place: Place, number: int) -> None:
    """However often a receipt of a lost message comes, the next channel has one message at most."""

    async def report(http: httpx2.AsyncClient, taken: Taken) -> int:
        return (await http.post(**_report_of(place, taken))).status_code

    async def try_to_report(http: httpx2.AsyncClient, taken: Taken) -> None:
        with suppress(httpx2.TransportError):
            await report(http, taken)

    async def kill_and_repeat() -> None:
        async with open_http() as http:
            backend = Backend.to(_numbers(number, 2), "lost", place, http)
            place.gateways[FIRST].behaviour = gateway.accept
            for to in backend.starts:
                assert await backend.start(to)
            (lost,) = zip(*(place.gateways[FIRST].to(to) for to in backend.starts), strict=True)
            moment_of(place, number + 1)(place, Killing(NEXT, IN_ROWS, instant_of(number)))
            await asyncio.gather(*(try_to_report(http, one) for one in CALLERS * lost))
            await asyncio.to_thread(until, place.killed.is_set)
            place.begin()
            # Until it is clear that no row can follow, a receipt is asked for again.
            repeated = await asyncio.gather(*(report(http, one) for one in lost))
            assert set(repeated) <= {200, 503}, repeated
            await backend.advance()
            for _ in range(2):
                repeated = await asyncio.gather(*(report(http, one) for one in lost))
                assert set(repeated) == {200}, repeated
            await _hold(backend)
            for one in lost:
                ((verification_id, _),) = backend.sent[one.to]
                check = f"{START}/{verification_id}/check"
                statuses = [
                    (await backend.post(check, {"code": one.code})).status_code for _ in range(2)
                ]
                assert statuses == [200, 400], (one.to, statuses)
                assert {told.code for told in place.gateways[NEXT].to(one.to)} <= {one.code}

    asyncio.run(kill_and_repeat())


def test_a_stop_after_an_early_receipt(place: Place) -> None:
    """A receipt that was taken too early is done with before the server ends."""
    answers: list[int] = []

    def report(taken: Taken) -> None:
        answers.append(httpx2.post(**_report_of(place, taken)).status_code)

    async def start_and_stop() -> None:
        async with open_http() as http:
            backend = Backend.to(_numbers(0, 3)[:1], "early", place, http)
            place.gateways[FIRST].behaviour = gateway.accept_after(report)
            (to,) = backend.starts
            assert await backend.start(to)
            assert await asyncio.to_thread(place.server.stop) == 0
            assert answers == [200]
            assert [len(one.to(to)) for one in place.gateways.values()] == [1, 1, 0]
            place.begin()
            await _hold(backend)

    asyncio.run(start_and_stop())
