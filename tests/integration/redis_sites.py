"""Redis topologies: one server, a cluster, or a primary behind sentinels."""

import atexit
import os
import time
from collections.abc import Callable
from functools import cache

import attrs

from hsp_otp.adapters.redis.topology import Topology
from tests.integration.redis_server import RedisServer, free_port, url

_PATIENCE_SECONDS = 60
_LAST_SLOT = 16383
_SERVICE = "codes"


@attrs.frozen
class RedisSite:
    """
    The servers of one Redis topology.

    Attributes:
        primary: The server with the service's keys.
        replica: The server that would take over.
        servers: All servers.
    """

    topology: Topology
    urls: tuple[str, ...]
    service: str | None = None
    primary: RedisServer | None = None
    replica: RedisServer | None = None
    servers: tuple[RedisServer, ...] = ()

    def stop(self) -> None:
        """Stop the servers."""
        for server in self.servers:
            server.stop()


@cache
def site(topology: Topology) -> RedisSite:
    """Return this run's site, which processes that tests start find by the environment."""
    if topology is Topology.STANDALONE:
        return RedisSite(topology, (url(),))
    name = f"TEST_REDIS_{topology.name}"
    if name in os.environ:
        return RedisSite(topology, tuple(os.environ[name].split(",")), _service(topology))
    found = start(topology, away_after=30_000)
    atexit.register(found.stop)
    os.environ[name] = ",".join(found.urls)
    return found


def start(topology: Topology, *, away_after: int = 1_000) -> RedisSite:
    """
    Start a cluster of three primaries with a replica each, or three sentinels over two servers.

    Args:
        away_after: Milliseconds of silence after which a replica takes over. If no server is to be
            killed, choose more than a busy machine may delay one.
    """
    begin = _start_cluster if topology is Topology.CLUSTER else _start_sentinels
    return begin(str(away_after))


def _service(topology: Topology) -> str | None:
    return _SERVICE if topology is Topology.SENTINEL else None


def _start_cluster(away_after: str) -> RedisSite:
    lines = [free_port() for _ in range(6)]
    nodes = [
        RedisServer.start(
            *("--cluster-enabled", "yes", "--cluster-node-timeout", away_after),
            *("--cluster-port", str(line)),
        )
        for line in lines
    ]
    primaries, replicas = nodes[:3], nodes[3:]
    share = (_LAST_SLOT + 1) // 3
    for number, node in enumerate(primaries):
        last = _LAST_SLOT if number == 2 else (number + 1) * share - 1
        _ok(node.ask("CLUSTER", "ADDSLOTSRANGE", str(number * share), str(last)))
    for node, line in zip(nodes[1:], lines[1:], strict=True):
        _ok(nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", str(node.port), str(line)))
    _until(lambda: all(b"known_nodes:6" in one.ask("CLUSTER", "INFO") for one in nodes))
    for primary, replica in zip(primaries, replicas, strict=True):
        name = primary.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode()
        _until(lambda: replica.ask("CLUSTER", "REPLICATE", name).startswith(b"+OK"))  # noqa: B023
    _until(lambda: all(b"state:ok" in one.ask("CLUSTER", "INFO") for one in nodes))
    _until(lambda: all(b"link_status:up" in one.ask("INFO", "replication") for one in replicas))
    slot = int(nodes[0].ask("CLUSTER", "KEYSLOT", "{hsp-otp}").strip()[1:])
    ours = min(slot // share, 2)
    return RedisSite(
        Topology.CLUSTER,
        tuple(node.url for node in primaries),
        primary=primaries[ours],
        replica=replicas[ours],
        servers=tuple(nodes),
    )


def _start_sentinels(away_after: str) -> RedisSite:
    primary = RedisServer.start()
    replica = RedisServer.start("--replicaof", "127.0.0.1", str(primary.port))
    _until(lambda: b"link_status:up" in replica.ask("INFO", "replication"))
    sentinels: list[RedisServer] = []
    for _ in range(3):
        sentinel = RedisServer.start("--sentinel")
        _ok(sentinel.ask("SENTINEL", "MONITOR", _SERVICE, "127.0.0.1", str(primary.port), "2"))
        for name, value in (("down-after-milliseconds", away_after), ("failover-timeout", "2000")):
            _ok(sentinel.ask("SENTINEL", "SET", _SERVICE, name, value))
        sentinels.append(sentinel)
    _until(
        lambda: all(
            b"sentinels=3" in one.ask("INFO", "sentinel")
            and b"slaves=1" in one.ask("INFO", "sentinel")
            for one in sentinels
        )
    )
    return RedisSite(
        Topology.SENTINEL,
        tuple(sentinel.url for sentinel in sentinels),
        _SERVICE,
        primary,
        replica,
        (primary, replica, *sentinels),
    )


def _ok(answer: bytes) -> None:
    assert answer.startswith(b"+OK"), answer


def _until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)
