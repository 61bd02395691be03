"""An operator lets somebody in."""

import attrs

from hsp_otp.domain.challenge import look
from hsp_otp.domain.challenge_outcomes import CodeEnd, Issued, Locked, Standing, WrongCode
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND
from hsp_otp.domain.lanes import Lane, Let, let_of
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Limit, Quota, Refusal
from tests.lanes import (
    ELSEWHERE,
    HOME,
    NEIGHBOUR,
    WITHOUT_LIMITS,
    Scene,
    digits_of,
    known_scene,
    later,
    stranger,
)
from tests.world import START, other_than


def test_what_an_operator_gives() -> None:
    """One address gets 3 sends and 6 guesses for an hour; giving again begins anew."""
    scene = Scene()
    given = Let(client=HOME, until=later(3_600_000_000), sends=3, guesses=6)
    assert scene.let() == given
    assert [*scene.record.lets] == [given]
    scene.issue()
    scene.wait(MINUTE)
    again = attrs.evolve(given, until=later(61 * MINUTE))
    assert scene.let() == again
    other = attrs.evolve(again, client=ELSEWHERE)
    assert scene.let(ELSEWHERE) == other
    assert [*scene.record.lets] == [again, other]


def test_a_let_ends_after_an_hour() -> None:
    """It is for its address alone and is over after an hour, to the microsecond."""
    given = Scene().let()
    assert let_of([given], HOME, later(3_600_000_000 - 1)) == given
    assert let_of([given], HOME, later(3_600_000_000)) is None
    assert let_of([given], NEIGHBOUR, START) is None


def test_a_let_that_is_over_is_dropped() -> None:
    """It stays a little longer, because another machine's clock may be behind."""
    scene = Scene()
    scene.let(ELSEWHERE)
    scene.now = later(HOUR + 5 * SECOND - 1)
    assert [one.client for one in (scene.let(), *scene.record.lets)] == [HOME, ELSEWHERE, HOME]
    scene.wait(1)
    scene.let(NEIGHBOUR)
    assert [one.client for one in scene.record.lets] == [HOME, NEIGHBOUR]


def spent_scene() -> Scene:
    """Strangers have used up the others' sends and guesses, and a fresh code stands."""
    policy = Policy(client_sends=(Quota(1, HOUR),))
    scene = Scene(attrs.evolve(policy, fresh_for=0, cooldown=0, asks_for_work=False))
    for number, guesses in enumerate((0, 3, 3, 3, 3, 2, 1)):
        challenge = scene.issue(stranger(number))
        for _ in range(guesses):
            scene.check(other_than(digits_of(challenge)), stranger(number))
    scene.policy = policy
    return scene


def test_a_let_passes_all_that_others_have_used_up() -> None:
    """The lock, the sends, the cooldown, the fresh code and the work of others do not hold it."""
    scene = spent_scene()
    assert scene.ask() == Locked(later(DAY))
    scene.let()
    for left in (2, 1, 0):
        assert isinstance(scene.ask(), Issued)
        assert scene.record.lets[0].sends == left
    assert scene.ask() == Locked(later(DAY))


def test_a_let_has_six_guesses() -> None:
    """Each wrong guess costs one, a right one is free; then the lock of others holds again."""
    scene = spent_scene()
    scene.let()
    for left in (3, 0):
        challenge = scene.issue()
        for more in (2, 1, 0):
            wrong = other_than(digits_of(challenge))
            assert isinstance(scene.check(wrong), WrongCode)
            assert scene.record.lets[0].guesses == left + more
    challenge = scene.issue()
    assert scene.check(digits_of(challenge)) == Locked(later(DAY))


def test_a_right_guess_of_a_let_succeeds() -> None:
    """Whoever was let in signs in on the first code, and the device is known from then on."""
    scene = spent_scene()
    scene.let()
    token = scene.sign_in()
    assert scene.lane(token) is Lane.KNOWN
    assert scene.record.lets[0].guesses == 6


def test_a_let_is_no_let_for_others() -> None:
    """Another address, also of the same network, and the same address an hour later are locked."""
    scene = spent_scene()
    scene.let()
    assert scene.ask(NEIGHBOUR) == Locked(later(DAY))
    scene.now = later(HOUR - 1)
    assert isinstance(scene.ask(), Issued)
    scene.wait(1)
    assert scene.ask() == Locked(later(DAY))


def test_a_let_is_held_by_the_numbers_ten() -> None:
    """Its sends count among the ten of the number, which hold it."""
    scene = spent_scene()
    for number in range(3):
        scene.let(stranger(20 + number))
        assert isinstance(scene.ask(stranger(20 + number)), Issued)
    scene.let()
    assert scene.ask() == Refusal(Limit.CONTACT_SENDS, later(DAY))


def test_a_let_is_held_by_the_guesses_of_both_lanes() -> None:
    """No operator's let makes more than 30 guesses a day."""
    scene, token = known_scene(WITHOUT_LIMITS)
    scene.fail(15)
    scene.fail(11, token=token)
    scene.let()
    scene.fail(4)
    assert scene.ask() == Locked(later(DAY))
    assert scene.record.lets[0].guesses == 2


def test_a_let_is_held_by_90_guesses_in_30_days() -> None:
    """Of both lanes, lets included, no more than 90 are judged in 30 days."""
    scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, max_run=0))
    for _ in range(3):
        scene.fail(15)
        scene.fail(14, token=token)
        scene.wait(DAY)
    scene.let()
    scene.fail(3)
    assert scene.ask() == Locked(later(30 * DAY))
    assert scene.record.lets[0].guesses == 3


def test_a_let_is_held_by_a_run_of_100() -> None:
    """An operator's let passes the others' fifty in a row, but not the hundred of both lanes."""
    scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, failures=()))
    scene.fail(50)
    scene.fail(48, token=token)
    assert scene.ask() == Locked(None)
    scene.let()
    scene.fail(2)
    assert scene.ask() == Locked(None)
    assert sum(one.run for one in scene.record.lanes) == 100


def test_a_let_gives_a_known_device_nothing() -> None:
    """A known device at that address is judged as a known device, and spends nothing of it."""
    scene, token = known_scene()
    scene.let()
    scene.issue(token=token)
    assert scene.ask(token=token) == Refusal(Limit.COOLDOWN, later(30 * SECOND), live=True)
    assert scene.record.lets[0].sends == 3


def test_a_let_tells_that_it_may_ask_again() -> None:
    """With a send left its next ask is admitted at once; without one it waits as others do."""
    scene = Scene(Policy(asks_for_work=False))
    scene.let()
    for _ in range(2):
        outcome = scene.ask()
        assert isinstance(outcome, Issued)
        assert outcome.resend_at == START
    outcome = scene.ask()
    assert isinstance(outcome, Issued)
    assert outcome.resend_at == later(30 * SECOND)


def test_a_let_sees_its_live_code() -> None:
    """Whoever was let in past the lock is shown the code as long as its guesses last."""
    scene = spent_scene()
    scene.let()
    challenge = scene.issue()

    def shown() -> Standing:
        return look(scene.held, scene.request(), scene.policy, scene.now).outcome

    assert shown() == Standing(later(600 * SECOND), START, channel=Channel.SMS)
    (given,) = scene.record.lets
    last, none = (attrs.evolve(given, guesses=guesses) for guesses in (1, 0))
    scene.held = attrs.evolve(scene.held, record=attrs.evolve(scene.record, lets=(last,)))
    assert shown() == Standing(later(600 * SECOND), START, channel=Channel.SMS)
    scene.held = attrs.evolve(scene.held, record=attrs.evolve(scene.record, lets=(none,)))
    assert shown() == Standing(None, START, CodeEnd.OTHER)
    assert scene.check(digits_of(challenge)) == Locked(later(DAY))


def test_a_known_device_sees_its_own_code() -> None:
    """What a known device is shown does not depend on the strangers' lock."""
    scene, token = known_scene(WITHOUT_LIMITS)
    scene.issue(token=token)
    scene.fail(15)
    request = scene.request(token=token)
    shown = look(scene.held, request, scene.policy, scene.now, lane=Lane.KNOWN).outcome
    assert shown == Standing(later(600 * SECOND), START, channel=Channel.SMS)
    assert look(scene.held, scene.request(), scene.policy, scene.now).outcome == Standing(
        None, later(DAY), CodeEnd.LOCKED
    )
    # It may guess from any network, so it is shown the code from any.
    elsewhere = scene.request(stranger(1), token=token)
    shown = look(scene.held, elsewhere, scene.policy, scene.now, lane=Lane.KNOWN).outcome
    assert shown.expires_at == later(600 * SECOND)
