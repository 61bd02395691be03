"""The laws of the guard, at random, over the rules alone: docs/fraud.md."""

import itertools
from typing import Any, Final

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hsp_otp.domain.budgets import Budget, Caps, Payment, settled
from hsp_otp.domain.budgets import charged as charged_to_budget
from hsp_otp.domain.debtors import ledger_keys
from hsp_otp.domain.guard import (
    Debt,
    GuardedAsk,
    GuardPolicy,
    LedgerKey,
    Ledgers,
    Refused,
    RegionMoney,
    Verdict,
    charged,
    debt_of,
    forgiven,
    judge,
    mean_factor,
    owing,
    paid,
    read_reasons,
    reasons_text,
    usual_of,
    verdict_word,
)
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, Duration, Instant, after
from hsp_otp.domain.ledger import DebtLimit
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.prices import DOLLAR
from hsp_otp.domain.replay import PastAsk, Replay
from tests.strategies import MACHINE_ROUNDS
from tests.world import START

ADDRESSES: Final = tuple(map(ClientAddress, ("192.0.2.1", "192.0.2.2", "198.51.100.1")))
NUMBERS: Final = {"AF": ("+93701110001", "+93701120001", "+93702220001"), "IN": ("+919876543210",)}
PRICES: Final = {"AF": 159_000, "IN": 83_200}

SMALL: Final = GuardPolicy(
    address=(DebtLimit(3, 50, DAY), DebtLimit(5, 30, 30 * DAY)),
    network=(DebtLimit(5, 50, DAY), DebtLimit(9, 30, 30 * DAY)),
    range=(DebtLimit(2, 30, DAY), DebtLimit(4, 30, 30 * DAY)),
    block=(DebtLimit(3, 30, DAY), DebtLimit(6, 15, 30 * DAY)),
    region_debt=DOLLAR,
    stretch=DOLLAR // 3,
)
"""Numbers that a few dozen asks reach."""

WAITS: Final = st.sampled_from((1, MINUTE, HOUR - 1, HOUR, 5 * HOUR, DAY, 3 * DAY))


@attrs.frozen
class Sent:
    """A message that was admitted."""

    number: int
    at: Instant
    region: str
    keys: tuple[LedgerKey, ...]
    debt: Debt


@attrs.define
class Guarded:
    """The rules as a journey applies them: ask, verify, and what a receipt forgives."""

    policy: GuardPolicy
    held: Ledgers = attrs.field(factory=dict[LedgerKey, Any])
    budgets: dict[str, Budget] = attrs.field(factory=dict[str, Budget])

    def ask(self, client: ClientAddress, number: str, region: str, now: Instant) -> GuardedAsk:
        """What the guard judges."""
        usual = {
            name: usual_of(one.debt, self.policy, Instant(now - now % DAY))
            for name, one in self.budgets.items()
        }
        own = usual.get(region)
        budget = self.budgets.get(region, Budget())
        money = RegionMoney(
            region=region,
            debt=budget.debt,
            stretch=budget.stretch,
            factor=self.policy.grows if own is None else own.factor,
            client_factor=mean_factor(usual.values(), self.policy),
        )
        keys = ledger_keys("signup", client, number[:-4])
        return GuardedAsk(keys=keys, money=money, price=PRICES[region])

    def judge(self, ask: GuardedAsk, now: Instant) -> Verdict:
        """The verdict, which changes nothing."""
        return judge(self.held, ask, self.policy, now)

    def charge(self, ask: GuardedAsk, debt: Debt, now: Instant) -> None:
        """Charge an admitted message."""
        self.held = charged(self.held, ask.keys, debt, now)
        budget = self.budgets.get(ask.money.region, Budget())
        self.budgets[ask.money.region] = charged_to_budget(budget, debt, ask.price, now)

    def pay(self, sent: Sent, now: Instant, *, is_verified: bool = True) -> None:
        """Pay a message back."""
        keys = owing(sent.keys, sent.debt)
        if is_verified:
            self.held = paid(self.held, [(keys, sent.at)], now)
        else:
            self.held = forgiven(self.held, keys, sent.at)
        payment = Payment(PRICES[sent.region], sent.debt, sent.at, is_verified)
        self.budgets[sent.region] = settled(self.budgets[sent.region], now, payments=(payment,))


class GuardMachine(RuleBasedStateMachine):
    """People and attackers who ask, verify and wait, against the laws 1, 2, 5, 6, 8 and 9."""

    def __init__(self) -> None:
        super().__init__()
        self.guard, self.now = Guarded(SMALL), START
        self.open: list[Sent] = []
        self.sent: list[Sent] = []
        self.history: list[PastAsk] = []
        self.verdicts: list[str] = []
        self.is_anything_paid = False

    @rule(
        client=st.sampled_from(ADDRESSES),
        place=st.sampled_from(
            [(number, region) for region in NUMBERS for number in NUMBERS[region]]
        ),
    )
    def ask(self, client: ClientAddress, place: tuple[str, str]) -> None:
        """Ask for a code; nothing but an admitted message changes anything (law 2)."""
        number, region = place
        ask = self.guard.ask(client, number, region, self.now)
        before = attrs.evolve(self.guard)
        verdict = self.guard.judge(ask, self.now)
        assert self.guard == before
        assert verdict_word(read_reasons(reasons_text(verdict.reasons))) == str(verdict)
        index = len(self.history)
        self.history.append(
            PastAsk(
                id=str(index),
                at=self.now,
                account="signup",
                region=region,
                keys=ask.keys,
                price=ask.price,
            )
        )
        self.verdicts.append(f"{verdict} {reasons_text(verdict.reasons)}")
        if isinstance(verdict, Refused):
            self.is_refused_until_then(ask, verdict)
            return
        debt = debt_of(verdict, is_known=False)
        self.guard.charge(ask, debt, self.now)
        sent = Sent(index, self.now, region, ask.keys, debt)
        self.open.append(sent)
        self.sent.append(sent)

    def is_refused_until_then(self, ask: GuardedAsk, refused: Refused) -> None:
        """Law 5: at `retry_at` it is admitted, and at no full hour before, nor just before."""
        hours = itertools.count(self.now // HOUR + 1)
        full = itertools.takewhile(
            lambda at: at < refused.retry_at, (Instant(hour * HOUR) for hour in hours)
        )
        for at in (*itertools.islice(full, 48), after(refused.retry_at, -1)):
            assert isinstance(self.guard.judge(ask, at), Refused)
        assert not isinstance(self.guard.judge(ask, refused.retry_at), Refused)

    @precondition(lambda self: any(one.at > self.now - DAY for one in self.open))
    @rule(data=st.data(), is_verified=st.booleans())
    def pay_back(self, data: st.DataObject, is_verified: bool) -> None:  # noqa: FBT001
        """Enter a code, or hear that a message did not arrive; nobody is refused by it (law 6)."""
        # In a replay, a pay-back comes before what is asked at the same instant.
        self.now = after(self.now, 1)
        recent = [one for one in self.open if one.at >= self.now - DAY]
        sent = data.draw(st.sampled_from(recent))
        self.open.remove(sent)
        asks = [
            self.guard.ask(client, number, region, self.now)
            for client in ADDRESSES
            for region in NUMBERS
            for number in NUMBERS[region]
        ]
        admitted = [not isinstance(self.guard.judge(one, self.now), Refused) for one in asks]
        self.guard.pay(sent, self.now, is_verified=is_verified)
        for one, was_admitted in zip(asks, admitted, strict=True):
            budget = self.guard.budgets.get(one.money.region, Budget())
            money = attrs.evolve(one.money, debt=budget.debt, stretch=budget.stretch)
            later = self.guard.judge(attrs.evolve(one, money=money), self.now)
            assert not was_admitted or not isinstance(later, Refused)
        self.is_anything_paid = True
        past = self.history[sent.number]
        self.history[sent.number] = (
            attrs.evolve(past, verified_at=self.now)
            if is_verified
            else attrs.evolve(past, undelivered_at=self.now)
        )

    @rule(wait=WAITS)
    def wait(self, wait: Duration) -> None:
        """Let time pass."""
        self.now = after(self.now, wait)

    @precondition(lambda self: not self.is_anything_paid)
    @invariant()
    def an_attacker_who_verifies_nothing_is_bounded(self) -> None:
        """Law 1: in any 24 h and 30 days, by money for a region and by messages for a block."""
        for begin in {one.at for one in self.sent[-8:]}:
            day = [one for one in self.sent if begin <= one.at < begin + DAY]
            for region, price in PRICES.items():
                debts = [one.debt for one in day if one.region == region]
                assert debts.count(Debt.ALL) * price <= SMALL.region_debt
                assert debts.count(Debt.STRETCH) * price <= SMALL.stretch
            for key in {key for one in day for key in one.keys}:
                floors = {limit.window: limit.floor for limit in SMALL.limits(key.group)}
                mine = [one.at for one in self.sent if key in one.keys and one.debt is Debt.ALL]
                for window, floor in floors.items():
                    assert sum(begin <= at < begin + window for at in mine) <= floor

    def teardown(self) -> None:
        """Law 9: replayed under the policy that made them, no verdict and no reason differs."""
        again = [
            f"{one.verdict} {reasons_text(one.verdict.reasons)}"
            for one in Replay(SMALL).judged(self.history)
        ]
        assert again == self.verdicts


TestGuard = pytest.mark.slow(GuardMachine.TestCase)
TestGuard.settings = settings(max_examples=60 * MACHINE_ROUNDS, stateful_step_count=40)


STEPS: Final = st.lists(
    st.tuples(
        WAITS,
        st.sampled_from(ADDRESSES),
        st.sampled_from(NUMBERS["AF"]),
        st.sampled_from((0, 1, 2)),
    ),
    max_size=50,
)


@given(steps=STEPS)
def test_a_lost_pay_back_admits_nobody(
    steps: list[tuple[Duration, ClientAddress, str, int]],
) -> None:
    """Whoever is admitted without some pay-backs is admitted with all of them (law 4)."""
    whole, poor, now = Guarded(SMALL), Guarded(SMALL), START
    for wait, client, number, paid_back in steps:
        now = after(now, wait)
        asks = [one.ask(client, number, "AF", now) for one in (whole, poor)]
        # The factor is taken from whole days, by both in the same way.
        money = attrs.evolve(
            asks[1].money, factor=asks[0].money.factor, client_factor=asks[0].money.client_factor
        )
        asks[1] = attrs.evolve(asks[1], money=money)
        if isinstance(poor.judge(asks[1], now), Refused):
            continue
        verdict = whole.judge(asks[0], now)
        assert not isinstance(verdict, Refused)
        debt = debt_of(poor.judge(asks[1], now), is_known=False)
        for one, ask in zip((whole, poor), asks, strict=True):
            one.charge(ask, debt, now)
        sent = Sent(0, now, "AF", asks[0].keys, debt)
        now = after(now, 1)
        if paid_back:
            whole.pay(sent, now)
        if paid_back > 1:
            poor.pay(sent, now)


@given(
    asks=st.lists(
        st.tuples(st.sampled_from(ADDRESSES), st.sampled_from(NUMBERS["AF"])), max_size=12
    ),
    others=st.lists(st.sampled_from(("+14155550101", "+14155550102")), max_size=12),
    order=st.randoms(use_true_random=False),
)
def test_asks_of_different_groups_do_not_meet(
    asks: list[tuple[ClientAddress, str]],
    others: list[str],
    order: Any,  # noqa: ANN401
) -> None:
    """However they are mixed, each gets the verdict that it gets alone (law 7)."""
    own = [("AF", client, number) for client, number in asks]
    foreign = [("IN", ClientAddress("203.0.113.9"), number) for number in others]
    mixed = [*(["own"] * len(own)), *(["foreign"] * len(foreign))]
    order.shuffle(mixed)

    def play(asked: list[tuple[str, ClientAddress, str]]) -> tuple[list[str], Guarded]:
        guard, verdicts = Guarded(SMALL), list[str]()
        for region, client, number in asked:
            ask = guard.ask(client, number, region, START)
            verdict = guard.judge(ask, START)
            verdicts.append(f"{region} {verdict} {reasons_text(verdict.reasons)}")
            guard.charge(ask, debt_of(verdict, is_known=False), START)
        return verdicts, guard

    queues = {"own": iter(own), "foreign": iter(foreign)}
    together, guard = play([next(queues[name]) for name in mixed])
    for region, alone in (("AF", own), ("IN", foreign)):
        verdicts, single = play(alone)
        assert [one for one in together if one.startswith(region)] == verdicts
        assert {**guard.held, **single.held} == guard.held


def test_caps_stand_above_everything_in_a_replay() -> None:
    """A region's cap and the whole cap refuse what the debts admit, verified or not."""
    client, number = ADDRESSES[0], NUMBERS["AF"][0]
    asks = [
        PastAsk(
            id=str(index),
            at=after(START, index * MINUTE),
            account="signup",
            region="AF",
            keys=ledger_keys("signup", client, number[:-4]),
            price=100_000,
            verified_at=after(START, index * MINUTE + 1),
            is_known=index == 4,
        )
        for index in range(5)
    ]
    for caps, group in (
        (Caps(regions={"AF": 300_000}), "region-cap"),
        (Caps(altogether={"signup": 300_000}), "cap"),
    ):
        replay = Replay(GuardPolicy(), caps)
        verdicts = [one.verdict for one in replay.judged(asks)]
        assert [str(one) for one in verdicts] == ["free"] * 3 + ["refused"] * 2
        assert reasons_text(verdicts[3].reasons) == f"{group} 0.40/0.30$ 24h"


def test_known_people_are_replayed_as_known() -> None:
    """Their messages are owed by the client alone."""
    client, number = ADDRESSES[0], NUMBERS["AF"][0]
    past = PastAsk(
        id="1",
        at=START,
        account="signup",
        region="AF",
        keys=ledger_keys("signup", client, number[:-4]),
        price=1,
        is_known=True,
    )
    asks = [attrs.evolve(past, at=after(START, index)) for index in range(6)]
    asks.append(attrs.evolve(past, at=after(START, 7), is_known=False))
    verdicts = [str(one.verdict) for one in Replay(GuardPolicy()).judged(asks)]
    assert verdicts == ["free"] * 4 + ["work:1", "work:6", "stretch"]


def test_a_replay_pays_back_and_learns() -> None:
    """Right codes and lost messages are no debts, and the third known day ends the cold start."""
    client = ADDRESSES[0]
    asks = [
        PastAsk(
            id=f"{day} {index}",
            at=after(START, day * DAY + index * MINUTE),
            account="signup",
            region="AF",
            keys=ledger_keys("signup", client, NUMBERS["AF"][0][:-4]),
            price=DOLLAR,
            verified_at=None if index == 1 else after(START, day * DAY + index * MINUTE + 1),
            undelivered_at=after(START, day * DAY + index * MINUTE + 1) if index == 1 else None,
        )
        for day in range(6)
        for index in range(4)
    ]
    policy = GuardPolicy(
        address=(DebtLimit(1, 25, DAY),), network=(), range=(), block=(), stretch=0
    )
    words = [str(one.verdict) for one in Replay(policy).judged(asks)]
    assert words[:4] == ["work:6", "free", "free", "free"]
    assert words[20:] == ["work:6"] * 4


def test_a_replay_refuses_what_its_policy_refuses() -> None:
    """An ask that is refused owes nothing, and is not paid back."""
    past = PastAsk(
        id="1",
        at=START,
        account="signup",
        region="AF",
        keys=ledger_keys("signup", ADDRESSES[0], NUMBERS["AF"][0][:-4]),
        price=1,
        verified_at=after(START, 5),
    )
    asks = [attrs.evolve(past, at=after(START, index)) for index in range(6)]
    policy = GuardPolicy(address=(DebtLimit(1, 0, DAY),), network=(), range=(), block=(), stretch=0)
    words = [str(one.verdict) for one in Replay(policy).judged(asks)]
    assert words == ["work:6", "refused", "refused", "refused", "refused", "work:6"]
