"""Calls by Vonage, which uses the Voice API: https://developer.vonage.com/en/voice/voice-api."""

import hashlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hsp_otp.adapters.senders.http_client import (
    PROBE_SECONDS,
    Answer,
    open_client,
    parsed,
    post,
)
from hsp_otp.adapters.senders.provider import (
    URL_TAKES,
    CallMeans,
    Means,
    Probed,
    Provider,
    no_public_url,
    setting,
    text,
    url,
)
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.ports.calls import Script, Speech
from hsp_otp.ports.failures import SendFailed, SendRefusedHere
from hsp_otp.ports.sender import SEND_WITHIN, Call, Receipt, Sender

if TYPE_CHECKING:
    from aiohttp import ClientSession

NAME: Final = "vonage-voice"

_LEAST_RINGING: Final = 5
_MOST_RINGING: Final = 60
"""How long a phone rings, in seconds: at most Vonage's default."""

_WAIT_SECONDS: Final = 10
"""How long a call waits for a key: the most that Vonage does."""

_LONG_PAUSE: Final = 3
"""Seconds. Separate phrases have a short pause in between anyway."""

_JWS: Final = jwt.PyJWS()

_TOKEN_SECONDS: Final = 60
_ID_BYTES: Final = 16
_LEAST_KEY_BITS: Final = 2048

_REFUSED_HERE: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
"""Statuses for a call that Vonage does not make. Whether a number exists shows only afterwards, and
is reported."""

_STATES: Final = {
    "started": DeliveryState.QUEUED,
    "ringing": DeliveryState.QUEUED,
    "answered": DeliveryState.SENT,
    # The ends. A call in which a key was pressed is delivered by the time that it ends, and stays
    # so.
    "completed": DeliveryState.UNDELIVERED,
    "busy": DeliveryState.UNDELIVERED,
    "cancelled": DeliveryState.UNDELIVERED,
    "unanswered": DeliveryState.UNDELIVERED,
    "disconnected": DeliveryState.UNDELIVERED,
    "rejected": DeliveryState.UNDELIVERED,
    "failed": DeliveryState.UNDELIVERED,
    "timeout": DeliveryState.UNDELIVERED,
}


@attrs.frozen(kw_only=True)
class VonageVoiceAccount:
    """The application at Vonage, and the number that its calls come from."""

    application_id: str = setting(
        text,
        "",
        "id of the Vonage application that calls are made for",
        takes="a text",
        required=True,
        variable="VONAGE_APPLICATION_ID",
    )
    private_key: str = setting(
        text,
        "",
        "file of the application's private key, which authenticates to Vonage",
        takes="the path of a PEM file",
        secret=True,  # in case somebody gives the key itself
        required=True,
        variable="VONAGE_PRIVATE_KEY",
    )
    from_: str = setting(
        text, "", "Vonage number that calls come from", takes="a number in E.164", required=True
    )
    signature_secret: str = setting(
        text,
        "",
        "verifies Vonage's callbacks",
        takes="a text",
        secret=True,
        required=True,
        variable="VONAGE_SIGNATURE_SECRET",
    )
    base_url: str = setting(
        url,
        "https://api.nexmo.com",
        "base URL of Vonage's Voice API: a region's, or a test gateway's",
        takes=URL_TAKES,
    )


class VonageVoice:
    """Has Vonage call."""

    def __init__(
        self,
        account: VonageVoiceAccount,
        key: RSAPrivateKey,
        client: "ClientSession",
        means: Means,
        calls: CallMeans,
    ) -> None:
        self._account = account
        self._key = key
        self._client = client
        self._means = means
        self._calls = calls

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return True

    async def send(self, message: Call, within: Duration = SEND_WITHIN) -> Receipt:
        """Implement `Sender.send`. Nothing that Vonage is given here holds the code."""
        account = self._account
        speech = self._calls.texts.announcement(message.service_name, message.language)
        members = {
            "to": [{"type": "phone", "number": message.to.value.removeprefix("+")}],
            "from": {"type": "phone", "number": account.from_.removeprefix("+")},
            "ncco": _asking_for_key(speech, self._calls.keys_of(message.id)),
            "event_url": [self._calls.ends],
            "event_method": "POST",
            "ringing_timer": min(max(message.useful_for // SECOND, _LEAST_RINGING), _MOST_RINGING),
        }
        answer = await post(
            self._client,
            f"{account.base_url}/v1/calls",
            within,
            "Vonage",
            json=members,
            headers=_signed_in(account, self._key, self._means),
        )
        return Receipt(sender=NAME, provider_message_id=_call_id(answer))


def _asking_for_key(speech: Speech, keys_url: str) -> list[dict[str, Any]]:
    """Say *speech*, report a pressed key to the URL, and hang up if none is pressed."""
    return [
        *({**said, "bargeIn": True} for said in _said(speech)),
        {
            "action": "input",
            "type": ["dtmf"],
            "dtmf": {"maxDigits": 1, "timeOut": _WAIT_SECONDS},
            "eventUrl": [keys_url],
            "eventMethod": "POST",
        },
    ]


def _said(speech: Speech) -> list[dict[str, Any]]:
    actions: list[dict[str, Any]] = []
    for passage in speech.passages:
        if actions:
            actions.append({"action": "wait", "timeout": _LONG_PAUSE})
        actions += [
            {"action": "talk", "text": phrase, "language": speech.voice} for phrase in passage
        ]
    return actions


def _signed_in(account: VonageVoiceAccount, key: RSAPrivateKey, means: Means) -> dict[str, str]:
    now = means.clock.now() // SECOND
    claims = {
        "application_id": account.application_id,
        "iat": now,
        "exp": now + _TOKEN_SECONDS,
        "jti": means.randomness.draw(_ID_BYTES).hex(),
    }
    return {"Authorization": f"Bearer {jwt.encode(claims, key, algorithm='RS256')}"}


def _call_id(answer: Answer) -> str:
    """
    Vonage's id of the call.

    Raises:
        SendRefusedHere: Vonage does not make this call.
        SendFailed: Vonage answered anything else.
    """
    if answer.status in _REFUSED_HERE:
        raise SendRefusedHere(f"Vonage refused the call: {answer.status}")
    found = _members(answer.body).get("uuid") if answer.is_success else None
    if isinstance(found, str) and found:
        return found
    raise SendFailed(f"Vonage answered {answer.status} without an id for the call")


def _members(body: bytes) -> dict[str, object]:
    found = parsed(body)
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}


def _private_key(account: VonageVoiceAccount) -> RSAPrivateKey:
    """
    Read the key.

    Raises:
        ValueError: The file cannot be read, or holds something else; begins with the variable.
    """
    variable = "HSP_OTP_VONAGE_PRIVATE_KEY"
    try:
        key = load_pem_private_key(Path(account.private_key).read_bytes(), None)
    except OSError as error:
        raise ValueError(f"{variable}: the file cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"{variable}: takes the PEM file of a key without a password") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_KEY_BITS:
        raise ValueError(f"{variable}: takes an RSA key of {_LEAST_KEY_BITS} bits or more")
    return key


async def _probe(account: VonageVoiceAccount, means: Means) -> Probed:
    """Ask for the application's calls: https://developer.vonage.com/en/api/voice."""
    try:
        key = _private_key(account)
    except ValueError as error:
        return Probed(str(error))
    async with open_client() as client:
        try:
            answer = await post(
                client,
                f"{account.base_url}/v1/calls?page_size=1",
                round(PROBE_SECONDS * SECOND),
                "Vonage",
                method="GET",
                headers=_signed_in(account, key, means),
            )
        except SendFailed as error:
            return Probed(f"{error}: check the network and HSP_OTP_VONAGE_VOICE_BASE_URL")
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Probed(
            "HSP_OTP_VONAGE_APPLICATION_ID: Vonage refuses it together with "
            "HSP_OTP_VONAGE_PRIVATE_KEY"
        )
    if not answer.is_success:
        return Probed(f"Vonage answered {answer.status}: check HSP_OTP_VONAGE_VOICE_BASE_URL")
    return Probed(told="Vonage knows the application")


def _is_signed(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """
    Whether Vonage signed *body*, by a JWT with a digest of it.

    The procedure: https://developer.vonage.com/en/getting-started/concepts/webhooks. The digest is
    that of the compact JSON, which is also how bodies are sent. Times are ignored: a report of one
    call is good for nothing else, and a replayed one changes nothing.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return False
    try:
        claims = _members(_JWS.decode(token.strip(), secret, algorithms=["HS256"]))
        compact = json.dumps(parsed(body), ensure_ascii=False, separators=(",", ":"))
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return False
    bodies = (body, compact.encode(errors="replace"))
    return claims.get("payload_hash") in [hashlib.sha256(one).hexdigest() for one in bodies]


@attrs.frozen
class VonageVoiceReceipts:
    """Reads reports of how calls go on and end."""

    signature_secret: str = attrs.field(repr=False)

    def is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Implement `Receipts.is_signed`."""
        return _is_signed(self.signature_secret, body, headers)

    def read(self, body: bytes) -> Sequence[tuple[str, DeliveryState]]:
        """Implement `Receipts.read`."""
        members = _members(body)
        call_id, status = members.get("uuid"), members.get("status")
        state = _STATES.get(status) if isinstance(status, str) else None
        return [(call_id, state)] if isinstance(call_id, str) and call_id and state else []


@attrs.frozen
class VonageVoiceControl:
    """Reads reports of pressed keys, and of none within the time."""

    signature_secret: str = attrs.field(repr=False)

    def is_signed(self, send_id: str, body: bytes, headers: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Implement `CallControl.is_signed`. The signature does not cover the URL."""
        return _is_signed(self.signature_secret, body, headers)

    def pressed(self, body: bytes) -> str | None:
        """Implement `CallControl.pressed`."""
        members = _members(body)
        call_id, keys = members.get("uuid"), members.get("dtmf")
        if isinstance(keys, dict):
            keys = cast("dict[str, object]", keys).get("digits")
        is_pressed = isinstance(keys, str) and bool(keys)
        return call_id if is_pressed and isinstance(call_id, str) and call_id else None

    def script(self, speech: Speech) -> Script:
        """Implement `CallControl.script`."""
        content = json.dumps(_said(speech), ensure_ascii=False).encode()
        return Script(media_type="application/json", content=content)


@asynccontextmanager
async def _open(account: VonageVoiceAccount, means: Means) -> AsyncGenerator[Sender[Call]]:
    if means.calls is None:
        raise no_public_url(NAME)
    async with open_client() as client:
        yield VonageVoice(account, _private_key(account), client, means, means.calls)


def _check(account: VonageVoiceAccount, callback: str | None) -> None:
    if callback is None:
        raise no_public_url(NAME)
    _private_key(account)


VONAGE_VOICE: Final = Provider(
    channel=Channel.VOICE,
    name=NAME,
    account=VonageVoiceAccount,
    open=_open,
    receipts=lambda account, _: VonageVoiceReceipts(account.signature_secret),
    calls=lambda account, means: (
        VonageVoiceControl(account.signature_secret) if means.calls else None
    ),
    check=_check,
    probe=_probe,
)
