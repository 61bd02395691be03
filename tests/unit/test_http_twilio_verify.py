"""Twilio's clients over HTTP: docs/contract.md, section 14."""

import base64
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.api_keys import Scope
from hsp_otp.domain.apps import AppLimits, default_channels
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.names import id_of_sid
from hsp_otp.domain.quota import Quota
from hsp_otp.entrypoints.http.api_keys import KEY_REFUSALS
from hsp_otp.entrypoints.http.problems import INTERNAL_ERROR, UNAVAILABLE, of_status
from hsp_otp.entrypoints.http.twilio_verify.problems import fault_of
from hsp_otp.entrypoints.http.verification import problems as native
from hsp_otp.ports.failures import SendFailed, Unavailable
from tests.backend import Shop, other_app
from tests.http import REQUEST_ID, Client, Reply, problem
from tests.twilio import (
    ACCOUNT_SID,
    CHECK,
    SERVICE_SID,
    SERVICES,
    SHOP,
    VERIFICATIONS,
    TwilioClient,
    basic,
    ruled,
    twilio,
)
from tests.verifying import key_id, made_key, with_app
from tests.world import OTHER_PHONE, PHONE, World, other_than

LANDLINE = "+912223456789"
NOBODYS = "VE000102030405060708090a0b0c0d0e0f"
CHECKED: dict[str, Any] = {
    "service_sid": SERVICE_SID,
    "account_sid": ACCOUNT_SID,
    "to": PHONE,
    "channel": "sms",
    "status": "pending",
    "valid": False,
    "amount": None,
    "payee": None,
    "date_created": "2026-01-01T00:00:00Z",
    "date_updated": "2026-01-01T00:00:00Z",
    "sna_attempts_error_codes": [],
}


@pytest.fixture
def shop() -> TwilioClient:
    """A client of an app."""
    return twilio()


def said(reply: Reply) -> tuple[int, int]:
    """The status of a refusal and Twilio's code, in a body that raises the right exception."""
    assert reply.json.keys() == {"code", "message", "more_info", "status", "details"}
    assert reply.json["status"] == reply.status
    assert reply.json["more_info"] == f"https://www.twilio.com/docs/errors/{reply.json['code']}"
    assert reply.json["details"]["request_id"] == REQUEST_ID
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers.get("retry-after") == _text(reply.json["details"])
    return reply.status, reply.json["code"]


def _text(details: dict[str, Any]) -> str | None:
    wait = details.get("retry_after_seconds")
    return None if wait is None else str(wait)


# Starting


def test_a_start(shop: TwilioClient) -> None:
    """The code is sent, and the answer is a verification as Twilio's clients read it."""
    shop.wait(1)
    shop.world.clock.advance(234_567)
    reply = shop.start()
    sid, (attempt,) = reply.json["sid"], reply.json["send_code_attempts"]
    assert (reply.status, reply.headers["content-type"]) == (201, "application/json")
    assert attempt == {
        "time": "2026-01-01T00:00:01Z",
        "channel": "SMS",
        "attempt_sid": attempt["attempt_sid"],
    }
    assert reply.json == {
        "sid": sid,
        "service_sid": SERVICE_SID,
        "account_sid": ACCOUNT_SID,
        "to": PHONE,
        "channel": "sms",
        "status": "pending",
        "valid": False,
        "lookup": {"carrier": None},
        "amount": None,
        "payee": None,
        "send_code_attempts": [attempt],
        "date_created": "2026-01-01T00:00:01Z",
        "date_updated": "2026-01-01T00:00:01Z",
        "sna": None,
        "url": f"http://otp.example{VERIFICATIONS}/{sid}",
    }
    assert (len(sid), sid[:2]) == (34, "VE")
    assert (len(attempt["attempt_sid"]), attempt["attempt_sid"][:2]) == (34, "VL")


def test_a_start_on_a_live_code(shop: TwilioClient) -> None:
    """The same verification has another attempt, with the same code."""
    sid, code = shop.started()
    shop.wait(30)
    again = shop.start("98765 43210", "auto")
    assert (again.status, again.json["sid"], again.json["to"]) == (201, sid, PHONE)
    assert [one["time"][-3:] for one in again.json["send_code_attempts"]] == ["00Z", "30Z"]
    assert again.json["date_created"] < again.json["date_updated"]
    assert shop.world.outbox.codes == [code, code]


def test_a_start_with_every_parameter(shop: TwilioClient) -> None:
    """Each that is honoured takes effect; the name stands in this message alone."""
    with_app(shop.world, ruled(named_limits={"user": (Quota(1, MINUTE),)}))
    reply = shop.start(
        Locale="es-MX",
        DeviceIp="2001:db8::1",
        RateLimits='{"user": "4711"}',
        Tags='{"order": "A-17"}',
        AppHash="FA+9qCX9VSu",
        CustomFriendlyName=" Acme Pharmacy ",
        Anything="else",
    )
    assert reply.status == 201
    message = shop.world.outbox.sent[-1].text
    assert " in es of Acme Pharmacy" in message
    row = shop.world.audit.rows[-1]
    assert (row.facts.client and row.facts.client.value) == "2001:db8::/64"
    assert (row.facts.api_key_id, row.facts.app) == (key_id(shop.key), "shop")
    (verification,) = shop.world.audit.verifications.values()
    assert (verification.metadata, verification.app_hash) == ({"order": "A-17"}, "FA+9qCX9VSu")
    limited = shop.start(OTHER_PHONE, RateLimits='{"user": "4711"}')
    assert (*said(limited), limited.json["details"]["error"]) == (429, 20429, "named_limit")
    assert shop.start(OTHER_PHONE).status == 201
    assert " of Acme Shop, " in shop.world.outbox.sent[-1].text


START_REFUSALS: list[tuple[dict[str, str], int, int, str]] = [
    ({"To": ""}, 400, 60200, "to_required"),
    ({"To": " \u200b"}, 400, 60200, "to_required"),
    ({"To": "12"}, 400, 60200, "invalid_phone"),
    ({"Channel": ""}, 400, 60200, "missing_fields"),
    ({"Channel": "sna"}, 400, 60200, "channel_not_available"),
    ({"Channel": "rcs"}, 400, 60200, "channel_not_available"),
    ({"Channel": "voice"}, 400, 60200, "channel_not_available"),
    ({"Channel": "call"}, 400, 60223, "channel_not_available"),
    ({"Channel": "whatsapp"}, 400, 60223, "channel_not_available"),
    ({"Channel": "email"}, 400, 60223, "channel_not_available"),
    ({"To": "asha@example.com", "Channel": "sms"}, 400, 60223, "channel_not_available"),
    ({"SendDigits": "1"}, 400, 60200, "malformed_request"),
    ({"CustomCode": "123456"}, 403, 60204, "forbidden"),
    ({"CustomFriendlyName": "evil.example"}, 400, 60200, "malformed_request"),
    ({"DeviceIp": "here"}, 400, 60200, "invalid_client_ip"),
    ({"Locale": "e n"}, 400, 60200, "invalid_locale"),
    ({"AppHash": "short"}, 400, 60200, "invalid_app_hash"),
    ({"RateLimits": "{"}, 400, 60200, "invalid_limits"),
    ({"RateLimits": '{"user": 1}'}, 400, 60200, "invalid_limits"),
    ({"RateLimits": '{"unknown": "1"}'}, 400, 60200, "invalid_limits"),
    ({"Tags": "[]"}, 400, 60200, "invalid_metadata"),
    ({"Tags": '{"a": "\\u0000"}'}, 400, 60200, "invalid_metadata"),
    ({"To": "+447400123456"}, 403, 60605, "region_not_allowed"),
    ({"To": LANDLINE}, 403, 60205, "invalid_phone"),
    ({"Amount": "1"}, 400, 60206, "missing_fields"),
    ({"Payee": "Acme"}, 400, 60206, "missing_fields"),
    ({"Payee": "Acme", "Channel": "call"}, 400, 60223, "channel_not_available"),
    ({"Amount": "1", "Payee": "Acme"}, 400, 60200, "purpose_not_available"),
]


@pytest.mark.parametrize(("form", "status", "code", "word"), START_REFUSALS)
def test_starts_that_are_refused(
    shop: TwilioClient, form: dict[str, str], status: int, code: int, word: str
) -> None:
    """Each has its status, Twilio's code and our word; nothing is sent or charged."""
    reply = shop.post(VERIFICATIONS, {"To": PHONE, "Channel": "sms"} | form)
    assert (*said(reply), reply.json["details"]["error"]) == (status, code, word)
    assert shop.world.outbox.sent == []
    assert shop.world.charged("app_sends") == 0


@pytest.mark.parametrize("channel", ["email", "auto"])
def test_mail_without_a_sender(channel: str) -> None:
    """An e-mail address cannot be verified if no sender of e-mail is configured."""
    shop = twilio(World(channels=frozenset({Channel.SMS})))
    reply = shop.start("asha@example.com", channel)
    assert (*said(reply), reply.json["details"]["error"]) == (400, 60217, "channel_not_available")
    assert shop.world.charged("app_sends") == 0


def test_an_app_that_demands_the_device(shop: TwilioClient) -> None:
    """Without its address, a start is refused."""
    with_app(shop.world, ruled(client_ip_required=True))
    assert said(shop.start()) == (400, 60200)
    assert shop.start(DeviceIp="203.0.113.9").status == 201


def test_too_soon(shop: TwilioClient) -> None:
    """The wait stands in the header, in the details, and in the last sentence."""
    shop.start()
    shop.wait(3)
    reply = shop.start()
    assert said(reply) == (429, 60212)
    assert reply.json["details"] == {
        "error": "resend_too_soon",
        "request_id": REQUEST_ID,
        "retry_after_seconds": 27,
    }
    assert reply.json["message"].endswith(". Try again in 27 seconds.")
    assert reply.headers["content-language"] == "en"
    shop.wait(26)
    assert shop.start().json["message"].endswith(" Try again in 1 second.")
    shop.wait(1)
    assert shop.start().status == 201
    shop.update(PHONE, Status="canceled")
    reply = shop.start()
    assert said(reply) == (429, 60212)
    assert "on its way" not in reply.json["message"]


def test_the_limits_of_sends(shop: TwilioClient) -> None:
    """Those of a number, of a client and of the app have codes of their own."""
    limits = AppLimits(sends_per_minute=2, sends_per_client_hour=1)
    with_app(shop.world, ruled(limits=limits))
    told = {"DeviceIp": "203.0.113.9"}
    assert shop.start(**told).status == 201
    client = shop.start(OTHER_PHONE, **told)
    assert (*said(client), client.json["details"]["error"]) == (429, 20429, "rate_limited")
    assert shop.start(OTHER_PHONE).status == 201
    app = shop.start("+919812345670")
    assert (*said(app), app.json["details"]["error"]) == (429, 20429, "app_rate_limited")
    with_app(shop.world, SHOP)
    for _ in range(9):
        shop.wait(60)
        assert shop.start().status == 201
    shop.wait(60)
    number = shop.start()
    assert (*said(number), number.json["details"]["error"]) == (429, 60203, "phone_rate_limited")


def test_a_lock(shop: TwilioClient) -> None:
    """It bars starts and checks, each with the wait."""
    for _ in range(5):
        sid, code = shop.started()
        for _ in range(3):
            assert shop.check(VerificationSid=sid, Code=other_than(code)).status == 200
        shop.wait(30)
    assert said(shop.start()) == (429, 60202)
    locked = shop.check(To=PHONE, Code="123456")
    assert (*said(locked), locked.json["details"]["error"]) == (429, 60202, "locked_out")


def test_no_sender_takes_it(shop: TwilioClient) -> None:
    """It is a 503 that says when to ask again, and the same when it is repeated under its key."""
    shop.world.outbox.failure = SendFailed("away")
    reply = shop.post(VERIFICATIONS, {"To": PHONE, "Channel": "sms"}, idempotency_key="a")
    assert said(reply) == (503, 20503)
    assert reply.json["details"] == {
        "error": "delivery_failed",
        "request_id": REQUEST_ID,
        "resend_in": 0,
    }
    assert reply.json["message"].endswith(" A new code can be sent now.")
    again = shop.post(VERIFICATIONS, {"To": PHONE, "Channel": "sms"}, idempotency_key="a")
    assert (*said(again), again.headers["idempotent-replayed"]) == (503, 20503, "true")


def test_parameters_without_effect(shop: TwilioClient) -> None:
    """They are named in the log, once an hour for each app."""
    lines: list[Any]
    with structlog.testing.capture_logs() as lines:
        shop.start(TemplateSid="HJ1", CustomMessage="Hello")
        shop.start(OTHER_PHONE, RiskCheck="enable")
        shop.wait(3600)
        shop.start(RiskCheck="enable")
    assert [line for line in lines if line["event"] == "parameters_ignored"] == [
        {
            "event": "parameters_ignored",
            "log_level": "warning",
            "app": "shop",
            "parameters": parameters,
        }
        for parameters in (["CustomMessage", "TemplateSid"], ["RiskCheck"])
    ]


# Idempotency


def test_a_start_that_is_repeated(shop: TwilioClient) -> None:
    """Under its key it sends nothing; another request under the key is a 400."""
    form = {"To": PHONE, "Channel": "sms"}
    first = shop.post(VERIFICATIONS, form, idempotency_key="a")
    again = shop.post(VERIFICATIONS, form, idempotency_key="a")
    assert (again.status, again.json) == (201, first.json)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(shop.world.outbox.sent) == 1
    other = shop.post(VERIFICATIONS, form | {"To": OTHER_PHONE}, idempotency_key="a")
    assert (*said(other), other.json["details"]["error"]) == (400, 60200, "idempotency_mismatch")
    malformed = shop.post(VERIFICATIONS, form, idempotency_key="a b")
    assert said(malformed) == (400, 60200)


def test_a_start_that_is_under_way(shop: TwilioClient) -> None:
    """It is a 409 that says when to repeat it."""
    form, found = {"To": PHONE, "Channel": "sms"}, list[Reply]()
    other = attrs.evolve(shop, client=Client(shop.world, twilio_verify=True))

    def ask_again() -> None:
        shop.world.outbox.witness = None
        found.append(other.post(VERIFICATIONS, form, idempotency_key="a"))

    shop.world.outbox.witness = ask_again
    assert shop.post(VERIFICATIONS, form, idempotency_key="a").status == 201
    assert [said(one) for one in found] == [(409, 20409)]
    assert found[0].json["details"]["retry_after_seconds"] == 1


def test_a_success_that_is_told_again(shop: TwilioClient) -> None:
    """The check that succeeded may be repeated under its key."""
    _, code = shop.started()
    form = {"To": PHONE, "Code": code}
    first = shop.post(CHECK, form, idempotency_key="a")
    again = shop.post(CHECK, form, idempotency_key="a")
    assert (again.status, again.json) == (200, first.json)
    assert again.headers["idempotent-replayed"] == "true"


# Checking


def test_a_check(shop: TwilioClient) -> None:
    """A wrong code is pending, the right one is approved once, and then there is none."""
    sid, code = shop.started()
    wrong = shop.check(VerificationSid=sid, Code=other_than(code))
    assert (wrong.status, wrong.json) == (200, CHECKED | {"sid": sid})
    shop.wait(5)
    right = shop.check(To=PHONE, Code=f"{code[:3]}-{code[3:]}")
    approved = {"status": "approved", "valid": True, "date_updated": "2026-01-01T00:00:05Z"}
    assert (right.status, right.json) == (200, CHECKED | {"sid": sid} | approved)
    again = shop.check(To=PHONE, Code=code)
    assert said(again) == (404, 20404)
    assert again.json["details"]["status"] == "approved"


def test_guesses_that_are_used_up(shop: TwilioClient) -> None:
    """The third wrong code is still pending; the fourth is refused, and so is a malformed one."""
    sid, code = shop.started()
    for _ in range(3):
        wrong = shop.check(To=PHONE, Code=other_than(code))
        assert (wrong.status, wrong.json) == (200, CHECKED | {"sid": sid})
    for text in (code, "12345"):
        reply = shop.check(VerificationSid=sid, Code=text)
        assert said(reply) == (429, 60202)
        assert reply.json["details"]["error"] == "too_many_attempts"
        assert reply.json["details"]["resend_in"] == 30


@pytest.mark.parametrize("code", ["1234", "12345", "1234567890", "abcdef"])
def test_a_code_of_another_form(shop: TwilioClient, code: str) -> None:
    """Within 4 to 10 characters it is pending like a wrong one, and costs nothing."""
    sid, right = shop.started()
    for _ in range(4):
        reply = shop.check(VerificationSid=sid, Code=code)
        assert (reply.status, reply.json) == (200, CHECKED | {"sid": sid})
    assert shop.check(VerificationSid=sid, Code=right).json["valid"]
    reply = shop.check(VerificationSid=sid, Code=code)
    assert (*said(reply), reply.json["details"]["status"]) == (404, 20404, "approved")
    assert said(shop.check(VerificationSid=NOBODYS, Code=code)) == (404, 20404)


BOUND: list[dict[str, str]] = [
    {"To": OTHER_PHONE},
    {"To": "rubbish"},
    {"Amount": "1"},
    {"Payee": "Acme"},
    {"Amount": "1", "Payee": "Acme"},
]


@pytest.mark.parametrize("form", BOUND)
def test_a_code_for_something_else(shop: TwilioClient, form: dict[str, str]) -> None:
    """With another contact or a transaction, the right code is a wrong one."""
    sid, code = shop.started()
    reply = shop.check(VerificationSid=sid, Code=code, **form)
    assert (reply.status, reply.json["valid"]) == (200, False)
    assert shop.native.get(id_of_sid(sid, "VE")).json["attempts_remaining"] == 2
    told = shop.check(VerificationSid=sid, Code=code, To="098765 43210", SnaClientToken="x")
    assert told.json["valid"]


CHECK_REFUSALS: list[tuple[dict[str, str], int, int, str]] = [
    ({"To": PHONE}, 400, 60200, "missing_fields"),
    ({"To": PHONE, "Code": ""}, 400, 60200, "missing_fields"),
    ({"To": PHONE, "Code": "123"}, 400, 60200, "malformed_otp"),
    ({"To": PHONE, "Code": "12345678901"}, 400, 60200, "malformed_otp"),
    ({"Code": "123456"}, 400, 60221, "missing_fields"),
    ({"To": OTHER_PHONE, "Code": "123456"}, 404, 20404, "verification_not_found"),
    ({"To": "rubbish", "Code": "123456"}, 404, 20404, "verification_not_found"),
    ({"To": "a@example.com", "Code": "123456"}, 404, 20404, "verification_not_found"),
    ({"To": PHONE, "Amount": "1", "Code": "123456"}, 404, 20404, "verification_not_found"),
    ({"VerificationSid": NOBODYS, "Code": "123456"}, 404, 20404, "verification_not_found"),
    ({"VerificationSid": "VE1", "Code": "123456"}, 404, 20404, "verification_not_found"),
    ({"VerificationSid": PHONE, "Code": "123456"}, 404, 20404, "verification_not_found"),
]


@pytest.mark.parametrize(("form", "status", "code", "word"), CHECK_REFUSALS)
def test_checks_that_are_refused(
    shop: TwilioClient, form: dict[str, str], status: int, code: int, word: str
) -> None:
    """Each has its status, Twilio's code and our word, and costs no guess."""
    sid, right = shop.started()
    reply = shop.check(**form)
    assert (*said(reply), reply.json["details"]["error"]) == (status, code, word)
    assert "status" not in reply.json["details"]
    assert shop.check(VerificationSid=sid, Code=right).json["valid"]


def expire(shop: TwilioClient, sid: str) -> None:
    """Let the life of a code pass."""
    assert shop.fetch(sid).status == 200
    shop.wait(600)


def replace(shop: TwilioClient, sid: str) -> None:
    """Have another code take its place."""
    shop.wait(481)
    assert shop.start().json["sid"] != sid


ENDS: dict[str, Callable[[TwilioClient, str], object]] = {
    "canceled": lambda shop, sid: shop.update(sid, Status="canceled"),
    "expired": expire,
    "deleted": replace,
}


@pytest.mark.parametrize("status", ENDS)
def test_a_code_that_is_over(shop: TwilioClient, status: str) -> None:
    """A check is a 404 that says how it ended; by its sid, its status can still be fetched."""
    sid, code = shop.started()
    ENDS[status](shop, sid)
    reply = shop.check(VerificationSid=sid, Code=code)
    assert (*said(reply), reply.json["details"]["status"]) == (404, 20404, status)
    fetched = shop.fetch(sid)
    assert (fetched.status, fetched.json["status"], fetched.json["valid"]) == (200, status, False)


def test_a_verification_that_failed(shop: TwilioClient) -> None:
    """Its first message was taken by nobody: it is there, by its sid alone."""
    shop.world.outbox.failure = SendFailed("away")
    shop.start()
    shop.world.outbox.failure = None
    reply = shop.check(To=PHONE, Code="123456")
    assert (*said(reply), reply.json["details"]["status"]) == (404, 20404, "failed")
    assert said(shop.fetch(PHONE)) == (404, 20404)


def test_checks_of_a_device(shop: TwilioClient) -> None:
    """They are charged to the device that the start named."""
    with_app(shop.world, ruled(limits=AppLimits(checks_per_client_hour=1)))
    sid, code = shop.started(DeviceIp="203.0.113.9")
    assert shop.check(VerificationSid=sid, Code=other_than(code)).status == 200
    reply = shop.check(VerificationSid=sid, Code=code)
    assert (*said(reply), reply.json["details"]["error"]) == (429, 20429, "rate_limited")
    assert reply.json["message"].endswith(" Try again in 3600 seconds.")


# Both surfaces


def test_both_surfaces_have_the_same_verifications(shop: TwilioClient) -> None:
    """What is started on one is checked, fetched and canceled on the other."""
    verification_id, code = shop.native.started()
    assert shop.check(To=PHONE, Code=code).json["valid"]
    assert shop.native.get(verification_id).json["status"] == "approved"
    shop.wait(30)
    sid, code = shop.started()
    events = shop.world.audit.sends[-1]
    assert shop.native.check(events.verification_id or "", code).json["valid"]
    assert shop.fetch(sid).json["status"] == "approved"


def test_a_verification_for_a_user(shop: TwilioClient) -> None:
    """One that was started for a `subject` is found by its sid, and not by its number."""
    verification_id, code = shop.native.started(subject="4711", purpose="login_verification")
    assert said(shop.check(To=PHONE, Code=code)) == (404, 20404)
    assert said(shop.fetch(PHONE)) == (404, 20404)
    assert shop.native.get(verification_id).status == 200


# Fetching and canceling


def test_a_fetch(shop: TwilioClient) -> None:
    """A verification is found by its sid and, while it is live, by its number."""
    sid, code = shop.started()
    fetched = shop.fetch(sid)
    assert fetched.status == 200
    for number in (PHONE, "09876543210"):
        assert shop.fetch(number).json == fetched.json
    encoded = f"{VERIFICATIONS}/%2B{PHONE[1:]}"
    path = f"{VERIFICATIONS}/{PHONE}"
    headers = {"authorization": shop.authorization}
    reply = shop.client.request("GET", path, raw_path=encoded, headers=headers)
    assert reply.json == fetched.json
    shop.check(To=PHONE, Code=code)
    assert shop.fetch(sid).json["status"] == "approved"
    reply = shop.fetch(PHONE)
    assert (*said(reply), reply.json["details"]["status"]) == (404, 20404, "approved")
    for other in (NOBODYS, "VE1", OTHER_PHONE, "VEra@example.com", "rubbish"):
        reply = shop.fetch(other)
        assert said(reply) == (404, 20404)
        assert reply.json["details"]["error"] == "verification_not_found"


def test_a_cancel(shop: TwilioClient) -> None:
    """It ends a verification; repeating it by the sid changes nothing, and the code is dead."""
    sid, code = shop.started()
    canceled = shop.update(PHONE, Status="canceled")
    assert (canceled.status, canceled.json["status"]) == (200, "canceled")
    assert len(canceled.json["send_code_attempts"]) == 1
    again = shop.update(sid, Status="canceled")
    assert (again.status, again.json) == (200, canceled.json)
    assert said(shop.update(PHONE, Status="canceled")) == (404, 20404)
    assert said(shop.check(To=PHONE, Code=code)) == (404, 20404)


UPDATES: list[tuple[dict[str, str], int, int]] = [
    ({}, 400, 60200),
    ({"Status": ""}, 400, 60200),
    ({"Status": "pending"}, 400, 60200),
    ({"Status": "approved"}, 403, 60204),
]


@pytest.mark.parametrize(("form", "status", "code"), UPDATES)
def test_updates_that_are_refused(
    shop: TwilioClient, form: dict[str, str], status: int, code: int
) -> None:
    """A verification can only be canceled: nothing but its code approves it."""
    sid, right = shop.started()
    assert said(shop.update(sid, **form)) == (status, code)
    assert shop.check(VerificationSid=sid, Code=right).json["valid"]
    assert said(shop.update(sid, Status="canceled")) == (404, 20404)
    assert said(shop.update(NOBODYS, Status="canceled")) == (404, 20404)


def test_a_test_contact(shop: TwilioClient) -> None:
    """Nothing is sent to it, so its verification has no attempts."""
    Shop(shop.world, SHOP).add_test_contact()
    sid = shop.start().json["sid"]
    assert shop.fetch(sid).json["send_code_attempts"] == []
    assert shop.check(VerificationSid=sid, Code="404042").json["valid"]


# The mapping


def test_every_refusal_has_its_code() -> None:
    """Every word has a status and a code, except that of a wrong code, which is no error here."""
    refusals = [
        *native.START_REFUSALS,
        *native.CHECK_REFUSALS,
        *native.CANCEL_REFUSALS,
        *KEY_REFUSALS,
        *(of_status(status) for status in (400, 404, 405, 413, 415)),
        UNAVAILABLE,
        INTERNAL_ERROR,
    ]
    told = {one.error: fault_of(one) for one in refusals if one.error != "invalid_otp"}
    for word, fault in told.items():
        assert (word, fault.problem.status, fault.code) == (word, *CODES[word])


CODES = {
    "malformed_request": (400, 60200),
    "unauthorized": (401, 20003),
    "forbidden": (403, 20403),
    "not_found": (404, 20404),
    "method_not_allowed": (405, 20405),
    "body_too_large": (413, 20413),
    "unsupported_media_type": (415, 20415),
    "internal_error": (500, 20500),
    "unavailable": (503, 20503),
    "app_not_found": (404, 20404),
    "invalid_idempotency_key": (400, 60200),
    "idempotency_in_progress": (409, 20409),
    "idempotency_mismatch": (400, 60200),
    "to_required": (400, 60200),
    "invalid_phone": (400, 60200),
    "invalid_email": (400, 60200),
    "region_not_allowed": (403, 60605),
    "client_ip_required": (400, 60200),
    "channel_not_available": (400, 60223),
    "purpose_not_available": (400, 60200),
    "invalid_subject": (400, 60200),
    "invalid_client_ip": (400, 60200),
    "invalid_locale": (400, 60200),
    "invalid_app_hash": (400, 60200),
    "invalid_limits": (400, 60200),
    "invalid_metadata": (400, 60200),
    "transaction_not_allowed": (400, 60200),
    "missing_fields": (400, 60200),
    "malformed_otp": (400, 60200),
    "locked_out": (429, 60202),
    "too_many_attempts": (429, 60202),
    "phone_rate_limited": (429, 60203),
    "email_rate_limited": (429, 60203),
    "range_rate_limited": (429, 60410),
    "region_rate_limited": (429, 60410),
    "spend_limited": (429, 20429),
    "resend_too_soon": (429, 60212),
    "rate_limited": (429, 20429),
    "app_rate_limited": (429, 20429),
    "named_limit": (429, 20429),
    "delivery_failed": (503, 20503),
    "verification_not_found": (404, 20404),
    "otp_expired": (404, 20404),
}


# Services


def test_services(shop: TwilioClient) -> None:
    """The apps of a key are listed on one page, and one of them is fetched by its sid."""
    url = f"http://otp.example{SERVICES}"
    service = {
        "sid": SERVICE_SID,
        "account_sid": ACCOUNT_SID,
        "friendly_name": "Acme Shop",
        "code_length": 6,
        "lookup_enabled": False,
        "psd2_enabled": False,
        "skip_sms_to_landlines": True,
        "dtmf_input_required": True,
        "tts_name": None,
        "do_not_share_warning_enabled": True,
        "custom_code_enabled": False,
        "push": None,
        "totp": None,
        "default_template_sid": None,
        "whatsapp": None,
        "passkeys": None,
        "verify_event_subscription_enabled": False,
        "date_created": "2026-01-01T00:00:00Z",
        "date_updated": "2026-01-01T00:00:00Z",
        "url": f"{url}/{SERVICE_SID}",
        "links": {
            "verifications": f"{url}/{SERVICE_SID}/Verifications",
            "verification_checks": f"{url}/{SERVICE_SID}/VerificationCheck",
        },
    }
    listed = shop.get(SERVICES)
    assert (listed.status, listed.json) == (
        200,
        {
            "services": [service],
            "meta": {
                "page": 0,
                "page_size": 100,
                "first_page_url": url,
                "previous_page_url": None,
                "url": url,
                "next_page_url": None,
                "key": "services",
            },
        },
    )
    assert shop.get(f"{SERVICES}/{SERVICE_SID}/").json == service
    headers = {"authorization": shop.authorization}
    paged = shop.client.request("GET", SERVICES, query="PageSize=1", headers=headers)
    assert paged.json == listed.json


def test_the_public_address() -> None:
    """Addresses in answers are those that clients use."""
    shop = twilio(public_url="https://otp.example.com")
    assert shop.start().json["url"].startswith("https://otp.example.com/v2/Services/VA")


def test_the_services_of_an_account(shop: TwilioClient) -> None:
    """The key of an account acts for each of its apps, by their ids; each keeps to its own."""
    second = attrs.evolve(other_app("second"), id="A" * 22, account_id=SHOP.account_id)
    stranger = attrs.evolve(other_app("stranger"), id="B" * 21 + "A")
    for app in (second, stranger):
        with_app(shop.world, app)
    key = made_key(shop.world, None, account_id=SHOP.account_id)
    account = attrs.evolve(shop, authorization=basic(ACCOUNT_SID, key))
    names = [one["sid"] for one in account.get(SERVICES).json["services"]]
    assert sorted(names) == ["VA" + "0" * 32, SERVICE_SID]
    sid, _ = account.started()
    other = account.get(f"{SERVICES}/VA{'0' * 32}/Verifications/{sid}")
    assert (*said(other), other.json["details"]["error"]) == (404, 20404, "verification_not_found")
    for unknown in ("VA" + "04" * 16, "VA1", SERVICE_SID.upper(), "shop"):
        reply = account.post(f"{SERVICES}/{unknown}/Verifications", {})
        assert (*said(reply), reply.json["details"]["error"]) == (404, 20404, "app_not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", SERVICES),
        ("POST", f"{SERVICES}/{SERVICE_SID}"),
        ("DELETE", f"{SERVICES}/{SERVICE_SID}"),
    ],
)
def test_services_are_not_changed(shop: TwilioClient, method: str, path: str) -> None:
    """The refusal names the command that changes them."""
    headers = {"authorization": shop.authorization}
    reply = shop.client.request(method, path, headers=headers)
    assert said(reply) == (403, 20403)
    assert "hsp-otp apps import" in reply.json["message"]


# Credentials


def test_credentials(shop: TwilioClient) -> None:
    """An account with a key, a key's id with the key or its secret part, and a bearer."""
    sid, secret = f"SK{key_id(shop.key)}", shop.key[40:83]
    for authorization in (
        basic(ACCOUNT_SID, shop.key),
        basic(sid, shop.key),
        basic(sid, secret),
        basic(sid, secret).replace("Basic", "basic"),
        f"Bearer {shop.key}",
    ):
        assert shop.get(SERVICES, authorization=authorization).status == 200


def test_credentials_that_are_refused(shop: TwilioClient) -> None:
    """Each is a 401 in Twilio's words, judged before a byte of the body is read."""
    key, other = shop.key, made_key(shop.world, SHOP)
    refused = [
        None,
        "Basic",
        "Basic !",
        "Basic /w==",
        f"Digest {key}",
        f"Bearer {key}x",
        basic("AC" + "00" * 16, key),
        basic(ACCOUNT_SID.lower(), key),
        basic(ACCOUNT_SID, key[:-1]),
        basic(ACCOUNT_SID, ""),
        basic("AC1", key),
        basic(SERVICE_SID, key),
        basic("", key),
        basic(f"SK{key_id(key)}", other),
        basic(f"SK{key_id(key)}", other[40:83]),
        basic(f"SK{key_id(key)}", key[40:82]),
        basic("SK1", key[40:83]),
    ]
    for authorization in refused:
        reply = shop.post(VERIFICATIONS, b"x", authorization=authorization)
        assert said(reply) == (401, 20003)
        assert (reply.json["message"], reply.reads) == ("Authenticate", 0)
        assert reply.headers["www-authenticate"] == 'Basic realm="hsp-otp"'
    assert shop.world.charged("failed_authentications") == len(refused)


@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])), st.booleans())
def test_any_credentials(shop_of_all: TwilioClient, text: str, encoded: bool) -> None:  # noqa: FBT001 - hypothesis
    """Whatever is presented, it is a 401 until there are too many."""
    shown = base64.b64encode(text.encode("latin-1")).decode() if encoded else text
    reply = shop_of_all.get(SERVICES, authorization=f"Basic {shown}")
    assert said(reply) in {(401, 20003), (429, 20429)}


@pytest.fixture(scope="module")
def shop_of_all() -> TwilioClient:
    """A client that all examples share."""
    return twilio()


def test_too_many_failures(shop: TwilioClient) -> None:
    """After 30 in a minute, right keys are refused like wrong ones."""
    for _ in range(30):
        assert said(shop.get(SERVICES, authorization=None)) == (401, 20003)
    assert said(shop.get(SERVICES)) == (429, 20429)


def test_scopes(shop: TwilioClient) -> None:
    """A key that may not do what it is used for is a 403."""
    key = made_key(shop.world, SHOP, frozenset({Scope.CHECK}))
    limited = attrs.evolve(shop, authorization=basic(ACCOUNT_SID, key))
    for reply in (
        limited.start(),
        limited.fetch(NOBODYS),
        limited.update(NOBODYS, Status="canceled"),
        limited.get(SERVICES),
    ):
        assert said(reply) == (403, 20403)
    assert said(limited.check(To=PHONE, Code="123456")) == (404, 20404)


# Forms


def test_bodies_of_other_types(shop: TwilioClient) -> None:
    """Anything but a form in UTF-8 is a 415, unless there is no body."""
    for content_type in ("application/json", "text/plain", None, "multipart/form-data"):
        reply = shop.post(VERIFICATIONS, b"To=1", content_type=content_type)
        assert said(reply) == (415, 20415)
        assert said(shop.post(VERIFICATIONS, b"", content_type=content_type)) == (400, 60200)
    form = "application/x-www-form-urlencoded"
    assert said(shop.post(VERIFICATIONS, b"a=b", content_type=f"{form}; charset=latin1")) == (
        415, 20415,
    )  # fmt: skip
    reply = shop.post(
        VERIFICATIONS,
        b"To=&Channel=x&To=%2B919876543210&Channel=sms",
        content_type=f"{form};charset=UTF-8",
    )
    assert reply.status == 201


@pytest.mark.parametrize(
    "body", [b"To=%", b"To=%FF", b"To=\xff", b"X=%00", b"a=b&" * 1000 + b"a=b"]
)
def test_broken_forms(shop: TwilioClient, body: bytes) -> None:
    """They are a 400, wherever the flaw is."""
    for path in (VERIFICATIONS, CHECK, f"{VERIFICATIONS}/{NOBODYS}"):
        assert said(shop.post(path, body)) == (400, 60200)


def test_a_large_form(shop: TwilioClient) -> None:
    """More than 16 KiB are a 413."""
    assert said(shop.post(VERIFICATIONS, b"a=" + b"b" * 16_384)) == (413, 20413)


# What is not there, and what is away


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v2", "/"),
        ("/v2/", "/"),
        ("/v2/Services/", None),
        ("/v2/Forms/TOTP", "/Forms/TOTP"),
        (f"{SERVICES}/{SERVICE_SID}/Entities", f"/Services/{SERVICE_SID}/Entities"),
        (f"{CHECK}/{PHONE}", f"/Services/{SERVICE_SID}/VerificationCheck/…"),
        ("/v2/a@example.com/<b>/x.json", "/…/…/…"),
    ],
)
def test_paths_that_are_not_there(shop: TwilioClient, path: str, told: str | None) -> None:
    """They are a 404 that names the resource, and nobody's contact."""
    if told is None:
        assert shop.get(path).status == 200
        return
    reply = shop.get(path, authorization=None, accept="text/html")
    assert said(reply) == (404, 20404)
    assert reply.json["message"] == f"The requested resource {told} is not offered by hsp-otp."


def test_encoded_paths(shop: TwilioClient) -> None:
    """Only contacts may be encoded."""
    for raw in (f"/v2/Service%73/{SERVICE_SID}", f"{VERIFICATIONS}%2F{NOBODYS}"):
        reply = shop.client.request("GET", f"{SERVICES}/{SERVICE_SID}", raw_path=raw)
        assert said(reply) == (404, 20404)


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", VERIFICATIONS), ("GET", CHECK), ("PUT", SERVICES)]
)
def test_methods_that_are_not_there(shop: TwilioClient, method: str, path: str) -> None:
    """They are a 405 that names those that are."""
    reply = shop.client.request(method, path, headers={"authorization": shop.authorization})
    assert said(reply) == (405, 20405)
    assert reply.headers["allow"]


def test_a_store_that_is_away(shop: TwilioClient) -> None:
    """It is a 503 that says when to repeat the request."""

    async def away(*_: object) -> None:
        raise Unavailable("away")

    shop.world.slots.transition = away  # type: ignore[method-assign,assignment]
    for reply in (shop.start(), shop.check(To=PHONE, Code="123456"), shop.fetch(PHONE)):
        assert said(reply) == (503, 20503)
        assert reply.json["message"].endswith(" Try again in 2 seconds.")
    assert shop.world.outbox.sent == []


def test_a_bug(shop: TwilioClient) -> None:
    """It is a 500 in the same form, without its text."""

    async def broken(*_: object) -> None:
        raise RuntimeError(PHONE)

    shop.world.slots.transition = broken  # type: ignore[method-assign,assignment]
    with structlog.testing.capture_logs():
        reply = shop.start()
    assert said(reply) == (500, 20500)
    assert PHONE not in reply.body.decode()


def test_without_the_setting() -> None:
    """There is nothing at these addresses, told as everywhere."""
    world = World()
    with_app(world, SHOP)
    key = made_key(world, SHOP)
    off = TwilioClient(Client(world, verify_api=True), key, basic(ACCOUNT_SID, key))
    for reply in (off.get(SERVICES), off.start(), off.get("/v2/x")):
        message = "There is nothing at this address."
        assert reply.json == problem(404, "Not Found", "not_found", message)


def test_the_other_surface_is_as_it_was(shop: TwilioClient) -> None:
    """Refusals elsewhere are problems by RFC 9457, with the setting too."""
    reply = shop.get("/v1/nothing")
    assert reply.headers["content-type"] == "application/problem+json"
    assert said_natively(reply) == (404, "not_found")


def said_natively(reply: Reply) -> tuple[int, str]:
    """The status of a refusal and its word."""
    return reply.status, reply.json["error"]


def test_nothing_of_it_is_logged(shop: TwilioClient) -> None:
    """No key, number, code, tag or name reaches the log, right or wrong."""
    lines: list[Any]
    with structlog.testing.capture_logs() as lines:
        sid, code = shop.started(Tags='{"note": "private"}', CustomFriendlyName="Hidden")
        shop.check(To=PHONE, Code=other_than(code))
        shop.fetch(PHONE)
        shop.update(PHONE, Status="canceled")
        shop.start("not-a-number", CustomMessage="secretly")
        shop.get(f"{CHECK}/{PHONE}")
    told = repr(lines)
    secrets = ("hspotp_", shop.key[40:83], PHONE, PHONE[3:], code, "private", "Hidden", "secretly",
               "not-a-number", sid)  # fmt: skip
    assert not [one for one in secrets if one in told]
    outcomes = [line["outcome"] for line in lines if line["event"] == "request"]
    assert outcomes == ["ok", "invalid_otp", "ok", "ok", "invalid_phone", "not_found"]


@pytest.mark.parametrize("channel", ["call", "whatsapp"])
def test_another_channel_sends_the_same_code(channel: str) -> None:
    """Another start with `call` is "call me instead": it has the same sid and the same code."""
    order = (Channel.SMS, Channel.VOICE, Channel.WHATSAPP)
    shop = twilio(app=ruled(channels=default_channels() | {ContactKind.PHONE: order}))
    sid, code = shop.started()
    shop.wait(59)
    assert shop.start(channel="call").status == 429
    shop.wait(1)
    reply = shop.start(channel=channel)
    assert (reply.status, reply.json["sid"], reply.json["channel"]) == (201, sid, channel)
    word = "CALL" if channel == "call" else "whatsapp"
    assert [one["channel"] for one in reply.json["send_code_attempts"]] == ["SMS", word]
    assert shop.world.outbox.codes == [code, code]
    assert shop.check(VerificationSid=sid, Code=code).json["status"] == "approved"
    native = shop.native.start(OTHER_PHONE)
    assert native.json["next"] == {"sms": 30, "voice": 60, "whatsapp": 30}
