"""What the rows remember of what was admitted, for a store that has forgotten it."""

from typing import Any, Final

import attrs
from sqlalchemy import ColumnElement, func, select

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.stores import record_of, usages_in
from hsp_otp.adapters.sql.tables import audit, records, sends
from hsp_otp.domain.instant import CLOCK_SKEW, HOUR, Duration, Instant, after
from hsp_otp.domain.lookups import EVERYBODY, MISSES, Told, recount
from hsp_otp.domain.names import ClientAddress, Flow, Slot
from hsp_otp.domain.quota import UsageKey, Usages, union
from hsp_otp.domain.rows import Action
from hsp_otp.domain.slot import CLIENT_SENDS, PHONE_SENDS

_TOLD: Final = (
    *(audit.c.at, audit.c.client, audit.c.flow, audit.c.action, audit.c.outcome),
    audit.c["count"].label("requests"),
)

_WINDOW: Final[Duration] = HOUR + CLOCK_SKEW
"""Of the limits on checks and look-ups."""


@attrs.frozen
class SqlHistory:
    """Reads rows of sends, and of the audit."""

    database: Database

    async def sends(self, keys: tuple[UsageKey, ...]) -> Usages:
        """Keep the promise of `SendHistory.sends`."""
        async with self.database.read() as connection:
            told: dict[UsageKey, tuple[Instant, ...]] = {}
            for key in keys:
                rows = select(sends.c.at).where(_charged_to(key))
                found = await connection.execute(rows.order_by(sends.c.at))
                told[key] = tuple(Instant(at) for at in found.scalars())
            return told

    async def asked_at(self, slot: Slot) -> Instant | None:
        """Keep the promise of `SendHistory.asked_at`."""
        latest = select(func.max(sends.c.at)).where(sends.c.slot == str(slot))
        async with self.database.read() as connection:
            at: Instant | None = (await connection.execute(latest)).scalar()
            return at

    async def usages(self, keys: tuple[UsageKey, ...], now: Instant) -> Usages:
        """
        Keep the promise of `UsageHistory.usages`, by the audit rows.

        A request that is still under way has no row yet. Where it was counted in this database,
        its charge stands in a record.
        """
        clients = {key.who for key in keys if key.scope != EVERYBODY}
        client = next(iter(clients), "")  # a request is about one client, if any
        recent = audit.c.at > after(now, -_WINDOW)
        mine = audit.c.client == client
        missed = audit.c.outcome.in_(MISSES)
        hit = ~missed & (audit.c.flow == Flow.PASS_LOGIN.value)
        last_hit = select(*_TOLD).where(mine, ~recent, hit).order_by(audit.c.at.desc()).limit(1)
        async with self.database.read() as connection:
            rows = [
                *await connection.execute(select(*_TOLD).where(mine, recent)),
                *await connection.execute(select(*_TOLD).where(~mine, recent, missed)),
                *await connection.execute(last_hit),
            ]
            kept = await connection.execute(
                select(records.c.key, records.c.body).where(
                    records.c.key.in_([*map(record_of, keys)])
                )
            )
        told = recount(map(_told, rows), ClientAddress(client))
        counted = usages_in({row.key: row.body for row in kept}, keys)
        return {key: union(told[key], counted[key]) for key in keys}


def _charged_to(key: UsageKey) -> ColumnElement[bool]:
    """The rows of sends that a limit on them counts."""
    if key.scope == PHONE_SENDS:
        return sends.c.phone == key.who
    flow = key.scope.removesuffix(CLIENT_SENDS)
    return (sends.c.client == key.who) & (sends.c.flow == flow)


def _told(row: Any) -> Told:  # noqa: ANN401 - of the columns above
    return Told(
        at=Instant(row.at),
        client=None if row.client is None else ClientAddress(row.client),
        flow=None if row.flow is None else Flow(row.flow),
        action=Action(row.action),
        outcome=row.outcome,
        count=row.requests,
    )
