"""What a backend asks for when it starts a verification, read by the rules of its app."""

import enum
import re
from collections.abc import Mapping
from typing import Final

import attrs

from hsp_otp.domain.app_limits import MOST_NAMED
from hsp_otp.domain.apps import App
from hsp_otp.domain.contact import TEXTS, Channel, Contact, ContactKind
from hsp_otp.domain.email_address import EmailAddress, InvalidEmailError
from hsp_otp.domain.names import ClientAddress, Language
from hsp_otp.domain.phone import (
    InvalidPhoneError,
    NotTextedError,
    PhoneNumber,
    RegionNotAllowedError,
)
from hsp_otp.domain.purposes import APP_PURPOSES, Purpose

_SUBJECT: Final = re.compile("[ -~]{1,128}")
_APP_HASH: Final = re.compile("[A-Za-z0-9+/]{11}")
_KEY: Final = re.compile(r'"([A-Za-z0-9._-]{1,64})"|([A-Za-z0-9._-]{1,64})')
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TEXTS: Final = frozenset(channel.value for channel in TEXTS)

_MOST_CHARACTERS: Final = 128
_MOST_METADATA: Final = 10


class MalformedKeyError(ValueError):
    """The text is not an idempotency key."""


class Flaw(enum.Enum):
    """What makes a request unacceptable, in the order in which that is judged."""

    NO_CONTACT = "to_required"
    PHONE = "invalid_phone"
    EMAIL = "invalid_email"
    REGION = "region_not_allowed"
    NOT_TEXTED = "not_texted"
    NO_CLIENT = "client_ip_required"
    CHANNEL = "channel_not_available"
    PURPOSE = "purpose_not_available"
    SUBJECT = "invalid_subject"
    CLIENT = "invalid_client_ip"
    LOCALE = "invalid_locale"
    APP_HASH = "invalid_app_hash"
    LIMITS = "invalid_limits"
    METADATA = "invalid_metadata"
    TRANSACTION = "transaction_not_allowed"


@attrs.frozen
class Unacceptable:
    """The request cannot be judged. Nothing was charged."""

    flaw: Flaw

    @property
    def word(self) -> str:
        """The stable word of this outcome. A number without texts is one that no code reaches."""
        return Flaw.PHONE.value if self.flaw is Flaw.NOT_TEXTED else self.flaw.value


@attrs.frozen(kw_only=True)
class Given:
    """
    A request for a verification as its backend wrote it; None or empty for what it left out.

    Attributes:
        client: The person's address.
        language: That of the locale.
        limits: Values by the names of the app's limits.
        unread: The flaws that show without the app's rules.
    """

    to: str | None = attrs.field(default=None, repr=False)
    channel: str | None = None
    purpose: str | None = None
    subject: str | None = attrs.field(default=None, repr=False)
    client: ClientAddress | None = None
    language: Language | None = None
    app_hash: str | None = None
    limits: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    metadata: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    unread: frozenset[Flaw] = frozenset()


@attrs.frozen
class Reach:
    """
    Whom the service can send codes to.

    Attributes:
        regions: ISO 3166-1 alpha-2 codes of the numbers that apps without regions of their own may
            have verified.
        default: The region of numbers in national format, if there is one.
        channels: Those that it has senders for.
    """

    regions: frozenset[str]
    default: str | None
    channels: frozenset[Channel]


@attrs.frozen(kw_only=True)
class Wanted:
    """A well-formed request for a verification, with the app's choices where it made none."""

    contact: Contact
    channel: Channel
    purpose: Purpose
    subject: str | None = attrs.field(repr=False)
    client: ClientAddress | None
    language: Language
    app_hash: str | None
    limits: Mapping[str, str] = attrs.field(repr=False)
    metadata: Mapping[str, str] = attrs.field(repr=False)


def read(given: Given, app: App, reach: Reach) -> Wanted | Unacceptable:
    """The request that *given* is, by the rules of *app*; of several flaws, the first counts."""
    contact = read_contact(given.to, app, reach, given.channel)
    if isinstance(contact, Flaw):
        return Unacceptable(contact)
    if app.rules.client_ip_required and given.client is None and Flaw.CLIENT not in given.unread:
        return Unacceptable(Flaw.NO_CLIENT)
    channel = read_channel(given.channel, contact, app, reach)
    if channel is None:
        return Unacceptable(Flaw.CHANNEL)
    purpose = _purpose(given.purpose, contact.kind, app)
    if purpose is None:
        return Unacceptable(Flaw.PURPOSE)
    flaw = _flaw(given, app)
    if flaw is not None:
        return Unacceptable(flaw)
    return Wanted(
        contact=contact,
        channel=channel,
        purpose=purpose,
        subject=given.subject or None,
        client=given.client,
        language=given.language or app.rules.default_language,
        app_hash=given.app_hash or None,
        limits=given.limits,
        metadata=given.metadata,
    )


def read_contact(
    text: str | None, app: App, reach: Reach, channel: str | None = None
) -> Contact | Flaw:
    """The contact in *text*, if codes of *app* may be sent to it, by the named *channel* if any."""
    if not text:
        return Flaw.NO_CONTACT
    return _email(text) if "@" in text else _phone(text, app, reach, channel)


def _email(text: str) -> Contact | Flaw:
    try:
        return Contact.of_email(EmailAddress.parse(text))
    except InvalidEmailError:
        return Flaw.EMAIL


def _phone(text: str, app: App, reach: Reach, channel: str | None) -> Contact | Flaw:
    own = app.rules.regions
    default, regions = (own[0], frozenset(own)) if own else (reach.default, reach.regions)
    called = Channel.VOICE in _usable(app, ContactKind.PHONE, reach) and channel not in _TEXTS
    try:
        return Contact.of_phone(PhoneNumber.parse(text, default, regions, landlines=called))
    except NotTextedError:
        return Flaw.NOT_TEXTED
    except InvalidPhoneError:
        return Flaw.PHONE
    except RegionNotAllowedError:
        return Flaw.REGION


def read_channel(name: str | None, contact: Contact, app: App, reach: Reach) -> Channel | None:
    """
    The channel of that name; the first that leads to *contact* if none is named. None if the app
    cannot use that.
    """
    usable = channels_of(app, contact, reach)
    named = [one for one in usable if not name or one.value == name]
    return named[0] if named else None


def channels_of(app: App, contact: Contact, reach: Reach) -> tuple[Channel, ...]:
    """The channels by which *app* can reach *contact*, in its order: a landline by calls alone."""
    usable = _usable(app, contact.kind, reach)
    # Only where there are calls can it be a landline, and finding out takes a while.
    if Channel.VOICE not in usable or contact.receives_texts:
        return usable
    return tuple(one for one in usable if one not in TEXTS)


def _usable(app: App, kind: ContactKind, reach: Reach) -> tuple[Channel, ...]:
    return tuple(one for one in app.rules.channels.get(kind, ()) if one in reach.channels)


def read_key(text: str) -> str:
    """
    The idempotency key in *text*, which may stand in quotes.

    Raises:
        MalformedKeyError: The text is not 1 to 64 letters, digits, dots, dashes and underscores.
    """
    found = _KEY.fullmatch(text)
    if found is None:
        raise MalformedKeyError("not 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'")
    return found[1] or found[2]


def _purpose(name: str | None, kind: ContactKind, app: App) -> Purpose | None:
    if not name:
        own = app.rules.default_purposes.get(kind)
        return own if own is not None and app.rules.allows(own, kind) else None
    allowed = (one for one in APP_PURPOSES if app.rules.allows(one, kind))
    return next((one for one in allowed if one.value == name), None)


def _flaw(given: Given, app: App) -> Flaw | None:
    found = set(given.unread)
    if given.subject and not _SUBJECT.fullmatch(given.subject):
        found.add(Flaw.SUBJECT)
    if given.app_hash and not _APP_HASH.fullmatch(given.app_hash):
        found.add(Flaw.APP_HASH)
    if not _are_fit(given.limits, MOST_NAMED) or not all(
        name in app.rules.named_limits and value for name, value in given.limits.items()
    ):
        found.add(Flaw.LIMITS)
    if not _are_fit(given.metadata, _MOST_METADATA):
        found.add(Flaw.METADATA)
    return next((one for one in Flaw if one in found), None)


def _are_fit(pairs: Mapping[str, str], most: int) -> bool:
    texts = [text for pair in pairs.items() for text in pair]
    return len(pairs) <= most and all(
        len(text) <= _MOST_CHARACTERS and not _CONTROL.search(text) for text in texts
    )
