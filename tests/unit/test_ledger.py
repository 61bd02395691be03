"""Ledgers of what is owed: exact windows of whole hours and days."""

from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant, after
from hsp_otp.domain.ledger import (
    DebtLimit,
    Ledger,
    Series,
    allowance,
    as_of,
    best_day,
    charge,
    forgive,
    is_over,
    let_go,
    merged,
    owed,
    pay,
    usual_debt,
    verified,
    verify,
)
from tests.world import START

HOUR_0 = START // HOUR
DAY_0 = START // DAY


def charged(*instants: Instant) -> Ledger:
    """A ledger with one message for each of *instants*."""
    ledger = Ledger()
    for at in instants:
        ledger = charge(ledger, 1, at)
    return ledger


def at(hours: float) -> Instant:
    """The instant that many *hours* after the start, which is at a full hour and day."""
    return after(START, round(hours * HOUR))


def test_amounts_of_one_hour_are_counted_together() -> None:
    """Two messages in an hour are one bucket of two."""
    ledger = charged(at(0), at(0.5), at(1))
    assert ledger.owed_hours == Series((HOUR_0, HOUR_0 + 1), (2, 1))
    assert ledger.owed_days == Series((DAY_0,), (3,))


def test_a_debt_counts_until_its_whole_bucket_has_left_the_window() -> None:
    """A message of 00:59 counts for 24 h and up to an hour more, never less."""
    ledger = charged(at(0.99))
    last = after(at(25), -1)
    assert (owed(ledger, DAY, last), owed(ledger, DAY, at(25))) == (1, 0)
    assert (
        owed(ledger, 30 * DAY, after(at(31 * 24), -1)),
        owed(ledger, 30 * DAY, at(31 * 24)),
    ) == (
        1,
        0,
    )


def test_what_was_verified_counts_for_up_to_an_hour_less() -> None:
    """A payment of 00:59 leaves a window of 24 h at 24:00."""
    ledger = verify(Ledger(), 7, at(0.99))
    assert (verified(ledger, DAY, after(at(24), -1)), verified(ledger, DAY, at(24))) == (7, 0)


def test_a_right_code_pays_back_the_hour_in_which_its_message_was_sent() -> None:
    """The debt of its hour goes, and what was verified is of the present hour."""
    ledger = pay(charged(at(0), at(2)), 1, at(0), at(3))
    assert ledger == Ledger(
        owed_hours=Series((HOUR_0 + 2,), (1,)),
        owed_days=Series((DAY_0,), (1,)),
        verified_hours=Series((HOUR_0 + 3,), (1,)),
        verified_days=Series((DAY_0,), (1,)),
    )


def test_no_more_is_forgiven_than_is_owed() -> None:
    """A pay-back of a debt that was lost does not become a credit."""
    assert forgive(charged(at(1)), 5, at(0)) == charged(at(1))
    assert forgive(charged(at(1)), 5, at(1)) == Ledger()


def test_a_share_of_what_was_verified_may_be_owed_beside_the_floor() -> None:
    """6 + 30 % of 10 verified, grown to 150 %: 6 + 4."""
    limit = DebtLimit(6, 30, DAY)
    ledger = verify(Ledger(), 10, at(0))
    assert allowance(Ledger(), limit, 150, at(0)) == 6
    assert allowance(ledger, limit, 150, at(0)) == 10
    assert allowance(ledger, limit, 100, at(0)) == 9
    assert allowance(ledger, limit, 100, at(24)) == 6


def test_what_no_window_reaches_is_dropped() -> None:
    """A charge drops the hours and days that no machine can count any more."""
    ledger = verify(charged(at(0), at(1)), 1, at(0))
    later = verify(charge(ledger, 1, at(26)), 1, at(26))
    assert later.owed_hours.buckets == (HOUR_0 + 1, HOUR_0 + 26)
    assert later.verified_hours.buckets == (HOUR_0 + 26,)
    assert later.owed_days == Series((DAY_0, DAY_0 + 1), (2, 1))
    latest = verify(charge(later, 1, at(32 * 24)), 1, at(32 * 24))
    assert latest.owed_days.buckets == (DAY_0 + 1, DAY_0 + 32)
    assert latest.verified_days.buckets == (DAY_0 + 1, DAY_0 + 32)


def test_a_clock_that_ran_ahead_leaves_nothing_in_the_future() -> None:
    """What is more than 5 s in the future counts as of now; up to there, clocks may differ."""
    ahead = verify(charged(at(0), at(24)), 1, at(25))
    now = after(at(1), -5 * SECOND)
    assert as_of(ahead, now) == Ledger(
        owed_hours=Series((HOUR_0, HOUR_0 + 1), (1, 1)),
        owed_days=Series((DAY_0,), (2,)),
        verified_hours=Series((HOUR_0 + 1,), (1,)),
        verified_days=Series((DAY_0,), (1,)),
    )
    near = charged(at(1))
    assert as_of(near, now) is near
    of_hours = charged(at(5))
    assert as_of(of_hours, at(0)).owed_hours == Series((HOUR_0,), (1,))
    assert as_of(Ledger(), now) == Ledger()


def test_what_two_stores_know_counts_once() -> None:
    """Of each hour and day, the more that either knows."""
    one = verify(charged(at(0), at(0), at(1)), 3, at(0))
    other = verify(charged(at(0), at(2)), 1, at(1))
    assert merged(one, other) == Ledger(
        owed_hours=Series((HOUR_0, HOUR_0 + 1, HOUR_0 + 2), (2, 1, 1)),
        owed_days=Series((DAY_0,), (3,)),
        verified_hours=Series((HOUR_0, HOUR_0 + 1), (3, 1)),
        verified_days=Series((DAY_0,), (3,)),
    )
    assert merged(Ledger(), one) == one


def test_a_ledger_is_over_when_no_machine_reaches_it() -> None:
    """It has an effect until its last day has left a window of 30 days, 5 s allowed."""
    ledger, paid = charged(at(0)), verify(Ledger(), 1, at(0))
    end = after(at(32 * 24), 5 * SECOND)
    for one in (ledger, paid):
        assert (is_over(one, after(end, -1)), is_over(one, end)) == (False, True)
    assert is_over(Ledger(), START)


def test_the_best_day_is_a_whole_one() -> None:
    """Today is not over, and a day 15 days ago is too long ago."""
    ledger = Ledger()
    for day, amount in ((0, 9), (1, 3), (14, 5), (15, 8)):
        ledger = verify(ledger, amount, at(24 * day))
    assert best_day(ledger, 14, at(24 * 15)) == 5
    assert best_day(ledger, 14, at(24 * 14)) == 9
    assert best_day(Ledger(), 14, START) == 0


def test_the_usual_debt_is_the_median_of_known_days() -> None:
    """Days with little verified are left out, and so are yesterday and today."""
    ledger = Ledger()
    for day, debt, paid in ((0, 10, 100), (1, 40, 100), (2, 99, 9), (3, 20, 100), (4, 90, 100)):
        ledger = verify(charge(ledger, debt, at(24 * day)), paid, at(24 * day))
    assert usual_debt(ledger, 14, 20, at(24 * 5)) == (3, 20, 309)
    assert usual_debt(ledger, 14, 20, at(24 * 6)) == (4, 40, 409)
    assert usual_debt(ledger, 3, 20, at(24 * 5)) == (2, 40, 209)
    assert usual_debt(ledger, 14, 101, at(24 * 6)) == (0, 0, 409)
    assert usual_debt(charged(at(0)), 14, 0, at(48)) == (0, 0, 0)


def test_debts_let_go_at_the_end_of_their_buckets() -> None:
    """Each hour leaves at the full hour 25 h after it began, each day after 31 days."""
    ledger = charged(at(0.2), at(3))
    assert let_go(ledger, DAY, at(4)) == [at(25), at(28)]
    assert let_go(ledger, DAY, at(25)) == [at(28)]
    assert let_go(ledger, 30 * DAY, at(4)) == [at(31 * 24)]


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 90 * MINUTE), st.integers(1, 5), st.booleans()), max_size=60
    )
)
def test_windows_count_what_a_plain_list_counts(steps: list[tuple[int, int, bool]]) -> None:
    """Never less than the exact window for debts, never more for payments; one bucket at most."""
    ledger, debts, payments, now = Ledger(), list[tuple[int, int]](), list[tuple[int, int]](), START
    for wait, amount, is_debt in steps:
        now = after(now, wait)
        if is_debt:
            ledger = charge(ledger, amount, now)
            debts.append((now, amount))
        else:
            ledger = verify(ledger, amount, now)
            payments.append((now, amount))
        for window, bucket in ((DAY, HOUR), (6 * HOUR, HOUR), (2 * DAY, DAY)):
            exact = sum(one for since, one in debts if since > now - window)
            wider = sum(one for since, one in debts if since > now - window - bucket)
            assert exact <= owed(ledger, window, now) <= wider
            exact = sum(one for since, one in payments if since > now - window)
            shorter = sum(one for since, one in payments if since > now - window + bucket)
            assert shorter <= verified(ledger, window, now) <= exact


def test_a_payment_of_what_is_not_owed_any_more() -> None:
    """It counts as verified, and takes nothing from others."""
    owed_later = charge(Ledger(), 1, after(START, HOUR))
    paid = pay(owed_later, 1, START, after(START, HOUR))
    assert owed(paid, DAY, after(START, HOUR)) == 1
    assert paid == verify(owed_later, 1, after(START, HOUR))
