"""The work that strangers do for more codes."""

import attrs
import pytest

from hsp_otp.domain.challenge_outcomes import Issued, Locked, MalformedWork, WorkRequired
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Duration, Instant
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ClientAddress, PassCode
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Limit, Quota, Refusal
from hsp_otp.domain.send_limits import work_level
from hsp_otp.domain.work import Judgement, Malformed, Solved, Stale, Wrong, level_of
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.otp import WorkPosed
from tests.lanes import (
    ELSEWHERE,
    FULL,
    HOME,
    NEIGHBOUR,
    WITHOUT_LIMITS,
    Number,
    Scene,
    known_scene,
    later,
    sent_by,
    stranger,
)
from tests.world import PASS_CODE, START, World, run


@pytest.mark.parametrize(
    ("earlier", "free", "level"),
    [
        *((0, 2, 0), (1, 2, 0), (2, 2, 1), (3, 2, 2), (4, 2, 3)),
        *((5, 2, 4), (6, 2, 5), (7, 2, 6), (8, 2, 6), (1_000, 2, 6)),
        *((0, 0, 1), (5, 0, 6), (0, 1, 0), (1, 1, 1)),
    ],
)
def test_each_ask_costs_a_level_more(earlier: int, free: int, level: int) -> None:
    """The first ask after the free ones costs level 1, each one more, and six at most."""
    assert level_of(earlier, free) == level


def test_work_counts_the_others_sends_of_a_day() -> None:
    """Sends of known devices do not count, and after 24 h a send counts no longer."""
    number = Number(Policy(client_sends=()))
    for _ in range(3):
        assert number.send(known=True) is None
    number.sends(0, 1)
    number.sends(2, at=later(HOUR))

    def level(at: Duration, *, known: bool = False) -> int:
        return work_level(
            number.usages, sent_by(stranger(3), known=known), number.policy, later(at)
        )

    assert level(HOUR) == 2
    assert level(DAY - 1) == 2
    assert level(DAY) == 0
    assert level(HOUR, known=True) == 0
    number.policy = attrs.evolve(number.policy, asks_for_work=False)
    assert level(HOUR) == 0


def test_a_higher_limit_asks_for_the_highest_level_at_most() -> None:
    """With 20 sends a day the eighth to the seventeenth stranger each do work of level 6."""
    number = Number(Policy(contact_sends=Quota(20, DAY), client_sends=()))
    levels: list[int] = []
    for one in range(17):
        levels.append(work_level(number.usages, sent_by(stranger(one)), number.policy, START))
        number.sends(one)
    assert levels == [0, 0, 1, 2, 3, 4, 5, *[6] * 10]
    assert number.send(stranger(17)) == FULL


def solved(level: int, nonce: str = "n1") -> Solved:
    """Work that was done."""
    return Solved(nonce=nonce, level=level, expires_at=later(5 * MINUTE))


def working_scene() -> Scene:
    """Two strangers have asked for a code."""
    scene = Scene(Policy(fresh_for=0, cooldown=0, client_sends=()))
    scene.issue(stranger(0))
    scene.issue(stranger(1))
    return scene


def test_the_third_ask_of_others_costs_work() -> None:
    """From the third to the seventh stranger the level rises by one; the eighth is refused."""
    scene = working_scene()
    for level in range(1, 6):
        held = scene.held
        client = stranger(level + 1)
        assert scene.ask(client) == WorkRequired(level)
        assert scene.held is held
        assert isinstance(scene.ask(client, work=solved(level, f"n{level}")), Issued)
    held = scene.held
    assert scene.ask(stranger(7), work=solved(6)) == FULL
    assert scene.held is held


@pytest.mark.parametrize("work", [None, Stale(), Wrong(), solved(2), solved(6), solved(0)])
def test_other_work_is_refused(work: Judgement | None) -> None:
    """Only work of the very level counts; stale, wrong or no work asks for new work."""
    scene = working_scene()
    held = scene.held
    assert scene.ask(stranger(2), work=work) == WorkRequired(1)
    assert scene.held is held


def test_work_is_admitted_once() -> None:
    """The nonce of spent work is kept until it is stale everywhere, and is refused until then."""
    scene = Scene(
        Policy(
            fresh_for=0, cooldown=0, client_sends=(), contact_sends=Quota(20, DAY),
            sends_of_one_network=0, free_sends_of_others=0,
        )
    )  # fmt: skip
    for level in range(1, 7):
        scene.issue(work=solved(level, f"n{level}"))
    scene.issue(work=solved(6, "n7"))
    assert scene.ask(work=solved(6, "n7")) == WorkRequired(6)
    assert scene.ask(work=solved(6, "n1")) == WorkRequired(6)
    assert len(scene.record.work) == 7
    scene.now = later(5 * MINUTE + 5 * SECOND - 1)
    more = attrs.evolve(solved(6, "n8"), expires_at=later(HOUR))
    scene.issue(work=more)
    assert len(scene.record.work) == 8
    scene.wait(1)
    scene.issue(work=attrs.evolve(more, nonce="n9"))
    assert [one.nonce for one in scene.record.work] == ["n8", "n9"]


def test_free_asks_spend_no_work() -> None:
    """Work that nobody asked for is left as it is."""
    scene, token = known_scene()
    scene.issue(ELSEWHERE, work=solved(1))
    scene.issue(token=token, work=solved(1))
    assert scene.record.work == ()


def test_a_success_makes_work_no_cheaper() -> None:
    """After a right code the next ask of a stranger still costs its level."""
    scene = working_scene()
    challenge = scene.record.others.challenge
    assert challenge is not None
    scene.verify(challenge, stranger(1))
    assert scene.ask(stranger(2)) == WorkRequired(1)


def test_known_devices_do_no_work() -> None:
    """However many strangers have asked, a known device asks for nothing but its code."""
    scene, token = known_scene(Policy(fresh_for=0, cooldown=0, client_sends=()))
    for number in range(7):
        level = max(0, number - 1)
        scene.issue(stranger(number), work=solved(level, f"n{number}") if level else None)
    assert [isinstance(scene.ask(token=token), Issued) for _ in range(3)] == [True] * 3
    assert scene.ask(token=token) == FULL


def test_a_limit_answers_before_work() -> None:
    """The cooldown, a network's three and the fresh code are told first, and no work is spent."""
    scene = Scene()
    for _ in range(2):
        scene.issue()
        scene.wait(30 * SECOND)
    scene.wait(-SECOND)
    assert scene.ask(work=solved(1)) == Refusal(Limit.COOLDOWN, later(60 * SECOND), live=True)
    assert scene.ask(ELSEWHERE, work=solved(1)) == Refusal(
        Limit.COOLDOWN, later(150 * SECOND), live=True
    )
    scene.wait(SECOND)
    assert scene.ask() == WorkRequired(1)
    scene.issue(work=solved(1))
    scene.wait(30 * SECOND)
    assert scene.ask(work=solved(2, "n2")) == Refusal(Limit.CONTACT_SENDS, later(DAY))


def test_malformed_work_is_told_after_the_lock() -> None:
    """No payload at all is malformed, whether or not work is asked for; the lock answers first."""
    scene, token = known_scene(WITHOUT_LIMITS)
    held = scene.held
    assert scene.ask(work=Malformed()) == MalformedWork()
    assert scene.ask(token=token, work=Malformed()) == MalformedWork()
    assert scene.held is held
    scene.fail(15)
    assert scene.ask(work=Malformed()) == Locked(later(DAY))


def test_malformed_work_is_told_before_a_limit() -> None:
    """A limit that would refuse the ask does not hide that its work is malformed."""
    scene = Scene()
    scene.issue()
    assert scene.ask(work=Malformed()) == MalformedWork()


def posed_for(world: World, client: ClientAddress) -> WorkPosed:
    """The work that an ask from there is told to do."""
    outcome = run(world.login.send(PassCode(PASS_CODE), Caller(client, "r1")))
    assert isinstance(outcome, WorkPosed)
    return outcome


def test_work_is_posed_for_one_ask() -> None:
    """Work is bound to number and network, lasts five minutes, and leaves a row of the others."""
    world = World(policy=Policy(cooldown=0, sends_of_one_network=0))
    world.add()
    for _ in range(2):
        assert isinstance(world.send(client=HOME.value), Issued)
    posed = posed_for(world, HOME)
    assert (world.audit.rows[-1].outcome, world.audit.rows[-1].facts.lane) == (
        "work_required",
        Lane.OTHERS,
    )
    assert posed.work.seconds == 1
    solution = str(posed.work.parameters["solution"])

    def ask(client: ClientAddress, work: str) -> str:
        caller = Caller(client, "r1", work=work)
        return run(world.login.send(PassCode(PASS_CODE), caller)).word

    assert ask(HOME, "malformed") == "malformed_request"
    world.clock.advance(120 * SECOND)
    assert ask(ELSEWHERE, solution) == "work_required"
    world.clock.advance(180 * SECOND - 1)
    before = world.clock.instant
    assert ask(NEIGHBOUR, solution) == "sent"
    assert len(world.outbox.sent) == 3
    later_on = posed_for(world, HOME)
    assert later_on.work.seconds == 2
    world.clock.instant = Instant(before + 300 * SECOND)
    assert ask(HOME, str(later_on.work.parameters["solution"])) == "work_required"
    assert len(world.outbox.sent) == 3
