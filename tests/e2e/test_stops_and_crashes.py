"""A service in production mode is told to stop, or killed, at any moment: docs/contract.md, 5.6."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from pathlib import Path

import attrs
import pytest

from tests import gateway as played
from tests.e2e.production import (
    address,
    number_of,
    open_lines,
    pass_of,
    prepare,
    query,
    start,
    unexpected,
    wrong,
)
from tests.e2e.server import Answer, Line, Server, until
from tests.gateway import Gateway
from tests.integration.behind import LATE

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "2"))
"""Of kills; the soak asks for a hundred."""

SENDS_A_NUMBER = 3
SENDS_A_CLIENT = 5
PEOPLE_A_CLIENT = 4
CLIENTS_A_ROUND = 3

pytestmark = pytest.mark.timeout(120 + 30 * ROUNDS)


async def send(line: Line, person: int, client: str, request_id: str = "") -> Answer:
    """Ask for a code."""
    body = {"pass_code": pass_of(person)}
    return await line.post("/customer/send-otp/", body, client, request_id)


async def verify(
    line: Line, person: int, otp: str, client: str, *, challenge: str = "", request_id: str = ""
) -> Answer:
    """Present a code."""
    body = {"pass_code": pass_of(person), "otp": otp}
    if challenge:
        body["challenge_id"] = challenge
    return await line.post("/customer/verify-otp/", body, client, request_id)


# --- Told to stop


def test_a_stop_under_load_loses_nothing(tmp_path: Path) -> None:
    """Every request that a stopping server took is answered, and it ends with 0 in time."""
    keys = prepare(tmp_path)
    with Gateway() as gateway, start(tmp_path, keys, gateway) as server:

        def take_a_while(handler: played.Handler, form: dict[str, str]) -> None:
            handler.house.closing.wait(1.5)
            played.accept(handler, form)

        gateway.behaviour = take_a_while
        sent, answered, lost, took = asyncio.run(_stop(server, gateway))
        assert server.process.returncode == 0
        assert took < 10 + LATE
        assert Counter((answer.status, answer.body.get("sent")) for answer in sent) == {
            (200, True): 60
        }
        assert len(gateway.taken) == 60
        told = {row[0] for row in query(tmp_path, "SELECT request_id FROM audit")}
        assert answered <= told
        assert not lost & told
        assert len(answered) > 100
        assert unexpected(server) == []


async def _stop(server: Server, gateway: Gateway) -> tuple[list[Answer], set[str], set[str], float]:
    """
    Stop a server while sixty sends wait for the provider and forty clients present codes.

    Returns:
        The answers of the sends; the checks that were answered and those that were not; how long
        the stop took.
    """
    answered, lost = set[str](), set[str]()

    async def go_on(line: Line, client: int) -> None:
        for number in range(10_000):
            request_id = f"check-{client}-{number}"
            try:
                answer = await verify(
                    *(line, client, "000000", address(client * 1_000 + number // 40)),
                    request_id=request_id,
                )
            except (OSError, asyncio.IncompleteReadError):
                lost.add(request_id)
                return
            assert answer["error"] == "otp_expired"
            answered.add(request_id)

    async with open_lines(server, 100) as lines:
        sends = [
            asyncio.create_task(send(line, person, address(person)))
            for person, line in enumerate(lines[:60])
        ]
        checks = [
            asyncio.create_task(go_on(line, 100 + client)) for client, line in enumerate(lines[60:])
        ]
        await asyncio.to_thread(until, lambda: gateway.asked == 60 and len(answered) > 100)
        began = time.monotonic()
        server.process.terminate()
        assert await asyncio.to_thread(server.process.wait, 30) == 0
        took = time.monotonic() - began
        sent = await asyncio.gather(*sends)
        await asyncio.gather(*checks)
    return sent, answered, lost, took


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_while_the_provider_hangs(tmp_path: Path, workers: str) -> None:
    """Sends that hang when the server is told to stop fail, their codes are withdrawn, in time."""
    keys = prepare(tmp_path)
    with Gateway() as gateway, start(tmp_path, keys, gateway, WORKERS=workers) as server:

        def take_and_hang(handler: played.Handler, form: dict[str, str]) -> None:
            handler.house.take(form)
            played.hang(handler, form)

        gateway.behaviour = take_and_hang

        async def stop() -> tuple[list[Answer], float]:
            async with open_lines(server, 10) as lines:
                asking = [
                    asyncio.create_task(send(line, person, address(person)))
                    for person, line in enumerate(lines)
                ]
                await asyncio.to_thread(until, lambda: gateway.asked == 10)
                began = time.monotonic()
                server.process.terminate()
                answers = await asyncio.gather(*asking)
                assert await asyncio.to_thread(server.process.wait, 30) == 0
                return answers, time.monotonic() - began

        answers, took = asyncio.run(stop())
        assert took < 10 + LATE
        assert {(answer.status, answer.body.get("error")) for answer in answers} == {
            (400, "sms_failed")
        }
        bodies = query(tmp_path, "SELECT body FROM records WHERE key LIKE 'slot:%'")
        assert len(bodies) == 10
        assert all('"ended":"withdrawn"' in str(body) for (body,) in bodies)
        assert unexpected(server) == []


# --- Killed


@attrs.define
class Issue:
    """
    A code that somebody was told of, and what came of it.

    Attributes:
        successes: How often it signed somebody in.
        left: The guesses that were left after each wrong one, as they were answered.
    """

    person: int
    client: str
    challenge: str
    code: str
    successes: int = 0
    left: list[int] = attrs.field(factory=list[int])

    def note(self, answer: Answer) -> None:
        """Keep what a check of this code came to."""
        self.successes += answer.status == 200
        if answer.body.get("error") == "invalid_otp":
            self.left.append(answer["attempts_remaining"])


def test_a_kill_at_any_instant(tmp_path: Path) -> None:
    """
    The server is killed amid checks and sends, again and again: no code succeeds twice, no guess
    is lost, no limit exceeded, every message has its row, the funnel agrees with the audit, and the
    database is sound.
    """
    keys = prepare(tmp_path)
    issues: list[Issue] = []
    settings = {
        "RESEND_COOLDOWN_SECONDS": "0",
        "PHONE_SENDS_PER_DAY": str(SENDS_A_NUMBER),
        "LOGIN_SENDS_PER_CLIENT_HOUR": str(SENDS_A_CLIENT),
        "CHECKS_PER_CLIENT_HOUR": "0",
        "LOOKUPS_PER_CLIENT_HOUR": "0",
    }
    with Gateway() as gateway:
        for number in range(ROUNDS):
            server = start(tmp_path, keys, gateway, **settings)
            try:
                # The instants spread evenly, in whatever number of rounds.
                instant = 0.1 + 1.4 * (number * 0.618 % 1)
                issues += asyncio.run(_until_killed(server, gateway, number, instant))
            finally:
                server.kill()
            assert query(tmp_path, "PRAGMA integrity_check") == [("ok",)]
            _note_unanswered(tmp_path, issues)
            with start(tmp_path, keys, gateway, **settings) as server:
                asyncio.run(_afterwards(server, number, issues))
    assert len(issues) > ROUNDS
    assert sum(issue.successes for issue in issues) > 0
    _hold(tmp_path, gateway, issues)


def _note_unanswered(folder: Path, issues: list[Issue]) -> None:
    """A code that the database says is used has had its success, told or not."""
    families = query(folder, "SELECT substr(key, 8) FROM records WHERE key LIKE 'family:%'")
    slots = query(
        folder,
        "SELECT body ->> '$.others.challenge.id' FROM records WHERE key LIKE 'slot:%'"
        " AND body ->> '$.others.challenge.ended' = 'used'",
    )
    used = {row[0] for row in families + slots}
    for issue in issues:
        if issue.challenge in used:
            issue.successes = max(issue.successes, 1)


def _hold(folder: Path, gateway: Gateway, issues: list[Issue]) -> None:
    """What a kill must not have broken, by the provider's witness and the answers."""
    for issue in issues:
        assert issue.successes <= 1, issue
        assert len(issue.left) <= 3, issue
        assert len(set(issue.left)) == len(issue.left), issue
        assert len(issue.left) < 3 or not issue.successes, issue
    sent = Counter(taken.to for taken in gateway.taken)
    assert max(sent.values()) <= SENDS_A_NUMBER
    right = {(number_of(issue.person), issue.code) for issue in issues if issue.successes}
    charged: Counter[str] = Counter()
    for taken in gateway.taken:
        charged[taken.to] += 1
        if (taken.to, taken.code) in right:
            charged[taken.to] = 0  # a right code gives its client all sends so far back
    for number in range(ROUNDS):
        for people in _groups(number).values():
            assert sum(charged[number_of(person)] for person in people) <= SENDS_A_CLIENT
    rows = query(folder, "SELECT contact, count(*) FROM sends GROUP BY contact")
    kept = Counter({str(phone): int(str(count)) for phone, count in rows})
    assert not sent - kept
    assert max(kept.values()) <= SENDS_A_NUMBER
    by = "SELECT action, outcome, sum(count) FROM audit WHERE action IN ('send', 'check')"
    stepped = "SELECT step, word, sum(count) FROM funnel WHERE word <> ''"
    assert set(query(folder, f"{stepped} GROUP BY step, word")) == set(
        query(folder, f"{by} GROUP BY action, outcome")
    )
    assert query(folder, "PRAGMA integrity_check") == [("ok",)]


def _groups(number: int) -> dict[str, range]:
    """The people of a round by their clients' addresses."""
    first = number * CLIENTS_A_ROUND
    return {
        address(group): range(group * PEOPLE_A_CLIENT, (group + 1) * PEOPLE_A_CLIENT)
        for group in range(first, first + CLIENTS_A_ROUND)
    }


async def _until_killed(
    server: Server, gateway: Gateway, number: int, instant: float
) -> list[Issue]:
    """Ask for codes and present them until the server is killed; the codes that were sent."""
    issues: list[Issue] = []
    before = gateway.asked

    async def go_on(lines: list[Line], person: int, client: str) -> None:
        while True:
            answer = await send(lines[0], person, client)
            if answer.status == 429:
                return
            assert answer.status == 200
            code = gateway.to(number_of(person))[-1].code
            issue = Issue(person, client, answer["challenge_id"], code)
            issues.append(issue)
            # Half of the codes are used, several times at once; the other half is exhausted.
            for otp in ((wrong(code), code), (wrong(code), wrong(code), code))[person % 2]:
                await asyncio.gather(*(check(line, issue, otp) for line in lines))

    async def check(line: Line, issue: Issue, otp: str) -> None:
        issue.note(await verify(line, issue.person, otp, issue.client, challenge=issue.challenge))

    async def until_it_breaks(person: int, client: str) -> None:
        async with open_lines(server, 2) as lines:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await go_on(lines, person, client)

    working = [
        asyncio.create_task(until_it_breaks(person, client))
        for client, people in _groups(number).items()
        for person in people
    ]
    await asyncio.to_thread(until, lambda: gateway.asked > before)
    await asyncio.sleep(instant)
    server.kill()
    await asyncio.gather(*working)
    return issues


async def _afterwards(server: Server, number: int, issues: list[Issue]) -> None:
    """Present every code of the round again, and ask until somebody says no."""
    clients, elsewhere = _groups(number), address(1_000_000 + number)
    async with open_lines(server, 1) as (line,):
        for issue in [issue for issue in issues if issue.client in clients]:
            for otp in (wrong(issue.code), issue.code, issue.code):
                issue.note(
                    await verify(line, issue.person, otp, elsewhere, challenge=issue.challenge)
                )
        for client, people in clients.items():
            for person in people:
                for _ in range(SENDS_A_NUMBER + 1):
                    answer = await send(line, person, client)
                    assert answer.status in {200, 429}
                assert answer["error"] in {"phone_rate_limited", "rate_limited"}
