"""Group commit: steps that wait at the same time share one transaction."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import attrs
import structlog

from hsp_otp.adapters.sql.connections import Changes, Found, HeldError, deadline
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.rows import needed
from hsp_otp.adapters.sql.write_statements import RECORDS
from hsp_otp.adapters.waiting_steps import tell, telling
from hsp_otp.domain.audit import (
    AuditRow,
    EndedRow,
    HandedOverRow,
    LateRow,
    PaidRow,
    Row,
    StepRow,
    UnsentRow,
)
from hsp_otp.domain.decision import Decision, O
from hsp_otp.ports.failures import Unavailable

Bodies = Mapping[str, str | None]
"""Bodies of records by key; None if there is no record."""

_MOST_STEPS: Final = 200
"""Steps in one transaction, limited so that none holds the lock for long."""

_MOST_KEPT_ASIDE: Final = 10_000
"""Rows set aside for the database; about 10 MB."""

_TRY_AGAIN_SECONDS: Final = 1.0

_NOTED_SECONDS: Final = 0.5
"""How long a failing request waits for its row. Together with the two seconds of the failed step
and the rest of the request, this keeps the answer within 3 s."""

_HELD_UP_SECONDS: Final = 0.1
"""A transaction that takes longer is waiting for a lock or for an unresponsive database."""

_LATE: Final = (AuditRow, HandedOverRow, UnsentRow, PaidRow, EndedRow, StepRow)

_log = structlog.get_logger()


@attrs.define(eq=False)
class _Step:
    """
    A step that waits for its transaction.

    Attributes:
        by: The event loop's time until which to try.
        aside: Rows to set aside if the database is away, instead of failing.
    """

    keys: tuple[str, ...]
    decide: Callable[[Bodies], Decision[Bodies, Any]]
    by: float
    done: asyncio.Future[Any]
    aside: tuple[LateRow, ...] = ()


class GroupCommit:
    """
    The only way for requests to change the database.

    A transaction reads the records of all its steps, runs their decisions in order, and writes the
    changes. Each record is written only if its version is still the one that was read.

    Attributes:
        ever_kept_aside: How often rows could not be written, counting each attempt.
        ever_lost: Rows that were lost for good.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Step] = deque()
        self._running: asyncio.Task[None] | None = None
        self._under_way: dict[asyncio.Task[None], set[str]] = {}
        self._aside: deque[LateRow] = deque()
        self._floods_aside: deque[LateRow] = deque()
        self._steps: Counter[StepRow] = Counter()
        self.ever_kept_aside = 0
        self.ever_lost = 0

    async def step(
        self, keys: tuple[str, ...], decide: Callable[[Bodies], Decision[Bodies, O]]
    ) -> O:
        """
        Replace the values of *keys* with the result of *decide*, and write its rows.

        *decide* returns the same mapping for no change, or a mapping of the changes. Raises
        Unavailable if the database does not answer within two seconds.
        """
        outcome: O = await self._added(keys, decide)
        return outcome

    async def write(self, *rows: Row) -> None:
        """Implement `AuditTrail.write`."""
        told = _late(rows)
        if len(told) == len(rows):
            await self._write_late(told)
        else:
            await self.step((), lambda held: Decision(None, held, rows))

    async def note(self, row: AuditRow) -> None:
        """Implement `AuditTrail.note`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_NOTED_SECONDS):
                await self._write_late((row,))

    def count(self, row: StepRow) -> None:
        """Implement `AuditTrail.count`."""
        self._steps[row] += 1

    async def write_kept_aside(self) -> None:
        """Write the rows that were set aside and the steps counted, once a second, for ever."""
        while True:
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
            await self._write_aside()

    async def flush(self) -> None:
        """Let running transactions end, and try once to write what was set aside and counted."""
        while self._running or self._under_way:
            await asyncio.wait([*([self._running] if self._running else []), *self._under_way])
        await self._write_aside()

    async def close(self) -> None:
        """Flush for the last time; rows that cannot be written now are lost with the process."""
        await self.flush()
        if self.kept_aside:
            self.ever_lost += self.kept_aside
            _log.error("audit_lost", rows=self.kept_aside)

    @property
    def kept_aside(self) -> int:
        """The number of rows that wait for the database."""
        return len(self._aside) + len(self._floods_aside)

    async def _added(
        self,
        keys: tuple[str, ...],
        decide: Callable[[Bodies], Decision[Bodies, Any]],
        aside: tuple[LateRow, ...] = (),
    ) -> Any:  # noqa: ANN401 - any decision's outcome
        loop = asyncio.get_running_loop()
        step = _Step(keys, decide, deadline(), loop.create_future(), aside)
        self._waiting.append(step)
        if self._running is None:
            # A separate task, so that a cancelled caller does not cancel the others' steps.
            self._running = loop.create_task(self._run())
        return await step.done

    async def _write_aside(self) -> None:
        for aside in (self._aside, self._floods_aside):
            left = len(aside)
            while left and aside:
                # In portions: thousands at once would hold the lock for longer than requests wait.
                portion = min(left, len(aside), _MOST_STEPS)
                rows = tuple(aside.popleft() for _ in range(portion))
                left -= len(rows)
                if not await self._write_late(rows):
                    return
        if self._steps:
            steps, self._steps = self._steps, Counter()
            await self._write_late(
                tuple(attrs.evolve(row, count=count) for row, count in steps.items())
            )

    async def _write_late(self, rows: tuple[LateRow, ...]) -> bool:
        """Write *rows*, or set them aside if the database is away; returns whether it was there."""
        # The rows are set aside elsewhere, because the caller may be cancelled before then.
        answered: bool = await self._added(
            (), lambda held: Decision(outcome=True, becomes=held, rows=rows), aside=rows
        )
        return answered

    async def _run(self) -> None:
        try:
            with telling(self._waiting, self._tell):
                while self._waiting:
                    await asyncio.sleep(0)  # let all steps of this turn of the loop join
                    await self._run_next()
        finally:
            self._running = None

    async def _run_next(self) -> None:
        steps = self._next_steps()
        is_held_up = not steps
        if not is_held_up:
            # One transaction at a time, so that waiting steps share the next one; but a transaction
            # that waits for somebody's lock does not hold up the others.
            await asyncio.wait([self._start(steps)], timeout=_HELD_UP_SECONDS)
        if is_held_up or len(self._under_way) >= self._database.most_transactions:
            await asyncio.wait(list(self._under_way), return_when=asyncio.FIRST_COMPLETED)

    def _next_steps(self) -> list[_Step]:
        """Steps whose records no running step uses, in order for each record."""
        taken: list[_Step] = []
        left: list[_Step] = []
        kept = set[str]().union(*self._under_way.values())
        while self._waiting and len(taken) < _MOST_STEPS:
            step = self._waiting.popleft()
            if kept.isdisjoint(step.keys):
                taken.append(step)
            else:
                kept.update(step.keys)
                left.append(step)
        self._waiting.extendleft(reversed(left))
        return taken

    def _start(self, steps: list[_Step]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._settle(steps))
        self._under_way[task] = {key for step in steps for key in step.keys}
        task.add_done_callback(self._under_way.pop)
        return task

    async def _settle(self, steps: list[_Step]) -> None:
        """Commit *steps* together; if one of them causes a failure, commit them one by one."""
        with telling(steps, self._tell):
            try:
                outcomes: list[Any] = await self._commit(steps)
            except Unavailable as failure:
                outcomes = [failure] * len(steps)
            except HeldError:
                for step in steps:
                    self._start([step])
                return
            except Exception:  # belongs to one of the callers
                if len(steps) == 1:
                    raise
                for step in steps:
                    await self._settle([step])
                return
            for step, outcome in zip(steps, outcomes, strict=True):
                self._tell(step, outcome)

    def _tell(self, step: _Step, outcome: object) -> None:
        if step.aside and isinstance(outcome, Unavailable):
            self._keep_aside(step.aside)
            outcome = False
        tell(step, outcome)

    async def _commit(self, steps: list[_Step]) -> list[Any]:
        outcomes: list[Any] = []
        changes = Changes({}, ())

        def decide(found: Found) -> Changes:
            nonlocal outcomes, changes
            outcomes, changes = _decided(steps, found)
            return changes

        keys = sorted({key for step in steps for key in step.keys})
        by = min(step.by for step in steps)
        if not await self._database.settle(keys, decide, by, patient=len(steps) == 1):
            self._keep_aside(changes.late)  # no request may fail because of its audit row
        return outcomes

    def _keep_aside(self, rows: Sequence[LateRow]) -> None:
        if not rows:
            return
        for row in rows:
            (self._floods_aside if _is_flood(row) else self._aside).append(row)
        dropped = max(0, self.kept_aside - _MOST_KEPT_ASIDE)
        for _ in range(dropped):  # rows of possible floods go first
            (self._floods_aside or self._aside).popleft()
        self.ever_kept_aside += len(rows)
        self.ever_lost += dropped
        _log.error("audit_not_written", rows=len(rows), kept_aside=len(self._aside), lost=dropped)


def _is_flood(row: LateRow) -> bool:
    return isinstance(row, AuditRow) and row.folds


def _late(rows: Sequence[Row]) -> tuple[LateRow, ...]:
    return tuple(row for row in rows if isinstance(row, _LATE))


def _decided(steps: list[_Step], found: Found) -> tuple[list[Any], Changes]:
    """The outcomes (exceptions included), and the changes."""
    held: dict[str, str | None] = {key: body for key, (body, _) in found.items()}
    outcomes: list[Any] = []
    changed: dict[str, str | None] = {}
    rows: list[Row] = []
    for step in steps:
        seen = {key: held.get(key) for key in step.keys}
        try:
            decision = step.decide(seen)
        except Exception as bug:  # noqa: BLE001 - must not fail the other steps
            outcomes.append(bug)
            continue
        if decision.becomes is not seen:
            changed.update(decision.becomes)
            held.update(decision.becomes)
        rows.extend(decision.rows)
        outcomes.append(decision.outcome)
    written = needed(rows)
    if changed:
        # In a fixed order, against deadlocks.
        versions = ((key, found[key][1] if key in found else 0) for key in sorted(changed))
        records = [(key, changed[key], version + 1) for key, version in versions]
        written = {RECORDS: records, **written}
    return outcomes, Changes(written, _late(rows))
