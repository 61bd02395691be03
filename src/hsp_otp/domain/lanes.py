"""
Two lanes for each slot, so that strangers cannot lock an owner out.

Devices on which the subject has verified before are in the lane of known devices, all others in
the lane of others. Each lane has its own code, cooldown, wrong guesses and sends. A device shows
that it is known by a token, which proves nothing else: it never replaces a code.
"""

import enum
import hmac
import re
from collections.abc import Iterable
from typing import Final

import attrs

from hsp_otp.domain.instant import CLOCK_SKEW, SECOND, Duration, Instant, after
from hsp_otp.domain.keys import Key, KeyRing
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.purposes import Subject


class Lane(enum.Enum):
    """Who asks or guesses, by the word that the audit and a slot's record have for it."""

    KNOWN = "known"
    OTHERS = "others"


@attrs.frozen(kw_only=True)
class Devices:
    """
    The known devices of one subject. Forgetting this makes all of them strangers.

    Attributes:
        seed: Part of what their tokens sign; never leaves the store.
        since: The last success.
        until: When the last token ends.
    """

    seed: bytes = attrs.field(repr=False)
    since: Instant
    until: Instant


@attrs.frozen(kw_only=True)
class Let:
    """
    An operator lets one address in, past the limits and the lock of others.

    Attributes:
        client: The address.
        until: The first instant at which it is over.
        sends: Sends that are left.
        guesses: Guesses that are left.
    """

    client: ClientAddress
    until: Instant
    sends: int
    guesses: int


_TOKEN: Final = re.compile(r"([A-Za-z0-9_-]{1,64})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


def device_token(key: Key, subject: Subject, devices: Devices) -> str:
    """
    A token for a device on which *subject* has just verified: a key's id, a time and a signature.

    Neither the subject nor the seed can be read from it.
    """
    at = str(devices.since // SECOND)
    return f"{key.id}.{at}.{_signature(key, subject, devices, at)}"


def lane_of(
    tokens: Iterable[str],
    subject: Subject,
    devices: Devices | None,
    *,
    ring: KeyRing,
    lifetime: Duration,
    now: Instant,
) -> Lane:
    """
    The lane of a request with *tokens*.

    A token that is malformed, forged, another subject's, revoked, too old or of a removed key
    makes no difference.

    Args:
        devices: What the slot knows of the subject's devices.
        ring: The keys of device tokens.
        lifetime: How long a token is good.
    """
    if devices is None:
        return Lane.OTHERS
    for token in tokens:
        found = _TOKEN.fullmatch(token)
        key = None if found is None else ring.find(found[1])
        if found is None or key is None:
            continue
        at = Instant(int(found[2]) * SECOND)
        signed = hmac.compare_digest(found[3], _signature(key, subject, devices, found[2]))
        if signed and after(at, -CLOCK_SKEW) <= now < after(at, lifetime):
            return Lane.KNOWN
    return Lane.OTHERS


def let_of(lets: Iterable[Let], client: ClientAddress, now: Instant) -> Let | None:
    """What an operator has let *client* do, as far as it is not over."""
    return next((one for one in lets if one.client == client and now < one.until), None)


def _signature(key: Key, subject: Subject, devices: Devices, at: str) -> str:
    parts = ("device", subject.kind.value, subject.id, devices.seed, at)
    return key.digest(*parts).hex()
