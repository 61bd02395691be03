"""The routes of the sandbox, which only development mode has."""

from typing import Any, Final

import msgspec
from litestar import Response, delete, get
from litestar.params import JSONBody

from hsp_otp.domain.contact import Contact
from hsp_otp.domain.email_address import EmailAddress, InvalidEmailError
from hsp_otp.domain.instant import DAY, SECOND, to_iso
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber
from hsp_otp.entrypoints.http.problems import MALFORMED, MISSING_FIELDS, answer
from hsp_otp.entrypoints.http.requests import AnyRequest, given, post_json, services_of
from hsp_otp.entrypoints.http.signup.problems import INVALID_PHONE
from hsp_otp.entrypoints.http.verification.problems import INVALID_EMAIL
from hsp_otp.entrypoints.services import Sandbox
from hsp_otp.ports.sandbox import SentMessage

_OUTBOX: Final = "/dev/outbox"

_MOST_SECONDS: Final = 366 * DAY // SECOND
"""The furthest that one request may turn the clock."""


class SentMessageBody(msgspec.Struct):
    """A message that was sent, with its code."""

    at: str
    to: str
    channel: str
    text: str
    code: str

    @classmethod
    def of(cls, message: SentMessage) -> "SentMessageBody":
        """Create the body for *message*."""
        return cls(
            at=to_iso(message.at),
            to=message.to,
            channel=message.channel.value,
            text=message.text,
            code=message.code,
        )


class OutboxBody(msgspec.Struct):
    """The latest messages, the newest first."""

    messages: list[SentMessageBody]


class AdvanceBody(msgspec.Struct):
    """How far to turn the clock."""

    advance_seconds: int | None = None


class NowBody(msgspec.Struct):
    """The time of the clock."""

    now: str


@get(_OUTBOX, include_in_schema=False)
async def outbox(request: AnyRequest) -> Response[OutboxBody]:
    """List the latest messages to everybody, or to one contact."""
    messages = _sandbox_of(request).outbox.messages()
    to = given(request.query_params.get("to"))
    if to is not None:
        try:
            contact = _contact(to, services_of(request).settings.default_region)
        except InvalidPhoneError:
            return answer(request, INVALID_PHONE)
        except InvalidEmailError:
            return answer(request, INVALID_EMAIL)
        messages = [one for one in messages if one.to == contact.value]
    return Response(OutboxBody([SentMessageBody.of(one) for one in messages]))


@delete(_OUTBOX, status_code=200, include_in_schema=False)
async def empty_outbox(request: AnyRequest) -> Response[OutboxBody]:
    """Forget all messages."""
    _sandbox_of(request).outbox.clear()
    return Response(OutboxBody([]))


@post_json("/dev/clock", include_in_schema=False)
async def turn_clock(request: AnyRequest, data: JSONBody[AdvanceBody]) -> Response[NowBody]:
    """Turn the clock of all workers forward, before the answer."""
    seconds, clock = data.advance_seconds, _sandbox_of(request).clock
    if seconds is None:
        return answer(request, MISSING_FIELDS)
    if not 0 <= seconds <= _MOST_SECONDS or not clock.advance(seconds * SECOND):
        return answer(request, MALFORMED)
    return Response(NowBody(to_iso(clock.now())))


def _contact(text: str, default_region: str) -> Contact:
    if "@" in text:
        return Contact.of_email(EmailAddress.parse(text))
    return Contact.of_phone(PhoneNumber.parse(text, default_region))


def _sandbox_of(request: AnyRequest) -> Sandbox:
    sandbox = services_of(request).sandbox
    assert sandbox is not None, "there are no such routes without it"  # noqa: S101 - for the types
    return sandbox


ROUTES: Final[tuple[Any, ...]] = (outbox, empty_outbox, turn_clock)
