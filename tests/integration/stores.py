"""The stores that implement the ports, as parameters of the contract tests."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import attrs
from sqlalchemy import Table, select

from hsp_otp.adapters.memory import (
    MemoryApiKeys,
    MemoryApps,
    MemoryAudit,
    MemoryBudgets,
    MemoryPasses,
    MemoryRecords,
    MemorySends,
    MemorySlots,
    MemoryTestContacts,
    MemoryUsage,
    MemoryVerifications,
)
from hsp_otp.adapters.redis.client import open_redis
from hsp_otp.adapters.redis.records import RedisRecords
from hsp_otp.adapters.redis.stores import RedisSignupSessions, RedisSlots, RedisUsage
from hsp_otp.adapters.redis.topology import Topology
from hsp_otp.adapters.sql.api_keys import SqlApiKeys
from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.async_engine import AsyncConnection
from hsp_otp.adapters.sql.database import Database, insert
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.adapters.sql.pass_changes import SqlPassRepository
from hsp_otp.adapters.sql.passes import SqlPasses
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.sql.sends import SqlSends
from hsp_otp.adapters.sql.stores import (
    SqlApprovals,
    SqlBudgets,
    SqlFamilies,
    SqlSignupSessions,
    SqlSignupSteps,
    SqlSlots,
    SqlUsage,
)
from hsp_otp.adapters.sql.tables import audit, passes, sends, users
from hsp_otp.adapters.sql.test_contacts import SqlTestContacts
from hsp_otp.adapters.sql.verifications import SqlVerifications
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.audit import HandedOverRow
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.guard import GuardMode
from hsp_otp.domain.instant import DAY, SECOND, Instant
from hsp_otp.domain.passes import Pass
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.verification_request import Reach
from hsp_otp.flows.assembly import GuardNumbers, Journeys, Numbers, Ports, Rings, build
from hsp_otp.flows.house_passes import HousePasses
from hsp_otp.flows.limits import Limiter
from hsp_otp.flows.pass_login import PassLogin
from hsp_otp.flows.signup import Signup
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.budgets import Budgets
from hsp_otp.ports.challenges import SlotRepository
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.limit_recovery import SignInHistory
from hsp_otp.ports.passes import Passes, PassRepository
from hsp_otp.ports.randomness import Randomness
from hsp_otp.ports.refresh_tokens import FamilyRepository
from hsp_otp.ports.sender import Senders
from hsp_otp.ports.sends import Sends
from hsp_otp.ports.signups import SignupSessions, SignupSteps
from hsp_otp.ports.tokens import Proofs
from hsp_otp.ports.usage_counter import UsageCounter
from hsp_otp.ports.verifications import Approvals, Verifications
from tests.integration import redis_sites
from tests.integration.postgres_server import DATABASES
from tests.world import (
    SIGNUP_POLICY,
    Outbox,
    PlainMessages,
    PlainWork,
    SignedAccess,
    SignedProofs,
    app_policies,
    ring,
)


@attrs.frozen(kw_only=True)
class Told:
    """The content of an audit row, and the number of requests that it counts."""

    at: Instant
    action: str
    outcome: str
    client: str | None
    request_id: str | None
    count: int


@attrs.frozen(kw_only=True)
class Stores:
    """
    One store of each kind.

    Attributes:
        add: Stores a pass with its user, or replaces both.
        told: Returns the audit rows in the order of writing.
        sent: Returns the challenges of the send rows, sorted.
        handed_over: Returns the rows' data about accepted messages, by challenge.
    """

    slots: SlotRepository
    usage: UsageCounter
    families: FamilyRepository
    signup_sessions: SignupSessions
    signup_steps: SignupSteps
    sends: Sends
    verifications: Verifications
    approvals: Approvals
    budgets: Budgets
    audit: AuditTrail
    passes: Passes
    pass_repository: PassRepository
    api_keys: MemoryApiKeys | SqlApiKeys
    apps: MemoryApps | SqlApps
    test_contacts: MemoryTestContacts | SqlTestContacts
    sign_ins: SignInHistory
    add: Callable[[Pass], Awaitable[None]]
    told: Callable[[], Awaitable[list[Told]]]
    sent: Callable[[], Awaitable[list[str]]]
    handed_over: Callable[[], Awaitable[list[HandedOverRow]]]

    def login(  # noqa: D102 - the name says it
        self,
        clock: Clock,
        randomness: Randomness,
        sender: Senders,
        policy: Policy | None = None,
        limits: ClientLimits | None = None,
    ) -> PassLogin:
        policies = {Purpose.PHONE_VERIFICATION: policy or Policy()}
        ports = self._ports(clock, randomness, sender, SignedProofs())
        return build(ports, RINGS, _numbers(policies, limits)).pass_login

    def signup(  # noqa: D102 - the name says it
        self,
        clock: Clock,
        randomness: Randomness,
        sender: Senders,
        proofs: Proofs,
        *,
        policy: Policy | None = None,
        limits: ClientLimits | None = None,
    ) -> Signup:
        policies = {Purpose.SIGNUP: policy or SIGNUP_POLICY}
        ports = self._ports(clock, randomness, sender, proofs)
        return build(ports, RINGS, _numbers(policies, limits)).signup

    def verification(  # noqa: D102 - the name says it
        self, clock: Clock, randomness: Randomness, sender: Senders
    ) -> Journeys:
        ports = self._ports(clock, randomness, sender, SignedProofs())
        return build(ports, RINGS, _numbers({}, None))

    def guarded(  # noqa: D102 - the name says it
        self, clock: Clock, randomness: Randomness, sender: Senders, guard: GuardNumbers
    ) -> Journeys:
        policies = {
            Purpose.PHONE_VERIFICATION: Policy(),
            Purpose.SIGNUP: SIGNUP_POLICY,
        }
        ports = self._ports(clock, randomness, sender, SignedProofs())
        return build(ports, RINGS, _numbers(policies, None, guard))

    def house_passes(self, clock: Clock, randomness: Randomness) -> HousePasses:  # noqa: D102
        ports = self._ports(clock, randomness, Outbox(), SignedProofs())
        return build(ports, RINGS, _numbers({}, None)).house_passes

    def limiter(self, limits: ClientLimits | None = None) -> Limiter:  # noqa: D102
        return Limiter(usage=self.usage, limits=limits or ClientLimits(), sign_ins=self.sign_ins)

    def _ports(
        self, clock: Clock, randomness: Randomness, sender: Senders, proofs: Proofs
    ) -> Ports:
        return Ports(
            slots=self.slots,
            signup_sessions=self.signup_sessions,
            signup_steps=self.signup_steps,
            sends=self.sends,
            verifications=self.verifications,
            approvals=self.approvals,
            usage=self.usage,
            families=self.families,
            passes=self.passes,
            pass_repository=self.pass_repository,
            api_keys=self.api_keys,
            apps=self.apps,
            test_contacts=self.test_contacts,
            audit=self.audit,
            sign_ins=self.sign_ins,
            senders=dict.fromkeys(Channel, sender),
            budgets=self.budgets,
            messages=PlainMessages(),
            access_tokens=SignedAccess(),
            work=PlainWork(),
            proofs=proofs,
            clock=clock,
            randomness=randomness,
        )


RINGS: Final = Rings(
    codes=ring("codes"),
    devices=ring("devices"),
    refresh_tokens=ring("refresh"),
    exchange_codes=ring("exchange"),
    fingerprints=ring("fingerprints"),
    api_keys=ring("api keys"),
    idempotency=ring("idempotency"),
    test_codes=ring("test codes"),
)


def _numbers(
    policies: Mapping[Purpose, Policy],
    limits: ClientLimits | None,
    guard: GuardNumbers | None = None,
) -> Numbers:
    return Numbers(
        policies=policies,
        client_limits=limits or ClientLimits(),
        access_lifetime=900 * SECOND,
        family_lifetime=30 * DAY,
        app_policies=app_policies(Policy()),
        reach=Reach(frozenset({"IN"}), "IN", frozenset(Channel)),
        guard=guard or GuardNumbers(mode=GuardMode.OFF),
    )


@asynccontextmanager
async def open_memory(_: Path) -> AsyncGenerator[Stores]:
    """Open stores in memory, which are lost at the end of the block."""
    rows = MemoryAudit()
    kept = MemoryPasses(rows)

    async def add(found: Pass) -> None:
        kept.stored[found.code] = found

    async def told() -> list[Told]:
        return [
            Told(
                at=row.facts.at,
                action=row.facts.action.value,
                outcome=row.outcome,
                client=None if row.facts.client is None else row.facts.client.value,
                request_id=row.facts.request_id,
                count=1,
            )
            for row in rows.rows
        ]

    async def sent() -> list[str]:
        return sorted(row.id for row in rows.sends)

    async def handed_over() -> list[HandedOverRow]:
        return sorted(rows.handed_over, key=lambda row: row.send_id)

    yield Stores(
        slots=MemorySlots(rows),
        usage=MemoryUsage(rows),
        families=MemoryRecords(rows),
        signup_sessions=MemoryRecords(rows),
        signup_steps=MemoryRecords(rows),
        sends=MemorySends(rows),
        verifications=MemoryVerifications(rows),
        approvals=MemoryRecords(rows),
        budgets=MemoryBudgets(),
        audit=rows,
        passes=kept,
        pass_repository=kept,
        api_keys=MemoryApiKeys(),
        apps=MemoryApps(),
        test_contacts=MemoryTestContacts(rows),
        sign_ins=rows,
        add=add,
        told=told,
        sent=sent,
        handed_over=handed_over,
    )


@asynccontextmanager
async def open_sqlite(folder: Path) -> AsyncGenerator[Stores]:
    """Open a file in *folder*; opening it again makes another writer of the same file."""
    async with Database(sqlite_url(folder), durable=False) as database:
        await upgrade(database)
        yield sql_stores(database, GroupCommit(database))


@asynccontextmanager
async def open_postgres(folder: Path) -> AsyncGenerator[Stores]:
    """Open a new database named by a file in *folder*; opening it again makes another writer."""
    named = postgres_file(folder)
    if not named.exists():
        named.write_text(await DATABASES.new())
    async with Database(named.read_text(), durable=False) as database:
        yield sql_stores(database, GroupCommit(database))


def postgres_file(folder: Path) -> Path:
    """Return the file with the URL of the database of `open_postgres`."""
    return folder / "postgres-url"


def sqlite_path(folder: Path) -> Path:
    """Return the file of `open_sqlite`."""
    return folder / "otp.db"


def sqlite_url(folder: Path) -> str:
    """Return the URL of the file of `open_sqlite`."""
    return f"sqlite+aiosqlite:///{sqlite_path(folder)}"


async def put(connection: AsyncConnection, table: Table, **values: object) -> None:
    """Insert a row, replacing one with the same key."""
    statement = insert(connection, table).values(values)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=values)
    )


def sql_stores(database: Database, commits: GroupCommit) -> Stores:
    """Create all stores in *database*."""

    async def add(found: Pass) -> None:
        user = found.user
        async with database.write() as connection:
            await put(
                connection,
                users,
                id=user.id,
                house_id=user.house_id,
                email=user.email,
                first_name=user.first_name,
                last_name=user.last_name,
                phone_number=None if user.phone is None else user.phone.e164,
                is_verified=False,
            )
            await put(
                connection,
                passes,
                code=found.code.value,
                user_id=user.id,
                payment_status=found.payment_status.value,
                status="active",
                plan_name=found.plan_name,
                expires_at=found.expires_at,
            )

    async def told() -> list[Told]:
        async with database.read() as connection:
            found = await connection.execute(select(audit).order_by(audit.c.id))
            return [
                Told(
                    at=row.at,
                    action=row.action,
                    outcome=row.outcome,
                    client=row.client,
                    request_id=row.request_id,
                    count=row._mapping["count"],  # noqa: SLF001 - `count` is also a method of rows
                )
                for row in found
            ]

    async def sent() -> list[str]:
        async with database.read() as connection:
            found = await connection.execute(select(sends.c.id))
            return sorted(found.scalars())

    async def handed_over() -> list[HandedOverRow]:
        taken = select(sends).where(sends.c.sender.is_not(None)).order_by(sends.c.id)
        async with database.read() as connection:
            return [
                HandedOverRow(
                    send_id=row.id,
                    sender=row.sender,
                    provider_message_id=row.provider_message_id,
                )
                for row in await connection.execute(taken)
            ]

    found = SqlPasses(database)
    return Stores(
        slots=SqlSlots(commits),
        usage=SqlUsage(commits),
        families=SqlFamilies(commits),
        signup_sessions=SqlSignupSessions(commits),
        signup_steps=SqlSignupSteps(commits),
        sends=SqlSends(database),
        verifications=SqlVerifications(database),
        approvals=SqlApprovals(commits),
        budgets=SqlBudgets(commits, database),
        audit=commits,
        passes=found,
        pass_repository=SqlPassRepository(database, found),
        api_keys=SqlApiKeys(database),
        apps=SqlApps(database),
        test_contacts=SqlTestContacts(database),
        sign_ins=SqlLimitRecovery(database),
        add=add,
        told=told,
        sent=sent,
        handed_over=handed_over,
    )


@asynccontextmanager
async def open_redis_stores(topology: Topology, folder: Path) -> AsyncGenerator[Stores]:
    """Open records in Redis under a separate name, and rows, families and passes in a file."""
    clock, randomness = SystemClock(), SystemRandomness()
    site = redis_sites.site(topology)
    async with (
        Database(sqlite_url(folder), durable=False) as database,
        open_redis(site.urls, topology, site.service) as client,
    ):
        await upgrade(database)
        commits, history = GroupCommit(database), SqlLimitRecovery(database)

        def records(store: str) -> RedisRecords:
            return RedisRecords(client, f"{store} of {folder}", clock, randomness)

        slots = records("slots")
        yield attrs.evolve(
            sql_stores(database, commits),
            slots=RedisSlots(records=slots, rows=commits, history=history, clock=clock),
            usage=RedisUsage(records=records("usage"), rows=commits, history=history, clock=clock),
            signup_sessions=RedisSignupSessions(records=slots, rows=commits),
        )


@attrs.frozen
class Kind:
    """
    A kind of store.

    Attributes:
        open: Opens it in a folder.
        shared: Whether opening the same folder again makes another writer over the same state.
    """

    name: str
    open: Callable[[Path], AbstractAsyncContextManager[Stores]]
    shared: bool


MEMORY = Kind("memory", open_memory, shared=False)
SQLITE = Kind("sqlite", open_sqlite, shared=True)
POSTGRES = Kind("postgres", open_postgres, shared=True)

REDIS = tuple(
    Kind(f"redis {topology.value}", partial(open_redis_stores, topology), shared=True)
    for topology in Topology
)

KINDS = (MEMORY, SQLITE, POSTGRES, *REDIS)

SHARED = tuple(kind for kind in KINDS if kind.shared)
"""The kinds that several processes can open."""
