"""PostgreSQL that dies, freezes, is cut off or says no: docs/contract.md, 5.6 and 9."""

import asyncio
import time
import traceback
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import pytest
from sqlalchemy import make_url, text

from hsp_otp.adapters.sql.connections import Changes, Found, RefusedError, deadline
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.postgres import READERS, WRITERS, PostgresConnections
from hsp_otp.adapters.sql.schema import is_newest, upgrade
from hsp_otp.adapters.sql.write_statements import RECORDS
from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.names import ClientAddress, PassCode
from hsp_otp.domain.slot_record import Held
from hsp_otp.flows.caller import Caller
from hsp_otp.ports.failures import Unavailable
from tests.integration import postgres_server
from tests.integration.behind import LATE, PATIENCE_SECONDS, until
from tests.integration.postgres_server import Server
from tests.integration.stores import Stores, sql_stores
from tests.integration.test_contracts import BOTH, SLOT, a_pass, audit_row, one_more, send_row
from tests.world import CLIENT, PHONE, ManualClock, Outbox, slot_of

pytestmark = pytest.mark.anyio

CODE = PassCode("HSP-1234-5678")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that may be maltreated."""
    with Server("max_connections=24") as found:
        yield found


@attrs.frozen
class Site:
    """A database on it, open."""

    url: str
    database: Database
    stores: Stores

    async def execute(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Do something behind the service's back."""
        return [
            tuple(row) for row in await postgres_server.execute(self.url, statement, *parameters)
        ]


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Site]:
    """A database that is there."""
    async with Database(url, durable=True) as database:
        yield Site(url, database, sql_stores(database, GroupCommit(database)))


async def new(server: Server, name: str) -> str:
    """The URL of a new database with the newest schema and a pass."""
    await postgres_server.execute(server.url, f"CREATE DATABASE {name} TEMPLATE template0")
    url = make_url(server.url).set(database=name).render_as_string()
    async with opened(url) as site:
        await upgrade(site.database)
        await site.stores.add(a_pass())
    return url


@pytest.fixture
async def site(server: Server, request: pytest.FixtureRequest) -> AsyncGenerator[Site]:
    """A new database, used once already, so that there are connections to lose."""
    async with opened(await new(server, f"t{abs(hash(request.node.name))}")) as found:
        await works(found)
        yield found


async def works(site: Site) -> None:
    """Reading and writing work."""
    await site.stores.slots.transition(SLOT, BOTH, one_more)
    assert await site.stores.passes.find(CODE) == a_pass()


async def fails_in_time(site: Site) -> None:
    """Whatever is asked, together, is unavailable before an answer would be late."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    outcomes = await asyncio.gather(
        *(site.stores.slots.transition(slot_of(f"u{n}"), BOTH, one_more) for n in range(20)),
        *(site.stores.passes.find(CODE) for _ in range(20)),
        return_exceptions=True,
    )
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert loop.time() - began < LATE
    began = loop.time()
    assert not await site.database.takes_writes()
    assert loop.time() - began < LATE


async def heals(site: Site) -> None:
    """Everything works again, and then every time."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await works(site)
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                break
    await asyncio.gather(*(works(site) for _ in range(30)))
    assert await site.database.takes_writes()


# --- Away


async def test_a_frozen_server(server: Server, site: Site) -> None:
    """A server that stands still is unavailable in time, and serves as soon as it goes on."""
    server.freeze()
    try:
        await fails_in_time(site)
    finally:
        server.thaw()
    await heals(site)


async def test_leaving_a_frozen_server(server: Server) -> None:
    """Who lets go of a server that stands still does not wait for it."""
    url = await new(server, "leaving")
    async with opened(url) as site:
        await asyncio.gather(*(works(site) for _ in range(30)))
        server.freeze()
        began = asyncio.get_running_loop().time()
    try:
        assert asyncio.get_running_loop().time() - began < LATE
    finally:
        server.thaw()


async def test_a_killed_server(server: Server, site: Site) -> None:
    """A server that was killed is unavailable in time, and serves once it is there again."""
    server.kill()
    try:
        await fails_in_time(site)
    finally:
        server.start()
    await heals(site)


async def test_connections_that_were_ended(site: Site) -> None:
    """Connections that a server ended while they lay idle cost nobody an answer."""
    await site.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def are_gone() -> bool:
        return (
            await site.execute(
                "SELECT FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            == []
        )

    await until(are_gone)
    await works(site)


async def test_a_goodbye_without_an_end(server: Server, tmp_path: Path) -> None:
    """A connection whose end has been announced, and has not come yet, costs nobody an answer."""
    url, goodbyes = await new(server, "goodbye"), asyncio.Semaphore(0)
    lines = list[asyncio.StreamWriter]()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(writer)
        behind = await asyncio.open_unix_connection(server.folder / ".s.PGSQL.5432")
        there = asyncio.ensure_future(pump(reader, behind[1]))
        await pump(behind[0], writer)
        goodbyes.release()  # and the line stays open
        await there
        behind[1].close()

    folder = str(tmp_path)
    async with await asyncio.start_unix_server(serve, f"{folder}/.s.PGSQL.5432") as network:
        behind = make_url(url).set(query={"host": folder}).render_as_string()
        async with opened(behind) as site:
            await works(site)
            ended = await postgres_server.execute(
                server.url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'goodbye'",
            )
            assert len(ended) >= 2
            for _ in ended:
                await asyncio.wait_for(goodbyes.acquire(), PATIENCE_SECONDS)
            await works(site)
        for line in lines:
            line.close()
        network.close()


async def test_connections_that_end_in_the_middle_of_a_question(site: Site) -> None:
    """Whatever the driver makes of a goodbye out of turn, it is a server that is away."""
    everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
    name = make_url(site.url).database
    outcomes: list[object] = []

    async def ask(number: int) -> None:
        for _ in range(60):
            outcomes.extend(
                await asyncio.gather(
                    site.stores.slots.transition(slot_of(f"u{number}"), BOTH, one_more),
                    site.stores.passes.find(CODE),
                    return_exceptions=True,
                )
            )

    asking = asyncio.gather(*(ask(number) for number in range(16)))
    while not asking.done():
        await postgres_server.execute(
            make_url(site.url).set(database="postgres").render_as_string(), everybody, name
        )
    await asking
    failures = {type(one) for one in outcomes if isinstance(one, BaseException)}
    assert failures <= {Unavailable}
    await heals(site)


@pytest.mark.slow
async def test_an_answer_at_the_last_moment(site: Site) -> None:
    """A connection that is closed while an answer to the driver is being read is unavailable."""
    connections, loop = PostgresConnections(site.url), asyncio.get_running_loop()

    def decide(found: Found) -> Changes:
        _, version = found.get("probe:1", ("", 0))
        return Changes({RECORDS: [("probe:1", "{}", version + 1)]}, ())

    # The loop stands still, after ever more of its turns, until the answer and the end are there.
    for turns in range(0, 700, 14):
        await connections.settle(("probe:1",), lambda _: Changes({}, ()), deadline(), locking=False)
        by = loop.time() + 0.02
        step = asyncio.create_task(connections.settle(("probe:1",), decide, by, locking=False))
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.03)  # noqa: ASYNC251 - as a busy machine would
        (outcome,) = await asyncio.gather(step, return_exceptions=True)
        assert outcome is True or isinstance(outcome, Unavailable)
    await connections.close()


async def test_a_network_that_swallows_everything(server: Server, tmp_path: Path) -> None:
    """Cut off without a word, it is unavailable in time, and serves once packets pass again."""
    url = await new(server, "swallowed")
    passing = asyncio.Event()
    passing.set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await passing.wait()
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await asyncio.open_unix_connection(server.folder / ".s.PGSQL.5432")
        await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer))

    folder = str(tmp_path)
    async with await asyncio.start_unix_server(serve, f"{folder}/.s.PGSQL.5432") as network:
        behind = make_url(url).set(query={"host": folder}).render_as_string()
        async with opened(behind) as site:
            await works(site)
            passing.clear()
            await fails_in_time(site)
            passing.set()
            await heals(site)
        network.close()


async def test_a_server_that_is_out_of_connections(server: Server, site: Site) -> None:
    """Where all connections are taken, whoever has none is unavailable, until one is free."""
    taken = []
    with suppress(Exception):
        while True:
            taken.append(await postgres_server.connect(server.url))
    try:
        async with opened(site.url) as late:
            await fails_in_time(late)
            for connection in taken:
                await connection.close()
            await heals(late)
    finally:
        for connection in taken:
            connection.terminate()


async def test_a_server_that_may_only_be_read(site: Site) -> None:
    """On a standby steps are unavailable, and passes are found all the same; it is not ready."""
    name = make_url(site.url).database
    assert await site.database.takes_writes()
    await site.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with opened(site.url) as standby:
        with pytest.raises(Unavailable):
            await standby.stores.slots.transition(SLOT, BOTH, one_more)
        assert await standby.stores.passes.find(CODE) == a_pass()
        assert not await standby.database.takes_writes()


async def test_no_more_connections_than_are_allowed(site: Site) -> None:
    """However many ask at once, a process has five connections at most."""
    await asyncio.gather(*(works(site) for _ in range(200)))
    (found,) = await site.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'hsp-otp'"
    )
    assert found[0] in range(2, WRITERS + READERS + 1)


# --- Locks


async def test_a_row_that_somebody_holds(site: Site) -> None:
    """A row that is locked fails its own steps in time, and nobody else's."""
    loop = asyncio.get_running_loop()
    other = slot_of("u2")
    await site.stores.slots.transition(other, (), one_more)
    holding = await postgres_server.connect(site.url)
    await holding.execute("BEGIN")
    await holding.execute("SELECT FROM records WHERE key LIKE 'slot:%u1' FOR UPDATE")
    began = loop.time()
    stuck = asyncio.create_task(site.stores.slots.transition(SLOT, (), one_more))
    together = asyncio.create_task(site.stores.slots.transition(other, (), one_more))

    async def is_met() -> bool:
        return await site.execute("SELECT FROM pg_locks WHERE NOT granted") != []

    await until(is_met)
    for _ in range(5):
        await site.stores.slots.transition(slot_of("u3"), (), one_more)
    assert await together == 1
    with pytest.raises(Unavailable):
        await stuck
    assert loop.time() - began < LATE
    waiting = asyncio.create_task(site.stores.slots.transition(SLOT, (), one_more))
    await until(is_met)
    await holding.close()
    assert await waiting == 1


async def test_what_a_step_only_reads_keeps_it_waiting_for_nobody(site: Site) -> None:
    """Everybody's misses are locked by who misses alone: a look-up that hits goes on."""
    login = site.stores.login(ManualClock(), SystemRandomness(), Outbox())
    caller = Caller(ClientAddress(CLIENT), "r1")
    assert (await login.validate(PassCode("HSP-9999-9999"), caller)).word == "pass_not_found"
    other = await postgres_server.connect(site.url)
    try:
        await other.execute(
            "BEGIN; SELECT * FROM records WHERE key = 'usage:lookup_misses:everybody' FOR UPDATE"
        )
        for _ in range(5):
            assert (await login.validate(CODE, caller)).word == "valid"
        missing = asyncio.ensure_future(login.validate(PassCode("HSP-9999-9998"), caller))
        await asyncio.sleep(0.2)
        assert not missing.done()
    finally:
        await other.close()
    assert (await missing).word == "pass_not_found"


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_what_postgres_asks_to_try_again(site: Site, state: str) -> None:
    """Serialization failures and deadlocks are tried again, on what is there by then."""
    await site.execute("CREATE SEQUENCE tries")
    await site.execute(
        "CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN"
        f" IF nextval('tries') < 3 THEN RAISE EXCEPTION USING ERRCODE = '{state}'; END IF;"
        " RETURN NEW; END $body$"
    )
    await site.execute(
        "CREATE TRIGGER stumbling BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION stumble()"
    )
    assert await site.stores.slots.transition(slot_of("u9"), (), one_more) == 0
    assert await site.stores.slots.transition(slot_of("u9"), (), one_more) == 1


async def test_a_connection_that_is_lost_during_the_commit(site: Site) -> None:
    """A step of which nobody knows whether it happened is refused, and never done again."""
    await site.execute(
        "CREATE FUNCTION vanish() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN"
        " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $body$"
    )
    await site.execute(
        "CREATE CONSTRAINT TRIGGER vanishing AFTER INSERT OR UPDATE ON records"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION vanish()"
    )
    decided: list[Held] = []

    def decide(held: Held) -> Decision[Held, int]:
        decided.append(held)
        return one_more(held)

    with pytest.raises(Unavailable):
        await site.stores.slots.transition(SLOT, (), decide)
    assert len(decided) == 1
    await site.execute("DROP TRIGGER vanishing ON records")
    await works(site)


async def test_a_cancelled_read_poisons_nothing(site: Site) -> None:
    """A call that is cancelled half-way leaves no connection in the middle of something."""

    async def sleep() -> None:
        async with site.database.read() as connection:
            await connection.execute(text("SELECT pg_sleep(10)"))

    async def all_sleep() -> bool:
        found = await site.execute("SELECT FROM pg_stat_activity WHERE query LIKE '%sleep(10)'")
        return len(found) == READERS

    for _ in range(3):
        sleeping = [asyncio.create_task(sleep()) for _ in range(READERS)]
        await until(all_sleep)
        for task in sleeping:
            task.cancel()
        await asyncio.gather(*sleeping, return_exceptions=True)
        await asyncio.gather(*(works(site) for _ in range(10)))


# --- Secrecy


async def test_errors_do_not_repeat_rows(site: Site) -> None:
    """Neither a refused row's key nor a number is in anything that an exception says."""
    await site.stores.audit.write(send_row("c-secret"))
    with pytest.raises(RefusedError) as caught:
        await site.stores.audit.write(send_row("c-secret"), audit_row())
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "23505" in told
    assert "c-secret" not in told.replace('send_row("c-secret")', "")  # this very line
    assert PHONE not in told


# --- The schema


async def test_upgrades_at_once(server: Server) -> None:
    """Of several that upgrade a new database at once one does it, and all find it done."""
    await postgres_server.execute(server.url, "CREATE DATABASE together TEMPLATE template0")
    url = make_url(server.url).set(database="together").render_as_string()
    async with opened(url) as one, opened(url) as other, opened(url) as third:
        sites = (one, other, third)
        assert not await one.database.takes_writes()
        await asyncio.gather(*(upgrade(site.database) for site in sites))
        assert [await is_newest(site.database) for site in sites] == [True] * 3


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM users WHERE phone_number = $1", "ix_users_phone_number"),
        ("SELECT * FROM sends WHERE sender = $1 AND provider_message_id = $1", "sends_by_message"),
        ("SELECT id FROM audit WHERE at < length($1) ORDER BY at LIMIT 500", "audit_by_time"),
        ("SELECT * FROM sends WHERE at < length($1) ORDER BY at LIMIT 500", "sends_by_time"),
        ("SELECT * FROM records WHERE key > $1 ORDER BY key LIMIT 500", "records_pkey"),
        ("SELECT * FROM audit WHERE contact_fingerprint = $1 ORDER BY at", "audit_by_contact"),
        ("SELECT * FROM audit WHERE client = $1 ORDER BY at", "audit_by_client"),
        ("SELECT * FROM audit WHERE outcome = $1 ORDER BY at", "audit_by_outcome"),
    ],
    ids=lambda text: text.split()[-1],
)
async def test_what_is_read_has_an_index(server: Server, query: str, index: str) -> None:
    """Every read of many rows that the service or an investigator makes is by an index."""
    with suppress(Exception):
        await new(server, "indexed")
    url = make_url(server.url).set(database="indexed").render_as_string()
    connection = await postgres_server.connect(url)
    try:
        await connection.execute("SET enable_seqscan = off")
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE wanted (text) AS {query}")
        plan = await connection.fetch("EXPLAIN EXECUTE wanted ('x')")
    finally:
        await connection.close()
    assert index in "\n".join(row[0] for row in plan)
