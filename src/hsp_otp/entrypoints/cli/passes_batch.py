"""Collects the valid lines of a CSV file of passes before any is stored."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from types import TracebackType
from typing import Self

from hsp_otp.adapters.sql.passes import ListedPass, ListedUser
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.entrypoints.cli.passes_csv import BadLine, Line


class Listing:
    """
    The passes of a file, each once, and its users in their latest state.

    It excludes users to whom the file gives two different numbers, or a number and none. The data
    is in a temporary SQLite file, which is deleted on closing, so memory stays bounded.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        # A user's line and phone are those of the first line with the e-mail address; other_line is
        # the first line with another phone. The names are from the last good line.
        self._database.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE passes (
                code TEXT PRIMARY KEY, line INTEGER, payment_status TEXT, plan_name TEXT,
                expires_at INTEGER, email TEXT, first_name TEXT, last_name TEXT, phone TEXT
            ) WITHOUT ROWID;
            CREATE TABLE users (
                email TEXT PRIMARY KEY, line INTEGER, phone TEXT, other_line INTEGER,
                first_name TEXT, last_name TEXT
            ) WITHOUT ROWID;
            CREATE TABLE good_lines (line INTEGER PRIMARY KEY, email TEXT, phone TEXT);
            CREATE VIEW agreed AS SELECT * FROM users
                WHERE other_line IS NULL AND first_name IS NOT NULL;
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
        """Add *line*, or return why it conflicts with the lines before it."""
        user, number = line.user, line.number
        phone = None if user.phone is None else user.phone.e164
        self._database.execute(
            """
            INSERT INTO users (email, line, phone) VALUES (:email, :line, :phone)
            ON CONFLICT DO UPDATE SET other_line = :line
                WHERE other_line IS NULL AND phone IS NOT :phone
            """,
            {"email": user.email, "line": number, "phone": phone},
        )
        if first := self._line_of_other_content(line, phone):
            return BadLine(number, f"the same pass code is on line {first}")
        self._database.execute(
            "INSERT INTO good_lines VALUES (?, ?, ?)", (number, user.email, phone)
        )
        self._database.execute(
            "UPDATE users SET first_name = ?, last_name = ? WHERE email = ?",
            (user.first_name, user.last_name, user.email),
        )
        return None

    def disagreeing(self) -> Iterator[BadLine]:
        """Yield the added lines that contradict other lines, in order."""
        query = """
            SELECT good_lines.line, iif(good_lines.phone IS users.phone, other_line, users.line)
            FROM good_lines JOIN users USING (email) WHERE other_line IS NOT NULL ORDER BY 1
        """
        with closing(self._database.execute(query)) as rows:
            for line, other in rows:
                reason = f"the same email has another phone_number on line {other}"
                yield BadLine(line, reason)

    def count(self) -> int:
        """Return the number of users and passes together."""
        query = """
            SELECT (SELECT count(*) FROM agreed)
                + (SELECT count(*) FROM passes JOIN agreed USING (email))
        """
        counted: int = self._database.execute(query).fetchone()[0]
        return counted

    def users(self) -> Iterator[ListedUser]:
        """Yield every user once, ordered by e-mail address."""
        query = "SELECT email, first_name, last_name, phone FROM agreed ORDER BY email"
        with closing(self._database.execute(query)) as rows:
            for email, first_name, last_name, phone in rows:
                yield ListedUser(
                    email=email,
                    first_name=first_name,
                    last_name=last_name,
                    phone=None if phone is None else PhoneNumber(phone),
                )

    def passes(self) -> Iterator[ListedPass]:
        """Yield every pass once, ordered by code."""
        query = """
            SELECT code, payment_status, plan_name, expires_at, email
            FROM passes JOIN agreed USING (email) ORDER BY code
        """
        with closing(self._database.execute(query)) as rows:
            for code, payment_status, plan_name, expires_at, email in rows:
                yield ListedPass(
                    code=PassCode(code),
                    email=email,
                    payment_status=PaymentStatus(payment_status),
                    plan_name=plan_name,
                    expires_at=expires_at,
                )

    def _line_of_other_content(self, line: Line, phone: str | None) -> int | None:
        """Return the earlier line with the pass code of *line* and other content, or None."""
        code, listed, user = line.listed.code.value, line.listed, line.user
        content = (
            *(listed.payment_status.value, listed.plan_name, listed.expires_at),
            *(user.email, user.first_name, user.last_name, phone),
        )
        new = self._database.execute(
            "INSERT OR IGNORE INTO passes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (code, line.number, *content),
        )
        if new.rowcount:
            return None
        _, number, *first = self._database.execute(
            "SELECT * FROM passes WHERE code = ?", (code,)
        ).fetchone()
        return None if tuple(first) == content else int(number)
