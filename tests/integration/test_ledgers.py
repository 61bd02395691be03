"""Ledgers of what is owed, kept beside slots in every store, and told again from rows."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import attrs
import pytest
from sqlalchemy import select

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.adapters.sql.tables import records
from hsp_otp.domain.audit import DebtRow, PaidRow
from hsp_otp.domain.debtors import ledger_keys
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import (
    Debt,
    GuardedAsk,
    GuardPolicy,
    LedgerKey,
    Ledgers,
    RegionMoney,
    charged,
    debt_of,
    forgiven,
    judge,
    owing,
    paid,
    reasons_text,
)
from hsp_otp.domain.instant import DAY, HOUR, Instant, after
from hsp_otp.domain.ledger import LEDGER_WINDOW, Ledger, owed
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.quota import UsageKey
from hsp_otp.domain.signup import slot_of
from hsp_otp.domain.slot_record import Held
from tests.integration.stores import MEMORY, Kind, Stores
from tests.world import START

pytestmark = pytest.mark.anyio

HERE, NEAR, FAR = map(ClientAddress, ("198.51.100.7", "198.51.100.8", "2001:db8:1:2::/64"))
NUMBERS = ("+919876543210", "+919876543211", "+919876553210", "+93701234567")


def keys_of(
    client: ClientAddress | None, number: str, account: str = "signup"
) -> tuple[LedgerKey, ...]:
    """The ledgers of a message."""
    return ledger_keys(account, client, number[:-4])


def slot(number: str) -> Slot:
    """The slot of a signup."""
    return slot_of(PhoneNumber(number))


async def ask(stores: Stores, client: ClientAddress, number: str) -> Ledgers:
    """Charge a message, and tell what was owed before."""
    keys = keys_of(client, number)

    def decide(held: Held) -> Decision[Held, Ledgers]:
        becomes = charged(held.ledgers, keys, Debt.ALL, START)
        return Decision(held.ledgers, attrs.evolve(held, ledgers=becomes))

    return await stores.slots.transition(slot(number), keys, decide)


async def look(stores: Stores, keys: tuple[LedgerKey, ...]) -> Ledgers:
    """What is owed, changing nothing."""
    return await stores.slots.transition(
        slot(NUMBERS[0]), keys, lambda held: Decision(held.ledgers, held)
    )


async def test_ledgers_are_kept_beside_slots(stores: Stores) -> None:
    """Slots that share a block share its ledger; what nobody owes is an empty one."""
    assert set((await ask(stores, HERE, NUMBERS[0])).values()) == {Ledger()}
    before = await ask(stores, FAR, NUMBERS[1])
    assert [owed(one, DAY, START) for one in before.values()] == [0, 0, 1, 1]
    held = await look(stores, keys_of(NEAR, NUMBERS[2]))
    assert [owed(one, DAY, START) for one in held.values()] == [0, 1, 0, 2]
    held = await look(stores, keys_of(HERE, NUMBERS[1]))
    assert [owed(one, DAY, START) for one in held.values()] == [1, 1, 2, 2]


async def test_what_a_decision_leaves_out_stays(stores: Stores) -> None:
    """A rule that knows no ledgers, or changes one of them, leaves the others as they are."""
    keys = keys_of(HERE, NUMBERS[0])
    usage = UsageKey("phone_sends", NUMBERS[0])
    await ask(stores, HERE, NUMBERS[0])
    before = await look(stores, keys)
    await stores.slots.transition(
        slot(NUMBERS[0]),
        (*keys, usage),
        lambda held: Decision(None, Held(held.record, {usage: (START,)})),
    )
    assert await look(stores, keys) == before
    one = keys[0]
    await stores.slots.transition(
        slot(NUMBERS[0]),
        keys,
        lambda held: Decision(None, Held(held.record, ledgers={one: Ledger()})),
    )
    assert await look(stores, keys) == {**before, one: Ledger()}


async def test_messages_at_once_are_all_owed(stores: Stores) -> None:
    """Whatever their slots are, none is lost."""
    numbers = [f"+9198765{number:05}" for number in range(20)]
    await asyncio.gather(*(ask(stores, HERE, number) for number in numbers))
    held = await look(stores, keys_of(HERE, numbers[0]))
    assert [owed(one, DAY, START) for one in held.values()] == [20, 20, 20, 20]


def debts(count: int) -> Iterable[tuple[DebtRow, PaidRow | None]]:
    """Messages of a month at random, some of which were paid back."""
    rng = random.Random(5)  # noqa: S311 - draws a month of messages
    for number in range(count):
        at = after(START, rng.randrange(30 * DAY))
        row = DebtRow(
            send_id=f"c{number}",
            at=at,
            account="signup",
            range=rng.choice(NUMBERS)[:-4],
            client=rng.choice((HERE, NEAR, FAR, None)),
            debt=rng.choice((Debt.CLIENT, Debt.ALL, Debt.STRETCH)),
            price=1,
        )
        how = rng.choice((None, True, False))
        paid_at = after(at, rng.randrange(HOUR))
        yield (
            row,
            None if how is None else PaidRow(send_id=row.send_id, at=paid_at, is_verified=how),
        )


async def test_ledgers_are_told_from_rows(database: Database, commits: GroupCommit) -> None:
    """One by one and page by page, as they were charged and paid back."""
    told = SqlLimitRecovery(database, page=2)
    held: Ledgers = {}
    steps = list[tuple[Instant, DebtRow, PaidRow | None]]()
    for row, back in debts(80):
        await commits.write(row)
        steps.append((row.at, row, None))
        if back is not None:
            await commits.write(back)
            await commits.write(attrs.evolve(back, at=after(back.at, DAY), is_verified=True))
            steps.append((back.at, row, back))
    for at, row, back in sorted(steps, key=lambda one: one[0]):
        keys = owing(ledger_keys(row.account, row.client, row.range), row.debt)
        if back is None:
            held = charged(held, keys, row.debt, at)
        elif back.is_verified:
            held = paid(held, [(keys, row.at)], at)
        else:
            held = forgiven(held, keys, row.at)
    now = after(START, 30 * DAY)

    def counted(ledgers: Ledgers) -> dict[str, tuple[object, ...]]:
        """What windows reach, without what they do not."""
        return {
            str(key): (one.owed_days, one.verified_days, owed(one, DAY, now))
            for key, one in ledgers.items()
            if one.owed_days.buckets or one.verified_days.buckets
        }

    assert counted(await told.ledgers(tuple(held), now)) == counted(held)
    pages = [page async for page in told.all_ledgers(now)]
    assert counted({key: one for page in pages for key, one in page.items()}) == counted(held)
    assert sum(map(len, pages)) == len(counted(held))
    assert await told.ledgers((), now) == {}
    of_another = keys_of(HERE, NUMBERS[0], "another")
    assert await told.ledgers(of_another, now) == dict.fromkeys(of_another, Ledger())
    later = after(now, LEDGER_WINDOW + DAY)
    assert [page async for page in told.all_ledgers(later)] == []


async def judged(
    stores: Stores, client: ClientAddress, number: str, now: Instant
) -> tuple[str, tuple[LedgerKey, ...]]:
    """Judge an ask, and charge it if it is admitted, as one step; the verdict and who owes it."""
    keys = keys_of(client, number)
    money = RegionMoney(region="IN", factor=100, client_factor=100)
    ask = GuardedAsk(keys=keys, money=money, price=83_200)

    def decide(held: Held) -> Decision[Held, tuple[str, tuple[LedgerKey, ...]]]:
        verdict = judge(held.ledgers, ask, GuardPolicy(), now)
        told = f"{verdict} {reasons_text(verdict.reasons)}"
        debt = debt_of(verdict, is_known=False)
        owed = charged(held.ledgers, keys, debt, now)
        becomes = held if owed is held.ledgers else attrs.evolve(held, ledgers=owed)
        return Decision((told, owing(keys, debt)), becomes)

    return await stores.slots.transition(slot(number), keys, decide)


async def pay_back(stores: Stores, keys: tuple[LedgerKey, ...], at: Instant, now: Instant) -> None:
    """Note a right code."""
    await stores.slots.transition(
        slot(NUMBERS[0]),
        keys,
        lambda held: Decision(
            None, attrs.evolve(held, ledgers=paid(held.ledgers, [(keys, at)], now))
        ),
    )


async def test_the_guard_decides_alike_in_every_store(stores: Stores) -> None:
    """The same asks and codes lead to the same verdicts and reasons as over memory alone."""
    async with MEMORY.open(Path()) as model:
        rng, now = random.Random(11), START  # noqa: S311 - draws asks
        open_: list[tuple[tuple[LedgerKey, ...], Instant]] = []
        words = Counter[str]()
        for _ in range(120):
            now = after(now, rng.choice((0, HOUR // 4, HOUR, 9 * HOUR)))
            client, number = rng.choice((HERE, NEAR, FAR)), rng.choice(NUMBERS)
            told, keys = await judged(stores, client, number, now)
            assert (told, keys) == await judged(model, client, number, now)
            words[told.partition(" ")[0].partition(":")[0]] += 1
            open_ += [(keys, now)] if keys else []
            if open_ and rng.random() < 0.2:
                owed_by, at = open_.pop()
                now = after(now, 1)
                for one in (stores, model):
                    await pay_back(one, owed_by, at, now)
        assert words.keys() == {"free", "work", "stretch", "refused"}


async def test_a_refused_ask_writes_nothing(
    sql_kind: Kind, tmp_path: Path, database: Database
) -> None:
    """However often it is asked, no ledger changes, and none is written."""
    both = keys_of(HERE, NUMBERS[0])

    async def bodies() -> list[tuple[str, str, int]]:
        async with database.read() as connection:
            rows = await connection.execute(select(records).order_by(records.c.key))
            return [(row.key, row.body, row.version) for row in rows]

    async with sql_kind.open(tmp_path) as stores:
        full = charged({}, both, Debt.ALL, START)
        for _ in range(8):
            full = charged(full, both, Debt.ALL, START)
        await stores.slots.transition(
            slot(NUMBERS[0]),
            both,
            lambda held: Decision(None, attrs.evolve(held, ledgers=full)),
        )
        before = await bodies()
        for _ in range(50):
            told, keys = await judged(stores, HERE, NUMBERS[0], START)
            assert (told.partition(" ")[0], keys) == ("refused", ())
        assert await bodies() == before
