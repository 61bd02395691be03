"""Twilio's clients over HTTP: docs/contract.md, section 14."""

from typing import Any

import pytest

from tests.http import REQUEST_ID, Reply
from tests.twilio import (
    ACCOUNT_SID,
    CHECK,
    SERVICE_SID,
    VERIFICATIONS,
    TwilioClient,
    twilio,
)
from tests.world import PHONE, other_than


@pytest.fixture
def shop() -> TwilioClient:
    """A client of an app."""
    return twilio()


def said(reply: Reply) -> tuple[int, int]:
    """The status of a refusal and Twilio's code."""
    assert reply.json.keys() == {"code", "message", "more_info", "status", "details"}
    assert reply.json["status"] == reply.status
    assert reply.json["more_info"] == f"https://www.twilio.com/docs/errors/{reply.json['code']}"
    assert reply.json["details"]["request_id"] == REQUEST_ID
    assert reply.headers["content-type"] == "application/json"
    return reply.status, reply.json["code"]


def test_a_start(shop: TwilioClient) -> None:
    """The code is sent, and the answer is a verification as Twilio's clients read it."""
    reply = shop.start()
    sid = reply.json["sid"]
    assert (reply.status, reply.headers["content-type"]) == (201, "application/json")
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
        "send_code_attempts": [
            {
                "time": "2026-01-01T00:00:00Z",
                "channel": "SMS",
                "attempt_sid": reply.json["send_code_attempts"][0]["attempt_sid"],
            }
        ],
        "date_created": "2026-01-01T00:00:00Z",
        "date_updated": "2026-01-01T00:00:00Z",
        "sna": None,
        "url": f"http://otp.example{VERIFICATIONS}/{sid}",
    }
    assert len(sid) == 34
    assert sid.startswith("VE")


def test_a_check(shop: TwilioClient) -> None:
    """A wrong code is pending, the right one is approved once, and then there is none."""
    sid, code = shop.started()
    wrong = shop.check(VerificationSid=sid, Code=other_than(code))
    expected: dict[str, Any] = {
        "sid": sid,
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
    assert (wrong.status, wrong.json) == (200, expected)
    shop.wait(5)
    right = shop.check(To=PHONE, Code=code)
    approved = {"status": "approved", "valid": True, "date_updated": "2026-01-01T00:00:05Z"}
    assert (right.status, right.json) == (200, expected | approved)
    again = shop.check(To=PHONE, Code=code)
    assert said(again) == (404, 20404)
    assert again.json["details"]["status"] == "approved"


def test_a_fetch_and_a_cancel(shop: TwilioClient) -> None:
    """A verification is found by sid and by number, and only by sid after its end."""
    sid, _ = shop.started()
    assert shop.fetch(sid).json == shop.fetch(PHONE).json
    assert shop.update(PHONE, Status="canceled").json["status"] == "canceled"
    assert shop.update(sid, Status="canceled").json["status"] == "canceled"
    assert shop.fetch(sid).json["status"] == "canceled"
    assert said(shop.fetch(PHONE)) == (404, 20404)
    assert said(shop.get(f"{CHECK}/x")) == (404, 20404)
