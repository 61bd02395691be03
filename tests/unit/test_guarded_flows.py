"""The guard in the journeys: docs/contract.md, 3a."""

from collections.abc import Iterator
from typing import Any, Final

import attrs
import pytest

from hsp_otp.adapters.memory import MemorySlots
from hsp_otp.domain import ledger as ledgers
from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.audit import DebtRow, PaidRow
from hsp_otp.domain.budgets import Budget, BudgetKey, Caps
from hsp_otp.domain.challenge import let
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.guard import (
    Debt,
    Group,
    GuardMode,
    GuardPolicy,
    KnownBy,
    LedgerKey,
    read_reasons,
    verdict_word,
)
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, after
from hsp_otp.domain.ledger import Ledger
from hsp_otp.domain.names import ClientAddress, SessionId
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.prices import Prices, SenderPrices
from hsp_otp.domain.quota import Limit, Quota, Refusal
from hsp_otp.domain.signup import slot_of
from hsp_otp.domain.slot_record import Held, Owed
from hsp_otp.domain.verification_record import Status
from hsp_otp.flows.assembly import GuardNumbers
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.otp import Undelivered, WorkPosed
from hsp_otp.flows.signup import Proved, SignupCodeSent, SignupSendOutcome
from hsp_otp.flows.verification_outcomes import NotDelivered, Prospect, Refused, Sent, Success
from hsp_otp.ports.failures import SendFailed, Unavailable
from tests.backend import SHOP, Shop
from tests.world import PHONE, SIGNUP_POLICY, START, Outbox, World, run

PRICE: Final = 80_000

PRICES: Final = Prices(
    {
        "outbox": SenderPrices({"IN": PRICE}),
        "voice": SenderPrices({"IN": 2 * PRICE}),
    }
)

NEIGHBOURS: Final = [f"+91987654{number:04}" for number in range(3210, 3290)]
"""Numbers of one range."""

SIGNUP: Final = BudgetKey("signup", "IN")


def guarded(mode: GuardMode = GuardMode.ENFORCE, **numbers: Any) -> World:  # noqa: ANN401
    """A world with a guard; nobody is asked for work, and nothing is lent beyond the limits."""
    policy = numbers.pop("policy", GuardPolicy(stretch=0))
    senders: dict[Channel, tuple[str, ...]] = dict.fromkeys(Channel, ("outbox",))
    senders[Channel.VOICE] = ("outbox", "voice")
    return World(
        signup_policy=attrs.evolve(SIGNUP_POLICY, asks_for_work=numbers.pop("works", False)),
        guard=GuardNumbers(mode=mode, policy=policy, prices=PRICES, senders=senders, **numbers),
    )


def strangers() -> Iterator[str]:
    """Addresses of as many networks."""
    return (f"10.{one // 250}.{one % 250}.1" for one in range(1000))


def ask(world: World, phones: list[str]) -> list[SignupSendOutcome]:
    """Ask for a code for each number, from a network each."""
    return [
        world.sign_up(phone, client=client)
        for phone, client in zip(phones, strangers(), strict=False)
    ]


def words(outcomes: list[SignupSendOutcome]) -> list[str]:
    """The words of outcomes."""
    return [one.word for one in outcomes]


def ledger(world: World, key: LedgerKey) -> Ledger:
    """What a group owes."""

    def look(held: Held) -> Decision[Held, Ledger]:
        return Decision(held.ledgers[key], held)

    return run(world.slots.transition(slot_of(PhoneNumber(PHONE)), (key,), look))


def owed(world: World, group: Group = Group.RANGE, who: str = "signup +91987654") -> int:
    """The messages that a group owes today."""
    return ledgers.owed(ledger(world, LedgerKey(group, who)), DAY, world.clock.now())


def budget(world: World, key: BudgetKey = SIGNUP) -> tuple[int, int, int]:
    """What was spent, what is owed, and what was verified, once every lease is given back."""
    now = world.clock.now()
    run(world.journeys.spending.close(now))
    one = world.budgets.stored.get(key, Budget())
    return (
        ledgers.owed(one.spent, DAY, now),
        ledgers.owed(one.debt, DAY, now),
        sum(one.debt.verified_hours.amounts),
    )


def owed_in(world: World, phone: str = PHONE) -> tuple[Owed, ...]:
    """What is owed of the sends to *phone*."""

    def look(held: Held) -> Decision[Held, tuple[Owed, ...]]:
        return Decision(held.record.owed, held)

    return run(world.slots.transition(slot_of(PhoneNumber(phone)), (), look))


class Forgetful(MemorySlots):
    """Slots whose ledgers do not answer while they are away."""

    is_away = False

    async def transition(self, slot, keys, decide):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """Keep the promise of `SlotRepository.transition`."""
        if self.is_away and any(isinstance(key, LedgerKey) for key in keys):
            raise Unavailable("away")
        return await MemorySlots.transition(self, slot, keys, decide)


# --- Ranges, and what pays for them


def test_many_addresses_for_numbers_of_one_range_are_stopped() -> None:
    """Three unverified messages to a range in a day, whoever asks; the answer says why, when."""
    world = guarded()
    outcomes = ask(world, NEIGHBOURS[:5])
    assert words(outcomes) == [*["sent"] * 3, *["range_rate_limited"] * 2]
    refused = outcomes[-1]
    assert isinstance(refused, Refusal)
    assert (refused.limit, refused.retry_at) == (Limit.RANGE, after(START, 25 * HOUR))
    assert len(world.outbox.sent) == 3
    assert (owed(world), budget(world)[:2]) == (3, (3 * PRICE, 3 * PRICE))


def test_a_range_whose_codes_are_entered_is_not_stopped() -> None:
    """Every right code pays for its message."""
    world = guarded()
    for phone, client in zip(NEIGHBOURS[:20], strangers(), strict=False):
        outcome = world.sign_up(phone, client=client)
        assert isinstance(outcome, SignupCodeSent)
        assert isinstance(world.prove(world.outbox.codes[-1], outcome.session_id), Proved)
    assert (owed(world), budget(world)) == (0, (20 * PRICE, 0, 20 * PRICE))
    assert len(world.audit.paid) == 20
    assert world.audit.paid[0] == PaidRow(
        send_id=world.audit.debts[0].send_id, at=START, is_verified=True
    )


def test_a_right_code_pays_for_all_sends_of_its_slot() -> None:
    """Those that were asked for before, by others too."""
    world = guarded()
    first = world.sign_up(client="10.0.0.1")
    world.clock.advance(2 * MINUTE)
    second = world.sign_up(client="10.0.1.1")
    assert isinstance(first, SignupCodeSent)
    assert isinstance(second, SignupCodeSent)
    assert owed(world) == 2
    assert isinstance(
        world.prove(world.outbox.codes[-1], second.session_id, client="10.0.1.1"), Proved
    )
    assert owed(world) == owed(world, Group.ADDRESS, "signup 10.0.0.1") == 0
    assert owed_in(world) == ()
    assert [row.send_id for row in world.audit.paid] == [row.send_id for row in world.audit.debts]
    verified = ledger(world, LedgerKey(Group.RANGE, "signup +91987654")).verified_days
    assert verified.amounts == (2,)


def test_a_lost_pay_back_makes_the_guard_stricter() -> None:
    """The code stays right, and the message stays owed."""
    world = guarded()
    forgetful = Forgetful(world.audit)
    world.slots = forgetful
    outcome = world.sign_up()
    assert isinstance(outcome, SignupCodeSent)
    forgetful.is_away = True
    assert isinstance(world.prove(world.outbox.codes[-1], outcome.session_id), Proved)
    forgetful.is_away = False
    assert (owed(world), budget(world)) == (1, (PRICE, PRICE, 0))
    assert world.audit.paid == []


@pytest.mark.parametrize("client", ["10.0.0.1", "10.0.0.{}"])
def test_who_asks_may_owe_little(client: str) -> None:
    """Six messages of one address, or eight of one network, to whatever numbers."""
    world = guarded()
    world.signup_policy = attrs.evolve(world.signup_policy, client_sends=())
    phones = [f"+9198{number:02}000000" for number in range(10, 22)]
    outcomes = [
        world.sign_up(phone, client=client.format(number)) for number, phone in enumerate(phones)
    ]
    most = 8 if "{" in client else 6
    assert words(outcomes) == [*["sent"] * most, *["rate_limited"] * (12 - most)]


def test_a_refused_ask_changes_nothing() -> None:
    """No ledger, budget or usage of an ask that is refused a hundred times differs by a byte."""
    world = guarded()
    ask(world, NEIGHBOURS[:3])
    before = (dict(world.slots._ledgers), dict(world.slots._usages), budget(world))  # noqa: SLF001
    for _ in range(100):
        assert world.sign_up(NEIGHBOURS[3], client="10.9.9.9").word == "range_rate_limited"
    after_it = (dict(world.slots._ledgers), dict(world.slots._usages), budget(world))  # noqa: SLF001
    assert before == after_it
    assert len(world.audit.debts) == len(world.audit.sends) == 3


def test_the_longer_wait_answers() -> None:
    """Of a limit on sends and the guard."""
    world = guarded()
    ask(world, NEIGHBOURS[:3])
    # The cooldown of the number is 30 s, and its range is full until tomorrow.
    refused = world.sign_up(NEIGHBOURS[0], client="10.0.0.1")
    assert isinstance(refused, Refusal)
    assert refused.limit is Limit.RANGE
    one_a_day = attrs.evolve(SIGNUP_POLICY, contact_sends=Quota(1, 2 * DAY))
    world = guarded()
    world.signup_policy = one_a_day
    ask(world, NEIGHBOURS[:3])
    refused = world.sign_up(NEIGHBOURS[0], client="10.0.0.1")
    assert isinstance(refused, Refusal)
    assert (refused.limit, refused.assessment) == (Limit.CONTACT_SENDS, None)
    assert world.audit.rows[-1].verdict is None


def test_the_wait_suffices() -> None:
    """At that instant the same ask is admitted, and not an hour before."""
    world = guarded()
    refused = ask(world, NEIGHBOURS[:4])[-1]
    assert isinstance(refused, Refusal)
    world.clock.advance(refused.retry_at - START - HOUR)
    assert world.sign_up(NEIGHBOURS[3], client="10.9.9.9").word == "range_rate_limited"
    world.clock.advance(HOUR)
    assert world.sign_up(NEIGHBOURS[3], client="10.9.9.9").word == "sent"


# --- Work


def test_a_range_that_is_nearly_full_asks_for_work() -> None:
    """One side is full: what the stretch lends costs the dearest work."""
    world = guarded(policy=GuardPolicy(), works=True)
    assert words(ask(world, NEIGHBOURS[:3])) == ["sent"] * 3
    posed = world.sign_up(NEIGHBOURS[3], client="10.9.9.9")
    assert isinstance(posed, WorkPosed)
    payload = str(posed.work.parameters["solution"])
    assert payload.split("|")[1] == "6"
    row = world.audit.rows[-1]
    assert (row.outcome, row.verdict) == ("work_required", "stretch")
    caller = Caller(ClientAddress("10.9.9.9"), "r1", work=payload)
    sent = run(world.signup.send(PhoneNumber(NEIGHBOURS[3]), None, caller))
    assert isinstance(sent, SignupCodeSent)
    assert world.audit.debts[-1].debt is Debt.STRETCH
    assert world.audit.rows[-1].verdict == "stretch"


def test_what_is_nearly_full_asks_for_little_work() -> None:
    """From 80 % on an ask costs work, more and more."""
    world = guarded(works=True, policy=GuardPolicy(range=(), stretch=0))
    outcomes = ask(world, NEIGHBOURS[:6])
    assert words(outcomes) == [*["sent"] * 4, "work_required", "work_required"]
    row = world.audit.rows[-1]
    assert row.verdict == "work:1"
    assert row.reasons == "block 5/6 24h"


# --- Caps


def test_the_cap_of_a_region() -> None:
    """No message more than the cap allows, verified or not."""
    world = guarded(caps=Caps(region=2 * PRICE + PRICE // 2))
    phones = [f"+9198{number:02}000000" for number in range(10, 14)]
    outcomes = ask(world, phones)
    assert words(outcomes) == ["sent", "sent", "region_rate_limited", "region_rate_limited"]
    refused = outcomes[-1]
    assert isinstance(refused, Refusal)
    assert refused.retry_at == after(START, 25 * HOUR)
    row = world.audit.rows[-1]
    assert (row.verdict, row.reasons) == ("refused", "region-cap 0.24/0.20$ 24h")
    assert budget(world)[0] == 2 * PRICE


def test_the_cap_of_a_flow_is_its_own() -> None:
    """Signup never uses what pass login may spend."""
    world = guarded(caps=Caps(default=PRICE, region=0))
    world.add()
    assert world.sign_up(NEIGHBOURS[5]).word == "sent"
    assert world.sign_up(NEIGHBOURS[6], client="10.7.7.7").word == "spend_limited"
    assert world.send().word == "sent"
    assert budget(world, BudgetKey("pass_login", None))[0] == PRICE


def test_pass_login_owes_nobody_anything() -> None:
    """Its numbers are the operator's own: caps alone judge it."""
    world = guarded(caps=Caps(default=2 * PRICE, region=0))
    for number in range(3):
        world.add(f"HSP-0000-000{number}", user=f"u{number}", phone=NEIGHBOURS[number])
    sent = [world.send(f"HSP-0000-000{number}", client=f"10.0.{number}.1") for number in range(3)]
    assert [one.word for one in sent] == ["sent", "sent", "spend_limited"]
    assert world.audit.debts == []
    assert owed(world, Group.RANGE, "pass_login +91987654") == 0
    row = world.audit.rows[-1]
    assert (row.price, row.spent_by, row.verdict) == (PRICE, "outbox", "refused")
    row = next(row for row in world.audit.rows if row.outcome == "sent")
    assert (row.price, row.verdict, row.reasons) == (PRICE, None, None)


def test_an_operator_lets_an_address_past_the_groups_and_not_past_a_cap() -> None:
    """Nor does anybody owe such a message."""
    world = guarded(caps=Caps(default=4 * PRICE, region=0))
    ask(world, NEIGHBOURS[:3])
    client = ClientAddress("10.8.8.8")
    for phone in NEIGHBOURS[3:5]:
        slot = slot_of(PhoneNumber(phone))
        run(world.slots.transition(slot, (), lambda held: let(held, client, START)))
    admitted = [world.sign_up(phone, client=client.value) for phone in NEIGHBOURS[3:6]]
    assert words(admitted) == ["sent", "spend_limited", "range_rate_limited"]
    assert (owed(world), len(world.audit.debts)) == (3, 3)


def test_a_full_lock_gives_the_money_back() -> None:
    """An ask that is refused by any limit spends nothing."""
    world = guarded()
    assert world.sign_up().word == "sent"
    assert world.sign_up().word == "resend_too_soon"
    assert budget(world)[0] == PRICE


def test_a_store_that_is_away_gives_the_money_back() -> None:
    """No message goes out, so nothing is spent."""
    world = guarded()
    forgetful = Forgetful(world.audit)
    forgetful.is_away = True
    world.slots = forgetful
    with pytest.raises(Unavailable):
        world.sign_up()
    assert budget(world)[0] == 0


# --- What is recorded


def test_the_row_of_an_admitted_ask() -> None:
    """Price, sender and verdict; and the row of what is owed, without a contact."""
    world = guarded()
    ask(world, NEIGHBOURS[:2])
    row = world.audit.rows[-1]
    assert (row.price, row.spent_by) == (PRICE, "outbox")
    assert (row.verdict, row.reasons, row.known_by) == ("free", None, None)
    assert world.audit.debts[-1] == DebtRow(
        send_id=world.audit.sends[-1].id,
        at=START,
        account="signup",
        range="+91987654",
        client=ClientAddress("10.0.1.1"),
        debt=Debt.ALL,
        price=PRICE,
    )


def test_reasons_are_sufficient() -> None:
    """The verdict of a row follows from its reasons alone."""
    world = guarded()
    ask(world, NEIGHBOURS[:5])
    row = world.audit.rows[-1]
    assert row.outcome == "range_rate_limited"
    assert row.reasons == "range 4/3 24h"
    assert verdict_word(read_reasons(row.reasons)) == row.verdict == "refused"
    assert row.retry_at == after(START, 25 * HOUR)


def test_recording_refuses_by_caps_alone() -> None:
    """It writes what it would have said, and owes nothing that it would have refused."""
    world = guarded(GuardMode.RECORD, works=True, caps=Caps(default=6 * PRICE, region=0))
    outcomes = ask(world, NEIGHBOURS[:7])
    assert words(outcomes) == [*["sent"] * 6, "spend_limited"]
    verdicts = [row.verdict for row in world.audit.rows]
    assert verdicts == [*["free"] * 3, *["refused"] * 4]
    assert owed(world) == len(world.audit.debts) == 3
    assert budget(world)[:2] == (6 * PRICE, 3 * PRICE)


def test_no_guard() -> None:
    """It neither judges nor caps, and writes nothing."""
    world = guarded(GuardMode.OFF, caps=Caps(default=1, region=1))
    assert words(ask(world, NEIGHBOURS[:6])) == ["sent"] * 6
    assert {row.verdict for row in world.audit.rows} == {None}
    assert {row.price for row in world.audit.rows} == {None}
    assert world.audit.debts == []
    assert world.budgets.stored == {}


# --- Known numbers


def test_a_known_number_is_not_judged_by_its_range() -> None:
    """It verified here, and its range is full; it may owe three messages at a time."""
    world = guarded()
    outcome = world.sign_up(NEIGHBOURS[9])
    assert isinstance(outcome, SignupCodeSent)
    assert isinstance(world.prove(world.outbox.codes[-1], outcome.session_id), Proved)
    world.clock.advance(HOUR)
    # A verified one makes room for another.
    assert words(ask(world, NEIGHBOURS[:5])) == [*["sent"] * 4, "range_rate_limited"]
    known = []
    for number in range(4):
        world.clock.advance(HOUR)
        known.append(world.sign_up(NEIGHBOURS[9], client=f"10.8.{number}.1"))
    assert words(known) == [*["sent"] * 3, "range_rate_limited"]
    row = world.audit.rows[-2]
    assert (row.known_by, row.verdict) == (KnownBy.NUMBER, "free")
    assert world.audit.debts[-1].debt is Debt.CLIENT
    assert owed(world, Group.ADDRESS, "signup 10.8.2.1") == 1
    assert owed(world) == 4
    assert world.audit.rows[-1].known_by is None


def test_a_known_device_is_not_judged_by_its_range() -> None:
    """The audit tells that the device was known."""
    world = guarded()
    outcome = world.sign_up(NEIGHBOURS[9])
    assert isinstance(outcome, SignupCodeSent)
    proved = world.prove(world.outbox.codes[-1], outcome.session_id)
    assert isinstance(proved, Proved)
    world.clock.advance(HOUR)
    ask(world, NEIGHBOURS[:4])
    caller = Caller(ClientAddress("10.8.8.8"), "r1", devices=(proved.device_token,))
    again = run(world.signup.send(PhoneNumber(NEIGHBOURS[9]), None, caller))
    assert isinstance(again, SignupCodeSent)
    assert world.audit.rows[-1].known_by is KnownBy.DEVICE


# --- Messages that do not arrive


def test_a_message_that_no_sender_took_is_owed_by_nobody() -> None:
    """Its money stays spent, since a sender may have taken it."""
    world = guarded()
    world.outbox.failure = SendFailed("away")
    outcome = world.sign_up()
    assert isinstance(outcome, Undelivered)
    assert (owed(world), budget(world)) == (0, (PRICE, 0, 0))
    (paid,) = world.audit.paid
    assert (paid.send_id, paid.is_verified) == (world.audit.debts[0].send_id, False)
    row = world.audit.rows[-1]
    assert (world.audit.rows[-1].outcome, row.price, row.verdict) == (
        "sms_failed",
        PRICE,
        "free",
    )


@pytest.mark.parametrize("state", [DeliveryState.UNDELIVERED, DeliveryState.FAILED])
def test_a_receipt_forgives_once(state: DeliveryState) -> None:
    """Nobody is to blame for a message that does not arrive, however often that is reported."""
    world = guarded()
    ask(world, NEIGHBOURS[:2])
    for _ in range(3):
        world.report("outbox", "message-1", state)
    assert (owed(world), budget(world)) == (1, (2 * PRICE, PRICE, 0))
    assert len(world.audit.paid) == 1


def test_a_code_of_a_forgiven_message_may_still_be_right() -> None:
    """Then nothing is left to pay."""
    world = guarded()
    outcome = world.sign_up()
    assert isinstance(outcome, SignupCodeSent)
    world.report("outbox", "message-1", DeliveryState.UNDELIVERED)
    assert isinstance(world.prove(world.outbox.codes[-1], outcome.session_id), Proved)
    assert budget(world) == (PRICE, 0, 0)
    assert len(world.audit.paid) == 1


def test_a_receipt_of_another_day_forgives_nothing() -> None:
    """A day after its send a message stays owed."""
    world = guarded()
    ask(world, NEIGHBOURS[:1])
    world.clock.advance(DAY + MINUTE)
    world.report("outbox", "message-1", DeliveryState.UNDELIVERED)
    assert world.audit.paid == []


def test_a_session_that_ended_meanwhile_owes_nothing() -> None:
    """Its message was never handed over."""
    world = guarded()
    session = SessionId("s" * 22)
    assert world.sign_up(session=session).word == "session_not_found"
    assert world.audit.debts == []


# --- Apps


def shop(**numbers: Any) -> Shop:  # noqa: ANN401 - of `guarded`
    """An app under the guard."""
    told = Shop(guarded(**numbers))
    told.world.apps.stored = Tenants(apps=(told.app,))
    return told


def test_apps_have_ranges_of_their_own() -> None:
    """What one app's numbers owe is not what signup's owe; and there are other ways to ask."""
    told = shop()
    assert words(ask(told.world, NEIGHBOURS[:4]))[-1] == "range_rate_limited"
    for phone in NEIGHBOURS[:3]:
        assert isinstance(told.start(phone), Sent)
    refused = told.start(NEIGHBOURS[3])
    assert isinstance(refused, Refused)
    assert refused.word == "range_rate_limited"
    assert set(refused.next.values()) == {after(START, 25 * HOUR)}
    row = told.world.audit.rows[-1]
    assert (row.facts.app, row.verdict) == ("shop", "refused")
    assert told.world.audit.debts[-1].account == SHOP.id
    assert told.world.audit.debts[-1].client is None


def test_a_check_of_an_app_pays() -> None:
    """The money of the app's own budget, by the rows of its own sends."""
    told = shop()
    view = told.sent().view
    told.world.clock.advance(MINUTE)
    assert isinstance(told.resend(view.verification.id), Sent)
    assert owed(told.world, Group.RANGE, f"{SHOP.id} +91987654") == 2
    success = told.check(view.verification.id, told.world.outbox.codes[-1])
    assert isinstance(success, Success)
    assert owed(told.world, Group.RANGE, f"{SHOP.id} +91987654") == 0
    assert budget(told.world, BudgetKey(SHOP.id, "IN")) == (2 * PRICE, 0, 2 * PRICE)
    assert {row.send_id for row in told.world.audit.paid} == {
        row.id for row in told.world.audit.sends
    }


def test_what_was_sent_to_another_number_of_a_user_stays_owed() -> None:
    """A right code pays for its own number alone."""
    told = shop()
    told.sent(NEIGHBOURS[0], subject="u1")
    told.world.clock.advance(MINUTE)
    view = told.sent("+919812345678", subject="u1").view
    assert isinstance(told.check(view.verification.id, told.world.outbox.codes[-1]), Success)
    assert owed(told.world, Group.RANGE, f"{SHOP.id} +91987654") == 1
    assert owed(told.world, Group.RANGE, f"{SHOP.id} +91981234") == 0


def test_standing_tells_of_the_guard_and_spends_nothing() -> None:
    """A look at what a start would meet."""
    told = shop()
    for phone in NEIGHBOURS[:3]:
        told.sent(phone)
    prospect = told.standing(NEIGHBOURS[3])
    assert isinstance(prospect, Prospect)
    why = prospect.prospects.why
    assert isinstance(why, Refusal)
    assert why.limit is Limit.RANGE
    assert budget(told.world, BudgetKey(SHOP.id, "IN"))[0] == 3 * PRICE


def test_a_channel_that_takes_over_pays_its_own_price() -> None:
    """The message that no sender took is forgiven; the call is owed."""
    told = shop()
    channels = {ContactKind.PHONE: (Channel.SMS, Channel.VOICE), ContactKind.EMAIL: ()}
    told.app = attrs.evolve(SHOP, rules=attrs.evolve(SHOP.rules, channels=channels))
    told.world.apps.stored = Tenants(apps=(told.app,))
    told.world.outboxes = {
        Channel.SMS: Outbox(failure=SendFailed("away"), name="sms"),
        Channel.VOICE: Outbox(name="voice"),
    }
    assert told.sent().view.channel is Channel.VOICE
    assert [row.price for row in told.world.audit.debts] == [PRICE, 2 * PRICE]
    assert [row.is_verified for row in told.world.audit.paid] == [False]
    assert budget(told.world, BudgetKey(SHOP.id, "IN")) == (3 * PRICE, 2 * PRICE, 0)
    told.world.report("voice", "message-1", DeliveryState.FAILED)
    assert budget(told.world, BudgetKey(SHOP.id, "IN")) == (3 * PRICE, 0, 0)


def test_a_receipt_of_an_app_forgives_before_it_falls_back() -> None:
    """So that the next channel finds room."""
    told = shop(caps=Caps(region=3 * PRICE))
    channels = {ContactKind.PHONE: (Channel.SMS, Channel.VOICE), ContactKind.EMAIL: ()}
    told.app = attrs.evolve(SHOP, rules=attrs.evolve(SHOP.rules, channels=channels))
    told.world.apps.stored = Tenants(apps=(told.app,))
    told.world.outboxes = {Channel.SMS: Outbox(name="sms"), Channel.VOICE: Outbox(name="voice")}
    told.sent()
    told.world.report("sms", "message-1", DeliveryState.UNDELIVERED)
    assert [row.channel for row in told.world.audit.sends] == [Channel.SMS, Channel.VOICE]
    assert owed(told.world, Group.RANGE, f"{SHOP.id} +91987654") == 1
    told.world.clock.advance(MINUTE)
    assert told.start().word == "region_rate_limited"


def test_nothing_that_no_sender_takes_is_owed_by_an_app() -> None:
    """The verification has failed, and nobody owes its message."""
    told = shop()
    told.world.outbox.failure = SendFailed("away")
    assert isinstance(told.start(), NotDelivered)
    assert owed(told.world, Group.RANGE, f"{SHOP.id} +91987654") == 0
    assert [one.ended for one in told.world.audit.verifications.values()] == [Status.FAILED]
    assert told.world.audit.rows[-1].price == PRICE


def test_an_e_mail_is_not_judged() -> None:
    """It costs nothing."""
    told = shop(caps=Caps(default=1, region=1))
    rules = attrs.evolve(
        SHOP.rules,
        channels={ContactKind.PHONE: (Channel.SMS,), ContactKind.EMAIL: (Channel.EMAIL,)},
    )
    told.app = attrs.evolve(SHOP, rules=rules)
    assert isinstance(told.start("ada@example.com"), Sent)
    assert told.world.audit.rows[-1].price is None
    assert told.start().word == "region_rate_limited"


def test_a_test_contact_is_not_judged() -> None:
    """Nothing is sent to it."""
    told = shop(caps=Caps(default=1, region=1))
    told.add_test_contact()
    assert isinstance(told.start(), Sent)
    assert told.world.budgets.stored == {}


def test_the_senders_of_an_app_have_their_price() -> None:
    """The dearest of those that the app names."""
    told = shop()
    rules = attrs.evolve(SHOP.rules, senders={Channel.SMS: ("voice",)})
    told.app = attrs.evolve(SHOP, rules=rules)
    assert isinstance(told.start(), Sent)
    row = told.world.audit.rows[-1]
    assert (row.price, row.spent_by) == (2 * PRICE, "voice")


def test_a_claim_without_a_row_is_forgiven() -> None:
    """A send that never went out is owed by nobody once its key is used again."""
    told = shop()
    audit, world = told.world.audit, told.world
    told.sent(key="k1")
    audit.sends.clear()
    audit.verifications.clear()
    world.clock.advance(MINUTE)
    told.sent(key="k1")
    assert owed(world, Group.RANGE, f"{SHOP.id} +91987654") == 1


def test_texts_are_counted_once_and_not_kept_without_end() -> None:
    """Beyond a thousand texts, the counts are made again."""
    guard, counted = guarded().journeys.otp.guard, list[int]()

    def count() -> int:
        counted.append(1)
        return 2

    for text in (*range(1_000), 0, 1_000, 0):
        assert guard._segments_of(text, count) == 2  # noqa: SLF001 - there is no other way to see
    assert len(counted) == 1_002
