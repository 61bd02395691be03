"""What an investigator asks of the audit, over every SQL database: docs/investigating.md."""

from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import Select

from hsp_otp.adapters.sql import audit_queries as ask
from hsp_otp.adapters.sql.audit_queries import SqlAuditQueries
from hsp_otp.adapters.sql.database import Database, is_postgres
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.tables import audit
from hsp_otp.domain.audit import Action, AuditRow, HandedOverRow
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.email_address import EmailAddress
from hsp_otp.domain.instant import DAY, HOUR, SECOND, Instant, after
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.flows.caller import about
from hsp_otp.ports.audit_queries import Entry, Span, Tally, Wanted
from hsp_otp.ports.failures import Unavailable
from tests.audit_rows import evolved
from tests.integration.behind import execute, execute_many
from tests.integration.plans import plan
from tests.integration.stores import POSTGRES, SQLITE, Kind
from tests.integration.test_contracts import audit_row, send_row
from tests.world import PHONE, START, ring

pytestmark = pytest.mark.anyio

OLD, NEW = ring("fingerprints", "f1"), ring("fingerprints", "f2", "f1")
NUMBER = PhoneNumber(PHONE)
HOME, SWEEPER, SCANNER = "198.51.100.7", "203.0.113.7", "203.0.113.9"


@pytest.fixture(params=(SQLITE, POSTGRES), ids=lambda kind: kind.name)
def sql_kind(request: pytest.FixtureRequest) -> Kind:
    """The kinds of SQL database; the audit is in none of the others."""
    found: Kind = request.param
    return found


@pytest.fixture
def asked(database: Database) -> SqlAuditQueries:
    """What is tested."""
    return SqlAuditQueries(database)


def row(
    outcome: str,
    at: int,
    phone: str | None = PHONE,
    *,
    client: str = HOME,
    **more: Any,  # noqa: ANN401 - what else the row says
) -> AuditRow:
    """A row of a request, under the older key unless told otherwise."""
    made = evolved(
        audit_row(outcome, f"r{at}", Instant(START + at)), client=ClientAddress(client), **more
    )
    if phone is None:
        return made
    return attrs.evolve(made, facts=about(made.facts, Contact(ContactKind.PHONE, phone), OLD))


async def listed(asked: SqlAuditQueries, wanted: Wanted) -> list[str | None]:
    """The ids of the requests that are found."""
    return [entry.request_id async for entry in asked.entries(wanted)]


# --- Rows


async def test_rows_of_a_number_under_every_key(
    asked: SqlAuditQueries, commits: GroupCommit
) -> None:
    """A number's rows are found whichever key made their fingerprint, and nobody else's are."""
    newer = audit_row("valid", "new", after(START, 5))
    newer = attrs.evolve(newer, facts=about(newer.facts, Contact.of_phone(NUMBER), NEW))
    await commits.write(row("valid", 1), row("valid", 2, "+919876543211"), newer)
    phones = NEW.fingerprints(NUMBER.e164)
    assert await listed(asked, Wanted(contacts=phones)) == ["r1", "new"]
    assert await listed(asked, Wanted(contacts=(NEW.fingerprint(NUMBER.e164),))) == ["new"]
    prefixes = NEW.fingerprints(NUMBER.prefix)
    assert await listed(asked, Wanted(ranges=prefixes)) == ["r1", "r2", "new"]


async def test_rows_by_address_outcome_and_time(
    asked: SqlAuditQueries, commits: GroupCommit
) -> None:
    """What is wanted narrows together; a span holds its beginning and not its end."""
    await commits.write(
        row("valid", 1),
        row("valid", 2, client=SCANNER),
        row("invalid_otp", 3, client=SCANNER),
        row("valid", 4, client=SCANNER),
    )
    assert await listed(asked, Wanted()) == ["r1", "r2", "r3", "r4"]
    assert await listed(asked, Wanted(address=SCANNER)) == ["r2", "r3", "r4"]
    assert await listed(asked, Wanted(address=SCANNER, outcome="valid")) == ["r2", "r4"]
    span = Span(after(START, 2), after(START, 4))
    assert await listed(asked, Wanted(span=span)) == ["r2", "r3"]
    assert await listed(asked, Wanted(span=span, outcome="valid", address=HOME)) == []


async def test_more_rows_than_a_page_holds(asked: SqlAuditQueries, file: Path) -> None:
    """However many rows there are, also of one instant, each is found once and in order."""
    instants = [1] * 10 + [2] * (3 * ask.PAGE + 5) + [3] * ask.PAGE
    execute_many(
        file,
        "INSERT INTO audit (at, action, outcome, count) VALUES (?, 'check', 'x', 1)",
        [(at,) for at in instants],
    )
    found = [entry async for entry in asked.entries(Wanted())]
    assert [entry.at for entry in found] == instants
    assert len({entry.id for entry in found}) == len(instants)


async def test_the_latest_rows(asked: SqlAuditQueries, commits: GroupCommit) -> None:
    """The latest rows come oldest first."""
    await commits.write(*(row("valid", at) for at in range(5)))
    found = await asked.latest(Wanted(), 2)
    assert [entry.request_id for entry in found] == ["r3", "r4"]


async def test_what_a_row_tells(asked: SqlAuditQueries, commits: GroupCommit, file: Path) -> None:
    """A row tells until when it is refused, and of a message what became of it and when."""
    handed = HandedOverRow(send_id="c1", sender="twilio", provider_message_id="SM1")
    sent = row("sent", 1, action=Action.SEND, sender="twilio", provider_message_id="SM1")
    refused = [
        row("resend_too_soon", 2, retry_at=after(START, SECOND), folds=True) for _ in range(2)
    ]
    await commits.write(send_row("c1"))
    await commits.write(handed, sent, *refused)
    execute(file, "UPDATE sends SET state = 'delivered', state_at = ?", START + 9)
    one, two = await asked.latest(Wanted(), 9)
    assert (one.state, one.state_at, one.retry_at, one.count) == (
        *("delivered", after(START, 9)),
        *(None, 1),
    )
    assert (two.state, two.retry_at, two.count) == (None, after(START, SECOND), 2)
    assert one.contact == "***-***-3210"


# --- Tallies


async def test_the_most_traffic(asked: SqlAuditQueries, commits: GroupCommit) -> None:
    """Addresses go by requests, floods in full; ranges and countries by the codes sent."""
    await commits.write(
        row("sent", 1),
        row("verified", 2),
        row("sent", 3, "+919876543211"),
        row("sent", 4, "+919812345678", client=SCANNER),
        row("sent", 5, "+14155550123", client=SCANNER),
        row("invalid_otp", 6),
        *(row("pass_not_found", 7, None, client=SCANNER),) * 2,
        *(row("rate_limited", 8, client=SCANNER, folds=True) for _ in range(5)),
        row("unlocked", 9, action=Action.UNLOCK),
        row("work_required", 9),
    )
    await commits.write(evolved(row("unlocked", 10), client=None))
    one, two = await asked.top_addresses(Span(), 9)
    assert one == Tally(
        kind="address", who=SCANNER, requests=9, sent=2, verified=0, wrong=0, missed=2, refused=5
    )
    assert two == Tally(
        kind="address", who=HOME, requests=6, sent=2, verified=1, wrong=1, missed=0, refused=1
    )
    first, *others = await asked.top_prefixes(Span(), 9)
    assert first == Tally(
        kind="prefix",
        who=OLD.fingerprint(NUMBER.prefix),
        region="IN",
        sent=2,
        verified=1,
        numbers=2,
    )
    assert [other.sent for other in others] == [1, 1]
    assert await asked.top_countries(Span(), 9) == [
        Tally(kind="country", who="IN", region="IN", sent=3, verified=1, numbers=3),
        Tally(kind="country", who="US", region="US", sent=1, verified=0, numbers=1),
    ]
    assert len(await asked.top_prefixes(Span(), 1)) == 1
    assert await asked.top_addresses(Span(after(START, 100)), 9) == []
    assert await asked.top_countries(Span(Instant(0), START), 9) == []


async def test_sends_of_which_no_range_is_known(
    asked: SqlAuditQueries, commits: GroupCommit
) -> None:
    """They are in no range, however many there are; the country counts them."""
    sent = [row("sent", at, None, action=Action.SEND) for at in range(3)]
    await commits.write(*sent, row("sent", 9, action=Action.SEND))
    (known,) = await asked.top_prefixes(Span(), 9)
    assert (known.who, known.sent) == (OLD.fingerprint(NUMBER.prefix), 1)
    assert sum(one.sent for one in await asked.top_countries(Span(), 9)) == 4


async def test_an_empty_audit(asked: SqlAuditQueries) -> None:
    """Where there is nothing, every question has an answer."""
    assert await asked.latest(Wanted(), 9) == []
    assert await asked.top_addresses(Span(), 9) == []
    assert await asked.top_prefixes(Span(), 9) == []
    assert await asked.suspicions(Span()) == []


# --- Suspicions


async def test_suspicions_and_their_evidence(asked: SqlAuditQueries, commits: GroupCommit) -> None:
    """Sweeps, pestering and scans are found with counts, times and requests; people are not."""
    people = [
        row(outcome, 10 * n + step, f"+91981{n:03d}4567")
        for n in range(30)
        for step, outcome in enumerate(("sent", "verified"))
    ]
    swept = [
        row("sent", 1_000 + n, f"+9198765432{n:02d}", client=SWEEPER if n % 2 else SCANNER)
        for n in range(12)
    ]
    pestered = [row("sent", 2_000 + n, "+919999900000") for n in range(5)]
    scan = [row("pass_not_found", 3_000 + n, None, client=SCANNER) for n in range(20)]
    await commits.write(*people, *swept, *pestered, *scan, row("valid", 4_000, client=SCANNER))
    found = {one.kind: one for one in await asked.suspicions(Span())}
    assert set(found) == {
        "many_numbers_of_one_prefix",
        "sends_without_a_verify",
        "lookups_that_miss",
    }
    sweep = found["many_numbers_of_one_prefix"]
    assert sweep.traffic.who == OLD.fingerprint("+91987654")
    assert (sweep.traffic.sent, sweep.traffic.numbers, sweep.traffic.addresses) == (12, 12, 2)
    assert (sweep.traffic.verified, sweep.traffic.region) == (0, "IN")
    assert sweep.requests == ("r1000", "r1011")
    pest = found["sends_without_a_verify"]
    assert (pest.of, pest.phone, pest.traffic.sent) == ("number", "***-***-0000", 5)
    assert (pest.traffic.first, pest.traffic.last) == (START + 2_000, START + 2_004)
    scanned = found["lookups_that_miss"]
    assert (scanned.traffic.who, scanned.traffic.missed, scanned.traffic.hits) == (SCANNER, 20, 1)
    assert scanned.requests == ("r3000", "r3019")
    assert await asked.suspicions(Span(after(START, 3_001))) == []


async def test_a_swept_domain(asked: SqlAuditQueries, commits: GroupCommit) -> None:
    """The range of e-mail addresses is their domain, which a suspicion names; one is masked."""
    to = [f"asha{n}@example.com" for n in range(10)] + 5 * ["ravi@example.org"]
    contacts = [Contact.of_email(EmailAddress(one)) for one in to]
    rows = [row("sent", n, None) for n in range(len(to))]
    await commits.write(
        *(
            attrs.evolve(one, facts=about(one.facts, contact, OLD))
            for one, contact in zip(rows, contacts, strict=True)
        )
    )
    found = {one.of: one for one in await asked.suspicions(Span()) if one.of != "address"}
    assert (found["prefix"].kind, found["prefix"].phone) == (
        "many_numbers_of_one_prefix",
        "***@example.com",
    )
    assert found["prefix"].traffic.who == OLD.fingerprint("example.com")
    assert (found["number"].phone, found["number"].traffic.sent) == ("r***@example.org", 5)


async def test_many_good_ones_hide_no_bad_one(asked: SqlAuditQueries, commits: GroupCommit) -> None:
    """However many ranges have more messages that people verify, the one that is swept is found."""
    people = [
        row(outcome, 100 * place + n, f"+9198{place:03d}{n:05d}", client=f"10.0.{place}.1")
        for place in range(101)
        for n in range(11)
        for outcome in ("sent", "verified")
    ]
    swept = [row("sent", 20_000 + n, f"+9197654321{n:02d}", client=SWEEPER) for n in range(10)]
    await commits.write(*people, *swept)
    found = [(one.kind, one.traffic.sent) for one in await asked.suspicions(Span())]
    assert found == [("many_numbers_of_one_prefix", 10), ("many_numbers_from_one_address", 10)]


# --- How they are answered


@pytest.fixture
async def full(file: Path, database: Database) -> Database:
    """Enough rows for a planner to think about, over 90 days."""
    execute_many(
        file,
        "INSERT INTO audit (at, action, outcome, client, contact_fingerprint, range_fingerprint,"
        " count) VALUES (?, 'send', ?, ?, ?, ?, 1)",
        [
            (
                *(START + n * HOUR // 2, ("sent", "verified", "valid", "x")[n % 4]),
                *(f"10.0.0.{n % 97}", f"f1:{n % 701:032x}", f"f1:{n % 53:032x}"),
            )
            for n in range(4_000)
        ],
    )
    if file.name == "postgres-url":
        execute(file, "ANALYZE audit")
    return database


LAST_DAY = Span(after(START, 2_000 * HOUR - DAY))


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (
            ask.entries_asked(Wanted(contacts=("f1:" + "0" * 32, "f0:" + "0" * 32))).order_by(
                audit.c.at
            ),
            "audit_by_contact",
        ),
        (
            ask.entries_asked(Wanted(address="10.0.0.1", span=LAST_DAY)).order_by(audit.c.at),
            "audit_by_client",
        ),
        (
            ask.entries_asked(Wanted(outcome="rare", span=LAST_DAY)).order_by(audit.c.at),
            "audit_by_outcome",
        ),
        (ask.entries_asked(Wanted()).order_by(audit.c.at).limit(9), "audit_by_time"),
        (ask.addresses_asked(LAST_DAY), "audit_by_time"),
        (ask.prefixes_asked(LAST_DAY), "audit_by_outcome"),
        (ask.countries_asked(LAST_DAY), "audit_by_outcome"),
        (ask.numbers_suspected(LAST_DAY), "audit_by_outcome"),
        (ask.addresses_suspected(LAST_DAY), "audit_by_outcome"),
        (ask.many_misses_asked(LAST_DAY), "audit_by_outcome"),
    ],
    ids=[
        *("number", "address", "outcome", "everything", "top addresses", "top prefixes"),
        *("top countries", "numbers and ranges", "addresses", "misses"),
    ],
)
async def test_no_question_reads_the_whole_table(
    full: Database, statement: Select[*tuple[Any, ...]], index: str
) -> None:
    """Each question goes through the index that is there for it; PostgreSQL weighs several."""
    async with full.study() as connection:
        lines = await plan(connection, statement)
        index = "audit_by_" if is_postgres(connection) else index
    assert any(index in line for line in lines), lines
    assert not any(
        line.startswith("SCAN audit") or "Seq Scan on audit" in line for line in lines
    ), lines


async def test_tallies_of_all_time_need_the_index_alone(full: Database) -> None:
    """On SQLite the table itself is not read for tallies, however long the span."""
    async with full.study() as connection:
        if is_postgres(connection):
            return  # it weighs both, and knows what is in memory
        for statement in (
            ask.addresses_asked(Span(), by_address=True),
            ask.prefixes_asked(Span()),
            ask.addresses_suspected(Span(), in_order=True),
            ask.numbers_suspected(Span(), in_order=True),
        ):
            lines = await plan(connection, statement)
            read = [line for line in lines if " audit " in line]
            assert read
            assert all("COVERING INDEX" in line for line in read), lines


async def test_both_ways_through_the_addresses_agree(
    asked: SqlAuditQueries, full: Database
) -> None:
    """Address by address or by time, the tallies are the same."""
    ways = [
        await asked.rows(ask.addresses_asked(LAST_DAY, by_address=way)) for way in (True, False)
    ]
    assert ways[0] == ways[1]
    assert len(ways[0]) > 10
    for suspected in (ask.numbers_suspected, ask.addresses_suspected):
        found = [set(await asked.rows(suspected(Span(), in_order=way))) for way in (True, False)]
        assert found[0] == found[1]
    assert full is asked.database


async def test_a_study_changes_nothing(database: Database) -> None:
    """The connection of questions refuses to write."""
    with pytest.raises(Unavailable):
        async with database.study() as connection:
            await connection.execute(audit.delete())


def test_an_entry_shows_no_number() -> None:
    """What an investigator is shown has no field for a full number or a pass code."""
    names = {field.name for field in attrs.fields(Entry)}
    assert {name for name in names if "contact" in name} == {"contact", "contact_fingerprint"}
