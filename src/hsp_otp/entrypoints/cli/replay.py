"""The `replay` command: docs/contract.md, section 10."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Final

import attrs

from hsp_otp.adapters.sql.spending_queries import SqlSpendingQueries
from hsp_otp.domain.instant import Instant, after, to_iso
from hsp_otp.domain.ledger import LEDGER_WINDOW
from hsp_otp.domain.past_asks import PastAsks
from hsp_otp.domain.prices import in_dollars
from hsp_otp.domain.replay import Judged, PastAsk, Replay
from hsp_otp.domain.replay_report import (
    ADMITTED,
    REFUSED,
    WORK,
    RegionReport,
    is_changed,
    is_lost,
    reasons_of,
    told_word,
)
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.cli.output import FLAG, Shown, Writer, structured, table
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings import readers
from hsp_otp.entrypoints.settings.guard import GuardSettings
from hsp_otp.entrypoints.settings.load import guard_in_file, load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.time_range import in_short, read_span
from hsp_otp.entrypoints.wiring import clock_of, open_database
from hsp_otp.ports.audit_queries import Span
from hsp_otp.ports.spending_queries import PastQueries

_COLUMNS: Final = (
    *("kind", "region", "request_id", "at", "account", "then", "now", "verified", "reasons"),
    *("asks", "admitted", "work", "refused", "dollars", "changed", "lost"),
)

_MOST_SHOWN: Final = 20

_ALL: Final = "all"

CANNOT: Final = """\
A replay cannot know what people do who are told something else: nobody whom it refuses tries
again, and asks that were refused then count as not verified. Work that nobody came back with is
left out."""


@attrs.define
class _Result:
    """
    What the replay came to.

    Attributes:
        changes: Asks that are told something else now, up to `_MOST_SHOWN`.
    """

    regions: defaultdict[str, RegionReport] = attrs.field(
        factory=lambda: defaultdict[str, RegionReport](RegionReport)
    )
    changes: list[Judged] = attrs.field(factory=list[Judged])


def replay(
    *,
    since: str = "30d",
    policy: str | None = None,
    region: str | None = None,
    json: Annotated[bool, FLAG] = False,
    csv: Annotated[bool, FLAG] = False,
) -> None:
    """
    Judge past asks again, under these settings or others, and show what changes.

    The 31 days before --since are taken as they were, so that debts and shares are known. It only
    reads. It cannot know what people do who are told something else: nobody whom it refuses tries
    again, and asks that were refused then count as not verified.

    Example: hsp-otp replay --since 30d --policy tighter.toml

    Args:
        since: Start of the period: a date, an ISO 8601 instant (UTC by default), or an age.
        policy: A TOML file with settings of the guard, such as block_debt = "4+30%/24h"; the others
            stay as they are set.
        region: Show only the asks of this country, an ISO 3166-1 alpha-2 code.
        json: Print one JSON object per line: the countries, and each ask that changes.
        csv: Print the same as CSV with a header.
    """
    writer = structured(_COLUMNS, as_json=json, as_csv=csv)
    settings = load()
    guard = settings.guard if policy is None else guard_in_file(policy, settings.guard)
    try:
        span = read_span(since, None, clock_of(settings).now())
        wanted = None if region is None else readers.region(region)
    except ValueError as error:
        raise CommandError(str(error)) from None
    found = asyncio.run(_play(settings, guard, span, wanted, writer))
    if writer is None:
        _show(found, span)
        return
    for name, report in sorted(found.regions.items()):
        writer.write(_summary(name, report))
    writer.close()


async def _play(
    settings: Settings,
    guard: GuardSettings,
    span: Span,
    wanted: str | None,
    writer: Writer | None,
) -> _Result:
    result, player = _Result(), Replay(guard.policy, guard.caps)
    async with open_database(settings) as database:
        await insist_on_newest(database)
        whole = Span(after(span.since, -LEDGER_WINDOW), span.until)
        async for ask in _asks(SqlSpendingQueries(database), whole):
            if ask.at < span.since:
                player.remember(ask)
                continue
            for judged in player.judged((ask,)):
                if wanted is None or ask.region == wanted:
                    _note(result, judged, writer)
    return result


async def _asks(queries: PastQueries, span: Span) -> AsyncGenerator[PastAsk]:
    past = PastAsks()
    async for row in queries.past(span):
        for ask in past.add(row):
            yield ask
    for ask in past.rest():
        yield ask


def _note(result: _Result, judged: Judged, writer: Writer | None) -> None:
    result.regions[judged.ask.region].add(judged)
    if not is_changed(judged):
        return
    if writer is not None:
        writer.write(_change(judged))
    elif len(result.changes) < _MOST_SHOWN:
        result.changes.append(judged)


def _change(judged: Judged) -> Shown:
    ask = judged.ask
    return dict.fromkeys(_COLUMNS) | {
        "kind": "change",
        "region": ask.region,
        "request_id": ask.id,
        "at": to_iso(ask.at),
        "account": ask.account,
        "then": told_word(judged),
        "now": str(judged.verdict),
        "verified": ask.verified_at is not None,
        "reasons": reasons_of(judged.verdict),
    }


def _summary(region: str, report: RegionReport) -> Shown:
    requests: Mapping[str, int] = report.now.requests
    return dict.fromkeys(_COLUMNS) | {
        "kind": "country",
        "region": region,
        "asks": sum(requests.values()),
        "admitted": requests[ADMITTED],
        "work": requests[WORK],
        "refused": requests[REFUSED],
        "dollars": in_dollars(report.now.money),
        "changed": report.changed,
        "lost": report.lost,
    }


def _show(found: _Result, span: Span) -> None:
    reports = sorted(found.regions.items(), key=lambda item: (-item[1].now.money, item[0]))
    whole = RegionReport()
    for _, report in reports:
        whole = whole.plus(report)
    rows = [*reports, (_ALL, whole)] if reports else []
    table(
        (
            (
                region,
                sum(report.now.requests.values()),
                *(
                    f"{report.now.requests[kind]} ({_signed(report, kind)})"
                    for kind in (ADMITTED, WORK, REFUSED)
                ),
                f"{in_dollars(report.now.money)} (was {in_dollars(report.then.money)})",
                report.lost,
                report.changed,
            )
            for region, report in rows
        ),
        ("country", "asks", "free", "for work", "refused", "$", "verified then", "changed"),
        f"asks since {in_short(span.since)} UTC, judged again:",
    )
    if found.changes:
        print()
        table(
            (
                (
                    in_short(Instant(one.ask.at)),
                    one.ask.region,
                    told_word(one),
                    str(one.verdict),
                    "yes" if is_lost(one) else "",
                    reasons_of(one.verdict),
                    one.ask.id,
                )
                for one in found.changes
            ),
            ("when (UTC)", "country", "then", "now", "verified", "reasons", "request"),
            f"the first {_MOST_SHOWN} that change; --json and --csv list all:",
        )
    print(f"\n{CANNOT}")


def _signed(report: RegionReport, kind: str) -> str:
    return f"{report.now.requests[kind] - report.then.requests[kind]:+}"
