"""What a client may do, whatever its purpose: `docs/contract.md`, section 3."""

from functools import partial
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.client_limits import (
    Admitted,
    Charged,
    Counted,
    IsItKnown,
    admit,
    keys,
    look_up,
    look_up_charges,
    look_up_keys,
    recount,
)
from hsp_otp.domain.instant import HOUR, SECOND, Instant
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.policy import ClientLimits
from hsp_otp.domain.quota import Limit, Quota, Refusal, Usage, UsageKey, Usages
from tests.world import START

CLIENT = ClientAddress("198.51.100.7")
NEIGHBOUR = ClientAddress("198.51.100.8")
STRANGER = ClientAddress("203.0.113.9")

CHECKS = UsageKey("checks", "198.51.100.7")
LOOKUPS = UsageKey("lookups", "198.51.100.7")
MISSES = UsageKey("lookup_misses", "198.51.100.7")
OF_ALL = UsageKey("lookup_misses", "everybody")

NETWORK = "198.51.100.0/24"

SMALL = ClientLimits(
    checks=Quota(2, HOUR), lookups=Quota(4, HOUR), misses=Quota(0, HOUR), network_factor=0
)
OFF = ClientLimits(checks=Quota(0, HOUR), lookups=Quota(0, HOUR), misses=Quota(0, HOUR))
WATCHED = ClientLimits(lookups=Quota(0, HOUR), misses=Quota(5, HOUR))
"""Five misses of everybody are a scan."""

ADMITTED = Admitted(uniform=False)
UNIFORM = Admitted(uniform=True)


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
        known: bool | None = False,
        now: Instant = START,
    ) -> Refusal | Admitted | IsItKnown:
        """Make one look-up."""
        decision = look_up(
            self.usages,
            client=client,
            known=known,
            limits=self.limits,
            missed=missed,
            checking=checking,
            now=now,
        )
        if not isinstance(decision.outcome, Admitted):
            assert decision.becomes is self.usages
        self.usages = decision.becomes
        return decision.outcome

    def of_addresses(self) -> Usages:
        """What is charged, but for networks."""
        return {key: usage for key, usage in self.usages.items() if "/" not in key.who}


def later(seconds: float) -> Instant:
    """That many seconds after the start."""
    return Instant(START + round(seconds * SECOND))


def test_what_a_look_up_is_judged_by() -> None:
    """The look-ups and misses of the client's address and network, everybody's misses, checks."""
    looking = look_up_keys(CLIENT, checking=False)
    assert set(looking) == {
        LOOKUPS,
        UsageKey("lookups", NETWORK),
        MISSES,
        UsageKey("lookup_misses", NETWORK),
        OF_ALL,
    }
    checking = look_up_keys(CLIENT, checking=True)
    assert set(checking) - set(looking) == {CHECKS, UsageKey("checks", NETWORK)}


def test_a_hit_counts_once_and_a_miss_double() -> None:
    """A hit is charged 1, a miss 2; a check is charged only where a code was presented."""
    counter = Counter(ClientLimits())
    counter.look()
    assert counter.of_addresses() == {LOOKUPS: (START,)}
    counter.look(missed=True)
    assert counter.of_addresses() == {
        LOOKUPS: (START,) * 3,
        MISSES: (START,),
        OF_ALL: (START,),
    }
    counter.look(checking=True, now=later(1))
    assert counter.of_addresses() == {
        LOOKUPS: (START, START, START, later(1)),
        MISSES: (START,),
        OF_ALL: (START,),
        CHECKS: (later(1),),
    }


def test_the_network_is_charged_with_the_address() -> None:
    """Whatever an address is charged its network is charged too."""
    counter = Counter(ClientLimits())
    counter.look(missed=True, checking=True)
    counter.look(client=NEIGHBOUR)
    assert counter.usages[UsageKey("lookups", NETWORK)] == (START,) * 3
    assert counter.usages[UsageKey("checks", NETWORK)] == (START,)
    assert counter.usages[UsageKey("lookup_misses", NETWORK)] == (START,)


def test_the_look_up_limit() -> None:
    """The limit's number of hits is admitted, the next one waits until the first leaves."""
    counter = Counter(SMALL)
    assert [counter.look(now=later(n)) for n in range(4)] == [ADMITTED] * 4
    refusal = Refusal(Limit.LOOKUPS, later(3600))
    assert counter.look(now=later(4)) == refusal
    assert counter.look(now=Instant(later(3600) - 1)) == refusal
    assert counter.look(now=later(3600)) == ADMITTED


def test_misses_use_the_limit_up_twice_as_fast() -> None:
    """After half as many misses as hits the limit is reached."""
    counter = Counter(SMALL)
    assert [counter.look(missed=True) for _ in range(2)] == [ADMITTED] * 2
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
    assert (hit == ADMITTED) is (before == 3)


def test_the_check_limit() -> None:
    """Checks have a limit of their own, and other look-ups go on when it is used up."""
    counter = Counter(SMALL)
    assert [counter.look(checking=True, now=later(n)) for n in range(2)] == [ADMITTED] * 2
    assert counter.look(checking=True, now=later(2)) == Refusal(Limit.CLIENT, later(3600))
    assert counter.look(now=later(2)) == ADMITTED


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


def test_addresses_do_not_share_their_limits() -> None:
    """One address' look-ups and checks are not another's."""
    counter = Counter(SMALL)
    for _ in range(4):
        counter.look()
    assert isinstance(counter.look(), Refusal)
    assert counter.look(client=NEIGHBOUR) == ADMITTED


def test_a_network_has_ten_times_the_limits_of_an_address() -> None:
    """Its addresses share them, and the next network has its own."""
    counter = Counter(attrs.evolve(SMALL, network_factor=10))
    addresses = [ClientAddress(f"198.51.100.{n}") for n in range(11)]
    for number in range(40):
        assert counter.look(client=addresses[number % 10], now=later(number)) == ADMITTED
    assert counter.look(client=addresses[10], now=later(40)) == Refusal(Limit.LOOKUPS, later(3600))
    assert counter.look(client=ClientAddress("198.51.101.1"), now=later(40)) == ADMITTED
    assert counter.look(client=addresses[10], now=later(3600)) == ADMITTED


def test_subnets_of_one_customer_are_one_network() -> None:
    """Of IPv6 an address is a /64, and all of a /48 are one network."""
    counter = Counter(attrs.evolve(SMALL, network_factor=10))
    for number in range(40):
        assert counter.look(client=ClientAddress(f"2001:db8:1:{number:x}::/64")) == ADMITTED
    assert isinstance(counter.look(client=ClientAddress("2001:db8:1:ffff::/64")), Refusal)
    assert counter.look(client=ClientAddress("2001:db8:2::/64")) == ADMITTED


def test_callers_without_an_address_are_judged_once() -> None:
    """``unknown`` is its own network, whose limits are not ten times as wide."""
    unknown = ClientAddress("unknown")
    assert keys(Counted.CHECKS, unknown) == (UsageKey("checks", "unknown"),)
    counter = Counter(attrs.evolve(SMALL, network_factor=10))
    assert [counter.look(client=unknown) for _ in range(4)] == [ADMITTED] * 4
    assert isinstance(counter.look(client=unknown), Refusal)


def scanned(limits: ClientLimits = WATCHED) -> Counter:
    """A store of everybody's misses that are as many as the line, from five networks."""
    counter = Counter(limits)
    for number in range(limits.misses.limit):
        scanner = ClientAddress(f"192.0.{number}.1")
        assert counter.look(missed=True, client=scanner, now=later(number)) == ADMITTED
    return counter


def test_a_scan_refuses_no_newcomer() -> None:
    """Whatever others miss, whoever has a right pass code gets on; nothing is refused globally."""
    counter = scanned()
    for number in range(50):
        newcomer = ClientAddress(f"203.0.{number}.9")
        assert counter.look(client=newcomer, now=later(9)) == UNIFORM
        assert counter.look(client=newcomer, checking=True, now=later(9)) == UNIFORM


def test_in_a_scan_a_newcomer_may_miss_twice() -> None:
    """Then its address is refused, hit or miss alike, until the scan is over."""
    counter = scanned()
    assert counter.look(missed=True, now=later(10)) == UNIFORM
    assert counter.look(missed=True, now=later(11)) == UNIFORM
    # All seven are of the last hour; two have to leave it before there are less than five.
    for missed in (False, True):
        assert counter.look(missed=missed, now=later(12)) == Refusal(Limit.LOOKUPS, later(3602))
    assert counter.look(now=Instant(later(3602) - 1)) == Refusal(Limit.LOOKUPS, later(3602))
    assert counter.look(now=later(3602)) == ADMITTED


def test_in_a_scan_that_goes_on_a_newcomer_waits_for_its_own_misses() -> None:
    """Until the first of its two leaves the window."""
    counter = scanned()
    for second in (10, 11):
        assert counter.look(missed=True, now=later(second)) == UNIFORM
    for number in range(9):
        counter.look(missed=True, client=ClientAddress(f"203.0.{number}.1"), now=later(20))
    refusal = Refusal(Limit.LOOKUPS, later(3610))
    assert counter.look(now=later(20)) == refusal
    assert counter.look(now=Instant(later(3610) - 1)) == refusal
    assert counter.look(now=later(3610)) == UNIFORM


def test_in_a_scan_a_network_may_miss_twenty_times() -> None:
    """However many addresses it has."""
    counter = scanned()
    for number in range(20):
        scanner = ClientAddress(f"198.51.100.{number}")
        assert counter.look(missed=True, client=scanner, now=later(10)) == UNIFORM
    refused = counter.look(client=ClientAddress("198.51.100.99"), now=later(10))
    assert refused == Refusal(Limit.LOOKUPS, later(3610))


def test_in_a_scan_the_longer_wait_is_told() -> None:
    """Where the limit on look-ups lets go after the scan is over, that is the wait."""
    counter = scanned(attrs.evolve(WATCHED, lookups=Quota(4, HOUR)))
    for second in (10, 11):
        assert counter.look(missed=True, now=later(second)) == UNIFORM
    # Each miss weighs double: the first two look-ups have to leave for one that hits.
    assert counter.look(now=later(12)) == Refusal(Limit.LOOKUPS, later(3610))


def test_what_was_missed_before_a_scan_counts() -> None:
    """Whoever was among those that made it has used its allowance up."""
    counter = Counter(WATCHED)
    for number in range(5):
        assert counter.look(missed=True, now=later(number)) == ADMITTED
    # The first leaves the window, and the scan is over with it.
    assert counter.look(now=later(5)) == Refusal(Limit.LOOKUPS, later(3600))
    assert counter.look(now=later(3600)) == ADMITTED


def test_in_a_scan_known_clients_have_their_own_allowance() -> None:
    """Where somebody has signed in from, the limit on look-ups is the only one."""
    counter = scanned(attrs.evolve(WATCHED, lookups=Quota(8, HOUR)))
    for _ in range(4):
        assert counter.look(missed=True, known=True, now=later(10)) == ADMITTED
    assert isinstance(counter.look(known=True, now=later(10)), Refusal)


def test_who_is_known_is_asked_only_in_a_scan() -> None:
    """Without one it does not matter; with one nothing happens before it is told."""
    assert Counter(WATCHED).look(known=None) == ADMITTED
    assert scanned().look(known=None, now=later(9)) == IsItKnown()


def test_a_check_is_never_refused_for_a_scan() -> None:
    """A code that has arrived can be presented, however often its caller has missed."""
    counter = scanned()
    for _ in range(9):
        assert counter.look(missed=True, checking=True, now=later(10)) == UNIFORM
    assert isinstance(counter.look(now=later(10)), Refusal)
    assert counter.look(checking=True, now=later(10)) == UNIFORM


def test_hits_make_no_scan() -> None:
    """Only misses count, and a hit leaves what is kept of everybody as it is."""
    counter = Counter(WATCHED)
    for number in range(9):
        assert counter.look(client=ClientAddress(f"192.0.{number}.2")) == ADMITTED
    assert OF_ALL not in counter.usages
    full = scanned()
    before = full.usages[OF_ALL]
    full.look(now=later(9))
    assert full.usages[OF_ALL] is before


def test_no_more_misses_are_kept_than_the_line() -> None:
    """A scan of thousands leaves a record of as many instants as decide."""
    counter = scanned()
    for number in range(100):
        counter.look(missed=True, known=True, now=later(10 + number))
    assert counter.usages[OF_ALL] == tuple(later(number) for number in range(105, 110))


def test_a_limit_that_is_off_neither_judges_nor_charges() -> None:
    """With every limit off nothing is kept, and the store has nothing to write."""
    usages: Usages = {}
    for missed in (False, True):
        decision = look_up(
            usages, client=CLIENT, known=None, limits=OFF, missed=missed, checking=True, now=START
        )
        assert decision.outcome == ADMITTED
        assert decision.becomes is usages
    checked = admit(usages, counted=Counted.CHECKS, client=CLIENT, limits=OFF, now=START)
    assert checked.outcome is None
    assert checked.becomes is usages


def test_without_a_line_misses_are_not_kept() -> None:
    """Where no number of misses is a scan, nobody's are counted."""
    counter = Counter(SMALL)
    counter.look(missed=True)
    assert set(counter.usages) == {LOOKUPS}


@pytest.mark.parametrize(
    ("counted", "scope", "most"),
    [
        (Counted.CHECKS, "checks", 60),
        (Counted.UNSENT_ASKS, "unsent_asks", 30),
        (Counted.REJECTED, "rejected_requests", 120),
    ],
)
def test_each_limit_of_a_client(counted: Counted, scope: str, most: int) -> None:
    """As many within an hour, ten times as many of a network; a refusal charges nothing."""
    usages: Usages = {}
    for number in range(most):
        decision = admit(
            usages, counted=counted, client=CLIENT, limits=ClientLimits(), now=later(number)
        )
        assert decision.outcome is None
        usages = decision.becomes
    assert set(usages) == set(keys(counted, CLIENT))
    assert len(usages[UsageKey(scope, NETWORK)]) == most
    refused = admit(usages, counted=counted, client=CLIENT, limits=ClientLimits(), now=later(600))
    assert refused.outcome == Refusal(Limit.CLIENT, later(3600))
    assert refused.becomes is usages
    crowded: Usages = {UsageKey(scope, NETWORK): (START,) * 10 * most}
    refused = admit(
        crowded, counted=counted, client=NEIGHBOUR, limits=ClientLimits(), now=later(600)
    )
    assert refused.outcome == Refusal(Limit.CLIENT, later(3600))


def test_failed_authentications_have_a_limit_of_a_minute() -> None:
    """Thirty of one client; whoever does not fail is judged, and not charged."""
    full = Refusal(Limit.CLIENT, later(60))
    usages: Usages = {}
    judged = partial(admit, counted=Counted.AUTHENTICATIONS, client=CLIENT, limits=ClientLimits())
    for number in range(30):
        decision = judged(usages, now=later(number))
        assert decision.outcome is None
        usages = decision.becomes
        decision = judged(usages, charges=False, now=later(number))
        assert (decision.outcome, decision.becomes) == (None if number < 29 else full, usages)
    assert set(usages) == set(keys(Counted.AUTHENTICATIONS, CLIENT))
    for charges in (True, False):
        refused = judged(usages, charges=charges, now=later(30))
        assert refused.outcome == full
        assert refused.becomes is usages
        assert judged(usages, charges=charges, now=later(60)).outcome is None


def test_a_clock_that_was_set_back_makes_no_wait_longer_than_its_window() -> None:
    """What was charged two hours ahead is believed to be of now, from the first look on."""
    ahead = Counter(SMALL)
    for _ in range(4):
        ahead.look(now=later(7200))
    decision = look_up(
        ahead.usages,
        client=CLIENT,
        known=None,
        limits=SMALL,
        missed=False,
        checking=False,
        now=START,
    )
    assert decision.outcome == Refusal(Limit.LOOKUPS, later(3600))
    back = Counter(SMALL, decision.becomes)
    assert back.look(now=Instant(later(3600) - 1)) == Refusal(Limit.LOOKUPS, later(3600))
    assert back.look(now=later(3600)) == ADMITTED
    one: Usages = {CHECKS: (later(7200), later(7200))}
    checked = admit(one, counted=Counted.CHECKS, client=CLIENT, limits=SMALL, now=START)
    assert checked.outcome == Refusal(Limit.CLIENT, later(3600))


def charged(*scopes: str, **changes: Any) -> Charged:  # noqa: ANN401
    """What an audit row says of a request of the client."""
    return attrs.evolve(Charged(at=START, client=CLIENT, scopes=scopes), **changes)


def test_rows_tell_what_was_charged() -> None:
    """To address and network in their order, of a miss to everybody; as often as they count."""
    rows = [
        charged("lookups", at=later(2)),
        charged(),
        charged("lookups", "lookups", "lookup_misses", "checks"),
        charged("lookups", client=STRANGER, at=later(3), count=2),
        charged("lookups", "lookups", "lookup_misses", client=NEIGHBOUR, at=later(1)),
    ]
    assert recount(rows) == {
        LOOKUPS: (START, START, later(2)),
        UsageKey("lookups", "198.51.100.8"): (later(1), later(1)),
        UsageKey("lookups", NETWORK): (START, START, later(1), later(1), later(2)),
        UsageKey("lookups", "203.0.113.9"): (later(3), later(3)),
        UsageKey("lookups", "203.0.113.0/24"): (later(3), later(3)),
        MISSES: (START,),
        UsageKey("lookup_misses", "198.51.100.8"): (later(1),),
        UsageKey("lookup_misses", NETWORK): (START, later(1)),
        OF_ALL: (START, later(1)),
        CHECKS: (START,),
        UsageKey("checks", NETWORK): (START,),
    }
    assert recount([]) == {}


@given(missed=st.booleans(), checking=st.booleans())
def test_a_row_tells_what_its_look_up_was_charged(missed: bool, checking: bool) -> None:  # noqa: FBT001
    """A store that forgot a look-up is filled again with the very charges."""
    counter = Counter(ClientLimits())
    counter.look(missed=missed, checking=checking)
    row = charged(*look_up_charges(missed=missed, checking=checking))
    assert recount([row]) == counter.usages
