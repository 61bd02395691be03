"""Traffic patterns that suggest fraud."""

from collections.abc import Iterable
from typing import Final

import attrs

from hsp_otp.domain.instant import Instant

SUSPECT_NUMBERS: Final = 10
"""Distinct numbers of one range, or from one address, within the requested span."""

SUSPECT_SENDS: Final = 10
"""Sends to one range or from one address, none of them verified."""

SUSPECT_SENDS_TO_ONE: Final = 5
"""Sends to one number, none of them verified: somebody is being harassed."""

SUSPECT_MISSES: Final = 20
"""Look-ups from one address that found no usable pass."""

MOST_VERIFIED_PERCENT: Final = 50
"""Many people behind one address verify most of the codes they ask for; a bot verifies few."""

PREFIX: Final = "prefix"
ADDRESS: Final = "address"
NUMBER: Final = "number"

NUMBERS_OF_ONE_PREFIX: Final = "many_numbers_of_one_prefix"
NUMBERS_FROM_ONE_ADDRESS: Final = "many_numbers_from_one_address"
UNVERIFIED: Final = "sends_without_a_verify"
MISSING: Final = "lookups_that_miss"

_MANY_NUMBERS: Final = {PREFIX: NUMBERS_OF_ONE_PREFIX, ADDRESS: NUMBERS_FROM_ONE_ADDRESS}


@attrs.frozen(kw_only=True)
class Traffic:
    """
    The traffic of one range, address or number within a span.

    Attributes:
        who: A fingerprint, or an address.
        numbers: Distinct numbers that codes were sent to.
        addresses: Distinct addresses that asked.
        first: When the traffic began.
        last: When it was last seen.
    """

    who: str
    region: str | None = None
    sent: int = 0
    verified: int = 0
    numbers: int = 0
    addresses: int = 0
    missed: int = 0
    hits: int = 0
    first: Instant
    last: Instant


def shown(of: str, masked: str | None) -> str | None:
    """What a suspicion may show of the *masked* contact of a row that is evidence for it."""
    if masked is None or of == ADDRESS:
        return None
    _, at, domain = masked.rpartition("@")
    return masked if of == NUMBER else f"***@{domain}" if at else None


@attrs.frozen(kw_only=True)
class Suspicion:
    """
    A suspicious pattern, with the evidence for it.

    Attributes:
        kind: The stable word for the pattern.
        of: Whether *traffic* belongs to a range, a client's address, or a number or e-mail address.
        phone: Masked; set if *traffic* belongs to a number or an e-mail address, or to a range of
            addresses, whose domain it then names.
        requests: The ids of the first and the last request.
    """

    kind: str
    of: str
    traffic: Traffic
    phone: str | None = None
    requests: tuple[str | None, ...] = ()


def of_sends(of: str, seen: Iterable[Traffic]) -> list[Suspicion]:
    """Find suspicious sends to ranges, from addresses or to numbers."""
    least = SUSPECT_SENDS_TO_ONE if of == NUMBER else SUSPECT_SENDS
    found: list[Suspicion] = []
    for one in seen:
        few_verified = 100 * one.verified < MOST_VERIFIED_PERCENT * one.sent
        if of in _MANY_NUMBERS and one.numbers >= SUSPECT_NUMBERS and few_verified:
            found.append(Suspicion(kind=_MANY_NUMBERS[of], of=of, traffic=one))
        elif one.sent >= least and not one.verified:
            found.append(Suspicion(kind=UNVERIFIED, of=of, traffic=one))
    return found


def of_lookups(seen: Iterable[Traffic]) -> list[Suspicion]:
    """Find suspicious look-ups from addresses."""
    return [
        Suspicion(kind=MISSING, of=ADDRESS, traffic=one)
        for one in seen
        if one.missed >= SUSPECT_MISSES and one.missed > one.hits
    ]
