"""Validates the host and the path of a request, each in its one accepted spelling."""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import Any, Final

import attrs

_PORTS: Final = 65535

# A name, an IPv4 address, or an IPv6 address in brackets; and a port, which may be left empty
# (RFC 3986, 3.2). Neither user names nor percent signs: no browser and no proxy sends them here.
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]{1,253}|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{0,5}))?")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/]*)")


@attrs.frozen
class Authority:
    """
    A host and a port.

    Attributes:
        host: In lower case; an IPv6 address with its brackets.
        port: None where it is the usual one of the scheme.
    """

    host: str
    port: int | None

    def is_same(self, other: "Authority", usual_port: int) -> bool:
        """Whether both are the same, where *usual_port* may be left out."""
        ports = (self.port or usual_port, other.port or usual_port)
        return self.host == other.host and ports[0] == ports[1]


def read_authority(text: str) -> Authority | None:
    """Read ``host``, ``host:port`` or ``[address]:port``; None where *text* is none of them."""
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
    Whether a request says for which host it is, in a way that can be read.

    HTTP/1.0 may leave it out. A target in absolute form has to name a host that can be read, too.
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
    The path of a request, without the slash at its end.

    A proxy that guards a path compares texts, so that each path has one spelling here.

    Returns:
        None where the path is spelt with encoded characters, with doubled slashes, or without a
        slash at its beginning.
    """
    path: str = scope["path"]
    raw_path: bytes | None = scope.get("raw_path")
    if not path.startswith("/") or "//" in path:
        return None
    if raw_path is not None and raw_path != path.encode("utf-8", "surrogatepass"):
        return None
    return path.rstrip("/") or "/"
