"""Strict JSON parsing that decodes only the requested members."""

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
"""Matching brackets, down to the deepest level allowed."""

_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")

_MANY_DIGITS: Final = b"0" * 200
"""A number with fewer digits and no three-digit exponent always fits a double."""

_LARGE_EXPONENT: Final = re.compile(rb"[eE]\+?[0-9]{3}")
_NUMBER: Final = re.compile(r"-?[0-9][0-9.eE+-]*")


_MEMBER: Final = re.compile(r"at `\$(?:\.\w+)*\.(\w+)`\Z")
"""The place of a wrong type, at the end of the decoder's message."""


class MemberTypeError(ValueError):
    """
    A member has the wrong type.

    Attributes:
        member: Its bare name, which is one of the struct's own.
    """

    def __init__(self, member: str) -> None:
        super().__init__(member)
        self.member = member


def read_members(body: bytes, taken: type[T]) -> T:
    """
    Decode the members of a JSON object that the struct *taken* has; validate and skip the others.

    The decoder skips other members without creating objects. It checks their form except for
    non-ASCII characters, depth and the size of numbers, which are checked here by scans of the
    whole text instead of loops over its content.

    Raises:
        MemberTypeError: A member has the wrong type.
        ValueError: The body is not an object, not UTF-8 or malformed, or has nesting beyond 64
            levels, a lone surrogate, or a number too large for a double.
    """
    body.decode()
    try:
        members = msgspec.json.decode(body, type=taken)
    except msgspec.ValidationError as error:
        found = _MEMBER.search(str(error))
        raise (MemberTypeError(found[1]) if found else ValueError) from None
    except (msgspec.DecodeError, RecursionError):
        raise ValueError from None  # the decoder's message may repeat the body
    is_nested = body.count(b"[") + body.count(b"{") > _DEEPEST
    has_large = _LARGE_EXPONENT.search(body) or _MANY_DIGITS in body.translate(_DIGITS_ALIKE)
    if is_nested or has_large:
        # With escapes removed, every second part is outside strings.
        outside = b" ".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
        if not _NESTED.fullmatch(outside.translate(_BRACKETS_ALIKE, _NO_BRACKETS)):
            raise ValueError
        # Not with the decoder, which takes a millisecond for a hundred such numbers.
        numbers = _NUMBER.findall(outside.decode()) if has_large else []
        if not all(map(math.isfinite, map(float, numbers))):
            raise ValueError
    return members
