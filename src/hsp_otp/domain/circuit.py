"""Rules of the circuit breaker, and of how senders share the time for one message."""

import enum
from typing import Final

import attrs

from hsp_otp.domain.instant import SECOND, Duration, Instant, after

FAILURES_IN_A_ROW: Final = 5
"""Failures in a row after which a sender is skipped."""

SAMPLE: Final = 20
"""Attempts within `WINDOW`, of which at least half must have failed to skip the sender."""

WINDOW: Final[Duration] = 30 * SECOND

RANGES: Final = 3
"""Ranges of numbers that the failures must come from before a sender is skipped. Failures for a
single range point to trouble with that range, and one caller could cause all of them."""

OPEN_FOR: Final[Duration] = 15 * SECOND
"""How long a sender is skipped: about as long as a provider takes to move to another machine."""

PROBE_FOR: Final[Duration] = 8 * SECOND
"""How long one probe then keeps other messages waiting: a little longer than a send may take, so
that a probe that never reports back does not block them for ever."""


class Result(enum.Enum):
    """
    What one attempt shows about the sender.

    Attributes:
        TAKEN: It took the message.
        REFUSED: It works, and refused this one message.
        FAILED: It is in trouble.
        UNKNOWN: The attempt was cancelled, so nothing is known.
    """

    TAKEN = "taken"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@attrs.frozen
class Attempt:
    """
    One message that the sender took or failed to take.

    Attributes:
        at: When the attempt ended.
        failed_for: The range of the number (part of a phone number) if it failed; None if taken.
    """

    at: Instant
    failed_for: str | None = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Circuit:
    """
    Everything known about one sender.

    The clock may be set back, so an interval whose start lies in the future counts as over.

    Attributes:
        recent: The last attempts within the window, oldest first, without refusals.
        failures: Failures in a row.
        failed_for: The number ranges of these failures, up to `RANGES` of them.
        opened_at: Since when the sender is skipped; None while every message tries it.
        probed_at: When the probe began that finds out whether the sender works again.
    """

    recent: tuple[Attempt, ...] = ()
    failures: int = 0
    failed_for: frozenset[str] = attrs.field(default=frozenset(), repr=False)
    opened_at: Instant | None = None
    probed_at: Instant | None = None

    @property
    def is_open(self) -> bool:
        """Whether the sender is skipped, or has yet to show that it works again."""
        return self.opened_at is not None

    def admits(self, now: Instant) -> bool:
        """Whether the next message may try the sender."""
        return not _lasts(self.opened_at, OPEN_FOR, now) and not _lasts(
            self.probed_at, PROBE_FOR, now
        )


def begun(circuit: Circuit, now: Instant) -> Circuit:
    """*circuit* after an admitted attempt has begun."""
    return attrs.evolve(circuit, probed_at=now) if circuit.is_open else circuit


def ended(circuit: Circuit, result: Result, *, prefix: str, probed: bool, now: Instant) -> Circuit:
    """
    *circuit* after an attempt has ended, which may have opened or closed it.

    Args:
        prefix: The range of the message's number.
        probed: The attempt was the probe: the circuit was open when it began.
    """
    if circuit.is_open:
        return _found_out(circuit, result, probed=probed, now=now)
    if result in {Result.REFUSED, Result.UNKNOWN}:
        return circuit
    failed = result is Result.FAILED
    recent = (
        *[one for one in circuit.recent if now - WINDOW < one.at <= now],
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
        # It began before the circuit opened, and shows nothing about the time since.
        return circuit
    if result is Result.UNKNOWN:
        return attrs.evolve(circuit, probed_at=None)
    # A refusal shows that the sender answers. If it did not close the circuit, a caller could keep
    # the sender skipped by asking for numbers that it refuses, since those messages would be the
    # probes.
    return Circuit()


def _lasts(since: Instant | None, duration: Duration, now: Instant) -> bool:
    return since is not None and since <= now < after(since, duration)


def share(left: Duration, senders: int) -> Duration:
    """
    How much of the time *left* the next of the remaining *senders* may take.

    All get the same share: a sender that hangs leaves the others as much time as it had, and time
    that one sender does not use goes to those after it.
    """
    return max(0, left) // senders
