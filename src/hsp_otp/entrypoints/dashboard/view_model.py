"""The data that the dashboard's templates show."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

import attrs
from markupsafe import Markup

from hsp_otp.domain.challenge_outcomes import Issued, Verified
from hsp_otp.domain.fraud_patterns import PREFIX
from hsp_otp.domain.instant import MINUTE, SECOND, Duration, after
from hsp_otp.domain.purposes import FLOWS
from hsp_otp.domain.surges import quantile, surges
from hsp_otp.entrypoints.dashboard.alerts import Alarm, of_surge, of_suspicion
from hsp_otp.entrypoints.dashboard.charts import Picture, Series, lying, stacked
from hsp_otp.entrypoints.dashboard.conversion import Conversion, conversion_of
from hsp_otp.entrypoints.dashboard.formatting import UNKNOWN, country, seconds
from hsp_otp.entrypoints.dashboard.money import MoneyFacts, money_of
from hsp_otp.entrypoints.dashboard.time_series import Chosen, Counts, Figure, most_first, sent_of
from hsp_otp.flows.overview import Seen
from hsp_otp.ports.audit_queries import Tally
from hsp_otp.ports.sender import SEND_WITHIN
from hsp_otp.ports.traffic_queries import STEPS, Delivery, Movement, Proof

if TYPE_CHECKING:
    from hsp_otp.ports.sender_stats import SenderLately

_JUST_NOW: Final[Duration] = 15 * MINUTE

_TOLD: Final = 4
"""The number of suspicions that are listed one by one."""

TITLES: Final = {flow.value: row.title for flow, row in FLOWS.items()}
"""The titles of flows, by their names in URLs."""


@attrs.frozen(kw_only=True)
class Part:
    """
    A horizontal bar with the counts of a country, sender, address or range.

    Attributes:
        copied: What its button copies; empty without a button.
    """

    name: str
    sent: int
    verified: int
    svg: Markup
    more: str = ""
    copied: str = ""


@attrs.frozen(kw_only=True)
class Took:
    """The duration of something, in words, and its distribution."""

    id: str
    name: str
    count: int
    median: str
    most: str
    svg: Markup
    rows: Sequence[tuple[str, int]]


@attrs.frozen(kw_only=True)
class Facts:
    """
    All data for the page.

    Attributes:
        ongoing: Whether an alarm concerns the last 15 minutes.
        reported: Whether any sender reports deliveries.
        tests: Uses of test contacts.
    """

    seen: Seen
    chosen: Chosen
    countries: Sequence[tuple[str, str]]
    senders: Sequence[str]
    alarms: Sequence[Alarm]
    more_alarms: int
    ongoing: bool
    reported: bool
    tests: int
    figures: Sequence[Figure]
    pictures: Sequence[Picture]
    by_country: Sequence[Part]
    by_sender: Sequence[Part]
    addresses: Sequence[Part]
    prefixes: Sequence[Part]
    to_verify: Sequence[Took]
    to_deliver: Sequence[Took]
    conversion: Conversion
    money: MoneyFacts | None


def facts_of(seen: Seen, wanted: Chosen, reporting: Collection[str]) -> Facts:
    """
    Create the data for the page.

    Args:
        wanted: The filters; values that do not occur in *seen* are ignored.
        reporting: The senders that report deliveries.
    """
    countries = most_first((row.region or UNKNOWN, row.requests) for row in sent_of(seen.movements))
    senders = sorted({row.sender for row in seen.movements if row.sender})
    chosen = Chosen(
        flow=wanted.flow if wanted.flow in TITLES else None,
        country=wanted.country if wanted.country in countries else None,
        sender=wanted.sender if wanted.sender in senders else None,
    )
    counts = Counts.of(seen, chosen, reporting)
    found = surges(counts.beats, seen.stretch.period)
    suspicions = sorted(seen.suspicions, key=lambda one: -one.traffic.sent - one.traffic.missed)
    alarms = [*map(of_surge, found), *map(of_suspicion, suspicions)]
    return Facts(
        seen=seen,
        chosen=chosen,
        countries=[(code, country(code)) for code in countries],
        senders=senders,
        alarms=alarms[: len(found) + _TOLD],
        ongoing=any(alarm.until > after(seen.at, -_JUST_NOW) for alarm in alarms),
        more_alarms=max(0, len(suspicions) - _TOLD),
        reported=counts.reported,
        tests=counts.tests,
        figures=counts.figures(),
        pictures=counts.pictures(found),
        by_country=_by_country(counts.movements),
        by_sender=_by_sender(counts),
        addresses=_tallies("address", seen.addresses),
        prefixes=_tallies("prefix", seen.prefixes),
        to_verify=_to_verify(counts.proofs),
        to_deliver=_to_deliver(counts.deliveries),
        conversion=conversion_of(seen, chosen.flow, reporting),
        money=money_of(seen.spending),
    )


def latency_of(one: "SenderLately") -> Markup:
    """Draw a sender's latency as part of the time allowed for a message."""
    half, most = one.p50 or 0.0, one.p95 or 0.0
    return lying(
        f"latency-{one.name}",
        f"{one.name}: median {seconds(half)}, p95 {seconds(most)}",
        [("of-verified", half), ("of-delivered", most - half)],
        SEND_WITHIN / SECOND,
    )


def _by_country(movements: Sequence[Movement]) -> list[Part]:
    sent, verified = Counter[str](), Counter[str]()
    for row in movements:
        if row.outcome == Issued.word:
            sent[row.region or UNKNOWN] += row.requests
        elif row.outcome == Verified.word:
            verified[row.region or UNKNOWN] += row.requests
    return _largest("country", sent, verified, country)


def _by_sender(counts: Counts) -> list[Part]:
    sent, verified = Counter[str](), Counter[str]()
    for row in sent_of(counts.movements):
        sent[row.sender or UNKNOWN] += row.requests
    for proof in counts.proofs:
        verified[proof.sender or UNKNOWN] += proof.codes
    return _largest("sender", sent, verified, str)


def _largest(
    kind: str, sent: Counter[str], verified: Counter[str], name: Callable[[str], str]
) -> list[Part]:
    most = max(sent.values(), default=0)
    return [
        _part(f"{kind}-{place}", name(one), sent=count, verified=verified[one], most=most)
        for place, (one, count) in enumerate(sent.most_common(8))
    ]


def _tallies(kind: str, tallies: Sequence[Tally]) -> list[Part]:
    wanted = sorted((one for one in tallies if one.sent), key=lambda one: -one.sent)
    most = max((one.sent for one in wanted), default=0)
    found: list[Part] = []
    for place, one in enumerate(wanted):
        more = f"{one.numbers} numbers" if one.numbers is not None else f"{one.requests} requests"
        name = one.who if kind != PREFIX else f"{_range(one.who)}, {country(one.region or UNKNOWN)}"
        bar = f"{kind}-{place}"
        part = _part(bar, name, sent=one.sent, verified=one.verified, most=most, more=more)
        found.append(attrs.evolve(part, copied=one.who))
    return found


def _range(fingerprint: str) -> str:
    """Return the part of a range's fingerprint that distinguishes it from others."""
    return f"range {fingerprint.partition(':')[2][:8]}"


def _part(name: str, title: str, *, sent: int, verified: int, most: int, more: str = "") -> Part:
    return Part(
        name=title,
        sent=sent,
        verified=verified,
        more=more,
        svg=lying(
            name,
            f"{title}: {sent} sent, {verified} verified",
            [("of-verified", min(verified, sent)), ("of-delivered", max(0, sent - verified))],
            most,
        ),
    )


def _to_verify(proofs: Sequence[Proof]) -> list[Took]:
    found: list[Took] = []
    for flow, name in TITLES.items():
        steps_: Counter[int] = Counter()
        for proof in proofs:
            if proof.flow == flow and proof.step is not None:
                steps_[proof.step] += proof.codes
        if steps_:
            found.append(_took(f"verify-{flow}", name, steps_))
    return found


def _to_deliver(deliveries: Sequence[Delivery]) -> list[Took]:
    found: dict[str, Counter[int]] = {}
    for row in deliveries:
        if row.sender and row.step is not None:
            found.setdefault(row.sender, Counter())[row.step] += row.messages
    return [
        _took(f"deliver-{place}", sender, found[sender])
        for place, sender in enumerate(sorted(found))
    ]


def _took(name: str, title: str, counted: Counter[int]) -> Took:
    ends = [*map(float, STEPS), float("inf")]
    buckets = {end: counted[place] for place, end in enumerate(ends)}
    half, most = quantile(buckets, 0.5), quantile(buckets, 0.95)
    values = tuple(counted[place] for place in range(len(ends)))
    rows = [
        *((f"up to {seconds(float(end))}", counted[place]) for place, end in enumerate(STEPS)),
        (f"longer than {seconds(float(STEPS[-1]))}", counted[len(STEPS)]),
    ]
    says = f"{title}: median {seconds(half)}, p95 {seconds(most)}"
    return Took(
        id=name,
        name=title,
        count=sum(values),
        median=seconds(half),
        most=seconds(most),
        svg=stacked(name, says, [Series(title, "took", values)], max(*values, 1)),
        rows=rows,
    )
