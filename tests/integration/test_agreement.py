"""One machine, all stores: the same steps have the same outcomes."""

import random
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest

from hsp_otp.domain.audit import Action
from hsp_otp.domain.challenge import let, unlock
from hsp_otp.domain.challenge_outcomes import Issued, WrongCode
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant, after
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ClientAddress, PassCode, SessionId
from hsp_otp.domain.passes import Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import SESSION_LIFETIME, ClientLimits, Policy
from hsp_otp.domain.purposes import Flow
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.send_limits import Sent, send_keys
from hsp_otp.domain.signup import slot_of as slot_of_number
from hsp_otp.domain.slot_record import Held
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.otp import WorkPosed
from hsp_otp.flows.pass_login import SignedIn
from hsp_otp.flows.signup import (
    Proved,
    SignupCodeSent,
    SignupSendOutcome,
    SignupVerifyOutcome,
)
from hsp_otp.flows.unlock import unlock_slot
from hsp_otp.ports.failures import SendFailed
from tests.audit_rows import row_of
from tests.integration.stores import KINDS, Kind, Stores
from tests.integration.test_contracts import look_at_session
from tests.strategies import MACHINE_ROUNDS
from tests.world import (
    CLIENT,
    OTHER_CLIENT,
    OTHER_PHONE,
    PHONE,
    ManualClock,
    Outbox,
    ScriptedRandomness,
    SignedProofs,
    other_than,
    slot_of,
)

# Small numbers: every limit is met within a run.
POLICY = Policy(
    max_attempts=2,
    failures=(Quota(3, DAY), Quota(6, 30 * DAY)),
    max_run=8,
    contact_sends=Quota(6, DAY),
    sends_kept_for_known=2,
    sends_of_one_network=2,
    client_sends=(Quota(3, HOUR),),
)
SIGNUP_POLICY = attrs.evolve(POLICY, lifetime=300 * SECOND, client_sends=(Quota(3, MINUTE),))
LIMITS = ClientLimits(checks=Quota(12, HOUR), lookups=Quota(20, HOUR), misses=Quota(5, HOUR))

PASSES = ("HSP-0000-0001", "HSP-0000-0002", "HSP-0000-0003", "HSP-0000-0004")
"""Two of one user, one of another with the same number, and one that is not paid."""

UNKNOWN = "HSP-9999-9999"

CLIENTS = (CLIENT, "198.51.100.8", OTHER_CLIENT, "192.0.2.1")
"""The first two are in one network."""

SPANS = (
    POLICY.cooldown,
    POLICY.fresh_for,
    SIGNUP_POLICY.lifetime,
    POLICY.lifetime,
    MINUTE,
    SESSION_LIFETIME,
    HOUR,
    DAY,
    30 * DAY,
)

STEPS = 400
RUNS = 2 * MACHINE_ROUNDS

SEEN = {
    *("valid", "pass_not_found", "pass_not_paid", "lookup_rate_limited"),
    *("sent", "sms_failed", "resend_too_soon", "rate_limited", "phone_rate_limited"),
    *("verified", "invalid_otp", "otp_expired", "too_many_attempts", "locked_out"),
    *("session_not_found", "already_verified", "work_required", "malformed_request"),
}
"""Every word that the runs come to, together."""


@attrs.frozen(kw_only=True)
class Step:
    """
    Something that happens.

    Attributes:
        kind: Of the request, or ``fail``, a send whose message nobody takes, ``unlock``,
            ``unlock devices``, ``let`` or ``wait``.
        challenge_id: The challenge that is named, where one is.
        session_id: The session of signup, where one is named.
        phone: What is asked for in signup.
        devices: The device tokens that come with it.
        work: The work that comes with it.
    """

    kind: str
    code: str
    client: str
    digits: str
    challenge_id: str | None
    session_id: SessionId | None
    phone: str
    user: str
    duration: Duration
    devices: tuple[str, ...] = ()
    work: str | None = None


@attrs.define
class Side:
    """
    The flows over one kind of store, in a world that stands still between steps.

    Attributes:
        sessions: Of the signups that codes were sent for.
    """

    stores: Stores
    clock: ManualClock = attrs.field(factory=ManualClock)
    randomness: ScriptedRandomness = attrs.field(factory=ScriptedRandomness)
    outbox: Outbox = attrs.field(factory=Outbox)
    proofs: SignedProofs = attrs.field(factory=SignedProofs)
    sessions: list[SessionId] = attrs.field(factory=list[SessionId])

    async def store_passes(self) -> None:
        """Two passes of one user, one of another with the same number, one that is not paid."""
        paid, pending = PaymentStatus.PAID, PaymentStatus.PENDING
        listed = [("a", PHONE, paid), ("a", PHONE, paid), ("b", PHONE, paid)]
        listed.append(("c", OTHER_PHONE, pending))
        for code, (user, phone, payment) in zip(PASSES, listed, strict=True):
            holder = User(id=user, email=f"{user}@example.com", phone=PhoneNumber(phone))
            await self.stores.add(Pass(code=PassCode(code), user=holder, payment_status=payment))

    async def take(self, step: Step) -> Any:  # noqa: ANN401 - any outcome
        """Take *step*; its outcome, or None where it has none."""
        login = self.stores.login(self.clock, self.randomness, self.outbox, POLICY, LIMITS)
        code = PassCode(step.code)
        caller = Caller(ClientAddress(step.client), "r1", devices=step.devices, work=step.work)
        self.outbox.failure = SendFailed("nobody took it") if "fail" in step.kind else None
        match step.kind:
            case "validate":
                return await login.validate(code, caller)
            case "send" | "fail":
                return await login.send(code, caller)
            case "verify":
                return await login.verify(code, Code(step.digits), step.challenge_id, caller)
            case "sign up" | "fail to sign up" | "prove":
                return await self.sign_up(step, caller)
            case "unlock" | "unlock devices" | "let":
                return await self.operate(step)
            case _:
                return self.clock.advance(step.duration)

    async def sign_up(self, step: Step, caller: Caller) -> SignupSendOutcome | SignupVerifyOutcome:
        """Present a code in signup, or ask for one and keep its session."""
        signup = self.stores.signup(
            self.clock,
            self.randomness,
            self.outbox,
            self.proofs,
            policy=SIGNUP_POLICY,
            limits=LIMITS,
        )
        if step.kind == "prove":
            session_id = step.session_id or SessionId("A" * 22)
            return await signup.verify(session_id, Code(step.digits), caller)
        outcome = await signup.send(PhoneNumber(step.phone), step.session_id, caller)
        if isinstance(outcome, SignupCodeSent) and outcome.session_id not in self.sessions:
            self.sessions.append(outcome.session_id)
        return outcome

    async def operate(self, step: Step) -> None:
        """Unlock a slot, or let an address in, as an operator does."""
        slots, slot, now = self.stores.slots, slot_of(step.user), self.clock.now()
        if step.kind == "let":
            give = partial(let, client=ClientAddress(step.client), now=now)
            await slots.transition(slot, (), give)
            return
        if step.kind == "unlock devices":
            await slots.transition(slot, (), partial(unlock, devices=True))
            return
        row = row_of(
            at=now,
            flow=None,
            purpose=None,
            action=Action.UNLOCK,
            outcome="unlocked",
            client=None,
            request_id=None,
        )
        await unlock_slot(slots, slot, row)

    async def state(self) -> object:
        """All that is kept: slots, usages and rows."""
        usages = tuple(
            key
            for flow in Flow
            for phone in (PHONE, OTHER_PHONE)
            for client in CLIENTS
            for key in send_keys(
                Sent(
                    flow=flow,
                    contact=Contact.of_phone(PhoneNumber(phone)),
                    client=ClientAddress(client),
                    lane=lane,
                )
                for lane in Lane
            )
        )

        def look(held: Held) -> Decision[Held, Held]:
            return Decision(held, held)

        told: Counter[object] = Counter()
        for row in await self.stores.told():
            # A flood is one row with a count in SQL, and as many rows in memory.
            told[row.at // MINUTE, row.client, row.action, row.outcome] += row.count
        numbers = [slot_of_number(PhoneNumber(phone)) for phone in (PHONE, OTHER_PHONE)]
        slots = [*(slot_of(user) for user in "ab"), *numbers]
        held = [await self.stores.slots.transition(slot, usages, look) for slot in slots]
        sessions = [
            await self.stores.signup_sessions.transition(known, look_at_session)
            for known in self.sessions
        ]
        return held, told, await self.stores.sent(), sessions, self.proofs.signed


def presented(chance: random.Random, issued: list[str]) -> str:
    """The latest code, an older one, or a wrong one."""
    if not issued:
        return "000000"
    older = issued[max(-3, -len(issued))]
    return chance.choices((issued[-1], older, other_than(issued[-1])), (4, 1, 3))[0]


def forward(chance: random.Random, edges: list[Instant], now: Instant) -> Duration:
    """A while, or as long as it takes to an edge that some step made, or next to it."""
    if not edges or chance.random() < 0.3:
        return chance.randrange(40 * SECOND)
    span = chance.choices(SPANS, (12, 4, 4, 4, 3, 1, 0.5, 0.5, 0.1))[0]
    edge = after(chance.choice(edges[-6:]), span + chance.choice((-1, 0, 1)))
    return max(0, edge - now)


@attrs.define
class Seen:
    """
    What the callers have got so far.

    Attributes:
        tokens: Device tokens.
        ids: Ids of challenges.
        asked: The ask that work was last asked for, with that work solved.
        guessed: The last guess, if it was wrong.
    """

    tokens: list[str] = attrs.field(factory=list[str])
    ids: list[str] = attrs.field(factory=lambda: ["another"])
    asked: Step | None = None
    guessed: Step | None = None

    def take(self, step: Step, outcome: object) -> None:
        """Remember what *outcome* gives to its caller."""
        self.guessed = step if isinstance(outcome, WrongCode) else None
        match outcome:
            case SignedIn() | Proved():
                self.tokens.append(outcome.device_token)
            case Issued():
                self.ids.append(outcome.challenge.id)
            case WorkPosed():
                solved = str(outcome.work.parameters["solution"])
                self.asked = attrs.evolve(step, work=solved)
            case _:
                pass


def next_step(chance: random.Random, side: Side, edges: list[Instant], seen: Seen) -> Step:
    """What happens next."""
    if seen.asked is not None and chance.random() < 0.3:
        # The work once, and now and then again.
        step = seen.asked
        seen.asked = None if chance.random() < 0.8 else step
        return step
    if seen.guessed is not None and chance.random() < 0.6:
        return seen.guessed
    kinds = {
        "validate": 2,
        "send": 4,
        "fail": 1,
        "verify": 8,
        "sign up": 6,
        "fail to sign up": 0.5,
        "prove": 10,
        "unlock": 0.2,
        "unlock devices": 0.1,
        "let": 0.3,
        "wait": 8,
    }
    return Step(
        kind=chance.choices(tuple(kinds), tuple(kinds.values()))[0],
        code=chance.choices((*PASSES, UNKNOWN), (8, 4, 4, 1, 1))[0],
        client=chance.choices(CLIENTS, (6, 1, 2, 2))[0],
        digits=presented(chance, side.outbox.codes),
        challenge_id=chance.choices((None, seen.ids[-1], seen.ids[0]), (6, 3, 1))[0],
        session_id=chance.choice((*side.sessions[-2:], *side.sessions[-1:], None)),
        phone=chance.choices((PHONE, OTHER_PHONE), (3, 2))[0],
        user=chance.choice("ab"),
        duration=forward(chance, edges, side.clock.now()),
        devices=tuple(seen.tokens[-4:]) if chance.random() < 0.4 else (),
        work=chance.choices((None, "malformed"), (19, 1))[0],
    )


def _own(folder: Path, kind: Kind) -> Path:
    own = folder / kind.name
    own.mkdir()
    return own


async def words_of(seed: int, folder: Path) -> set[str]:
    """The words that one run comes to, the same over every kind of store."""
    chance = random.Random(seed)  # noqa: S311 - the same run every time
    words: set[str] = set()
    seen = Seen()
    edges: list[Instant] = []
    async with AsyncExitStack() as stack:
        sides = [
            Side(await stack.enter_async_context(kind.open(_own(folder, kind)))) for kind in KINDS
        ]
        for side in sides:
            await side.store_passes()
        for _ in range(STEPS):
            step = next_step(chance, sides[0], edges, seen)
            first, *others = [await side.take(step) for side in sides]
            assert all(other == first for other in others)
            if first is not None:
                words.add(first.word)
                seen.take(step, first)
                edges.append(sides[0].clock.now())
        first, *others = [await side.state() for side in sides]
        assert all(other == first for other in others)
    return words


@pytest.mark.timeout(120 + 120 * MACHINE_ROUNDS)
@pytest.mark.anyio
async def test_all_stores_agree(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is asked, presented, withdrawn, unlocked, let and waited for, every store agrees."""
    seen = [await words_of(seed, tmp_path_factory.mktemp("stores")) for seed in range(RUNS)]
    assert set().union(*seen) == SEEN
