"""Sends that a right code gives back."""

from typing import Final

import attrs

from hsp_otp.domain.challenge import give_back, give_back_keys
from hsp_otp.domain.challenge_outcomes import Verified
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Limit, Quota, Refusal, UsageKey
from hsp_otp.domain.slot_record import Asked, Held
from tests.lanes import (
    ELSEWHERE,
    HOME,
    PHONE,
    Scene,
    digits_of,
    known_scene,
    later,
    sent_by,
    stranger,
)
from tests.world import START, open_policy

CLIENT_SENDS: Final = UsageKey("pass_login_sends", "198.51.100.7")
NETWORK_SENDS: Final = UsageKey("pass_login_sends", "198.51.100.0/24")


def test_a_right_code_of_a_known_device_gives_its_own_sends_back() -> None:
    """Its next code waits for the cooldown of its own lane, and the strangers' sends stay."""
    scene, token = known_scene(Policy(asks_for_work=False))
    scene.wait(MINUTE)
    scene.issue(stranger(1))
    challenge = scene.issue(token=token)
    scene.wait(SECOND)
    outcome = scene.check(digits_of(challenge), token=token)
    assert isinstance(outcome, Verified)
    assert outcome.resend_at == later(MINUTE + 30 * SECOND)
    assert scene.held.usages[UsageKey("pass_login_known_sends", "198.51.100.7")] == ()
    assert scene.record.known.asked == ()
    assert len(scene.record.others.asked) == 1


def test_a_right_code_gives_the_address_its_sends_back() -> None:
    """All sends of the slot since the last success; the number's own stay counted."""
    scene = Scene(Policy(asks_for_work=False))
    scene.issue()
    scene.wait(30 * SECOND)
    challenge = scene.issue()
    assert scene.held.usages[CLIENT_SENDS] == (START, later(30 * SECOND))
    outcome = scene.check(digits_of(challenge))
    assert isinstance(outcome, Verified)
    assert outcome.given_back == ()
    assert scene.held.usages[CLIENT_SENDS] == scene.held.usages[NETWORK_SENDS] == ()
    assert len(scene.held.usages[UsageKey("phone_sends", PHONE)]) == 2
    assert len(scene.held.usages[UsageKey("phone_sends_of_others", PHONE)]) == 2
    assert scene.record.others.asked == ()


def test_people_behind_one_address_who_verify_are_not_limited() -> None:
    """Ten sign-ins from one address in an hour are admitted, where only five sends are."""
    scene = Scene(open_policy(contact_sends=Quota(0, DAY)))
    for _ in range(10):
        scene.sign_in()
        scene.wait(MINUTE)
    for _ in range(5):
        scene.issue()
        scene.wait(MINUTE)
    assert scene.ask() == Refusal(Limit.CLIENT, later(70 * MINUTE))


def test_other_addresses_get_their_sends_back_afterwards() -> None:
    """A right code presented elsewhere gives back what the asking addresses were charged."""
    scene = Scene(open_policy(cooldown=0))
    scene.issue()
    challenge = scene.issue(ELSEWHERE)
    bystander = UsageKey("pass_login_sends", "203.0.113.0/24")
    outcome = scene.check(digits_of(challenge), ELSEWHERE, challenge_id=challenge.id)
    assert isinstance(outcome, Verified)
    assert outcome.given_back == ((sent_by(HOME), START),)
    assert scene.held.usages[bystander] == ()
    assert scene.held.usages[CLIENT_SENDS] == (START,)
    assert give_back_keys(outcome) == (CLIENT_SENDS, NETWORK_SENDS)
    given = give_back(scene.held, outcome, later(1)).becomes
    assert given.usages[CLIENT_SENDS] == given.usages[NETWORK_SENDS] == ()
    assert given.record == scene.record
    assert give_back(given, outcome, later(1)).becomes is given


def test_only_what_was_charged_is_given_back() -> None:
    """One send gives one charge back, and other charges of the address stay."""
    scene = Scene(open_policy())
    outcome = scene.check(digits_of(scene.issue()))
    assert isinstance(outcome, Verified)
    elsewhere = attrs.evolve(outcome, given_back=((sent_by(HOME), START),))
    usages = {CLIENT_SENDS: (START, START, later(1)), NETWORK_SENDS: (later(1),)}
    given = give_back(Held(usages=usages), elsewhere, later(2)).becomes.usages
    assert given == {CLIENT_SENDS: (START, later(1)), NETWORK_SENDS: (later(1),)}


def test_each_lane_gives_its_own_sends_back() -> None:
    """A success of a known device gives back nothing that a stranger at its address used."""
    scene, token = known_scene()
    scene.issue()
    scene.sign_in(token=token)
    assert scene.held.usages[CLIENT_SENDS] == (START,)
    assert scene.held.usages[UsageKey("pass_login_known_sends", "198.51.100.7")] == ()
    assert scene.record.others.asked == (Asked(START, HOME),)
    assert scene.record.known.asked == ()


def test_what_no_limit_counts_is_not_kept_to_be_given_back() -> None:
    """After an hour, and the difference of two clocks, an ask is dropped."""
    for waited, kept in ((HOUR + 5 * SECOND - 1, 2), (HOUR + 5 * SECOND, 1)):
        scene = Scene()
        scene.issue()
        scene.now = later(waited)
        challenge = scene.issue()
        assert len(scene.record.others.asked) == kept
        outcome = scene.check(digits_of(challenge), ELSEWHERE, challenge_id=challenge.id)
        assert isinstance(outcome, Verified)
        assert len(outcome.given_back) == kept
