"""Slots, usages and signup sessions as records of JSON in Redis."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import attrs
import msgspec

from hsp_otp.adapters.redis.records import Change, Kept, Loaded, RedisRecords
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, HOUR, Duration, Instant, after
from hsp_otp.domain.names import SessionId, Slot
from hsp_otp.domain.quota import LONGEST_WINDOW, Usage, UsageKey, Usages, union
from hsp_otp.domain.signup import SignupSession
from hsp_otp.domain.slot import Held, SlotRecord, after_loss
from hsp_otp.ports.audit import AuditTrail
from hsp_otp.ports.clock import Clock
from hsp_otp.ports.history import SendHistory, UsageHistory

H = TypeVar("H")
O = TypeVar("O")  # noqa: E741

_USAGE_LIFE: Final[Duration] = LONGEST_WINDOW + HOUR
_SLOT_LIFE: Final[Duration] = 31 * DAY
"""Longer than any window of failed guesses."""

_NO_LIFE: Final[Duration] = 1

_SESSION_LIFE: Final[Duration] = HOUR

_slot = msgspec.json.Decoder(SlotRecord)
_usage = msgspec.json.Decoder(Usage)
_session = msgspec.json.Decoder(SignupSession)


@attrs.frozen(kw_only=True)
class RedisSlots:
    """
    Keeps slots, and the usages that limit sends.

    What was admitted stands in rows too, so that a Redis that forgot it gives nobody a fresh
    budget. A challenge that may be older than it looks is void: its owner asks again.

    Attributes:
        rows: Where the rows of a transition go, before it returns.
    """

    records: RedisRecords
    rows: AuditTrail
    history: SendHistory

    async def transition(
        self,
        slot: Slot,
        usages: tuple[UsageKey, ...],
        decide: Callable[[Held], Decision[Held, O]],
    ) -> O:
        """Keep the promise of `SlotRepository.transition`."""
        key = f"slot:{slot}"

        async def load(found: Mapping[str, Kept | None], _: Instant) -> Loaded[Held]:
            kept = found[key]
            record = await self._record(slot, kept)
            known = await self._usages({one: found[_key(one)] for one in usages})
            learned = known.learned
            if kept is None or kept.is_stale:
                learned[key] = Change(_encode(record), _life(record))
            return Loaded(Held(record, known.held), learned)

        def step(held: Held) -> tuple[Decision[Held, O], dict[str, Change]]:
            decision = decide(held)
            changes = _changed(held.usages, decision.becomes.usages)
            record = decision.becomes.record
            if record is not held.record:
                changes[key] = Change(_encode(record), _life(record))
            return decision, changes

        decision = await self.records.step((key, *map(_key, usages)), load, step)
        return await _told(self.rows, decision)

    async def _record(self, slot: Slot, kept: Kept | None) -> SlotRecord:
        record = _slot.decode(kept.body) if kept else SlotRecord()
        if kept is not None and not kept.is_stale:
            return record
        return after_loss(record, await self.history.asked_at(slot))

    async def _usages(self, found: Mapping[UsageKey, Kept | None]) -> Loaded[Usages]:
        held = {key: _usage.decode(kept.body) if kept else () for key, kept in found.items()}
        lost = tuple(key for key, kept in found.items() if kept is None or kept.is_stale)
        if not lost:
            return Loaded(held)
        return _learned(held, await self.history.sends(lost))


@attrs.frozen(kw_only=True)
class RedisUsage:
    """
    Keeps the usages that limit checks and look-ups.

    Attributes:
        rows: Where the rows of a transition go, before it returns.
        history: What was charged by the audit rows, and what was charged elsewhere meanwhile.
    """

    records: RedisRecords
    rows: AuditTrail
    history: UsageHistory
    clock: Clock

    async def transition(
        self, keys: tuple[UsageKey, ...], decide: Callable[[Usages], Decision[Usages, O]]
    ) -> O:
        """Keep the promise of `UsageCounter.transition`."""

        async def load(found: Mapping[str, Kept | None], began: Instant) -> Loaded[Usages]:
            now = self.clock.now()
            kept = {key: found[_key(key)] for key in keys}
            held = {key: _usage.decode(one.body) if one else () for key, one in kept.items()}
            # Without a record nothing was charged in this epoch, but before it something may have.
            young = now < after(began, LONGEST_WINDOW + CLOCK_SKEW)
            lost = tuple(
                key for key, one in kept.items() if (one.is_stale if one is not None else young)
            )
            if not lost:
                return Loaded(held)
            return _learned(held, await self.history.usages(lost, now))

        def step(held: Usages) -> tuple[Decision[Usages, O], dict[str, Change]]:
            decision = decide(held)
            return decision, {} if decision.becomes is held else _changed(held, decision.becomes)

        decision = await self.records.step(tuple(map(_key, keys)), load, step)
        return await _told(self.rows, decision)

    async def forget(self) -> None:
        """
        Believe no record until it was compared with what was charged elsewhere.

        Raises:
            Unavailable: Redis did not answer.
        """
        await self.records.renew()


@attrs.frozen(kw_only=True)
class RedisSignupSessions:
    """
    Keeps signup sessions.

    One that lost its last step is where it was before: the code that belongs to the step is void
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
        """Keep the promise of `SignupSessions.transition`."""
        key = f"signup:{session_id.value}"

        async def load(
            found: Mapping[str, Kept | None], _: Instant
        ) -> Loaded[SignupSession | None]:
            kept = found[key]
            return Loaded(_session.decode(kept.body) if kept else None)

        def step(
            held: SignupSession | None,
        ) -> tuple[Decision[SignupSession | None, O], dict[str, Change]]:
            decision = decide(held)
            if decision.becomes is held:
                return decision, {}
            return decision, {key: Change(_encode(decision.becomes), _SESSION_LIFE)}

        decision = await self.records.step((key,), load, step)
        return await _told(self.rows, decision)


def _life(record: SlotRecord) -> Duration | None:
    """A run of failures is kept until a success or an operator ends it; nothing is not kept."""
    if record == SlotRecord():
        return _NO_LIFE
    return None if record.run else _SLOT_LIFE


def _learned(held: Usages, told: Usages) -> Loaded[Usages]:
    """*held* with what another memory told of some of its keys."""
    found = {key: union(held[key], usage) for key, usage in told.items()}
    learned = {_key(key): Change(_encode(usage), _USAGE_LIFE) for key, usage in found.items()}
    return Loaded({**held, **found}, learned)


async def _told(rows: AuditTrail, decision: Decision[H, O]) -> O:
    if decision.rows:
        await rows.write(*decision.rows)
    return decision.outcome


def _key(key: UsageKey) -> str:
    return f"usage:{key}"


def _changed(held: Usages, becomes: Usages) -> dict[str, Change]:
    return {
        _key(key): Change(_encode(usage), _USAGE_LIFE)
        for key, usage in becomes.items()
        if held[key] != usage
    }


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()
