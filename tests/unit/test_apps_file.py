"""The file of apps: docs/contract.md, 11."""

from pathlib import Path

import attrs
import pytest

from hsp_otp.domain.app_changes import ListedApp
from hsp_otp.domain.apps import AppLimits, AppRules, PurposeNumbers
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.instant import DAY, MINUTE
from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.wordings import Wording
from hsp_otp.entrypoints.cli.apps_file import UnusableError, read_apps
from hsp_otp.entrypoints.settings.load import load

SETTINGS = load({"HSP_OTP_SENDERS": "webhook,twilio"})

LEAST = """
[shop]
account = "acme"
service_name = "Acme Shop"
"""

MOST = '''
[shop]
account = "acme"
account_sid = "ACffffffffffffffffffffffffffffffff"
sid = "VA000102030405060708090a0b0c0d0e0f"
service_name = " Acme Shop "
regions = ["IN", "gb"]
default_purposes = { phone = "login_verification", email = "password_reset" }
default_language = "es"
proof_audience = "acme-shop"
client_ip = "required"
channels = { phone = ["sms"], email = ["email"] }
senders = { sms = ["twilio", "webhook"] }
web_origin = "Shop.example.com"
email_from = "Codes@Shop.example.com"
webhooks = []
[shop.limits]
sends_per_minute = 6
sends_per_day = 0
sends_per_client_hour = 7
checks_per_client_hour = 8
[shop.named_limits]
user = ["5 in 600 s", "20 in 86400 s"]
[shop.purposes.phone_verification]
digits = 4
lifetime_seconds = 300
max_attempts = 5
cooldown_seconds = 0
call_cooldown_seconds = 90
sends_per_contact_day = 10
email = false
[shop.texts.password_reset.es]
text = "{code} es su código"
template_id = "1107"
entity_id = "1101"
email = """
Código:

{code}"""
email_subject = "{service}"

[club]
account = "acme"
service_name = "Club"
'''


def read(folder: Path, text: str) -> list[ListedApp]:
    """Read *text* as the file of apps."""
    file = folder / "apps.toml"
    file.write_text(text, "utf-8")
    return read_apps(str(file), SETTINGS)


def fault(folder: Path, text: str) -> str:
    """Say why *text* cannot be used."""
    with pytest.raises(UnusableError) as caught:
        read(folder, text)
    return str(caught.value)


def test_an_app_with_all_that_it_needs(tmp_path: Path) -> None:
    """Everything else has the defaults of the contract."""
    rules = AppRules(
        service_name="Acme Shop",
        regions=(),
        default_purposes={
            ContactKind.PHONE: Purpose.PHONE_VERIFICATION,
            ContactKind.EMAIL: Purpose.EMAIL_VERIFICATION,
        },
        channels={ContactKind.PHONE: (Channel.SMS,), ContactKind.EMAIL: (Channel.EMAIL,)},
        limits=AppLimits(),
    )
    assert read(tmp_path, LEAST) == [ListedApp(name="shop", account="acme", rules=rules)]


def test_an_app_with_all_that_it_can_have(tmp_path: Path) -> None:
    """Every member is read, and the apps come in the order of the file."""
    shop, club = read(tmp_path, MOST)
    assert shop == ListedApp(
        name="shop",
        account="acme",
        id="AAECAwQFBgcICQoLDA0ODw",
        account_id="_" * 21 + "w",
        rules=AppRules(
            service_name="Acme Shop",
            regions=("IN", "GB"),
            default_purposes={
                ContactKind.PHONE: Purpose.LOGIN_VERIFICATION,
                ContactKind.EMAIL: Purpose.PASSWORD_RESET,
            },
            default_language=SETTINGS.texts.languages[1],
            proof_audience="acme-shop",
            client_ip_required=True,
            senders={Channel.SMS: ("twilio", "webhook")},
            web_origin="shop.example.com",
            email_from="Codes@shop.example.com",
            limits=AppLimits(
                sends_per_minute=6,
                sends_per_day=0,
                sends_per_client_hour=7,
                checks_per_client_hour=8,
            ),
            named_limits={"user": (Quota(5, 10 * MINUTE), Quota(20, DAY))},
            purposes={
                Purpose.PHONE_VERIFICATION: PurposeNumbers(
                    digits=4,
                    lifetime_seconds=300,
                    max_attempts=5,
                    cooldown_seconds=0,
                    call_cooldown_seconds=90,
                    sends_per_contact_day=10,
                    email=False,
                )
            },
            texts={
                Purpose.PASSWORD_RESET: {
                    Language("es"): Wording(
                        text="{code} es su código",
                        template_id="1107",
                        entity_id="1101",
                        email="Código:\n\n{code}",
                        email_subject="{service}",
                    )
                }
            },
        ),
    )
    assert club.name == "club"


def test_an_empty_file_has_no_apps(tmp_path: Path) -> None:
    """A file may have no apps yet."""
    assert read(tmp_path, "") == []


@pytest.mark.parametrize(
    ("more", "place"),
    [
        (
            'default_purposes = { phone = "transaction_confirmation" }',
            "shop.default_purposes.phone: 'transaction_confirmation'",
        ),
        (
            "[shop.purposes.transaction_confirmation]",
            "shop.purposes: 'transaction_confirmation'",
        ),
        ('[[shop.webhooks]]\nurl = "https://shop.example.com/"', "shop.webhooks: it"),
    ],
)
def test_what_this_version_does_not_have(more: str, place: str, tmp_path: Path) -> None:
    """A file that asks for anything that is not there yet is refused, never half obeyed."""
    assert fault(tmp_path, LEAST + more) == f"{place} is not offered by this version"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("sids = 1", "shop: Object contains unknown field `sids`"),
        ('sid = "VA"', "shop.sid: got 'VA': not VA and 32 lower-case hex digits"),
        ("account_sid = 7", "shop.account_sid: Expected `str | null`, got `int`"),
        ('regions = ["XX"]', "shop.regions: got 'XX': 'XX' has no phone numbers"),
        ('regions = ["IN", "in"]', "shop.regions: it names one twice"),
        ('regions = "IN"', "shop.regions: Expected `array`, got `str`"),
        ('default_language = "xx"', "shop.default_language: got 'xx': it takes en, "),
        (
            'default_purposes = { phone = "signup" }',
            "shop.default_purposes.phone: got 'signup': it takes phone_verification, ",
        ),
        ('default_purposes = { fax = "x" }', "shop.default_purposes: got 'fax': it takes phone"),
        ('client_ip = "never"', "shop.client_ip: Invalid enum value 'never'"),
        ('proof_audience = " "', "shop.proof_audience: got ' ': it takes a printable text"),
        (
            'proof_audience = "hsp-otp"',
            "shop.proof_audience: got 'hsp-otp': it is HSP_OTP_JWT_AUDIENCE; it takes another",
        ),
        (
            'proof_audience = "hsp-otp-signup"',
            "shop.proof_audience: got 'hsp-otp-signup': it is HSP_OTP_PROOF_AUDIENCE; it takes",
        ),
        ('channels = { phone = ["fax"] }', "shop.channels.phone: got 'fax': it takes sms"),
        ("channels = { phone = [] }", "shop.channels.phone: it is empty; leave it out"),
        ('channels = { phone = ["email"] }', "shop.channels.phone: got 'email': it takes sms"),
        ('channels = { email = ["sms"] }', "shop.channels.email: got 'sms': it takes email"),
        ('channels = { email = ["voice"] }', "shop.channels.email: got 'voice': it takes email"),
        ('senders = { voice = ["twilio"] }', "shop.senders.voice: got 'twilio': it takes "),
        ('senders = { email = ["smtp"] }', "shop.senders.email: got 'smtp': it takes nothing"),
        ('email_from = "Shop <a@b.example.com>"', "shop.email_from: got 'Shop <a@b.example.com>'"),
        (
            "[shop.purposes.phone_verification]\nemail = true",
            "shop.purposes.phone_verification.email: phone_verification is not for e-mail",
        ),
        (
            "[shop.purposes.email_verification]\nemail = false",
            "shop.purposes.email_verification.email: email_verification is for e-mail addresses",
        ),
        (
            "[shop.purposes.email_verification]\nsends_per_contact_day = 11",
            "shop.purposes.email_verification.sends_per_contact_day: it is above HSP_OTP_EMAIL_",
        ),
        (
            'senders = { sms = ["vonage"] }',
            "shop.senders.sms: got 'vonage': it takes webhook, twilio",
        ),
        ("senders = { sms = [] }", "shop.senders.sms: it is empty; leave it out"),
        ('web_origin = "localhost"', "shop.web_origin: got 'localhost'"),
        ("[shop.limits]\nsends = 1", "shop.limits: Object contains unknown field `sends`"),
        (
            "[shop.limits]\nsends_per_day = -1",
            "shop.limits.sends_per_day: Expected `int` >= 0",
        ),
        (
            "[shop.limits]\nsends_per_day = true",
            "shop.limits.sends_per_day: Expected `int",
        ),
        (
            '[shop.named_limits]\n"user id" = ["5 in 600 s"]',
            "shop.named_limits: got 'user id': not 1 to 40 letters, digits, _ and -",
        ),
        ("[shop.named_limits]\nuser = []", "shop.named_limits.user: it is empty"),
        (
            '[shop.named_limits]\nuser = ["5 a day"]',
            "shop.named_limits.user: got '5 a day': not of the form '5 in 600 s'",
        ),
        ("[shop.purposes.signup]", "shop.purposes: got 'signup': it takes phone_verification, "),
        (
            "[shop.purposes.phone_verification]\ndigits = 3",
            "shop.purposes.phone_verification.digits: Expected `int` >= 4",
        ),
        (
            "[shop.purposes.phone_verification]\nsends_per_contact_day = 11",
            "shop.purposes.phone_verification.sends_per_contact_day: it is above HSP_OTP_PHONE_",
        ),
        (
            '[shop.texts.signup.en]\ntext = "{code}"',
            "shop.texts: it has 'signup'; takes tables named phone_verification or email_",
        ),
        (
            '[shop.texts.phone_verification.xx]\ntext = "{code}"',
            "shop.texts: it has 'phone_verification.xx'; takes tables named en, es, hi in phone",
        ),
        (
            '[shop.texts.phone_verification.en]\ntext = "Hello"',
            "shop.texts: it has {code} 0 times in the text of phone_verification.en; takes it",
        ),
        (
            '[shop.texts.phone_verification.en]\nemail = "{code}"',
            "shop.texts: it has 'email' in phone_verification.en; takes text, template_id and",
        ),
        (
            '[shop.texts.password_reset.en]\nemail_subject = "{code}"',
            "shop.texts: it has {code} in the email_subject of password_reset.en; takes {service}",
        ),
        (
            f'[shop.texts.phone_verification.en]\ntext = "{{code}}{{service}}{"a" * 146}"',
            "shop.texts: it has digits that look like a code in the text of phone_verification.en",
        ),
        (
            f'[shop.texts.phone_verification.en]\ntext = "{{code}} {{service}}{"a" * 145}"',
            "shop.texts: the text of phone_verification.en has 2 segments, and the limit is 1",
        ),
        (
            f'[shop.texts.phone_verification.es]\ntext = "{{code}} {"a" * 300}"',
            "shop.texts: the text of phone_verification.es has 3 segments, and the limit is 2",
        ),
        (
            f'web_origin="a.example"\n[shop.texts.password_reset.en]\ntext = "{{code}}{"a" * 121}"',
            (
                "shop.web_origin: messages with it have 146 bytes, and the limit is 140; shorten "
                "it, or the text of password_reset.en"
            ),
        ),
        (
            f'web_origin = "{"a" * 70}.example"\n[shop.purposes.phone_verification]\ndigits = 10',
            "shop.web_origin: messages with it have 1",
        ),
    ],
)
def test_what_cannot_be_used(more: str, told: str, tmp_path: Path) -> None:
    """One line says where the fault is, and what is taken instead."""
    assert fault(tmp_path, LEAST + more).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("shop = 1", "shop: Expected `object`, got `int`"),
        ("[Shop]", "the name of an app: got 'Shop': not 1 to 40 of a-z, 0-9 and -"),
        ("[shop]", "shop: Object missing required field `account`"),
        ('[shop]\naccount = "acme"', "shop: Object missing required field `service_name`"),
        (LEAST.replace("acme", "Acme"), "shop.account: got 'Acme': not 1 to 40 of"),
        (LEAST.replace("Acme Shop", "http://x"), "shop.service_name: got 'http://x': it has an"),
        (LEAST + "x", "it is not TOML: line 5"),
    ],
)
def test_what_is_no_app(text: str, told: str, tmp_path: Path) -> None:
    """A file without the tables of apps is refused."""
    assert fault(tmp_path, text).startswith(told)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It is refused like one that cannot be used."""
    with pytest.raises(UnusableError, match="it cannot be read: No such file or directory"):
        read_apps(str(tmp_path / "apps.toml"), SETTINGS)


def test_a_service_without_a_limit_of_sends(tmp_path: Path) -> None:
    """Where the service has no limit on sends to a number, an app may set any."""
    file = tmp_path / "apps.toml"
    file.write_text(f"{LEAST}[shop.purposes.phone_verification]\nsends_per_contact_day = 1000")
    (shop,) = read_apps(str(file), attrs.evolve(SETTINGS, phone_sends_per_day=0))
    assert shop.rules.purposes[Purpose.PHONE_VERIFICATION].sends_per_contact_day == 1000
