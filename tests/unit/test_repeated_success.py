"""A right code that the same browser presents again: docs/contract.md, 2.6."""

from typing import Any

import attrs
import pytest

from hsp_otp.domain.challenge import ask, check, code_of, withdraw
from hsp_otp.domain.challenge_outcomes import (
    CheckOutcome,
    Issued,
    Locked,
    NoLiveCode,
    Verified,
    WrongCode,
)
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, SECOND, Duration, Instant, after
from hsp_otp.domain.lanes import Devices, Lane
from hsp_otp.domain.purposes import Purpose, Slot, Subject, SubjectKind
from hsp_otp.domain.repeated_success import VerifiedAgain, check_in_browser
from hsp_otp.domain.slot_record import Challenge, Drawn, Held, LaneRecord, Presented, Success
from tests.unit.test_challenge import FREE, OTHER_FLOW, REQUEST
from tests.world import START, other_than, ring

BROWSER = "a browser"
WINDOW = 30 * SECOND


DEVICES = Devices(seed=(1).to_bytes(16, "big"), since=START, until=after(START, 180 * DAY))
"""What makes the device known that verified."""


@attrs.define
class Scene:
    """One slot, in which one code stands."""

    held: Held = attrs.field(factory=Held)
    now: Instant = START
    asked: int = 0

    def __attrs_post_init__(self) -> None:
        """Ask for the first."""
        self.ask()

    def ask(self, session: str | None = None) -> None:
        """Ask for a code, which is admitted."""
        self.asked += 1
        drawn = Drawn(
            challenge_id=f"c{self.asked}", nonce=self.asked.to_bytes(16, "big"), key_id="k1"
        )
        request = attrs.evolve(REQUEST, session=session)
        decision = ask(self.held, request, drawn, FREE, self.now)
        assert isinstance(decision.outcome, Issued)
        self.held = decision.becomes

    def wait(self, duration: Duration) -> None:
        """Let time pass."""
        self.now = Instant(self.now + duration)

    @property
    def challenge(self) -> Challenge:
        """What stands in the slot."""
        assert self.held.record.others.challenge is not None
        return self.held.record.others.challenge

    @property
    def right(self) -> str:
        """The digits of the latest code."""
        return code_of(self.challenge, ring("codes").first, 6).reveal()

    def present(
        self,
        digits: str | None = None,
        browser: str | None = BROWSER,
        keys: tuple[str, ...] = ("k1",),
        challenge_id: str | None = None,
        **changes: Any,  # noqa: ANN401 - of the request
    ) -> CheckOutcome | VerifiedAgain:
        """Present the right code, unless told otherwise."""
        request = attrs.evolve(REQUEST, **changes)
        presented = Presented(Code(digits or self.right), challenge_id)
        codes = ring("codes", *keys)
        outcome: CheckOutcome | VerifiedAgain
        if browser is None:
            plain = check(self.held, request, presented, FREE, ring=codes, now=self.now)
            outcome, self.held = plain.outcome, plain.becomes
        else:
            held, now = self.held, self.now
            decision = check_in_browser(
                held, request, presented, FREE, ring=codes, now=now, browser=browser
            )
            outcome, self.held = decision.outcome, decision.becomes
        return outcome


def succeeded(**changes: Any) -> Scene:  # noqa: ANN401 - of the facts
    """The code was right in the browser."""
    scene = Scene()
    assert isinstance(scene.present(**changes), Verified)
    return scene


def test_the_same_browser_may_present_it_again() -> None:
    """It is told so, and nothing is charged or changed, however often."""
    scene = succeeded()
    held = scene.held
    scene.wait(SECOND)
    for challenge_id in (None, "c1"):
        outcome = scene.present(challenge_id=challenge_id)
        assert outcome == VerifiedAgain(scene.challenge, scene.now, DEVICES)
        assert scene.held is held
    assert VerifiedAgain.word == "verified_again"


@pytest.mark.parametrize("browser", [None, "another", "", BROWSER + " "])
def test_nobody_else_may(browser: str | None) -> None:
    """For everybody else the code has been used, and nothing is changed."""
    scene = succeeded()
    held = scene.held
    assert scene.present(browser=browser) == NoLiveCode(START)
    assert scene.held is held
    assert isinstance(scene.present(), VerifiedAgain)


def test_a_success_elsewhere_is_nobodys() -> None:
    """A code that was right without a browser, as over the API, is used for every browser."""
    scene = Scene()
    assert isinstance(scene.present(browser=None), Verified)
    assert scene.challenge.success is None
    assert scene.present() == NoLiveCode(START)


@pytest.mark.parametrize(
    ("waits", "again"),
    [
        (-5 * SECOND - 1, False),
        (-5 * SECOND, True),
        (0, True),
        (WINDOW, True),
        (WINDOW + 1, False),
    ],
)
def test_for_how_long(waits: int, *, again: bool) -> None:
    """For 30 seconds from the success, the end included; machines' clocks may differ by five."""
    scene = succeeded()
    scene.wait(waits)
    assert isinstance(scene.present(), VerifiedAgain) is again


def test_a_code_that_ends_meanwhile() -> None:
    """That the code's own time is up since its success is no matter."""
    scene = Scene()
    scene.wait(600 * SECOND - 1)
    assert isinstance(scene.present(), Verified)
    scene.wait(2)
    assert isinstance(scene.present(), VerifiedAgain)
    assert scene.present(browser="another") == NoLiveCode(scene.now)


@pytest.mark.parametrize(
    "change",
    [
        {"challenge_id": "c2"},
        {"challenge_id": ""},
        {"session": "s1"},
        {"keys": ("k2",)},
    ],
)
def test_what_is_meant_for_another_code(change: dict[str, Any]) -> None:
    """Another code's name, another session and a key that is gone leave all as it was."""
    scene = succeeded()
    held = scene.held
    assert isinstance(scene.present(**change), NoLiveCode)
    assert scene.held is held
    assert isinstance(scene.present(), VerifiedAgain)


@pytest.mark.parametrize(
    "change",
    [
        {"digits": "another"},
        {"contact": Contact(ContactKind.PHONE, "+919812345678")},
        {"flow": OTHER_FLOW},
        {"slot": Slot(Subject(SubjectKind.USER, "u2"), Purpose.PHONE_VERIFICATION)},
    ],
)
def test_a_wrong_code_ends_it(change: dict[str, Any]) -> None:
    """Whoever has got hold of a browser's cookie guesses once; it counts as no guess."""
    scene = succeeded()
    given = dict(change)
    if given.pop("digits", None):
        given["digits"] = other_than(scene.right)
    assert scene.present(**given) == NoLiveCode(START)
    assert (scene.challenge.attempts, scene.held.record.others.failures) == (1, ())
    assert scene.challenge.success is None
    held = scene.held
    assert scene.present() == NoLiveCode(START)
    assert scene.held is held


def test_a_code_that_was_never_right() -> None:
    """Wrong guesses, another ask and a withdrawal are what they are without a browser."""
    scene = Scene()
    outcome = scene.present(other_than(scene.right))
    assert isinstance(outcome, WrongCode)
    assert outcome.attempts_remaining == 2
    assert scene.challenge.success is None
    scene.held = withdraw(scene.held, "c1").becomes
    assert scene.present() == NoLiveCode(START)


def test_an_empty_slot() -> None:
    """Where nothing was ever sent there is nothing to present again."""
    scene = Scene()
    right, scene.held = scene.right, Held()
    assert scene.present(right) == NoLiveCode(START)


def test_a_newer_code() -> None:
    """Another ask ends it: the older code is a wrong guess at the newer one, as ever."""
    scene = succeeded()
    right = scene.right
    scene.ask()
    assert isinstance(scene.present(right), WrongCode)
    assert isinstance(scene.present(right, challenge_id="c1"), NoLiveCode)


def test_a_lock_goes_before() -> None:
    """While wrong guesses lock the slot nobody is let in."""
    scene = succeeded()
    locked = attrs.evolve(scene.held.record.others, failures=(START,) * 15)
    scene.held = attrs.evolve(scene.held, record=attrs.evolve(scene.held.record, others=locked))
    assert isinstance(scene.present(), Locked)


def test_what_is_remembered() -> None:
    """A keyed digest for this code alone, which tells nothing of the browser and is never shown."""
    scene = Scene()
    outcome = scene.present()
    assert outcome == Verified(scene.challenge, START, DEVICES)
    success = scene.challenge.success
    assert success is not None
    key = ring("codes").first
    assert success == Success(START, key.digest("browser", "c1", BROWSER))
    assert repr(success) == f"Success(at={START})"
    other = Scene()
    other.ask()
    other.present()
    assert other.challenge.success is not None
    assert other.challenge.success.browser != success.browser


def test_a_known_device_may_present_it_again() -> None:
    """Its lane remembers the browser, and the other lane is left alone."""
    drawn = Drawn(challenge_id="c1", nonce=bytes(16), key_id="k1")
    held = ask(Held(), REQUEST, drawn, FREE, START, lane=Lane.KNOWN).becomes
    assert held.record.known.challenge is not None
    right = code_of(held.record.known.challenge, ring("codes").first, 6)

    def present(held: Held, code: Code) -> Decision[Held, CheckOutcome | VerifiedAgain]:
        return check_in_browser(
            *(held, REQUEST, Presented(code), FREE),
            ring=ring("codes"),
            now=START,
            browser=BROWSER,
            lane=Lane.KNOWN,
        )

    first = present(held, right)
    assert isinstance(first.outcome, Verified)
    assert first.outcome.challenge == first.becomes.record.known.challenge
    assert first.outcome.challenge.success is not None
    assert first.becomes.record.known.asked_at == START
    assert first.becomes.record.others == LaneRecord()
    again = present(first.becomes, right)
    assert isinstance(again.outcome, VerifiedAgain)
    assert again.outcome.challenge == first.outcome.challenge
    wrong = present(first.becomes, Code(other_than(right.reveal())))
    assert isinstance(wrong.outcome, NoLiveCode)
    assert wrong.becomes.record.others == LaneRecord()
    assert isinstance(present(wrong.becomes, right).outcome, NoLiveCode)
