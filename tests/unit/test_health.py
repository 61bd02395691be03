"""Whether the process lives, and whether it can serve: docs/contract.md, 5.4."""

import json
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from hsp_otp.ports.failures import Unavailable
from tests.http import Client, problem


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a service whose database answers."""
    with Client() as opened:
        yield opened


@pytest.mark.parametrize("path", ["/healthz", "/healthz/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_alive(method: str, path: str) -> None:
    """5.4: 200, and nothing is touched, the database least of all."""

    async def touched() -> bool:
        raise AssertionError

    with Client(database_answers=touched) as client:
        reply = client.request(method, path)
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/json"
        assert reply.json == {"status": "ok"}
        assert client.world.audit.rows == []
        assert client.world.charged("lookups") == 0


@pytest.mark.parametrize("path", ["/readyz", "/readyz/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ready(client: Client, method: str, path: str) -> None:
    """5.4: 200 while the database answers."""
    reply = client.request(method, path)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json == {
        "status": "ready",
        "checks": {"database": "ok", "redis": "not configured", "senders": "ok"},
    }


def test_degraded(client: Client) -> None:
    """5.4: 200 while every sender is skipped, for codes can still be checked."""
    client.world.outbox.skipped = True
    reply = client.request("GET", "/readyz")
    assert reply.status == 200
    assert reply.json == {
        "status": "degraded",
        "checks": {"database": "ok", "redis": "not configured", "senders": "away"},
    }


@pytest.mark.parametrize("path", ["/readyz", "/readyz/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_not_ready(method: str, path: str) -> None:
    """5.4: 503 while the database is away, and the log says so too."""

    async def away() -> bool:
        return False

    with Client(database_answers=away) as client, capture_logs() as logged:
        reply = client.request(method, path)
        assert reply.status == 503
        assert reply.json == {
            "status": "unavailable",
            "checks": {"database": "away", "redis": "not configured", "senders": "ok"},
        }
    assert [(line["status"], line["outcome"]) for line in logged] == [(503, "unavailable")]


def test_ready_again() -> None:
    """5.4: every request asks anew."""
    answers = iter([True, False, True])

    async def database() -> bool:
        return next(answers)

    with Client(database_answers=database) as client:
        assert [client.request("GET", "/readyz").status for _ in range(3)] == [200, 503, 200]


def test_a_check_that_fails_itself() -> None:
    """5.6: a database that cannot even be asked is a 503 like any other."""

    async def lost() -> bool:
        raise Unavailable

    with Client(database_answers=lost) as client:
        reply = client.request("GET", "/readyz")
        assert reply.headers["retry-after"] == "2"
        assert reply.json == problem(
            503,
            "Service Unavailable",
            "unavailable",
            "The service is not available at the moment. Please try again soon.",
        )


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_takes_any_request_that_asks(client: Client, path: str) -> None:
    """5.4: a body, a type or a query that a probe sends along is ignored."""
    for body, content_type in ((b"\xff", None), (json.dumps([]).encode(), "text/plain")):
        reply = client.request("GET", path, body=body, headers={"content-type": content_type})
        assert reply.status == 200
        assert reply.reads == 0


@pytest.mark.parametrize(
    ("store", "answers", "status", "word"),
    [
        ("sql", True, 200, "ready"),
        ("sql", False, 200, "degraded"),
        ("redis", True, 200, "ready"),
        ("redis", False, 503, "unavailable"),
    ],
)
def test_redis_is_needed_where_it_holds_the_challenges(
    store: str, *, answers: bool, status: int, word: str
) -> None:
    """5.4: a Redis that only counts is missed, and the database counts instead."""

    async def redis_answers() -> bool:
        return answers

    with Client(redis_answers=redis_answers, challenge_store=store) as client:
        reply = client.request("GET", "/readyz")
        assert reply.status == status
        assert reply.json["status"] == word
        assert reply.json["checks"]["redis"] == ("ok" if answers else "away")
