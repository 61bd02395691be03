"""The secret keys of the service, and the rings derived from them, one for each use."""

import base64
import hashlib
import secrets
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hsp_otp.adapters.key_format import MIN_SECRET_BYTES, decode_secret, read_keys
from hsp_otp.domain.keys import Key, KeyRing

# Changing a label invalidates everything that was made under it.
CODES: Final = "codes"
NUMBER_FINGERPRINTS: Final = "number fingerprints"
REFRESH_TOKENS: Final = "refresh tokens"
EXCHANGE_CODES: Final = "exchange codes"
CSRF_TOKENS: Final = "csrf tokens"
PAGES: Final = "pages"
DEVICES: Final = "devices"
API_KEYS: Final = "api keys"
IDEMPOTENCY: Final = "idempotency"
TEST_CODES: Final = "test codes"
WORK_CHALLENGES: Final = "work challenges"
WORK_SOLUTIONS: Final = "work solutions"
_OPS_SESSIONS: Final = "operators' sessions"

_DERIVED_BYTES = 32


def parse_secret_keys(text: str) -> tuple[Key, ...]:
    """
    Read ``id:base64,id2:base64``; the first key writes, all of them verify.

    Raises:
        ValueError: An entry is malformed, its id is not unique, or its secret is shorter than 32
            bytes. The message contains no part of *text*.
    """
    return read_keys(text, lambda key_id, value: Key(key_id, decode_secret(value)))


def ring(secret_keys: tuple[Key, ...], label: str) -> KeyRing:
    """
    The keys of one use, under the ids of the keys that they are derived from.

    HKDF-SHA-256 (RFC 5869) without salt, with the *label*, one of the constants above, as info, so
    a leaked key of one use reveals nothing about another.
    """
    return KeyRing(tuple(Key(key.id, _derive(key.secret, label)) for key in secret_keys))


def ops_ring(secret_keys: tuple[Key, ...], password: str) -> KeyRing:
    """The ring for operator sessions under *password*; a new password ends all sessions."""
    of = hashlib.sha256(password.encode()).hexdigest()
    return ring(secret_keys, f"{_OPS_SESSIONS} {of}")


def new_secret_key() -> str:
    """A new secret: 32 random bytes, in base64."""
    return base64.b64encode(secrets.token_bytes(MIN_SECRET_BYTES)).decode()


def _derive(secret: bytes, label: str) -> bytes:
    info = f"hsp-otp {label}".encode()
    return HKDF(algorithm=SHA256(), length=_DERIVED_BYTES, salt=None, info=info).derive(secret)
