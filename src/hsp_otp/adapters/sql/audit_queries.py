"""
Queries of the audit for investigations.

Each query is a function over a span of time. They run next to requests, on a connection that no
request waits for.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
from sqlalchemy import ColumnElement, Select, and_, case, func, literal, select, union_all

from hsp_otp.adapters.sql.database import Database, is_postgres
from hsp_otp.adapters.sql.tables import audit, sends
from hsp_otp.domain.challenge_outcomes import Issued, Locked, Verified, WorkRequired, WrongCode
from hsp_otp.domain.fraud_patterns import (
    ADDRESS,
    MOST_VERIFIED_PERCENT,
    NUMBER,
    PREFIX,
    SUSPECT_MISSES,
    SUSPECT_SENDS,
    SUSPECT_SENDS_TO_ONE,
    Suspicion,
    Traffic,
    of_lookups,
    of_sends,
    shown,
)
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.passes import MISSES, UsablePass
from hsp_otp.domain.quota import Limit
from hsp_otp.ports.audit_queries import Entry, Span, Tally, Wanted

PAGE: Final = 1_000
"""Rows read at a time."""

_MOST: Final = 100
"""Maximum suspicions of one kind; more than anybody reads."""

_GOOD_PART: Final = 4
"""Denominator of the share of rows above which it is faster to read all of them in index order."""

_EXTENT: Final = select(
    select(func.min(audit.c.at)).scalar_subquery(), select(func.max(audit.c.at)).scalar_subquery()
)

_IN_ORDER: Final = (audit.c.at, audit.c.id)

_COUNT: Final = audit.c["count"]
_REFUSED: Final = (*(limit.value for limit in Limit), Locked.word, WorkRequired.word)

_NOT_TOLD: Final = {
    *("network", "charged", "flood_key"),
    "known_by",
}
"""Columns that only the limits and the guard need."""

_ENTRY: Final = select(
    *(column for column in audit.columns if column.name not in _NOT_TOLD),
    sends.c.state,
    sends.c.state_at,
).join_from(
    audit,
    sends,
    and_(
        sends.c.sender == audit.c.sender, sends.c.provider_message_id == audit.c.provider_message_id
    ),
    isouter=True,
)


@attrs.frozen
class SqlAuditQueries:
    """Queries of the audit. Each raises Unavailable if the database does not answer."""

    database: Database

    async def entries(self, wanted: Wanted) -> AsyncGenerator[Entry]:
        """Implement `AuditQueries.entries`."""
        asked = entries_asked(wanted).order_by(*_IN_ORDER).limit(PAGE)
        page = await self._page(asked)
        while page:
            for entry in page:
                yield entry
            last = page[-1]
            page = await self._page(
                # The redundant first condition lets the index by time be used.
                asked.where(audit.c.at >= last.at, (audit.c.at > last.at) | (audit.c.id > last.id))
            )

    async def latest(self, wanted: Wanted, count: int) -> list[Entry]:
        """Implement `AuditQueries.latest`."""
        page = await self._page(
            entries_asked(wanted).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(count)
        )
        return page[::-1]

    async def top_addresses(self, span: Span, count: int) -> list[Tally]:
        """Implement `AuditQueries.top_addresses`."""
        asked = addresses_asked(span, by_address=await self._is_most(span))
        return [
            Tally(
                kind="address",
                who=row.client,
                requests=int(row.requests),
                sent=row.sent,
                verified=row.verified,
                wrong=row.wrong,
                missed=row.missed,
                refused=int(row.refused),
            )
            for row in await self.rows(asked.limit(count))
        ]

    async def top_prefixes(self, span: Span, count: int) -> list[Tally]:
        """Implement `AuditQueries.top_prefixes`."""
        rows = await self.rows(prefixes_asked(span).limit(count))
        verified = await self._counted(verified_asked, [row.who for row in rows], span)
        return [
            Tally(kind="prefix", verified=verified.get(row.who, 0), **row._mapping)  # noqa: SLF001
            for row in rows
        ]

    async def top_countries(self, span: Span, count: int) -> list[Tally]:
        """Implement `AuditQueries.top_countries`."""
        rows = await self.rows(countries_asked(span).limit(count))
        return [Tally(kind="country", region=row.who, **row._mapping) for row in rows]  # noqa: SLF001

    async def suspicions(self, span: Span) -> list[Suspicion]:
        """Implement `AuditQueries.suspicions`."""
        in_order = await self._is_most(span)
        suspected = [
            *await self.rows(numbers_suspected(span, in_order=in_order)),
            *await self.rows(addresses_suspected(span, in_order=in_order).limit(_MOST)),
        ]
        found: list[Suspicion] = []
        for kind, column in (
            (PREFIX, audit.c.range_fingerprint),
            (ADDRESS, audit.c.client),
            (NUMBER, audit.c.contact_fingerprint),
        ):
            verified = {row.who: row.verified for row in suspected if row.of == kind}
            if verified:
                sent = await self.rows(sends_asked(column, list(verified), span))
                found += of_sends(kind, [_traffic(row, verified=verified[row.who]) for row in sent])
        rows = await self.rows(many_misses_asked(span).limit(_MOST))
        hits = await self._counted(hits_asked, [row.who for row in rows], span)
        found += of_lookups([_traffic(row, hits=hits.get(row.who, 0)) for row in rows])
        return await self._with_evidence(found)

    async def _page(self, asked: Select[*tuple[Any, ...]]) -> list[Entry]:
        return [Entry(**row._mapping) for row in await self.rows(asked)]  # noqa: SLF001

    async def rows(self, asked: Select[*tuple[Any, ...]]) -> Sequence[Any]:
        """The rows of one of the queries below."""
        async with self.database.study() as connection:
            found: Sequence[Any] = (await connection.execute(asked)).all()
            return found

    async def _counted(
        self,
        asking: Callable[[Sequence[str], Span], Select[*tuple[Any, ...]]],
        who: Sequence[str],
        span: Span,
    ) -> Mapping[str, int]:
        rows = await self.rows(asking(who, span)) if who else ()
        return {row.who: row.times for row in rows}

    async def _is_most(self, span: Span) -> bool:
        """Whether *span* covers a large part of the time that the rows cover."""
        async with self.database.study() as connection:
            if is_postgres(connection):
                return False  # its planner decides by itself
            found = await connection.execute(_EXTENT)
            first, last = found.one()
        if first is None:
            return False
        inside: int = min(span.until, last) - max(span.since, first)
        return inside * _GOOD_PART > int(last) - int(first)

    async def _with_evidence(self, found: Iterable[Suspicion]) -> list[Suspicion]:
        """Add the first and the last request to each suspicion."""
        told = list(found)
        instants = {at for one in told for at in (one.traffic.first, one.traffic.last)}
        if not instants:
            return []
        rows = await self.rows(evidence_asked(instants))
        return [
            attrs.evolve(
                one,
                phone=next((shown(one.of, row.contact) for row in _of(rows, one)), None),
                requests=tuple(
                    next(row.request_id for row in _of(rows, one) if row.at == at)
                    for at in dict.fromkeys((one.traffic.first, one.traffic.last))
                ),
            )
            for one in told
        ]


def entries_asked(wanted: Wanted) -> Select[*tuple[Any, ...]]:
    """The rows that match, not yet ordered."""
    asked = _ENTRY.where(*_within(wanted.span))
    if wanted.contacts:
        asked = asked.where(audit.c.contact_fingerprint.in_(wanted.contacts))
    if wanted.ranges:
        asked = asked.where(audit.c.range_fingerprint.in_(wanted.ranges))
    if wanted.address is not None:
        asked = asked.where(audit.c.client == wanted.address)
    if wanted.outcome is not None:
        asked = asked.where(audit.c.outcome == wanted.outcome)
    if wanted.app is not None:
        asked = asked.where(audit.c.app == wanted.app)
    if wanted.verification is not None:
        asked = asked.where(audit.c.verification_id == wanted.verification)
    return asked


def addresses_asked(span: Span, *, by_address: bool = False) -> Select[*tuple[Any, ...]]:
    """
    The totals of each address, the most requests first.

    Args:
        by_address: Read the rows address by address instead of sorting those of the span. SQLite's
            planner does not estimate which is faster.
    """
    requests = func.sum(_COUNT).label("requests")
    return (
        select(
            audit.c.client,
            requests,
            _count_of("sent", Issued.word),
            _count_of("verified", Verified.word),
            _count_of("wrong", WrongCode.word),
            _count_of("missed", *sorted(MISSES)),
            # One of these rows may stand for a flood.
            func.sum(case((audit.c.outcome.in_(_REFUSED), _COUNT), else_=0)).label("refused"),
        )
        .where(
            audit.c.client.is_not(None),
            # An expression cannot use an index by time.
            *_within(span, audit.c.at + 0 if by_address else audit.c.at),
        )
        .group_by(audit.c.client)
        .order_by(requests.desc(), audit.c.client)
    )


def prefixes_asked(span: Span) -> Select[*tuple[Any, ...]]:
    """The sends to each range of numbers, the most first."""
    sent = func.count().label("sent")
    return (
        select(
            audit.c.range_fingerprint.label("who"),
            func.max(audit.c.region).label("region"),
            sent,
            _numbers(),
        )
        .where(
            audit.c.outcome == Issued.word,
            audit.c.range_fingerprint.is_not(None),
            *_within(span),
        )
        .group_by(audit.c.range_fingerprint)
        .order_by(sent.desc(), audit.c.range_fingerprint)
    )


def countries_asked(span: Span) -> Select[*tuple[Any, ...]]:
    """The sends to each region and the verified ones, the most sends first."""
    sent = _count_of("sent", Issued.word)
    return (
        select(
            func.coalesce(audit.c.region, "unknown").label("who"),
            sent,
            _count_of("verified", Verified.word),
            func.count(
                case((audit.c.outcome == Issued.word, audit.c.contact_fingerprint)).distinct()
            ).label("numbers"),
        )
        .where(audit.c.outcome.in_((Issued.word, Verified.word)), *_within(span))
        .group_by(audit.c.region)
        .order_by(sent.desc(), audit.c.region)
    )


def numbers_suspected(span: Span, *, in_order: bool = False) -> Select[*tuple[Any, ...]]:
    """
    Numbers, and ranges of numbers, with many sends and few verified.

    A range is the sum of its numbers, so the rows are read once for both. *in_order* is like
    `by_address` of `addresses_asked`, but number by number.
    """
    prefix = func.max(audit.c.range_fingerprint).label("prefix")
    numbers = (
        _sent_and_verified(audit.c.contact_fingerprint, span, in_order=in_order)
        .add_columns(prefix)
        .cte("numbers")
    )
    sent, verified = func.sum(numbers.c.sent), func.sum(numbers.c.verified)
    ranges = (
        select(
            literal(PREFIX).label("of"),
            numbers.c.prefix.label("who"),
            sent.label("sent"),
            verified.label("verified"),
        )
        .where(numbers.c.prefix.is_not(None))
        .group_by(numbers.c.prefix)
        .having(*_few(sent, verified))
    )
    single = select(
        literal(NUMBER).label("of"), numbers.c.who, numbers.c.sent, numbers.c.verified
    ).where(numbers.c.sent >= SUSPECT_SENDS_TO_ONE, numbers.c.verified == 0)
    return select(union_all(_most_of(ranges), _most_of(single)).subquery())


def addresses_suspected(span: Span, *, in_order: bool = False) -> Select[*tuple[Any, ...]]:
    """Addresses with many sends and few verified; *in_order* is as for numbers."""
    found = _sent_and_verified(audit.c.client, span, in_order=in_order).subquery()
    return (
        select(literal(ADDRESS).label("of"), found.c.who, found.c.sent, found.c.verified)
        .where(*_few(found.c.sent, found.c.verified))
        .order_by(found.c.sent.desc(), found.c.who)
    )


def sends_asked(
    column: ColumnElement[Any], who: Sequence[str], span: Span
) -> Select[*tuple[Any, ...]]:
    """The sends of each of *who* in *column*, the most first."""
    sent = func.count().label("sent")
    return (
        select(
            column.label("who"),
            func.max(audit.c.region).label("region"),
            sent,
            *((_numbers(),) if column is not audit.c.contact_fingerprint else ()),
            func.count(audit.c.client.distinct()).label("addresses"),
            func.min(audit.c.at).label("first"),
            func.max(audit.c.at).label("last"),
        )
        .where(audit.c.outcome == Issued.word, column.in_(who), *_within(span))
        .group_by(column)
        .order_by(sent.desc(), column)
    )


def many_misses_asked(span: Span) -> Select[*tuple[Any, ...]]:
    """Addresses with many missed look-ups."""
    missed = func.count().label("missed")
    return (
        select(
            audit.c.client.label("who"),
            missed,
            func.min(audit.c.at).label("first"),
            func.max(audit.c.at).label("last"),
        )
        .where(audit.c.outcome.in_(sorted(MISSES)), audit.c.client.is_not(None), *_within(span))
        .group_by(audit.c.client)
        .having(missed >= SUSPECT_MISSES)
        .order_by(missed.desc(), audit.c.client)
    )


def verified_asked(prefixes: Sequence[str], span: Span) -> Select[*tuple[Any, ...]]:
    """The number of verified codes, by range of numbers."""
    prefix = audit.c.range_fingerprint
    return (
        select(prefix.label("who"), func.count().label("times"))
        .where(audit.c.outcome == Verified.word, prefix.in_(prefixes), *_within(span))
        .group_by(prefix)
    )


def hits_asked(addresses: Sequence[str], span: Span) -> Select[*tuple[Any, ...]]:
    """The number of look-ups with a usable pass, by address; a small part of all such look-ups."""
    return (
        select(audit.c.client.label("who"), _count_of("times", UsablePass.word))
        .where(audit.c.client.in_(addresses), *_within(span))
        .group_by(audit.c.client)
    )


def evidence_asked(instants: Iterable[Instant]) -> Select[*tuple[Any, ...]]:
    """The rows of those instants that can be evidence for a suspicion."""
    return select(
        audit.c.at,
        audit.c.outcome,
        audit.c.client,
        audit.c.contact,
        audit.c.contact_fingerprint,
        audit.c.range_fingerprint,
        audit.c.request_id,
    ).where(audit.c.outcome.in_((Issued.word, *sorted(MISSES))), audit.c.at.in_(sorted(instants)))


def _within(
    span: Span, at: ColumnElement[int] = audit.c.at
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return at >= span.since, at < span.until


def _sent_and_verified(
    column: ColumnElement[Any], span: Span, *, in_order: bool
) -> Select[*tuple[Any, ...]]:
    """The sends and the verified codes, grouped by *column*."""
    sent, verified = Issued.word, Verified.word
    return (
        select(column.label("who"), _count_of("sent", sent), _count_of("verified", verified))
        .where(
            column.is_not(None),
            *(
                _within(span, audit.c.at + 0)
                if in_order
                else (audit.c.outcome.in_((sent, verified)), *_within(span))
            ),
        )
        .group_by(column)
    )


def _few(
    sent: ColumnElement[int], verified: ColumnElement[int]
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Preselect what may be suspicious; the rule itself checks more."""
    return sent >= SUSPECT_SENDS, 100 * verified < MOST_VERIFIED_PERCENT * sent


def _most_of(found: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """The part with the most sends, as a subquery: SQLite allows no limit within a union."""
    part = found.subquery()
    return select(select(part).order_by(part.c.sent.desc(), part.c.who).limit(_MOST).subquery())


def _count_of(name: str, *outcomes: str) -> ColumnElement[int]:
    return func.count(case((audit.c.outcome.in_(outcomes), 1))).label(name)


def _numbers() -> ColumnElement[int]:
    return func.count(audit.c.contact_fingerprint.distinct()).label("numbers")


def _traffic(row: Any, *, verified: int = 0, hits: int = 0) -> Traffic:  # noqa: ANN401
    told = row._mapping  # noqa: SLF001 - the requested columns
    return Traffic(**told, verified=verified, hits=hits)


def _of(rows: Sequence[Any], found: Suspicion) -> Iterable[Any]:
    """The rows that *found* is about."""
    name = {PREFIX: "range_fingerprint", NUMBER: "contact_fingerprint", ADDRESS: "client"}[found.of]
    sent = not found.traffic.missed
    return (
        row
        for row in rows
        if getattr(row, name) == found.traffic.who and (row.outcome == Issued.word) is sent
    )
