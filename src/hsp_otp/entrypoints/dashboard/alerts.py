"""The dashboard's alerts, in plain English."""

import attrs

from hsp_otp.domain.fraud_patterns import (
    MISSING,
    NUMBERS_FROM_ONE_ADDRESS,
    NUMBERS_OF_ONE_PREFIX,
    PREFIX,
    Suspicion,
)
from hsp_otp.domain.instant import MINUTE, Instant
from hsp_otp.domain.surges import Surge, share
from hsp_otp.entrypoints.dashboard.formatting import country
from hsp_otp.entrypoints.time_range import in_short


@attrs.frozen(kw_only=True)
class Alarm:
    """
    A problem to show to operators.

    Attributes:
        says: The problem, in a sentence.
        until: When it was last seen.
        when: The period, in words.
        command: The command that shows more.
    """

    says: str
    when: str
    until: Instant
    command: str = ""


def of_surge(one: Surge) -> Alarm:
    """Create the alert about a surge of sends."""
    times = one.sent / max(one.usual, 1)
    return Alarm(
        says=(
            f"{one.sent} codes were sent, {times:.0f} times as many as usual, and only "
            f"{share(one.verified, one.sent)} % of them were verified; usually it is "
            f"{one.usual_percent} %."
        ),
        when=f"{in_short(one.since)} to {in_short(one.until)}",
        until=one.until,
        command="hsp-otp audit suspicious",
    )


def of_suspicion(one: Suspicion) -> Alarm:
    """Create the alert about a suspicious pattern."""
    seen = one.traffic
    verified = f"{seen.verified} of them verified" if seen.verified else "none of them verified"
    where = country(seen.region) if seen.region else "an unknown country"
    command = ""
    if one.kind == NUMBERS_OF_ONE_PREFIX:
        says = (
            f"{seen.sent} codes were sent to {seen.numbers} numbers in one range in {where}, "
            f"{verified}; {_counted(seen.addresses, 'address', 'addresses')} requested them."
        )
        command = f"hsp-otp audit range --fingerprint {seen.who}"
    elif one.kind == NUMBERS_FROM_ONE_ADDRESS:
        says = (
            f"Address {seen.who} had {seen.sent} codes sent to {seen.numbers} numbers, {verified}."
        )
        command = f"hsp-otp audit list --address {seen.who}"
    elif one.kind == MISSING:
        says = (
            f"Address {seen.who} tried {seen.missed} pass codes that are not usable, and "
            f"found {seen.hits} that are."
        )
        command = f"hsp-otp audit list --address {seen.who}"
    elif one.phone:
        says = f"{seen.sent} codes were sent to number {one.phone} in {where}, {verified}."
    else:
        to = f"one range in {where}" if one.of == PREFIX else "various numbers"
        by = f" for address {seen.who}" if one.of != PREFIX else ""
        says = f"{seen.sent} codes were sent to {to}{by}, {verified}."
    last = Instant(seen.last + MINUTE - seen.last % MINUTE)
    return Alarm(
        says=says, when=f"{in_short(seen.first)} to {in_short(last)}", until=last, command=command
    )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
