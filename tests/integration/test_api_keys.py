"""API keys over every store that keeps them: docs/contract.md, 5.8."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryApiKeys, MemoryApps, MemoryUsage
from hsp_otp.adapters.sql.api_keys import SqlApiKeys
from hsp_otp.adapters.sql.audit_queries import SqlAuditQueries
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.domain.api_keys import ApiKey, PresentedKey, Scope, Unauthorized, use
from hsp_otp.domain.audit import Action
from hsp_otp.domain.client_limits import Counted
from hsp_otp.domain.client_limits import keys as keys_of
from hsp_otp.domain.instant import HOUR, Instant, after
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import ClientLimits
from hsp_otp.flows.api_keys import ApiKeys
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.limits import Limiter
from hsp_otp.ports.audit_queries import Wanted
from hsp_otp.ports.failures import Unavailable
from tests.audit_rows import evolved, row_of
from tests.integration.behind import execute, lock_held, raw
from tests.integration.stores import Stores
from tests.world import START, ManualClock, ring

pytestmark = pytest.mark.anyio

RING = ring("api keys")
NEWER = ring("api keys", "k2", "k1")


def presented(number: int = 0) -> PresentedKey:
    """A key as its holder presents it."""
    return PresentedKey.mint(bytes(range(number, number + 48)))


def made(number: int = 0, *scopes: Scope) -> ApiKey:
    """The stored form of `presented`."""
    return ApiKey.make(
        presented(number),
        name=f"shop {number}",
        scopes=frozenset(scopes or Scope),
        ring=RING,
        now=after(START, number),
    )


@attrs.define
class Timer:
    """A timer that stands still until a test advances it."""

    seconds: float = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


class Asked(Database):
    """A database that notes for how many keys each query asks."""

    def __init__(self, url: str, *, durable: bool) -> None:
        super().__init__(url, durable=durable)
        self.asked = list[int]()

    async def fetch(
        self, statement: str, values: Sequence[str], since: Instant | None = None
    ) -> list[Any]:
        """Note the number of values, and ask."""
        self.asked.append(len(values))
        return await super().fetch(statement, values, since)


@asynccontextmanager
async def worker(url: str, timer: Timer | None = None) -> AsyncGenerator[SqlApiKeys]:
    """A process of its own, as far as the database can tell."""
    async with Database(url, durable=False) as database:
        keys = SqlApiKeys(database, timer or Timer())
        yield keys
        await keys.close()


async def settled(keys: MemoryApiKeys | SqlApiKeys) -> list[ApiKey]:
    """All keys, once the noted uses are written."""
    if isinstance(keys, SqlApiKeys):
        await keys.close()
    return await keys.list()


# --- Every store


async def test_a_key_is_found_as_it_was_stored(stores: Stores) -> None:
    """An unknown id is nobody's, and a key of one scope has no other."""
    keys = stores.api_keys
    assert await keys.list() == []
    await keys.add(made(1, Scope.EXCHANGE))
    await keys.add(made(0))
    assert await keys.find(made(0).id) == made(0)
    assert await keys.find(made(1).id) == made(1, Scope.EXCHANGE)
    assert await keys.find("f" * 32) is None
    assert await keys.list() == [made(0), made(1, Scope.EXCHANGE)]


async def test_whom_a_key_acts_for(stores: Stores) -> None:
    """A key is found with its app or account, and a key of the service with neither."""
    keys = stores.api_keys
    expected = [
        made(0),
        attrs.evolve(made(1), app_id="a" * 22),
        attrs.evolve(made(2), account_id="b" * 22),
    ]
    for key in expected:
        await keys.add(key)
    assert [await keys.find(key.id) for key in expected] == expected
    assert await keys.list() == expected


async def test_a_key_is_revoked_once(stores: Stores) -> None:
    """The first instant stays, other keys stay alive, and an unknown id is told apart."""
    keys = stores.api_keys
    await keys.add(made(0))
    await keys.add(made(1))
    revoked = attrs.evolve(made(0), revoked_at=after(START, 5))
    assert await keys.revoke(made(0).id, after(START, 5)) == revoked
    assert await keys.revoke(made(0).id, after(START, 6)) == revoked
    assert await keys.revoke("f" * 32, START) is None
    assert await keys.list() == [revoked, made(1)]


async def test_a_noted_use_is_stored(stores: Stores) -> None:
    """The hour and the digest under the newer ring key; whoever finds the key sees them at once."""
    keys = stores.api_keys
    await keys.add(made())
    found = await keys.find(made().id)
    assert found is not None
    used = use(found, presented(), NEWER, START)
    keys.note_use(found, used)
    assert await keys.find(made().id) == used
    assert await settled(keys) == [used]
    assert (used.last_used_at, used.ring_key_id) == (START, "k2")


# --- SQL


async def test_a_revocation_is_seen_after_five_seconds(url: str) -> None:
    """Until then a process may remember the key, and it asks nobody."""
    timer = Timer()
    async with worker(url, timer) as keys, worker(url) as other:
        await other.add(made())
        assert await keys.find(made().id) == made()
        timer.seconds += 4.99
        revoked = await other.revoke(made().id, START)
        assert await keys.find(made().id) == made()
        timer.seconds += 0.01
        assert await keys.find(made().id) == revoked


async def test_an_unknown_key_is_not_remembered(url: str) -> None:
    """A key opens at once after it was made, even if somebody has tried its id before."""
    async with worker(url) as keys, worker(url) as other:
        assert await keys.find(made().id) is None
        await other.add(made())
        assert await keys.find(made().id) == made()


async def test_a_use_does_not_outlive_a_revocation(url: str) -> None:
    """A use that is noted late changes neither the revocation nor what is remembered of it."""
    timer = Timer()
    async with worker(url, timer) as keys, worker(url) as other:
        await other.add(made())
        found = await keys.find(made().id)
        assert found is not None
        revoked = await other.revoke(made().id, after(START, 1))
        assert revoked is not None
        timer.seconds += 5
        assert await keys.find(made().id) == revoked
        keys.note_use(found, use(found, presented(), NEWER, START))
        assert await keys.find(made().id) == revoked
        used = attrs.evolve(use(found, presented(), NEWER, START), revoked_at=revoked.revoked_at)
        assert await settled(keys) == [used]


async def test_the_hour_is_never_turned_back(url: str) -> None:
    """A process whose clock is behind leaves a later hour alone."""
    async with worker(url) as keys, worker(url) as behind:
        await keys.add(made())
        early = await behind.find(made().id)
        assert early is not None
        found = await keys.find(made().id)
        assert found is not None
        keys.note_use(found, use(found, presented(), RING, after(START, HOUR)))
        await keys.close()
        behind.note_use(early, use(early, presented(), RING, START))
        await behind.close()
        (kept,) = await keys.list()
        assert kept.last_used_at == after(START, HOUR)


async def test_a_use_that_is_not_written_fails_nobody(url: str, file: Path) -> None:
    """While somebody holds the row or the lock, keys are found, and a later use is stored."""
    timer = Timer()
    async with worker(url, timer) as keys:
        await keys.add(made())
        found = await keys.find(made().id)
        assert found is not None
        used = use(found, presented(), RING, START)
        async with lock_held(file):
            keys.note_use(found, used)
            assert await keys.find(made().id) == used
            await keys.close()
        assert await keys.list() == [made()]
        timer.seconds += 5
        found = await keys.find(made().id)
        assert found == made()
        assert found is not None
        keys.note_use(found, used)
        assert await settled(keys) == [used]


async def test_many_uses_at_once(url: str) -> None:
    """Two processes note uses of the same keys in opposite orders, and all of them are stored."""
    async with worker(url) as one, worker(url) as other:
        for number in range(20):
            await one.add(made(number))

        async def use_all(keys: SqlApiKeys, numbers: list[int]) -> None:
            for number in numbers:
                found = await keys.find(made(number).id)
                assert found is not None
                keys.note_use(found, use(found, presented(number), NEWER, START))
            await keys.close()

        numbers = list(range(20))
        await asyncio.gather(use_all(one, numbers), use_all(other, numbers[::-1]))
        kept = await one.list()
        assert {(key.last_used_at, key.ring_key_id) for key in kept} == {(START, "k2")}


async def test_look_ups_of_one_turn_are_joined(url: str) -> None:
    """However many requests present keys at the same time, the database is asked once."""
    async with Asked(url, durable=False) as database:
        keys = SqlApiKeys(database)
        for number in range(3):
            await keys.add(made(number))
        found = await asyncio.gather(*(keys.find(made(number % 3).id) for number in range(60)))
        assert database.asked == [3]
        assert found == [made(number % 3) for number in range(60)]


async def test_a_scope_of_a_later_version_opens_nothing(url: str, file: Path) -> None:
    """This version reads the key, and knows only the scopes that it has."""
    async with worker(url) as keys:
        await keys.add(made(0, Scope.PASSES))
        execute(file, "UPDATE api_keys SET scopes = 'fly passes swim'")
        assert await keys.find(made().id) == made(0, Scope.PASSES)


async def test_a_database_that_is_away(url: str, file: Path) -> None:
    """A key that is not remembered cannot be judged."""
    async with worker(url) as keys:
        execute(file, "DROP TABLE api_keys")
        for call in (keys.find(made().id), keys.list(), keys.add(made())):
            with pytest.raises(Unavailable):
                await call


async def test_audit_rows_name_the_key(database: Database, commits: GroupCommit) -> None:
    """Rows of a flood fold for each key apart, and the key is listed."""
    row = row_of(
        at=START,
        flow=None,
        purpose=None,
        action=Action.AUTHENTICATE,
        outcome="unauthorized",
        client=ClientAddress("203.0.113.7"),
        request_id="r-1",
        charged=("failed_authentications",),
        folds=True,
    )
    await commits.write(*(evolved(row, api_key_id=key) for key in ("a", None, "b", "a")))
    await commits.write(row, evolved(row, api_key_id="b"))
    entries = await SqlAuditQueries(database).latest(Wanted(), 9)
    told = sorted((entry.api_key_id or "", entry.count) for entry in entries)
    assert told == [("", 2), ("a", 2), ("b", 2)]


async def test_failures_are_counted_again_from_the_audit(
    database: Database, commits: GroupCommit
) -> None:
    """A store of counts that has lost its data refuses a client that has used up its failures."""
    client = ClientAddress("203.0.113.7")
    flow = ApiKeys(
        keys=MemoryApiKeys(),
        apps=MemoryApps(),
        limiter=Limiter(
            usage=MemoryUsage(commits),
            limits=ClientLimits(),
            sign_ins=SqlLimitRecovery(database),
        ),
        audit=commits,
        clock=ManualClock(START),
        ring=RING,
    )
    for number in range(30):
        outcome = await flow.authenticate(None, Scope.PASSES, Caller(client, f"r-{number}"))
        assert outcome == Unauthorized()
    told = await SqlLimitRecovery(database).usages(keys_of(Counted.AUTHENTICATIONS, client), START)
    assert {key.who: len(usage) for key, usage in told.items()} == {
        "203.0.113.7": 30,
        "203.0.113.0/24": 30,
    }


async def test_the_secret_is_stored_nowhere(url: str, file: Path) -> None:
    """The database holds the id and the digest, and no part of the secret."""
    async with worker(url) as keys:
        await keys.add(made())
        stored = raw(file)
    assert made().id.encode() in stored
    assert presented().secret.encode() not in stored
    assert presented().secret[:20].encode() not in stored
