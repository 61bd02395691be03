"""Reads a CSV file of passes: `docs/contract.md`, section 10."""

import csv
import re
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from types import TracebackType
from typing import BinaryIO, Final, Self

import attrs

from hsp_otp.adapters.sql.passes import ListedPass, ListedUser
from hsp_otp.domain.instant import Instant, from_iso
from hsp_otp.domain.names import MalformedPassCodeError, PassCode
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.domain.phone import InvalidPhoneError, PhoneNumber

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
"""Characters of a name or a plan."""

MAX_EMAIL: Final = 254
"""Characters of an address (RFC 3696, erratum 1690)."""

MAX_RECORD: Final = 65_536
"""Bytes of a line, or of the lines that its quotes join: no file fills the memory."""

_BOM: Final = b"\xef\xbb\xbf"
_LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NOT_UTF8: Final = re.compile(r"[\udc80-\udcff]")
"""What Python's ``surrogateescape`` makes of bytes that are not UTF-8."""

_STATUSES: Final = {status.value: status for status in PaymentStatus}


class UnreadableError(ValueError):
    """The file is not a list of passes at all. One line for a person."""


@attrs.frozen
class Line:
    """
    A good line.

    Attributes:
        number: Of the line in the file on which it begins; the header is line 1.
    """

    number: int
    listed: ListedPass
    user: ListedUser


@attrs.frozen
class BadLine:
    """
    A line that is not stored.

    Attributes:
        number: Of the line in the file on which it begins; the header is line 1.
        reason: For a person. It repeats nothing of what the line holds: with the columns mixed
            up, any field may hold a phone number.
    """

    number: int
    reason: str


class _BadFieldError(ValueError):
    """Why a line is bad."""


def read(file: BinaryIO, default_region: str | None) -> Iterator[Line | BadLine]:
    """
    Read line by line, in bounded memory.

    Args:
        default_region: ISO 3166-1 alpha-2 code of the region of numbers in national form.

    Raises:
        UnreadableError: The header is missing or lacks a column.
    """
    records = _records(_Lines(file))
    header = next(records, None)
    if header is None:
        raise UnreadableError("the file is empty")
    places, width = _columns(header[1])
    for number, fields in records:
        if isinstance(fields, str):
            yield BadLine(number, fields)
        elif len(fields) != width:
            yield BadLine(number, f"{len(fields)} fields where the header has {width}")
        else:
            named = {name: fields[place] for name, place in places.items()}
            try:
                yield _line(number, named, default_region)
            except _BadFieldError as error:
                yield BadLine(number, str(error))


class Listing:
    """
    What the good lines of a file come to: each pass once, and each user as last seen.

    It is kept in a temporary file of SQLite's, which is gone when closed, so that its size does
    not matter to the memory.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE passes (
                code TEXT PRIMARY KEY, line INTEGER, payment_status TEXT, plan_name TEXT,
                expires_at INTEGER, email TEXT, first_name TEXT, last_name TEXT, phone TEXT
            ) WITHOUT ROWID;
            CREATE TABLE users (
                email TEXT PRIMARY KEY, first_name TEXT, last_name TEXT, phone TEXT
            ) WITHOUT ROWID;
            BEGIN;
            """
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def take(self, line: Line) -> BadLine | None:
        """Take *line* in, or say why it is a bad one beside those taken before."""
        code = line.listed.code.value
        user = line.user
        about_user = (
            user.email,
            user.first_name,
            user.last_name,
            None if user.phone is None else user.phone.e164,
        )
        content = (
            line.listed.payment_status.value,
            line.listed.plan_name,
            line.listed.expires_at,
            *about_user,
        )
        new = self._database.execute(
            "INSERT OR IGNORE INTO passes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (code, line.number, *content),
        )
        if new.rowcount == 0:
            _, number, *first = self._database.execute(
                "SELECT * FROM passes WHERE code = ?", (code,)
            ).fetchone()
            if tuple(first) != content:
                return BadLine(line.number, f"the same pass code stands on line {number}")
        self._database.execute("INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)", about_user)
        return None

    def count(self) -> int:
        """How many users and passes there are together."""
        query = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM passes)"
        counted: int = self._database.execute(query).fetchone()[0]
        return counted

    def users(self) -> Iterator[ListedUser]:
        """Every user once, in the order of the addresses."""
        with closing(self._database.execute("SELECT * FROM users ORDER BY email")) as rows:
            for email, first_name, last_name, phone in rows:
                yield ListedUser(
                    email=email,
                    first_name=first_name,
                    last_name=last_name,
                    phone=None if phone is None else PhoneNumber(phone),
                )

    def passes(self) -> Iterator[ListedPass]:
        """Every pass once, in the order of the codes."""
        query = "SELECT code, payment_status, plan_name, expires_at, email FROM passes ORDER BY 1"
        with closing(self._database.execute(query)) as rows:
            for code, payment_status, plan_name, expires_at, email in rows:
                yield ListedPass(
                    code=PassCode(code),
                    email=email,
                    payment_status=PaymentStatus(payment_status),
                    plan_name=plan_name,
                    expires_at=expires_at,
                )


class _Lines:
    """The lines of a file, some of which may be given back to be read again."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._given_back: deque[str] = deque()
        self.number = 0
        """Of the line that was taken last."""

    def take(self) -> str:
        """
        The next line with its end; empty at the end of the file.

        One above the limit is cut, but stays above it.
        """
        if self._given_back:
            self.number += 1
            return self._given_back.popleft()
        raw = self._file.readline(MAX_RECORD + 1)
        if not raw:
            return ""
        last = raw
        while len(last) > MAX_RECORD and not last.endswith(b"\n"):
            last = self._file.readline(MAX_RECORD + 1)
        self.number += 1
        if self.number == 1:
            raw = raw.removeprefix(_BOM)
        return raw.decode(errors="surrogateescape")

    def give_back(self, lines: list[str]) -> None:
        self._given_back.extendleft(reversed(lines))
        self.number -= len(lines)


def _records(lines: _Lines) -> Iterator[tuple[int, list[str] | str]]:
    """
    Where each record begins, and its fields, or why it has none.

    A quote that nothing closes spoils its own line alone: those after it are read again.
    """
    while first := lines.take():
        number = lines.number
        taken = [first]
        if not first.strip(" \t\r\n"):
            continue
        if _size(first) > MAX_RECORD:
            yield number, f"longer than {MAX_RECORD} bytes"
            continue
        try:
            fields = next(csv.reader(_feed(lines, taken), strict=True))
        except csv.Error:
            lines.give_back(taken[1:])
            yield number, "its quotes or line breaks are out of place"
            continue
        text = "".join(taken)
        if _NOT_UTF8.search(text):
            yield number, "not UTF-8"
        elif _CONTROL.search(text):
            yield number, "it holds control characters"
        else:
            yield number, fields


def _feed(lines: _Lines, taken: list[str]) -> Iterator[str]:
    """The line in *taken*, then as many more as its quotes ask for, which *taken* remembers."""
    yield taken[0]
    size = _size(taken[0])
    while line := lines.take():
        taken.append(line)
        size += _size(line)
        if size > MAX_RECORD:
            return
        yield line


def _size(line: str) -> int:
    return len(line.encode(errors="surrogateescape"))


def _columns(header: list[str] | str) -> tuple[dict[str, int], int]:
    """Where each column is, and how many there are in all."""
    if isinstance(header, str):
        raise UnreadableError(f"the header cannot be read: {header}")
    names = [name.strip().lower() for name in header]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise UnreadableError(f"the header lacks {', '.join(missing)}")
    twice = [name for name in COLUMNS if names.count(name) > 1]
    if twice:
        raise UnreadableError(f"the header has more than one {', '.join(twice)}")
    return {name: names.index(name) for name in COLUMNS}, len(names)


def _line(number: int, fields: dict[str, str], default_region: str | None) -> Line:
    try:
        code = PassCode.parse(fields["pass_code"])
    except MalformedPassCodeError as error:
        raise _BadFieldError(f"pass_code is {error}") from None
    status = _STATUSES.get(fields["payment_status"].strip().lower())
    if status is None:
        raise _BadFieldError(f"payment_status is none of {', '.join(_STATUSES)}")
    email = _email(fields["email"])
    listed = ListedPass(
        code=code,
        email=email,
        payment_status=status,
        plan_name=_text(fields, "plan_name"),
        expires_at=_expiry(fields["expires_at"].strip().upper()),
    )
    user = ListedUser(
        email=email,
        first_name=_text(fields, "first_name"),
        last_name=_text(fields, "last_name"),
        phone=_phone(fields["phone_number"].strip(), default_region),
    )
    return Line(number, listed, user)


def _email(text: str) -> str:
    email = text.strip().lower()
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
        return from_iso(text)
    except ValueError as error:
        raise _BadFieldError(f"expires_at is {error}") from None


def _text(fields: dict[str, str], name: str) -> str:
    text = _LINE_BREAK.sub(" ", fields[name]).strip()
    if "\t" in text:
        raise _BadFieldError(f"{name} holds control characters")
    if len(text) > MAX_TEXT:
        raise _BadFieldError(f"{name} is longer than {MAX_TEXT} characters")
    return text


def _phone(text: str, default_region: str | None) -> PhoneNumber | None:
    if not text:
        return None
    try:
        return PhoneNumber.parse(text, default_region)
    except InvalidPhoneError as error:
        raise _BadFieldError(f"phone_number is {error}") from None
