"""Servers are killed while backends start verifications: docs/contract.md, 13.6."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
import httpx2
import pytest
from sqlalchemy import make_url

from hsp_otp.domain.policy import CLAIM_SECONDS, PHONE_SENDS_PER_DAY
from tests import gateway
from tests.e2e.production import by
from tests.e2e.server import Server, command, until
from tests.faults.proxy import Proxy
from tests.faults.site import open_http
from tests.gateway import Gateway
from tests.integration import behind, postgres_server
from tests.integration.redis_server import RedisServer

ROUNDS = int(os.environ.get("KILL_ROUNDS", "2"))
"""The kills over each kind of store; 200 in script/soak."""

START: Final = "/v1/verifications"
STARTS: Final = 4
CALLERS: Final = 3
"""Of each start, at once."""

LONGER_THAN_A_CLAIM: Final = CLAIM_SECONDS + 6
"""Seconds; the clocks of two machines may be 5 s apart."""

APP: Final = """
[shop]
account = "acme"
service_name = "Acme Shop"
[shop.limits]
sends_per_minute = 600
"""

Sent: TypeAlias = tuple[str, bool]
"""The id of a verification, and whether the answer was given before."""


@attrs.define(kw_only=True)
class Place:
    """
    A service that is killed, the provider of its messages, and what a backend needs.

    Attributes:
        rows: In front of the database; None if nothing can be.
        killed: Set once the server of a round is dead.
    """

    folder: Path
    settings: dict[str, str]
    database: str | None
    gateway: Gateway
    rows: Proxy | None
    key: str = attrs.field(repr=False, default="")
    server: Server = attrs.field(init=False)
    killed: threading.Event = attrs.field(factory=threading.Event)
    once: threading.Lock = attrs.field(factory=threading.Lock)

    def begin(self) -> None:
        """Start a server, and let everything work."""
        self.gateway.behaviour = gateway.accept
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


Moment: TypeAlias = Callable[[Place, str, float], None]
"""Has a place killed at a moment: of rows with a note, or some seconds from now."""


# The moments


def before_its_row(place: Place, note: str, instant: float) -> None:
    """Redis has admitted a send, or PostgreSQL is about to; the row is on its way."""
    del instant
    assert place.rows is not None

    def watch(said: bytes) -> bool:
        found = note.encode() in said
        if found:
            place.kill()
        return found

    place.rows.watch = watch


def before_its_message(place: Place, note: str, instant: float) -> None:
    """The send has its row; the provider has the request, and has not taken the message."""
    del note, instant

    def behave(handler: gateway.Handler, form: gateway.Form) -> None:
        place.kill()
        gateway.reset(handler, form)

    place.gateway.behaviour = behave


def before_its_answer(place: Place, note: str, instant: float) -> None:
    """The provider has taken the message; the service has not been told."""
    del note, instant

    def behave(handler: gateway.Handler, form: gateway.Form) -> None:
        handler.house.take(form)
        place.kill()
        gateway.reset(handler, form)

    place.gateway.behaviour = behave


def at_any_instant(place: Place, note: str, instant: float) -> None:
    """The provider is slow, and the server is killed some time after the first requests."""
    del note

    def behave(handler: gateway.Handler, form: gateway.Form) -> None:
        handler.house.closing.wait(instant / 4)
        gateway.accept(handler, form)

    place.gateway.behaviour = behave
    threading.Timer(instant, place.kill).start()


MOMENTS: Final[tuple[Moment, ...]] = (
    before_its_message,
    before_its_row,
    before_its_answer,
    at_any_instant,
)


# The stores


@pytest.fixture(scope="module")
def postgres() -> Iterator[postgres_server.Server]:
    """A server for the databases of two places."""
    with postgres_server.Server() as found:
        yield found


@pytest.fixture(scope="module", params=["sqlite", "postgres", "redis"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """SQLite or PostgreSQL holds everything, or Redis the challenges beside PostgreSQL."""
    folder = tmp_path_factory.mktemp("killed")
    settings = {"MODE": "development", "WORKERS": "2", "RESEND_COOLDOWN_SECONDS": "0"}
    database, rows = None, None
    with ExitStack() as stack:
        if request.param != "sqlite":
            server: postgres_server.Server = request.getfixturevalue("postgres")
            name = f"codes_{request.param}"
            behind.apart(
                postgres_server.execute(server.url, f"CREATE DATABASE {name} TEMPLATE template0")
            )
            rows = stack.enter_context(Proxy(server.folder / ".s.PGSQL.5432"))
            settings["DATABASE_URL"] = f"postgresql+asyncpg://postgres@127.0.0.1:{rows.port}/{name}"
            database = make_url(server.url).set(database=name).render_as_string()
        if request.param == "redis":
            redis = RedisServer.start("--appendonly", "yes")
            stack.callback(redis.stop)
            settings |= {"REDIS_URL": redis.url, "CHALLENGE_STORE": "redis"}
        provider = stack.enter_context(Gateway())
        settings |= by(twilio=provider)
        found = Place(
            folder=folder, settings=settings, database=database, gateway=provider, rows=rows
        )
        (folder / "apps.toml").write_text(APP)
        for line in ("db upgrade", "apps import apps.toml"):
            assert command(folder, *line.split(), **settings).returncode == 0
        new = "api-keys new --name checkout --app shop"
        found.key = command(folder, *new.split(), **settings).stdout.strip()
        found.begin()
        stack.callback(found.end)
        yield found


# A round


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
                await self.post("/dev/clock/", {"advance_seconds": LONGER_THAN_A_CLAIM})
            for number in waiting:
                assert await self.start(number)

    async def charged(self, number: str) -> int:
        """How many sends its number was charged."""
        told = (await self.post("/v1/standing", {"to": number})).json()
        (left,) = (
            one["remaining"] for one in told["limits"] if one["limit"] == "phone_rate_limited"
        )
        return PHONE_SENDS_PER_DAY - int(left)


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
    async with open_http() as http:
        backend = Backend(
            place=place,
            http=http,
            starts={to: f"start-{to[1:]}" for to in numbers},
            note=f"note-{number}-",
            sent={to: [] for to in numbers},
        )
        # The instants spread evenly, in whatever number of rounds.
        moment(place, backend.note, 0.3 * (number * 0.618 % 1))
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
    moments = MOMENTS if place.rows is not None else (MOMENTS[0], *MOMENTS[2:])
    moment = moments[number % len(moments)]
    found = asyncio.run(kill_and_repeat(place, moment, number))
    messages = {to: len(place.gateway.to(to)) for to in found.answers}
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
