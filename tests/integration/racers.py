"""Processes that race each other over one database, through the real flows."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import attrs

from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.api_keys import ApiKey, Scope
from hsp_otp.domain.apps import AppLimits, default_channels
from hsp_otp.domain.challenge import code_of
from hsp_otp.domain.challenge_outcomes import Issued
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import AppSend
from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.domain.listed_passes import ListedPass, ListedUser
from hsp_otp.domain.names import ClientAddress, PassCode, SessionId
from hsp_otp.domain.pass_changes import PassPut
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.slot_record import Held
from hsp_otp.domain.verification_request import Given
from hsp_otp.flows.assembly import Journeys
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.house_passes import HousePasses
from hsp_otp.flows.otp import WorkPosed
from hsp_otp.flows.pass_login import LedBack, PassLogin
from hsp_otp.flows.signup import Signup, SignupCodeSent
from hsp_otp.flows.verification_outcomes import ResendOutcome, Sent, Success
from hsp_otp.ports.failures import Unavailable
from tests.backend import BACKEND, RULES, SHOP
from tests.e2e.preloaded import LOADED
from tests.integration.stores import RINGS, Kind
from tests.world import RETURN_URL, SIGNUP_POLICY, Outbox, SignedProofs, of_run, slot_of

T = TypeVar("T")

PATIENCE_SECONDS = 60

RACING: Final = attrs.evolve(
    SHOP,
    rules=attrs.evolve(
        RULES,
        limits=AppLimits(sends_per_minute=0, sends_per_day=0),
        channels=default_channels()
        | {ContactKind.PHONE: (Channel.SMS, Channel.VOICE, Channel.WHATSAPP)},
    ),
)
"""The app whose backends race: many rounds are more than an app may send in a minute."""

WORK_ALONE = Policy(
    cooldown=0,
    contact_sends=Quota(100, DAY),
    sends_of_one_network=0,
    client_sends=(),
    fresh_for=0,
)
"""The policy of the step ``work``: nothing but work holds strangers up."""


_KEY = ApiKey(
    id=4 * "fcde2b2e",
    name="house",
    scopes=frozenset(Scope),
    made_at=Instant(0),
    ring_key_id="k1",
    digest=b"",
)


@attrs.frozen(kw_only=True)
class Call:
    """
    One request of a round; a request with a phone belongs to signup. The step ``put`` puts a pass
    whose content is *digits*.

    Attributes:
        browser: The id of the browser; None over the API.
        device: The token of the device, if any.
        work: The work that comes with it, if any.
        challenge_id: The challenge that is named, if any.
        handed: The exchange code to exchange.
        to: The number that an app's backend has verified; everything else belongs to other flows.
        key: The idempotency key of that request, if any.
        verification_id: The verification whose code is checked, or sent again.
    """

    step: str
    client: str
    pass_code: str = ""
    digits: str = ""
    browser: str | None = None
    phone: str = ""
    session_id: str = ""
    device: str | None = None
    work: str | None = None
    challenge_id: str | None = None
    handed: str = ""
    to: str = ""
    key: str | None = None
    verification_id: str = ""

    @property
    def caller(self) -> Caller:
        """The sender of the request."""
        devices = () if self.device is None else (self.device,)
        return Caller(ClientAddress(self.client), "r1", devices=devices, work=self.work)


@attrs.frozen
class Result:
    """
    The results of the calls of one process.

    Attributes:
        words: The words of the outcomes, or the names of exceptions.
        codes: The codes in the messages.
        sessions: The signup sessions for which codes were sent.
        proofs: The session and the number of each signed proof.
        issued: The id and the code of each challenge of pass login, by the name of its lane.
        works: The solutions of the work that was asked for.
        handed: The exchange codes of sign-ins that another backend completes.
        verifications: The verifications of which an app's backend was told.
    """

    words: list[str]
    codes: list[str]
    sessions: list[str]
    proofs: list[tuple[str, str]]
    issued: dict[str, tuple[str, str]] = attrs.field(factory=dict[str, tuple[str, str]])
    works: list[str] = attrs.field(factory=list[str])
    handed: list[str] = attrs.field(factory=list[str])
    verifications: list[str] = attrs.field(factory=list[str])


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
            together.issued.update(result.issued)
            together.works.extend(result.works)
            together.handed.extend(result.handed)
            together.verifications.extend(result.verifications)
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
        login = stores.login(clock, randomness, outbox, Policy(asks_for_work=False))
        working = stores.login(clock, randomness, outbox, WORK_ALONE)
        sign_ups = attrs.evolve(SIGNUP_POLICY, asks_for_work=False)
        signup = stores.signup(clock, randomness, outbox, proofs, policy=sign_ups)
        house = stores.house_passes(clock, randomness)
        journeys = stores.verification(clock, randomness, outbox)
        while True:
            try:
                calls: list[Call] = line.recv()
            except EOFError:
                return
            outbox.sent.clear()
            proofs.signed.clear()
            sessions: list[str] = []
            issued: dict[str, tuple[str, str]] = {}
            works: list[str] = []
            handed: list[str] = []
            verifications: list[str] = []
            start.wait(PATIENCE_SECONDS)
            words = await asyncio.gather(
                *(
                    _told(partial(_signed_up, signup, call, sessions))
                    if call.phone
                    else _told(partial(_put, house, call))
                    if call.step == "put"
                    else _told(partial(_for_an_app, journeys, call, verifications))
                    if call.to
                    else _told(
                        partial(
                            _made,
                            working if call.step == "work" else login,
                            call,
                            issued,
                            works,
                            handed,
                        )
                    )
                    for call in calls
                )
            )
            proved = [(proof.session_id, proof.phone.e164) for proof in proofs.signed]
            line.send(
                Result(
                    list(words),
                    outbox.codes,
                    sessions,
                    proved,
                    issued,
                    works,
                    handed,
                    verifications,
                )
            )


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


async def _made(
    login: PassLogin,
    call: Call,
    issued: dict[str, tuple[str, str]],
    works: list[str],
    handed: list[str],
) -> str:
    code, caller = PassCode(call.pass_code), call.caller
    match call.step:
        case "validate":
            return (await login.validate(code, caller)).word
        case "send" | "work":
            outcome = await login.send(code, caller)
            if isinstance(outcome, Issued):
                challenge = outcome.challenge
                digits = code_of(challenge, RINGS.codes.first, 6).reveal()
                issued[challenge.lane.value] = (challenge.id, digits)
            if isinstance(outcome, WorkPosed):
                works.append(str(outcome.work.parameters["solution"]))
            return outcome.word
        case "lead back":
            led = await login.verify_and_lead_back(
                code, Code(call.digits), None, caller, browser=None, return_url=RETURN_URL
            )
            if isinstance(led, LedBack):
                handed.append(led.handed.code)
            return led.word
        case "exchange":
            return (await login.sessions.exchange(call.handed, RETURN_URL, caller, "key1")).word
        case _:
            guess = Code(call.digits)
            verified = await login.verify(code, guess, call.challenge_id, caller, call.browser)
            return verified.word


def listed(pass_code: str, content: str) -> ListedPass:
    """A pass of one user, of which every member has that content."""
    return ListedPass(
        code=PassCode(pass_code),
        payment_status=PaymentStatus.PAID,
        plan_name=content,
        expires_at=Instant(int(content)),
        user=ListedUser(
            house_id="4711",
            email=f"{content}@example.com",
            first_name=content,
            last_name=content,
            phone=PhoneNumber(f"+91987654{content}"),
        ),
    )


async def _put(house: HousePasses, call: Call) -> str:
    content = listed(call.pass_code, call.digits)
    outcome = await _repeated(partial(house.put, content, _KEY, call.caller))
    return outcome.change.value if isinstance(outcome, PassPut) else outcome.word


async def _repeated(ask: Callable[[], Awaitable[T]]) -> T:
    """Do what may be repeated, until the stores of a busy machine have answered."""
    while True:
        with suppress(Unavailable):
            return await ask()


async def _fall_back(journeys: Journeys, verification_id: str) -> None:
    """Do what a receipt leads to whose first message will not arrive."""
    first = (await journeys.verification_sends.requests.verifications.sends_of(verification_id))[0]
    lost = AppSend(id=first.id, verification_id=verification_id, channel=first.channel)
    await journeys.verification_delivery.fall_back(lost)


async def _for_an_app(journeys: Journeys, call: Call, verifications: list[str]) -> str:
    sends = journeys.verification_sends
    backend = attrs.evolve(BACKEND, apps={RACING.id: RACING})
    sent: ResendOutcome
    match call.step:
        case "start":
            sent = await sends.start(RACING, Given(to=call.to), backend, call.key)
        case "resend":
            sent = await sends.resend(call.verification_id, None, backend, call.key)
        case "receipt":
            await _repeated(partial(_fall_back, journeys, call.verification_id))
            return "noted"
        case "cancel":
            return (await journeys.verification.cancel(call.verification_id, backend)).word
        case _:
            check = partial(
                journeys.verification.check,
                call.verification_id,
                call.digits,
                backend,
                idempotency_key=call.key,
            )
            checked = await (check() if call.key is None else _repeated(check))
            again = isinstance(checked, Success) and checked.replayed
            return "verified_again" if again else checked.word
    if isinstance(sent, Sent):
        verifications.append(sent.view.verification.id)
        return "replayed" if sent.replayed else "sent"
    return sent.word


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
    run = held.record.others.run + 1
    return Decision(run, attrs.evolve(held, record=of_run(held.record, run)))
