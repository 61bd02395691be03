"""Rebuilds limits from audit and send rows, for a store that has lost them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import Column, ColumnElement, Text, cast, func, select, tuple_

from hsp_otp.adapters.sql.async_engine import AsyncConnection
from hsp_otp.adapters.sql.batched_reads import BatchedReads
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.rows import VERIFIED_CODE, named_values
from hsp_otp.adapters.sql.stores import records_of, usages_in
from hsp_otp.adapters.sql.tables import audit, debts, sends
from hsp_otp.adapters.sql.write_statements import READ
from hsp_otp.domain import app_limits
from hsp_otp.domain.app_limits import (
    APP_SCOPES,
    AppSent,
    app_of,
    claim_keys,
    send_claimed_by,
)
from hsp_otp.domain.challenge_outcomes import Verified
from hsp_otp.domain.client_limits import MISSES_OF_ALL, Charged, recount
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.debtors import ledger_keys
from hsp_otp.domain.guard import (
    WHO,
    Debt,
    Group,
    LedgerKey,
    Ledgers,
    OwedSend,
    block_of,
    owing,
    recounted,
)
from hsp_otp.domain.instant import CLOCK_SKEW, Duration, Instant, after
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.ledger import LEDGER_WINDOW, Ledger
from hsp_otp.domain.names import UNKNOWN_CLIENT, ClientAddress
from hsp_otp.domain.passes import MISSES
from hsp_otp.domain.purposes import FLOWS, Flow, Slot
from hsp_otp.domain.quota import CLIENT_WINDOW, LONGEST_WINDOW, Usage, UsageKey, Usages, union
from hsp_otp.domain.send_limits import CONTACT_SCOPES, Sent, charged_keys, contact_of

_SENT: Final = (
    "SELECT contact, flow, client, lane, at, app_id, named_values, id, request, test_contact, "
    "channel FROM sends"
)

_SENDS_TO: Final = f"{_SENT} WHERE contact {{any}} AND at > {{since}}"

_SENDS_FROM: Final = f"{_SENT} WHERE network {{any}} AND at > {{since}}"

_SENDS_OF_APP: Final = f"{_SENT} WHERE app_id {{any}} AND at > {{since}}"

_SENDS_BY_ID: Final = f"{_SENT} WHERE id {{any}}"

_OWED: Final = "SELECT account, range, client, debt, at, paid, paid_at FROM debts"

_OWED_IN: Final = f"{_OWED} WHERE block {{any}} AND at > {{since}}"

_OWED_BY: Final = f"{_OWED} WHERE network {{any}} AND at > {{since}}"

_LATEST_SENDS: Final = (
    "SELECT slot, lane, max(at) FROM sends WHERE slot {any} AND test_contact IS NULL "
    "GROUP BY slot, lane"
)

_CHARGED_FROM: Final = (
    'SELECT at, client, charged, "count" FROM audit '
    "WHERE network {any} AND at > {since} AND charged IS NOT NULL"
)

_OF_SEND: Final = (
    *(sends.c.contact, sends.c.flow, sends.c.client, sends.c.lane, sends.c.at),
    *(sends.c.app_id, sends.c.named_values, sends.c.id, sends.c.request, sends.c.test_contact),
    sends.c.channel,
)

_OF_DEBT: Final = (
    *(debts.c.account, debts.c.range, debts.c.client),
    *(debts.c.debt, debts.c.at, debts.c.paid, debts.c.paid_at),
)

_CHARGED_TO_ONE: Final = (audit.c.at, audit.c.charged, audit.c["count"])

_Asked: TypeAlias = tuple[UsageKey, Instant]
"""A usage's key, and the current instant."""

_Group: TypeAlias = tuple[tuple[str, ...], list[list[Any]]]

_rows = msgspec.json.Decoder(list[list[Any]])

_CLIENT_WINDOW: Final[Duration] = CLIENT_WINDOW + CLOCK_SKEW
"""Reach of every client limit."""

_CONTACT_WINDOW: Final[Duration] = LONGEST_WINDOW + CLOCK_SKEW
"""Reach of every contact limit."""

_LEDGER_WINDOW: Final[Duration] = LEDGER_WINDOW + CLOCK_SKEW
"""Reach of every ledger."""

_GROUPS: Final = 200
"""Blocks or networks in one page of their debts of a month."""

_MOST_MISSES: Final = 1_000_000
"""Everybody's misses in an hour: the maximum of the setting that limits them."""


class SqlLimitRecovery:
    """
    Reads send and audit rows.

    A request that is still being served has no row yet. If this database counted it, its charge is
    in a record and is included too.
    """

    def __init__(
        self, database: Database, most_misses: int = _MOST_MISSES, *, page: int = 2_000
    ) -> None:
        """Read up to *most_misses* of everybody's misses, the latest, and *page* usages at once."""
        self.database = database
        self._most_misses = most_misses
        self._page = page
        # When a store has lost everything, every request reads; reads of one turn are combined.
        self._sends = BatchedReads(self._sends_of)
        self._ledgers = BatchedReads(self._ledgers_of)
        self._asked_at = BatchedReads(self._latest_of)
        self._usages = BatchedReads(self._usages_of)

    async def sends(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """Implement `SendHistory.sends`."""
        return await _each(self._sends, keys, now)

    async def ledgers(self, keys: tuple[LedgerKey, ...], now: Instant) -> Ledgers:
        """Implement `SendHistory.ledgers`."""
        answers = await asyncio.gather(*(self._ledgers.answer((key, now)) for key in keys))
        return {key: ledger or Ledger() for key, ledger in zip(keys, answers, strict=True)}

    async def all_ledgers(self, now: Instant) -> AsyncIterator[Ledgers]:
        """Implement `SendHistory.all_ledgers`."""
        owed = debts.c.at > after(now, -_LEDGER_WINDOW)
        for group, is_who in ((debts.c.block, False), (debts.c.network, True)):
            async for page in self._groups((group,), _OF_DEBT, owed, size=_GROUPS):
                told = _owed(row for _, rows in page for row in rows)
                yield {key: one for key, one in told.items() if (key.group in WHO) is is_who}

    async def asked_at(self, slot: Slot) -> Mapping[Lane, Instant]:
        """Implement `SendHistory.asked_at`."""
        return await self._asked_at.answer(str(slot)) or {}

    async def all_sends(self, now: Instant) -> AsyncIterator[Usages]:
        """Implement `SendHistory.all_sends`."""
        of_day = sends.c.at > after(now, -_CONTACT_WINDOW)
        async for page in self._groups((sends.c.contact,), _OF_SEND, of_day):
            yield _of_contacts(row for _, rows in page for row in rows)
        of_hour = sends.c.at > after(now, -_CLIENT_WINDOW)
        for who in (sends.c.client, sends.c.network):
            async for page in self._groups((who,), _OF_SEND, of_hour):
                ones = {one for (one,), _ in page}
                told = _of_clients(row for _, rows in page for row in rows)
                yield {key: told[key] for key in told if key.who in ones}
        # One by one, because an app has many sends.
        async for page in self._groups((sends.c.app_id,), _OF_SEND, of_day, size=1):
            yield _of_apps(row for _, rows in page for row in rows)

    async def all_asked_at(
        self, now: Instant
    ) -> AsyncIterator[Mapping[str, Mapping[Lane, Instant]]]:
        """Implement `SendHistory.all_asked_at`."""
        of_day = (sends.c.at > after(now, -_CONTACT_WINDOW)) & sends.c.test_contact.is_(None)
        async for page in self._groups((sends.c.slot,), (sends.c.lane, sends.c.at), of_day):
            yield {slot: _latest(rows) for (slot,), rows in page}

    async def usages(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """Implement `UsageHistory.usages`."""
        return await _each(self._usages, keys, now)

    async def all_usages(self, now: Instant) -> AsyncIterator[Usages]:
        """Implement `UsageHistory.all_usages`."""
        recent = audit.c.at > after(now, -_CLIENT_WINDOW)
        for who in (audit.c.client, audit.c.network):
            async for page in self._groups(
                (who,), _CHARGED_TO_ONE, recent & audit.c.charged.is_not(None)
            ):
                yield await self._with_counted(
                    {
                        key: usage
                        for (one,), rows in page
                        for key, usage in recount(
                            _charged(at, one, scopes, count) for at, scopes, count in rows
                        ).items()
                        if key.who == one
                    }
                )
        async with self.database.study() as connection:
            misses = await self._misses(connection, recent)
        yield await self._with_counted({MISSES_OF_ALL: misses})

    async def signed_in(self, client: ClientAddress, since: Instant) -> bool:
        """Implement `SignInHistory.signed_in`."""
        rows = select(audit.c.id).where(
            audit.c.client == client.value,
            audit.c.at > since,
            audit.c.outcome == Verified.word,
            audit.c.flow.in_([flow.value for flow, row in FLOWS.items() if row.signs_in]),
        )
        async with self.database.read() as connection:
            return bool(await connection.scalar(select(rows.exists())))

    async def _sends_of(self, asked: Sequence[_Asked]) -> dict[_Asked, Usage]:
        now = min(now for _, now in asked)
        keys = [key for key, _ in asked]
        contacts, apps, claims, networks = set[str](), set[str](), set[str](), set[str]()
        for key in keys:
            claimed = send_claimed_by(key)
            if claimed is not None:
                claims.add(claimed)
            elif key.scope in CONTACT_SCOPES:
                contacts.add(contact_of(key))
            elif key.scope in APP_SCOPES:
                apps.add(app_of(key))
            else:
                networks.add(ClientAddress(key.who).network)
        told: dict[UsageKey, Usage] = {}
        if contacts:
            since = after(now, -_CONTACT_WINDOW)
            told |= _of_contacts(await self.database.fetch(_SENDS_TO, sorted(contacts), since))
        if networks:
            since = after(now, -_CLIENT_WINDOW)
            told |= _of_clients(await self.database.fetch(_SENDS_FROM, sorted(networks), since))
        if apps:
            since = after(now, -_CONTACT_WINDOW)
            told |= _of_apps(await self.database.fetch(_SENDS_OF_APP, sorted(apps), since))
        if claims:
            # Those sends do not tell all that their apps have sent.
            by_id = _of_apps(await self.database.fetch(_SENDS_BY_ID, sorted(claims)))
            told |= {key: usage for key, usage in by_id.items() if send_claimed_by(key)}
        return {(key, now): told.get(key, ()) for key, now in asked}

    async def _ledgers_of(
        self, asked: Sequence[tuple[LedgerKey, Instant]]
    ) -> dict[tuple[LedgerKey, Instant], Ledger]:
        since = after(min(now for _, now in asked), -_LEDGER_WINDOW)
        blocks, networks = set[str](), set[str]()
        for key, _ in asked:
            name = key.who.rpartition(" ")[2]
            if key.group in WHO:
                networks.add(ClientAddress(name).network)
            else:
                blocks.add(name if key.group is Group.BLOCK else block_of(name))
        told: dict[LedgerKey, Ledger] = {}
        for statement, groups, is_who in ((_OWED_IN, blocks, False), (_OWED_BY, networks, True)):
            if groups:
                rows = await self.database.fetch(statement, sorted(groups), since)
                told |= {k: one for k, one in _owed(rows).items() if (k.group in WHO) is is_who}
        return {(key, now): told.get(key, Ledger()) for key, now in asked}

    async def _latest_of(self, slots: Sequence[str]) -> dict[str, Mapping[Lane, Instant]]:
        found = defaultdict[str, list[tuple[str | None, int]]](list)
        for slot, lane, at in await self.database.fetch(_LATEST_SENDS, slots):
            found[slot].append((lane, at))
        return {slot: _latest(rows) for slot, rows in found.items()}

    async def _usages_of(self, asked: Sequence[_Asked]) -> dict[_Asked, Usage]:
        since = after(min(now for _, now in asked), -_CLIENT_WINDOW)
        keys = tuple({key for key, _ in asked})
        networks = {ClientAddress(key.who).network for key in keys if key != MISSES_OF_ALL}
        told: dict[UsageKey, Usage] = {}
        if networks:
            rows = await self.database.fetch(_CHARGED_FROM, sorted(networks), since)
            told = recount(_charged(*row) for row in rows)
        if MISSES_OF_ALL in keys:
            async with self.database.read() as connection:
                told[MISSES_OF_ALL] = await self._misses(connection, audit.c.at > since)
        counted = await self._with_counted({key: told.get(key, ()) for key in keys})
        return {(key, now): counted[key] for key, now in asked}

    async def _with_counted(self, told: Usages) -> Usages:
        """Add the charges that this database counted while another store was away."""
        records = records_of(told)
        rows = await self.database.fetch(READ, list(records.values()))
        counted = usages_in({key: body for key, body, _ in rows}, records)
        return {key: union(usage, counted[key]) for key, usage in told.items()}

    async def _misses(self, connection: AsyncConnection, recent: ColumnElement[bool]) -> Usage:
        rows = (
            select(audit.c.at)
            .where(audit.c.outcome.in_(MISSES), recent, audit.c.charged.is_not(None))
            .order_by(audit.c.at.desc())
            .limit(self._most_misses)
        )
        return tuple(sorted(Instant(at) for at in await connection.scalars(rows)))

    async def _groups(
        self,
        by: tuple[Column[Any], ...],
        columns: tuple[ColumnElement[Any], ...],
        where: ColumnElement[bool],
        size: int | None = None,
    ) -> AsyncIterator[list[_Group]]:
        """The *columns* of one table's rows, grouped by the columns *by*, in pages of a *size*."""
        asked = (
            select(*by, _together(columns, is_postgres=self.database.is_postgres))
            .where(where, *(column.is_not(None) for column in by))
            .group_by(*by)
            .order_by(*by)
            .limit(size or self._page)
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


def _charges(rows: Iterable[Sequence[Any]]) -> dict[UsageKey, Usage]:
    """What sends were charged to, by rows of `_OF_SEND`; test contacts charge nothing."""
    told = defaultdict[UsageKey, list[Instant]](list)
    for contact, flow, client, lane, at, app_id, values, send_id, request, test, by in rows:
        address, channel = ClientAddress(client), Channel(by or Channel.SMS.value)
        keys: tuple[UsageKey, ...] = ()
        if app_id is None:
            sent = Sent(
                flow=Flow(flow),
                contact=Contact.stored(contact),
                client=address,
                lane=_lane(lane),
                channel=channel,
            )
            keys = charged_keys(sent)
        elif test is None:
            of_app = AppSent(
                app_id=app_id,
                contact=Contact.stored(contact),
                client=None if address == UNKNOWN_CLIENT else address,
                values=named_values(values),
                channel=channel,
            )
            keys = app_limits.charged_keys(of_app)
        if request is not None:
            keys += claim_keys((send_id,))
        for key in keys:
            told[key].append(Instant(at))
    return {key: tuple(sorted(instants)) for key, instants in told.items()}


def _owed(rows: Iterable[Sequence[Any]]) -> dict[LedgerKey, Ledger]:
    """The ledgers that sends lead to, by rows of `_OF_DEBT`."""
    found = list[OwedSend]()
    for account, range_, client, debt, at, paid, paid_at in rows:
        address = None if client is None else ClientAddress(client)
        keys = ledger_keys(account, address, range_)
        found.append(
            OwedSend(
                keys=owing(keys, Debt(debt)),
                at=Instant(at),
                paid_at=None if paid_at is None else Instant(paid_at),
                is_verified=paid == VERIFIED_CODE,
            )
        )
    return recounted(found)


def _of_contacts(rows: Iterable[Sequence[Any]]) -> dict[UsageKey, Usage]:
    """What sends were charged to for their contacts."""
    return {key: usage for key, usage in _charges(rows).items() if key.scope in CONTACT_SCOPES}


def _of_clients(rows: Iterable[Sequence[Any]]) -> dict[UsageKey, Usage]:
    """What sends were charged to for their clients and networks."""
    return {
        key: usage
        for key, usage in _charges(rows).items()
        if key.scope not in CONTACT_SCOPES and not _is_of_app(key)
    }


def _of_apps(rows: Iterable[Sequence[Any]]) -> dict[UsageKey, Usage]:
    """What sends were charged to for their apps, and the idempotency keys that they had."""
    return {key: usage for key, usage in _charges(rows).items() if _is_of_app(key)}


def _is_of_app(key: UsageKey) -> bool:
    return key.scope in APP_SCOPES or send_claimed_by(key) is not None


def _latest(rows: Iterable[Sequence[Any]]) -> dict[Lane, Instant]:
    """When the latest code of each lane was issued, by lanes and instants."""
    latest: dict[Lane, Instant] = {}
    for name, at in rows:
        lane = _lane(name)
        latest[lane] = max(Instant(at), latest.get(lane, Instant(0)))
    return latest


def _lane(name: str | None) -> Lane:
    """Rows from before there were lanes are of others."""
    return Lane.OTHERS if name is None else Lane(name)


def _together(columns: tuple[ColumnElement[Any], ...], *, is_postgres: bool) -> ColumnElement[str]:
    """The columns of all rows of a group, as the text of a JSON array of arrays."""
    if is_postgres:
        return cast(func.json_agg(func.json_build_array(*columns)), Text)
    return func.json_group_array(func.json_array(*columns))


async def _each(
    gathered: BatchedReads[_Asked, Usage], keys: tuple[UsageKey, ...], now: Instant
) -> Usages:
    answers = await asyncio.gather(*(gathered.answer((key, now)) for key in keys))
    return {key: usage or () for key, usage in zip(keys, answers, strict=True)}


def _charged(at: int, client: str, scopes: str, requests: int) -> Charged:
    return Charged(
        at=Instant(at), client=ClientAddress(client), scopes=tuple(scopes.split()), count=requests
    )
