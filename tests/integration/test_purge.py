"""What is past its time goes, in small steps: docs/contract.md, 8 and 10."""

import asyncio
import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from hsp_otp.adapters.record_format import RecordFormat
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.purge import SqlPurge
from hsp_otp.adapters.sql.record_kinds import RecordKind
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, Duration, Instant, after
from hsp_otp.domain.names import PassCode, SessionId
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.refresh_tokens import Family, RefreshToken, begin
from hsp_otp.domain.signup import SignupSession, record
from hsp_otp.ports.failures import Unavailable
from tests.e2e.server import COMMAND, command, environment
from tests.integration.behind import (
    PATIENCE_SECONDS,
    execute,
    execute_many,
    lock_held,
    within,
)
from tests.integration.stores import Stores, sql_stores
from tests.integration.test_contracts import BOTH, SLOT, audit_row, one_more, send_row
from tests.world import START, ring

pytestmark = pytest.mark.anyio

ALL = "over"


@pytest.fixture
def stores(database: Database, commits: GroupCommit) -> Stores:
    """Everything in SQL."""
    return sql_stores(database, commits)


@pytest.fixture
def purge(database: Database) -> SqlPurge:
    """What is tested."""
    return SqlPurge(database)


def put(file: Path, kind: str, count: int, body: str = ALL) -> None:
    """Store records behind the service's back."""
    execute_many(
        file,
        "INSERT INTO records VALUES (?, ?, 1)",
        [(f"{kind}:{number:06d}", body) for number in range(count)],
    )


def put_audit(file: Path, *rows: tuple[int, Instant]) -> None:
    """Store audit rows behind the service's back: how many, and of when."""
    for count, at in rows:
        execute_many(
            file,
            "INSERT INTO audit (at, action, outcome, count) VALUES (?, 'check', 'x', 1)",
            [(at,)] * count,
        )


def count(file: Path, table: str, where: str = "1 = 1") -> int:
    """How many rows there are."""
    found: int = execute(file, f"SELECT count(*) FROM {table} WHERE {where}")[0][0]  # noqa: S608
    return found


def is_over(body: str) -> bool:
    """Whether a record says that it is."""
    return body == ALL


class AsItIs:
    """Reads bodies as the texts that they are."""

    def decode(self, body: str) -> str:
        """The body."""
        return body


KIND: RecordKind[str] = RecordKind(
    name="slot",
    plural="slots",
    format=cast("RecordFormat[str]", AsItIs()),
    is_over=lambda body, _, __: is_over(body),
)


# --- Exactly what is over


async def test_audit_rows_from_before(purge: SqlPurge, stores: Stores, file: Path) -> None:
    """Audit rows from before the instant go; those of it and after it stay."""
    for at in (-1_000_000, -1, 0, 1):
        await stores.audit.write(audit_row(request_id=f"r{at}", at=after(START, at)))
    assert await purge.audit(START) == 2
    assert execute(file, "SELECT request_id FROM audit ORDER BY id") == [("r0",), ("r1",)]
    assert await purge.audit(START) == 0


async def test_sends_from_before(purge: SqlPurge, stores: Stores, file: Path) -> None:
    """Rows of sends from before the instant go; those of it and after it stay."""
    await stores.audit.write(*(send_row(f"c{number}") for number in range(4)))
    for number, at in enumerate((-1_000_000, -1, 0, 1)):
        execute(file, "UPDATE sends SET at = ? WHERE id = ?", START + at, f"c{number}")
    await stores.audit.write(audit_row(at=Instant(0)))
    assert await purge.sends(START) == 2
    assert await stores.sent() == ["c2", "c3"]
    assert count(file, "audit") == 1


async def test_records_that_are_over(purge: SqlPurge, file: Path) -> None:
    """The records of that kind that are over go, and no others, whatever their keys begin with."""
    put(file, "slot", 2)
    for key, body in (
        ("slot:lives", "alive"),
        ("slot:zz", ALL),
        ("slo:t", ALL),
        ("slots:1", ALL),
        ("slot", ALL),
        ("usage:slot:1", ALL),
    ):
        execute(file, "INSERT INTO records VALUES (?, ?, 1)", key, body)
    assert await purge.records(KIND, is_over) == 3
    assert execute(file, "SELECT key FROM records ORDER BY key") == [
        ("slo:t",),
        ("slot",),
        ("slot:lives",),
        ("slots:1",),
        ("usage:slot:1",),
    ]


async def test_nothing_to_delete(purge: SqlPurge) -> None:
    """An empty database has nothing that is over."""
    assert await purge.audit(START) == 0
    assert await purge.sends(START) == 0
    assert await purge.records(KIND, is_over) == 0


async def test_many_are_deleted_in_steps(purge: SqlPurge, file: Path) -> None:
    """However many there are, all that are over go, and those among them that are not stay."""
    put(file, "slot", 1_700)
    execute(file, "UPDATE records SET body = 'alive' WHERE key LIKE '%3'")
    put_audit(file, (1_200, Instant(1)), (300, START), (1_200, Instant(2)))
    assert await purge.records(KIND, is_over) == 1_530
    assert await purge.audit(START) == 2_400
    assert (count(file, "records"), count(file, "audit")) == (170, 300)


@pytest.mark.parametrize(
    "change",
    ["version = version + 1", "body = 'alive'"],
    ids=["another version", "made anew"],
)
async def test_a_record_that_changes_meanwhile_stays(
    purge: SqlPurge, file: Path, change: str
) -> None:
    """A record that somebody writes after it was found to be over is not deleted."""
    put(file, "slot", 3)
    seen: list[str] = []

    def found(body: str) -> bool:
        if not seen:
            execute(file, f"UPDATE records SET {change} WHERE key = 'slot:000001'")  # noqa: S608
        seen.append(body)
        return is_over(body)

    assert await purge.records(KIND, found) == 2
    assert execute(file, "SELECT key FROM records") == [("slot:000001",)]


# --- While others work


async def test_it_stops_half_way_and_goes_on(purge: SqlPurge, file: Path) -> None:
    """A purge that is stopped has deleted a part; the next one deletes what is left."""
    put_audit(file, (3_000, Instant(1)), (5, START))
    purging = asyncio.create_task(purge.audit(START))
    await within(PATIENCE_SECONDS, lambda: count(file, "audit") < 3_000)
    purging.cancel()
    with suppress(asyncio.CancelledError):
        await purging
    left = count(file, "audit") - 5
    assert 0 < left < 3_000
    assert await purge.audit(START) == left
    assert count(file, "audit") == 5


async def test_two_purges_at_once(purge: SqlPurge, file: Path) -> None:
    """Two purges at the same time delete everything once between them."""
    put(file, "slot", 1_000)
    put_audit(file, (1_500, Instant(1)))
    assert sum(await asyncio.gather(purge.audit(START), purge.audit(START))) == 1_500
    many = [purge.records(KIND, is_over) for _ in range(2)]
    assert sum(await asyncio.gather(*many)) == 1_000
    assert (count(file, "records"), count(file, "audit")) == (0, 0)


@pytest.mark.timeout(120)
async def test_requests_go_on_meanwhile(stores: Stores, file: Path, url: str) -> None:
    """While a purge deletes 1500 rows every step is done in its time."""
    put_audit(file, (1_500, Instant(1)))
    put(file, "slot", 600, body=json.dumps({"asked_at": 1}))
    steps = 0
    running = await asyncio.create_subprocess_exec(
        COMMAND,
        "purge",
        env=environment({"DATABASE_URL": url}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ended = asyncio.create_task(running.communicate())
    while not ended.done():
        await stores.slots.transition(SLOT, BOTH, one_more)
        await stores.audit.write(audit_row(at=Instant(2**60)))
        steps += 2
        await asyncio.sleep(0.001)
    out, errors = await ended
    assert (running.returncode, errors) == (0, b"")
    assert out.splitlines()[0] == b"audit: 1500 deleted"
    assert count(file, "audit") == steps // 2
    assert count(file, "records", "key LIKE 'slot:%'") == 1
    assert steps > 10


async def test_a_lock_that_is_held_is_unavailable(purge: SqlPurge, file: Path) -> None:
    """While another process holds the lock a purge fails, and has deleted nothing."""
    put(file, "slot", 1)
    put_audit(file, (1, Instant(1)))
    async with lock_held(file):
        for step in (purge.audit(START), purge.records(KIND, is_over)):
            with pytest.raises(Unavailable):
                await step
    assert (count(file, "records"), count(file, "audit")) == (1, 1)


# --- The command


async def family(stores: Stores, family_id: str, lifetime: Duration, now: Instant) -> None:
    """A sign-in's family."""
    token = RefreshToken.mint(ring("refresh").first, family_id, bytes(32))

    def decide(held: Family | None) -> Decision[Family | None, object]:
        decision = begin(
            held,
            token=token,
            family_id=family_id,
            user_id="u1",
            pass_code=PassCode("HSP-1234-5678"),
            purpose=Purpose.PHONE_VERIFICATION,
            channel=Channel.SMS,
            lifetime=lifetime,
            now=now,
        )
        return Decision(decision.outcome, decision.becomes)

    await stores.families.transition(family_id, decide)


async def signup(
    stores: Stores, session_id: str, stepped_at: Instant, *, is_verified: bool = False
) -> None:
    """A visitor's session, and what its challenge led to where its number is proved."""

    def decide(_: SignupSession | None) -> Decision[SignupSession | None, None]:
        session = SignupSession(
            phone=PhoneNumber("+919876543210"),
            challenge_id=session_id,
            step=2 if is_verified else 1,
            stepped_at=stepped_at,
        )
        return Decision(None, session)

    await stores.signup_sessions.transition(SessionId(session_id), decide)
    if is_verified:
        await stores.signup_steps.transition(session_id, partial(record, now=stepped_at))


async def test_the_command(stores: Stores, tmp_path: Path, file: Path, url: str) -> None:
    """`hsp-otp purge` deletes exactly what is past its time, says how much, and needs no secret."""
    now = SystemClock().now()

    def ago(duration: Duration) -> Instant:
        return after(now, -duration)

    put_audit(file, (3, ago(31 * DAY)), (2, ago(29 * DAY)))
    await stores.audit.write(*(send_row(f"c{days}") for days in (6, 8, 9)))
    for days in (6, 8, 9):
        execute(file, "UPDATE sends SET at = ? WHERE id = ?", ago(days * DAY), f"c{days}")
    for key, body in {
        "slot:asked": {"asked_at": ago(HOUR)},
        "slot:asking": {"asked_at": after(now, HOUR)},
        "slot:failed": {"failures": [ago(31 * DAY)]},
        "slot:fails": {"failures": [ago(31 * DAY), ago(29 * DAY)]},
        "slot:row": {"run": 1},
        "usage:was": [ago(30 * HOUR), ago(25 * HOUR)],
        "usage:is": [ago(25 * HOUR), ago(23 * HOUR)],
        "usage:never": [],
        "other:thing": {},
    }.items():
        execute(file, "INSERT INTO records VALUES (?, ?, 1)", key, json.dumps(body))
    await signup(stores, "abandoned", ago(31 * MINUTE))
    await signup(stores, "under-way", ago(29 * MINUTE))
    await signup(stores, "proved-long-ago", ago(25 * HOUR), is_verified=True)
    await signup(stores, "proved", ago(23 * HOUR), is_verified=True)
    await signup(stores, "just-proved", ago(MINUTE), is_verified=True)
    await family(stores, "was", 30 * DAY, ago(32 * DAY))
    await family(stores, "is", 30 * DAY, ago(30 * DAY))
    settings = {"DATABASE_URL": url, "AUDIT_DAYS": "30"}
    done = command(tmp_path, "purge", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "audit: 3 deleted",
        "sends: 2 deleted",
        "debts: 0 deleted",
        "verifications: 0 deleted",
        "test contacts: 0 deleted",
        "proved contacts: 0 deleted",
        "funnel: 0 deleted",
        "slots: 2 deleted",
        "usages: 2 deleted",
        "sign-ins: 1 deleted",
        "signup sessions: 3 deleted",
        "signup steps: 1 deleted",
        "approvals: 0 deleted",
        "ledgers: 0 deleted",
        "budgets: 0 deleted",
    ]
    assert count(file, "audit") == 2
    assert await stores.sent() == ["c6"]
    assert execute(file, "SELECT key FROM records ORDER BY key") == [
        ("family:is",),
        ("other:thing",),
        ("signup:just-proved",),
        ("signup:under-way",),
        ("signup_step:just-proved",),
        ("signup_step:proved",),
        ("slot:asking",),
        ("slot:fails",),
        ("slot:row",),
        ("usage:is",),
    ]
    again = command(tmp_path, "purge", **settings)
    assert [line.split(": ")[1] for line in again.stdout.splitlines()] == ["0 deleted"] * 15


async def test_the_command_keeps_audit_rows_for_ninety_days(
    tmp_path: Path, file: Path, url: str
) -> None:
    """Unless told otherwise audit rows stay for ninety days."""
    now = SystemClock().now()
    put_audit(file, (1, after(now, -91 * DAY)), (1, after(now, -89 * DAY)))
    done = command(tmp_path, "purge", DATABASE_URL=url)
    assert done.stdout.splitlines()[0] == "audit: 1 deleted"


def test_the_command_refuses_an_older_schema(tmp_path: Path) -> None:
    """A database of an older schema is not touched: one line names the command for it."""
    (tmp_path / "hsp-otp.db").write_bytes(b"")
    done = command(tmp_path, "purge")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "hsp-otp db upgrade" in done.stderr


async def test_the_command_does_not_wait_for_ever(tmp_path: Path, file: Path, url: str) -> None:
    """While another process holds the lock the command ends with one line."""
    put_audit(file, (1, Instant(1)))
    async with lock_held(file):
        done = await asyncio.to_thread(command, tmp_path, "purge", DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "hsp-otp: the SQL database did not answer\n"
