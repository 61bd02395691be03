"""When a sender that keeps failing is left alone for a while, and how long each one is given."""

from typing import Final

import attrs

from hsp_otp.domain.instant import SECOND, Duration, Instant, after

FAILURES_IN_A_ROW: Final = 5
"""After which a sender is skipped."""

SAMPLE: Final = 20
"""Attempts within `WINDOW`, half of which must have failed for the sender to be skipped."""

WINDOW: Final[Duration] = 30 * SECOND

OPEN_FOR: Final[Duration] = 15 * SECOND
"""How long it is skipped: about what a provider takes to move to another machine."""

PROBE_FOR: Final[Duration] = 8 * SECOND
"""How long one attempt keeps the others waiting after that: a little more than a send may take, so
that one that was cancelled, and of which nothing is heard, does not keep them waiting for ever."""


@attrs.frozen
class Circuit:
    """
    What is known of one sender's last attempts.

    Attributes:
        attempts: When they ended, and whether the message was handed over; within the window.
        failures: In a row; as many as open it where it was opened and nothing has worked since.
        open_until: Before that, it is skipped.
        probed_until: Before that, somebody is trying whether it works again, and nobody else does.
    """

    attempts: tuple[tuple[Instant, bool], ...] = ()
    failures: int = 0
    open_until: Instant = Instant(0)
    probed_until: Instant = Instant(0)

    @property
    def has_tripped(self) -> bool:
        """Whether it was opened, and nothing has worked since."""
        return self.failures >= FAILURES_IN_A_ROW

    def admits(self, now: Instant) -> bool:
        """Whether the sender is tried."""
        return now >= self.open_until and now >= self.probed_until


def begun(circuit: Circuit, now: Instant) -> Circuit:
    """*circuit*, which admits it, after the beginning of an attempt."""
    if not circuit.has_tripped:
        return circuit
    return attrs.evolve(circuit, probed_until=after(now, PROBE_FOR))


def attempted(circuit: Circuit, *, worked: bool, now: Instant) -> Circuit:
    """*circuit* after another attempt, which may have opened it."""
    recent = (*(a for a in circuit.attempts if a[0] > now - WINDOW), (now, worked))[-SAMPLE:]
    failures = 0 if worked else circuit.failures + 1
    failed = sum(not good for _, good in recent)
    tripped = failures >= FAILURES_IN_A_ROW or (
        len(recent) == SAMPLE and 2 * failed >= SAMPLE and not worked
    )
    if not tripped:
        return Circuit(recent, failures, circuit.open_until)
    # It starts afresh afterwards, but the next failure opens it again.
    return Circuit((), FAILURES_IN_A_ROW, after(now, OPEN_FOR))


def share(left: Duration, senders: int) -> Duration:
    """
    How much of the time that is *left* the next one of those *senders* may take.

    All of them the same, so that one that hangs leaves the others as much as it had, and what one
    does not use is for those after it.
    """
    return max(0, left) // senders
