"""Toll fraud is bounded in money: a short form of `bench/pumping`."""

import attrs
import pytest
from bench.pumping.play import Result, Scene, play
from bench.pumping.world import Attack

from hsp_otp.domain.instant import HOUR, MINUTE
from hsp_otp.domain.prices import DOLLAR

pytestmark = pytest.mark.slow

PRICE = 159_000
"""A message to the region that is attacked."""

QUIET = Scene(name="no attack", people=400, before=0, days=2, gives_up=0.20)
ATTACKED = attrs.evolve(QUIET, days=1, attack=Attack(addresses=100, every=30 * MINUTE))
RING = attrs.evolve(
    QUIET, people=100, days=1, attack=Attack(addresses=400, every=8 * HOUR, verifies=0.95)
)
CAP = 40 * DOLLAR
"""What may be spent on that region in 24 h."""


def refused(result: Result) -> int:
    """How many people were refused."""
    return sum(result.refused.values())


def test_nobody_is_refused_without_an_attack() -> None:
    """From the first day on, although every fifth person enters no code."""
    result = play(QUIET)
    assert result.people > 600
    assert refused(result) == result.delayed == 0
    assert result.worked < 0.02 * result.people


@pytest.mark.parametrize("addresses", [100, None])
def test_an_attack_costs_less_than_twenty_dollars_a_day(addresses: int | None) -> None:
    """However many addresses ask for numbers of one operator, and nobody elsewhere is refused."""
    attack = Attack(addresses=addresses, every=30 * MINUTE if addresses else 5 * HOUR)
    result = play(attrs.evolve(ATTACKED, attack=attack))
    assert result.attack_asked > 4_500
    assert 0 < result.attacker.most < 20 * DOLLAR
    assert result.refused_elsewhere == 0
    assert result.not_reproduced == 0


def test_what_limits_alone_let_through() -> None:
    """The same attack is paid without the guard."""
    result = play(attrs.evolve(ATTACKED, guarded=False))
    assert result.attacker.most > 30 * 20 * DOLLAR


def test_a_cap_holds_to_the_cent() -> None:
    """A ring that enters its codes gets what the cap leaves, down to the last message."""
    result = play(RING)
    assert CAP - PRICE < result.regions["AF"].most <= CAP
    assert result.attack_sent < result.attack_asked


def test_a_cap_holds_although_processes_are_killed() -> None:
    """Four processes have leases of one cap, and what a killed one had leased stays spent."""
    result = play(attrs.evolve(RING, processes=4, crashes=True))
    assert 0.7 * CAP < result.regions["AF"].most <= CAP
