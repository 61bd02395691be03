"""Passes and users in the SQL database."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

import attrs
from sqlalchemy import Row, case, false, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hsp_otp.adapters.sql.batched_reads import BatchedReads
from hsp_otp.adapters.sql.database import Database, insert
from hsp_otp.adapters.sql.tables import passes, users
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.ports.randomness import Randomness

L = TypeVar("L")

_BATCH: Final = 500
"""Rows per transaction. It holds the lock for about 20 ms, and a request waits up to 2 s."""

_PAUSE_SECONDS: Final = 0.005
"""Pause between transactions, in which requests that retry every millisecond get the lock."""

_PATIENCE_SECONDS: Final = 30.0
"""How long an import waits for the lock, since no request depends on it."""

_FIND: Final = (
    "SELECT passes.code, payment_status, status, plan_name, expires_at, "
    "users.id, email, first_name, last_name, phone_number, is_verified "
    "FROM passes JOIN users ON users.id = passes.user_id WHERE passes.code {any}"
)


@attrs.frozen
class KeptPass:
    """
    A pass, with the changes that sign-ins made.

    Attributes:
        status: ``active``, or ``expired`` once a sign-in found it expired.
        is_verified: Whether its user has proved the current number.
    """

    found: Pass
    status: str
    is_verified: bool


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
        """
        The pass of that code, with everything stored about it.

        Raises:
            Unavailable: The database did not answer.
        """
        return await self._kept.answer(code.value)

    async def users_of(self, phone: PhoneNumber) -> list[User]:
        """Implement `Users.users_of`."""
        async with self.database.read() as connection:
            found = await connection.execute(
                select(users).where(users.c.phone_number == phone.e164)
            )
            return [_user(*row[:-1]) for row in found]

    async def _found(self, codes: Sequence[str]) -> dict[str, KeptPass]:
        found = await self.database.fetch(_FIND, codes)
        return {
            code: KeptPass(
                Pass(
                    code=PassCode(code),
                    user=_user(*user),
                    payment_status=PaymentStatus(payment_status),
                    plan_name=plan_name,
                    expires_at=expires_at,
                ),
                status,
                bool(is_verified),
            )
            for code, payment_status, status, plan_name, expires_at, *user, is_verified in found
        }


@attrs.frozen(kw_only=True)
class ListedUser:
    """
    A user in an import.

    Attributes:
        email: In lower case; identifies the user.
    """

    email: str
    first_name: str
    last_name: str
    phone: PhoneNumber | None


@attrs.frozen(kw_only=True)
class ListedPass:
    """
    A pass in an import.

    Attributes:
        email: The holder's, in lower case.
    """

    code: PassCode
    email: str
    payment_status: PaymentStatus
    plan_name: str
    expires_at: Instant | None


@attrs.frozen
class Counts:
    """The result of an import, in rows."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
        )


@attrs.frozen
class SqlPassImport:
    """
    Stores an import while the server is running.

    Only rows that differ are written, so storing the same data again changes nothing. An
    interrupted import can be completed by repeating it.
    """

    database: Database
    randomness: Randomness

    async def store_users(
        self, listed: Iterable[ListedUser], stored: Callable[[int], None]
    ) -> Counts:
        """
        Store users, each listed once. A changed number is not verified.

        Args:
            stored: Called with the number of rows after each transaction.

        Raises:
            Unavailable: The database did not answer; rows that were committed before stay.
        """
        return await self._store(listed, self._write_users, stored)

    async def store_passes(
        self, listed: Iterable[ListedPass], stored: Callable[[int], None]
    ) -> Counts:
        """
        Store passes, each listed once, whose users are stored already.

        A pass with a changed end is active again.

        Args:
            stored: Called with the number of rows after each transaction.

        Raises:
            Unavailable: The database did not answer; rows that were committed before stay.
        """
        return await self._store(listed, self._write_passes, stored)

    async def _store(
        self,
        listed: Iterable[L],
        write: Callable[[AsyncConnection, Sequence[L]], Awaitable[Counts]],
        stored: Callable[[int], None],
    ) -> Counts:
        counts = Counts()
        rest = iter(listed)
        while batch := list(islice(rest, _BATCH)):
            counts += await self._store_batch(batch, write)
            stored(len(batch))
            await asyncio.sleep(_PAUSE_SECONDS)
        return counts

    async def _store_batch(
        self, batch: Sequence[L], write: Callable[[AsyncConnection, Sequence[L]], Awaitable[Counts]]
    ) -> Counts:
        by = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        return await self.database.step(lambda connection: write(connection, batch), by)

    async def _write_users(
        self, connection: AsyncConnection, listed: Sequence[ListedUser]
    ) -> Counts:
        emails = [user.email for user in listed]
        found = await connection.execute(select(users).where(users.c.email.in_(emails)))
        held = {row.email: row for row in found}
        wanted = [
            {
                "id": held[user.email].id if user.email in held else self._new_id(),
                "email": user.email,
                "first_name": user.first_name,
                "last_name": user.last_name,
                "phone_number": None if user.phone is None else user.phone.e164,
                "is_verified": False,
            }
            for user in listed
        ]
        differing = [
            values
            for values in wanted
            if _differs(held.get(values["email"]), values, except_for="is_verified")
        ]
        statement = insert(connection, users)
        new = statement.excluded
        if differing:
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[users.c.email],
                    set_={
                        "first_name": new.first_name,
                        "last_name": new.last_name,
                        "phone_number": new.phone_number,
                        "is_verified": case(
                            (
                                users.c.phone_number.is_not_distinct_from(new.phone_number),
                                users.c.is_verified,
                            ),
                            else_=false(),
                        ),
                    },
                ),
                differing,
            )
        return _counts(len(wanted), len(held), len(differing))

    async def _write_passes(
        self, connection: AsyncConnection, listed: Sequence[ListedPass]
    ) -> Counts:
        codes = [one.code.value for one in listed]
        found = await connection.execute(select(passes).where(passes.c.code.in_(codes)))
        held = {row.code: row for row in found}
        emails = {one.email for one in listed}
        holders = await connection.execute(
            select(users.c.email, users.c.id).where(users.c.email.in_(emails))
        )
        ids = {row.email: row.id for row in holders}
        wanted = [
            {
                "code": one.code.value,
                "user_id": ids[one.email],
                "payment_status": one.payment_status.value,
                "status": "active",
                "plan_name": one.plan_name,
                "expires_at": one.expires_at,
            }
            for one in listed
        ]
        differing = [
            values
            for values in wanted
            if _differs(held.get(values["code"]), values, except_for="status")
        ]
        statement = insert(connection, passes)
        new = statement.excluded
        if differing:
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[passes.c.code],
                    set_={
                        "user_id": new.user_id,
                        "payment_status": new.payment_status,
                        "status": case(
                            (
                                passes.c.expires_at.is_not_distinct_from(new.expires_at),
                                passes.c.status,
                            ),
                            else_=new.status,
                        ),
                        "plan_name": new.plan_name,
                        "expires_at": new.expires_at,
                    },
                ),
                differing,
            )
        return _counts(len(wanted), len(held), len(differing))

    def _new_id(self) -> str:
        """A random id: 22 characters for 128 bits."""
        return base64.urlsafe_b64encode(self.randomness.draw(16)).rstrip(b"=").decode()


def _user(
    identity: str, email: str, first_name: str, last_name: str, phone_number: str | None
) -> User:
    return User(
        id=identity,
        email=email,
        first_name=first_name,
        last_name=last_name,
        phone=PhoneNumber(phone_number) if phone_number else None,
    )


def _differs(held: Row[Any] | None, wanted: dict[str, Any], *, except_for: str) -> bool:
    return held is None or any(
        getattr(held, name) != value for name, value in wanted.items() if name != except_for
    )


def _counts(listed: int, held: int, differing: int) -> Counts:
    added = listed - held
    return Counts(added, differing - added, listed - differing)
