"""The dashboard's figures over time: the funnel and the charts."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, TypeVar

import attrs
from markupsafe import Markup

from hsp_otp.domain.audit import Action
from hsp_otp.domain.challenge_outcomes import Issued, Verified
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import DAY, Instant, after
from hsp_otp.domain.passes import UsablePass
from hsp_otp.domain.repeated_success import VerifiedAgain
from hsp_otp.domain.surges import Beat, Surge, share
from hsp_otp.domain.test_contacts import NOT_SENT, TEST_VERIFIED
from hsp_otp.domain.verification import Claimed
from hsp_otp.entrypoints.dashboard.charts import Picture, Series, ceiling, lying, stacked, steps
from hsp_otp.entrypoints.dashboard.formatting import REFUSED, UNKNOWN, country, moment, tick
from hsp_otp.flows.overview import Seen
from hsp_otp.ports.traffic_queries import Delivery, Movement, Proof

T = TypeVar("T", Movement, Delivery, Proof)

_COUNTRIES: Final = 4
"""The number of countries with a colour of their own; the others share one."""

_KINDS: Final = 5
"""The number of kinds of refusals with a colour of their own."""

_TICKS: Final = 4
"""The number of labels on the time axis, without the one at its end."""

_SEND: Final = Action.SEND.value
_DELIVERED: Final = DeliveryState.DELIVERED.value
_TESTS: Final = Action.TEST_CONTACT.value
_USES: Final = frozenset({Action.SEND.value, Action.CHECK.value})
"""Of test contacts; operators add and remove them, too."""

_NOT_ASKED: Final = frozenset({NOT_SENT, Claimed.word})
"""Of admitted requests that no message answers."""

_GOOD: Final = _NOT_ASKED | {
    *(Issued.word, Verified.word, VerifiedAgain.word, UsablePass.word, TEST_VERIFIED)
}


@attrs.frozen(kw_only=True)
class Chosen:
    """The filters of the page, None for no filter; *country* is an ISO code or ``unknown``."""

    flow: str | None = None
    country: str | None = None
    sender: str | None = None

    def of(self, rows: Iterable[T]) -> list[T]:
        """Return the *rows* that pass the filters."""
        return [
            row
            for row in rows
            if self.flow in {None, row.flow}
            and self.country in {None, row.region or UNKNOWN}
            and self.sender in {None, row.sender}
        ]


@attrs.frozen(kw_only=True)
class Figure:
    """
    A step of the funnel, with its share of an earlier step.

    Attributes:
        reported: False if nobody reports it; the count means nothing then.
    """

    name: str
    count: int
    of: str
    percent: int
    svg: Markup
    reported: bool


@attrs.frozen(kw_only=True)
class Counts:
    """
    The filtered counts of the traffic for each period.

    Attributes:
        movements: Without the uses of test contacts, by which nobody asks for a code or proves
            anything; wrong guesses at their codes are among the refusals.
        reported: Whether any sender reports deliveries.
        tests: Uses of test contacts.
    """

    seen: Seen
    chosen: Chosen
    movements: Sequence[Movement]
    deliveries: Sequence[Delivery]
    proofs: Sequence[Proof]
    asked: tuple[int, ...]
    sent: tuple[int, ...]
    delivered: tuple[int, ...]
    verified: tuple[int, ...]
    reported: bool
    tests: int

    @classmethod
    def of(cls, seen: Seen, chosen: Chosen, reporting: Collection[str]) -> "Counts":
        """
        Count the traffic in *seen* that passes the filters *chosen*.

        Args:
            reporting: The senders that report deliveries.
        """
        found = chosen.of(seen.movements)
        movements = [row for row in found if row.action != _TESTS]
        deliveries, proofs = chosen.of(seen.deliveries), chosen.of(seen.proofs)

        def over(counted: Iterable[tuple[Instant, int]]) -> tuple[int, ...]:
            return _over(seen, counted)

        sent = over((row.at, row.requests) for row in sent_of(movements))
        delivered = [row for row in deliveries if row.state == _DELIVERED]
        return cls(
            seen=seen,
            chosen=chosen,
            movements=movements,
            deliveries=deliveries,
            proofs=proofs,
            # A request names no sender, so for one sender the messages sent count as requests.
            asked=sent
            if chosen.sender
            else over(
                (row.at, row.requests)
                for row in movements
                if row.action == _SEND and row.outcome not in _NOT_ASKED
            ),
            sent=sent,
            delivered=over((row.at, row.messages) for row in delivered),
            reported=bool(delivered) or any(chosen.sender in {None, one} for one in reporting),
            # The row of a right code has no sender; the message that carried the code has.
            verified=over((row.at, row.codes) for row in proofs)
            if chosen.sender
            else over((row.at, row.requests) for row in movements if row.outcome == Verified.word),
            tests=sum(
                row.requests for row in found if row.action == _TESTS and row.outcome in _USES
            ),
        )

    @property
    def beats(self) -> list[Beat]:
        """The counts for the detection of surges."""
        return [
            Beat(at=at, sent=sent, verified=verified)
            for at, sent, verified in zip(
                _periods(self.seen), self.sent, self.verified, strict=True
            )
        ]

    def figures(self) -> list[Figure]:
        """Create the steps of the funnel."""
        asked, sent, delivered, verified = map(
            sum, (self.asked, self.sent, self.delivered, self.verified)
        )
        rows = (
            ("Asked for", asked, asked, ""),
            ("Sent", sent, asked, "of those asked for"),
            ("Delivered", delivered, sent, "of those sent"),
            ("Verified", verified, sent, "of those sent"),
        )
        return [
            Figure(
                name=name,
                count=count,
                reported=self.reported or name != "Delivered",
                of=of,
                percent=share(count, whole),
                svg=lying(
                    f"figure-{name.split()[0].lower()}",
                    f"{name}: {count} of {asked}",
                    [(f"of-{name.split()[0].lower()}", count)],
                    max(asked, 1),
                ),
            )
            for name, count, whole, of in rows
        ]

    def pictures(self, found: Sequence[Surge]) -> list[Picture]:
        """Create the charts over time, with the surges *found* shaded."""
        marks = [(self._place(one.since), self._place(one.until) - 1) for one in found]
        return [self._funnel(marks), self._share(marks), self._countries(marks), self._refusals()]

    def _funnel(self, marks: Sequence[tuple[int, int]]) -> Picture:
        rows = zip(self.asked, self.sent, self.delivered, self.verified, strict=True)
        # A code may be verified in the period after the one in which it was sent.
        stairs = [
            (
                verified,
                max(0, delivered - verified),
                max(0, sent - max(delivered, verified)),
                max(0, asked - sent),
            )
            for asked, sent, delivered, verified in rows
        ]
        unverified = "known to be delivered" if self.reported else "verified"
        names = (
            ("verified", "of-verified"),
            ("delivered, not verified", "of-delivered"),
            (f"sent, not {unverified}", "of-sent"),
            ("asked for, not sent", "of-asked"),
        )
        series = [
            Series(name, look, tuple(stair[place] for stair in stairs))
            for place, (name, look) in enumerate(names)
            if self.reported or look != "of-delivered"
        ]
        return self._picture("funnel", "Outcomes of requests for a code", series, "codes", marks)

    def _share(self, marks: Sequence[tuple[int, int]]) -> Picture:
        values = [
            share(verified, sent) if sent else None
            for sent, verified in zip(self.sent, self.verified, strict=True)
        ]
        whole = share(sum(self.verified), sum(self.sent))
        says = f"Verified share of the codes sent, over time: {whole} % in total."
        drawn = steps("share", says, values, 100, marks)
        series = [Series("verified, % of sent", "line", tuple(value or 0 for value in values))]
        return self._frame(
            "share", "Verified share", says=says, series=series, unit="%", drawn=drawn, most=100
        )

    def _countries(self, marks: Sequence[tuple[int, int]]) -> Picture:
        sent = sent_of(self.movements)
        names = most_first((row.region or UNKNOWN, row.requests) for row in sent)
        series = self._kinds(
            [(row.at, row.region or UNKNOWN, row.requests) for row in sent],
            names[:_COUNTRIES],
            "c",
            "other countries",
            country,
        )
        return self._picture("countries", "Codes sent, by country", series, "codes", marks)

    def _refusals(self) -> Picture:
        refused = [row for row in self.movements if row.outcome not in _GOOD]
        names = most_first((row.outcome, row.requests) for row in refused)
        series = self._kinds(
            [(row.at, row.outcome, row.requests) for row in refused],
            names[:_KINDS],
            "r",
            "other kinds",
            lambda word: REFUSED.get(word, word.replace("_", " ")),
        )
        return self._picture("refusals", "Refusals, by kind", series, "requests")

    def _kinds(
        self,
        rows: Sequence[tuple[Instant, str, int]],
        names: Sequence[str],
        look: str,
        others: str,
        name: Callable[[str], str],
    ) -> list[Series]:
        series = [
            Series(
                name(one),
                f"{look}{place}",
                _over(self.seen, ((at, count) for at, who, count in rows if who == one)),
            )
            for place, one in enumerate(names, 1)
        ]
        rest = _over(self.seen, ((at, count) for at, who, count in rows if who not in names))
        return [*series, Series(others, f"{look}0", rest)] if any(rest) else series

    def _picture(
        self,
        name: str,
        title: str,
        series: Sequence[Series],
        unit: str,
        marks: Sequence[tuple[int, int]] = (),
    ) -> Picture:
        told = ", ".join(f"{one.name} {one.total}" for one in series if one.total) or "nothing"
        says = f"{title}, over time: {told}."
        sums = [sum(values) for values in zip(*(one.values for one in series), strict=True)]
        most = ceiling(max(sums, default=0))
        drawn = stacked(name, says, series, most, marks)
        return self._frame(name, title, says=says, series=series, unit=unit, drawn=drawn, most=most)

    def _frame(
        self,
        name: str,
        title: str,
        *,
        says: str,
        series: Sequence[Series],
        unit: str,
        drawn: Markup,
        most: int,
    ) -> Picture:
        span, stretch = self.seen.span, self.seen.stretch
        every = (span.until - span.since) // _TICKS
        return Picture(
            id=name,
            title=title,
            says=says,
            most=most,
            unit=unit,
            ticks=[
                *(
                    tick(
                        after(span.since, every * place),
                        days=stretch.period * stretch.periods > DAY,
                    )
                    for place in range(_TICKS)
                ),
                "now",
            ],
            periods=[moment(at) for at in _periods(self.seen)],
            series=series,
            svg=drawn,
        )

    def _place(self, at: Instant) -> int:
        return (at - self.seen.span.since) // self.seen.stretch.period


def sent_of(rows: Iterable[Movement]) -> list[Movement]:
    """Return the rows of messages that were sent."""
    return [row for row in rows if row.outcome == Issued.word]


def _periods(seen: Seen) -> list[Instant]:
    return [
        after(seen.span.since, place * seen.stretch.period) for place in range(seen.stretch.periods)
    ]


def _over(seen: Seen, counted: Iterable[tuple[Instant, int]]) -> tuple[int, ...]:
    """Sum *counted* for each period."""
    sums: Counter[Instant] = Counter()
    for at, count in counted:
        sums[at] += count
    return tuple(sums[at] for at in _periods(seen))


def most_first(counted: Iterable[tuple[str, int]]) -> list[str]:
    """Return the names in *counted*, most frequent first."""
    sums: Counter[str] = Counter()
    for name, count in counted:
        sums[name] += count
    return sorted(sums, key=lambda name: (-sums[name], name))
