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
    command = ""
    if one.kind == NUMBERS_OF_ONE_PREFIX:
        clients = _counted(seen.addresses, "address", "addresses")
        by = f"; {clients} requested them" if seen.addresses else ""
        says = f"{seen.sent} codes were sent to {seen.numbers} {_of_range(one)}, {verified}{by}."
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
    elif one.of == PREFIX:
        says = f"{seen.sent} codes were sent to {_of_range(one)}, {verified}."
    elif one.phone:
        to = one.phone if "@" in one.phone else f"number {one.phone} in {_country(one)}"
        says = f"{seen.sent} codes were sent to {to}, {verified}."
    else:
        says = f"{seen.sent} codes were sent to various numbers for address {seen.who}, {verified}."
    last = Instant(seen.last + MINUTE - seen.last % MINUTE)
    return Alarm(
        says=says, when=f"{in_short(seen.first)} to {in_short(last)}", until=last, command=command
    )


def _of_range(one: Suspicion) -> str:
    """The contacts of a range: those of e-mail are of a domain."""
    if one.phone:
        return f"mailboxes at {one.phone.rpartition('@')[2]}"
    return f"numbers in one range in {_country(one)}"


def _country(one: Suspicion) -> str:
    return country(one.traffic.region) if one.traffic.region else "an unknown country"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
