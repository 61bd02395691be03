"""Pages of other origins: docs/contract.md, sections 5 and 5.3, and `HSP_OTP_CORS_ORIGINS`."""

from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any, Final

import pytest

from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import Pass
from hsp_otp.entrypoints.app import PAGES
from hsp_otp.ports.failures import Unavailable
from tests.http import (
    CSRF,
    CSRF_TOKEN,
    ME,
    REFRESH,
    SIGNUP_SEND,
    SIGNUP_VERIFY,
    VALIDATE,
    Client,
    Reply,
    csrf,
)
from tests.visitor import SIGNUP, Visitor
from tests.world import PASS_CODE, PHONE, World, ring

NAMED: Final = "https://www.neobank.example"
ORIGINS: Final = (NAMED, "http://localhost:3000")

READABLE: Final = {
    "vary": "Origin",
    "access-control-allow-origin": NAMED,
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": "retry-after, www-authenticate, x-request-id",
}
CROSS_SITE: Final = {"origin": NAMED, "sec-fetch-site": "cross-site"}

OTHERS: Final = {
    "another host": "https://evil.example",
    "a host that ends alike": "https://evilwww.neobank.example",
    "a host that begins alike": "https://www.neobank.example.evil.example",
    "a parent": "https://neobank.example",
    "a child": "https://a.www.neobank.example",
    "another scheme": "http://www.neobank.example",
    "another port": "https://www.neobank.example:8443",
    "no port": "http://localhost",
    "a usual port, which no browser writes": "https://www.neobank.example:443",
    "upper case, which no browser writes": "https://WWW.neobank.example",
    "a path": "https://www.neobank.example/",
    "a hidden origin": "null",
    "two in one": f"{NAMED}, {NAMED}",
    "nothing": "",
    "a wildcard": "*",
}


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a service that names two origins; one paid pass is held."""
    with Client(cors_origins=ORIGINS) as opened:
        opened.world.add()
        yield opened


def cors(reply: Reply) -> dict[str, str]:
    """The headers about other origins."""
    return {
        name: value
        for name, value in reply.headers.items()
        if name == "vary" or name.startswith("access-control-")
    }


def preflight(client: Client, path: str, origin: str = NAMED, method: str = "POST") -> Reply:
    """Ask, as a browser does, whether a page may make a request."""
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type,x-csrftoken",
    }
    return client.request("OPTIONS", path, headers=headers)


class Failing:
    """A repository of passes that fails."""

    def __init__(self, failure: Exception) -> None:
        self.stored: dict[PassCode, Pass] = {}
        self._failure = failure

    async def find(self, _: PassCode) -> Pass | None:
        """Fail."""
        raise self._failure


def failing(failure: Exception) -> Client:
    """A client of a service that names the origins and whose passes fail."""
    world = World(passes=Failing(failure))  # type: ignore[arg-type]
    return Client(world, cors_origins=ORIGINS)


# Answers


ANSWERS: Final[dict[str, tuple[int, Callable[[Client, dict[str, str]], Reply]]]] = {
    "a success": (
        200,
        lambda client, headers: client.post(VALIDATE, {"pass_code": PASS_CODE}, headers=headers),
    ),
    "a refusal": (
        400,
        lambda client, headers: client.post(VALIDATE, {"pass_code": "x"}, headers=headers),
    ),
    "malformed": (400, lambda client, headers: client.post(VALIDATE, body=b"{", headers=headers)),
    "an invalid host": (
        400,
        lambda client, headers: client.post(VALIDATE, {}, headers={**headers, "host": "a b"}),
    ),
    "no token": (401, lambda client, headers: client.request("GET", ME, headers=headers)),
    "no CSRF token": (
        403,
        lambda client, headers: client.post(
            SIGNUP_SEND, {}, headers={**headers, "x-csrftoken": None}
        ),
    ),
    "no such route": (
        404,
        lambda client, headers: client.request("GET", "/token/none/", headers=headers),
    ),
    "no route itself": (
        404,
        lambda client, headers: client.request("GET", "/customer/", headers=headers),
    ),
    "another spelling": (
        404,
        lambda client, headers: client.post("/customer//send-otp/", {}, headers=headers),
    ),
    "another method": (
        405,
        lambda client, headers: client.request("GET", REFRESH, headers=headers),
    ),
    "a question without a method": (
        405,
        lambda client, headers: client.request("OPTIONS", REFRESH, headers=headers),
    ),
    "too large": (
        413,
        lambda client, headers: client.post(REFRESH, body=b" " * 20_000, headers=headers),
    ),
    "another type": (
        415,
        lambda client, headers: client.request("POST", VALIDATE, body=b"{}", headers=headers),
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_named_origin_reads_every_answer(client: Client, name: str) -> None:
    """Section 5: successes and errors have the headers, with the origin as the page has it."""
    status, ask = ANSWERS[name]
    reply = ask(client, {"origin": NAMED})
    assert (reply.status, cors(reply)) == (status, READABLE)


@pytest.mark.parametrize(
    ("status", "failure"), [(503, Unavailable("away")), (500, ZeroDivisionError())]
)
def test_a_named_origin_reads_failures(status: int, failure: Exception) -> None:
    """Section 5: a store that is away and a bug leave the headers in place."""
    with failing(failure) as client:
        reply = client.post(VALIDATE, {"pass_code": PASS_CODE}, headers={"origin": NAMED})
    assert (reply.status, cors(reply)) == (status, READABLE)


def test_a_named_origin_reads_how_long_to_wait() -> None:
    """Section 5: of a limit, the wait is among the headers that a page may read."""
    with Client(cors_origins=ORIGINS, lookups_per_client_hour=1) as client:
        client.world.add()
        client.validate()
        reply = client.post(VALIDATE, {"pass_code": PASS_CODE}, headers={"origin": NAMED})
    assert (reply.status, cors(reply)) == (429, READABLE)
    assert reply.headers["retry-after"] == "3600"


@pytest.mark.parametrize("name", OTHERS)
def test_no_other_origin_reads_anything(client: Client, name: str) -> None:
    """Section 5: an origin is let in if it is named to the letter."""
    for _, ask in ANSWERS.values():
        assert cors(ask(client, {"origin": OTHERS[name]})) == {"vary": "Origin"}


def test_caches_tell_origins_apart(client: Client) -> None:
    """Section 5: an answer to a caller without an origin is not one for a page."""
    assert cors(client.validate()) == {"vary": "Origin"}


@pytest.mark.parametrize("more", [NAMED, "https://evil.example"])
def test_two_origins_are_none(client: Client, more: str) -> None:
    """Section 5: a header that stands twice names nothing."""
    lines = [("origin", NAMED), ("origin", more)]
    reply = client.request("GET", ME, more_headers=lines)
    assert cors(reply) == {"vary": "Origin"}


def test_each_origin_gets_its_own_name(client: Client) -> None:
    """Section 5: of several origins, the answer names the one that asks."""
    reply = client.request("GET", ME, headers={"origin": "http://localhost:3000"})
    assert reply.headers["access-control-allow-origin"] == "http://localhost:3000"


CLOSED: Final = [
    *sorted({path for page in PAGES for path in page.paths} - {"/static/{name:path}"}),
    *("/customer/login/", "/users/signup/", "/users/", "/healthz", "/readyz", "/v1/passes/x"),
    *("/.well-known/jwks.json", "/callbacks/twilio/status/", "/docs", "/ops/", "/metrics"),
    *("/customers/send-otp/", "/tokens/", "/users/apis/", "/nowhere", "//token/refresh/"),
]


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_and_other_routes_stay_closed(client: Client, method: str, path: str) -> None:
    """Section 5: only the routes of customers, tokens and signup are open to other origins."""
    reply = client.request(method, path, headers={"origin": NAMED})
    assert not [name for name in cors(reply) if name != "vary"]
    assert not cors(preflight(client, path))


# Preflights


@pytest.mark.parametrize("path", [VALIDATE, ME, REFRESH[:-1], CSRF, SIGNUP_SEND, "/token/none"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_preflight(client: Client, path: str, method: str) -> None:
    """Section 5: 204 without a body, and what a page may send for ten minutes."""
    reply = preflight(client, path, method=method)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers == READABLE | {
        "access-control-allow-methods": "GET, HEAD, POST",
        "access-control-allow-headers": "accept-language, authorization, content-type, "
        "traceparent, x-csrftoken, x-request-id",
        "access-control-max-age": "600",
        "x-request-id": "r-1",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    assert client.world.audit.rows == []


@pytest.mark.parametrize("name", OTHERS)
def test_a_preflight_of_another_origin(client: Client, name: str) -> None:
    """Section 5: 405, as where no origin is named."""
    reply = preflight(client, VALIDATE, OTHERS[name])
    assert (reply.status, cors(reply)) == (405, {"vary": "Origin"})


def test_a_preflight_without_a_valid_host(client: Client) -> None:
    """5.5: the host is judged before anything else."""
    headers = {"origin": NAMED, "access-control-request-method": "POST", "host": "a b"}
    assert client.request("OPTIONS", VALIDATE, headers=headers).status == 400


# Signup from another origin


def test_a_named_origin_signs_up(client: Client) -> None:
    """5.3: its page proves a number, though its browser says that it is another site's."""
    sent = client.post(SIGNUP_SEND, {"phone": PHONE}, headers=CROSS_SITE)
    assert (sent.status, cors(sent)) == (200, READABLE)
    members = {
        "session_id": sent.json["session_id"],
        "otp_code": client.world.outbox.codes[-1],
    }
    proved = client.post(SIGNUP_VERIFY, members, headers=CROSS_SITE)
    assert (proved.status, cors(proved)) == (200, READABLE)
    assert set(proved.json) == {"success", "message", "next_step", "proof", "device_token"}


@pytest.mark.parametrize("path", [SIGNUP_SEND, SIGNUP_VERIFY])
@pytest.mark.parametrize("name", OTHERS)
def test_no_other_origin_signs_up(client: Client, name: str, path: str) -> None:
    """5.3: 403 `csrf_failed` before anything, whatever token comes along."""
    headers = {"origin": OTHERS[name], "sec-fetch-site": "cross-site"}
    reply = client.post(path, {"phone": PHONE}, headers=headers)
    assert (reply.status, reply.json["error"], reply.reads) == (403, "csrf_failed", 0)
    assert client.world.outbox.sent == []


def test_a_cross_site_request_that_hides_its_origin(client: Client) -> None:
    """5.3: without an origin, nothing shows that the page is a named one."""
    reply = client.post(SIGNUP_SEND, {"phone": PHONE}, headers={"sec-fetch-site": "cross-site"})
    assert (reply.status, reply.json["error"]) == (403, "csrf_failed")


@pytest.mark.parametrize(
    "lacks",
    [
        csrf(cookie=None),
        csrf(header=None),
        csrf(header=ring("csrf").seal("beef")),
        csrf(cookie="x", header="x"),
        csrf(cookie=ring("codes").seal("f00d"), header=ring("codes").seal("f00d")),
    ],
)
def test_a_named_origin_needs_the_token(client: Client, lacks: dict[str, str | None]) -> None:
    """5.3: being named replaces neither the cookie nor the header."""
    reply = client.post(SIGNUP_SEND, {"phone": PHONE}, headers=CROSS_SITE | lacks)
    assert (reply.status, reply.json["error"]) == (403, "csrf_failed")


def test_a_named_origin_posts_no_form_of_a_page(client: Client) -> None:
    """5.4: forms come from pages of the service alone."""
    visitor = Visitor(client)
    page = visitor.get(SIGNUP)
    form = {**page.fields, "phone": PHONE, "do": "send"}
    body = "&".join(f"{name}={value}" for name, value in form.items()).replace("+", "%2B")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    refused = visitor.request("POST", SIGNUP, body.encode(), headers | CROSS_SITE)
    assert (refused.status, cors(refused)) == (403, {})
    assert client.world.outbox.sent == []
    assert visitor.request("POST", SIGNUP, body.encode(), headers).status == 303


# The CSRF token


def attributes(line: str) -> dict[str, Any]:
    """The name of a cookie and its attributes."""
    pair, *rest = line.split("; ")
    found = [one.lower().partition("=") for one in rest]
    return {"name": pair.partition("=")[0], **{key: value or True for key, _, value in found}}


@pytest.mark.parametrize(
    ("settings", "cookie"),
    [
        ({}, {"name": "csrftoken", "path": "/", "samesite": "lax"}),
        ({"cors_origins": ORIGINS}, {"name": "csrftoken", "path": "/", "samesite": "lax"}),
        (
            {"public_url": "https://otp.example"},
            {"name": "__Host-csrftoken", "path": "/", "samesite": "lax", "secure": True},
        ),
        (
            {"cors_origins": ORIGINS, "public_url": "https://otp.example"},
            {
                "name": "__Host-csrftoken",
                "path": "/",
                "samesite": "none",
                "secure": True,
                "partitioned": True,
            },
        ),
    ],
    ids=["http", "http, named origins", "https", "https, named origins"],
)
@pytest.mark.parametrize("path", [CSRF, SIGNUP])
def test_the_cookie_of_the_token(
    path: str, settings: dict[str, Any], cookie: dict[str, Any]
) -> None:
    """5.3: pages of other sites send it only by https, and only where origins are named."""
    with Client(**settings) as client:
        line = next(one for one in client.request("GET", path).cookies if "csrftoken=" in one)
        assert attributes(line) == cookie


@pytest.mark.parametrize("path", [CSRF, CSRF[:-1]])
def test_the_token_is_handed_out(client: Client, path: str) -> None:
    """5.3: the answer has the token of its cookie, which is what the other routes want."""
    reply = client.request("GET", path, headers={"origin": NAMED})
    assert (reply.status, cors(reply)) == (200, READABLE)
    assert set(reply.json) == {"csrf_token"}
    token = reply.json["csrf_token"]
    assert SimpleCookie(reply.cookies[0])["csrftoken"].value == token
    headers = csrf(cookie=token, header=token) | CROSS_SITE
    assert client.post(SIGNUP_SEND, {"phone": PHONE}, headers=headers).status == 200


def test_a_genuine_token_is_kept(client: Client) -> None:
    """5.3: windows of one browser do not take each other's token away."""
    headers = {"cookie": f"csrftoken={CSRF_TOKEN}"}
    assert client.request("GET", CSRF, headers=headers).json == {"csrf_token": CSRF_TOKEN}
    forged = client.request("GET", CSRF, headers={"cookie": "csrftoken=planted"}).json
    assert forged != {"csrf_token": "planted"}


def test_tokens_differ_and_leave_no_trace(client: Client) -> None:
    """5.3: every browser has a token of its own; nothing is charged or stored."""
    tokens = {client.request("GET", CSRF).json["csrf_token"] for _ in range(50)}
    assert len(tokens) == 50
    assert client.world.audit.rows == []


def test_a_page_of_another_origin_knows_no_other_cookie() -> None:
    """5.3, 5.4.9: the session's cookie stays `Lax`, the device's `Strict`; members replace both."""
    with Client(cors_origins=ORIGINS, public_url="https://otp.example") as client:
        sent = client.post(SIGNUP_SEND, {"phone": PHONE}, headers=CROSS_SITE)
        members = {
            "session_id": sent.json["session_id"],
            "otp_code": client.world.outbox.codes[-1],
        }
        proved = client.post(SIGNUP_VERIFY, members, headers=CROSS_SITE)
        found = [attributes(line) for line in proved.cookies]
        assert {one["name"]: one["samesite"] for one in found} == {
            "__Host-signup_session": "lax",
            "otp_device": "strict",
        }
        client.world.clock.advance(30_000_000)
        again = {"phone": PHONE, "device_token": proved.json["device_token"]}
        reply = client.post(SIGNUP_SEND, again, headers=CROSS_SITE)
        assert reply.status == 200
    assert client.world.audit.rows[-1].facts.lane is Lane.KNOWN
