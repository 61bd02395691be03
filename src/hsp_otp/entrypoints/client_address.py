"""Finds the client's address from the peer or trusted proxies' headers (docs/contract.md)."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice
from typing import Final, TypeAlias

import attrs

from hsp_otp.domain.names import UNKNOWN_CLIENT, ClientAddress

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_HOPS: Final = 100
"""The number of entries examined, from the right: far more than any real chain of proxies, yet
cheap to walk."""

X_FORWARDED_FOR: Final = "x-forwarded-for"
FORWARDED: Final = "forwarded"
HEADERS: Final = (X_FORWARDED_FOR, FORWARDED)
"""The headers in which proxies can name their callers."""

_UNKNOWN = UNKNOWN_CLIENT
_IPV6_PREFIX = 64  # assigned to one customer, so all its addresses count as one caller
_IPV4_INSIDE: Final = (
    IPv6Network("::ffff:0:0/96"),  # RFC 4291, 2.5.5.2
    IPv6Network("64:ff9b::/96"),  # RFC 6052: the well-known prefix of NAT64
)
"""
Networks in which the last 32 bits are an IPv4 address. Each network chooses where those bits are
in 64:ff9b:1::/48 (RFC 8215), and an address in 2002::/16 (6to4) is a host behind the IPv4 address.
"""
_IPV4_BITS: Final = 0xFFFF_FFFF
_PORT = r"(?::[0-9]{1,5})?"
_BRACKETED = re.compile(rf"\[([^\[\]]*:[^\[\]]*)\]{_PORT}")
_IPV4 = re.compile(rf"([0-9.]+){_PORT}")

# RFC 7239, 4. Also accepts unquoted addresses and spaces around semicolons, since many proxies
# write them. Each text matches in one way only, so matching takes linear time.
_SPACE = r"[ \t]*+"
_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]++"
_VALUE = r"""[A-Za-z0-9!#$%&'*+.^_`|~:\[\]/@-]++|"(?:[^"\\]|\\.)*+\""""
_PAIR = re.compile(rf"({_NAME})=({_VALUE})")
_ELEMENT = rf"(?:{_NAME}=(?:{_VALUE}))?(?:{_SPACE};{_SPACE}(?:{_NAME}=(?:{_VALUE}))?)*+"
_LAST_ELEMENT = re.compile(rf"(?:^|,){_SPACE}({_ELEMENT}){_SPACE}\Z")
_QUOTED_PAIR = re.compile(r"\\(.)")
_OBSCURE_PORT = re.compile(r"(?<=[0-9\]]):_[A-Za-z0-9._-]+\Z")


@attrs.frozen(kw_only=True)
class FoundClient:
    """
    The client that sent a request.

    Attributes:
        address: The address that limits, audit and logs use; an IPv6 address counts as its /64.
        is_peer_trusted: Whether the peer's headers about other addresses are trusted.
        is_proxy: The address is a trusted proxy's, because the proxy did not name its caller.
    """

    address: ClientAddress
    is_peer_trusted: bool = False
    is_proxy: bool = False


def find_client(
    peer: str | None,
    lines: Sequence[str],
    trusted: tuple[Network, ...],
    header: str = X_FORWARDED_FOR,
) -> FoundClient:
    """
    Find the client that sent a request.

    The entries are walked from the right, where the nearest proxy wrote, to the first one that is
    not a trusted proxy: the caller may have forged anything further left. An entry that does not
    parse ends the walk at the hop before it. If every hop is trusted, the left-most counts.

    Args:
        peer: The socket's other end, if it has one. An untrusted peer is the client.
        lines: The values of *header*, in order.
        trusted: The proxies' networks.
        header: One of `HEADERS`.

    Returns:
        The client, with the address ``unknown`` (shared by all such callers) if the peer has no
            usable address.
    """
    hop = _parse(peer or "")
    if hop is None:
        return FoundClient(address=_UNKNOWN)
    is_peer_trusted = _is_in(hop, trusted)
    if not is_peer_trusted:
        return FoundClient(address=_bucket(hop))
    read = _forwarded if header == FORWARDED else _x_forwarded_for
    entries = islice(read(",".join(lines)), MAX_HOPS)
    walked = 0
    while _is_in(hop, trusted):
        entry = next(entries, None)
        before = None if entry is None else _parse(entry)
        if before is None:
            is_proxy = entry is not None or walked == 0
            return FoundClient(address=_bucket(hop), is_peer_trusted=True, is_proxy=is_proxy)
        hop, walked = before, walked + 1
    return FoundClient(address=_bucket(hop), is_peer_trusted=True)


def read_client(text: str) -> ClientAddress | None:
    """Return the client whose address *text* is, as `find_client` would; None if it is none."""
    address = _parse(text)
    return None if address is None else _bucket(address)


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _x_forwarded_for(text: str) -> Iterator[str]:
    """Yield the entries from right to left."""
    if text:
        yield from reversed(text.rsplit(",", MAX_HOPS))


def _forwarded(text: str) -> Iterator[str]:
    """
    Yield the nodes of RFC 7239's ``for`` from right to left; empty for an element without one.

    Parsing also goes from the right: a quotation mark that the caller left open would otherwise
    swallow what a proxy appended.
    """
    while text:
        found = _LAST_ELEMENT.search(text)
        nodes = [
            value[1:-1] if value.startswith('"') else value
            for name, value in _PAIR.findall(found[1] if found else "")
            if name.lower() == "for"
        ]
        yield _OBSCURE_PORT.sub("", _QUOTED_PAIR.sub(r"\1", nodes[0])) if len(nodes) == 1 else ""
        if found is None or found.start() == 0:
            return
        text = text[: found.start()]


def parse_trusted_proxies(text: str) -> tuple[Network, ...]:
    """
    Parse a comma-separated list of addresses and CIDRs; an empty text trusts no proxy.

    Raises:
        ValueError: An entry is neither, has bits set beyond its prefix, or covers every address,
            which would let each caller choose its own address.
    """
    if not text.strip():
        return ()
    return tuple(_network(entry.strip()) for entry in text.split(","))


def _network(text: str) -> Network:
    if text == "*":
        raise ValueError("'*' would trust everybody; takes the proxies' addresses or CIDRs")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is neither an address nor a CIDR") from None
    proper = _unmapped_network(network)
    if proper.prefixlen == 0:
        raise ValueError(f"{text!r} would trust everybody; takes the proxies' addresses or CIDRs")
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} has bits set beyond its prefix; {network} has none") from None
    return proper


def _unmapped_network(network: Network) -> Network:
    """Unmap *network*, because addresses are unmapped before they are matched with it."""
    if isinstance(network, IPv6Network):
        for outer in _IPV4_INSIDE:
            if network.subnet_of(outer):
                first = IPv4Address(int(network.network_address) & _IPV4_BITS)
                return IPv4Network((first, network.prefixlen - outer.prefixlen))
    return network


@lru_cache(maxsize=256)  # mainly for the proxies' addresses
def _parse(entry: str) -> Address | None:
    """Return the address without port, brackets and zone id, or None if it does not parse."""
    text = entry.strip(" \t")
    found = _BRACKETED.fullmatch(text) or _IPV4.fullmatch(text)
    try:
        address = ip_address(found[1] if found else text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    plain = IPv6Address(int(address))
    if any(plain in network for network in _IPV4_INSIDE):
        return IPv4Address(int(plain) & _IPV4_BITS)
    return plain


def _bucket(address: Address) -> ClientAddress:
    if isinstance(address, IPv4Address):
        return ClientAddress(str(address))
    return ClientAddress(str(IPv6Network((int(address), _IPV6_PREFIX), strict=False)))
