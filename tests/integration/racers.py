"""Processes that race each other over one database, through the real flows."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.challenge import Held
from hsp_otp.domain.code import Code
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.names import ClientAddress, PassCode, SessionId
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.pass_login import PassLogin
from hsp_otp.flows.signup import Signup, SignupCodeSent
from tests.e2e.preloaded import LOADED
from tests.integration.stores import Kind
from tests.world import Outbox, SignedProofs, slot_of

PATIENCE_SECONDS = 60


@attrs.frozen(kw_only=True)
class Call:
    """
    One request of a round; a request with a phone belongs to signup.

    Attributes:
        browser: The id of the browser; None over the API.
    """

    step: str
    client: str
    pass_code: str = ""
    digits: str = ""
    browser: str | None = None
    phone: str = ""
    session_id: str = ""


@attrs.frozen
class Result:
    """
    The results of the calls of one process.

    Attributes:
        words: The words of the outcomes, or the names of exceptions.
        codes: The codes in the messages.
        sessions: The signup sessions for which codes were sent.
        proofs: The session and the number of each signed proof.
    """

    words: list[str]
    codes: list[str]
    sessions: list[str]
    proofs: list[tuple[str, str]]


class Racers:
    """
    Processes that open the same database and start each round together.

    Attributes:
        kind: The kind of store.
        folder: The folder of the store.
    """

    def __init__(self, kind: Kind, folder: Path, count: int) -> None:
        self.kind, self.folder = kind, folder
        self._lines: list[Connection] = []
        self._processes = []
        self._start = LOADED.Barrier(count)  # kept, because it ends for all when its maker drops it
        for _ in range(count):
            here, there = LOADED.Pipe()
            process = LOADED.Process(
                target=_race,
                args=(kind, folder, there, self._start, dict(os.environ)),
                daemon=True,
            )
            process.start()
            there.close()
            self._lines.append(here)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for line in self._lines:
            line.close()
        for process in self._processes:
            process.join(PATIENCE_SECONDS)
            process.close()

    def race(self, calls: Sequence[Call]) -> Result:
        """Make all *calls* at once, distributed among the processes."""
        for number, line in enumerate(self._lines):
            line.send(calls[number :: len(self._lines)])
        together = Result([], [], [], [])
        for line in self._lines:
            assert line.poll(PATIENCE_SECONDS)
            result: Result = line.recv()
            together.words.extend(result.words)
            together.codes.extend(result.codes)
            together.sessions.extend(result.sessions)
            together.proofs.extend(result.proofs)
        return together

    def alone(self, call: Call) -> Result:
        """Make one call."""
        return self.race([call])


def _race(
    kind: Kind,
    folder: Path,
    line: Connection,
    start: Any,  # noqa: ANN401 - a barrier
    environ: dict[str, str],
) -> None:
    os.environ.update(environ)  # includes the servers of this run
    asyncio.run(_serve(kind, folder, line, start))


async def _serve(
    kind: Kind,
    folder: Path,
    line: Connection,
    start: Any,  # noqa: ANN401 - a barrier
) -> None:
    outbox, proofs = Outbox(), SignedProofs()
    async with kind.open(folder) as stores:
        clock, randomness = SystemClock(), SystemRandomness()
        login = stores.login(clock, randomness, outbox)
        signup = stores.signup(clock, randomness, outbox, proofs)
        while True:
            try:
                calls: list[Call] = line.recv()
            except EOFError:
                return
            outbox.sent.clear()
            proofs.signed.clear()
            sessions: list[str] = []
            start.wait(PATIENCE_SECONDS)
            words = await asyncio.gather(
                *(
                    _told(partial(_signed_up, signup, call, sessions))
                    if call.phone
                    else _told(partial(_made, login, call))
                    for call in calls
                )
            )
            proved = [(proof.session_id, proof.phone.e164) for proof in proofs.signed]
            line.send(Result(list(words), outbox.codes, sessions, proved))


async def _told(ask: Callable[[], Awaitable[str]]) -> str:
    """
    Return the result of *ask*.

    A store gives up a step that has lost races for two seconds. The step has not happened, and is
    tried again on a busy machine, like a client would.
    """
    while True:
        try:
            return await ask()
        except Exception as error:  # noqa: BLE001 - told to who races
            if "kept changing" not in str(error):
                return repr(error)


async def _made(login: PassLogin, call: Call) -> str:
    code, caller = PassCode(call.pass_code), Caller(ClientAddress(call.client), "r1")
    match call.step:
        case "validate":
            return (await login.validate(code, caller)).word
        case "send":
            return (await login.send(code, caller)).word
        case _:
            guess = Code(call.digits)
            return (await login.verify(code, guess, None, caller, call.browser)).word


async def _signed_up(signup: Signup, call: Call, sessions: list[str]) -> str:
    caller = Caller(ClientAddress(call.client), "r1")
    session = SessionId(call.session_id) if call.session_id else None
    if call.step == "verify":
        assert session is not None
        return (await signup.verify(session, Code(call.digits), caller)).word
    outcome = await signup.send(PhoneNumber(call.phone), session, caller)
    if isinstance(outcome, SignupCodeSent):
        sessions.append(outcome.session_id.value)
    return outcome.word


def start_counting(kind: Kind, folder: Path, answers: Path) -> BaseProcess:
    """Start a process that takes step after step and records the result of each."""
    process = LOADED.Process(target=_count, args=(kind, folder, answers, dict(os.environ)))
    process.start()
    return process


def _count(kind: Kind, folder: Path, answers: Path, environ: dict[str, str]) -> None:
    os.environ.update(environ)
    asyncio.run(_count_on(kind, folder, answers))


async def _count_on(kind: Kind, folder: Path, answers: Path) -> None:
    async with kind.open(folder) as stores:
        with answers.open("w", encoding="ascii") as out:
            while True:
                run: int = await stores.slots.transition(slot_of("u1"), (), _one_more)
                out.write(f"{run}\n")
                out.flush()


def _one_more(held: Held) -> Decision[Held, int]:
    run = held.record.run + 1
    return Decision(run, attrs.evolve(held, record=attrs.evolve(held.record, run=run)))
