"""
What the guard makes of an ask, and what the sends of a slot owe until one of their codes is right.

`domain/guard.py` judges by ledgers; this turns its verdicts into the answers of the rules of codes.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from hsp_otp.domain import guard
from hsp_otp.domain.audit import PaidRow
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import (
    Assessment,
    Debt,
    Guarded,
    GuardedAsk,
    GuardMode,
    KnownBy,
    LedgerKey,
    Ledgers,
    Priced,
    Refused,
    Stretched,
)
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, Duration, Instant
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import UNKNOWN_CLIENT
from hsp_otp.domain.quota import LIMITS, Refusal
from hsp_otp.domain.slot_record import Held, Owed, Request, SlotRecord
from hsp_otp.domain.work import LEVELS

OWED_FOR: Final[Duration] = DAY
"""How long a right code, or a receipt, pays a send back."""

_MOST: Final = 100
"""Sends of a slot that may be paid back. Sends to one contact are limited long before, unless that
limit is off."""


def assess(
    held: Held, guarded: Guarded, lane: Lane, now: Instant, *, is_let: bool = False
) -> Assessment:
    """
    What the guard makes of an ask, the caps aside.

    Args:
        is_let: An operator lets it in: no group judges it, and none owes it.
    """
    if is_let or not guarded.keys:
        return Assessment(price=guarded.price, spent_by=guarded.spent_by)
    known_by = _known_by(held.record, guarded, lane, now)
    ask = GuardedAsk(
        keys=guarded.keys,
        money=guarded.money,
        price=guarded.price,
        is_known=known_by is not None,
    )
    return Assessment(
        price=guarded.price,
        spent_by=guarded.spent_by,
        verdict=guard.judge(held.ledgers, ask, guarded.policy, now),
        known_by=known_by,
    )


def refusal_of(assessment: Assessment, guarded: Guarded) -> Refusal | None:
    """The refusal of an ask by its groups; None if they admit it, or only record."""
    verdict = assessment.verdict
    if not isinstance(verdict, Refused) or guarded.mode is GuardMode.RECORD:
        return None
    return Refusal(LIMITS[verdict.group], verdict.retry_at, assessment=assessment)


def capped(assessment: Assessment, guarded: Guarded) -> Refusal | None:
    """The refusal of an ask by a cap that is reached, whatever the groups say."""
    cap = guarded.cap
    if cap is None:
        return None
    told = attrs.evolve(assessment, verdict=cap)
    return Refusal(LIMITS[cap.group], cap.retry_at, assessment=told)


def level_of(assessment: Assessment, guarded: Guarded) -> int:
    """The level of work that an ask costs; 0 if it is free."""
    if guarded.mode is GuardMode.RECORD:
        return 0
    match assessment.verdict:
        case Priced(level):
            return level
        case Stretched():
            return LEVELS[-1]
        case _:
            return 0


def owed_by(
    request: Request, assessment: Assessment | None, send_id: str, now: Instant
) -> Owed | None:
    """What is owed of an admitted send; None if nobody owes it."""
    guarded = request.guarded
    if guarded is None or assessment is None or assessment.debt is Debt.NOBODY:
        return None
    return Owed(
        send_id=send_id,
        at=now,
        client=None if request.client == UNKNOWN_CLIENT else request.client,
        account=guarded.account,
        contact=request.contact.value,
        region=guarded.money.region,
        debt=assessment.debt,
        price=assessment.price,
    )


def with_debt(before: tuple[Owed, ...], owed: Owed | None, now: Instant) -> tuple[Owed, ...]:
    """What a slot owes with an admitted send; what it owed *before* if nobody owes the send."""
    if owed is None:
        return before
    return (*(one for one in before if is_owed(one, now)), owed)[-_MOST:]


def charged(held: Ledgers, request: Request, owed: Owed | None, now: Instant) -> Ledgers:
    """*held* with what is *owed* of an admitted send; the very mapping if nothing is."""
    if owed is None or request.guarded is None:
        return held
    return guard.charged(held, request.guarded.keys, owed.debt, now)


def is_owed(owed: Owed, now: Instant) -> bool:
    """Whether a send may still be paid back."""
    return owed.at > now - CLOCK_SKEW - OWED_FOR


def paid_by(record: SlotRecord, contact: Contact, now: Instant) -> tuple[Owed, ...]:
    """The sends that a right code of *contact* pays back."""
    return tuple(one for one in record.owed if one.contact == contact.value and is_owed(one, now))


def without_debts(record: SlotRecord, contact: Contact) -> SlotRecord:
    """*record* in which nothing that was sent to *contact* is owed; itself if nothing was."""
    left = tuple(one for one in record.owed if one.contact != contact.value)
    return record if left == record.owed else attrs.evolve(record, owed=left)


def forgive(held: Held, send_id: str, now: Instant) -> Decision[Held, Owed | None]:
    """
    Let nobody owe a send any more whose message did not arrive: nobody is to blame.

    The outcome is what was owed; None if nothing is, or if it was sent too long ago.
    """
    owed = find_owed(held.record, send_id)
    if owed is None or not is_owed(owed, now):
        return Decision(None, held)
    left = tuple(one for one in held.record.owed if one is not owed)
    becomes = Held(
        attrs.evolve(held.record, owed=left),
        held.usages,
        guard.forgiven(held.ledgers, owed.keys, owed.at),
    )
    return Decision(owed, becomes, paid_rows((owed,), now, is_verified=False))


def paid_back(ledgers: Ledgers, owed: Sequence[Owed], now: Instant) -> Ledgers:
    """*ledgers* with these sends paid back; the very mapping if there are none."""
    return guard.paid(ledgers, [(one.keys, one.at) for one in owed], now) if owed else ledgers


def paid_rows(owed: Iterable[Owed], now: Instant, *, is_verified: bool) -> tuple[PaidRow, ...]:
    """The rows of sends that nobody owes any more."""
    return tuple(PaidRow(send_id=one.send_id, at=now, is_verified=is_verified) for one in owed)


def find_owed(record: SlotRecord, send_id: str) -> Owed | None:
    """What is owed of the send with that id, if anything is."""
    return next((one for one in record.owed if one.send_id == send_id), None)


def owed_keys(owed: Iterable[Owed]) -> tuple[LedgerKey, ...]:
    """The ledgers that these sends are owed in."""
    return tuple(dict.fromkeys(key for one in owed for key in one.keys))


def _known_by(record: SlotRecord, guarded: Guarded, lane: Lane, now: Instant) -> KnownBy | None:
    """Why an ask is known: its device or its number has verified here, and owes little."""
    unpaid = sum(is_owed(one, now) for one in record.owed)
    if unpaid >= guarded.policy.known_debt:
        return None
    if lane is Lane.KNOWN:
        return KnownBy.DEVICE
    devices = record.devices
    return KnownBy.NUMBER if devices is not None and now < devices.until else None
