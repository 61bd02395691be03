"""Refusals of many numbers from one client, over every SQL database: docs/contract.md, 8.5."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Final

import attrs
import pytest

from hsp_otp.adapters.sql.audit_queries import SqlAuditQueries
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import GroupCommit
from hsp_otp.adapters.sql.limit_recovery import SqlLimitRecovery
from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.instant import MINUTE, SECOND, after
from hsp_otp.domain.quota import UsageKey
from hsp_otp.flows.caller import about
from hsp_otp.ports.audit_queries import Entry, Wanted
from tests.integration.behind import execute, lock_held
from tests.integration.test_contracts import audit_row
from tests.world import CLIENT, START, ring

pytestmark = pytest.mark.anyio

FINGERPRINTS: Final = ring("fingerprints", "f1")


def number(place: int) -> Contact:
    """One of many contacts."""
    return Contact(ContactKind.PHONE, f"+9198765{place:05d}")


def refused(
    place: int | None, at: int = 0, outcome: str = "rate_limited", charged: tuple[str, ...] = ()
) -> AuditRow:
    """A refused request for a code to a number, or to none that is known."""
    row = attrs.evolve(
        audit_row(outcome, at=after(START, at)), action=Action.SEND, charged=charged, folds=True
    )
    return row if place is None else about(row, number(place), FINGERPRINTS)


async def told(database: Database, place: int) -> list[Entry]:
    """What the audit tells of one number."""
    contacts = FINGERPRINTS.fingerprints(number(place).value)
    return await SqlAuditQueries(database).latest(Wanted(contacts=contacts), 99)


async def counts(database: Database) -> list[tuple[str | None, int]]:
    """The number of each row, masked, and its requests."""
    return [
        (one.contact, one.count) for one in await SqlAuditQueries(database).latest(Wanted(), 9_999)
    ]


async def test_each_number_of_a_flood_has_a_row(database: Database, commits: GroupCommit) -> None:
    """Four numbers that one client is refused within a minute are told of one by one."""
    for second in range(0, 60, 15):
        rows = (refused(place, second * SECOND) for place in (1, 2, 3, 4, 4))
        await commits.write(*rows, refused(None, second * SECOND))
    assert [[one.count for one in await told(database, place)] for place in range(1, 5)] == [
        [4],
        [4],
        [4],
        [8],
    ]
    assert Counter(contact is None for contact, _ in await counts(database)) == {False: 4, True: 1}


async def test_a_number_has_a_row_for_each_minute_and_limit(
    database: Database, commits: GroupCommit
) -> None:
    """The next minute and another limit have rows of their own."""
    await commits.write(
        refused(1, MINUTE - 1),
        refused(1, MINUTE),
        refused(1, MINUTE, "phone_rate_limited"),
        refused(1, MINUTE + 1),
    )
    found = await told(database, 1)
    assert {(one.at - START, one.outcome, one.count) for one in found} == {
        (MINUTE - 1, "rate_limited", 1),
        (MINUTE, "rate_limited", 2),
        (MINUTE, "phone_rate_limited", 1),
    }


async def test_the_refusals_of_a_backend(database: Database, commits: GroupCommit) -> None:
    """Without a client, each number and verification of a backend has a row a minute, unbounded."""

    def of_backend(place: int) -> AuditRow:
        return attrs.evolve(refused(place), client=None, app="shop", api_key_id="key1")

    for _ in range(2):
        for place in (1, 2):
            row = of_backend(place)
            await commits.write(row, row, attrs.evolve(row, verification_id="v1"))
    await commits.write(*(of_backend(place) for place in range(3, 203)))
    for place, expected in ((1, [2, 4]), (2, [2, 4]), (202, [1])):
        assert sorted(one.count for one in await told(database, place)) == expected
    of_one = [attrs.evolve(refused(place), app="shop", verification_id="v") for place in range(101)]
    await commits.write(*of_one)
    rest = [one for one in await SqlAuditQueries(database).latest(Wanted(), 999) if not one.contact]
    assert [(one.count, one.verification_id) for one in rest] == [(1, None)]


async def test_a_hundred_numbers_have_a_row(database: Database, commits: GroupCommit) -> None:
    """All others of a flood share one, which names no number and no pass."""
    rows = [attrs.evolve(refused(place), pass_code="HSP-****-0001") for place in range(130)]
    await commits.write(*rows[:60])
    await commits.write(*rows[50:])
    await commits.write(*rows)
    found = await SqlAuditQueries(database).latest(Wanted(), 9_999)
    assert Counter(one.count for one in found) == {2: 90, 3: 10, 60: 1}
    (rest,) = (one for one in found if one.count == 60)
    assert {rest.contact, rest.region, rest.contact_fingerprint, rest.range_fingerprint} == {None}
    assert rest.pass_code is None
    assert await told(database, 99) != []
    assert await told(database, 100) == []


async def test_the_bound_holds_among_writers(
    database: Database, commits: GroupCommit, url: str
) -> None:
    """
    Three writers at once, each with the same 150 numbers in another order: no number has two rows,
    no place two numbers, and every request is counted.
    """
    async with Database(url, durable=False) as second, Database(url, durable=False) as third:
        writers = (commits, GroupCommit(second), GroupCommit(third))
        asked = [(writer, place) for writer in writers for place in range(150)]
        random.Random(1).shuffle(asked)  # noqa: S311 - the same every time
        for first in range(0, len(asked), 45):
            some = asked[first : first + 45]
            await asyncio.gather(*(writer.write(refused(place)) for writer, place in some))
        for writer in writers:
            await writer.flush()
            assert writer.kept_aside == 0
    found = Counter(contact for contact, _ in await counts(database))
    assert found.pop(None) == 1
    assert len(found) == found.total() == 100
    assert sum(count for _, count in await counts(database)) == 450


async def test_rows_kept_aside_find_their_places(
    database: Database, commits: GroupCommit, file: Path
) -> None:
    """What waited for the database counts in the rows that others have written meanwhile."""
    async with lock_held(file):
        await commits.write(*(refused(place) for place in (1, 2)))
    await GroupCommit(database).write(*(refused(place) for place in (2, 3)))
    await commits.flush()
    assert [(await told(database, place))[0].count for place in (1, 2, 3)] == [1, 2, 1]
    assert len(await counts(database)) == 3


async def test_a_row_of_the_release_before_is_no_place(
    database: Database, commits: GroupCommit, file: Path
) -> None:
    """Its key has another form: it neither takes a place nor takes the others' counts."""
    await commits.write(refused(1))
    old = f"{START // MINUTE}|{CLIENT}|send|rate_limited"
    execute(file, "UPDATE audit SET flood_key = ?", old)
    await commits.write(*(refused(place) for place in range(1, 110)))
    assert Counter(count for _, count in await counts(database)) == {1: 101, 9: 1}


async def test_what_was_charged_differently_is_apart(
    database: Database, commits: GroupCommit
) -> None:
    """Limits are counted again exactly, whichever of a number's requests came first."""
    await commits.write(refused(1), refused(1, 1, charged=("lookups",)))
    await commits.write(refused(1, 2), refused(1, 3, charged=("lookups",)), refused(1, 4))
    asked = (UsageKey("lookups", CLIENT),)
    found = await SqlLimitRecovery(database).usages(asked, after(START, MINUTE))
    assert len(found[asked[0]]) == 2
    assert sum(count for _, count in await counts(database)) == 5
