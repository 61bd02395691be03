"""What became of messages, in SQL: docs/contract.md, 7; and the schema before it."""

import asyncio
import json
from contextlib import suppress
from functools import partial
from pathlib import Path

import attrs
import pytest

from hsp_otp.adapters.early_receipts import MemoryEarlyReceipts
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.deliveries import SqlDeliveries
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.adapters.sql.schema import is_newest, upgrade
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.audit import HandedOverRow
from hsp_otp.domain.challenge import check, code_of, held_keys
from hsp_otp.domain.challenge_outcomes import Verified
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import (
    AppSend,
    DeliveryState,
    EarlyReceipt,
    LostSend,
    Noted,
    TakenMessage,
    UnknownMessage,
)
from hsp_otp.domain.instant import MINUTE, Instant, after
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Flow, Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import UsageKey
from hsp_otp.domain.send_limits import contact_sends
from hsp_otp.domain.slot_record import Presented, Request
from hsp_otp.flows.receipts import take_receipt
from hsp_otp.ports.failures import Unavailable
from tests.integration.behind import (
    LATE,
    allow,
    execute,
    lock_held,
    postgres_url,
    refuse,
    upgrade_to,
    within,
)
from tests.integration.postgres_server import DATABASES
from tests.integration.stores import (
    POSTGRES,
    Kind,
    Stores,
    postgres_file,
    sql_stores,
    sqlite_path,
    sqlite_url,
)
from tests.integration.test_contracts import SLOT, audit_row, send_row
from tests.world import START, ring

pytestmark = pytest.mark.anyio

QUEUED, SENT, DELIVERED = DeliveryState.QUEUED, DeliveryState.SENT, DeliveryState.DELIVERED

TAKEN = HandedOverRow(send_id="c1", sender="twilio", provider_message_id="SM1")

MADE_UP = TakenMessage(
    send_id="c1",
    slot=SLOT,
    state=DELIVERED,
    at=START,
    flow=Flow.SIGNUP,
    contact=Contact.stored("+919876543210"),
    language=None,
)


@pytest.fixture
def stores(database: Database, commits: GroupCommit) -> Stores:
    """Everything in SQL."""
    return sql_stores(database, commits)


@pytest.fixture
async def deliveries(database: Database, stores: Stores) -> SqlDeliveries:
    """The states of two sends, of which the first was taken."""
    await stores.audit.write(send_row("c1"), send_row("c2"))
    await stores.audit.write(TAKEN, audit_row("sent"))
    return SqlDeliveries(database, SystemClock())


async def test_a_message_of_an_app_that_does_not_arrive(
    deliveries: SqlDeliveries, stores: Stores
) -> None:
    """Each receipt tells again which send it was; of a message that may arrive, none does."""
    call = attrs.evolve(send_row("c3"), verification_id="v1", channel=Channel.VOICE, app_id="shop")
    await stores.audit.write(call)
    await stores.audit.write(attrs.evolve(TAKEN, send_id="c3", provider_message_id="CA3"))
    send = AppSend(id="c3", verification_id="v1", channel=Channel.VOICE)
    lost = Noted(LostSend(id="c3", slot=SLOT, app_send=send))
    assert await report(deliveries, "twilio", "CA3", SENT) == Noted()
    for state in (DeliveryState.UNDELIVERED, DeliveryState.FAILED, SENT, DELIVERED):
        assert await report(deliveries, "twilio", "CA3", state) == lost
    noted = await report(deliveries, "twilio", "SM1", DeliveryState.FAILED)
    assert noted == Noted(LostSend(id="c1", slot=SLOT))


async def report(
    deliveries: SqlDeliveries, sender: str, message: str, state: DeliveryState
) -> Noted | UnknownMessage:
    """What a receipt comes to where nothing is kept."""
    early = MemoryEarlyReceipts(deliveries)
    clock = SystemClock()
    return await take_receipt(deliveries, sender, message, state, early=early, clock=clock)


def states(file: Path) -> list[tuple[str | None]]:
    """The state of every send."""
    return execute(file, "SELECT state FROM sends ORDER BY id")


async def held(deliveries: SqlDeliveries, message: str = "SM1") -> DeliveryState | None:
    """What decide sees."""

    def look(held: TakenMessage | None) -> Decision[TakenMessage | None, DeliveryState | None]:
        return Decision(None if held is None else held.state, held)

    return await deliveries.transition("twilio", message, look)


async def test_a_message_that_was_taken_is_queued(deliveries: SqlDeliveries, file: Path) -> None:
    """A message is queued as soon as it was handed over; a send that nobody took has no state."""
    assert await held(deliveries) is QUEUED
    assert states(file) == [("queued",), (None,)]


async def test_a_transition_sees_what_the_one_before_it_left(deliveries: SqlDeliveries) -> None:
    """Receipts are noted one after the other, and the latest state is what decide sees."""
    for reported, kept in ((SENT, SENT), (QUEUED, SENT), (DELIVERED, DELIVERED), (SENT, DELIVERED)):
        assert await report(deliveries, "twilio", "SM1", reported) == Noted()
        assert await held(deliveries) is kept


async def test_when_a_receipt_came(deliveries: SqlDeliveries, file: Path) -> None:
    """Beside the state stands when a receipt moved it; one that tells nothing new leaves it."""

    def told() -> int | None:
        at: int | None = execute(file, "SELECT state_at FROM sends ORDER BY id")[0][0]
        return at

    assert told() is None
    before = SystemClock().now()
    await report(deliveries, "twilio", "SM1", DELIVERED)
    first = told()
    assert first is not None
    assert before <= first <= SystemClock().now()
    await report(deliveries, "twilio", "SM1", SENT)
    assert told() == first


@pytest.mark.parametrize(
    ("sender", "message"), [("twilio", "SM2"), ("other", "SM1"), ("twilio", ""), ("twilio", "sm1")]
)
async def test_another_message(
    deliveries: SqlDeliveries, file: Path, sender: str, message: str
) -> None:
    """Neither another sender's message nor one that nobody took is known, and none is made."""
    assert await report(deliveries, sender, message, DELIVERED) == UnknownMessage()
    assert states(file) == [("queued",), (None,)]


async def test_decide_cannot_make_a_message(deliveries: SqlDeliveries, file: Path) -> None:
    """Whatever becomes of a message that is not known, nothing is written."""
    made = await deliveries.transition("twilio", "SM2", lambda _: Decision("made", MADE_UP))
    assert made == "made"
    assert states(file) == [("queued",), (None,)]


async def test_what_is_unchanged_is_not_written(deliveries: SqlDeliveries, file: Path) -> None:
    """A receipt that tells nothing new writes nothing."""
    refuse(file, "UPDATE", "sends")
    assert await report(deliveries, "twilio", "SM1", QUEUED) == Noted()


async def test_a_decision_that_raises_changes_nothing(deliveries: SqlDeliveries) -> None:
    """An exception in a decision reaches its caller, and the next one is judged as ever."""

    def stumble(_: TakenMessage | None) -> Decision[TakenMessage | None, None]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await deliveries.transition("twilio", "SM1", stumble)
    assert await held(deliveries) is QUEUED


async def test_receipts_of_two_writers_at_once(
    deliveries: SqlDeliveries, url: str, file: Path
) -> None:
    """Of forty receipts at once by two writers the furthest state is what stays."""
    async with Database(url, durable=False) as database:
        reported = [SENT, QUEUED, DELIVERED, SENT, QUEUED] * 8
        writers = (deliveries, SqlDeliveries(database, SystemClock()))
        outcomes = await asyncio.gather(
            *(
                report(writers[number % 2], "twilio", "SM1", state)
                for number, state in enumerate(reported)
            )
        )
    assert set(outcomes) == {Noted()}
    assert states(file) == [("delivered",), (None,)]


async def test_a_lock_that_is_held_is_unavailable_in_time(
    deliveries: SqlDeliveries, file: Path
) -> None:
    """While another process holds the lock a receipt fails within 3 s."""
    async with lock_held(file), asyncio.timeout(LATE):
        with pytest.raises(Unavailable):
            await report(deliveries, "twilio", "SM1", SENT)
    assert await report(deliveries, "twilio", "SM1", SENT) == Noted()


# --- Receipts that come before their message is known


@pytest.mark.parametrize(
    ("sender", "message", "since", "expected"),
    [
        ("twilio", "SM9", after(START, -1), True),
        ("twilio", "SM9", START, False),
        ("vonage", "SM1", START, False),
        ("twilio", "SM1", START, True),
    ],
)
async def test_which_messages_may_become_known(
    deliveries: SqlDeliveries,
    sender: str,
    message: str,
    since: Instant,
    expected: bool,  # noqa: FBT001
) -> None:
    """A message may while there is a later send that nobody took, or where it is known by now."""
    assert await deliveries.may_become_known(sender, message, since) is expected


async def test_no_message_becomes_known_of_sends_that_were_taken(
    deliveries: SqlDeliveries, stores: Stores
) -> None:
    """Where every send has been taken there is none that another message could be of."""
    await stores.audit.write(attrs.evolve(TAKEN, send_id="c2", provider_message_id=None))
    assert not await deliveries.may_become_known("twilio", "SM9", after(START, -MINUTE))


async def test_a_database_that_is_away_knows_nothing(deliveries: SqlDeliveries) -> None:
    """Where the database does not answer it is not said that no message is expected."""
    async with Database("sqlite+aiosqlite:////nowhere/at/all.db", durable=False) as away:
        with pytest.raises(Unavailable):
            await SqlDeliveries(away, deliveries.clock).may_become_known("twilio", "SM9", START)


async def test_a_receipt_that_came_to_another_worker(
    database: Database, stores: Stores, url: str, file: Path
) -> None:
    """A receipt kept by one process is noted once another one has handed the message over."""
    await stores.audit.write(send_row("c1"))
    async with Database(url, durable=False) as other:
        early = MemoryEarlyReceipts(SqlDeliveries(other, SystemClock()))
        for state in (DELIVERED, SENT):
            early.keep(EarlyReceipt(("twilio",), "SM1", state))
        await early.close()
        assert states(file) == [(None,)]
        for state in (DELIVERED, SENT):
            early.keep(EarlyReceipt(("twilio",), "SM1", state))
        await stores.audit.write(TAKEN)
        trying = asyncio.create_task(early.keep_trying())
        await within(20, lambda: states(file) == [("delivered",)])
        trying.cancel()
        with suppress(asyncio.CancelledError):
            await trying
    assert await held(SqlDeliveries(database, SystemClock())) is DELIVERED


# --- The row that makes a message known


async def test_a_row_of_a_taken_message_never_fails_its_request(
    stores: Stores, commits: GroupCommit, file: Path
) -> None:
    """Where the database is away after the message went out, its rows come later."""
    await stores.audit.write(send_row("c1"))
    async with lock_held(file):
        await stores.audit.write(audit_row("sent"), TAKEN)
    assert commits.kept_aside == 2
    await commits.flush()
    assert commits.kept_aside == 0
    assert await stores.handed_over() == [TAKEN]
    assert [row.outcome for row in await stores.told()] == ["sent"]


async def test_a_row_that_is_refused_is_kept(
    stores: Stores, commits: GroupCommit, file: Path
) -> None:
    """Where only the row of a taken message is refused it is kept aside with its audit row."""
    await stores.audit.write(send_row("c1"))
    refuse(file, "UPDATE", "sends")
    await stores.audit.write(audit_row("sent"), TAKEN)
    assert (commits.kept_aside, await stores.told()) == (2, [])
    allow(file, "sends")
    await commits.flush()
    assert (commits.kept_aside, await stores.handed_over()) == (0, [TAKEN])


async def test_a_row_that_comes_twice_takes_no_state_back(
    deliveries: SqlDeliveries, stores: Stores
) -> None:
    """A row that is tried again although it was written changes nothing that receipts told."""
    await report(deliveries, "twilio", "SM1", DELIVERED)
    await stores.audit.write(TAKEN)
    assert await held(deliveries) is DELIVERED


# --- The schema before


async def test_sends_of_the_schema_before_are_kept(sql_kind: Kind, tmp_path: Path) -> None:
    """A database of the first schema is not the newest; upgraded it has its sends, stateless."""
    file = sqlite_path(tmp_path)
    if sql_kind is POSTGRES:
        file = postgres_file(tmp_path)
        file.write_text(await DATABASES.empty())
    url = postgres_url(file) or sqlite_url(tmp_path)
    async with Database(url, durable=False) as database:
        await upgrade_to(database, "0001")
        execute(
            file,
            "INSERT INTO sends (challenge_id, at, flow, purpose, slot, phone, client)"
            " VALUES ('c0', 1, 'pass_login', 'phone_verification', 's', '+919876543210', 'x')",
        )
        assert not await is_newest(database)
        await upgrade(database)
        assert await is_newest(database)
        assert states(file) == [(None,)]
        stores = sql_stores(database, GroupCommit(database))
        await stores.audit.write(send_row("c1"), TAKEN)
        assert (
            await report(SqlDeliveries(database, SystemClock()), "twilio", "SM1", SENT) == Noted()
        )
        assert states(file) == [(None,), ("sent",)]


NUMBER = "+919876543210"

BEFORE: dict[str, tuple[str, dict[str, object], dict[str, object]]] = {
    "0007": ("phone", {}, {"phone": {"e164": NUMBER}}),
    "0008": (
        "contact",
        {"v": 2},
        {"contact": {"kind": "phone", "value": NUMBER}, "channel": "sms"},
    ),
}
"""By schema: the column of numbers, the version of slots, and a challenge's recipient."""


@pytest.mark.parametrize("schema", BEFORE)
async def test_a_code_of_the_schema_before_is_good(
    sql_kind: Kind, tmp_path: Path, schema: str
) -> None:
    """
    A code that was sent before the upgrade succeeds after it, from any network, because nobody
    noted which one had asked; its send is counted as one of others.
    """
    column, version, recipient = BEFORE[schema]
    file = sqlite_path(tmp_path)
    if sql_kind is POSTGRES:
        file = postgres_file(tmp_path)
        file.write_text(await DATABASES.empty())
    slot = Slot(Subject(SubjectKind.USER, "u1"), Purpose.PHONE_VERIFICATION)
    body = version | {
        "challenge": {
            "id": "c0",
            "flow": "pass_login",
            "purpose": "phone_verification",
            "slot": str(slot),
            "session": None,
            "key_id": "k1",
            "nonce": "AAECAwQFBgcICQoLDA0ODw==",
            "issued_at": START,
            "attempts": 1,
            "expires_at": after(START, 10 * MINUTE),
            "ended": None,
            "success": None,
            **recipient,
        },
        "asked_at": START,
        "failures": [START],
        "run": 1,
    }
    async with Database(postgres_url(file) or sqlite_url(tmp_path), durable=False) as database:
        await upgrade_to(database, schema)
        execute(file, "INSERT INTO records VALUES (?, ?, 1)", f"slot:{slot}", json.dumps(body))
        execute(
            file,
            f"INSERT INTO sends (challenge_id, at, flow, purpose, slot, {column}, client, network)"  # noqa: S608
            " VALUES ('c0', ?, 'pass_login', 'phone_verification', ?, ?, ?, ?)",
            *(START, str(slot), NUMBER, "198.51.100.7", "198.51.100.0/24"),
        )
        await upgrade(database)
        stores, contact = sql_stores(database, GroupCommit(database)), Contact.stored(NUMBER)
        request = Request(
            slot=slot, flow=Flow.PASS_LOGIN, contact=contact, client=ClientAddress("203.0.113.9")
        )
        held = await stores.slots.transition(slot, (), lambda held: Decision(held, held))
        challenge = held.record.others.challenge
        assert challenge is not None
        code = code_of(challenge, ring("codes").first, 6)
        outcome = await stores.slots.transition(
            slot,
            held_keys(request),
            partial(
                check,
                request=request,
                presented=Presented(code),
                policy=Policy(),
                ring=ring("codes"),
                now=after(START, MINUTE),
            ),
        )
        assert isinstance(outcome, Verified)
        history, now = SqlLimitRecovery(database), after(START, MINUTE)
        counted = (contact_sends(contact), UsageKey("phone_sends_of_others", NUMBER))
        assert await history.sends(counted, now) == dict.fromkeys(counted, (START,))
        assert await history.asked_at(slot) == {Lane.OTHERS: START}
