"""The rules of verifications: exact waits for every limit, and ends (docs/contract.md)."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.app_limits import AppSent, app_of, charged_keys, claim_keys, send_claimed_by
from hsp_otp.domain.apps import AppLimits
from hsp_otp.domain.challenge import code_of, next_sends
from hsp_otp.domain.challenge_outcomes import Issued, Locked, NotStanding, Verified
from hsp_otp.domain.client_limits import APP_CHECKS, Charged, recount
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant, after
from hsp_otp.domain.names import ENGLISH, ClientAddress
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.quota import Demand, Limit, Quota, Refusal, UsageKey, headroom
from hsp_otp.domain.send_limits import call_demands, contact_sends
from hsp_otp.domain.slot_record import (
    Challenge,
    Drawn,
    Ended,
    Held,
    LaneRecord,
    Presented,
    Request,
    SlotRecord,
    Success,
)
from hsp_otp.domain.verification import (
    Approval,
    Approved,
    ApprovedBefore,
    ApprovedElsewhere,
    Claimed,
    approve,
    check_once,
    end_of_replaced,
    fall_back,
    start,
    status_of,
)
from hsp_otp.domain.verification_record import NamedValue, Status, Verification, slot_of
from hsp_otp.flows.app_requests import AppRequests
from tests.backend import Shop, other_app
from tests.world import CLIENT, PHONE, START, of_strangers, ring

CONTACT = Contact(ContactKind.PHONE, PHONE)
HERE = ClientAddress(CLIENT)
VALUES = (NamedValue("card", "c1"), NamedValue("user", "u1"))
APP = other_app(
    "shop",
    {
        "limits": AppLimits(sends_per_minute=3, sends_per_day=6, sends_per_client_hour=2),
        "named_limits": {
            "user": (Quota(2, 600 * SECOND), Quota(4, DAY)),
            "card": (Quota(1, HOUR),),
        },
    },
)
POLICY = Policy(
    cooldown=30 * SECOND,
    contact_sends=Quota(4, DAY),
    failures=(Quota(3, DAY), Quota(5, 30 * DAY)),
).for_apps
NOW = after(START, 40 * DAY)
VERIFICATION = Verification(
    id="v1",
    app_id=APP.id,
    purpose=Purpose.PHONE_VERIFICATION,
    contact=CONTACT,
    channel=Channel.SMS,
    language=ENGLISH,
    client=HERE,
    values=VALUES,
    digits=6,
    created_at=NOW,
    expires_at=after(NOW, 600 * SECOND),
)
DRAWN = Drawn(challenge_id="v2", nonce=bytes(16), key_id="k1")


def request(**changes: Any) -> Request:  # noqa: ANN401 - of `Request`
    """A start that every kind of limit judges."""
    requests: AppRequests = attrs.evolve(
        Shop().world.journeys.verification.requests,
        policies={Purpose.PHONE_VERIFICATION: POLICY},
    )
    asked = requests.request(APP, VERIFICATION, Channel.SMS, fixed=None)
    return attrs.evolve(asked, **changes)


REQUEST = request()
CALL = request(
    channel=Channel.VOICE,
    channels=(Channel.SMS, Channel.VOICE),
    call_demands=call_demands(CONTACT, Channel.VOICE, POLICY),
)
SENT = AppSent(app_id=APP.id, contact=CONTACT, client=HERE, values=VALUES)
CALLED = attrs.evolve(SENT, channel=Channel.VOICE)


def instants(most: int, span: int) -> st.SearchStrategy[tuple[Instant, ...]]:
    """Instants before now, oldest first, close to the edges of windows among them."""
    edges = st.sampled_from([0, 1, MINUTE, 600 * SECOND, HOUR, DAY, 30 * DAY])
    ago = st.one_of(
        st.integers(0, span), st.builds(lambda edge, more: edge + more, edges, st.integers(-1, 1))
    )
    return st.lists(ago, max_size=most).map(
        lambda all_: tuple(sorted(Instant(NOW - max(0, one)) for one in all_))
    )


@given(
    usages=st.fixed_dictionaries({key: instants(8, DAY) for key in charged_keys(CALLED)}),
    failures=instants(7, 30 * DAY),
    asked_ago=st.none() | st.integers(0, 2 * MINUTE),
    asked=st.sampled_from([REQUEST, CALL]),
)
def test_the_wait_is_exact(
    usages: dict[UsageKey, tuple[Instant, ...]],
    failures: tuple[Instant, ...],
    asked_ago: int | None,
    asked: Request,
) -> None:
    """For every limit and the lock, waiting admits, and a microsecond less does not."""
    asked_at = None if asked_ago is None else after(NOW, -asked_ago)
    record = of_strangers(failures=failures, asked_at=asked_at)
    held = Held(record, usages)
    outcome = start(held, asked, DRAWN, POLICY, NOW).outcome
    if isinstance(outcome, Issued):
        return
    assert isinstance(outcome, Refusal | Locked)
    assert outcome.retry_at is not None
    early = start(held, asked, DRAWN, POLICY, after(outcome.retry_at, -1))
    assert not isinstance(early.outcome, Issued)
    assert isinstance(start(held, asked, DRAWN, POLICY, outcome.retry_at).outcome, Issued)


@given(
    usages=st.fixed_dictionaries({key: instants(8, DAY) for key in charged_keys(CALLED)}),
    failures=instants(7, 30 * DAY),
    asked_ago=st.none() | st.integers(0, 2 * MINUTE),
)
def test_the_wait_of_each_channel_is_exact(
    usages: dict[UsageKey, tuple[Instant, ...]],
    failures: tuple[Instant, ...],
    asked_ago: int | None,
) -> None:
    """What is told of a channel is the first instant at which a send by it is admitted."""
    asked_at = None if asked_ago is None else after(NOW, -asked_ago)
    held = Held(of_strangers(failures=failures, asked_at=asked_at), usages)
    for channel, at in next_sends(held, CALL, POLICY, NOW).items():
        asked = attrs.evolve(CALL, channel=channel)
        assert at is not None
        assert isinstance(start(held, asked, DRAWN, POLICY, at).outcome, Issued)
        early = start(held, asked, DRAWN, POLICY, after(at, -1)).outcome
        assert at == NOW or not isinstance(early, Issued)


@given(
    usages=st.fixed_dictionaries({key: instants(8, DAY) for key in charged_keys(CALLED)}),
    failures=instants(7, 30 * DAY),
)
def test_a_send_that_takes_the_place_of_another_passes_all_limits_but_the_cooldown(
    usages: dict[UsageKey, tuple[Instant, ...]], failures: tuple[Instant, ...]
) -> None:
    """It is admitted if and only if it would be without a cooldown, and once."""
    free = attrs.evolve(POLICY, cooldown=0, call_cooldown=0)
    live = challenge(send_id="s1")
    held = Held(of_strangers(failures=failures, asked_at=NOW, challenge=live), usages)
    drawn = attrs.evolve(DRAWN, send_id="s2")
    codes = ring("codes")
    decision = fall_back(held, "s1", CALL, drawn, POLICY, ring=codes, now=NOW)
    wanted = start(held, CALL, drawn, free, NOW).outcome
    assert isinstance(decision.outcome, Issued) == isinstance(wanted, Issued)
    if isinstance(decision.outcome, Issued):
        sent = decision.outcome.challenge
        assert (sent.nonce, sent.send_id, sent.channel) == (live.nonce, "s2", Channel.VOICE)
        again = fall_back(decision.becomes, "s1", CALL, drawn, POLICY, ring=codes, now=NOW)
        assert (again.outcome, again.becomes) == (NotStanding(), decision.becomes)
    else:
        assert decision.becomes is held


@given(
    usages=st.fixed_dictionaries({key: instants(8, DAY) for key in charged_keys(SENT)}),
    failures=instants(7, 30 * DAY),
)
def test_a_refusal_charges_nothing(
    usages: dict[UsageKey, tuple[Instant, ...]], failures: tuple[Instant, ...]
) -> None:
    """What is admitted is charged to every key once; what is refused changes nothing."""
    held = Held(of_strangers(failures=failures), usages)
    decision = start(held, REQUEST, DRAWN, POLICY, NOW)
    if isinstance(decision.outcome, Issued):
        for key in charged_keys(SENT):
            assert decision.becomes.usages[key].count(NOW) == usages[key].count(NOW) + 1
    else:
        assert decision.becomes is held


def test_a_run_locks_after_a_hundred() -> None:
    """A hundred wrong guesses in a row lock a user until an operator unlocks; 99 do not."""
    for run, locked in ((99, False), (100, True)):
        held = Held(of_strangers(run=run))
        outcome = start(held, REQUEST, DRAWN, POLICY, NOW).outcome
        assert (outcome == Locked(None)) is locked


def test_a_success_makes_no_device_known() -> None:
    """A right code of an app ends the run of wrong guesses, and no more: it knows no devices."""
    issued = start(Held(of_strangers(run=5)), REQUEST, DRAWN, POLICY, NOW)
    assert isinstance(issued.outcome, Issued)
    held, challenge = issued.becomes, issued.outcome.challenge
    assert held.record.others.asked == ()
    code = code_of(challenge, ring("codes").first, 6)
    decision = check_once(
        held,
        REQUEST,
        Presented(code, "v2"),
        POLICY,
        ring=ring("codes"),
        now=NOW,
        idempotency_key=None,
    )
    assert isinstance(decision.outcome, Verified)
    record = decision.becomes.record
    assert (record.devices, record.others.run) == (None, 0)
    assert decision.becomes.usages == held.usages


@pytest.mark.parametrize(
    ("ago", "outcome"), [(0, Claimed), (15 * SECOND - 1, Claimed), (15 * SECOND, Issued)]
)
def test_a_claim_holds_for_a_moment(ago: int, outcome: type[Claimed | Issued]) -> None:
    """A key that was noted less than 15 s ago is claimed; the row tells of older ones."""
    first, second = claim_keys(("s1", "s2"))
    asked = request(claims=(first, second))
    held = Held(SlotRecord(), {second: (after(NOW, -ago),)})
    assert isinstance(start(held, asked, DRAWN, POLICY, NOW).outcome, outcome)
    becomes = start(Held(), asked, DRAWN, POLICY, NOW).becomes
    assert (becomes.usages[first], becomes.usages.get(second)) == ((NOW,), None)


def test_a_void_claim_is_taken_back() -> None:
    """
    A send without a row, under a key that is admitted again, is charged no more: as often as it
    counts, and neither what others were charged nor what was charged under another key.
    """
    (first,) = claim_keys(("s1",))
    asked = request(claims=(first,))
    assert asked.demands
    heavy = attrs.evolve(asked, demands=tuple(one._replace(weight=2) for one in asked.demands))
    void, other = after(NOW, -20 * SECOND), after(NOW, -40 * SECOND)
    number = contact_sends(CONTACT)
    held = start(Held(usages={number: (other, void)}), heavy, DRAWN, POLICY, void).becomes
    assert held.usages[number] == (other, void, void, void)
    becomes = start(held, heavy, DRAWN, POLICY, NOW).becomes
    assert becomes.usages[number] == (other, void, NOW, NOW)
    assert becomes.usages[first] == (NOW,)
    assert becomes.record.others.asked_at == NOW
    later = attrs.evolve(held.record.others, asked_at=after(void, 1))
    held = attrs.evolve(held, record=attrs.evolve(held.record, others=later))
    assert isinstance(start(held, heavy, DRAWN, POLICY, NOW).outcome, Refusal)


def challenge(**facts: Any) -> Challenge:  # noqa: ANN401 - of `Challenge`
    """A live challenge of an app."""
    fresh = Challenge(
        id="v1",
        flow=Flow.VERIFICATION,
        purpose=Purpose.PHONE_VERIFICATION,
        slot=str(VERIFICATION.slot),
        contact=CONTACT,
        key_id="k1",
        nonce=bytes(16),
        digits=6,
        issued_at=NOW,
        expires_at=after(NOW, 600 * SECOND),
    )
    return attrs.evolve(fresh, **facts)


@pytest.mark.parametrize(
    ("facts", "wait", "status"),
    [
        ({}, 0, Status.PENDING),
        ({}, 600 * SECOND - 1, Status.PENDING),
        ({}, 600 * SECOND, Status.EXPIRED),
        ({"attempts": 3}, 600 * SECOND, Status.MAX_ATTEMPTS_REACHED),
        ({"attempts": 3, "ended": Ended.USED}, 0, Status.APPROVED),
        ({"ended": Ended.CANCELED}, 600 * SECOND, Status.CANCELED),
        ({"ended": Ended.WITHDRAWN}, 0, Status.FAILED),
        ({"id": "v2"}, 0, Status.REPLACED),
        ({"id": "v2"}, 600 * SECOND, Status.EXPIRED),
    ],
)
def test_what_a_slot_tells(facts: dict[str, Any], wait: int, status: Status) -> None:
    """Until an end is noted, the slot tells of it; a noted end stays."""
    record, now = of_strangers(challenge=challenge(**facts)), after(NOW, wait)
    assert status_of(VERIFICATION, record, POLICY, now) is status
    noted = attrs.evolve(VERIFICATION, ended=Status.CANCELED)
    assert status_of(noted, record, POLICY, now) is Status.CANCELED


@pytest.mark.parametrize(
    ("facts", "wait", "status"),
    [
        ({}, 0, Status.REPLACED),
        ({"attempts": 3}, 0, Status.MAX_ATTEMPTS_REACHED),
        ({}, 600 * SECOND, None),
        ({"ended": Ended.USED}, 0, None),
        ({"id": "v2"}, 0, None),
    ],
)
def test_the_end_of_what_is_replaced(
    facts: dict[str, Any], wait: int, status: Status | None
) -> None:
    """A new code notes the end of a live or exhausted one; others have ended, or expired."""
    before, issued = of_strangers(challenge=challenge(**facts)), challenge(id="v2")
    found = end_of_replaced(before, issued, POLICY, after(NOW, wait))
    assert (found and found[1]) == status
    assert end_of_replaced(SlotRecord(), issued, POLICY, NOW) is None


def test_an_approval_stands_once() -> None:
    """The first success is noted; the same check finds it, and any other does not."""
    own = challenge(success=Success(NOW, b"own"))
    first = approve(None, own, NOW)
    assert first.outcome == Approved(Approval(NOW, b"own"))
    again = approve(first.becomes, own, after(NOW, 1))
    assert again.outcome == ApprovedBefore(Approval(NOW, b"own"))
    for other in (challenge(), challenge(success=Success(NOW, b"other"))):
        assert approve(first.becomes, other, NOW).outcome == ApprovedElsewhere()
    assert approve(Approval(NOW), own, NOW).outcome == ApprovedElsewhere()
    assert "own" not in repr(first)


def test_subjects_of_an_app() -> None:
    """A slot is of an app, a purpose, and the user that the backend names, else the contact."""
    assert str(VERIFICATION.slot) == f"phone_verification:app:{APP.id}:{PHONE}"
    named = slot_of(APP.id, Purpose.PASSWORD_RESET, "u1")
    assert str(named) == f"password_reset:app:{APP.id}:u1"


def test_what_a_send_is_charged_to() -> None:
    """A send is charged to the contact, the app, the client if there is one, and each value."""
    assert list(map(str, charged_keys(SENT))) == [
        f"phone_sends:{PHONE}",
        f"app_sends:{APP.id}",
        f"app_client_sends/{APP.id}:{CLIENT}",
        f"named_sends:{APP.id} card c1",
        f"named_sends:{APP.id} user u1",
    ]
    without = AppSent(app_id=APP.id, contact=CONTACT, client=None)
    assert charged_keys(without) == (contact_sends(CONTACT), UsageKey("app_sends", APP.id))
    assert {app_of(key) for key in charged_keys(SENT)[3:]} == {APP.id}
    assert [send_claimed_by(key) for key in (*claim_keys(("s1",)), contact_sends(CONTACT))] == [
        "s1",
        None,
    ]


def test_checks_of_an_app_are_recounted() -> None:
    """The rows of checks rebuild what an app's client was charged, for the address alone."""
    scope = f"{APP_CHECKS}{APP.id}"
    rows = [Charged(at=at, client=HERE, scopes=(scope,)) for at in (NOW, START)]
    assert recount(rows) == {UsageKey(scope, CLIENT): (START, NOW)}


def test_what_is_off_has_no_headroom() -> None:
    """A quota that is off is not told."""
    off = Demand(limit=Limit.APP, key=UsageKey("app_sends", "a"), quotas=(Quota(0, DAY),))
    assert headroom({}, (off,), NOW) == ()


def test_a_lane_of_an_app_knows_no_strangers() -> None:
    """What holds strangers back from each other does not exist for codes of apps."""
    assert (POLICY.asks_for_work, POLICY.binds_guesses, POLICY.fresh_for) == (False, False, 0)
    assert LaneRecord() == SlotRecord().others
