"""Converts audit, send and sign-in rows to rows of tables."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import attrs

from hsp_otp.adapters.sql.write_statements import (
    AUDIT,
    EXPIRED,
    HANDED_OVER,
    SENDS,
    VERIFIED,
    Part,
    Written,
)
from hsp_otp.domain.audit import AuditRow, HandedOverRow, LateRow, Row, SendRow, SignInRow
from hsp_otp.domain.instant import MINUTE


def needed(rows: Iterable[Row]) -> Written:
    """What a request depends on: sends, and what sign-ins leave behind."""
    written: dict[Part, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        match row:
            case SendRow():
                written[SENDS].append(_send(row))
            case SignInRow():
                written[VERIFIED].append((row.user_id,))
                if row.pass_ended:
                    written[EXPIRED].append((row.pass_code,))
            case AuditRow() | HandedOverRow():
                pass
    return written


def late(rows: Iterable[LateRow]) -> Written:
    """What tells of what has happened."""
    written: dict[Part, Sequence[tuple[Any, ...]]] = {}
    handed = [row for row in rows if isinstance(row, HandedOverRow)]
    if handed:
        written[HANDED_OVER] = [
            (row.sender, row.provider_message_id, row.challenge_id) for row in handed
        ]
    audited = [row for row in rows if isinstance(row, AuditRow)]
    if audited:
        written[AUDIT] = _folded(audited)
    return written


def audit_columns(row: AuditRow) -> dict[str, Any]:
    """One row by the names of its columns."""
    return dict(zip(AUDIT.columns, _audited(row), strict=True))


def _folded(rows: Sequence[AuditRow]) -> list[tuple[Any, ...]]:
    """What folds is one row a minute, client, action and outcome."""
    keys = [_flood_key(row) for row in rows]
    if not any(keys):
        return [_audited(row) for row in rows]
    counts, seen = Counter(keys), set[str]()
    alone, floods = list[tuple[Any, ...]](), dict[str, tuple[Any, ...]]()
    for row, key in zip(rows, keys, strict=True):
        if key is None:
            alone.append(_audited(row))
        elif key not in seen:
            seen.add(key)
            floods[key] = _audited(row, counts[key])
    # In one order, so that two writers of the same floods do not wait for each other.
    return alone + [floods[key] for key in sorted(floods)]


def _flood_key(row: AuditRow) -> str | None:
    if not row.folds:
        return None
    return f"{row.at // MINUTE}|{row.client}|{row.action.value}|{row.outcome}"


_MADE: Final[Mapping[str, Callable[[AuditRow], Any]]] = {
    "flow": lambda row: None if row.flow is None else row.flow.value,
    "purpose": lambda row: None if row.purpose is None else row.purpose.value,
    "action": lambda row: row.action.value,
    "client": lambda row: None if row.client is None else row.client.value,
    "network": lambda row: None if row.client is None else row.client.network,
    "charged": lambda row: " ".join(row.charged) or None,
    "flood_key": _flood_key,
}
"""Columns that hold something else than the member of their name."""

_MEMBERS: Final = frozenset(field.name for field in attrs.fields(AuditRow))
_READ: Final = attrgetter(*(name if name in _MEMBERS else "at" for name in AUDIT.columns))
"""All columns in one call, which is faster; what is no member is put right afterwards."""

_PLACES: Final = [(place, _MADE[name]) for place, name in enumerate(AUDIT.columns) if name in _MADE]
_COUNT: Final = tuple(AUDIT.columns).index("count")


def _audited(row: AuditRow, count: int = 1) -> tuple[Any, ...]:
    """
    In the order of the table's columns.

    Args:
        count: Requests that the row stands for.
    """
    told = [*_READ(row)]
    for place, made in _PLACES:
        told[place] = made(row)
    told[_COUNT] = count
    return tuple(told)


def _send(row: SendRow) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    return (
        row.challenge_id,
        row.at,
        row.flow.value,
        row.purpose.value,
        row.slot,
        row.contact,
        row.client.value,
        row.client.network,
    )
