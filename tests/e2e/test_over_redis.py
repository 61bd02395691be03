"""A service whose challenges, limits and counts are in Redis: docs/contract.md, 5.4 and 5.6."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

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
from tests.e2e.server import Line, Server, command, until
from tests.gateway import Gateway
from tests.integration.behind import LATE
from tests.integration.redis_server import RedisServer

OUTCOMES = "SELECT outcome FROM audit WHERE pass_code IN ('HSP-****-0001', 'HSP-****-0002')"
"""Of the first two people."""

AWAY = ("unavailable", "usage_in_sql", "usage_in_redis_again")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with a database, people and keys."""
    folder = tmp_path_factory.mktemp("redis")
    return folder, prepare(folder)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server of one's own that keeps what it is told on disk."""
    found = RedisServer.start("--appendonly", "yes")
    yield found
    found.thaw()
    found.stop()


def ready(server: Server) -> tuple[int, str, str]:
    """What /readyz says: its status, the word, and of Redis."""
    answer = server.get("/readyz")
    return answer.status, answer["status"], answer["checks"]["redis"]


def test_redis_holds_the_challenges(
    prepared: tuple[Path, dict[str, str]], redis: RedisServer
) -> None:
    """A sign-in; frozen, 503 in time and nothing sent; thawed, all is as it was."""
    folder, keys = prepared
    with (
        Gateway() as gateway,
        start(folder, keys, gateway, REDIS_URL=redis.url, CHALLENGE_STORE="redis") as server,
    ):
        assert ready(server) == (200, "ready", "ok")
        assert server.send(pass_of(1)).status == 200
        code = gateway.to(number_of(1))[-1].code
        assert server.verify(pass_of(1), wrong(code))["attempts_remaining"] == 2
        redis.freeze()
        began = time.monotonic()
        refused = server.verify(pass_of(1), code)
        assert (refused.status, refused["error"]) == (503, "unavailable")
        assert "retry-after" in refused.headers
        assert time.monotonic() - began < LATE
        assert server.send(pass_of(2)).status == 503
        until(lambda: ready(server) == (503, "unavailable", "away"))
        redis.thaw()
        # Both workers know, whichever is asked.
        until(lambda: all(ready(server) == (200, "ready", "ok") for _ in range(20)))
        assert server.verify(pass_of(1), code).status == 200
        assert gateway.to(number_of(2)) == []
        told = Counter(outcome for (outcome,) in query(folder, OUTCOMES))
        assert told == {"sent": 1, "invalid_otp": 1, "unavailable": 2, "verified": 1}
        assert unexpected(server, *AWAY) == []
        server.stop()


def test_redis_only_counts(prepared: tuple[Path, dict[str, str]], redis: RedisServer) -> None:
    """
    Killed, the database counts on from where Redis was, and metrics say so; back, Redis counts on
    from where that was.
    """
    folder, keys = prepared
    settings = {"LOOKUPS_PER_CLIENT_HOUR": "4", "WORKERS": "1", "METRICS_PORT": "0"}
    with (
        Gateway() as gateway,
        start(folder, keys, gateway, REDIS_URL=redis.url, **settings) as server,
    ):

        def look() -> int:
            body, client = {"pass_code": pass_of(3)}, {"X-Forwarded-For": "10.0.0.3"}
            return server.post("/customer/validate-pass/", body, **client).status

        assert [look(), look()] == [200, 200]
        redis.kill()
        assert [look(), look(), look()] == [200, 200, 429]
        until(lambda: ready(server) == (200, "degraded", "away"))
        until(lambda: server.metric("limiter_degraded") == 1)
        redis.begin()
        until(lambda: ready(server) == (200, "ready", "ok"))
        time.sleep(1)  # for which it is not asked again
        assert [look(), look()] == [429, 429]
        until(lambda: server.metric("limiter_degraded") == 0)
        assert (
            server.metric("limiter_fallbacks_total") >= 1
        )  # a busy machine makes it wait too long once more
        assert server.metric("refusals_total", limit="lookup_rate_limited") == 3
        assert server.metric("port_call_duration_seconds_count", port="usage", store="redis") == 7
        assert unexpected(server, *AWAY) == []
        server.stop()


@pytest.mark.parametrize("store", ["sql", "redis"])
def test_checks_while_redis_is_frozen(
    prepared: tuple[Path, dict[str, str]], redis: RedisServer, store: str
) -> None:
    """Checks take less than 300 ms more at the median, and none starves, whatever Redis is for."""
    folder, keys = prepared
    with (
        Gateway() as gateway,
        start(folder, keys, gateway, REDIS_URL=redis.url, CHALLENGE_STORE=store) as server,
    ):
        usual, _ = asyncio.run(_checks(server, range(800, 900)))
        redis.freeze()
        took, status = asyncio.run(_checks(server, range(1_000, 1_300)))
        # Others on this machine slow both down.
        assert statistics.median(took) < 0.3 + 3 * statistics.median(usual)
        assert max(took) < LATE
        assert status == {400 if store == "sql" else 503}
        began = time.monotonic()
        assert server.get("/healthz").status == 200
        assert time.monotonic() - began < LATE
        redis.thaw()
        until(lambda: ready(server) == (200, "ready", "ok"))
        assert unexpected(server, *AWAY) == []
        server.stop()


async def _checks(server: Server, people: range) -> tuple[list[float], set[int]]:
    """How long checks by people took, eight at a time, and how they were answered."""
    took: list[float] = []
    status: set[int] = set()

    async def present(line: Line, some: range) -> None:
        for person in some:
            began = time.monotonic()
            body = {"pass_code": pass_of(person), "otp": "000000"}
            answer = await line.post("/customer/verify-otp/", body, address(person))
            took.append(time.monotonic() - began)
            status.add(answer.status)

    async with open_lines(server, 8) as lines:
        await asyncio.gather(*(present(line, people[place::8]) for place, line in enumerate(lines)))
    return took, status


def test_an_unfit_redis_is_refused(prepared: tuple[Path, dict[str, str]]) -> None:
    """One that drops records ends the start with a line, where it is to hold the challenges."""
    folder, keys = prepared
    unfit = RedisServer.start("--maxmemory-policy", "allkeys-lru")
    try:
        given = keys | {"SENDERS": "console", "MODE": "development", "REDIS_URL": unfit.url}
        done = command(folder, "serve", **given, CHALLENGE_STORE="redis")
        assert done.returncode == 1
        *_, line = done.stderr.splitlines()
        assert line.startswith("hsp-otp: Redis drops records")
        assert "noeviction" in line
    finally:
        unfit.stop()
