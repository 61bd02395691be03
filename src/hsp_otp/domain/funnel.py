"""
The funnel: how many visitors reach each step of a flow, and where the others are lost.

Steps are counted where audit rows are written, in the same transaction, so the figures agree with
the audit. Only the first step and the last leave no audit row.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from hsp_otp.domain.audit import Action, AuditRow, Entered, Step, StepRow
from hsp_otp.domain.challenge_outcomes import Issued, Verified
from hsp_otp.domain.instant import day_of
from hsp_otp.domain.passes import UsablePass
from hsp_otp.domain.repeated_success import VerifiedAgain

_REQUESTS: Final[Mapping[Action, Step]] = {
    Action.LOOK_UP: Step.LOOK_UP,
    Action.SEND: Step.SEND,
    Action.CHECK: Step.CHECK,
}

_SUCCESSES: Final = {(Step.SEND, Issued.word): "sent", (Step.CHECK, Verified.word): "verified"}
"""The figures that requests add to."""

_GOOD: Final = frozenset({UsablePass.word, Issued.word, Verified.word, VerifiedAgain.word})

FIGURES: Final = (
    *("opened", "number_entered", "sent", "delivered", "code_entered", "verified", "handed_over"),
    *("resends", "corrections"),
)
"""The steps in order, and those that are part of others, as `Funnel` names them."""


def figure_of(step: Step, word: str) -> str | None:
    """The figure that a step adds to; None for a request that only its word tells of."""
    if step in _REQUESTS.values():
        return _SUCCESSES.get((step, word))
    figure: str = step.value
    return figure


def is_loss(word: str) -> bool:
    """Whether a request with this outcome brought its visitor no further."""
    return word not in _GOOD


def counted(row: AuditRow) -> tuple[StepRow, ...]:
    """The steps that the request of *row* was."""
    facts = row.facts
    request, visit = _REQUESTS.get(facts.action), facts.visit
    if request is None or visit is None or facts.flow is None:
        return ()
    found = [(request, row.outcome)]
    match request:
        case Step.SEND if visit.entered is Entered.AGAIN:
            if row.outcome == Issued.word:
                found.append((Step.RESENT, ""))
        case Step.SEND if not visit.retried:
            found.append((Step.NUMBER_ENTERED, ""))
            if visit.entered is Entered.CORRECTED:
                found.append((Step.CORRECTED, ""))
        case Step.CHECK if visit.first_guess:
            found.append((Step.CODE_ENTERED, ""))
        case _:
            pass
    return tuple(
        StepRow(
            day=day_of(facts.at),
            flow=facts.flow,
            step=step,
            word=word,
            region=facts.region,
            language=visit.language,
        )
        for step, word in found
    )


@attrs.frozen(kw_only=True)
class Loss:
    """
    Requests that ended with one error word.

    Attributes:
        step: The kind of request.
        share: Of all requests of that kind.
    """

    step: Step
    word: str
    times: int
    share: float


@attrs.frozen(kw_only=True)
class Funnel:
    """
    The figures of one flow.

    Attributes:
        number_entered: Asks for a code, except those for the same number again.
        sent: Codes sent, with those sent again.
        delivered: Of the codes sent.
        code_entered: Codes of which at least one guess was judged.
        resends: Of the codes sent: those to the same number again.
        corrections: Of the numbers entered: those that took another's place.
        losses: By kind of request, in the order of the steps, the most frequent first.
    """

    opened: int = 0
    number_entered: int = 0
    sent: int = 0
    delivered: int = 0
    code_entered: int = 0
    verified: int = 0
    handed_over: int = 0
    resends: int = 0
    corrections: int = 0
    losses: tuple[Loss, ...] = ()

    @classmethod
    def of(cls, counts: Iterable[tuple[Step, str, int]]) -> "Funnel":
        """The figures of steps, each with its word and how often it was counted."""
        figures: Counter[str] = Counter()
        lost: Counter[tuple[Step, str]] = Counter()
        requests: Counter[Step] = Counter()
        for step, word, count in counts:
            figure = figure_of(step, word)
            if figure is not None:
                figures[figure] += count
            if word:
                requests[step] += count
            if word and is_loss(word):
                lost[step, word] += count
        order = (*_REQUESTS.values(),)
        losses = [
            Loss(step=step, word=word, times=times, share=times / requests[step])
            for (step, word), times in lost.items()
        ]
        losses.sort(key=lambda one: (order.index(one.step), -one.times, one.word))
        return cls(**figures, losses=tuple(losses))
