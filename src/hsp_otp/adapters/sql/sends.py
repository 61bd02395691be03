"""Sends of codes, as they are read."""

import attrs
from sqlalchemy import select

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.tables import sends
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.purposes import Slot
from hsp_otp.ports.sends import SentCode


@attrs.frozen
class SqlSends:
    """Reads the rows of sends."""

    database: Database

    async def find(self, send_id: str) -> SentCode | None:
        """Implement `Sends.find`."""
        asked = select(
            sends.c.slot,
            sends.c.verification_id,
            sends.c.app_id,
            sends.c.channel,
            sends.c.language,
            sends.c.provider_message_id,
        ).where(sends.c.id == send_id)
        async with self.database.read() as connection:
            row = (await connection.execute(asked)).first()
        if row is None:
            return None
        return SentCode(
            slot=Slot.stored(row.slot),
            challenge_id=row.verification_id or send_id,
            app_id=row.app_id,
            channel=Channel.SMS if row.channel is None else Channel(row.channel),
            language=row.language,
            provider_message_id=row.provider_message_id,
        )
