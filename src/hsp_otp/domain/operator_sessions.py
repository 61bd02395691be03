"""Operator sign-in: how often a password may be tried, and how long a session lasts."""

from typing import Final

import attrs

from hsp_otp.domain.client_limits import client_demands
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import CLOCK_SKEW, HOUR, MINUTE, Duration, Instant, after
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.quota import (
    Demand,
    Limit,
    Quota,
    Refusal,
    UsageKey,
    Usages,
    as_of,
    charge,
    judge,
)

LEAST_PASSWORD: Final = 16
"""Characters of the operators' password: it is drawn by a machine and kept by another."""

FAILURES: Final = Quota(5, 15 * MINUTE)
"""Wrong passwords from one client address."""

IDLE: Final[Duration] = 30 * MINUTE
"""How long a session lasts from its last use."""

LONGEST: Final[Duration] = 8 * HOUR
"""How long it lasts at most, from the sign-in: a shift."""


@attrs.frozen
class WrongPassword:
    """It was another password; the attempt was charged."""

    word = "wrong_password"


@attrs.frozen
class OperatorSession:
    """
    Somebody signed in.

    Attributes:
        id: 128 random bits; says nothing.
        began: When.
        used: When they last did something.
    """

    id: str = attrs.field(repr=False)
    began: Instant
    used: Instant

    def ends_at(self) -> Instant:
        """The first instant at which it is over."""
        return min(after(self.began, LONGEST), after(self.used, IDLE))

    def lives(self, now: Instant) -> bool:
        """Whether it is not over; what lies more than a clock's error in the future is none."""
        return self.used - CLOCK_SKEW <= now < self.ends_at()


def sign_in_keys(client: ClientAddress, *, network_factor: int) -> tuple[UsageKey, ...]:
    """What `sign_in` reads and charges."""
    return tuple(demand.key for demand in _demands(client, network_factor))


def sign_in(
    usages: Usages, *, client: ClientAddress, network_factor: int, right: bool, now: Instant
) -> Decision[Usages, WrongPassword | Refusal | None]:
    """
    Judge and charge a password that has been compared.

    A refusal is the same whether it was right or wrong: a guess that is refused tells nothing.

    Args:
        usages: What `sign_in_keys` hold.
        network_factor: How many times what one address may fail its network may; 0: any number.
    """
    usages = as_of(usages, now)
    demands = _demands(client, network_factor)
    refusal = judge(usages, demands, now)
    if refusal is not None:
        return Decision(refusal, usages)
    if right:
        return Decision(None, usages)
    return Decision(WrongPassword(), charge(usages, demands, now))


def ended_key(session_id: str) -> UsageKey:
    """Where it is kept that a session was ended by whoever was in it."""
    return UsageKey("ops_ended", session_id)


def end(usages: Usages, *, session_id: str, now: Instant) -> Decision[Usages, None]:
    """Keep that a session is over, whoever still has its cookie."""
    return Decision(None, {**usages, ended_key(session_id): (now,)})


def _demands(client: ClientAddress, network_factor: int) -> tuple[Demand, ...]:
    """
    What a wrong password is charged to.

    Nothing that everybody shares: whoever fills it would shut the operators out, and nobody
    guesses a password of `LEAST_PASSWORD` random characters.
    """
    return client_demands(Limit.CLIENT, "ops_failures", client, (FAILURES,), factor=network_factor)
