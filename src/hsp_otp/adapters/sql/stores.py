"""Slots, usages, token families and signup records, stored as JSON."""

from __future__ import annotations  # those of nested functions would cost every request

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import attrs
from sqlalchemy import select

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.group_commit import Bodies, GroupCommit
from hsp_otp.adapters.sql.record_kinds import (
    APPROVALS,
    BUDGETS,
    FAMILIES,
    LEDGERS,
    SIGNUP_SESSIONS,
    SIGNUP_STEPS,
    SLOTS,
    USAGES,
    RecordKind,
)
from hsp_otp.adapters.sql.tables import records
from hsp_otp.domain.budgets import Budget, BudgetKey, budget_key
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.guard import LedgerKey
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.names import SessionId
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.quota import UsageKey, Usages
from hsp_otp.domain.refresh_tokens import Family
from hsp_otp.domain.signup import SignupSession, SignupStep
from hsp_otp.domain.slot_record import Held, HeldKey, SlotRecord, split
from hsp_otp.domain.verification import Approval

T = TypeVar("T")
O = TypeVar("O")  # noqa: E741


@attrs.frozen
class SqlSlots:
    """Stores slots, and the usages that limit sends."""

    commits: GroupCommit

    async def transition(
        self,
        slot: Slot,
        keys: tuple[HeldKey, ...],
        decide: Callable[[Held], Decision[Held, O]],
    ) -> O:
        """Implement `SlotRepository.transition`."""
        usages, ledgers = split(keys)
        key, records = SLOTS.key(str(slot)), records_of(usages)
        kept = {one: LEDGERS.key(str(one)) for one in ledgers}

        def step(bodies: Bodies) -> Decision[Bodies, O]:
            body = bodies[key]
            record = SLOTS.format.decode(body) if body else SlotRecord()
            held = Held(record, usages_in(bodies, records), _ledgers_in(bodies, kept))
            decision = decide(held)
            changed = _changed(held.usages, decision.becomes.usages, records)
            for one, ledger in decision.becomes.ledgers.items():
                if ledger is not held.ledgers[one]:
                    changed[kept[one]] = LEDGERS.format.encode(ledger)
            if decision.becomes.record is not held.record:
                changed[key] = SLOTS.format.encode(decision.becomes.record)
            return Decision(decision.outcome, changed, decision.rows)

        return await self.commits.step((key, *records.values(), *kept.values()), step)


@attrs.frozen
class SqlUsage:
    """Stores the usages that limit checks and look-ups."""

    commits: GroupCommit

    async def transition(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        """Implement `UsageCounter.transition`."""
        records = records_of(keys)

        def step(bodies: Bodies) -> Decision[Bodies, O]:
            held = usages_in(bodies, records)
            decision = decide(held)
            changed = _changed(held, decision.becomes, records)
            return Decision(decision.outcome, changed, decision.rows)

        return await self.commits.step(tuple(records.values()), step)


@attrs.frozen
class SqlFamilies:
    """Stores families of refresh tokens."""

    commits: GroupCommit

    async def transition(
        self,
        family_id: str,
        decide: Callable[[Family | None], Decision[Family | None, O]],
    ) -> O:
        """Implement `FamilyRepository.transition`."""
        return await _transition(self.commits, FAMILIES, family_id, decide)


@attrs.frozen
class SqlSignupSessions:
    """Stores signup sessions."""

    commits: GroupCommit

    async def transition(
        self,
        session_id: SessionId,
        decide: Callable[[SignupSession | None], Decision[SignupSession | None, O]],
    ) -> O:
        """Implement `SignupSessions.transition`."""
        return await _transition(self.commits, SIGNUP_SESSIONS, session_id.value, decide)


@attrs.frozen
class SqlApprovals:
    """Stores the approvals of verifications."""

    commits: GroupCommit

    async def transition(
        self,
        verification_id: str,
        decide: Callable[[Approval | None], Decision[Approval | None, O]],
    ) -> O:
        """Implement `Approvals.transition`."""
        return await _transition(self.commits, APPROVALS, verification_id, decide)


@attrs.frozen
class SqlSignupSteps:
    """Stores the steps that challenges led to."""

    commits: GroupCommit

    async def transition(
        self,
        challenge_id: str,
        decide: Callable[[SignupStep | None], Decision[SignupStep | None, O]],
    ) -> O:
        """Implement `SignupSteps.transition`."""
        return await _transition(self.commits, SIGNUP_STEPS, challenge_id, decide)


@attrs.frozen
class SqlBudgets:
    """Stores the budgets of money."""

    commits: GroupCommit
    database: Database

    async def transition(
        self, key: BudgetKey, decide: Callable[[Budget], Decision[Budget, O]]
    ) -> O:
        """Implement `Budgets.transition`."""

        def decide_on(held: Budget | None) -> Decision[Budget | None, O]:
            before = held or Budget()
            decision = decide(before)
            unchanged = decision.becomes is before
            return Decision(decision.outcome, held if unchanged else decision.becomes)

        return await _transition(self.commits, BUDGETS, str(key), decide_on)

    async def of_account(self, account: str) -> dict[BudgetKey, Budget]:
        """Implement `Budgets.of_account`."""
        first = BUDGETS.key(f"{account} ")
        mine = select(records.c.key, records.c.body).where(
            records.c.key > first, records.c.key < f"{first.removesuffix(' ')}!"
        )  # the character after a space
        async with self.database.read() as connection:
            rows = (await connection.execute(mine)).all()
        begins = len(BUDGETS.key(""))
        return {budget_key(row.key[begins:]): BUDGETS.format.decode(row.body) for row in rows}


async def _transition(
    commits: GroupCommit,
    kind: RecordKind[T],
    name: str,
    decide: Callable[[T | None], Decision[T | None, O]],
) -> O:
    key = kind.key(name)

    def step(bodies: Bodies) -> Decision[Bodies, O]:
        body = bodies[key]
        held = kind.format.decode(body) if body else None
        decision = decide(held)
        becomes = decision.becomes
        changed = {} if becomes is held or becomes is None else {key: kind.format.encode(becomes)}
        return Decision(decision.outcome, changed, decision.rows)

    return await commits.step((key,), step)


def record_of(key: UsageKey) -> str:
    """The key of the record that contains a usage."""
    return f"{USAGES.name}:{key}"


def records_of(keys: Iterable[UsageKey]) -> dict[UsageKey, str]:
    """The keys of the records that contain usages, each as `record_of` has it."""
    return {key: f"{USAGES.name}:{key.scope}:{key.who}" for key in keys}


def usages_in(bodies: Bodies, records: Mapping[UsageKey, str]) -> Usages:
    """The usages in those *records*; empty for missing ones."""
    found = [(key, bodies.get(name)) for key, name in records.items()]
    return {key: USAGES.format.decode(body) if body else () for key, body in found}


def _ledgers_in(bodies: Bodies, records: Mapping[LedgerKey, str]) -> dict[LedgerKey, Ledger]:
    found = [(key, bodies.get(name)) for key, name in records.items()]
    return {key: LEDGERS.format.decode(body) if body else Ledger() for key, body in found}


def _changed(
    held: Usages, becomes: Usages, records: Mapping[UsageKey, str]
) -> dict[str, str | None]:
    if becomes is held:
        return {}
    return {
        records[key]: USAGES.format.encode(usage)
        for key, usage in becomes.items()
        if held[key] != usage
    }
