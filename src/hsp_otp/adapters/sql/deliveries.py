"""The delivery state of messages, stored with their sends."""

from collections.abc import Callable

import attrs
from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.tables import sends
from hsp_otp.domain.decision import Decision, O
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import Instant
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
        decide: Callable[[DeliveryState | None], Decision[DeliveryState | None, O]],
    ) -> O:
        """Implement `Deliveries.transition`."""
        which = _of(sender, provider_message_id)

        async def step(connection: AsyncConnection) -> O:
            found = await connection.execute(select(sends.c.state).where(which).with_for_update())
            state = found.scalars().first()
            held = None if state is None else DeliveryState(state)
            decision = decide(held)
            if decision.becomes is not held and decision.becomes is not None:
                moved = {"state": decision.becomes.value, "state_at": self.clock.now()}
                await connection.execute(update(sends).where(which).values(moved))
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


def _of(sender: str, provider_message_id: str) -> ColumnElement[bool]:
    return (sends.c.sender == sender) & (sends.c.provider_message_id == provider_message_id)
