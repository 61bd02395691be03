"""The counts of the funnel, over every SQL database: docs/funnel.md."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from sqlalchemy import select

from hsp_otp.adapters.sql.audit_queries import SqlAuditQueries
from hsp_otp.adapters.sql.database import Database, is_postgres
from hsp_otp.adapters.sql.deliveries import SqlDeliveries
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.purge import SqlPurge
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.sql.tables import funnel
from hsp_otp.adapters.sql.traffic_queries import SqlTrafficQueries, steps_asked
from hsp_otp.domain.audit import Action, AuditRow, Entered, HandedOverRow, Step, StepRow, Visit
from hsp_otp.domain.code import Code
from hsp_otp.domain.delivery import DeliveryState, Noted, note
from hsp_otp.domain.funnel import FIGURES, Funnel
from hsp_otp.domain.instant import DAY, Instant, after
from hsp_otp.domain.names import ENGLISH, ClientAddress, Language
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.purposes import Flow
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.purge import purge
from hsp_otp.flows.signup import Proved, SignupCodeSent
from hsp_otp.ports.audit_queries import Wanted
from hsp_otp.ports.traffic_queries import By, StepCount
from tests.audit_rows import evolved
from tests.integration.behind import (
    allow,
    execute,
    lock_held,
    postgres_url,
    refuse,
    upgrade_to,
)
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
from tests.integration.test_contracts import audit_row, send_row
from tests.world import (
    START,
    ManualClock,
    Outbox,
    ScriptedRandomness,
    SignedProofs,
    other_than,
)

pytestmark = pytest.mark.anyio

SPANISH: Final = Language("es")
OPENED: Final = StepRow(day=START, flow=Flow.SIGNUP, step=Step.OPENED, language=SPANISH)


def asked(at: int = 0, outcome: str = "sent", **more: Any) -> AuditRow:  # noqa: ANN401
    """A request for a code."""
    row = evolved(
        audit_row(outcome, at=after(START, at)),
        flow=Flow.SIGNUP,
        action=Action.SEND,
        region="IN",
        visit=Visit(language=SPANISH, entered=Entered.NEW),
    )
    return evolved(row, **more)


async def steps(database: Database, since: Instant = START, by: By = "day") -> list[StepCount]:
    """What was counted."""
    return await SqlTrafficQueries(database).steps(since, by)


async def figures(database: Database, since: Instant = START) -> dict[str, int]:
    """The figures that are not 0."""
    found = Funnel.of((one.step, one.word, one.count) for one in await steps(database, since))
    told = {name: int(getattr(found, name)) for name in FIGURES}
    return {name: count for name, count in told.items() if count}


async def test_steps_are_counted_with_their_rows(database: Database, commits: GroupCommit) -> None:
    """Each with its day, flow and outcome, and floods in full; other rows are no steps."""
    await commits.write(asked(), asked(DAY - 1), asked(DAY), audit_row("verified"))
    await commits.write(*(asked(1, "rate_limited", folds=True) for _ in range(7)))
    found = [(one.of, one.flow, one.step, one.word, one.count) for one in await steps(database)]
    assert sorted(found, key=str) == [
        ("2026-01-01", Flow.SIGNUP, Step.NUMBER_ENTERED, "", 9),
        ("2026-01-01", Flow.SIGNUP, Step.SEND, "rate_limited", 7),
        ("2026-01-01", Flow.SIGNUP, Step.SEND, "sent", 2),
        ("2026-01-02", Flow.SIGNUP, Step.NUMBER_ENTERED, "", 1),
        ("2026-01-02", Flow.SIGNUP, Step.SEND, "sent", 1),
    ]
    assert {one.of for one in await steps(database, after(START, DAY + 1))} == {"2026-01-02"}


async def test_by_country_and_language(database: Database, commits: GroupCommit) -> None:
    """What is not known is empty."""
    await commits.write(asked(), asked(region="ES", visit=Visit(language=ENGLISH)), asked())
    commits.count(OPENED)
    await commits.flush()
    expected_by: dict[By, set[tuple[str, int]]] = {
        "country": {("IN", 2), ("ES", 1)},
        "language": {("es", 2), ("en", 1)},
    }
    for by, expected in expected_by.items():
        found = await steps(database, by=by)
        assert {(one.of, one.count) for one in found if one.word == "sent"} == expected
    found = await steps(database, by="country")
    assert [(one.of, one.count) for one in found if one.step is Step.OPENED] == [("", 1)]


async def test_nothing_tells_who_it_was(database: Database, commits: GroupCommit) -> None:
    """Each row holds a day, a step, a country, a language and a count, and nothing else."""
    await commits.write(asked(contact_fingerprint="k1:f", contact="***-***-3210"))
    assert {column.name for column in funnel.columns} == {
        *("id", "at", "flow", "step", "word", "region", "language", "shard", "count"),
    }
    async with database.read() as connection:
        rows = (await connection.execute(select(funnel))).all()
    assert {str(value) for row in rows for value in row[1:7]} == {
        *(str(START), "signup", "send", "number_entered", "sent", "", "IN", "es"),
    }


async def test_pages_are_counted_together(
    database: Database, commits: GroupCommit, file: Path
) -> None:
    """Steps without a row are written a second later, or when the process stops, as one sum."""
    for _ in range(50):
        commits.count(OPENED)
    assert execute(file, "SELECT count FROM funnel") == []
    await commits.flush()
    commits.count(OPENED)
    await commits.close()
    assert execute(file, "SELECT count FROM funnel") == [(51,)]
    assert await figures(database) == {"opened": 51}


async def test_they_agree_with_the_audit_when_it_comes_late(
    database: Database, commits: GroupCommit, file: Path
) -> None:
    """While the database is away neither is written, and once it is back both are, once."""
    async with lock_held(file):
        await commits.write(asked())
        commits.count(OPENED)
    assert await figures(database) == {}
    await commits.flush()
    await commits.flush()
    assert await figures(database) == {"opened": 1, "number_entered": 1, "sent": 1}
    assert len(await SqlAuditQueries(database).latest(Wanted(), 9)) == 1


async def test_a_count_that_is_refused_keeps_its_row_aside(
    database: Database, commits: GroupCommit, file: Path
) -> None:
    """An audit row without its steps would not agree; the request succeeds all the same."""
    refuse(file, "INSERT", "funnel")
    await commits.write(asked())
    assert commits.kept_aside == 1
    assert await SqlAuditQueries(database).latest(Wanted(), 9) == []
    allow(file, "funnel")
    await commits.flush()
    assert await figures(database) == {"number_entered": 1, "sent": 1}
    assert len(await SqlAuditQueries(database).latest(Wanted(), 9)) == 1


async def test_many_writers_lose_nothing(
    database: Database, commits: GroupCommit, url: str
) -> None:
    """Requests of several processes at once all count, in as few rows as there are shards."""
    async with Database(url, durable=False) as second, Database(url, durable=False) as third:
        writers = (commits, GroupCommit(second), GroupCommit(third))
        await asyncio.gather(*(writer.write(asked(n)) for n in range(60) for writer in writers))
        assert [writer.kept_aside for writer in writers] == [0, 0, 0]
    assert await figures(database) == {"number_entered": 180, "sent": 180}
    async with database.read() as connection:
        assert len((await connection.execute(select(funnel.c.id))).all()) <= 6


async def test_a_delivery_counts_once(database: Database, commits: GroupCommit, file: Path) -> None:
    """On the day of its send, by its country and language, in the step that notes the receipt."""
    sent = attrs.evolve(send_row("c1"), at=after(START, DAY - 1), flow=Flow.SIGNUP)
    await commits.write(attrs.evolve(sent, language=SPANISH))
    await commits.write(HandedOverRow(send_id="c1", sender="twilio", provider_message_id="m"))
    deliveries = SqlDeliveries(database, ManualClock(after(START, 2 * DAY)))
    for state in (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.DELIVERED):
        outcome = await deliveries.transition("twilio", "m", partial(note, reported=state))
        assert outcome == Noted()
    assert execute(file, "SELECT at, flow, step, word, region, language, count FROM funnel") == [
        (START, "signup", "delivered", "", "IN", "es", 1)
    ]
    assert await figures(database) == {"delivered": 1}


async def test_a_send_of_before_has_no_language(
    database: Database, commits: GroupCommit, file: Path
) -> None:
    """Its delivery counts without one."""
    await commits.write(send_row("c1"))
    await commits.write(HandedOverRow(send_id="c1", sender="twilio", provider_message_id="m"))
    await SqlDeliveries(database, ManualClock(START)).transition(
        "twilio", "m", lambda held: note(held, DeliveryState.DELIVERED)
    )
    assert execute(file, "SELECT language, count FROM funnel") == [("", 1)]


async def test_signups_agree_with_the_audit(database: Database, commits: GroupCommit) -> None:
    """Of fifty visitors at once, some of whom mistype or give up."""
    stores, clock, outbox = sql_stores(database, commits), ManualClock(), Outbox()
    signup = stores.signup(
        clock,
        ScriptedRandomness(),
        outbox,
        SignedProofs(),
        policy=Policy(),
        limits=ClientLimits(),
    )

    async def visit(place: int) -> None:
        caller = Caller(ClientAddress(f"198.51.{place}.7"), f"r{place}", SPANISH)
        sent = await signup.send(PhoneNumber(f"+9198765{place:05d}"), None, caller)
        assert isinstance(sent, SignupCodeSent)
        (code,) = (one for one in outbox.sent if one.to == sent.issued.challenge.contact)
        right = code.text.partition(" ")[0]
        if place % 3 == 0:
            await signup.verify(sent.session_id, Code(other_than(right)), caller)
        if place % 5:
            outcome = await signup.verify(sent.session_id, Code(right), caller)
            assert isinstance(outcome, Proved)

    await asyncio.gather(*(visit(place) for place in range(50)))
    rows = await SqlAuditQueries(database).latest(Wanted(), 999)
    outcomes = [row.outcome for row in rows for _ in range(row.count)]
    found = await figures(database)
    assert (outcomes.count("sent"), outcomes.count("verified")) == (50, 40)
    assert found == {"number_entered": 50, "sent": 50, "code_entered": 44, "verified": 40}


async def test_ninety_days_are_kept(database: Database, commits: GroupCommit, file: Path) -> None:
    """However soon the audit goes; the day before them goes with the next purge."""
    now = after(START, 91 * DAY + 5)
    await commits.write(asked(), asked(DAY), asked(91 * DAY))
    deleted = await purge(SqlPurge(database), (), DAY, now)
    assert (deleted["audit"], deleted["funnel"]) == (2, 2)
    found = await steps(database, Instant(0))
    assert [one.of for one in found if one.step is Step.SEND] == ["2026-01-02", "2026-04-02"]
    assert await SqlPurge(database).funnel(START) == 0
    assert len(execute(file, "SELECT id FROM audit")) == 1


async def test_the_audit_of_before_is_counted(sql_kind: Kind, tmp_path: Path) -> None:
    """An upgrade takes over what the audit has, floods in full; visits begin with it."""
    file = sqlite_path(tmp_path)
    if sql_kind is POSTGRES:
        file = postgres_file(tmp_path)
        file.write_text(await DATABASES.empty())
    async with Database(postgres_url(file) or sqlite_url(tmp_path), durable=False) as database:
        await upgrade_to(database, "0011")
        columns = 'at, flow, action, outcome, region, "count"'
        insert = f"INSERT INTO audit ({columns}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
        for place, row in enumerate(
            (
                ("signup", "send", "sent", "IN", 1),
                ("signup", "send", "sent", "IN", 1),
                ("signup", "send", "rate_limited", "IN", 7),
                ("signup", "check", "verified", "IN", 1),
                ("pass_login", "look_up", "pass_not_found", None, 1),
                ("pass_login", "refresh", "refreshed", None, 1),
                (None, "ops_sign_in", "signed_in", None, 1),
            )
        ):
            execute(file, insert, START + place, *row)
        await upgrade(database)
        await GroupCommit(database).write(asked())
        assert await figures(database) == {"number_entered": 1, "sent": 3, "verified": 1}
        found = {(one.word, one.of, one.count) for one in await steps(database, by="country")}
        assert found == {
            *(("sent", "IN", 3), ("rate_limited", "IN", 7), ("verified", "IN", 1)),
            *(("pass_not_found", "", 1), ("", "IN", 1)),
        }


async def test_the_index_is_of_use(database: Database) -> None:
    """A report costs what its days hold."""
    async with database.study() as connection:
        if not is_postgres(connection):
            told = " ".join(await plan(connection, steps_asked(START, "country")))
            assert "funnel_by_day" in told
