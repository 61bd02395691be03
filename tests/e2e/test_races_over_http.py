"""Two worker processes over one database, asked many things at once: docs/contract.md, 2 and 3."""

import asyncio
import csv
import os
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.production import address, number_of, pass_of
from tests.e2e.server import PATIENCE_SECONDS, Answer, Line, Server, command
from tests.integration.postgres_server import DATABASES

ROUNDS = int(os.environ.get("RACE_ROUNDS", "3"))
"""Of every race; the soak asks for a hundred."""

LINES = 100
PEOPLE_A_ROUND = 103
"""One whose right code and one whose wrong code is presented, one asked for by twenty, and the
hundred that one client asks for."""

pytestmark = pytest.mark.timeout(120 + 10 * ROUNDS)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Two workers, and the passes of everybody."""
    folder = tmp_path_factory.mktemp("races")
    settings = {"MODE": "development", "WORKERS": "2", "TRUSTED_PROXIES": "127.0.0.1/32"}
    if request.param == "postgres":
        settings["DATABASE_URL"] = asyncio.run(DATABASES.empty())
    _write_passes(folder / "passes.csv")
    assert command(folder, "db", "upgrade", **settings).returncode == 0
    imported = command(folder, "passes", "import", "passes.csv", **settings)
    assert imported.returncode == 0, imported.stderr
    with Server(folder, "serve", **settings) as found:
        yield found


def _write_passes(path: Path) -> None:
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(
            (
                *("pass_code", "payment_status", "plan_name", "expires_at"),
                *("email", "first_name", "last_name", "phone_number"),
            )
        )
        for person in range(PEOPLE_A_ROUND * ROUNDS):
            email = f"u{person}@example.com"
            out.writerow([pass_of(person), "paid", "Gold", "", email, "A", "B", number_of(person)])


@asynccontextmanager
async def open_lines(server: Server) -> AsyncGenerator[list[Line]]:
    """A hundred connections, several to each worker."""
    lines: list[Line] = []
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                while len(lines) < LINES:
                    lines += await asyncio.gather(*(Line.open(server.port) for _ in range(10)))
                if min(server.connections(), default=LINES) >= LINES // 5:
                    break
                await _close(lines)  # one worker is still starting, or slow to take its share
                await asyncio.sleep(0.1)
        # Those of one worker first would give it a start.
        yield lines[::2] + lines[1::2]
    finally:
        await _close(lines)


async def _close(lines: list[Line]) -> None:
    await asyncio.gather(*(line.close() for line in lines))
    lines.clear()


def words(answers: list[Answer], success: str) -> Counter[tuple[int, str]]:
    """How often each status with its word was answered."""
    return Counter(
        (answer.status, success if answer.body.get(success) else answer["error"])
        for answer in answers
    )


async def send(line: Line, person: int, client: str) -> Answer:
    """Ask for a code."""
    return await line.post("/customer/send-otp/", {"pass_code": pass_of(person)}, client)


async def verify(line: Line, person: int, otp: str, client: str) -> Answer:
    """Present a code."""
    body = {"pass_code": pass_of(person), "otp": otp}
    return await line.post("/customer/verify-otp/", body, client)


def wrong(code: str) -> str:
    """Another code."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_of_fifty_right_codes_one_succeeds(server: Server) -> None:
    """Of fifty right codes at the same instant exactly one succeeds, and the rest find it used."""

    async def race() -> None:
        async with open_lines(server) as lines:
            for number in range(ROUNDS):
                person, client = PEOPLE_A_ROUND * number, address(number)
                assert (await send(lines[0], person, client)).status == 200
                code = server.message_to(number_of(person)).code
                answers = await asyncio.gather(
                    *(verify(line, person, code, client) for line in lines[:50])
                )
                assert words(answers, "success") == {(200, "success"): 1, (400, "otp_expired"): 49}

    asyncio.run(race())


def test_of_fifty_wrong_codes_three_are_judged(server: Server) -> None:
    """Of fifty wrong codes at the same instant exactly three are judged; then none is right."""

    async def race() -> None:
        async with open_lines(server) as lines:
            for number in range(ROUNDS):
                person, client = PEOPLE_A_ROUND * number + 1, address(1_000 + number)
                assert (await send(lines[0], person, client)).status == 200
                code = server.message_to(number_of(person)).code
                answers = await asyncio.gather(
                    *(verify(line, person, wrong(code), client) for line in lines[:50])
                )
                assert words(answers, "success") == {
                    (400, "invalid_otp"): 3,
                    (400, "too_many_attempts"): 47,
                }
                left = [a.body.get("attempts_remaining") for a in answers]
                assert sorted(n for n in left if n is not None) == [0, 1, 2]
                late = await verify(lines[0], person, code, client)
                assert late["error"] == "too_many_attempts"

    asyncio.run(race())


def test_of_twenty_sends_one_is_a_message(server: Server) -> None:
    """Twenty sends at the same instant to one number make one message, and its code works."""

    async def race() -> None:
        async with open_lines(server) as lines:
            for number in range(ROUNDS):
                person = PEOPLE_A_ROUND * number + 2
                clients = [address(10_000 + 20 * number + caller) for caller in range(20)]
                answers = await asyncio.gather(
                    *(send(*caller) for caller in zip(lines, [person] * 20, clients, strict=False))
                )
                assert words(answers, "sent") == {(200, "sent"): 1, (429, "resend_too_soon"): 19}
                to = number_of(person)
                assert [message.to for message in server.messages].count(to) == 1
                code = server.message_to(to).code
                assert (await verify(lines[0], person, code, clients[0])).status == 200

    asyncio.run(race())


def test_of_a_hundred_sends_of_one_client_five_are_messages(server: Server) -> None:
    """A hundred sends at the same instant to a hundred numbers from one address: five messages."""

    async def race() -> None:
        async with open_lines(server) as lines:
            for number in range(ROUNDS):
                people = range(PEOPLE_A_ROUND * number + 3, PEOPLE_A_ROUND * (number + 1))
                client = address(20_000 + number)
                answers = await asyncio.gather(
                    *(
                        send(line, person, client)
                        for line, person in zip(lines, people, strict=False)
                    )
                )
                assert words(answers, "sent") == {(200, "sent"): 5, (429, "rate_limited"): 95}
                numbers = {number_of(person) for person in people}
                shown = [message.to for message in server.messages if message.to in numbers]
                assert len(shown) == len(set(shown)) == 5

    asyncio.run(race())
