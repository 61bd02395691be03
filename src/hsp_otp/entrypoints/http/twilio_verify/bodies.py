"""What Twilio's clients read and write: the resources of Verify."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec

from hsp_otp.adapters.messages import check_service_name
from hsp_otp.domain.apps import ACCOUNT, APP, MOST_APPS, App
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import SECOND, Instant, to_iso
from hsp_otp.domain.names import Language, sid_of
from hsp_otp.domain.verification_record import Status, Verification
from hsp_otp.domain.verification_request import Flaw, Given
from hsp_otp.entrypoints.http.strict_json import read_members
from hsp_otp.entrypoints.http.twilio_verify.problems import (
    CODE_LENGTH,
    CUSTOM_CODE,
    CUSTOM_NAME,
    NO_CHANNEL,
    NO_CODE,
    NOTHING_TO_CHECK,
    SEND_DIGITS,
    UNKNOWN_CHANNEL,
    Fault,
    status_word,
)
from hsp_otp.entrypoints.http.verification.bodies import StartBody, given_by
from hsp_otp.flows.verification_outcomes import Success, View
from hsp_otp.ports.verifications import KeptSend

VERIFICATION: Final = "VE"
SEND: Final = "VL"
"""The letters of ids in hex digits."""

SERVICES: Final = "/v2/Services"

_OURS: Final = {
    "sms": "sms", "call": "voice", "email": "email", "whatsapp": "whatsapp", "auto": None,
}  # fmt: skip
"""Channels by the names that Twilio's clients give them; None for the order of the app."""

_THEIRS: Final = {ours: theirs for theirs, ours in _OURS.items()}
_OF_ATTEMPTS: Final = {"sms": "SMS", "voice": "CALL", "email": "EMAIL"}

_OF_TRANSACTIONS: Final = "transaction_confirmation"
"""The purpose of a verification with an amount and a payee, which no app has yet."""

_FEWEST_CHARACTERS: Final = 4
_MOST_CHARACTERS: Final = 10
"""Of a code that is judged."""

IGNORED: Final = (
    "ChannelConfiguration",
    "CustomMessage",
    "EnableSnaClientToken",
    "RiskCheck",
    "TemplateCustomSubstitutions",
    "TemplateSid",
)
"""Parameters of a start without effect: they change how a message looks, not who is proved."""


class AttemptBody(msgspec.Struct):
    """A message that was sent."""

    time: str
    channel: str
    attempt_sid: str

    @classmethod
    def of(cls, send: KeptSend) -> "AttemptBody":
        """Create the body for *send*."""
        channel = send.channel.value
        return cls(
            time=_date(send.at),
            channel=_OF_ATTEMPTS.get(channel, channel),
            attempt_sid=sid_of(send.id, SEND),
        )


class CheckBody(msgspec.Struct, kw_only=True):
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
    def pending(cls, app: App, view: View) -> "CheckBody":
        """Create the body for a code that was not the right one."""
        return cls(
            **_members(app, view.verification, view.channel, Status.PENDING, view.updated_at)
        )

    @classmethod
    def approved(cls, app: App, success: Success) -> "CheckBody":
        """Create the body for the right code."""
        verification, channel = success.verification, success.channel
        return cls(**_members(app, verification, channel, Status.APPROVED, success.approved_at))


class VerificationBody(msgspec.Struct, kw_only=True):
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
    send_code_attempts: list[AttemptBody]
    date_created: str
    date_updated: str
    sna: None = None
    url: str

    @classmethod
    def of(
        cls, app: App, view: View, sends: Sequence[KeptSend], base_url: str
    ) -> "VerificationBody":
        """Create the body for *view*, with the messages that were sent."""
        members = _members(app, view.verification, view.channel, view.status, view.updated_at)
        return cls(
            **members,
            lookup={"carrier": None},
            send_code_attempts=[AttemptBody.of(one) for one in sends],
            url=f"{_url(app, base_url)}/Verifications/{members['sid']}",
        )


class ServiceBody(msgspec.Struct, kw_only=True):
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
    def of(cls, app: App, digits: int, base_url: str) -> "ServiceBody":
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


class PageBody(msgspec.Struct, kw_only=True):
    """Where a list stands in the answers that it is made of."""

    page: int = 0
    page_size: int
    first_page_url: str
    previous_page_url: None = None
    url: str
    next_page_url: None = None
    key: str = "services"


class ServicesBody(msgspec.Struct):
    """All services of a key, on one page."""

    services: list[ServiceBody]
    meta: PageBody

    @classmethod
    def of(cls, services: list[ServiceBody], base_url: str) -> "ServicesBody":
        """Create the body for *services*."""
        url = base_url + SERVICES
        return cls(services, PageBody(page_size=MOST_APPS, first_page_url=url, url=url))


def given_by_form(form: Mapping[str, str], languages: Sequence[Language]) -> Given | Fault:
    """Return what the parameters of a start ask for, as far as the app's rules are not needed."""
    if "CustomCode" in form:
        return CUSTOM_CODE
    if "SendDigits" in form:
        return SEND_DIGITS
    channel = form.get("Channel")
    if channel is None:
        return NO_CHANNEL
    if channel not in _OURS:
        return UNKNOWN_CHANNEL
    transaction = {"Amount", "Payee"} & form.keys()
    flaws = {Flaw.TRANSACTION} if len(transaction) == 1 else set[Flaw]()
    pairs: dict[Flaw, dict[str, str]] = {}
    for flaw, parameter in ((Flaw.LIMITS, "RateLimits"), (Flaw.METADATA, "Tags")):
        try:
            pairs[flaw] = read_members(form.get(parameter, "{}").encode(), dict[str, str])
        except ValueError:
            flaws.add(flaw)
    found = given_by(
        StartBody(
            to=form.get("To"),
            channel=_OURS[channel],
            purpose=_OF_TRANSACTIONS if len(transaction) > 1 else None,
            client_ip=form.get("DeviceIp"),
            locale=form.get("Locale"),
            app_hash=form.get("AppHash"),
            limits=pairs.get(Flaw.LIMITS),
            metadata=pairs.get(Flaw.METADATA),
        ),
        languages,
    )
    return attrs.evolve(found, unread=found.unread | flaws)


def named_by_form(form: Mapping[str, str], app: App) -> App | Fault:
    """Return *app* with the name that it has in this message."""
    name = form.get("CustomFriendlyName")
    if name is None:
        return app
    try:
        rules = attrs.evolve(app.rules, service_name=check_service_name(name))
    except ValueError:
        return CUSTOM_NAME
    return attrs.evolve(app, rules=rules)


@attrs.frozen(kw_only=True)
class PresentedForm:
    """
    What the parameters of a check present.

    Attributes:
        sid: Of the verification; None leaves it to the contact.
        to: What the code was sent to; None if there is a `sid` alone.
        is_bound: To a transaction.
    """

    code: str = attrs.field(repr=False)
    sid: str | None
    to: str | None = attrs.field(repr=False)
    is_bound: bool


def presented_by_form(form: Mapping[str, str]) -> PresentedForm | Fault:
    """Return what the parameters of a check present."""
    code, sid, to = (form.get(name) for name in ("Code", "VerificationSid", "To"))
    if code is None:
        return NO_CODE
    if not _FEWEST_CHARACTERS <= len(code) <= _MOST_CHARACTERS:
        return CODE_LENGTH
    if sid is None and to is None:
        return NOTHING_TO_CHECK
    return PresentedForm(code=code, sid=sid, to=to, is_bound="Amount" in form or "Payee" in form)


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
