"""Nobody locks an owner out: two lanes for each slot."""

import attrs
import pytest

from hsp_otp.domain.challenge import after_loss, forget, is_over, lock, unlock, withdraw
from hsp_otp.domain.challenge_outcomes import (
    Forgotten,
    Issued,
    Locked,
    NoLiveCode,
    NotStanding,
    Verified,
    Withdrawn,
    WrongCode,
)
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, SECOND
from hsp_otp.domain.lanes import Devices, Lane, Let
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Limit, Refusal
from hsp_otp.domain.slot_record import Ended, Held, LaneRecord, SlotRecord
from hsp_otp.domain.work import Solved
from tests.lanes import (
    DEVICES,
    ELSEWHERE,
    HOME,
    WITHOUT_LIMITS,
    Scene,
    digits_of,
    known_scene,
    later,
)
from tests.world import START, other_than


def test_a_success_makes_the_device_known() -> None:
    """The slot knows its devices for 180 days from the last success, by a seed of its own."""
    scene = Scene()
    assert scene.record.devices is None
    token = scene.sign_in()
    devices = Devices(seed=(1).to_bytes(16, "big"), since=START, until=later(180 * 86_400_000_000))
    assert scene.record.devices == devices
    assert scene.lane(token) is Lane.KNOWN


def test_each_success_gives_a_token_and_leaves_the_older_good() -> None:
    """The older token is good until its own end, 180 days after its own success."""
    scene = Scene()
    first = scene.sign_in()
    scene.wait(10 * DAY)
    second = scene.sign_in(token=first)
    assert scene.record.devices == Devices(
        seed=(1).to_bytes(16, "big"), since=later(10 * DAY), until=later(190 * DAY)
    )
    assert second != first
    assert [scene.lane(first), scene.lane(second)] == [Lane.KNOWN, Lane.KNOWN]
    scene.now = later(180 * DAY)
    assert [scene.lane(first), scene.lane(second)] == [Lane.OTHERS, Lane.KNOWN]
    scene.now = later(190 * DAY)
    assert [scene.lane(first), scene.lane(second)] == [Lane.OTHERS, Lane.OTHERS]


def test_an_unlock_alone_keeps_the_devices() -> None:
    """Only an unlock with devices makes strangers of them, and of no device after it."""
    scene, token = known_scene()
    scene.unlock()
    assert scene.lane(token) is Lane.KNOWN
    scene.unlock(devices=True)
    assert scene.lane(token) is Lane.OTHERS
    new = scene.sign_in()
    assert [scene.lane(token), scene.lane(new)] == [Lane.OTHERS, Lane.KNOWN]


def test_an_unlock_of_a_slot_without_devices_changes_nothing() -> None:
    """Where there is nothing to clear, the state stays the very same."""
    held = Held()
    assert unlock(held, devices=True).becomes is held


def test_to_forget_makes_strangers() -> None:
    """Forgetting the person revokes the tokens of all devices, and ends what an operator gave."""
    scene, token = known_scene()
    scene.let(ELSEWHERE)
    assert forget(scene.held, scene.policy, scene.now).outcome == Forgotten(None, devices=True)
    scene.held = forget(scene.held, scene.policy, scene.now).becomes
    assert scene.record == SlotRecord()
    assert scene.lane(token) is Lane.OTHERS


def test_to_forget_keeps_the_wrong_guesses_of_either_lane() -> None:
    """Neither lane's wrong guesses and cooldown are lifted."""
    scene, token = known_scene(WITHOUT_LIMITS)
    scene.fail(1)
    scene.fail(2, token=token)
    assert forget(scene.held, scene.policy, scene.now).becomes.record == SlotRecord(
        others=LaneRecord(asked_at=START, failures=(START,)),
        known=LaneRecord(asked_at=START, failures=(START, START)),
    )


def test_a_locked_lane_is_not_forgotten() -> None:
    """Forgetting lifts the lock of neither lane."""
    for of_known in (False, True):
        scene, token = known_scene(WITHOUT_LIMITS)
        scene.fail(15, token=token if of_known else None)
        assert forget(scene.held, scene.policy, scene.now).outcome == Locked(later(DAY))


def test_each_lane_has_a_code_of_its_own() -> None:
    """Neither lane's ask ends the code of the other, and each presents its own."""
    scene, token = known_scene()
    theirs = scene.issue(ELSEWHERE)
    own = scene.issue(token=token)
    assert (theirs.lane, own.lane) == (Lane.OTHERS, Lane.KNOWN)
    assert [one.challenge for one in scene.record.lanes] == [theirs, own]
    assert isinstance(scene.check(digits_of(theirs), ELSEWHERE), Verified)
    assert isinstance(scene.check(digits_of(own), token=token), Verified)


def test_a_code_of_the_other_lane_is_wrong() -> None:
    """A stranger's guess is judged by the strangers' code alone, a known device's by its own."""
    scene, token = known_scene()
    theirs, own = scene.issue(), scene.issue(token=token)
    assert isinstance(scene.check(digits_of(own)), WrongCode)
    assert isinstance(scene.check(digits_of(theirs), token=token), WrongCode)
    strangers, known = scene.record.lanes
    assert (strangers.run, known.run) == (1, 1)


def test_a_known_device_presents_what_it_asked_for_as_a_stranger() -> None:
    """By its id, a code of the others is judged there, whoever presents it."""
    scene, token = known_scene()
    earlier = scene.issue()
    named = earlier.id
    wrong = scene.check(other_than(digits_of(earlier)), token=token, challenge_id=named)
    assert isinstance(wrong, WrongCode)
    assert [one.run for one in scene.record.lanes] == [1, 0]
    right = scene.check(digits_of(earlier), token=token, challenge_id=named)
    assert isinstance(right, Verified)
    assert right.challenge.lane is Lane.OTHERS


def test_a_stranger_cannot_name_a_known_devices_code() -> None:
    """Not even its id and its digits present the code of a known device."""
    scene, token = known_scene()
    own = scene.issue(token=token)
    scene.issue()
    held = scene.held
    outcome = scene.check(digits_of(own), challenge_id=own.id)
    assert outcome == NoLiveCode(later(30 * SECOND))
    assert scene.held is held


def test_each_lane_has_a_cooldown_of_its_own() -> None:
    """A stranger's ask does not make a known device wait, nor the reverse."""
    scene, token = known_scene()
    scene.issue(ELSEWHERE)
    scene.wait(SECOND)
    assert isinstance(scene.ask(token=token), Issued)
    assert scene.ask(ELSEWHERE) == Refusal(Limit.COOLDOWN, later(30_000_000), live=True)
    assert scene.ask(token=token) == Refusal(Limit.COOLDOWN, later(31_000_000), live=True)
    scene.now = later(30_999_999)
    assert isinstance(scene.ask(ELSEWHERE), Issued)
    assert scene.ask(token=token) == Refusal(Limit.COOLDOWN, later(31_000_000), live=True)
    scene.wait(1)
    assert isinstance(scene.ask(token=token), Issued)


def test_each_lane_is_locked_by_15_of_its_own_guesses() -> None:
    """Fifteen failures in 24 h lock a lane until the first leaves; the other stays open."""
    for of_known in (False, True):
        scene, token = known_scene(WITHOUT_LIMITS)
        mine, other = (token, None) if of_known else (None, token)
        scene.fail(14, token=mine)
        assert isinstance(scene.ask(token=mine), Issued)
        scene.fail(1, token=mine)
        assert scene.ask(token=mine) == Locked(later(86_400_000_000))
        assert scene.check("000000", token=mine) == Locked(later(86_400_000_000))
        assert isinstance(scene.ask(token=other), Issued)
        scene.now = later(86_400_000_000 - 1)
        assert scene.ask(token=mine) == Locked(later(86_400_000_000))
        scene.wait(1)
        assert isinstance(scene.ask(token=mine), Issued)


def test_both_lanes_together_have_30_guesses_a_day() -> None:
    """Each lane's fifteen are all there are: both are locked by the thirtieth."""
    scene, token = known_scene(WITHOUT_LIMITS)
    scene.fail(15)
    scene.fail(14, token=token)
    assert lock(scene.record, scene.policy, scene.now, Lane.KNOWN) is None
    scene.fail(1, token=token)
    full = Locked(later(DAY))
    assert lock(scene.record, scene.policy, scene.now, Lane.KNOWN) == full
    assert lock(scene.record, scene.policy, scene.now, is_let=True) == full


def test_each_lane_has_45_guesses_in_30_days() -> None:
    """The forty-sixth waits until the first is 30 days old, in its lane alone."""
    scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, max_run=0))
    for _ in range(3):
        scene.fail(15)
        scene.wait(DAY)
    full = Locked(later(2_592_000_000_000))
    assert scene.ask() == full
    assert isinstance(scene.ask(token=token), Issued)
    scene.now = later(30 * DAY - 1)
    assert scene.ask() == full
    scene.wait(1)
    assert isinstance(scene.ask(), Issued)


def test_each_lane_may_fail_50_times_in_a_row() -> None:
    """The fiftieth failure locks a lane until an operator unlocks it, and not the other."""
    for of_known in (False, True):
        scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, failures=()))
        mine, other = (token, None) if of_known else (None, token)
        scene.fail(49, token=mine)
        assert isinstance(scene.ask(token=mine), Issued)
        scene.fail(1, token=mine)
        assert scene.ask(token=mine) == Locked(None)
        assert isinstance(scene.ask(token=other), Issued)
        scene.unlock()
        assert isinstance(scene.ask(token=mine), Issued)


def test_both_lanes_may_fail_100_times_in_a_row() -> None:
    """Fifty strangers' failures leave a known device all of its own fifty."""
    scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, failures=()))
    scene.fail(50)
    scene.fail(49, token=token)
    assert lock(scene.record, scene.policy, scene.now, is_let=True) is None
    assert isinstance(scene.ask(token=token), Issued)
    scene.fail(1, token=token)
    for of in Lane:
        assert lock(scene.record, scene.policy, scene.now, of) == Locked(None)
    assert lock(scene.record, scene.policy, scene.now, is_let=True) == Locked(None)


@pytest.mark.parametrize(
    ("most", "others", "known"), [(100, 50, 50), (9, 5, 4), (3, 2, 1), (2, 1, 1)]
)
def test_an_odd_run_is_shared_without_taking_from_known_devices(
    most: int, others: int, known: int
) -> None:
    """Strangers may have the odd failure; whatever they do, known devices have their half."""
    policy = attrs.evolve(WITHOUT_LIMITS, failures=(), max_run=most)
    for strangers_first in (False, True):
        scene, token = known_scene(policy)
        if strangers_first:
            scene.fail(others)
            assert scene.ask() == Locked(None)
        scene.fail(known, token=token)
        assert scene.ask(token=token) == Locked(None)


def test_a_run_of_one_leaves_each_lane_one_failure() -> None:
    """With a single failure in a row there is nothing to share: either lane's locks both."""
    scene, token = known_scene(attrs.evolve(WITHOUT_LIMITS, failures=(), max_run=1))
    assert isinstance(scene.ask(token=token), Issued)
    scene.fail(1)
    assert scene.ask(token=token) == Locked(None)


def test_a_success_in_either_lane_ends_both_runs() -> None:
    """The failures stay in their windows, and the runs begin again."""
    for of_known in (False, True):
        scene, token = known_scene(WITHOUT_LIMITS)
        scene.fail(2)
        scene.fail(2, token=token)
        scene.sign_in(token=token if of_known else None)
        assert [one.run for one in scene.record.lanes] == [0, 0]
        assert [one.failures for one in scene.record.lanes] == [(START,) * 2] * 2


def test_both_lanes_lock_what_an_operator_unlocks() -> None:
    """An unlock clears the failures of both lanes and leaves their codes."""
    scene, token = known_scene(WITHOUT_LIMITS)
    scene.fail(15)
    scene.fail(15, token=token)
    scene.unlock()
    assert [(one.failures, one.run) for one in scene.record.lanes] == [((), 0)] * 2
    assert all(one.challenge is not None for one in scene.record.lanes)
    assert isinstance(scene.ask(), Issued)
    assert isinstance(scene.ask(token=token), Issued)


def test_either_lanes_code_is_withdrawn() -> None:
    """A challenge is withdrawn by its id, in whichever lane it stands."""
    scene, token = known_scene()
    theirs, own = scene.issue(), scene.issue(token=token)
    decision = withdraw(scene.held, own.id)
    assert decision.outcome == Withdrawn(attrs.evolve(own, ended=Ended.WITHDRAWN))
    scene.held = decision.becomes
    assert withdraw(scene.held, own.id) == Decision(NotStanding(), scene.held)
    assert isinstance(scene.check(digits_of(own), token=token), NoLiveCode)
    assert isinstance(scene.check(digits_of(theirs)), Verified)


def test_a_loss_voids_both_codes() -> None:
    """Each lane's cooldown runs from what either store knows of it; the devices stay known."""
    scene, token = known_scene()
    scene.issue()
    scene.wait(SECOND)
    scene.issue(token=token)
    told = {Lane.OTHERS: later(7 * SECOND), Lane.KNOWN: START}
    lost = after_loss(scene.record, told)
    assert [one.challenge for one in lost.lanes] == [None, None]
    assert [one.asked_at for one in lost.lanes] == [later(7 * SECOND), later(SECOND)]
    assert lost.devices == scene.record.devices


def test_what_keeps_a_record() -> None:
    """A record matters while a device is known, an operator lets somebody in, or work is spent."""
    policy = Policy()
    until = later(1_000 * SECOND)
    one = Let(client=HOME, until=until, sends=1, guesses=1)
    done = Solved(nonce="n1", level=1, expires_at=until)
    for record in (
        SlotRecord(devices=attrs.evolve(DEVICES, until=until)),
        SlotRecord(lets=(one,)),
        SlotRecord(work=(done,)),
    ):
        assert not is_over(record, policy, later(1_004_999_999))
        assert is_over(record, policy, later(1_005_000_000))
