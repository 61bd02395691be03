"""Starting verifications over HTTP: docs/contract.md, 13.1 and 13.6."""

from typing import Any

import pytest
import structlog

from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.quota import Quota
from hsp_otp.ports.failures import SendFailed, Unavailable
from tests.backend import SHOP, TEST_CODE, Shop, other_app
from tests.http import Client, Reply, problem
from tests.verifying import (
    VERIFICATIONS,
    BackendClient,
    backend,
    key_id,
    made_key,
    ruled,
    with_app,
)
from tests.world import OTHER_PHONE, PHONE, World, other_than

SENT: dict[str, Any] = {
    "status": "pending",
    "to_masked": "***-***-3210",
    "purpose": "phone_verification",
    "channel": "sms",
    "resent": False,
    "attempts_remaining": 3,
    "created_at": "2026-01-01T00:00:00Z",
    "expires_at": "2026-01-01T00:10:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "expires_in": 600,
    "resend_in": 30,
    "next": {"sms": 30},
    "metadata": {},
}
TOO_SOON = "A code was sent a moment ago. Please wait before you ask for another one."


@pytest.fixture
def shop() -> BackendClient:
    """The backend of an app."""
    return backend()


def said(reply: Reply) -> tuple[int, str]:
    """The status of a refusal and its word."""
    return reply.status, reply.json["error"]


# Sending


def test_a_start(shop: BackendClient) -> None:
    """The code is sent, and the answer has all members of the verification."""
    reply = shop.start()
    assert reply.status == 200
    assert reply.json == {"id": reply.json["id"], **SENT}
    assert len(reply.json["id"]) == 22
    assert reply.headers["content-type"] == "application/json"
    assert "idempotent-replayed" not in reply.headers
    assert [sms.to.value for sms in shop.world.outbox.sent] == [PHONE]


def test_a_start_with_every_member(shop: BackendClient) -> None:
    """The purpose has its own life, the language is looked up, and the metadata comes back."""
    with_app(shop.world, ruled(named_limits={"user": (Quota(5, MINUTE),)}))
    reply = shop.start(
        " 98765 43210 ",
        channel="sms",
        purpose="login_verification",
        subject="4711",
        client_ip="2001:db8::1",
        locale="es-MX",
        app_hash="FA+9qCX9VSu",
        limits={"user": "4711"},
        metadata={"order": "A-17"},
        anything="else",
    )
    assert (reply.status, reply.json["purpose"], reply.json["expires_in"]) == (
        200, "login_verification", 300,
    )  # fmt: skip
    assert reply.json["metadata"] == {"order": "A-17"}
    assert " in es of Acme Shop" in shop.world.outbox.sent[-1].text
    row = shop.world.audit.rows[-1]
    assert (row.facts.client and row.facts.client.value) == "2001:db8::/64"
    assert (row.facts.api_key_id, row.facts.app) == (key_id(shop.key), "shop")
    assert row.facts.verification_id == reply.json["id"]


@pytest.mark.parametrize("locale", ["de", "de-CH", "x-klingon"])
def test_a_language_that_there_is_not(shop: BackendClient, locale: str) -> None:
    """It is the app's default then."""
    with_app(shop.world, ruled(default_language="hi"))
    shop.start(locale=locale)
    assert " in hi of" in shop.world.outbox.sent[-1].text


def test_a_start_on_a_live_code(shop: BackendClient) -> None:
    """It sends the same code again: the id, the guesses and the end stay as they were."""
    verification_id, code = shop.started()
    shop.check(verification_id, other_than(code))
    shop.wait(31)
    reply = shop.start()
    assert reply.json == {
        "id": verification_id,
        **SENT,
        "resent": True,
        "attempts_remaining": 2,
        "updated_at": "2026-01-01T00:00:31Z",
        "expires_in": 569,
    }
    assert shop.world.outbox.codes == [code, code]


def test_a_start_shortly_before_the_end(shop: BackendClient) -> None:
    """With less than 120 s left, a new code takes the place of the old one, which is dead."""
    verification_id, code = shop.started()
    shop.wait(481)
    again = shop.start()
    assert (again.json["resent"], again.json["expires_in"]) == (False, 600)
    assert again.json["id"] != verification_id
    reply = shop.check(verification_id, code)
    assert (*said(reply), reply.json["verification_status"]) == (400, "otp_expired", "replaced")


# The order of judgement


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "to_required"),
    ({"to": None}, "to_required"),
    ({"to": " \u200b"}, "to_required"),
    ({"to": "12"}, "invalid_phone"),
    ({"to": "tel:+919876543210"}, "invalid_phone"),
    ({"to": "+9198765\u000043210"}, "invalid_phone"),
    ({"to": "+911123456789"}, "invalid_phone"),
    ({"to": "+447400123456"}, "region_not_allowed"),
    ({"to": "asha@example.com\r\nBcc: b@example.com"}, "invalid_email"),
    ({"to": "asha@example.com", "channel": "sms"}, "channel_not_available"),
    ({"to": PHONE, "channel": "voice"}, "channel_not_available"),
    ({"to": PHONE, "channel": "SMS"}, "channel_not_available"),
    ({"to": PHONE, "channel": "sms\u0000"}, "channel_not_available"),
    ({"to": PHONE, "purpose": "signup"}, "purpose_not_available"),
    ({"to": PHONE, "purpose": "email_verification"}, "purpose_not_available"),
    ({"to": PHONE, "purpose": "transaction_confirmation"}, "purpose_not_available"),
    ({"to": PHONE, "subject": "a" * 129}, "invalid_subject"),
    ({"to": PHONE, "subject": "Äsha"}, "invalid_subject"),
    ({"to": PHONE, "subject": "a\u0000"}, "invalid_subject"),
    ({"to": PHONE, "client_ip": "elsewhere"}, "invalid_client_ip"),
    ({"to": PHONE, "client_ip": "198.51.100.7, 203.0.113.9"}, "invalid_client_ip"),
    ({"to": PHONE, "locale": "en_GB"}, "invalid_locale"),
    ({"to": PHONE, "locale": "en\u0000"}, "invalid_locale"),
    ({"to": PHONE, "locale": "*"}, "invalid_locale"),
    ({"to": PHONE, "locale": "en" + "-abcdefgh" * 4}, "invalid_locale"),
    ({"to": PHONE, "app_hash": "FA+9qCX9VS"}, "invalid_app_hash"),
    ({"to": PHONE, "app_hash": "FA+9qCX9VS\u0000"}, "invalid_app_hash"),
    ({"to": PHONE, "limits": {"nobody": "1"}}, "invalid_limits"),
    ({"to": PHONE, "limits": {"user": ""}}, "invalid_limits"),
    ({"to": PHONE, "limits": {"user": "a" * 129}}, "invalid_limits"),
    ({"to": PHONE, "limits": {"user": "a\u0000"}}, "invalid_limits"),
    ({"to": PHONE, "metadata": {"a": "b" * 129}}, "invalid_metadata"),
    ({"to": PHONE, "metadata": {"a" * 129: "b"}}, "invalid_metadata"),
    ({"to": PHONE, "metadata": {"a": "\u0000"}}, "invalid_metadata"),
    ({"to": PHONE, "metadata": {str(n): "b" for n in range(11)}}, "invalid_metadata"),
    ({"to": PHONE, "transaction": {"amount": "1", "payee": "Acme"}}, "transaction_not_allowed"),
    ({"to": PHONE, "transaction": {}}, "transaction_not_allowed"),
]  # fmt: skip


@pytest.mark.parametrize(("members", "word"), REFUSED)
def test_members_that_are_refused(shop: BackendClient, members: dict[str, Any], word: str) -> None:
    """The word names the member; nothing is sent, charged or stored."""
    with_app(shop.world, ruled(named_limits={"user": (Quota(5, MINUTE),)}))
    reply = shop.post(members)
    assert said(reply) == (400, word)
    assert reply.headers["content-type"] == "application/problem+json"
    assert (shop.world.outbox.sent, shop.world.audit.rows) == ([], [])
    assert shop.start().status == 200


def test_the_first_flaw_counts(shop: BackendClient) -> None:
    """Of several, the one that stands first in the table answers."""
    with_app(shop.world, ruled(client_ip_required=True))
    told: dict[str, Any] = {
        "transaction": {"amount": "1"},
        "metadata": {"a": "b" * 129},
        "limits": {"nobody": "1"},
        "app_hash": "x",
        "locale": "_",
        "client_ip": "x",
        "subject": "Ä",
        "purpose": "x",
        "channel": "x",
        "to": "x",
    }
    right: dict[str, Any] = {"to": PHONE, "client_ip": "198.51.100.7"}
    words = [shop.post({}).json["error"]]
    for name in reversed([*told]):
        words.append(shop.post(told).json["error"])
        if name == "to":
            told |= {"to": PHONE}
            without = {one: value for one, value in told.items() if one != "client_ip"}
            words.append(shop.post(without).json["error"])
        elif name in right:
            told |= {name: right[name]}
        else:
            del told[name]
    assert words == [
        "to_required",
        "invalid_phone",
        "client_ip_required",
        "channel_not_available",
        "purpose_not_available",
        "invalid_subject",
        "invalid_client_ip",
        "invalid_locale",
        "invalid_app_hash",
        "invalid_limits",
        "invalid_metadata",
        "transaction_not_allowed",
    ]
    assert shop.post(told).status == 200


def test_an_idempotency_key_comes_before_the_members(shop: BackendClient) -> None:
    """A malformed one is refused first, and so are two."""
    for key in ("", " ", "a b", "a" * 65, '"a', "ä", '"a" "b"'):
        assert said(shop.start("x", key=key)) == (400, "invalid_idempotency_key")
    twice = shop.client.request(
        "POST", VERIFICATIONS, body=b"{}", headers={"authorization": f"Bearer {shop.key}"},
        more_headers=[("idempotency-key", "a"), ("idempotency-key", "a")],
    )  # fmt: skip
    assert said(twice) == (400, "invalid_idempotency_key")
    for number, key in enumerate(("a", '"b"', "A-Z_0.9", "c" * 64)):
        assert shop.start(f"+9198123456{number:02}", key=key).status == 200


# Limits


def test_too_soon(shop: BackendClient) -> None:
    """A refusal tells the wait, in the body and the header, and when each channel may be used."""
    shop.start()
    shop.wait(1)
    reply = shop.start()
    told = problem(
        429, "Too Many Requests", "resend_too_soon", reply.json["message"],
        retry_after_seconds=29, live=True,
    )  # fmt: skip
    assert reply.json == told | {"next": {"sms": 29}}
    assert (reply.status, reply.headers["retry-after"]) == (429, "29")
    shop.wait(28)
    assert shop.start().status == 429
    shop.wait(1)
    assert shop.start().status == 200


def test_the_limits_of_an_app(shop: BackendClient) -> None:
    """Each has its word, an exact wait and, if the app has named it, its name."""
    with_app(
        shop.world,
        ruled(
            named_limits={"user": (Quota(1, HOUR_AND_A_HALF),)},
            limits=type(SHOP.rules.limits)(sends_per_minute=3, sends_per_client_hour=2),
        ),
    )
    told = {"client_ip": "203.0.113.9"}
    assert shop.start(OTHER_PHONE, limits={"user": "1"}, **told).status == 200
    named = shop.start(PHONE, limits={"user": "1"})
    assert said(named) == (429, "named_limit")
    assert (named.json["limit"], named.json["retry_after_seconds"]) == ("user", 5400)
    assert named.json["next"] == {"sms": 5400}
    assert shop.start(PHONE, limits={"user": "2"}, **told).status == 200
    client = shop.start("+919812345670", **told)
    assert (*said(client), client.json["retry_after_seconds"]) == (429, "rate_limited", 3600)
    assert shop.start("+919812345670").status == 200
    app = shop.start("+919812345671")
    assert (*said(app), app.json["retry_after_seconds"]) == (429, "app_rate_limited", 60)
    assert "limit" not in app.json
    shop.wait(60)
    assert shop.start("+919812345671").status == 200


HOUR_AND_A_HALF = 90 * MINUTE


def test_the_limit_of_a_number(shop: BackendClient) -> None:
    """The eleventh send in 24 h is refused, whatever the subject is."""
    for number in range(10):
        assert shop.start(subject=str(number)).status == 200
    reply = shop.start(subject="10")
    assert (*said(reply), reply.json["retry_after_seconds"]) == (
        429, "phone_rate_limited", 86_400,
    )  # fmt: skip


def test_a_lock(shop: BackendClient) -> None:
    """After 15 wrong guesses within 24 h, the wait is that of the lock."""
    guess_wrong(shop, 5)
    reply = shop.start()
    assert said(reply) == (429, "locked_out")
    assert reply.headers["retry-after"] == str(reply.json["retry_after_seconds"])
    assert reply.json["next"] == {"sms": reply.json["retry_after_seconds"]}
    shop.wait(reply.json["retry_after_seconds"] - 1)
    assert shop.start().status == 429
    shop.wait(1)
    assert shop.start().status == 200


def test_a_lock_that_only_an_operator_lifts() -> None:
    """It has no wait, in no channel either."""
    shop = backend(failed_guesses_in_a_row=3)
    guess_wrong(shop, 1)
    reply = shop.start()
    assert said(reply) == (429, "locked_out")
    assert reply.json["next"] == {"sms": None}
    assert "retry_after_seconds" not in reply.json
    assert "retry-after" not in reply.headers


def guess_wrong(shop: BackendClient, codes: int) -> None:
    """Use all guesses of so many codes up."""
    for _ in range(codes):
        verification_id, code = shop.started()
        for _ in range(3):
            assert said(shop.check(verification_id, other_than(code))) == (400, "invalid_otp")
        shop.wait(30)


def test_no_sender_takes_it(shop: BackendClient) -> None:
    """It is `delivery_failed`, the same may be asked for at once, and the verification failed."""
    shop.world.outbox.failure = SendFailed("away")
    reply = shop.start(key="a")
    message = "The code could not be sent. Please try again."
    assert reply.json == problem(400, "Bad Request", "delivery_failed", message, resend_in=0)
    again = shop.start(key="a")
    assert (*said(again), again.headers["idempotent-replayed"]) == (
        400, "delivery_failed", "true",
    )  # fmt: skip
    assert "idempotent-replayed" not in reply.headers
    shop.world.outbox.failure = None
    assert shop.start(key="b").status == 200


# Idempotency


def test_a_start_that_is_repeated(shop: BackendClient) -> None:
    """Nothing is sent, and the answer tells how the verification stands now."""
    first = shop.start(key="order-17")
    code = shop.world.outbox.codes[-1]
    shop.wait(20)
    shop.check(first.json["id"], other_than(code))
    again = shop.start(key='"order-17"')
    assert again.json == {
        **first.json, "attempts_remaining": 2, "expires_in": 580, "resend_in": 10,
        "next": {"sms": 10},
    }  # fmt: skip
    assert again.headers["idempotent-replayed"] == "true"
    shop.check(first.json["id"], code)
    assert shop.start(key="order-17").json["status"] == "approved"
    assert len(shop.world.outbox.sent) == 1


def test_another_request_under_the_same_key(shop: BackendClient) -> None:
    """It is a 422, a resend included; refusals leave the key free."""
    assert shop.start("12", key="a").status == 400
    first = shop.start(key="a")
    assert first.status == 200
    assert said(shop.start(OTHER_PHONE, key="a")) == (422, "idempotency_mismatch")
    assert said(shop.step(first.json["id"], "resend", key="a")) == (422, "idempotency_mismatch")
    assert said(shop.start(key="b")) == (429, "resend_too_soon")
    shop.wait(30)
    assert shop.start(key="b").status == 200


def test_a_request_that_is_under_way(shop: BackendClient) -> None:
    """While the message is being handed over, the same request is a 409 that says to wait 1 s."""
    replies: list[Reply] = []
    other = BackendClient(Client(shop.world, verify_api=True), shop.key)
    shop.world.outbox.witness = lambda: replies.append(other.start(key="a"))
    assert shop.start(key="a").status == 200
    (reply,) = replies
    assert said(reply) == (409, "idempotency_in_progress")
    assert reply.headers["retry-after"] == "1"
    assert "retry_after_seconds" not in reply.json


# Keys and apps


@pytest.mark.parametrize("authorization", [None, "Bearer x", "Basic x"])
def test_without_a_key(shop: BackendClient, authorization: str | None) -> None:
    """It is judged before a byte of the body is read."""
    reply = shop.request("POST", VERIFICATIONS, body=b"{", authorization=authorization)
    assert (*said(reply), reply.reads) == (401, "unauthorized", 0)
    assert reply.headers["www-authenticate"] == "Bearer"


def test_a_key_in_the_address_or_the_body(shop: BackendClient) -> None:
    """It is not looked at."""
    reply = shop.request(
        "POST", VERIFICATIONS, {"to": PHONE, "key": shop.key}, authorization=None,
        query=f"key={shop.key}",
    )  # fmt: skip
    assert said(reply) == (401, "unauthorized")


def test_a_key_of_the_service_itself(shop: BackendClient) -> None:
    """It acts for no app."""
    shop.key = made_key(shop.world, None)
    assert said(shop.start()) == (404, "app_not_found")
    assert said(shop.start(app="shop")) == (404, "app_not_found")


def test_a_key_of_an_account(shop: BackendClient) -> None:
    """A start names one of its apps, by name or id; everything of all of them is found by id."""
    bank = other_app("bank")
    with_app(shop.world, bank)
    shop.key = made_key(shop.world, None, account_id=SHOP.account_id)
    for name in (None, "", "nobody", "\u0000", "a" * 1000):
        assert said(shop.start(app=name)) == (404, "app_not_found")
        assert said(shop.standing(app=name)) == (404, "app_not_found")
    for number, name in enumerate(("shop", SHOP.id, "bank", bank.id)):
        reply = shop.start(f"+9198123456{number:02}", app=name)
        assert shop.get(reply.json["id"]).status == 200


def test_the_app_of_a_key(shop: BackendClient) -> None:
    """The key of an app need not name it, may, and can name no other."""
    with_app(shop.world, other_app("bank"))
    assert said(shop.start(app="bank")) == (404, "app_not_found")
    assert shop.start(app="shop").status == 200


@pytest.mark.parametrize("path", ["", "/x", "/x/check", "/x/resend", "/x/cancel"])
def test_without_the_setting(path: str) -> None:
    """The API is not there, to anybody, with whatever key."""
    world = World()
    with_app(world, SHOP)
    off = BackendClient(Client(world), made_key(world))
    for method in ("GET", "POST"):
        reply = off.request(method, VERIFICATIONS + path, {} if method == "POST" else None)
        assert said(reply) == (404, "not_found")
    assert said(off.standing()) == (404, "not_found")


# What is away, and what is told


def test_a_store_that_is_away(shop: BackendClient) -> None:
    """It is a 503, and nothing is sent."""

    async def away(*_: object) -> None:
        raise Unavailable("away")

    shop.world.slots.transition = away  # type: ignore[method-assign,assignment]
    reply = shop.start()
    assert (*said(reply), reply.headers["retry-after"]) == (503, "unavailable", "2")
    assert shop.world.outbox.sent == []


def test_nothing_of_it_is_logged(shop: BackendClient) -> None:
    """No key, number, code, subject or metadata reaches the log, right or wrong."""
    lines: list[Any]
    with structlog.testing.capture_logs() as lines:
        verification_id, code = shop.started(subject="user-4711", metadata={"note": "private"})
        shop.start(subject="user-4711", key="order-17")
        shop.check(verification_id, other_than(code))
        shop.check(verification_id, code, to=OTHER_PHONE)
        shop.get(verification_id)
        shop.standing(subject="user-4711")
        shop.step(verification_id, "cancel")
        shop.start("not-a-number")
    told = repr(lines)
    secrets = ("hspotp_", PHONE, PHONE[3:], OTHER_PHONE[3:], code, "user-4711", "private",
               "order-17", "not-a-number", verification_id)  # fmt: skip
    assert not [one for one in secrets if one in told]
    assert len(lines) == 8


def test_languages_of_refusals(shop: BackendClient) -> None:
    """A refusal is in the language of the request, as everywhere."""
    reply = shop.request("POST", VERIFICATIONS, {}, accept_language="es")
    assert reply.headers["content-language"] == "es"
    assert reply.json["error"] == "to_required"


# Test contacts


def test_answers_about_a_test_contact(shop: BackendClient) -> None:
    """Every answer about a verification of a test contact says that it is one."""
    told = Shop(shop.world)
    told.add_test_contact()
    reply = shop.start()
    assert reply.json == {"id": reply.json["id"], **SENT, "resend_in": 0, "next": {"sms": 0}} | {
        "test": True
    }
    verification_id = reply.json["id"]
    resent = shop.step(verification_id, "resend").json
    assert (resent["test"], resent["resent"]) == (True, True)
    success = shop.check(verification_id, TEST_CODE).json
    assert (success["test"], success["status"]) == (True, "approved")
    found = shop.get(verification_id).json
    assert (found["test"], found["sends"]) == (True, [])
    assert {"event": "test_contact", "outcome": "check"}.items() <= found["events"][-2].items()
    shop.wait(31)
    assert "test" not in shop.start(OTHER_PHONE).json
