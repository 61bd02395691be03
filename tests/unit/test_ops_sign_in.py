"""Ways in and out of the operators' page: docs/ops.md."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from hsp_otp.domain.instant import MINUTE
from tests.http import Client, Reply
from tests.ops_page import OPS, PASSWORD, Ops, inside, is_in, sign_in
from tests.visitor import Page, Visitor
from tests.world import PHONE, RememberedAccounts, World, ring

ASHAS = "a password that only Asha knows"


@pytest.fixture
def ops() -> Ops:
    """What the page stands on."""
    return Ops(World())


@pytest.fixture
def client(ops: Ops) -> Iterator[Client]:
    """A service with the page."""
    with Client(ops.world, ops=ops.desk(), ops_password=PASSWORD) as found:
        yield found


@pytest.fixture
def visitor(client: Client) -> Visitor:
    """Somebody with a browser."""
    return Visitor(client)


# --- Whether it is there


@pytest.mark.parametrize("path", ["/ops", OPS, "/ops/live", "/ops/static/ops.css"])
def test_it_is_off_unless_it_is_set(path: str) -> None:
    """Without a password there is nothing, as anywhere else where nothing is."""
    with Client() as client:
        reply = client.request("GET", path)
        nowhere = client.request("GET", "/nowhere/")
    assert (reply.status, reply.json["error"]) == (404, "not_found")
    assert reply.json == nowhere.json


def test_its_files(client: Client) -> None:
    """They are there before anybody signs in, and say nothing."""
    for name, kind in (("ops.css", "text/css"), ("ops.js", "text/javascript")):
        reply = client.request("GET", f"/ops/static/{name}")
        assert reply.status == 200
        assert reply.headers["content-type"].startswith(kind)


# --- In and out


def test_in_and_out(visitor: Visitor, ops: Ops) -> None:
    """The door, the page, out again; and what is open to others says so."""
    page = visitor.get(OPS)
    assert page.attributes["password"]["autocomplete"] == "current-password"
    assert "Outcomes of requests" not in page.main
    reply = sign_in(visitor)
    assert (reply.status, reply.headers["location"]) == (303, OPS)
    page = visitor.get(OPS)
    assert "Outcomes of requests for a code" in page.main
    reply = visitor.post("/ops/sign-out/", page.fields)
    assert (reply.status, reply.headers["location"]) == (303, OPS)
    assert "Password" in visitor.get(OPS).main
    assert [row.outcome for row in ops.world.audit.rows] == ["signed_in"]


def test_the_headers(visitor: Visitor) -> None:
    """A strict policy, nothing kept, no address told to others."""
    assert sign_in(visitor).status == 303
    for path in (OPS, "/ops/live/"):
        headers = visitor.request("GET", path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"


def test_the_cookie(visitor: Visitor) -> None:
    """Out of reach of scripts and other sites, for the page alone."""
    sign_in(visitor)
    morsel = SimpleCookie(visitor.set_cookies["hsp_otp_ops"])["hsp_otp_ops"]
    assert morsel["httponly"]
    assert morsel["samesite"].lower() == "strict"
    assert morsel["path"] == "/ops"
    assert not morsel["max-age"]


def test_the_cookie_by_https(ops: Ops) -> None:
    """There no neighbouring host can have planted it."""
    with Client(
        ops.world, ops=ops.desk(), ops_password=PASSWORD, public_url="https://otp.example"
    ) as client:
        visitor = Visitor(client)
        sign_in(visitor)
        line = visitor.set_cookies["__Host-hsp_otp_ops"].lower()
        assert "secure" in line
        assert "path=/;" in f"{line};"
        assert "domain" not in line
        # What bears the other name is none.
        visitor.cookies["hsp_otp_ops"] = visitor.cookies.pop("__Host-hsp_otp_ops")
        assert "Password" in visitor.get(OPS).main


def test_a_wrong_password(visitor: Visitor) -> None:
    """It is said so, and nobody is in; what was typed comes back nowhere."""
    reply = sign_in(visitor, "wrong password, and long")
    assert reply.status == 403
    page = Page(reply)
    assert page.texts["password-error"] == "This password is wrong."
    assert "wrong password, and long" not in reply.body.decode()
    assert "hsp_otp_ops" not in visitor.cookies
    assert "Password" in visitor.get(OPS).main


def test_too_many_wrong_passwords(visitor: Visitor) -> None:
    """The sixth within a quarter of an hour is refused, right or wrong, and told until when."""
    for _ in range(5):
        assert sign_in(visitor, "wrong").status == 403
    for password in ("wrong", PASSWORD):
        reply = sign_in(visitor, password)
        assert (reply.status, reply.headers["retry-after"]) == (429, "900")
        told = "Too many wrong passwords. Try again in 15 minutes."
        assert Page(reply).texts["password-error"] == told
    visitor.client.world.clock.advance(14 * MINUTE)
    assert "in 1 minute." in Page(sign_in(visitor)).texts["password-error"]
    visitor.client.world.clock.advance(MINUTE)
    assert sign_in(visitor).status == 303


@pytest.mark.parametrize("path", [OPS, "/ops/sign-out/", "/ops/story/"])
@pytest.mark.parametrize("token", [None, "", "k1.f00d.beef", ring("other").seal("f00d")])
def test_a_forged_token(visitor: Visitor, ops: Ops, path: str, token: str | None) -> None:
    """Nothing that another site makes a browser send has any effect."""
    page = inside(visitor)
    before = len(ops.world.audit.rows)
    fields = {**page.fields, "password": PASSWORD, "contact": PHONE}
    fields.pop("csrftoken")
    reply = visitor.post(path, fields | ({} if token is None else {"csrftoken": token}))
    assert reply.status == 403
    assert "set-cookie" not in {line.split("=")[0] for line in reply.cookies}
    assert ops.asked == []
    assert len(ops.world.audit.rows) == before
    assert "Outcomes of requests" in inside(visitor).main


def test_a_token_is_bound_to_its_session(visitor: Visitor, ops: Ops) -> None:
    """5.7: a token made before the sign-in, or for another session, is refused after it."""
    door = visitor.get(OPS).fields["csrftoken"]
    assert sign_in(visitor).status == 303
    page = visitor.get(OPS)
    another = inside(Visitor(visitor.client)).fields["csrftoken"]
    assert len({door, another, page.fields["csrftoken"]}) == 3
    for token in (door, another, ring("csrf").seal("f00d")):
        visitor.cookies["csrftoken"] = token
        for path in ("/ops/story/", "/ops/sign-out/"):
            fields = {**page.fields, "contact": PHONE, "csrftoken": token}
            assert visitor.post(path, fields).status == 403
    assert ops.asked == []
    assert visitor.post("/ops/story/", {**page.fields, "contact": PHONE}).status == 200
    # It stays the same while the session lasts: another window is as good.
    visitor.client.world.clock.advance(20 * MINUTE)
    assert visitor.get(OPS).fields["csrftoken"] == page.fields["csrftoken"]
    # By header as well, as scripts send it; and the door takes none of a session.
    token = page.fields["csrftoken"]
    form = {"content-type": "application/x-www-form-urlencoded", "x-csrftoken": token}
    assert visitor.request("POST", "/ops/story/", b"contact=1", form).status == 400
    visitor.cookies["csrftoken"] = token
    assert visitor.post(OPS, {"password": PASSWORD, "csrftoken": token}).status == 403


@pytest.mark.parametrize("order", [1, -1])
def test_a_cookie_beside_another_of_its_name(visitor: Visitor, order: int) -> None:
    """5.7: by http a neighbour may set a second one; the genuine one opens the page."""
    page = inside(visitor)
    genuine = visitor.cookies["hsp_otp_ops"]
    for planted in ("", "nonsense", genuine[:-1], ring("pages").seal("1.1.x")):
        lines = [f"hsp_otp_ops={one}" for one in (planted, genuine)][::order]
        headers = {"cookie": "; ".join(lines)}
        reply = visitor.client.request("GET", OPS, headers=headers)
        assert reply.status == 200
        assert "Outcomes of requests" in Page(reply).main
        body = f"csrftoken={page.fields['csrftoken']}&contact=4711".encode()
        headers["content-type"] = "application/x-www-form-urlencoded"
        reply = visitor.client.request("POST", "/ops/story/", body=body, headers=headers)
        assert reply.status == 400


@pytest.mark.parametrize("path", [OPS, "/ops/sign-out/", "/ops/story/"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "same-site", "origin": "http://evil.otp.example"},
    ],
)
def test_another_sites_page_sends_nothing(
    visitor: Visitor, ops: Ops, path: str, headers: dict[str, str]
) -> None:
    """5.3: what another site's page sends is refused, whatever token it has."""
    page = inside(visitor)
    fields = {**page.fields, "password": PASSWORD, "contact": PHONE}
    body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert visitor.request("POST", path, body, form | headers).status == 403
    assert ops.asked == []
    assert is_in(visitor)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/ops/live/", "/ops/story/", "/ops/sign-out/"])
def test_nobody_is_in(visitor: Visitor, ops: Ops, method: str, path: str) -> None:
    """Whoever is not signed in is led to the door, and nothing is told or looked up."""
    page = visitor.get(OPS)
    if method == "GET" and path != "/ops/live/":
        assert visitor.request("GET", path).status == 405
        return
    if method == "POST" and path == "/ops/live/":
        return
    reply = (
        visitor.request("GET", path)
        if method == "GET"
        else visitor.post(path, {**page.fields, "contact": PHONE})
    )
    assert (reply.status, reply.headers["location"], reply.body) == (303, OPS, b"")
    assert ops.asked == []
    assert ops.looked == []


def test_half_an_hour(visitor: Visitor) -> None:
    """A session ends half an hour after its last use, and its cookie is taken away."""
    sign_in(visitor)
    clock = visitor.client.world.clock
    for _ in range(3):
        clock.advance(30 * MINUTE - 1)
        assert is_in(visitor)
    clock.advance(30 * MINUTE)
    held = dict(visitor.cookies)
    assert visitor.request("GET", "/ops/live").status == 303
    visitor.cookies.update(held)
    assert not is_in(visitor)
    assert "hsp_otp_ops" not in visitor.cookies


@pytest.mark.slow
def test_eight_hours(visitor: Visitor) -> None:
    """However much it is used."""
    sign_in(visitor)
    clock = visitor.client.world.clock
    for _ in range(8 * 4 - 1):
        clock.advance(15 * MINUTE)
        assert is_in(visitor)
    clock.advance(15 * MINUTE)
    assert not is_in(visitor)


def test_a_page_that_nobody_touches(visitor: Visitor) -> None:
    """Its script alone keeps no session alive; it says where its reader has touched anything."""
    sign_in(visitor)
    clock = visitor.client.world.clock
    clock.advance(20 * MINUTE)
    assert visitor.request("GET", "/ops/live/", headers={"x-ops-active": "1"}).status == 200
    for _ in range(2):
        clock.advance(14 * MINUTE)
        assert visitor.request("GET", "/ops/live/").status == 200
    clock.advance(2 * MINUTE)
    assert visitor.request("GET", "/ops/live/").status == 303


@pytest.mark.parametrize(
    "cookie",
    ["", "x", "k1.1.2.abc.0000", "a.b.c.d", ring("pages").seal("1.1.x")],
)
def test_a_cookie_of_others(visitor: Visitor, cookie: str) -> None:
    """Nobody comes in by a cookie that the page did not make."""
    visitor.cookies["hsp_otp_ops"] = cookie
    assert not is_in(visitor)


def test_a_changed_cookie(visitor: Visitor) -> None:
    """Neither by one that was changed anywhere."""
    sign_in(visitor)
    cookie = visitor.cookies["hsp_otp_ops"]
    for place in range(0, len(cookie), 7):
        other = "0" if cookie[place] != "0" else "1"
        visitor.cookies["hsp_otp_ops"] = cookie[:place] + other + cookie[place + 1 :]
        assert not is_in(visitor)


def test_another_password_ends_the_session(visitor: Visitor, ops: Ops) -> None:
    """Whoever changes the password has everybody sign in again."""
    sign_in(visitor)
    ops.password = PASSWORD + "!"
    with Client(ops.world, ops=ops.desk(), ops_password=ops.password) as client:
        assert not is_in(Visitor(client, visitor.cookies))


def test_a_cookie_that_somebody_kept(visitor: Visitor) -> None:
    """Whoever signs out ends the session for every copy of its cookie."""
    page = inside(visitor)
    held = dict(visitor.cookies)
    visitor.post("/ops/sign-out/", page.fields)
    visitor.cookies.update(held)
    assert not is_in(visitor)


# --- Named operators


@pytest.fixture
def named(ops: Ops) -> Iterator[Visitor]:
    """Somebody with a browser, where operators have names and share a password as well."""
    ops.accounts = RememberedAccounts({"asha": ASHAS})
    with Client(
        ops.world, ops=ops.desk(), ops_password=PASSWORD, ops_users=Path("operators")
    ) as client:
        yield Visitor(client)


def sign_in_as(visitor: Visitor, name: str, password: str) -> Reply:
    """Type a name and a password."""
    page = visitor.get(OPS)
    return visitor.post(OPS, {**page.fields, "username": name, "password": password})


def test_an_operator_by_name(named: Visitor, ops: Ops) -> None:
    """5.7: the page says who is signed in, and so do the rows of what that operator does."""
    page = named.get(OPS)
    assert page.attributes["username"]["autocomplete"] == "username"
    assert "Leave it empty to use the shared password." in page.main
    assert sign_in_as(named, "Asha", ASHAS).status == 303
    page = named.get(OPS)
    assert "<p>asha</p>" in page.reply.body.decode()
    assert named.post("/ops/story/", {**page.fields, "contact": PHONE}).status == 200
    assert [(row.outcome, row.facts.operator) for row in ops.world.audit.rows] == [
        ("signed_in", "asha"),
        ("searched", "asha"),
    ]
    named.client.world.clock.advance(29 * MINUTE)
    assert is_in(named)
    named.client.world.clock.advance(29 * MINUTE)
    assert is_in(named)
    assert named.post("/ops/sign-out/", page.fields).status == 303
    assert not is_in(named)


def test_an_account_that_changed(named: Visitor, ops: Ops) -> None:
    """5.7: another password, or none, ends the sessions of that operator, and of nobody else."""
    assert ops.accounts
    shared = Visitor(named.client)
    assert sign_in_as(named, "asha", ASHAS).status == 303
    assert sign_in_as(shared, "", PASSWORD).status == 303
    held = dict(named.cookies)
    ops.accounts.passwords["asha"] = ASHAS + "!"
    assert (is_in(named), is_in(shared)) == (False, True)
    assert named.post("/ops/story/", {"contact": PHONE}).status == 303
    named.cookies = dict(held)
    del ops.accounts.passwords["asha"]
    assert (is_in(named), is_in(shared)) == (False, True)


@pytest.mark.parametrize(
    ("name", "password"), [("asha", PASSWORD), ("nobody", ASHAS), (ASHAS, ASHAS), ("", ASHAS)]
)
def test_a_wrong_name_or_password(named: Visitor, ops: Ops, name: str, password: str) -> None:
    """One sentence for both, and what was typed comes back nowhere."""
    reply = sign_in_as(named, name, password)
    assert reply.status == 403
    assert Page(reply).texts["password-error"] == "This name or password is wrong."
    text = reply.body.decode()
    assert password not in text
    assert "nobody" not in text
    assert "nobody" not in repr(ops.world.audit.rows)
    assert ASHAS not in repr(ops.world.audit.rows)
    assert not is_in(named)


def test_names_alone(ops: Ops) -> None:
    """Without a shared password the name is required."""
    ops.accounts, ops.password = RememberedAccounts({"asha": ASHAS}), ""
    with Client(ops.world, ops=ops.desk(), ops_users=Path("operators")) as client:
        visitor = Visitor(client)
        page = visitor.get(OPS)
        assert "required" in page.attributes["username"]
        assert "shared password" not in page.main
        assert sign_in_as(visitor, "", "").status == 403
        assert sign_in_as(visitor, "asha", ASHAS).status == 303
        assert is_in(visitor)


def test_accounts_that_cannot_be_read(named: Visitor, ops: Ops) -> None:
    """5.7: the page is a 503 for operators with names; the shared password still opens it."""
    assert ops.accounts
    assert sign_in_as(named, "asha", ASHAS).status == 303
    ops.accounts.is_away = True
    assert named.request("GET", OPS).status == 503
    assert sign_in_as(Visitor(named.client), "asha", ASHAS).status == 503
    assert sign_in_as(Visitor(named.client), "", PASSWORD).status == 303
