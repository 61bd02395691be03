"""Names and ids: languages, pass codes, signup sessions and client addresses."""

import base64
import re
from functools import cached_property
from ipaddress import ip_network
from typing import Final, NewType

import attrs

from hsp_otp.domain.policy import NETWORK_BITS
from hsp_otp.domain.typed_text import plain, with_ascii_digits

_PASS_CODE = re.compile(r"HSP *- *([0-9]{4}) *- *([0-9]{4})")
_TYPED_PASS_CODE = re.compile(r"(?:HSP)?([0-9]{4})([0-9]{4})")
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")


Language = NewType("Language", str)
"""A language of texts, as an RFC 5646 tag: ``en``, or ``pt-BR``."""

ENGLISH: Final = Language("en")
"""The fallback language. The catalogues define which others are available."""


class MalformedPassCodeError(ValueError):
    """The text is not of the form ``HSP-dddd-dddd``."""


class MalformedSessionIdError(ValueError):
    """The text is not the id of a signup session."""


class MalformedSidError(ValueError):
    """The text is not an id in hex digits, or an id of something else."""


def id_of(random: bytes) -> str:
    """The public id that is *random*, 16 bytes: 22 characters of URL-safe base64."""
    return base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def sid_of(identity: str, letters: str) -> str:
    """
    A public id as Twilio's clients know ids: two letters and 32 lower-case hex digits.

    Args:
        letters: What it is the id of: ``VA`` for apps, ``AC`` for accounts.
    """
    return letters + base64.urlsafe_b64decode(f"{identity}==").hex()


def id_of_sid(sid: str, letters: str) -> str:
    """
    The public id that *sid* writes in hex digits; the inverse of `sid_of`.

    Raises:
        MalformedSidError: *sid* is of another form, or begins with other letters.
    """
    if not _SID.fullmatch(sid) or not sid.startswith(letters):
        raise MalformedSidError(f"not {letters} and 32 lower-case hex digits")
    return id_of(bytes.fromhex(sid.removeprefix(letters)))


@attrs.frozen
class PassCode:
    """A pass code ``HSP-dddd-dddd``, as sensitive as a user name: `repr` and logs mask it."""

    value: str = attrs.field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "PassCode":
        """
        Read *text*. Letter case, invisible characters, the kind of dash, and spaces around the text
        and next to its dashes are ignored.

        Raises:
            MalformedPassCodeError: The text is not a pass code. Letters that only become ASCII in
                upper case, such as the long s, are refused too.
        """
        typed = plain(text)
        found = _PASS_CODE.fullmatch(typed.upper()) if typed.isascii() else None
        if found is None:
            raise MalformedPassCodeError("not of the form HSP-dddd-dddd")
        return cls(f"HSP-{found[1]}-{found[2]}")

    @classmethod
    def typed(cls, text: str) -> "PassCode":
        """
        Read *text* as a person types it: as `parse` does, and with or without the letters, with
        spaces and dashes anywhere or nowhere, and with digits of any script.

        Raises:
            MalformedPassCodeError: The text is not a pass code.
        """
        bare = re.sub("[ -]", "", with_ascii_digits(plain(text)))
        found = _TYPED_PASS_CODE.fullmatch(bare.upper()) if bare.isascii() else None
        if found is None:
            raise MalformedPassCodeError("not eight digits, with or without HSP before them")
        return cls(f"HSP-{found[1]}-{found[2]}")

    @classmethod
    def is_in(cls, text: str) -> bool:
        """Whether *text* contains a pass code."""
        return _PASS_CODE.search(with_ascii_digits(plain(text)).upper()) is not None

    @property
    def masked(self) -> str:
        """The last four digits, which anyone may see."""
        return f"HSP-****-{self.value[-4:]}"

    def __str__(self) -> str:
        return self.masked


@attrs.frozen
class SessionId:
    """
    The id of a signup session: 22 characters of URL-safe base64, 128 random bits without a meaning.

    Anyone who has the id acts for the session, so `repr` and logs leave it out.
    """

    value: str = attrs.field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "SessionId":
        """Read *text*; raises MalformedSessionIdError if it does not have the form of an id."""
        if not _SESSION_ID.fullmatch(text):
            raise MalformedSessionIdError("not the id of a session")
        return cls(text)


@attrs.frozen
class ClientAddress:
    """
    The origin of a request, as limits, audit and logs see it.

    An IPv4 address, an IPv6 network of 64 bits, or ``unknown``, the one bucket for all callers
    without a usable address.
    """

    value: str

    @cached_property
    def network(self) -> str:
        """
        The network that the limits apply to as well: the first 24 bits of IPv4, 48 of IPv6.

        For a network, it is the network of its addresses; for ``unknown``, it is ``unknown``.
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


UNKNOWN_CLIENT: Final = ClientAddress("unknown")
"""The one bucket for all callers without a usable address."""
