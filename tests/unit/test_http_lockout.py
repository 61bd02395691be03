"""Vandals do not lock owners out: a short form of `bench/lockout.py`, over HTTP."""

from functools import partial

import pytest
from bench.in_process import InMemory
from bench.lockout import Attack, Scene, play, shares

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("attack", Attack)
@pytest.mark.parametrize("networks", [1, 10])
def test_known_devices_sign_in_at_once(attack: Attack, networks: int) -> None:
    """Whatever vandals ask for, guess and work, they do not delay an owner's known device."""
    played = play(Scene(owners=4, days=2, networks=networks, attack=attack))
    known = [visit for visit in played.visits if visit.is_known]
    assert len(known) == 4
    assert shares(known)["at_once"] == 1


def test_one_network_cannot_use_up_the_sends() -> None:
    """An owner with a new device every day gets a code although one network takes all it can."""
    played = play(Scene(owners=4, days=2, networks=1, attack=Attack.SENDS))
    new = [visit for visit in played.visits if not visit.is_known]
    assert shares(new)["at_once"] == 1
    assert max(visit.worked for visit in new) > 0
    assert all(vandal.worked > 0 for vandal in played.vandals)


def test_vandals_who_do_no_work() -> None:
    """However many networks they have, a new device signs in at once for a few seconds' work."""
    played = play(Scene(owners=4, days=2, networks=10, attack=Attack.SENDS, works=False))
    new = [visit for visit in played.visits if not visit.is_known]
    assert shares(new)["at_once"] == 1
    assert sum(vandal.worked for vandal in played.vandals) == 0


def test_what_the_rules_prevent() -> None:
    """Without the sends that are kept for known devices, the same vandals lock all owners out."""
    scene = Scene(owners=4, days=2, networks=1, attack=Attack.SENDS)
    without = partial(InMemory, known_sends_per_day=0, others_per_network_day=0, work_seconds=0)
    assert shares(play(scene, without).visits)["in_a_day"] == 0
