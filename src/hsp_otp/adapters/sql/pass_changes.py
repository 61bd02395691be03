"""Changes of passes and users, by imports and by the API."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

import attrs
from sqlalchemy import func, select

from hsp_otp.adapters.sql.async_engine import AsyncConnection
from hsp_otp.adapters.sql.connections import RefusedError, deadline
from hsp_otp.adapters.sql.database import Database, is_postgres
from hsp_otp.adapters.sql.passes import SqlPasses, user_of
from hsp_otp.adapters.sql.rows import late
from hsp_otp.adapters.sql.write_statements import ENDED, PASSES, USERS, Written, as_json
from hsp_otp.adapters.waiting_steps import tell, telling
from hsp_otp.domain.audit import AuditRow
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.listed_passes import ListedPass, ListedUser
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.pass_changes import Change, HeldPass, PassPut, PutOutcome, put
from hsp_otp.domain.passes import KeptPass, Pass, PaymentStatus, User
from hsp_otp.ports.failures import Unavailable

O = TypeVar("O")  # noqa: E741

_LOCK: Final = 0x706173736573
"""The PostgreSQL advisory lock of everyone who changes passes and users: "passes" in ASCII."""

_USER: Final = "users.id, house_id, email, first_name, last_name, phone_number"
_PASSES: Final = (
    f"SELECT code, payment_status, plan_name, expires_at, {_USER} "  # noqa: S608 - constants
    "FROM passes JOIN users ON users.id = passes.user_id WHERE code {any}"
)
_USERS: Final = " UNION ".join(
    f"SELECT {_USER} FROM users WHERE {name} {{any}}"  # noqa: S608 - constants
    for name in ("email", "house_id", "id")
)
"""Users who are known by any of some addresses and ids."""

_MOST_STEPS: Final = 100
"""Steps of requests in one transaction, limited so that none holds the lock for long."""

_APART_SECONDS: Final = 0.05
"""How long after the begin of a transaction the next one begins. A backend often puts many passes
within a second, and fewer transactions leave more time to the requests of customers."""

_BATCH: Final = 500
"""Rows of an import in one transaction. It holds the lock for about 20 ms, and a request waits up
to 2 s."""

_PAUSE_SECONDS: Final = 0.005
"""Pause between transactions, in which requests that retry every millisecond get the lock."""

_PATIENCE_SECONDS: Final = 30.0
"""How long an import waits for the lock, since no request depends on it."""


@attrs.frozen(kw_only=True)
class PassStep:
    """The change of one pass, as `PassRepository.transition` takes it."""

    code: PassCode
    holder: ListedUser | None
    decide: Callable[[HeldPass], Decision[HeldPass, Any]]


class SqlPassRepository:
    """
    Changes passes, one transaction at a time.

    The first one begins at once; steps that wait until the next share it, so that they use one
    connection at most, however many there are.
    """

    def __init__(self, database: Database, found: SqlPasses) -> None:
        self._database = database
        self._found = found
        self._waiting: deque[_Waiting] = deque()
        self._running: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def find_kept(self, code: PassCode) -> KeptPass | None:
        """Implement `PassRepository.find_kept`."""
        return await self._found.find_kept(code)

    async def transition(
        self,
        code: PassCode,
        holder: ListedUser | None,
        decide: Callable[[HeldPass], Decision[HeldPass, O]],
    ) -> O:
        """Implement `PassRepository.transition`."""
        loop = asyncio.get_running_loop()
        step = PassStep(code=code, holder=holder, decide=decide)
        waiting = _Waiting(step, deadline(), loop.create_future())
        self._waiting.append(waiting)
        if self._running is None:
            # A separate task, so that a cancelled caller does not cancel the others' steps.
            self._running = loop.create_task(self._run())
        outcome: O = await waiting.done
        return outcome

    async def _run(self) -> None:
        try:
            with telling(self._waiting):
                while self._waiting:
                    loop = asyncio.get_running_loop()
                    await asyncio.sleep(self._not_before - loop.time())
                    self._not_before = loop.time() + _APART_SECONDS
                    count = min(len(self._waiting), _MOST_STEPS)
                    await self._settle([self._waiting.popleft() for _ in range(count)])
        finally:
            self._running = None

    async def _settle(self, together: list["_Waiting"]) -> None:
        """Commit steps together; if one of them causes a failure, commit them one by one."""
        with telling(together):
            by = min(one.by for one in together)
            try:
                outcomes = await change(self._database, [one.step for one in together], by)
            except Unavailable:
                raise
            except Exception:  # belongs to one of the callers
                if len(together) == 1:
                    raise
                for one in together:
                    await self._settle([one])
                return
            for one, outcome in zip(together, outcomes, strict=True):
                tell(one, outcome)


@attrs.frozen
class Counts:
    """The result of an import, in rows."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
        )

    @classmethod
    def of(cls, change: Change) -> "Counts":
        """One row."""
        return cls(**{change.value: 1})


@attrs.frozen(kw_only=True)
class Imported:
    """
    The result of an import.

    Attributes:
        refused: The e-mail addresses of the users whose id belongs to another user.
    """

    passes: Counts = Counts()
    users: Counts = Counts()
    refused: tuple[str, ...] = ()


async def import_passes(
    database: Database,
    listed: Iterable[ListedPass],
    new_id: Callable[[], str],
    stored: Callable[[int], None],
) -> Imported:
    """
    Store passes and their users while the server is running.

    Only rows that differ are written, so storing the same data again changes nothing. An
    interrupted import can be completed by repeating it.

    Args:
        listed: Each pass once; the passes of a user follow each other and agree about the user.
        new_id: Makes the id of a new user.
        stored: Called with the number of passes after each transaction.

    Raises:
        Unavailable: The database did not answer; rows that were committed before stay.
    """
    result, before = Imported(), None
    rest = iter(listed)
    while batch := list(islice(rest, _BATCH)):
        by = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        outcomes = await change(database, [_step(one, new_id()) for one in batch], by)
        for one, outcome in zip(batch, outcomes, strict=True):
            result = _counted(result, one.user, outcome, again=one.user.email == before)
            before = one.user.email
        stored(len(batch))
        await asyncio.sleep(_PAUSE_SECONDS)
    return result


def _step(listed: ListedPass, new_id: str) -> PassStep:
    return PassStep(
        code=listed.code, holder=listed.user, decide=lambda held: put(held, listed, new_id)
    )


def _counted(result: Imported, user: ListedUser, outcome: PutOutcome, *, again: bool) -> Imported:
    if not isinstance(outcome, PassPut):
        refused = result.refused if again else (*result.refused, user.email)
        return attrs.evolve(result, refused=refused)
    return attrs.evolve(
        result,
        passes=result.passes + Counts.of(outcome.of_pass),
        users=result.users + (Counts() if again else Counts.of(outcome.of_user)),
    )


async def take_turn(connection: AsyncConnection) -> None:
    """Keep changes of passes and users out until the transaction ends."""
    if is_postgres(connection):
        await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def change(database: Database, steps: Sequence[PassStep], by: float) -> list[Any]:
    """
    The outcomes of *steps*, decided in order and committed together.

    Args:
        by: The event loop's time until which to try.

    Raises:
        RefusedError: The rows were refused, possibly because two steps exchange e-mail addresses:
            try them one by one.
        Unavailable: The database did not answer.
    """
    try:
        return await _change(database, steps, by)
    except RefusedError:
        if len(steps) > 1:
            raise
    # By a writer of an older version, which takes no turn and was faster.
    return await _change(database, steps, by)


async def _change(database: Database, steps: Sequence[PassStep], by: float) -> list[Any]:
    outcomes: list[Any] = []

    def decide(found: Sequence[list[Any]]) -> Written:
        nonlocal outcomes
        state = _State(*found)
        outcomes = [state.take(step) for step in steps]
        return state.written()

    codes = sorted({step.code.value for step in steps})
    names = sorted({name for step in steps if step.holder for name in _names(step.holder)})
    reads = ((_PASSES, as_json(codes)), (_USERS, as_json(names)))
    await database.revise(reads, decide, by, lock=_LOCK)
    return outcomes


def _names(user: ListedUser) -> Iterator[str]:
    """What *user* may be found by."""
    yield user.email
    if user.house_id is not None:
        yield user.house_id


@attrs.define(eq=False)
class _Waiting:
    """
    A step that waits for its transaction.

    Attributes:
        by: The event loop's time until which to try.
    """

    step: PassStep
    by: float
    done: asyncio.Future[Any]


class _State:
    """What the steps of one transaction have read, and what they make of it."""

    def __init__(self, found_passes: Iterable[Any], found_users: Iterable[Any]) -> None:
        held = [_pass_of(row) for row in found_passes]
        users = [*(one.user for one in held), *map(user_of, found_users)]
        self._passes = {one.code: one for one in held}
        self._users = {one.id: one for one in users}
        self._passes_before = dict(self._passes)
        self._users_before = dict(self._users)
        self._emails = {one.email: one.id for one in users}
        self._known = {one.known_as: one.id for one in users}
        self._rows: list[AuditRow] = []

    def take(self, step: PassStep) -> Any:  # noqa: ANN401 - any decision's outcome
        """Decide *step* on what the steps before it have made, and return its outcome."""
        held = self._held(step)
        decision = step.decide(held)
        self._rows += [row for row in decision.rows if isinstance(row, AuditRow)]
        if decision.becomes is not held:
            self._become(step.code, decision.becomes.stored)
        return decision.outcome

    def written(self) -> Written:
        """The rows that differ, and the rows of the decisions."""
        users = [
            _row_of_user(one)
            for one in self._users.values()
            if self._users_before.get(one.id) != one
        ]
        before = {code: _row_of_pass(one) for code, one in self._passes_before.items()}
        after = {code: _row_of_pass(one) for code, one in self._passes.items()}
        passes = [row for code, row in after.items() if row != before.get(code)]
        ended = [(code.value,) for code in before.keys() - after.keys()]
        parts: Written = {USERS: users, PASSES: passes, ENDED: ended, **late(self._rows)}
        return {part: rows for part, rows in parts.items() if rows}

    def _held(self, step: PassStep) -> HeldPass:
        stored = self._passes.get(step.code)
        if stored is not None:
            stored = attrs.evolve(stored, user=self._users[stored.user.id])
        if step.holder is None:
            return HeldPass(stored=stored)
        house_id = step.holder.house_id
        by_id = None if house_id is None else self._known.get(house_id, house_id)
        by_email = self._emails.get(step.holder.email)
        return HeldPass(
            stored=stored,
            by_id=None if by_id is None else self._users.get(by_id),
            by_email=None if by_email is None else self._users[by_email],
        )

    def _become(self, code: PassCode, stored: Pass | None) -> None:
        if stored is None:
            del self._passes[code]
            return
        self._passes[code] = stored
        user = stored.user
        before = self._users.get(user.id)
        if before == user:
            return
        if before is not None:
            # The latest change is written last: its e-mail address may have been another user's.
            del self._users[user.id], self._emails[before.email], self._known[before.known_as]
        self._users[user.id] = user
        self._emails[user.email] = self._known[user.known_as] = user.id


def _pass_of(columns: Sequence[Any]) -> Pass:
    code, payment_status, plan_name, expires_at, *user = columns
    return Pass(
        code=PassCode(code),
        user=user_of(user),
        payment_status=PaymentStatus(payment_status),
        plan_name=plan_name,
        expires_at=expires_at,
    )


def _row_of_user(user: User) -> tuple[Any, ...]:
    phone = None if user.phone is None else user.phone.e164
    return user.id, user.house_id, user.email, user.first_name, user.last_name, phone


def _row_of_pass(one: Pass) -> tuple[Any, ...]:
    status = one.payment_status.value
    return one.code.value, one.user.id, status, one.plan_name, one.expires_at
