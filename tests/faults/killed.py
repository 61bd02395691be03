"""A service that is killed at chosen moments while a backend starts verifications."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
import httpx2
from sqlalchemy import make_url

from hsp_otp.domain.policy import CLAIM_SECONDS, PHONE_SENDS_PER_DAY
from tests import gateway
from tests.e2e.production import PUBLIC_URL, by
from tests.e2e.server import Server, command
from tests.faults.proxy import Proxy
from tests.gateway import Gateway
from tests.integration import behind, postgres_server
from tests.integration.redis_server import RedisServer
from tests.plays import PLAYED

ROUNDS = int(os.environ.get("KILL_ROUNDS", "2"))
"""The kills over each kind of store; 200 in script/soak."""

START: Final = "/v1/verifications"

LONGER_THAN_A_CLAIM: Final = CLAIM_SECONDS + 6
"""Seconds; the clocks of two machines may be 5 s apart."""

APP: Final = """
[shop]
account = "acme"
service_name = "Acme Shop"
channels = {{ phone = {channels} }}
[shop.limits]
sends_per_minute = 600
"""

Sent: TypeAlias = tuple[str, bool]
"""The id of a verification, and whether the answer was given before."""


@attrs.define(kw_only=True)
class Place:
    """
    A service that is killed, the providers of its messages, and what a backend needs.

    Attributes:
        gateways: By the names of senders.
        rows: In front of the database; None if nothing can be.
        killed: Set once the server of a round is dead.
    """

    folder: Path
    settings: dict[str, str]
    database: str | None
    gateways: Mapping[str, Gateway]
    rows: Proxy | None
    key: str = attrs.field(repr=False, default="")
    server: Server = attrs.field(init=False)
    killed: threading.Event = attrs.field(factory=threading.Event)
    once: threading.Lock = attrs.field(factory=threading.Lock)

    def begin(self) -> None:
        """Start a server, and let everything work."""
        for one in self.gateways.values():
            one.behaviour = gateway.accept
        if self.rows is not None:
            self.rows.watch = None
        self.killed.clear()
        self.server = Server(self.folder, "serve", **self.settings)

    def kill(self) -> None:
        """Kill the server, once."""
        with self.once:
            if not self.killed.is_set():
                self.server.kill()
                self.killed.set()

    def end(self) -> None:
        """Kill what runs."""
        self.server.kill()

    def query(self, statement: str) -> list[Any]:
        """Query the database."""
        if self.database is not None:
            return behind.apart(postgres_server.execute(self.database, statement))
        return behind.execute(self.folder / "hsp-otp.db", statement)


@contextmanager
def open_place(kind: str, folder: Path, senders: Mapping[str, str]) -> Iterator[Place]:
    """
    Start a service.

    Args:
        kind: ``sqlite`` or ``postgres`` for everything, or ``redis`` for challenges beside
            PostgreSQL.
        folder: Its own.
        senders: The channel of each, in the order of the app.
    """
    settings = {
        "MODE": "development",
        "WORKERS": "2",
        "RESEND_COOLDOWN_SECONDS": "0",
        "PUBLIC_URL": PUBLIC_URL,
    }
    database, rows = None, None
    with ExitStack() as stack:
        if kind != "sqlite":
            server = stack.enter_context(postgres_server.Server())
            behind.apart(
                postgres_server.execute(server.url, "CREATE DATABASE codes TEMPLATE template0")
            )
            rows = stack.enter_context(Proxy(server.folder / ".s.PGSQL.5432"))
            settings["DATABASE_URL"] = f"postgresql+asyncpg://postgres@127.0.0.1:{rows.port}/codes"
            database = make_url(server.url).set(database="codes").render_as_string()
        if kind == "redis":
            redis = RedisServer.start("--appendonly", "yes")
            stack.callback(redis.stop)
            settings |= {"REDIS_URL": redis.url, "CHALLENGE_STORE": "redis"}
        gateways = {name: stack.enter_context(Gateway(PLAYED[name])) for name in senders}
        settings |= by(**gateways)
        found = Place(
            folder=folder, settings=settings, database=database, gateways=gateways, rows=rows
        )
        (folder / "apps.toml").write_text(APP.format(channels=[*senders.values()]))
        for line in ("db upgrade", "apps import apps.toml"):
            assert command(folder, *line.split(), **settings).returncode == 0
        new = "api-keys new --name checkout --app shop"
        found.key = command(folder, *new.split(), **settings).stdout.strip()
        found.begin()
        stack.callback(found.end)
        yield found


@attrs.frozen
class Killing:
    """
    What a moment is chosen by.

    Attributes:
        sender: The name of the sender whose message it is about.
        said: Stands in the rows of the sends that it is about, and in nothing before them.
        instant: Seconds from now.
    """

    sender: str
    said: bytes
    instant: float


Moment: TypeAlias = Callable[[Place, Killing], None]
"""Has a place killed at a moment."""


def before_its_row(place: Place, killing: Killing) -> None:
    """Redis has admitted a send, or PostgreSQL is about to; the row is on its way."""
    assert place.rows is not None

    def watch(said: bytes) -> bool:
        found = killing.said in said
        if found:
            place.kill()
        return found

    place.rows.watch = watch


def before_its_message(place: Place, killing: Killing) -> None:
    """The send has its row; the provider has the request, and has not taken the message."""

    def behave(handler: gateway.Handler, form: gateway.Form) -> None:
        place.kill()
        gateway.reset(handler, form)

    place.gateways[killing.sender].behaviour = behave


def before_its_answer(place: Place, killing: Killing) -> None:
    """The provider has taken the message; the service has not been told."""

    def behave(handler: gateway.Handler, form: gateway.Form) -> None:
        handler.house.take(form)
        place.kill()
        gateway.reset(handler, form)

    place.gateways[killing.sender].behaviour = behave


def at_any_instant(place: Place, killing: Killing) -> None:
    """The provider is slow, and the server is killed some time after the first requests."""

    def behave(handler: gateway.Handler, form: gateway.Form) -> None:
        handler.house.closing.wait(killing.instant / 4)
        gateway.accept(handler, form)

    place.gateways[killing.sender].behaviour = behave
    threading.Timer(killing.instant, place.kill).start()


MOMENTS: Final[tuple[Moment, ...]] = (
    before_its_message,
    before_its_row,
    before_its_answer,
    at_any_instant,
)


def moment_of(place: Place, number: int) -> Moment:
    """The moment of the round with that number."""
    moments = MOMENTS if place.rows is not None else (MOMENTS[0], *MOMENTS[2:])
    return moments[number % len(moments)]


def instant_of(number: int) -> float:
    """Seconds that spread evenly, in whatever number of rounds."""
    return 0.3 * (number * 0.618 % 1)


@attrs.define(kw_only=True)
class Backend:
    """
    A backend that repeats a start under its idempotency key until it has an answer.

    Attributes:
        starts: The numbers, each with the idempotency key of its start.
        note: Stands in the rows of these verifications, and nowhere else.
        sent: The answers to each number.
    """

    place: Place
    http: httpx2.AsyncClient
    starts: dict[str, str]
    note: str
    sent: dict[str, list[Sent]]

    @classmethod
    def to(
        cls, numbers: Sequence[str], note: str, place: Place, http: httpx2.AsyncClient
    ) -> "Backend":
        """A backend that has not started anything."""
        return cls(
            place=place,
            http=http,
            starts={to: f"start-{to[1:]}" for to in numbers},
            note=note,
            sent={to: [] for to in numbers},
        )

    async def post(self, path: str, body: object, **headers: str) -> httpx2.Response:
        """Make a request."""
        return await self.http.post(
            f"http://127.0.0.1:{self.place.server.port}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.place.key}"} | headers,
        )

    async def start(self, number: str) -> bool:
        """Start once; return whether it was answered, other than by being told to wait."""
        body = {"to": number, "metadata": {"note": self.note}}
        told = await self.post(START, body, **{"Idempotency-Key": self.starts[number]})
        if told.status_code == 409:
            assert told.json()["error"] == "idempotency_in_progress"
            return False
        assert told.status_code == 200, told.text
        self.sent[number].append((told.json()["id"], "Idempotent-Replayed" in told.headers))
        return True

    async def try_to_start(self, number: str) -> None:
        """Start at a server that is killed meanwhile."""
        with suppress(httpx2.TransportError):
            await self.start(number)

    async def repeat(self) -> None:
        """Repeat every start until it is answered, and once more."""
        for _ in range(2):
            waiting = [number for number in self.starts if not await self.start(number)]
            if waiting:
                await self.advance()
            for number in waiting:
                assert await self.start(number)

    async def advance(self) -> None:
        """Let no send be under way any more."""
        await self.post("/dev/clock/", {"advance_seconds": LONGER_THAN_A_CLAIM})

    async def charged(self, number: str) -> int:
        """How many sends its number was charged."""
        told = (await self.post("/v1/standing", {"to": number})).json()
        (left,) = (
            one["remaining"] for one in told["limits"] if one["limit"] == "phone_rate_limited"
        )
        return PHONE_SENDS_PER_DAY - int(left)
