"""Counting in the SQL database while Redis is unavailable."""

from collections.abc import Callable
from typing import Final

import structlog

from hsp_otp.adapters.redis.stores import RedisUsage
from hsp_otp.domain.decision import Decision, O
from hsp_otp.domain.quota import UsageKey, Usages, union
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.limit_recovery import UsageHistory
from hsp_otp.ports.usage_counter import UsageCounter

_MOST_LEARNED: Final = 100_000
"""Maximum number of usages that a process remembers to have read from the rows; about 20 MB."""

_log = structlog.get_logger()


class FallbackUsage:
    """
    Counts in Redis, and in the SQL database while Redis does not answer.

    Every admission leaves an audit row, and one by the database also a record. The store that takes
    over counts those as well: during an outage the rows of each usage are read once.

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
        self._learned: set[UsageKey] = set()
        self.falls = 0

    @property
    def is_degraded(self) -> bool:
        """Whether the database is counting, as far as this process knows."""
        return self._behind

    async def transition(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        """Implement `UsageCounter.transition`."""
        if not self._returning:  # while one call probes Redis, others go to the database
            try:
                await self._return()
                return await self._redis.transition(keys, decide)
            except Unavailable:
                self._fall_back()
        outcome = await self._in_sql(keys, decide)
        self._behind = True  # Redis may count again by now, but has missed this charge
        return outcome

    async def _return(self) -> None:
        """Switch back to Redis once it answers; its existing records are then treated as stale."""
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
            self._learned.clear()
            self.falls += 1
            _log.warning("usage_in_sql", hint="Redis does not answer, so the database counts")

    async def _in_sql(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        unknown = tuple(key for key in keys if key not in self._learned)
        told: Usages = {}
        if unknown:
            told = await self._history.usages(unknown, self._clock.now())

        def decide_on_both(held: Usages) -> Decision[Usages, tuple[O, bool]]:
            both = {key: union(usage, told.get(key, ())) for key, usage in held.items()}
            decision = decide(both)
            kept = decision.becomes is not both
            becomes = decision.becomes if kept else held
            return Decision((decision.outcome, kept), becomes, decision.rows)

        outcome, kept = await self._sql.transition(keys, decide_on_both)
        if len(self._learned) > _MOST_LEARNED:
            self._learned.clear()
        # From here on the database's own records include these rows.
        self._learned.update(key for key in unknown if kept or not told[key])
        return outcome
