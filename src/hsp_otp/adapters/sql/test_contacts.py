"""Test contacts in the SQL database."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import attrs
from sqlalchemy import delete, func, select

from hsp_otp.adapters.sql.async_engine import AsyncConnection
from hsp_otp.adapters.sql.batched_reads import RememberedReads
from hsp_otp.adapters.sql.database import Database, insert
from hsp_otp.adapters.sql.pass_changes import take_turn
from hsp_otp.adapters.sql.rows import audit_columns
from hsp_otp.adapters.sql.tables import apps, audit, proved_contacts, test_contacts, users
from hsp_otp.domain.audit import AuditRow
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.test_contacts import HeldTestContacts, KeptTestContact

O = TypeVar("O")  # noqa: E741

_COLUMNS: Final = (
    "id, app_id, contact, fingerprint, digits, key_id, digest, reason, added_at, ends_at"
)

_OF_APPS: Final = (
    f"SELECT {_COLUMNS} FROM test_contacts WHERE app_id {{any}} "  # noqa: S608 - constants
    "AND NOT EXISTS (SELECT 1 FROM proved_contacts AS proved "
    "WHERE proved.fingerprint = test_contacts.fingerprint AND proved.app_id = test_contacts.app_id)"
)
"""Without those that have proved themselves at the very moment when they were added."""


class SqlTestContacts:
    """Test contacts, remembered for a while by each process."""

    def __init__(self, database: Database, timer: Callable[[], float] = time.monotonic) -> None:
        """Ask *database*; *timer* is a monotonic clock, in seconds."""
        self.database = database
        self._reads = RememberedReads(self._found, timer)

    async def of_app(self, app_id: str) -> Sequence[KeptTestContact]:
        """Implement `TestContactRepository.of_app`."""
        return await self._reads.answer(app_id) or ()

    async def list(self) -> list[KeptTestContact]:
        """Implement `TestContactRegister.list`."""
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(test_contacts).order_by(test_contacts.c.added_at, test_contacts.c.id)
            )
            return [_kept(row) for row in rows]

    async def transition(
        self,
        app_id: str,
        contact: Contact,
        fingerprints: Sequence[str],
        decide: Callable[[HeldTestContacts], Decision[HeldTestContacts, O]],
    ) -> O:
        """Implement `TestContactRegister.transition`."""

        async def work(connection: AsyncConnection) -> O:
            # No user gets the number meanwhile, and no other step counts the app's test contacts.
            await take_turn(connection)
            await connection.execute(select(apps.c.id).where(apps.c.id == app_id).with_for_update())
            held = await _held(connection, app_id, contact, fingerprints)
            decision = decide(held)
            before, after = {*held.stored}, {*decision.becomes.stored}
            gone = [one.id for one in before - after]
            if gone:
                await connection.execute(delete(test_contacts).where(test_contacts.c.id.in_(gone)))
            for one in after - before:
                await connection.execute(insert(connection, test_contacts).values(_columns(one)))
            for row in decision.rows:
                if isinstance(row, AuditRow):
                    await connection.execute(insert(connection, audit).values(audit_columns(row)))
            return decision.outcome

        return await self.database.step(work)

    async def _found(self, app_ids: Sequence[str]) -> dict[str, Sequence[KeptTestContact]]:
        found = [_kept(row) for row in await self.database.fetch(_OF_APPS, app_ids)]
        # Also of apps without any, which is to be remembered too.
        return {app_id: tuple(one for one in found if one.app_id == app_id) for app_id in app_ids}


async def _held(
    connection: AsyncConnection, app_id: str, contact: Contact, fingerprints: Sequence[str]
) -> HeldTestContacts:
    stored = await connection.execute(
        select(test_contacts)
        .where(test_contacts.c.app_id == app_id)
        .order_by(test_contacts.c.added_at, test_contacts.c.id)
    )
    proved = select(func.count()).where(
        proved_contacts.c.fingerprint.in_(fingerprints), proved_contacts.c.app_id == app_id
    )
    of_users = select(func.count()).where(users.c.phone_number == contact.value)
    return HeldTestContacts(
        stored=tuple(_kept(row) for row in stored),
        is_proved=bool(await connection.scalar(proved)),
        is_of_user=bool(await connection.scalar(of_users)),
    )


def _columns(kept: KeptTestContact) -> dict[str, Any]:
    return attrs.asdict(kept) | {"digest": kept.digest.hex()}


def _kept(row: Sequence[Any]) -> KeptTestContact:
    told: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    told["digest"] = bytes.fromhex(told["digest"])
    return KeptTestContact(**told)
