"""The delivery state of messages, stored with their sends."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
from sqlalchemy import ColumnElement, Insert, exists, select, update

from hsp_otp.adapters.sql.async_engine import AsyncConnection
from hsp_otp.adapters.sql.database import Database, insert
from hsp_otp.adapters.sql.rows import step_rows
from hsp_otp.adapters.sql.tables import funnel, sends
from hsp_otp.adapters.sql.write_statements import FUNNEL
from hsp_otp.domain.audit import StepRow
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.decision import Decision, O
from hsp_otp.domain.delivery import AppSend, DeliveryState, TakenMessage
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.purposes import Flow, Slot
from hsp_otp.ports.clock import Clock


@attrs.frozen
class SqlDeliveries:
    """Stores states in the rows of sends, with the time of the last change."""

    database: Database
    clock: Clock

    async def transition(
        self,
        sender: str,
        provider_message_id: str,
        decide: Callable[[TakenMessage | None], Decision[TakenMessage | None, O]],
    ) -> O:
        """Implement `Deliveries.transition`."""
        which = _of(sender, provider_message_id)

        async def step(connection: AsyncConnection) -> O:
            found = await connection.execute(_MESSAGE.where(which).with_for_update())
            held = _taken(found.first())
            decision = decide(held)
            if decision.becomes is not held and decision.becomes is not None:
                moved = {"state": decision.becomes.state.value, "state_at": self.clock.now()}
                await connection.execute(update(sends).where(which).values(moved))
            steps = [row for row in decision.rows if isinstance(row, StepRow)]
            if held is not None and steps:
                await connection.execute(_added(connection, step_rows(steps, self.database.shard)))
            return decision.outcome

        return await self.database.step(step)

    async def may_become_known(self, sender: str, provider_message_id: str, since: Instant) -> bool:
        """Implement `Deliveries.may_become_known`."""
        untaken = exists().where(sends.c.at > since, sends.c.state.is_(None))
        # In one statement: a message that is recorded in between satisfies one of the two
        # conditions.
        asked = select(untaken | exists().where(_of(sender, provider_message_id)))
        async with self.database.read() as connection:
            return bool((await connection.execute(asked)).scalar())


_MESSAGE: Final = select(
    *(sends.c.state, sends.c.at, sends.c.flow, sends.c.contact, sends.c.language),
    *(sends.c.id, sends.c.slot, sends.c.verification_id, sends.c.channel),
)


def _taken(row: Any) -> TakenMessage | None:  # noqa: ANN401 - a row of `_MESSAGE`, or None
    if row is None or row.state is None:
        return None
    return TakenMessage(
        send_id=row.id,
        slot=Slot.stored(row.slot),
        state=DeliveryState(row.state),
        at=Instant(row.at),
        flow=Flow(row.flow),
        contact=Contact.stored(row.contact),
        language=row.language,
        app_send=None
        if row.verification_id is None
        else AppSend(id=row.id, verification_id=row.verification_id, channel=Channel(row.channel)),
    )


def _added(connection: AsyncConnection, rows: Sequence[Sequence[Any]]) -> Insert:
    values = [dict(zip(FUNNEL.columns, row, strict=True)) for row in rows]
    statement = insert(connection, funnel).values(values)
    (index,) = funnel.indexes
    return statement.on_conflict_do_update(
        index_elements=list(index.columns),
        set_={"count": funnel.c["count"] + statement.excluded["count"]},
    )


def _of(sender: str, provider_message_id: str) -> ColumnElement[bool]:
    return (sends.c.sender == sender) & (sends.c.provider_message_id == provider_message_id)
