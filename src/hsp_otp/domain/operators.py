"""Who may look at the operator's page: how often a password may be tried, and how long it lasts."""

from typing import Final

import attrs

from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, HOUR, MINUTE, Duration, Instant, after
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.quota import Demand, Limit, Quota, Refusal, UsageKey, Usages, charge, judge

LEAST_PASSWORD: Final = 16
"""Characters of the operators' password: it is drawn by a machine and kept by another."""

FAILURES: Final = Quota(5, 15 * MINUTE)
"""Wrong passwords from one client address."""

EVERYBODYS_FAILURES: Final = Quota(100, HOUR)
"""Wrong passwords from everybody together, after which newcomers wait."""

KNOWN_FOR: Final[Duration] = DAY
"""How long a sign-in exempts an address from what everybody did."""

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


def sign_in_keys(client: ClientAddress) -> tuple[UsageKey, ...]:
    """What `sign_in` reads and charges."""
    return (_failures(client), _everybodys(), _hits(client))


def sign_in(
    usages: Usages, *, client: ClientAddress, right: bool, now: Instant
) -> Decision[Usages, WrongPassword | Refusal | None]:
    """
    Judge and charge a password that has been compared.

    A refusal is the same whether it was right or wrong: a guess that is refused tells nothing.

    Args:
        usages: What `sign_in_keys` hold.
    """
    weight = 0 if right else 1
    mine = Demand(limit=Limit.CLIENT, key=_failures(client), quotas=(FAILURES,), weight=weight)
    everybodys = Demand(
        limit=Limit.CLIENT, key=_everybodys(), quotas=(EVERYBODYS_FAILURES,), weight=weight
    )
    known = any(hit > now - KNOWN_FOR for hit in usages.get(_hits(client), ()))
    refusal = judge(usages, [mine] if known else [mine, everybodys], now)
    if refusal is not None:
        return Decision(refusal, usages)
    if right:
        return Decision(None, {**usages, _hits(client): (now,)})
    return Decision(WrongPassword(), charge(usages, [mine, everybodys], now))


def ended_key(session: OperatorSession) -> UsageKey:
    """Where it is kept that a session was ended by whoever was in it."""
    return UsageKey("ops_ended", session.id)


def end(usages: Usages, *, session: OperatorSession, now: Instant) -> Decision[Usages, None]:
    """Keep that *session* is over, whoever still has its cookie."""
    return Decision(None, {**usages, ended_key(session): (now,)})


def is_ended(usages: Usages, *, session: OperatorSession) -> Decision[Usages, bool]:
    """Whether `end` was called for *session*."""
    return Decision(bool(usages.get(ended_key(session))), usages)


def _failures(client: ClientAddress) -> UsageKey:
    return UsageKey("ops_failures", client.value)


def _hits(client: ClientAddress) -> UsageKey:
    return UsageKey("ops_hits", client.value)


def _everybodys() -> UsageKey:
    return UsageKey("ops_failures_of_all", "everybody")
