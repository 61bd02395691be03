"""Reads settings from a TOML file: their names and types."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final, cast

import attrs

from hsp_otp.adapters.senders.provider import Shape
from hsp_otp.entrypoints.settings.toml_file import read_toml

_BRANDING: Final = "branding"
"""The table with a table for each page, whose entries are settings by shorter names."""

_NAME: Final = re.compile("[a-z0-9_]{1,64}")

_MOST: Final = 10**18
"""A number larger than any setting, yet quick to print."""


class WrongTypeError(ValueError):
    """A value of the wrong type for its setting; the message describes the value."""


@attrs.frozen
class Given:
    """
    The value given for a setting.

    Attributes:
        value: The text of a variable, or the parsed TOML value from a file.
        place: Where the value is set, as the end of a sentence; empty for a variable.
    """

    value: object = attrs.field(repr=False)
    place: str = ""

    def text(self, shape: Shape) -> str:
        """Return the value as a variable's text; raises WrongTypeError if *shape* forbids it."""
        value = self.value
        if isinstance(value, list) and shape in {Shape.LIST, Shape.AMOUNTS}:
            entries = cast("list[object]", value)
            return ",".join(_text(entry, shape, "a list that contains {}") for entry in entries)
        return _text(self.value, shape, "{}")


def given_in_file(
    path: str, prefix: str, known: Collection[str], tables: Mapping[str, Mapping[str, str]]
) -> dict[str, Given]:
    """
    Read the settings in the file at *path*, by their names in the file.

    Args:
        prefix: The prefix of the names of variables.
        known: The names that all settings have in a file.
        tables: The settings that may stand in each table of ``branding``, by their names there.

    Raises:
        ValueError: The file cannot be read, or spells a name differently; the message completes a
            sentence about the file.
    """
    found = read_toml(path)
    branding = found.pop(_BRANDING, {})
    for name in found:
        proper = name.lower().removeprefix(prefix.lower())
        if proper in known and name != proper:
            raise ValueError(f"has {name!r}; in a file, that setting is called {proper}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"has {name[:80]!r}, which is not a setting")
    places = {name: name for name in found}
    for name, place, value in _in_tables(branding, tables):
        if name in found:
            raise ValueError(f"has both {place} and {name}, which are the same setting")
        found[name], places[name] = value, place
    return {
        name: Given(value, f"; it is in {path!r} as {places[name]}")
        for name, value in found.items()
    }


def _in_tables(
    branding: object, tables: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str, object]]:
    """Yield the name, the place and the value of each setting in the tables of *branding*."""
    for table, entries in _entries(branding, _BRANDING):
        if table not in tables:
            raise ValueError(f"has {_BRANDING}.{table[:80]!a}; takes {' and '.join(tables)}")
        for key, value in _entries(entries, f"{_BRANDING}.{table}"):
            if key not in tables[table]:
                raise ValueError(
                    f"has {_BRANDING}.{table}.{key[:80]!a}; takes {', '.join(tables[table])}"
                )
            yield tables[table][key], f"{_BRANDING}.{table}.{key}", value


def _entries(value: object, name: str) -> Collection[tuple[str, object]]:
    if not isinstance(value, dict):
        raise ValueError(f"has {name}, which is not a table")  # noqa: TRY004 - of the file
    return cast("dict[str, object]", value).items()


def _text(value: object, shape: Shape, told: str) -> str:
    match value:
        case str():
            return value
        case bool() if shape is Shape.FLAG:
            return "true" if value else "false"
        case int() if not isinstance(value, bool) and abs(value) < _MOST:
            return str(value)
        case Decimal() if shape is Shape.AMOUNTS:
            return str(value)
        case _:
            raise WrongTypeError(told.format(_type(value)))


def _type(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return "a number that is too large"
        case Decimal():
            return "a number with a decimal point or an exponent"
        case datetime() | date() | time():
            return "a date or time"
        case list():
            return "a list"
        case _:
            return "a table"
