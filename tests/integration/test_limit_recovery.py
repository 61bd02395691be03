"""What the rows remember of what was admitted, over every SQL database: docs/contract.md, 5.6."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import select, update

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.sql.stores import SqlUsage
from hsp_otp.adapters.sql.tables import audit, sends
from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.audit import Action, AuditRow, SendRow
from hsp_otp.domain.challenge_outcomes import Locked
from hsp_otp.domain.client_limits import MISSES_OF_ALL, Counted, admit, keys
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant, after
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import ClientLimits
from hsp_otp.domain.purposes import Flow, Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import Usage, UsageKey, Usages
from hsp_otp.domain.signup import slot_of
from hsp_otp.domain.slot_record import Held
from hsp_otp.flows.caller import Caller
from tests.audit_rows import evolved
from tests.integration.behind import execute, postgres_url, upgrade_to
from tests.integration.plans import plan
from tests.integration.postgres_server import DATABASES
from tests.integration.stores import (
    POSTGRES,
    Kind,
    postgres_file,
    sql_stores,
    sqlite_path,
    sqlite_url,
)
from tests.integration.test_contracts import audit_row
from tests.world import CLIENT, PHONE, START, ManualClock, Outbox, SignedProofs, of_strangers

pytestmark = pytest.mark.anyio

HIT = ("lookups",)
MISS = ("lookups", "lookups", "lookup_misses")
HERE, NEAR, FAR = (
    ClientAddress("198.51.100.7"),
    ClientAddress("198.51.100.8"),
    ClientAddress("2001:db8:1:2::/64"),
)


@pytest.fixture
def told(database: Database) -> SqlLimitRecovery:
    """What is tested."""
    return SqlLimitRecovery(database)


def row(
    seconds: float, *charged: str, client: ClientAddress = HERE, outcome: str = "valid"
) -> AuditRow:
    """The row of a request so many seconds after the start."""
    at = Instant(START + round(seconds * SECOND))
    return evolved(audit_row(outcome, at=at), client=client, charged=charged)


def send(name: int, at: Instant, phone: str, client: ClientAddress = HERE) -> SendRow:
    """An admitted send of a signup."""
    return SendRow(
        id=f"c{name}",
        at=at,
        flow=Flow.SIGNUP,
        purpose=Purpose.SIGNUP,
        slot=f"signup:phone:{phone}",
        contact=phone,
        client=client,
    )


def at(*seconds: float) -> Usage:
    """Instants that many seconds after the start."""
    return tuple(Instant(START + round(one * SECOND)) for one in seconds)


async def all_of(pages: AsyncIterator[Usages]) -> dict[UsageKey, Usage]:
    """Every usage; each is in one page alone."""
    found: dict[UsageKey, Usage] = {}
    async for page in pages:
        assert not found.keys() & page.keys()
        found |= page
    return found


# --- What clients did


async def test_an_ask_that_found_a_lock_is_recounted(
    database: Database, commits: GroupCommit, told: SqlLimitRecovery
) -> None:
    """The charge for asking again and again for a locked number stands in the rows of the asks."""
    stores, clock = sql_stores(database, commits), ManualClock(START)
    locked = of_strangers(failures=(START,) * 15)
    slot = slot_of(PhoneNumber(PHONE))
    await stores.slots.transition(slot, (), lambda held: Decision(None, Held(locked, held.usages)))
    signup = stores.signup(clock, SystemRandomness(), Outbox(), SignedProofs())
    for _ in range(3):
        asked = await signup.send(PhoneNumber(PHONE), None, Caller(HERE, "r1"))
        assert isinstance(asked, Locked)
    charged = keys(Counted.REJECTED, HERE)
    held = await stores.usage.transition(charged, lambda usages: Decision(usages, usages))
    found = await told.usages(charged, clock.now())
    assert found == dict(held) == dict.fromkeys(charged, (START,) * 3)


async def test_each_key_is_told_of_its_own(told: SqlLimitRecovery, commits: GroupCommit) -> None:
    """An address of its requests, a network of all of its addresses', and both of nobody else's."""
    await commits.write(
        row(1, *HIT),
        row(2, *MISS, client=NEAR, outcome="pass_not_found"),
        row(3, *HIT, "checks"),
        row(4, *HIT, client=FAR),
        row(5),
    )
    asked = (
        UsageKey("lookups", "198.51.100.7"),
        UsageKey("checks", "198.51.100.7"),
        UsageKey("lookups", "198.51.100.0/24"),
        UsageKey("lookup_misses", "198.51.100.0/24"),
        UsageKey("lookups", "2001:db8:1::/48"),
        UsageKey("unsent_asks", "198.51.100.7"),
        MISSES_OF_ALL,
    )
    found = await told.usages(asked, after(START, MINUTE))
    assert list(found.values()) == [at(1, 3), at(3), at(1, 2, 2, 3), at(2), at(4), (), at(2)]
    alone = await told.usages(asked[:1], after(START, MINUTE))
    assert alone == {asked[0]: at(1, 3)}


async def test_what_no_window_reaches_is_not_told(
    told: SqlLimitRecovery, commits: GroupCommit
) -> None:
    """An hour, and the five seconds by which clocks may differ."""
    await commits.write(row(0, *MISS, outcome="pass_not_found"), row(1, *HIT))
    asked = (UsageKey("lookups", CLIENT), MISSES_OF_ALL)
    late = after(START, HOUR + 5 * SECOND)
    assert list((await told.usages(asked, Instant(late - 1))).values()) == [at(0, 0, 1), at(0)]
    assert list((await told.usages(asked, late)).values()) == [at(1), ()]


async def test_of_everybodys_misses_the_latest_are_told(
    database: Database, commits: GroupCommit
) -> None:
    """As many as decide: however many there were, no more are read."""
    await commits.write(*(row(n, *MISS, client=NEAR, outcome="pass_not_paid") for n in range(50)))
    few = SqlLimitRecovery(database, most_misses=3)
    found = await few.usages((MISSES_OF_ALL,), after(START, MINUTE))
    assert found == {MISSES_OF_ALL: at(47, 48, 49)}


async def test_what_the_database_counted_itself_is_told(
    told: SqlLimitRecovery, commits: GroupCommit
) -> None:
    """A request that is still under way has no row; its charge stands in a record."""

    def count(usages: Usages) -> object:
        return admit(usages, counted=Counted.CHECKS, client=HERE, limits=ClientLimits(), now=START)

    asked = keys(Counted.CHECKS, HERE)
    await SqlUsage(commits).transition(asked, count)  # type: ignore[arg-type]
    await commits.write(row(0, "checks"), row(1, "checks"))
    found = await told.usages(asked, after(START, MINUTE))
    assert found == dict.fromkeys(asked, at(0, 1))


async def test_floods_count_as_often_as_they_happened(
    told: SqlLimitRecovery, commits: GroupCommit
) -> None:
    """A row of several requests that were charged tells of all of them."""
    floods = [row(n, *HIT, outcome="resend_too_soon") for n in (1, 2, 3)]
    await commits.write(*(attrs.evolve(one, folds=True) for one in floods))
    asked = (UsageKey("lookups", CLIENT),)
    assert await told.usages(asked, after(START, MINUTE)) == {asked[0]: at(1, 1, 1)}


async def test_who_has_signed_in(told: SqlLimitRecovery, commits: GroupCommit) -> None:
    """From that address, by a pass, since then."""
    verified = row(1, *HIT, "checks", outcome="verified")
    await commits.write(
        verified,
        evolved(verified, client=FAR, flow=Flow.SIGNUP),
        row(2, *HIT, client=NEAR),
    )
    assert await told.signed_in(HERE, START)
    assert await told.signed_in(HERE, Instant(at(1)[0] - 1))
    assert not await told.signed_in(HERE, at(1)[0])
    assert not await told.signed_in(NEAR, START)
    assert not await told.signed_in(FAR, START)


# --- What was sent


async def test_sends_of_each_limit(told: SqlLimitRecovery, commits: GroupCommit) -> None:
    """Of a number those of a day, of a client and its network those of an hour and one flow."""
    now = after(START, 30 * HOUR)
    old, older = after(now, -2 * HOUR), after(now, -DAY - 6 * SECOND)
    await commits.write(
        send(1, older, "+919876543210"),
        send(2, old, "+919876543210"),
        send(3, after(now, -MINUTE), "+919876543210"),
        send(4, after(now, -SECOND), "+919812345678", NEAR),
        attrs.evolve(send(5, after(now, -SECOND), "+919812345678"), flow=Flow.PASS_LOGIN),
    )
    asked = (
        UsageKey("phone_sends", "+919876543210"),
        UsageKey("signup_sends", "198.51.100.7"),
        UsageKey("signup_sends", "198.51.100.0/24"),
        UsageKey("pass_login_sends", "198.51.100.7"),
    )
    assert list((await told.sends(asked, now)).values()) == [
        (old, after(now, -MINUTE)),
        (after(now, -MINUTE),),
        (after(now, -MINUTE), after(now, -SECOND)),
        (after(now, -SECOND),),
    ]
    slot = Slot(Subject(SubjectKind.PHONE, "+919876543210"), Purpose.SIGNUP)
    assert await told.asked_at(slot) == {Lane.OTHERS: after(now, -MINUTE)}


async def test_sends_of_each_lane(told: SqlLimitRecovery, commits: GroupCommit) -> None:
    """
    A number's sends to known devices count for it alone; those of others for their share and their
    network, too. A row without a lane, from before there were any, is one of others.
    """
    phone, other = "+919876543210", "+919812345678"
    await commits.write(
        send(1, START, phone),
        attrs.evolve(send(2, after(START, SECOND), phone), lane=Lane.KNOWN),
        attrs.evolve(send(3, after(START, 2 * SECOND), phone, FAR), flow=Flow.PASS_LOGIN),
        send(4, after(START, 3 * SECOND), other),
    )
    async with told.database.write() as connection:
        await connection.execute(update(sends).where(sends.c.contact == other).values(lane=None))
    asked = (
        UsageKey("phone_sends", phone),
        UsageKey("phone_sends_of_others", phone),
        UsageKey("phone_sends_of_others", f"{phone} signup"),
        UsageKey("phone_sends_of_others", f"{phone} 198.51.100.0/24"),
        UsageKey("phone_sends_of_others", f"{phone} 2001:db8:1::/48"),
        UsageKey("signup_sends", CLIENT),
        UsageKey("signup_known_sends", CLIENT),
        UsageKey("phone_sends_of_others", other),
    )
    now = after(START, MINUTE)
    found = await told.sends(asked, now)
    assert list(found.values()) == [
        at(0, 1, 2),
        at(0, 2),
        at(0),
        at(0),
        at(2),
        at(0, 3),
        at(1),
        at(3),
    ]
    every = await all_of(told.all_sends(now))
    assert {key: every[key] for key in asked} == found
    slots = {slot: at async for page in told.all_asked_at(now) for slot, at in page.items()}
    assert slots == {
        f"signup:phone:{phone}": {
            Lane.OTHERS: after(START, 2 * SECOND),
            Lane.KNOWN: after(START, SECOND),
        },
        f"signup:phone:{other}": {Lane.OTHERS: after(START, 3 * SECOND)},
    }
    for number in (phone, other):
        slot = Slot(Subject(SubjectKind.PHONE, number), Purpose.SIGNUP)
        assert await told.asked_at(slot) == slots[str(slot)]


async def test_who_asks_at_once_asks_together(
    database: Database, commits: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a store has forgotten everything, a hundred requests make five questions of theirs."""
    nobody = ClientAddress("unknown")
    await commits.write(
        send(1, START, "+919876543210"),
        send(2, after(START, SECOND), "+919876543210", NEAR),
        send(3, after(START, 2 * SECOND), "+919812345678", nobody),
        row(1, "checks"),
    )
    told, questions = SqlLimitRecovery(database), list[str]()
    fetch = database.fetch

    async def fetched(statement: str, *given: Any) -> list[Any]:  # noqa: ANN401
        questions.append(statement)
        return await fetch(statement, *given)

    monkeypatch.setattr(database, "fetch", fetched)
    slot = Slot(Subject(SubjectKind.PHONE, "+919876543210"), Purpose.SIGNUP)
    asked = [
        (UsageKey("phone_sends", "+919876543210"), UsageKey("signup_sends", who))
        for who in ("198.51.100.7", "198.51.100.0/24", "unknown", "203.0.113.9")
    ]
    now = after(START, MINUTE)
    checks = (UsageKey("checks", CLIENT),)
    sent, usages, latest = await asyncio.gather(
        asyncio.gather(*(told.sends(keys, Instant(now + n)) for n in range(25) for keys in asked)),
        asyncio.gather(*(told.usages(checks, Instant(now + n)) for n in range(100))),
        asyncio.gather(*(told.asked_at(slot) for _ in range(100))),
    )
    assert [tuple(one.values()) for one in sent[:4]] == [
        (at(0, 1), at(0)),
        (at(0, 1), at(0, 1)),
        (at(0, 1), at(2)),
        (at(0, 1), ()),
    ]
    assert usages == [{checks[0]: at(1)}] * 100
    assert latest == [{Lane.OTHERS: after(START, SECOND)}] * 100
    assert len(questions) == 5


# --- All of it


async def test_all_is_told_page_by_page_as_each_is(
    database: Database, commits: GroupCommit
) -> None:
    """Whatever there is, pages hold what asking for each key would tell, each once and whole."""
    chance = random.Random(7)  # noqa: S311 - the same every time
    clients = [ClientAddress(f"10.0.{n // 4}.{n % 4}") for n in range(12)] + [FAR]
    phones = [f"+9198765432{n:02}" for n in range(9)]
    now = after(START, 2 * HOUR)
    alone = (("unsent_asks",), ("rejected_requests",), ("failed_authentications",))
    charges = (HIT, MISS, (*HIT, "checks"), *alone, ())
    rows = [
        evolved(
            row(chance.randrange(7200), *charged, client=chance.choice(clients)),
            action=Action.CHECK,
            outcome="pass_not_found" if charged == MISS else "valid",
        )
        for charged in (chance.choice(charges) for _ in range(200))
    ]
    sends = [
        send(n, Instant(START + chance.randrange(7200) * SECOND), chance.choice(phones), client)
        for n, client in enumerate(chance.choices(clients, k=120))
    ]
    await commits.write(*rows, *sends)
    told = SqlLimitRecovery(database, page=3)
    usages = await all_of(told.all_usages(now))
    asked = {key for one in clients for counted in Counted for key in keys(counted, one)}
    expected = await told.usages((*asked, MISSES_OF_ALL), now)
    assert {key: usage for key, usage in usages.items() if usage} == {
        key: usage for key, usage in expected.items() if usage
    }
    sent = await all_of(told.all_sends(now))
    wanted = (
        *(UsageKey("phone_sends", phone) for phone in phones),
        *(UsageKey("signup_sends", one.value) for one in clients),
        *{UsageKey("signup_sends", one.network) for one in clients},
        *(
            UsageKey("phone_sends_of_others", who)
            for phone in phones
            for who in (
                phone,
                f"{phone} signup",
                *{f"{phone} {one.network}" for one in clients},
            )
        ),
    )
    every = await told.sends(wanted, now)
    assert {key: usage for key, usage in every.items() if usage} == sent
    slots = {slot: at async for page in told.all_asked_at(now) for slot, at in page.items()}
    assert slots == {
        f"signup:phone:{phone}": {Lane.OTHERS: max(one.at for one in sends if one.contact == phone)}
        for phone in {one.contact for one in sends}
    }


async def test_nothing_is_told_of_nothing(told: SqlLimitRecovery) -> None:
    """An empty database has no pages but the one of everybody's misses."""
    assert await all_of(told.all_sends(START)) == {}
    assert [page async for page in told.all_asked_at(START)] == []
    assert await all_of(told.all_usages(START)) == {MISSES_OF_ALL: ()}


async def test_a_network_is_found_by_its_index(database: Database) -> None:
    """Whoever needs what was charged to a client reads its network's rows of the hour alone."""
    question = select(audit.c.at, audit.c.client, audit.c.charged).where(
        audit.c.network.in_(["198.51.100.0/24"]), audit.c.at > START, audit.c.charged.is_not(None)
    )
    async with database.read() as connection:
        lines = await plan(connection, question)
    assert any("audit_by_network" in line for line in lines)


async def test_rows_of_the_schema_before_get_their_networks(sql_kind: Kind, tmp_path: Path) -> None:
    """Upgraded, a database knows the network of every client that it has rows of."""
    file = sqlite_path(tmp_path)
    if sql_kind is POSTGRES:
        file = postgres_file(tmp_path)
        file.write_text(await DATABASES.empty())
    clients = ["198.51.100.7", "198.51.100.8", "2001:db8:1:2::/64", "unknown"]
    async with Database(postgres_url(file) or sqlite_url(tmp_path), durable=False) as database:
        await upgrade_to(database, "0006")
        for number, client in enumerate([*clients, *clients]):
            execute(
                file,
                "INSERT INTO audit (at, action, outcome, count, client) VALUES (1, 'a', 'o', 1, ?)",
                client,
            )
            execute(
                file,
                "INSERT INTO sends (challenge_id, at, flow, purpose, slot, phone, client)"
                " VALUES (?, 1, 'signup', 'signup', 's', '+919876543210', ?)",
                f"c{number}",
                client,
            )
        execute(file, "INSERT INTO audit (at, action, outcome, count) VALUES (1, 'a', 'o', 1)")
        await upgrade(database)
    networks = {
        ("198.51.100.7", "198.51.100.0/24"),
        ("198.51.100.8", "198.51.100.0/24"),
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("unknown", "unknown"),
    }
    assert set(execute(file, "SELECT client, network FROM audit")) == networks | {(None, None)}
    assert set(execute(file, "SELECT client, network FROM sends")) == networks
