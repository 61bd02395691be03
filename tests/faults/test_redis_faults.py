"""Redis breaks in every way, where it holds the challenges and where it only counts."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import attrs
import pytest

from tests.faults.proxy import Line, Proxy
from tests.faults.site import Fault, Site, open_site
from tests.integration.redis_server import RedisServer


@attrs.frozen
class Place:
    """
    A site with its Redis behind a proxy.

    Attributes:
        holds: It holds the challenges; otherwise it only counts.
    """

    site: Site
    redis: RedisServer
    proxy: Proxy
    holds: bool


@pytest.fixture(scope="module", params=["holds", "counts"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Redis with what an operator is told to set."""
    holds = request.param == "holds"
    with ExitStack() as stack:
        redis = RedisServer.start("--appendonly", "yes")
        stack.callback(redis.stop)
        stack.callback(redis.thaw)
        proxy = stack.enter_context(Proxy(redis.port))
        site = open_site(
            stack,
            tmp_path_factory.mktemp("redis"),
            REDIS_URL=f"redis://127.0.0.1:{proxy.port}",
            CHALLENGE_STORE="redis" if holds else "sql",
        )
        yield Place(site, redis, proxy, holds)
        site.hold_secrets()


def told(redis: RedisServer, *words: str) -> None:
    """Something that Redis is told."""
    assert redis.ask(*words).startswith(b"+OK")


def restart(redis: RedisServer, *, empty: bool) -> None:
    """It restarts, and perhaps its disk was lost."""
    redis.kill()
    if empty:
        shutil.rmtree(redis.folder / "appendonlydir")
    redis.begin()


def behave(proxy: Proxy, line: Line) -> Fault:
    """The line to Redis is bad for a while."""
    return Fault(
        breaks=partial(proxy.become, line), mends=partial(proxy.become, Line.PASSES), lasts=1
    )


AWAY: dict[str, Callable[[RedisServer, Proxy], Fault]] = {
    "killed": lambda redis, _: Fault(breaks=redis.kill, mends=redis.begin),
    "frozen": lambda redis, _: Fault(breaks=redis.freeze, mends=redis.thaw, lasts=1.2),
    "read-only": lambda redis, _: Fault(
        breaks=partial(told, redis, "REPLICAOF", "127.0.0.1", "1"),
        mends=partial(told, redis, "REPLICAOF", "NO", "ONE"),
    ),
    "out of memory": lambda redis, _: Fault(
        breaks=partial(told, redis, "CONFIG", "SET", "maxmemory", "1"),
        mends=partial(told, redis, "CONFIG", "SET", "maxmemory", "0"),
    ),
    "swallowed": lambda _, proxy: behave(proxy, Line.SWALLOWS),
    "cut off": lambda _, proxy: behave(proxy, Line.BREAKS),
}
"""It does not answer, or takes no writes, for a while."""

SHAKEN: dict[str, Callable[[RedisServer, Proxy], Fault]] = {
    "restarted": lambda redis, _: Fault(breaks=partial(restart, redis, empty=False)),
    "restarted empty": lambda redis, _: Fault(breaks=partial(restart, redis, empty=True)),
    "emptied": lambda redis, _: Fault(breaks=partial(told, redis, "FLUSHALL")),
    "scripts flushed": lambda redis, _: Fault(breaks=partial(told, redis, "SCRIPT", "FLUSH")),
    "slow": lambda _, proxy: behave(proxy, Line.DELAYS),
    "dripping": lambda _, proxy: behave(proxy, Line.DRIPS),
}
"""It is there again at once, or only slow."""


@pytest.mark.parametrize("name", AWAY)
def test_redis_is_away(place: Place, name: str, number: int) -> None:
    """Where it holds the challenges nothing succeeds meanwhile; where it counts, nobody notices."""
    del number
    place.site.round(attrs.evolve(AWAY[name](place.redis, place.proxy), refuses=place.holds))


@pytest.mark.parametrize("name", SHAKEN)
def test_redis_is_shaken(place: Place, name: str, number: int) -> None:
    """Whatever it has forgotten, the history holds."""
    del number
    fault = SHAKEN[name](place.redis, place.proxy)
    place.site.round(attrs.evolve(fault, refuses=None if place.holds else False))
