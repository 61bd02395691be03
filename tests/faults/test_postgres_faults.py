"""PostgreSQL breaks in every way, and holds everything: docs/contract.md, 5.6."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, Final, TypeVar

import asyncpg
import attrs
import pytest
from sqlalchemy import make_url

from tests.faults.proxy import Line, Proxy
from tests.faults.site import Fault, Site, open_site
from tests.integration.behind import apart
from tests.integration.postgres_server import Server, connect, execute

T = TypeVar("T")

DATABASE: Final = "codes"

HANG_UP: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hsp-otp'"
)
READ_ONLY: Final = f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = "


class Somebody:
    """Somebody else who is connected to the server, and may hold what the service wants."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._held: list[asyncpg.Connection] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Go away."""
        self.let_go()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def say(self, *statements: str) -> None:
        """Say something."""
        self._do(self._say(statements))

    def take_connections(self) -> None:
        """Take all that there are, those of the service too."""
        self._do(self._take_connections())

    def hold_rows(self) -> None:
        """Lock the slots that there are."""
        self._do(self._hold_rows())

    def let_go(self) -> None:
        """Of whatever is held."""
        self._do(self._let_go())

    async def _say(self, statements: tuple[str, ...]) -> None:
        connection = await connect(self._url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def _take_connections(self) -> None:
        self._held.append(await connect(self._url))
        await self._held[0].execute(HANG_UP)
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                self._held.append(await connect(self._url))

    async def _hold_rows(self) -> None:
        self._held.append(await connect(self._url))
        await self._held[0].execute("BEGIN")
        await self._held[0].execute(
            "SELECT FROM records WHERE key LIKE 'slot:%' FOR UPDATE SKIP LOCKED"
        )

    async def _let_go(self) -> None:
        held, self._held = self._held, []
        for connection in held:
            await connection.close()


@attrs.frozen
class Place:
    """A site with its PostgreSQL behind a proxy."""

    site: Site
    postgres: Server
    proxy: Proxy
    somebody: Somebody


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server that forgets nothing in a crash, as production insists."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Server("fsync=on", "max_connections=30"))
        proxy = stack.enter_context(Proxy(postgres.folder / ".s.PGSQL.5432"))
        apart(execute(postgres.url, f"CREATE DATABASE {DATABASE} TEMPLATE template0"))
        url = make_url(postgres.url).set(database=DATABASE)
        somebody = Somebody(url.render_as_string())
        stack.callback(somebody.close)
        site = open_site(
            stack,
            tmp_path_factory.mktemp("postgres"),
            database=url.render_as_string(),
            DATABASE_URL=f"postgresql+asyncpg://postgres@127.0.0.1:{proxy.port}/{DATABASE}",
        )
        yield Place(site, postgres, proxy, somebody)
        site.hold_secrets()


def behave(line: Line) -> Callable[[Place], Fault]:
    """The line to the server is bad for a while."""
    return lambda place: Fault(
        breaks=partial(place.proxy.become, line),
        mends=partial(place.proxy.become, Line.PASSES),
        lasts=1,
        refuses=None if line in {Line.DELAYS, Line.DRIPS} else True,
    )


FAULTS: dict[str, Callable[[Place], Fault]] = {
    "killed": lambda place: Fault(
        breaks=place.postgres.kill, mends=place.postgres.start, refuses=True
    ),
    "connections killed": lambda place: Fault(
        breaks=partial(place.somebody.say, HANG_UP), mends=partial(place.somebody.say, HANG_UP)
    ),
    "frozen": lambda place: Fault(
        breaks=place.postgres.freeze, mends=place.postgres.thaw, lasts=2.5, refuses=True
    ),
    "out of connections": lambda place: Fault(
        breaks=place.somebody.take_connections, mends=place.somebody.let_go
    ),
    "read-only": lambda place: Fault(
        breaks=partial(place.somebody.say, READ_ONLY + "on", HANG_UP),
        mends=partial(
            place.somebody.say,
            "SET default_transaction_read_only = off",
            READ_ONLY + "off",
            HANG_UP,
        ),
        refuses=True,
    ),
    "rows held": lambda place: Fault(
        breaks=place.somebody.hold_rows, mends=place.somebody.let_go, lasts=2
    ),
    "slow": behave(Line.DELAYS),
    "swallowed": behave(Line.SWALLOWS),
    "cut off": behave(Line.BREAKS),
    "dripping": behave(Line.DRIPS),
}


@pytest.mark.parametrize("name", FAULTS)
def test_postgres_breaks(place: Place, name: str, number: int) -> None:
    """Whatever the database does, the history holds, and afterwards all works without a restart."""
    del number
    place.site.round(attrs.evolve(FAULTS[name](place), spares_database=False))
