"""Checking verifications, and all else about them, over HTTP: docs/contract.md, 13.2 to 13.5."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.api_keys import Scope
from hsp_otp.domain.apps import AppLimits, default_channels
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.quota import Quota
from hsp_otp.ports.failures import SendFailed
from tests.backend import other_app
from tests.http import Reply, problem
from tests.verifying import (
    STANDING,
    STEPS,
    VERIFICATIONS,
    BackendClient,
    backend,
    made_key,
    ruled,
    with_app,
)
from tests.world import OTHER_PHONE, PHONE, other_than

NOBODYS = "aI7HpmwPr-rSBiYSYhURXQ"
WRONG = "This code is wrong."
ENDED = "This code is no longer valid. Please ask for a new one."


@pytest.fixture
def shop() -> BackendClient:
    """The backend of an app."""
    return backend()


def said(reply: Reply) -> tuple[int, str]:
    """The status of a refusal and its word."""
    return reply.status, reply.json["error"]


def guess(shop: BackendClient, verification_id: str, code: str, times: int = 3) -> list[Reply]:
    """Present a wrong code."""
    return [shop.check(verification_id, other_than(code)) for _ in range(times)]


def ended(shop: BackendClient) -> dict[str, tuple[str, str]]:
    """A verification of every status but pending, with its code."""
    found = {}
    for number, status in enumerate(("approved", "canceled", "max_attempts_reached", "replaced")):
        verification_id, code = found[status] = shop.started(f"+9198123456{number:02}")
        match status:
            case "approved":
                assert shop.check(verification_id, code).status == 200
            case "canceled":
                assert shop.step(verification_id, "cancel").status == 200
            case "max_attempts_reached":
                guess(shop, verification_id, code)
            case _:
                shop.wait(481)
                assert shop.start(f"+9198123456{number:02}").status == 200
    shop.world.outbox.failure = SendFailed("away")
    assert said(shop.start(OTHER_PHONE)) == (400, "delivery_failed")
    shop.world.outbox.failure = None
    found["failed"] = shop.world.audit.sends[-1].verification_id or "", "012345"
    return found


# Checking


def test_a_right_code(shop: BackendClient) -> None:
    """It is approved, once; the answer says of what, by which channel, and when."""
    verification_id, code = shop.started()
    shop.wait(7)
    reply = shop.check(verification_id, f" {code[:3]}-{code[3:]} ")
    assert reply.status == 200
    assert reply.json == {
        "id": verification_id,
        "status": "approved",
        "valid": True,
        "to_masked": "***-***-3210",
        "channel": "sms",
        "purpose": "phone_verification",
        "approved_at": "2026-01-01T00:00:07Z",
    }
    again = shop.check(verification_id, code)
    told = problem(
        400, "Bad Request", "otp_expired", ENDED, valid=False, resend_in=23,
        verification_status="approved",
    )  # fmt: skip
    assert again.json == told


def test_a_proof(shop: BackendClient) -> None:
    """An app with an audience for proofs gets one with the success, the same one each time."""
    with_app(shop.world, ruled(proof_audience="acme-shop"))
    verification_id, code = shop.started()
    first = shop.check(verification_id, code, key="check-1")
    assert first.json["proof"] == "app-proof-1"
    assert "idempotent-replayed" not in first.headers
    shop.wait(600)
    again = shop.check(verification_id, code, key="check-1")
    assert again.json == first.json | {"proof": "app-proof-2"}
    assert again.headers["idempotent-replayed"] == "true"
    one, other = shop.world.proofs.of_apps
    assert one == other


@pytest.mark.parametrize(("key", "waits"), [(None, 0), ("check-2", 0), ("check-1", 601)])
def test_a_success_that_is_not_told_again(shop: BackendClient, key: str | None, waits: int) -> None:
    """Without its key, with another one, or after 10 min, the code is used."""
    verification_id, code = shop.started()
    shop.check(verification_id, code, key="check-1")
    shop.wait(waits)
    reply = shop.check(verification_id, code, key=key)
    assert (*said(reply), reply.json["verification_status"]) == (400, "otp_expired", "approved")


def test_a_wrong_code(shop: BackendClient) -> None:
    """It costs a guess, each time it is sent, key or not; the fourth is `too_many_attempts`."""
    verification_id, code = shop.started()
    replies = [shop.check(verification_id, other_than(code), key="a") for _ in range(3)]
    assert [reply.json["attempts_remaining"] for reply in replies] == [2, 1, 0]
    told = problem(
        400, "Bad Request", "invalid_otp", WRONG, valid=False, resend_in=30, attempts_remaining=2
    )
    assert replies[0].json == told
    last = shop.check(verification_id, code)
    assert said(last) == (400, "too_many_attempts")
    assert (last.json["valid"], last.json["resend_in"]) == (False, 30)
    assert "verification_status" not in last.json


@pytest.mark.parametrize(
    "members",
    [
        {"to": OTHER_PHONE},
        {"to": "no number"},
        {"to": "asha@example.com"},
        {"transaction": {"amount": "1", "payee": "Acme"}},
        {"to": PHONE, "transaction": {}},
    ],
)
def test_a_code_for_something_else(shop: BackendClient, members: dict[str, Any]) -> None:
    """With another contact, or with any transaction, the right code is a wrong one."""
    verification_id, code = shop.started()
    assert said(shop.check(verification_id, code, **members)) == (400, "invalid_otp")
    assert shop.check(verification_id, code, to="98765 43210").status == 200


@pytest.mark.parametrize("code", [None, "", " ", "\u200b"])
def test_no_code(shop: BackendClient, code: str | None) -> None:
    """It is `missing_fields`, before anything else of the request."""
    for verification_id in (shop.started()[0], NOBODYS):
        reply = shop.check(verification_id, code, client_ip="x")
        assert said(reply) == (400, "missing_fields")
        shop.wait(30)


def test_the_form_of_a_check(shop: BackendClient) -> None:
    """What is malformed charges nothing, neither a guess nor a check of the client."""
    verification_id, code = shop.started()
    told = {"client_ip": "203.0.113.9"}
    for text in ("1", "1234567", "12345a", "12345\u0000", "123 45"):
        reply = shop.check(verification_id, text, **told)
        assert (*said(reply), reply.json["valid"]) == (400, "malformed_otp", False)
    assert said(shop.check(NOBODYS, "abc")) == (400, "malformed_otp")
    assert said(shop.check(verification_id, code, client_ip="x")) == (400, "invalid_client_ip")
    assert said(shop.check(verification_id, code, key="a b")) == (400, "invalid_idempotency_key")
    assert shop.world.charged("app_client_checks/shop-shop-shop-shop-00", "203.0.113.9") == 0
    assert shop.get(verification_id).json["attempts_remaining"] == 3
    assert shop.check(verification_id, code, **told).status == 200


def test_the_status_of_dead_codes(shop: BackendClient) -> None:
    """A code that can be right no more says why, and its verification goes on saying so."""
    found = ended(shop)
    words = {}
    for status, (verification_id, code) in found.items():
        reply = shop.check(verification_id, code)
        words[status] = reply.json["error"], reply.json.get("verification_status")
        assert reply.status == 400
        assert "resend_in" in reply.json
        assert shop.get(verification_id).json["status"] == status
    assert words == {
        "approved": ("otp_expired", "approved"),
        "canceled": ("otp_expired", "canceled"),
        "max_attempts_reached": ("too_many_attempts", None),
        "replaced": ("otp_expired", "replaced"),
        "failed": ("otp_expired", "failed"),
    }


def test_an_expired_code(shop: BackendClient) -> None:
    """It is right for 600 s, and not a second longer."""
    verification_id, code = shop.started()
    shop.wait(600)
    reply = shop.check(verification_id, code)
    assert (*said(reply), reply.json["verification_status"]) == (400, "otp_expired", "expired")
    found = shop.get(verification_id).json
    assert (found["status"], found["expires_in"], found["attempts_remaining"]) == ("expired", 0, 0)
    assert found["updated_at"] == found["expires_at"]


def test_checks_of_one_client(shop: BackendClient) -> None:
    """They are limited where the backend names it, and one of nothing counts too."""
    with_app(shop.world, ruled(limits=AppLimits(checks_per_client_hour=2)))
    verification_id, code = shop.started()
    told = {"client_ip": "203.0.113.9"}
    assert said(shop.check(NOBODYS, code, **told)) == (404, "verification_not_found")
    assert said(shop.check(verification_id, other_than(code), **told)) == (400, "invalid_otp")
    reply = shop.check(verification_id, code, **told)
    assert (*said(reply), reply.json["retry_after_seconds"]) == (429, "rate_limited", 3600)
    assert (reply.headers["retry-after"], reply.json["valid"]) == ("3600", False)
    assert shop.check(verification_id, code).status == 200


def test_a_check_while_locked() -> None:
    """It is `locked_out`, with the wait of the lock."""
    shop = backend(failed_guesses_per_day=3)
    verification_id, code = shop.started()
    guess(shop, verification_id, code)
    reply = shop.check(verification_id, code)
    assert (*said(reply), reply.json["retry_after_seconds"]) == (429, "locked_out", 86_400)
    assert (reply.headers["retry-after"], reply.json["valid"]) == ("86400", False)


# Resending


def test_a_resend(shop: BackendClient) -> None:
    """The same code goes out again; its life and guesses go on. It needs no body."""
    verification_id, code = shop.started()
    guess(shop, verification_id, code, 2)
    for number, members in enumerate((None, {}, {"channel": "sms"}, {"channel": ""})):
        shop.wait(31)
        reply = shop.step(verification_id, "resend", members)
        assert (reply.status, reply.json["id"], reply.json["resent"]) == (
            200,
            verification_id,
            True,
        )
        assert reply.json["attempts_remaining"] == 1
        assert reply.json["expires_in"] == 600 - 31 * (number + 1)
        assert reply.json["expires_at"] == "2026-01-01T00:10:00Z"
    assert shop.world.outbox.codes == [code] * 5
    assert shop.check(verification_id, code).status == 200


def test_a_resend_that_is_repeated(shop: BackendClient) -> None:
    """Under its key, it sends once."""
    verification_id, _ = shop.started()
    shop.wait(30)
    first = shop.step(verification_id, "resend", key="a")
    again = shop.step(verification_id, "resend", key="a")
    assert (first.status, again.json) == (200, first.json)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(shop.world.outbox.sent) == 2


def test_resends_that_are_refused(shop: BackendClient) -> None:
    """They are judged as starts are; a resend that nobody takes ends nothing."""
    verification_id, code = shop.started()
    reply = shop.step(verification_id, "resend")
    assert (*said(reply), reply.json["next"]) == (429, "resend_too_soon", {"sms": 30})
    reply = shop.step(verification_id, "resend", {"channel": "voice"})
    assert said(reply) == (400, "channel_not_available")
    shop.wait(30)
    shop.world.outbox.failure = SendFailed("away")
    reply = shop.step(verification_id, "resend")
    assert (*said(reply), reply.json["resend_in"]) == (400, "delivery_failed", 0)
    assert shop.check(verification_id, code).status == 200


def test_resending_what_has_ended(shop: BackendClient) -> None:
    """It says how the verification has ended."""
    for status, (verification_id, _) in ended(shop).items():
        reply = shop.step(verification_id, "resend")
        if status == "max_attempts_reached":
            assert said(reply) == (400, "too_many_attempts")
        else:
            assert said(reply) == (400, "otp_expired")
            assert reply.json["verification_status"] == status


# Canceling


def test_canceling(shop: BackendClient) -> None:
    """The code is dead at once; repeating it changes nothing."""
    verification_id, code = shop.started(metadata={"order": "A-17"})
    shop.wait(5)
    replies = [shop.step(verification_id, "cancel", members) for members in (None, {}, {"a": 1})]
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert replies[0].json == {
        "id": verification_id,
        "status": "canceled",
        "to_masked": "***-***-3210",
        "purpose": "phone_verification",
        "channel": "sms",
        "attempts_remaining": 0,
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-01T00:10:00Z",
        "updated_at": "2026-01-01T00:00:05Z",
        "expires_in": 0,
        "resend_in": replies[0].json["resend_in"],
        "next": {"sms": replies[0].json["resend_in"]},
        "metadata": {"order": "A-17"},
    }
    assert replies[0].json == replies[1].json == replies[2].json
    reply = shop.check(verification_id, code)
    assert (*said(reply), reply.json["verification_status"]) == (400, "otp_expired", "canceled")


def test_canceling_what_has_ended_otherwise(shop: BackendClient) -> None:
    """It says how, exhausted ones included, and changes nothing."""
    for status, (verification_id, _) in ended(shop).items():
        if status != "canceled":
            reply = shop.step(verification_id, "cancel")
            assert (*said(reply), reply.json["verification_status"]) == (
                400, "otp_expired", status,
            )  # fmt: skip
            assert shop.get(verification_id).json["status"] == status


# Looking


def test_a_look(shop: BackendClient) -> None:
    """It has the messages and the requests, and neither the code, the contact nor the client."""
    verification_id, code = shop.started(client_ip="203.0.113.9")
    guess(shop, verification_id, code, 1)
    shop.wait(30)
    shop.step(verification_id, "resend")
    reply = shop.get(verification_id)
    found = reply.json
    assert reply.status == 200
    sends = found.pop("sends")
    assert [len(send.pop("id")) for send in sends] == [22, 22]
    assert sends == [
        {"at": at, "channel": "sms", "sender": "outbox", "state": "queued", "state_at": None}
        for at in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:30Z")
    ]
    assert [(one["event"], one["outcome"]) for one in found.pop("events")] == [
        ("send", "sent"), ("check", "invalid_otp"), ("send", "sent"),
    ]  # fmt: skip
    assert found == {
        "id": verification_id,
        "status": "pending",
        "to_masked": "***-***-3210",
        "purpose": "phone_verification",
        "channel": "sms",
        "attempts_remaining": 2,
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-01T00:10:00Z",
        "updated_at": "2026-01-01T00:00:30Z",
        "expires_in": 570,
        "resend_in": 30,
        "next": {"sms": 30},
        "metadata": {},
    }
    told = reply.body.decode()
    assert not [one for one in (code, PHONE, PHONE[3:], "203.0.113.9") if one in told]


# Standing


def test_standing(shop: BackendClient) -> None:
    """It tells what a start would meet, posted or not, and charges nothing."""
    free = shop.standing()
    assert (free.status, free.json["admitted"], free.json["next"]) == (200, True, {"sms": 0})
    assert "error" not in free.json
    verification_id, code = shop.started()
    guess(shop, verification_id, code, 1)
    shop.wait(18)
    posted = shop.standing()
    assert posted.json == {
        "admitted": False,
        "error": "resend_too_soon",
        "next": {"sms": 12},
        "limits": [
            {"limit": "phone_rate_limited", "remaining": 9, "window_seconds": 86_400,
             "retry_after_seconds": 0},
            {"limit": "app_rate_limited", "remaining": 59, "window_seconds": 60,
             "retry_after_seconds": 0},
            {"limit": "app_rate_limited", "remaining": 9_999, "window_seconds": 86_400,
             "retry_after_seconds": 0},
        ],
        "attempts_remaining": 2,
    }  # fmt: skip
    looked = shop.request("GET", STANDING, query="to=%2B919876543210&purpose=phone_verification")
    assert looked.json == posted.json
    other = shop.request("GET", STANDING, query="to=%2B919876543210&subject=4711&app=shop")
    assert other.json["admitted"] is True
    shop.wait(12)
    assert shop.start().status == 200


def test_standing_of_named_limits(shop: BackendClient) -> None:
    """They are told by the app's names, for the values of the request."""
    with_app(shop.world, ruled(named_limits={"user": (Quota(1, MINUTE),)}))
    shop.start(OTHER_PHONE, limits={"user": "1"}, client_ip="203.0.113.9")
    found = shop.standing(limits={"user": "1"}, client_ip="203.0.113.9").json
    assert (found["admitted"], found["error"]) == (False, "named_limit")
    limits = {one["limit"]: one for one in found["limits"]}
    assert limits["named_limit"] == {
        "limit": "named_limit", "name": "user", "remaining": 0, "window_seconds": 60,
        "retry_after_seconds": 60,
    }  # fmt: skip
    assert limits["rate_limited"]["remaining"] == 4


def test_standing_of_calls(shop: BackendClient) -> None:
    """An app that calls is told as well what is left of the calls, which count among the sends."""
    channels = {ContactKind.PHONE: (Channel.SMS, Channel.VOICE)}
    with_app(shop.world, ruled(channels=default_channels() | channels))
    shop.start(PHONE, channel="voice")
    found = [one for one in shop.standing().json["limits"] if one["limit"] == "phone_rate_limited"]
    assert [(one.get("channel"), one["remaining"]) for one in found] == [(None, 9), ("voice", 2)]
    assert found[1] == {
        "limit": "phone_rate_limited", "channel": "voice", "remaining": 2,
        "window_seconds": 86_400, "retry_after_seconds": 0,
    }  # fmt: skip


def test_standing_while_locked() -> None:
    """It tells until when; nothing if time does not unlock."""
    shop = backend(failed_guesses_per_day=3)
    guess(shop, *shop.started())
    found = shop.standing().json
    assert (found["error"], found["locked_until"]) == ("locked_out", "2026-01-02T00:00:00Z")
    for_good = backend(failed_guesses_in_a_row=3)
    guess(for_good, *for_good.started())
    found = for_good.standing().json
    assert (found["error"], found["next"]) == ("locked_out", {"sms": None})
    assert "locked_until" not in found


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({}, "to_required"),
        ({"to": "12"}, "invalid_phone"),
        ({"to": "+447400123456"}, "region_not_allowed"),
        ({"to": PHONE, "purpose": "x"}, "purpose_not_available"),
        ({"to": PHONE, "subject": "Ä"}, "invalid_subject"),
        ({"to": PHONE, "client_ip": "x"}, "invalid_client_ip"),
    ],
)
def test_standing_that_is_refused(shop: BackendClient, members: dict[str, str], word: str) -> None:
    """It is judged as a start is, in the address as in a body."""
    assert said(shop.request("POST", STANDING, members)) == (400, word)
    query = "&".join(f"{name}={value}" for name, value in members.items()).replace("+", "%2B")
    query = query.replace("Ä", "%C3%84")
    assert said(shop.request("GET", STANDING, query=query)) == (400, word)


# Whose it is, and keys


def test_what_belongs_to_another_app(shop: BackendClient) -> None:
    """It is not there, and neither is what nobody has."""
    verification_id, code = shop.started()
    bank = other_app("bank")
    with_app(shop.world, bank)
    theirs = BackendClient(shop.client, made_key(shop.world, bank))
    service = BackendClient(shop.client, made_key(shop.world, None))
    for other in (theirs, service):
        replies = [other.get(verification_id), other.check(verification_id, code)]
        replies += [other.step(verification_id, step) for step in ("resend", "cancel")]
        assert [said(reply) for reply in replies] == [(404, "verification_not_found")] * 4
    for one in (NOBODYS, "x", "a" * 1000):
        assert said(shop.get(one)) == (404, "verification_not_found")
    assert shop.check(verification_id, code).status == 200


@pytest.mark.parametrize("scope", [Scope.START, Scope.CHECK, Scope.READ])
def test_scopes(shop: BackendClient, scope: Scope) -> None:
    """A key does what its scopes say, and nothing else: 403, before a byte of the body is read."""
    verification_id, code = shop.started()
    shop.wait(30)
    shop.key = made_key(shop.world, scopes=frozenset({scope}))
    replies = {
        Scope.START: [
            shop.start(),
            shop.step(verification_id, "resend"),
            shop.step(verification_id, "cancel"),
        ],
        Scope.CHECK: [shop.check(verification_id, code)],
        Scope.READ: [shop.get(verification_id), shop.standing(), shop.request("GET", STANDING)],
    }
    for needed, given_ in replies.items():
        for reply in given_:
            assert said(reply) == (403, "forbidden") if needed != scope else reply.status != 403
            if needed != scope:
                assert reply.reads == 0


# Bad input


ROUTES = ["", *(f"/{NOBODYS}/{step}" for step in STEPS)]


@pytest.mark.parametrize("path", [*(VERIFICATIONS + path for path in ROUTES), STANDING])
@pytest.mark.parametrize(
    ("body", "headers", "told"),
    [
        (b"{", {}, (400, "malformed_request")),
        (b"[]", {}, (400, "malformed_request")),
        (b"null", {}, (400, "malformed_request")),
        (b'"a"', {}, (400, "malformed_request")),
        (b" ", {}, (400, "malformed_request")),
        (b'{"to": "\xff"}', {}, (400, "malformed_request")),
        (b'{"to": "\\ud800"}', {}, (400, "malformed_request")),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, {}, (400, "malformed_request")),
        (b'{"a": 1e999}', {}, (400, "malformed_request")),
        (b"{}", {"content_type": "text/plain"}, (415, "unsupported_media_type")),
        (b"{}", {"content_type": None}, (415, "unsupported_media_type")),
        (b"a=b", {"content_type": "text/html"}, (415, "unsupported_media_type")),
        (b"{}" + b" " * 16_383, {}, (413, "body_too_large")),
    ],
)  # fmt: skip
def test_bodies_that_are_refused(
    shop: BackendClient, path: str, body: bytes, headers: dict[str, Any], told: tuple[int, str]
) -> None:
    """5.5 holds on every route; where a body may be missing, `{}` needs no content type."""
    reply = shop.request("POST", path, body=body, **headers)
    if (body, headers) == (b"{}", {"content_type": None}) and path.endswith(("resend", "cancel")):
        told = 404, "verification_not_found"
    assert said(reply) == told
    assert (reply.json.get("valid") is False) == path.endswith("check")
    assert shop.world.outbox.sent == []


@pytest.mark.parametrize("value", [1, True, ["a"], {"a": "b"}])
@pytest.mark.parametrize(
    "name", ["app", "to", "channel", "purpose", "subject", "client_ip", "locale", "app_hash"]
)
def test_values_of_another_type(shop: BackendClient, name: str, value: object) -> None:
    """They are malformed."""
    assert said(shop.post({"to": PHONE, name: value})) == (400, "malformed_request")


@pytest.mark.parametrize("name", ["limits", "metadata", "transaction"])
@pytest.mark.parametrize("value", ["a", 1, ["a"], {"a": 1}, {"a": None}, {"a": {"b": "c"}}])
def test_pairs_of_another_type(shop: BackendClient, name: str, value: object) -> None:
    """They are malformed too."""
    assert said(shop.post({"to": PHONE, name: value})) == (400, "malformed_request")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", VERIFICATIONS, "POST"),
        ("DELETE", f"{VERIFICATIONS}/x", "GET, HEAD"),
        ("GET", f"{VERIFICATIONS}/x/check", "POST"),
        ("PUT", f"{VERIFICATIONS}/x/resend", "POST"),
        ("OPTIONS", f"{VERIFICATIONS}/x/cancel", "POST"),
        ("PATCH", STANDING, "GET, HEAD, POST"),
    ],
)
def test_another_method(shop: BackendClient, method: str, path: str, allowed: str) -> None:
    """It is a 405 that names the ones there are."""
    reply = shop.request(method, path)
    assert (*said(reply), reply.headers["allow"]) == (405, "method_not_allowed", allowed)


def test_paths(shop: BackendClient) -> None:
    """They are the same with a slash at the end; there are no others."""
    reply = shop.request("POST", f"{VERIFICATIONS}/", {"to": PHONE})
    assert reply.status == 200
    verification_id, code = reply.json["id"], shop.world.outbox.codes[-1]
    assert shop.request("GET", f"{VERIFICATIONS}/{verification_id}/").status == 200
    assert shop.request("GET", f"{STANDING}/", query="to=9876543210").status == 200
    assert shop.step(verification_id, "check/", {"code": code}).status == 200
    for path in ("/v1/verification", f"{VERIFICATIONS}/x/approve", f"{VERIFICATIONS}//check"):
        assert said(shop.request("POST", path, {})) == (404, "not_found")
    raw = f"{VERIFICATIONS}/%00"
    reply = shop.client.request(
        "GET", f"{VERIFICATIONS}/\x00", raw_path=raw,
        headers={"authorization": f"Bearer {shop.key}"},
    )  # fmt: skip
    assert said(reply) == (404, "not_found")


@pytest.mark.parametrize(
    "query",
    ["to=%ff", "to=%", "to=%zz", "%00", "to=%00", "=&&&;", "to=1&to=2", "&".join(["a=1"] * 1001)],
)
def test_queries_that_are_broken(shop: BackendClient, query: str) -> None:
    """They are a 400, whatever is wrong with them."""
    assert shop.request("GET", STANDING, query=query).status == 400


@given(
    st.dictionaries(
        st.sampled_from(["to", "channel", "purpose", "subject", "locale", "metadata", "code"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
        | st.dictionaries(st.text(), st.text()),
    )
)  # fmt: skip
def test_any_members(members: dict[str, Any]) -> None:
    """No members at all make a 500."""
    shop = backend()
    for path in (VERIFICATIONS, f"{VERIFICATIONS}/{NOBODYS}/check", STANDING):
        assert shop.request("POST", path, members).status in {400, 404}
