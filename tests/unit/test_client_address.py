"""Who is asking, behind proxies that are trusted and others."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.entrypoints.http.client_address import client_address, parse_trusted_proxies

TRUSTED = parse_trusted_proxies("10.0.0.0/8, 2001:db8:ffff::/48")
PROXY = "10.0.0.1"

clients = st.ip_addresses(v=4).filter(lambda address: address not in IPv4Network("10.0.0.0/8"))
proxies = st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="2001:db8:ffff::/48")


def _address(peer: str | None, *forwarded: str) -> str:
    return client_address(peer, forwarded, TRUSTED).value


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:1:2:3:4", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("::1", "::/64"),
        (None, "unknown"),
        ("", "unknown"),
        ("testclient", "unknown"),
        ("/run/hsp-otp.sock", "unknown"),
    ],
)
def test_the_peer_alone(peer: str | None, address: str) -> None:
    """With nobody trusted the peer is the client; without a usable address all share a bucket."""
    assert client_address(peer, ["203.0.113.9"], ()).value == address


@pytest.mark.parametrize("peer", ["198.51.100.7", "2001:db8::7", "11.0.0.1"])
def test_an_untrusted_peer_is_not_believed(peer: str) -> None:
    """A peer outside the networks says nothing about anybody else."""
    assert _address(peer, "203.0.113.9") == _address(peer)


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        # from the right to the first entry outside the networks
        (["203.0.113.9"], "203.0.113.9"),
        (["192.0.2.66, 203.0.113.9"], "203.0.113.9"),
        (["192.0.2.66, 203.0.113.9, 10.0.0.3, 10.0.0.2"], "203.0.113.9"),
        (["203.0.113.9, 2001:db8:ffff::5"], "203.0.113.9"),
        # several lines are one list
        (["192.0.2.66", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        (["203.0.113.9,10.0.0.3", "10.0.0.2"], "203.0.113.9"),
        # ports, brackets and zone ids
        (["203.0.113.9:51000"], "203.0.113.9"),
        (["[2001:db8::1]"], "2001:db8::/64"),
        (["[2001:db8::1]:51000"], "2001:db8::/64"),
        (["[fe80::1%eth0]:51000"], "fe80::/64"),
        (["fe80::1%eth0"], "fe80::/64"),
        (["\t 203.0.113.9 \t"], "203.0.113.9"),
        # IPv4 in IPv6
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["[::ffff:203.0.113.9]:51000"], "203.0.113.9"),
        (["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),
        # IPv6 by its /64
        (["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        # every hop trusted: the left-most
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["2001:db8:ffff:7::1"], "2001:db8:ffff:7::/64"),
        # nothing forwarded
        ([], "10.0.0.1"),
    ],
)
def test_the_walk(forwarded: list[str], address: str) -> None:
    """Behind trusted proxies the client is the first entry from the right that is none of them."""
    assert _address(PROXY, *forwarded) == address


@pytest.mark.parametrize(
    "entry",
    [
        "",
        " ",
        "unknown",
        "_hidden",
        '"203.0.113.9"',
        "'203.0.113.9'",
        '"[2001:db8::1]"',
        "for=203.0.113.9",
        "203.0.113",
        "203.0.113.9.1",
        "203.0.113.256",
        "203.0.113.09",
        "203.0.113.9/32",
        "3405803785",
        "203.0.113.9:",
        "203.0.113.9:http",
        "203.0.113.9:123456",
        "203.0.113.9%eth0",
        "203.0.113.9 10.0.0.1",
        "203.0.113.9\xa0",
        "203.0.113.٩",
        "[203.0.113.9]",
        "[203.0.113.9]:80",
        "[2001:db8::1",
        "2001:db8::1]",
        "[[2001:db8::1]]",
        "[2001:db8::1]80",
        "[]",
        "fe80::1%",
        "2001:db8::1::2",
        "example.com",
        "203.0.113.9\n",
        "\x00",
    ],
)
def test_what_does_not_parse_ends_the_walk(entry: str) -> None:
    """An entry that does not parse ends the walk at the hop before it."""
    assert _address(PROXY, f"203.0.113.9,{entry}") == "10.0.0.1"
    assert _address(PROXY, f"203.0.113.9,{entry},10.0.0.2") == "10.0.0.2"


@given(clients, st.lists(proxies, max_size=5), st.text(max_size=50))
def test_what_a_client_sends_does_not_count(
    client: IPv4Address, chain: list[IPv4Address], invented: str
) -> None:
    """Whatever a client writes in front, it is what the nearest trusted proxy saw."""
    hops = ", ".join(str(hop) for hop in (client, *chain))
    assert _address(PROXY, invented, hops) == str(client)
    assert _address(PROXY, f"{invented},{hops}") == str(client)


@pytest.mark.slow
@given(st.none() | st.text(), st.lists(st.text() | st.from_regex(r"[\[\]0-9a-f:.%, ]*")))
def test_no_header_is_a_fault(peer: str | None, forwarded: list[str]) -> None:
    """Any peer and any header give an address or the shared bucket."""
    for given_peer in (peer, PROXY):
        value = client_address(given_peer, forwarded, TRUSTED).value
        assert value == "unknown" or ip_network(value).prefixlen in {32, 64}


def test_a_huge_header() -> None:
    """Only the nearest hundred entries are looked at."""
    near = ["10.0.0.2"] * 99
    assert _address(PROXY, ",".join(["203.0.113.9", *near])) == "203.0.113.9"
    assert _address(PROXY, ",".join(["203.0.113.9", "10.0.0.3", *near])) == "10.0.0.3"
    assert _address(PROXY, "203.0.113.9," * 1_000_000 + ",".join(["10.0.0.3", *near])) == "10.0.0.3"


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("", ()),
        ("  ", ()),
        ("10.0.0.0/8", (IPv4Network("10.0.0.0/8"),)),
        ("127.0.0.1 , ::1", (IPv4Network("127.0.0.1/32"), IPv6Network("::1/128"))),
        ("2001:db8::/32", (IPv6Network("2001:db8::/32"),)),
        ("10.0.0.0/255.0.0.0", (IPv4Network("10.0.0.0/8"),)),
        ("::ffff:10.0.0.0/104", (IPv4Network("10.0.0.0/8"),)),
        ("::ffff:10.0.0.1", (IPv4Network("10.0.0.1/32"),)),
    ],
)
def test_trusted_proxies(text: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> None:
    """Proxies are addresses and CIDRs; a mapped one is the IPv4 network that it stands for."""
    assert parse_trusted_proxies(text) == networks


@pytest.mark.parametrize("text", ["::ffff:10.0.0.0/104", "10.0.0.0/8"])
@pytest.mark.parametrize("peer", ["::ffff:10.0.0.1", "10.0.0.1"])
def test_a_mapped_address_is_the_same_address(text: str, peer: str) -> None:
    """An IPv4 address is trusted in whichever form it and its network are written."""
    assert client_address(peer, ["203.0.113.9"], parse_trusted_proxies(text)).value == "203.0.113.9"


@pytest.mark.parametrize(
    "text",
    ["*", "0.0.0.0/0", "::/0", "10.0.0.1/0", "2001:db8::/0", "0.0.0.0/0.0.0.0", "::ffff:0:0/96"],
)
def test_nobody_trusts_everybody(text: str) -> None:
    """A network of all addresses is refused: each caller could choose its own."""
    message = f"^{re.escape(repr(text))} would trust everybody; takes"
    with pytest.raises(ValueError, match=message):
        parse_trusted_proxies(f"10.0.0.0/8,{text}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.0/8,", "'' is neither an address nor a CIDR"),
        ("proxy.example.com", "'proxy.example.com' is neither an address nor a CIDR"),
        ("10.0.0.0/33", "'10.0.0.0/33' is neither an address nor a CIDR"),
        ("10.0.0.0-10.0.0.9", "'10.0.0.0-10.0.0.9' is neither an address nor a CIDR"),
        ("10.0.0.1/8", "'10.0.0.1/8' has bits set beyond its prefix; 10.0.0.0/8 has none"),
    ],
)
def test_malformed_proxies_are_refused(text: str, message: str) -> None:
    """Whatever is neither an address nor a CIDR is refused with what it was."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_trusted_proxies(text)
