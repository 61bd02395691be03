"""A machine whose stores are a Redis and a database, and what happens to its Redis."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs

from hsp_otp.adapters.redis.client import open_redis
from hsp_otp.adapters.redis.fallback import FallbackUsage
from hsp_otp.adapters.redis.records import RedisRecords
from hsp_otp.adapters.redis.stores import RedisSignupSessions, RedisSlots, RedisUsage
from hsp_otp.adapters.redis.topology import Topology
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.sql.stores import SqlUsage
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.code import Code
from hsp_otp.domain.guard import LedgerKey, Ledgers
from hsp_otp.domain.instant import HOUR, Instant
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ClientAddress, PassCode
from hsp_otp.domain.passes import Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.quota import Quota, UsageKey, Usages
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.pass_login import PassLogin
from tests.integration.redis_server import RedisServer
from tests.integration.redis_sites import RedisSite
from tests.integration.stores import Stores, sql_stores, sqlite_url
from tests.world import (
    PASS_CODE,
    PHONE,
    ManualClock,
    Outbox,
    open_policy,
)

CODE = PassCode(PASS_CODE)
EVERY_SECOND = open_policy(cooldown=0, client_sends=(Quota(0, HOUR),))


@attrs.define
class Asked:
    """
    What the database is asked for what Redis had forgotten, and how often.

    Attributes:
        questions: Of single keys.
        pages: Of all there is.
    """

    rows: SqlLimitRecovery
    questions: int = 0
    pages: Counter[str] = attrs.field(factory=Counter[str])

    async def sends(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """Count the question."""
        self.questions += 1
        return await self.rows.sends(keys, now)

    async def asked_at(self, slot: Slot) -> Mapping[Lane, Instant]:
        """Count the question."""
        self.questions += 1
        return await self.rows.asked_at(slot)

    async def usages(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """Count the question."""
        self.questions += 1
        return await self.rows.usages(keys, now)

    async def all_sends(self, now: Instant) -> AsyncIterator[Usages]:
        """Count the pages."""
        async for page in self.rows.all_sends(now):
            self.pages["sends"] += 1
            yield page

    async def ledgers(self, keys: tuple[LedgerKey, ...], now: Instant) -> Ledgers:
        """Count the question."""
        self.questions += 1
        return await self.rows.ledgers(keys, now)

    async def all_ledgers(self, now: Instant) -> AsyncIterator[Ledgers]:
        """Count the pages."""
        async for page in self.rows.all_ledgers(now):
            self.pages["ledgers"] += 1
            yield page

    def all_asked_at(self, now: Instant) -> AsyncIterator[Mapping[str, Mapping[Lane, Instant]]]:
        """Hand the question on."""
        return self.rows.all_asked_at(now)

    async def all_usages(self, now: Instant) -> AsyncIterator[Usages]:
        """Count the pages."""
        async for page in self.rows.all_usages(now):
            self.pages["usages"] += 1
            yield page


@attrs.frozen
class Site:
    """
    A machine that shares nothing with others but the stores.

    Attributes:
        usage: What counts, in Redis or in the database.
        asked: What the database was asked for what Redis had forgotten.
        recovering: What goes on in the background where a service runs.
    """

    stores: Stores
    usage: FallbackUsage
    clock: ManualClock
    outbox: Outbox
    sessions: RedisSignupSessions
    asked: "Asked"
    recovering: tuple[Callable[[], Awaitable[None]], ...]

    def login(self, policy: Policy = EVERY_SECOND, limits: ClientLimits | None = None) -> PassLogin:
        """The journey."""
        return self.stores.login(
            self.clock, SystemRandomness(), self.outbox, policy, limits or ClientLimits()
        )

    async def send(self, client: str = "10.0.0.1", policy: Policy = EVERY_SECOND) -> str:
        """The word of an ask."""
        return (await self.login(policy).send(CODE, caller(client))).word

    async def verify(self, digits: str, limits: ClientLimits | None = None) -> str:
        """The word of a check."""
        login = self.login(limits=limits)
        outcome = await login.verify(CODE, Code(digits), None, caller("10.0.0.1"))
        return outcome.word

    async def validate(self, limits: ClientLimits) -> str:
        """The word of a look-up."""
        return (await self.login(limits=limits).validate(CODE, caller("10.0.0.1"))).word


def caller(client: str) -> Caller:
    """Somebody."""
    return Caller(ClientAddress(client), "r1")


def alone(server: RedisServer) -> RedisSite:
    """One server that nobody takes over from."""
    return RedisSite(Topology.STANDALONE, (server.url,))


@asynccontextmanager
async def open_site(folder: Path, redis: RedisSite) -> AsyncGenerator[Site]:
    """A site over a file in *folder* and *redis*."""
    clock = ManualClock(SystemClock().now())
    async with (
        Database(sqlite_url(folder), durable=False) as database,
        open_redis(redis.urls, redis.topology, redis.service) as client,
    ):
        await upgrade(database)
        commits, history = GroupCommit(database), Asked(SqlLimitRecovery(database))
        slots = RedisRecords(client, "slots", clock, SystemRandomness())
        counted = RedisRecords(client, "usage", clock, SystemRandomness())
        in_redis = RedisUsage(records=counted, rows=commits, history=history, clock=clock)
        usage = FallbackUsage(in_redis, SqlUsage(commits), history, clock)
        in_slots = RedisSlots(records=slots, rows=commits, history=history, clock=clock)
        stores = attrs.evolve(sql_stores(database, commits), slots=in_slots, usage=usage)
        sessions = RedisSignupSessions(records=slots, rows=commits)
        await stores.add(
            Pass(
                code=CODE,
                user=User(id="u1", email="u1@example.com", phone=PhoneNumber(PHONE)),
                payment_status=PaymentStatus.PAID,
            )
        )
        recovering = (
            partial(slots.keep_recovering, in_slots.recovered),
            partial(counted.keep_recovering, in_redis.recovered),
        )
        yield Site(stores, usage, clock, Outbox(), sessions, history, recovering)


LIMITS = ClientLimits(lookups=Quota(4, HOUR))
