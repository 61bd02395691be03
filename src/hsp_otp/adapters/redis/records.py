"""
Compare-and-set of whole records, and the epoch that tells what a Redis may have forgotten.

A Redis forgets: it restarts without its last writes, a replica takes over that never saw them,
somebody empties it. The epoch stands in a key of its own and names the run of the server that it
was made on. Every write compares it, and every record carries it. Where server and epoch do not
match there is a new epoch, and a record of an older one is **stale**: what it holds was true
once, and later writes may be missing.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

import attrs

from hsp_otp.adapters.redis.client import RedisClient, Script, deadline
from hsp_otp.domain.instant import Duration, Instant
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.failures import Unavailable
from hsp_otp.ports.randomness import Randomness

H = TypeVar("H")
O = TypeVar("O")  # noqa: E741

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
local count = #KEYS - 1
for i = 1, count do
  if (redis.call('GET', KEYS[i + 1]) or '') ~= ARGV[i + 1] then return 0 end
end
local at = count + 2
while at < #ARGV do
  local key, value, ttl = KEYS[tonumber(ARGV[at]) + 1], ARGV[at + 1], tonumber(ARGV[at + 2])
  if ttl > 0 then redis.call('SET', key, value, 'PX', ttl) else redis.call('SET', key, value) end
  at = at + 3
end
return 1
""")
"""KEYS: the epoch's, then the records'. ARGV: the epoch, every record as it was read ("" where
there was none), then for each change the number of its key, the record, and its life in ms (0:
for ever). Answers 1 where it was done, 0 where a record has moved, -1 where the epoch has."""

_EPOCH = Script(f"""
local epoch = redis.call('GET', KEYS[1])
local run = {_RUN}
if ARGV[2] == 'keep' and epoch and string.match(epoch, '^%w+') == run then return epoch end
epoch = run .. ':' .. ARGV[1]
redis.call('SET', KEYS[1], epoch)
return epoch
""")
"""ARGV: the id of a new epoch, and ``keep`` where the present one will do. Answers the epoch."""


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


@attrs.define(eq=False)
class _Step:
    """
    Attributes:
        by: The event loop's time by which it has to be told.
    """

    keys: tuple[str, ...]
    load: Callable[[Mapping[str, Kept | None], Instant], Awaitable[Loaded[Any]]]
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
        self._waiting: deque[_Step] = deque()
        self._running: asyncio.Task[None] | None = None

    async def step(
        self,
        keys: tuple[str, ...],
        load: Callable[[Mapping[str, Kept | None], Instant], Awaitable[Loaded[H]]],
        decide: Callable[[H], tuple[O, dict[str, Change]]],
    ) -> O:
        """
        Replace what *keys* hold by what *decide* makes of it, as one step.

        Args:
            load: Makes a state of the records, and of when the epoch began: whatever was charged
                before may be missing.
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
        names = [f"{self._store}:{key}" for key in keys]
        while True:
            epoch, *raws = await self._client.get_all([self._epoch_key, *names], by)
            current = epoch or await self.renew(keep=True)
            _, mark, since = current.decode().split(":")
            found = dict(zip(keys, (_kept(raw, mark) for raw in raws), strict=True))
            outcomes, changes = await _decided(steps, found, Instant(int(since)))
            if not changes:
                return outcomes
            args = [arg for at, key in enumerate(keys) for arg in _args(at, mark, changes.get(key))]
            before = (raw or b"" for raw in raws)
            done = await self._client.run(
                _SWAP, [self._epoch_key, *names], current, *before, *args, by=by
            )
            if done == 1:
                return outcomes
            if done == -1:
                await self.renew(keep=True)
            if asyncio.get_running_loop().time() >= by:
                raise Unavailable("the records would not hold still")

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


async def _decided(
    steps: list[_Step], found: dict[str, Kept | None], since: Instant
) -> tuple[list[Any], dict[str, Change]]:
    """The outcomes of *steps*, each on what those before it left, and all that changes."""
    outcomes: list[Any] = []
    learned: dict[str, Change] = {}
    changes: dict[str, Change] = {}
    for step in steps:
        try:
            loaded = await step.load({key: found[key] for key in step.keys}, since)
            outcome, changed = step.decide(loaded.held)
        except Exception as failure:  # noqa: BLE001 - its neighbours must not fail for it
            outcomes.append(failure)
            continue
        learned.update(loaded.learned)
        changes.update(changed)
        for key, change in (loaded.learned | changed).items():
            found[key] = Kept(change.body, is_stale=False)
        outcomes.append(outcome)
    return outcomes, learned | changes if changes else {}


def _args(at: int, mark: str, change: Change | None) -> tuple[str | int, ...]:
    if change is None:
        return ()
    life = 0 if change.life is None else max(1, change.life // 1000)
    return (at + 1, f"{mark}|{change.body}", life)
