"""What the parameters of Twilio's clients ask for."""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from hsp_otp.adapters.messages import check_service_name
from hsp_otp.domain.apps import App
from hsp_otp.domain.names import Language
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
)
from hsp_otp.entrypoints.http.verification.bodies import StartBody, given_by

CHANNELS: Final = {
    "sms": "sms", "call": "voice", "email": "email", "whatsapp": "whatsapp", "auto": None,
}  # fmt: skip
"""Channels by the names that Twilio's clients give them; None for the order of the app."""

HONOURED: Final = (
    *("Locale", "DeviceIp", "RateLimits", "Tags", "AppHash", "CustomFriendlyName"),
    *("Amount", "Payee"),
)
"""The optional parameters of a start that have an effect."""

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


def given_by_form(form: Mapping[str, str], languages: Sequence[Language]) -> Given | Fault:
    """Return what the parameters of a start ask for, as far as the app's rules are not needed."""
    if "CustomCode" in form:
        return CUSTOM_CODE
    if "SendDigits" in form:
        return SEND_DIGITS
    channel = form.get("Channel")
    if channel is None:
        return NO_CHANNEL
    if channel not in CHANNELS:
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
            channel=CHANNELS[channel],
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
