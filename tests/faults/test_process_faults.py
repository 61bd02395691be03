"""Our own processes die at every step, or are told to stop: docs/contract.md, 5.6."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import attrs
import pytest
from sqlalchemy import make_url

from tests import gateway
from tests.e2e.server import until
from tests.faults.conftest import ROUNDS
from tests.faults.proxy import Proxy
from tests.faults.site import Fault, Site, open_site
from tests.integration import postgres_server
from tests.integration.behind import apart
from tests.integration.redis_server import RedisServer


@attrs.define
class Place:
    """
    A site over PostgreSQL, with counts in Redis; its parts are behind proxies.

    Attributes:
        store: In front of what holds the challenges.
        killed: Set when the servers were.
    """

    site: Site
    store: Proxy
    killed: threading.Event = attrs.field(factory=threading.Event)
    once: threading.Lock = attrs.field(factory=threading.Lock)

    def kill(self) -> None:
        """End the server on the spot, once."""
        with self.once:
            if not self.killed.is_set():
                (server,) = self.site.servers
                self.site.kill(server)
                self.killed.set()

    def between_limit_and_store(self) -> None:
        """What limits look-ups was charged; the challenge is not stored yet."""

        def watch(said: bytes) -> bool:
            if b"slot:phone_verification" not in said or self.killed.is_set():
                return False
            self.kill()
            return True

        self.store.watch = watch

    def between_store_and_message(self) -> None:
        """The challenge is stored; the provider has not taken the message."""
        self._with_message(takes=False)

    def between_message_and_answer(self) -> None:
        """The provider has taken the message; nobody has been told."""
        self._with_message(takes=True)

    def _with_message(self, *, takes: bool) -> None:
        def behave(handler: gateway.Handler, form: gateway.Form) -> None:
            if self.killed.is_set():
                gateway.accept(handler, form)
                return
            if takes:
                handler.house.take(form)
            self.kill()
            gateway.reset(handler, form)

        self.site.street.gateways["twilio"].behaviour = behave

    def mend(self) -> None:
        """Once they are dead, another one is started."""
        assert self.killed.wait(60)
        self.store.watch = None
        self.site.street.gateways["twilio"].behaviour = gateway.accept
        self.killed.clear()
        self.site.begin()


@pytest.fixture(scope="module", params=["sql", "redis"] if ROUNDS > 1 else ["redis"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """The challenges are in PostgreSQL, or in Redis."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server.Server("fsync=on"))
        redis = RedisServer.start("--appendonly", "yes")
        stack.callback(redis.stop)
        to_postgres = stack.enter_context(Proxy(postgres.folder / ".s.PGSQL.5432"))
        to_redis = stack.enter_context(Proxy(redis.port))
        apart(postgres_server.execute(postgres.url, "CREATE DATABASE codes TEMPLATE template0"))
        site = open_site(
            stack,
            tmp_path_factory.mktemp("processes"),
            database=make_url(postgres.url).set(database="codes").render_as_string(),
            DATABASE_URL=f"postgresql+asyncpg://postgres@127.0.0.1:{to_postgres.port}/codes",
            REDIS_URL=f"redis://127.0.0.1:{to_redis.port}",
            CHALLENGE_STORE=request.param,
        )
        yield Place(site, to_redis if request.param == "redis" else to_postgres)
        site.hold_secrets()


KILLS: Final[dict[str, Callable[[Place], None]]] = {
    "between limit and store": Place.between_limit_and_store,
    "between store and message": Place.between_store_and_message,
    "between message and answer": Place.between_message_and_answer,
    "at any instant": Place.kill,
}


@pytest.mark.parametrize("name", KILLS)
def test_the_process_is_killed(place: Place, name: str, number: int) -> None:
    """No second success, no lost guess, no limit exceeded; at worst somebody asks again."""
    del number
    place.site.round(Fault(breaks=lambda: KILLS[name](place), mends=place.mend, lasts=0.3))


def test_the_process_is_told_to_stop(place: Place, number: int) -> None:
    """It ends what it has begun, with status 0, and every answer has its row."""
    del number
    (server,) = place.site.servers
    place.site.round(
        Fault(
            breaks=lambda: place.site.stop(server),
            mends=place.site.begin,
            lasts=0,
        )
    )


def test_two_servers_are_restarted_one_after_the_other(place: Place, number: int) -> None:
    """There is always one that answers."""
    del number
    site = place.site
    (first,) = site.servers

    def roll() -> None:
        for server in (first, second):
            site.stop(server)
            site.begin()

    second = site.begin()
    site.round(Fault(breaks=roll, lasts=0))
    site.stop(site.servers[0])


def test_workers_are_restarted_one_after_the_other(place: Place, number: int) -> None:
    """A server that is told to start its workers anew does so under load."""
    del number
    (server,) = place.site.servers
    before = set(server.workers())

    def roll() -> None:
        os.kill(server.process.pid, signal.SIGHUP)
        until(lambda: len(server.workers()) == 2 and not before & set(server.workers()), 60)

    place.site.round(Fault(breaks=roll, lasts=0))
