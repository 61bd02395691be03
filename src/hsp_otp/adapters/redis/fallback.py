"""Where Redis only counts and is away, the SQL database counts."""

from collections.abc import Callable
from typing import TypeVar

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

_log = structlog.get_logger()


class FallbackUsage:
    """
    Counts in Redis, and in the SQL database while Redis does not answer.

    What was admitted by either leaves an audit row, and in the database a record; whichever takes
    over counts those as well.

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
        self._behind = False
        self._returning = False
        self.falls = 0

    @property
    def is_degraded(self) -> bool:
        """Whether the database counts, as far as this process knows."""
        return self._behind

    async def transition(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        """Keep the promise of `UsageCounter.transition`."""
        if not self._returning:  # whoever comes while one finds out goes to the database
            try:
                await self._return()
                return await self._redis.transition(keys, decide)
            except Unavailable:
                self._fall_back()
        outcome = await self._in_sql(keys, decide)
        self._behind = True  # Redis may count again by now, and cannot know of this one
        return outcome

    async def _return(self) -> None:
        """Let Redis count again, once it answers; it believes no record of its own then."""
        if not self._behind:
            return
        self._returning = True
        try:
            await self._redis.forget()
        finally:
            self._returning = False
        self._behind = False
        _log.warning("usage_in_redis_again")

    def _fall_back(self) -> None:
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
