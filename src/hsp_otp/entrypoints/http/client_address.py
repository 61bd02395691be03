"""Who is asking: the socket's peer, or what trusted proxies say of it (docs/contract.md)."""

import re
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

from hsp_otp.domain.names import ClientAddress

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_HOPS: Final = 100
"""Entries looked at, from the right: far more proxies than anybody has, and few enough to cost
nothing."""

_UNKNOWN = ClientAddress("unknown")
_IPV6_PREFIX = 64  # what one customer gets: all its addresses are one caller
_MAPPED_PREFIX = 96  # ::ffff:0:0/96, RFC 4291, 2.5.5.2
_PORT = r"(?::[0-9]{1,5})?"
_BRACKETED = re.compile(rf"\[([^\[\]]*:[^\[\]]*)\]{_PORT}")
_IPV4 = re.compile(rf"([0-9.]+){_PORT}")


def client_address(
    peer: str | None, forwarded: Sequence[str], trusted: tuple[Network, ...]
) -> ClientAddress:
    """
    The address that limits, audit and logs go by; an IPv6 address counts as its /64.

    The entries are walked from the right, where the nearest proxy wrote, to the first one that
    is no trusted proxy: what is further left may be the caller's invention. An entry that does
    not parse ends the walk at the hop before it; where every hop is trusted, the left-most counts.

    Args:
        peer: The socket's other end, where there is one. Unless it is trusted, it is the answer.
        forwarded: The ``X-Forwarded-For`` lines, in their order.
        trusted: The proxies' networks.

    Returns:
        ``unknown``, one bucket for all, where the peer has no usable address.
    """
    hop = _parse(peer or "")
    if hop is None:
        return _UNKNOWN
    entries = ",".join(forwarded).rsplit(",", MAX_HOPS)[-MAX_HOPS:]
    while entries and any(hop in network for network in trusted):
        before = _parse(entries.pop())
        if before is None:
            break
        hop = before
    return _bucket(hop)


def is_trusted(peer: str | None, trusted: tuple[Network, ...]) -> bool:
    """Whether what *peer* says of other addresses is believed."""
    address = _parse(peer or "")
    return address is not None and any(address in network for network in trusted)


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
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_PREFIX:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX))
    return network


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
    return address.ipv4_mapped or IPv6Address(int(address))


def _bucket(address: Address) -> ClientAddress:
    if isinstance(address, IPv4Address):
        return ClientAddress(str(address))
    return ClientAddress(str(IPv6Network((int(address), _IPV6_PREFIX), strict=False)))
