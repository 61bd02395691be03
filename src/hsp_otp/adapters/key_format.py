"""
The format of keys in settings: ``id:value`` entries, separated by commas.

No error message repeats its input, not even an id: if the two sides of the colon were swapped, the
log would contain the secret.
"""

import base64
import re
from collections.abc import Callable
from typing import Final, TypeVar

K = TypeVar("K")

MIN_SECRET_BYTES: Final = 32
"""Minimum bytes of a secret: the output length of SHA-256 (RFC 7518, 3.2; RFC 2104, 3)."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_BASE64 = re.compile(r"([A-Za-z0-9+/]+|[A-Za-z0-9_-]+)(={0,2})")


def read_keys(text: str, read: Callable[[str, str], K]) -> tuple[K, ...]:
    """
    Read every entry of *text*, in order; white space around an entry is ignored.

    Args:
        read: Makes a key from its id (1 to 32 characters of ``A-Za-z0-9_-``, unique) and value.

    Raises:
        ValueError: An entry is malformed, or *read* refused it. The message identifies the entry by
            its position.
    """
    found: dict[str, K] = {}
    for place, entry in enumerate(text.split(","), start=1):
        key_id, _, value = entry.strip().partition(":")
        if not value or not _ID.fullmatch(key_id):
            raise ValueError(
                f"entry {place}: not of the form id:value, "
                "with an id of 1 to 32 of these: A-Za-z0-9_-"
            )
        if key_id in found:
            raise ValueError(f"entry {place}: its id is taken by an earlier entry")
        try:
            found[key_id] = read(key_id, value)
        except ValueError as error:
            raise ValueError(f"entry {place}: {error}") from None
    return tuple(found.values())


def decode_secret(value: str) -> bytes:
    """
    Decode a base64 secret in either alphabet, with or without padding.

    Raises:
        ValueError: Not base64, or fewer than `MIN_SECRET_BYTES`.
    """
    found = _BASE64.fullmatch(value)
    if found is None:
        raise ValueError("not base64")
    body, padding = found.groups()
    missing = -len(body) % 4
    if missing > len("==") or padding not in {"", "=" * missing}:
        raise ValueError("not base64: the length or the padding is wrong")
    secret = base64.b64decode(body.replace("-", "+").replace("_", "/") + "=" * missing)
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"{len(secret)} bytes long, but at least {MIN_SECRET_BYTES} are needed")
    return secret
