"""What a Redis that forgets, hangs or goes away can and cannot do: docs/contract.md, 5.6."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from hsp_otp.adapters.redis.checks import health, unfitness
from hsp_otp.adapters.redis.client import Topology, open_redis
from hsp_otp.adapters.redis.fallback import FallbackUsage
from hsp_otp.adapters.redis.records import RedisRecords
from hsp_otp.adapters.redis.stores import RedisSignupSessions, RedisSlots, RedisUsage
from hsp_otp.adapters.sql.commits import Commits
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.history import SqlHistory
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.sql.stores import SqlUsage
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.code import Code
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, HOUR, SECOND, Instant, after
from hsp_otp.domain.names import ClientAddress, PassCode, SessionId
from hsp_otp.domain.passes import Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.signup import SignupSession
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.pass_login import PassLogin
from hsp_otp.ports.failures import Unavailable
from tests.integration import redis_sites
from tests.integration.behind import LATE, PATIENCE_SECONDS
from tests.integration.redis_server import RedisServer
from tests.integration.redis_sites import RedisSite, start
from tests.integration.stores import Stores, sql_stores, sqlite_url
from tests.world import PASS_CODE, PHONE, ManualClock, Outbox, other_than

pytestmark = pytest.mark.anyio

CODE = PassCode(PASS_CODE)
EVERY_SECOND = attrs.evolve(Policy(), cooldown=0, client_sends=(Quota(0, HOUR),))


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of one's own."""
    found = RedisServer.start()
    yield found
    found.thaw()
    found.stop()


@attrs.frozen
class Site:
    """
    A machine that shares nothing with others but the stores.

    Attributes:
        usage: What counts, in Redis or in the database.
    """

    stores: Stores
    usage: FallbackUsage
    clock: ManualClock
    outbox: Outbox
    sessions: RedisSignupSessions

    def login(self, policy: Policy = EVERY_SECOND, limits: ClientLimits | None = None) -> PassLogin:
        """The journey."""
        return self.stores.login(
            self.clock, SystemRandomness(), self.outbox, policy, limits or ClientLimits()
        )

    async def send(self, client: str = "10.0.0.1", policy: Policy = EVERY_SECOND) -> str:
        """The word of an ask."""
        return (await self.login(policy).send(CODE, caller(client))).word

    async def verify(self, digits: str, limits: ClientLimits | None = None) -> str:
        """The word of a check."""
        login = self.login(limits=limits)
        outcome = await login.verify(CODE, Code(digits), None, caller("10.0.0.1"))
        return outcome.word

    async def validate(self, limits: ClientLimits) -> str:
        """The word of a look-up."""
        return (await self.login(limits=limits).validate(CODE, caller("10.0.0.1"))).word


def caller(client: str) -> Caller:
    """Somebody."""
    return Caller(ClientAddress(client), "r1")


def alone(server: RedisServer) -> RedisSite:
    """One server that nobody takes over from."""
    return RedisSite(Topology.STANDALONE, (server.url,))


@asynccontextmanager
async def open_site(folder: Path, redis: RedisSite) -> AsyncGenerator[Site]:
    """A site over a file in *folder* and *redis*."""
    clock = ManualClock(SystemClock().now())
    async with (
        Database(sqlite_url(folder), durable=False) as database,
        open_redis(redis.urls, redis.topology, redis.service) as client,
    ):
        await upgrade(database)
        commits, history = Commits(database), SqlHistory(database)
        slots = RedisRecords(client, "slots", clock, SystemRandomness())
        counted = RedisRecords(client, "usage", clock, SystemRandomness())
        in_redis = RedisUsage(records=counted, rows=commits, history=history, clock=clock)
        usage = FallbackUsage(in_redis, SqlUsage(commits), history, clock)
        stores = attrs.evolve(
            sql_stores(database, commits),
            slots=RedisSlots(records=slots, rows=commits, history=history),
            usage=usage,
        )
        sessions = RedisSignupSessions(records=slots, rows=commits)
        await stores.add(
            Pass(
                code=CODE,
                user=User(id="u1", email="u1@example.com", phone=PhoneNumber(PHONE)),
                payment_status=PaymentStatus.PAID,
            )
        )
        yield Site(stores, usage, clock, Outbox(), sessions)


@pytest.fixture
async def site(tmp_path: Path, server: RedisServer) -> AsyncGenerator[Site]:
    """A site."""
    async with open_site(tmp_path, alone(server)) as found:
        yield found


def empty(server: RedisServer) -> None:
    """Somebody empties it."""
    assert server.ask("FLUSHALL").startswith(b"+OK")


def restart(server: RedisServer) -> None:
    """It restarts, and has kept nothing."""
    server.kill()
    server.begin()


@pytest.mark.parametrize("forget", [empty, restart])
async def test_a_redis_that_forgot_ten_sends_does_not_admit_the_eleventh(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """What was admitted stands in the rows: nobody gets a fresh budget."""
    for _ in range(5):
        assert await site.send() == "sent"
        site.clock.advance(SECOND)
    forget(server)
    for _ in range(5):
        assert await site.send() == "sent"
        site.clock.advance(SECOND)
    forget(server)
    assert await site.send() == "phone_rate_limited"
    site.clock.advance(DAY - 10 * SECOND - 1)
    assert await site.send() == "phone_rate_limited"
    site.clock.advance(1)
    assert await site.send() == "sent"


@pytest.mark.parametrize("forget", [empty, restart])
async def test_a_code_that_a_redis_forgot_is_void(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """Its owner asks again, after the cooldown, which was not forgotten."""
    cooling = attrs.evolve(EVERY_SECOND, cooldown=30 * SECOND)
    assert await site.send(policy=cooling) == "sent"
    forget(server)
    assert await site.verify(site.outbox.codes[-1]) == "otp_expired"
    assert await site.send(policy=cooling) == "resend_too_soon"
    site.clock.advance(30 * SECOND)
    assert await site.send(policy=cooling) == "sent"
    assert await site.verify(site.outbox.codes[-1]) == "verified"


async def test_a_redis_that_lost_its_last_writes_revives_no_code(
    site: Site, server: RedisServer
) -> None:
    """A restart from an old copy on disk: a code that was used or replaced since is none."""
    assert await site.send() == "sent"
    first = site.outbox.codes[-1]
    assert server.ask("SAVE").startswith(b"+OK")
    assert await site.verify(first) == "verified"
    assert await site.send() == "sent"
    second = site.outbox.codes[-1]
    restart(server)
    assert await site.verify(first) == "otp_expired"
    assert await site.verify(second) == "otp_expired"
    assert await site.send() == "sent"
    assert await site.verify(site.outbox.codes[-1]) == "verified"


async def test_a_lock_outlives_a_restart(site: Site, server: RedisServer) -> None:
    """What Redis kept of failed guesses is believed, though its codes are not."""
    strict = attrs.evolve(EVERY_SECOND, failures=(Quota(1, HOUR),))
    assert await site.send(policy=strict) == "sent"
    assert await site.verify(other_than(site.outbox.codes[-1])) == "invalid_otp"
    assert server.ask("SAVE").startswith(b"+OK")
    restart(server)
    assert await site.send(policy=strict) == "locked_out"


async def test_two_sites_share_what_redis_forgot(
    site: Site, server: RedisServer, tmp_path: Path
) -> None:
    """Each finds the new epoch by itself, and neither takes a charge of the other for its own."""
    async with open_site(tmp_path, alone(server)) as other:
        other.clock.instant = site.clock.instant
        for _ in range(3):
            assert await site.send() == "sent"
        empty(server)
        assert await site.send() == "sent"
        for _ in range(6):
            assert await other.send() == "sent"
        assert await other.send() == "phone_rate_limited"
        assert await site.send() == "phone_rate_limited"
        assert await other.verify(site.outbox.codes[-1]) in {"invalid_otp", "verified"}


async def test_a_frozen_redis_that_holds_the_challenges_is_no_success(
    site: Site, server: RedisServer
) -> None:
    """Within a second it is unavailable, and nothing is sent; thawed, all is as it was."""
    assert await site.send() == "sent"
    digits = site.outbox.codes[-1]
    server.freeze()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await site.verify(digits)
    assert time.monotonic() - began < LATE
    assert len(site.outbox.sent) == 1
    server.thaw()
    assert await answered(lambda: site.verify(digits)) == "verified"


async def test_while_a_redis_that_holds_the_challenges_hangs_nobody_waits_for_long(
    site: Site, server: RedisServer
) -> None:
    """Of many checks in a row one now and then finds out that Redis still hangs."""
    unlimited = ClientLimits(checks=Quota(0, HOUR), lookups=Quota(0, HOUR))
    assert await site.send() == "sent"
    digits = site.outbox.codes[-1]
    server.freeze()
    waits: list[float] = []
    give_up = time.monotonic() + 2.5
    while time.monotonic() < give_up:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await site.verify(digits, limits=unlimited)
        waits.append(time.monotonic() - began)
    assert sorted(waits)[len(waits) // 2] < 0.3
    assert max(waits) < LATE
    server.thaw()
    assert await answered(lambda: site.verify(digits, limits=unlimited)) == "verified"


async def answered(ask: Callable[[], Awaitable[str]], within: float = PATIENCE_SECONDS) -> str:
    """The word of what *ask* comes to, once the store answers."""
    give_up = time.monotonic() + within
    while True:
        try:
            return await ask()
        except Unavailable:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.05)


LIMITS = ClientLimits(lookups=Quota(4, HOUR))


async def test_where_redis_only_counts_the_database_takes_over(
    site: Site, server: RedisServer
) -> None:
    """What Redis admitted counts there, and back in Redis what the database admitted counts."""
    assert [await site.validate(LIMITS) for _ in range(2)] == ["valid", "valid"]
    server.kill()
    assert await site.validate(LIMITS) == "valid"
    assert site.usage.is_degraded
    began = time.monotonic()
    assert await site.validate(LIMITS) == "valid"
    assert time.monotonic() - began < LATE
    assert await site.validate(LIMITS) == "lookup_rate_limited"
    server.begin()
    await _until_back(site)
    assert await site.validate(LIMITS) == "lookup_rate_limited"
    site.clock.advance(HOUR)
    assert await site.validate(LIMITS) == "valid"


async def test_a_redis_that_was_only_frozen_counts_what_happened_meanwhile(
    site: Site, server: RedisServer
) -> None:
    """Its records are behind, and are compared with the rows before they are believed."""
    assert await site.validate(LIMITS) == "valid"
    server.freeze()
    assert [await site.validate(LIMITS) for _ in range(2)] == ["valid", "valid"]
    server.thaw()
    await _until_back(site)
    assert await site.validate(LIMITS) == "valid"
    assert await site.validate(LIMITS) == "lookup_rate_limited"


async def test_while_redis_hangs_nobody_waits_for_long(site: Site, server: RedisServer) -> None:
    """Of many look-ups in a row one now and then finds out that Redis still hangs."""
    unlimited = ClientLimits(lookups=Quota(0, HOUR))
    await site.validate(unlimited)
    server.freeze()
    waits: list[float] = []
    give_up = time.monotonic() + 2.5
    while time.monotonic() < give_up:
        began = time.monotonic()
        assert await site.validate(unlimited) == "valid"
        waits.append(time.monotonic() - began)
    assert sorted(waits)[len(waits) // 2] < 0.3
    assert max(waits) < LATE


async def _until_back(site: Site) -> None:
    """Ask, of no client that counts, until Redis counts again."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while site.usage.is_degraded:
        assert time.monotonic() < give_up
        await asyncio.sleep(0.1)
        await site.login().validate(CODE, caller("10.9.9.9"))


@pytest.mark.parametrize("topology", [Topology.CLUSTER, Topology.SENTINEL])
async def test_a_replica_that_takes_over_forgets_nothing_that_counts(
    topology: Topology, tmp_path: Path
) -> None:
    """Its primary killed, Redis comes back by itself; what it may have missed is void."""
    redis = start(topology)
    try:
        async with open_site(tmp_path, redis) as site:
            assert redis.primary is not None
            for _ in range(9):
                assert await site.send() == "sent"
            redis.primary.kill()
            answer = await answered(lambda: site.verify(site.outbox.codes[-1]))
            assert answer == "otp_expired"
            assert await site.send() == "sent"
            assert await site.send() == "phone_rate_limited"
            assert await site.verify(site.outbox.codes[-1]) == "verified"
    finally:
        redis.stop()


async def test_a_session_lives_in_redis(site: Site) -> None:
    """What one step leaves the next one finds."""
    session = SessionId("A" * 22)
    held = SignupSession(
        phone=PhoneNumber(PHONE), challenge_id="c", stepped_at=Instant(site.clock.now())
    )

    def put(_: SignupSession | None) -> Decision[SignupSession | None, None]:
        return Decision(None, held)

    def look(found: SignupSession | None) -> Decision[SignupSession | None, object]:
        return Decision(found, found)

    await site.sessions.transition(session, put)
    assert await site.sessions.transition(session, look) == held
    assert held.lives(after(held.stepped_at, SECOND))


async def test_scripts_that_were_flushed_are_no_hindrance(site: Site, server: RedisServer) -> None:
    """The server is told the script again."""
    assert await site.send() == "sent"
    assert server.ask("SCRIPT", "FLUSH").startswith(b"+OK")
    assert await site.verify(site.outbox.codes[-1]) == "verified"


@pytest.mark.parametrize(
    "break_it",
    [
        ("CONFIG", "SET", "maxmemory", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
    ],
    ids=["out of memory", "read-only"],
)
async def test_a_redis_that_takes_no_writes_is_away(
    site: Site, server: RedisServer, break_it: tuple[str, ...]
) -> None:
    """Never a success, and no limit is off."""
    assert await site.send() == "sent"
    assert server.ask(*break_it).startswith(b"+OK")
    with pytest.raises(Unavailable):
        await site.send()
    with pytest.raises(Unavailable):
        await site.verify(site.outbox.codes[-1])
    assert len(site.outbox.sent) == 1


async def test_how_a_redis_is_doing() -> None:
    """Its clock, role and memory are told; one that does not answer is away."""
    server = RedisServer.start("--maxmemory", "100mb")
    try:
        async with open_redis((server.url,), Topology.STANDALONE, None) as client:
            before = SystemClock().now()
            found = await health(client)
            assert before - SECOND < found.clock < SystemClock().now() + SECOND
            assert (found.is_cluster, found.is_replica) == (False, False)
            assert found.memory_percent is not None
            assert 0 <= found.memory_percent < 50
            server.ask("REPLICAOF", "127.0.0.1", "9")
            assert (await health(client)).is_replica
            server.kill()
            with pytest.raises(Unavailable):
                await health(client)
    finally:
        server.stop()


async def test_how_a_node_of_a_cluster_is_doing() -> None:
    """A node is known as one, whatever the settings say; a cluster's client is told of one node."""
    site = redis_sites.site(Topology.CLUSTER)
    async with open_redis(site.urls[:1], Topology.STANDALONE, None) as client:
        assert (await health(client)).is_cluster
    async with open_redis(site.urls, Topology.CLUSTER, None) as client:
        found = await health(client)
    assert found.is_cluster
    assert found.clock > 0


async def test_what_makes_a_redis_unfit() -> None:
    """One that drops records is refused, and one that keeps nothing on disk is warned of."""
    server = RedisServer.start("--maxmemory-policy", "allkeys-lru")
    try:
        async with open_redis((server.url,), Topology.STANDALONE, None) as client:
            found = await unfitness(client)
            assert [one.is_fatal for one in found] == [True, False]
            assert "maxmemory-policy allkeys-lru" in found[0].what
            assert "appendonly" in found[1].what
            assert server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction").startswith(b"+OK")
            assert server.ask("CONFIG", "SET", "appendonly", "yes").startswith(b"+OK")
            assert await unfitness(client) == []
            server.kill()
            (away,) = await unfitness(client)
            assert not away.is_fatal
    finally:
        server.stop()
