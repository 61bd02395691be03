"""A fresh code that no other network replaces."""

from hsp_otp.domain.challenge import withdraw
from hsp_otp.domain.challenge_outcomes import Issued, WrongCode
from hsp_otp.domain.instant import SECOND
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Limit, Refusal
from hsp_otp.domain.slot_record import Challenge
from tests.lanes import ELSEWHERE, NEIGHBOUR, Scene, digits_of, known_scene, later
from tests.world import other_than


def test_another_network_cannot_replace_a_fresh_code() -> None:
    """For 120 s after it was issued only its own network replaces a code."""
    scene = Scene()
    scene.issue()
    fresh = Refusal(Limit.COOLDOWN, later(120_000_000), live=True)
    scene.wait(30 * SECOND)
    assert scene.ask(ELSEWHERE) == fresh
    scene.now = later(120_000_000 - 1)
    assert scene.ask(ELSEWHERE) == fresh
    scene.wait(1)
    assert isinstance(scene.ask(ELSEWHERE), Issued)


def test_its_own_network_replaces_a_code() -> None:
    """Whoever asked may ask again after the cooldown, from any address of the network."""
    scene = Scene()
    scene.issue()
    scene.wait(30 * SECOND)
    assert isinstance(scene.ask(NEIGHBOUR), Issued)


def test_a_fresh_code_is_no_longer_fresh_than_it_lives() -> None:
    """A code that expires sooner holds nobody up after its end."""
    scene = Scene(Policy(lifetime=60 * SECOND))
    scene.issue()
    scene.wait(59 * SECOND)
    assert scene.ask(ELSEWHERE) == Refusal(Limit.COOLDOWN, later(60 * SECOND), live=True)
    scene.wait(SECOND)
    assert isinstance(scene.ask(ELSEWHERE), Issued)


def test_no_fresh_code() -> None:
    """With 0 seconds only the cooldown holds others up."""
    scene = Scene(Policy(fresh_for=0))
    scene.issue()
    assert scene.ask(ELSEWHERE) == Refusal(Limit.COOLDOWN, later(30 * SECOND), live=True)
    scene.wait(30 * SECOND)
    assert isinstance(scene.ask(ELSEWHERE), Issued)


def test_an_ended_code_holds_nobody_up() -> None:
    """After a used, exhausted or withdrawn code another network waits for the cooldown alone."""

    def used(scene: Scene, challenge: Challenge) -> None:
        scene.verify(challenge)

    def exhausted(scene: Scene, challenge: Challenge) -> None:
        for _ in range(3):
            scene.check(other_than(digits_of(challenge)))

    def withdrawn(scene: Scene, challenge: Challenge) -> None:
        scene.held = withdraw(scene.held, challenge.id).becomes

    for end in (used, exhausted, withdrawn):
        scene = Scene()
        end(scene, scene.issue())
        assert scene.ask(ELSEWHERE) == Refusal(Limit.COOLDOWN, later(30 * SECOND), live=False)
        scene.wait(30 * SECOND)
        assert isinstance(scene.ask(ELSEWHERE), Issued)


def test_two_wrong_guesses_leave_a_code_fresh() -> None:
    """A code with one guess left is still about to be typed."""
    scene = Scene()
    challenge = scene.issue()
    for _ in range(2):
        scene.check(other_than(digits_of(challenge)))
    scene.wait(30 * SECOND)
    assert scene.ask(ELSEWHERE) == Refusal(Limit.COOLDOWN, later(120 * SECOND), live=True)


def test_a_code_of_the_other_lane_is_nobodys_business() -> None:
    """The fresh code of a known device holds no stranger up, nor a stranger's a known device."""
    scene, token = known_scene()
    scene.issue(token=token)
    assert isinstance(scene.ask(ELSEWHERE), Issued)
    scene, token = known_scene()
    scene.issue(ELSEWHERE)
    assert isinstance(scene.ask(token=token), Issued)


def test_a_known_device_changes_networks() -> None:
    """A known device replaces its own code from wherever it is."""
    scene, token = known_scene()
    scene.issue(token=token)
    scene.wait(30 * SECOND)
    assert isinstance(scene.ask(ELSEWHERE, token=token), Issued)


def test_the_answer_tells_its_own_network_the_cooldown() -> None:
    """Who asked is told 30 s; who comes from another network is told 120 s with a wrong guess."""
    scene = Scene()
    outcome = scene.ask()
    assert isinstance(outcome, Issued)
    assert outcome.resend_at == later(30 * SECOND)
    wrong = other_than(digits_of(outcome.challenge))
    assert scene.check(wrong, ELSEWHERE, challenge_id="c1") == WrongCode(2, later(120 * SECOND))
    assert scene.check(wrong) == WrongCode(1, later(30 * SECOND))
