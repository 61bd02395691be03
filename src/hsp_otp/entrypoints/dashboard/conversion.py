"""The dashboard's figures of the funnel: from the page to the proof, over 90 days."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import attrs
from babel import Locale
from markupsafe import Markup

from hsp_otp.domain.audit import Step
from hsp_otp.domain.funnel import Funnel
from hsp_otp.domain.instant import DAY, after, to_iso
from hsp_otp.domain.policy import FUNNEL_DAYS
from hsp_otp.domain.surges import share
from hsp_otp.entrypoints.dashboard.charts import Picture, Series, ceiling, lying, stacked
from hsp_otp.entrypoints.dashboard.formatting import REFUSED, UNKNOWN, country, tick
from hsp_otp.flows.overview import Seen
from hsp_otp.ports.traffic_queries import StepCount

_TICKS: Final = 3
"""The number of labels on the time axis, without the one at its end."""

_LINES: Final = 12
"""The most error words and countries that are listed."""

_REQUESTS: Final = {
    Step.LOOK_UP: "pass looked up",
    Step.SEND: "code asked for",
    Step.CHECK: "code entered",
}


@attrs.frozen(kw_only=True)
class Stage:
    """
    A step of the funnel, with its share of an earlier step.

    Attributes:
        of: What the share is of; empty if there is none.
        reported: False if nobody reports it; the count means nothing then.
    """

    name: str
    count: int
    percent: int
    of: str
    svg: Markup
    reported: bool


@attrs.frozen(kw_only=True)
class Conversion:
    """
    All data of the funnel.

    Attributes:
        reported: Whether any sender reports deliveries.
        losses: The kind of request, the error, how often, and its share in percent.
        countries: Figures by name, the most codes sent first.
        languages: Likewise.
    """

    whole: Funnel
    reported: bool
    stages: Sequence[Stage]
    picture: Picture
    losses: Sequence[tuple[str, str, int, int]]
    countries: Sequence[tuple[str, Funnel]]
    languages: Sequence[tuple[str, Funnel]]


def conversion_of(seen: Seen, flow: str | None, reporting: Collection[str]) -> Conversion:
    """
    Create the data of the funnel of *flow*, or of all flows together.

    Args:
        reporting: The senders that report deliveries.
    """
    days = _grouped(seen.by_day, flow)
    whole = _funnel(one for one in seen.by_day if flow in {None, one.flow.value})
    reported = bool(whole.delivered or reporting)
    return Conversion(
        whole=whole,
        reported=reported,
        stages=_stages(whole, reported=reported),
        picture=_picture(seen, days),
        losses=[
            (
                _REQUESTS[one.step],
                REFUSED.get(one.word, one.word.replace("_", " ")),
                one.times,
                round(100 * one.share),
            )
            for one in whole.losses[:_LINES]
        ],
        countries=_named(_grouped(seen.by_country, flow), country),
        languages=_named(_grouped(seen.by_language, flow), _language),
    )


def _grouped(steps: Sequence[StepCount], flow: str | None) -> dict[str, Funnel]:
    groups = defaultdict[str, list[StepCount]](list)
    for one in steps:
        if flow in {None, one.flow.value}:
            groups[one.of or UNKNOWN].append(one)
    return {of: _funnel(group) for of, group in groups.items()}


def _funnel(steps: Iterable[StepCount]) -> Funnel:
    return Funnel.of((one.step, one.word, one.count) for one in steps)


def _named(groups: Mapping[str, Funnel], name: Callable[[str], str]) -> list[tuple[str, Funnel]]:
    entered = [of for of, figures in groups.items() if figures.number_entered]
    order = sorted(entered, key=lambda of: (-groups[of].sent, of))
    return [(name(of), groups[of]) for of in order[:_LINES]]


def _language(tag: str) -> str:
    return tag if tag == UNKNOWN else Locale.parse(tag, sep="-").get_display_name("en") or tag


def _stages(whole: Funnel, *, reported: bool) -> list[Stage]:
    first = whole.sent - whole.resends
    rows = (
        ("Page opened", whole.opened, 0, 0, ""),
        (
            "Number entered",
            whole.number_entered,
            whole.number_entered - whole.corrections,
            whole.opened,
            "of the pages opened",
        ),
        ("Code sent", whole.sent, first, whole.number_entered, "of the numbers entered"),
        ("Delivered", whole.delivered, whole.delivered, whole.sent, "of the codes sent"),
        ("Code entered", whole.code_entered, whole.code_entered, first, "of those sent a code"),
        ("Verified", whole.verified, whole.verified, whole.code_entered, "of the codes entered"),
        ("Handed over", whole.handed_over, whole.handed_over, whole.verified, "of those verified"),
    )
    most = max(1, *(count for _, count, *_ in rows))
    return [
        Stage(
            name=name,
            count=count,
            reported=reported or name != "Delivered",
            percent=share(part, of),
            of=text if of else "",
            svg=lying(f"stage-{place}", f"{name}: {count}", [("of-verified", float(count))], most),
        )
        for place, (name, count, part, of, text) in enumerate(rows)
    ]


def _picture(seen: Seen, days: Mapping[str, Funnel]) -> Picture:
    instants = [after(seen.at, -place * DAY) for place in reversed(range(FUNNEL_DAYS))]
    figures = [days.get(to_iso(at)[:10], Funnel()) for at in instants]
    stairs = [
        (
            one.verified,
            max(0, one.sent - one.resends - one.verified),
            max(0, max(one.opened, one.number_entered) - max(one.sent - one.resends, one.verified)),
        )
        for one in figures
    ]
    names = (
        ("verified", "of-verified"),
        ("sent a code, not verified", "of-delivered"),
        ("not sent a code", "of-asked"),
    )
    series = [
        Series(name, look, tuple(stair[place] for stair in stairs))
        for place, (name, look) in enumerate(names)
    ]
    told = ", ".join(f"{one.name} {one.total}" for one in series if one.total) or "nothing"
    title = "Visitors by day"
    says = f"{title}, over {FUNNEL_DAYS} days: {told}."
    most = ceiling(max(sum(stair) for stair in stairs))
    every = FUNNEL_DAYS // _TICKS
    return Picture(
        id="visitors",
        title=title,
        says=says,
        most=most,
        unit="visitors",
        ticks=[*(tick(instants[place * every], days=True) for place in range(_TICKS)), "today"],
        periods=[tick(at, days=True) for at in instants],
        series=series,
        svg=stacked("visitors", says, series, most),
    )
