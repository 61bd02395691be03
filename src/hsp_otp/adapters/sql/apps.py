"""Accounts and apps in the SQL database."""

import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar

import attrs
from sqlalchemy import func, select

from hsp_otp.adapters.record_format import APP_RULES
from hsp_otp.adapters.sql.async_engine import AsyncConnection
from hsp_otp.adapters.sql.batched_reads import RememberedReads
from hsp_otp.adapters.sql.database import Database, insert, is_postgres
from hsp_otp.adapters.sql.tables import accounts, apps
from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.apps import Account, App
from hsp_otp.domain.decision import Decision

O = TypeVar("O")  # noqa: E741

_LOCK: Final = 0x61707073
"""The PostgreSQL advisory lock of imports: "apps" in ASCII."""

_NAME: Final = attrgetter("name")

_COLUMNS: Final = "id, account_id, name, rules, made_at, changed_at"

_FIND: Final = f"SELECT {_COLUMNS} FROM apps WHERE id {{any}}"  # noqa: S608 - constants
_OF_ACCOUNTS: Final = f"SELECT {_COLUMNS} FROM apps WHERE account_id {{any}}"  # noqa: S608 - constants


class SqlApps:
    """Apps, remembered for a while by each process."""

    def __init__(self, database: Database, timer: Callable[[], float] = time.monotonic) -> None:
        """Ask *database*; *timer* is a monotonic clock, in seconds."""
        self.database = database
        self._reads = RememberedReads(self._found, timer)
        self._reads_of_accounts = RememberedReads(self._found_of_accounts, timer)

    async def find(self, app_id: str) -> App | None:
        """Implement `AppRepository.find`."""
        return await self._reads.answer(app_id)

    async def of_account(self, account_id: str) -> Sequence[App]:
        """Implement `AppRepository.of_account`."""
        return await self._reads_of_accounts.answer(account_id) or ()

    async def tenants(self) -> Tenants:
        """Implement `AppRegister.tenants`."""
        async with self.database.read() as connection:
            return await _tenants(connection)

    async def transition(self, decide: Callable[[Tenants], Decision[Tenants, O]]) -> O:
        """Implement `AppRegister.transition`."""

        async def work(connection: AsyncConnection) -> O:
            if is_postgres(connection):
                await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            held = await _tenants(connection)
            decision = decide(held)
            stored = {*held.accounts}
            for account in decision.becomes.accounts:
                if account not in stored:
                    row = attrs.asdict(account)
                    await connection.execute(insert(connection, accounts).values(row))
            before = {one.id: one for one in held.apps}
            for app in decision.becomes.apps:
                if app != before.get(app.id):
                    row = attrs.asdict(app, recurse=False) | {"rules": APP_RULES.encode(app.rules)}
                    added = insert(connection, apps).values(row)
                    put = added.on_conflict_do_update(index_elements=["id"], set_=row)
                    await connection.execute(put)
            return decision.outcome

        return await self.database.step(work)

    async def _found(self, ids: Sequence[str]) -> dict[str, App]:
        found = (_app(row) for row in await self.database.fetch(_FIND, ids))
        return {one.id: one for one in found}

    async def _found_of_accounts(self, ids: Sequence[str]) -> dict[str, Sequence[App]]:
        found = [_app(row) for row in await self.database.fetch(_OF_ACCOUNTS, ids)]
        in_order = sorted(found, key=_NAME)
        return {
            account: tuple(one for one in in_order if one.account_id == account)
            for account in {one.account_id for one in found}
        }


async def _tenants(connection: AsyncConnection) -> Tenants:
    found_accounts = [_account(row) for row in await connection.execute(select(accounts))]
    found_apps = [_app(row) for row in await connection.execute(select(apps))]
    # Not by the database, whose order depends on its locale.
    return Tenants(
        accounts=tuple(sorted(found_accounts, key=_NAME)),
        apps=tuple(sorted(found_apps, key=_NAME)),
    )


def _account(row: Sequence[Any]) -> Account:
    identity, name, made_at = row
    return Account(id=identity, name=name, made_at=made_at)


def _app(row: Sequence[Any]) -> App:
    identity, account_id, name, rules, made_at, changed_at = row
    return App(
        id=identity,
        account_id=account_id,
        name=name,
        rules=APP_RULES.decode(rules),
        made_at=made_at,
        changed_at=changed_at,
    )
