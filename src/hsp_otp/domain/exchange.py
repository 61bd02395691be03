"""The exchange of a sign-in's code for its first tokens, once."""

from typing import ClassVar

import attrs

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.passes import Pass
from hsp_otp.domain.refresh_tokens import ExchangeCode, Family, RefreshToken


@attrs.frozen
class Exchanged:
    """
    The code is used, and the first refresh token of the family is live.

    Attributes:
        signed_in: The pass of the sign-in.
    """

    word: ClassVar[str] = "exchanged"
    family: Family
    signed_in: Pass


@attrs.frozen
class InvalidCode:
    """The code was not made here, or no longer gives anything. Nothing changed."""

    word: ClassVar[str] = "invalid_code"


@attrs.frozen
class CodeReused:
    """
    A used code was presented again. One of the two who held it is a thief, so the family ended
    (RFC 6749, 4.1.2).
    """

    word: ClassVar[str] = "code_reused"


@attrs.frozen
class PassUnusable:
    """The pass of the sign-in is no longer usable, so the family ended without any tokens."""

    word: ClassVar[str] = InvalidCode.word


ExchangeOutcome = Exchanged | InvalidCode | CodeReused | PassUnusable


def exchange(
    held: Family | None,
    *,
    presented: ExchangeCode,
    return_url: str,
    fresh: RefreshToken,
    usable: Pass | None,
    now: Instant,
) -> Decision[Family | None, ExchangeOutcome]:
    """
    Give the first refresh token for the code that the family began with.

    Args:
        presented: A code that was made here.
        return_url: The address that codes are made for now; a code for another one is invalid.
        fresh: The first refresh token.
        usable: The pass of the sign-in; None if it is no longer usable, and then the family ends.
    """
    if held is None or held.exchange is None or not held.lives(now):
        return Decision(InvalidCode(), held)
    if held.exchange.used == presented.digest:
        return Decision(CodeReused(), attrs.evolve(held, ended_at=now))
    if not is_exchangeable(held, presented, return_url, now):
        return Decision(InvalidCode(), held)
    if usable is None:
        return Decision(PassUnusable(), attrs.evolve(held, ended_at=now))
    family = attrs.evolve(
        held,
        key_id=fresh.key_id,
        digest=fresh.digest,
        exchange=attrs.evolve(held.exchange, used=presented.digest),
    )
    return Decision(Exchanged(family, usable), family)


def is_exchangeable(
    held: Family | None, presented: ExchangeCode, return_url: str, now: Instant
) -> bool:
    """Whether the code can still be exchanged, if the pass of the sign-in is usable."""
    return (
        held is not None
        and held.exchange is not None
        and held.lives(now)
        and held.digest == presented.digest
        and held.exchange.return_url == return_url
        and now < held.exchange.until
    )
