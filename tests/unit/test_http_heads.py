"""Whatever stands in the head of a request, it is never a bug: docs/contract.md, 5.5."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.entrypoints.client_address import parse_trusted_proxies
from tests.http import CSRF_TOKEN, Client
from tests.ops_page import PASSWORD, Ops
from tests.world import World

PATHS = [
    *("/", "/customer/login/", "/users/signup/", "/language/", "/ops/", "/ops/live/"),
    *("/ops/story/", "/ops/sign-out/", "/customer/me/", "/customer/validate-pass/"),
    *("/users/api/send-otp/", "/token/refresh/", "/callbacks/webhook/status/"),
    *("/static/page.css", "/ops/static/ops.js", "/.well-known/jwks.json", "/readyz", "/nowhere"),
]

RUBBISH: dict[str, list[str]] = {
    "content-type": [
        *("", ";;", ";=", "application/json;charset=\xff", 'application/json;charset="', "a/b/c"),
        *("application/json; charset*=utf-8''x", 'application/json;;a==b;"', "\xff\xfe"),
        *("multipart/form-data; boundary=", "application/x-www-form-urlencoded;charset=utf-16"),
    ],
    "cookie": [
        *("=", ";", '"', "=;=;", "csrftoken", 'csrftoken="\\377"', "csrftoken=%ff; login=%"),
        *("a=" + 8000 * "x", "; " * 2000, "language=\xff", "login_access=\xff.\xff.\xff"),
        *("login_refresh=a.b.c.d; signup_session=\x01", "hsp_otp_ops=k1.1.2.3; hsp_otp_ops="),
        *("login=k1.e30.00; notice=k1..", "login_access=eyJhbGciOiJub25lIn0.e30."),
    ],
    "accept-language": ["en;q=\xff", "a-" * 400, ";;;", "es;q=1e9", "en;q=nan", "\xff" * 200],
    "authorization": ["", "Bearer", "Bearer \xff", "bearer ..", "Basic x", "Bearer e30.e30."],
    "origin": ["", "null", "://", "http://[", "https://x:99999", "http://a@b", "\xff"],
    "sec-fetch-site": ["", "\xff", "nonsense"],
    "x-csrftoken": ["", "\xff", CSRF_TOKEN + "0", "..", "k1."],
    "x-forwarded-for": ["", "\xff", ",,,", "[", "1.2.3.4:99999999"],
    "forwarded": ["", "\xff", 'for="', "for=;for=", '"' * 99],
    "traceparent": ["", "\xff", f"00-{32 * '0'}-{16 * '0'}-00"],
    "x-request-id": ["", "\xff", "x" * 9000],
    "webhook-timestamp": ["", "\xff", "-1", "9" * 30],
    "x-ops-active": ["\xff"],
    "host": ["", "x:99999", "a:b:c", "[", "\xff"],
}

heads = st.dictionaries(st.sampled_from(list(RUBBISH)), st.integers(0, 99), max_size=5).map(
    lambda chosen: {
        name: RUBBISH[name][place % len(RUBBISH[name])] for name, place in chosen.items()
    }
)
queries = st.sampled_from(
    [
        "",
        "%",
        "%ff=%ff",
        "&&&=",
        "v=%",
        "range=%ff&flow=%",
        "range=hour&range=day",
        ";" * 99,
        "a" * 999,
    ]
)
bodies = st.sampled_from(
    [
        *(b"", b"%", b"a=%zz", b"{}", b"\xff", b"password=%ff", b"do=send&phone=%F0%9F%98%80"),
        *(f"do=verify&otp=1&csrftoken={CSRF_TOKEN}".encode(), b"csrftoken=%ED%A0%80"),
    ]
)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A service with every page, behind a proxy, by https."""
    world = World()
    world.add()
    with Client(
        world,
        ops=Ops(world).desk(),
        ops_password=PASSWORD,
        public_url="https://otp.example",
        trusted_proxies=parse_trusted_proxies("198.51.100.0/24"),
    ) as found:
        yield found


@given(
    st.sampled_from(["GET", "POST", "HEAD", "PUT"]),
    st.sampled_from(PATHS),
    heads,
    queries,
    bodies,
    st.sampled_from(["", f"csrftoken={CSRF_TOKEN}; ", f"__Host-csrftoken={CSRF_TOKEN}; "]),
)
def test_no_head_of_a_request_is_a_bug(  # noqa: PLR0917 - all that a request consists of
    client: Client,
    method: str,
    path: str,
    head: dict[str, str],
    query: str,
    body: bytes,
    token: str,
) -> None:
    """5.5: rubbish in headers, cookies and queries is refused or passed over."""
    headers: dict[str, str | None] = {"content-type": "application/x-www-form-urlencoded", **head}
    headers["cookie"] = token + head.get("cookie", "a=b")
    reply = client.request(method, path, headers=headers, query=query, body=body)
    assert reply.status < 500
