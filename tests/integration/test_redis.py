"""What a Redis that hangs, goes away or only counts can and cannot do: docs/contract.md, 5.6."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hsp_otp.adapters.redis.client import RedisClient, Script, deadline, open_redis
from hsp_otp.adapters.redis.server_checks import health, unfitness
from hsp_otp.adapters.redis.topology import Topology
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import HOUR, SECOND, Instant, after
from hsp_otp.domain.names import SessionId
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import ClientLimits
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.signup import SignupSession
from hsp_otp.ports.failures import Unavailable
from tests.integration import redis_sites
from tests.integration.behind import LATE, PATIENCE_SECONDS
from tests.integration.redis_machine import (
    CODE,
    LIMITS,
    Site,
    alone,
    caller,
    open_site,
)
from tests.integration.redis_server import RedisServer
from tests.integration.redis_sites import start
from tests.world import (
    PHONE,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of one's own."""
    found = RedisServer.start()
    yield found
    found.thaw()
    found.stop()


@pytest.fixture
async def site(tmp_path: Path, server: RedisServer) -> AsyncGenerator[Site]:
    """A site."""
    async with open_site(tmp_path, alone(server)) as found:
        yield found


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


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (
            ("CONFIG", "SET", "min-replicas-to-write", "1"),
            ("CONFIG", "SET", "min-replicas-to-write", "0"),
        ),
        (("REPLICAOF", "127.0.0.1", "9"), ("REPLICAOF", "NO", "ONE")),
    ],
    ids=["out of memory", "without its replicas", "a replica"],
)
async def test_whether_it_takes_writes(break_it: tuple[str, ...], mend_it: tuple[str, ...]) -> None:
    """A Redis that can be read alone is not ready, and is again when it takes writes."""
    server = RedisServer.start()
    try:
        async with open_redis((server.url,), Topology.STANDALONE, None) as client:
            assert await client.takes_writes()
            assert server.ask(*break_it).startswith(b"+OK")
            assert not await client.takes_writes()
            assert server.ask(*mend_it).startswith(b"+OK")
            assert await client.takes_writes()
            server.freeze()
            began = asyncio.get_running_loop().time()
            assert not await client.takes_writes()
            assert asyncio.get_running_loop().time() - began < 3
    finally:
        server.thaw()
        server.stop()


async def test_a_redis_that_lets_nobody_in_is_not_silent() -> None:
    """One that answers, and refuses the user or the password, is said to refuse them."""
    server = RedisServer.start()
    try:
        url = server.url.replace("//", "//nobody:wrong@")
        async with open_redis((url,), Topology.STANDALONE, None) as client:
            with pytest.raises(Unavailable, match=r"^Redis refused the user, the password"):
                await health(client)
            with pytest.raises(Unavailable, match=r"^Redis refused the user, the password"):
                await client.get_all(["{hsp-otp}:x"], deadline())
    finally:
        server.stop()


async def test_whoever_is_told_to_stop_stops() -> None:
    """Also where the library has lost it, as it does in the moment in which a write ends."""

    class Losing:
        """A driver that goes on when it is told to stop."""

        async def evalsha(self, *_: object) -> int:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(PATIENCE_SECONDS)
            return 1

    task = asyncio.create_task(RedisClient(Losing()).run(Script(""), ["key"], by=deadline() + 60))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
