"""The behaviour of each provider of messages, one entry per provider."""

import atexit
import base64
import hashlib
import hmac
import json
import re
import shutil
import tempfile
import time
from collections import ChainMap
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import attrs
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ACCOUNT: Final = "AC0123456789abcdef0123456789abcdef"
TOKEN: Final = "fedcba9876543210fedcba9876543210"
FROM: Final = "+15005550006"

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""A status, the JSON body, and optionally headers."""


def _no_report(message_id: str, state: str, url: str) -> tuple[bytes, dict[str, str]]:
    raise AssertionError(f"it reports nothing: {message_id} {state} {url}")


@attrs.frozen(kw_only=True)
class Play:
    """
    The facts about one provider for tests and the gateway.

    Attributes:
        settings: The variables, without their prefix, that make the service send to a URL.
        secrets: The values among them that must never appear anywhere.
        path: A regular expression for the path of requests for messages.
        admits: Whether the headers (in lower case) and the body of a request belong to the account.
        read: Parses the members of the body.
        number: Returns a message's recipient, in E.164.
        text: Returns a message's text, or its code if the provider has the text.
        seconds: Returns a message's validity period; None if it is not part of the message.
        names_messages: Whether the provider chooses the ids of messages.
        kept: Returns what is kept of the provider's id of a message; None keeps it as it is.
        message_id: Returns the provider's id of the n-th message.
        accept: The answer to an accepted message.
        refuse: The n-th answer that refuses a number, as every provider would.
        refusals: The number of these answers.
        decline: The n-th answer that refuses a message that other providers may accept.
        declines: The number of these answers.
        disown: The n-th answer that refuses the account.
        disowns: The number of these answers.
        limit: The answer that asks the client to try later.
        breaks: The answer to report an internal error.
        report: Makes the body and headers of a signed report of a message's state to a URL, if the
            provider sends reports.
        states: Those that it reports.
        press: Makes the same for a key, which may be none, that was pressed in a call.
    """

    settings: Callable[[str], dict[str, str]]
    secrets: tuple[str, ...]
    path: str
    admits: Callable[[Mapping[str, str], bytes], bool]
    read: Callable[[bytes], dict[str, Any]]
    number: Callable[[dict[str, Any]], str]
    text: Callable[[dict[str, Any]], str]
    seconds: Callable[[dict[str, Any]], int] | None
    names_messages: bool = True
    kept: Callable[[str], str] | None = None
    message_id: Callable[[dict[str, Any], int], str]
    accept: Callable[[dict[str, Any], str], Answer]
    refuse: Callable[[dict[str, Any], int], Answer]
    refusals: int
    decline: Callable[[dict[str, Any], int], Answer]
    declines: int
    disown: Callable[[dict[str, Any], int], Answer]
    disowns: int
    limit: Answer
    breaks: Answer = (500, {"message": "internal error"})
    report: Callable[[str, str, str], tuple[bytes, dict[str, str]]] = _no_report
    states: tuple[str, ...] = ("sent", "delivered", "undelivered", "failed")
    press: Callable[[str, str, str], tuple[bytes, dict[str, str]]] = _no_report


def _form(body: bytes) -> dict[str, Any]:
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def _basic(name: str, word: str) -> Callable[[Mapping[str, str], bytes], bool]:
    signed = base64.b64encode(f"{name}:{word}".encode()).decode()
    return lambda headers, _: headers.get("authorization") == f"Basic {signed}"


# --- Twilio


def _twilio_error(code: int, status: int, form: dict[str, Any]) -> Answer:
    text = form.get("Body") or form.get("Twiml") or form["ContentVariables"]
    message = f"The 'To' number {form['To']} is not what it should be: {text}"
    return status, {"code": code, "message": message, "status": status}


def _twilio_report(message_id: str, state: str, url: str) -> tuple[bytes, dict[str, str]]:
    return _twilio_signed({"MessageSid": message_id, "MessageStatus": state, "From": FROM}, url)


def _twilio_signed(form: dict[str, str], url: str) -> tuple[bytes, dict[str, str]]:
    signed = url + "".join(name + form[name] for name in sorted(form))
    told = base64.b64encode(hmac.digest(TOKEN.encode(), signed.encode(), hashlib.sha1)).decode()
    kind = "application/x-www-form-urlencoded"
    return urlencode(form).encode(), {"Content-Type": kind, "X-Twilio-Signature": told}


_TWILIO_DECLINES: Final = ((21612, 400), (21408, 403), (21608, 400), (21606, 400), (99999, 400))
"""No route, country not allowed, unverified number in a trial, foreign sender, future code."""

_TWILIO_DISOWNS: Final = ((20003, 401), (20003, 403), (20005, 403), (20404, 404), (99999, 401))
"""Refused, refused with another status, inactive, unknown, refused with a future code."""

TWILIO: Final = Play(
    settings=lambda url: {
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_FROM": FROM,
        "TWILIO_BASE_URL": url,
    },
    secrets=(TOKEN,),
    path=r"/2010-04-01/Accounts/AC\w+/Messages\.json",
    admits=_basic(ACCOUNT, TOKEN),
    read=_form,
    number=lambda form: str(form["To"]),
    text=lambda form: str(form["Body"]),
    seconds=lambda form: int(form["ValidityPeriod"]),
    message_id=lambda _, count: f"SM{count:032x}",
    accept=lambda form, message_id: (
        201,
        {
            "sid": message_id,
            "status": "queued",
            "to": form["To"],
            "body": form["Body"],
            "date_created": "Sat, 21 Nov 2026 22:44:00 +0000",
        },
    ),
    refuse=lambda form, place: _twilio_error((21211, 21610, 30450)[place], 400, form),
    refusals=3,
    decline=lambda form, place: _twilio_error(*_TWILIO_DECLINES[place], form),
    declines=5,
    disown=lambda form, place: _twilio_error(*_TWILIO_DISOWNS[place], form),
    disowns=5,
    limit=(429, {"code": 20429, "message": "too many requests", "status": 429}),
    breaks=(500, {"code": 20500, "message": "internal error", "status": 500}),
    report=_twilio_report,
)


def _call_report(message_id: str, state: str, url: str) -> tuple[bytes, dict[str, str]]:
    words = {"undelivered": "completed"}
    return _twilio_signed({"CallSid": message_id, "CallStatus": words.get(state, state)}, url)


def _call_press(message_id: str, key: str, url: str) -> tuple[bytes, dict[str, str]]:
    form = {
        "CallSid": message_id,
        "CallStatus": "in-progress",
        "Digits": key,
        "To": "+919876543210",
    }
    return _twilio_signed(form, url)


TWILIO_VOICE: Final = attrs.evolve(
    TWILIO,
    settings=lambda url: {
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_VOICE_FROM": FROM,
        "TWILIO_BASE_URL": url,
    },
    path=r"/2010-04-01/Accounts/AC\w+/Calls\.json",
    text=lambda form: str(form["Twiml"]),
    seconds=lambda form: int(form["Timeout"]),
    message_id=lambda _, count: f"CA{count:032x}",
    accept=lambda form, message_id: (
        201,
        {"sid": message_id, "status": "queued", "to": form["To"], "from": FROM},
    ),
    refuse=lambda form, place: _twilio_error((21211, 21214, 21217)[place], 400, form),
    # Country not allowed, unverified number in a trial, foreign number, and a future code.
    decline=lambda form, place: _twilio_error((21215, 21219, 21210, 99999)[place], 400, form),
    declines=4,
    report=_call_report,
    states=("undelivered",),
    press=_call_press,
)


_TWILIO_WHATSAPP_REFUSES: Final = (63003, 63024, 21211, 21610)
"""Not on WhatsApp, twice, invalid, opted out."""

_TWILIO_WHATSAPP_DECLINES: Final = ((63016, 400), (63015, 400), (63027, 400), (99999, 400))
"""Template not approved, not in the sandbox, no template in the language, future code."""

_TWILIO_WHATSAPP_DISOWNS: Final = ((20003, 401), (63007, 400), (63001, 400), (63020, 400))
"""Refused, no such sender, sender refused, business not in order."""

TEMPLATES: Final = f"en:HX{'0' * 31}e,es:HX{'0' * 31}5"

TWILIO_WHATSAPP: Final = Play(
    settings=lambda url: {
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_WHATSAPP_FROM": FROM,
        "TWILIO_WHATSAPP_TEMPLATES": TEMPLATES,
        "TWILIO_BASE_URL": url,
    },
    secrets=(TOKEN,),
    path=TWILIO.path,
    admits=TWILIO.admits,
    read=_form,
    number=lambda form: str(form["To"]).removeprefix("whatsapp:"),
    text=lambda form: str(json.loads(form["ContentVariables"])["1"]),
    seconds=TWILIO.seconds,
    message_id=TWILIO.message_id,
    accept=lambda form, message_id: (
        201,
        {"sid": message_id, "status": "queued", "to": form["To"], "body": ""},
    ),
    refuse=lambda form, place: _twilio_error(_TWILIO_WHATSAPP_REFUSES[place], 400, form),
    refusals=4,
    decline=lambda form, place: _twilio_error(*_TWILIO_WHATSAPP_DECLINES[place], form),
    declines=4,
    disown=lambda form, place: _twilio_error(*_TWILIO_WHATSAPP_DISOWNS[place], form),
    disowns=4,
    limit=(400, {"code": 63018, "message": "too many messages", "status": 400}),
    breaks=TWILIO.breaks,
    report=_twilio_report,
)


# --- Meta

META_NUMBER_ID: Final = "106540352242922"
META_TOKEN: Final = "EAAJB0123456789abcdefghijklmnop"
META_APP_SECRET: Final = "0123456789abcdef0123456789abcdef"
META_VERIFY_TOKEN: Final = "meatyhamhock-and-more"


def _meta_error(code: int, status: int, form: dict[str, Any]) -> Answer:
    words = f"(#{code}) {form['to']} cannot be sent {form['template']}"
    told = {"message": words, "type": "OAuthException", "code": code, "fbtrace_id": "Az8or2yhqk"}
    return status, {"error": told}


def _meta_accepts(form: dict[str, Any], message_id: str) -> Answer:
    return 200, {
        "messaging_product": "whatsapp",
        "contacts": [{"input": form["to"], "wa_id": form["to"].removeprefix("+")}],
        "messages": [{"id": message_id, "message_status": "accepted"}],
    }


def meta_notice(
    *statuses: dict[str, Any], number_id: str = META_NUMBER_ID, **more: object
) -> dict[str, Any]:
    """A notice of Meta's, with the members of its documentation."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": number_id},
        "statuses": list(statuses),
        **more,
    }
    changes = [{"value": value, "field": "messages"}]
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "102290129340398", "changes": changes}],
    }


def meta_status(message_id: str, state: str) -> dict[str, Any]:
    """What a notice says of a message."""
    told = {
        "id": message_id,
        "status": state,
        "timestamp": "1795314360",
        "recipient_id": "919876543210",
    }
    errors = [{"code": 131026, "title": "Message undeliverable"}]
    return told | {"errors": errors} if state == "failed" else told


def meta_signed(notice: object, secret: str = META_APP_SECRET) -> tuple[bytes, dict[str, str]]:
    """The body and the headers of a notice that is signed."""
    body = json.dumps(notice).encode()
    told = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    return body, {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={told}"}


_META_DECLINES: Final = (
    *((130472, 400), (130497, 403), (131030, 400), (131047, 400), (131049, 400), (131056, 400)),
    *((132001, 404), (132015, 400), (100, 400), (1, 400), (999_999, 400)),
)
"""An experiment, the country, an unlisted number, not now, twice, too many to this number; no such
template, a paused one, an invalid parameter, an unknown error, future code."""

_META_DISOWNS: Final = (
    *((190, 401), (0, 401), (10, 403), (200, 403), (299, 403), (3, 500), (368, 403), (131031, 403)),
    *(
        (33, 400),
        (131042, 400),
        (133010, 400),
        (4, 400),
        (80007, 400),
        (131048, 400),
        (999_999, 401),
    ),
)
"""The token and its permissions; the account; its number, payment and registration; limits of the
app, of the account, of spam; refused with a future code."""

META_WHATSAPP: Final = Play(
    settings=lambda url: {
        "META_PHONE_NUMBER_ID": META_NUMBER_ID,
        "META_ACCESS_TOKEN": META_TOKEN,
        "META_APP_SECRET": META_APP_SECRET,
        "META_VERIFY_TOKEN": META_VERIFY_TOKEN,
        "META_TEMPLATES": "en:login_code:en_US,es:login_code",
        "META_BASE_URL": f"{url}/v25.0",
    },
    secrets=(META_TOKEN, META_APP_SECRET, META_VERIFY_TOKEN),
    path=f"/v25.0/{META_NUMBER_ID}/messages",
    admits=lambda headers, _: headers.get("authorization") == f"Bearer {META_TOKEN}",
    read=lambda body: dict(json.loads(body)),
    number=lambda form: str(form["to"]),
    text=lambda form: str(form["template"]["components"][0]["parameters"][0]["text"]),
    seconds=None,
    # Meta's own ids have the recipient's number in them.
    kept=lambda message_id: hashlib.sha256(message_id.encode()).hexdigest(),
    message_id=lambda form, count: (
        "wamid." + base64.b64encode(f"\x1d\x18\x0c{form['to'][1:]}{count:018X}".encode()).decode()
    ),
    accept=_meta_accepts,
    refuse=lambda form, place: _meta_error((131026, 131021)[place], 400, form),
    refusals=2,
    decline=lambda form, place: _meta_error(*_META_DECLINES[place], form),
    declines=len(_META_DECLINES),
    disown=lambda form, place: _meta_error(*_META_DISOWNS[place], form),
    disowns=len(_META_DISOWNS),
    limit=(400, {"error": {"message": "(#130429) Rate limit hit", "code": 130429}}),
    breaks=(500, {"error": {"message": "(#131000) Something went wrong", "code": 131000}}),
    report=lambda message_id, state, _: meta_signed(meta_notice(meta_status(message_id, state))),
    states=("sent", "delivered", "failed"),
)


# --- Vonage

_VONAGE_SECRET: Final = "Zyxwvut9876543210"
_VONAGE_SIGNATURE: Final = "abcdefghijklmnopqrstuvwxyz012345"


def _vonage_part(form: dict[str, Any], **members: str) -> Answer:
    part = {"to": form["to"], **members}
    return 200, {"message-count": "1", "messages": [part]}


def _vonage_error(form: dict[str, Any], code: str) -> Answer:
    words = f"{form['to']} cannot be sent {form['text']}"
    return _vonage_part(form, status=code, **{"error-text": words})


def _vonage_report(message_id: str, state: str, _: str) -> tuple[bytes, dict[str, str]]:
    words = {"sent": "buffered", "undelivered": "expired"}
    form = {
        "err-code": "0",
        "message-timestamp": "2026-11-22 02:26:00",
        "messageId": message_id,
        "msisdn": "919876543210",
        "nonce": "aa&a=a",
        "price": "0.03330000",
        "status": words.get(state, state),
        "timestamp": "1795314360",
        "to": "Services",
    }
    told = "".join(f"&{n}={form[n].replace('&', '_').replace('=', '_')}" for n in sorted(form))
    form["sig"] = hmac.digest(_VONAGE_SIGNATURE.encode(), told.encode(), hashlib.sha256).hex()
    kind = "application/x-www-form-urlencoded"
    return urlencode(form).encode(), {"Content-Type": kind}


VONAGE: Final = Play(
    settings=lambda url: {
        "VONAGE_API_KEY": "a1b2c3d4",
        "VONAGE_API_SECRET": _VONAGE_SECRET,
        "VONAGE_FROM": "HOUSES",
        "VONAGE_SIGNATURE_SECRET": _VONAGE_SIGNATURE,
        "VONAGE_BASE_URL": url,
    },
    secrets=(_VONAGE_SECRET, _VONAGE_SIGNATURE),
    path="/sms/json",
    admits=_basic("a1b2c3d4", _VONAGE_SECRET),
    read=_form,
    number=lambda form: f"+{form['to']}",
    text=lambda form: str(form["text"]),
    seconds=lambda form: int(form["ttl"]) // 1000,
    message_id=lambda _, count: f"{count:016X}",
    accept=lambda form, message_id: _vonage_part(
        form, status="0", **{"message-id": message_id, "network": "40420"}
    ),
    refuse=lambda form, place: _vonage_error(form, ("7", "33")[place]),
    refusals=2,
    # No route, unlisted number in a trial, name not allowed there, parameters, and a future code.
    decline=lambda form, place: _vonage_error(form, ("6", "29", "15", "2", "3", "99")[place]),
    declines=6,
    # Credentials, barred, no credit, another API, a signature.
    disown=lambda form, place: _vonage_error(form, ("4", "8", "9", "11", "14")[place]),
    disowns=5,
    limit=(200, {"message-count": "1", "messages": [{"status": "1", "error-text": "Throttled"}]}),
    report=_vonage_report,
)


_VONAGE_APPLICATION: Final = "78d335fa-323d-0114-9c3d-d6f0d48968cf"


@cache
def _vonage_key() -> tuple[Path, RSAPublicKey]:
    """The file of a private key, made once per process, and the public key."""
    key = generate_private_key(65_537, 2_048)
    folder = Path(tempfile.mkdtemp(prefix="otp-vonage-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "private.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file, key.public_key()


def _vonage_admits(headers: Mapping[str, str], _: bytes) -> bool:
    token = headers.get("authorization", "").removeprefix("Bearer ")
    try:
        claims = jwt.decode(
            token,
            _vonage_key()[1],
            algorithms=["RS256"],
            options={"verify_iat": False},  # the clock of a test may be ahead
        )
    except jwt.InvalidTokenError:
        return False
    return bool(claims["application_id"] == _VONAGE_APPLICATION)


def _vonage_problem(form: dict[str, Any], status: int) -> Answer:
    return status, {"title": "Bad", "detail": f"{form['to']} cannot be told {form['ncco']}"}


def _vonage_signed(members: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    body = json.dumps(members, separators=(",", ":")).encode()
    claims = {
        "iat": 1_795_314_360,
        "jti": "6a8d5f6c",
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(body).hexdigest(),
        "api_key": "a1b2c3d4",
        "application_id": _VONAGE_APPLICATION,
    }
    token = jwt.encode(claims, _VONAGE_SIGNATURE, algorithm="HS256")
    return body, {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}


def _vonage_call_report(message_id: str, state: str, _: str) -> tuple[bytes, dict[str, str]]:
    words = {"sent": "answered", "undelivered": "unanswered"}
    members = {
        "from": "15005550006",
        "to": "919876543210",
        "uuid": message_id,
        "conversation_uuid": "CON-1",
        "status": words.get(state, state),
        "direction": "outbound",
    }
    return _vonage_signed(members)


def _vonage_press(message_id: str, key: str, _: str) -> tuple[bytes, dict[str, str]]:
    dtmf = {"digits": key, "timed_out": not key}
    return _vonage_signed({"uuid": message_id, "to": "919876543210", "dtmf": dtmf})


VONAGE_VOICE: Final = Play(
    settings=lambda url: {
        "VONAGE_APPLICATION_ID": _VONAGE_APPLICATION,
        "VONAGE_PRIVATE_KEY": str(_vonage_key()[0]),
        "VONAGE_SIGNATURE_SECRET": _VONAGE_SIGNATURE,
        "VONAGE_VOICE_FROM": FROM,
        "VONAGE_VOICE_BASE_URL": url,
    },
    secrets=(_VONAGE_SIGNATURE, "PRIVATE KEY"),
    path="/v1/calls",
    admits=_vonage_admits,
    read=lambda body: dict(json.loads(body)),
    number=lambda form: f"+{form['to'][0]['number']}",
    text=lambda form: json.dumps(form["ncco"], ensure_ascii=False),
    seconds=lambda form: int(form["ringing_timer"]),
    message_id=lambda _, count: f"{count:08x}-bbbb-cccc-dddd-0123456789ab",
    accept=lambda _, message_id: (
        201,
        {"uuid": message_id, "status": "started", "direction": "outbound"},
    ),
    refuse=_vonage_problem,
    refusals=0,
    decline=lambda form, place: _vonage_problem(form, (400, 422)[place]),
    declines=2,
    disown=lambda form, place: _vonage_problem(form, (401, 402, 403)[place]),
    disowns=3,
    limit=(429, {"title": "Too many requests"}),
    report=_vonage_call_report,
    states=("sent", "undelivered"),
    press=_vonage_press,
)


# --- A webhook of the operator

_WEBHOOK_KEY: Final = bytes(range(32))
_WEBHOOK_SECRET: Final = "whsec_" + base64.b64encode(_WEBHOOK_KEY).decode()


def _webhook_signature(message_id: str, seconds: str, body: bytes) -> str:
    signed = f"{message_id}.{seconds}.".encode() + body
    told = base64.b64encode(hmac.digest(_WEBHOOK_KEY, signed, hashlib.sha256)).decode()
    return f"v1,{told}"


def _webhook_admits(headers: Mapping[str, str], body: bytes) -> bool:
    message_id, seconds = headers["webhook-id"], headers["webhook-timestamp"]
    return (
        headers["webhook-signature"] == _webhook_signature(message_id, seconds, body)
        and abs(int(seconds) - time.time()) < 300  # noqa: TID251 - the clock at the other end
        and json.loads(body)["message_id"] == message_id
        and headers["content-type"] == "application/json"
    )


def _webhook_report(message_id: str, state: str, _: str) -> tuple[bytes, dict[str, str]]:
    body = json.dumps({"message_id": message_id, "state": state}).encode()
    seconds = str(int(time.time()))  # noqa: TID251
    return body, {
        "Content-Type": "application/json",
        "webhook-id": "report-1",
        "webhook-timestamp": seconds,
        "webhook-signature": _webhook_signature("report-1", seconds, body),
    }


WEBHOOK: Final = Play(
    settings=lambda url: {"WEBHOOK_URL": f"{url}/sms", "WEBHOOK_SECRET": _WEBHOOK_SECRET},
    secrets=(_WEBHOOK_SECRET.removeprefix("whsec_"),),
    path="/sms",
    admits=_webhook_admits,
    read=lambda body: dict(json.loads(body)),
    number=lambda form: str(form["to"]),
    text=lambda form: str(form["text"]),
    seconds=lambda form: int(form["valid_seconds"]),
    names_messages=False,
    message_id=lambda form, _: str(form["message_id"]),
    accept=lambda _, __: (202, {}),
    refuse=lambda form, _: (422, {"why": f"{form['to']} has opted out of {form['text']}"}),
    refusals=1,
    decline=lambda form, place: ((400, 409)[place], {"why": f"no {form['to']} for {form['text']}"}),
    declines=2,
    disown=lambda form, place: ((401, 403)[place], {"why": f"{form['to']}: {form['text']}"}),
    disowns=2,
    limit=(429, {}),
    report=_webhook_report,
)

PLAYS: Final[dict[str, Play]] = {
    "twilio": TWILIO,
    "vonage": VONAGE,
    "webhook": WEBHOOK,
}
"""The plays of text messages by the names of senders; contract tests need one for each."""

VOICE_PLAYS: Final[dict[str, Play]] = {
    "twilio-voice": TWILIO_VOICE,
    "vonage-voice": VONAGE_VOICE,
}
"""The same for calls."""

WHATSAPP_PLAYS: Final[dict[str, Play]] = {
    "meta-whatsapp": META_WHATSAPP,
    "twilio-whatsapp": TWILIO_WHATSAPP,
}
"""The same for WhatsApp messages."""

PLAYED: Final = ChainMap(PLAYS, VOICE_PLAYS, WHATSAPP_PLAYS)
"""All of them."""


def code_in(text: str) -> str:
    """Return the code in a message."""
    code: str = re.findall(r"\b\d{4,10}\b", text)[0]
    return code
