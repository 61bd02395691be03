"""Pages that lead back: docs/contract.md, section 5.10."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

import attrs
import pytest

from hsp_otp.domain.api_keys import Scope
from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.refresh_tokens import InvalidToken
from tests.http import OPEN, Client
from tests.unit.test_pages import POLICY
from tests.visitor import LOGIN, SIGNUP, Page, Visitor
from tests.world import PASS_CODE, RETURN_URL, World

STEP_2 = "https://bank.example:8443/step-2/?from=otp"
STATE = "s~" + "t" * 253 + "!"
OVER = "Your sign-in was completed elsewhere or has expired. You can sign in again here."


@pytest.fixture
def client() -> Iterator[Client]:
    """Over a world with a pass, whose pages lead back."""
    world = World()
    world.add()
    with Client(world, login_return_url=RETURN_URL, signup_return_url=STEP_2, **OPEN) as found:
        yield found


@pytest.fixture
def visitor(client: Client) -> Visitor:
    """Somebody with a browser."""
    return Visitor(client)


def signed_in(visitor: Visitor, query: str = "") -> Page:
    """The page after a right code."""
    page = visitor.open(LOGIN, query) if query else visitor.get(LOGIN)
    page = visitor.submit(page, "find", pass_code=PASS_CODE)
    page = visitor.submit(page, "send")
    return visitor.submit(page, "verify", otp=visitor.client.world.outbox.codes[-1])


def signed_up(visitor: Visitor, query: str = "") -> Page:
    """The page after a number was proved."""
    page = visitor.open(SIGNUP, query) if query else visitor.get(SIGNUP)
    page = visitor.submit(page, "send", phone="9876543210")
    return visitor.submit(page, "verify", otp=visitor.client.world.outbox.codes[-1])


def taken(page: Page) -> dict[str, str]:
    """The fields of the form for another site."""
    chrome = {"csrftoken", "page"}
    return {name: value for name, value in page.fields.items() if name not in chrome}


def leads_by_itself(page: Page) -> bool:
    """Whether the script sends the form."""
    return b" data-at-once" in page.reply.body


# Pass login


def test_a_sign_in_leads_back(client: Client, visitor: Visitor) -> None:
    """The page has a form for the address, with a code and the state; the browser has no tokens."""
    page = signed_in(visitor, f"state={STATE}")
    assert page.step == "return"
    assert RETURN_URL in page.urls
    assert page.texts["h1"] == "The code is correct"
    assert "Continue to shop.example to finish signing in." in page.main
    assert "You can continue for another 1:00." in page.main
    fields = taken(page)
    assert fields.keys() == {"code", "state"}
    assert fields["state"] == STATE
    assert {"login_access", "login_refresh", "login"} & visitor.cookies.keys() == set()
    assert "otp_device" in visitor.cookies
    key = client.api_key(Scope.EXCHANGE)
    assert client.exchange(fields["code"], key).status == 200


def test_a_sign_in_without_a_state(visitor: Visitor) -> None:
    """No state is posted where none was given."""
    assert taken(signed_in(visitor)).keys() == {"code"}


def test_the_form_is_sent_by_itself_once(visitor: Visitor) -> None:
    """A visitor who comes back to the page within the minute is not sent away again."""
    page = signed_in(visitor)
    assert leads_by_itself(page)
    again = visitor.get(LOGIN)
    assert (again.step, taken(again)) == ("return", taken(page))
    assert not leads_by_itself(again)


def test_coming_back_after_the_exchange(client: Client, visitor: Visitor) -> None:
    """The page says so and lets the visitor sign in again; nothing of the code is left."""
    code = taken(signed_in(visitor, "state=s1"))["code"]
    client.exchange(code, client.api_key(Scope.EXCHANGE))
    page = visitor.get(LOGIN)
    assert (page.step, page.buttons) == ("start", ["find"])
    assert OVER in page.main
    assert code not in page.reply.body.decode()
    assert "login_handed" not in visitor.cookies
    assert OVER not in visitor.get(LOGIN).main
    client.world.clock.advance(MINUTE)
    assert taken(signed_in(visitor)).keys() == {"code"}  # the state went with the first sign-in


def test_coming_back_after_the_minute(client: Client, visitor: Visitor) -> None:
    """The page is back at its start a minute after the sign-in, and not a moment before."""
    signed_in(visitor)
    client.world.clock.advance(MINUTE - 1)
    page = visitor.get(LOGIN)
    assert page.step == "return"
    assert "You can continue for another 0:01." in page.main
    client.world.clock.advance(1)
    assert OVER in visitor.get(LOGIN).main


def test_a_new_link_begins_anew(client: Client, visitor: Visitor) -> None:
    """A code is never taken back with the state of another attempt."""
    signed_in(visitor, "state=s1")
    page = visitor.open(LOGIN, "state=s2")
    assert page.step == "start"
    client.world.clock.advance(MINUTE)
    assert taken(signed_in(visitor))["state"] == "s2"


def test_a_code_that_is_sent_twice(client: Client, visitor: Visitor) -> None:
    """Whichever answer the browser shows leads on, with the state (2.6)."""
    page = visitor.submit(visitor.open(LOGIN, "state=s1"), "find", pass_code=PASS_CODE)
    page = visitor.submit(page, "send")
    before = dict(visitor.cookies)
    form = {**page.fields, "otp": client.world.outbox.codes[-1], "do": "verify"}
    visitor.post(LOGIN, form)
    visitor.cookies = before
    visitor.post(LOGIN, form)
    page = visitor.get(LOGIN)
    assert taken(page)["state"] == "s1"
    key = client.api_key(Scope.EXCHANGE)
    assert client.exchange(taken(page)["code"], key).status == 200


def test_tokens_of_before_are_not_looked_at(client: Client, visitor: Visitor) -> None:
    """Who signed in before there was an address wants to sign in at that address now."""
    plain = Visitor(Client(client.world))
    signed_in(plain)
    visitor.cookies = plain.cookies
    assert visitor.get(LOGIN).step == "start"


def test_without_an_address_everything_is_as_before(client: Client) -> None:
    """Neither page posts to another site, and a state is not even kept."""
    visitor = Visitor(Client(client.world))
    for path in (LOGIN, SIGNUP):
        reply = visitor.request("GET", path, query="state=s1")
        assert (reply.status, reply.headers["content-security-policy"]) == (200, POLICY)
    assert [name for name in visitor.cookies if name.startswith("opened")] == []
    page = signed_in(visitor)
    assert (page.step, page.buttons) == ("in", ["sign_out"])
    page = signed_up(visitor)
    assert (page.step, page.buttons) == ("verified", ["restart"])
    assert "Personal details" in page.main
    assert "Continue" not in page.main
    assert all(url.startswith("/") for url in page.urls)


# Signup


def test_a_signup_leads_back(client: Client, visitor: Visitor) -> None:
    """The page has a form for the address, with the proof, its session and the state."""
    page = signed_up(visitor, f"state={STATE}")
    assert page.step == "verified"
    assert STEP_2 in page.urls
    assert "Personal details" in page.main
    assert "You can continue for another 10:00." in page.main
    proof = client.world.proofs.signed[-1]
    fields = taken(page)
    assert fields == {"proof": "proof-2", "session_id": proof.session_id, "state": STATE}
    assert client.world.proofs.signed[0] == proof
    assert leads_by_itself(page)
    again = visitor.get(SIGNUP)
    assert taken(again) == fields | {"proof": "proof-3"}
    assert client.world.proofs.signed[2] == proof
    assert not leads_by_itself(again)


def test_a_signup_without_a_state(visitor: Visitor) -> None:
    """No state is posted where none was given."""
    assert taken(signed_up(visitor)).keys() == {"proof", "session_id"}


def test_a_signup_after_its_proof(client: Client, visitor: Visitor) -> None:
    """Once the proof has expired the page leads nowhere, and says what to do."""
    signed_up(visitor)
    client.world.clock.advance(10 * MINUTE - 1)
    assert STEP_2 in visitor.get(SIGNUP).urls
    client.world.clock.advance(1)
    page = visitor.get(SIGNUP)
    assert (page.step, page.buttons) == ("verified", ["restart"])
    assert STEP_2 not in page.urls
    assert "Your time to continue has run out." in page.main


def test_a_state_does_not_survive_its_signup(client: Client, visitor: Visitor) -> None:
    """It goes back with one session only, even if its own end is not told."""
    page = signed_up(visitor, "state=s1")
    again = visitor.submit(page, "restart")
    assert "opened_users_signup" not in visitor.cookies
    client.world.clock.advance(31 * MINUTE)
    assert again.step == "number"
    assert "state" not in taken(signed_up(visitor))
    client.world.clock.advance(MINUTE)
    signed_up(visitor, "state=s2")
    client.world.clock.advance(31 * MINUTE)
    assert "state" not in taken(signed_up(visitor))


def test_a_new_link_begins_a_new_signup(client: Client, visitor: Visitor) -> None:
    """The proof of one attempt is never taken back with the state of another."""
    signed_up(visitor, "state=s1")
    page = visitor.open(SIGNUP, "state=s2")
    assert page.step == "number"
    client.world.clock.advance(MINUTE)
    assert taken(signed_up(visitor))["state"] == "s2"


def test_a_new_link_leaves_a_signup_where_it_is(visitor: Visitor) -> None:
    """Before its number is proved, a session goes on, with the newer state."""
    page = visitor.submit(visitor.open(SIGNUP, "state=s1"), "send", phone="9876543210")
    assert page.step == "code"
    page = visitor.open(SIGNUP, "state=s2")
    page = visitor.submit(page, "verify", otp=visitor.client.world.outbox.codes[-1])
    assert taken(page)["state"] == "s2"


def test_a_signup_code_that_is_sent_twice(client: Client, visitor: Visitor) -> None:
    """Whichever answer the browser shows leads on, with the same proof (2.6)."""
    page = visitor.submit(visitor.open(SIGNUP, "state=s1"), "send", phone="9876543210")
    before = dict(visitor.cookies)
    form = {**page.fields, "otp": client.world.outbox.codes[-1], "do": "verify"}
    visitor.post(SIGNUP, form)
    visitor.cookies = before
    visitor.post(SIGNUP, form)
    assert taken(visitor.get(SIGNUP))["state"] == "s1"
    first, second = client.world.proofs.signed
    assert first == second


# State


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "state",
        "state=",
        "state=a&state=a",
        "state=a&state=",
        "state=a%20b",
        "state=a+b",
        "state=%0d%0aSet-Cookie:a",
        "state=%C3%A9",
        "state=%ff",
        "state=%7f",
        "state=" + "a" * 257,
        "State=a",
        "next=https://evil.example/&return_url=https://evil.example/",
    ],
)
def test_a_state_that_is_none(visitor: Visitor, path: str, query: str) -> None:
    """It is ignored: the page opens, and keeps nothing."""
    reply = visitor.request("GET", path, query=query)
    assert reply.status == 200
    assert "opened" not in "".join(reply.cookies)


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
@pytest.mark.parametrize("state", ["a", STATE, '"><script>alert(1)</script>', "a&b=c;d/e%2F"])
def test_a_state_comes_back_as_it_was(visitor: Visitor, path: str, state: str) -> None:
    """Any visible ASCII characters do, and none of them ends up as markup."""
    page = (signed_in if path == LOGIN else signed_up)(visitor, f"state={quote(state, safe='')}")
    assert taken(page)["state"] == state
    assert b"<script>alert" not in page.reply.body


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
def test_a_state_is_sealed(visitor: Visitor, path: str) -> None:
    """Nobody can change it or plant another page's, and scripts cannot read it."""
    visitor.open(path, "state=s1")
    (name,) = (one for one in visitor.cookies if one.startswith("opened"))
    line = visitor.set_cookies[name]
    assert "HttpOnly" in line
    assert "SameSite=lax" in line
    assert f"Path={path[:-1]}" in line
    key_id, text, seal = visitor.cookies[name].split(".")
    held = json.loads(base64.urlsafe_b64decode(text + "=="))
    held[2]["state"] = "s2"
    forged = base64.urlsafe_b64encode(json.dumps(held).encode()).rstrip(b"=").decode()
    visitor.cookies[name] = f"{key_id}.{forged}.{seal}"
    assert "state" not in taken((signed_in if path == LOGIN else signed_up)(visitor))


# Other sites


@pytest.mark.parametrize(
    ("path", "origin"), [(LOGIN, "https://shop.example"), (SIGNUP, "https://bank.example:8443")]
)
def test_the_policy_names_one_origin(client: Client, path: str, origin: str) -> None:
    """Forms may go to the page's own other site and nowhere else; no other page names it."""
    visitor = Visitor(client)
    wider = POLICY.replace("form-action 'self'", f"form-action 'self' {origin}")
    headers = visitor.get(path).reply.headers
    assert headers["content-security-policy"] == wider
    assert headers["referrer-policy"] == "same-origin"
    for elsewhere in ("/", f"{path}nowhere"):
        failed = visitor.request("GET", elsewhere, headers={"accept": "text/html"})
        assert failed.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
@pytest.mark.parametrize(
    "query",
    [
        "return_url=https://evil.example/",
        "next=//evil.example/&state=s1",
        "state=https://evil.example/",
        "state=s1&action=https://evil.example/",
    ],
)
def test_no_request_decides_where_it_leads(visitor: Visitor, path: str, query: str) -> None:
    """There is no open redirect: only the setting names another site."""
    visitor.request("GET", path, query=query, headers={"referer": "https://evil.example/"})
    page = (signed_in if path == LOGIN else signed_up)(visitor)
    others = [url for url in page.urls if not url.startswith("/")]
    assert others == [RETURN_URL if path == LOGIN else STEP_2]


def test_nothing_secret_is_in_an_address(client: Client, visitor: Visitor) -> None:
    """Neither the code nor the proof nor the state is in an address, a log line or an audit row."""
    login, signup = signed_in(visitor, "state=s1-secret"), signed_up(visitor, "state=s2-secret")
    secrets = [*taken(login).values(), taken(signup)["proof"], "s2-secret"]
    told = repr((login.urls, signup.urls, client.world.audit.rows, client.world.audit.sign_ins))
    assert [secret for secret in secrets if secret in told] == []


def test_what_is_not_exchanged_grants_nothing(client: Client, visitor: Visitor) -> None:
    """The browser's code is neither an access token nor a refresh token."""
    code = taken(signed_in(visitor))["code"]
    assert client.world.me(code) == InvalidToken()
    assert client.world.refresh(code) == InvalidToken()
    visitor.cookies |= {"login_access": code, "login_refresh": code}
    plain = attrs.evolve(visitor, client=Client(client.world))
    assert plain.get(LOGIN).step == "start"
    assert client.exchange(code, client.api_key(Scope.EXCHANGE)).status == 200
