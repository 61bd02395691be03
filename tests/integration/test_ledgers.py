"""Ledgers of what is owed, kept beside slots in every store, and told again from rows."""

import asyncio
import random
from collections.abc import Iterable

import attrs
import pytest

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.domain.audit import DebtRow, PaidRow
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import (
    Debt,
    LedgerKey,
    Ledgers,
    charged,
    forgiven,
    ledger_keys,
    owing,
    paid,
)
from hsp_otp.domain.instant import DAY, HOUR, Instant, after
from hsp_otp.domain.ledger import LEDGER_WINDOW, Ledger, owed
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.quota import UsageKey
from hsp_otp.domain.signup import slot_of
from hsp_otp.domain.slot_record import Held
from tests.integration.stores import Stores
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
