"""Settings in a TOML file: their names and types there."""

import re
from collections.abc import Collection
from datetime import date, datetime, time
from typing import Final, cast

import attrs

from hsp_otp.adapters.senders.provider import Shape
from hsp_otp.entrypoints.settings.toml_file import read_toml

_NAME: Final = re.compile("[a-z0-9_]{1,64}")

_MOST: Final = 10**18
"""Larger than any setting, and still quick to write out."""


class WrongTypeError(ValueError):
    """A value of a type that the setting does not have; says what it is."""


@attrs.frozen
class Given:
    """
    What was given for a setting.

    Attributes:
        value: The text of a variable, or what TOML makes of a value in a file.
        place: Where it stands, as the end of a sentence; nothing for a variable.
    """

    value: object = attrs.field(repr=False)
    place: str = ""

    def text(self, shape: Shape) -> str:
        """
        The value as a variable would have it.

        Raises:
            WrongTypeError: No setting of that shape has a value of that type.
        """
        value = self.value
        if isinstance(value, list) and shape is Shape.LIST:
            entries = cast("list[object]", value)
            return ",".join(_text(entry, shape, "a list with {} in it") for entry in entries)
        return _text(self.value, shape, "{}")


def given_in_file(path: str, prefix: str, known: Collection[str]) -> dict[str, Given]:
    """
    What the file at *path* gives for settings, by their names there.

    Args:
        prefix: What the names of variables have in front.
        known: The names of all settings in a file.

    Raises:
        ValueError: It cannot be read, or a name in it is spelt in another way than in files; the
            rest of a sentence about the file.
    """
    found = read_toml(path)
    for name in found:
        proper = name.lower().removeprefix(prefix.lower())
        if proper in known and name != proper:
            raise ValueError(f"has {name!r}; in a file that setting is called {proper}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"has {name[:80]!r}, which is no setting")
    return {
        name: Given(value, f"; it stands in {path!r} as {name}") for name, value in found.items()
    }


def _text(value: object, shape: Shape, told: str) -> str:
    match value:
        case str():
            return value
        case bool() if shape is Shape.FLAG:
            return "true" if value else "false"
        case int() if not isinstance(value, bool) and abs(value) < _MOST:
            return str(value)
        case _:
            raise WrongTypeError(told.format(_type(value)))


def _type(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return "a number that is too large"
        case float():
            return "a number with a point or an exponent"
        case datetime() | date() | time():
            return "a date or time"
        case list():
            return "a list"
        case _:
            return "a table"
