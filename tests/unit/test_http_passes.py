"""Passes and users over HTTP: `docs/contract.md`, section 5.9."""

import json
from typing import Any

import attrs
import pytest
import structlog

from hsp_otp.domain.api_keys import Scope
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.flows.api_keys import make_api_key
from tests.http import Client, Reply, problem
from tests.world import PASS_CODE, PHONE, World, run

PATH = f"/v1/passes/{PASS_CODE}"
USER = {
    "id": "4711",
    "email": "Asha@example.com",
    "first_name": "Asha",
    "last_name": "Rao",
    "phone_number": "98765 43210",
}
PASS = {"payment_status": "paid", "plan_name": "Gold", "expires_at": "2099-12-31", "user": USER}
ADDED = {"pass_code": PASS_CODE, "change": "added"}
NO_INSTANT = "neither a date nor an ISO 8601 instant, such as 2026-12-31 or 2026-12-31T18:30:00Z"
SHOWN = {
    "pass_code": PASS_CODE,
    "payment_status": "paid",
    "plan_name": "Gold",
    "expires_at": "2099-12-31T23:59:59Z",
    "status": "active",
    "user": {
        "id": "4711",
        "email": "asha@example.com",
        "first_name": "Asha",
        "last_name": "Rao",
        "phone_masked": "***-***-3210",
        "is_verified": False,
    },
}


@pytest.fixture
def world() -> World:
    """The world behind the client."""
    return World()


@pytest.fixture
def client(world: World) -> Client:
    """A client of that world."""
    return Client(world)


def key(world: World, *scopes: Scope) -> str:
    """A new key, as its holder presents it."""
    presented = make_api_key(
        world.api_keys,
        world.api_key_ring,
        "house",
        frozenset(scopes or {Scope.PASSES}),
        clock=world.clock,
        randomness=world.randomness,
    )
    return run(presented).reveal()


def ask(
    client: Client, method: str, path: str = PATH, body: object = None, **headers: str | None
) -> Reply:
    """A request with a key that is new each time."""
    lines = {"authorization": f"Bearer {key(client.world)}"} | headers
    if body is None:
        return client.request(method, path, headers=lines)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.request(
        method, path, body=raw, headers={"content-type": "application/json"} | lines
    )


def put(client: Client, body: object = PASS, path: str = PATH) -> Reply:
    """Put a pass."""
    return ask(client, "PUT", path, body)


def with_user(**members: object) -> dict[str, object]:
    """The pass with another user."""
    return {**PASS, "user": {**USER, **members}}


def without(name: str) -> dict[str, object]:
    """The pass without that member, of its own or of its user."""
    user = {one: value for one, value in USER.items() if one != name}
    return {one: value for one, value in {**PASS, "user": user}.items() if one != name}


# Putting


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", "/v1/passes/hsp-1234-5678"])
def test_a_put(client: Client, path: str) -> None:
    """The answer tells the change, and the next look-up sees the pass."""
    reply = put(client, path=path)
    assert (reply.status, reply.json) == (200, ADDED)
    assert client.validate().json == {"valid": True, "phone_masked": "***-***-3210"}


def test_repeating(client: Client) -> None:
    """The same again changes nothing; anything else of the pass or its user does."""
    changes = [
        put(client, body).json["change"]
        for body in (
            PASS,
            PASS,
            {**PASS, "payment_status": "refunded"},
            PASS,
            with_user(email="a@b"),
        )
    ]
    assert changes == ["added", "unchanged", "changed", "changed", "changed"]


def test_empty_and_missing_members(client: Client) -> None:
    """They are empty columns: no plan, no end, no names, no number, and no id."""
    body = {"payment_status": "paid", "expires_at": None, "user": {"email": "a@b", "last_name": ""}}
    assert put(client, body).status == 200
    found = client.world.passes.stored[PassCode(PASS_CODE)]
    assert (found.plan_name, found.expires_at, found.user.phone) == ("", None, None)
    assert (found.user.first_name, found.user.last_name, found.user.house_id) == ("", "", None)


@pytest.mark.parametrize(
    ("body", "word", "reason"),
    [
        (without("payment_status"), "invalid_payment_status",
         "payment_status is not one of paid, pending, refunded, cancelled"),
        (without("email"), "invalid_email", "email is empty"),
        (without("user"), "invalid_email", "email is empty"),
        ({**PASS, "user": None}, "invalid_email", "email is empty"),
        (with_user(email="asha"), "invalid_email", "email is not an e-mail address"),
        (with_user(email="a@" + "b" * 253), "invalid_email",
         "email is longer than 254 characters"),
        (with_user(email="a\u0000@b"), "invalid_email", "email is not an e-mail address"),
        ({**PASS, "plan_name": "a\tb"}, "invalid_plan_name",
         "plan_name contains control characters"),
        ({**PASS, "plan_name": "a\u0000b"}, "invalid_plan_name",
         "plan_name contains control characters"),
        ({**PASS, "expires_at": "31.12.2099"}, "invalid_expires_at",
         f"expires_at is {NO_INSTANT}"),
        (with_user(first_name="a" * 201), "invalid_first_name",
         "first_name is longer than 200 characters"),
        (with_user(last_name="\u202eoaR"), "invalid_last_name",
         "last_name contains characters that change the direction of text"),
        (with_user(phone_number="12"), "invalid_phone_number",
         "phone_number is not a valid phone number"),
        (with_user(phone_number="+911123456789"), "invalid_phone_number",
         "phone_number is not a mobile number"),
        (with_user(id="4 711"), "invalid_id", "id is not 1 to 64 visible ASCII characters"),
        (with_user(id="~" * 65), "invalid_id", "id is not 1 to 64 visible ASCII characters"),
        ({**PASS, "payment_status": True}, "invalid_payment_status",
         "payment_status is not a text"),
        ({**PASS, "expires_at": 4102444799}, "invalid_expires_at", "expires_at is not a text"),
        (with_user(id=4711), "invalid_id", "id is not a text"),
        (with_user(phone_number=[PHONE]), "invalid_phone_number", "phone_number is not a text"),
        ({**PASS, "user": "asha"}, "invalid_user", "user is not an object"),
    ],
)  # fmt: skip
def test_members_that_are_refused(
    client: Client, body: dict[str, object], word: str, reason: str
) -> None:
    """The word names the member, the message is the import's reason, and nothing is stored."""
    reply = put(client, body)
    assert reply.json == problem(400, "Bad Request", word, reason)
    assert reply.status == 400
    assert reply.headers["content-language"] == "en"
    assert client.world.passes.stored == {}
    assert client.world.audit.rows == []


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
@pytest.mark.parametrize("code", ["HSP-1234", "4711", "HSP-1234-567\u0668"])
def test_pass_codes_that_are_none(client: Client, method: str, code: str) -> None:
    """A path without a pass code is `invalid_pass_code`."""
    body = PASS if method == "PUT" else None
    reply = ask(client, method, f"/v1/passes/{code}", body)
    assert (reply.status, reply.json["error"]) == (400, "invalid_pass_code")
    assert reply.json["message"] == "pass_code is not of the form HSP-dddd-dddd"


@pytest.mark.parametrize(
    ("body", "headers", "status", "word"),
    [
        (b"{", {}, 400, "malformed_request"),
        (b"[]", {}, 400, "malformed_request"),
        (b'{"user": {"email": "\xff"}}', {}, 400, "malformed_request"),
        (b"{}", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
        (b" " * 16_385, {}, 413, "body_too_large"),
    ],
)
def test_bodies_that_are_refused(
    client: Client, body: bytes, headers: dict[str, str], status: int, word: str
) -> None:
    """5.5 holds here too."""
    reply = ask(client, "PUT", PATH, body, **headers)
    assert (reply.status, reply.json["error"]) == (status, word)


def test_an_id_that_is_taken(client: Client) -> None:
    """An id of another user, or the address of a user with another id, is a 409."""
    put(client)
    reply = put(client, with_user(id="42"), "/v1/passes/HSP-0000-0001")
    words = "This id or e-mail address belongs to another user."
    assert reply.json == problem(409, "Conflict", "user_id_taken", words)
    assert reply.status == 409
    assert list(client.world.passes.stored) == [PassCode(PASS_CODE)]


# Looking


def test_a_look(client: Client) -> None:
    """The pass with its user; the number is masked."""
    put(client)
    reply = ask(client, "GET")
    assert (reply.status, reply.json) == (200, SHOWN)
    assert PHONE not in reply.body.decode()


def test_a_look_at_little(client: Client, world: World) -> None:
    """A pass past its end is expired; there may be no number; without an id ours is told."""
    world.add(phone=None, payment=PaymentStatus.PENDING, expires_at=Instant(world.clock.now()))
    reply = ask(client, "GET")
    assert (reply.json["status"], reply.json["payment_status"]) == ("expired", "pending")
    assert (reply.json["user"]["id"], reply.json["user"]["phone_masked"]) == ("u1", None)
    assert reply.json["expires_at"] == "2026-01-01T00:00:00Z"
    stored = world.passes.stored[PassCode(PASS_CODE)]
    world.passes.stored[stored.code] = attrs.evolve(stored, expires_at=None)
    assert ask(client, "GET").json["expires_at"] is None


def test_a_look_at_nothing(client: Client) -> None:
    """Nobody's pass is a 404."""
    reply = ask(client, "GET")
    words = "We cannot find a pass with this code. Please check it."
    assert reply.json == problem(404, "Not Found", "pass_not_found", words)
    assert reply.status == 404


# Ending


def test_an_end(client: Client) -> None:
    """It ends once; then the pass is found nowhere."""
    put(client)
    changes = [ask(client, "DELETE").json for _ in range(2)]
    assert changes == [
        {"pass_code": PASS_CODE, "change": "ended"},
        {"pass_code": PASS_CODE, "change": "unchanged"},
    ]
    assert ask(client, "GET").json["error"] == "pass_not_found"
    assert client.validate().json["error"] == "pass_not_found"


# Keys


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
@pytest.mark.parametrize("path", [PATH, "/v1/passes/x"])
def test_without_a_key(client: Client, method: str, path: str) -> None:
    """The key is judged first: before the pass code, and before a byte of the body is read."""
    body = b"{" if method == "PUT" else b""
    for authorization in (None, "Bearer x", "Basic x"):
        reply = client.request(method, path, body=body, headers={"authorization": authorization})
        assert (reply.status, reply.json["error"]) == (401, "unauthorized")
        assert reply.headers["www-authenticate"] == "Bearer"
        assert reply.reads == 0


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_a_key_for_something_else(client: Client, world: World, method: str) -> None:
    """A key without the scope is a 403."""
    other = key(world, Scope.EXCHANGE)
    reply = ask(client, method, authorization=f"Bearer {other}")
    assert (reply.status, reply.json["error"]) == (403, "forbidden")
    assert reply.reads == 0


def test_another_method(client: Client) -> None:
    """It is a 405 that names the ones there are."""
    reply = ask(client, "POST")
    assert reply.status == 405
    assert reply.headers["allow"] == "DELETE, GET, HEAD, PUT"
    assert client.request("POST", "/v1/passes").status == 404


def test_nothing_of_it_is_logged(client: Client) -> None:
    """Neither the path nor the body reaches the log, right or wrong; only the route does."""
    lines: list[Any]
    with structlog.testing.capture_logs() as lines:
        put(client)
        put(client, with_user(email="no-address-4711"))
        put(client, path="/v1/passes/0000-0001")
        ask(client, "GET")
        ask(client, "DELETE")
    told = repr(lines)
    for secret in ("1234-5678", "0000-0001", "asha", "Asha", "no-address", "98765", "hspotp_"):
        assert secret not in told
    assert {line["route"] for line in lines} == {"/v1/passes/{pass_code}"}
    assert [line["outcome"] for line in lines] == [
        "ok", "invalid_email", "invalid_pass_code", "ok", "ok"
    ]  # fmt: skip
