"""Parses the values of settings."""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from typing import Final, TypeVar
from urllib.parse import urlsplit

import phonenumbers
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from hsp_otp.adapters.custom_messages import parse_wordings
from hsp_otp.adapters.messages import MAX_SERVICE_NAME, GettextMessages
from hsp_otp.adapters.secret_keys import parse_secret_keys
from hsp_otp.adapters.senders.provider import ReasonError, Shape
from hsp_otp.adapters.senders.provider import setting as _setting
from hsp_otp.domain.keys import Key
from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.domain.operator_sessions import is_password
from hsp_otp.domain.wordings import Wordings
from hsp_otp.entrypoints.senders import SENDERS
from hsp_otp.entrypoints.settings.toml_file import read_toml

PORTS: Final = 65535

MOST_STEPS: Final = 9

EVERY_LANGUAGE: Final = Language("")
"""Of titles that are the same for all readers."""

_MOST: Final = 1_000_000
"""The highest value of a limit."""

_ESCAPING: Final = "in a password, write : as %3A, / as %2F, ? as %3F, # as %23 and @ as %40"

_RETURN_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:(?P<port>[0-9]{1,5}))?"
    r"(/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)

T = TypeVar("T")
S = TypeVar("S", bound=str)


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from *least* to *most*."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return read


def count(default: int, meaning: str, *, least: int = 0, most: int = _MOST) -> int:
    """Define a setting that is a whole number."""
    off = "; 0 disables it" if least == 0 else ""
    takes = f"a whole number from {least} to {most}{off}"
    return _setting(whole(least, most), default, meaning, takes=takes)


def choice(default: S, meaning: str, *choices: S, shown_default: str | None = None) -> S:
    """Define a setting that is one of *choices*."""

    def read(text: str) -> S:
        for choice in choices:
            if choice == text:
                return choice
        raise ValueError

    return _setting(read, default, meaning, takes=" or ".join(choices), shown_default=shown_default)


def flag(default: T, meaning: str, shown_default: str | None = None) -> T | bool:
    """Define a setting that is on or off."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

    def read(text: str) -> bool:
        try:
            return words[text.lower()]
        except KeyError:
            raise ValueError from None

    return _setting(
        read,
        default,
        meaning,
        takes="true/false, yes/no or 1/0",
        shown_default=shown_default,
        shape=Shape.FLAG,
    )


def region(text: str) -> str:
    """Read an ISO 3166-1 alpha-2 code."""
    if text.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{text!r} has no phone numbers")
    return text.upper()


def regions(text: str) -> frozenset[str]:
    """Read a comma-separated list of regions."""
    return frozenset(region(part.strip()) for part in text.split(","))


def database_url(text: str) -> str:
    """Read the URL of a database."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError from None
    except ValueError:  # its message quotes the supposed port, which may be part of a password
        raise ReasonError(f"its port is not a number; {_ESCAPING}") from None
    if url.port is not None and not 0 < url.port <= PORTS:
        raise ReasonError(f"its port is not from 1 to {PORTS}")
    if not url.database:
        raise ReasonError("it names no database")
    match url.drivername:
        case "sqlite+aiosqlite":
            more = url.host or url.port or url.username or url.password or url.query
            if more or url.database == ":memory:":
                raise ValueError
        case "postgresql+asyncpg":
            query = dict(url.query)
            hosts = [host for host in (url.host, query.pop("host", None)) if host]
            if query.pop("ssl", None) not in {None, "require", "verify-full"} or query:
                raise ValueError
            # One server and no list, because it would be unclear which has the latest writes.
            if len(hosts) != 1 or not isinstance(hosts[0], str) or "," in hosts[0]:
                raise ValueError
        case _:
            raise ValueError
    return text


def redis_urls(text: str) -> tuple[str, ...]:
    """Read one or several URLs of Redis."""
    urls = tuple(url.strip() for url in text.split(","))
    for place, url in enumerate(urls, start=1):
        if not _is_redis_url(url):
            raise ReasonError(f"entry {place} is not such a URL; {_ESCAPING}")
    return urls


def _is_redis_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # an invalid port
        return False
    return (
        parts.scheme in {"redis", "rediss"}
        and bool(parts.hostname)
        and port != 0
        and bool(re.fullmatch(r"(/[0-9]{0,3})?", parts.path))
        and not parts.query
        and not parts.fragment
    )


def secret_keys(text: str) -> tuple[Key, ...]:
    """Read a ring of secret keys."""
    try:
        return parse_secret_keys(text)
    except ValueError as error:
        raise ReasonError(str(error)) from None


def sender_names(text: str) -> tuple[str, ...]:
    """Read the names of senders, each at most once."""
    names = tuple(name.strip() for name in text.split(","))
    if len(set(names)) < len(names) or not SENDERS.keys() >= set(names):
        raise ValueError
    return names


def wordings_file(text: str) -> Wordings:
    """Read custom message texts from a file."""
    return parse_wordings(read_toml(text), GettextMessages({}).languages)


def steps(text: str) -> Mapping[Language, tuple[str, ...]]:
    """Read the titles of steps by language; without a language, they are for all readers."""
    if text == "none":
        return {}
    lists = [_titles(part) for part in text.split(";")]
    found = dict(lists)
    if len(found) < len(lists) or (EVERY_LANGUAGE in found and len(lists) > 1):
        raise ValueError("of several lists, each has another language")
    if len({len(titles) for titles in found.values()}) > 1:
        raise ValueError("the lists differ in length")
    if not found.keys() & {ENGLISH, EVERY_LANGUAGE}:
        raise ValueError("there is no list in English, which readers of other languages get")
    return found


def _titles(part: str) -> tuple[Language, tuple[str, ...]]:
    begins, colon, rest = part.partition(":")
    language = Language(begins.strip()) if colon else EVERY_LANGUAGE
    if colon and language not in GettextMessages({}).languages:
        raise ValueError(f"{language!r} is no language of the pages")
    titles = tuple(title.strip() for title in (rest if colon else part).split(","))
    if len(titles) > MOST_STEPS or not all(map(_is_title, titles)):
        raise ValueError
    return language, titles


def _is_title(text: str) -> bool:
    return 0 < len(text) <= MAX_SERVICE_NAME and text.isprintable()


def host(text: str) -> str:
    """Read an address to listen on."""
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError
    return text


def host_name(text: str) -> str:
    """Read a host name with a dot in it."""
    if not re.fullmatch(r"(?=.{1,80}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", text.lower()):
        raise ValueError
    return text.lower()


_ORIGIN: Final = re.compile(
    r"(https?)://([a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[([0-9a-f:.]+)\])(?::([0-9]{1,5}))?"
)
_USUAL_PORTS: Final = {"http": 80, "https": 443}


def origins(text: str) -> tuple[str, ...]:
    """Read a comma-separated list of origins, and write each as browsers do."""
    return tuple(_origin(part.strip()) for part in text.split(","))


def _origin(text: str) -> str:
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        raise ValueError(f"{text!r} is no origin")
    scheme, host, ipv6, port = found.groups()
    if ipv6 is not None:
        host = f"[{IPv6Address(ipv6)}]"
    if port is None or int(port) == _USUAL_PORTS[scheme]:
        return f"{scheme}://{host}"
    if not 0 < int(port) <= PORTS:
        raise ValueError(f"{text!r} has a port that is not from 1 to {PORTS}")
    return f"{scheme}://{host}:{int(port)}"


def return_url(text: str) -> str:
    """
    Read the URL to which a page leads back.

    A Content-Security-Policy names its origin, so its host is a name or an IPv4 address.
    """
    if "#" in text:
        raise ReasonError("it has a fragment, which a form does not send")
    if "@" in text.partition("?")[0]:
        raise ReasonError("it has a user name or an @ in its path")
    found = _RETURN_URL.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 1) <= PORTS:
        raise ValueError
    if found["scheme"] == "http" and not is_loopback(found["host"]):
        raise ReasonError("http is for loopback addresses only")
    return text


def is_loopback(host: str) -> bool:
    """Return whether *host* is this machine itself."""
    return host == "localhost" or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host) is not None


def android_hash(text: str) -> str:
    """Read the hash by which Android's SMS Retriever identifies an app."""
    if not re.fullmatch(r"[A-Za-z0-9+/]{11}", text):
        raise ValueError
    return text


def password(text: str) -> str:
    """Read the operators' password."""
    if not is_password(text):
        raise ValueError
    return text
