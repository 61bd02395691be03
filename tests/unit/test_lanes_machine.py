"""
The laws of the two lanes, driven through the real flows: docs/contract.md.

Strangers may do what they like; a known device does not notice. And whoever guesses, in whichever
lane, never gets more guesses than NIST SP 800-63B-4 allows for one subject.
"""

from collections import Counter
from typing import Any, ClassVar, Final

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hsp_otp.domain.challenge import let, unlock
from hsp_otp.domain.challenge_outcomes import Issued, Locked, WrongCode
from hsp_otp.domain.code import Code
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant, after
from hsp_otp.domain.names import ClientAddress, PassCode, SessionId
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.slot_record import Held
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.otp import WorkPosed
from hsp_otp.flows.pass_login import SendOutcome, SignedIn, VerifyOutcome
from hsp_otp.flows.signup import SignupCodeSent
from tests.strategies import MACHINE_ROUNDS, nudges
from tests.world import PASS_CODE, PHONE, START, World, other_than, run, slot_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 120 * MACHINE_ROUNDS)]

HOME: Final = "198.51.100.7"
ADDRESSES: Final = (HOME, "198.51.100.8", "203.0.113.9", "192.0.2.1", "2001:db8:1::/64")
"""The first two are in one network."""

OTHER_PASS: Final = "HSP-8765-4321"
"""Of another user with the same number."""

NO_LIMITS: Final = ClientLimits(
    checks=Quota(0, HOUR),
    lookups=Quota(0, HOUR),
    misses=Quota(0, HOUR),
    rejected=Quota(0, HOUR),
    unsent_asks=Quota(0, HOUR),
)
"""The limits on one address's requests do not ask who makes them; here nobody meets them."""


WRONG: Final = tuple(f"{number:06d}" for number in range(1_000))
"""What strangers guess, unless a message has it: they have none of the messages."""


def caller(client: str, token: str | None = None, work: str | None = None) -> Caller:
    """The sender of a request."""
    tokens = () if token is None else (token,)
    return Caller(ClientAddress(client), "r1", devices=tokens, work=work)


def send(world: World, by: Caller, pass_code: str = PASS_CODE) -> SendOutcome:
    """Ask for a code in pass login."""
    return run(world.login.send(PassCode(pass_code), by))


def verify(
    world: World, by: Caller, digits: str, challenge_id: str | None, pass_code: str = PASS_CODE
) -> VerifyOutcome:
    """Present a code in pass login."""
    return run(world.login.verify(PassCode(pass_code), Code(digits), challenge_id, by))


def known_world(policy: Policy, signup_policy: Policy | None = None) -> tuple[World, str]:
    """A world in which the first user has a known device, and the device's token."""
    world = World(policy=policy, signup_policy=signup_policy or policy, limits=NO_LIMITS)
    world.add()
    world.add(OTHER_PASS, user="u2")
    issued = send(world, caller(HOME))
    assert isinstance(issued, Issued)
    signed_in = verify(world, caller(HOME), world.outbox.codes[-1], None)
    assert isinstance(signed_in, SignedIn)
    return world, signed_in.device_token


@attrs.define
class Device:
    """
    A known device and its world.

    Attributes:
        token: What its last success gave it.
        challenge_id: Of the last code that it asked for.
        code: The last code that it got.
    """

    world: World
    token: str
    challenge_id: str | None = None
    code: str = "000000"

    def ask(self, client: str) -> SendOutcome:
        """Ask for a code."""
        outcome = send(self.world, caller(client, self.token))
        if isinstance(outcome, Issued):
            self.challenge_id, self.code = outcome.challenge.id, self.world.outbox.codes[-1]
        return outcome

    def guess(self, client: str, *, right: bool, named: bool) -> VerifyOutcome:
        """Present its code or a wrong one, with or without the challenge's id."""
        digits = self.code if right else other_than(self.code)
        by = caller(client, self.token)
        outcome = verify(self.world, by, digits, self.challenge_id if named else None)
        if isinstance(outcome, SignedIn):
            self.token = outcome.device_token
        return outcome


def told(outcome: Any) -> tuple[object, ...]:  # noqa: ANN401 - any outcome
    """What an answer says, without when a new code may be asked for."""
    return (
        outcome.word,
        getattr(outcome, "attempts_remaining", None),
        getattr(outcome, "retry_at", None),
    )


class KnownDevice(RuleBasedStateMachine):
    """
    No sequence of strangers' asks, guesses and work changes what a known device may do.

    Two worlds run side by side under one clock. In both, the known device asks for codes and
    presents right and wrong ones, from any address. In one of them, strangers ask for codes of its
    pass, of another pass with the same number and in signup, do work or do not, guess wrong with
    every challenge's id and without one, and send tokens that they have made up. At every point the
    known device gets the same answer in both worlds: the same word, the same guesses left, the same
    wait.

    It asks for no more than the sends that are kept for it in any 24 h, since beyond those it
    shares the number's ten with the others. Therefore, once it has used them, when it may ask again
    is not compared either.
    """

    KEPT: ClassVar = 2
    HALF: ClassVar = 3
    """Of the seven failures in a row, those that known devices have at any rate."""

    policy = Policy(
        failures=(Quota(4, DAY), Quota(7, 30 * DAY)),
        max_run=7,
        contact_sends=Quota(6, DAY),
        sends_kept_for_known=2,
        sends_of_one_network=2,
        free_sends_of_others=1,
        client_sends=(Quota(2, MINUTE), Quota(3, HOUR)),
    )
    spans = (30 * SECOND, 120 * SECOND, 300 * SECOND, 600 * SECOND, HOUR, DAY, 30 * DAY)

    @initialize()
    def begin(self) -> None:
        """In both worlds the device has signed in a day ago."""
        policy, signup = self.policy, attrs.evolve(self.policy, lifetime=300 * SECOND)
        self.quiet, self.busy = (Device(*known_world(policy, signup)) for _ in range(2))
        self.asked: list[Instant] = []
        self.edges: list[Instant] = [START]
        self.payloads = ["nothing"]
        self.ids: list[str | None] = [None, "never-issued"]
        self.sessions = [SessionId("A" * 22)]
        self.since = START
        self.go(after(START, DAY))

    def go(self, instant: Instant) -> None:
        """Set both clocks."""
        self.now = instant
        for device in (self.quiet, self.busy):
            device.world.clock.instant = instant

    @property
    def is_known(self) -> bool:
        """Whether the device's token is still good."""
        return self.now < self.since - self.since % SECOND + 180 * DAY

    @property
    def sends(self) -> int:
        """How many codes the device has asked for in the last 24 h."""
        return len([at for at in self.asked if at > self.now - DAY])

    # The known device

    @precondition(lambda self: self.is_known and self.sends < self.KEPT)
    @rule(client=st.sampled_from(ADDRESSES))
    def device_asks(self, client: str) -> None:
        """Ask for a code on the known device."""
        outcomes = self.quiet.ask(client), self.busy.ask(client)
        if isinstance(outcomes[0], Issued):
            self.asked.append(self.now)
            self.ids.append(self.busy.challenge_id)
        self.compare(*outcomes)

    @precondition(lambda self: self.is_known)
    @rule(
        client=st.sampled_from(ADDRESSES),
        right=st.sampled_from((False, False, True)),
        named=st.booleans(),
        times=st.integers(1, 3),
    )
    def device_guesses(self, client: str, times: int, *, right: bool, named: bool) -> None:
        """Present a code on the known device, up to three times."""
        for _ in range(times):
            quiet, busy = (
                device.guess(client, right=right, named=named) for device in (self.quiet, self.busy)
            )
            if isinstance(quiet, SignedIn):
                self.since = self.now
            self.compare(quiet, busy)

    @precondition(lambda self: self.quiet.world.whole_record().known.run >= self.HALF)
    @rule()
    def operator_unlocks(self) -> None:
        """An operator unlocks a device that has locked itself, in both worlds."""
        for device in (self.quiet, self.busy):
            run(device.world.slots.transition(slot_of("u1"), (), unlock))

    def compare(self, quiet: Any, busy: Any) -> None:  # noqa: ANN401 - any outcome
        """Strangers must not have made a difference."""
        assert told(busy) == told(quiet)
        self.edges.append(self.now)
        if self.sends < self.KEPT and hasattr(quiet, "resend_at"):
            assert busy.resend_at == quiet.resend_at

    # Strangers

    @rule(
        client=st.sampled_from(ADDRESSES),
        pass_code=st.sampled_from((PASS_CODE, PASS_CODE, OTHER_PASS)),
        token=st.sampled_from((None, None, "forged")),
        works=st.booleans(),
        data=st.data(),
    )
    def stranger_asks(
        self, client: str, pass_code: str, token: str | None, data: st.DataObject, *, works: bool
    ) -> None:
        """Ask for a code in pass login, with work if it is asked for or with any work there was."""
        world = self.busy.world
        forged = None if token is None else self.busy.token[:-1] + "x"
        work = data.draw(st.sampled_from((None, None, *self.payloads)))
        outcome = send(world, caller(client, forged, work), pass_code)
        if isinstance(outcome, WorkPosed) and works:
            self.payloads.append(str(outcome.work.parameters["solution"]))
            outcome = send(world, caller(client, forged, self.payloads[-1]), pass_code)
        if isinstance(outcome, Issued):
            self.ids.append(outcome.challenge.id)
        self.edges.append(self.now)

    @rule(client=st.sampled_from(ADDRESSES), works=st.booleans(), data=st.data())
    def stranger_signs_up(self, client: str, data: st.DataObject, *, works: bool) -> None:
        """Ask for a code in signup, in a new session or another one."""
        signup, phone = self.busy.world.signup, PhoneNumber(PHONE)
        session = data.draw(st.sampled_from((None, *self.sessions)))
        outcome = run(signup.send(phone, session, caller(client)))
        if isinstance(outcome, WorkPosed) and works:
            work = str(outcome.work.parameters["solution"])
            outcome = run(signup.send(phone, session, caller(client, None, work)))
        if isinstance(outcome, SignupCodeSent):
            self.sessions.append(outcome.session_id)
        self.edges.append(self.now)

    @rule(
        client=st.sampled_from(ADDRESSES),
        pass_code=st.sampled_from((PASS_CODE, PASS_CODE, OTHER_PASS)),
        times=st.integers(1, 4),
        data=st.data(),
    )
    def stranger_guesses(
        self, client: str, pass_code: str, times: int, data: st.DataObject
    ) -> None:
        """Present wrong codes, also for the known device's challenge."""
        world = self.busy.world
        challenge_id = data.draw(st.sampled_from(self.ids[:2] + self.ids[-4:]))
        wrong = next(one for one in WRONG if one not in world.outbox.codes)
        for _ in range(times):
            outcome = verify(world, caller(client), wrong, challenge_id, pass_code)
            assert not isinstance(outcome, SignedIn)
        self.edges.append(self.now)

    @rule(client=st.sampled_from(ADDRESSES), data=st.data())
    def stranger_proves(self, client: str, data: st.DataObject) -> None:
        """Present a wrong code in signup."""
        world = self.busy.world
        session = data.draw(st.sampled_from(self.sessions))
        wrong = next(one for one in WRONG if one not in world.outbox.codes)
        run(world.signup.verify(session, Code(wrong), caller(client)))
        self.edges.append(self.now)

    @rule(
        clients=st.lists(st.sampled_from(ADDRESSES), min_size=4, max_size=8),
        pass_code=st.sampled_from((PASS_CODE, PASS_CODE, OTHER_PASS)),
        guesses=st.integers(0, 3),
    )
    def strangers_use_up_what_they_can(
        self, clients: list[str], pass_code: str, guesses: int
    ) -> None:
        """Do all work, ask as soon as a code is no longer fresh, and waste the guesses."""
        world = self.busy.world
        for client in clients:
            outcome = send(world, caller(client), pass_code)
            if isinstance(outcome, WorkPosed):
                work = str(outcome.work.parameters["solution"])
                outcome = send(world, caller(client, None, work), pass_code)
            if isinstance(outcome, Issued):
                wrong = next(one for one in WRONG if one not in world.outbox.codes)
                for _ in range(guesses):
                    verify(world, caller(client), wrong, outcome.challenge.id, pass_code)
                self.edges.append(self.now)
            self.go(after(self.now, 120 * SECOND))

    # Time

    @rule(data=st.data(), nudge=nudges())
    def jump(self, data: st.DataObject, nudge: Duration) -> None:
        """Go to an edge of something that was asked or guessed."""
        of = data.draw(st.sampled_from(self.edges[-8:]))
        instant = after(of, data.draw(st.sampled_from(self.spans)) + nudge)
        if instant > self.now:
            self.go(instant)


class Guesses(RuleBasedStateMachine):
    """
    Whoever guesses, one subject's codes never admit more than both lanes' share.

    Since an operator's last unlock at most 30 wrong guesses are judged in any 24 h and 90 in any 30
    days, 15 and 45 of them in the known lane, and without a success in between at most 100 in a
    row, 50 of them in the known lane. An operator may let addresses in. A lane is locked when, and
    only when, one of these is used up. Each code is judged three times and succeeds once, and at
    most two codes are live, one of each lane.
    """

    policy = Policy(
        cooldown=0, contact_sends=Quota(0, DAY), client_sends=(), fresh_for=0, asks_for_work=False
    )
    spans = (600 * SECOND, HOUR, DAY, DAY, 30 * DAY)

    @initialize()
    def begin(self) -> None:
        """One known device, and nothing guessed yet."""
        self.world, self.token = known_world(self.policy)
        self.guessed: dict[bool, list[Instant]] = {True: [], False: []}
        self.runs = {True: 0, False: 0}
        self.given: dict[str, tuple[Instant, int, int]] = {}
        self.issued: list[tuple[str, str, bool]] = []
        self.judged: Counter[str] = Counter()
        self.succeeded: set[str] = set()
        self.edges: list[Instant] = [START]
        self.since = START

    @property
    def now(self) -> Instant:
        """The current instant."""
        return self.world.clock.now()

    def by(self, client: str, *, known: bool) -> Caller:
        """The known device or a stranger."""
        return caller(client, self.token if known else None)

    def is_known(self) -> bool:
        """Whether the device's token is still good."""
        return self.now < self.since - self.since % SECOND + 180 * DAY

    def has_left(self, client: str, *, known: bool, guesses: bool) -> bool:
        """Whether an operator has let the client in, and something is left of it."""
        until, sends, left = self.given.get(client, (START, 0, 0))
        return not known and self.now < until and (left if guesses else sends) > 0

    def is_locked(self, *, known: bool, is_let: bool) -> bool:
        """Whether the lane is locked, counted in the history."""

        def within(times: list[Instant], window: Duration) -> int:
            return len([at for at in times if at > self.now - window])

        own, both = self.guessed[known], self.guessed[True] + self.guessed[False]
        shared = (
            within(both, DAY) >= 30
            or within(both, 30 * DAY) >= 90
            or sum(self.runs.values()) >= 100
        )
        return shared or (
            not is_let
            and (within(own, DAY) >= 15 or within(own, 30 * DAY) >= 45 or self.runs[known] >= 50)
        )

    def ask(self, client: str, *, known: bool) -> bool:
        """Ask for a code; whether there is one."""
        is_let = self.has_left(client, known=known, guesses=False)
        outcome = send(self.world, self.by(client, known=known))
        if self.is_locked(known=known, is_let=is_let):
            assert isinstance(outcome, Locked)
            return False
        assert isinstance(outcome, Issued)
        if is_let:
            until, sends, guesses = self.given[client]
            self.given[client] = (until, sends - 1, guesses)
        self.issued.append((outcome.challenge.id, self.world.outbox.codes[-1], known))
        return True

    def guess(self, client: str, *, known: bool, right: bool) -> None:
        """Present the latest code of a lane, or a wrong one."""
        mine = [one for one in self.issued if one[2] is known]
        challenge_id, digits, _ = mine[-1] if mine else ("never-issued", "000000", known)
        is_let = self.has_left(client, known=known, guesses=True)
        by = self.by(client, known=known)
        told = digits if right else other_than(digits)
        outcome = verify(self.world, by, told, challenge_id)
        assert isinstance(outcome, Locked) is self.is_locked(known=known, is_let=is_let)
        if isinstance(outcome, WrongCode | SignedIn):
            self.judged[challenge_id] += 1
            assert self.judged[challenge_id] <= 3
        if isinstance(outcome, WrongCode):
            assert not right
            self.guessed[known].append(self.now)
            self.runs[known] += 1
            if is_let:
                until, sends, guesses = self.given[client]
                self.given[client] = (until, sends, guesses - 1)
        if isinstance(outcome, SignedIn):
            assert right
            assert challenge_id not in self.succeeded
            self.succeeded.add(challenge_id)
            self.runs = {True: 0, False: 0}
            self.token, self.since = outcome.device_token, self.now
        self.edges.append(self.now)

    @precondition(lambda self: self.is_known())
    @rule(client=st.sampled_from(ADDRESSES), codes=st.integers(1, 6))
    def device_burns_guesses(self, client: str, codes: int) -> None:
        """Use up the guesses of codes on the known device."""
        self.burn(client, codes, known=True)

    @rule(client=st.sampled_from(ADDRESSES), codes=st.integers(1, 6))
    def strangers_burn_guesses(self, client: str, codes: int) -> None:
        """Use up the guesses of codes on other devices."""
        self.burn(client, codes, known=False)

    def burn(self, client: str, codes: int, *, known: bool) -> None:
        """Ask for some codes, and guess as often as is judged."""
        for _ in range(codes):
            if self.ask(client, known=known):
                for _ in range(4):
                    self.guess(client, known=known, right=False)
        self.guess(client, known=known, right=False)

    @rule(
        client=st.sampled_from(ADDRESSES),
        known=st.booleans(),
        wrong=st.integers(0, 3),
        times=st.integers(1, 2),
    )
    def sign_in(self, client: str, wrong: int, times: int, *, known: bool) -> None:
        """Sign in after some wrong guesses, and present the code again."""
        if known and not self.is_known():
            return
        self.ask(client, known=known)
        for _ in range(wrong):
            self.guess(client, known=known, right=False)
        for _ in range(times):
            self.guess(client, known=known, right=True)

    @rule(client=st.sampled_from(ADDRESSES))
    def operator_lets_in(self, client: str) -> None:
        """An operator lets an address in."""
        now = self.now

        def decide(held: Held) -> Decision[Held, Any]:
            return let(held, ClientAddress(client), now)

        run(self.world.slots.transition(slot_of("u1"), (), decide))
        self.given[client] = (after(now, HOUR), 3, 6)

    @precondition(lambda self: max(self.runs.values()) > 40)
    @rule()
    def operator_unlocks(self) -> None:
        """An operator unlocks, after which the counts begin again."""
        run(self.world.slots.transition(slot_of("u1"), (), unlock))
        self.guessed, self.runs = {True: [], False: []}, {True: 0, False: 0}

    @rule(data=st.data(), nudge=nudges())
    def jump(self, data: st.DataObject, nudge: Duration) -> None:
        """Go to an edge of something that was guessed."""
        of = data.draw(st.sampled_from(self.edges[:4] + self.edges[-8:]))
        instant = after(of, data.draw(st.sampled_from(self.spans)) + nudge)
        self.world.clock.instant = max(instant, self.now)

    @rule()
    def everything_is_presented(self) -> None:
        """Of the latest codes at most one of each lane would succeed, and none that has already."""
        before = self.world.whole_record()
        live: list[bool] = []
        for challenge_id, digits, known in self.issued[-8:]:
            if known and not self.is_known():
                continue
            outcome = verify(self.world, self.by(HOME, known=known), digits, challenge_id)
            if isinstance(outcome, SignedIn):
                assert challenge_id not in self.succeeded
                live.append(known)
            self.world.restore(before)
        assert len(live) == len(set(live))

    @invariant()
    def no_window_holds_more(self) -> None:
        """In every window that ends with a guess, no more guesses than the law says."""
        for known, most in ((True, (15, 45)), (None, (30, 90))):
            times = sorted(self.guessed[True] + ([] if known else self.guessed[False]))
            for limit, window in zip(most, (DAY, 30 * DAY), strict=True):
                assert all(
                    later_one - first >= window
                    for first, later_one in zip(times, times[limit:], strict=False)
                )
        assert self.runs[True] <= 50
        assert sum(self.runs.values()) <= 100


TestKnownDevice = KnownDevice.TestCase
TestKnownDevice.settings = settings(max_examples=100 * MACHINE_ROUNDS, stateful_step_count=50)

TestGuesses = Guesses.TestCase
TestGuesses.settings = settings(max_examples=60 * MACHINE_ROUNDS, stateful_step_count=30)
