"""Accounts and apps: the tenants whose backends have contacts verified, and their rules."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import attrs
from attrs import validators

from hsp_otp.domain import policy
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant
from hsp_otp.domain.names import ENGLISH, Language
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import APP_PURPOSES, Purpose
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.wordings import Wording, Wordings

ACCOUNT: Final = "AC"
"""The letters of an account's id in hex digits."""

APP: Final = "VA"
"""The letters of an app's id in hex digits; Twilio calls an app a service."""

MOST_APPS: Final = 100
"""The most apps of an account, so that a list of them fits on a page."""

_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")
_LIMIT_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_QUOTA: Final = re.compile(r"([0-9]{1,7}) in ([0-9]{1,5}) s")

_MOST: Final = 1_000_000
"""The highest value of a limit, as in the settings."""


class MalformedNameError(ValueError):
    """The text is not a name of an account, an app or a limit."""


class MalformedQuotaError(ValueError):
    """The text is not a quota."""


def _between(default: int | None, least: int, most: int) -> Any:  # noqa: ANN401 - as attrs.field
    """Define a number from *least* to *most*, which the reader of apps files learns from here."""
    bounds = validators.and_(validators.ge(least), validators.le(most))
    return attrs.field(
        default=default, validator=validators.optional(bounds), metadata={"bounds": (least, most)}
    )


@attrs.frozen(kw_only=True)
class AppLimits:
    """
    The limits of an app; 0 switches one off.

    Attributes:
        sends_per_client_hour: Where the backend names the client, as in the one below.
    """

    sends_per_minute: int = _between(policy.APP_SENDS_PER_MINUTE, 0, _MOST)
    sends_per_day: int = _between(policy.APP_SENDS_PER_DAY, 0, _MOST)
    sends_per_client_hour: int = _between(policy.APP_SENDS_PER_CLIENT_HOUR, 0, _MOST)
    checks_per_client_hour: int = _between(policy.APP_CHECKS_PER_CLIENT_HOUR, 0, _MOST)

    @property
    def sends(self) -> tuple[Quota, ...]:
        """Sends of the app."""
        return Quota(self.sends_per_minute, MINUTE), Quota(self.sends_per_day, DAY)

    @property
    def client_sends(self) -> Quota:
        """Sends of the app from one client address."""
        return Quota(self.sends_per_client_hour, HOUR)

    @property
    def client_checks(self) -> Quota:
        """Presented codes of the app from one client address."""
        return Quota(self.checks_per_client_hour, HOUR)


@attrs.frozen(kw_only=True)
class PurposeNumbers:
    """
    The numbers in which an app departs from the service's for one purpose; None departs in nothing.

    Attributes:
        call_cooldown_seconds: Where it is silent and there is no other cooldown, there is none.
        sends_per_contact_day: Where the service has fewer, its own number holds.
        email: Whether it may be for e-mail addresses.
    """

    digits: int | None = _between(None, *policy.CODE_DIGITS_RANGE)
    lifetime_seconds: int | None = _between(None, 1, policy.MAX_CODE_SECONDS)
    max_attempts: int | None = _between(None, 1, policy.APP_MAX_ATTEMPTS)
    cooldown_seconds: int | None = _between(None, 0, DAY // SECOND)
    call_cooldown_seconds: int | None = _between(None, 0, DAY // SECOND)
    sends_per_contact_day: int | None = _between(None, 1, _MOST)
    email: bool | None = None

    def applied_to(self, numbers: Policy) -> Policy:
        """The service's *numbers* with those of the app in their place."""
        cooldown = _in_microseconds(self.cooldown_seconds, numbers.cooldown)
        return attrs.evolve(
            numbers,
            digits=_given(self.digits, numbers.digits),
            lifetime=_in_microseconds(self.lifetime_seconds, numbers.lifetime),
            max_attempts=_given(self.max_attempts, numbers.max_attempts),
            cooldown=cooldown,
            call_cooldown=_in_microseconds(
                self.call_cooldown_seconds, numbers.call_cooldown if cooldown else 0
            ),
            contact_sends=self._contact_sends(numbers.contact_sends),
            mailbox_sends=self._contact_sends(numbers.mailbox_sends),
        )

    def _contact_sends(self, service: Quota) -> Quota:
        # An app cannot let a person be sent more than the operator does.
        own = _given(self.sends_per_contact_day, service.limit)
        return Quota(min(own, service.limit or own), service.window)


@attrs.frozen(kw_only=True)
class Account:
    """
    A tenant, who has apps.

    Attributes:
        id: A public id.
        name: Unique in the service.
    """

    id: str
    name: str
    made_at: Instant


def default_purposes() -> dict[ContactKind, Purpose]:
    """The purpose of a verification whose app says nothing of it, by the kind of contact."""
    return {
        ContactKind.PHONE: Purpose.PHONE_VERIFICATION,
        ContactKind.EMAIL: Purpose.EMAIL_VERIFICATION,
    }


def default_channels() -> dict[ContactKind, tuple[Channel, ...]]:
    """The channels of an app that says nothing of them."""
    return {ContactKind.PHONE: (Channel.SMS,), ContactKind.EMAIL: (Channel.EMAIL,)}


@attrs.frozen(kw_only=True)
class AppRules:
    """
    The rules of an app, which an operator writes.

    Attributes:
        service_name: In messages.
        regions: ISO 3166-1 alpha-2 codes of the regions whose numbers may be verified; numbers in
            national format are of the first. Empty means those that may sign up.
        default_purposes: The purpose of a verification that names none.
        default_language: Of messages that are not asked for in a language.
        proof_audience: The audience of its proofs; None makes no proofs.
        client_ip_required: A verification has to name the client's address.
        channels: By which it may send, in the order of falling back.
        senders: The names of senders that it may use for a channel, in the order to try them. A
            channel without any may use all, in the service's order.
        web_origin: The host in the last line of text messages, for autofill in browsers.
        email_from: The address that its e-mails come from, if it is not the service's.
        named_limits: Limits on values that the backend names.
        purposes: Where it departs from the service's numbers.
        texts: Where its messages depart from the service's.
    """

    service_name: str
    regions: tuple[str, ...] = ()
    default_purposes: Mapping[ContactKind, Purpose] = attrs.field(factory=default_purposes)
    default_language: Language = ENGLISH
    proof_audience: str | None = None
    client_ip_required: bool = False
    channels: Mapping[ContactKind, tuple[Channel, ...]] = attrs.field(factory=default_channels)
    senders: Mapping[Channel, tuple[str, ...]] = attrs.field(factory=dict[Channel, tuple[str, ...]])
    web_origin: str | None = None
    email_from: str | None = None
    limits: AppLimits = AppLimits()
    named_limits: Mapping[str, tuple[Quota, ...]] = attrs.field(
        factory=dict[str, tuple[Quota, ...]]
    )
    purposes: Mapping[Purpose, PurposeNumbers] = attrs.field(factory=dict[Purpose, PurposeNumbers])
    texts: Wordings = attrs.field(factory=dict[Purpose, Mapping[Language, Wording]])

    def allows(self, purpose: Purpose, kind: ContactKind) -> bool:
        """Whether codes for *purpose* may be sent to contacts of that kind."""
        row = APP_PURPOSES.get(purpose)
        if row is None or kind not in row.contacts:
            return False
        own = self.purposes.get(purpose, PurposeNumbers()).email
        return kind not in row.off if kind is not ContactKind.EMAIL or own is None else own

    def policy_of(self, purpose: Purpose, numbers: Policy) -> Policy:
        """The numbers of the app's codes for *purpose*, where the service's are *numbers*."""
        return self.purposes.get(purpose, PurposeNumbers()).applied_to(numbers)


@attrs.frozen(kw_only=True)
class App:
    """
    What codes are sent for.

    Attributes:
        id: A public id.
        name: Unique in the service.
        changed_at: When an import last changed its rules or its account.
    """

    id: str
    account_id: str
    name: str
    rules: AppRules
    made_at: Instant
    changed_at: Instant


@attrs.frozen
class AppNotFound:
    """A key does not act for such an app."""

    word: ClassVar[str] = "app_not_found"


def app_named(apps: Mapping[str, App], name: str | None, own: str | None) -> App | AppNotFound:
    """
    The app that a request is for.

    Args:
        apps: Those that its key acts for, by their ids.
        name: The id or name of the app; None if the request names none.
        own: The id of the app whose key it is; None for the key of an account.
    """
    wanted = own if name is None else name
    by_name = {one.name: one for one in apps.values()}
    return AppNotFound() if wanted is None else {**by_name, **apps}.get(wanted) or AppNotFound()


def check_name(text: str) -> str:
    """*text* if it can be the name of an account or app; raises MalformedNameError otherwise."""
    if not _NAME.fullmatch(text):
        raise MalformedNameError("not 1 to 40 of a-z, 0-9 and -")
    return text


def check_limit_name(text: str) -> str:
    """*text* if it can be the name of a limit; raises MalformedNameError otherwise."""
    if not _LIMIT_NAME.fullmatch(text):
        raise MalformedNameError("not 1 to 40 letters, digits, _ and -")
    return text


def read_quota(text: str) -> Quota:
    """
    The quota in a text such as ``5 in 600 s``, with a window of 24 hours at most.

    Raises:
        MalformedQuotaError: The text has another form, or a number out of its range.
    """
    found = _QUOTA.fullmatch(text)
    if found is not None:
        limit, window = int(found[1]), int(found[2]) * SECOND
        if 1 <= limit <= _MOST and 0 < window <= DAY:
            return Quota(limit, window)
    raise MalformedQuotaError("not of the form '5 in 600 s', with a window of at most 86400 s")


def _given(own: int | None, service: int) -> int:
    return service if own is None else own


def _in_microseconds(seconds: int | None, service: int) -> int:
    return service if seconds is None else seconds * SECOND
