"""
Queries of audit, sends and the funnel over time, for the operators' page and reports.

They run next to requests, like those of `audit_queries.py`, and aggregate in the database. The size
of a result grows with the number of periods, countries and senders, but not with the number of
rows.
"""

from collections.abc import Iterator
from typing import Any, Final

import attrs
from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, func, literal, select

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.tables import audit, funnel, sends
from hsp_otp.domain.audit import Action, Step
from hsp_otp.domain.challenge_outcomes import Issued, Verified
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import SECOND, Duration, Instant, after, day_of, to_iso
from hsp_otp.domain.policy import MAX_CODE_SECONDS
from hsp_otp.domain.purposes import Flow
from hsp_otp.ports.audit_queries import Span
from hsp_otp.ports.traffic_queries import STEPS, By, Delivery, Movement, Proof, StepCount

_COUNT: Final = audit.c["count"]


@attrs.frozen
class SqlTrafficQueries:
    """Queries of traffic. Each raises Unavailable if the database does not answer."""

    database: Database

    async def movements(self, span: Span, period: Duration) -> list[Movement]:
        """Implement `TrafficQueries.movements`."""
        return [Movement(**row) for row in await self._rows(movements_asked(span, period), period)]

    async def deliveries(self, span: Span, period: Duration) -> list[Delivery]:
        """Implement `TrafficQueries.deliveries`."""
        return [Delivery(**row) for row in await self._rows(deliveries_asked(span, period), period)]

    async def proofs(self, span: Span, period: Duration) -> list[Proof]:
        """Implement `TrafficQueries.proofs`."""
        return [Proof(**row) for row in await self._rows(proofs_asked(span, period), period)]

    async def steps(self, since: Instant, by: By) -> list[StepCount]:
        """Implement `TrafficQueries.steps`."""
        async with self.database.study() as connection:
            found = (await connection.execute(steps_asked(since, by))).all()
        return [
            StepCount(
                of=to_iso(Instant(of))[:10] if by == "day" else of,
                flow=Flow(flow),
                step=Step(step),
                word=word,
                count=count,
            )
            for of, flow, step, word, count in found
        ]

    async def _rows(
        self, asked: Select[*tuple[Any, ...]], period: Duration
    ) -> Iterator[dict[str, Any]]:
        async with self.database.study() as connection:
            found = (await connection.execute(asked)).mappings().all()
        told = (dict(row) for row in found)
        return ({"at": Instant(row.pop(_PERIOD) * period), **row} for row in told)


def movements_asked(span: Span, period: Duration) -> Select[*tuple[Any, ...]]:
    """
    Look-ups, sends, checks and uses of test contacts, by period and every attribute that
    distinguishes them.
    """
    by = (audit.c.flow, audit.c.region, audit.c.sender, audit.c.action, audit.c.outcome)
    return (
        select(
            _period(audit.c.at, period),
            *by,
            # PostgreSQL sums big integers to a decimal.
            cast(func.sum(_COUNT), BigInteger).label("requests"),
        )
        .where(audit.c.at >= span.since, audit.c.at < span.until, audit.c.action.in_(_ASKED))
        .group_by(_PERIOD, *by)
    )


def deliveries_asked(span: Span, period: Duration) -> Select[*tuple[Any, ...]]:
    """Messages with their states. Receipts are stored in the row of a send."""
    arrived = sends.c.state == DeliveryState.DELIVERED.value
    by = (audit.c.flow, audit.c.region, audit.c.sender, sends.c.state)
    return (
        select(
            _period(audit.c.at, period),
            *by,
            case((arrived, _step(sends.c.state_at - sends.c.at))).label(_STEP),
            func.count().label("messages"),
        )
        .join_from(
            audit,
            sends,
            and_(
                sends.c.sender == audit.c.sender,
                sends.c.provider_message_id == audit.c.provider_message_id,
            ),
            isouter=True,
        )
        .where(audit.c.outcome == Issued.word, audit.c.at >= span.since, audit.c.at < span.until)
        .group_by(_PERIOD, *by, _STEP)
    )


def proofs_asked(span: Span, period: Duration) -> Select[*tuple[Any, ...]]:
    """Right codes, each with the latest message to the same number that can have carried it."""
    sent = audit.alias("sent")
    message = (
        select(sent.c.id)
        .where(
            sent.c.contact_fingerprint == audit.c.contact_fingerprint,
            sent.c.at < audit.c.at,
            sent.c.at >= audit.c.at - MAX_CODE_SECONDS * SECOND,
            sent.c.outcome == Issued.word,
            sent.c.flow == audit.c.flow,
        )
        .order_by(sent.c.at.desc())
        .limit(1)
        .scalar_subquery()
    )
    right = (
        select(audit.c.at, audit.c.flow, audit.c.region, message.label("message"))
        .where(audit.c.outcome == Verified.word, audit.c.at >= span.since, audit.c.at < span.until)
        .subquery("proved")
    )
    by = (right.c.flow, right.c.region, sent.c.sender)
    return (
        select(
            _period(right.c.at, period),
            *by,
            _step(right.c.at - sent.c.at).label(_STEP),
            func.count().label("codes"),
        )
        .join_from(
            right,
            sent,
            # Limits the time of the messages too; otherwise PostgreSQL may read all rows.
            and_(
                sent.c.id == right.c.message,
                sent.c.at >= after(span.since, -MAX_CODE_SECONDS * SECOND),
            ),
            isouter=True,
        )
        .group_by(_PERIOD, *by, _STEP)
    )


def steps_asked(since: Instant, by: By) -> Select[*tuple[Any, ...]]:
    """The sums of steps, from the day of *since* on."""
    of = {"day": funnel.c.at, "country": funnel.c.region, "language": funnel.c.language}[by]
    grouped = (of, funnel.c.flow, funnel.c.step, funnel.c.word)
    return (
        select(*grouped, cast(func.sum(funnel.c["count"]), BigInteger))
        .where(funnel.c.at >= day_of(since))
        .group_by(*grouped)
        .order_by(of)
    )


# Groups refer to labels: PostgreSQL does not know that a parameter has the same value in both
# places.
_PERIOD: Final = "period"
_STEP: Final = "step"
_ASKED: Final = tuple(
    action.value for action in (Action.LOOK_UP, Action.SEND, Action.CHECK, Action.TEST_CONTACT)
)


def _period(at: ColumnElement[int], period: Duration) -> ColumnElement[int]:
    """The number of the period since 1970 that contains *at*."""
    return (at // literal(period, BigInteger)).label(_PERIOD)


def _step(took: ColumnElement[int]) -> ColumnElement[int | None]:
    """The index of the step in `STEPS` that contains a time; null if it is unknown."""
    return case(
        (took.is_(None), None),
        *((took < end * SECOND, place) for place, end in enumerate(STEPS)),
        else_=len(STEPS),
    )
