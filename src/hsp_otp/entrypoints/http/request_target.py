"""Validates the host and the path of a request, and accepts only one spelling of each."""

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import attrs

_PORTS: Final = 65535

# A name, an IPv4 address or an IPv6 address in brackets, then a port, which may be empty
# (RFC 3986, 3.2). User names and percent signs are rejected: no browser or proxy sends them here.
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]{1,253}|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{0,5}))?")
_ENCODED_CONTACT = re.compile(rb"%(?:2[Bb]|40)")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/]*)")


@attrs.frozen
class Authority:
    """
    A host and a port.

    Attributes:
        host: The host in lower case; an IPv6 address has its brackets.
        port: The port, or None for the scheme's default.
    """

    host: str
    port: int | None

    def is_same(self, other: "Authority", usual_port: int) -> bool:
        """Return whether both are the same, with *usual_port* as the default."""
        ports = (self.port or usual_port, other.port or usual_port)
        return self.host == other.host and ports[0] == ports[1]


@lru_cache(maxsize=256)  # people name the same few
def read_authority(text: str) -> Authority | None:
    """Parse ``host``, ``host:port`` or ``[address]:port``; return None for any other text."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    host, address, port = found.groups()
    if address is not None:
        try:
            IPv6Address(address)
        except ValueError:
            return None
    if port and not 1 <= int(port) <= _PORTS:
        return None
    return Authority(host.lower(), int(port) if port else None)


def names_a_host(scope: Mapping[str, Any]) -> bool:
    """
    Return whether a request names its host in a valid form.

    HTTP/1.0 may omit the host. The host of a target in absolute form must be valid as well.
    """
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(hosts) > 1 or (not hosts and scope["http_version"] != "1.0"):
        return False
    absolute = _ABSOLUTE.match(scope.get("raw_path") or b"")
    if absolute is not None:
        hosts.append(absolute[1].decode("latin-1"))
    return all(read_authority(host) is not None for host in hosts)


def canonical_path(scope: Mapping[str, Any]) -> str | None:
    """
    Return the path of a request without the trailing slash.

    A proxy that protects a path compares texts, so each path has only one accepted spelling. Only
    contacts in paths of Twilio's clients may be encoded, as some of them do.

    Returns:
        None if the path has encoded characters or doubled slashes, or lacks the leading slash.
    """
    path: str = scope["path"]
    raw_path: bytes | None = scope.get("raw_path")
    if not path.startswith("/") or "//" in path:
        return None
    if raw_path is not None and path.startswith("/v2/"):
        raw_path = _ENCODED_CONTACT.sub(lambda found: unquote_to_bytes(found[0]), raw_path)
    if raw_path is not None and raw_path != path.encode("utf-8", "surrogatepass"):
        return None
    return path.rstrip("/") or "/"
