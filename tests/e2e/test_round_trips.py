"""How often a request asks its stores: a number that goes up only where somebody means it to."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Final

import attrs
import pytest

from tests.e2e.production import address, number_of, pass_of, prepare, start
from tests.e2e.server import Server, until
from tests.faults.proxy import Proxy
from tests.gateway import Gateway
from tests.integration import postgres_server
from tests.integration.redis_server import RedisServer

ASKED: Final = {
    "sql": {
        "validate": {"statements": 3, "sql": 3},
        "send": {"statements": 6, "sql": 6},
        "verify": {"statements": 7, "sql": 7},
    },
    "redis counts": {
        "validate": {"statements": 2, "sql": 2, "redis": 2},
        "send": {"statements": 4, "sql": 4, "redis": 2},
        "verify": {"statements": 5, "sql": 5, "redis": 2},
    },
    "redis holds the challenges": {
        "validate": {"statements": 2, "sql": 2, "redis": 2},
        "send": {"statements": 3, "sql": 3, "redis": 4},
        "verify": {"statements": 3, "sql": 3, "redis": 4},
    },
}
"""Statements, and round trips to either store, of one request by itself."""

SETTINGS: Final = {
    "sql": dict[str, str](),
    "redis counts": {"CHALLENGE_STORE": "sql"},
    "redis holds the challenges": {"CHALLENGE_STORE": "redis"},
}

RECOVERED: Final = {
    "sql": (),
    "redis counts": ("usage",),
    "redis holds the challenges": ("usage", "slots"),
}
"""What Redis holds."""

PEOPLE: Final = 10


@attrs.define
class Asked:
    """What went to the stores."""

    counts: Counter[str] = attrs.field(factory=Counter[str])

    def of_postgres(self, said: bytes) -> bool:
        """Count messages of its protocol."""
        at = 0
        while at < len(said) and said[at]:  # a connection begins with one of another form
            kind = said[at : at + 1]
            self.counts["statements"] += kind in b"EQ"
            self.counts["sql"] += kind in b"SQH"
            at += 1 + int.from_bytes(said[at + 1 : at + 5], "big")
        return False

    def of_redis(self, said: bytes) -> bool:
        """Whatever is said at once takes one round trip."""
        self.counts["redis"] += said.startswith(b"*")
        return False

    def since(self) -> dict[str, int]:
        """What was counted since the last call."""
        counts, self.counts = +self.counts, Counter()
        return dict(counts)


def is_recovered(redis: RedisServer, store: str) -> bool:
    """Whether what Redis has lost of a store has been restored."""
    return redis.ask("GET", f"{{hsp-otp}}:{store}:epoch").endswith(b":recovered\r\n")


@pytest.fixture(params=SETTINGS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Server, Gateway, Asked]]:
    """A server whose stores are behind proxies that count."""
    kind: str = request.param
    asked, folder = Asked(), tmp_path_factory.mktemp("trips")
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server.Server("fsync=on"))
        proxy = stack.enter_context(Proxy(postgres.folder / ".s.PGSQL.5432"))
        proxy.watch = asked.of_postgres
        settings = {
            "DATABASE_URL": f"postgresql+asyncpg://postgres@127.0.0.1:{proxy.port}/postgres",
            "WORKERS": "1",
        }
        if kind != "sql":
            redis = RedisServer.start()
            stack.callback(redis.stop)
            beside = stack.enter_context(Proxy(redis.port))
            beside.watch = asked.of_redis
            settings |= SETTINGS[kind] | {"REDIS_URL": f"redis://127.0.0.1:{beside.port}"}
        keys = prepare(folder, PEOPLE, DATABASE_URL=settings["DATABASE_URL"])
        gateway = stack.enter_context(Gateway())
        server = stack.enter_context(start(folder, keys, gateway, **settings))
        for store in RECOVERED[kind]:
            # Until then, requests ask the database for what Redis lacks.
            until(partial(is_recovered, redis, store))
        yield kind, server, gateway, asked


def test_how_often_a_request_asks(site: tuple[str, Server, Gateway, Asked]) -> None:
    """Alone; many at once share what they ask."""
    kind, server, gateway, asked = site
    least: dict[str, dict[str, int]] = {}
    # Each connection of a pool prepares the statements at its first turn, and several are open
    # after a slow start.
    for person in range(PEOPLE):
        client = {"X-Forwarded-For": address(person)}
        told = {"pass_code": pass_of(person)}
        for name in ("validate", "send", "verify"):
            path = {"validate": "validate-pass"}.get(name, f"{name}-otp")
            if name == "verify":
                told["otp"] = gateway.to(number_of(person))[-1].code
            asked.since()
            assert server.post(f"/customer/{path}/", told, **client).status == 200
            found = asked.since()
            # Once a second the server looks after Redis by itself, perhaps right now.
            before = least.get(name, found) if person > 1 else found
            least[name] = {what: min(count, before[what]) for what, count in found.items()}
    assert least == ASKED[kind]
