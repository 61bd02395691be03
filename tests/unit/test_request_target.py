"""The host and the path that a request names: docs/contract.md, sections 5 and 5.5."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.entrypoints.http.request_target import (
    Authority,
    canonical_path,
    names_a_host,
    read_authority,
)
from tests.http import SIGNUP_SEND, VALIDATE, Client, problem
from tests.ops_page import PASSWORD, Ops
from tests.world import World

MALFORMED = problem(400, "Bad Request", "malformed_request", "We could not understand the request.")
NOT_FOUND = problem(404, "Not Found", "not_found", "There is nothing at this address.")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A service with every page; nothing here changes what it stands on."""
    world = World()
    world.add()
    with Client(world, ops=Ops(world).desk(), ops_password=PASSWORD) as found:
        yield found


# Hosts

HOSTS = {
    "otp.example": Authority("otp.example", None),
    "OTP.Example": Authority("otp.example", None),
    "otp.example.": Authority("otp.example.", None),
    "my_service": Authority("my_service", None),
    "otp.example:8000": Authority("otp.example", 8000),
    "otp.example:": Authority("otp.example", None),
    "x:1": Authority("x", 1),
    "x:65535": Authority("x", 65535),
    "192.0.2.1": Authority("192.0.2.1", None),
    "192.0.2.1:80": Authority("192.0.2.1", 80),
    "[::1]": Authority("[::1]", None),
    "[2001:DB8::1]:8000": Authority("[2001:db8::1]", 8000),
    "[::ffff:192.0.2.1]": Authority("[::ffff:192.0.2.1]", None),
}

NO_HOSTS = [
    *("", " ", ":", ":80", "x:99999", "x:65536", "x:0", "x:-1", "x:+1", "x:1 ", "x:８０", "x:8o"),
    *("a:b:c", "x:80:80", "x:000080", "::1", "2001:db8::1", "[::1", "::1]", "[]", "[x]", "[::1]x"),
    *("[::1]:99999", "[::1%eth0]", "[192.0.2.1]", "[v1.x]", "[::1::2]", "user@x", "user:pass@x"),
    *("a b", "a,b", "a/b", "a\\b", "a?b", "a#b", "a%41", "é", "x\x00", "x\t", "*", "<x>", '"x"'),
    *("x" * 254, "http://x", "x;y", "x=y", "(x)"),
]


@pytest.mark.parametrize("text", HOSTS)
def test_a_host_is_read(text: str) -> None:
    """5.5: a name or an address, in any case, with or without a port."""
    assert read_authority(text) == HOSTS[text]


@pytest.mark.parametrize("text", NO_HOSTS, ids=ascii)
def test_what_names_no_host_is_not_read(text: str) -> None:
    """5.5: anything else is none, whatever a library of URLs would make of it."""
    assert read_authority(text) is None


def scope(
    *hosts: str, version: str = "1.1", target: str = "/", path: str | None = None
) -> dict[str, object]:
    """What the ASGI server tells of a request."""
    return {
        "headers": [(b"host", host.encode("latin-1")) for host in hosts],
        "http_version": version,
        "path": target if path is None else path,
        "raw_path": target.encode(),
    }


@pytest.mark.parametrize(
    ("told", "good"),
    [
        (scope("x"), True),
        (scope(), False),
        (scope(version="1.0"), True),
        (scope("x:99999", version="1.0"), False),
        (scope("x", "x"), False),
        (scope("x", "x:99999"), False),
        (scope("x", target="http://y:80/healthz"), True),
        (scope("x", target="http://y:99999/healthz"), False),
        (scope("x", target="http://a:b:c"), False),
        (scope("x", target="HTTPS://user@y/"), False),
        (scope("x", target="http:///healthz"), False),
        (scope("x:99999", target="http://y/"), False),
        (scope("x", target="/http://y:99999/"), True),
    ],
)
def test_which_requests_name_a_host(told: dict[str, object], *, good: bool) -> None:
    """5.5: one Host line, which HTTP/1.0 may leave out; a whole URL has to name one as well."""
    assert names_a_host(told) is good


@pytest.mark.parametrize("host", ["x:99999", "a:b:c", "", "user@x", "[::1", "é"])
@pytest.mark.parametrize(
    ("method", "path", "member"),
    [
        ("GET", "/", None),
        ("GET", "/customer/login/", None),
        ("POST", "/customer/login/", None),
        ("POST", "/users/signup/", None),
        ("POST", "/language/", None),
        ("GET", "/ops/", None),
        ("POST", VALIDATE, "valid"),
        ("POST", SIGNUP_SEND, "success"),
        ("POST", "/token/refresh/", None),
        ("POST", "/callbacks/twilio/status/", None),
        ("GET", "/static/page.css", None),
        ("GET", "/healthz", None),
        ("GET", "/nowhere", None),
    ],
)
def test_a_host_that_cannot_be_read_is_refused_before_anything(
    client: Client, host: str, method: str, path: str, member: str | None
) -> None:
    """5.5: 400 on every path, and nothing is sent, looked up or written down for it."""
    body = b'{"phone": "9876543210", "pass_code": "HSP-1234-5678"}'
    headers = {"host": host, "content-type": "application/json"}
    reply = client.request(method, path, body=body, headers=headers)
    assert reply.status == 400
    assert reply.json == MALFORMED | ({} if member is None else {member: False})
    assert reply.reads == 0
    assert client.world.outbox.sent == []
    assert client.world.audit.rows == []


def test_two_hosts_are_none(client: Client) -> None:
    """5.5: whichever of them another server would believe."""
    reply = client.request("GET", "/healthz", more_headers=[("host", "other.example")])
    assert (reply.status, reply.json) == (400, MALFORMED)


# Paths


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/ops", "/ops"),
        ("/ops/", "/ops"),
        ("/.well-known/jwks.json", "/.well-known/jwks.json"),
        ("/OPS", "/OPS"),
        ("/ops/..", "/ops/.."),
        ("//", None),
        ("//ops", None),
        ("/ops//", None),
        ("/ops//live", None),
        ("///", None),
        ("", None),
        ("ops", None),
        ("*", None),
        ("http://x/ops", None),
    ],
)
def test_the_spelling_of_a_path(target: str, path: str | None) -> None:
    """Section 5: one spelling, with or without the slash at its end."""
    assert canonical_path(scope("x", target=target)) == path


@given(st.text("/ops.%2fF60\\;é", max_size=12))
def test_what_is_decoded_is_another_spelling(encoded: str) -> None:
    """Section 5: a path of which anything was decoded is none."""
    told = scope("x", target=f"/%6f{encoded}", path=f"/o{encoded}")
    assert canonical_path(told) is None


def test_a_server_that_keeps_the_path_alone() -> None:
    """ASGI leaves it to the server whether it tells the path as it was sent."""
    told = scope("x", target="/ops/")
    del told["raw_path"]
    assert canonical_path(told) == "/ops"


SPELLINGS = [
    ("//ops", None),
    ("//ops/", None),
    ("/ops//", None),
    ("/ops//live", None),
    ("/%6fps", "/ops"),
    ("/%6Fps/", "/ops/"),
    ("/ops%2f", "/ops/"),
    ("/ops%2Flive", "/ops/live"),
    ("%2fops", "/ops"),
    ("/./ops", None),
    ("/ops/.", None),
    ("/x/../ops", None),
    ("/x/%2e%2e/ops", "/x/../ops"),
    ("/ops/%2e", "/ops/."),
    ("/ops;x", None),
    ("/ops/;x", None),
    ("/ops;/live", None),
    ("/ops\\", None),
    ("\\ops", None),
    ("/ops%5c", "/ops\\"),
    ("/ops%00", "/ops\x00"),
    ("/ops%20", "/ops "),
    ("/ops#x", None),
    ("/OPS/", None),
    ("/opſ", None),
    ("http://otp.example/ops/", None),
    ("http:/ops", None),
]


@pytest.mark.parametrize(("target", "path"), SPELLINGS, ids=[ascii(one) for one, _ in SPELLINGS])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_spelling_leads_nowhere(
    client: Client, method: str, target: str, path: str | None
) -> None:
    """Section 5: what a proxy's rule for `/ops` would not see is `not_found`."""
    reply = client.request(method, target if path is None else path, raw_path=target)
    assert (reply.status, reply.json) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    "path",
    [
        *("/ops", "/customer/login", "/users/signup", "/healthz", "/readyz"),
        *("/.well-known/jwks.json", "/static/page.css", "/ops/static/ops.js"),
    ],
)
def test_both_spellings_of_a_path_answer_alike(client: Client, path: str) -> None:
    """Section 5: with and without the slash."""
    assert [client.request("GET", one).status for one in (path, f"{path}/")] == [200, 200]
    encoded = f"{path[:-1]}%{ord(path[-1]):02x}"
    for raw, decoded in ((f"/{path}", None), (f"{path}//", None), (encoded, path)):
        reply = client.request("GET", decoded or raw, raw_path=raw)
        assert (reply.status, reply.json) == (404, NOT_FOUND)
