"""SQL statements for everything that a step writes, in both dialects."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import attrs
from msgspec import json
from sqlalchemy import BigInteger, Table

from hsp_otp.adapters.sql.tables import (
    audit,
    debts,
    funnel,
    passes,
    proved_contacts,
    records,
    sends,
    users,
    verifications,
)
from hsp_otp.domain.delivery import DeliveryState


@attrs.frozen(kw_only=True, eq=False)
class Part:
    """
    One kind of row that a step writes.

    Attributes:
        columns: The columns of the given rows, with their types on PostgreSQL.
        sqlite: The statement for one row.
        postgres: The statement for any number of rows, which it calls ``given``; ``{given}`` stands
            for their source.
    """

    name: str
    columns: Mapping[str, str]
    sqlite: str
    postgres: str


Written = Mapping[Part, Sequence[tuple[Any, ...]]]
"""Rows by part; no part is empty."""


def _columns(table: Table, *without: str) -> dict[str, str]:
    return {
        column.name: "bigint" if isinstance(column.type, BigInteger) else "text"
        for column in table.columns
        if column.name not in without
    }


def _insertion(name: str, table: Table, *without: str, then: tuple[str, str] = ("", "")) -> Part:
    columns = _columns(table, *without)
    listed = ", ".join(f'"{column}"' for column in columns)
    into = f"INTO {table.name} AS kept ({listed})"
    marks = ", ".join("?" * len(columns))
    return Part(
        name=name,
        columns=columns,
        sqlite=f"INSERT {into} VALUES ({marks}) {then[0]}",
        postgres=f"INSERT {into} SELECT * FROM {{given}} {then[1]}",
    )


_REPLACED: Final = (
    "ON CONFLICT (key) DO UPDATE SET body = excluded.body, version = excluded.version "
    "WHERE kept.version = excluded.version - 1"
)

_FOLDED: Final = (
    "ON CONFLICT (flood_key) WHERE flood_key IS NOT NULL "
    "DO UPDATE SET count = kept.count + excluded.count"
)

_SAME_NUMBER: Final = "kept.contact_fingerprint IS NOT DISTINCT FROM excluded.contact_fingerprint"
"""Otherwise another process has given the place in a flood to another number meanwhile."""

_QUEUED: Final = f"state = '{DeliveryState.QUEUED.value}'"

RECORDS: Final = _insertion("written", records, then=(_REPLACED, f"{_REPLACED} RETURNING 1"))
"""Records by key: the body, and the version after the one that was read."""

SENDS: Final = _insertion("sent", sends, "sender", "provider_message_id", "state", "state_at")

_ONCE: Final = "ON CONFLICT (id) DO NOTHING"

VERIFICATIONS: Final = _insertion(
    "verifying", verifications, "ended", "ended_at", then=(_ONCE, _ONCE)
)
"""Verifications, unless an earlier send of the code has stored them."""

_LATER: Final = (
    "ON CONFLICT (fingerprint, app_id) DO UPDATE SET at = excluded.at WHERE excluded.at > kept.at"
)

PROVED: Final = _insertion("proved", proved_contacts, "id", then=(_LATER, _LATER))
"""Contacts that have proved themselves in apps, each once, with the latest instant."""

VERIFIED: Final = Part(
    name="verified",
    columns={"id": "text"},
    sqlite="UPDATE users SET is_verified = true WHERE id = ? AND NOT is_verified",
    postgres="UPDATE users SET is_verified = true FROM {given} "
    "WHERE users.id = given.id AND NOT is_verified",
)
"""Users who have proved their number."""

EXPIRED: Final = Part(
    name="expired",
    columns={"code": "text"},
    sqlite="UPDATE passes SET status = 'expired' WHERE code = ?",
    postgres="UPDATE passes SET status = 'expired' FROM {given} WHERE passes.code = given.code",
)
"""Passes that a sign-in found expired."""

_SAME: Final = ("IS", "IS NOT DISTINCT FROM")
"""Equality that knows NULL, on SQLite and on PostgreSQL."""

_OF_USER: Final = ("id", "house_id", "email", "first_name", "last_name", "phone_number")
_OF_PASS: Final = ("code", "user_id", "payment_status", "plan_name", "expires_at")


def _upsert(table: Table, columns: tuple[str, ...], more: str, value: str, kept: str) -> Part:
    """
    Rows that are inserted, or replace those with the same first column.

    Args:
        more: A column that is not given.
        value: Its value in new rows.
        kept: Its value in replaced ones, with ``{same}`` for equality.
    """
    types = _columns(table)
    listed = ", ".join(columns)
    replaced = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    into = f"INTO {table.name} AS kept ({listed}, {more})"
    then = f"ON CONFLICT ({columns[0]}) DO UPDATE SET {replaced}, {more} = {kept}"
    on_sqlite, on_postgres = (then.format(same=same) for same in _SAME)
    marks = ", ".join("?" * len(columns))
    return Part(
        name=f"put_{table.name}",
        columns={name: types[name] for name in columns},
        sqlite=f"INSERT {into} VALUES ({marks}, {value}) {on_sqlite}",
        postgres=f"INSERT {into} SELECT {listed}, {value} FROM {{given}} {on_postgres}",
    )


USERS: Final = _upsert(
    users,
    _OF_USER,
    "is_verified",
    "false",
    "kept.is_verified AND kept.phone_number {same} excluded.phone_number",
)
"""Users, new or changed. A changed number is not verified."""

PASSES: Final = _upsert(
    passes,
    _OF_PASS,
    "status",
    "'active'",
    "CASE WHEN kept.expires_at {same} excluded.expires_at THEN kept.status ELSE 'active' END",
)
"""Passes, new or changed. One with a changed end is active again."""

ENDED: Final = Part(
    name="ended_passes",
    columns={"code": "text"},
    sqlite="DELETE FROM passes WHERE code = ?",
    postgres="DELETE FROM passes USING {given} WHERE passes.code = given.code",
)
"""Passes that the house has ended."""

HANDED_OVER: Final = Part(
    name="handed_over",
    columns={"sender": "text", "provider_message_id": "text", "id": "text"},
    # Only once: after a receipt, writing it again would reset the state.
    sqlite=f"UPDATE sends SET sender = ?, provider_message_id = ?, {_QUEUED} "
    "WHERE id = ? AND state IS NULL",
    postgres="UPDATE sends SET sender = given.sender, "
    f"provider_message_id = given.provider_message_id, {_QUEUED} FROM {{given}} "
    "WHERE sends.id = given.id AND state IS NULL",
)

UNSENT: Final = Part(
    name="unsent",
    columns={"at": "bigint", "id": "text"},
    sqlite=f"UPDATE sends SET state = '{DeliveryState.FAILED.value}', state_at = ? "
    "WHERE id = ? AND state IS NULL",
    postgres=f"UPDATE sends SET state = '{DeliveryState.FAILED.value}', state_at = given.at "
    "FROM {given} WHERE sends.id = given.id AND state IS NULL",
)
"""Sends of apps whose message no sender took."""

DEBTS: Final = _insertion("owed", debts, "paid", "paid_at")

PAID: Final = Part(
    name="paid",
    columns={"paid": "text", "at": "bigint", "id": "text"},
    sqlite="UPDATE debts SET paid = ?, paid_at = ? WHERE id = ? AND paid IS NULL",
    postgres="UPDATE debts SET paid = given.paid, paid_at = given.at "
    "FROM {given} WHERE debts.id = given.id AND debts.paid IS NULL",
)
"""Sends that nobody owes any more."""

ENDED_VERIFICATIONS: Final = Part(
    name="ended_verifications",
    columns={"ended": "text", "at": "bigint", "id": "text"},
    sqlite="UPDATE verifications SET ended = ?, ended_at = ? WHERE id = ? AND ended IS NULL",
    postgres="UPDATE verifications SET ended = given.ended, ended_at = given.at FROM {given} "
    "WHERE verifications.id = given.id AND verifications.ended IS NULL",
)
"""The first end of each verification."""

_CHANGED: Final = {
    HANDED_OVER: SENDS,
    UNSENT: SENDS,
    PAID: DEBTS,
    ENDED_VERIFICATIONS: VERIFICATIONS,
}
"""The parts that change rows which another part adds. The last column is the row's id."""


def is_apart(written: Written) -> bool:
    """Whether one statement can write everything. It cannot see a row that it adds itself."""
    return all(
        {row[0] for row in written.get(added, ())}.isdisjoint(
            row[-1] for row in written.get(changed, ())
        )
        for changed, added in _CHANGED.items()
    )


AUDIT: Final = _insertion(
    "audited",
    audit,
    "id",
    then=(_FOLDED, f"{_FOLDED} WHERE {_SAME_NUMBER} RETURNING 1"),
)

_COUNTED: Final = (
    "ON CONFLICT (at, flow, step, word, region, language, shard) "
    "DO UPDATE SET count = kept.count + excluded.count"
)

FUNNEL: Final = _insertion("stepped", funnel, "id", then=(_COUNTED, _COUNTED))
"""Counts of steps, which add to those that are there."""

_NUMBERED: Final = (
    "SELECT flood_key, contact_fingerprint FROM audit "
    "WHERE client = {} AND outcome = {} AND at >= {} AND at < {} "
    "AND flood_key IS NOT NULL AND contact_fingerprint IS NOT NULL"
)

NUMBERED_ON_SQLITE: Final = _NUMBERED.format("?", "?", "?", "?")
"""Selects the rows that the numbers of a flood have, by one of `floods`."""

_ONE_FLOOD: Final = _NUMBERED.format(
    "flood ->> 0", "flood ->> 1", "(flood ->> 2)::bigint", "(flood ->> 3)::bigint"
)

NUMBERED_ON_POSTGRES: Final = (
    "SELECT found.* FROM jsonb_array_elements($1::jsonb) AS flood "
    # The offset keeps it a look-up for each flood, by the index of clients.
    f"CROSS JOIN LATERAL ({_ONE_FLOOD} OFFSET 0) AS found"
)
"""Selects them for `as_json` of any number of floods."""

READ: Final = "SELECT key, body, version FROM records WHERE key {any}"
"""Selects records by key."""


def as_json(values: Sequence[object]) -> str:
    """
    *values* as one JSON text, the form in which statements take several values.

    PostgreSQL would take arrays too, but the driver processes every element of an array.
    """
    return json.encode(values).decode()


def on_sqlite(statement: str) -> str:
    """*statement* for SQLite: ``{any}`` takes `as_json` of texts, then ``{since}`` an instant."""
    return statement.format(any="IN (SELECT value FROM json_each(?))", since="?")


def on_postgres(statement: str) -> str:
    """*statement* for PostgreSQL, with the same parameters."""
    return statement.format(
        any="= ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))", since="$2::bigint"
    )


MOVED: Final = "22012"
"""The SQLSTATE of `postgres_statement` when others were faster: division by zero."""


@cache
def postgres_statement(parts: tuple[Part, ...]) -> str:
    """
    One statement that writes all *parts*, or nothing.

    Its parameters are `as_json` of the rows of each part, in order. If a record no longer has the
    version that was read, or a place in a flood went to another number, it fails with `MOVED`.
    """
    written = list[str]()
    for number, part in enumerate(parts, 1):
        columns = ", ".join(
            f'(row ->> {place})::{kind} AS "{column}"'
            for place, (column, kind) in enumerate(part.columns.items())
        )
        rows = f"(SELECT {columns} FROM jsonb_array_elements(${number}::jsonb) AS row) AS given"
        written.append(f"{part.name} AS ({part.postgres.format(given=rows)})")
    whole = [
        f"(SELECT count(*) FROM {part.name}) = jsonb_array_length(${number}::jsonb)"
        for number, part in enumerate(parts, 1)
        if part in {RECORDS, AUDIT}
    ]
    # PostgreSQL runs the parts that nothing refers to in the reverse order.
    return f"WITH {', '.join(reversed(written))} SELECT 1 / ({' AND '.join(whole) or 'true'})::int"
