"""Whether a Redis is fit to hold what is entrusted to it."""

from collections.abc import Mapping
from typing import Any, Final, cast

import attrs
from redis.exceptions import RedisError

from hsp_otp.adapters.redis.client import RedisClient

_OLDEST: Final = 7


@attrs.frozen
class Unfit:
    """
    What is wrong with a Redis.

    Attributes:
        what: In one line, with what to do.
        is_fatal: It cannot be trusted with challenges.
    """

    what: str
    is_fatal: bool


async def unfitness(client: RedisClient) -> list[Unfit]:
    """What is wrong; one entry where it does not answer, or does not let itself be looked at."""
    try:
        info = _one(await client.driver.info("server"))
        policy = (await _config(client, "maxmemory-policy")) or "noeviction"
        appends = await _config(client, "appendonly")
        saves = await _config(client, "save")
    except (RedisError, OSError):
        return [Unfit("Redis does not answer, or does not say how it is set up", is_fatal=False)]
    found: list[Unfit] = []
    version = str(info.get("redis_version", "0"))
    if int(version.split(".", maxsplit=1)[0]) < _OLDEST:
        found.append(Unfit(f"Redis is version {version}, and has to be 7 or newer", is_fatal=True))
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
                "Redis keeps nothing on disk: at a restart everybody has to ask for a new code, "
                "and locks are gone; set appendonly to yes",
                is_fatal=False,
            )
        )
    return found


async def _config(client: RedisClient, name: str) -> str | None:
    """A value of its configuration; None where it does not tell, as hosted ones may not."""
    try:
        found = _one(await client.driver.config_get(name))
    except RedisError:
        return None
    return str(found[name]) if name in found else None


def _one(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer of one node, where a cluster gives one for each."""
    first = next(iter(answer.values()), None)
    return cast("Mapping[str, Any]", first) if isinstance(first, Mapping) else answer
