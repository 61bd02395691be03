"""What the operator's page asks of audit and sends, over every SQL database: docs/ops.md."""

from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import pytest

from hsp_otp.adapters.sql import traffic_queries as ask
from hsp_otp.adapters.sql.audit_queries import SqlAuditQueries
from hsp_otp.adapters.sql.database import Database, is_postgres
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.test_contacts import SqlTestContacts
from hsp_otp.adapters.sql.traffic_queries import SqlTrafficQueries
from hsp_otp.domain.audit import Action, AuditRow, HandedOverRow
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.instant import DAY, HOUR, SECOND, Instant, after
from hsp_otp.domain.purposes import Flow
from hsp_otp.entrypoints.dashboard.time_series import Chosen
from hsp_otp.entrypoints.dashboard.view_model import facts_of
from hsp_otp.flows.caller import about
from hsp_otp.flows.overview import A_DAY, Overview
from hsp_otp.ports.audit_queries import Span
from hsp_otp.ports.traffic_queries import STEPS, Delivery, Movement, Proof
from tests.audit_rows import evolved
from tests.day import SWEPT_REGION, Day, statements
from tests.integration.behind import execute, execute_many
from tests.integration.plans import plan
from tests.integration.stores import POSTGRES, SQLITE, Kind
from tests.integration.test_contracts import audit_row, send_row
from tests.world import PHONE, START, ManualClock, ring

pytestmark = pytest.mark.anyio

OTHER = "+14155550123"
PERIOD = HOUR
SPAN = Span(START, after(START, DAY))
RING = ring("fingerprints", "f1")


@pytest.fixture(params=(SQLITE, POSTGRES), ids=lambda kind: kind.name)
def sql_kind(request: pytest.FixtureRequest) -> Kind:
    """The kinds of SQL database; the audit is in none of the others."""
    found: Kind = request.param
    return found


@pytest.fixture
def asked(database: Database) -> SqlTrafficQueries:
    """What is tested."""
    return SqlTrafficQueries(database)


def row(outcome: str, at: int, phone: str | None = PHONE, **more: Any) -> AuditRow:  # noqa: ANN401
    """A row of a request."""
    made = evolved(audit_row(outcome, f"r{at}", after(START, at)), **more)
    if phone is None:
        return made
    return attrs.evolve(made, facts=about(made.facts, Contact(ContactKind.PHONE, phone), RING))


def sent(at: int, name: str, phone: str = PHONE, sender: str = "twilio") -> AuditRow:
    """A message that a sender took."""
    return row("sent", at, phone, action=Action.SEND, sender=sender, provider_message_id=name)


async def hand_over(commits: GroupCommit, name: str, at: int, sender: str = "twilio") -> None:
    """A send, and that somebody took it."""
    await commits.write(attrs.evolve(send_row(name), at=after(START, at)))
    await commits.write(HandedOverRow(send_id=name, sender=sender, provider_message_id=name))


# --- Movements


async def test_requests_by_period_and_outcome(
    asked: SqlTrafficQueries, commits: GroupCommit
) -> None:
    """Each period has its own; a flood counts in full; what operators do is no traffic."""
    await commits.write(
        sent(1, "a"),
        sent(HOUR - 1, "b"),
        sent(HOUR, "c", sender="vonage"),
        sent(DAY, "outside"),
        sent(-1, "before"),
        sent(2, "d", OTHER),
        row("unlocked", 3, action=Action.UNLOCK),
        row("signed_in", 4, None, action=Action.OPS_SIGN_IN, flow=None),
        *(row("rate_limited", 5, action=Action.SEND, folds=True) for _ in range(7)),
        row("verified", 6),
        row("valid", 7, action=Action.LOOK_UP),
    )
    found = await asked.movements(SPAN, PERIOD)
    assert all(type(one.requests) is int for one in found)
    told = Counter(
        {
            ((one.at - START) // HOUR, one.region, one.sender, one.action, one.outcome): (
                one.requests
            )
            for one in found
        }
    )
    assert told == {
        (0, "IN", "twilio", "send", "sent"): 2,
        (1, "IN", "vonage", "send", "sent"): 1,
        (0, "US", "twilio", "send", "sent"): 1,
        (0, "IN", None, "send", "rate_limited"): 7,
        (0, "IN", None, "check", "verified"): 1,
        (0, "IN", None, "look_up", "valid"): 1,
    }
    assert isinstance(found[0], Movement)


# --- Deliveries


async def test_what_became_of_messages(
    asked: SqlTrafficQueries, commits: GroupCommit, file: Path
) -> None:
    """By the state that was last heard, and by how long it took until it arrived."""
    for place, name in enumerate(("a", "b", "c")):
        await hand_over(commits, name, place)
        await commits.write(sent(place, name))
    await commits.write(sent(9, "purged", OTHER))
    execute(
        file,
        "UPDATE sends SET state = 'delivered', state_at = ? WHERE id = 'a'",
        START + 2 * SECOND,
    )
    execute(
        file,
        "UPDATE sends SET state = 'failed', state_at = ? WHERE id = 'b'",
        START + SECOND,
    )
    own: dict[str, Any] = {"at": START, "flow": "pass_login", "sender": "twilio", "messages": 1}
    found = await asked.deliveries(SPAN, PERIOD)
    assert sorted(found, key=lambda one: str(one.state)) == [
        Delivery(**own, region="US", state=None, step=None),
        Delivery(**own, region="IN", state="delivered", step=1),
        Delivery(**own, region="IN", state="failed", step=None),
        Delivery(**own, region="IN", state="queued", step=None),
    ]


# --- Proofs


async def test_from_the_message_to_the_right_code(
    asked: SqlTrafficQueries, commits: GroupCommit
) -> None:
    """The latest message to the number in the same flow, within the longest life of a code."""
    await commits.write(
        sent(0, "early"),
        sent(20 * SECOND, "late", sender="vonage"),
        sent(21 * SECOND, "another's", OTHER),
        evolved(sent(22 * SECOND, "in signup"), flow=Flow.SIGNUP),
        row("verified", 30 * SECOND),
        row("verified", 21 * SECOND + 2 * HOUR),
        row("verified", 40 * SECOND, "+14155550199"),
    )
    found = await asked.proofs(SPAN, PERIOD)
    told = {
        (one.region, one.sender, one.step, (one.at - START) // HOUR): one.codes for one in found
    }
    assert told == {
        ("IN", "vonage", 3, 0): 1,
        ("IN", None, None, 2): 1,
        ("US", None, None, 0): 1,
    }
    assert isinstance(found[0], Proof)


@pytest.mark.parametrize("place", range(len(STEPS)))
async def test_the_end_of_a_step_is_outside(
    asked: SqlTrafficQueries, commits: GroupCommit, place: int
) -> None:
    """A microsecond less is in it."""
    end = STEPS[place] * SECOND
    await commits.write(sent(0, "a"), row("verified", end - 1))
    if end < 600 * SECOND:
        await commits.write(sent(0, "b", OTHER), row("verified", end, OTHER))
    found = await asked.proofs(SPAN, PERIOD)
    steps = {one.region: one.step for one in found}
    assert steps["IN"] == place
    assert steps.get("US", place + 1) == place + 1


# --- A day


async def test_a_day_with_an_attack(database: Database, file: Path) -> None:
    """What the page makes of it: the numbers are right, and the attack is named."""
    day = Day(START, people=300, swept=300)
    for statement, rows in statements(day):
        execute_many(file, statement, rows)
    looks = Overview(
        SqlTrafficQueries(database),
        SqlAuditQueries(database),
        SqlTestContacts(database),
        ManualClock(Instant(START - 1)),
    )
    look = await looks.look(A_DAY)
    assert look.answered
    assert look.seen is not None
    facts = facts_of(look.seen, Chosen(), ())
    counts = {one.name: one.count for one in facts.figures}
    assert counts["Sent"] == len([one for one in day.audit if one[4] == "sent"])
    assert counts["Verified"] == len([one for one in day.audit if one[4] == "verified"])
    assert counts["Asked for"] == sum(one[-1] for one in day.audit if one[3] == "send")
    assert 0 < counts["Delivered"] < counts["Sent"]
    assert facts.countries[0][0] in {"IN", SWEPT_REGION}
    assert "times as many as usual" in facts.alarms[0].says
    assert any("in one range in Latvia" in alarm.says for alarm in facts.alarms)
    assert {one.name for one in facts.by_sender} == {"twilio", "vonage"}
    assert [one.name for one in facts.to_verify] == ["Pass login", "Signup"]
    # Narrowed to one sender, what was verified comes of its messages.
    narrowed = {
        one.name: one.count for one in facts_of(look.seen, Chosen(sender="vonage"), ()).figures
    }
    assert 0 < narrowed["Verified"] <= narrowed["Sent"] < counts["Sent"]
    quiet = facts_of(look.seen, Chosen(country="IN"), ())
    assert not [one for one in quiet.alarms if "times as many" in one.says]


async def test_a_day_like_any_other(database: Database, file: Path) -> None:
    """Nothing is suspected of people."""
    day = Day(START, people=300, attack=None)
    for statement, rows in statements(day):
        execute_many(file, statement, rows)
    looks = Overview(
        SqlTrafficQueries(database),
        SqlAuditQueries(database),
        SqlTestContacts(database),
        ManualClock(Instant(START - 1)),
    )
    look = await looks.look(A_DAY)
    assert look.seen is not None
    assert facts_of(look.seen, Chosen(), ()).alarms == []


# --- Plans


@pytest.mark.parametrize(
    ("question", "indexes"),
    [
        (ask.movements_asked, {"audit_by_time"}),
        (ask.deliveries_asked, {"audit_by_outcome", "sends_by_message"}),
        (ask.proofs_asked, {"audit_by_outcome", "audit_by_contact"}),
    ],
)
async def test_indexes_are_of_use(
    database: Database,
    question: Any,  # noqa: ANN401 - any of the three
    indexes: set[str],
) -> None:
    """A stretch of time costs what is in it, however much the tables hold."""
    async with database.study() as connection:
        if is_postgres(connection):
            return  # it goes by statistics: bench/audit_queries.py shows its plans over many rows
        told = " ".join(await plan(connection, question(SPAN, PERIOD)))
    assert not [name for name in indexes if name not in told]
