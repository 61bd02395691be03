"""One-time codes: derivation, parsing and comparison. Codes are never stored."""

import hmac
import re
from typing import NoReturn

from hsp_otp.domain.keys import Key
from hsp_otp.domain.typed_text import plain, with_ascii_digits

_TYPED = re.compile(r"[0-9](?:[ -]*[0-9])*")
_SEPARATORS = re.compile(r"[ -]")


class MalformedCodeError(ValueError):
    """The text is not a code of the policy's length."""


class Code:
    """
    Decimal digits that exist only in memory.

    `repr` and `str` hide them, pickle refuses them, and only `matches` compares them.
    """

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        self._digits = digits

    @classmethod
    def parse(cls, text: str, digits: int) -> "Code":
        """
        Read a code that somebody typed or pasted.

        Outer white space is trimmed and decimal digits of any script become ASCII. Invisible
        characters are dropped, and so are spaces and dashes between digits.

        Args:
            text: The submitted text.
            digits: The policy's number of digits; no other number is accepted.

        Raises:
            MalformedCodeError: Other characters remain, or the number of digits differs.
        """
        typed = with_ascii_digits(plain(text))
        found = _SEPARATORS.sub("", typed) if _TYPED.fullmatch(typed) else ""
        if len(found) != digits:
            raise MalformedCodeError(f"not {digits} digits")
        return cls(found)

    def matches(self, other: "Code") -> bool:
        """Whether both are the same code; takes the same time either way."""
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    def reveal(self) -> str:
        """The digits, for use in the message only."""
        return self._digits

    def __repr__(self) -> str:
        return "Code(******)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a code is never pickled")


def derive(key: Key, nonce: bytes, bound_to: tuple[str, ...], digits: int) -> Code:
    """
    The code of a challenge, derived whenever it is needed instead of being stored.

    A 256-bit number modulo at most 10**10 is uniform to within 2**-222, so all codes, including
    those with leading zeros, are equally likely.

    Args:
        key: From the ring of codes.
        nonce: Private to the challenge, 16 random bytes.
        bound_to: Everything that the code is valid for; any difference yields another code.
        digits: 4 to 10.
    """
    number = int.from_bytes(key.digest(nonce, *bound_to), "big")
    return Code(str(number % 10**digits).zfill(digits))
