"""What became of messages, in SQL: docs/contract.md, 7; and the schema before it."""

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection

import hsp_otp
from hsp_otp.adapters.sql.commits import Commits
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.deliveries import SqlDeliveries
from hsp_otp.adapters.sql.schema import is_newest, upgrade
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState, Noted, UnknownMessage
from hsp_otp.domain.rows import HandedOverRow
from hsp_otp.flows.receipts import take_receipt
from hsp_otp.ports.failures import Unavailable
from tests.integration.behind import LATE, allow, execute, lock_held, postgres_url, refuse
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
from tests.integration.test_contracts import audit_row, send_row

pytestmark = pytest.mark.anyio

QUEUED, SENT, DELIVERED = DeliveryState.QUEUED, DeliveryState.SENT, DeliveryState.DELIVERED

TAKEN = HandedOverRow(challenge_id="c1", sender="twilio", provider_message_id="SM1")

MIGRATIONS = Path(hsp_otp.__file__).parent / "adapters" / "sql" / "migrations"


@pytest.fixture
def stores(database: Database, commits: Commits) -> Stores:
    """Everything in SQL."""
    return sql_stores(database, commits)


@pytest.fixture
async def deliveries(database: Database, stores: Stores) -> SqlDeliveries:
    """The states of two sends, of which the first was taken."""
    await stores.audit.write(send_row("c1"), send_row("c2"))
    await stores.audit.write(TAKEN, audit_row("sent"))
    return SqlDeliveries(database, SystemClock())


def states(file: Path) -> list[tuple[str | None]]:
    """The state of every send."""
    return execute(file, "SELECT state FROM sends ORDER BY challenge_id")


async def held(deliveries: SqlDeliveries, message: str = "SM1") -> DeliveryState | None:
    """What decide sees."""

    def look(state: DeliveryState | None) -> Decision[DeliveryState | None, DeliveryState | None]:
        return Decision(state, state)

    return await deliveries.transition("twilio", message, look)


async def test_a_message_that_was_taken_is_queued(deliveries: SqlDeliveries, file: Path) -> None:
    """A message is queued as soon as it was handed over; a send that nobody took has no state."""
    assert await held(deliveries) is QUEUED
    assert states(file) == [("queued",), (None,)]


async def test_a_transition_sees_what_the_one_before_it_left(deliveries: SqlDeliveries) -> None:
    """Receipts are noted one after the other, and the latest state is what decide sees."""
    for reported, kept in ((SENT, SENT), (QUEUED, SENT), (DELIVERED, DELIVERED), (SENT, DELIVERED)):
        assert await take_receipt(deliveries, "twilio", "SM1", reported) == Noted()
        assert await held(deliveries) is kept


async def test_when_a_receipt_came(deliveries: SqlDeliveries, file: Path) -> None:
    """Beside the state stands when a receipt moved it; one that tells nothing new leaves it."""

    def told() -> int | None:
        at: int | None = execute(file, "SELECT state_at FROM sends ORDER BY challenge_id")[0][0]
        return at

    assert told() is None
    before = SystemClock().now()
    await take_receipt(deliveries, "twilio", "SM1", DELIVERED)
    first = told()
    assert first is not None
    assert before <= first <= SystemClock().now()
    await take_receipt(deliveries, "twilio", "SM1", SENT)
    assert told() == first


@pytest.mark.parametrize(
    ("sender", "message"), [("twilio", "SM2"), ("other", "SM1"), ("twilio", ""), ("twilio", "sm1")]
)
async def test_another_message(
    deliveries: SqlDeliveries, file: Path, sender: str, message: str
) -> None:
    """Neither another sender's message nor one that nobody took is known, and none is made."""
    assert await take_receipt(deliveries, sender, message, DELIVERED) == UnknownMessage()
    assert states(file) == [("queued",), (None,)]


async def test_decide_cannot_make_a_message(deliveries: SqlDeliveries, file: Path) -> None:
    """Whatever becomes of a message that is not known, nothing is written."""
    made = await deliveries.transition("twilio", "SM2", lambda _: Decision("made", DELIVERED))
    assert made == "made"
    assert states(file) == [("queued",), (None,)]


async def test_what_is_unchanged_is_not_written(deliveries: SqlDeliveries, file: Path) -> None:
    """A receipt that tells nothing new writes nothing."""
    refuse(file, "UPDATE", "sends")
    assert await take_receipt(deliveries, "twilio", "SM1", QUEUED) == Noted()


async def test_a_decision_that_raises_changes_nothing(deliveries: SqlDeliveries) -> None:
    """An exception in a decision reaches its caller, and the next one is judged as ever."""

    def stumble(_: DeliveryState | None) -> Decision[DeliveryState | None, None]:
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
                take_receipt(writers[number % 2], "twilio", "SM1", state)
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
            await take_receipt(deliveries, "twilio", "SM1", SENT)
    assert await take_receipt(deliveries, "twilio", "SM1", SENT) == Noted()


# --- The row that makes a message known


async def test_a_row_of_a_taken_message_never_fails_its_request(
    stores: Stores, commits: Commits, file: Path
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


async def test_a_row_that_is_refused_is_kept(stores: Stores, commits: Commits, file: Path) -> None:
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
    await take_receipt(deliveries, "twilio", "SM1", DELIVERED)
    await stores.audit.write(TAKEN)
    assert await held(deliveries) is DELIVERED


# --- The schema before


async def test_sends_of_the_schema_before_are_kept(sql_kind: Kind, tmp_path: Path) -> None:
    """A database of the first schema is not the newest; upgraded it has its sends, stateless."""

    def to_the_first(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    file = sqlite_path(tmp_path)
    if sql_kind is POSTGRES:
        file = postgres_file(tmp_path)
        file.write_text(await DATABASES.empty())
    url = postgres_url(file) or sqlite_url(tmp_path)
    async with Database(url, durable=False) as database:
        async with database.write() as connection:
            await connection.run_sync(to_the_first)
        execute(
            file,
            "INSERT INTO sends (challenge_id, at, flow, purpose, slot, phone, client)"
            " VALUES ('c0', 1, 'pass_login', 'phone_verification', 's', '+919876543210', 'x')",
        )
        assert not await is_newest(database)
        await upgrade(database)
        assert await is_newest(database)
        assert states(file) == [(None,)]
        stores = sql_stores(database, Commits(database))
        await stores.audit.write(send_row("c1"), TAKEN)
        assert (
            await take_receipt(SqlDeliveries(database, SystemClock()), "twilio", "SM1", SENT)
            == Noted()
        )
        assert states(file) == [(None,), ("sent",)]
