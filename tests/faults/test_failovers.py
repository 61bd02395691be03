"""A primary of Redis dies under load, and its replica takes over: docs/contract.md, 5.6."""

from collections.abc import Iterator
from contextlib import ExitStack

import attrs
import pytest

from hsp_otp.adapters.redis.topology import Topology
from tests.e2e.server import until
from tests.faults.site import Fault, Site, open_site
from tests.integration.redis_server import RedisServer
from tests.integration.redis_sites import start


@attrs.define
class Place:
    """
    A site whose challenges are in Redis.

    Attributes:
        primary: Who holds our keys.
        replica: Who is going to.
    """

    site: Site
    primary: RedisServer
    replica: RedisServer

    def take_over(self) -> None:
        """The one that died comes back, and follows the other, once that has taken over."""
        self.primary, self.replica = self.replica, self.primary
        until(lambda: b"role:master" in self.primary.ask("INFO", "replication"))
        self.replica.begin()
        until(lambda: b"connected_slaves:1" in self.primary.ask("INFO", "replication"))
        until(lambda: b"link_status:up" in self.replica.ask("INFO", "replication"))


@pytest.fixture(
    scope="module", params=[Topology.CLUSTER, Topology.SENTINEL], ids=lambda one: one.value
)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Three primaries with a replica each, or three sentinels over two servers."""
    with ExitStack() as stack:
        redis = start(request.param)
        stack.callback(redis.stop)
        site = open_site(
            stack,
            tmp_path_factory.mktemp("failover"),
            REDIS_URL=",".join(redis.urls),
            REDIS_TOPOLOGY=redis.topology.value,
            CHALLENGE_STORE="redis",
            **({"REDIS_SENTINEL_SERVICE": redis.service} if redis.service else {}),
        )
        assert redis.primary is not None
        assert redis.replica is not None
        yield Place(site, redis.primary, redis.replica)
        site.hold_secrets()


def test_a_primary_is_killed(place: Place, number: int) -> None:
    """No wrong answer, and service is back by itself."""
    del number
    try:
        place.site.round(Fault(breaks=place.primary.kill, lasts=0, refuses=True))
    finally:
        place.take_over()
