"""What the rows remember of what was admitted, for a store that has forgotten it."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, TypeAlias

import attrs
import msgspec
from sqlalchemy import Column, ColumnElement, Text, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.stores import record_of, usages_in
from hsp_otp.adapters.sql.tables import audit, records, sends
from hsp_otp.domain.client_limits import MISSES_OF_ALL, Charged, recount
from hsp_otp.domain.instant import CLOCK_SKEW, Duration, Instant, after
from hsp_otp.domain.names import ClientAddress, Flow, Slot
from hsp_otp.domain.passes import MISSES
from hsp_otp.domain.quota import CLIENT_WINDOW, LONGEST_WINDOW, Usage, UsageKey, Usages, union
from hsp_otp.domain.slot import CLIENT_SENDS, PHONE_SENDS, Verified

_CHARGED: Final = (
    *(audit.c.at, audit.c.client, audit.c.charged),
    audit.c["count"].label("requests"),
)

_CHARGED_TO_ONE: Final = (audit.c.at, audit.c.charged, audit.c["count"])

_Group: TypeAlias = tuple[tuple[str, ...], list[list[Any]]]

_rows = msgspec.json.Decoder(list[list[Any]])

_CLIENT_WINDOW: Final[Duration] = CLIENT_WINDOW + CLOCK_SKEW
"""Of every limit of a client."""

_PHONE_WINDOW: Final[Duration] = LONGEST_WINDOW + CLOCK_SKEW

_MOST_MISSES: Final = 1_000_000
"""Of everybody in an hour: as many as the setting of their limit can ask for."""


@attrs.frozen
class SqlHistory:
    """
    Reads rows of sends, and of the audit.

    A request that is still under way has no row yet. Where it was counted in this database, its
    charge stands in a record, and counts as well.

    Attributes:
        most_misses: Of everybody, the latest of which are read.
        page: Usages in a page.
    """

    database: Database
    most_misses: int = _MOST_MISSES
    page: int = 2_000

    async def sends(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """Keep the promise of `SendHistory.sends`."""
        async with self.database.read() as connection:
            told: dict[UsageKey, Usage] = {}
            for key in keys:
                rows = select(sends.c.at).where(_charged_to(key, now)).order_by(sends.c.at)
                told[key] = tuple(Instant(at) for at in await connection.scalars(rows))
            return told

    async def asked_at(self, slot: Slot) -> Instant | None:
        """Keep the promise of `SendHistory.asked_at`."""
        latest = select(func.max(sends.c.at)).where(sends.c.slot == str(slot))
        async with self.database.read() as connection:
            at: Instant | None = await connection.scalar(latest)
            return at

    async def all_sends(self, now: Instant) -> AsyncIterator[Usages]:
        """Keep the promise of `SendHistory.all_sends`."""
        of_day = sends.c.at > after(now, -_PHONE_WINDOW)
        async for page in self._groups((sends.c.phone,), (sends.c.at,), of_day):
            yield {
                UsageKey(PHONE_SENDS, phone): tuple(sorted(at for (at,) in rows))
                for (phone,), rows in page
            }
        of_hour = sends.c.at > after(now, -_CLIENT_WINDOW)
        for who in (sends.c.client, sends.c.network):
            async for page in self._groups((who, sends.c.flow), (sends.c.at,), of_hour):
                yield {
                    UsageKey(f"{flow}{CLIENT_SENDS}", one): tuple(sorted(at for (at,) in rows))
                    for (one, flow), rows in page
                }

    async def all_asked_at(self, now: Instant) -> AsyncIterator[Mapping[str, Instant]]:
        """Keep the promise of `SendHistory.all_asked_at`."""
        of_day = sends.c.at > after(now, -_PHONE_WINDOW)
        async for page in self._groups((sends.c.slot,), (sends.c.at,), of_day):
            yield {slot: max(at for (at,) in rows) for (slot,), rows in page}

    async def usages(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """Keep the promise of `UsageHistory.usages`."""
        recent = audit.c.at > after(now, -_CLIENT_WINDOW)
        whos = {key.who for key in keys if key != MISSES_OF_ALL}
        networks = {ClientAddress(who).network for who in whos}
        of_clients = select(*_CHARGED).where(
            audit.c.network.in_(networks), recent, audit.c.charged.is_not(None)
        )
        if whos.isdisjoint(networks):  # nobody asks for all of a network
            of_clients = of_clients.where(audit.c.client.in_(whos))
        told: dict[UsageKey, Usage] = {}
        async with self.database.read() as connection:
            if whos:
                told = recount(_charged(row) for row in await connection.execute(of_clients))
            if MISSES_OF_ALL in keys:
                told[MISSES_OF_ALL] = await self._misses(connection, recent)
            counted = await _counted(connection, keys)
        return {key: union(told.get(key, ()), counted[key]) for key in keys}

    async def all_usages(self, now: Instant) -> AsyncIterator[Usages]:
        """Keep the promise of `UsageHistory.all_usages`."""
        recent = (audit.c.at > after(now, -_CLIENT_WINDOW)) & audit.c.charged.is_not(None)
        for who in (audit.c.client, audit.c.network):
            async for page in self._groups((who,), _CHARGED_TO_ONE, recent):
                yield await self._with_counted(
                    {
                        key: usage
                        for (one,), rows in page
                        for key, usage in recount(
                            Charged(
                                at=Instant(at),
                                client=ClientAddress(one),
                                scopes=tuple(charged.split()),
                                count=count,
                            )
                            for at, charged, count in rows
                        ).items()
                        if key.who == one
                    }
                )
        async with self.database.study() as connection:
            misses = await self._misses(connection, recent)
        yield await self._with_counted({MISSES_OF_ALL: misses})

    async def signed_in(self, client: ClientAddress, since: Instant) -> bool:
        """Keep the promise of `SignInHistory.signed_in`."""
        rows = select(audit.c.id).where(
            audit.c.client == client.value,
            audit.c.at > since,
            audit.c.outcome == Verified.word,
            audit.c.flow == Flow.PASS_LOGIN.value,
        )
        async with self.database.read() as connection:
            return bool(await connection.scalar(select(rows.exists())))

    async def _with_counted(self, told: Usages) -> Usages:
        async with self.database.study() as connection:
            counted = await _counted(connection, tuple(told))
        return {key: union(usage, counted[key]) for key, usage in told.items()}

    async def _misses(self, connection: AsyncConnection, recent: ColumnElement[bool]) -> Usage:
        rows = (
            select(audit.c.at)
            .where(audit.c.outcome.in_(MISSES), recent)
            .order_by(audit.c.at.desc())
            .limit(self.most_misses)
        )
        return tuple(sorted(Instant(at) for at in await connection.scalars(rows)))

    async def _groups(
        self,
        by: tuple[Column[Any], ...],
        columns: tuple[ColumnElement[Any], ...],
        where: ColumnElement[bool],
    ) -> AsyncIterator[list[_Group]]:
        """The rows of one table, grouped: pages of what a group goes by, and its *columns*."""
        asked = (
            select(*by, _together(columns, is_postgres=self.database.is_postgres))
            .where(where, *(column.is_not(None) for column in by))
            .group_by(*by)
            .order_by(*by)
            .limit(self.page)
        )
        last: tuple[str, ...] | None = None
        while True:
            page = asked if last is None else asked.where(tuple_(*by) > last)
            async with self.database.study() as connection:
                found = [tuple(row) for row in await connection.execute(page)]
            if not found:
                return
            last = found[-1][:-1]
            yield [(row[:-1], _rows.decode(row[-1])) for row in found]


def _together(columns: tuple[ColumnElement[Any], ...], *, is_postgres: bool) -> ColumnElement[str]:
    """The columns of all rows of a group, as text of a JSON array of arrays."""
    if is_postgres:
        return cast(func.json_agg(func.json_build_array(*columns)), Text)
    return func.json_group_array(func.json_array(*columns))


def _charged_to(key: UsageKey, now: Instant) -> ColumnElement[bool]:
    """The rows of sends that a limit on them counts."""
    if key.scope == PHONE_SENDS:
        return (sends.c.phone == key.who) & (sends.c.at > after(now, -_PHONE_WINDOW))
    client = ClientAddress(key.who)
    of_flow = (
        (sends.c.network == client.network)
        & (sends.c.at > after(now, -_CLIENT_WINDOW))
        & (sends.c.flow == key.scope.removesuffix(CLIENT_SENDS))
    )
    return of_flow if key.who == client.network else of_flow & (sends.c.client == key.who)


async def _counted(connection: AsyncConnection, keys: tuple[UsageKey, ...]) -> Usages:
    """What was counted in this database, while another store was away."""
    names = [record_of(key) for key in keys]
    kept = await connection.execute(
        select(records.c.key, records.c.body).where(records.c.key.in_(names))
    )
    return usages_in({row.key: row.body for row in kept}, keys)


def _charged(row: Any) -> Charged:  # noqa: ANN401 - of the columns above
    return Charged(
        at=Instant(row.at),
        client=ClientAddress(row.client),
        scopes=tuple(row.charged.split()),
        count=row.requests,
    )
