"""
Compare-and-set of whole records, and the epoch, which reveals when Redis may have lost data.

Redis can lose data: it restarts without its last writes, a replica without them takes over, or it
is emptied. The epoch is stored in its own key and names the server run that it was created on.
Every write compares it, and every record carries it. If the server and the epoch do not match, a
new epoch begins, and records of older epochs are **stale**: they were correct once, but later
writes may be missing. Under a new epoch the lost data is recovered once, in the background, from
another store. Until then, each step asks that store for exactly what it lacks.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Generic, TypeAlias

import attrs
import structlog

from hsp_otp.adapters.redis.client import RedisClient, Script, deadline
from hsp_otp.adapters.waiting_steps import tell, telling
from hsp_otp.domain.decision import H, O
from hsp_otp.domain.instant import CLOCK_SKEW, Duration, Instant, after
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.randomness import Randomness

_log = structlog.get_logger()

_ID_BYTES: Final = 8

_MOST_STEPS: Final = 200
"""Steps in one write, limited so that no write blocks the server for long."""

# A single hash tag: data that is judged together has to be on one shard of a cluster, and a
# client's address can link any two subjects.
_TAG: Final = "{hsp-otp}"

_RUN = "string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')"

_SWAP = Script(f"""
local epoch = redis.call('GET', KEYS[1])
if epoch ~= ARGV[1] or string.match(epoch, '^%w+') ~= {_RUN} then return -1 end
for i = 2, #KEYS do
  if (redis.call('GET', KEYS[i]) or '') ~= ARGV[3 * i - 4] then return 0 end
end
for i = 2, #KEYS do
  local value, ttl = ARGV[3 * i - 3], tonumber(ARGV[3 * i - 2])
  if ttl > 0 then
    redis.call('SET', KEYS[i], value, 'PX', ttl)
  else
    redis.call('SET', KEYS[i], value)
  end
end
return 1
""")
"""KEYS: the epoch's key, then the keys of the records that change. ARGV: the epoch, then for each
record its old value ("" if there was none), its new value, and its life in ms (0: for ever).
Returns 1 if the write was made, 0 if a record has changed, -1 if the epoch has."""

_EPOCH = Script(f"""
local epoch = redis.call('GET', KEYS[1])
local run = {_RUN}
if ARGV[2] == 'keep' and epoch and string.match(epoch, '^%w+') == run then return epoch end
epoch = run .. ':' .. ARGV[1]
redis.call('SET', KEYS[1], epoch)
return epoch
""")
"""ARGV: the id of a new epoch, and ``keep`` if the present one may stay. Returns the epoch."""

_LEASE = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")
"""ARGV: the name of the process, and the length of the lease in ms. Returns 1 if it was granted."""

_RECOVERED = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ':recovered')
return 1
""")
"""ARGV: the epoch whose recovery is complete. Returns 0 if that epoch is over."""

_LEASE_MS: Final = 10_000

_LOOK_AGAIN_SECONDS: Final = 1.0
"""Interval of checks for lost data, if no step reports any, and of retries while another process
recovers it or a store is unavailable."""

_RESTORED_AT_ONCE: Final = 200
"""Records in one write."""


@attrs.frozen
class Epoch:
    """
    A period in which Redis has lost no data.

    Attributes:
        text: The stored form.
        mark: The part that records carry.
        began: When the epoch began.
        is_recovered: The data lost before the epoch has been recovered.
    """

    text: bytes
    mark: str
    began: Instant
    is_recovered: bool

    @classmethod
    def read(cls, text: bytes) -> "Epoch":
        """Parse the stored form."""
        _, mark, began, *recovered = text.decode().split(":")
        return cls(text, mark, Instant(int(began)), bool(recovered))

    def lacks(self, window: Duration, now: Instant) -> bool:
        """Whether data from the last *window* may have been lost and not yet recovered."""
        return not self.is_recovered and now < after(self.began, window + CLOCK_SKEW)


@attrs.frozen
class Kept:
    """A record as it was read; stale if it belongs to an older epoch."""

    body: str
    is_stale: bool


@attrs.frozen
class Change:
    """The new value of a record, and the time after which it may be deleted; None for never."""

    body: str
    life: Duration | None


@attrs.frozen
class Loaded(Generic[H]):
    """The state that a rule is applied to, and what was *learned* elsewhere and is written too."""

    held: H
    learned: dict[str, Change] = attrs.field(factory=dict[str, Change])


Load: TypeAlias = Callable[[Mapping[str, Kept | None], Epoch], Awaitable[Loaded[H]]]

Restore: TypeAlias = Callable[[Kept | None], Change | None]
"""Computes the new value of a record from another store's data; None if the record is correct."""


@attrs.define(eq=False)
class _Step:
    """A step that waits for its write, until the event loop's time *by*."""

    keys: tuple[str, ...]
    load: Load[Any]
    decide: Callable[[Any], tuple[Any, dict[str, Change]]]
    by: float
    done: asyncio.Future[Any]


class RedisRecords:
    """
    The records of one store.

    Steps that wait in the same turn of the event loop share one write. Separately they would only
    lose races against each other.
    """

    def __init__(
        self, client: RedisClient, store: str, clock: Clock, randomness: Randomness
    ) -> None:
        self._client = client
        self._store = f"{_TAG}:{store}"
        self._epoch_key = f"{self._store}:epoch"
        self._clock = clock
        self._randomness = randomness
        self._name = randomness.draw(_ID_BYTES).hex()
        self._lost = asyncio.Event()
        self._lost.set()
        self._waiting: deque[_Step] = deque()
        self._running: asyncio.Task[None] | None = None

    async def step(
        self,
        keys: tuple[str, ...],
        load: Load[H],
        decide: Callable[[H], tuple[O, dict[str, Change]]],
    ) -> O:
        """
        Replace the values of *keys* with the result of *decide*, in one step.

        Args:
            load: Makes a state from the records and the epoch, since earlier charges may be
                missing. Called again on every attempt.
            decide: Returns the outcome and the changes. Called again if another step wins the race.

        Raises:
            Unavailable: Redis did not answer. The step may or may not have happened.
        """
        loop = asyncio.get_running_loop()
        step = _Step(keys, load, decide, deadline(), loop.create_future())
        self._waiting.append(step)
        if self._running is None:
            # A separate task, so that a cancelled caller does not cancel the others' steps.
            self._running = loop.create_task(self._run())
        outcome: O = await step.done
        return outcome

    async def _run(self) -> None:
        try:
            with telling(self._waiting):
                while self._waiting:
                    await asyncio.sleep(0)  # let all steps of this turn of the loop join
                    count = min(len(self._waiting), _MOST_STEPS)
                    await self._settle([self._waiting.popleft() for _ in range(count)])
        finally:
            self._running = None

    async def _settle(self, steps: list[_Step]) -> None:
        with telling(steps):
            for step, outcome in zip(steps, await self._commit(steps), strict=True):
                tell(step, outcome)

    async def _commit(self, steps: list[_Step]) -> list[Any]:
        """The outcomes of *steps*, an exception for each one that failed."""
        by = min(step.by for step in steps)
        keys = sorted({key for step in steps for key in step.keys})
        while True:
            text, *raws = await self._client.get_all([self._epoch_key, *map(self._named, keys)], by)
            epoch = Epoch.read(text or await self.renew(keep=True))
            before = dict(zip(keys, raws, strict=True))
            found = {key: _kept(raw, epoch.mark) for key, raw in before.items()}
            failed: list[BaseException | None] = [None] * len(steps)
            if not epoch.is_recovered:
                self._lost.set()
                failed = await _asked(steps, found, epoch)
            outcomes, changes = await _decided(steps, failed, found, epoch)
            if not changes:
                return outcomes
            done = await self._client.run(
                _SWAP,
                [self._epoch_key, *map(self._named, changes)],
                epoch.text,
                *(
                    arg
                    for key, change in changes.items()
                    for arg in (before[key] or b"", f"{epoch.mark}|{change.body}", _life(change))
                ),
                by=by,
            )
            if done == 1:
                return outcomes
            if done == -1:
                await self.renew(keep=True)
            if asyncio.get_running_loop().time() >= by:
                raise Unavailable("the records kept changing")

    async def keep_recovering(
        self, recovered: Callable[[], AsyncIterator[Mapping[str, Restore]]]
    ) -> None:
        """
        Recover lost data from another store whenever Redis has lost some; runs for ever.

        One process recovers while the others wait. Until it is done, steps ask for what they lack.
        *recovered* yields all data to restore, keyed by record, page by page.
        """
        while True:
            # Also without requests, so that the next one finds everything recovered.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                    await self._lost.wait()
            with suppress(Unavailable):
                if await self._recover(recovered):
                    self._lost.clear()
                    continue
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _recover(self, recovered: Callable[[], AsyncIterator[Mapping[str, Restore]]]) -> bool:
        """Recover the lost data, and return whether it is complete."""
        epoch = Epoch.read(await self.renew(keep=True))
        if epoch.is_recovered:
            return True
        if not await self._leases():
            return False
        _log.info("redis_recovering", store=self._store)
        async for page in recovered():
            keys = list(page)
            for first in range(0, len(keys), _RESTORED_AT_ONCE):
                await self._restore({key: page[key] for key in keys[first:][:_RESTORED_AT_ONCE]})
            if not await self._leases():
                return False
        done = await self._client.run(_RECOVERED, [self._epoch_key], epoch.text, by=deadline())
        if done:
            _log.info("redis_recovered", store=self._store)
        return bool(done)

    async def _leases(self) -> bool:
        """Whether this process holds the lease for the recovery."""
        has_it = await self._client.run(
            _LEASE, [f"{self._store}:recovering"], self._name, _LEASE_MS, by=deadline()
        )
        return bool(has_it)

    async def _restore(self, page: Mapping[str, Restore]) -> None:
        async def load(
            found: Mapping[str, Kept | None], _: Epoch
        ) -> Loaded[Mapping[str, Kept | None]]:
            return Loaded(found)

        def decide(found: Mapping[str, Kept | None]) -> tuple[None, dict[str, Change]]:
            changes = {key: restore(found[key]) for key, restore in page.items()}
            return None, {key: change for key, change in changes.items() if change is not None}

        await self.step(tuple(page), load, decide)

    def _named(self, key: str) -> str:
        return f"{self._store}:{key}"

    async def renew(self, *, keep: bool = False) -> bytes:
        """
        Begin a new epoch, so that what other processes have read under this one becomes stale.

        With *keep*, only if the present epoch does not match the server. Raises Unavailable if
        Redis does not answer.
        """
        fresh = f"{self._randomness.draw(_ID_BYTES).hex()}:{self._clock.now()}"
        epoch: bytes = await self._client.run(
            _EPOCH, [self._epoch_key], fresh, "keep" if keep else "begin", by=deadline()
        )
        return epoch


def _kept(raw: bytes | None, mark: str) -> Kept | None:
    if raw is None:
        return None
    of, _, body = raw.decode().partition("|")
    return Kept(body, of != mark)


async def _asked(
    steps: list[_Step], found: Mapping[str, Kept | None], epoch: Epoch
) -> list[BaseException | None]:
    """Let all *steps* load their missing data concurrently and cache it; returns the failures."""
    loads = (step.load(found, epoch) for step in steps)
    loaded = await asyncio.gather(*loads, return_exceptions=True)
    return [one if isinstance(one, BaseException) else None for one in loaded]


async def _decided(
    steps: list[_Step],
    failed: list[BaseException | None],
    found: dict[str, Kept | None],
    epoch: Epoch,
) -> tuple[list[Any], dict[str, Change]]:
    """The outcomes of *steps*, each applied to the result of the previous one, and all changes."""
    outcomes: list[Any] = []
    changes: dict[str, Change] = {}
    for step, failure in zip(steps, failed, strict=True):
        if failure is not None:
            outcomes.append(failure)
            continue
        try:
            loaded = await step.load({key: found[key] for key in step.keys}, epoch)
            outcome, changed = step.decide(loaded.held)
        except Exception as error:  # noqa: BLE001 - must not fail the other steps
            outcomes.append(error)
            continue
        # Recovered data is written even if nothing else changes, so that it is not asked for again.
        for key, change in (loaded.learned | changed).items():
            changes[key] = change
            found[key] = Kept(change.body, is_stale=False)
        outcomes.append(outcome)
    return outcomes, changes


def _life(change: Change) -> int:
    return 0 if change.life is None else max(1, change.life // 1000)
