"""The rules of the guard against toll fraud: docs/fraud.md."""

from collections.abc import Iterator

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain import ledger as ledgers
from hsp_otp.domain.debtors import ledger_keys
from hsp_otp.domain.guard import (
    Debt,
    Free,
    Group,
    GuardedAsk,
    GuardPolicy,
    LedgerKey,
    OwedSend,
    Priced,
    Reason,
    Refused,
    RegionMoney,
    Stretched,
    Usual,
    as_of,
    charged,
    debt_of,
    forgiven,
    judge,
    mean_factor,
    owing,
    paid,
    read_reasons,
    reasons_text,
    recounted,
    region_allowance,
    usual_of,
    verdict_word,
)
from hsp_otp.domain.instant import DAY, HOUR, Instant, after
from hsp_otp.domain.ledger import DebtLimit, Ledger
from hsp_otp.domain.names import UNKNOWN_CLIENT, ClientAddress
from hsp_otp.domain.prices import DOLLAR
from tests.world import START

POLICY = GuardPolicy()
HOME = ClientAddress("198.51.100.7")
RANGE_OF = "+9370123"
KEYS = ledger_keys("signup", HOME, RANGE_OF)
ADDRESS, NETWORK, RANGE, BLOCK = KEYS
MONEY = RegionMoney(region="AF", factor=100, client_factor=100)
PRICE = 159_000


def guarded(money: RegionMoney = MONEY, *, is_known: bool = False) -> GuardedAsk:
    """An ask for a number of `RANGE_OF` from `HOME`."""
    return GuardedAsk(keys=KEYS, money=money, price=PRICE, is_known=is_known)


def owing_messages(count: int, *keys: LedgerKey, at: Instant = START) -> dict[LedgerKey, Ledger]:
    """Ledgers of *keys* that owe *count* messages."""
    return {key: ledgers.charge(Ledger(), count, at) for key in keys}


def test_every_side_has_its_ledgers() -> None:
    """A message is owed by address, network, range and block, on the account it is sent on."""
    assert [str(key) for key in KEYS] == [
        "address:signup 198.51.100.7",
        "network:signup 198.51.100.0/24",
        "range:signup +9370123",
        "block:signup +93701",
    ]
    assert repr(BLOCK) == "LedgerKey(group='block')"


def test_ledgers_of_clients_without_a_usable_address() -> None:
    """All of them are one network in signup; a backend that names no client judges none."""
    groups = [key.group for key in ledger_keys("signup", UNKNOWN_CLIENT, RANGE_OF)]
    assert groups == [Group.NETWORK, Group.RANGE, Group.BLOCK]
    of_app = ledger_keys("app", None, RANGE_OF)
    assert [key.group for key in of_app] == [Group.RANGE, Group.BLOCK]


def test_a_first_ask_is_free() -> None:
    """Nothing is owed, and nothing has to be told."""
    verdict = judge({}, guarded(), POLICY, START)
    assert (verdict, str(verdict)) == (Free(), "free")


@pytest.mark.parametrize(("key", "most"), [(ADDRESS, 6), (NETWORK, 8), (RANGE, 3), (BLOCK, 6)])
def test_a_group_may_owe_its_floor_in_a_day(key: LedgerKey, most: int) -> None:
    """One less is admitted; at the floor only the stretch admits, and without it nothing does."""
    policy = attrs.evolve(POLICY, stretch=0)
    assert not isinstance(judge(owing_messages(most - 1, key), guarded(), policy, START), Refused)
    full = owing_messages(most, key)
    assert isinstance(judge(full, guarded(), POLICY, START), Stretched)
    refused = judge(full, guarded(), policy, START)
    assert isinstance(refused, Refused)
    assert (refused.group, refused.retry_at) == (key.group, after(START, 25 * HOUR))
    assert refused.reasons[0] == Reason(key.group, most + 1, most, DAY)


@pytest.mark.parametrize(("key", "most"), [(ADDRESS, 8), (NETWORK, 16), (RANGE, 6), (BLOCK, 30)])
def test_a_group_may_owe_more_in_a_month(key: LedgerKey, most: int) -> None:
    """Messages that a day no longer counts are owed for 30 days, whole days counted."""
    policy, now = attrs.evolve(POLICY, stretch=0), after(START, 2 * DAY)
    assert not isinstance(judge(owing_messages(most - 1, key), guarded(), policy, now), Refused)
    refused = judge(owing_messages(most, key), guarded(), policy, now)
    assert isinstance(refused, Refused)
    assert refused.retry_at == after(START, 31 * DAY)
    assert refused.reasons == (Reason(key.group, most + 1, most, 30 * DAY),)


def test_the_wait_counts_that_allowances_shrink() -> None:
    """What was verified leaves the window an hour before what was owed beside it."""
    policy = attrs.evolve(POLICY, stretch=0, block=(DebtLimit(6, 30, DAY),))
    early = ledgers.charge(ledgers.verify(Ledger(), 10, START), 4, START)
    held = {BLOCK: ledgers.charge(early, 6, after(START, HOUR))}
    refused = judge(held, guarded(), policy, after(START, 2 * HOUR))
    assert isinstance(refused, Refused)
    assert refused.reasons[0] == Reason(Group.BLOCK, 11, 9, DAY)
    assert refused.retry_at == after(START, 26 * HOUR)


@pytest.mark.parametrize(
    ("owed", "level"),
    [(62, None), (63, None), (64, 1), (67, 1), (68, 2), (72, 3), (76, 4), (79, 5), (80, 6)],
)
def test_work_doubles_from_four_fifths_to_full(owed: int, level: int | None) -> None:
    """Below 80 % an ask is free; the six levels lead up to the one that fills the group."""
    policy = attrs.evolve(POLICY, block=(DebtLimit(80, 0, DAY),))
    verdict = judge(owing_messages(owed - 1, BLOCK), guarded(), policy, START)
    if level is None:
        assert verdict == Free()
    else:
        assert verdict == Priced(level, (Reason(Group.BLOCK, owed, 80, DAY),))
        assert str(verdict) == f"work:{level}"


@pytest.mark.parametrize(("key", "word"), [(NETWORK, "free"), (RANGE, "free"), (ADDRESS, "work:6")])
def test_networks_and_ranges_ask_for_no_work(key: LedgerKey, word: str) -> None:
    """Only address, block and region do, because the others are full sooner with honest people."""
    tight = (DebtLimit(2, 0, DAY),)
    policy = attrs.evolve(
        POLICY,
        address=tight if key is ADDRESS else (),
        network=tight if key is NETWORK else (),
        range=tight if key is RANGE else (),
        block=(),
    )
    verdict = judge(owing_messages(1, key), guarded(), policy, START)
    assert str(verdict) == word
    assert verdict.reasons == (Reason(key.group, 2, 2, DAY),)


def test_a_limit_of_zero_is_off() -> None:
    """A floor of 0 switches a limit off, whatever its percent is."""
    policy = attrs.evolve(POLICY, block=(DebtLimit(0, 30, DAY),), region_debt=0, stretch=0)
    assert judge(owing_messages(1_000, BLOCK), guarded(), policy, START) == Free()


def test_a_region_may_owe_a_sum_of_money() -> None:
    """15 $ in 24 h: the 95th message of 0.159 $ no longer fits."""
    debt = ledgers.charge(Ledger(), 93 * PRICE, START)
    last = attrs.evolve(MONEY, debt=debt)
    assert str(judge({}, guarded(last), POLICY, START)) == "work:5"
    debt = ledgers.charge(debt, PRICE, START)
    stretched = judge({}, guarded(attrs.evolve(MONEY, debt=debt)), POLICY, START)
    assert str(stretched) == "stretch"
    assert reasons_text(stretched.reasons) == ("region 15.105/15.00$ 24h; stretch 0.159/2.50$ 24h")


def test_the_stretch_is_spent_once() -> None:
    """When its money is owed as well, the region is closed until an hour lets go."""
    full = attrs.evolve(
        MONEY,
        debt=ledgers.charge(Ledger(), 15 * DOLLAR, START),
        stretch=ledgers.charge(Ledger(), 5 * DOLLAR // 2, after(START, -HOUR)),
    )
    refused = judge({}, guarded(full), POLICY, START)
    assert isinstance(refused, Refused)
    assert refused.group is Group.REGION
    assert refused.retry_at == after(START, 24 * HOUR)
    assert str(judge({}, guarded(full), POLICY, refused.retry_at)) == "stretch"
    assert isinstance(judge({}, guarded(full), POLICY, after(refused.retry_at, -1)), Refused)


def test_both_sides_full_leave_no_stretch() -> None:
    """Who asks and where it goes are both full: refused by the fuller one."""
    held = owing_messages(6, ADDRESS) | owing_messages(4, RANGE)
    refused = judge(held, guarded(), POLICY, START)
    assert isinstance(refused, Refused)
    assert refused.group is Group.RANGE
    assert reasons_text(refused.reasons) == (
        "range 5/3 24h; address 7/6 24h; address 7/8 30d; range 5/6 30d; stretch 0.159/2.50$ 24h"
    )


def test_a_message_dearer_than_its_region_never_fits() -> None:
    """It may be asked for again a day later, when an operator may have raised the limit."""
    policy = attrs.evolve(POLICY, region_debts={"AF": 100_000}, stretch=100_000)
    refused = judge({}, guarded(), policy, START)
    assert isinstance(refused, Refused)
    assert refused.retry_at == after(START, DAY)


def test_known_numbers_are_judged_by_the_client_alone() -> None:
    """Neither range nor block nor the region's debt keeps the people out that were here before."""
    held = owing_messages(100, RANGE, BLOCK)
    full = attrs.evolve(MONEY, debt=ledgers.charge(Ledger(), 99 * DOLLAR, START))
    assert judge(held, guarded(full, is_known=True), POLICY, START) == Free()
    client = owing_messages(6, ADDRESS)
    assert isinstance(judge(client, guarded(is_known=True), POLICY, START), Stretched)


@pytest.mark.parametrize(
    ("verdict", "is_known", "debt"),
    [
        (Free(), False, Debt.ALL),
        (Priced(1), False, Debt.ALL),
        (Free(), True, Debt.CLIENT),
        (Stretched(), False, Debt.STRETCH),
        (Stretched(), True, Debt.STRETCH),
        (Refused(Group.RANGE, START), False, Debt.NOBODY),
    ],
)
def test_who_owes_a_message(verdict: Free, is_known: bool, debt: Debt) -> None:  # noqa: FBT001
    """What a verdict admits is owed; what it refuses is owed by nobody."""
    assert debt_of(verdict, is_known=is_known) is debt


def test_what_is_charged_and_paid_back() -> None:
    """A message is charged to its groups, and paid back to them when its code is right."""
    held = charged({}, KEYS, Debt.ALL, START)
    assert held == owing_messages(1, *KEYS)
    client = charged({}, KEYS, Debt.CLIENT, START)
    assert client == owing_messages(1, ADDRESS, NETWORK)
    assert charged(held, KEYS, Debt.NOBODY, START) is held
    assert owing(KEYS, Debt.STRETCH) == KEYS
    back = paid(held, [(KEYS, START)], after(START, HOUR))
    assert all(one == ledgers.verify(Ledger(), 1, after(START, HOUR)) for one in back.values())
    assert forgiven(held, KEYS, START) == {key: Ledger() for key in KEYS}
    assert forgiven({}, KEYS, START) == {}


def test_ledgers_are_counted_again_from_messages() -> None:
    """What nobody owes any more counts only if its code was right."""
    later = after(START, HOUR)
    sends = [
        OwedSend(KEYS, START),
        OwedSend((BLOCK,), later),
        OwedSend((BLOCK,), START, later, is_verified=True),
        OwedSend((RANGE,), START, later),
        OwedSend((), START),
    ]
    held = charged(charged({}, KEYS, Debt.ALL, START), (BLOCK,), Debt.ALL, START)
    back = paid(held, [((BLOCK,), START)], later)
    assert recounted(sends) == charged(back, (BLOCK,), Debt.ALL, later)


def test_a_clock_that_ran_ahead_keeps_nobody_out() -> None:
    """What it left in the future counts as of now."""
    ahead = owing_messages(1, BLOCK, at=after(START, 9 * DAY))
    assert as_of(ahead, START) == owing_messages(1, BLOCK)
    held = owing_messages(1, BLOCK)
    assert as_of(held, START) is held


def days(debt: int, paid_back: int, count: int) -> Ledger:
    """A region that owed and verified so much on each of *count* days, yesterday left out."""
    ledger = Ledger()
    for day in range(count + 1, 1, -1):
        at = after(START, -day * DAY)
        ledger = ledgers.verify(ledgers.charge(ledger, debt, at), paid_back, at)
    return ledger


@pytest.mark.parametrize(
    ("debt", "count", "factor"),
    [
        (5 * DOLLAR, 14, 100),
        (15 * DOLLAR // 2, 14, 100),
        (15 * DOLLAR, 14, 200),
        (22 * DOLLAR, 3, 293),
        (90 * DOLLAR, 14, 500),
        (5 * DOLLAR, 2, 500),
    ],
)
def test_shares_grow_with_what_a_region_usually_owes(debt: int, count: int, factor: int) -> None:
    """In proportion above 7.5 %, fivefold at most, and fivefold until three days are known."""
    usual = usual_of(days(debt, 100 * DOLLAR, count), POLICY, START)
    assert usual == Usual(factor, count * 100 * DOLLAR)


def test_a_day_with_little_verified_is_not_known() -> None:
    """It takes a dollar."""
    assert usual_of(days(0, DOLLAR - 1, 14), POLICY, START).factor == 500
    assert usual_of(days(0, DOLLAR, 14), POLICY, START).factor == 100


def test_the_usual_debt_is_the_same_all_day() -> None:
    """Whatever is charged and paid back since yesterday."""
    ledger = days(15 * DOLLAR, 100 * DOLLAR, 3)
    late = ledgers.verify(ledgers.charge(ledger, 90 * DOLLAR, after(START, -1)), 1, START)
    assert usual_of(late, POLICY, after(START, DAY - 1)) == usual_of(ledger, POLICY, START)
    assert usual_of(late, POLICY, after(START, 2 * DAY)).verified == 300 * DOLLAR + 1


def test_clients_take_the_mean_of_the_regions() -> None:
    """Weighted by money; where nothing was verified, the largest."""
    assert mean_factor([Usual(100, 300), Usual(500, 100), Usual(400, 0)], POLICY) == 200
    assert mean_factor([Usual(100, 0)], POLICY) == 500
    assert mean_factor([], POLICY) == 500


def test_a_region_may_owe_a_share_of_its_best_day() -> None:
    """20 % of the best of 14 days, or of 24 h if that is more; each region may have its own."""
    best = attrs.evolve(MONEY, debt=days(0, 200 * DOLLAR, 1))
    assert region_allowance(best, POLICY, START) == 40 * DOLLAR
    assert region_allowance(attrs.evolve(best, factor=250), POLICY, START) == 100 * DOLLAR
    today = attrs.evolve(MONEY, debt=ledgers.verify(best.debt, 300 * DOLLAR, START))
    later = after(START, 5 * HOUR)
    assert region_allowance(today, POLICY, later) == 60 * DOLLAR
    own = attrs.evolve(POLICY, region_debts={"AF": 7}, region_percents={"AF": 10})
    assert region_allowance(best, own, START) == 20 * DOLLAR
    assert region_allowance(MONEY, own, START) == 7


REASONS = st.lists(
    st.builds(
        Reason,
        st.sampled_from(Group),
        st.integers(0, 10**9),
        st.integers(0, 10**9),
        st.sampled_from((HOUR, DAY, 2 * DAY, 30 * DAY)),
    ),
    max_size=6,
).map(tuple)


@given(found=REASONS)
def test_reasons_survive_their_stored_form(found: tuple[Reason, ...]) -> None:
    """A row's text gives the very reasons back, to the micro-dollar."""
    assert read_reasons(reasons_text(found)) == found


def test_the_stored_form_of_reasons() -> None:
    """Group, owed and allowed amount, and window, the fullest first."""
    text = "block 31/30 30d; region 8.10/10.00$ 24h"
    assert read_reasons(text) == (
        Reason(Group.BLOCK, 31, 30, 30 * DAY),
        Reason(Group.REGION, 8_100_000, 10_000_000, DAY),
    )


@pytest.mark.parametrize("text", ["block", "block 1/2", "block 1/2 3w", "nobody 1/2 3d", "a; b"])
def test_other_texts_are_no_reasons(text: str) -> None:
    """A row of another version is not guessed at."""
    with pytest.raises(ValueError, match=r"not a reason|not a valid Group"):
        read_reasons(text)


def test_a_cap_refuses_what_the_debts_admit() -> None:
    """What is spent counts whether it was verified or not."""
    found = (Reason(Group.CAP, 101, 100, DAY), Reason(Group.BLOCK, 1, 6, DAY))
    assert verdict_word(found) == "refused"
    assert verdict_word((Reason(Group.REGION_CAP, 100, 100, DAY),)) == "free"


def every_verdict() -> Iterator[Free | Priced | Stretched | Refused]:
    """Verdicts of ledgers from empty to more than full."""
    for who in range(10):
        for where in range(10):
            for stretch in (0, 3 * DOLLAR):
                held = owing_messages(who, ADDRESS) | owing_messages(where, BLOCK)
                money = attrs.evolve(MONEY, stretch=ledgers.charge(Ledger(), stretch, START))
                yield judge(held, guarded(money), POLICY, START)


def test_reasons_are_sufficient() -> None:
    """The stored reasons alone give the verdict (law 8)."""
    words = {str(one) for one in every_verdict()}
    assert words == {"free", "work:1", "work:6", "stretch", "refused"}
    for verdict in every_verdict():
        assert verdict_word(read_reasons(reasons_text(verdict.reasons))) == str(verdict)
