"""Signatures of Standard Webhooks 1.0.0, and reports about messages that are signed by them."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final, cast

import attrs

from hsp_otp.adapters.senders.http_client import parsed
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import MINUTE, SECOND
from hsp_otp.ports.clock import Clock

_KEY_BYTES: Final = range(24, 65)
"""The key lengths that Standard Webhooks 1.0.0 allows."""

_TOLERANCE: Final = 5 * MINUTE
"""How far the time of a report may differ from this machine's, in either direction."""


KEY_TAKES: Final = "base64 of 24 to 64 bytes, with or without the prefix whsec_"

_STATES: Final = {state.value: state for state in DeliveryState}


def read_key(given: str) -> bytes:
    """Read a secret; raises ValueError if it is none."""
    padded = given.removeprefix("whsec_").rstrip("=")
    padded += "=" * (-len(padded) % 4)
    try:
        found = base64.b64decode(padded.translate({45: 43, 95: 47}), validate=True)
    except binascii.Error:
        raise ValueError from None
    if len(found) not in _KEY_BYTES:
        raise ValueError
    return found


def signature(key: bytes, message_id: str, seconds: str, body: bytes) -> str:
    """The value of ``webhook-signature`` (Standard Webhooks 1.0.0, symmetric)."""
    signed = b".".join((message_id.encode("latin-1"), seconds.encode("latin-1"), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


@attrs.frozen
class SignedReports:
    """Reads reports: JSON with ``message_id`` and ``state``, signed in the same way as messages."""

    key: bytes = attrs.field(repr=False)
    clock: Clock

    def is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Implement `Receipts.is_signed`."""
        message_id, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= len(str(2**40))):
            return False
        if abs(int(seconds) * SECOND - self.clock.now()) > _TOLERANCE:
            return False
        expected = signature(self.key, message_id, seconds, body).encode()
        # There are several while the other end rotates its keys.
        given = headers.get("webhook-signature", "").encode("latin-1").split(b" ")
        return any(hmac.compare_digest(one, expected) for one in given)

    def read(self, body: bytes) -> Sequence[tuple[str, DeliveryState]]:
        """Implement `Receipts.read`."""
        found = parsed(body)
        told = cast("dict[str, object]", found) if isinstance(found, dict) else {}
        message_id, state = told.get("message_id"), told.get("state")
        if isinstance(message_id, str) and message_id and isinstance(state, str):
            known = _STATES.get(state)
            return [(message_id, known)] if known else []
        return []
