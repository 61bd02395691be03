"""Reads apps and their accounts from a TOML file: docs/contract.md, section 11."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar, overload

import attrs
import msgspec

from hsp_otp.adapters.custom_messages import parse_wordings
from hsp_otp.adapters.messages import MAX_AUTOFILL_BYTES, GettextMessages, check_service_name
from hsp_otp.domain.app_changes import ListedApp
from hsp_otp.domain.apps import (
    ACCOUNT,
    APP,
    AppLimits,
    AppRules,
    PurposeNumbers,
    check_limit_name,
    check_name,
    default_channels,
    default_purposes,
    read_quota,
)
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import CHANNELS, Channel, ContactKind
from hsp_otp.domain.email_address import EmailAddress
from hsp_otp.domain.names import ENGLISH, Language, id_of_sid
from hsp_otp.domain.purposes import APP_PURPOSES, Purpose
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.wordings import Wordings
from hsp_otp.entrypoints.settings import readers
from hsp_otp.entrypoints.settings.checks import long_text
from hsp_otp.entrypoints.settings.model import PREFIX, Settings
from hsp_otp.entrypoints.settings.toml_file import read_toml
from hsp_otp.ports.messages import Letterhead

T = TypeVar("T")

_PURPOSES: Final = {one.value: one for one in APP_PURPOSES}
_CHANNELS: Final = {one.value: one for one in Channel}
_NO_LIMIT: Final = 10**9

_KINDS: Final = {one.value: one for one in ContactKind}

_LATER: Final = frozenset({"transaction_confirmation"})
"""Purposes of the contract that this version does not have."""

_PLACE: Final = re.compile(r"(?P<fault>.*) - at `\$(?P<place>.*)`")


class UnusableError(ValueError):
    """The file cannot be used; the message is one line, which names the place in the file."""


class _AppTable(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The table of an app, as far as its types are concerned."""

    account: str
    account_sid: str | None = None
    sid: str | None = None
    service_name: str
    regions: list[str] = []
    default_purposes: dict[str, str] = {}
    default_language: str = ENGLISH
    proof_audience: str | None = None
    client_ip: Literal["optional", "required"] = "optional"
    channels: dict[str, list[str]] = {}
    senders: dict[str, list[str]] = {}
    web_origin: str | None = None
    email_from: str | None = None
    limits: dict[str, object] = {}
    named_limits: dict[str, list[str]] = {}
    purposes: dict[str, dict[str, object]] = {}
    webhooks: list[object] = []
    texts: dict[str, object] = {}


def _table_of(numbers: type[Any]) -> Any:  # noqa: ANN401 - a class
    """The type of a table of what an attrs class has, with each number within its bounds."""
    fields: list[tuple[str, Any, Any]] = []
    for field in attrs.fields(numbers):
        kind = field.type
        if "bounds" in field.metadata:
            least, most = field.metadata["bounds"]
            kind = Annotated[int, msgspec.Meta(ge=least, le=most)]
        fields.append((field.name, kind, field.default))
    return msgspec.defstruct("Numbers", fields, forbid_unknown_fields=True)


_TABLES: Final[Mapping[Any, Any]] = {
    numbers: _table_of(numbers) for numbers in (AppLimits, PurposeNumbers)
}


def read_apps(path: str, settings: Settings) -> list[ListedApp]:
    """
    Read the apps of a file, in its order.

    Args:
        settings: What the service can offer to apps.

    Raises:
        UnusableError: The file cannot be read, or something in it cannot be used.
    """
    try:
        found = read_toml(path)
    except ValueError as error:
        raise UnusableError(f"it {error}") from None
    return [_app(name, value, settings) for name, value in found.items()]


def _app(name: str, value: object, settings: Settings) -> ListedApp:
    _read("the name of an app", check_name, name)
    table = _converted(name, value, _AppTable)
    listed = ListedApp(
        name=name,
        account=_read(f"{name}.account", check_name, table.account),
        id=_sid(f"{name}.sid", table.sid, APP),
        account_id=_sid(f"{name}.account_sid", table.account_sid, ACCOUNT),
        rules=_rules(name, table, settings),
    )
    _check_length(name, listed.rules, settings)
    return listed


def _rules(name: str, table: _AppTable, settings: Settings) -> AppRules:
    if table.webhooks:
        raise _later(f"{name}.webhooks")
    return AppRules(
        service_name=_read(f"{name}.service_name", check_service_name, table.service_name),
        regions=_each(f"{name}.regions", readers.region, table.regions),
        default_purposes=_default_purposes(f"{name}.default_purposes", table.default_purposes),
        default_language=_language(f"{name}.default_language", table.default_language),
        proof_audience=_audience(f"{name}.proof_audience", table.proof_audience, settings),
        client_ip_required=table.client_ip == "required",
        channels=_channels(f"{name}.channels", table.channels),
        senders=_senders(f"{name}.senders", table.senders, settings),
        web_origin=_read(f"{name}.web_origin", readers.host_name, table.web_origin),
        email_from=_email_from(f"{name}.email_from", table.email_from),
        limits=_numbers(f"{name}.limits", AppLimits, table.limits),
        named_limits=_named_limits(f"{name}.named_limits", table.named_limits),
        purposes=_purposes(f"{name}.purposes", table.purposes, settings),
        texts=_texts(f"{name}.texts", table.texts),
    )


def _language(where: str, text: str) -> Language:
    return _one_of(where, {str(one): one for one in GettextMessages({}).languages}, text)


def _default_purposes(where: str, given: Mapping[str, str]) -> dict[ContactKind, Purpose]:
    found = default_purposes()
    for word, purpose in given.items():
        kind = _one_of(where, _KINDS, word)
        allowed = {one.value: one for one, row in APP_PURPOSES.items() if kind in row.contacts}
        found[kind] = _one_of(f"{where}.{word}", allowed, purpose)
    return found


def _audience(where: str, text: str | None, settings: Settings) -> str | None:
    if text is None:
        return None
    if not text.strip() or not text.isprintable():
        raise _unusable(where, text, "it takes a printable text")
    for name, taken in (("JWT", settings.jwt_audience), ("PROOF", settings.proof_audience)):
        if text == taken:
            raise _unusable(where, text, f"it is {PREFIX}{name}_AUDIENCE; it takes another")
    return text


def _channels(
    where: str, given: Mapping[str, Sequence[str]]
) -> dict[ContactKind, tuple[Channel, ...]]:
    found = default_channels()
    for word, names in given.items():
        kind, place = _one_of(where, _KINDS, word), f"{where}.{word}"
        choices = {one.value: one for one in CHANNELS[kind]}
        found[kind] = _filled(place, _each(place, partial(_one_of, place, choices), names))
    return found


def _senders(
    where: str, given: Mapping[str, Sequence[str]], settings: Settings
) -> dict[Channel, tuple[str, ...]]:
    found: dict[Channel, tuple[str, ...]] = {}
    for word, names in given.items():
        channel = _one_of(where, _CHANNELS, word)
        configured = {
            name: name
            for name, one in settings.used_senders.items()
            if one.provider.channel is channel
        }
        place = f"{where}.{word}"
        found[channel] = _filled(place, _each(place, partial(_one_of, place, configured), names))
    return found


def _email_from(where: str, text: str | None) -> str | None:
    address = _read(where, EmailAddress.parse, text)
    return None if address is None else address.text


def _named_limits(where: str, given: Mapping[str, Sequence[str]]) -> dict[str, tuple[Quota, ...]]:
    found: dict[str, tuple[Quota, ...]] = {}
    for limit, quotas in given.items():
        place = f"{where}.{_read(where, check_limit_name, limit)}"
        found[limit] = _filled(place, _each(place, read_quota, quotas))
    return found


def _purposes(
    where: str, given: Mapping[str, Mapping[str, object]], settings: Settings
) -> dict[Purpose, PurposeNumbers]:
    found: dict[Purpose, PurposeNumbers] = {}
    for word, members in given.items():
        purpose, place = _one_of(where, _PURPOSES, word), f"{where}.{word}"
        numbers = _numbers(place, PurposeNumbers, members)
        _check_sends(place, purpose, numbers, settings)
        _check_email(place, purpose, numbers)
        found[purpose] = numbers
    return found


def _texts(where: str, given: Mapping[str, object]) -> Wordings:
    try:
        return parse_wordings(given, GettextMessages({}).languages, APP_PURPOSES)
    except ValueError as error:
        raise UnusableError(f"{where}: it {error}") from None


def _check_sends(place: str, purpose: Purpose, numbers: PurposeNumbers, settings: Settings) -> None:
    """Refuse a limit that the service's own leaves without effect for every kind of contact."""
    own = {
        ContactKind.PHONE: ("PHONE_SENDS_PER_DAY", settings.phone_sends_per_day),
        ContactKind.EMAIL: ("EMAIL_SENDS_PER_DAY", settings.email_sends_per_day),
    }
    known = [own[kind] for kind in ContactKind if kind in APP_PURPOSES[purpose].contacts]
    name, most = max(known, key=lambda one: one[1] or _NO_LIMIT)
    if most and (numbers.sends_per_contact_day or 0) > most:
        raise UnusableError(f"{place}.sends_per_contact_day: it is above {PREFIX}{name}, {most}")


def _check_email(place: str, purpose: Purpose, numbers: PurposeNumbers) -> None:
    kinds = APP_PURPOSES[purpose].contacts
    if numbers.email and ContactKind.EMAIL not in kinds:
        raise UnusableError(f"{place}.email: {purpose.value} is not for e-mail addresses")
    if numbers.email is False and kinds == frozenset({ContactKind.EMAIL}):
        raise UnusableError(f"{place}.email: {purpose.value} is for e-mail addresses alone")


def _check_length(name: str, rules: AppRules, settings: Settings) -> None:
    """Refuse texts that take too many segments, and an autofill line that has no room."""
    texts = settings.texts
    policies = {
        purpose: rules.policy_of(purpose, numbers)
        for purpose, numbers in settings.app_policies.items()
    }
    letterhead = Letterhead(service_name=rules.service_name, wordings=rules.texts)
    fault = long_text(texts, rules.texts, policies, letterhead)
    if fault is not None:
        raise UnusableError(f"{name}.texts: {fault}")
    if rules.web_origin is None:
        return
    letterhead = attrs.evolve(letterhead, web_origin=rules.web_origin)
    for purpose, policy in policies.items():
        code = Code("0" * policy.digits)
        size = len(texts.sms(purpose, code, policy.lifetime, ENGLISH, letterhead).text.encode())
        if size > MAX_AUTOFILL_BYTES:
            own = rules.texts.get(purpose, {}).get(ENGLISH)
            longest = (
                f"the text of {purpose.value}.{ENGLISH}"
                if own and own.text
                else f"{name}.service_name"
            )
            raise UnusableError(
                f"{name}.web_origin: messages with it have {size} bytes, and the limit is "
                f"{MAX_AUTOFILL_BYTES}; shorten it, or {longest}"
            )


def _converted(where: str, value: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = _PLACE.fullmatch(str(error))
        fault, place = (found["fault"], found["place"]) if found else (str(error), "")
        raise UnusableError(f"{where}{place}: {fault}") from None


def _numbers(where: str, made: Callable[..., T], given: Mapping[str, object]) -> T:
    return made(**msgspec.structs.asdict(_converted(where, dict(given), _TABLES[made])))


def _sid(where: str, text: str | None, letters: str) -> str | None:
    return _read(where, partial(id_of_sid, letters=letters), text)


@overload
def _read(where: str, read: Callable[[str], T], text: str) -> T: ...


@overload
def _read(where: str, read: Callable[[str], T], text: str | None) -> T | None: ...


def _read(where: str, read: Callable[[str], T], text: str | None) -> T | None:
    if text is None:
        return None
    try:
        return read(text)
    except UnusableError:
        raise
    except ValueError as error:
        raise _unusable(where, text, str(error)) from None


def _each(where: str, read: Callable[[str], T], texts: Sequence[str]) -> tuple[T, ...]:
    found = tuple(_read(where, read, text) for text in texts)
    if len(set(found)) < len(found):
        raise UnusableError(f"{where}: it names one twice")
    return found


def _filled(where: str, found: tuple[T, ...]) -> tuple[T, ...]:
    if not found:
        raise UnusableError(f"{where}: it is empty; leave it out for the default")
    return found


def _one_of(where: str, choices: Mapping[str, T], word: str) -> T:
    if word in choices:
        return choices[word]
    if word in _LATER:
        raise _later(where, word)
    raise _unusable(where, word, f"it takes {', '.join(choices) or 'nothing'}")


def _unusable(where: str, text: str, fault: str) -> UnusableError:
    return UnusableError(f"{where}: got {text!r}" + (f": {fault}" if fault else ""))


def _later(where: str, word: str | None = None) -> UnusableError:
    named = "it is" if word is None else f"{word!r} is"
    return UnusableError(f"{where}: {named} not offered by this version")
