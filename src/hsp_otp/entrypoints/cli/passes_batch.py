"""Collects the valid lines of a CSV file of passes before any is stored."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from types import TracebackType
from typing import Final, Self

from hsp_otp.domain.listed_passes import ListedPass, ListedUser
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.entrypoints.cli.passes_csv import BadLine, Line

_CONTRADICTIONS: Final = (
    "the same email has another phone_number",
    "the same email has another user_id",
    "the same user_id has another email",
)


class Listing:
    """
    The passes of a file, each once, with its users in their latest state.

    It excludes users to whom the file gives two different numbers, or a number and none; two
    different ids; or an id that it gives to another user as well. The data is in a temporary SQLite
    file, which is deleted on closing, so memory stays bounded.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        # A user's line and phone are those of the first line with the e-mail address; other_line is
        # the first line with another phone. The id is the first one that any line gives. The names
        # are from the last good line.
        self._database.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            CREATE TABLE passes (
                code TEXT PRIMARY KEY, line INTEGER, payment_status TEXT, plan_name TEXT,
                expires_at INTEGER, email TEXT, first_name TEXT, last_name TEXT, phone TEXT,
                house_id TEXT
            ) WITHOUT ROWID;
            CREATE TABLE users (
                email TEXT PRIMARY KEY, line INTEGER, phone TEXT, other_line INTEGER,
                first_name TEXT, last_name TEXT, house_id TEXT
            ) WITHOUT ROWID;
            CREATE TABLE ids (
                house_id TEXT, email TEXT, line INTEGER, PRIMARY KEY (house_id, email)
            ) WITHOUT ROWID;
            CREATE INDEX ids_by_email ON ids (email);
            CREATE TABLE good_lines (
                line INTEGER PRIMARY KEY, email TEXT, phone TEXT, house_id TEXT
            );
            CREATE INDEX good_lines_by_email ON good_lines (email);
            CREATE VIEW agreed AS SELECT * FROM users
                WHERE other_line IS NULL AND first_name IS NOT NULL
                AND (SELECT count(*) FROM ids WHERE ids.email = users.email) < 2
                AND NOT EXISTS (
                    SELECT 1 FROM ids
                    WHERE ids.house_id = users.house_id AND ids.email <> users.email
                );
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
        user = line.listed.user
        given = {
            "line": line.number,
            "email": user.email,
            "phone": None if user.phone is None else user.phone.e164,
            "house_id": user.house_id,
            "first_name": user.first_name,
            "last_name": user.last_name,
        }
        self._database.execute(
            """
            INSERT INTO users (email, line, phone, house_id)
            VALUES (:email, :line, :phone, :house_id)
            ON CONFLICT DO UPDATE SET
                other_line = iif(phone IS :phone, other_line, coalesce(other_line, :line)),
                house_id = coalesce(house_id, :house_id)
            """,
            given,
        )
        if user.house_id is not None:
            self._database.execute(
                "INSERT OR IGNORE INTO ids VALUES (:house_id, :email, :line)", given
            )
        if first := self._line_of_other_content(line, given):
            return BadLine(line.number, f"the same pass code is on line {first}")
        self._database.execute(
            "INSERT INTO good_lines VALUES (:line, :email, :phone, :house_id)", given
        )
        self._database.execute(
            "UPDATE users SET first_name = :first_name, last_name = :last_name "
            "WHERE email = :email",
            given,
        )
        return None

    def disagreeing(self) -> Iterator[BadLine]:
        """Yield the added lines that contradict other lines, in order."""
        query = """
            SELECT
                good_lines.line,
                CASE WHEN other_line IS NOT NULL
                    THEN iif(good_lines.phone IS users.phone, other_line, users.line) END,
                CASE WHEN (SELECT count(*) FROM ids WHERE ids.email = users.email) > 1
                    THEN (
                        SELECT min(ids.line) FROM ids WHERE ids.email = users.email
                        AND ids.house_id IS NOT good_lines.house_id
                    ) END,
                (
                    SELECT min(other.line) FROM ids JOIN ids AS other USING (house_id)
                    WHERE ids.email = users.email AND other.email <> users.email
                )
            FROM good_lines JOIN users USING (email)
            WHERE NOT EXISTS (SELECT 1 FROM agreed WHERE agreed.email = users.email)
            ORDER BY 1
        """
        with closing(self._database.execute(query)) as rows:
            for line, *others in rows:
                reason = next(
                    f"{what} on line {other}"
                    for what, other in zip(_CONTRADICTIONS, others, strict=True)
                    if other is not None
                )
                yield BadLine(line, reason)

    def refused(self, emails: Iterable[str]) -> Iterator[BadLine]:
        """Yield the added lines of users whom the database has under another id, in order."""
        query = "SELECT line FROM good_lines WHERE email = ?"
        lines = [line for email in emails for (line,) in self._database.execute(query, (email,))]
        for line in sorted(lines):
            yield BadLine(line, "its user_id or its email belongs to another user")

    def count(self) -> int:
        """Return the number of passes."""
        query = "SELECT count(*) FROM passes JOIN agreed USING (email)"
        counted: int = self._database.execute(query).fetchone()[0]
        return counted

    def passes(self) -> Iterator[ListedPass]:
        """Yield every pass once, ordered by the e-mail address of its user."""
        query = """
            SELECT code, payment_status, plan_name, expires_at,
                email, agreed.house_id, agreed.first_name, agreed.last_name, agreed.phone
            FROM passes JOIN agreed USING (email) ORDER BY email, code
        """
        with closing(self._database.execute(query)) as rows:
            for code, status, plan_name, expires_at, email, house_id, first, last, phone in rows:
                user = ListedUser(
                    house_id=house_id,
                    email=email,
                    first_name=first,
                    last_name=last,
                    phone=None if phone is None else PhoneNumber(phone),
                )
                yield ListedPass(
                    code=PassCode(code),
                    user=user,
                    payment_status=PaymentStatus(status),
                    plan_name=plan_name,
                    expires_at=expires_at,
                )

    def _line_of_other_content(self, line: Line, given: Mapping[str, object]) -> int | None:
        """Return the earlier line with the pass code of *line* and other content, or None."""
        listed = line.listed
        content = (
            *(listed.payment_status.value, listed.plan_name, listed.expires_at),
            *(given["email"], given["first_name"], given["last_name"], given["phone"]),
            given["house_id"],
        )
        code = listed.code.value
        new = self._database.execute(
            "INSERT OR IGNORE INTO passes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (code, line.number, *content),
        )
        if new.rowcount:
            return None
        _, number, *first = self._database.execute(
            "SELECT * FROM passes WHERE code = ?", (code,)
        ).fetchone()
        return None if tuple(first) == content else int(number)
