"""What a replay comes to, in people and in money."""

from collections import Counter

import attrs

from hsp_otp.domain.guard import Refused, Verdict
from hsp_otp.domain.prices import Money
from hsp_otp.domain.replay import Judged

ADMITTED = "admitted"
WORK = "work"
REFUSED = "refused"


@attrs.define
class Outcomes:
    """
    What asks came to.

    Attributes:
        requests: By `ADMITTED`, `WORK` (admitted once work is done) and `REFUSED`.
        money: What the admitted ones cost.
    """

    requests: Counter[str] = attrs.field(factory=Counter[str])
    money: Money = 0

    def add(self, word: str, count: int, price: Money) -> None:
        """Count asks whose verdict is *word*, as `str` writes it."""
        kind = kind_of(word)
        self.requests[kind] += count
        if kind != REFUSED:
            self.money += price


@attrs.define
class RegionReport:
    """
    The asks of one region.

    Attributes:
        then: What they were told.
        now: What they are told now.
        lost: Those who verified then, and are refused now.
        changed: Asks whose verdict differs.
    """

    then: Outcomes = attrs.field(factory=Outcomes)
    now: Outcomes = attrs.field(factory=Outcomes)
    lost: int = 0
    changed: int = 0

    def add(self, judged: Judged) -> None:
        """Count one ask."""
        ask, word = judged.ask, str(judged.verdict)
        told = told_word(judged)
        self.then.add(told, ask.count, ask.price)
        self.now.add(word, ask.count, ask.price)
        self.lost += is_lost(judged)
        self.changed += told != word

    def plus(self, other: "RegionReport") -> "RegionReport":
        """The sums."""
        return RegionReport(
            then=Outcomes(
                self.then.requests + other.then.requests, self.then.money + other.then.money
            ),
            now=Outcomes(self.now.requests + other.now.requests, self.now.money + other.now.money),
            lost=self.lost + other.lost,
            changed=self.changed + other.changed,
        )


def told_word(judged: Judged) -> str:
    """What the ask was told then; what caps alone judge is free unless they refused it."""
    ask = judged.ask
    if ask.told is not None:
        return ask.told
    return "free" if ask.is_admitted else REFUSED


def is_lost(judged: Judged) -> bool:
    """Whether the person verified then, and is refused now."""
    return judged.ask.verified_at is not None and isinstance(judged.verdict, Refused)


def kind_of(word: str) -> str:
    """The kind of a verdict, as `str` writes it."""
    if word == REFUSED:
        return REFUSED
    return ADMITTED if word == "free" else WORK


def is_changed(judged: Judged) -> bool:
    """Whether the ask is told something else now."""
    return told_word(judged) != str(judged.verdict)


def reasons_of(verdict: Verdict) -> str:
    """Why, in the stored form."""
    return "; ".join(map(str, verdict.reasons))
