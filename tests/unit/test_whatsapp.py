"""WhatsApp: templates, settings, and Meta's handshake and reports: docs/contract.md, 5.4 and 7."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.adapters.senders.meta_whatsapp import MetaAccount, MetaReceipts
from hsp_otp.adapters.senders.twilio_account import TwilioWhatsAppAccount
from hsp_otp.adapters.senders.whatsapp_templates import template_in, templates
from hsp_otp.domain.audit import HandedOverRow
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.entrypoints.settings.checks import check_to_serve
from hsp_otp.ports.failures import Unavailable
from tests.http import Body, Client, Reply, problem
from tests.plays import (
    META_APP_SECRET,
    META_NUMBER_ID,
    META_TOKEN,
    META_VERIFY_TOKEN,
    PLAYED,
    TEMPLATES,
    meta_notice,
    meta_signed,
    meta_status,
)
from tests.unit.test_settings import KEYS, TWILIO, WEBHOOK, WEBHOOK_KEY, read, refused
from tests.world import World, run

PATH = "/callbacks/meta-whatsapp/status/"
WAMID = "wamid.HBgMOTE5ODc2NTQzMjEwFQIAERgSOUEzQ0E1QjNENENENkU2N0U3AA=="
OTHER = "wamid.HBgMOTE5ODc2NTQzMjExFQIAERgSOUEzQ0E1QjNENENENkU2N0U4AA=="
NAMED = "89c758ed0d74c07184912642cc5e224d77111267fed2e1e7282beac416f939e1"
"""What is kept of the first, which has its recipient's number in it."""

NOT_FOUND = problem(404, "Not Found", "not_found", "There is nothing at this address.")
FORBIDDEN = problem(403, "Forbidden", "forbidden", "This is not allowed.")

ACCOUNT = MetaAccount(
    phone_number_id=META_NUMBER_ID,
    access_token=META_TOKEN,
    app_secret=META_APP_SECRET,
    verify_token=META_VERIFY_TOKEN,
)


def named(wamid: str) -> str:
    """What is kept of Meta's id of a message."""
    return hashlib.sha256(wamid.encode()).hexdigest()


def opened(account: MetaAccount = ACCOUNT, public_url: str = "https://otp.example.com") -> Client:
    """A client of a service that sends by Meta; two messages were handed over."""
    world = World()
    for send, wamid in (("c1", WAMID), ("c2", OTHER)):
        row = HandedOverRow(send_id=send, sender="meta-whatsapp", provider_message_id=named(wamid))
        run(world.audit.write(row))
    accounts = {"meta-whatsapp": account}
    return Client(world, senders=("meta-whatsapp",), accounts=accounts, public_url=public_url)


@pytest.fixture
def client() -> Iterator[Client]:
    """A client of a service that takes receipts."""
    with opened() as found:
        yield found


def report(client: Client, notice: object, secret: str = META_APP_SECRET) -> Reply:
    """Report something as Meta does."""
    body, headers = meta_signed(notice, secret)
    return client.request("POST", PATH, body=body, headers=_lower(headers))


def _lower(headers: Mapping[str, str]) -> dict[str, str | None]:
    return {name.lower(): value for name, value in headers.items()}


def state_of(client: Client, wamid: str = WAMID) -> str:
    """What is known of a message."""
    key = ("meta-whatsapp", named(wamid))
    return client.world.deliveries.states.get(key, DeliveryState.QUEUED).value


# --- What Meta reports


def test_a_published_signature() -> None:
    """The signature of a body is the one that is published as an example of the header."""
    body, signature = (
        b"Hello, World!",
        ("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
    )
    receipts = MetaReceipts(app_secret="It's a Secret to Everybody", phone_number_id="1")
    assert receipts.is_signed(body, {"x-hub-signature-256": signature})
    for other in (signature[7:], signature.upper(), f"{signature}0", "sha256=", "", "ÿ"):
        assert not receipts.is_signed(body, {"x-hub-signature-256": other})
    assert not receipts.is_signed(body, {"x-hub-signature": signature})
    assert not receipts.is_signed(body + b"\n", {"x-hub-signature-256": signature})


@pytest.mark.parametrize(
    ("reported", "kept"),
    [
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("read", "delivered"),
        ("failed", "failed"),
        ("teleported", "queued"),
        ("", "queued"),
    ],
)
def test_metas_words(client: Client, reported: str, kept: str) -> None:
    """Every state that Meta has is one of ours; an unknown one is 200 and changes nothing."""
    reply = report(client, meta_notice(meta_status(WAMID, reported)))
    assert (reply.status, reply.json) == (200, {})
    assert state_of(client) == kept
    assert client.world.audit.rows == []


def test_out_of_order_and_twice(client: Client) -> None:
    """Receipts in any order and number are 200, and the state never goes back."""
    seen = list[str]()
    for state in ("sent", "sent", "read", "delivered", "sent", "failed", "read"):
        assert report(client, meta_notice(meta_status(WAMID, state))).status == 200
        seen.append(state_of(client))
    assert seen == ["sent", "sent", *["delivered"] * 5]


def test_several_in_one_body(client: Client) -> None:
    """One body may tell of several messages, in several entries and changes."""
    notice = meta_notice(meta_status(WAMID, "sent"), meta_status(OTHER, "failed"))
    more = meta_notice(meta_status(WAMID, "delivered"))
    notice["entry"] += more["entry"]
    notice["entry"][0]["changes"] += meta_notice()["entry"][0]["changes"]
    assert report(client, notice).status == 200
    assert (state_of(client), state_of(client, OTHER)) == ("delivered", "failed")


def test_an_unknown_message_among_others(client: Client) -> None:
    """A body is 404 only where it tells of messages, and none of them is known."""
    unknown = meta_status("wamid.0", "sent")
    assert report(client, meta_notice(unknown, meta_status(WAMID, "sent"))).status == 200
    assert state_of(client) == "sent"
    reply = report(client, meta_notice(unknown, unknown))
    assert (reply.status, reply.json) == (404, NOT_FOUND)


def test_messages_of_another_number(client: Client) -> None:
    """What becomes of messages from another number of the account is nothing to this service."""
    notice = meta_notice(meta_status(WAMID, "sent"), number_id="106540352242923")
    assert report(client, notice).status == 200
    assert state_of(client) == "queued"


def test_what_people_write(client: Client) -> None:
    """What somebody writes to the number is 200 and passed over, however long it is."""
    body = {"id": "wamid.1", "from": "919876543210", "type": "text", "text": {"body": "🙂" * 4_096}}
    notice = meta_notice(messages=[body])
    assert len(meta_signed(notice)[0]) > 16 * 1024
    assert report(client, notice).status == 200


def test_a_body_that_is_too_large(client: Client) -> None:
    """A body above the size of Meta's largest ones, 3 MiB, is 413, and read no further."""
    headers = {"x-hub-signature-256": "sha256=0"}
    most = 3 * 1024 * 1024
    assert client.request("POST", PATH, body=b"a" * most, headers=headers).status == 403
    assert client.request("POST", PATH, body=b"a" * (most + 1), headers=headers).status == 413
    parts: Body = [b"a" * most, b"a", b"a"]
    assert client.request("POST", PATH, body=parts, headers=headers).reads == 2


def test_forgeries(client: Client) -> None:
    """Without Meta's own signature a receipt is 403, known or not, and changes nothing."""
    for notice in (meta_notice(meta_status(WAMID, "sent")), meta_notice(meta_status("x", "sent"))):
        reply = report(client, notice, "1" * 32)
        assert (reply.status, reply.json) == (403, FORBIDDEN)
    assert client.request("POST", PATH, body=b"{}").status == 403
    assert state_of(client) == "queued"


RUBBISH: dict[str, object] = {
    "null": None,
    "a list": [],
    "an entry that is none": {"entry": [1, None, "x", {}]},
    "entries that are none": {"entry": {"changes": []}},
    "a change that is none": {"entry": [{"changes": [1, {"value": []}, {"value": None}]}]},
    "a status that is none": meta_notice(*({},), statuses=[1, [], {"id": 1, "status": []}]),
    "an id alone": meta_notice({"id": WAMID}),
    "a state that is a list": meta_notice({"id": WAMID, "status": ["sent"]}),
}


@pytest.mark.parametrize("notice", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_that_is_signed(client: Client, notice: object) -> None:
    """Whatever Meta signs is 200, and nothing is made of what is of another form."""
    assert report(client, notice).status == 200
    assert state_of(client) == "queued"


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.sampled_from([WAMID, "sent"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["entry", "changes", "value", "statuses", "id", "status"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_meta_signs_is_taken(told: object) -> None:
    """Any JSON that Meta signs is 200 or 404."""
    with opened() as client:
        assert report(client, {"entry": [{"changes": [{"value": told}]}]}).status in {200, 404}
        assert report(client, told).status in {200, 404}


def test_the_database_is_away(client: Client) -> None:
    """While the database is away a receipt is 503, so that Meta may tell again."""
    client.world.deliveries.failure = Unavailable("away")
    assert report(client, meta_notice(meta_status(WAMID, "sent"))).status == 503


def test_no_number_is_kept() -> None:
    """Meta's ids have the recipient's number in them, in base64; what is kept has not."""
    receipts = MetaReceipts(app_secret=META_APP_SECRET, phone_number_id=META_NUMBER_ID)
    body, _ = meta_signed(meta_notice(meta_status(WAMID, "sent")))
    ((kept, state),) = receipts.read(body)
    assert b"919876543210" in base64.b64decode(WAMID.removeprefix("wamid."))
    assert (kept, state) == (NAMED, DeliveryState.SENT)


# --- The handshake


def handshake(client: Client, **query: str) -> Reply:
    """Confirm the address as Meta does, with other members."""
    asked = {
        "hub.mode": "subscribe",
        "hub.challenge": "1158201444",
        "hub.verify_token": META_VERIFY_TOKEN,
    }
    asked |= {f"hub.{name}": value for name, value in query.items()}
    return client.request("GET", PATH, query=urlencode(asked))


@pytest.mark.parametrize("path", [PATH, PATH[:-1]])
def test_a_published_handshake(path: str) -> None:
    """The example of Meta's documentation is answered as it says: by the challenge alone."""
    account = attrs.evolve(ACCOUNT, verify_token="meatyhamhock")
    query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock"
    with opened(account) as client:
        reply = client.request("GET", path, query=query)
    assert (reply.status, reply.body) == (200, b"1158201444")
    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "query",
    [
        {"verify_token": "meatyhamhock"},
        {"verify_token": ""},
        {"verify_token": META_VERIFY_TOKEN.upper()},
        {"verify_token": f"{META_VERIFY_TOKEN} "},
        {"verify_token": "é"},
        {"mode": "unsubscribe"},
        {"mode": ""},
        {"challenge": ""},
        {"challenge": "1 2"},
        {"challenge": "1\n2"},
        {"challenge": "x" * 101},
    ],
)
def test_another_handshake(client: Client, query: dict[str, str]) -> None:
    """Whoever does not know the token, or asks for something else, is 403."""
    reply = handshake(client, **query)
    assert (reply.status, reply.json) == (403, FORBIDDEN)


@pytest.mark.parametrize("query", ["", "hub.mode=subscribe", "%ff=%ff", "hub.verify_token=%ff"])
def test_no_handshake(client: Client, query: str) -> None:
    """A request that is none is 403 too."""
    assert client.request("GET", PATH, query=query).status == 403


@pytest.mark.parametrize(
    ("account", "public_url"),
    [
        (attrs.evolve(ACCOUNT, app_secret="", verify_token=""), "https://otp.example.com"),
        (ACCOUNT, ""),
    ],
    ids=["no secret", "no address"],
)
def test_nothing_to_check_meta_by(account: MetaAccount, public_url: str) -> None:
    """Without the app's secret, or an address of its own, the service has no such route."""
    with opened(account, public_url) as client:
        assert handshake(client, verify_token=account.verify_token).status == 404
        assert report(client, meta_notice(meta_status(WAMID, "sent")), "").status == 404


def test_other_methods(client: Client) -> None:
    """Only Meta's address is confirmed; others take nothing but reports."""
    assert client.request("PUT", PATH).headers["allow"] == "GET, HEAD, POST"
    assert client.request("GET", "/callbacks/twilio-whatsapp/status/").headers["allow"] == "POST"


# --- Templates


def test_the_template_of_a_language() -> None:
    """A language without a template has that of English, and without one, the first."""
    spanish, hindi = Language("es"), Language("hi")
    found = templates("[a-z]+")("hi:first, en:second,pt-BR:third")
    assert found == (("hi", "first"), ("en", "second"), ("pt-BR", "third"))
    assert template_in(hindi, found) == ("hi", "first")
    assert template_in(Language("pt-BR"), found) == ("pt-BR", "third")
    assert template_in(spanish, found) == (ENGLISH, "second")
    assert template_in(spanish, templates("[a-z]+")("hi:first,pt-BR:third")) == ("hi", "first")


def test_templates_of_twilio() -> None:
    """Twilio's templates have SIDs."""
    account = read(TWILIO_WHATSAPP_TEMPLATES=TEMPLATES).accounts["twilio-whatsapp"]
    assert isinstance(account, TwilioWhatsAppAccount)
    assert account.templates == (("en", f"HX{'0' * 31}e"), ("es", f"HX{'0' * 31}5"))


@pytest.mark.parametrize(
    "text", ["HX" + "0" * 32, "en:HX1", "en:", "EN:HX" + "0" * 32, f"{TEMPLATES},", "en:login"]
)
def test_templates_that_are_none(text: str) -> None:
    """A template has a language, and Twilio's form; anything else stops the start by one line."""
    assert refused(TWILIO_WHATSAPP_TEMPLATES=text) == (
        f"HSP_OTP_TWILIO_WHATSAPP_TEMPLATES: got {text!r}, takes language:HX..., several with "
        "commas"
    )


def test_a_language_with_two_templates() -> None:
    """Which of two templates is meant would be a guess."""
    line = refused(META_TEMPLATES="en:one,es:two,en:three")
    assert line.startswith("HSP_OTP_META_TEMPLATES: got 'en:one,es:two,en:three', takes ")
    assert line.endswith(" (en has two)")


@pytest.mark.parametrize(
    "text", ["login_code", "en:Login", "en:login-code", "en:a:english", "en:a:"]
)
def test_names_of_templates_that_are_none(text: str) -> None:
    """Meta's names of templates have lower-case letters, digits and underscores alone."""
    assert refused(META_TEMPLATES=text).startswith(f"HSP_OTP_META_TEMPLATES: got {text!r}, takes")


# --- Settings

META = {
    "SENDERS": "meta-whatsapp,webhook",
    "WEBHOOK_SECRET": WEBHOOK_KEY,
    **{name: text for name, text in WEBHOOK.items() if name != "SENDERS"},
    **PLAYED["meta-whatsapp"].settings("https://graph.example.com"),
}

TWILIO_TOO = TWILIO | {
    "SENDERS": "twilio-whatsapp,twilio",
    "TWILIO_WHATSAPP_FROM": "+15005550006",
    "TWILIO_WHATSAPP_TEMPLATES": TEMPLATES,
}


@pytest.mark.parametrize("name", ["META_PHONE_NUMBER_ID", "META_ACCESS_TOKEN", "META_TEMPLATES"])
def test_what_meta_needs(name: str) -> None:
    """Production does not start without what Meta needs."""
    check_to_serve(read(**KEYS, **META))
    line = refused(**KEYS, **(META | {name: " "}))
    assert line == f"HSP_OTP_{name}: missing; meta-whatsapp needs it"


@pytest.mark.parametrize("name", ["META_APP_SECRET", "META_VERIFY_TOKEN"])
def test_what_metas_receipts_need(name: str) -> None:
    """The app's secret and the token go together; without both, no receipts are taken."""
    check_to_serve(read(**KEYS, **(META | {"META_APP_SECRET": "", "META_VERIFY_TOKEN": ""})))
    assert refused(**KEYS, **(META | {name: ""})) == (
        "HSP_OTP_META_VERIFY_TOKEN: goes with HSP_OTP_META_APP_SECRET; set both or neither"
    )


@pytest.mark.parametrize("name", ["TWILIO_WHATSAPP_FROM", "TWILIO_WHATSAPP_TEMPLATES"])
def test_what_twilio_needs(name: str) -> None:
    """Production does not start without what WhatsApp messages by Twilio need."""
    check_to_serve(read(**KEYS, **TWILIO_TOO))
    line = refused(**KEYS, **(TWILIO_TOO | {name: " "}))
    assert line == f"HSP_OTP_{name}: missing; twilio-whatsapp needs it"


def test_what_twilios_senders_share() -> None:
    """Both of Twilio's senders have the same account, and each asks for it."""
    accounts = read(**TWILIO_TOO).accounts
    sms, whatsapp = accounts["twilio"], accounts["twilio-whatsapp"]
    assert sms.account_sid == whatsapp.account_sid == TWILIO["TWILIO_ACCOUNT_SID"]
    assert sms.auth_token == whatsapp.auth_token == TWILIO["TWILIO_AUTH_TOKEN"]
    missing = refused(**KEYS, **(TWILIO_TOO | {"TWILIO_AUTH_TOKEN": ""}))
    assert missing == "HSP_OTP_TWILIO_AUTH_TOKEN: missing; twilio-whatsapp needs it"


@pytest.mark.parametrize("text", ["15005550006", "whatsapp:+15005550006", "+0500", "+1 500"])
def test_a_number_that_is_none(text: str) -> None:
    """A sender of WhatsApp messages is a number in E.164."""
    line = refused(TWILIO_WHATSAPP_FROM=text)
    assert line == f"HSP_OTP_TWILIO_WHATSAPP_FROM: got {text!r}, takes a number in E.164"


@pytest.mark.parametrize("text", ["+15005550006", "10654/../1", "x", "1" * 33])
def test_an_id_of_a_number_that_is_none(text: str) -> None:
    """Meta's id of a number is digits, and becomes part of an address."""
    assert refused(META_PHONE_NUMBER_ID=text).startswith("HSP_OTP_META_PHONE_NUMBER_ID: got ")


def test_a_service_needs_text_messages_too() -> None:
    """WhatsApp alone does not do for pass login and signup."""
    line = refused(**KEYS, **(META | {"SENDERS": "meta-whatsapp"}))
    assert line == "HSP_OTP_SENDERS: names no sender of text messages, which logins need"


def test_the_account_shows_no_secret() -> None:
    """Neither the account nor the reader of its reports shows a secret."""
    receipts = MetaReceipts(app_secret=META_APP_SECRET, phone_number_id=META_NUMBER_ID)
    shown = f"{ACCOUNT!r} {receipts!r}"
    assert not [one for one in PLAYED["meta-whatsapp"].secrets if one in shown]
