"""What Twilio's clients read: the resources of Verify."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hsp_otp.domain.apps import ACCOUNT, APP, MOST_APPS, App
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import SECOND, Instant, to_iso
from hsp_otp.domain.names import sid_of
from hsp_otp.domain.verification_record import SEND, VERIFICATION, Status, Verification
from hsp_otp.entrypoints.http.twilio_verify.parameters import CHANNELS
from hsp_otp.entrypoints.http.twilio_verify.problems import status_word
from hsp_otp.flows.verification_outcomes import Success, View
from hsp_otp.ports.verifications import KeptSend

SERVICES: Final = "/v2/Services"

_THEIRS: Final = {ours: theirs for theirs, ours in CHANNELS.items()}
_OF_ATTEMPTS: Final = {"sms": "SMS", "voice": "CALL", "email": "EMAIL"}


class Attempt(msgspec.Struct):
    """A message that was sent."""

    time: str
    channel: str
    attempt_sid: str

    @classmethod
    def of(cls, send: KeptSend) -> "Attempt":
        """Create the body for *send*."""
        channel = send.channel.value
        return cls(
            time=_date(send.at),
            channel=_OF_ATTEMPTS.get(channel, channel),
            attempt_sid=sid_of(send.id, SEND),
        )


class CheckResource(msgspec.Struct, kw_only=True):
    """A verification after a check. No purpose has transactions yet."""

    sid: str
    service_sid: str
    account_sid: str
    to: str
    channel: str
    status: str
    valid: bool
    amount: None = None
    payee: None = None
    date_created: str
    date_updated: str
    sna_attempts_error_codes: list[str] = []

    @classmethod
    def pending(cls, app: App, view: View) -> "CheckResource":
        """Create the body for a code that was not the right one."""
        return cls(
            **_members(app, view.verification, view.channel, Status.PENDING, view.updated_at)
        )

    @classmethod
    def approved(cls, app: App, success: Success) -> "CheckResource":
        """Create the body for the right code."""
        verification, channel = success.verification, success.channel
        return cls(**_members(app, verification, channel, Status.APPROVED, success.approved_at))


class VerificationResource(msgspec.Struct, kw_only=True):
    """A verification as it stands."""

    sid: str
    service_sid: str
    account_sid: str
    to: str
    channel: str
    status: str
    valid: bool
    lookup: dict[str, None]
    amount: None = None
    payee: None = None
    send_code_attempts: list[Attempt]
    date_created: str
    date_updated: str
    sna: None = None
    url: str

    @classmethod
    def of(
        cls, app: App, view: View, sends: Sequence[KeptSend], base_url: str
    ) -> "VerificationResource":
        """Create the body for *view*, with the messages that were sent."""
        members = _members(app, view.verification, view.channel, view.status, view.updated_at)
        return cls(
            **members,
            lookup={"carrier": None},
            send_code_attempts=[Attempt.of(one) for one in sends],
            url=f"{_url(app, base_url)}/Verifications/{members['sid']}",
        )


class ServiceResource(msgspec.Struct, kw_only=True):
    """An app, which Twilio calls a service."""

    sid: str
    account_sid: str
    friendly_name: str
    code_length: int
    lookup_enabled: bool = False
    psd2_enabled: bool = False
    skip_sms_to_landlines: bool = True
    dtmf_input_required: bool = True
    tts_name: None = None
    do_not_share_warning_enabled: bool = True
    custom_code_enabled: bool = False
    push: None = None
    totp: None = None
    default_template_sid: None = None
    whatsapp: None = None
    passkeys: None = None
    verify_event_subscription_enabled: bool = False
    date_created: str
    date_updated: str
    url: str
    links: dict[str, str]

    @classmethod
    def of(cls, app: App, digits: int, base_url: str) -> "ServiceResource":
        """Create the body for *app*, whose codes have so many *digits*."""
        url = _url(app, base_url)
        return cls(
            sid=sid_of(app.id, APP),
            account_sid=sid_of(app.account_id, ACCOUNT),
            friendly_name=app.rules.service_name,
            code_length=digits,
            date_created=_date(app.made_at),
            date_updated=_date(app.changed_at),
            url=url,
            links={
                "verifications": f"{url}/Verifications",
                "verification_checks": f"{url}/VerificationCheck",
            },
        )


class PageMeta(msgspec.Struct, kw_only=True):
    """Where a list stands in the answers that it is made of."""

    page: int = 0
    page_size: int
    first_page_url: str
    previous_page_url: None = None
    url: str
    next_page_url: None = None
    key: str = "services"


class ServicesResource(msgspec.Struct):
    """All services of a key, on one page."""

    services: list[ServiceResource]
    meta: PageMeta

    @classmethod
    def of(cls, services: list[ServiceResource], base_url: str) -> "ServicesResource":
        """Create the body for *services*."""
        url = base_url + SERVICES
        return cls(services, PageMeta(page_size=MOST_APPS, first_page_url=url, url=url))


def _members(
    app: App, verification: Verification, channel: Channel, status: Status, updated_at: Instant
) -> dict[str, Any]:
    """Return the members that a verification and a check share."""
    return {
        "sid": sid_of(verification.id, VERIFICATION),
        "service_sid": sid_of(app.id, APP),
        "account_sid": sid_of(app.account_id, ACCOUNT),
        "to": verification.contact.value,
        "channel": _THEIRS[channel.value],
        "status": status_word(status),
        "valid": status is Status.APPROVED,
        "date_created": _date(verification.created_at),
        "date_updated": _date(updated_at),
    }


def _date(at: Instant) -> str:
    """Return *at* in whole seconds: with a fraction, the clients for Python leave it a text."""
    return to_iso(Instant(at - at % SECOND))


def _url(app: App, base_url: str) -> str:
    return f"{base_url}{SERVICES}/{sid_of(app.id, APP)}"
