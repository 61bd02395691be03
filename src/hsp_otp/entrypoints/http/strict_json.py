"""Strict JSON parsing that decodes only the members that are wanted."""

import math
import re
from functools import reduce
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")

_DEEPEST: Final = 64

_BRACKETS_ALIKE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")

_NESTED: Final = re.compile(reduce(lambda inner, _: rb"(?:\[%b\])*+" % inner, range(_DEEPEST), b""))
"""Brackets in pairs, up to the deepest level."""

_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")

_MANY_DIGITS: Final = b"0" * 200
"""Without an exponent of three digits, no number of fewer digits is beyond a double."""

_LARGE_EXPONENT: Final = re.compile(rb"[eE]\+?[0-9]{3}")
_NUMBER: Final = re.compile(r"-?[0-9][0-9.eE+-]*")


def read_members(body: bytes, taken: type[T]) -> T:
    """
    The members of a JSON object that *taken*, a struct, has; others are judged and passed over.

    The decoder passes over what is not taken without making an object of it, and checks all of
    its form but the characters outside of ASCII, the depth and the size of numbers. Those are
    judged here, by scans of the whole text instead of loops over what is in it.

    Raises:
        ValueError: It is no object, not UTF-8 or malformed, a member of the wrong type, nesting
            beyond 64 levels, a lone surrogate, or a number that no double holds.
    """
    body.decode()
    try:
        members = msgspec.json.decode(body, type=taken)
    except (msgspec.DecodeError, RecursionError):
        raise ValueError from None  # the decoder's own words may repeat the body
    is_nested = body.count(b"[") + body.count(b"{") > _DEEPEST
    has_large = _LARGE_EXPONENT.search(body) or _MANY_DIGITS in body.translate(_DIGITS_ALIKE)
    if is_nested or has_large:
        # Without its escapes, every second part is outside of strings.
        outside = b" ".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
        if not _NESTED.fullmatch(outside.translate(_BRACKETS_ALIKE, _NO_BRACKETS)):
            raise ValueError
        # Not by the decoder: it takes a millisecond for a hundred such numbers.
        numbers = _NUMBER.findall(outside.decode()) if has_large else []
        if not all(map(math.isfinite, map(float, numbers))):
            raise ValueError
    return members
