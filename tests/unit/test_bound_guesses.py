"""Guesses that are bound to the challenge or to the network that asked."""

import attrs

from hsp_otp.domain.challenge_outcomes import Exhausted, Issued, NoLiveCode, Verified, WrongCode
from hsp_otp.domain.instant import SECOND
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.slot_record import Held, SlotRecord
from tests.lanes import ELSEWHERE, NEIGHBOUR, Scene, digits_of, known_scene, later
from tests.world import other_than


def test_a_guess_is_judged_by_the_challenges_id() -> None:
    """From another network a guess counts only if it names the challenge."""
    scene = Scene()
    challenge = scene.issue()
    held = scene.held
    expected = NoLiveCode(later(120 * SECOND))
    assert scene.check(digits_of(challenge), ELSEWHERE) == expected
    assert scene.check(digits_of(challenge), ELSEWHERE, challenge_id="another") == expected
    assert scene.held is held
    right = scene.check(digits_of(challenge), ELSEWHERE, challenge_id=challenge.id)
    assert isinstance(right, Verified)


def test_a_guess_is_judged_from_the_network_that_asked() -> None:
    """An address of the same network needs no id; one that names another challenge is refused."""
    scene = Scene()
    challenge = scene.issue()
    wrong = scene.check(digits_of(challenge), NEIGHBOUR, challenge_id="another")
    assert wrong == NoLiveCode(later(30 * SECOND))
    assert isinstance(scene.check(digits_of(challenge), NEIGHBOUR), Verified)


def test_a_guess_is_judged_in_its_session() -> None:
    """In signup the session stands for the id, from any network; without it nothing is judged."""
    scene = Scene()
    challenge = scene.issue(session="s1")
    held = scene.held
    for session in (None, "s2"):
        outcome = scene.check(digits_of(challenge), session=session)
        assert outcome == NoLiveCode(later(30 * SECOND))
    assert scene.held is held
    assert isinstance(scene.check(digits_of(challenge), ELSEWHERE, session="s1"), Verified)


def test_an_exhausted_code_is_not_told_to_other_networks() -> None:
    """A guess that is not bound learns nothing about the code."""
    scene = Scene()
    challenge = scene.issue()
    for _ in range(3):
        scene.check(other_than(digits_of(challenge)))
    assert isinstance(scene.check("000000", ELSEWHERE), NoLiveCode)
    assert isinstance(scene.check("000000"), Exhausted)


def test_a_known_devices_guess_is_not_bound() -> None:
    """A known device may change networks between asking and typing."""
    scene, token = known_scene()
    challenge = scene.issue(token=token)
    assert isinstance(scene.check(digits_of(challenge), ELSEWHERE, token=token), Verified)


def test_the_old_rule_for_guesses() -> None:
    """Where guesses are not bound, one from anywhere without an id is judged."""
    scene = Scene(Policy(binds_guesses=False))
    challenge = scene.issue()
    wrong = other_than(digits_of(challenge))
    assert scene.check(wrong, ELSEWHERE) == WrongCode(2, later(120 * SECOND))
    assert isinstance(scene.check(digits_of(challenge), ELSEWHERE), Verified)


def test_a_code_from_before_lanes() -> None:
    """Where nobody noted the network, anybody presents the code, and any network replaces it."""
    scene = Scene()
    challenge = attrs.evolve(scene.issue(), network=None)
    others = attrs.evolve(scene.record.others, challenge=challenge)
    scene.held = Held(SlotRecord(others=others), scene.held.usages)
    before = scene.held
    wrong = scene.check(other_than(digits_of(challenge)), ELSEWHERE)
    assert wrong == WrongCode(2, later(30 * SECOND))
    assert isinstance(scene.check(digits_of(challenge), ELSEWHERE), Verified)
    scene.held = before
    scene.wait(30 * SECOND)
    assert isinstance(scene.ask(ELSEWHERE), Issued)
