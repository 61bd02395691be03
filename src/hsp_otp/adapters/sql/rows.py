"""Converts audit, send and sign-in rows to table rows."""

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
    """The rows that a request depends on: sends, and the changes of sign-ins."""
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
    """The rows that report what has happened."""
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
    """One row, keyed by column name."""
    return dict(zip(AUDIT.columns, _audited(row), strict=True))


def _folded(rows: Sequence[AuditRow]) -> list[tuple[Any, ...]]:
    """Fold rows that may be folded into one per minute, client, action, outcome and API key."""
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
    # In a fixed order, so that two writers of the same floods do not deadlock.
    return alone + [floods[key] for key in sorted(floods)]


def _flood_key(row: AuditRow) -> str | None:
    if not row.folds:
        return None
    key = f"{row.at // MINUTE}|{row.client}|{row.action.value}|{row.outcome}"
    return key if row.api_key_id is None else f"{key}|{row.api_key_id}"


_DERIVED: Final[Mapping[str, Callable[[AuditRow], Any]]] = {
    "flow": lambda row: None if row.flow is None else row.flow.value,
    "purpose": lambda row: None if row.purpose is None else row.purpose.value,
    "action": lambda row: row.action.value,
    "client": lambda row: None if row.client is None else row.client.value,
    "network": lambda row: None if row.client is None else row.client.network,
    "charged": lambda row: " ".join(row.charged) or None,
    "lane": lambda row: None if row.lane is None else row.lane.value,
    "flood_key": _flood_key,
}
"""The columns that hold something other than the member of that name."""

_MEMBERS: Final = frozenset(field.name for field in attrs.fields(AuditRow))
_READ: Final = attrgetter(*(name if name in _MEMBERS else "at" for name in AUDIT.columns))
"""Reads all columns in one call, which is faster. Values that are no members are replaced later."""

_PLACES: Final = [
    (place, _DERIVED[name]) for place, name in enumerate(AUDIT.columns) if name in _DERIVED
]
_COUNT: Final = tuple(AUDIT.columns).index("count")


def _audited(row: AuditRow, count: int = 1) -> tuple[Any, ...]:
    """
    The values in the order of the table's columns.

    Args:
        count: Requests that the row stands for.
    """
    told = [*_READ(row)]
    for place, derive in _PLACES:
        told[place] = derive(row)
    told[_COUNT] = count
    return tuple(told)


def _send(row: SendRow) -> tuple[Any, ...]:
    """The values in the order of the table's columns."""
    return (
        row.challenge_id,
        row.at,
        row.flow.value,
        row.purpose.value,
        row.slot,
        row.contact,
        row.client.value,
        row.client.network,
        row.lane.value,
    )
