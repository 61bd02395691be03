"""Converts audit, send and sign-in rows to table rows."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import attrs
from msgspec import json

from hsp_otp.adapters.sql.write_statements import (
    AUDIT,
    DEBTS,
    ENDED_VERIFICATIONS,
    EXPIRED,
    FUNNEL,
    HANDED_OVER,
    PAID,
    PROVED,
    SENDS,
    UNSENT,
    VERIFICATIONS,
    VERIFIED,
    Part,
    Written,
)
from hsp_otp.domain.audit import (
    AuditFacts,
    AuditRow,
    DebtRow,
    EndedRow,
    HandedOverRow,
    LateRow,
    PaidRow,
    ProvedRow,
    Row,
    SendRow,
    SignInRow,
    StepRow,
    UnsentRow,
)
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.funnel import counted
from hsp_otp.domain.guard import block_of
from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.verification_record import NamedValue, Verification

VERIFIED_CODE: Final = "verified"
"""In the column that says why nobody owes a send any more: its code was right."""

NUMBERS_OF_A_FLOOD: Final = 100
"""Numbers that have a row each, of the requests of one client that one limit refuses in a minute.
All others share a row."""


def needed(rows: Iterable[Row]) -> Written:
    """The rows that a request depends on: sends, verifications, and the changes of sign-ins."""
    written: dict[Part, list[tuple[Any, ...]]] = defaultdict(list)
    proved: dict[tuple[str, str], int] = {}
    for row in rows:
        match row:
            case SendRow():
                written[SENDS].append(_send(row))
            case DebtRow():
                written[DEBTS].append(_debt(row))
            case SignInRow():
                written[VERIFIED].append((row.user_id,))
                if row.pass_ended:
                    written[EXPIRED].append((row.pass_code,))
            case Verification():
                written[VERIFICATIONS].append(_verification(row))
            case ProvedRow():
                of = row.fingerprint, row.app_id
                proved[of] = max(row.at, proved.get(of, row.at))
            case AuditRow() | HandedOverRow() | UnsentRow() | PaidRow() | EndedRow() | StepRow():
                pass
    if proved:
        # Each once and in a fixed order, so that two writers of the same contacts do not deadlock.
        written[PROVED] = [(at, *of) for of, at in sorted(proved.items())]
    return written


def floods(rows: Iterable[LateRow]) -> list[tuple[str, str, int, int]]:
    """
    The floods that may have rows of some numbers already, as `NUMBERED` takes them.

    Each is a client, an outcome, and the minute's first microsecond and the next minute's.
    """
    found: dict[tuple[str, str, int, int], None] = {}
    for row in rows:
        if isinstance(row, AuditRow) and row.folds and _number(row) is not None:
            minute = row.facts.at - row.facts.at % MINUTE
            found[str(row.facts.client), row.outcome, minute, minute + MINUTE] = None
    return list(found)


def late(
    rows: Iterable[LateRow], numbered: Iterable[Sequence[str]] = (), shard: int = 0
) -> Written:
    """
    The rows that report what has happened, and the steps of the funnel that they were.

    Args:
        numbered: The keys of the rows that `floods` have already, each with its number's
            fingerprint.
        shard: Under which this process counts steps.
    """
    written: dict[Part, Sequence[tuple[Any, ...]]] = {}
    handed = [row for row in rows if isinstance(row, HandedOverRow)]
    if handed:
        written[HANDED_OVER] = [
            (row.sender, row.provider_message_id, row.send_id) for row in handed
        ]
    unsent = [(row.at, row.send_id) for row in rows if isinstance(row, UnsentRow)]
    if unsent:
        written[UNSENT] = unsent
    paid = [
        (VERIFIED_CODE if row.is_verified else DeliveryState.UNDELIVERED.value, row.at, row.send_id)
        for row in rows
        if isinstance(row, PaidRow)
    ]
    if paid:
        written[PAID] = paid
    ended = [
        (row.status.value, row.at, row.verification_id) for row in rows if isinstance(row, EndedRow)
    ]
    if ended:
        written[ENDED_VERIFICATIONS] = ended
    audited = [row for row in rows if isinstance(row, AuditRow)]
    if audited:
        written[AUDIT] = _folded(audited, numbered)
    steps = [row for row in rows if isinstance(row, StepRow)]
    steps += [step for row in audited for step in counted(row)]
    if steps:
        # Last, because other writers may wait for these rows until the transaction ends.
        written[FUNNEL] = step_rows(steps, shard)
    return written


def step_rows(steps: Iterable[StepRow], shard: int) -> list[tuple[Any, ...]]:
    """The sums of *steps*, in a fixed order, in the order of the table's columns."""
    sums: Counter[tuple[Any, ...]] = Counter()
    for row in steps:
        language = row.language or ""
        of = (row.day, row.flow.value, row.step.value, row.word, row.region or "", language, shard)
        sums[of] += row.count
    return [(*of, count) for of, count in sorted(sums.items())]


def audit_columns(row: AuditRow) -> dict[str, Any]:
    """One row, keyed by column name."""
    return dict(zip(AUDIT.columns, _audited(row), strict=True))


def _folded(rows: Sequence[AuditRow], numbered: Iterable[Sequence[str]]) -> list[tuple[Any, ...]]:
    """
    Fold rows that may be folded into one for each minute, client, limit and number.

    A flood's numbers take places in turn, and the place is part of the row's unique key: so there
    are never more rows than places, however many processes write. Numbers without a place share a
    row that names none.
    """
    places = {(key.rpartition("|")[0], number): key for key, number in numbered}
    known, taken = {*places.values()}, Counter(flood for flood, _ in places)
    alone = list[tuple[Any, ...]]()
    first, counts = dict[str, AuditRow](), Counter[str]()
    for row in rows:
        if not row.folds:
            alone.append(_audited(row))
            continue
        flood, number = _flood(row), _number(row)
        key = None if number is None else places.get((flood, number))
        if row.facts.app is not None and row.facts.client is None:
            # The backend is known by its key, and may have a row for each verification.
            key = f"{flood}|{row.facts.contact_fingerprint}|{row.facts.verification_id}"
        if key is None and number is not None and taken[flood] < NUMBERS_OF_A_FLOOD:
            taken[flood] += 1
            key = places[flood, number] = f"{flood}|{taken[flood]}"
        if key is None:
            key, row = f"{flood}|rest", _without_number(row)  # noqa: PLW2901
        first.setdefault(key, row)
        counts[key] += 1
    # In a fixed order, so that two writers of the same floods do not deadlock.
    order = sorted(first, key=lambda key: (key not in known, key))
    return alone + [_audited(first[key], key, counts[key]) for key in order]


def _flood(row: AuditRow) -> str:
    """Requests that were charged differently are apart, since limits are recounted from them."""
    facts = row.facts
    charged = " ".join(facts.charged)
    key = f"{facts.at // MINUTE}|{facts.client}|{facts.action.value}|{row.outcome}|{charged}"
    return key if facts.api_key_id is None else f"{key}|{facts.api_key_id}"


def _number(row: AuditRow) -> str | None:
    return None if row.facts.client is None else row.facts.contact_fingerprint


def _without_number(row: AuditRow) -> AuditRow:
    if row.facts.contact_fingerprint is None:
        return row
    facts = attrs.evolve(
        row.facts,
        pass_code=None,
        contact=None,
        region=None,
        contact_fingerprint=None,
        range_fingerprint=None,
        block_fingerprint=None,
        subject_fingerprint=None,
        verification_id=None,
    )
    return attrs.evolve(row, facts=facts)


_DERIVED: Final[Mapping[str, Callable[[AuditRow], Any]]] = {
    "flow": lambda row: None if row.facts.flow is None else row.facts.flow.value,
    "purpose": lambda row: None if row.facts.purpose is None else row.facts.purpose.value,
    "action": lambda row: row.facts.action.value,
    "client": lambda row: None if row.facts.client is None else row.facts.client.value,
    "network": lambda row: None if row.facts.client is None else row.facts.client.network,
    "charged": lambda row: " ".join(row.facts.charged) or None,
    "lane": lambda row: None if row.facts.lane is None else row.facts.lane.value,
    "channel": lambda row: None if row.facts.channel is None else row.facts.channel.value,
    "known_by": lambda row: None if row.known_by is None else row.known_by.value,
}
"""The columns that hold something other than the member of that name."""

_MEMBERS: Final = {
    **{field.name: f"facts.{field.name}" for field in attrs.fields(AuditFacts)},
    **{field.name: field.name for field in attrs.fields(AuditRow)},
}
_READ: Final = attrgetter(*(_MEMBERS.get(name, "outcome") for name in AUDIT.columns))
"""Reads all columns in one call, which is faster. Values that are no members are replaced later."""

_PLACES: Final = [
    (place, _DERIVED[name]) for place, name in enumerate(AUDIT.columns) if name in _DERIVED
]
_COUNT: Final = tuple(AUDIT.columns).index("count")
_FLOOD_KEY: Final = tuple(AUDIT.columns).index("flood_key")


def _audited(row: AuditRow, flood_key: str | None = None, count: int = 1) -> tuple[Any, ...]:
    """
    The values in the order of the table's columns.

    Args:
        flood_key: Under which rows are folded.
        count: Requests that the row stands for.
    """
    told = [*_READ(row)]
    for place, derive in _PLACES:
        told[place] = derive(row)
    told[_FLOOD_KEY] = flood_key
    told[_COUNT] = count
    return tuple(told)


def _send(row: SendRow) -> tuple[Any, ...]:
    """The values in the order of the table's columns."""
    return (
        row.id,
        row.at,
        row.flow.value,
        row.purpose.value,
        row.slot,
        row.contact,
        row.sent_to,
        row.client.value,
        row.client.network,
        row.lane.value,
        row.language,
        row.channel.value,
        row.verification_id,
        row.app_id,
        _named_values(row.values),
        row.request,
        row.test_contact,
    )


def _debt(row: DebtRow) -> tuple[Any, ...]:
    """The values in the order of the table's columns."""
    return (
        row.send_id,
        row.at,
        row.account,
        row.range,
        block_of(row.range),
        None if row.client is None else row.client.value,
        None if row.client is None else row.client.network,
        row.debt.value,
        row.price,
    )


def _verification(row: Verification) -> tuple[Any, ...]:
    """The values in the order of the table's columns."""
    return (
        row.id,
        row.created_at,
        row.app_id,
        row.purpose.value,
        row.subject,
        row.channel.value,
        row.language,
        None if row.client is None else row.client.value,
        _named_values(row.values),
        json.encode(row.metadata).decode(),
        row.app_hash,
        row.digits,
        row.test_contact,
        row.expires_at,
    )


def _named_values(values: Iterable[NamedValue]) -> str | None:
    return " ".join(f"{value.name}:{value.fingerprint}" for value in values) or None


def named_values(text: str | None) -> tuple[NamedValue, ...]:
    """The values in a column of rows."""
    pairs = (pair.partition(":") for pair in (text or "").split())
    return tuple(NamedValue(name, fingerprint) for name, _, fingerprint in pairs)
