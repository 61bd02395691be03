"""Deletes one person's data, by contact, or by an app and the id of its user."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, assert_never

import attrs
from sqlalchemy import ColumnElement, Table, delete, func, insert, or_, select
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
    users,
    verifications,
)
from hsp_otp.adapters.sql.verifications import is_for, sent_to
from hsp_otp.domain.audit import AuditRow
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.purposes import Slot
from hsp_otp.ports.erasure import Kept, OfAddress, OfAppUser, OfNumber, Whose


@attrs.frozen
class SqlErasure:
    """
    Counts and deletes personal data. Each method raises Unavailable if the database does not
    answer.
    """

    database: Database

    async def kept(self, whose: Whose, slots: Sequence[Slot], counted_since: Instant) -> Kept:
        """Implement `Erasure.kept`."""
        theirs = _rows_of(whose, slots)
        old = sends.c.at < counted_since
        async with self.database.study() as connection:

            async def count(table: Table, *only: ColumnElement[bool]) -> int:
                if table not in theirs:
                    return 0
                asked = select(func.count()).select_from(table).where(theirs[table], *only)
                return int((await connection.execute(asked)).scalar_one())

            return Kept(
                passes=await count(passes),
                old_sends=await count(sends, old),
                sends=await count(sends, ~old),
                verifications=await count(verifications),
                test_contacts=await count(test_contacts),
                proved=await count(proved_contacts),
                audit=await count(audit),
                records=await self._records(whose),
            )

    async def erase(
        self, whose: Whose, slots: Sequence[Slot], counted_since: Instant, row: AuditRow
    ) -> None:
        """Implement `Erasure.erase`."""
        keys = [SLOTS.key(str(slot)) for slot in slots]
        theirs = _rows_of(whose, slots)
        theirs[sends] &= sends.c.at < counted_since
        del theirs[audit]

        async def step(connection: AsyncConnection) -> None:
            await take_turn(connection)
            for table, is_theirs in theirs.items():
                await connection.execute(delete(table).where(is_theirs))
            await connection.execute(
                delete(records).where(records.c.key.in_(keys), records.c.body.in_(EMPTY_SLOTS))
            )
            await connection.execute(insert(audit).values(audit_columns(row)))

        await self.database.step(step)

    async def erase_records(self, whose: OfNumber) -> None:
        """Implement `Erasure.erase_records`."""
        for kind, is_theirs in _told_in_records(whose):
            await SqlPurge(self.database).records(kind, is_theirs)

    async def _records(self, whose: Whose) -> dict[str, int]:
        if not isinstance(whose, OfNumber):
            return {}
        purge = SqlPurge(self.database)
        return {
            kind.plural: await purge.count(kind, is_theirs)
            for kind, is_theirs in _told_in_records(whose)
        }


def _told_in_records(
    whose: OfNumber,
) -> Iterator[tuple[RecordKind[Any], Callable[[Any], bool]]]:
    """The kinds of records about people, each with a test for these people."""
    for kind in RECORD_KINDS:
        is_theirs = kind.about(whose.users, whose.phone)
        if is_theirs is not None:
            yield kind, is_theirs


def _rows_of(whose: Whose, slots: Sequence[Slot]) -> dict[Table, ColumnElement[bool]]:
    """The rows about a person, in the order of their deletion."""
    of_slots = sends.c.slot.in_([str(slot) for slot in slots])
    match whose:
        case OfNumber(phone=phone, fingerprints=fingerprints):
            holders = select(users.c.id).where(users.c.phone_number == phone.e164)
            return {
                passes: passes.c.user_id.in_(holders),
                users: users.c.phone_number == phone.e164,
                verifications: is_for(Contact.of_phone(phone)),  # found by their sends
                # Those to earlier numbers of its holders, too.
                sends: or_(sends.c.contact == phone.e164, of_slots),
                test_contacts: test_contacts.c.fingerprint.in_(fingerprints),
                proved_contacts: proved_contacts.c.fingerprint.in_(fingerprints),
                audit: audit.c.contact_fingerprint.in_(fingerprints),
            }
        case OfAddress(contact=contact, fingerprints=fingerprints):
            return {
                verifications: is_for(contact),  # found by their sends
                sends: or_(sent_to(contact), of_slots),
                test_contacts: test_contacts.c.fingerprint.in_(fingerprints),
                proved_contacts: proved_contacts.c.fingerprint.in_(fingerprints),
                audit: audit.c.contact_fingerprint.in_(fingerprints),
            }
        case OfAppUser(app=app, subject=subject, fingerprints=fingerprints):
            verified = (verifications.c.app_id == app.id) & (verifications.c.subject == subject)
            return {
                # The slot of a test contact does not name the user.
                sends: or_(
                    of_slots,
                    sends.c.verification_id.in_(select(verifications.c.id).where(verified)),
                ),
                verifications: verified,
                audit: (audit.c.app == app.name) & audit.c.subject_fingerprint.in_(fingerprints),
            }
        case _:
            assert_never(whose)
