"""
Measure each query of `hsp-otp audit` and of the operators' page over a million rows, with its plan.

Run it as ``.venv/bin/python bench/audit_queries.py [ROWS]``. A database of each kind is filled with
90 days of traffic that includes attacks. Each query runs three times over all of it and over its
last day. The best time is compared with counting all rows one by one in the same run, so the ratios
do not depend on the speed of the machine. The PostgreSQL server is the same as for the tests.
"""

# ruff: noqa: INP001, T201, S311 - a script that prints, and draws random traffic

import asyncio
import hashlib
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select, text

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.integration.plans import plan
from tests.integration.postgres_server import DATABASES, connect

from hsp_otp.adapters.sql import audit_queries as ask
from hsp_otp.adapters.sql import traffic_queries
from hsp_otp.adapters.sql.audit_queries import SqlAuditQueries
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.sql.tables import audit
from hsp_otp.adapters.sql.traffic_queries import SqlTrafficQueries
from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.ports.audit_queries import Span, Wanted
from hsp_otp.ports.traffic_queries import By

NOW = Instant(1_785_000_000_000_000)
SPAN = 90 * DAY
COLUMNS = (
    *("at", "flow", "purpose", "action", "outcome", "client", "request_id", "pass_code", "contact"),
    *(
        "region",
        "contact_fingerprint",
        "range_fingerprint",
        "sender",
        "provider_message_id",
        "count",
    ),
)
STEP_COLUMNS = ("at", "flow", "step", "word", "region", "language", "shard", "count")
PEOPLE, RANGES, ADDRESSES = 60_000, 3_000, 30_000
VICTIM, SWEPT, SWEEPER, SCANNER = 7, "k1:" + 32 * "d", "203.0.113.7", "203.0.113.9"

Row = tuple[Any, ...]


def fingerprint(of: str) -> str:
    """A fingerprint as long as a real one."""
    return f"k1:{hashlib.sha256(of.encode()).hexdigest()[:32]}"


def traffic(rows: int) -> Iterator[Row]:
    """Rows of 90 days, in order, with a sweep and a scan on the last day."""
    draw = random.Random(8)
    ranges = [fingerprint(f"range {number}") for number in range(RANGES)]
    people = [fingerprint(f"person {number}") for number in range(PEOPLE)]
    # One draw in eight is from everybody; the others are from frequent customers.
    acts = ["valid"] * 30 + ["missed"] * 5 + ["sent"] * 25 + ["early"] * 5
    acts += ["verified"] * 20 + ["wrong"] * 7 + ["refreshed"] * 8
    for number in range(rows):
        at = NOW - SPAN + SPAN * number // rows
        person = int(draw.random() ** 2 * PEOPLE)
        client = f"10.0.{int(draw.random() ** 2 * ADDRESSES) >> 8}.{number & 255}"
        act = draw.choice(acts)
        who, prefix = people[person], ranges[person % RANGES]
        if at > NOW - DAY and number % 20 == 0:
            act, client, prefix, who = "sent", SWEEPER, SWEPT, fingerprint(f"swept {number}")
        elif at > NOW - DAY and number % 20 == 1:
            act, client = "missed", SCANNER
        yield row(at, act, number, client, (who, prefix, f"***-***-{person % 10_000:04}"))


def row(at: int, act: str, number: int, client: str, phone: tuple[str, str, str]) -> Row:
    """One audit row."""
    action, outcome = {
        "valid": ("look_up", "valid"),
        "missed": ("look_up", "pass_not_found"),
        "sent": ("send", "sent"),
        "early": ("send", "resend_too_soon"),
        "verified": ("check", "verified"),
        "wrong": ("check", "invalid_otp"),
        "refreshed": ("refresh", "refreshed"),
    }[act]
    who, prefix, masked = phone
    known = act != "missed"
    taken = act == "sent"
    return (
        *(at, "pass_login", "phone_verification", action, outcome, client, f"{number:032x}"),
        *(f"HSP-****-{number % 10_000:04}", masked if known else None, "IN" if known else None),
        *(who if known else None, prefix if known else None),
        *("twilio" if taken else None, f"SM{number:032x}" if taken else None, 1),
    )


def steps(requests: int, shards: int) -> list[Row]:
    """The funnel's counts of as many requests, from twenty countries."""
    draw = random.Random(9)
    words = ("sent", "verified", "invalid_otp", "rate_limited", "resend_too_soon", "otp_expired")
    kinds = [("opened", ""), ("number_entered", ""), ("delivered", ""), ("code_entered", "")]
    kinds += [(step, word) for step in ("look_up", "send", "check") for word in words]
    sums: Counter[Row] = Counter()
    for number in range(requests):
        day = NOW - SPAN + SPAN * number // requests
        country = f"C{int(20 * draw.random() ** 3):02}"
        step, word = draw.choice(kinds)
        who = ("signup" if number % 2 else "pass_login", step, word, country)
        sums[day - day % DAY, *who, draw.choice(("en", "es", "hi")), draw.randrange(shards)] += 1
    return [(*of, count) for of, count in sums.items()]


def fill_sqlite(path: Path, rows: int) -> None:
    """Write the traffic into a file."""
    marks = ", ".join("?" * len(COLUMNS))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            f"INSERT INTO audit ({', '.join(COLUMNS)}) VALUES ({marks})",  # noqa: S608
            traffic(rows),
        )
        marks = ", ".join("?" * len(STEP_COLUMNS))
        connection.executemany(
            f"INSERT INTO funnel ({', '.join(STEP_COLUMNS)}) VALUES ({marks})",  # noqa: S608
            steps(rows, 1),
        )


async def fill_postgres(url: str, rows: int) -> None:
    """Write the traffic into a database, and vacuum and analyze it as the server would."""
    connection = await connect(url)
    await connection.copy_records_to_table("audit", records=traffic(rows), columns=COLUMNS)
    await connection.copy_records_to_table("funnel", records=steps(rows, 8), columns=STEP_COLUMNS)
    await connection.execute("VACUUM ANALYZE audit, funnel")
    await connection.close()


def questions(
    database: Database, *, lite: bool
) -> list[tuple[str, Callable[[], Awaitable[int]], Select[Any]]]:
    """The name of each query, a function that runs it, and its statement."""
    asked = SqlAuditQueries(database)
    found: list[tuple[str, Callable[[], Awaitable[int]], Select[Any]]] = []

    def add(
        name: str, work: Callable[[], Awaitable[Sequence[Any]]], statement: Select[Any]
    ) -> None:
        async def count() -> int:
            return len(await work())

        found.append((name, count, statement))

    for told, span in (("all", Span()), ("last day", Span(Instant(NOW - DAY)))):
        one = Wanted(contacts=(fingerprint(f"person {VICTIM}"), "k0:" + 32 * "0"), span=span)
        address = Wanted(address="10.0.1.0", span=span)
        outcome = Wanted(outcome="invalid_otp", span=span)
        swept = Wanted(ranges=(SWEPT,), span=span)
        for name, wanted in (
            ("one number", one),
            ("one address", address),
            ("one outcome", outcome),
            ("one range", swept),
            ("everything", Wanted(span=span)),
        ):
            add(
                f"list, {name}, {told}",
                partial(asked.latest, wanted, 201),
                ask.entries_asked(wanted).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(201),
            )
        add(
            f"top addresses, {told}",
            partial(asked.top_addresses, span, 10),
            ask.addresses_asked(span, by_address=told == "all" and lite).limit(10),
        )
        add(
            f"top prefixes, {told}",
            partial(asked.top_prefixes, span, 10),
            ask.prefixes_asked(span).limit(10),
        )
        add(
            f"top countries, {told}",
            partial(asked.top_countries, span, 10),
            ask.countries_asked(span).limit(10),
        )
        for name, statement in (
            ("numbers and ranges", ask.numbers_suspected(span, in_order=told == "all" and lite)),
            ("addresses", ask.addresses_suspected(span, in_order=told == "all" and lite)),
            ("misses", ask.many_misses_asked(span)),
        ):
            add(
                f"suspicious {name}, {told}",
                partial(asked.rows, statement.limit(100)),
                statement.limit(100),
            )
        add(
            f"suspicious, all of it, {told}",
            partial(asked.suspicions, span),
            ask.evidence_asked([NOW]),
        )
    page = SqlTrafficQueries(database)
    for told, span, period in (
        ("7 days", Span(Instant(NOW - 7 * DAY), NOW), DAY // 8),
        ("24 hours", Span(Instant(NOW - DAY), NOW), DAY // 48),
    ):
        ways: tuple[tuple[str, Any, Any], ...] = (
            ("movements", page.movements, traffic_queries.movements_asked),
            ("deliveries", page.deliveries, traffic_queries.deliveries_asked),
            ("proofs", page.proofs, traffic_queries.proofs_asked),
        )
        for name, way, statement in ways:
            add(
                f"page, {name}, {told}",
                partial(way, span, period),
                statement(span, period),
            )
    since = Instant(NOW - SPAN)
    ways_of_funnel: tuple[By, ...] = ("day", "country", "language")
    for by in ways_of_funnel:
        add(
            f"funnel, by {by}, 90 days",
            partial(page.steps, since, by),
            traffic_queries.steps_asked(since, by),
        )
    return found


async def measure(name: str, url: str, rows: int) -> None:
    """Run and print every query."""
    async with Database(url, durable=False) as database:
        async with database.study() as connection:
            version = select(text("sqlite_version()" if "sqlite" in url else "version()"))
            print(f"\n{name}: {(await connection.execute(version)).scalar()}, {rows} rows")

        async def count() -> int:
            async with database.study() as connection:
                # A column without an index, so that every row is read.
                return int(
                    (await connection.execute(select(func.count(audit.c.contact)))).scalar_one()
                )

        plain, _ = await best(count)
        print(f"{plain:7.3f} s  counting all rows one by one")
        for told, work, statement in questions(database, lite="sqlite" in url):
            took, found = await best(work)
            print(f"{took:7.3f} s  {took / plain:5.2f} times  {told}: {found} rows")
            async with database.study() as connection:
                for line in await plan(connection, statement):
                    print(f"             {line}")


async def best(work: Callable[[], Awaitable[int]]) -> tuple[float, int]:
    """The shortest of three times."""
    took: list[float] = []
    found = 0
    for _ in range(3):
        began = time.perf_counter()
        found = await work()
        took.append(time.perf_counter() - began)
    return min(took), found


async def main() -> None:
    """Measure both kinds of database."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        url = f"sqlite+aiosqlite:///{path}"
        async with Database(url, durable=False) as database:
            await upgrade(database)
        fill_sqlite(path, rows)
        await measure("SQLite", url, rows)
    try:
        url = await DATABASES.new()
        await fill_postgres(url, rows)
        await measure("PostgreSQL", url, rows)
    finally:
        DATABASES.close()


if __name__ == "__main__":
    asyncio.run(main())
