"""A service in production mode over real stores, used by people while something breaks."""

import asyncio
import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import attrs
import httpx2

from tests.e2e.production import by, prepare, start
from tests.e2e.server import Server
from tests.e2e.sessions import csrf_token
from tests.faults.history import History, hold, hold_rows
from tests.faults.visitors import PATIENCE_SECONDS, Customer, Street, Visitor
from tests.gateway import Gateway
from tests.integration import behind, postgres_server
from tests.plays import PLAYS

CODE_SECONDS: Final = 8
SENDS_A_NUMBER: Final = 10
SENDS_A_CLIENT: Final = 12
PEOPLE: Final = 4_000

CUSTOMERS: Final = 4
VISITORS: Final = 1

_SETTINGS: Final = {
    "RESEND_COOLDOWN_SECONDS": "0",
    "PHONE_SENDS_PER_DAY": str(SENDS_A_NUMBER),
    "LOGIN_SENDS_PER_CLIENT_HOUR": str(SENDS_A_CLIENT),
    "LOGIN_CODE_SECONDS": str(CODE_SECONDS),
    "SIGNUP_CODE_SECONDS": str(CODE_SECONDS),
    "CHECKS_PER_CLIENT_HOUR": "0",
    "LOOKUPS_PER_CLIENT_HOUR": "0",
    "FAILED_GUESSES_PER_DAY": "0",
    "FAILED_GUESSES_PER_30_DAYS": "0",
    # Thousands of messages would reach the caps of a day.
    "SPEND_PER_DAY": "0",
    "LOGIN_SPEND_PER_DAY": "0",
    "SPEND_PER_REGION_DAY": "0",
}


def _nothing() -> None:
    """Do nothing."""


@attrs.frozen(kw_only=True)
class Fault:
    """
    A fault that is injected and repaired.

    Attributes:
        lasts: Seconds from break to repair.
        heals_within: Seconds after which everything works again: the contract's five, and some more
            for a busy machine.
        patience: Seconds that an answer may take meanwhile, to check that nothing hangs even on a
            busy machine. Other tests check the contract's exact times.
        spares_database: Whether the SQL database is up all the time.
        refuses: Whether a request meanwhile gets a 503; None if that is uncertain and not tested.
            If False, no request may get one.
    """

    breaks: Callable[[], object]
    mends: Callable[[], object] = _nothing
    lasts: float = 0.7
    heals_within: float = 20.0
    patience: float = 20.0
    spares_database: bool = True
    refuses: bool | None = None


@attrs.define(kw_only=True)
class Site:
    """
    A service with its people and its providers.

    Attributes:
        folder: The folder with the keys and any SQLite database.
        database: The URL of a PostgreSQL database; None for SQLite.
        settings: Settings in addition to those of all sites.
        servers: The running servers.
    """

    folder: Path
    database: str | None
    settings: dict[str, str]
    keys: dict[str, str]
    street: Street
    servers: list[Server] = attrs.field(factory=list[Server])
    outputs: list[str] = attrs.field(factory=list[str])
    _people: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def begin(self) -> Server:
        """Start another server."""
        folder = self.folder / f"server-{len(self.outputs)}"
        folder.mkdir()
        self.outputs.append(str(folder))
        given = self.keys | _SETTINGS | self.settings
        server = start(folder, given, self.street.gateways)
        self.servers.append(server)
        return server

    def kill(self, server: Server) -> None:
        """Kill a server."""
        self.servers.remove(server)
        server.kill()

    def stop(self, server: Server) -> None:
        """Stop a server like a supervisor does."""
        self.servers.remove(server)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10 + behind.LATE
        server.kill()

    def customer(self, http: httpx2.AsyncClient) -> Customer:
        """Create a new person with a pass."""
        return Customer(person=next(self._people), street=self.street, http=http)

    def visitor(self, http: httpx2.AsyncClient) -> Visitor:
        """Create a new person without a pass."""
        return Visitor(person=next(self._people), street=self.street, http=http)

    def round(self, fault: Fault) -> None:
        """Inject *fault* while people sign in and sign up, then check recovery and history."""
        began = time.monotonic()
        self.street.history = History()
        asyncio.run(self._round(fault))
        self.street.collect(began)
        history = self.street.history
        assert len([check for check in history.checks if check.status == 200]) > 1
        hold(
            history,
            lifetime=CODE_SECONDS,
            sends_a_number=SENDS_A_NUMBER,
            sends_a_client=SENDS_A_CLIENT,
        )
        slowest = max(history.steps, key=lambda step: step.ended - step.began)
        assert slowest.ended - slowest.began < fault.patience, slowest
        refused = [step for step in history.steps if step.status == 503]
        assert fault.refuses is not False or not refused, refused
        self._hold_rows(history, exactly=fault.spares_database)

    async def _round(self, fault: Fault) -> None:
        stop = asyncio.Event()
        async with open_http() as http:
            people: list[Customer | Visitor] = []
            coming = [self.customer] * CUSTOMERS + [self.visitor] * VISITORS
            busy = [asyncio.create_task(_come(one, http, people, stop)) for one in coming]
            try:
                await asyncio.sleep(0.3)
                try:
                    await asyncio.to_thread(fault.breaks)
                    lasting = asyncio.create_task(asyncio.sleep(fault.lasts))
                    if fault.refuses is not None:
                        ask = await self.customer(http).ask()
                        assert (ask.status == 503) is fault.refuses, ask
                    await lasting
                finally:
                    await asyncio.to_thread(fault.mends)
                await self._heal(http, fault.heals_within)
            finally:
                stop.set()
                await asyncio.gather(*busy)
            await self._afterwards(people)

    async def _heal(self, http: httpx2.AsyncClient, within: float) -> None:
        """Wait until a new person can sign in."""
        give_up = time.monotonic() + within
        customer = self.customer(http)
        while True:
            ask = await customer.ask()
            code = self.street.newest(customer.number)
            if ask.status == 200 and code is not None:
                got = await customer.present(code, ask.challenge)
                if got.status == 200:
                    return
            assert time.monotonic() < give_up, ask
            await asyncio.sleep(0.1)

    async def _afterwards(self, people: Sequence[Customer | Visitor]) -> None:
        """Present everybody's latest codes once more."""
        for person in people:
            if isinstance(person, Customer):
                sent = [
                    one for way in self.street.gateways.values() for one in way.to(person.number)
                ]
                for taken in sorted(sent, key=lambda one: one.at)[-3:]:
                    await person.present(taken.code)
                    await person.present(taken.code)

    def _hold_rows(self, history: History, *, exactly: bool) -> None:
        """Check the audit rows; rows that were set aside arrive within seconds."""
        give_up = time.monotonic() + behind.PATIENCE_SECONDS
        while True:
            # A withdrawal has a row of its own beside that of its request.
            found = self.query(
                "SELECT request_id, sum(count) FROM audit"
                " WHERE action <> 'withdraw' GROUP BY request_id"
            )
            rows = Counter({str(request_id): int(count) for request_id, count in found})
            with suppress(AssertionError):
                return hold_rows(history, rows, exactly=exactly)
            if time.monotonic() > give_up:
                return hold_rows(history, rows, exactly=exactly)
            time.sleep(0.2)

    def query(self, statement: str) -> list[Any]:
        """Query the database."""
        if self.database is not None:
            return behind.apart(postgres_server.execute(self.database, statement))
        return behind.execute(self.folder / "hsp-otp.db", statement)

    def hold_secrets(self) -> None:
        """Check that no server's output contains a number, a code or a token."""
        for folder in self.outputs:
            for name in ("stdout.txt", "stderr.txt"):
                _hold_output((Path(folder) / name).read_text("utf-8"), self.street.secrets)


def open_http() -> httpx2.AsyncClient:
    """Create a client that keeps connections and uses no proxy."""
    return httpx2.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False)


def open_site(
    stack: ExitStack,
    folder: Path,
    *,
    database: str | None = None,
    providers: Sequence[str] = ("twilio",),
    **settings: str,
) -> Site:
    """
    Start a service of one server with two workers.

    Args:
        stack: Stops the service.
        database: The URL of an empty PostgreSQL database.
    """
    gateways = {name: stack.enter_context(Gateway(PLAYS[name])) for name in providers}
    if database is None:
        url = f"sqlite+aiosqlite:///{folder / 'hsp-otp.db'}"
        keys = prepare(folder, PEOPLE)
    else:
        url, keys = database, prepare(folder, PEOPLE, DATABASE_URL=database)
    site = Site(
        folder=folder,
        database=database,
        settings={"DATABASE_URL": url} | settings,
        keys=keys | by(**gateways),
        street=Street(ports=list, gateways=gateways, token=csrf_token(keys["SECRET_KEYS"])),
    )
    site.street.ports = lambda: [server.port for server in site.servers]
    stack.callback(_end, site)
    site.begin()
    return site


def _end(site: Site) -> None:
    for server in site.servers:
        server.kill()


async def _come(
    somebody: Callable[[httpx2.AsyncClient], Customer | Visitor],
    http: httpx2.AsyncClient,
    people: list[Customer | Visitor],
    stop: asyncio.Event,
) -> None:
    """Let one person visit again and again, and then other people."""
    while not stop.is_set():
        person = somebody(http)
        people.append(person)
        for number in itertools.count(person.person):
            began = time.monotonic()
            if not await person.visit(number) or stop.is_set():
                break
            await asyncio.sleep(max(0.0, 0.3 - (time.monotonic() - began)))  # nobody types faster


def _hold_output(text: str, secrets: set[str]) -> None:
    told = "\n".join(map(_without_noise, text.splitlines()))
    assert not re.search(r"\+91\d{10}|98\d{8}|HSP-\d{4}-\d{4}", told)
    words = set(re.findall(r"\w[\w.-]+", told))
    assert not words & secrets
    assert not any(secret in told for secret in secrets if len(secret) > 20)


def _without_noise(line: str) -> str:
    """Return a line without its time, request id and port, which may contain any digits."""
    if not line.startswith("{"):
        return line
    told = json.loads(line)
    for name in ("timestamp", "request_id", "port", "client", "milliseconds"):
        told.pop(name, None)
    return json.dumps(told)
