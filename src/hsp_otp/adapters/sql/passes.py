"""Passes and users in the SQL database."""

from collections.abc import Sequence
from typing import Any, Final

import attrs
from sqlalchemy import select

from hsp_otp.adapters.sql.batched_reads import BatchedReads
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.tables import users
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import KeptPass, Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber

USER_COLUMNS: Final = (
    users.c.id,
    users.c.house_id,
    users.c.email,
    users.c.first_name,
    users.c.last_name,
    users.c.phone_number,
)
"""What `user_of` takes."""

_FIND: Final = (
    "SELECT passes.code, payment_status, status, plan_name, expires_at, "
    "users.id, house_id, email, first_name, last_name, phone_number, is_verified "
    "FROM passes JOIN users ON users.id = passes.user_id WHERE passes.code {any}"
)


@attrs.frozen
class SqlPasses:
    """Passes joined with the users who hold them."""

    database: Database
    _kept: BatchedReads[str, KeptPass] = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: BatchedReads(self._found), takes_self=True),
    )

    async def find(self, code: PassCode) -> Pass | None:
        """Implement `Passes.find`."""
        kept = await self.find_kept(code)
        return None if kept is None else kept.found

    async def find_kept(self, code: PassCode) -> KeptPass | None:
        """Implement `PassRepository.find_kept`."""
        return await self._kept.answer(code.value)

    async def users_of(self, phone: PhoneNumber) -> list[User]:
        """Implement `Users.users_of`."""
        async with self.database.read() as connection:
            found = await connection.execute(
                select(*USER_COLUMNS).where(users.c.phone_number == phone.e164)
            )
            return [user_of(row) for row in found]

    async def _found(self, codes: Sequence[str]) -> dict[str, KeptPass]:
        found = await self.database.fetch(_FIND, codes)
        return {
            code: KeptPass(
                Pass(
                    code=PassCode(code),
                    user=user_of(user),
                    payment_status=PaymentStatus(payment_status),
                    plan_name=plan_name,
                    expires_at=expires_at,
                ),
                status,
                bool(is_verified),
            )
            for code, payment_status, status, plan_name, expires_at, *user, is_verified in found
        }


def user_of(columns: Sequence[Any]) -> User:
    """The user of the columns that `_FIND` names."""
    identity, house_id, email, first_name, last_name, phone_number = columns
    return User(
        id=identity,
        house_id=house_id,
        email=email,
        first_name=first_name,
        last_name=last_name,
        phone=PhoneNumber(phone_number) if phone_number else None,
    )
