"""Sends messages with Twilio's own package, over an HTTP client with real timeouts."""

import asyncio
import logging
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import ClientSession, encode_basic_auth
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from hsp_otp.adapters.senders.http_client import PROBE_SECONDS, open_client, request
from hsp_otp.adapters.senders.provider import Probed
from hsp_otp.adapters.senders.twilio_account import NAME, TwilioAccount
from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt

_LEAST_VALIDITY: Final = 1
_MOST_VALIDITY: Final = 36_000
"""Seconds that Twilio takes as a message's validity period."""

_REJECTED: Final = frozenset(
    {
        # This number: not one, not valid, a short code, our own, a landline, not mobile.
        *(21211, 21214, 21217, 21265, 21266, 21614, 21635),
        21610,  # opted out
        30450,  # blocked as SMS pumping fraud
    }
)
"""Error codes about the number or the message, which would be the same elsewhere."""

_UNWELL: Final = frozenset(
    {
        # The account: not active, refused, a test's, forbidden, not found, suspended.
        *(10001, 20003, 20005, 20006, 20008, 20403, 20404, 30002),
        # Too much: of the number's queue, of requests, of a carrier's queue, of a day.
        *(21611, 20429, 30001, 63038),
        *(20500, 20503),  # its own trouble
    }
)
"""Error codes that say something of Twilio or the account, whatever the message. All that are in
neither set refuse this one message from here: 21408 (that country is not allowed to the account),
21608 (a trial account's unverified number), 21612 (no route), and those that nobody knows."""

_CODES: Final = range(10_000, 1_000_000)
"""What may be an error code. Where an answer has none the package puts the status there, and
anything longer may be part of a number."""

_STATUSES: Final = range(100, 600)
_UNWELL_STATUSES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})


class _HttpClient(AsyncHttpClient):
    """
    The package's requests over a client with a deadline.

    The package's own asynchronous client ignores timeouts. Redirects are not followed and
    what is posted is not tried twice: sending is not idempotent.
    """

    def __init__(self, client: ClientSession, base_url: str) -> None:
        super().__init__(logging.getLogger("twilio"), is_async=True)
        self._client = client
        self._base_url = base_url.rstrip("/")

    async def request(  # type: ignore[override]  # noqa: PLR0917 - the signature of the package
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
        """Make one request; whatever the answer's status, it is returned."""
        signed_in = {"Authorization": encode_basic_auth(*auth)} if auth else {}
        answered = await request(
            self._client,
            method,
            # Wherever the package thinks it is: it reads variables of its own for that.
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
        """
        Hand messages to *account*.

        Args:
            callback: Where receipts go, where they are wanted.
        """
        self._account = account
        self._callback = callback
        self._client = Client(
            account.account_sid,
            account.auth_token,
            http_client=_HttpClient(client, account.base_url),
        )

    def available(self) -> bool:
        """Keep the promise of `Sender.available`."""
        return True

    async def send(self, message: Message, within: Duration = SEND_WITHIN) -> Receipt:
        """Keep the promise of `Sender.send`."""
        account = self._account
        by = {"from_": account.from_}
        if account.messaging_service_sid:
            by = {"messaging_service_sid": account.messaging_service_sid}
        if self._callback:
            by["status_callback"] = self._callback
        # Unless told otherwise, Twilio queues a message for ten hours.
        validity = min(max(message.useful_for // SECOND, _LEAST_VALIDITY), _MOST_VALIDITY)
        try:
            async with asyncio.timeout(within / SECOND):
                taken = await self._client.messages.create_async(
                    to=message.to.value, body=message.text, validity_period=validity, **by
                )
            sid: object = taken.sid
            if isinstance(sid, str) and sid:
                return Receipt(sender=NAME, provider_message_id=sid)
            failure = SendFailed("Twilio did not name the message")
        except (TwilioRestException, TwilioServiceException) as error:
            failure = _failure(error.status, error.code)
        except Exception as error:  # noqa: BLE001
            # The package stumbles in many ways over an answer that is none, and it may have gone
            # out all the same.
            failure = SendFailed(f"Twilio did not answer: {type(error).__name__}")
        # Out here, so that the error is not in its context: it may hold the number or the code.
        raise failure


async def probe(account: TwilioAccount) -> Probed:
    """Fetch the account: https://www.twilio.com/docs/iam/api/account."""
    variable = "HSP_OTP_TWILIO_ACCOUNT_SID"
    async with open_client() as client:
        twilio = Client(
            account.account_sid,
            account.auth_token,
            http_client=_HttpClient(client, account.base_url),
        )
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                found = await twilio.api.accounts(account.account_sid).fetch_async()
            status = str(found.status)
        except (TwilioRestException, TwilioServiceException) as error:
            if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                return Probed(
                    f"{variable}: Twilio refuses it, or HSP_OTP_TWILIO_AUTH_TOKEN with it"
                )
            if error.status == HTTPStatus.NOT_FOUND:
                return Probed(f"{variable}: Twilio knows no such account")
            return Probed(
                f"Twilio answered {_status(error.status)}: look at HSP_OTP_TWILIO_BASE_URL"
            )
        except Exception as error:  # noqa: BLE001 - as for sending
            return Probed(
                f"Twilio did not answer ({type(error).__name__}): look at the network and at "
                "HSP_OTP_TWILIO_BASE_URL"
            )
    if status != "active":
        return Probed(f"{variable}: Twilio has the account as {_word(status)}: ask Twilio about it")
    return Probed(told="Twilio has the account as active")


def _word(status: str) -> str:
    return status if status in {"suspended", "closed"} else "anything but active"


def _status(given: object) -> int:
    """An HTTP status, which one of the two forms of Twilio's errors has in its body; else 0."""
    return given if isinstance(given, int) and given in _STATUSES else 0


def _failure(given: object, code: object) -> SendFailed:
    """What an answer means that is no success: https://www.twilio.com/docs/api/errors."""
    status = _status(given)
    if not isinstance(code, int) or code not in _CODES:  # whatever the answer had in its place
        return SendFailed(f"Twilio answered {status}")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _UNWELL_STATUSES or code in _UNWELL:
        return SendFailed(f"Twilio answered {status}: {code}")
    refusal = SendRejected if code in _REJECTED else SendRefusedHere
    return refusal(f"Twilio refused the message: {code}")
