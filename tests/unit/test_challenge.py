"""The life of a code: `docs/contract.md`, rules of the code."""

from typing import Any, TypedDict, TypeVar, Unpack

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.challenge import (
    after_loss,
    ask,
    check,
    code_of,
    forget,
    held_keys,
    is_over,
    lock,
    slots_about,
    unlock,
    withdraw,
)
from hsp_otp.domain.challenge_outcomes import (
    AskOutcome,
    CheckOutcome,
    Exhausted,
    Forgotten,
    Issued,
    Locked,
    NoLiveCode,
    Verified,
    WrongCode,
)
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant
from hsp_otp.domain.keys import Key
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Flow, Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.quota import Limit, Quota, Refusal, UsageKey
from hsp_otp.domain.slot_record import (
    Challenge,
    Drawn,
    Ended,
    Held,
    LaneRecord,
    Presented,
    Request,
    SlotRecord,
)
from hsp_otp.domain.work import Solved
from tests.strategies import edges
from tests.world import PHONE, START, of_run, of_strangers, open_policy, other_than, ring

O = TypeVar("O")  # noqa: E741 - the outcome of a rule

CONTACT = Contact(ContactKind.PHONE, "+919876543210")
CLIENT = ClientAddress("198.51.100.7")
SLOT = Slot(Subject(SubjectKind.USER, "u1"), Purpose.PHONE_VERIFICATION)
PHONE_SENDS = UsageKey("phone_sends", "+919876543210")
CLIENT_SENDS = UsageKey("pass_login_sends", "198.51.100.7")
NETWORK_SENDS = UsageKey("pass_login_sends", "198.51.100.0/24")

REQUEST = Request(slot=SLOT, flow=Flow.PASS_LOGIN, contact=CONTACT, client=CLIENT)

POLICY = open_policy()
FREE = open_policy(cooldown=0, contact_sends=Quota(0, DAY), client_sends=())
"""No limit on sends, so that only the lock is left."""


OTHER_FLOW = Flow.SIGNUP
"""A journey that this one's codes are not for."""


class Facts(TypedDict, total=False):
    """What a test may say of a request."""

    slot: Slot
    flow: Flow
    contact: Contact
    client: ClientAddress
    session: str | None


@attrs.define
class Scene:
    """One slot and the usages beside it, under one policy."""

    policy: Policy = POLICY
    held: Held = attrs.field(factory=Held)
    now: Instant = START
    asked: int = 0

    def wait(self, duration: Duration) -> None:
        """Let time pass."""
        self.now = Instant(self.now + duration)

    def ask(self, **changes: Unpack[Facts]) -> AskOutcome:
        """Ask for a code."""
        self.asked += 1
        drawn = Drawn(
            challenge_id=f"c{self.asked}", nonce=self.asked.to_bytes(16, "big"), key_id="k1"
        )
        decision = ask(self.held, attrs.evolve(REQUEST, **changes), drawn, self.policy, self.now)
        return self._take(decision)

    def issue(self, **changes: Unpack[Facts]) -> Challenge:
        """Ask for a code that is admitted."""
        outcome = self.ask(**changes)
        assert isinstance(outcome, Issued)
        return outcome.challenge

    def check(
        self,
        digits: str,
        *,
        challenge_id: str | None = None,
        keys: tuple[str, ...] = ("k1",),
        **changes: Unpack[Facts],
    ) -> CheckOutcome:
        """Present *digits*."""
        decision = check(
            self.held,
            attrs.evolve(REQUEST, **changes),
            Presented(Code(digits), challenge_id),
            self.policy,
            ring=ring("codes", *keys),
            now=self.now,
        )
        return self._take(decision)

    def right(self) -> str:
        """The digits of the latest code."""
        challenge = self.record.challenge
        assert challenge is not None
        return digits_of(challenge)

    def fail(self, times: int = 1) -> None:
        """Present wrong digits, each of them judged."""
        for _ in range(times):
            assert isinstance(self.check(other_than(self.right())), WrongCode)

    def withdraw(self, challenge_id: str, *, undelivered: bool = False) -> None:
        """Withdraw a challenge."""
        self._take(withdraw(self.held, challenge_id, undelivered=undelivered))

    def unlock(self) -> None:
        """Unlock as an operator does."""
        self._take(unlock(self.held))

    @property
    def record(self) -> LaneRecord:
        """What strangers have left in the slot."""
        return self.held.record.others

    def _take(self, decision: Decision[Held, O]) -> O:
        self.held = decision.becomes
        return decision.outcome


def digits_of(challenge: Challenge) -> str:
    """The code that was made for *challenge*."""
    return code_of(challenge, ring("codes").first, 6).reveal()


def later(duration: Duration) -> Instant:
    """That much after the start."""
    return Instant(START + duration)


# Asking


def test_an_ask_issues_a_challenge() -> None:
    """A challenge carries what it is bound to, lives 600 s, and has had no guess."""
    scene = Scene()
    assert scene.ask(session="s1") == Issued(
        Challenge(
            id="c1",
            flow=Flow.PASS_LOGIN,
            purpose=Purpose.PHONE_VERIFICATION,
            slot="phone_verification:user:u1",
            contact=CONTACT,
            session="s1",
            key_id="k1",
            nonce=(1).to_bytes(16, "big"),
            network="198.51.100.0/24",
            digits=6,
            issued_at=START,
            expires_at=Instant(START + 600_000_000),
            attempts=0,
            ended=None,
        ),
        Instant(START + 30_000_000),
    )
    assert scene.record.challenge is not None
    assert scene.record.challenge.id == "c1"
    assert scene.record.asked_at == START
    of_others = UsageKey("phone_sends_of_others", PHONE)
    keys = (PHONE_SENDS, of_others, CLIENT_SENDS, NETWORK_SENDS)
    assert scene.held.usages == dict.fromkeys(keys, (START,))


def test_what_limits_a_send() -> None:
    """
    Sends count per number over all flows, and in each flow and lane per address and network; those
    of others to a number per network, too, and those of signup together.
    """
    of_others = (
        UsageKey("phone_sends_of_others", PHONE),
        UsageKey("phone_sends_of_others", f"{PHONE} 198.51.100.0/24"),
    )
    assert held_keys(REQUEST) == (PHONE_SENDS, *of_others, CLIENT_SENDS, NETWORK_SENDS)
    assert held_keys(attrs.evolve(REQUEST, flow=Flow.SIGNUP)) == (
        PHONE_SENDS,
        *of_others,
        UsageKey("phone_sends_of_others", f"{PHONE} signup"),
        UsageKey("signup_sends", "198.51.100.7"),
        UsageKey("signup_sends", "198.51.100.0/24"),
    )
    assert held_keys(attrs.evolve(REQUEST, devices=("k1.1.00",))) == (
        PHONE_SENDS,
        UsageKey("pass_login_known_sends", "198.51.100.7"),
        UsageKey("pass_login_known_sends", "198.51.100.0/24"),
        *of_others,
        CLIENT_SENDS,
        NETWORK_SENDS,
    )


def test_rules_change_nothing_they_are_given() -> None:
    """A rule answers the same for the same state and facts, and leaves the state alone."""
    scene = Scene()
    scene.issue()
    before = scene.held
    copy = Held(before.record, dict(before.usages))
    first = Scene(held=before, now=later(30 * SECOND), asked=1)
    second = Scene(held=before, now=later(30 * SECOND), asked=1)
    assert first.ask() == second.ask()
    assert first.held == second.held
    assert before == copy


def test_the_cooldown() -> None:
    """A second ask is admitted 30 s after the first and not a microsecond sooner."""
    scene = Scene()
    scene.issue()
    held = scene.held
    scene.wait(30_000_000 - 1)
    assert scene.ask() == Refusal(Limit.COOLDOWN, later(30_000_000), live=True)
    assert scene.held is held
    scene.wait(1)
    assert isinstance(scene.ask(), Issued)


def test_the_cooldown_runs_after_a_withdrawal_too() -> None:
    """A message that went out is followed by the cooldown, whatever becomes of its code."""
    scene = Scene()
    scene.issue()
    scene.withdraw("c1")
    assert scene.ask() == Refusal(Limit.COOLDOWN, later(30_000_000), live=False)


def test_no_cooldown_follows_a_failed_delivery() -> None:
    """Where no message went out, the next ask is admitted at once, and the send stays charged."""
    scene = Scene()
    scene.issue()
    charged = scene.held.usages
    scene.withdraw("c1", undelivered=True)
    assert scene.held.usages == charged
    assert isinstance(scene.ask(), Issued)


def test_a_failed_delivery_that_is_told_late() -> None:
    """Where another code stands by now, its cooldown runs on."""
    scene = Scene()
    scene.issue()
    scene.wait(30 * SECOND)
    scene.issue()
    scene.withdraw("c1", undelivered=True)
    assert scene.ask() == Refusal(Limit.COOLDOWN, later(60 * SECOND), live=True)


def test_the_cooldown_tells_whether_the_last_code_is_still_good() -> None:
    """It is until it was used, ran out of guesses or expired."""
    scene = Scene(open_policy(cooldown=HOUR, lifetime=10 * MINUTE, max_attempts=3))
    scene.issue()
    for live in (True, True, False):
        scene.check(other_than(scene.right()))
        assert scene.ask() == Refusal(Limit.COOLDOWN, later(HOUR), live=live)
    scene = Scene(open_policy(cooldown=HOUR, lifetime=10 * MINUTE))
    scene.issue()
    scene.now = later(10 * MINUTE - 1)
    assert scene.ask() == Refusal(Limit.COOLDOWN, later(HOUR), live=True)
    scene.now = later(10 * MINUTE)
    assert scene.ask() == Refusal(Limit.COOLDOWN, later(HOUR), live=False)
    scene = Scene(open_policy(cooldown=HOUR))
    scene.issue()
    assert isinstance(scene.check(scene.right()), Verified)
    assert scene.ask() == Refusal(Limit.COOLDOWN, later(HOUR), live=False)


def test_no_cooldown() -> None:
    """A cooldown of 0 is off, also where another machine's clock is ahead."""
    scene = Scene(open_policy(cooldown=0))
    scene.issue()
    scene.wait(-5 * SECOND)
    assert isinstance(scene.ask(), Issued)


def test_an_ask_made_ahead_of_this_clock() -> None:
    """The cooldown counts from an ask that another machine dated up to five seconds ahead."""
    scene = Scene()
    scene.issue()
    scene.wait(-5 * SECOND)
    assert scene.ask() == Refusal(Limit.COOLDOWN, later(30_000_000), live=True)


def test_sends_to_a_number() -> None:
    """Ten sends in 24 h go to one number, and the eleventh waits for the first to leave."""
    scene = Scene(open_policy(client_sends=()))
    for _ in range(10):
        scene.issue()
        scene.wait(MINUTE)
    assert scene.ask() == Refusal(Limit.CONTACT_SENDS, later(DAY))
    scene.now = later(DAY - 1)
    assert scene.ask() == Refusal(Limit.CONTACT_SENDS, later(DAY))
    scene.now = later(DAY)
    assert isinstance(scene.ask(), Issued)


def test_sends_from_a_client() -> None:
    """Five sends in 1 h come from one client, and the sixth waits for the first to leave."""
    scene = Scene()
    for _ in range(5):
        scene.issue()
        scene.wait(MINUTE)
    assert scene.ask() == Refusal(Limit.CLIENT, later(HOUR))
    assert isinstance(scene.ask(client=ClientAddress("203.0.113.9")), Issued)


def test_the_limits_on_sends_are_judged_together() -> None:
    """Of number, client and cooldown the longest wait answers, and nothing at all is charged."""
    scene = Scene(
        open_policy(
            cooldown=30 * SECOND,
            contact_sends=Quota(1, MINUTE),
            client_sends=(Quota(1, 2 * MINUTE),),
        )
    )
    scene.issue()
    held = scene.held
    assert scene.ask() == Refusal(Limit.CLIENT, later(2 * MINUTE))
    elsewhere = ClientAddress("203.0.113.9")
    assert scene.ask(client=elsewhere) == Refusal(Limit.CONTACT_SENDS, later(MINUTE))
    other = Contact(ContactKind.PHONE, "+919812345678")
    assert scene.ask(client=elsewhere, contact=other) == Refusal(
        Limit.COOLDOWN, later(30 * SECOND), live=True
    )
    scene.policy = attrs.evolve(scene.policy, cooldown=3 * MINUTE)
    assert scene.ask() == Refusal(Limit.COOLDOWN, later(3 * MINUTE), live=True)
    assert scene.held is held


def test_equal_waits_name_the_limit_that_costs_most() -> None:
    """Where the cooldown waits as long as another limit, the other limit answers."""
    scene = Scene(open_policy(cooldown=MINUTE, contact_sends=Quota(1, MINUTE), client_sends=()))
    scene.issue()
    assert scene.ask() == Refusal(Limit.CONTACT_SENDS, later(MINUTE))


@given(st.data())
def test_the_wait_of_a_refused_ask_suffices(data: st.DataObject) -> None:
    """At `retry_at` the ask is admitted, and a microsecond earlier it is not."""
    scene = Scene(open_policy(client_sends=(Quota(2, MINUTE), Quota(3, HOUR))))
    for _ in range(data.draw(st.integers(1, 6))):
        scene.ask()
        scene.wait(data.draw(st.sampled_from((0, SECOND, 30 * SECOND, MINUTE))))
    refusal = scene.ask()
    if isinstance(refusal, Refusal):
        assert refusal.retry_at > scene.now
        scene.now = Instant(refusal.retry_at - 1)
        assert isinstance(scene.ask(), Refusal)
        scene.now = refusal.retry_at
        assert isinstance(scene.ask(), Issued)


# Checking


def test_the_right_code_succeeds_once() -> None:
    """The first right code succeeds, and the second finds no live code and charges nothing."""
    scene = Scene()
    scene.issue()
    outcome = scene.check(scene.right())
    assert isinstance(outcome, Verified)
    assert outcome.challenge.ended is Ended.USED
    assert outcome.challenge.attempts == 1
    assert outcome.resend_at == later(30_000_000)
    assert scene.record.challenge == outcome.challenge
    held = scene.held
    assert scene.check(scene.right()) == NoLiveCode(later(30_000_000))
    assert scene.held is held


def test_three_guesses_are_judged() -> None:
    """The third wrong guess is told 0 remaining; after it even the right code is refused."""
    scene = Scene()
    scene.issue()
    wrong = other_than(scene.right())
    resend_at = later(30_000_000)
    assert scene.check(wrong) == WrongCode(2, resend_at)
    assert scene.check(wrong) == WrongCode(1, resend_at)
    assert scene.check(wrong) == WrongCode(0, resend_at)
    held = scene.held
    assert scene.check(wrong) == Exhausted(resend_at)
    assert scene.check(scene.right()) == Exhausted(resend_at)
    assert scene.held is held
    assert scene.record.run == 3
    assert scene.record.failures == (START,) * 3


def test_two_wrong_guesses_leave_one() -> None:
    """The right code succeeds as the third guess."""
    scene = Scene()
    scene.issue()
    scene.fail(2)
    assert isinstance(scene.check(scene.right()), Verified)


def test_an_exhausted_code_expires_too() -> None:
    """Too many attempts is the answer until the lifetime ends, then there is no live code."""
    scene = Scene()
    scene.issue()
    scene.fail(3)
    scene.now = later(600_000_000 - 1)
    assert scene.check(scene.right()) == Exhausted(scene.now)
    scene.now = later(600_000_000)
    assert scene.check(scene.right()) == NoLiveCode(scene.now)


@given(data=st.data())
def test_the_lifetime_is_half_open(data: st.DataObject) -> None:
    """A code lives while now lies before its expiry, at every edge that there is."""
    scene = Scene()
    scene.issue()
    scene.now = data.draw(edges(POLICY, START))
    alive = scene.now < START + 600_000_000
    assert isinstance(scene.check(scene.right()), Verified) is alive


def test_the_last_microsecond() -> None:
    """A code succeeds a microsecond before its expiry, and is no live code at it."""
    for left, expected in ((1, Verified), (0, NoLiveCode), (-1, NoLiveCode)):
        scene = Scene()
        scene.issue()
        scene.now = later(600_000_000 - left)
        assert isinstance(scene.check(scene.right()), expected)
        assert isinstance(scene.check(other_than(scene.right())), NoLiveCode)


def test_a_code_made_ahead_of_this_clock_is_good() -> None:
    """A code that another machine dated up to five seconds ahead is judged as any."""
    scene = Scene()
    scene.issue()
    scene.wait(-5 * SECOND)
    assert isinstance(scene.check(scene.right()), Verified)


def test_nothing_was_ever_sent() -> None:
    """A slot without a challenge has no live code, and a new one may be asked for now."""
    scene = Scene()
    held = scene.held
    assert scene.check("123456") == NoLiveCode(START)
    assert scene.held is held


def test_a_new_code_supersedes_the_old_one() -> None:
    """Without a challenge id the old code is a wrong guess at the new one."""
    scene = Scene()
    scene.issue()
    old = scene.right()
    scene.wait(30 * SECOND)
    scene.issue()
    assert scene.right() != old
    assert scene.check(old) == WrongCode(2, later(60 * SECOND))
    assert isinstance(scene.check(scene.right()), Verified)


def test_a_new_code_has_all_its_guesses() -> None:
    """Guesses are counted per code, failures across codes."""
    scene = Scene()
    scene.issue()
    scene.fail(3)
    scene.wait(30 * SECOND)
    scene.issue()
    assert scene.check(other_than(scene.right())) == WrongCode(2, later(60 * SECOND))
    assert scene.record.run == 4
    assert len(scene.record.failures) == 4


def test_another_challenges_id() -> None:
    """With the id of another challenge there is no live code, and no guess is charged."""
    scene = Scene()
    scene.issue()
    old = scene.right()
    scene.wait(30 * SECOND)
    scene.issue()
    held = scene.held
    for digits in (old, scene.right(), "000000"):
        for challenge_id in ("c1", "", "c22"):
            assert scene.check(digits, challenge_id=challenge_id) == NoLiveCode(later(MINUTE))
    assert scene.held is held
    assert isinstance(scene.check(scene.right(), challenge_id="c2"), Verified)


def test_another_challenges_id_after_exhaustion() -> None:
    """The id is looked at before the guesses that are left."""
    scene = Scene()
    scene.issue()
    scene.fail(3)
    assert isinstance(scene.check("000000", challenge_id="c0"), NoLiveCode)
    assert isinstance(scene.check("000000", challenge_id="c1"), Exhausted)


@pytest.mark.parametrize(("made", "shown"), [("s1", "s2"), ("s1", None), (None, "s1")])
def test_another_session(made: str | None, shown: str | None) -> None:
    """Through another session there is no live code, and the code is charged nothing."""
    scene = Scene()
    scene.issue(session=made)
    held = scene.held
    assert isinstance(scene.check(scene.right(), session=shown), NoLiveCode)
    assert scene.held is held
    assert isinstance(scene.check(scene.right(), session=made), Verified)


@pytest.mark.parametrize(
    "change",
    [
        {"contact": Contact(ContactKind.PHONE, "+919812345678")},
        {"flow": OTHER_FLOW},
        {"slot": Slot(Subject(SubjectKind.USER, "u2"), Purpose.PHONE_VERIFICATION)},
        {"slot": Slot(Subject(SubjectKind.PHONE, "u1"), Purpose.PHONE_VERIFICATION)},
    ],
)
def test_what_a_code_is_bound_to(change: dict[str, Any]) -> None:
    """The right code for another number, flow or subject is a wrong one, and counts as that."""
    scene = Scene()
    scene.issue()
    outcome = scene.check(scene.right(), **change)
    assert isinstance(outcome, WrongCode)
    assert outcome.attempts_remaining == 2
    assert scene.record.run == 1
    assert scene.record.failures == (START,)
    assert isinstance(scene.check(scene.right()), Verified)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "c9"},
        {"slot": "phone_verification:user:u2"},
        {"contact": Contact(ContactKind.PHONE, "+919812345678")},
        {"session": "s1"},
        {"flow": OTHER_FLOW},
        {"purpose": OTHER_FLOW},
        {"nonce": bytes(16)},
    ],
)
def test_the_digits_depend_on_what_a_code_is_bound_to(change: dict[str, Any]) -> None:
    """A challenge of another id, subject, number, session, flow or purpose has another code."""
    challenge = Scene().issue()
    assert digits_of(attrs.evolve(challenge, **change)) != digits_of(challenge)


@pytest.mark.parametrize(("session", "digits"), [("s1", "996568"), (None, "314083")])
def test_the_digits_are_fixed(session: str | None, digits: str) -> None:
    """The code of a challenge never changes: machines of two versions agree on it."""
    challenge = Scene().issue(session=session)
    assert code_of(challenge, Key("k1", bytes(range(32))), 6).reveal() == digits


def test_a_dropped_key() -> None:
    """A code whose key is gone from the ring is no live code, and nothing is charged."""
    scene = Scene()
    scene.issue()
    held = scene.held
    assert scene.check(scene.right(), keys=("k2",)) == NoLiveCode(later(30_000_000))
    assert scene.held is held
    assert isinstance(scene.check(scene.right(), keys=("k2", "k1")), Verified)


def test_a_withdrawn_code_never_succeeds() -> None:
    """A withdrawn code is no live code, and no guess at it is charged."""
    scene = Scene()
    scene.issue()
    right = scene.right()
    scene.withdraw("c1")
    assert scene.record.challenge is not None
    assert scene.record.challenge.ended is Ended.WITHDRAWN
    held = scene.held
    assert isinstance(scene.check(right), NoLiveCode)
    assert isinstance(scene.check(right, challenge_id="c1"), NoLiveCode)
    assert scene.held is held


def test_only_that_challenge_is_withdrawn() -> None:
    """A withdrawal that comes late leaves a newer challenge, a used one and no challenge alone."""
    empty = Held()
    assert withdraw(empty, "c1").becomes is empty
    scene = Scene()
    scene.issue()
    held = scene.held
    scene.withdraw("c0")
    assert scene.held is held
    scene.check(scene.right())
    held = scene.held
    scene.withdraw("c1")
    assert scene.held is held


def test_a_withdrawal_keeps_what_else_is_known() -> None:
    """Failures and charges stay when a challenge is withdrawn."""
    scene = Scene()
    scene.issue()
    scene.fail(1)
    usages = scene.held.usages
    scene.withdraw("c1")
    assert scene.record.failures == (START,)
    assert scene.record.run == 1
    assert scene.record.asked_at == START
    assert scene.held.usages == usages


def test_checking_works_while_sends_are_used_up() -> None:
    """A code that was delivered stays verifiable while its owner is out of sends."""
    scene = Scene(open_policy(contact_sends=Quota(1, DAY)))
    scene.issue()
    outcome = scene.check(scene.right())
    assert isinstance(outcome, Verified)
    assert outcome.resend_at == later(DAY)


# Failed guesses across codes


def fill(scene: Scene, failures: int, gap: Duration) -> None:
    """Fail so often, each time at a new code, with *gap* between."""
    for _ in range(failures):
        scene.issue()
        scene.fail()
        scene.wait(gap)


def test_fifteen_failures_in_a_day_lock() -> None:
    """The fifteenth failure in 24 h locks asking and checking until the first one leaves."""
    scene = Scene(FREE)
    fill(scene, 14, MINUTE)
    scene.issue()
    assert isinstance(scene.check(other_than(scene.right())), WrongCode)
    held = scene.held
    locked = Locked(later(DAY))
    for now in (scene.now, later(DAY - 1)):
        scene.now = now
        assert scene.ask() == locked
        assert scene.check("000000") == locked
    assert scene.held is held
    scene.now = later(DAY)
    assert isinstance(scene.ask(), Issued)


def test_the_lock_answers_before_the_challenge() -> None:
    """While locked even the right code of a live challenge is refused, and charged nothing."""
    scene = Scene(FREE)
    fill(scene, 14, MINUTE)
    scene.issue()
    scene.fail(1)
    held = scene.held
    assert scene.check(scene.right()) == Locked(later(DAY))
    assert scene.check(scene.right(), challenge_id="c1") == Locked(later(DAY))
    assert scene.held is held


def test_the_lock_answers_before_the_limits_on_sends() -> None:
    """While locked an ask is answered by the lock, however long a limit on sends would wait."""
    scene = Scene(open_policy(failures=(Quota(3, HOUR),), contact_sends=Quota(1, DAY)))
    scene.issue()
    scene.fail(3)
    assert scene.ask() == Locked(later(HOUR))


def test_forty_five_failures_in_thirty_days_lock() -> None:
    """Below fifteen a day, the forty-fifth failure in 30 days locks until the first leaves."""
    scene = Scene(FREE)
    fill(scene, 45, 15 * HOUR)
    assert scene.now < later(30 * DAY)
    assert scene.ask() == Locked(later(30 * DAY))
    scene.now = later(30 * DAY - 1)
    assert scene.ask() == Locked(later(30 * DAY))
    scene.now = later(30 * DAY)
    assert isinstance(scene.ask(), Issued)


def test_forty_four_failures_in_thirty_days_do_not_lock() -> None:
    """One failure fewer leaves the slot open."""
    scene = Scene(FREE)
    fill(scene, 44, 15 * HOUR)
    assert isinstance(scene.ask(), Issued)


def test_fifty_failures_in_a_row_lock_until_unlocked() -> None:
    """After 50 failures of one lane without a success no wait helps: 100 of both."""
    scene = Scene(FREE)
    fill(scene, 49, 17 * HOUR)
    scene.issue()
    assert scene.check(other_than(scene.right())) == WrongCode(2, None)
    scene.wait(365 * DAY)
    held = scene.held
    assert scene.ask() == Locked(None)
    assert scene.check("000000") == Locked(None)
    assert scene.held is held


def test_a_success_resets_the_run_and_not_the_windows() -> None:
    """After a success the run starts again, and the failures of the day still count."""
    scene = Scene(FREE)
    fill(scene, 14, MINUTE)
    scene.issue()
    scene.check(scene.right())
    assert scene.record.run == 0
    assert len(scene.record.failures) == 14
    scene.issue()
    scene.fail()
    assert scene.ask() == Locked(later(DAY))


def test_unlock_clears_windows_and_run() -> None:
    """An operator's unlock clears failures and run, and a live code stays as it is."""
    scene = Scene(FREE)
    fill(scene, 15, 0)
    challenge = scene.record.challenge
    assert isinstance(scene.ask(), Locked)
    scene.unlock()
    assert scene.record == LaneRecord(challenge=challenge, asked_at=START, asked=scene.record.asked)
    assert isinstance(scene.check(scene.right()), Verified)


def test_unlock_of_what_is_not_locked_changes_nothing() -> None:
    """Without failures there is nothing to unlock, and with either of both there is."""
    held = Held()
    assert unlock(held).becomes is held
    for record in (of_strangers(run=1), of_strangers(failures=(START,))):
        assert unlock(Held(record)).becomes.record == SlotRecord()


def test_a_forgotten_slot_keeps_what_counts() -> None:
    """Forgetting drops code and run; wrong guesses and cooldown stay, and lock as they would."""
    scene = Scene(FREE)
    fill(scene, 14, MINUTE)
    scene.issue()
    record = scene.record
    decision = forget(scene.held, FREE, scene.now)
    assert decision.outcome == Forgotten(Instant(record.failures[-1] + 30 * DAY))
    scene.held = decision.becomes
    assert scene.record == LaneRecord(asked_at=record.asked_at, failures=record.failures)
    scene.issue()
    scene.fail()
    assert isinstance(scene.ask(), Locked)


def test_a_forgotten_slot_in_its_cooldown() -> None:
    """
    The cooldown is not lifted, the longer one before a call included, and is all that is left of a
    slot without wrong guesses.
    """
    scene = Scene()
    scene.issue()
    decision = forget(scene.held, POLICY, scene.now)
    assert decision.outcome == Forgotten(later(60 * SECOND))
    assert decision.becomes.record == of_strangers(asked_at=START)
    assert decision.becomes.usages is scene.held.usages
    again = forget(decision.becomes, POLICY, scene.now)
    assert again.becomes is decision.becomes
    assert again.outcome == decision.outcome


@pytest.mark.parametrize(
    "record",
    [
        of_strangers(failures=(START,) * 15, run=15),
        of_strangers(failures=(START,), run=100),
    ],
    ids=["by the windows", "by the run"],
)
def test_a_locked_slot_is_not_forgotten(record: SlotRecord) -> None:
    """Forgetting lifts no lock: a slot that is locked stays as it is."""
    held = Held(record)
    decision = forget(held, POLICY, START)
    assert isinstance(decision.outcome, Locked)
    assert decision.becomes is held


def test_nothing_is_left_of_a_slot_that_counts_nothing() -> None:
    """What no window reaches any more, on whatever machine, goes altogether, with its run."""
    record = of_strangers(failures=(START,), run=3, asked_at=START)
    edge = later(30 * DAY + 5 * SECOND)
    kept = forget(Held(record), POLICY, Instant(edge - 1)).becomes.record
    assert kept == of_strangers(failures=(START,), asked_at=START)
    gone = forget(Held(record), POLICY, edge)
    assert (gone.outcome, gone.becomes.record) == (Forgotten(None), SlotRecord())
    off = attrs.evolve(POLICY, failures=(Quota(0, DAY),), cooldown=0, call_cooldown=0)
    assert forget(Held(record), off, START).becomes.record == SlotRecord()
    empty = Held()
    assert forget(empty, POLICY, START).becomes is empty


def test_the_lock_of_a_run_answers_before_the_windows() -> None:
    """Where both lock, waiting does not help."""
    record = of_strangers(failures=(START,) * 15, run=100)
    assert lock(record, POLICY, START) == Locked(None)
    assert lock(of_run(record, 49), POLICY, START) == Locked(later(DAY))


def test_locks_that_are_off() -> None:
    """0 switches each lock off, and then failures are not kept."""
    scene = Scene(attrs.evolve(FREE, failures=(Quota(0, DAY), Quota(0, 30 * DAY)), max_run=0))
    fill(scene, 120, 0)
    assert scene.record.failures == ()
    assert isinstance(scene.ask(), Issued)


def test_failures_from_before_the_windows_were_off() -> None:
    """Failures that no window counts any more go with the next one."""
    scene = Scene(FREE)
    scene.issue()
    scene.fail()
    scene.policy = attrs.evolve(FREE, failures=(Quota(0, DAY),))
    scene.fail()
    assert scene.record.failures == ()
    assert scene.record.run == 2


def test_failures_are_kept_as_long_as_a_window_reaches() -> None:
    """Failures stay in order for the longest window that is on and the clocks' five seconds."""
    scene = Scene(attrs.evolve(FREE, failures=(Quota(9, MINUTE), Quota(0, DAY))))
    fill(scene, 1, 1)
    fill(scene, 1, 65 * SECOND - 1)
    fill(scene, 1, -5 * SECOND)
    assert list(scene.record.failures) == [later(1), later(65 * SECOND)]
    fill(scene, 1, 0)
    assert list(scene.record.failures) == [later(1), later(60 * SECOND), later(65 * SECOND)]


# When a new code may be asked for


def test_resend_counts_the_cooldown() -> None:
    """Right after an ask a new one may come when the cooldown ends, and never before now."""
    scene = Scene()
    scene.issue()
    scene.wait(40 * SECOND)
    assert scene.check(other_than(scene.right())) == WrongCode(2, later(40 * SECOND))


def test_resend_counts_the_limits_on_sends() -> None:
    """The send that uses a limit up tells when the limit lets go."""
    scene = Scene()
    for _ in range(4):
        scene.issue()
        scene.wait(MINUTE)
    outcome = scene.ask()
    assert isinstance(outcome, Issued)
    assert outcome.resend_at == later(HOUR)
    assert scene.check(other_than(scene.right())) == WrongCode(2, later(HOUR))


def test_resend_is_for_the_client_that_presents() -> None:
    """The limits are those of the client that presents the code."""
    scene = Scene(open_policy(client_sends=(Quota(1, HOUR),)))
    scene.issue()
    elsewhere = ClientAddress("203.0.113.9")
    assert scene.check("0000000", client=elsewhere) == WrongCode(2, later(30 * SECOND))


def test_resend_counts_the_lock() -> None:
    """The failure that locks tells when the lock lets go, or that no wait helps."""
    scene = Scene(open_policy(failures=(Quota(2, HOUR),), max_run=6))
    scene.issue()
    assert scene.check(other_than(scene.right())) == WrongCode(2, later(30 * SECOND))
    assert scene.check(other_than(scene.right())) == WrongCode(1, later(HOUR))
    scene.wait(HOUR)
    scene.issue()
    assert scene.check(other_than(scene.right())) == WrongCode(2, None)


def test_resend_is_the_longest_of_all() -> None:
    """A lock that ends before a limit on sends does leaves the limit to wait for."""
    scene = Scene(open_policy(failures=(Quota(1, MINUTE),), contact_sends=Quota(1, HOUR)))
    scene.issue()
    assert scene.check(other_than(scene.right())) == WrongCode(2, later(HOUR))


@given(data=st.data())
def test_resend_is_exact(data: st.DataObject) -> None:
    """At the told instant an ask is admitted, and a microsecond earlier it is not."""
    scene = Scene(
        open_policy(
            failures=(Quota(2, HOUR),),
            contact_sends=Quota(3, HOUR),
            client_sends=(Quota(2, 5 * MINUTE),),
        )
    )
    outcome = scene.ask()
    for _ in range(data.draw(st.integers(0, 3))):
        scene.wait(data.draw(st.sampled_from((30 * SECOND, MINUTE, 5 * MINUTE, HOUR))))
        again = scene.ask()
        outcome = again if isinstance(again, Issued) else outcome
    assert isinstance(outcome, Issued)
    told = outcome.resend_at
    if data.draw(st.booleans()):
        guess = scene.check(other_than(scene.right()))
        if not isinstance(guess, WrongCode):
            return
        told = guess.resend_at
    assert told is not None
    if told > scene.now:
        scene.now = Instant(told - 1)
        assert not isinstance(scene.ask(), Issued)
        scene.now = told
    assert isinstance(scene.ask(), Issued)


# What is shown and what is said


def test_nothing_secret_is_shown() -> None:
    """No `repr` of a state, a fact or an outcome tells a code, a nonce or a number."""
    scene = Scene()
    outcome = scene.ask()
    digits = scene.right()
    drawn = Drawn(challenge_id="c1", nonce=b"a private nonce!", key_id="k1")
    shown = "".join(map(repr, (outcome, scene.held, REQUEST, Presented(Code(digits)), drawn)))
    for secret in (digits, "9876543210", "nonce", r"\x00"):
        assert secret not in shown


def test_words() -> None:
    """Every outcome has its stable word."""
    kinds = (Issued, Locked, Verified, WrongCode, NoLiveCode, Exhausted)
    assert [kind.word for kind in kinds] == [
        "sent",
        "locked_out",
        "verified",
        "invalid_otp",
        "otp_expired",
        "too_many_attempts",
    ]


# --- What may be deleted


def test_an_empty_record_is_over() -> None:
    """A slot of which nothing is known means nothing."""
    assert is_over(SlotRecord(), POLICY, START)


def test_a_challenge_keeps_its_record_until_every_clock_is_past_its_expiry() -> None:
    """A record is over 5 s after its challenge expired, a microsecond earlier it is not."""
    scene = Scene()
    scene.issue()
    assert not is_over(scene.held.record, POLICY, START)
    assert not is_over(scene.held.record, POLICY, Instant(START + 604_999_999))
    assert is_over(scene.held.record, POLICY, Instant(START + 605_000_000))


def test_a_cooldown_keeps_its_record_until_every_clock_is_past_it() -> None:
    """Where the cooldown is longer than the life of a code, its end and 5 s count."""
    policy = open_policy(lifetime=SECOND, cooldown=60 * SECOND, call_cooldown=30 * SECOND)
    scene = Scene(policy)
    scene.issue()
    for longest in (policy, attrs.evolve(policy, cooldown=30 * SECOND, call_cooldown=60 * SECOND)):
        assert not is_over(scene.held.record, longest, Instant(START + 64_999_999))
        assert is_over(scene.held.record, longest, Instant(START + 65_000_000))
    off = open_policy(lifetime=SECOND, cooldown=0, call_cooldown=0)
    assert is_over(scene.held.record, off, Instant(START + 6_000_000))


def test_failed_guesses_keep_their_record_until_every_window_has_passed() -> None:
    """A record is over thirty days and 5 s after its last failed guess."""
    record = of_strangers(failures=(START, Instant(START + 1)))
    assert not is_over(record, POLICY, Instant(START + 2_592_005_000_000))
    assert is_over(record, POLICY, Instant(START + 2_592_005_000_001))
    assert is_over(record, open_policy(failures=()), Instant(START + 5_000_001))


def test_a_run_keeps_its_record() -> None:
    """Failures in a row are forgotten by a success or an operator, never by a purge."""
    assert not is_over(of_strangers(run=1), POLICY, Instant(START + 1000 * DAY))


def test_used_work_keeps_its_record_until_every_clock_is_past_its_expiry() -> None:
    """A record that was deleted sooner would admit the same work twice."""
    record = SlotRecord(work=(Solved(nonce="n1", level=6, expires_at=later(5 * MINUTE)),))
    assert not is_over(record, POLICY, later(305 * SECOND - 1))
    assert is_over(record, POLICY, later(305 * SECOND))


@given(
    cooldown=st.sampled_from((0, 30 * SECOND, 2 * HOUR)),
    challenge=st.booleans(),
    asked=st.booleans(),
    failures=st.lists(st.sampled_from((0, SECOND, HOUR)), max_size=3).map(sorted),
    waited=st.one_of(
        st.builds(
            lambda span, skew, nudge: max(0, span + skew + nudge),
            st.sampled_from((0, 30 * SECOND, 600 * SECOND, HOUR, 2 * HOUR, DAY, 30 * DAY)),
            st.sampled_from((0, 5 * SECOND, HOUR + 5 * SECOND)),
            st.sampled_from((-1, 0, 1)),
        ),
        st.integers(0, 31 * DAY),
    ),
    behind=st.one_of(st.sampled_from((0, 5 * SECOND)), st.integers(0, 5 * SECOND)),
)
def test_what_is_over_is_missed_by_nobody(  # noqa: PLR0917 - what is drawn
    cooldown: Duration,
    challenge: bool,  # noqa: FBT001
    asked: bool,  # noqa: FBT001
    failures: list[int],
    waited: Duration,
    behind: Duration,
) -> None:
    """On no machine, 5 s behind at most, does a record that is over answer unlike an empty one."""
    policy = open_policy(cooldown=cooldown, failures=(Quota(1, DAY), Quota(2, 30 * DAY)))
    issued = Scene(policy)
    made = issued.issue()
    record = of_strangers(
        challenge=made if challenge else None,
        asked_at=START if asked else None,
        failures=tuple(Instant(START + at) for at in failures),
    )
    now = Instant(START + waited)
    if not is_over(record, policy, now):
        return
    slow = Instant(now - behind)
    for digits, challenge_id in ((digits_of(made), None), (digits_of(made), made.id)):
        there, gone = Scene(policy, Held(record), slow), Scene(policy, Held(), slow)
        assert there.check(digits, challenge_id=challenge_id) == gone.check(
            digits, challenge_id=challenge_id
        )
        assert there.ask() == gone.ask()


@pytest.mark.parametrize(
    ("waited", "told", "believed"),
    [(0, None, START), (1, START, later(1)), (0, later(7), later(7))],
)
def test_what_is_believed_of_a_record_after_a_loss(
    waited: Duration, told: Instant | None, believed: Instant
) -> None:
    """The challenge is void; failures and the run stay; of two asks the later one cools."""
    scene = Scene()
    scene.wait(waited)
    scene.issue()
    scene.fail(2)
    failures = scene.record.failures
    latest = {} if told is None else {Lane.OTHERS: told}
    assert after_loss(scene.held.record, latest) == of_strangers(
        asked_at=believed, failures=failures, run=2, asked=scene.record.asked
    )


def test_nothing_is_believed_where_nothing_is_known() -> None:
    """A slot of which nobody remembers anything is empty."""
    assert after_loss(SlotRecord(), {}) == SlotRecord()


# Networks


def test_a_network_has_ten_times_the_sends_of_an_address() -> None:
    """Its addresses share them; an ask of another network is admitted."""
    scene = Scene(attrs.evolve(FREE, client_sends=(Quota(2, HOUR),)))
    for number in range(20):
        scene.issue(client=ClientAddress(f"198.51.100.{number}"))
        scene.wait(SECOND)
    refused = scene.ask(client=ClientAddress("198.51.100.99"))
    assert refused == Refusal(Limit.CLIENT, later(HOUR))
    assert isinstance(scene.ask(client=ClientAddress("198.51.101.1")), Issued)


# A clock that was ahead, and has been set back


def test_an_ask_from_the_future_keeps_nobody_waiting_for_longer_than_its_window() -> None:
    """It is believed to be of now, and the wait that is told is enough."""
    scene = Scene(open_policy(client_sends=()))
    scene.wait(2 * HOUR)
    scene.issue()
    scene.now = START
    assert scene.ask() == Refusal(Limit.COOLDOWN, later(30 * SECOND), live=False)
    scene.wait(30 * SECOND - 1)
    assert scene.ask() == Refusal(Limit.COOLDOWN, later(30 * SECOND), live=False)
    scene.wait(1)
    assert isinstance(scene.ask(), Issued)


def test_sends_from_the_future_count_from_now() -> None:
    """The limit on sends lets go a window after the clock was set back."""
    scene = Scene(attrs.evolve(FREE, contact_sends=Quota(2, HOUR)))
    scene.wait(2 * HOUR)
    scene.issue()
    scene.issue()
    scene.now = START
    assert scene.ask() == Refusal(Limit.CONTACT_SENDS, later(HOUR))
    scene.wait(HOUR)
    assert isinstance(scene.ask(), Issued)


def test_sends_from_the_future_count_from_now_for_other_slots_too() -> None:
    """Nothing of this slot is from the future; the number's sends are."""
    scene = Scene(attrs.evolve(FREE, contact_sends=Quota(1, HOUR)))
    scene.wait(2 * HOUR)
    scene.issue()
    scene.now = START
    scene.held = Held(SlotRecord(), scene.held.usages)
    assert scene.ask() == Refusal(Limit.CONTACT_SENDS, later(HOUR))


def test_failures_from_the_future_lock_for_no_longer_than_their_window() -> None:
    """They are believed to be of now."""
    scene = Scene(attrs.evolve(FREE, failures=(Quota(2, HOUR),)))
    scene.wait(2 * HOUR)
    scene.issue()
    scene.fail(2)
    scene.now = START
    assert scene.ask() == Locked(later(HOUR))
    scene.wait(HOUR)
    assert isinstance(scene.ask(), Issued)


def test_a_code_from_the_future_is_void() -> None:
    """How old it is nobody can tell, so it does not live, also when the clock gets there again."""
    scene = Scene(FREE)
    scene.wait(2 * HOUR)
    scene.issue()
    digits = scene.right()
    scene.now = START
    assert isinstance(scene.check(digits), NoLiveCode)
    scene.wait(2 * HOUR)
    assert isinstance(scene.check(digits), NoLiveCode)


def test_a_code_alone_from_the_future_is_void() -> None:
    """Nothing else of its slot is from the future."""
    scene = Scene(FREE)
    scene.wait(2 * HOUR)
    scene.issue()
    digits = scene.right()
    scene.now = START
    scene.held = attrs.evolve(
        scene.held, record=SlotRecord(others=attrs.evolve(scene.record, asked_at=None))
    )
    assert isinstance(scene.check(digits), NoLiveCode)


def test_a_code_from_before_the_clock_went_ahead_is_good() -> None:
    """A failure alone is from the future, and is believed to be of now."""
    scene = Scene(FREE)
    scene.issue()
    scene.wait(60 * SECOND)
    scene.fail()
    scene.now = START
    assert isinstance(scene.check(scene.right()), Verified)
    assert scene.record.failures == (START,)


def test_clocks_may_differ_by_five_seconds() -> None:
    """What lies no further ahead is taken as it is."""
    scene = Scene(open_policy(client_sends=()))
    scene.wait(5 * SECOND)
    scene.issue()
    scene.now = START
    assert scene.ask() == Refusal(Limit.COOLDOWN, later(35 * SECOND), live=True)
    assert isinstance(scene.check(scene.right()), Verified)


def test_what_is_right_is_not_written_again() -> None:
    """A refusal leaves the very state that was judged, where no clock was ahead."""
    scene = Scene()
    scene.issue()
    before = scene.held
    assert isinstance(scene.ask(), Refusal)
    assert scene.held is before


# Whose slots they are


def test_the_slots_of_people() -> None:
    """Each purpose has one for each of its subjects; without a number none is about one."""
    assert [str(slot) for slot in slots_about(("u1", "u2"), CONTACT)] == [
        "phone_verification:user:u1",
        "phone_verification:user:u2",
        "signup:phone:+919876543210",
    ]
    assert [str(slot) for slot in slots_about(("u1",), None)] == ["phone_verification:user:u1"]
    assert slots_about(("u1",), CONTACT, (Purpose.SIGNUP,)) == [
        Slot(Subject(SubjectKind.PHONE, "+919876543210"), Purpose.SIGNUP)
    ]
