"""Finds the client's address: the peer, or what trusted proxies report (docs/contract.md)."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from itertools import islice
from typing import Final, TypeAlias

import attrs

from hsp_otp.domain.names import ClientAddress

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_HOPS: Final = 100
"""Entries looked at, from the right: far more proxies than anybody has, and few enough to cost
nothing."""

X_FORWARDED_FOR: Final = "x-forwarded-for"
FORWARDED: Final = "forwarded"
HEADERS: Final = (X_FORWARDED_FOR, FORWARDED)
"""Those in which proxies name their callers."""

_UNKNOWN = ClientAddress("unknown")
_IPV6_PREFIX = 64  # what one customer gets: all its addresses are one caller
_IPV4_INSIDE: Final = (
    IPv6Network("::ffff:0:0/96"),  # RFC 4291, 2.5.5.2
    IPv6Network("64:ff9b::/96"),  # RFC 6052: NAT64's own prefix
)
"""
Where the last 32 bits are an IPv4 address. In 64:ff9b:1::/48 (RFC 8215) they stand where each
network wants them, and what is in 2002::/16 (6to4) is a host behind the address, not the address.
"""
_IPV4_BITS: Final = 0xFFFF_FFFF
_PORT = r"(?::[0-9]{1,5})?"
_BRACKETED = re.compile(rf"\[([^\[\]]*:[^\[\]]*)\]{_PORT}")
_IPV4 = re.compile(rf"([0-9.]+){_PORT}")

# RFC 7239, 4; beside it, addresses may stand without quotation marks, and spaces around
# semicolons, as many proxies write them. Nothing is matched in two ways, so the time is linear.
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
    Who is asking.

    Attributes:
        address: What limits, audit and logs go by; an IPv6 address counts as its /64.
        is_peer_trusted: Whether what the peer says of other addresses is believed.
        is_proxy: A trusted proxy stands in for its callers, because it named none of them.
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
    Find out who is asking.

    The entries are walked from the right, where the nearest proxy wrote, to the first one that
    is no trusted proxy: what is further left may be the caller's invention. An entry that does
    not parse ends the walk at the hop before it; where every hop is trusted, the left-most counts.

    Args:
        peer: The socket's other end, where there is one. Unless it is trusted, it is the answer.
        lines: Those of *header*, in their order.
        trusted: The proxies' networks.
        header: One of `HEADERS`.

    Returns:
        The address ``unknown``, one bucket for all, where the peer has no usable one.
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


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _x_forwarded_for(text: str) -> Iterator[str]:
    """The entries from the right."""
    if text:
        yield from reversed(text.rsplit(",", MAX_HOPS))


def _forwarded(text: str) -> Iterator[str]:
    """
    The nodes of RFC 7239's ``for``, from the right; empty where an element names none.

    Read from the right as well: a quotation mark that a caller left open would otherwise swallow
    what a proxy appended to it.
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
    Read a comma list of addresses and CIDRs; nothing at all trusts nobody.

    Raises:
        ValueError: An entry is neither, has bits set beyond its prefix, or covers every address:
            then each caller could choose its own.
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
    """Addresses are unmapped before they are matched, so networks have to be too."""
    if isinstance(network, IPv6Network):
        for outer in _IPV4_INSIDE:
            if network.subnet_of(outer):
                first = IPv4Address(int(network.network_address) & _IPV4_BITS)
                return IPv4Network((first, network.prefixlen - outer.prefixlen))
    return network


@lru_cache(maxsize=256)  # those of proxies, above all
def _parse(entry: str) -> Address | None:
    """The address without port, brackets and zone id, or None."""
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
