"""Reads passes from a CSV file: docs/contract.md, section 10."""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

import attrs

from hsp_otp.domain.listed_passes import (
    COLUMNS,
    USER_ID,
    BadFieldError,
    ListedPass,
    read_listed,
)
from hsp_otp.domain.typed_text import plain, visible
from hsp_otp.entrypoints.cli.csv_records import (
    SEPARATORS,
    Lines,
    Record,
    UnreadableError,
    announced_separator,
    next_record,
)

_BETWEEN_WORDS: Final = re.compile(r"[ -]+")
_AS_TEXT: Final = re.compile(r'\A\s*=\s*"(.*)"\s*\Z', re.DOTALL)
"""A formula that some programs write so that a spreadsheet does not read a text as a number."""

_APOSTROPHE: Final = re.compile(r"^['\u2018\u2019]")
"""An apostrophe before a cell's text, which people type for the same purpose."""

_AS_WRITTEN: Final = ("plan_name", "email", "first_name", "last_name")
"""The columns in which an apostrophe belongs to the text."""


@attrs.frozen
class Line:
    """
    A good line.

    Attributes:
        number: The number of its first line in the file, from 1.
    """

    number: int
    listed: ListedPass


@attrs.frozen
class BadLine:
    """
    A line that is not imported.

    Attributes:
        number: The number of its first line in the file, from 1.
        reason: The reason, for a person. It never quotes the line, because any field may contain a
            phone number if the columns are mixed up.
    """

    number: int
    reason: str


def read(file: BinaryIO, default_region: str | None) -> Iterator[Line | BadLine]:
    """
    Read a CSV file line by line, in bounded memory.

    Args:
        default_region: ISO 3166-1 alpha-2 code of the region of numbers in national format.

    Raises:
        UnreadableError: The file is not CSV, or the header is missing or lacks a column.
    """
    lines = Lines(file)
    separator, header = _header(lines)
    places = _columns(header)
    while record := next_record(lines, separator):
        fields = record.fields
        if isinstance(fields, str):
            yield BadLine(record.number, fields)
        elif not any(map(plain, fields)):
            continue
        elif any(map(plain, fields[len(header) :])):
            yield BadLine(record.number, f"{len(fields)} fields, but the header has {len(header)}")
        else:
            # Spreadsheets omit cells at the end of a line, or add some.
            fields += [""] * (len(header) - len(fields))
            named = {name: _cleaned(name, fields[place]) for name, place in places.items()}
            try:
                yield Line(record.number, read_listed(named, default_region))
            except BadFieldError as error:
                yield BadLine(record.number, str(error))


def _header(lines: Lines) -> tuple[str, list[str]]:
    """Return the separator, named by a first line or yielding the most columns, and the header."""
    announced = announced_separator(lines)
    found: dict[str, Record] = {}
    for separator in SEPARATORS if announced is None else [announced]:
        record = next_record(lines, separator)
        if record is None:
            raise UnreadableError("the file is empty")
        lines.give_back(record.lines)
        found[separator] = record
    separator = max(found, key=lambda one: len(set(COLUMNS).intersection(_names(found[one]))))
    next_record(lines, separator)
    header = found[separator]
    if isinstance(header.fields, str):
        raise UnreadableError(f"the header cannot be read: {header.fields}")
    return separator, _names(header)


def _names(header: Record) -> list[str]:
    """Return the column names, normalized in letter case and in separators between words."""
    fields = [] if isinstance(header.fields, str) else header.fields
    return [_BETWEEN_WORDS.sub("_", plain(one)).lower() for one in fields]


def _columns(names: list[str]) -> dict[str, int]:
    """Return the position of each column."""
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise UnreadableError(f"the header lacks {', '.join(missing)}")
    wanted = [name for name in (*COLUMNS, USER_ID) if name in names]
    twice = [name for name in wanted if names.count(name) > 1]
    if twice:
        raise UnreadableError(f"the header has more than one {', '.join(twice)}")
    return {name: names.index(name) for name in wanted}


def _cleaned(name: str, cell: str) -> str:
    """Return the text of *cell* without what people and programs write for a spreadsheet."""
    text = _AS_TEXT.sub(_unquoted, cell)
    return text if name in _AS_WRITTEN else _APOSTROPHE.sub("", visible(text).strip())


def _unquoted(text: re.Match[str]) -> str:
    return text[1].replace('""', '"')
