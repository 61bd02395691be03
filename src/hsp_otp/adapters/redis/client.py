"""A Redis client with short timeouts that never retries a write."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha1
from typing import Any, Final

import attrs
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, NoScriptError, RedisError
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hsp_otp.adapters.redis.topology import Topology
from hsp_otp.ports.failures import Unavailable

TIMEOUT_SECONDS: Final = 0.4
"""Timeout for connecting, and for each answer."""

DEADLINE_SECONDS: Final = 0.8
"""Timeout for a whole step, including the library's search for the right server. An unavailable
Redis is reported within a second."""

_CONNECTIONS: Final = 32

_HANGS_AFTER: Final = 2
"""Timeouts in a row after which Redis counts as hanging. A single one may be a short delay on this
machine."""

_QUIET_SECONDS: Final = 0.25
"""How long a hanging Redis is left alone. Then one call probes it while the others fail at once."""

_PROBE: Final = "{hsp-otp}:probe"
_PROBE_MILLISECONDS: Final = 1_000

SENTINEL_PORT: Final = 26379


@attrs.frozen
class Script:
    """A Lua script. The server knows it by its digest once it has run."""

    text: str

    @property
    def sha(self) -> str:
        """The digest, which EVALSHA takes."""
        return sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@attrs.define(eq=False)
class RedisClient:
    """
    Calls Redis, with deadlines.

    Attributes:
        driver: The library's client.
        lines: Limits concurrent calls to the number of connections, because the library would
            refuse the rest.
        unanswered: Timeouts in a row.
        ask_again: The event loop's time until which a hanging Redis is left alone.
    """

    driver: Any  # the library's clients share no type
    lines: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(_CONNECTIONS))
    unanswered: int = 0
    ask_again: float = 0.0

    async def get_all(self, keys: Sequence[str], by: float) -> list[bytes | None]:
        """
        The values of *keys*.

        Args:
            by: The event loop's time by which the answer is needed.

        Raises:
            Unavailable: Redis did not answer in time, or answered with an error.
        """
        async with self._failing_as_unavailable(by), self.lines:
            try:
                found: list[bytes | None] = await self.driver.mget(keys)
            except LostError:
                # The server has restarted since this connection was used. Reads may be repeated.
                found = await self.driver.mget(keys)
            return found

    async def run(
        self, script: Script, keys: Sequence[str], *args: str | bytes | int, by: float
    ) -> Any:  # noqa: ANN401
        """
        The answer of *script*.

        Args:
            by: The event loop's time by which the answer is needed.

        Raises:
            Unavailable: Redis did not answer in time, or answered with an error. The script may
                have run.
        """
        async with self._failing_as_unavailable(by), self.lines:
            try:
                return await self.driver.evalsha(script.sha, len(keys), *keys, *args)
            except NoScriptError:  # the server restarted or was replaced
                return await self.driver.eval(script.text, len(keys), *keys, *args)

    async def takes_writes(self) -> bool:
        """
        Whether Redis accepts writes right now.

        Writes a value that lasts a second, because a replica and a server with full memory can
        still be read.
        """
        try:
            async with self._failing_as_unavailable(deadline()), self.lines:
                try:
                    await self.driver.set(_PROBE, b"1", px=_PROBE_MILLISECONDS)
                except LostError:  # repeatable, like a read
                    await self.driver.set(_PROBE, b"1", px=_PROBE_MILLISECONDS)
        except Unavailable:
            return False
        return True

    @asynccontextmanager
    async def _failing_as_unavailable(self, by: float) -> AsyncGenerator[None]:
        now = asyncio.get_running_loop().time
        if self.unanswered >= _HANGS_AFTER:
            if now() < self.ask_again:
                raise Unavailable("Redis has not answered lately")
            # Other calls fail at once while this one probes.
            self.ask_again = by + _QUIET_SECONDS
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task else 0
        try:
            async with asyncio.timeout_at(by):
                yield
        except (TimeoutError, RedisTimeoutError) as error:
            self.unanswered += 1
            self.ask_again = now() + _QUIET_SECONDS
            raise Unavailable("Redis did not answer in time") from error
        except (RedisError, OSError) as error:
            self.unanswered = 0
            raise Unavailable(reason(error)) from error
        self.unanswered = 0
        # Before Python 3.12, the library loses a cancellation that arrives just as a write ends.
        if task and task.cancelling() > cancelled_before:
            raise asyncio.CancelledError


@asynccontextmanager
async def open_redis(
    urls: Sequence[str], topology: Topology, sentinel_service: str | None
) -> AsyncGenerator[RedisClient]:
    """
    A client, closed at the end of the block. Redis may be unavailable now and come up later.

    Args:
        urls: ``redis://`` or ``rediss://``; for a cluster some of its nodes, for sentinels all of
            them.
        sentinel_service: The name of the service in the sentinels' configuration.
    """
    options: dict[str, Any] = {
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
        # A write that timed out may have happened.
        "retry": Retry(NoBackoff(), 0),
    }
    parsed: list[dict[str, Any]] = [dict(parse_url(url)) for url in urls]
    match topology:
        case Topology.STANDALONE:
            driver: Any = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
                urls[0], max_connections=_CONNECTIONS, **options
            )
            closing = [driver]
        case Topology.CLUSTER:
            nodes = [ClusterNode(one["host"], one.get("port", 6379)) for one in parsed]
            shared = {k: v for k, v in parsed[0].items() if k in {"username", "password"}}
            driver = RedisCluster(
                startup_nodes=nodes,
                ssl=urls[0].startswith("rediss:"),
                max_connections=_CONNECTIONS,
                **shared,
                **options,
            )
            closing = [driver]
        case Topology.SENTINEL:
            shared = {k: v for k, v in parsed[0].items() if k in {"username", "password", "db"}}
            sentinels = Sentinel(  # type: ignore[no-untyped-call]
                [(one["host"], one.get("port", SENTINEL_PORT)) for one in parsed],
                sentinel_kwargs=options,
                ssl=urls[0].startswith("rediss:"),
                **shared,
                **options,
            )
            driver = sentinels.master_for(  # pyright: ignore[reportUnknownMemberType]
                sentinel_service or ""
            )
            closing = [driver, *sentinels.sentinels]
    try:
        client = RedisClient(driver)
        await client.takes_writes()  # connect before the first request
        yield client
    finally:
        for one in closing:
            await one.aclose()


def reason(error: Exception) -> str:
    """The reason to report for a failure of the driver."""
    if isinstance(error, AuthenticationError | NoPermissionError):
        return "Redis refused the user, the password or the command"
    return "Redis did not answer"


def deadline() -> float:
    """The event loop's time by which a step that begins now must end."""
    return asyncio.get_running_loop().time() + DEADLINE_SECONDS
