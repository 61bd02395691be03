"""Passes and users."""

import attrs
from sqlalchemy import select

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.tables import passes, users
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber

_FIND = select(
    passes.c.code,
    passes.c.payment_status,
    passes.c.plan_name,
    passes.c.expires_at,
    users.c.id,
    users.c.email,
    users.c.first_name,
    users.c.last_name,
    users.c.phone_number,
).join(users)


@attrs.frozen
class SqlPasses:
    """Passes joined with the users who hold them."""

    database: Database

    async def find(self, code: PassCode) -> Pass | None:
        """Keep the promise of `Passes.find`."""
        async with self.database.read() as connection:
            found = await connection.execute(_FIND.where(passes.c.code == code.value))
            row = found.one_or_none()
        if row is None:
            return None
        return Pass(
            code=PassCode(row.code),
            user=User(
                id=row.id,
                email=row.email,
                first_name=row.first_name,
                last_name=row.last_name,
                phone=PhoneNumber(row.phone_number) if row.phone_number else None,
            ),
            payment_status=PaymentStatus(row.payment_status),
            plan_name=row.plan_name,
            expires_at=row.expires_at,
        )
