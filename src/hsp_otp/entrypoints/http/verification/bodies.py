"""The bodies of requests and answers about verifications."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hsp_otp.domain.challenge_outcomes import Locked
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import SECOND, Instant, seconds_until, to_iso
from hsp_otp.domain.names import Language
from hsp_otp.domain.quota import Headroom
from hsp_otp.domain.verification_record import Status
from hsp_otp.domain.verification_request import Flaw, Given
from hsp_otp.entrypoints.client_address import read_client
from hsp_otp.entrypoints.http.languages import look_up
from hsp_otp.entrypoints.http.problems import waits_of
from hsp_otp.entrypoints.http.requests import given
from hsp_otp.flows.verification_outcomes import Prospect, Success, View
from hsp_otp.ports.verifications import Event, KeptSend

START: Final = {
    "to": "+919876543210",
    "purpose": "login_verification",
    "subject": "4711",
    "client_ip": "198.51.100.7",
    "locale": "en-IN",
    "metadata": {"order": "A-17"},
}
"""An example for the document, and so are the ones below."""

ASK: Final = {"to": "+919876543210", "purpose": "login_verification", "subject": "4711"}

VERIFICATION: Final[dict[str, Any]] = {
    "id": "aI7HpmwPr-rSBiYSYhURXQ",
    "status": "pending",
    "to_masked": "***-***-3210",
    "purpose": "login_verification",
    "channel": "sms",
    "attempts_remaining": 3,
    "created_at": "2026-11-29T15:00:00Z",
    "expires_at": "2026-11-29T15:05:00Z",
    "updated_at": "2026-11-29T15:00:00Z",
    "expires_in": 300,
    "resend_in": 30,
    "next": {"sms": 30},
    "metadata": {"order": "A-17"},
}

SENT: Final = VERIFICATION | {"resent": False}

RESENT: Final = VERIFICATION | {
    "resent": True,
    "updated_at": "2026-11-29T15:00:31Z",
    "expires_in": 269,
}

CANCELED: Final = VERIFICATION | {
    "status": "canceled",
    "attempts_remaining": 0,
    "updated_at": "2026-11-29T15:00:31Z",
    "expires_in": 0,
    "resend_in": 0,
    "next": {"sms": 0},
}

FOUND: Final = VERIFICATION | {
    "sends": [
        {
            "id": "Jm6kuZjkxQ8MzZ4kB7ZbYg",
            "at": "2026-11-29T15:00:00Z",
            "channel": "sms",
            "sender": "twilio",
            "state": "delivered",
            "state_at": "2026-11-29T15:00:04Z",
        }
    ],
    "events": [{"at": "2026-11-29T15:00:00Z", "event": "send", "outcome": "sent"}],
}

APPROVED: Final = {
    "id": "aI7HpmwPr-rSBiYSYhURXQ",
    "status": "approved",
    "valid": True,
    "to_masked": "***-***-3210",
    "channel": "sms",
    "purpose": "login_verification",
    "approved_at": "2026-11-29T15:00:20Z",
    "proof": "eyJhbGciOiJFUzI1NiIsImtpZCI6ImRldiIsInR5cCI6InByb29mK2p3dCJ9.…",
}

STANDING: Final = {
    "admitted": False,
    "error": "resend_too_soon",
    "next": {"sms": 12},
    "limits": [
        {
            "limit": "phone_rate_limited",
            "remaining": 9,
            "window_seconds": 86400,
            "retry_after_seconds": 0,
        },
        {
            "limit": "app_rate_limited",
            "remaining": 59,
            "window_seconds": 60,
            "retry_after_seconds": 0,
        },
    ],
    "attempts_remaining": 3,
}


class StandingRequestBody(msgspec.Struct):
    """Whom a start would be for; the members are those of a start."""

    app: str | None = None
    to: str | None = None
    purpose: str | None = None
    subject: str | None = None
    client_ip: str | None = None
    limits: dict[str, str] | None = None


class StartBody(msgspec.Struct):
    """What to verify; `app` is for the API keys of accounts."""

    app: str | None = None
    to: str | None = None
    channel: str | None = None
    purpose: str | None = None
    subject: str | None = None
    client_ip: str | None = None
    locale: str | None = None
    app_hash: str | None = None
    transaction: dict[str, str] | None = None
    limits: dict[str, str] | None = None
    metadata: dict[str, str] | None = None


class ResendBody(msgspec.Struct):
    """How to send the code again; without `channel`, as it was asked for first."""

    channel: str | None = None


class CancelBody(msgspec.Struct):
    """A request without members."""


class CheckBody(msgspec.Struct):
    """A code as a person typed it; a code that was sent to anything but `to` is wrong."""

    code: str | None = None
    client_ip: str | None = None
    to: str | None = None
    transaction: dict[str, str] | None = None


class SendBody(msgspec.Struct):
    """A message; `sender` and `state` are null while it is not known who took it."""

    id: str
    at: str
    channel: str
    sender: str | None
    state: str | None
    state_at: str | None

    @classmethod
    def of(cls, send: KeptSend) -> "SendBody":
        """Create the body for *send*."""
        return cls(
            id=send.id,
            at=to_iso(send.at),
            channel=send.channel.value,
            sender=send.sender,
            state=None if send.state is None else send.state.value,
            state_at=None if send.state_at is None else to_iso(send.state_at),
        )


class EventBody(msgspec.Struct):
    """A request about the verification, and its outcome."""

    at: str
    event: str
    outcome: str

    @classmethod
    def of(cls, event: Event) -> "EventBody":
        """Create the body for *event*."""
        return cls(at=to_iso(event.at), event=event.event, outcome=event.outcome)


class VerificationBody(msgspec.Struct, kw_only=True):
    """
    A verification as it stands.

    Seconds: `expires_in` that are left of the code's life, `resend_in` until its channel may be
    used again, `next` until each channel may be (null: only an operator can unlock). `test` is
    there for test contacts alone, to which nothing is sent.
    """

    id: str
    status: str
    to_masked: str
    purpose: str
    channel: str
    resent: bool | msgspec.UnsetType = msgspec.UNSET
    attempts_remaining: int
    created_at: str
    expires_at: str
    updated_at: str
    expires_in: int
    resend_in: int | None
    next: dict[str, int | None]
    metadata: dict[str, str]
    test: bool | msgspec.UnsetType = msgspec.UNSET
    sends: list[SendBody] | msgspec.UnsetType = msgspec.UNSET
    events: list[EventBody] | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, view: View, **more: Any) -> "VerificationBody":  # noqa: ANN401 - the other members
        """Create the body for *view*, with *more* members."""
        verification, waits = view.verification, waits_of(view.next, view.at)
        lives = view.status is Status.PENDING
        return cls(
            id=verification.id,
            status=view.status.value,
            to_masked=verification.contact.masked,
            purpose=verification.purpose.value,
            channel=view.channel.value,
            attempts_remaining=view.attempts_remaining,
            created_at=to_iso(verification.created_at),
            expires_at=to_iso(verification.expires_at),
            updated_at=to_iso(view.updated_at),
            expires_in=(verification.expires_at - view.at) // SECOND if lives else 0,
            resend_in=waits.get(view.channel.value),
            next=waits,
            metadata=dict(verification.metadata),
            test=verification.test or msgspec.UNSET,
            **more,
        )


class ApprovedBody(msgspec.Struct):
    """
    A right code.

    `proof` is for another service, if the app has an audience for proofs. `test` is there for test
    contacts alone: nobody has proved anything.
    """

    id: str
    to_masked: str
    channel: str
    purpose: str
    approved_at: str
    status: str = Status.APPROVED.value
    valid: bool = True
    proof: str | msgspec.UnsetType = msgspec.UNSET
    test: bool | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, success: Success) -> "ApprovedBody":
        """Create the body for *success*."""
        verification = success.verification
        return cls(
            id=verification.id,
            to_masked=verification.contact.masked,
            channel=success.channel.value,
            purpose=verification.purpose.value,
            approved_at=to_iso(success.approved_at),
            proof=success.proof or msgspec.UNSET,
            test=verification.test or msgspec.UNSET,
        )


class LimitBody(msgspec.Struct):
    """
    What is left of a limit.

    `name` is the app's name of a named one; `channel` is there if only sends by it are counted.
    """

    limit: str
    remaining: int
    window_seconds: int
    retry_after_seconds: int
    name: str | msgspec.UnsetType = msgspec.UNSET
    channel: str | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, left: Headroom, now: Instant, channel: Channel | None = None) -> "LimitBody":
        """Create the body for *left* at the instant *now*; *channel* is the only one it counts."""
        return cls(
            limit=left.limit.value,
            remaining=left.remaining,
            window_seconds=left.window // SECOND,
            retry_after_seconds=seconds_until(left.retry_at, now),
            name=left.name or msgspec.UNSET,
            channel=msgspec.UNSET if channel is None else channel.value,
        )


class StandingBody(msgspec.Struct):
    """
    What a start would meet.

    `attempts_remaining` is of the live code, if there is one; `locked_until` is there if time
    unlocks.
    """

    admitted: bool
    next: dict[str, int | None]
    limits: list[LimitBody]
    error: str | msgspec.UnsetType = msgspec.UNSET
    locked_until: str | msgspec.UnsetType = msgspec.UNSET
    attempts_remaining: int | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, prospect: Prospect, now: Instant) -> "StandingBody":
        """Create the body for *prospect* at the instant *now*."""
        told = prospect.prospects
        unlocks = told.why.retry_at if isinstance(told.why, Locked) else None
        left = told.attempts_remaining
        return cls(
            admitted=told.why is None,
            next=waits_of(prospect.next, now),
            limits=[
                *(LimitBody.of(one, now) for one in told.limits),
                *(LimitBody.of(one, now, Channel.VOICE) for one in told.call_limits),
            ],
            error=msgspec.UNSET if told.why is None else told.why.word,
            locked_until=msgspec.UNSET if unlocks is None else to_iso(unlocks),
            attempts_remaining=msgspec.UNSET if left is None else left,
        )


def given_by(data: StartBody | StandingRequestBody, languages: Sequence[Language]) -> Given:
    """Return what a backend wrote, as far as it can be read without its app's rules."""
    flaws = set[Flaw]()
    address, client, language = given(data.client_ip), None, None
    if address is not None:
        client = read_client(address)
        if client is None:
            flaws.add(Flaw.CLIENT)
    told = data if isinstance(data, StartBody) else StartBody()
    tag = given(told.locale)
    if tag is not None:
        try:
            language = look_up(tag, languages)
        except ValueError:
            flaws.add(Flaw.LOCALE)
    if told.transaction is not None:
        flaws.add(Flaw.TRANSACTION)
    return Given(
        to=given(data.to),
        channel=given(told.channel),
        purpose=given(data.purpose),
        subject=given(data.subject),
        client=client,
        language=language,
        app_hash=given(told.app_hash),
        limits=data.limits or {},
        metadata=told.metadata or {},
        unread=frozenset(flaws),
    )
