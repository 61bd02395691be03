"""
Compare-and-set of whole records, and the epoch that tells what a Redis may have forgotten.

A Redis forgets: it restarts without its last writes, a replica takes over that never saw them,
somebody empties it. The epoch stands in a key of its own and names the run of the server that it
was made on. Every write compares it, and every record carries it. Where server and epoch do not
match there is a new epoch, and a record of an older one is **stale**: what it holds was true
once, and later writes may be missing. Under a new epoch what was forgotten is recovered once, in
the background, from another memory; until then whatever needs some of it asks for that alone.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Generic, TypeAlias, TypeVar

import attrs
import structlog

from hsp_otp.adapters.redis.client import RedisClient, Script, deadline
from hsp_otp.domain.instant import CLOCK_SKEW, Duration, Instant, after
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.randomness import Randomness

H = TypeVar("H")
O = TypeVar("O")  # noqa: E741

_log = structlog.get_logger()

_ID_BYTES: Final = 8

_MOST_STEPS: Final = 200
"""In one write, so that none keeps the server for long."""

# One hash tag: what is judged together has to be on one shard of a cluster, and a client's
# address ties any two subjects together.
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
"""KEYS: the epoch's, then those of the records that change. ARGV: the epoch, then of each record
how it was read ("" where there was none), what becomes of it, and its life in ms (0: for ever).
Answers 1 where it was done, 0 where a record has moved, -1 where the epoch has."""

_EPOCH = Script(f"""
local epoch = redis.call('GET', KEYS[1])
local run = {_RUN}
if ARGV[2] == 'keep' and epoch and string.match(epoch, '^%w+') == run then return epoch end
epoch = run .. ':' .. ARGV[1]
redis.call('SET', KEYS[1], epoch)
return epoch
""")
"""ARGV: the id of a new epoch, and ``keep`` where the present one will do. Answers the epoch."""

_LEASE = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")
"""ARGV: who wants it, and for how many ms. Answers 1 where they have it."""

_RECOVERED = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ':recovered')
return 1
""")
"""ARGV: the epoch of which everything has been recovered. Answers 0 where it is over."""

_LEASE_MS: Final = 10_000

_LOOK_AGAIN_SECONDS: Final = 1.0
"""Whether something was lost, where nobody has said so; and where another process recovers it, or
a store is away."""

_RESTORED_AT_ONCE: Final = 200
"""Records in one write."""


@attrs.frozen
class Epoch:
    """
    A time in which Redis has forgotten nothing.

    Attributes:
        text: As Redis keeps it.
        mark: What its records carry.
        began: When.
        is_recovered: What had been forgotten before is there again.
    """

    text: bytes
    mark: str
    began: Instant
    is_recovered: bool

    @classmethod
    def read(cls, text: bytes) -> "Epoch":
        """The epoch that *text* tells of."""
        _, mark, began, *recovered = text.decode().split(":")
        return cls(text, mark, Instant(int(began)), bool(recovered))

    def lacks(self, window: Duration, now: Instant) -> bool:
        """Whether something of the last *window* may have been forgotten, and is not back yet."""
        return not self.is_recovered and now < after(self.began, window + CLOCK_SKEW)


@attrs.frozen
class Kept:
    """
    A record as it was found.

    Attributes:
        is_stale: It is of an older epoch.
    """

    body: str
    is_stale: bool


@attrs.frozen
class Change:
    """
    What becomes of a record.

    Attributes:
        life: After which it may be tidied away; None where never.
    """

    body: str
    life: Duration | None


@attrs.frozen
class Loaded(Generic[H]):
    """
    A state that a rule can be asked about.

    Attributes:
        learned: Records that another memory had to be asked for; they go in with what changes.
    """

    held: H
    learned: dict[str, Change] = attrs.field(factory=dict[str, Change])


Load: TypeAlias = Callable[[Mapping[str, Kept | None], Epoch], Awaitable[Loaded[H]]]

Restore: TypeAlias = Callable[[Kept | None], Change | None]
"""What becomes of a record by what another memory knows; None where it is right as it is."""


@attrs.define(eq=False)
class _Step:
    """
    Attributes:
        by: The event loop's time by which it has to be told.
    """

    keys: tuple[str, ...]
    load: Load[Any]
    decide: Callable[[Any], tuple[Any, dict[str, Change]]]
    by: float
    done: asyncio.Future[Any]


class RedisRecords:
    """
    Records of one store.

    The steps that wait in one turn of the event loop are one write: alone they would only lose
    races for a record to each other.
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
        Replace what *keys* hold by what *decide* makes of it, as one step.

        Args:
            load: Makes a state of the records, and of the epoch: what was charged before may be
                missing. Called again for every try.
            decide: The outcome, and what changes. Called again where another step wins the race.

        Raises:
            Unavailable: Redis did not answer; the step may or may not have happened.
        """
        loop = asyncio.get_running_loop()
        step = _Step(keys, load, decide, deadline(), loop.create_future())
        self._waiting.append(step)
        if self._running is None:
            # A task of its own: a caller that is cancelled takes nobody else along.
            self._running = loop.create_task(self._run())
        outcome: O = await step.done
        return outcome

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # let everybody of this turn of the loop join
                count = min(len(self._waiting), _MOST_STEPS)
                await self._settle([self._waiting.popleft() for _ in range(count)])
        finally:
            self._running = None

    async def _settle(self, steps: list[_Step]) -> None:
        try:
            outcomes: list[Any] = await self._commit(steps)
        except Exception as failure:  # noqa: BLE001 - told to those who wait
            outcomes = [failure] * len(steps)
        for step, outcome in zip(steps, outcomes, strict=True):
            if step.done.done():
                continue  # its caller has gone
            if isinstance(outcome, Exception):
                step.done.set_exception(outcome)
            else:
                step.done.set_result(outcome)

    async def _commit(self, steps: list[_Step]) -> list[Any]:
        """The outcomes of *steps*, an exception where one raised."""
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
                raise Unavailable("the records would not hold still")

    async def keep_recovering(
        self, recovered: Callable[[], AsyncIterator[Mapping[str, Restore]]]
    ) -> None:
        """
        Whenever Redis has forgotten something, fill it in from another memory; for ever.

        One process does it and the others wait. Until it is done, steps ask for what they lack.

        Args:
            recovered: All that is to be restored, by the keys of records, page by page.
        """
        while True:
            # Also where nobody asks: whoever comes next is to find everything there.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                    await self._lost.wait()
            with suppress(Unavailable):
                if await self._recover(recovered):
                    self._lost.clear()
                    continue
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _recover(self, recovered: Callable[[], AsyncIterator[Mapping[str, Restore]]]) -> bool:
        """Whether everything is there again."""
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
        """Whether it is for this process to recover what was lost."""
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
        Begin a new epoch: what other processes hold of this one counts as stale.

        Args:
            keep: Only where the present one does not match the server.

        Raises:
            Unavailable: Redis did not answer.
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
    """Let all *steps* ask elsewhere at once for what they lack, and remember it; what failed."""
    loads = (step.load(found, epoch) for step in steps)
    loaded = await asyncio.gather(*loads, return_exceptions=True)
    return [one if isinstance(one, BaseException) else None for one in loaded]


async def _decided(
    steps: list[_Step],
    failed: list[BaseException | None],
    found: dict[str, Kept | None],
    epoch: Epoch,
) -> tuple[list[Any], dict[str, Change]]:
    """The outcomes of *steps*, each on what those before it left, and all that changes."""
    outcomes: list[Any] = []
    changes: dict[str, Change] = {}
    for step, failure in zip(steps, failed, strict=True):
        if failure is not None:
            outcomes.append(failure)
            continue
        try:
            loaded = await step.load({key: found[key] for key in step.keys}, epoch)
            outcome, changed = step.decide(loaded.held)
        except Exception as error:  # noqa: BLE001 - its neighbours must not fail for it
            outcomes.append(error)
            continue
        # What was learned is kept although nothing else may change: it is not asked for again.
        for key, change in (loaded.learned | changed).items():
            changes[key] = change
            found[key] = Kept(change.body, is_stale=False)
        outcomes.append(outcome)
    return outcomes, changes


def _life(change: Change) -> int:
    return 0 if change.life is None else max(1, change.life // 1000)
