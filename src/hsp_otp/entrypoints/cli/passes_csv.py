"""Reads passes from a CSV file: docs/contract.md, section 10."""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

import attrs

from hsp_otp.adapters.sql.passes import ListedPass, ListedUser
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import MalformedPassCodeError, PassCode
from hsp_otp.domain.passes import PaymentStatus, end_of_pass
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber
from hsp_otp.domain.typed_text import plain, visible, visible_in_names
from hsp_otp.entrypoints.cli.csv_records import (
    SEPARATORS,
    Lines,
    Record,
    UnreadableError,
    announced_separator,
    next_record,
)

COLUMNS: Final = (
    "pass_code",
    "payment_status",
    "plan_name",
    "expires_at",
    "email",
    "first_name",
    "last_name",
    "phone_number",
)

MAX_TEXT: Final = 200
"""The most characters of a name or a plan."""

MAX_EMAIL: Final = 254
"""The most characters of an e-mail address (RFC 3696, erratum 1690)."""

_BETWEEN_WORDS: Final = re.compile(r"[ -]+")
_AS_TEXT: Final = re.compile(r'\A\s*=\s*"(.*)"\s*\Z', re.DOTALL)
"""A formula that some programs write so that a spreadsheet does not read a text as a number."""

_APOSTROPHE: Final = re.compile(r"^['\u2018\u2019]")
"""An apostrophe before a cell's text, which people type for the same purpose."""

_SCIENTIFIC: Final = re.compile(r"\+?[0-9]+([.,][0-9]*)?E\+?[0-9]+", re.IGNORECASE)
_LINE_BREAK: Final = re.compile(r"\r\n|[\r\n\u2028\u2029]")
_DIRECTIONS: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""Bidirectional embeddings, overrides and isolates, which make a text look like another one."""

_LACKS_DIGITS: Final = "is in scientific notation, which loses digits: format the column as text"
_ENDS: Final = "such as 2026-12-31 or 2026-12-31T18:30:00Z"

_STATUSES: Final = {status.value: status for status in PaymentStatus}


@attrs.frozen
class Line:
    """
    A good line.

    Attributes:
        number: The number of its first line in the file, from 1.
    """

    number: int
    listed: ListedPass
    user: ListedUser


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


class _BadFieldError(ValueError):
    """A bad field; the message says why."""


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
            named = {name: _AS_TEXT.sub(_unquoted, fields[place]) for name, place in places.items()}
            try:
                yield _line(record.number, named, default_region)
            except _BadFieldError as error:
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
    twice = [name for name in COLUMNS if names.count(name) > 1]
    if twice:
        raise UnreadableError(f"the header has more than one {', '.join(twice)}")
    return {name: names.index(name) for name in COLUMNS}


def _unquoted(text: re.Match[str]) -> str:
    return text[1].replace('""', '"')


def _typed(text: str) -> str:
    """Clean the text of a cell with a code, a word, a date or a number."""
    return _APOSTROPHE.sub("", plain(text))


def _line(number: int, fields: dict[str, str], default_region: str | None) -> Line:
    try:
        code = PassCode.parse(_typed(fields["pass_code"]))
    except MalformedPassCodeError as error:
        raise _BadFieldError(f"pass_code is {error}") from None
    status = _STATUSES.get(_typed(fields["payment_status"]).lower())
    if status is None:
        raise _BadFieldError(f"payment_status is not one of {', '.join(_STATUSES)}")
    email = _email(fields["email"])
    listed = ListedPass(
        code=code,
        email=email,
        payment_status=status,
        plan_name=_text(fields, "plan_name"),
        expires_at=_expiry(_typed(fields["expires_at"]).upper()),
    )
    user = ListedUser(
        email=email,
        first_name=_text(fields, "first_name"),
        last_name=_text(fields, "last_name"),
        phone=_phone(_typed(fields["phone_number"]), default_region),
    )
    return Line(number, listed, user)


def _email(text: str) -> str:
    email = visible(text).strip().lower()
    if not email:
        raise _BadFieldError("email is empty")
    local, at, domain = email.partition("@")
    if not (local and at and domain) or "@" in domain or " " in email or not email.isprintable():
        raise _BadFieldError("email is not an e-mail address")
    if len(email) > MAX_EMAIL:
        raise _BadFieldError(f"email is longer than {MAX_EMAIL} characters")
    return email


def _expiry(text: str) -> Instant | None:
    if not text:
        return None
    try:
        return end_of_pass(text)
    except ValueError as error:
        raise _BadFieldError(f"expires_at is {error}, {_ENDS}") from None


def _text(fields: dict[str, str], name: str) -> str:
    text = visible_in_names(_LINE_BREAK.sub(" ", fields[name])).strip()
    if "\t" in text:
        raise _BadFieldError(f"{name} contains control characters")
    if _DIRECTIONS.search(fields[name]):
        raise _BadFieldError(f"{name} contains characters that change the direction of text")
    if len(text) > MAX_TEXT:
        raise _BadFieldError(f"{name} is longer than {MAX_TEXT} characters")
    return text if plain(text) else ""


def _phone(text: str, default_region: str | None) -> PhoneNumber | None:
    if not text:
        return None
    if _SCIENTIFIC.fullmatch(text):
        raise _BadFieldError(f"phone_number {_LACKS_DIGITS}")
    try:
        return PhoneNumber.parse(text, default_region)
    except InvalidPhoneError as error:
        raise _BadFieldError(f"phone_number is {error}") from None
