"""Reads TOML files, and reports errors without revealing their content."""

import codecs
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Final

_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_PLACE: Final = re.compile(r"(?P<reason>.*) \(at (?P<place>.*)\)", re.DOTALL)

_FIXED: Final = re.compile(r"[A-Za-z -]+|Expected .+")
"""The parser's reasons that do not quote the file."""

_TWICE: Final = "Cannot overwrite a value"


def read_toml(path: str) -> dict[str, object]:
    """
    Read the TOML file at *path*, with a `Decimal` for each number that has a decimal point.

    Raises:
        ValueError: The file cannot be read. The message completes a sentence about the file; it
            names line and column, and quotes nothing, since that may be a secret.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError("cannot be read: this is not a valid file name") from None
    text = _decoded(content)
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not TOML: {_told(str(error), text)}") from None
    except RecursionError:
        raise ValueError("cannot be read: its values are nested too deeply") from None
    except ValueError:  # from the interpreter's limit on digits, which the parser does not handle
        raise ValueError("cannot be read: a number in it has too many digits") from None


def _decoded(content: bytes) -> str:
    if content.startswith(_UTF_16):
        raise ValueError("is in UTF-16 or UTF-32; it must be in UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not in UTF-8: line {_line(error.object, error.start)}") from None
    if "\0" in text:
        place = _line(content, content.index(b"\0"))
        raise ValueError(f"is not text in UTF-8: there is a NUL byte in line {place}")
    return text


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1


def _told(error: str, text: str) -> str:
    """Say where the parser stopped, and also why if its reason does not quote the file."""
    found = _PLACE.fullmatch(error)
    if found is None:
        return "the parser does not say where"
    place, reason = found["place"], found["reason"]
    if not place.startswith("line "):
        *before, last = text.split("\n")
        place = f"line {len(before) + 1}, column {len(last) + 1}, the end of the file"
    if reason == _TWICE:
        return f"{place}: the name is set twice"
    return f"{place}: {reason}" if _FIXED.fullmatch(reason) else place
