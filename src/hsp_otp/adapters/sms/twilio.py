"""Twilio, by its own package over a client of ours with real timeouts."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from aiohttp import ClientSession, encode_basic_auth
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from hsp_otp.adapters.sms.client import PROBE_SECONDS, fields, open_client, request
from hsp_otp.adapters.sms.provider import URL_TAKES, Means, Probed, Provider, setting, text, url
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import SECOND, Duration
from hsp_otp.ports.failures import SmsFailed, SmsRefusedHere, SmsRejected
from hsp_otp.ports.sms import SEND_WITHIN, Receipt, Sms, SmsSender

NAME: Final = "twilio"

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

_STATES: Final = {
    "accepted": DeliveryState.QUEUED,
    "scheduled": DeliveryState.QUEUED,
    "queued": DeliveryState.QUEUED,
    "sending": DeliveryState.QUEUED,
    "sent": DeliveryState.SENT,
    "delivered": DeliveryState.DELIVERED,
    "read": DeliveryState.DELIVERED,
    "undelivered": DeliveryState.UNDELIVERED,
    "failed": DeliveryState.FAILED,
    "canceled": DeliveryState.FAILED,
}


class _HttpClient(AsyncHttpClient):
    """
    The package's requests over a client with a deadline.

    The package's own asynchronous client ignores timeouts. Redirects are not followed and
    nothing is tried twice: sending is not idempotent.
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


@attrs.frozen(kw_only=True)
class TwilioAccount:
    """Twilio's settings."""

    account_sid: str = setting(
        text,
        "",
        "Twilio's name for the account",
        takes="a text",
        shown_default="none",
        required=True,
    )
    auth_token: str = setting(
        text,
        "",
        "signs in to Twilio, and checks its callbacks",
        takes="a text",
        shown_default="none",
        secret=True,
        required=True,
    )
    from_: str = setting(
        text,
        "",
        "number or name that messages come from",
        takes="a number in E.164 or a name, where there is no messaging service",
        shown_default="none",
    )
    messaging_service_sid: str = setting(
        text, "", "Twilio's pool of numbers", takes="a text", shown_default="none"
    )
    base_url: str = setting(
        url,
        "https://api.twilio.com",
        "where Twilio's API is: a region, a test gateway",
        takes=URL_TAKES,
    )


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
        """Keep the promise of `SmsSender.available`."""
        return True

    async def send(self, sms: Sms, within: Duration = SEND_WITHIN) -> Receipt:
        """Keep the promise of `SmsSender.send`."""
        account = self._account
        by = {"from_": account.from_}
        if account.messaging_service_sid:
            by = {"messaging_service_sid": account.messaging_service_sid}
        if self._callback:
            by["status_callback"] = self._callback
        # Unless told otherwise, Twilio queues a message for ten hours.
        validity = min(max(sms.useful_for // SECOND, _LEAST_VALIDITY), _MOST_VALIDITY)
        try:
            async with asyncio.timeout(within / SECOND):
                message = await self._client.messages.create_async(
                    to=sms.to.e164, body=sms.text, validity_period=validity, **by
                )
            sid: object = message.sid
            if isinstance(sid, str) and sid:
                return Receipt(sender=NAME, provider_message_id=sid)
            failure = SmsFailed("Twilio did not name the message")
        except (TwilioRestException, TwilioServiceException) as error:
            failure = _failure(error.status, error.code)
        except Exception as error:  # noqa: BLE001
            # The package stumbles in many ways over an answer that is none, and it may have gone
            # out all the same.
            failure = SmsFailed(f"Twilio did not answer: {type(error).__name__}")
        # Out here, so that the error is not in its context: it may hold the number or the code.
        raise failure


async def _probe(account: TwilioAccount, _: Means) -> Probed:
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


def _failure(given: object, code: object) -> SmsFailed:
    """What an answer means that is no success: https://www.twilio.com/docs/api/errors."""
    status = _status(given)
    if not isinstance(code, int) or code not in _CODES:  # whatever the answer had in its place
        return SmsFailed(f"Twilio answered {status}")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _UNWELL_STATUSES or code in _UNWELL:
        return SmsFailed(f"Twilio answered {status}: {code}")
    refusal = SmsRejected if code in _REJECTED else SmsRefusedHere
    return refusal(f"Twilio refused the message: {code}")


@attrs.frozen
class TwilioReceipts:
    """
    Reads status callbacks, which are forms.

    Attributes:
        url: The callback's address as Twilio knows it, which the signature covers.
    """

    auth_token: str = attrs.field(repr=False)
    url: str

    def is_signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Keep the promise of `Receipts.is_signed`."""
        validator: Any = RequestValidator(self.auth_token)
        signature = headers.get("x-twilio-signature", "")
        return bool(validator.validate(self.url, _form(body), signature))

    def read(self, body: bytes) -> tuple[str, DeliveryState] | None:
        """Keep the promise of `Receipts.read`."""
        form = _form(body)
        state = _STATES.get(form.get("MessageStatus", ""))
        message_id = form.get("MessageSid", "")
        return (message_id, state) if message_id and state else None


def _form(body: bytes) -> dict[str, str]:
    return fields(body.decode("latin-1"))


@asynccontextmanager
async def _open(account: TwilioAccount, means: Means) -> AsyncGenerator[SmsSender]:
    async with open_client() as client:
        yield TwilioSms(account, client, means.callback)


def _receipts(account: TwilioAccount, means: Means) -> TwilioReceipts | None:
    return TwilioReceipts(account.auth_token, means.callback) if means.callback else None


def _check(account: TwilioAccount, _: str | None) -> None:
    if bool(account.from_) == bool(account.messaging_service_sid):
        raise ValueError(
            "HSP_OTP_TWILIO_FROM: twilio needs either it or HSP_OTP_TWILIO_MESSAGING_SERVICE_SID"
        )


TWILIO: Final = Provider(
    name=NAME, account=TwilioAccount, open=_open, receipts=_receipts, check=_check, probe=_probe
)
