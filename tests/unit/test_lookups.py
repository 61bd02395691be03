"""How often a client may look passes up and present codes: `docs/contract.md`, limits."""

from typing import Any

import attrs
import pytest

from hsp_otp.domain.instant import HOUR, SECOND, Instant
from hsp_otp.domain.lookups import Told, check, keys, look_up, recount
from hsp_otp.domain.names import ClientAddress, Flow
from hsp_otp.domain.policy import ClientLimits
from hsp_otp.domain.quota import Limit, Quota, Refusal, Usage, UsageKey, Usages
from hsp_otp.domain.rows import Action
from tests.world import START

CLIENT = ClientAddress("198.51.100.7")
NEWCOMER = ClientAddress("203.0.113.9")
CHECKS = UsageKey("checks", "198.51.100.7")
LOOKUPS = UsageKey("lookups", "198.51.100.7")
HITS = UsageKey("lookup_hits", "198.51.100.7")
MISSES = UsageKey("lookup_misses", "everybody")

SMALL = ClientLimits(
    checks=Quota(2, HOUR), lookups=Quota(4, HOUR), misses=Quota(0, HOUR), known_for=24 * HOUR
)
GATED = attrs.evolve(SMALL, lookups=Quota(0, HOUR), misses=Quota(2, HOUR))
OFF = ClientLimits(checks=Quota(0, HOUR), lookups=Quota(0, HOUR), misses=Quota(0, HOUR))


@attrs.define
class Counter:
    """What one store of usages has seen."""

    limits: ClientLimits
    usages: Usages = attrs.field(factory=dict[UsageKey, Usage])

    def look(
        self,
        *,
        missed: bool = False,
        checking: bool = False,
        client: ClientAddress = CLIENT,
        now: Instant = START,
    ) -> Refusal | None:
        """Make one look-up."""
        decision = look_up(
            self.usages,
            client=client,
            limits=self.limits,
            missed=missed,
            checking=checking,
            now=now,
        )
        if decision.outcome is not None:
            assert decision.becomes is self.usages
        self.usages = decision.becomes
        return decision.outcome


def later(seconds: float) -> Instant:
    """That many seconds after the start."""
    return Instant(START + round(seconds * SECOND))


def test_what_is_read_and_charged() -> None:
    """A look-up stands on the client's checks, look-ups and hits, and everybody's misses."""
    assert set(keys(CLIENT)) == {CHECKS, LOOKUPS, HITS, MISSES}


def test_a_hit_counts_once_and_a_miss_double() -> None:
    """A hit is charged 1, a miss 2; a check is charged only where a code was presented."""
    counter = Counter(ClientLimits())
    counter.look()
    assert counter.usages == {LOOKUPS: (START,), HITS: (START,)}
    counter.look(missed=True)
    assert counter.usages == {LOOKUPS: (START,) * 3, HITS: (START,), MISSES: (START,)}
    counter.look(checking=True, now=later(1))
    assert counter.usages == {
        LOOKUPS: (START, START, START, later(1)),
        HITS: (later(1),),
        MISSES: (START,),
        CHECKS: (later(1),),
    }


def test_the_look_up_limit() -> None:
    """The limit's number of hits is admitted, the next one waits until the first leaves."""
    counter = Counter(SMALL)
    assert [counter.look(now=later(n)) for n in range(4)] == [None] * 4
    refusal = Refusal(Limit.LOOKUPS, later(3600))
    assert counter.look(now=later(4)) == refusal
    assert counter.look(now=Instant(later(3600) - 1)) == refusal
    assert counter.look(now=later(3600)) is None


def test_misses_use_the_limit_up_twice_as_fast() -> None:
    """After half as many misses as hits the limit is reached."""
    counter = Counter(SMALL)
    assert [counter.look(missed=True) for _ in range(2)] == [None] * 2
    assert counter.look() == Refusal(Limit.LOOKUPS, later(3600))


@pytest.mark.parametrize("before", [3, 4, 5])
@pytest.mark.parametrize("checking", [False, True])
def test_a_refusal_tells_nothing_about_the_pass(before: int, checking: bool) -> None:  # noqa: FBT001
    """Whether there is a refusal, and its wait, are the same for a hit and for a miss."""
    usages: Usages = {LOOKUPS: tuple(later(n) for n in range(before))}
    now = later(10)
    hit = Counter(SMALL, usages).look(missed=False, checking=checking, now=now)
    miss = Counter(SMALL, usages).look(missed=True, checking=checking, now=now)
    assert hit == miss
    assert (hit is None) is (before == 3)


def test_the_gate_tells_nothing_about_the_pass() -> None:
    """At the gate, too, a hit and a miss of a newcomer are refused alike."""
    usages: Usages = {MISSES: (later(0), later(1))}
    for missed in (False, True):
        assert Counter(GATED, usages).look(missed=missed, now=later(2)) == Refusal(
            Limit.LOOKUPS, later(3600)
        )


def test_the_check_limit() -> None:
    """Checks have a limit of their own, and other look-ups go on when it is used up."""
    counter = Counter(SMALL)
    assert [counter.look(checking=True, now=later(n)) for n in range(2)] == [None] * 2
    assert counter.look(checking=True, now=later(2)) == Refusal(Limit.CLIENT, later(3600))
    assert counter.look(now=later(2)) is None


def test_checks_and_look_ups_are_judged_together() -> None:
    """Of both the one with the longest wait answers, and neither is charged."""
    look_ups_first: Usages = {
        LOOKUPS: tuple(later(n) for n in (0, 1, 2, 3)),
        CHECKS: (later(5), later(6)),
    }
    counter = Counter(SMALL, look_ups_first)
    assert counter.look(checking=True, now=later(9)) == Refusal(Limit.CLIENT, later(3605))
    checks_first: Usages = {
        LOOKUPS: tuple(later(n) for n in (5, 6, 7, 8)),
        CHECKS: (later(0), later(1)),
    }
    counter = Counter(SMALL, checks_first)
    assert counter.look(checking=True, now=later(9)) == Refusal(Limit.LOOKUPS, later(3605))


def test_clients_do_not_share_their_limits() -> None:
    """One client's look-ups and checks are not another's."""
    counter = Counter(SMALL)
    for _ in range(4):
        counter.look()
    assert counter.look() is not None
    assert counter.look(client=NEWCOMER) is None


def test_the_gate_stops_newcomers_when_everybody_misses() -> None:
    """After as many misses of everybody, a client without a hit waits until they thin out."""
    counter = Counter(GATED)
    assert counter.look(missed=True, client=ClientAddress("192.0.2.1")) is None
    assert counter.look(missed=True, client=ClientAddress("192.0.2.2"), now=later(1)) is None
    assert counter.look(client=NEWCOMER, now=later(2)) == Refusal(Limit.LOOKUPS, later(3600))
    assert counter.look(client=NEWCOMER, now=later(3600)) is None


def test_hits_do_not_close_the_gate() -> None:
    """Only misses count at the gate."""
    counter = Counter(GATED)
    for number in range(9):
        assert counter.look(client=ClientAddress(f"192.0.2.{number}")) is None
    assert counter.look(client=NEWCOMER) is None


def test_known_clients_pass_the_gate() -> None:
    """A hit exempts a client for 24 hours, in which its misses count all the same."""
    counter = Counter(GATED)
    assert counter.look() is None
    for _ in range(3):
        assert counter.look(missed=True, now=later(1)) is None
    assert len(counter.usages[MISSES]) == 3
    busy: Usages = {**counter.usages, MISSES: tuple(later(86_399 + n / 9) for n in range(9))}
    last = Instant(later(86_400) - 1)
    assert Counter(GATED, busy).look(now=last) is None
    assert Counter(GATED, busy).look(now=later(86_400)) is not None


def test_the_latest_hit_counts() -> None:
    """A later hit renews the exemption, and a miss does not."""
    counter = Counter(GATED)
    counter.look()
    counter.look(now=later(5))
    counter.look(missed=True, now=later(9))
    assert counter.usages[HITS] == (later(5),)


def test_a_limit_that_is_off_neither_judges_nor_charges() -> None:
    """With every limit off nothing is kept, and the store has nothing to write."""
    usages: Usages = {}
    for missed in (False, True):
        decision = look_up(
            usages, client=CLIENT, limits=OFF, missed=missed, checking=True, now=START
        )
        assert decision.outcome is None
        assert decision.becomes is usages
    assert check(usages, client=CLIENT, limits=OFF, now=START).becomes is usages


def test_with_the_gate_off_nobody_is_remembered() -> None:
    """Hits and misses of everybody are not kept where the gate is off."""
    counter = Counter(SMALL)
    counter.look()
    counter.look(missed=True)
    assert set(counter.usages) == {LOOKUPS}


def told(outcome: str, action: Action = Action.LOOK_UP, **changes: Any) -> Told:  # noqa: ANN401
    """What an audit row says of a request of the client in pass login."""
    return attrs.evolve(
        Told(at=START, client=CLIENT, flow=Flow.PASS_LOGIN, action=action, outcome=outcome),
        **changes,
    )


@pytest.mark.parametrize(
    ("row", "charged"),
    [
        (told("valid"), {LOOKUPS: 1, HITS: 1}),
        (told("pass_not_found"), {LOOKUPS: 2, MISSES: 1}),
        (told("pass_not_paid", Action.SEND), {LOOKUPS: 2, MISSES: 1}),
        (told("no_phone", Action.CHECK), {LOOKUPS: 2, MISSES: 1, CHECKS: 1}),
        (told("invalid_otp", Action.CHECK), {LOOKUPS: 1, HITS: 1, CHECKS: 1}),
        (told("verified", Action.CHECK), {LOOKUPS: 1, HITS: 1, CHECKS: 1}),
        (told("lookup_rate_limited"), {}),
        (told("lookup_rate_limited", Action.CHECK), {}),
        (told("rate_limited", Action.CHECK), {}),
        (told("rate_limited", Action.SEND), {LOOKUPS: 1, HITS: 1}),
        (told("resend_too_soon", Action.SEND, count=3), {LOOKUPS: 3, HITS: 1}),
        (told("invalid_otp", Action.CHECK, flow=Flow.SIGNUP), {CHECKS: 1}),
        (told("session_not_found", Action.CHECK, flow=Flow.SIGNUP), {CHECKS: 1}),
        (told("sent", Action.SEND, flow=Flow.SIGNUP), {}),
        (told("rate_limited", Action.CHECK, flow=Flow.SIGNUP), {}),
        (told("refreshed", Action.REFRESH), {}),
        (told("unlocked", Action.UNLOCK, flow=None, client=None), {}),
        (told("valid", client=NEWCOMER), {}),
        (told("pass_not_found", client=NEWCOMER), {MISSES: 1}),
    ],
)
def test_what_an_audit_row_tells_of_charges(row: Told, charged: dict[UsageKey, int]) -> None:
    """What was admitted leaves a row, and the row tells what it was charged."""
    found = {key: usage for key, usage in recount([row], CLIENT).items() if usage}
    assert found == {key: (START,) * count for key, count in charged.items()}


def test_the_rows_of_many_requests() -> None:
    """Charges are told in their order, whatever stands between them, and of the hits the latest."""
    rows = [
        told("valid", at=later(2)),
        told("lookup_rate_limited"),
        told("pass_not_found", Action.CHECK),
        told("valid", client=NEWCOMER),
        told("pass_not_found", Action.CHECK, at=later(3)),
        told("valid", at=later(1)),
    ]
    assert recount(rows, CLIENT) == {
        CHECKS: (START, later(3)),
        LOOKUPS: (START, START, later(1), later(2), later(3), later(3)),
        HITS: (later(2),),
        MISSES: (START, later(3)),
    }
    assert set(recount([], CLIENT)) == set(keys(CLIENT))


@pytest.mark.parametrize("missed", [False, True])
@pytest.mark.parametrize("checking", [False, True])
def test_the_rows_tell_what_was_charged(missed: bool, checking: bool) -> None:  # noqa: FBT001
    """A look-up charges what its audit row is read as."""
    counter = Counter(ClientLimits())
    counter.look(missed=missed, checking=checking)
    outcome = "pass_not_found" if missed else "valid"
    row = told(outcome, Action.CHECK if checking else Action.LOOK_UP)
    assert {key: usage for key, usage in recount([row], CLIENT).items() if usage} == counter.usages
