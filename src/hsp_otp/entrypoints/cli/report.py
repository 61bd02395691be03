"""The `report` commands: docs/contract.md, section 10, and docs/funnel.md."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final

import attrs
from cyclopts import App

from hsp_otp.adapters.sql.traffic_queries import SqlTrafficQueries
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.audit import Step
from hsp_otp.domain.funnel import FIGURES, Funnel, Loss
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.purposes import FLOWS, Flow
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.cli.output import FLAG, Csv, table
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.time_range import read_span
from hsp_otp.entrypoints.wiring import open_database
from hsp_otp.ports.traffic_queries import By, StepCount

report = App(name="report", help="Report how many visitors reach each step of a flow.")

_UNKNOWN: Final = "unknown"

_REQUESTS: Final = {
    Step.LOOK_UP: "looking up a pass",
    Step.SEND: "asking for a code",
    Step.CHECK: "entering a code",
}


@attrs.frozen
class _Figures:
    """The figures of one flow, as a whole and by day, country or language."""

    flow: Flow
    whole: Funnel
    parts: Mapping[str, Funnel]


@report.command
def funnel(*, since: str = "90d", by: By = "day", csv: Annotated[bool, FLAG] = False) -> None:
    """
    Show how many visitors opened a page, entered a number, and so on up to the proof.

    Below the steps of a flow are the error words, each with its share of the requests of its kind.
    In CSV, each of them has a column with that share in percent.

    Example: hsp-otp report funnel --since 30d --by country

    Args:
        since: The first day: a date, an ISO 8601 instant (UTC by default), or an age such as 7d.
            Days are in UTC; those of the last 90 days are kept.
        by: Group the steps by day, by country of the number, or by language.
        csv: Print CSV with a header.
    """
    try:
        span = read_span(since, None, SystemClock().now())
    except ValueError as error:
        raise CommandError(str(error)) from None
    steps = asyncio.run(_ask(span.since, by))
    found = [_figures(flow, [one for one in steps if one.flow is flow], by) for flow in Flow]
    if csv:
        _write(found, by)
    else:
        _show([one for one in found if one.parts], by)


async def _ask(since: Instant, by: By) -> list[StepCount]:
    async with open_database(load()) as database:
        await insist_on_newest(database)
        return await SqlTrafficQueries(database).steps(since, by)


def _figures(flow: Flow, steps: Sequence[StepCount], by: By) -> _Figures:
    groups = defaultdict[str, list[StepCount]](list)
    for one in steps:
        groups[one.of or _UNKNOWN].append(one)
    parts = {of: _funnel(group) for of, group in groups.items()}
    if by != "day":
        parts = dict(sorted(parts.items(), key=lambda one: (-one[1].sent, one[0])))
    return _Figures(flow, _funnel(steps), parts)


def _funnel(steps: Iterable[StepCount]) -> Funnel:
    return Funnel.of((one.step, one.word, one.count) for one in steps)


def _counts(figures: Funnel) -> dict[str, int]:
    return {name: getattr(figures, name) for name in FIGURES}


def _write(found: Sequence[_Figures], by: By) -> None:
    words = sorted({_column(loss) for figures in found for loss in figures.whole.losses})
    writer = Csv((by, "flow", *FIGURES, *words))
    for figures in found:
        for of, part in figures.parts.items():
            shares = {_column(loss): round(100 * loss.share, 1) for loss in part.losses}
            told = dict.fromkeys(words, 0.0) | shares
            writer.write({by: of, "flow": figures.flow.value, **_counts(part), **told})
    writer.close()


def _column(loss: Loss) -> str:
    return f"lost_{loss.step.value}_{loss.word}"


def _show(found: Sequence[_Figures], by: By) -> None:
    if not found:
        table((), ())
    for figures in found:
        rows = [*figures.parts.items(), ("all", figures.whole)]
        table(
            ((of, *_counts(part).values()) for of, part in rows),
            (by, *(name.replace("_", " ") for name in FIGURES)),
            f"{FLOWS[figures.flow].title}:",
        )
        print()
        losses = figures.whole.losses
        if losses:
            shares = ((_REQUESTS[one.step], one.word, one.times, _percent(one)) for one in losses)
            table(shares, ("lost when", "with", "times", "of these requests"))
            print()


def _percent(loss: Loss) -> str:
    return f"{100 * loss.share:.1f} %"
