"""Proof of work: what a client's payload came to, and how much work an ask costs."""

from typing import Final, TypeAlias

import attrs

from hsp_otp.domain.instant import Instant

LEVELS: Final = range(1, 7)
"""Levels of work; each takes twice as long as the one before."""


@attrs.frozen(kw_only=True)
class Solved:
    """
    The work was posed for this purpose and was done in time.

    Attributes:
        nonce: Unique to this work, so that it is admitted only once.
        level: The level that the work was posed at.
        expires_at: The first instant at which the work is stale.
    """

    nonce: str
    level: int
    expires_at: Instant


@attrs.frozen
class Stale:
    """The work was posed here for this purpose, but has expired; the solution was not checked."""


@attrs.frozen
class Wrong:
    """The payload has the right form, but does not solve work that was posed for this purpose."""


@attrs.frozen
class Malformed:
    """The payload is not base64 of a JSON object with a challenge and a solution."""


Judgement: TypeAlias = Solved | Stale | Wrong | Malformed


def level_of(earlier: int, free: int) -> int:
    """
    The level of work of one more ask after *earlier* sends that count; 0 if it is free.

    Each send after the *free* ones costs one level more, up to the highest.
    """
    return min(max(0, earlier + 1 - free), LEVELS[-1])
