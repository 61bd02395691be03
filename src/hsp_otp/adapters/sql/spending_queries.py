"""Queries of what messages cost; they run next to requests, like those of `audit_queries.py`."""

from collections.abc import AsyncGenerator
from typing import Any, Final

import attrs
from sqlalchemy import BigInteger, ColumnElement, Select, and_, cast, func, or_, select

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.record_kinds import BUDGETS
from hsp_otp.adapters.sql.tables import apps, audit, records, sends
from hsp_otp.domain.audit import Action
from hsp_otp.domain.budgets import Budget, BudgetKey, budget_key
from hsp_otp.domain.challenge_outcomes import Issued, Verified, WorkRequired
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.guard import CAPS, Group, read_reasons
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import UNKNOWN_CLIENT
from hsp_otp.domain.past_asks import PastRow
from hsp_otp.ports.audit_queries import Span
from hsp_otp.ports.spending_queries import FullBlock, Spent

_PAGE: Final = 5_000
"""Rows of the past read at a time."""

_REFUSED: Final = "refused"
_STRETCH: Final = "stretch"

_OF_BLOCKS: Final = (Group.BLOCK, Group.RANGE)


@attrs.frozen
class SqlSpendingQueries:
    """Queries of audit and budgets. Each raises Unavailable if the database does not answer."""

    database: Database

    async def spent(self, span: Span) -> list[Spent]:
        """Implement `SpendingQueries.spent`."""
        async with self.database.study() as connection:
            rows = (await connection.execute(spent_asked(span))).mappings().all()
        return [Spent(**row) for row in rows]

    async def budgets(self) -> dict[BudgetKey, Budget]:
        """Implement `SpendingQueries.budgets`."""
        first = BUDGETS.key("")
        stored = select(records.c.key, records.c.body).where(
            records.c.key > first,
            records.c.key < f"{first[:-1]}{chr(ord(first[-1]) + 1)}",
        )
        async with self.database.study() as connection:
            rows = (await connection.execute(stored)).all()
        return {budget_key(row.key[len(first) :]): BUDGETS.format.decode(row.body) for row in rows}

    async def full_blocks(self, span: Span, count: int) -> list[FullBlock]:
        """Implement `SpendingQueries.full_blocks`."""
        async with self.database.study() as connection:
            rows = (await connection.execute(full_blocks_asked(span))).all()
        found: list[FullBlock] = []
        for row in rows:
            reasons = read_reasons(row.reasons)
            if any(one.is_full and one.group in _OF_BLOCKS for one in reasons):
                found.append(
                    FullBlock(
                        block=row.block,
                        region=row.region,
                        asks=row.asks,
                        last=Instant(row.last),
                        reasons=reasons,
                    )
                )
            if len(found) == count:
                break
        return found

    async def past(self, span: Span) -> AsyncGenerator[PastRow]:
        """Implement `PastQueries.past`."""
        asked = past_asked(span).order_by(audit.c.at, audit.c.id).limit(_PAGE)
        later = asked
        while True:
            async with self.database.study() as connection:
                rows = (await connection.execute(later)).all()
            for row in rows:
                yield _past_row(row)
            if len(rows) < _PAGE:
                return
            last = rows[-1]
            later = asked.where(
                audit.c.at >= last.at, (audit.c.at > last.at) | (audit.c.id > last.audit_id)
            )

    async def refusing(self, span: Span) -> frozenset[BudgetKey]:
        """Implement `SpendingQueries.refusing`."""
        async with self.database.study() as connection:
            rows = (await connection.execute(refusing_asked(span))).all()
        return frozenset(
            BudgetKey(row.account, row.region if one.group is Group.REGION_CAP else None)
            for row in rows
            for one in read_reasons(row.reasons)
            if one.group in CAPS and one.is_full
        )


def spent_asked(span: Span) -> Select[*tuple[Any, ...]]:
    """The phone messages that senders took, the dearest first."""
    by = (
        audit.c.flow,
        audit.c.app,
        audit.c.region,
        func.coalesce(audit.c.spent_by, audit.c.sender).label("sender"),
    )
    money = func.coalesce(cast(func.sum(audit.c.price), BigInteger), 0).label("money")
    messages = func.count().label("messages")
    return (
        select(*by, messages, func.count(audit.c.price).label("priced"), money)
        .where(
            audit.c.outcome == Issued.word,
            func.coalesce(audit.c.channel, "") != Channel.EMAIL.value,
            *_within(span),
        )
        .group_by(*by)
        .order_by(money.desc(), messages.desc(), *by)
    )


def full_blocks_asked(span: Span) -> Select[*tuple[Any, ...]]:
    """
    The blocks of the asks that one side was too full for, those with the most asks first, each with
    the reasons of its latest.
    """
    blocks = (
        select(
            audit.c.block_fingerprint.label("block"),
            func.max(audit.c.id).label("latest"),
            cast(func.sum(audit.c["count"]), BigInteger).label("asks"),
        )
        .where(
            audit.c.block_fingerprint.is_not(None),
            audit.c.verdict.in_((_REFUSED, _STRETCH)),
            audit.c.reasons.is_not(None),
            _names_a_block(),
            *_within(span),
        )
        .group_by(audit.c.block_fingerprint)
        .subquery()
    )
    return (
        select(
            blocks.c.block,
            blocks.c.asks,
            audit.c.region,
            audit.c.at.label("last"),
            audit.c.reasons,
        )
        .join_from(blocks, audit, audit.c.id == blocks.c.latest)
        .order_by(blocks.c.asks.desc(), blocks.c.block)
    )


def past_asked(span: Span) -> Select[*tuple[Any, ...]]:
    """The asks that the guard judged, with what receipts said, and the right codes."""
    return (
        select(
            audit.c.id.label("audit_id"),
            audit.c.at,
            audit.c.request_id,
            func.coalesce(apps.c.id, audit.c.flow).label("account"),
            audit.c.purpose,
            audit.c.subject_fingerprint,
            audit.c.region,
            audit.c.contact_fingerprint,
            audit.c.range_fingerprint,
            audit.c.block_fingerprint,
            audit.c.client,
            audit.c.price,
            audit.c.verdict,
            audit.c.known_by,
            (audit.c.outcome == Issued.word).label("is_sent"),
            sends.c.state,
            sends.c.state_at,
            audit.c["count"],
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
        .join(apps, apps.c.name == audit.c.app, isouter=True)
        .where(
            audit.c.contact_fingerprint.is_not(None),
            or_(
                and_(audit.c.price.is_not(None), audit.c.outcome != WorkRequired.word),
                and_(audit.c.action == Action.CHECK.value, audit.c.outcome == Verified.word),
            ),
            *_within(span),
        )
    )


def _past_row(row: Any) -> PastRow:  # noqa: ANN401 - the requested columns
    return PastRow(
        at=Instant(row.at),
        id=row.request_id or "",
        account=row.account,
        subject=f"{row.purpose} {row.subject_fingerprint or ''}",
        region=row.region,
        contact=row.contact_fingerprint,
        range=row.range_fingerprint or "",
        block=row.block_fingerprint or "",
        client=row.client or UNKNOWN_CLIENT.value,
        price=row.price,
        verdict=row.verdict,
        known_by=row.known_by,
        is_sent=bool(row.is_sent),
        state=row.state,
        state_at=row.state_at,
        count=row.count,
    )


def refusing_asked(span: Span) -> Select[*tuple[Any, ...]]:
    """The reasons of refusals that name a cap."""
    return (
        select(
            func.coalesce(apps.c.id, audit.c.flow).label("account"),
            audit.c.region,
            audit.c.reasons,
        )
        .join_from(audit, apps, apps.c.name == audit.c.app, isouter=True)
        .where(
            audit.c.verdict == _REFUSED,
            audit.c.reasons.contains(f"{Group.CAP.value} "),
            *_within(span),
        )
        .distinct()
    )


def _names_a_block() -> ColumnElement[bool]:
    return or_(*(audit.c.reasons.contains(f"{group.value} ") for group in _OF_BLOCKS))


def _within(span: Span) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return audit.c.at >= span.since, audit.c.at < span.until
