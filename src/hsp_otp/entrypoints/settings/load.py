"""Loads settings from the environment, a TOML file and the defaults."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from hsp_otp.adapters.senders.provider import ReasonError
from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.senders import SENDERS
from hsp_otp.entrypoints.settings.branding import Branding
from hsp_otp.entrypoints.settings.checks import check_development, check_redis
from hsp_otp.entrypoints.settings.file import Given, WrongTypeError, given_in_file
from hsp_otp.entrypoints.settings.guard import GuardSettings
from hsp_otp.entrypoints.settings.kubernetes import is_service_variable
from hsp_otp.entrypoints.settings.model import (
    NUMBERS,
    PAGES,
    PREFIX,
    Field,
    Settings,
    branding_variables,
    common_variables,
    guard_variables,
    page_variables,
    purpose_variables,
    sender_variables,
    variables,
)

CONFIG: Final = "HSP_OTP_CONFIG"

_LONGEST_SHOWN: Final = 200
"""The most characters of a value that an error shows."""

_QUOTED: Final = "the quotes around it are part of the value"

_MAY_HOLD_SECRET: Final = re.compile(r"://\S*[@?#]")
"""A URL with credentials, a query or a fragment."""


def described() -> list[tuple[str, str, str, str]]:
    """Return the variable, default, accepted values and meaning of every setting."""
    return [
        (name, field.metadata["default"], field.metadata["takes"], field.metadata["meaning"])
        for name, field in variables()
    ] + [(CONFIG, "none", "the path of a TOML file", "settings by their lower-case names")]


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """
    Read the settings: the environment first, then the file that it names, then the defaults.

    Raises:
        SettingsError: A name is unknown, a value is invalid, or values contradict each other.
    """
    environ = os.environ if environ is None else environ
    given = {
        name: Given(text)
        for name, text in environ.items()
        if name.startswith(PREFIX) and not is_service_variable(name, text)
    }
    path = environ.get(CONFIG, "").strip()
    in_file = _given_in_file(path) if path else {}
    if CONFIG in in_file:
        raise SettingsError(f"{CONFIG}: {path!r} cannot name another file")
    known = {name for name, _ in variables()}
    for name, one in sorted((in_file | given).items()):
        if name not in {*known, CONFIG}:
            raise SettingsError(
                f"{ascii(name)[1:-1]}: there is no such setting{one.place}; see hsp-otp settings"
            )
    # An empty variable counts as unset.
    merged = in_file | {name: one for name, one in given.items() if str(one.value).strip()}
    accounts = {
        name: provider.account(**_values(sender_variables(provider), merged))
        for name, provider in SENDERS.items()
    }
    numbers = {
        purpose: made(**_values(purpose_variables(purpose), merged))
        for purpose, made in NUMBERS.items()
    }
    branding = {flow: Branding(**_values(branding_variables(flow), merged)) for flow in PAGES}
    guard = GuardSettings(**_values(guard_variables(), merged))
    common = _values(common_variables(), merged)
    settings = Settings(
        **common,
        guard=guard,
        numbers=numbers,
        accounts=accounts,
        branding=branding,
        configured=frozenset(
            flow
            for flow, page in PAGES.items()
            if not merged.keys().isdisjoint(
                {*page_variables(flow).values(), f"{PREFIX}{page}_return_url".upper()}
            )
        ),
    )
    check_development(settings)
    check_redis(settings)
    if settings.metrics_port and settings.metrics_port == settings.port:
        raise SettingsError(
            f"{PREFIX}METRICS_PORT: got {settings.port}, which is {PREFIX}PORT; takes another"
        )
    return settings


def guard_in_file(path: str, guard: GuardSettings) -> GuardSettings:
    """
    Return *guard* with the settings of the TOML file at *path*, which has no others.

    Raises:
        SettingsError: The file cannot be read, or has something else.
    """
    known = {name.removeprefix(PREFIX).lower() for name, _ in guard_variables()}
    try:
        found = given_in_file(path, PREFIX, known, {})
    except ValueError as error:
        raise SettingsError(f"{path!r} {error}") from None
    if unknown := sorted(found.keys() - known):
        raise SettingsError(f"{path!r} has {unknown[0]!r}; takes {', '.join(sorted(known))}")
    given = {PREFIX + name.upper(): one for name, one in found.items()}
    return attrs.evolve(guard, **_values(guard_variables(), given))


def passed_over(environ: Mapping[str, str] | None = None) -> str:
    """
    Return one line about settings' variables that Kubernetes, not an operator, has set.

    The line is empty if there are none.
    """
    environ = os.environ if environ is None else environ
    names = [name for name, _ in variables() if is_service_variable(name, environ.get(name, ""))]
    if not names:
        return ""
    return f"{' and '.join(sorted(names))}: set by Kubernetes for a Service, and ignored"


def file_with_secrets() -> Path | None:
    """Return the settings file, if it sets a secret."""
    path = os.environ.get(CONFIG, "").strip()
    secret = {name for name, field in variables() if field.metadata["secret"]}
    return Path(path) if path and secret & _given_in_file(path).keys() else None


def _given_in_file(path: str) -> dict[str, Given]:
    known = {name.removeprefix(PREFIX).lower() for name, _ in variables()}
    tables = {
        flow.value: {
            key: name.removeprefix(PREFIX).lower() for key, name in page_variables(flow).items()
        }
        for flow in PAGES
    }
    try:
        found = given_in_file(path, PREFIX, known, tables)
    except ValueError as error:
        raise SettingsError(f"{CONFIG}: {path!r} {error}") from None
    return {PREFIX + name.upper(): one for name, one in found.items()}


def _values(fields: list[tuple[str, Field]], given: Mapping[str, Given]) -> dict[str, Any]:
    return {
        field.name: value
        for variable, field in fields
        if variable in given and (value := _read(variable, field, given[variable])) is not None
    }


def _read(variable: str, field: Field, given: Given) -> object:
    """Return the value of a setting; None if the given text is empty."""
    about = field.metadata
    takes = f"takes {about['takes']}"
    try:
        text = given.text(about["shape"]).strip()
    except WrongTypeError as error:
        raise SettingsError(f"{variable}: got {error}, {takes}{given.place}") from None
    try:
        return about["read"](text) if text else None
    except ValueError as error:
        is_secret = about["secret"] or bool(_MAY_HOLD_SECRET.search(text))
        got = "a value that is not shown" if is_secret else _shown(text)
        may_tell = isinstance(error, ReasonError) or not is_secret
        why = _QUOTED if _is_in_quotes(text) else str(error) if may_tell else ""
        reason = f" ({why})" if why else ""
        raise SettingsError(f"{variable}: got {got}, {takes}{reason}{given.place}") from None


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]!r}..."


def _is_in_quotes(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
