"""Who is asking, behind proxies that are trusted and others."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.names import ClientAddress
from hsp_otp.entrypoints.client_address import (
    FORWARDED,
    X_FORWARDED_FOR,
    find_client,
    parse_trusted_proxies,
    read_client,
)

TRUSTED = parse_trusted_proxies("10.0.0.0/8, 2001:db8:ffff::/48")
PROXY = "10.0.0.1"

clients = st.ip_addresses(v=4).filter(lambda address: address not in IPv4Network("10.0.0.0/8"))
proxies = st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="2001:db8:ffff::/48")


def _address(peer: str | None, *forwarded: str) -> str:
    return find_client(peer, forwarded, TRUSTED).address.value


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
    assert find_client(peer, ["203.0.113.9"], ()).address.value == address


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


# Forwarded (RFC 7239)


def _named(*lines: str, peer: str | None = PROXY) -> str:
    return find_client(peer, lines, TRUSTED, FORWARDED).address.value


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["for=203.0.113.9"], "203.0.113.9"),
        (["For=203.0.113.9"], "203.0.113.9"),
        (["FOR=203.0.113.9;proto=https;by=10.0.0.1"], "203.0.113.9"),
        (["proto=https;host=otp.example;for=203.0.113.9"], "203.0.113.9"),
        (["by=10.0.0.1; for=203.0.113.9 ; proto=https"], "203.0.113.9"),
        ([";for=203.0.113.9;"], "203.0.113.9"),
        (["\t for=203.0.113.9 \t"], "203.0.113.9"),
        # quoted, with a port, with brackets
        (['for="203.0.113.9"'], "203.0.113.9"),
        (['for="203.0.113.9:4711"'], "203.0.113.9"),
        (['for="203.0.113.9:_hidden"'], "203.0.113.9"),
        (['for="[2001:db8::1]"'], "2001:db8::/64"),
        (['for="[2001:db8::1]:4711"'], "2001:db8::/64"),
        (['for="[2001:db8::1]:_x.y-z"'], "2001:db8::/64"),
        ([r'for="203.0.113\.9"'], "203.0.113.9"),
        # as many proxies write it, without quotation marks
        (["for=203.0.113.9:4711"], "203.0.113.9"),
        (["for=[2001:db8::1]:4711;host=otp.example:443"], "2001:db8::/64"),
        (["for=2001:db8::1"], "2001:db8::/64"),
        # several elements and lines are one list, walked from the right
        (["for=192.0.2.66, for=203.0.113.9"], "203.0.113.9"),
        (["for=192.0.2.66", "for=203.0.113.9", "for=10.0.0.2"], "203.0.113.9"),
        (["for=203.0.113.9,for=10.0.0.3", 'for="[2001:db8:ffff::5]:80"'], "203.0.113.9"),
        (["for=10.0.0.3, for=10.0.0.2"], "10.0.0.3"),
        # commas, semicolons and quotation marks inside of quotation marks
        (['for=203.0.113.9;by="a, for=192.0.2.66"'], "203.0.113.9"),
        ([r'for=203.0.113.9;by="a\", for=192.0.2.66;x=\"b"'], "203.0.113.9"),
        (['by="a;for=192.0.2.66";for=203.0.113.9'], "203.0.113.9"),
        # what a caller leaves open swallows nothing of what the proxy appends
        (['for="192.0.2.66, for=203.0.113.9'], "203.0.113.9"),
        (['for="192.0.2.66', 'for="[2001:db8::1]:4711"'], "2001:db8::/64"),
        (['for="\\, for=203.0.113.9'], "203.0.113.9"),
        (["for=192.0.2.66;for=, for=203.0.113.9"], "203.0.113.9"),
        # nothing forwarded
        ([], "10.0.0.1"),
    ],
)
def test_forwarded_is_read_as_x_forwarded_for_is(lines: list[str], address: str) -> None:
    """3.7: the same walk through RFC 7239's elements, whichever way they are written."""
    assert _named(*lines) == address


@pytest.mark.parametrize(
    "element",
    [
        "",
        " ",
        ";",
        "for=unknown",
        "for=_hidden",
        'for="_hidden:4711"',
        "for=",
        'for=""',
        "for",
        "203.0.113.9",
        "proto=https",
        "fo r=203.0.113.9",
        "for =203.0.113.9",
        "for= 203.0.113.9",
        "for=203.0.113.9;for=203.0.113.9",
        "for=192.0.2.66;For=203.0.113.9",
        "for=203.0.113.9 proto=https",
        "for=203.0.113.9 x",
        'for="203.0.113.9',
        'for=203.0.113.9"',
        'for="203.0.113.9"x',
        "for='203.0.113.9'",
        "for=203.0.113.9:http",
        "for=203.0.113.9:123456",
        'for="[203.0.113.9]"',
        "xfor=203.0.113.9",
        "for=203.0.113.9\xa0",
        "for=203.0.113.\u0669",
        "\x00",
    ],
)
def test_an_element_without_an_address_ends_the_walk(element: str) -> None:
    """3.7: junk, an obfuscated node and an element without ``for`` end the walk before them."""
    assert _named(f"for=192.0.2.66,{element}") == "10.0.0.1"
    assert _named(f"for=192.0.2.66,{element},for=10.0.0.2") == "10.0.0.2"


@given(clients, st.lists(proxies, max_size=5), st.text(max_size=50), st.sampled_from(["", '"']))
def test_what_a_client_sends_in_forwarded_does_not_count(
    client: IPv4Address, chain: list[IPv4Address], invented: str, quoted: str
) -> None:
    """Whatever a client writes in front, it is what the nearest trusted proxy saw."""
    bracketed = (str(hop) if hop.version == 4 else f"[{hop}]" for hop in (client, *chain))
    hops = ", ".join(f"for={quoted}{hop}{quoted};proto=https" for hop in bracketed)
    assert _named(invented, hops) == str(client)
    assert _named(f"{invented},{hops}") == str(client)


@given(
    st.lists(st.text() | st.from_regex(r"([a-z]{1,3}|[=;,\\\" ]|for=|10\.0\.0\.2){0,30}")),
)
def test_no_forwarded_header_is_a_fault(lines: list[str]) -> None:
    """Any header gives an address or the shared bucket."""
    value = _named(*lines)
    assert value == "unknown" or ip_network(value).prefixlen in {32, 64}


@pytest.mark.parametrize(
    "filling", [" ", ",", ";", "\t;", '"', '\\"', ',a="', ",a=b", ";a=b", ',"\\', "a", ", ;"]
)
def test_a_huge_forwarded_header(filling: str) -> None:
    """Its nearest element is found, however much stands in front of it."""
    assert _named(f"for=10.0.0.3,{filling * 100_000}", "for=203.0.113.9") == "203.0.113.9"


@pytest.mark.parametrize(
    ("header", "line"), [(X_FORWARDED_FOR, "for=203.0.113.9"), (FORWARDED, "203.0.113.9")]
)
def test_each_header_is_read_in_its_own_form_alone(header: str, line: str) -> None:
    """What is written in the form of the other header is no address."""
    found = find_client(PROXY, [line], TRUSTED, header)
    assert (found.address.value, found.is_proxy) == ("10.0.0.1", True)


# A proxy that names nobody


@pytest.mark.parametrize(
    ("header", "lines", "silent"),
    [
        (X_FORWARDED_FOR, [], True),
        (X_FORWARDED_FOR, [""], True),
        (X_FORWARDED_FOR, ["unknown"], True),
        (X_FORWARDED_FOR, ["203.0.113.9, nonsense"], True),
        (X_FORWARDED_FOR, ["203.0.113.9, nonsense, 10.0.0.2"], True),
        (X_FORWARDED_FOR, ["203.0.113.9"], False),
        (X_FORWARDED_FOR, ["nonsense, 203.0.113.9, 10.0.0.2"], False),
        # somebody in the proxies' own network
        (X_FORWARDED_FOR, ["10.0.0.3"], False),
        (FORWARDED, [], True),
        (FORWARDED, ["proto=https"], True),
        (FORWARDED, ["for=_hidden"], True),
        (FORWARDED, ["for=203.0.113.9, for=unknown, for=10.0.0.2"], True),
        (FORWARDED, ["for=203.0.113.9"], False),
        (FORWARDED, ["for=10.0.0.3"], False),
    ],
)
def test_a_trusted_proxy_that_names_nobody(header: str, lines: list[str], *, silent: bool) -> None:
    """3.7: a trusted proxy stands in for its callers where it names none that can be used."""
    assert find_client(PROXY, lines, TRUSTED, header).is_proxy is silent
    assert not find_client("192.0.2.7", lines, TRUSTED, header).is_proxy


# IPv4 inside of IPv6


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("64:ff9b::203.0.113.9", "203.0.113.9"),
        ("64:ff9b::cb00:7109", "203.0.113.9"),
        # none of NAT64's own prefix: one /64 as any other
        ("64:ff9b:0:0:0:1:cb00:7109", "64:ff9b::/64"),
        ("64:ff9b:1::cb00:7109", "64:ff9b:1::/64"),
        ("2002:cb00:7109::1", "2002:cb00:7109::/64"),
    ],
)
def test_an_ipv4_address_behind_a_translator(peer: str, address: str) -> None:
    """3.7: an address of 64:ff9b::/96 is the IPv4 address inside, wherever it stands."""
    assert _address(peer) == address
    assert _address(PROXY, peer) == address
    assert _address(PROXY, f"[{peer}]:4711") == address
    assert _named(f'for="[{peer}]"') == address


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
        value = find_client(given_peer, forwarded, TRUSTED).address.value
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
        ("64:ff9b::10.0.0.0/104", (IPv4Network("10.0.0.0/8"),)),
        ("64:ff9b:1::/48", (IPv6Network("64:ff9b:1::/48"),)),
    ],
)
def test_trusted_proxies(text: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> None:
    """Proxies are addresses and CIDRs; a mapped one is the IPv4 network that it stands for."""
    assert parse_trusted_proxies(text) == networks


@pytest.mark.parametrize("text", ["::ffff:10.0.0.0/104", "64:ff9b::10.0.0.0/104", "10.0.0.0/8"])
@pytest.mark.parametrize("peer", ["::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "10.0.0.1"])
def test_a_mapped_address_is_the_same_address(text: str, peer: str) -> None:
    """An IPv4 address is trusted in whichever form it and its network are written."""
    found = find_client(peer, ["203.0.113.9"], parse_trusted_proxies(text))
    assert found.address.value == "203.0.113.9"


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "0.0.0.0/0",
        "::/0",
        "10.0.0.1/0",
        "2001:db8::/0",
        "0.0.0.0/0.0.0.0",
        "::ffff:0:0/96",
        "64:ff9b::/96",
    ],
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


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:443", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::/64"),
        ("[2001:db8::1%eth0]:443", "2001:db8::/64"),
    ],
)
def test_an_address_that_a_backend_names(text: str, address: str) -> None:
    """It is read as an entry of a proxy's header (13.1)."""
    assert read_client(text) == ClientAddress(address)


@pytest.mark.parametrize("text", ["", "unknown", "1.2.3", "203.0.113.9, 198.51.100.7", "a\x00"])
def test_what_is_no_address(text: str) -> None:
    """Anything else names nobody."""
    assert read_client(text) is None
