"""Tokens over HTTP: every line of docs/contract.md, section 5.2, and 5.5 on these routes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.adapters.jwt import (
    JwtAccessTokens,
    SigningKey,
    key_set,
    new_signing_key_pem,
    parse_signing_keys,
)
from hsp_otp.domain.audit import Action
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.ports.failures import Unavailable
from tests.http import KEY_SET, ME, REFRESH, REVOKE, VALIDATE, Client, Reply, problem, shared
from tests.world import OTHER_CLIENT, OTHER_PHONE, PASS_CODE, START, World, ring

SIGNED_OUT = "You are no longer signed in. Please sign in again."
TO_KEEP_SAFE = "You were signed out to keep your account safe. Please sign in again."
INVALID = problem(401, "Unauthorized", "invalid_token", SIGNED_OUT)
REUSED = problem(401, "Unauthorized", "token_reused", TO_KEEP_SAFE)
NOT_ALL = "Something is missing. Please fill in every field."
MISSING = problem(400, "Bad Request", "missing_fields", NOT_ALL)


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with the contract's numbers; one paid pass is held."""
    with Client() as opened:
        opened.world.add()
        yield opened


def sign_in(client: Client, pass_code: str = PASS_CODE) -> dict[str, Any]:
    """What a sign-in grants."""
    reply = client.verify(client.code(pass_code), pass_code)
    assert reply.status == 200
    granted: dict[str, Any] = reply.json
    return granted


def refresh(client: Client, token: object) -> Reply:
    """Exchange a refresh token."""
    return client.post(REFRESH, {"refresh_token": token})


def revoke(client: Client, token: object) -> Reply:
    """Sign out."""
    return client.post(REVOKE, {"refresh_token": token})


def me(client: Client, authorization: str | None) -> Reply:
    """Ask who is signed in."""
    return client.request("GET", ME, headers={"authorization": authorization})


def exchanged(client: Client, token: str) -> str:
    """The refresh token that another is exchanged for."""
    reply = refresh(client, token)
    assert reply.status == 200, reply.json
    new: str = reply.json["refresh_token"]
    return new


def refused(reply: Reply, body: dict[str, Any]) -> bool:
    """Whether it is that 401, told as RFC 6750 and RFC 9457 want it."""
    return (
        reply.status == 401
        and reply.headers["content-type"] == "application/problem+json"
        and reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        and reply.json == body
    )


# Refreshing


def test_a_refresh(client: Client) -> None:
    """5.2: a new pair with its kind and lifetime, and the old refresh token is dead."""
    granted = sign_in(client)
    reply = refresh(client, granted["refresh_token"])
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    new = reply.json["refresh_token"]
    assert reply.json == {
        "access_token": "access-2",
        "refresh_token": new,
        "token_type": "Bearer",
        "expires_in": 900,
    }
    assert new != granted["refresh_token"]
    exchanged(client, new)
    assert refused(refresh(client, granted["refresh_token"]), REUSED)


@pytest.mark.parametrize("absent", [{}, {"refresh_token": None}, {"refresh_token": " "}], ids=str)
def test_a_refresh_by_the_name_of_other_clients(client: Client, absent: dict[str, Any]) -> None:
    """5.2.3: a token given as `refresh` is answered with `access` and `refresh` as well."""
    token = sign_in(client)["refresh_token"]
    reply = client.post(REFRESH, {"refresh": f" {token}\n", **absent})
    assert reply.status == 200
    new = reply.json["refresh"]
    assert reply.json == {
        "access_token": "access-2",
        "refresh_token": new,
        "token_type": "Bearer",
        "expires_in": 900,
        "access": "access-2",
        "refresh": new,
    }
    exchanged(client, new)
    assert refused(client.post(REFRESH, {"refresh": token}), REUSED)


def test_of_two_refresh_tokens_our_own_counts(client: Client) -> None:
    """5.2.3: beside `refresh_token`, `refresh` changes nothing and adds nothing to the answer."""
    first = sign_in(client)["refresh_token"]
    client.world.clock.advance(30_000_000)
    second = sign_in(client)["refresh_token"]
    reply = client.post(REFRESH, {"refresh_token": first, "refresh": second})
    assert reply.status == 200
    assert set(reply.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert refused(client.post(REFRESH, {"refresh_token": "x", "refresh": second}), INVALID)
    exchanged(client, second)


def test_signing_out_takes_no_other_name(client: Client) -> None:
    """5.2.8: `refresh` signs nobody out."""
    token = sign_in(client)["refresh_token"]
    assert client.post(REVOKE, {"refresh": token}).json == MISSING
    exchanged(client, token)


@pytest.mark.parametrize("space", [" {}", "{}\n", "\t{}\r\n", "\u3000{}\u00a0"])
def test_outer_space_is_trimmed(client: Client, space: str) -> None:
    """2.12: outer white space of a token is trimmed before anything else."""
    token = sign_in(client)["refresh_token"]
    new = exchanged(client, space.format(token))
    assert revoke(client, space.format(new)).status == 200
    assert refused(refresh(client, new), INVALID)


ABSENT: list[dict[str, Any]] = [
    {},
    {"refresh_token": None},
    {"refresh_token": ""},
    {"refresh_token": " \t\r\n"},
    {"refresh_token": "\u3000"},
    {"token": "x"},
    {"REFRESH_TOKEN": "x"},
    {"refresh": None},
    {"refresh": "\u3000"},
    {"refresh_token": "", "refresh": " "},
]


@pytest.mark.parametrize("members", ABSENT, ids=str)
def test_a_refresh_without_a_token(client: Client, members: dict[str, Any]) -> None:
    """5.2: missing, null, empty and nothing but white space are 400 `missing_fields`, no row."""
    reply = client.post(REFRESH, members)
    assert reply.status == 400
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json == MISSING
    assert client.world.audit.rows == []


def test_a_used_token_ends_its_family(client: Client) -> None:
    """5.2: 401 `token_reused`, once; the newest token and the access tokens are dead with it."""
    granted = sign_in(client)
    new = exchanged(client, granted["refresh_token"])
    newest = exchanged(client, new)
    assert refused(refresh(client, granted["refresh_token"]), REUSED)
    for token in (newest, new, granted["refresh_token"]):
        assert refused(refresh(client, token), INVALID)
    assert refused(me(client, "Bearer access-3"), INVALID)


@pytest.mark.parametrize(
    ("wait", "granted"), [(0, True), (29_999_999, True), (30_000_000, True), (30_000_001, False)]
)
def test_a_lost_answer(client: Client, wait: int, *, granted: bool) -> None:
    """5.2: the direct parent gets another child within 30 s of its first use; then it is used."""
    token = sign_in(client)["refresh_token"]
    lost = exchanged(client, token)
    client.world.clock.advance(wait)
    reply = refresh(client, token)
    if granted:
        assert reply.status == 200
        exchanged(client, reply.json["refresh_token"])
    else:
        assert refused(reply, REUSED)
        assert refused(refresh(client, lost), INVALID)


def test_the_answer_that_was_not_lost(client: Client) -> None:
    """5.2: the replaced child is `invalid_token` inside those 30 s and a reuse after."""
    token = sign_in(client)["refresh_token"]
    first = exchanged(client, token)
    client.world.clock.advance(30_000_000)
    second = exchanged(client, token)
    assert refused(refresh(client, first), INVALID)
    newest = exchanged(client, second)
    assert refused(refresh(client, first), INVALID)
    client.world.clock.advance(1)
    assert refused(refresh(client, first), REUSED)
    assert refused(refresh(client, newest), INVALID)


def test_the_parent_of_a_used_child(client: Client) -> None:
    """5.2: the exception is for a child that is unused."""
    token = sign_in(client)["refresh_token"]
    newest = exchanged(client, exchanged(client, token))
    assert refused(refresh(client, token), REUSED)
    assert refused(refresh(client, newest), INVALID)


def test_fifty_refreshes_of_one_token(client: Client) -> None:
    """5.2: they leave one live branch."""
    token = sign_in(client)["refresh_token"]
    children = [exchanged(client, token) for _ in range(50)]
    told = [refresh(client, child).status for child in children]
    assert told == [401] * 49 + [200]


def test_thirty_days_are_absolute(client: Client) -> None:
    """5.2: refreshing does not move the end of the family."""
    token = sign_in(client)["refresh_token"]
    client.world.clock.advance(2_591_999_999_999)
    token = exchanged(client, token)
    client.world.clock.advance(1)
    assert refused(refresh(client, token), INVALID)


NOT_OURS = [
    "x",
    ".",
    "...",
    "k1.a.b.c",
    "k1...",
    "null",
    "é.é.é.é",
    "\U0001f511.a.b.c",
    "\x00",
    "k1.\x00.b.c",
    "\x7f",
    "\u202ek1.a.b.c",
    "access-1",
    "e30.e30.",
    "../../etc/passwd",
    "' OR 1=1 --",
    "%00%0a",
    "x" * 16_000,
    "." * 16_000,
]


@pytest.mark.parametrize("token", NOT_OURS, ids=lambda token: ascii(token[:20]))
def test_what_was_not_made_here(client: Client, token: str) -> None:
    """5.2, 5.5: 401 `invalid_token`, and nothing changes but for a row that does not repeat it."""
    ours = sign_in(client)["refresh_token"]
    client.world.audit.rows.clear()
    reply = refresh(client, token)
    assert refused(reply, INVALID)
    assert [(row.facts.action, row.outcome) for row in client.world.audit.rows] == [
        (Action.REFRESH, "invalid_token")
    ]
    assert revoke(client, token).json == {"success": True}
    exchanged(client, ours)


def test_a_token_of_ours_that_was_changed(client: Client) -> None:
    """5.2: only a token really made here can revoke."""
    token = sign_in(client)["refresh_token"]
    key, family, secret, seal = token.split(".")
    for forged in (
        f"{key}.{family}.{secret[::-1]}.{seal}",
        f"{key}.{family}.{secret}.{seal[::-1]}",
        f"{key}.{family[::-1]}.{secret}.{seal}",
        f"k2.{family}.{secret}.{seal}",
        f"{token}=",
        f"{token}.",
        token[:-1],
    ):
        assert refused(refresh(client, forged), INVALID)
        assert revoke(client, forged).status == 200
    exchanged(client, token)


@pytest.mark.parametrize(
    "change",
    [{"payment": PaymentStatus.REFUNDED}, {"phone": None}, {"user": "u2"}],
    ids=["unpaid", "without a phone", "another user's"],
)
def test_a_pass_that_is_no_longer_usable(client: Client, change: dict[str, Any]) -> None:
    """5.2: its families end at their next refresh, also where it is usable again later."""
    token = sign_in(client)["refresh_token"]
    client.world.add(**change)
    assert refused(refresh(client, token), INVALID)
    client.world.add()
    assert refused(refresh(client, token), INVALID)
    assert refused(me(client, "Bearer access-1"), INVALID)


def test_a_pass_past_its_end_refreshes(client: Client) -> None:
    """5.1: being past its end does not make a pass unusable."""
    token = sign_in(client)["refresh_token"]
    client.world.add(expires_at=Instant(START - 1))
    exchanged(client, token)


def test_refresh_keys_rotate() -> None:
    """2.2: append, promote, drop; a key id that is gone is `invalid_token` and changes nothing."""
    world = World()
    world.add()
    with Client(world) as before:
        stale = sign_in(before)["refresh_token"]
        world.clock.advance(30_000_000)
        token = sign_in(before)["refresh_token"]
    for keys in (("k1", "k2"), ("k2", "k1"), ("k2",)):
        world.refresh_keys = ring("refresh", *keys)
        with Client(world) as rolled:
            token = exchanged(rolled, token)
    with Client(world) as after:
        assert refused(refresh(after, stale), INVALID)
    world.refresh_keys = ring("refresh", "k2", "k1")
    with Client(world) as again:
        exchanged(again, stale)


# Signing out


def test_signing_out(client: Client) -> None:
    """5.2: 200, and neither the refresh nor the access token grants anything any more."""
    granted = sign_in(client)
    reply = revoke(client, granted["refresh_token"])
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json == {"success": True}
    assert refused(refresh(client, granted["refresh_token"]), INVALID)
    assert refused(me(client, "Bearer access-1"), INVALID)


@pytest.mark.parametrize("token", ["", " ", *NOT_OURS], ids=lambda token: ascii(token[:20]))
def test_signing_out_with_any_string(client: Client, token: str) -> None:
    """5.2: 200 for any string, the empty one too; one row each, which does not repeat it."""
    reply = revoke(client, token)
    assert reply.status == 200
    assert reply.json == {"success": True}
    (row,) = client.world.audit.rows
    assert (row.facts.action, row.outcome, row.facts.pass_code) == (
        Action.REVOKE,
        "invalid_token",
        None,
    )


def test_signing_out_says_nothing_of_the_token(client: Client) -> None:
    """RFC 7009: live, used, ended and unknown tokens get the same answer."""
    granted = sign_in(client)
    new = exchanged(client, granted["refresh_token"])
    told = [revoke(client, token) for token in (granted["refresh_token"], new, new, "x", "")]
    assert {(reply.status, reply.body) for reply in told} == {(200, b'{"success":true}')}


@pytest.mark.parametrize("members", [{}, {"refresh_token": None}, {"token": "x"}], ids=str)
def test_signing_out_without_a_token(client: Client, members: dict[str, Any]) -> None:
    """5.2: what is no string at all is missing, and 400 `missing_fields`."""
    reply = client.post(REVOKE, members)
    assert reply.status == 400
    assert reply.json == MISSING
    assert client.world.audit.rows == []


# Who is signed in


def test_who_is_signed_in(client: Client) -> None:
    """5.2: the user, the number in full, and the pass that signed in."""
    client.world.add(expires_at=Instant(START + 864_000_000_000))
    granted = sign_in(client)
    reply = me(client, f"Bearer {granted['access_token']}")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json == {
        "user": {
            "id": "u1",
            "email": "u1@example.com",
            "first_name": "Asha",
            "last_name": "Rao",
            "phone_number": "+919876543210",
        },
        "pass": {
            "pass_code": "HSP-1234-5678",
            "status": "active",
            "plan_name": "Gold",
            "expires_at": "2026-01-11T00:00:00Z",
            "days_until_expiry": 10,
            "is_expired": False,
        },
    }
    assert {name: granted[name] for name in ("user", "pass")} == reply.json


def test_who_is_signed_in_by_a_pass_past_its_end(client: Client) -> None:
    """5.1: it is shown as expired, and signs in all the same."""
    sign_in(client)
    client.world.add(expires_at=START, phone=OTHER_PHONE)
    reply = me(client, "Bearer access-1")
    assert reply.json["user"]["phone_number"] == "+919812345678"
    assert reply.json["pass"] == {
        "pass_code": "HSP-1234-5678",
        "status": "expired",
        "plan_name": "Gold",
        "expires_at": "2026-01-01T00:00:00Z",
        "days_until_expiry": 0,
        "is_expired": True,
    }


def test_the_pass_that_signed_in_is_shown(client: Client) -> None:
    """5.2: of several passes of a user, the one that was presented."""
    client.world.add("HSP-8765-4321")
    sign_in(client, "HSP-8765-4321")
    reply = me(client, "Bearer access-1")
    assert reply.json["pass"]["pass_code"] == "HSP-8765-4321"
    assert reply.json["pass"]["expires_at"] is None
    assert reply.json["pass"]["days_until_expiry"] is None


@pytest.mark.parametrize(
    "spelling", ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}", "Bearer  {}", "Bearer {} "]
)
def test_the_scheme_by_any_spelling(client: Client, spelling: str) -> None:
    """RFC 9110, 11.1: the case of the scheme does not matter."""
    token = sign_in(client)["access_token"]
    assert me(client, spelling.format(token)).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer access-0",
        "Bearer access-2",
        "Bearer access-1 access-1",
        "Bearer access-1,",
        "Bearer: access-1",
        "Bearer=access-1",
        "Beareraccess-1",
        "Bearer\taccess-1",
        "access-1",
        " access-1",
        "Basic access-1",
        "Basic dTpw",
        "Token access-1",
        'Digest username="x"',
        "Bearer \xe9",
        "Bearer \xff\xfe",
        "B\xe9arer access-1",
        "Bearer " + "." * 10_000,
        "Bearer " + "a" * 100_000,
    ],
    ids=lambda text: ascii(text and text[:30]),
)
def test_who_is_signed_in_without_a_token(client: Client, authorization: str | None) -> None:
    """5.2: 401 `invalid_token` with `WWW-Authenticate`, and no row."""
    sign_in(client)
    rows = len(client.world.audit.rows)
    assert refused(me(client, authorization), INVALID)
    assert len(client.world.audit.rows) == rows


def test_a_refresh_token_is_no_access_token(client: Client) -> None:
    """5.2: neither is taken for the other."""
    granted = sign_in(client)
    assert refused(me(client, f"Bearer {granted['refresh_token']}"), INVALID)
    assert refused(refresh(client, granted["access_token"]), INVALID)


def test_an_access_token_lives_fifteen_minutes(client: Client) -> None:
    """5.2: alive while `now < exp`."""
    sign_in(client)
    client.world.clock.advance(899_999_999)
    assert me(client, "Bearer access-1").status == 200
    client.world.clock.advance(1)
    assert refused(me(client, "Bearer access-1"), INVALID)


def test_a_pass_that_went_to_somebody_else(client: Client) -> None:
    """5.2: nobody is shown another user's data."""
    sign_in(client)
    client.world.add(user="u2", phone=OTHER_PHONE)
    assert refused(me(client, "Bearer access-1"), INVALID)


def test_signed_tokens(tmp_path: Any) -> None:  # noqa: ANN401 - pytest's own
    """5.2: the token of a sign-in is a JWT, and shows its holder where nobody changed it."""
    path = tmp_path / "key.pem"
    path.write_bytes(new_signing_key_pem("ES256"))
    keys = parse_signing_keys("ES256", f"one:{path}")
    tokens = JwtAccessTokens(keys=keys, issuer="i", audience="a", lifetime=900_000_000)
    with Client(World(access_tokens=tokens), key_set=key_set(keys)) as client:  # type: ignore[arg-type]
        client.world.add()
        token = sign_in(client)["access_token"]
        assert me(client, f"Bearer {token}").json["user"]["id"] == "u1"
        header, payload, signature = token.split(".")
        for forged in (
            f"{header}.{payload}.",
            f"{header}.{payload}.{signature[::-1]}",
            f"{header}.{payload[::-1]}.{signature}",
            f"eyJhbGciOiJub25lIn0.{payload}.",
        ):
            assert refused(me(client, f"Bearer {forged}"), INVALID)
        assert client.request("GET", KEY_SET).json["keys"][0]["kid"] == "one"
        client.world.clock.advance(900_000_000)
        assert refused(me(client, f"Bearer {token}"), INVALID)


# The key set


def test_the_key_set(tmp_path: Any) -> None:  # noqa: ANN401 - pytest's own
    """5.2: the public keys in their order, which may be cached; never a secret of HS256."""
    path = tmp_path / "key.pem"
    path.write_bytes(new_signing_key_pem("EdDSA"))
    keys = (
        *parse_signing_keys("EdDSA", f"new:{path}"),
        SigningKey("secret", "HS256", bytes(32)),
    )
    with Client(key_set=key_set(keys)) as client:
        for path_of_it in (KEY_SET, f"{KEY_SET}/"):
            reply = client.request("GET", path_of_it)
            assert reply.status == 200
            assert reply.headers["content-type"] == "application/json"
            assert reply.headers["cache-control"] == "public, max-age=300"
            (told,) = reply.json["keys"]
            assert told == {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": told["x"],
                "kid": "new",
                "use": "sig",
                "alg": "EdDSA",
            }


def test_an_empty_key_set(client: Client) -> None:
    """5.2: under HS256 there is nothing to publish."""
    reply = client.request("GET", KEY_SET)
    assert (reply.status, reply.json) == (200, {"keys": []})


# When the database is away


class Away:
    """Families whose database does not answer."""

    async def transition(self, family_id: str, decide: object) -> Any:  # noqa: ANN401, ARG002
        """Keep the promise of `FamilyRepository.transition` for that case."""
        raise Unavailable


def test_the_database_is_away() -> None:
    """5.6: 503 with `Retry-After`, and never a 401 that would sign the customer out."""
    world = World()
    world.add()
    with Client(world) as before:
        granted = sign_in(before)
    families, world.families = world.families, Away()  # type: ignore[assignment]
    with Client(world) as client:
        for reply in (
            refresh(client, granted["refresh_token"]),
            revoke(client, granted["refresh_token"]),
            me(client, "Bearer access-1"),
        ):
            assert reply.status == 503
            assert reply.headers["retry-after"] == "2"
            assert reply.json["error"] == "unavailable"
    world.families = families
    with Client(world) as again:
        exchanged(again, granted["refresh_token"])


# The audit and what is told


def test_every_request_leaves_one_row(client: Client) -> None:
    """Section 8: the action, the outcome, the address and the request's id; never a token."""
    token = sign_in(client)["refresh_token"]
    client.world.audit.rows.clear()
    new = exchanged(client, token)
    newest = exchanged(client, new)
    client.post(REFRESH, {"refresh_token": token}, client=OTHER_CLIENT)
    refresh(client, newest)
    revoke(client, newest)
    told = [
        (row.facts.action.value, row.outcome, str(row.facts.client))
        for row in client.world.audit.rows
    ]
    assert told == [
        ("refresh", "refreshed", "198.51.100.7"),
        ("refresh", "refreshed", "198.51.100.7"),
        ("refresh", "token_reused", "203.0.113.9"),
        ("refresh", "invalid_token", "198.51.100.7"),
        ("revoke", "invalid_token", "198.51.100.7"),
    ]
    assert {row.facts.request_id for row in client.world.audit.rows} == {"r-1"}
    assert {row.facts.pass_code for row in client.world.audit.rows} == {"HSP-****-5678"}


def test_nothing_of_these_routes_is_charged(client: Client) -> None:
    """Section 3: refreshing and signing out are neither checks nor look-ups."""
    token = sign_in(client)["refresh_token"]
    before = (client.world.charged("checks"), client.world.charged("lookups"))
    for _ in range(200):
        token = exchanged(client, token)
        refresh(client, "x")
        me(client, "Bearer x")
    revoke(client, token)
    assert (client.world.charged("checks"), client.world.charged("lookups")) == before == (1, 2)
    assert client.post(VALIDATE, {"pass_code": PASS_CODE}).status == 200


def test_a_refusal_repeats_nothing(client: Client) -> None:
    """5.5: no refusal shows the token that it refuses."""
    token = sign_in(client)["refresh_token"]
    exchanged(client, exchanged(client, token))
    for told in (token, f"{token}x", "S3CR3T"):
        for reply in (
            refresh(client, told),
            refresh(client, [told]),
            revoke(client, {told: told}),
            me(client, f"Bearer {told}"),
            me(client, told),
            client.post(REFRESH, body=f'{{"refresh_token": "{told}'.encode()),
        ):
            assert reply.status in {400, 401}
            assert told not in reply.body.decode() + repr(reply.headers)


# Spellings of the routes


def test_the_trailing_slash(client: Client) -> None:
    """Section 5: with and without it."""
    token = sign_in(client)["refresh_token"]
    reply = client.post("/token/refresh", {"refresh_token": token})
    assert reply.status == 200
    assert (
        client.request("GET", "/customer/me", headers={"authorization": "Bearer access-2"}).json
        == me(client, "Bearer access-2").json
    )
    assert client.post("/token/revoke", {"refresh_token": token}).json == {"success": True}
    assert refused(client.post("/token/refresh", {"refresh_token": token}), INVALID)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [(REFRESH, "POST"), (REVOKE, "POST"), (ME, "GET, HEAD"), (f"{KEY_SET}/", "GET, HEAD")],
)
def test_another_method(client: Client, path: str, allowed: str) -> None:
    """5.5: 405 `method_not_allowed` with `Allow`, and no member of a flow."""
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"}
    for method in sorted(methods - set(allowed.split(", "))):
        for spelling in (path, path[:-1]):
            reply = client.request(method, spelling)
            assert reply.status == 405
            assert reply.headers["allow"] == allowed
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.json == problem(
                405,
                "Method Not Allowed",
                "method_not_allowed",
                "This address does not accept this kind of request.",
            )


@pytest.mark.parametrize("path", [ME, KEY_SET])
def test_head(client: Client, path: str) -> None:
    """RFC 9110, 9.3.2: HEAD is answered as GET is."""
    sign_in(client)
    headers = {"authorization": "Bearer access-1"}
    assert client.request("HEAD", path, headers=headers).status == 200


# Bad input

TOKEN = b'"refresh_token": "k1.a.b.c"'

# What every route refuses is in test_http_input.py.
BAD_BODIES = {
    "truncated": b"{" + TOKEN,
    "a lone surrogate": b'{"refresh_token": "k1.\\ud800.b.c"}',
    **{
        f"a token that is {value}": f'{{"refresh_token": {value}}}'.encode()
        for value in ("17", "0", "-1.5", "true", "false", "[]", '["k1.a.b.c"]', "{}")
    },
}


@pytest.mark.parametrize(("path", "name"), shared([REFRESH, REVOKE], BAD_BODIES))
def test_what_is_malformed(client: Client, path: str, name: str) -> None:
    """5.5: 400 `malformed_request`, nothing stored."""
    reply = client.post(path, body=BAD_BODIES[name])
    assert reply.status == 400
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json == problem(
        400, "Bad Request", "malformed_request", "We could not understand the request."
    )
    assert client.world.audit.rows == []


@pytest.mark.parametrize("path", [REFRESH, REVOKE])
@pytest.mark.parametrize("extra", ['"x": 1', '"x": [{"y": null}]', '"": ""', '"x": "\\u0000"'])
def test_unknown_members_are_ignored(client: Client, path: str, extra: str) -> None:
    """Section 5: whatever stands in them."""
    token = sign_in(client)["refresh_token"]
    body = f'{{"refresh_token": "{token}", {extra}}}'.encode()
    assert client.post(path, body=body).status == 200


@pytest.mark.parametrize("path", [REFRESH, REVOKE])
@pytest.mark.parametrize("content_type", [None, "text/plain"])
def test_what_is_not_declared_as_json(client: Client, path: str, content_type: str | None) -> None:
    """5.5: 415 `unsupported_media_type`, before anything is read."""
    for body in (b"{" + TOKEN + b"}", b"refresh_token=x", b""):
        reply = client.post(path, body=body, headers={"content-type": content_type})
        assert reply.status == 415
        assert reply.json == problem(
            415,
            "Unsupported Media Type",
            "unsupported_media_type",
            "The request must be JSON.",
        )
        assert reply.reads == 0
    assert client.world.audit.rows == []


@pytest.mark.parametrize("path", [REFRESH, REVOKE])
def test_the_size_of_a_body(client: Client, path: str) -> None:
    """5.5: 16 KiB are read; of a byte more, 413 `body_too_large`, the rest is not."""
    body = b'{"refresh_token": "' + b"." * (16_384 - 21) + b'"}'
    assert len(body) == 16_384
    assert client.post(path, body=body).status == (401 if path == REFRESH else 200)
    client.world.audit.rows.clear()
    for large, reads in ((body + b" ", 0), ([body, b" ", b" " * 8192], 2)):
        reply = client.post(path, body=large)
        assert reply.status == 413
        assert reply.json["error"] == "body_too_large"
        assert reply.reads == reads
    assert client.world.audit.rows == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
BODIES = st.binary(max_size=200) | st.fixed_dictionaries(
    {}, optional={"refresh_token": st.text() | VALUES, "x": VALUES}
).map(lambda members: json.dumps(members).encode())


@pytest.mark.slow
@pytest.mark.parametrize(("path", "told"), [(REFRESH, {400, 401}), (REVOKE, {200, 400})])
def test_no_bytes_whatever_are_a_500(path: str, told: set[int]) -> None:
    """5.5: any body is answered by a word of the contract."""
    with Client() as client:

        @given(body=BODIES)
        def answers(body: bytes) -> None:
            assert client.post(path, body=body).status in told

        answers()


def test_no_authorization_is_a_500() -> None:
    """5.5: nor is any header."""
    with Client() as client:

        @given(
            value=st.text(st.characters(max_codepoint=255), max_size=60),
            scheme=st.sampled_from(("", "Bearer ", "bearer  ")),
        )
        def answers(value: str, scheme: str) -> None:
            assert refused(me(client, scheme + value), INVALID)

        answers()
