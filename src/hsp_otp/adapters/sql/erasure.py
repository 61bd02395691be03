"""Deletes what tables keep of a person, by their number."""

from collections.abc import Sequence
from typing import Any

import attrs
from sqlalchemy import ColumnElement, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hsp_otp.adapters.record_format import EMPTY_SLOTS
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.record_kinds import SLOTS
from hsp_otp.adapters.sql.rows import audit_columns
from hsp_otp.adapters.sql.tables import audit, passes, records, sends, users
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import Slot
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.rows import AuditRow


@attrs.frozen(kw_only=True)
class Kept:
    """
    What is kept of a number in tables.

    Attributes:
        old_sends: Rows of sends that no limit counts any more.
        sends: Rows of sends that a limit still counts.
        audit: Rows of the audit that tell of the number, by its fingerprint.
    """

    passes: int
    old_sends: int
    sends: int
    audit: int


@attrs.frozen
class SqlErasure:
    """Each method raises Unavailable where the database does not answer."""

    database: Database

    async def kept(
        self,
        phone: PhoneNumber,
        slots: Sequence[Slot],
        counted_since: Instant,
        fingerprints: Sequence[str],
    ) -> Kept:
        """What there is of *phone*, and of those whom *slots* are about."""
        told = _told_of(phone, slots)
        counts = (
            select(func.count()).select_from(passes).where(passes.c.user_id.in_(_holders(phone))),
            select(func.count()).where(told, sends.c.at < counted_since),
            select(func.count()).where(told, sends.c.at >= counted_since),
            select(func.count()).where(audit.c.contact_fingerprint.in_(fingerprints)),
        )
        async with self.database.study() as connection:
            found = [int((await connection.execute(one)).scalar_one()) for one in counts]
        return Kept(passes=found[0], old_sends=found[1], sends=found[2], audit=found[3])

    async def erase(
        self, phone: PhoneNumber, slots: Sequence[Slot], counted_since: Instant, row: AuditRow
    ) -> None:
        """
        Delete users, passes, and sends that no limit counts any more, and write *row*; at once.

        Of *slots* those go that say nothing any more.
        """
        keys = [SLOTS.key(str(slot)) for slot in slots]

        async def step(connection: AsyncConnection) -> None:
            told = _told_of(phone, slots)
            await connection.execute(delete(passes).where(passes.c.user_id.in_(_holders(phone))))
            await connection.execute(delete(users).where(users.c.phone_number == phone.e164))
            await connection.execute(delete(sends).where(told, sends.c.at < counted_since))
            await connection.execute(
                delete(records).where(records.c.key.in_(keys), records.c.body.in_(EMPTY_SLOTS))
            )
            await connection.execute(insert(audit).values(audit_columns(row)))

        await self.database.step(step)


def _holders(phone: PhoneNumber) -> Any:  # noqa: ANN401 - a subquery
    return select(users.c.id).where(users.c.phone_number == phone.e164)


def _told_of(phone: PhoneNumber, slots: Sequence[Slot]) -> ColumnElement[bool]:
    """Sends to the number, and to what its holders had before."""
    return or_(sends.c.contact == phone.e164, sends.c.slot.in_([str(slot) for slot in slots]))
