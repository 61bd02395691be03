"""The names of things: languages, pass codes, sessions and client addresses."""

import re
from functools import cached_property
from ipaddress import ip_network
from typing import Final, NewType

import attrs

from hsp_otp.domain.policy import NETWORK_BITS
from hsp_otp.domain.typed_text import plain, with_ascii_digits

_PASS_CODE = re.compile(r"HSP *- *([0-9]{4}) *- *([0-9]{4})")
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{22}")


Language = NewType("Language", str)
"""A language that texts are in, by its tag (RFC 5646): ``en``, or ``pt-BR``."""

ENGLISH: Final = Language("en")
"""The last resort. Which others there are is for the catalogues to say."""


class MalformedPassCodeError(ValueError):
    """The text is not of the form ``HSP-dddd-dddd``."""


class MalformedSessionIdError(ValueError):
    """The text is no id of a signup session."""


@attrs.frozen
class PassCode:
    """
    A pass code of the form ``HSP-dddd-dddd``, in upper case.

    Attributes:
        value: The whole code. It is as good as a user name, so `repr` and logs mask it.
    """

    value: str = attrs.field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "PassCode":
        """
        Read *text*. Letter case, invisible characters, the kind of its dashes, and spaces
        around it and beside its dashes do not matter.

        Raises:
            MalformedPassCodeError: It is not a pass code. Letters that merely fold to ASCII
                in upper case, as the long s does, are refused too.
        """
        typed = plain(text)
        found = _PASS_CODE.fullmatch(typed.upper()) if typed.isascii() else None
        if found is None:
            raise MalformedPassCodeError("not of the form HSP-dddd-dddd")
        return cls(f"HSP-{found[1]}-{found[2]}")

    @classmethod
    def is_in(cls, text: str) -> bool:
        """Whether somewhere in *text* there is a pass code."""
        return _PASS_CODE.search(with_ascii_digits(plain(text)).upper()) is not None

    @property
    def masked(self) -> str:
        """What may be shown: the last four digits."""
        return f"HSP-****-{self.value[-4:]}"

    def __str__(self) -> str:
        return self.masked


@attrs.frozen
class SessionId:
    """
    What a signup session is known by.

    Attributes:
        value: 22 characters of URL-safe base64, 128 random bits that say nothing. Whoever has
            it acts for the session, so `repr` and logs leave it out.
    """

    value: str = attrs.field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "SessionId":
        """
        Read *text*.

        Raises:
            MalformedSessionIdError: No session has such an id.
        """
        if not _SESSION_ID.fullmatch(text):
            raise MalformedSessionIdError("not the id of a session")
        return cls(text)


@attrs.frozen
class ClientAddress:
    """
    Where a request came from, as limits, audit and logs see it.

    Attributes:
        value: An IPv4 address, an IPv6 network of 64 bits, or ``unknown``, the one bucket
            of all callers without a usable address.
    """

    value: str

    @cached_property
    def network(self) -> str:
        """
        The network that its limits hold for too: of IPv4 24 bits, of IPv6 48.

        Of a network it is that of its addresses; of ``unknown`` there is no other than itself.
        """
        if "." in self.value and "/" not in self.value:
            return f"{self.value.rpartition('.')[0]}.0/24"
        try:
            within = ip_network(self.value)
        except ValueError:
            return self.value
        bits = min(within.prefixlen, NETWORK_BITS[within.version])
        return str(within.supernet(new_prefix=bits))

    def __str__(self) -> str:
        return self.value
