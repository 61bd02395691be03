"""Where Redis only counts and is away, the SQL database counts."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

import attrs
import structlog

from hsp_otp.adapters.redis.stores import RedisUsage
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.quota import UsageKey, Usages, union
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.history import UsageHistory
from hsp_otp.ports.usage import UsageCounter

O = TypeVar("O")  # noqa: E741

SKIP_SECONDS: Final = 1.0
"""For which a Redis that did not answer is not asked: one request a second finds out, and none
waits longer than it takes Redis not to answer."""

_log = structlog.get_logger()


class FallbackUsage:
    """
    Counts in Redis, and in the SQL database while Redis does not answer.

    What was admitted by either leaves an audit row; whichever takes over counts those as well.

    Attributes:
        falls: How often the database took over.
    """

    def __init__(
        self, redis: RedisUsage, sql: UsageCounter, history: UsageHistory, clock: Clock
    ) -> None:
        self._redis = redis
        self._sql = sql
        self._history = history
        self._clock = clock
        self._skip_until = 0.0
        self._behind = False
        self.falls = 0

    @property
    def is_degraded(self) -> bool:
        """Whether the database counts, as far as this process knows."""
        return self._behind

    async def transition(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        """Keep the promise of `UsageCounter.transition`."""
        now = asyncio.get_running_loop().time()
        if now >= self._skip_until:
            # Whoever comes while this one is finding out goes to the database.
            if self._behind:
                self._skip_until = now + SKIP_SECONDS
            try:
                outcome = await self._in_redis(keys, decide)
            except Unavailable:
                self._fall_back()
            else:
                return outcome
        return await self._in_sql(keys, decide)

    async def _in_redis(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        if self._behind:
            await self._redis.forget()
            self._behind = False
            self._skip_until = 0.0
            _log.warning("usage_in_redis_again")
        return await self._redis.transition(keys, decide)

    def _fall_back(self) -> None:
        self._skip_until = asyncio.get_running_loop().time() + SKIP_SECONDS
        if not self._behind:
            self._behind = True
            self.falls += 1
            _log.warning("usage_in_sql", hint="Redis does not answer; the database counts")

    async def _in_sql(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        told = await self._history.usages(keys, self._clock.now())

        def decide_on_both(held: Usages) -> Decision[Usages, O]:
            both = {key: union(usage, told[key]) for key, usage in held.items()}
            decision = decide(both)
            if decision.becomes is both:
                return attrs.evolve(decision, becomes=held)
            return decision

        return await self._sql.transition(keys, decide_on_both)
