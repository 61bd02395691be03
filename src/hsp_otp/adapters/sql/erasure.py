"""Deletes one person's data, by phone number."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import attrs
from sqlalchemy import ColumnElement, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hsp_otp.adapters.record_format import EMPTY_SLOTS
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.pass_changes import take_turn
from hsp_otp.adapters.sql.purge import SqlPurge
from hsp_otp.adapters.sql.record_kinds import RECORD_KINDS, SLOTS, RecordKind
from hsp_otp.adapters.sql.rows import audit_columns
from hsp_otp.adapters.sql.tables import (
    audit,
    passes,
    proved_contacts,
    records,
    sends,
    test_contacts,
    verifications,
)
from hsp_otp.adapters.sql.tables import users as user_rows
from hsp_otp.domain.audit import AuditRow
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Slot
from hsp_otp.ports.erasure import Kept


@attrs.frozen
class SqlErasure:
    """
    Counts and deletes personal data. Each method raises Unavailable if the database does not
    answer.
    """

    database: Database

    async def kept(
        self,
        phone: PhoneNumber,
        users: Collection[str],
        slots: Sequence[Slot],
        counted_since: Instant,
        fingerprints: Sequence[str],
    ) -> Kept:
        """Implement `Erasure.kept`."""
        told = _told_of(phone, slots)
        counts = (
            select(func.count()).select_from(passes).where(passes.c.user_id.in_(_holders(phone))),
            select(func.count()).where(told, sends.c.at < counted_since),
            select(func.count()).where(told, sends.c.at >= counted_since),
            select(func.count()).where(audit.c.contact_fingerprint.in_(fingerprints)),
            select(func.count()).where(verifications.c.contact == phone.e164),
            select(func.count()).where(test_contacts.c.fingerprint.in_(fingerprints)),
            select(func.count()).where(proved_contacts.c.fingerprint.in_(fingerprints)),
        )
        async with self.database.study() as connection:
            found = [int((await connection.execute(one)).scalar_one()) for one in counts]
        purge = SqlPurge(self.database)
        return Kept(
            passes=found[0],
            old_sends=found[1],
            sends=found[2],
            audit=found[3],
            verifications=found[4],
            test_contacts=found[5],
            proved=found[6],
            records={
                kind.plural: await purge.count(kind, is_theirs)
                for kind, is_theirs in _told_in_records(phone, users)
            },
        )

    async def erase(
        self,
        phone: PhoneNumber,
        slots: Sequence[Slot],
        counted_since: Instant,
        fingerprints: Sequence[str],
        row: AuditRow,
    ) -> None:
        """Implement `Erasure.erase`."""
        keys = [SLOTS.key(str(slot)) for slot in slots]

        async def step(connection: AsyncConnection) -> None:
            await take_turn(connection)
            told = _told_of(phone, slots)
            await connection.execute(delete(passes).where(passes.c.user_id.in_(_holders(phone))))
            await connection.execute(
                delete(user_rows).where(user_rows.c.phone_number == phone.e164)
            )
            await connection.execute(delete(sends).where(told, sends.c.at < counted_since))
            await connection.execute(
                delete(verifications).where(verifications.c.contact == phone.e164)
            )
            for table in (test_contacts, proved_contacts):
                await connection.execute(delete(table).where(table.c.fingerprint.in_(fingerprints)))
            await connection.execute(
                delete(records).where(records.c.key.in_(keys), records.c.body.in_(EMPTY_SLOTS))
            )
            await connection.execute(insert(audit).values(audit_columns(row)))

        await self.database.step(step)

    async def erase_records(self, phone: PhoneNumber, users: Collection[str]) -> None:
        """Implement `Erasure.erase_records`."""
        for kind, is_theirs in _told_in_records(phone, users):
            await SqlPurge(self.database).records(kind, is_theirs)


def _told_in_records(
    phone: PhoneNumber, users: Collection[str]
) -> Iterator[tuple[RecordKind[Any], Callable[[Any], bool]]]:
    """The kinds of records about people, each with a test for these people."""
    for kind in RECORD_KINDS:
        is_theirs = kind.about(users, phone)
        if is_theirs is not None:
            yield kind, is_theirs


def _holders(phone: PhoneNumber) -> Any:  # noqa: ANN401 - a subquery
    return select(user_rows.c.id).where(user_rows.c.phone_number == phone.e164)


def _told_of(phone: PhoneNumber, slots: Sequence[Slot]) -> ColumnElement[bool]:
    """Sends to the number, and sends to earlier numbers of its holders."""
    return or_(sends.c.contact == phone.e164, sends.c.slot.in_([str(slot) for slot in slots]))
