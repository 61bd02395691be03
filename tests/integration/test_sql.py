"""What SQL alone promises: versions, older records, faults, and audit rows kept aside."""

import asyncio
import base64
import hashlib
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import structlog
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hsp_otp.adapters.sql import schema
from hsp_otp.adapters.sql.connections import RefusedError
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.schema import is_newest, upgrade
from hsp_otp.adapters.sql.tables import audit, records
from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.challenge_outcomes import Issued
from hsp_otp.domain.code import Code
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import MINUTE, Instant, after
from hsp_otp.domain.names import ClientAddress, PassCode
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.slot_record import Held, SlotRecord
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.pass_login import SignedIn
from hsp_otp.ports.failures import Unavailable
from tests.audit_rows import evolved
from tests.integration.behind import (
    LATE,
    PATIENCE_SECONDS,
    allow,
    execute,
    lock_held,
    raw,
    refuse,
    within,
)
from tests.integration.stores import (
    SQLITE,
    Stores,
    open_sqlite,
    sql_stores,
    sqlite_path,
    sqlite_url,
)
from tests.integration.test_contracts import (
    BOTH,
    PHONE_SENDS,
    SLOT,
    a_pass,
    audit_row,
    look,
    one_more,
    send_row,
)
from tests.world import CLIENT, START, ManualClock, Outbox, ScriptedRandomness, of_strangers

pytestmark = pytest.mark.anyio


@pytest.fixture
def no_database(tmp_path: Path) -> Path:
    """A database's file, with something else in it."""
    file = sqlite_path(tmp_path)
    file.write_bytes(b"these are not the pages of a database" * 200)
    return file


@pytest.fixture
def stores(database: Database, commits: GroupCommit) -> Stores:
    """Everything in SQL."""
    return sql_stores(database, commits)


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """What was logged."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def remove(file: Path) -> None:
    """Make room for a database."""
    file.unlink()


def versions(file: Path) -> dict[str, int]:
    """The version of every record."""
    return dict(execute(file, "SELECT key, version FROM records"))


async def fails_in_time(stores: Stores) -> None:
    """Every port says that its store is away, within the three seconds of an answer."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(Unavailable):
        await stores.slots.transition(SLOT, BOTH, one_more)
    assert loop.time() - began < LATE


# --- What is written, and what is not


async def test_a_change_raises_the_version_by_one(stores: Stores, file: Path) -> None:
    """A record has version 1 at first and one more after every change."""
    await stores.slots.transition(SLOT, BOTH, one_more)
    await stores.slots.transition(SLOT, (PHONE_SENDS,), one_more)
    assert versions(file) == {
        "slot:phone_verification:user:u1": 2,
        "usage:phone_sends:+919876543210": 2,
        "usage:pass_login_sends:198.51.100.7": 1,
    }


async def test_what_is_unchanged_is_not_written(stores: Stores, file: Path) -> None:
    """A decision that changes nothing writes nothing, and one that changes a part only that."""
    await stores.slots.transition(SLOT, BOTH, one_more)
    before = versions(file)
    await stores.slots.transition(SLOT, BOTH, look)
    await stores.slots.transition(
        SLOT, BOTH, lambda held: Decision(None, Held(held.record, dict(held.usages)))
    )
    assert versions(file) == before
    await stores.slots.transition(
        SLOT, BOTH, lambda held: Decision(None, attrs.evolve(held, record=of_strangers(run=7)))
    )
    assert versions(file) == {**before, "slot:phone_verification:user:u1": 2}


async def test_a_look_at_what_is_not_there_leaves_nothing(stores: Stores, file: Path) -> None:
    """Looking at a slot that nobody touched makes no record of it."""
    await stores.slots.transition(SLOT, BOTH, look)
    assert versions(file) == {}


async def test_steps_of_one_turn_share_a_transaction(stores: Stores, file: Path) -> None:
    """Steps that wait together are written once: their record moves by one version."""
    await asyncio.gather(*(stores.slots.transition(SLOT, (), one_more) for _ in range(50)))
    assert versions(file) == {"slot:phone_verification:user:u1": 1}


async def test_the_state_is_not_written_without_its_rows(stores: Stores, file: Path) -> None:
    """Where a row that the request depends on is refused, its state is not written either."""

    def ask_again(held: Held) -> Decision[Held, int]:
        return attrs.evolve(one_more(held), rows=(send_row("c1"),))

    await stores.slots.transition(SLOT, (), ask_again)
    with pytest.raises(RefusedError):
        await stores.slots.transition(SLOT, (), ask_again)
    assert versions(file) == {"slot:phone_verification:user:u1": 1}


async def test_a_refused_row_fails_no_neighbour(stores: Stores) -> None:
    """Steps that share a transaction with one whose row is refused are done all the same."""
    await stores.audit.write(send_row("c1"))
    outcomes = await asyncio.gather(
        stores.slots.transition(SLOT, (), one_more),
        stores.audit.write(send_row("c1")),
        stores.slots.transition(SLOT, (), one_more),
        return_exceptions=True,
    )
    assert outcomes[0] == 0
    assert isinstance(outcomes[1], RefusedError)
    assert outcomes[2] == 1


@pytest.mark.parametrize("sql_kind", [SQLITE], indirect=True, ids=["sqlite"])
async def test_a_conflict_runs_decide_again_on_what_the_winner_left(
    stores: Stores, file: Path
) -> None:
    """Where a record moved between reading and writing, decide sees the new state."""
    await stores.slots.transition(SLOT, (), one_more)
    # Moves the record inside our own statement, as a writer that came in between would have.
    execute(
        file,
        """
        CREATE TRIGGER moving BEFORE INSERT ON records BEGIN
            UPDATE records SET version = version + 1 WHERE key = NEW.key;
        END
        """,
    )
    seen: list[int] = []
    winner: list[threading.Thread] = []

    def win() -> None:
        with closing(sqlite3.connect(file, timeout=10, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DROP TRIGGER moving")
            connection.execute("UPDATE records SET body = '{\"run\":41}', version = version + 1")
            connection.execute("COMMIT")

    def decide(held: Held) -> Decision[Held, int]:
        seen.append(held.record.others.run)
        if not winner:
            winner.append(threading.Thread(target=win))
            winner[0].start()
        return one_more(held)

    assert await stores.slots.transition(SLOT, (), decide) == 41
    await asyncio.to_thread(winner[0].join)
    assert seen[0] == 1
    assert seen[-1] == 41
    assert set(seen) == {1, 41}
    assert execute(file, "SELECT body ->> '$.others.run' FROM records") == [(42,)]


@pytest.mark.parametrize("sql_kind", [SQLITE], indirect=True, ids=["sqlite"])
async def test_records_that_never_hold_still_are_unavailable(stores: Stores, file: Path) -> None:
    """A step that loses every race for two seconds is refused, and has changed nothing."""
    await stores.slots.transition(SLOT, (), one_more)
    execute(
        file,
        """
        CREATE TRIGGER moving BEFORE INSERT ON records BEGIN
            UPDATE records SET version = version + 1 WHERE key = NEW.key;
        END
        """,
    )
    await fails_in_time(stores)
    assert versions(file) == {"slot:phone_verification:user:u1": 1}


@pytest.mark.parametrize(
    ("body", "record"),
    [
        ("{}", SlotRecord()),
        ('{"run":2}', of_strangers(run=2)),
        ('{"run":2,"later":{"x":[1]},"failures":[5]}', of_strangers(run=2, failures=(Instant(5),))),
    ],
    ids=["empty", "older", "newer"],
)
async def test_records_of_other_versions_still_load(
    stores: Stores, file: Path, body: str, record: SlotRecord
) -> None:
    """A record that lacks newer members, or has unknown ones, is read for what it has."""
    execute(
        file,
        "INSERT INTO records VALUES ('slot:phone_verification:user:u1', ?, 1)",
        body,
    )
    assert (await stores.slots.transition(SLOT, (), look)).record == record
    assert await stores.slots.transition(SLOT, (), one_more) == record.others.run


# --- Faults


async def test_a_lock_that_is_held_is_unavailable_in_time(stores: Stores, file: Path) -> None:
    """While another process holds the lock steps fail within 3 s; reading and later steps work."""
    await stores.add(a_pass())
    async with lock_held(file):
        await fails_in_time(stores)
        assert await stores.passes.find(PassCode("HSP-1234-5678")) == a_pass()
    assert await stores.slots.transition(SLOT, BOTH, one_more) == 0


async def test_many_fail_in_time_together(stores: Stores, file: Path) -> None:
    """Callers that queue behind a lock fail within 3 s too, all of them."""
    loop = asyncio.get_running_loop()
    async with lock_held(file):
        began = loop.time()
        outcomes = await asyncio.gather(
            *(stores.slots.transition(SLOT, BOTH, one_more) for _ in range(500)),
            return_exceptions=True,
        )
        assert loop.time() - began < LATE
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert await stores.slots.transition(SLOT, BOTH, one_more) == 0


async def test_a_writer_of_this_process_is_waited_for_no_longer(tmp_path: Path) -> None:
    """Whoever has the turn at the file for too long holds nobody up for more than that."""
    async with Database(sqlite_url(tmp_path), durable=False) as database:
        await upgrade(database)
        stores = sql_stores(database, GroupCommit(database))
        async with database.write():
            await fails_in_time(stores)
        assert await stores.slots.transition(SLOT, BOTH, one_more) == 0


async def test_a_lock_that_is_let_go_in_time_is_waited_for(stores: Stores, file: Path) -> None:
    """A step that meets a lock for a moment is done once it is let go."""
    async with lock_held(file):
        step = asyncio.create_task(stores.slots.transition(SLOT, BOTH, one_more))
        await asyncio.sleep(0.1)
        assert not step.done()
    assert await step == 0


async def test_a_file_that_is_no_database_is_unavailable(no_database: Path, tmp_path: Path) -> None:
    """Bytes that are no database are a store that is away; put right, it works again."""
    async with Database(sqlite_url(tmp_path), durable=False) as database:
        stores = sql_stores(database, GroupCommit(database))
        await fails_in_time(stores)
        with pytest.raises(Unavailable):
            await stores.passes.find(PassCode("HSP-1234-5678"))
        assert not await database.takes_writes()
        with pytest.raises(Unavailable):
            await is_newest(database)
        remove(no_database)
        await upgrade(database)
        assert await stores.slots.transition(SLOT, BOTH, one_more) == 0
        assert await database.takes_writes()


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """A file that cannot be opened is a store that is away; put right, it works again."""
    folder = tmp_path / "later"
    async with Database(sqlite_url(folder), durable=False) as database:
        stores = sql_stores(database, GroupCommit(database))
        await fails_in_time(stores)
        assert not await database.takes_writes()
        folder.mkdir()
        await upgrade(database)
        assert await stores.slots.transition(SLOT, BOTH, one_more) == 0


async def test_a_file_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    """A database that may only be read fails steps, and finds passes all the same."""
    async with open_sqlite(tmp_path) as stores:
        await stores.add(a_pass())
    url = f"sqlite+aiosqlite:///file:{sqlite_path(tmp_path)}?mode=ro&uri=true"
    async with Database(url, durable=False) as database:
        stores = sql_stores(database, GroupCommit(database))
        await fails_in_time(stores)
        assert await stores.passes.find(PassCode("HSP-1234-5678")) == a_pass()


async def test_why_a_file_is_unavailable_is_told(tmp_path: Path) -> None:
    """A file that may only be read, or cannot be opened, is said to be so, and where it is."""
    async with open_sqlite(tmp_path):
        pass
    cannot = "the SQL database cannot be opened in the folder"
    read_only = f"sqlite+aiosqlite:///file:{sqlite_path(tmp_path)}?mode=ro&uri=true"
    for url, why in (
        (read_only, "the SQL database cannot be written to"),
        (
            f"sqlite+aiosqlite:///{tmp_path}/none/otp.db",
            f"{cannot} {str(tmp_path / 'none')!r}: No such file or directory",
        ),
        (f"sqlite+aiosqlite:///{tmp_path}", f"{cannot} {str(tmp_path.parent)!r}: Is a directory"),
    ):
        async with Database(url, durable=False) as database:
            with pytest.raises(Unavailable) as caught:
                await database.step(_add_a_table)
            assert str(caught.value) == why


async def _add_a_table(connection: AsyncConnection) -> None:
    await connection.execute(text("CREATE TABLE more (id INTEGER)"))


async def test_a_table_that_is_gone_is_unavailable(stores: Stores, file: Path) -> None:
    """A database that lost a table is a store that is away, and so is one of an older schema."""
    execute(file, "DROP TABLE records")
    await fails_in_time(stores)


async def test_a_send_that_cannot_be_written_is_refused(stores: Stores, file: Path) -> None:
    """A row that the request depends on is never kept aside: its request fails."""
    async with lock_held(file):
        with pytest.raises(Unavailable):
            await stores.audit.write(send_row("c1"), audit_row())
    assert await stores.sent() == []


# --- Audit rows that cannot be written


async def test_an_audit_row_never_fails_its_request(
    stores: Stores, commits: GroupCommit, file: Path, logged: list[Any]
) -> None:
    """Where only the audit row is refused, the step is done, and the row is kept and logged."""
    refuse(file, "INSERT", "audit")

    def told(held: Held) -> Decision[Held, int]:
        return attrs.evolve(one_more(held), rows=(send_row("c1"), audit_row()))

    assert await stores.slots.transition(SLOT, BOTH, told) == 0
    assert versions(file)["slot:phone_verification:user:u1"] == 1
    assert await stores.sent() == ["c1"]
    assert await stores.told() == []
    assert commits.kept_aside == 1
    assert logged == [
        {
            "event": "audit_not_written",
            "log_level": "error",
            "rows": 1,
            "kept_aside": 1,
            "lost": 0,
        }
    ]


async def test_a_row_written_alone_never_fails_either(
    stores: Stores, commits: GroupCommit, file: Path
) -> None:
    """While the database is away an audit row is kept aside, and its writer goes on."""
    async with lock_held(file):
        await stores.audit.write(audit_row())
    assert commits.kept_aside == 1
    await commits.flush()
    assert commits.kept_aside == 0
    assert [row.request_id for row in await stores.told()] == ["r1"]


async def test_a_failing_request_waits_half_a_second_for_its_row(
    stores: Stores, commits: GroupCommit, file: Path
) -> None:
    """What already waited for the database is not held up by its row; the row comes later."""
    loop = asyncio.get_running_loop()
    async with lock_held(file):
        began = loop.time()
        await stores.audit.note(audit_row())
        assert loop.time() - began < 1.5
        await commits.flush()
    await commits.flush()
    assert [row.request_id for row in await stores.told()] == ["r1"]
    assert commits.kept_aside == 0


async def test_rows_kept_aside_are_tried_again_until_they_are_written(
    stores: Stores, commits: GroupCommit, file: Path, logged: list[Any]
) -> None:
    """Once the database takes audit rows again they are written, in their order."""
    refuse(file, "INSERT", "audit")
    for number in range(3):
        await stores.audit.write(audit_row(request_id=f"r{number}"))
    retrying = asyncio.create_task(commits.write_kept_aside())
    try:
        await within(PATIENCE_SECONDS, lambda: len(logged) > 3)
        assert commits.kept_aside == 3
        allow(file, "audit")
        await within(PATIENCE_SECONDS, lambda: len(execute(file, "SELECT 1 FROM audit")) == 3)
        assert commits.kept_aside == 0
    finally:
        retrying.cancel()
        with suppress(asyncio.CancelledError):
            await retrying
    assert [row.request_id for row in await stores.told()] == ["r0", "r1", "r2"]


async def test_the_queue_has_an_end_and_says_what_it_lost(
    stores: Stores, commits: GroupCommit, file: Path, logged: list[Any]
) -> None:
    """Ten thousand rows are kept aside; the oldest beyond that are lost, counted and logged."""
    refuse(file, "INSERT", "audit")
    await stores.audit.write(*(audit_row(request_id=f"r{number}") for number in range(10_050)))
    assert commits.kept_aside == 10_000
    assert (commits.ever_kept_aside, commits.ever_lost) == (10_050, 50)
    assert logged == [
        {
            "event": "audit_not_written",
            "log_level": "error",
            "rows": 10_050,
            "kept_aside": 10_000,
            "lost": 50,
        }
    ]
    allow(file, "audit")
    await commits.flush()
    assert commits.kept_aside == 0
    told = await stores.told()
    assert len(told) == 10_000
    assert (told[0].request_id, told[-1].request_id) == ("r50", "r10049")


async def test_writing_many_that_were_kept_aside_keeps_nobody_waiting(
    stores: Stores, commits: GroupCommit, file: Path
) -> None:
    """While thousands of rows are caught up on, a request's step is done in its time."""
    refuse(file, "INSERT", "audit")
    await stores.audit.write(*(audit_row(request_id=f"r{number}") for number in range(10_000)))
    allow(file, "audit")
    catching_up = asyncio.create_task(commits.flush())
    await within(PATIENCE_SECONDS, lambda: commits.kept_aside < 10_000)
    await stores.slots.transition(SLOT, BOTH, one_more)
    assert not catching_up.done()
    await catching_up
    assert len(await stores.told()) == 10_000


async def test_a_writer_that_is_cancelled_loses_no_row(
    stores: Stores, commits: GroupCommit, file: Path
) -> None:
    """A row whose writer has gone while the database was away is kept aside like any other."""
    async with lock_held(file):
        writing = asyncio.create_task(stores.audit.write(audit_row()))
        await asyncio.sleep(0.1)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await within(PATIENCE_SECONDS, lambda: commits.kept_aside == 1)
    await commits.flush()
    assert [row.request_id for row in await stores.told()] == ["r1"]


async def test_a_stop_in_the_middle_of_a_retry_loses_no_row(
    stores: Stores, commits: GroupCommit, file: Path
) -> None:
    """The last flush waits for a retry that was cut short, and finds what that left."""
    async with lock_held(file):
        await stores.audit.write(audit_row())
        retrying = asyncio.create_task(commits.write_kept_aside())
        await within(PATIENCE_SECONDS, lambda: commits.kept_aside == 0)
        retrying.cancel()
        with suppress(asyncio.CancelledError):
            await retrying
        await commits.flush()
        assert commits.kept_aside == 1
    await commits.flush()
    assert [row.request_id for row in await stores.told()] == ["r1"]


async def test_what_a_stop_leaves_unwritten_is_told(
    stores: Stores, commits: GroupCommit, file: Path
) -> None:
    """Rows that the last try could not write are lost with the process, and never silently."""
    async with lock_held(file):
        await stores.audit.write(audit_row())
        with structlog.testing.capture_logs() as logs:
            await commits.close()
    assert {"event": "audit_lost", "rows": 1, "log_level": "error"} in logs
    assert commits.ever_lost == 1
    await commits.flush()
    with structlog.testing.capture_logs() as logs:
        await commits.close()
    assert logs == []


# --- Floods


def refused(
    *,
    at: int = 0,
    client: str = CLIENT,
    action: Action = Action.CHECK,
    outcome: str = "rate_limited",
) -> AuditRow:
    """One of many refusals."""
    return evolved(
        audit_row(outcome, at=after(START, at)),
        client=ClientAddress(client),
        action=action,
        folds=True,
    )


async def test_a_flood_is_one_row_a_minute_with_a_count(stores: Stores) -> None:
    """Refusals of one client by one limit within a minute are one row that counts them."""
    await asyncio.gather(*(stores.audit.write(refused(at=n)) for n in range(150)))
    await stores.audit.write(refused(at=MINUTE - 1), refused(at=MINUTE), refused(at=MINUTE))
    assert [(row.at - START, row.count) for row in await stores.told()] == [(0, 151), (MINUTE, 2)]


async def test_floods_are_told_apart(stores: Stores) -> None:
    """Another client, action or outcome, and what is no flood, has a row of its own."""
    await stores.audit.write(
        refused(),
        refused(client="203.0.113.9"),
        refused(action=Action.SEND),
        refused(outcome="lookup_rate_limited"),
        refused(),
        audit_row("rate_limited"),
        audit_row("rate_limited"),
    )
    assert sorted(row.count for row in await stores.told()) == [1, 1, 1, 1, 1, 2]


# --- Secrecy


async def test_no_file_holds_a_code_or_a_token(stores: Stores, file: Path) -> None:
    """Neither an issued code, nor an unkeyed hash of it, nor a token is in the database's files."""
    outbox = Outbox()
    # Ten digits: they cannot stand in an instant or a fingerprint by chance.
    login = stores.login(ManualClock(), ScriptedRandomness(), outbox, Policy(digits=10, cooldown=0))
    await stores.add(a_pass())
    code, caller = PassCode("HSP-1234-5678"), Caller(ClientAddress(CLIENT), "r1")
    assert isinstance(await login.send(code, caller), Issued)
    assert isinstance(await login.send(code, caller), Issued)
    await login.verify(code, Code("0123456789"), None, caller)
    found = await login.verify(code, Code(outbox.codes[1]), None, caller)
    assert isinstance(found, SignedIn)
    kept = raw(file)
    secrets = [*outbox.codes, "0123456789", found.grant.refresh_token, found.grant.access_token]
    assert len(secrets) == 5
    for secret in secrets:
        assert secret.encode() not in kept
        for algorithm in ("md5", "sha1", "sha256", "sha512"):
            digest = hashlib.new(algorithm, secret.encode(), usedforsecurity=False).digest()
            assert digest not in kept
            assert digest.hex().encode() not in kept
            assert base64.b64encode(digest).rstrip(b"=") not in kept
    assert re.search(rb"HSP-1234-5678", kept)  # they do hold something


async def test_whether_it_takes_writes_leaves_nothing(database: Database, url: str) -> None:
    """Asked as often as one likes, by several at once, it leaves no row behind."""
    async with Database(url, durable=False) as other:
        asked = [each.takes_writes() for each in (database, other) for _ in range(10)]
        assert await asyncio.gather(*asked) == [True] * 20
    async with database.read() as connection:
        assert (await connection.execute(select(records))).all() == []
        assert (await connection.execute(select(audit))).all() == []


async def test_a_full_disk_takes_no_writes(tmp_path: Path) -> None:
    """Where there is no room for a page more, it is found out although all can be read."""
    async with Database(sqlite_url(tmp_path), durable=False) as database:
        await upgrade(database)
        with closing(sqlite3.connect(sqlite_path(tmp_path))) as file:
            file.execute("VACUUM")  # migrations leave free pages

        async def limit(pages: str) -> None:
            async with database.write() as connection:
                await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        await limit("1")  # as many as there are
        assert not await database.takes_writes()
        async with database.read() as connection:
            assert (await connection.execute(select(records))).all() == []
        await limit("1000000")
        assert await database.takes_writes()


async def test_a_file_that_may_only_be_read_takes_no_writes(tmp_path: Path) -> None:
    """A read-only file is found out although all can be read."""
    async with Database(sqlite_url(tmp_path), durable=False) as database:
        await upgrade(database)
        assert await database.takes_writes()
        async with database.write() as connection:  # the one that writes, from now on
            await connection.exec_driver_sql("PRAGMA query_only = ON")
        assert not await database.takes_writes()
        async with database.read() as connection:
            assert (await connection.execute(select(records))).all() == []


def test_the_versions_that_are_known() -> None:
    """Their files are called after them, so that a server need not load what upgrades it."""
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).with_name("migrations")))
    scripts = ScriptDirectory.from_config(config)
    assert schema.known() == {step.revision for step in scripts.walk_revisions()}
    assert max(schema.known()) == scripts.get_current_head()
