"""API keys in the SQL database."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import attrs
from sqlalchemy import or_, select, update

from hsp_otp.adapters.sql.async_engine import AsyncConnection
from hsp_otp.adapters.sql.batched_reads import RememberedReads
from hsp_otp.adapters.sql.database import Database, insert
from hsp_otp.adapters.sql.tables import api_keys
from hsp_otp.domain.api_keys import ApiKey, Scope
from hsp_otp.domain.instant import Instant
from hsp_otp.ports.failures import Unavailable

_FIND: Final = (
    "SELECT id, name, scopes, made_at, last_used_at, revoked_at, ring_key_id, digest, "
    "app_id, account_id "
    "FROM api_keys WHERE id {any}"
)


class SqlApiKeys:
    """Keys, remembered for a while by each process."""

    def __init__(self, database: Database, timer: Callable[[], float] = time.monotonic) -> None:
        """Ask *database*; *timer* is a monotonic clock, in seconds."""
        self.database = database
        self._reads = RememberedReads(self._found, timer)
        self._uses: dict[str, ApiKey] = {}
        self._writing = set[asyncio.Task[None]]()

    async def find(self, key_id: str) -> ApiKey | None:
        """Implement `ApiKeyRepository.find`."""
        return await self._reads.answer(key_id)

    def note_use(self, key: ApiKey, becomes: ApiKey) -> None:
        """Implement `ApiKeyRepository.note_use`."""
        # Unless it was read again meanwhile, and may have been revoked.
        self._reads.replace(key.id, key, becomes)
        self._uses[key.id] = becomes
        if not self._writing:
            task = asyncio.get_running_loop().create_task(self._write_uses())
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Wait for the uses that are being written."""
        await asyncio.gather(*self._writing)

    async def add(self, key: ApiKey) -> None:
        """Implement `ApiKeyRegister.add`."""

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(insert(connection, api_keys).values(_columns(key)))

        await self.database.step(work)

    async def list(self) -> list[ApiKey]:
        """Implement `ApiKeyRegister.list`."""
        async with self.database.read() as connection:
            rows = await connection.execute(
                select(api_keys).order_by(api_keys.c.made_at, api_keys.c.id)
            )
            return [_key(row) for row in rows]

    async def revoke(self, key_id: str, at: Instant) -> ApiKey | None:
        """Implement `ApiKeyRegister.revoke`."""
        is_it = api_keys.c.id == key_id

        async def work(connection: AsyncConnection) -> ApiKey | None:
            await connection.execute(
                update(api_keys).where(is_it, api_keys.c.revoked_at.is_(None)).values(revoked_at=at)
            )
            row = (await connection.execute(select(api_keys).where(is_it))).first()
            return None if row is None else _key(row)

        return await self.database.step(work)

    async def _found(self, ids: Sequence[str]) -> Mapping[str, ApiKey]:
        return {row[0]: _key(row) for row in await self.database.fetch(_FIND, ids)}

    async def _write_uses(self) -> None:
        while self._uses:
            used = [self._uses.pop(key_id) for key_id in sorted(self._uses)]

            async def work(connection: AsyncConnection, used: Sequence[ApiKey] = used) -> None:
                for key in used:
                    await connection.execute(_use_of(key))

            # The next use of the key, once it is read again, tries again.
            with suppress(Unavailable):
                await self.database.step(work)


def _use_of(key: ApiKey) -> Any:  # noqa: ANN401 - a statement
    used_at = api_keys.c.last_used_at
    return (
        update(api_keys)
        # A worker whose clock is behind does not turn the hour back.
        .where(api_keys.c.id == key.id, or_(used_at.is_(None), used_at <= key.last_used_at))
        .values(last_used_at=key.last_used_at, ring_key_id=key.ring_key_id, digest=key.digest.hex())
    )


def _columns(key: ApiKey) -> dict[str, Any]:
    return {
        **attrs.asdict(key, recurse=False),
        "scopes": " ".join(sorted(scope.value for scope in key.scopes)),
        "digest": key.digest.hex(),
    }


def _key(row: Sequence[Any]) -> ApiKey:
    key_id, name, scopes, made_at, last_used_at, revoked_at, ring_key_id, digest, *owner = row
    app_id, account_id = owner
    words = scopes.split()
    return ApiKey(
        id=key_id,
        name=name,
        # A later version may have other scopes, which open nothing here.
        scopes=frozenset(scope for scope in Scope if scope.value in words),
        made_at=made_at,
        last_used_at=last_used_at,
        revoked_at=revoked_at,
        ring_key_id=ring_key_id,
        digest=bytes.fromhex(digest),
        app_id=app_id,
        account_id=account_id,
    )
