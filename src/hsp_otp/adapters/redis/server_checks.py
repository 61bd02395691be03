"""Checks whether a Redis server is suitable for its data, and how it is doing."""

from collections.abc import Mapping
from typing import Any, Final, cast

import attrs
from redis.exceptions import RedisError

from hsp_otp.adapters.redis.client import RedisClient, reason
from hsp_otp.ports.failures import Unavailable

_OLDEST: Final = 7


@attrs.frozen
class Unfit:
    """A problem and its remedy, in one line; a fatal one rules the server out for challenges."""

    what: str
    is_fatal: bool


async def unfitness(client: RedisClient) -> list[Unfit]:
    """The problems found; a single one if the server does not answer or refuses the inspection."""
    try:
        info = _one(await client.driver.info("server"))
        policy = (await _config(client, "maxmemory-policy")) or "noeviction"
        appends = await _config(client, "appendonly")
        saves = await _config(client, "save")
    except (RedisError, OSError):
        return [Unfit("Redis does not answer, or does not show its configuration", is_fatal=False)]
    found: list[Unfit] = []
    version = str(info.get("redis_version", "0"))
    if int(version.split(".", maxsplit=1)[0]) < _OLDEST:
        found.append(Unfit(f"Redis is version {version}, but has to be 7 or newer", is_fatal=True))
    if policy != "noeviction":
        found.append(
            Unfit(
                f"Redis drops records when its memory is full (maxmemory-policy {policy}): "
                "set it to noeviction",
                is_fatal=True,
            )
        )
    if appends == "no" and not saves:
        found.append(
            Unfit(
                "Redis keeps nothing on disk: after a restart everybody has to ask for a new code, "
                "and locks are gone; set appendonly to yes",
                is_fatal=False,
            )
        )
    return found


@attrs.frozen(kw_only=True)
class Health:
    """
    The state of a Redis server that answers.

    Attributes:
        version: The version that it reports.
        clock: Its own clock, in microseconds since 1970.
        is_cluster: It is a node of a cluster.
        is_replica: It accepts no writes.
        memory_percent: The used share of its memory limit; None without a limit.
    """

    version: str
    clock: int
    is_cluster: bool
    is_replica: bool
    memory_percent: int | None


async def health(client: RedisClient) -> Health:
    """The server's current state; raises Unavailable if it does not answer, or refuses to tell."""
    try:
        info = _one(await client.driver.info("everything"))
        clock: Any = await client.driver.time()
    except (RedisError, OSError) as error:
        raise Unavailable(reason(error)) from error
    # A cluster answers for each of its nodes.
    told = (
        next(iter(cast("Mapping[str, Any]", clock).values())) if isinstance(clock, dict) else clock
    )
    seconds, micros = cast("tuple[int, int]", told)
    most = int(info.get("maxmemory", 0))
    return Health(
        version=str(info.get("redis_version", "unknown")),
        clock=int(seconds) * 1_000_000 + int(micros),
        is_cluster=bool(info.get("cluster_enabled")),
        is_replica=info.get("role") == "slave",
        memory_percent=100 * int(info.get("used_memory", 0)) // most if most else None,
    )


async def _config(client: RedisClient, name: str) -> str | None:
    """A configuration value; None if the server does not reveal it, as hosted ones may not."""
    try:
        found = _one(await client.driver.config_get(name))
    except RedisError:
        return None
    return str(found[name]) if name in found else None


def _one(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer of one node, if a cluster returned one for each."""
    first = next(iter(answer.values()), None)
    return cast("Mapping[str, Any]", first) if isinstance(first, Mapping) else answer
