"""Processes that race each other over one database, through the real flows."""

import asyncio
import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.code import Code
from hsp_otp.domain.names import ClientAddress, PassCode, SessionId
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.pass_login import PassLogin
from hsp_otp.flows.signup import Signup, SignupCodeSent
from tests.integration.stores import Kind
from tests.world import Outbox, SignedProofs

PATIENCE_SECONDS = 30


@attrs.frozen(kw_only=True)
class Call:
    """
    One request of a round; one with a phone is of signup.

    Attributes:
        browser: Whose; there is none over the API.
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
    What became of the calls of one process.

    Attributes:
        words: Of their outcomes, or the names of exceptions.
        codes: Of the messages that were sent.
        sessions: Of the signups that codes were sent for.
        proofs: The session and the number of each that was signed.
    """

    words: list[str]
    codes: list[str]
    sessions: list[str]
    proofs: list[tuple[str, str]]


class Racers:
    """
    Some processes that have the same database open, and start each round together.

    Attributes:
        kind: What they have open.
        folder: Where.
    """

    def __init__(self, kind: Kind, folder: Path, count: int) -> None:
        self.kind, self.folder = kind, folder
        spawning = multiprocessing.get_context("spawn")
        self._lines: list[Connection] = []
        self._processes = []
        self._start = spawning.Barrier(count)  # is gone for all when its maker lets go of it
        for _ in range(count):
            here, there = spawning.Pipe()
            process = spawning.Process(
                target=_race, args=(kind, folder, there, self._start), daemon=True
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
        """Make *calls* all at once, dealt out among the processes."""
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


def _race(kind: Kind, folder: Path, line: Connection, start: Any) -> None:  # noqa: ANN401
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
                    _signed_up(signup, call, sessions) if call.phone else _made(login, call)
                    for call in calls
                )
            )
            proved = [(proof.session_id, proof.phone.e164) for proof in proofs.signed]
            line.send(Result(list(words), outbox.codes, sessions, proved))


async def _made(login: PassLogin, call: Call) -> str:
    code, caller = PassCode(call.pass_code), Caller(ClientAddress(call.client), "r1")
    try:
        match call.step:
            case "validate":
                return (await login.validate(code, caller)).word
            case "send":
                return (await login.send(code, caller)).word
            case _:
                guess = Code(call.digits)
                return (await login.verify(code, guess, None, caller, call.browser)).word
    except Exception as error:  # noqa: BLE001 - told to who races
        return repr(error)


async def _signed_up(signup: Signup, call: Call, sessions: list[str]) -> str:
    caller = Caller(ClientAddress(call.client), "r1")
    session = SessionId(call.session_id) if call.session_id else None
    try:
        if call.step == "verify":
            assert session is not None
            return (await signup.verify(session, Code(call.digits), caller)).word
        outcome = await signup.send(PhoneNumber(call.phone), session, caller)
    except Exception as error:  # noqa: BLE001 - told to who races
        return repr(error)
    if isinstance(outcome, SignupCodeSent):
        sessions.append(outcome.session_id.value)
    return outcome.word
