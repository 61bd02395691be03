"""Sends messages with Twilio's own package, over an HTTP client with real timeouts."""

import asyncio
import json
import logging
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import ClientSession, encode_basic_auth
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from hsp_otp.adapters.senders.http_client import PROBE_SECONDS, open_client, request
from hsp_otp.adapters.senders.provider import CallMeans, Probed
from hsp_otp.adapters.senders.twilio_account import (
    BLOCKED,
    NAME,
    VOICE_NAME,
    WHATSAPP_NAME,
    Credentials,
    TwilioAccount,
    TwilioVoiceAccount,
    TwilioWhatsAppAccount,
)
from hsp_otp.adapters.senders.twilio_speech import asking_for_key
from hsp_otp.adapters.senders.whatsapp_templates import template_in
from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.ports.failures import SendBlocked, SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.sender import SEND_WITHIN, Call, Receipt, Sms, WhatsApp

_LEAST_VALIDITY: Final = 1
_MOST_VALIDITY: Final = 36_000
"""Range of a message's validity period that Twilio accepts, in seconds."""

_LEAST_RINGING: Final = 5
_MOST_RINGING: Final = 60
"""How long a phone rings, in seconds: at most Twilio's default."""

_REJECTED: Final = frozenset(
    {
        # The number: not a number, not reachable by a call, not valid, a short code, our own, a
        # landline, not mobile.
        *(21211, 21214, 21217, 21265, 21266, 21614, 21635),
        *(63003, 63024),  # not on WhatsApp
    }
)
"""Error codes about the number or the message, which other senders would refuse too."""

_UNWELL: Final = frozenset(
    {
        # The account: not active, refused, a test account, forbidden, not found, suspended.
        *(10001, 20003, 20005, 20006, 20008, 20403, 20404, 30002),
        # Its WhatsApp sender: refused, unknown, not connected, not allowed by its business.
        *(63001, 63002, 63007, 63020),
        # Limits exceeded: the number's queue, requests, a carrier's queue, WhatsApp's, the day's.
        *(21611, 20429, 30001, 63018, 63038),
        *(20500, 20503),  # Twilio's own trouble
    }
)
"""Error codes about Twilio or the account, whatever the message. Codes in neither set mean that
Twilio refused this one message here: 21408 and 21215 (country not allowed for the account), 21608
and 21219 (a trial account's unverified number), 21612 (no route), and unknown codes."""

_CODES: Final = range(10_000, 1_000_000)
"""Valid error codes. If an answer has none, the package puts the status there, and a longer value
may be part of a number."""

_STATUSES: Final = range(100, 600)
_UNWELL_STATUSES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})


class _HttpClient(AsyncHttpClient):
    """
    Makes the package's requests with a client that has a deadline.

    The package's own asynchronous client ignores timeouts. Redirects are not followed and a POST is
    not repeated, because sending is not idempotent.
    """

    def __init__(self, client: ClientSession, base_url: str) -> None:
        super().__init__(logging.getLogger("twilio"), is_async=True)
        self._client = client
        self._base_url = base_url.rstrip("/")

    async def request(  # type: ignore[override]  # noqa: PLR0917 - the package's signature
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the package's signature
        allow_redirects: bool = False,  # noqa: ARG002, FBT001, FBT002
    ) -> Response:
        """Make one request, and return the answer with any status."""
        signed_in = {"Authorization": encode_basic_auth(*auth)} if auth else {}
        answered = await request(
            self._client,
            method,
            # The package derives its own host from environment variables; use the configured one.
            self._base_url + urlsplit(uri).path,
            params=params,
            data=data,
            headers={**(headers or {}), **signed_in},
        )
        return Response(answered.status, answered.body.decode("utf-8", "replace"))


class TwilioSms:
    """Hands messages to Twilio."""

    def __init__(
        self, account: TwilioAccount, client: ClientSession, callback: str | None = None
    ) -> None:
        """Hand messages to *account*; *callback* is the URL for receipts, if they are wanted."""
        self._account = account
        self._callback = callback
        # Looked up here, where the package loads its API, which can take a second.
        self._messages = _client(account, client).messages

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return True

    async def send(self, message: Sms, within: Duration = SEND_WITHIN) -> Receipt:
        """Implement `Sender.send`."""
        account = self._account
        by = {"from_": account.from_}
        if account.messaging_service_sid:
            by = {"messaging_service_sid": account.messaging_service_sid}
        if self._callback:
            by["status_callback"] = self._callback
        creating = self._messages.create_async(
            to=message.to.value,
            body=message.text,
            validity_period=_validity(message.useful_for),
            **by,
        )
        return Receipt(sender=NAME, provider_message_id=await _sid(creating, within))


class TwilioWhatsApp:
    """Hands WhatsApp messages to Twilio."""

    def __init__(
        self, account: TwilioWhatsAppAccount, client: ClientSession, callback: str | None = None
    ) -> None:
        """Hand messages to *account*; *callback* is the URL for receipts, if they are wanted."""
        self._account = account
        self._by = {"status_callback": callback} if callback else {}
        self._messages = _client(account, client).messages  # looked up here, as above

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return True

    async def send(self, message: WhatsApp, within: Duration = SEND_WITHIN) -> Receipt:
        """Implement `Sender.send`."""
        _, template = template_in(message.language, self._account.templates)
        creating = self._messages.create_async(
            to=f"whatsapp:{message.to.value}",
            from_=f"whatsapp:{self._account.from_}",
            content_sid=template,
            content_variables=json.dumps({"1": message.code}),
            validity_period=_validity(message.useful_for),
            **self._by,
        )
        return Receipt(sender=WHATSAPP_NAME, provider_message_id=await _sid(creating, within))


def _validity(useful_for: Duration) -> int:
    """The validity period of a message. By default, Twilio queues it for ten hours."""
    return min(max(useful_for // SECOND, _LEAST_VALIDITY), _MOST_VALIDITY)


class TwilioVoice:
    """Has Twilio call."""

    def __init__(
        self, account: TwilioVoiceAccount, client: ClientSession, means: CallMeans
    ) -> None:
        self._account = account
        self._means = means
        self._calls = _client(account, client).calls  # looked up here, as above

    def available(self) -> bool:
        """Implement `Sender.available`."""
        return True

    async def send(self, message: Call, within: Duration = SEND_WITHIN) -> Receipt:
        """Implement `Sender.send`. Nothing that Twilio is given here holds the code."""
        speech = self._means.texts.announcement(message.service_name, message.language)
        creating = self._calls.create_async(
            to=message.to.value,
            from_=self._account.from_,
            twiml=asking_for_key(speech, self._means.keys_of(message.id)),
            timeout=min(max(message.useful_for // SECOND, _LEAST_RINGING), _MOST_RINGING),
            status_callback=self._means.ends,
        )
        return Receipt(sender=VOICE_NAME, provider_message_id=await _sid(creating, within))


async def _sid(creating: Awaitable[Any], within: Duration) -> str:
    """
    Twilio's id of what a request creates, which is made within the time limit.

    Raises:
        SendFailed: Twilio did not create it, as `Sender.send` tells its reasons apart.
    """
    try:
        async with asyncio.timeout(within / SECOND):
            sid: object = (await creating).sid
        if isinstance(sid, str) and sid:
            return sid
        failure = SendFailed("Twilio returned no id for the message")
    except (TwilioRestException, TwilioServiceException) as error:
        failure = _failure(error.status, error.code)
    except Exception as error:  # noqa: BLE001
        # The package fails in many ways on an invalid answer, and the message may have gone out
        # anyway.
        failure = SendFailed(f"Twilio did not answer: {type(error).__name__}")
    # Raised here, so that the error is not in its context: it may contain the number or the code.
    raise failure


async def probe(account: Credentials) -> Probed:
    """Fetch the account: https://www.twilio.com/docs/iam/api/account."""
    variable = "HSP_OTP_TWILIO_ACCOUNT_SID"
    async with open_client() as client:
        # Looked up before the time counts, as above.
        resource = _client(account, client).api.accounts(account.account_sid)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                found = await resource.fetch_async()
            status = str(found.status)
        except (TwilioRestException, TwilioServiceException) as error:
            if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                return Probed(
                    f"{variable}: Twilio refuses it together with HSP_OTP_TWILIO_AUTH_TOKEN"
                )
            if error.status == HTTPStatus.NOT_FOUND:
                return Probed(f"{variable}: Twilio has no such account")
            return Probed(f"Twilio answered {_status(error.status)}: check HSP_OTP_TWILIO_BASE_URL")
        except Exception as error:  # noqa: BLE001 - as in `send`
            return Probed(
                f"Twilio did not answer ({type(error).__name__}): check the network and "
                "HSP_OTP_TWILIO_BASE_URL"
            )
    if status != "active":
        return Probed(f"{variable}: Twilio reports the account as {_word(status)}: contact Twilio")
    return Probed(told="Twilio reports the account as active")


def _client(account: Credentials, client: ClientSession) -> Client:
    http_client = _HttpClient(client, account.base_url)
    return Client(account.account_sid, account.auth_token, http_client=http_client)


def _word(status: str) -> str:
    return status if status in {"suspended", "closed"} else "not active"


def _status(given: object) -> int:
    """The HTTP status, which one of Twilio's two error forms has in its body; otherwise 0."""
    return given if isinstance(given, int) and given in _STATUSES else 0


def _failure(given: object, code: object) -> SendFailed:
    """The failure that an unsuccessful answer means: https://www.twilio.com/docs/api/errors."""
    status = _status(given)
    if not isinstance(code, int) or code not in _CODES:  # the answer had some other value there
        return SendFailed(f"Twilio answered {status}")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _UNWELL_STATUSES or code in _UNWELL:
        return SendFailed(f"Twilio answered {status}: {code}")
    if code in BLOCKED:
        return SendBlocked(f"Twilio refused the message: {code}")
    refusal = SendRejected if code in _REJECTED else SendRefusedHere
    return refusal(f"Twilio refused the message: {code}")
