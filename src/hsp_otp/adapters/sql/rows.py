"""How rows are written down."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

import attrs
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from hsp_otp.adapters.sql.database import insert
from hsp_otp.adapters.sql.tables import audit, passes, sends, users
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.rows import AuditRow, HandedOverRow, LateRow, Row, SendRow, SignInRow


async def write_needed(connection: AsyncConnection, rows: Iterable[Row]) -> None:
    """Write the rows that a request depends on: sends, and what sign-ins leave behind."""
    for row in rows:
        match row:
            case SendRow():
                await connection.execute(insert(connection, sends).values(_columns(row)))
            case SignInRow():
                await connection.execute(
                    update(users)
                    .where(users.c.id == row.user_id, ~users.c.is_verified)
                    .values(is_verified=True)
                )
                if row.pass_ended:
                    await connection.execute(
                        update(passes)
                        .where(passes.c.code == row.pass_code)
                        .values(status="expired")
                    )
            case AuditRow() | HandedOverRow():
                pass


async def write_late(connection: AsyncConnection, rows: Sequence[LateRow]) -> None:
    """Write the rows that tell of what has happened."""
    told: list[AuditRow] = []
    for row in rows:
        if isinstance(row, AuditRow):
            told.append(row)
        else:
            await connection.execute(
                update(sends)
                # Once: written again after a receipt, it would take the state back.
                .where(sends.c.challenge_id == row.challenge_id, sends.c.state.is_(None))
                .values(
                    sender=row.sender,
                    provider_message_id=row.provider_message_id,
                    state=DeliveryState.QUEUED.value,
                )
            )
    await _write_audit(connection, told)


async def _write_audit(connection: AsyncConnection, rows: Sequence[AuditRow]) -> None:
    """What folds adds to one row a minute, client, action and outcome."""
    counts = Counter(key for row in rows if (key := _flood_key(row)))
    firsts: dict[str, AuditRow] = {}
    for row in rows:
        firsts.setdefault(_flood_key(row) or "", row)
    values = [
        {**_audit_columns(row), "count": counts[key] if key else 1, "flood_key": key}
        for row in rows
        if not (key := _flood_key(row)) or firsts[key] is row
    ]
    if not values:
        return
    statement = insert(connection, audit)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[audit.c.flood_key],
            index_where=audit.c.flood_key.is_not(None),
            set_={"count": audit.c.count + statement.excluded.count},
        ),
        # In one order, so that two writers of the same floods do not wait for each other.
        sorted(values, key=lambda columns: columns["flood_key"] or ""),
    )


def _flood_key(row: AuditRow) -> str | None:
    if not row.folds:
        return None
    return f"{row.at // MINUTE}|{row.client}|{row.action.value}|{row.outcome}"


def _audit_columns(row: AuditRow) -> dict[str, Any]:
    columns = _columns(row)
    del columns["folds"]
    columns["charged"] = " ".join(row.charged) or None
    return columns


def _columns(row: AuditRow | SendRow) -> dict[str, Any]:
    columns = {name: _plain(value) for name, value in attrs.asdict(row, recurse=False).items()}
    columns["network"] = row.client and row.client.network
    return columns


def _plain(value: object) -> object:
    match value:
        case Enum():
            return value.value
        case ClientAddress():
            return value.value
        case _:
            return value
