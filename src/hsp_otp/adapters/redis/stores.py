"""Slots, usages and signup sessions as JSON records in Redis."""

from __future__ import annotations  # those of nested functions would cost every request

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from typing import Final

import attrs

from hsp_otp.adapters.record_format import LEDGER, SIGNUP_SESSION, SLOT, USAGE
from hsp_otp.adapters.redis.records import Change, Epoch, Kept, Loaded, RedisRecords, Restore
from hsp_otp.domain.challenge import after_loss
from hsp_otp.domain.decision import Decision, H, O
from hsp_otp.domain.guard import LedgerKey
from hsp_otp.domain.instant import DAY, HOUR, Duration, Instant
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.ledger import LEDGER_WINDOW, Ledger, merged
from hsp_otp.domain.names import SessionId
from hsp_otp.domain.purposes import Slot
from hsp_otp.domain.quota import CLIENT_WINDOW, LONGEST_WINDOW, Usage, UsageKey, Usages, union
from hsp_otp.domain.signup import SignupSession
from hsp_otp.domain.slot_record import Held, HeldKey, SlotRecord, split
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.limit_recovery import SendHistory, UsageHistory

_USAGE_LIFE: Final[Duration] = LONGEST_WINDOW + HOUR
_LEDGER_LIFE: Final[Duration] = LEDGER_WINDOW + HOUR
_SLOT_LIFE: Final[Duration] = 31 * DAY
"""Longer than any window of failed guesses."""

_NO_LIFE: Final[Duration] = 1

_SESSION_LIFE: Final[Duration] = HOUR


@attrs.frozen(kw_only=True)
class RedisSlots:
    """
    Stores slots, and the usages that limit sends.

    Admitted sends are stored in rows too, before a transition returns, so that nobody gets a fresh
    budget if Redis loses data. A challenge whose record may be outdated is void, and its owner has
    to ask again.
    """

    records: RedisRecords
    rows: AuditTrail
    history: SendHistory
    clock: Clock

    async def transition(
        self, slot: Slot, keys: tuple[HeldKey, ...], decide: Callable[[Held], Decision[Held, O]]
    ) -> O:
        """Implement `SlotRepository.transition`."""
        usages, ledger_keys = split(keys)
        key, names = f"slot:{slot}", _keys(usages)
        ledger_names = {one: _ledger_key(one) for one in ledger_keys}
        told: dict[UsageKey, Usage] = {}
        owed: dict[LedgerKey, Ledger] = {}
        asked_at: list[Mapping[Lane, Instant]] = []

        async def load(found: Mapping[str, Kept | None], epoch: Epoch) -> Loaded[Held]:
            now = self.clock.now()
            kept, lacks = found[key], epoch.lacks(LONGEST_WINDOW, now)
            known, lost = _known(found, names, lacks=lacks)
            if missing := tuple(one for one in lost if one not in told):
                told.update(await self.history.sends(missing, now))
            loaded = _learned(known, {one: told[one] for one in lost})
            ledgers, unknown = _known_ledgers(
                found, ledger_names, lacks=epoch.lacks(LEDGER_WINDOW, now)
            )
            if missing_ledgers := tuple(one for one in unknown if one not in owed):
                owed.update(await self.history.ledgers(missing_ledgers, now))
            for one in unknown:
                ledgers[one] = merged(ledgers[one], owed[one])
                loaded.learned[ledger_names[one]] = _ledger_change(ledgers[one])
            if kept is not None and not kept.is_stale:
                return Loaded(Held(SLOT.decode(kept.body), loaded.held, ledgers), loaded.learned)
            if lacks and not asked_at:
                asked_at.append(await self.history.asked_at(slot))
            restored = _restored(kept, asked_at[0] if lacks else {})
            if lacks or kept is not None:
                loaded.learned[key] = _slot_change(restored)
            return Loaded(Held(restored, loaded.held, ledgers), loaded.learned)

        def step(held: Held) -> tuple[Decision[Held, O], dict[str, Change]]:
            decision = decide(held)
            changes = _changed(held.usages, decision.becomes.usages, names)
            changes |= {
                ledger_names[one]: _ledger_change(ledger)
                for one, ledger in decision.becomes.ledgers.items()
                if ledger != held.ledgers[one]
            }
            if decision.becomes.record is not held.record:
                changes[key] = _slot_change(decision.becomes.record)
            return decision, changes

        decision = await self.records.step(
            (key, *names.values(), *ledger_names.values()), load, step
        )
        return await _told(self.rows, decision)

    async def recovered(self) -> AsyncIterator[Mapping[str, Restore]]:
        """All sends that anything counts, from their rows, for `RedisRecords.keep_recovering`."""
        now = self.clock.now()
        async for usages in self.history.all_sends(now):
            yield _restores(usages)
        async for ledgers in self.history.all_ledgers(now):
            yield {
                _ledger_key(key): partial(_restore_ledger, ledger=one)
                for key, one in ledgers.items()
            }
        async for page in self.history.all_asked_at(now):
            yield {f"slot:{slot}": partial(_restore_slot, asked_at=at) for slot, at in page.items()}


@attrs.frozen(kw_only=True)
class RedisUsage:
    """
    Stores the usages that limit clients; the *rows* of a transition are written before it returns.

    *history* has the charges in audit rows, including those made elsewhere in the meantime.
    """

    records: RedisRecords
    rows: AuditTrail
    history: UsageHistory
    clock: Clock

    async def transition(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        """Implement `UsageCounter.transition`."""
        names = _keys(keys)
        told: dict[UsageKey, Usage] = {}

        async def load(found: Mapping[str, Kept | None], epoch: Epoch) -> Loaded[Usages]:
            now = self.clock.now()
            lacks = epoch.lacks(CLIENT_WINDOW, now)
            known, lost = _known(found, names, lacks=lacks)
            if missing := tuple(key for key in lost if key not in told):
                told.update(await self.history.usages(missing, now))
            return _learned(known, {key: told[key] for key in lost})

        def step(held: Usages) -> tuple[Decision[Usages, O], dict[str, Change]]:
            decision = decide(held)
            return decision, _changed(held, decision.becomes, names)

        decision = await self.records.step((*names.values(),), load, step)
        return await _told(self.rows, decision)

    async def recovered(self) -> AsyncIterator[Mapping[str, Restore]]:
        """All charges of the last hour, from their rows, for `RedisRecords.keep_recovering`."""
        async for usages in self.history.all_usages(self.clock.now()):
            yield _restores(usages)

    async def forget(self) -> None:
        """
        Trust no record until it has been compared with the charges made elsewhere.

        Raises Unavailable if Redis does not answer.
        """
        await self.records.renew()


@attrs.frozen(kw_only=True)
class RedisSignupSessions:
    """
    Stores signup sessions.

    A session that lost its last step returns to the step before it. The code for that step is void
    by then, so the visitor asks again.
    """

    records: RedisRecords
    rows: AuditTrail

    async def transition(
        self,
        session_id: SessionId,
        /,
        decide: Callable[[SignupSession | None], Decision[SignupSession | None, O]],
    ) -> O:
        """Implement `SignupSessions.transition`."""
        key = f"signup:{session_id.value}"

        async def load(found: Mapping[str, Kept | None], _: Epoch) -> Loaded[SignupSession | None]:
            kept = found[key]
            return Loaded(SIGNUP_SESSION.decode(kept.body) if kept else None)

        def step(
            held: SignupSession | None,
        ) -> tuple[Decision[SignupSession | None, O], dict[str, Change]]:
            decision = decide(held)
            becomes = decision.becomes
            if becomes is held or becomes is None:
                return decision, {}
            return decision, {key: Change(SIGNUP_SESSION.encode(becomes), _SESSION_LIFE)}

        decision = await self.records.step((key,), load, step)
        return await _told(self.rows, decision)


def _life(record: SlotRecord) -> Duration | None:
    """A run of failures stays until a success or an operator ends it; empty records go."""
    if record == SlotRecord():
        return _NO_LIFE
    if any(lane.run for lane in record.lanes):
        return None
    devices = record.devices
    return _SLOT_LIFE if devices is None else max(_SLOT_LIFE, devices.until - devices.since + DAY)


def _slot_change(record: SlotRecord) -> Change:
    return Change(SLOT.encode(record), _life(record))


def _restored(kept: Kept | None, asked_at: Mapping[Lane, Instant]) -> SlotRecord:
    """The reliable part of a record that is not of this epoch."""
    return after_loss(SLOT.decode(kept.body) if kept else SlotRecord(), asked_at)


def _restore_slot(kept: Kept | None, asked_at: Mapping[Lane, Instant]) -> Change | None:
    if kept is not None and not kept.is_stale:
        return None  # a step has written it in this epoch
    return _slot_change(_restored(kept, asked_at))


def _restores(usages: Usages) -> dict[str, Restore]:
    return {_key(key): partial(_restore_usage, usage=usage) for key, usage in usages.items()}


def _restore_usage(kept: Kept | None, usage: Usage) -> Change | None:
    if kept is not None and not kept.is_stale:
        return None
    return _usage_change(union(USAGE.decode(kept.body) if kept else (), usage))


def _restore_ledger(kept: Kept | None, ledger: Ledger) -> Change | None:
    if kept is not None and not kept.is_stale:
        return None
    return _ledger_change(merged(LEDGER.decode(kept.body) if kept else Ledger(), ledger))


def _ledger_change(ledger: Ledger) -> Change:
    return Change(LEDGER.encode(ledger), _LEDGER_LIFE)


def _usage_change(usage: Usage) -> Change:
    return Change(USAGE.encode(usage), _USAGE_LIFE)


def _known(
    found: Mapping[str, Kept | None], names: Mapping[UsageKey, str], *, lacks: bool
) -> tuple[Usages, tuple[UsageKey, ...]]:
    """The usages in the records, and the keys that another store has to be asked about."""
    usages = {key: found[name] for key, name in names.items()}
    held = {key: USAGE.decode(kept.body) if kept else () for key, kept in usages.items()}
    if not lacks:
        return held, ()
    return held, tuple(key for key, kept in usages.items() if kept is None or kept.is_stale)


def _known_ledgers(
    found: Mapping[str, Kept | None], names: Mapping[LedgerKey, str], *, lacks: bool
) -> tuple[dict[LedgerKey, Ledger], tuple[LedgerKey, ...]]:
    """The ledgers in the records, and the keys that another store has to be asked about."""
    kept = {key: found[name] for key, name in names.items()}
    held = {key: LEDGER.decode(one.body) if one else Ledger() for key, one in kept.items()}
    if not lacks:
        return held, ()
    return held, tuple(key for key, one in kept.items() if one is None or one.is_stale)


def _learned(held: Usages, told: Usages) -> Loaded[Usages]:
    """*held* merged with another store's data for some of its keys."""
    found = {key: union(held[key], usage) for key, usage in told.items()}
    learned = {_key(key): _usage_change(usage) for key, usage in found.items()}
    return Loaded({**held, **found}, learned)


async def _told(rows: AuditTrail, decision: Decision[H, O]) -> O:
    if decision.rows:
        await rows.write(*decision.rows)
    return decision.outcome


def _key(key: UsageKey) -> str:
    return f"usage:{key}"


def _ledger_key(key: LedgerKey) -> str:
    return f"ledger:{key}"


def _keys(keys: Iterable[UsageKey]) -> dict[UsageKey, str]:
    return {key: _key(key) for key in keys}


def _changed(held: Usages, becomes: Usages, names: Mapping[UsageKey, str]) -> dict[str, Change]:
    if becomes is held:
        return {}
    return {
        names[key]: _usage_change(usage) for key, usage in becomes.items() if held[key] != usage
    }
