"""Rules of the circuit breaker, and how senders share the time for one message."""

import enum
from typing import Final

import attrs

from hsp_otp.domain.instant import SECOND, Duration, Instant, after

FAILURES_IN_A_ROW: Final = 5
"""After which a sender is skipped."""

SAMPLE: Final = 20
"""Attempts within `WINDOW`, half of which must have failed for the sender to be skipped."""

WINDOW: Final[Duration] = 30 * SECOND

RANGES: Final = 3
"""Ranges of numbers that failures must come from for the sender to be skipped: what fails for the
numbers of one range alone is the trouble of that range, and one caller may ask for all of them."""

OPEN_FOR: Final[Duration] = 15 * SECOND
"""How long it is skipped: about what a provider takes to move to another machine."""

PROBE_FOR: Final[Duration] = 8 * SECOND
"""How long one attempt keeps the others waiting after that: a little more than a send may take, so
that one of which nothing is heard does not keep them waiting for ever."""


class Result(enum.Enum):
    """
    What an attempt says of the sender.

    Attributes:
        TAKEN: It took the message.
        REFUSED: It is well, and refused this one message.
        FAILED: It is in trouble.
        UNKNOWN: The attempt was broken off, so that nothing is known.
    """

    TAKEN = "taken"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@attrs.frozen
class Attempt:
    """
    One message that was taken or failed.

    Attributes:
        at: When it ended.
        failed_for: The range of its number, part of a phone number; None where it was taken.
    """

    at: Instant
    failed_for: str | None = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Circuit:
    """
    What is known of one sender.

    All instants are the clock's, which may be set back: one that lies in the future is over.

    Attributes:
        recent: The last attempts within the window, oldest first; refusals are none of them.
        failures: In a row.
        failed_for: The ranges of numbers of these, as many as matter.
        opened_at: Since when it is skipped; None while it is tried by everybody.
        probed_at: Since when one message is finding out whether it works again.
    """

    recent: tuple[Attempt, ...] = ()
    failures: int = 0
    failed_for: frozenset[str] = attrs.field(default=frozenset(), repr=False)
    opened_at: Instant | None = None
    probed_at: Instant | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is skipped, or has yet to show that it works again."""
        return self.opened_at is not None

    def admits(self, now: Instant) -> bool:
        """Whether the sender is tried."""
        return not _lasts(self.opened_at, OPEN_FOR, now) and not _lasts(
            self.probed_at, PROBE_FOR, now
        )


def begun(circuit: Circuit, now: Instant) -> Circuit:
    """*circuit*, which admits it, after the beginning of an attempt."""
    return attrs.evolve(circuit, probed_at=now) if circuit.is_open else circuit


def ended(circuit: Circuit, result: Result, *, prefix: str, probed: bool, now: Instant) -> Circuit:
    """
    *circuit* after the end of an attempt, which may have opened or closed it.

    Args:
        prefix: The range of the message's number.
        probed: It was the one that finds out: the circuit was open when it began.
    """
    if circuit.is_open:
        return _found_out(circuit, result, probed=probed, now=now)
    if result in {Result.REFUSED, Result.UNKNOWN}:
        return circuit
    failed = result is Result.FAILED
    recent = (
        *(one for one in circuit.recent if now - WINDOW < one.at <= now),
        Attempt(now, prefix if failed else None),
    )[-SAMPLE:]
    if not failed:
        return Circuit(recent=recent)
    failures = circuit.failures + 1
    failed_for = circuit.failed_for
    if len(failed_for) < RANGES:
        failed_for |= {prefix}
    in_sample = [one.failed_for for one in recent if one.failed_for is not None]
    if (failures >= FAILURES_IN_A_ROW and len(failed_for) >= RANGES) or (
        len(recent) == SAMPLE and 2 * len(in_sample) >= SAMPLE and len({*in_sample}) >= RANGES
    ):
        return Circuit(opened_at=now)
    return Circuit(recent=recent, failures=failures, failed_for=failed_for)


def _found_out(circuit: Circuit, result: Result, *, probed: bool, now: Instant) -> Circuit:
    if result is Result.FAILED:
        return Circuit(opened_at=now)
    if not probed:
        # It began before the circuit opened, and says nothing of the time since.
        return circuit
    if result is Result.UNKNOWN:
        return attrs.evolve(circuit, probed_at=None)
    # A refusal shows that the sender answers. Otherwise whoever asks for numbers that it refuses
    # supplies the messages that find out, and it is skipped for as long as they go on.
    return Circuit()


def _lasts(since: Instant | None, duration: Duration, now: Instant) -> bool:
    return since is not None and since <= now < after(since, duration)


def share(left: Duration, senders: int) -> Duration:
    """
    How much of the time that is *left* the next one of those *senders* may take.

    All of them the same, so that one that hangs leaves the others as much as it had, and what one
    does not use is for those after it.
    """
    return max(0, left) // senders
