"""What a start of a verification may ask for, in the order of judgement (docs/contract.md)."""

import pytest

from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.instant import HOUR
from hsp_otp.domain.names import ENGLISH, ClientAddress, Language
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.verification_request import (
    Flaw,
    Given,
    MalformedKeyError,
    Reach,
    Unacceptable,
    Wanted,
    read,
    read_key,
)
from tests.backend import other_app
from tests.world import CLIENT, PHONE

REACH = Reach(frozenset({"IN", "GB"}), "GB", frozenset(Channel))
APP = other_app("shop", {"named_limits": {"user": (Quota(1, HOUR),)}})
STRICT = other_app("strict", {"client_ip_required": True})


def test_the_choices_of_the_app() -> None:
    """A start that names only its contact gets the app's channel, purpose and language."""
    app = other_app("shop", {"default_language": Language("es")})
    assert read(Given(to=" 98765 43210 ", subject="", app_hash=""), app, REACH) == Wanted(
        contact=Contact(ContactKind.PHONE, PHONE),
        channel=Channel.SMS,
        purpose=Purpose.PHONE_VERIFICATION,
        subject=None,
        client=None,
        language=Language("es"),
        app_hash=None,
        limits={},
        metadata={},
    )


def test_everything_named() -> None:
    """A start may name everything."""
    given = Given(
        to=PHONE,
        channel="sms",
        purpose="password_reset",
        subject="~" * 128,
        client=ClientAddress(CLIENT),
        language=ENGLISH,
        app_hash="FA+9qCX9VSu",
        limits={"user": "u" * 128},
        metadata={f"k{number}": "v" * 128 for number in range(10)},
    )
    wanted = read(given, APP, REACH)
    assert isinstance(wanted, Wanted)
    assert (wanted.purpose, wanted.app_hash) == (Purpose.PASSWORD_RESET, "FA+9qCX9VSu")
    assert "u" * 128 not in repr((given, wanted))
    assert "9876543210" not in repr((given, wanted))


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"to": None}, "to_required"),
        ({"to": "", "channel": "voice"}, "to_required"),
        ({"to": "12", "channel": "voice"}, "invalid_phone"),
        ({"to": "+447400123456", "channel": "voice"}, "region_not_allowed"),
        ({"to": "ann@example.com", "channel": "sms"}, "channel_not_available"),
        ({"to": "ann@@example.com", "channel": "?"}, "invalid_email"),
        ({"to": "ann@example.com", "purpose": "phone_verification"}, "purpose_not_available"),
        ({"to": "ann@example.com", "purpose": "login_verification"}, "purpose_not_available"),
        ({"channel": "voice", "purpose": "signup"}, "channel_not_available"),
        ({"purpose": "signup", "subject": "\n"}, "purpose_not_available"),
        ({"purpose": "email_verification"}, "purpose_not_available"),
        ({"subject": "ü", "app_hash": "?"}, "invalid_subject"),
        ({"subject": "u" * 129}, "invalid_subject"),
        ({"app_hash": "FA+9qCX9VS", "limits": {"x": "1"}}, "invalid_app_hash"),
        ({"limits": {"other": "1"}, "metadata": {"k": "v" * 129}}, "invalid_limits"),
        ({"limits": {"user": ""}}, "invalid_limits"),
        ({"limits": {"user": "u" * 129}}, "invalid_limits"),
        ({"limits": {"user": "1", "a": "", "b": "", "c": "", "d": ""}}, "invalid_limits"),
        ({"metadata": {"k" * 129: "v"}}, "invalid_metadata"),
        ({"metadata": {str(number): "" for number in range(11)}}, "invalid_metadata"),
        ({"metadata": {"k": "v\n"}}, "invalid_metadata"),
        ({"limits": {"user": "1\x00"}}, "invalid_limits"),
        ({"unread": {Flaw.LOCALE}, "app_hash": "?"}, "invalid_locale"),
        ({"unread": {Flaw.TRANSACTION, Flaw.CLIENT}, "metadata": {"k": "\n"}},
         "invalid_client_ip"),
        ({"unread": {Flaw.TRANSACTION}}, "transaction_not_allowed"),
    ],
)  # fmt: skip
def test_the_first_flaw_counts(given: dict[str, object], word: str) -> None:
    """Of several flaws the first is told, in the order of the contract's table."""
    outcome = read(Given(**{"to": PHONE} | given), APP, REACH)  # type: ignore[arg-type]
    assert isinstance(outcome, Unacceptable)
    assert outcome.word == word


def test_an_app_may_demand_the_client() -> None:
    """Where the app demands the person's address, a start names it; a malformed one counts last."""
    assert read(Given(to=PHONE, channel="?"), STRICT, REACH) == Unacceptable(Flaw.NO_CLIENT)
    malformed = Given(to=PHONE, unread=frozenset({Flaw.CLIENT}))
    assert read(malformed, STRICT, REACH) == Unacceptable(Flaw.CLIENT)
    named = Given(to=PHONE, client=ClientAddress(CLIENT))
    assert isinstance(read(named, STRICT, REACH), Wanted)


def test_an_app_without_regions_has_those_of_the_service() -> None:
    """An app that names no regions may verify numbers of those that may sign up."""
    app = other_app("shop", {"regions": ()})
    wanted = read(Given(to="07400 123456"), app, REACH)
    assert isinstance(wanted, Wanted)
    assert wanted.contact.region == "GB"
    assert read(Given(to="+12015550123"), app, REACH) == Unacceptable(Flaw.REGION)


def test_an_app_may_have_no_channel() -> None:
    """An app without a channel for numbers verifies none."""
    app = other_app("shop", {"channels": {}})
    assert read(Given(to=PHONE), app, REACH) == Unacceptable(Flaw.CHANNEL)
    app = other_app("shop", {"default_purposes": {}})
    assert read(Given(to=PHONE), app, REACH) == Unacceptable(Flaw.PURPOSE)


@pytest.mark.parametrize("text", ["a", "A.b_c-9", "x" * 64, '"quoted"'])
def test_idempotency_keys(text: str) -> None:
    """A key is 1 to 64 letters, digits, dots, dashes and underscores, quoted or not."""
    assert read_key(text) == text.strip('"')


@pytest.mark.parametrize("text", ["", '""', "x" * 65, "a b", "ü", '"a', 'a"', "a\n", "a,b"])
def test_malformed_idempotency_keys(text: str) -> None:
    """Nothing else is a key."""
    with pytest.raises(MalformedKeyError):
        read_key(text)


def test_a_number_without_texts() -> None:
    """A landline is told apart, but not to backends: it is a number that no code reaches."""
    landline = read(Given(to="+912223456789"), other_app("shop"), REACH)
    assert landline == Unacceptable(Flaw.NOT_TEXTED)
    assert landline.word == "invalid_phone"


LANDLINE = "+912223456789"


@pytest.mark.parametrize("channel", [None, "", "voice"])
def test_calls_reach_landlines(channel: str | None) -> None:
    """Where an app may call, a landline is called, whichever channel comes first."""
    for channels in ((Channel.SMS, Channel.VOICE), (Channel.VOICE,)):
        app = other_app("shop", {"channels": {ContactKind.PHONE: channels}})
        wanted = read(Given(to=LANDLINE, channel=channel), app, REACH)
        assert isinstance(wanted, Wanted)
        assert (wanted.contact.value, wanted.channel) == (LANDLINE, Channel.VOICE)


@pytest.mark.parametrize(
    ("channel", "flaw"),
    [("sms", Flaw.NOT_TEXTED), ("whatsapp", Flaw.NOT_TEXTED), ("email", Flaw.CHANNEL)],
)
def test_nothing_else_reaches_landlines(channel: str, flaw: Flaw) -> None:
    """A text to a landline is refused, also where an app may call; mobile numbers get texts."""
    channels = (Channel.SMS, Channel.VOICE, Channel.WHATSAPP)
    app = other_app("shop", {"channels": {ContactKind.PHONE: channels}})
    assert read(Given(to=LANDLINE, channel=channel), app, REACH) == Unacceptable(flaw)
    wanted = read(Given(to=PHONE), app, REACH)
    assert isinstance(wanted, Wanted)
    assert wanted.channel is Channel.SMS


def test_a_landline_without_a_sender_of_calls() -> None:
    """Where nothing is there to call, no code reaches a landline."""
    app = other_app("shop", {"channels": {ContactKind.PHONE: (Channel.SMS, Channel.VOICE)}})
    reach = Reach(frozenset({"IN"}), "IN", frozenset({Channel.SMS}))
    assert read(Given(to=LANDLINE), app, reach) == Unacceptable(Flaw.NOT_TEXTED)


@pytest.mark.parametrize("number", ["+911800111109", "+911860123456", "+9190000"])
def test_numbers_that_nobody_calls(number: str) -> None:
    """Calls go to no toll-free or premium-rate numbers, and to none that is not valid."""
    app = other_app("shop", {"channels": {ContactKind.PHONE: (Channel.VOICE,)}})
    refused = read(Given(to=number, channel="voice"), app, REACH)
    assert isinstance(refused, Unacceptable)
    assert refused.word == "invalid_phone"
