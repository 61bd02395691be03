"""Exact sliding windows: `docs/contract.md`, limits."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hsp_otp.domain.client_limits import client_demands
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant, seconds_until
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.quota import (
    Demand,
    Limit,
    Quota,
    Refusal,
    Usage,
    UsageKey,
    Usages,
    admitted_at,
    as_of,
    charge,
    is_over,
    judge,
    reach,
    union,
)
from tests.strategies import histories
from tests.world import START

KEY = UsageKey("phone_sends", "+919876543210")
OTHER = UsageKey("pass_login_sends", "198.51.100.7")

QUOTAS = st.lists(
    st.builds(Quota, st.integers(1, 4), st.sampled_from((6 * SECOND, MINUTE, 2 * MINUTE))),
    min_size=1,
    max_size=3,
).map(tuple)


def at(*seconds: float) -> Usage:
    """Instants that many seconds after the start."""
    return tuple(Instant(START + round(s * SECOND)) for s in seconds)


def demand(*quotas: Quota, key: UsageKey = KEY, weight: int = 1) -> Demand:
    """A demand on *key*."""
    return Demand(limit=Limit.CONTACT_SENDS, key=key, quotas=quotas, weight=weight)


def replay(history: list[Instant], *quotas: Quota) -> tuple[list[Instant], list[Instant], Usages]:
    """The admitted and the refused requests of *history*, and what is charged in the end."""
    usages: Usages = {}
    admitted, refused = list[Instant](), list[Instant]()
    for now in history:
        if judge(usages, (demand(*quotas),), now) is None:
            usages = charge(usages, (demand(*quotas),), now)
            admitted.append(now)
        else:
            refused.append(now)
    return admitted, refused, usages


@pytest.mark.slow
@example(history=list(at(0, 0, 6, 1)), quotas=(Quota(2, 6 * SECOND),))
@given(history=histories(MINUTE), quotas=QUOTAS)
def test_no_window_ever_holds_more_than_its_limit(
    history: list[Instant], quotas: tuple[Quota, ...]
) -> None:
    """In any interval of the window's length at most the limit is admitted, clocks differing."""
    admitted, _, _ = replay(history, *quotas)
    for quota in quotas:
        for begin in admitted:
            inside = [x for x in admitted if begin <= x < begin + quota.window]
            assert len(inside) <= quota.limit


@given(history=histories(MINUTE).map(sorted), quotas=QUOTAS)
def test_nobody_is_refused_without_a_full_window(
    history: list[Instant], quotas: tuple[Quota, ...]
) -> None:
    """Who is refused stands in a window that is full, and a refusal charges nothing."""
    admitted, refused, _ = replay(history, *quotas)
    for now in refused:
        assert any(
            len([x for x in admitted if now - quota.window < x <= now]) >= quota.limit
            for quota in quotas
        )


@pytest.mark.slow
@given(history=histories(MINUTE), quotas=QUOTAS)
def test_waiting_until_retry_at_suffices_and_less_does_not(
    history: list[Instant], quotas: tuple[Quota, ...]
) -> None:
    """At `retry_at` the request is admitted, one microsecond and one second earlier it is not."""
    _, _, usages = replay(history, *quotas)
    now = history[-1]
    demands = (demand(*quotas),)
    refusal = judge(usages, demands, now)
    if refusal is None:
        return
    assert refusal.retry_at > now
    assert judge(usages, demands, refusal.retry_at) is None
    assert judge(usages, demands, Instant(refusal.retry_at - 1)) is not None
    seconds = seconds_until(refusal.retry_at, now)
    assert judge(usages, demands, Instant(now + seconds * 1_000_000)) is None
    assert judge(usages, demands, Instant(now + (seconds - 1) * 1_000_000)) is not None


def test_a_window_is_half_open() -> None:
    """What lies exactly a window back counts no more; a microsecond later it still does."""
    quota = Quota(1, MINUTE)
    assert admitted_at(at(0), [quota], Instant(START + 60_000_000)) == START + 60_000_000
    assert admitted_at(at(0), [quota], Instant(START + 59_999_999)) == START + 60_000_000


def test_every_quota_of_a_key_must_have_room() -> None:
    """Five in a minute and twenty in an hour hold together, and the later one tells the wait."""
    quotas = (Quota(2, MINUTE), Quota(3, HOUR))
    now = Instant(START + 70_000_000)
    assert admitted_at(at(0, 1), quotas, Instant(START + 2_000_000)) == START + 60_000_000
    assert admitted_at(at(0, 1, 65), quotas, now) == START + 3_600_000_000
    assert admitted_at(at(0, 65, 66), quotas, now) == START + 3_600_000_000


def test_an_overfull_window_waits_for_the_one_that_makes_room() -> None:
    """Where a limit was lowered, as many must leave the window as are too many."""
    assert admitted_at(at(0, 1, 2, 3), [Quota(2, MINUTE)], Instant(START + 5_000_000)) == (
        START + 62_000_000
    )


def test_what_lies_ahead_counts() -> None:
    """A charge by a machine whose clock is ahead counts here too."""
    assert admitted_at(at(4.999), [Quota(1, MINUTE)], START) == START + 64_999_000


def test_zero_switches_off() -> None:
    """A limit of 0 admits everything and keeps nothing."""
    off = demand(Quota(0, HOUR))
    assert judge({KEY: at(0, 0, 0)}, (off,), START) is None
    assert charge({}, (off,), START) == {}
    assert reach(off.quotas) == (0, 0)


def test_a_quota_that_is_off_leaves_the_others_on() -> None:
    """One quota of a key can be off while another holds."""
    mixed = demand(Quota(0, DAY), Quota(1, MINUTE))
    assert reach(mixed.quotas) == (60_000_000, 1)
    assert judge({KEY: at(0)}, (mixed,), START) == Refusal(
        Limit.CONTACT_SENDS, Instant(START + 60_000_000)
    )


def test_a_key_never_charged_admits() -> None:
    """What was never charged is empty."""
    assert judge({}, (demand(Quota(1, MINUTE)),), START) is None


@pytest.mark.parametrize("turned", [False, True])
def test_the_longest_wait_answers(turned: bool) -> None:  # noqa: FBT001 - a case, not a switch
    """Of several refusals the one with the longest wait answers, whatever their order."""
    short = Demand(limit=Limit.CLIENT, key=OTHER, quotas=(Quota(1, MINUTE),))
    long = Demand(limit=Limit.CONTACT_SENDS, key=KEY, quotas=(Quota(1, HOUR),))
    demands = (long, short) if turned else (short, long)
    usages = {KEY: at(0), OTHER: at(0)}
    assert judge(usages, demands, START) == Refusal(
        Limit.CONTACT_SENDS, Instant(START + 3_600_000_000)
    )


def test_equal_waits_are_answered_by_the_first() -> None:
    """Where two limits wait equally long, the one named first answers."""
    first = Demand(limit=Limit.CLIENT, key=OTHER, quotas=(Quota(1, HOUR),))
    second = demand(Quota(1, HOUR))
    answer = judge({KEY: at(0), OTHER: at(0)}, (first, second), START)
    assert answer == Refusal(Limit.CLIENT, Instant(START + 3_600_000_000))


def test_weight_is_charged_and_not_judged() -> None:
    """A heavy request is admitted like a light one, and charged as often as it weighs."""
    heavy = demand(Quota(3, HOUR), weight=2)
    assert judge({KEY: at(0)}, (heavy,), START) is None
    assert charge({KEY: at(0)}, (heavy,), START) == {KEY: at(0, 0, 0)}
    assert judge({KEY: at(0, 0, 0)}, (heavy,), START) is not None


def test_no_weight_charges_nothing() -> None:
    """A demand of weight 0 is judged only."""
    assert charge({KEY: at(0)}, (demand(Quota(2, HOUR), weight=0),), START) == {KEY: at(0)}


def test_charging_keeps_the_order_and_the_other_keys() -> None:
    """Usages stay sorted where clocks differ, and keys that are not demanded stay as they are."""
    usages: Usages = {KEY: at(4), OTHER: at(1)}
    charged = charge(usages, (demand(Quota(3, HOUR)),), START)
    assert charged == {KEY: at(0, 4), OTHER: at(1)}
    assert usages == {KEY: at(4), OTHER: at(1)}


def test_charging_drops_what_no_clock_can_reach() -> None:
    """A usage reaches back its longest window and the five seconds that clocks may differ."""
    usages: Usages = {KEY: at(0, 0.000001, 8)}
    now = Instant(START + 65_000_000)
    kept = charge(usages, (demand(Quota(9, MINUTE), Quota(9, SECOND)),), now)
    assert kept == {KEY: at(0.000001, 8, 65)}


def test_the_words_of_refusals() -> None:
    """Every limit has a stable word."""
    words = [Refusal(limit, START).word for limit in Limit]
    assert words == [
        "phone_rate_limited",
        "email_rate_limited",
        "rate_limited",
        "resend_too_soon",
        "lookup_rate_limited",
        "app_rate_limited",
        "named_limit",
        "range_rate_limited",
        "region_rate_limited",
        "spend_limited",
    ]


def test_a_key_hides_whom_it_counts() -> None:
    """The number in a key is in its text for the store, and not in its `repr`."""
    assert str(KEY) == "phone_sends:+919876543210"
    assert "9876543210" not in repr(KEY)


# --- What may be deleted


def test_a_usage_is_over_a_day_and_the_skew_after_its_last_charge() -> None:
    """At a day and 5 s after the last charge a usage is over, a microsecond earlier it is not."""
    over = Instant(START + 86_405_000_000)
    assert is_over(at(-7, 0), over)
    assert not is_over(at(-7, 0), Instant(over - 1))
    assert not is_over(at(0.000001), over)


def test_an_empty_usage_is_over() -> None:
    """A usage that nothing is charged to means nothing."""
    assert is_over((), START)


@given(
    history=histories(DAY),
    waited=st.one_of(
        st.sampled_from((0, DAY, DAY + 5 * SECOND - 1, DAY + 5 * SECOND)), st.integers(0, 2 * DAY)
    ),
    behind=st.one_of(st.sampled_from((0, 5 * SECOND)), st.integers(0, 5 * SECOND)),
    window=st.sampled_from((MINUTE, HOUR, DAY)),
)
def test_what_is_over_counts_nowhere(
    history: list[Instant], waited: int, behind: int, window: int
) -> None:
    """No machine, its clock up to 5 s behind, refuses for a usage that is over."""
    usage = tuple(sorted(history))
    now = Instant(usage[-1] + waited)
    slow = Instant(now - behind)
    if is_over(usage, now):
        assert admitted_at(usage, [Quota(1, window)], slow) == slow


@given(history=histories(DAY), waited=st.integers(0, DAY + 5 * SECOND - 1))
def test_what_may_count_is_not_over(history: list[Instant], waited: int) -> None:
    """As long as a machine 5 s behind would refuse for a usage, it is not over."""
    usage = tuple(sorted(history))
    slow = Instant(usage[-1] + waited - 5 * SECOND)
    assert admitted_at(usage, [Quota(1, DAY)], slow) > slow
    assert not is_over(usage, Instant(slow + 5 * SECOND))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ((), (), ()),
        ((1, 3), (), (1, 3)),
        ((), (2,), (2,)),
        ((1, 3), (2,), (1, 2, 3)),
        ((1, 1, 3), (1, 3, 3), (1, 1, 3, 3)),
    ],
)
def test_two_memories_of_a_usage(
    one: tuple[Instant, ...], other: tuple[Instant, ...], both: tuple[Instant, ...]
) -> None:
    """What both remember is one charge; what either remembers was charged."""
    assert union(one, other) == both


def test_no_more_charges_are_kept_than_decide() -> None:
    """Of all that a window holds the latest are enough, as many as the largest limit."""
    two = demand(Quota(2, MINUTE), Quota(3, HOUR))
    assert charge({KEY: at(0, 1, 2)}, (two,), at(3)[0]) == {KEY: at(1, 2, 3)}


def test_charging_nothing_leaves_the_very_mapping() -> None:
    """A store has nothing to write then."""
    usages: Usages = {KEY: at(0)}
    assert charge(usages, (demand(Quota(0, HOUR)),), START) is usages
    assert charge(usages, (), START) is usages


def test_what_a_clock_left_in_the_future_is_believed_to_be_of_now() -> None:
    """Beyond the five seconds by which clocks may differ; what is right stays the very mapping."""
    usages: Usages = {KEY: at(-1, 5, 6, 7200), OTHER: at(0)}
    assert as_of(usages, START) == {KEY: at(-1, 0, 0, 5), OTHER: at(0)}
    right: Usages = {KEY: at(-1, 5), OTHER: ()}
    assert as_of(right, START) is right


@given(usage=histories(MINUTE), quotas=QUOTAS, ahead=st.integers(0, 2 * HOUR))
def test_no_wait_is_longer_than_its_window(
    usage: list[Instant], quotas: tuple[Quota, ...], ahead: int
) -> None:
    """Whatever clocks have left behind, give or take what they may differ by."""
    held: Usages = {KEY: tuple(sorted(Instant(one + ahead) for one in usage))}
    refusal = judge(as_of(held, START), (demand(*quotas),), START)
    longest = max(quota.window for quota in quotas)
    assert refusal is None or refusal.retry_at <= START + longest + 5 * SECOND


def test_a_limit_of_a_client_holds_for_its_network_too() -> None:
    """As many times as wide; a factor of 0 leaves networks alone."""
    client = ClientAddress("2001:db8:1:2::/64")
    address, network = client_demands(Limit.CLIENT, "checks", client, (Quota(6, HOUR),), factor=10)
    assert (address.key, address.quotas) == (
        UsageKey("checks", "2001:db8:1:2::/64"),
        (Quota(6, HOUR),),
    )
    assert (network.key, network.quotas) == (
        UsageKey("checks", "2001:db8:1::/48"),
        (Quota(60, HOUR),),
    )
    alone = client_demands(Limit.CLIENT, "checks", client, (Quota(6, HOUR),), factor=0)
    assert alone == (address,)
