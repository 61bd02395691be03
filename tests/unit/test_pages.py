"""What all pages have in common: docs/contract.md, sections 5 and 5.3."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import attrs
import pytest

from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.names import Language
from hsp_otp.ports.failures import Unavailable
from tests.http import Client, Reply
from tests.visitor import LOGIN, SIGNUP, Page, Visitor
from tests.world import World, other_than, ring

PAGES = ("/", LOGIN, SIGNUP)
NEWS = "notice_customer_login"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def client() -> Iterator[Client]:
    """Over a world with a pass, in development mode, where there is a front page."""
    world = World()
    world.add()
    regions = frozenset({"IN", "ES"})
    with Client(world, mode="development", docs=False, signup_regions=regions) as found:
        yield found


@pytest.fixture
def visitor(client: Client) -> Visitor:
    """Somebody with a browser."""
    return Visitor(client)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("spelt", ["with the slash", "without"])
def test_a_page_answers(visitor: Visitor, path: str, spelt: str) -> None:
    """Every page answers with and without the slash, and is strict about what it loads."""
    page = visitor.get(path if spelt == "with the slash" else path.rstrip("/") or "/")
    headers = dict(page.reply.headers)
    assert headers.pop("content-length") == str(len(page.reply.body))
    assert headers.pop("set-cookie").startswith("csrftoken=")
    assert headers == {
        "content-type": "text/html; charset=utf-8",
        "content-language": "en",
        "content-security-policy": POLICY,
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "x-request-id": "r-1",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
    assert page.attributes["html"]["lang"] == "en"


@pytest.mark.parametrize("path", PAGES)
def test_nothing_comes_from_elsewhere(visitor: Visitor, path: str) -> None:
    """Whatever a page leads to or loads is a path of ours."""
    urls = visitor.get(path).urls
    assert urls
    assert [url for url in urls if not re.fullmatch(r"/[a-z]*(/[a-z./?=0-9]*)?", url)] == []


def test_the_files_of_a_page_are_kept(visitor: Visitor) -> None:
    """Their addresses name their content, and are kept for good; under any other they are not."""
    urls = [url for url in visitor.get("/").urls if url.startswith("/static/")]
    assert len(urls) == 4
    for url in urls:
        path, _, query = url.partition("?")
        body = (files("hsp_otp.entrypoints.pages") / path.lstrip("/")).read_bytes()
        assert query == f"v={hashlib.sha256(body).hexdigest()[:16]}"
        kept = visitor.client.request("GET", path, query=query)
        assert (kept.status, kept.body) == (200, body)
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
        for other in ("", "v=0123456789abcdef"):
            older = visitor.client.request("GET", path, query=other)
            assert (older.status, older.body) == (200, body)
            assert older.headers["cache-control"] == "no-store"


def test_what_files_are_called(visitor: Visitor) -> None:
    """They say what they are; another name is not found."""
    kinds = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
    kinds |= {"colours.css": "text/css", "work.js": "text/javascript"}
    for name, kind in kinds.items():
        reply = visitor.client.request("GET", f"/static/{name}")
        assert reply.headers["content-type"].partition(";")[0] == kind
    assert visitor.client.request("GET", "/static/page.py").status == 404
    refused = visitor.client.request("POST", "/static/page.css")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


def test_the_front_page_leads_on(client: Client, visitor: Visitor) -> None:
    """It leads to both products, and to the API's description only where that is served."""
    assert LOGIN in visitor.get("/").urls
    assert SIGNUP in visitor.get("/").urls
    assert "/docs" not in visitor.get("/").urls
    with Client(client.world, mode="development", docs=True) as other:
        assert "/docs" in Visitor(other).get("/").urls


# Tokens


@pytest.mark.parametrize("path", [LOGIN, SIGNUP, "/language/"])
@pytest.mark.parametrize("token", ["", "nonsense", "of another visitor"])
def test_a_form_without_its_token(visitor: Visitor, path: str, token: str) -> None:
    """Section 5.3: `csrf_failed` as a page, and nothing is sent."""
    visitor.get(LOGIN)
    if token == "of another visitor":
        token = Visitor(visitor.client).get(LOGIN).fields["csrftoken"]
    fields = {"do": "send", "phone": "9876543210", "language": "es", "csrftoken": token}
    reply = visitor.post(path, fields)
    assert reply.status == 403
    assert Page(reply).step == "failure"
    assert "language" not in visitor.cookies
    assert visitor.client.world.outbox.sent == []


def test_a_token_in_the_header(visitor: Visitor) -> None:
    """Scripts bring the token in the header."""
    token = visitor.get(LOGIN).fields["csrftoken"]
    reply = visitor.request("POST", LOGIN, b"do=find", FORM | {"x-csrftoken": token})
    assert reply.status == 303


def test_the_token_stays(visitor: Visitor) -> None:
    """Two windows of a browser have the same token, so that both stay good."""
    first = visitor.get(LOGIN).fields["csrftoken"]
    assert visitor.get(SIGNUP).fields["csrftoken"] == first


# Forms that are none


@pytest.mark.parametrize("path", [LOGIN, SIGNUP, "/language/"])
@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (413, "application/x-www-form-urlencoded", b"a" * (16 * 1024 + 1)),
        (415, "multipart/form-data", b"do=find"),
        (415, "application/json", b"{}"),
        (415, "", b"do=find"),
        (400, "application/x-www-form-urlencoded", b"do=%ff"),
        (400, "application/x-www-form-urlencoded", b"do=\xff"),
        (400, "application/x-www-form-urlencoded", b"&".join([b"a=1"] * 100)),
        (403, "application/x-www-form-urlencoded", b""),
        (403, "application/x-www-form-urlencoded", b"%%%===&&&\x00"),
    ],
)
def test_a_form_that_is_none(
    visitor: Visitor, path: str, status: int, kind: str, body: bytes
) -> None:
    """Section 5.5: refused as a page that leads back; nothing happens."""
    reply = visitor.request("POST", path, body, {"content-type": kind})
    assert reply.status == status
    page = Page(reply)
    assert page.step == "failure"
    assert (path if path in PAGES else "/") in page.urls


def test_a_form_whose_sender_leaves(visitor: Visitor) -> None:
    """A body that does not arrive is no bug of ours."""
    reply = visitor.client.request("POST", LOGIN, body=[b"do=", None], headers=FORM)
    assert reply.status == 400


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
@pytest.mark.parametrize("do", ["", "nonsense", "send", "resend", "verify", "restart", "sign_out"])
def test_a_button_that_is_not_there(visitor: Visitor, path: str, do: str) -> None:
    """What a page does not offer leads back to the page."""
    token = visitor.get(path).fields["csrftoken"]
    reply = visitor.post(path, {"do": do, "csrftoken": token})
    assert (reply.status, reply.headers["location"]) == (303, path)
    assert visitor.client.world.outbox.sent == []
    visitor.get(path)


RUBBISH = (
    "nonsense",
    "k1.e30=.00",
    "k1..",
    "\xff\xfe",
    '"\\377"',
    "a" * 5000,
    "k1.W10.W10.W10",
)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("value", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_in_cookies(visitor: Visitor, path: str, value: str) -> None:
    """A cookie that is none of ours is as good as none."""
    names = (
        *("csrftoken", "language", "notice", NEWS, "notice_users_signup", "login", "login_access"),
        *("login_refresh", "signup_session"),
    )
    visitor.cookies = dict.fromkeys(names, value)
    assert visitor.get(path).step in {"front", "start", "number"}


@pytest.mark.parametrize("word", ["page.of_another_release", "page.code_sent", ""])
def test_news_of_another_release(visitor: Visitor, word: str) -> None:
    """News that this release has no sentence for, or another one, is not told."""
    until = visitor.client.world.clock.now() + 1
    news = json.dumps([NEWS, until, {"word": word, "field": "pass_code"}])
    text = base64.urlsafe_b64encode(news.encode()).rstrip(b"=").decode()
    visitor.cookies[NEWS] = ring("pages").seal(text)
    page = visitor.get(LOGIN)
    assert "pass_code-error" not in page.texts
    assert NEWS not in visitor.cookies


# Languages


@pytest.mark.parametrize(
    ("accepted", "language", "title"),
    [
        ("en", "en", "Sign in"),
        ("es-MX,es;q=0.9", "es", "Iniciar sesión"),
        ("hi-IN", "hi", "साइन इन करें"),
        ("tlh", "en", "Sign in"),
    ],
)
def test_a_page_speaks_its_readers_language(
    visitor: Visitor, accepted: str, language: str, title: str
) -> None:
    """Section 6: by Accept-Language, English as the last resort; the page says which it is."""
    visitor.language = accepted
    page = visitor.get(LOGIN)
    assert page.attributes["html"]["lang"] == language
    assert page.texts["h1"] == title
    assert page.reply.headers["content-language"] == language


@pytest.mark.parametrize("path", PAGES)
def test_a_language_is_chosen(visitor: Visitor, path: str) -> None:
    """The chooser keeps the language, and leads back to the page that it stood on."""
    fields = visitor.get(path).fields
    reply = visitor.post("/language/", {**fields, "language": "hi"})
    assert (reply.status, reply.headers["location"]) == (303, path)
    assert visitor.get(path).attributes["html"]["lang"] == "hi"


@pytest.mark.parametrize("language", ["", "xx", "en; Path=/", "../en"])
def test_a_language_that_there_is_not(visitor: Visitor, language: str) -> None:
    """It is not kept."""
    fields = visitor.get("/").fields
    reply = visitor.post("/language/", {**fields, "language": language})
    assert (reply.status, reply.cookies) == (303, ())


@pytest.mark.parametrize("page", ["", "//evil.example/", "https://evil.example/", "/docs"])
def test_the_chooser_leads_nowhere_else(visitor: Visitor, page: str) -> None:
    """It leads to pages of ours alone."""
    fields = visitor.get("/").fields
    reply = visitor.post("/language/", {**fields, "page": page, "language": "es"})
    assert reply.headers["location"] == "/"


def test_countries_are_called_by_their_names(visitor: Visitor) -> None:
    """In the page's language, sorted, each with its calling code."""
    assert visitor.get(SIGNUP).texts["region"] == "India (+91) Spain (+34)"
    visitor.language = "es"
    assert visitor.get(SIGNUP).texts["region"] == "España (+34) India (+91)"


# The names and ways of cookies


def cookies_of(client: Client, scheme: str = "http") -> dict[str, str]:
    """The line of each cookie that the page of pass login sets on the way to its second step."""
    visitor = Visitor(client)
    page = visitor.get(LOGIN)
    visitor.submit(page, "find", pass_code="HSP-1234-5678")
    reply = client.request("GET", LOGIN, scheme=scheme)
    return visitor.set_cookies | {"csrftoken": reply.cookies[0]}


def test_cookies_are_out_of_reach(client: Client) -> None:
    """What a page remembers is for no script, no other site, and none of the other pages."""
    state = cookies_of(client)["login"]
    assert state.endswith("; HttpOnly; Path=/customer/login; SameSite=lax")


@pytest.mark.parametrize(
    ("scheme", "public_url", "secure"),
    [
        ("http", "", False),
        ("https", "", True),
        ("http", "https://otp.example", True),
        ("http", "http://otp.example", False),
    ],
)
def test_cookies_are_for_https_where_that_is_used(
    client: Client, scheme: str, public_url: str, *, secure: bool
) -> None:
    """Secure, where the request or the public URL has it."""
    with Client(client.world, public_url=public_url) as found:
        assert ("Secure" in cookies_of(found, scheme)["csrftoken"]) == secure


def journey(visitor: Visitor) -> tuple[str, str, dict[str, str]]:
    """Through both pages: the steps that were reached, and all cookies that were set on the way."""
    world = visitor.client.world
    page = visitor.submit(visitor.get(LOGIN), "find", pass_code="HSP-0000-0000")
    page = visitor.submit(page, "find", pass_code="HSP-1234-5678")
    page = visitor.submit(page, "send")
    page = visitor.submit(page, "verify", otp=world.outbox.codes[-1])
    begun = visitor.submit(visitor.get(SIGNUP), "send", phone="98123 45678", region="IN")
    visitor.submit(begun, "verify", otp=world.outbox.codes[-1])
    return page.step, visitor.get(SIGNUP).step, dict(visitor.set_cookies)


NAMES = {
    *("csrftoken", "login", "login_access", "login_refresh", "signup_session"),
    *("notice_customer_login", "notice_users_signup"),
}


def test_no_neighbour_can_plant_a_cookie_by_https(client: Client) -> None:
    """
    5.3: by https every cookie has the prefix `__Host-`, and what it wants; only the language and
    the device token, which nobody gains by planting, have none.
    """
    with Client(client.world, public_url="https://otp.example") as found:
        login, signup, lines = journey(Visitor(found))
    assert (login, signup) == ("in", "verified")
    device = lines.pop("otp_device").partition(";")[2]
    assert device == " HttpOnly; Max-Age=31536000; Path=/users; SameSite=strict; Secure"
    assert set(lines) == {f"__Host-{name}" for name in NAMES}
    for line in lines.values():
        parts = [part.lower() for part in line.split("; ")]
        assert {"path=/", "secure"} <= set(parts)
        assert not [part for part in parts if part.startswith("domain")]


def test_by_http_cookies_keep_their_names(client: Client) -> None:
    """5.3: where there is no https they have no prefix, and stay with their pages."""
    login, signup, lines = journey(Visitor(client))
    assert (login, signup) == ("in", "verified")
    assert set(lines) == NAMES | {"otp_device"}


def test_what_is_planted_beside_the_prefix_is_not_read(client: Client) -> None:
    """5.3: by https a cookie without the prefix is as good as none."""
    visitor = Visitor(client)
    page = visitor.submit(visitor.get(LOGIN), "find", pass_code="HSP-1234-5678")
    visitor.submit(visitor.submit(page, "send"), "verify", otp=client.world.outbox.codes[-1])
    token = visitor.cookies["csrftoken"]
    with Client(client.world, public_url="https://otp.example") as found:
        other = Visitor(found, visitor.cookies)
        assert other.get(LOGIN).step == "start"
        other = Visitor(found, {"csrftoken": token})
        assert other.post(LOGIN, {"do": "restart", "csrftoken": token}).status == 403


@pytest.mark.parametrize("order", [1, -1])
def test_a_cookie_beside_others_of_its_name(client: Client, order: int) -> None:
    """5.3: by http a neighbour may set second ones; of each name the genuine one counts."""
    visitor = Visitor(client)
    page = visitor.submit(visitor.get(LOGIN), "find", pass_code="HSP-1234-5678")
    sent = visitor.submit(page, "send")
    begun = visitor.submit(visitor.get(SIGNUP), "send", phone="98123 45678", region="IN")
    states = {LOGIN: ("code", sent), SIGNUP: ("code", begun)}

    def asked(method: str, path: str, body: bytes = b"") -> Reply:
        planted = {name: ring("other").seal("e30") for name in visitor.cookies}
        planted["signup_session"] = 22 * "A"
        lines = [
            f"{name}={value}" for jar in (visitor.cookies, planted) for name, value in jar.items()
        ][::order]
        return client.request(method, path, body=body, headers=FORM | {"cookie": "; ".join(lines)})

    for path, (step, shown) in states.items():
        assert Page(asked("GET", path)).step == step
        body = f"csrftoken={shown.fields['csrftoken']}&do=nothing".encode()
        assert asked("POST", path, body).status == 303
    visitor.submit(sent, "verify", otp=client.world.outbox.codes[-2])
    assert Page(asked("GET", LOGIN)).step == "in"
    # An access token that has ended: the genuine refresh token is found.
    client.world.clock.advance(15 * MINUTE)
    reply = asked("GET", LOGIN)
    assert Page(reply).step == "in"
    assert len([line for line in reply.cookies if line.startswith("login_")]) == 2


@pytest.mark.parametrize("path", [LOGIN, SIGNUP, "/language/"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://evil.otp.example"},
        {"origin": "null"},
    ],
)
def test_a_form_of_another_site(visitor: Visitor, path: str, headers: dict[str, str]) -> None:
    """5.3: `csrf_failed` as a page before the body is read, whatever token it brings."""
    fields = visitor.get(LOGIN).fields
    body = f"csrftoken={fields['csrftoken']}&do=find&language=es".encode()
    reply = visitor.request("POST", path, body, FORM | headers)
    assert (reply.status, reply.reads, Page(reply).step) == (403, 0, "failure")
    assert "language" not in visitor.cookies


# What is written down of a visit


def test_logs_hold_no_secret(
    client: Client, visitor: Visitor, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rule 2.2: no pass code, number, code, session or token; what went wrong by its word."""
    world = client.world
    page = visitor.submit(visitor.get(LOGIN), "find", pass_code="HSP-0000-0000")
    page = visitor.submit(page, "find", pass_code="HSP-1234-5678")
    page = visitor.submit(page, "send")
    page = visitor.submit(page, "verify", otp=other_than(world.outbox.codes[-1]))
    visitor.submit(page, "verify", otp=world.outbox.codes[-1])
    page = visitor.submit(visitor.get(SIGNUP), "send", phone="98123 45678", region="IN")
    session = page.fields["session_id"]
    visitor.submit(page, "verify", otp=world.outbox.codes[-1])
    tokens = [visitor.cookies[name] for name in ("login_access", "login_refresh")]
    logged = capsys.readouterr().out
    assert "outcome=pass_not_found" in logged
    assert "outcome=invalid_otp" in logged
    assert "route=/users/signup" in logged
    secrets = [
        *("HSP-0000-0000", "HSP-1234-5678", "9876543210", "9812345678", "98123 45678"),
        *(session, *tokens, *world.outbox.codes),
    ]
    assert [one for one in secrets if one in logged] == []


# Where there is no page


@attrs.frozen
class Failing:
    """A store that fails."""

    failure: Exception

    async def transition(self, *_: object) -> None:
        """Fail."""
        raise self.failure


BROWSERS = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "text/html, */*",
    "TEXT/HTML;level=1;Q=0.9, application/json;q=0.5",
)
PROGRAMS = (
    "",
    "*/*",
    "application/json, text/plain, */*",
    "application/json, text/html",
    "text/html;q=0.5, application/problem+json",
    "text/html;q=0, */*",
    "text/html;q=0.1, */*;q=0.2",
    "text/*",
    "text/html;q=nan, application/json",
    ",;,=;q=1e999",
)


@pytest.mark.parametrize("accept", BROWSERS)
def test_a_browser_is_told_by_a_page(visitor: Visitor, accept: str) -> None:
    """Section 5.4: where HTML is preferred, a page says that there is none, and leads home."""
    reply = visitor.request("GET", "/nowhere", headers={"accept": accept})
    page = Page(reply)
    assert (reply.status, page.step) == (404, "failure")
    assert "There is nothing at this address." in page.main
    assert page.texts["a"] == "Go to the start page"
    headers = dict(reply.headers)
    assert headers["content-security-policy"] == POLICY
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("accept", PROGRAMS)
def test_a_program_is_told_by_a_problem(client: Client, accept: str) -> None:
    """Whoever accepts anything, or JSON as much as HTML, gets the answer of the API."""
    reply = client.request("GET", "/nowhere", headers={"accept": accept})
    assert reply.status == 404
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "home"),
    [
        ("/nowhere", "/"),
        ("/customers/", "/"),
        ("/customer", LOGIN),
        ("/customer/log-in/", LOGIN),
        ("/users/signup/step-2/", SIGNUP),
        ("/customer//login/", LOGIN),
        ("//customer/login/", LOGIN),
        ("/ops/", "/"),
        ("/docs", "/"),
    ],
)
def test_where_home_is(visitor: Visitor, path: str, home: str) -> None:
    """It is the page of the flow under whose path the address is, or else the front page."""
    reply = visitor.request("GET", path, headers={"accept": BROWSERS[0]})
    assert reply.status == 404
    assert Page(reply).attributes["a"]["href"] == home


@pytest.mark.parametrize("language", ["en", "es", "hi"])
def test_a_failure_is_told_in_the_callers_language(client: Client, language: str) -> None:
    """Like every other page."""
    visitor = Visitor(client, language=language)
    reply = visitor.request("GET", "/nowhere", headers={"accept": BROWSERS[0]})
    assert reply.headers["content-language"] == language
    texts = client.services.messages
    assert texts.explain("not_found", Language(language)) in Page(reply).main


def test_a_method_that_a_path_does_not_take(visitor: Visitor) -> None:
    """It is told by a page too, with `Allow`."""
    reply = visitor.request("GET", "/customer/verify-otp/", headers={"accept": BROWSERS[0]})
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert Page(reply).attributes["a"]["href"] == LOGIN


@pytest.mark.parametrize(
    ("failure", "status"), [(Unavailable("away"), 503), (RuntimeError("a bug"), 500)]
)
def test_a_failure_of_ours(
    client: Client, visitor: Visitor, failure: Exception, status: int
) -> None:
    """A store that is away and a bug are told by a page, on routes of the API as well."""
    token = client.world.sign_in().access_token
    failing: Any = Failing(failure)
    client.world.families = failing
    client.services = attrs.evolve(client.services, journeys=client.world.journeys)
    visitor.cookies["login_access"] = token
    headers = {"accept": BROWSERS[0], "authorization": f"Bearer {token}"}
    for path in (LOGIN, "/customer/me/"):
        reply = visitor.request("GET", path, headers=headers)
        page = Page(reply)
        assert (reply.status, page.step) == (status, "failure")
        assert page.attributes["a"]["href"] == LOGIN
        assert ("retry-after" in reply.headers) == (status == 503)


def test_what_is_wrong_with_a_request_is_told_by_the_api(client: Client) -> None:
    """Pages tell of paths; of what was sent to a path of the API, its own answer tells."""
    headers = {"accept": BROWSERS[0], "content-type": "text/plain"}
    reply = client.request("POST", "/token/refresh/", body=b"x", headers=headers)
    assert (reply.status, reply.json["error"]) == (415, "unsupported_media_type")


def test_heads_of_failures(client: Client) -> None:
    """HEAD has the status and the headers that GET has."""
    got = client.request("GET", "/nowhere", headers={"accept": BROWSERS[0]})
    head = client.request("HEAD", "/nowhere", headers={"accept": BROWSERS[0]})
    assert head.status == got.status
    assert head.headers.keys() == got.headers.keys()
