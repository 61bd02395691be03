"""Verifications, with their sends and events, as they are read."""

from collections.abc import Sequence
from typing import Any, Final

import attrs
from msgspec import json
from sqlalchemy import ColumnElement, func, select

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.rows import named_values
from hsp_otp.adapters.sql.tables import apps, audit, sends, verifications
from hsp_otp.domain.audit import Action
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import ClientAddress, Language
from hsp_otp.domain.purposes import APP_PURPOSES, Purpose, Slot
from hsp_otp.domain.verification_record import Status, Verification, slot_of
from hsp_otp.ports.verifications import Event, KeptSend

_METADATA: Final = json.Decoder(dict[str, str])

_SENT_TO: Final = func.coalesce(sends.c.sent_to, sends.c.contact)
"""The canonical contact of a send, which is stored nowhere else."""

_CONTACT: Final = (
    select(_SENT_TO)
    .where(sends.c.verification_id == verifications.c.id)
    .order_by(sends.c.at)
    .limit(1)
    .scalar_subquery()
    .label("contact")
)
"""All sends of a verification go to the same contact."""


@attrs.frozen
class SqlVerifications:
    """Reads the rows of verifications."""

    database: Database

    async def find(self, verification_id: str) -> Verification | None:
        """Implement `Verifications.find`."""
        asked = select(verifications, _CONTACT).where(verifications.c.id == verification_id)
        async with self.database.read() as connection:
            row = (await connection.execute(asked)).first()
        # A purge or an erasure that is under way may have left a verification without sends.
        return None if row is None or row.contact is None else _verification(row)

    async def find_send(self, send_ids: Sequence[str]) -> KeptSend | None:
        """Implement `Verifications.find_send`."""
        asked = select(sends).where(sends.c.id.in_(send_ids), sends.c.verification_id.is_not(None))
        async with self.database.read() as connection:
            row = (await connection.execute(asked)).first()
        return None if row is None else _send(row)

    async def sends_of(self, verification_id: str) -> list[KeptSend]:
        """Implement `Verifications.sends_of`."""
        asked = (
            select(sends)
            .where(sends.c.verification_id == verification_id, sends.c.test_contact.is_(None))
            .order_by(sends.c.at, sends.c.id)
        )
        async with self.database.read() as connection:
            return [_send(row) for row in await connection.execute(asked)]

    async def events_of(self, verification_id: str) -> list[Event]:
        """Implement `Verifications.events_of`."""
        asked = (
            select(audit.c.at, audit.c.action, audit.c.outcome)
            .where(
                audit.c.verification_id == verification_id,
                audit.c.action != Action.READ.value,
            )
            .order_by(audit.c.at, audit.c.id)
        )
        async with self.database.read() as connection:
            return [Event(Instant(at), *told) for at, *told in await connection.execute(asked)]

    async def slots_of(self, contact: Contact) -> list[Slot]:
        """Implement `Verifications.slots_of`."""
        started = (
            select(verifications.c.app_id, verifications.c.purpose, verifications.c.subject)
            .where(is_for(contact))
            .distinct()
        )
        async with self.database.read() as connection:
            app_ids = list((await connection.execute(select(apps.c.id))).scalars())
            rows = (await connection.execute(started)).all()
        found = [
            *(slot_of(app_id, one, contact.value) for app_id in app_ids for one in APP_PURPOSES),
            *(
                slot_of(row.app_id, Purpose(row.purpose), row.subject or contact.value)
                for row in rows
            ),
        ]
        return list(dict.fromkeys(found))


def sent_to(contact: Contact) -> ColumnElement[bool]:
    """Whether a send went to *contact*."""
    return (sends.c.contact == contact.limited) & (contact.value == _SENT_TO)


def is_for(contact: Contact) -> ColumnElement[bool]:
    """Whether a verification is for *contact*."""
    return verifications.c.id.in_(select(sends.c.verification_id).where(sent_to(contact)))


def _verification(row: Any) -> Verification:  # noqa: ANN401 - a row of the table
    return Verification(
        id=row.id,
        app_id=row.app_id,
        purpose=Purpose(row.purpose),
        subject=row.subject,
        contact=Contact.stored(row.contact),
        channel=Channel(row.channel),
        language=Language(row.language),
        client=None if row.client is None else ClientAddress(row.client),
        values=named_values(row.named_values),
        metadata=_METADATA.decode(row.metadata),
        app_hash=row.app_hash,
        digits=row.digits,
        test_contact=row.test_contact,
        created_at=Instant(row.at),
        expires_at=Instant(row.expires_at),
        ended=None if row.ended is None else Status(row.ended),
        ended_at=None if row.ended_at is None else Instant(row.ended_at),
    )


def _send(row: Any) -> KeptSend:  # noqa: ANN401 - a row of the table
    return KeptSend(
        id=row.id,
        verification_id=row.verification_id,
        at=Instant(row.at),
        channel=Channel(row.channel),
        sender=row.sender,
        state=None if row.state is None else DeliveryState(row.state),
        state_at=None if row.state_at is None else Instant(row.state_at),
        request=row.request,
        test=row.test_contact is not None,
    )
