"""What a Redis that forgets, hangs or goes away can and cannot do: docs/contract.md, 5.6."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import attrs
import pytest

from hsp_otp.adapters.redis.client import RedisClient, Script, deadline, open_redis
from hsp_otp.adapters.redis.fallback import FallbackUsage
from hsp_otp.adapters.redis.records import RedisRecords
from hsp_otp.adapters.redis.server_checks import health, unfitness
from hsp_otp.adapters.redis.stores import RedisSignupSessions, RedisSlots, RedisUsage
from hsp_otp.adapters.redis.topology import Topology
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.sql.stores import SqlUsage
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.audit import DebtRow
from hsp_otp.domain.code import Code
from hsp_otp.domain.debtors import ledger_keys
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import Debt, LedgerKey, Ledgers, charged
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant, after
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.names import ClientAddress, PassCode, SessionId
from hsp_otp.domain.passes import Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.purposes import Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import Quota, UsageKey, Usages
from hsp_otp.domain.signup import SignupSession, slot_of
from hsp_otp.domain.slot_record import Held
from hsp_otp.domain.verification_request import Given
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.pass_login import PassLogin, SignedIn
from hsp_otp.ports.failures import Unavailable
from tests.backend import BACKEND, SHOP
from tests.integration import redis_sites
from tests.integration.behind import LATE, PATIENCE_SECONDS
from tests.integration.redis_server import RedisServer
from tests.integration.redis_sites import RedisSite, start
from tests.integration.stores import Stores, sql_stores, sqlite_url
from tests.world import (
    PASS_CODE,
    PHONE,
    ManualClock,
    Outbox,
    SignedProofs,
    of_strangers,
    open_policy,
    other_than,
)

pytestmark = pytest.mark.anyio

CODE = PassCode(PASS_CODE)
EVERY_SECOND = open_policy(cooldown=0, client_sends=(Quota(0, HOUR),))


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of one's own."""
    found = RedisServer.start()
    yield found
    found.thaw()
    found.stop()


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


@pytest.fixture
async def site(tmp_path: Path, server: RedisServer) -> AsyncGenerator[Site]:
    """A site."""
    async with open_site(tmp_path, alone(server)) as found:
        yield found


def empty(server: RedisServer) -> None:
    """Somebody empties it."""
    assert server.ask("FLUSHALL").startswith(b"+OK")


def restart(server: RedisServer) -> None:
    """It restarts, and has kept nothing."""
    server.kill()
    server.begin()


@pytest.mark.parametrize("forget", [empty, restart])
async def test_a_redis_that_forgot_ten_sends_does_not_admit_the_eleventh(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """What was admitted stands in the rows: nobody gets a fresh budget."""
    for _ in range(5):
        assert await site.send() == "sent"
        site.clock.advance(SECOND)
    forget(server)
    for _ in range(5):
        assert await site.send() == "sent"
        site.clock.advance(SECOND)
    forget(server)
    assert await site.send() == "phone_rate_limited"
    site.clock.advance(DAY - 10 * SECOND - 1)
    assert await site.send() == "phone_rate_limited"
    site.clock.advance(1)
    assert await site.send() == "sent"


@pytest.mark.parametrize("forget", [empty, restart])
async def test_a_redis_that_forgot_ten_e_mails_does_not_admit_the_eleventh(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """E-mails to all tags of a mailbox are counted again, one by one or all, and no others are."""

    async def send(to: str) -> str:
        sends = site.stores.verification(site.clock, SystemRandomness(), site.outbox)
        return (await sends.verification_sends.start(SHOP, Given(to=to), BACKEND)).word

    for number in range(10):
        assert await send(f"Asha+{number}@Example.com") == "sent"
        site.clock.advance(SECOND)
    assert await send("ravi@example.com") == "sent"
    forget(server)
    assert await send("asha+x@example.com") == "email_rate_limited"
    assert await send("ravi+x@example.com") == "sent"
    forget(server)
    async with recovered(server, site):
        assert await send("ASHA@example.com") == "email_rate_limited"
        site.clock.advance(DAY - 10 * SECOND - 1)
        assert await send("asha@example.com") == "email_rate_limited"
        site.clock.advance(1)
        assert await send("asha@example.com") == "sent"


async def test_a_redis_that_forgot_strangers_sends_holds_them_back_as_before(
    site: Site, server: RedisServer
) -> None:
    """Their sends, and those of each network, are read from the rows, one by one or all."""
    at_work = attrs.evolve(EVERY_SECOND, asks_for_work=True)
    of_two = attrs.evolve(EVERY_SECOND, sends_of_one_network=2)
    for client in ("10.0.0.1", "10.0.0.2"):
        assert await site.send(client, at_work) == "sent"
        site.clock.advance(SECOND)
    empty(server)
    assert await site.send("10.9.0.1", at_work) == "work_required"
    assert await site.send("10.0.0.3", of_two) == "phone_rate_limited"
    empty(server)
    async with recovered(server, site):
        assert await site.send("10.9.0.1", at_work) == "work_required"
        assert await site.send("10.0.0.3", of_two) == "phone_rate_limited"
        assert await site.send("10.9.0.1", of_two) == "sent"


async def test_each_lane_has_the_cooldown_that_a_redis_forgot(
    site: Site, server: RedisServer
) -> None:
    """A restart from an old copy on disk: an ask of a known device keeps no stranger waiting."""
    cooling = attrs.evolve(EVERY_SECOND, cooldown=30 * SECOND)
    login = site.login(cooling)
    assert await site.send(policy=cooling) == "sent"
    code = Code(site.outbox.codes[-1])
    signed_in = await login.verify(CODE, code, None, caller("10.0.0.1"))
    assert isinstance(signed_in, SignedIn)
    known = attrs.evolve(caller("10.0.0.1"), devices=(signed_in.device_token,))
    site.clock.advance(30 * SECOND)
    assert server.ask("SAVE").startswith(b"+OK")
    assert (await login.send(CODE, known)).word == "sent"
    restart(server)
    assert (await login.send(CODE, known)).word == "resend_too_soon"
    assert await site.send(policy=cooling) == "sent"


@pytest.mark.parametrize("forget", [empty, restart])
async def test_a_code_that_a_redis_forgot_is_void(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """Its owner asks again, after the cooldown, which was not forgotten."""
    cooling = attrs.evolve(EVERY_SECOND, cooldown=30 * SECOND)
    assert await site.send(policy=cooling) == "sent"
    forget(server)
    assert await site.verify(site.outbox.codes[-1]) == "otp_expired"
    assert await site.send(policy=cooling) == "resend_too_soon"
    site.clock.advance(30 * SECOND)
    assert await site.send(policy=cooling) == "sent"
    assert await site.verify(site.outbox.codes[-1]) == "verified"


async def test_a_redis_that_lost_its_last_writes_revives_no_code(
    site: Site, server: RedisServer
) -> None:
    """A restart from an old copy on disk: a code that was used or replaced since is none."""
    assert await site.send() == "sent"
    first = site.outbox.codes[-1]
    assert server.ask("SAVE").startswith(b"+OK")
    assert await site.verify(first) == "verified"
    assert await site.send() == "sent"
    second = site.outbox.codes[-1]
    restart(server)
    assert await site.verify(first) == "otp_expired"
    assert await site.verify(second) == "otp_expired"
    assert await site.send() == "sent"
    assert await site.verify(site.outbox.codes[-1]) == "verified"


async def test_a_lock_outlives_a_restart(site: Site, server: RedisServer) -> None:
    """What Redis kept of failed guesses is believed, though its codes are not."""
    strict = attrs.evolve(EVERY_SECOND, failures=(Quota(1, HOUR),))
    assert await site.send(policy=strict) == "sent"
    assert await site.verify(other_than(site.outbox.codes[-1])) == "invalid_otp"
    assert server.ask("SAVE").startswith(b"+OK")
    restart(server)
    assert await site.send(policy=strict) == "locked_out"


async def test_asks_that_found_a_lock_are_counted_again(site: Site, server: RedisServer) -> None:
    """What they were charged stands in their rows: a client gets no fresh budget for others."""
    limits = ClientLimits(rejected=Quota(2, MINUTE))
    locked = of_strangers(failures=(site.clock.now(),) * 15)
    await site.stores.slots.transition(
        slot_of(PhoneNumber(PHONE)), (), lambda held: Decision(None, Held(locked, held.usages))
    )
    signup = site.stores.signup(
        site.clock, SystemRandomness(), site.outbox, SignedProofs(), limits=limits
    )
    for _ in range(2):
        asked = await signup.send(PhoneNumber(PHONE), None, caller("10.0.0.1"))
        assert asked.word == "locked_out"
    empty(server)
    gone = SessionId("A" * 22)
    refused = await signup.send(PhoneNumber(PHONE), gone, caller("10.0.0.1"))
    assert refused.word == "rate_limited"


async def test_two_sites_share_what_redis_forgot(
    site: Site, server: RedisServer, tmp_path: Path
) -> None:
    """Each finds the new epoch by itself, and neither takes a charge of the other for its own."""
    async with open_site(tmp_path, alone(server)) as other:
        other.clock.instant = site.clock.instant
        for _ in range(3):
            assert await site.send() == "sent"
        empty(server)
        assert await site.send() == "sent"
        for _ in range(6):
            assert await other.send() == "sent"
        assert await other.send() == "phone_rate_limited"
        assert await site.send() == "phone_rate_limited"
        assert await other.verify(site.outbox.codes[-1]) in {"invalid_otp", "verified"}


async def test_a_frozen_redis_that_holds_the_challenges_is_no_success(
    site: Site, server: RedisServer
) -> None:
    """Within a second it is unavailable, and nothing is sent; thawed, all is as it was."""
    assert await site.send() == "sent"
    digits = site.outbox.codes[-1]
    server.freeze()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await site.verify(digits)
    assert time.monotonic() - began < LATE
    assert len(site.outbox.sent) == 1
    server.thaw()
    assert await answered(lambda: site.verify(digits)) == "verified"


async def test_while_a_redis_that_holds_the_challenges_hangs_nobody_waits_for_long(
    site: Site, server: RedisServer
) -> None:
    """Of many checks in a row one now and then finds out that Redis still hangs."""
    unlimited = ClientLimits(checks=Quota(0, HOUR), lookups=Quota(0, HOUR))
    assert await site.send() == "sent"
    digits = site.outbox.codes[-1]
    server.freeze()
    waits: list[float] = []
    give_up = time.monotonic() + 2.5
    while time.monotonic() < give_up:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await site.verify(digits, limits=unlimited)
        waits.append(time.monotonic() - began)
    assert sorted(waits)[len(waits) // 2] < 0.3
    assert max(waits) < LATE
    server.thaw()
    assert await answered(lambda: site.verify(digits, limits=unlimited)) == "verified"


async def answered(ask: Callable[[], Awaitable[str]], within: float = PATIENCE_SECONDS) -> str:
    """The word of what *ask* comes to, once the store answers."""
    give_up = time.monotonic() + within
    while True:
        try:
            return await ask()
        except Unavailable:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.05)


@asynccontextmanager
async def recovered(server: RedisServer, *sites: Site) -> AsyncGenerator[None]:
    """What services do in the background goes on, and is done with all that was lost."""
    tasks = [asyncio.ensure_future(work()) for site in sites for work in site.recovering]
    try:
        give_up = time.monotonic() + 10
        while any(
            not server.ask("GET", f"{{hsp-otp}}:{store}:epoch").strip().endswith(b":recovered")
            for store in ("slots", "usage")
        ):
            assert time.monotonic() < give_up
            await asyncio.sleep(0.02)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("forget", [empty, restart])
async def test_what_a_redis_forgot_is_read_again_once(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """In the background, all of it; then requests ask the database nothing, known or new."""
    cooling = open_policy(cooldown=30 * SECOND, contact_sends=Quota(2, DAY))
    assert await site.send(policy=cooling) == "sent"
    digits = site.outbox.codes[-1]
    site.clock.advance(30 * SECOND)
    forget(server)
    async with recovered(server, site):
        before = site.asked.questions
        assert site.asked.pages
        assert await site.verify(digits) == "otp_expired"
        assert await site.send(policy=cooling) == "sent"
        assert await site.send(policy=cooling) == "phone_rate_limited"
        assert await site.send(client="203.0.113.77", policy=cooling) == "phone_rate_limited"
        assert site.asked.questions == before


async def ask_for(site: Site, number: int) -> dict[LedgerKey, Ledger]:
    """Charge one message to a number of the same block; what was owed before."""
    client, range_ = ClientAddress("198.51.100.7"), "+91987650"
    keys = ledger_keys("signup", client, range_)
    now = site.clock.now()

    def decide(held: Held) -> Decision[Held, dict[LedgerKey, Ledger]]:
        owed = charged(held.ledgers, keys, Debt.ALL, now)
        row = DebtRow(
            send_id=f"c{number}",
            at=now,
            account="signup",
            range=range_,
            client=client,
            debt=Debt.ALL,
            price=83_200,
        )
        return Decision(dict(held.ledgers), attrs.evolve(held, ledgers=owed), (row,))

    return await site.stores.slots.transition(site_slot(number), keys, decide)


def site_slot(number: int) -> Slot:
    """The slot of that number."""
    return Slot(Subject(SubjectKind.PHONE, f"+9198765{number:05}"), Purpose.SIGNUP)


@pytest.mark.parametrize("forget", [empty, restart])
async def test_ledgers_that_a_redis_forgot_are_counted_again(
    site: Site, server: RedisServer, forget: Callable[[RedisServer], None]
) -> None:
    """By a request that needs them, and in the background, as they were."""
    for number in range(3):
        await ask_for(site, number)
        site.clock.advance(DAY)
    forget(server)
    found = await ask_for(site, 3)
    assert [(one.owed_days.amounts, one.owed_hours.amounts) for one in found.values()] == [
        ((1, 1, 1), (1, 1))
    ] * 4
    forget(server)
    async with recovered(server, site):
        before = site.asked.questions
        found = await ask_for(site, 4)
        assert [one.owed_days.amounts for one in found.values()] == [(1, 1, 1, 1)] * 4
        assert site.asked.questions == before
        assert site.asked.pages["ledgers"]


async def test_a_cooldown_is_recovered(site: Site, server: RedisServer) -> None:
    """Whoever has just asked cannot ask again because Redis forgot it."""
    cooling = attrs.evolve(EVERY_SECOND, cooldown=30 * SECOND)
    assert await site.send(policy=cooling) == "sent"
    empty(server)
    async with recovered(server, site):
        assert await site.send(policy=cooling) == "resend_too_soon"


async def test_failures_that_redis_kept_are_recovered(site: Site, server: RedisServer) -> None:
    """A restart from disk: what it kept of wrong guesses counts, though the code is void."""
    strict = attrs.evolve(EVERY_SECOND, failures=(Quota(1, HOUR),))
    assert await site.send(policy=strict) == "sent"
    assert await site.verify(other_than(site.outbox.codes[-1])) == "invalid_otp"
    assert server.ask("SAVE").startswith(b"+OK")
    restart(server)
    async with recovered(server, site):
        assert await site.send(policy=strict) == "locked_out"


async def test_networks_have_no_fresh_budget_either(site: Site, server: RedisServer) -> None:
    """What the addresses of a network were charged is recovered for the network."""
    limits = ClientLimits(lookups=Quota(2, HOUR), network_factor=2)
    for client in ("10.0.0.1", "10.0.0.2"):
        for _ in range(2):
            outcome = await site.login(limits=limits).validate(CODE, caller(client))
            assert outcome.word == "valid"
    empty(server)
    for _ in range(2):  # asked for by the request that needs it, and from then on known
        outcome = await site.login(limits=limits).validate(CODE, caller("10.0.0.3"))
        assert outcome.word == "lookup_rate_limited"
    empty(server)
    async with recovered(server, site):
        outcome = await site.login(limits=limits).validate(CODE, caller("10.0.0.3"))
        assert outcome.word == "lookup_rate_limited"


async def test_what_one_request_asked_for_is_not_asked_again(
    site: Site, server: RedisServer
) -> None:
    """Until all is recovered each key is asked for once, also where nothing else changes."""
    assert await site.validate(LIMITS) == "valid"
    empty(server)
    before = site.asked.questions
    for _ in range(5):
        await site.validate(LIMITS)
    assert site.asked.questions == before + 1


async def test_under_an_old_epoch_nothing_is_asked(site: Site) -> None:
    """What is missing then was never charged, whoever comes for the first time."""
    assert await site.validate(LIMITS) == "valid"
    assert await site.send() == "sent"
    site.clock.advance(DAY + MINUTE)
    before = site.asked.questions
    for number in range(5):
        client = f"203.0.{number}.1"
        outcome = await site.login(limits=LIMITS).validate(CODE, caller(client))
        assert outcome.word == "valid"
        assert await site.send(client) == "sent"
    assert site.asked.questions == before


async def test_of_two_processes_one_recovers(
    site: Site, server: RedisServer, tmp_path: Path
) -> None:
    """The other waits for it."""
    assert await site.send() == "sent"
    async with open_site(tmp_path, alone(server)) as other:
        other.clock.instant = site.clock.instant
        empty(server)
        async with recovered(server, site, other):
            for kind in ("sends", "usages"):
                pages = sorted(one.asked.pages[kind] for one in (site, other))
                assert pages[0] == 0 < pages[1]
        assert await other.send() == "sent"


async def test_where_a_process_that_recovers_has_gone_another_goes_on(
    site: Site, server: RedisServer
) -> None:
    """Once its lease has run out."""
    assert await site.send() == "sent"
    empty(server)
    for store in ("slots", "usage"):
        server.ask("SET", f"{{hsp-otp}}:{store}:recovering", "gone", "PX", "1500")
    async with recovered(server, site):
        assert site.asked.pages["sends"] > 0


async def test_in_an_outage_rows_are_read_once(site: Site, server: RedisServer) -> None:
    """Where the database counts, of each usage it looks at the rows at the first request alone."""
    assert await site.validate(LIMITS) == "valid"
    server.kill()
    before = site.asked.questions
    for _ in range(3):
        assert await site.validate(LIMITS) == "valid"
    assert await site.validate(LIMITS) == "lookup_rate_limited"
    assert site.asked.questions == before + 1


LIMITS = ClientLimits(lookups=Quota(4, HOUR))


async def test_where_redis_only_counts_the_database_takes_over(
    site: Site, server: RedisServer
) -> None:
    """What Redis admitted counts there, and back in Redis what the database admitted counts."""
    assert [await site.validate(LIMITS) for _ in range(2)] == ["valid", "valid"]
    server.kill()
    assert await site.validate(LIMITS) == "valid"
    assert site.usage.is_degraded
    began = time.monotonic()
    assert await site.validate(LIMITS) == "valid"
    assert time.monotonic() - began < LATE
    assert await site.validate(LIMITS) == "lookup_rate_limited"
    server.begin()
    await _until_back(site)
    assert await site.validate(LIMITS) == "lookup_rate_limited"
    site.clock.advance(HOUR)
    assert await site.validate(LIMITS) == "valid"


async def test_a_redis_that_was_only_frozen_counts_what_happened_meanwhile(
    site: Site, server: RedisServer
) -> None:
    """Its records are behind, and are compared with the rows before they are believed."""
    assert await site.validate(LIMITS) == "valid"
    server.freeze()
    assert [await site.validate(LIMITS) for _ in range(2)] == ["valid", "valid"]
    server.thaw()
    await _until_back(site)
    assert await site.validate(LIMITS) == "valid"
    assert await site.validate(LIMITS) == "lookup_rate_limited"


async def test_while_redis_hangs_nobody_waits_for_long(site: Site, server: RedisServer) -> None:
    """Of many look-ups in a row one now and then finds out that Redis still hangs."""
    unlimited = ClientLimits(lookups=Quota(0, HOUR))
    await site.validate(unlimited)
    server.freeze()
    waits: list[float] = []
    give_up = time.monotonic() + 2.5
    while time.monotonic() < give_up:
        began = time.monotonic()
        assert await site.validate(unlimited) == "valid"
        waits.append(time.monotonic() - began)
    assert sorted(waits)[len(waits) // 2] < 0.3
    assert max(waits) < LATE


async def _until_back(site: Site) -> None:
    """Ask, of no client that counts, until Redis counts again."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while site.usage.is_degraded:
        assert time.monotonic() < give_up
        await asyncio.sleep(0.1)
        await site.login().validate(CODE, caller("10.9.9.9"))


@pytest.mark.parametrize("topology", [Topology.CLUSTER, Topology.SENTINEL])
async def test_a_replica_that_takes_over_forgets_nothing_that_counts(
    topology: Topology, tmp_path: Path
) -> None:
    """Its primary killed, Redis comes back by itself; what it may have missed is void."""
    redis = start(topology)
    try:
        async with open_site(tmp_path, redis) as site:
            assert redis.primary is not None
            for _ in range(9):
                assert await site.send() == "sent"
            redis.primary.kill()
            answer = await answered(lambda: site.verify(site.outbox.codes[-1]))
            assert answer == "otp_expired"
            assert await site.send() == "sent"
            assert await site.send() == "phone_rate_limited"
            assert await site.verify(site.outbox.codes[-1]) == "verified"
    finally:
        redis.stop()


async def test_a_session_lives_in_redis(site: Site) -> None:
    """What one step leaves the next one finds."""
    session = SessionId("A" * 22)
    held = SignupSession(
        phone=PhoneNumber(PHONE), challenge_id="c", stepped_at=Instant(site.clock.now())
    )

    def put(_: SignupSession | None) -> Decision[SignupSession | None, None]:
        return Decision(None, held)

    def look(found: SignupSession | None) -> Decision[SignupSession | None, object]:
        return Decision(found, found)

    await site.sessions.transition(session, put)
    assert await site.sessions.transition(session, look) == held
    assert held.lives(after(held.stepped_at, SECOND))


async def test_scripts_that_were_flushed_are_no_hindrance(site: Site, server: RedisServer) -> None:
    """The server is told the script again."""
    assert await site.send() == "sent"
    assert server.ask("SCRIPT", "FLUSH").startswith(b"+OK")
    assert await site.verify(site.outbox.codes[-1]) == "verified"


@pytest.mark.parametrize(
    "break_it",
    [
        ("CONFIG", "SET", "maxmemory", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
    ],
    ids=["out of memory", "read-only"],
)
async def test_a_redis_that_takes_no_writes_is_away(
    site: Site, server: RedisServer, break_it: tuple[str, ...]
) -> None:
    """Never a success, and no limit is off."""
    assert await site.send() == "sent"
    assert server.ask(*break_it).startswith(b"+OK")
    with pytest.raises(Unavailable):
        await site.send()
    with pytest.raises(Unavailable):
        await site.verify(site.outbox.codes[-1])
    assert len(site.outbox.sent) == 1


async def test_how_a_redis_is_doing() -> None:
    """Its clock, role and memory are told; one that does not answer is away."""
    server = RedisServer.start("--maxmemory", "100mb")
    try:
        async with open_redis((server.url,), Topology.STANDALONE, None) as client:
            before = SystemClock().now()
            found = await health(client)
            assert before - SECOND < found.clock < SystemClock().now() + SECOND
            assert (found.is_cluster, found.is_replica) == (False, False)
            assert found.memory_percent is not None
            assert 0 <= found.memory_percent < 50
            server.ask("REPLICAOF", "127.0.0.1", "9")
            assert (await health(client)).is_replica
            server.kill()
            with pytest.raises(Unavailable):
                await health(client)
    finally:
        server.stop()


async def test_how_a_node_of_a_cluster_is_doing() -> None:
    """A node is known as one, whatever the settings say; a cluster's client is told of one node."""
    site = redis_sites.site(Topology.CLUSTER)
    async with open_redis(site.urls[:1], Topology.STANDALONE, None) as client:
        assert (await health(client)).is_cluster
    async with open_redis(site.urls, Topology.CLUSTER, None) as client:
        found = await health(client)
    assert found.is_cluster
    assert found.clock > 0


async def test_what_makes_a_redis_unfit() -> None:
    """One that drops records is refused, and one that keeps nothing on disk is warned of."""
    server = RedisServer.start("--maxmemory-policy", "allkeys-lru")
    try:
        async with open_redis((server.url,), Topology.STANDALONE, None) as client:
            found = await unfitness(client)
            assert [one.is_fatal for one in found] == [True, False]
            assert "maxmemory-policy allkeys-lru" in found[0].what
            assert "appendonly" in found[1].what
            assert server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction").startswith(b"+OK")
            assert server.ask("CONFIG", "SET", "appendonly", "yes").startswith(b"+OK")
            assert await unfitness(client) == []
            server.kill()
            (away,) = await unfitness(client)
            assert not away.is_fatal
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (
            ("CONFIG", "SET", "min-replicas-to-write", "1"),
            ("CONFIG", "SET", "min-replicas-to-write", "0"),
        ),
        (("REPLICAOF", "127.0.0.1", "9"), ("REPLICAOF", "NO", "ONE")),
    ],
    ids=["out of memory", "without its replicas", "a replica"],
)
async def test_whether_it_takes_writes(break_it: tuple[str, ...], mend_it: tuple[str, ...]) -> None:
    """A Redis that can be read alone is not ready, and is again when it takes writes."""
    server = RedisServer.start()
    try:
        async with open_redis((server.url,), Topology.STANDALONE, None) as client:
            assert await client.takes_writes()
            assert server.ask(*break_it).startswith(b"+OK")
            assert not await client.takes_writes()
            assert server.ask(*mend_it).startswith(b"+OK")
            assert await client.takes_writes()
            server.freeze()
            began = asyncio.get_running_loop().time()
            assert not await client.takes_writes()
            assert asyncio.get_running_loop().time() - began < 3
    finally:
        server.thaw()
        server.stop()


async def test_a_redis_that_lets_nobody_in_is_not_silent() -> None:
    """One that answers, and refuses the user or the password, is said to refuse them."""
    server = RedisServer.start()
    try:
        url = server.url.replace("//", "//nobody:wrong@")
        async with open_redis((url,), Topology.STANDALONE, None) as client:
            with pytest.raises(Unavailable, match=r"^Redis refused the user, the password"):
                await health(client)
            with pytest.raises(Unavailable, match=r"^Redis refused the user, the password"):
                await client.get_all(["{hsp-otp}:x"], deadline())
    finally:
        server.stop()


async def test_whoever_is_told_to_stop_stops() -> None:
    """Also where the library has lost it, as it does in the moment in which a write ends."""

    class Losing:
        """A driver that goes on when it is told to stop."""

        async def evalsha(self, *_: object) -> int:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(PATIENCE_SECONDS)
            return 1

    task = asyncio.create_task(RedisClient(Losing()).run(Script(""), ["key"], by=deadline() + 60))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
