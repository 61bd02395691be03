"""The forms of stored records: docs/architecture.md."""

import json

import attrs
import msgspec
import pytest

from hsp_otp.adapters.record_format import (
    EMPTY_SLOTS,
    FAMILY,
    SIGNUP_SESSION,
    SIGNUP_STEP,
    SLOT,
    USAGE,
)
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.refresh_tokens import Exchange, Family
from hsp_otp.domain.signup import SignupSession, SignupStep
from hsp_otp.domain.slot_record import Challenge, SlotRecord, Success
from tests.world import of_strangers

RECORD = of_strangers(
    challenge=Challenge(
        id="c1",
        flow=Flow.SIGNUP,
        purpose=Purpose.SIGNUP,
        slot="signup:phone:+919876543210",
        contact=Contact(ContactKind.PHONE, "+919876543210"),
        channel=Channel.SMS,
        session="s1",
        key_id="k1",
        nonce=bytes(range(16)),
        issued_at=Instant(1),
        expires_at=Instant(2),
        attempts=1,
        success=Success(Instant(3), b"xy"),
    ),
    asked_at=Instant(1),
    failures=(Instant(1), Instant(2)),
    run=2,
)

FIRST = (
    '{"asked_at":1,"challenge":{"attempts":1,"ended":null,"expires_at":2,"flow":"signup",'
    '"id":"c1","issued_at":1,"key_id":"k1","nonce":"AAECAwQFBgcICQoLDA0ODw==",'
    '"phone":{"e164":"+919876543210"},"purpose":"signup","session":"s1",'
    '"slot":"signup:phone:+919876543210","success":{"at":3,"browser":"eHk="}},'
    '"failures":[1,2],"run":2}'
)
"""As version 1 wrote it, before there were other contacts than numbers."""

SESSION = SignupSession(
    phone=PhoneNumber("+919876543210"), challenge_id="c1", stepped_at=Instant(5)
)


def test_a_slot_of_version_1_is_read() -> None:
    """Codes that were issued before an upgrade are good after it."""
    assert SLOT.decode(FIRST) == RECORD
    without = of_strangers(asked_at=Instant(1), failures=(Instant(1), Instant(2)), run=2)
    assert SLOT.decode('{"challenge":null,"asked_at":1,"failures":[1,2],"run":2}') == without


def test_a_slot_of_version_2_is_read() -> None:
    """Before there were lanes everybody was a stranger, and nobody noted who had asked."""
    body = FIRST.replace(
        '"phone":{"e164":"+919876543210"}',
        '"contact":{"kind":"phone","value":"+919876543210"},"channel":"sms"',
    )
    assert SLOT.decode('{"v":2,' + body[1:]) == RECORD


def test_a_family_of_before_is_read() -> None:
    """It has had its tokens from the beginning; what begins without them says how it gets them."""
    body = (
        '"id":"c1","user_id":"u1","pass_code":{"value":"HSP-1234-5678"},'
        '"purpose":"phone_verification","began_at":1,"expires_at":2,"key_id":"k1","digest":"eHk=",'
        '"parent":null,"replaced":[],"ended_at":null'
    )
    family = Family(
        id="c1",
        user_id="u1",
        pass_code=PassCode("HSP-1234-5678"),
        purpose=Purpose.PHONE_VERIFICATION,
        began_at=Instant(1),
        expires_at=Instant(2),
        key_id="k1",
        digest=b"xy",
    )
    for before in ("{" + body + "}", '{"v":1,' + body + ',"browser":null}'):
        assert FAMILY.decode(before) == family
    assert family.channel is Channel.SMS
    waiting = attrs.evolve(family, exchange=Exchange("https://shop.example/", Instant(3), b"ab"))
    text = FAMILY.encode(waiting)
    assert FAMILY.decode(text) == waiting
    assert json.loads(text)["exchange"] == {
        "return_url": "https://shop.example/",
        "until": 3,
        "used": "YWI=",
    }


def test_what_says_no_version_is_of_the_first() -> None:
    """Sessions and steps have had one form so far."""
    body = '{"challenge_id":"c1","phone":{"e164":"+919876543210"},"step":1,"stepped_at":5}'
    assert SIGNUP_SESSION.decode(body) == SESSION
    assert SESSION.channel is Channel.SMS
    assert SIGNUP_STEP.decode('{"at":7}') == SignupStep(Instant(7))


def test_what_is_written_is_read_and_says_its_version() -> None:
    """Each body is one JSON object; a usage is an array."""
    for form, record, version in ((SLOT, RECORD, 3), (SIGNUP_SESSION, SESSION, 1)):
        body = form.encode(record)  # type: ignore[arg-type]
        assert form.decode(body) == record
        assert json.loads(body)["v"] == version
    assert USAGE.encode((Instant(1), Instant(2))) == "[1,2]"
    assert USAGE.decode("[1,2]") == (1, 2)


def test_an_empty_slot_of_either_version_is_known() -> None:
    """Erasing deletes slots that say nothing, whoever wrote them."""
    assert [SLOT.decode(body) for body in EMPTY_SLOTS] == [SlotRecord()] * 4
    assert SLOT.encode(SlotRecord()) in EMPTY_SLOTS


@pytest.mark.parametrize("body", ["", "{}", "7", '{"v":3}', '{"v":2,"challenge":7}', "[1"])
def test_what_is_no_record(body: str) -> None:
    """It is refused, and not taken for an empty one."""
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        FAMILY.decode(body)
