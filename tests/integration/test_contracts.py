"""What the docstrings of the ports promise, over every store."""

import asyncio
from collections.abc import Callable

import attrs
import pytest

from hsp_otp.adapters.redis import client
from hsp_otp.adapters.sql import connections
from hsp_otp.domain.audit import Action, AuditRow, HandedOverRow, SendRow, SignInRow
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, SECOND, Instant, after
from hsp_otp.domain.names import ClientAddress, PassCode, SessionId
from hsp_otp.domain.passes import Pass, PaymentStatus, User
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.quota import Usage, UsageKey, Usages
from hsp_otp.domain.refresh_tokens import AlreadyBegan, Began, Family, RefreshToken, begin
from hsp_otp.domain.signup import AlreadyRecorded, Recorded, SignupSession, SignupStep, record
from hsp_otp.domain.slot_record import Challenge, Ended, Held, SlotRecord
from hsp_otp.ports.failures import Unavailable
from tests.audit_rows import row_of
from tests.integration.behind import PATIENCE_SECONDS
from tests.integration.stores import Stores, Told
from tests.world import CLIENT, PHONE, START, of_run, of_strangers, ring, slot_of

pytestmark = pytest.mark.anyio

SLOT = slot_of("u1")
PHONE_SENDS = UsageKey("phone_sends", PHONE)
CLIENT_SENDS = UsageKey("pass_login_sends", CLIENT)
BOTH = (PHONE_SENDS, CLIENT_SENDS)
CHECKS = UsageKey("checks", CLIENT)


def one_more(held: Held) -> Decision[Held, int]:
    """Add a charge to every usage and a guess to the run; tells how many there were."""
    count = held.record.others.run
    return Decision(
        count,
        Held(
            of_run(held.record, count + 1),
            {key: (*usage, after(START, count)) for key, usage in held.usages.items()},
        ),
    )


def look(held: Held) -> Decision[Held, Held]:
    """Change nothing, and tell what is held."""
    return Decision(held, held)


def check_more(usages: Usages) -> Decision[Usages, int]:
    """Add a charge to every usage; tells how many the first had."""
    becomes = {key: (*usage, after(START, len(usage))) for key, usage in usages.items()}
    return Decision(len(next(iter(usages.values()))), becomes)


def look_at_checks(usages: Usages) -> Decision[Usages, Usage]:
    """Change nothing, and tell the first usage."""
    return Decision(next(iter(usages.values())), usages)


def beginning(challenge_id: str) -> Callable[[Family | None], Decision[Family | None, object]]:
    """The beginning of the family of *challenge_id*."""
    token = RefreshToken.mint(ring("refresh").first, challenge_id, bytes(range(32)))

    def decide(held: Family | None) -> Decision[Family | None, object]:
        decision = begin(
            held,
            token=token,
            family_id=challenge_id,
            user_id="u1",
            pass_code=PassCode("HSP-1234-5678"),
            purpose=Purpose.PHONE_VERIFICATION,
            channel=Channel.SMS,
            lifetime=30 * DAY,
            now=START,
        )
        return Decision(decision.outcome, decision.becomes, decision.rows)

    return decide


def audit_row(
    outcome: str = "otp_expired", request_id: str = "r1", at: Instant = START
) -> AuditRow:
    """A row of some request."""
    return row_of(
        at=at,
        flow=Flow.PASS_LOGIN,
        purpose=Purpose.PHONE_VERIFICATION,
        action=Action.CHECK,
        outcome=outcome,
        client=ClientAddress(CLIENT),
        request_id=request_id,
    )


def send_row(challenge_id: str) -> SendRow:
    """The row of some send."""
    return SendRow(
        id=challenge_id,
        at=START,
        flow=Flow.PASS_LOGIN,
        purpose=Purpose.PHONE_VERIFICATION,
        slot=str(SLOT),
        contact=PHONE,
        client=ClientAddress(CLIENT),
    )


def a_pass(code: str = "HSP-1234-5678", phone: str | None = PHONE) -> Pass:
    """A paid pass of a user."""
    return Pass(
        code=PassCode(code),
        user=User(
            id="u1",
            email="asha@example.com",
            first_name="Asha",
            last_name="Rao",
            phone=None if phone is None else PhoneNumber(phone),
        ),
        payment_status=PaymentStatus.PAID,
        plan_name="Gold",
        expires_at=after(START, DAY),
    )


async def test_a_slot_nobody_touched_is_empty(stores: Stores) -> None:
    """A slot of which nothing is known is the empty record, and its usages are empty."""
    held = await stores.slots.transition(SLOT, BOTH, look)
    assert held == Held(SlotRecord(), {PHONE_SENDS: (), CLIENT_SENDS: ()})


async def test_decide_sees_the_latest_committed_state(stores: Stores) -> None:
    """Each transition of a slot sees what the one before it left."""
    assert [await stores.slots.transition(SLOT, BOTH, one_more) for _ in range(3)] == [0, 1, 2]
    held = await stores.slots.transition(SLOT, BOTH, look)
    three = (START, after(START, 1), after(START, 2))
    assert held == Held(of_strangers(run=3), {PHONE_SENDS: three, CLIENT_SENDS: three})


async def test_a_whole_record_comes_back_as_it_was(stores: Stores) -> None:
    """Everything that a challenge and its slot hold survives being stored."""
    record = of_strangers(
        challenge=Challenge(
            id="c1",
            flow=Flow.PASS_LOGIN,
            purpose=Purpose.PHONE_VERIFICATION,
            slot=str(SLOT),
            contact=Contact(ContactKind.PHONE, PHONE),
            session="s1",
            key_id="k1",
            nonce=bytes(range(240, 256)),
            issued_at=START,
            expires_at=after(START, 600 * SECOND),
            attempts=2,
            ended=Ended.WITHDRAWN,
        ),
        asked_at=START,
        failures=(START, after(START, 1)),
        run=2,
    )
    await stores.slots.transition(SLOT, (), lambda held: Decision(None, Held(record, held.usages)))
    assert (await stores.slots.transition(SLOT, (), look)).record == record


async def test_slots_and_usages_are_kept_apart(stores: Stores) -> None:
    """What is done to one slot or usage is seen in no other."""
    await stores.slots.transition(SLOT, (PHONE_SENDS,), one_more)
    held = await stores.slots.transition(slot_of("u2"), (CLIENT_SENDS,), look)
    assert held == Held(SlotRecord(), {CLIENT_SENDS: ()})


async def test_the_counter_sees_the_latest_committed_state(stores: Stores) -> None:
    """Each transition of a usage sees what the one before it left."""
    assert [await stores.usage.transition((CHECKS,), check_more) for _ in range(3)] == [0, 1, 2]
    held = await stores.usage.transition((CHECKS,), look_at_checks)
    assert held == (START, after(START, 1), after(START, 2))


async def test_a_family_begins_once(stores: Stores) -> None:
    """Of many beginnings of one family one is the first, and all others see it."""
    many = [stores.families.transition("c1", beginning("c1")) for _ in range(20)]
    outcomes = await asyncio.gather(*many)
    assert [type(outcome) for outcome in outcomes].count(Began) == 1
    assert [type(outcome) for outcome in outcomes].count(AlreadyBegan) == 19
    began = next(outcome for outcome in outcomes if isinstance(outcome, Began))

    def look_at_it(held: Family | None) -> Decision[Family | None, Family | None]:
        return Decision(held, held)

    assert await stores.families.transition("c1", look_at_it) == began.family
    assert await stores.families.transition("c2", look_at_it) is None


SESSION = SessionId("A" * 22)
OTHER_SESSION = SessionId("B" * 22)


def one_step_more(held: SignupSession | None) -> Decision[SignupSession | None, int]:
    """Move a session on by a step; tells where it was, and 0 where there was none."""
    if held is None:
        begun = SignupSession(phone=PhoneNumber(PHONE), challenge_id="c1", stepped_at=START)
        return Decision(0, begun)
    return Decision(held.step, attrs.evolve(held, step=held.step + 1))


def look_at_session(
    held: SignupSession | None,
) -> Decision[SignupSession | None, SignupSession | None]:
    """Change nothing, and tell what is held."""
    return Decision(held, held)


def recording(held: SignupStep | None) -> Decision[SignupStep | None, Recorded | AlreadyRecorded]:
    """Record that a challenge led to a step."""
    return record(held, now=START)


async def test_a_session_sees_the_latest_committed_state(stores: Stores) -> None:
    """Each transition of a signup session sees what the one before it left, and no other's."""
    assert await stores.signup_sessions.transition(SESSION, look_at_session) is None
    steps = [await stores.signup_sessions.transition(SESSION, one_step_more) for _ in range(3)]
    assert steps == [0, 1, 2]
    held = await stores.signup_sessions.transition(SESSION, look_at_session)
    assert held == SignupSession(
        phone=PhoneNumber(PHONE), challenge_id="c1", step=3, stepped_at=START
    )
    assert await stores.signup_sessions.transition(OTHER_SESSION, look_at_session) is None


async def test_sessions_lose_nothing_under_concurrent_steps(stores: Stores) -> None:
    """A hundred steps at once of one session all count."""
    many = [stores.signup_sessions.transition(SESSION, one_step_more) for _ in range(100)]
    assert sorted(await asyncio.gather(*many)) == list(range(100))


async def test_sessions_lose_nothing_to_another_writer(writers: tuple[Stores, Stores]) -> None:
    """A hundred steps of two writers on one session all count."""
    many = [
        writer.signup_sessions.transition(SESSION, one_step_more)
        for _ in range(50)
        for writer in writers
    ]
    assert sorted(await asyncio.gather(*many)) == list(range(100))


async def test_a_decision_about_a_session_that_raises_changes_nothing(stores: Stores) -> None:
    """An exception in a decision reaches its caller, and leaves the session as it was."""

    def stumble(held: SignupSession | None) -> Decision[SignupSession | None, None]:
        one_step_more(held)
        raise ZeroDivisionError

    await stores.signup_sessions.transition(SESSION, one_step_more)
    with pytest.raises(ZeroDivisionError):
        await stores.signup_sessions.transition(SESSION, stumble)
    held = await stores.signup_sessions.transition(SESSION, look_at_session)
    assert held is not None
    assert held.step == 1


async def test_a_step_is_recorded_once(stores: Stores) -> None:
    """Of many records of what one challenge led to one is the first; others are not affected."""
    many = [stores.signup_steps.transition("c1", recording) for _ in range(20)]
    kinds = [type(outcome) for outcome in await asyncio.gather(*many)]
    assert (kinds.count(Recorded), kinds.count(AlreadyRecorded)) == (1, 19)
    assert await stores.signup_steps.transition("c2", recording) == Recorded()

    def look_at_step(held: SignupStep | None) -> Decision[SignupStep | None, SignupStep | None]:
        return Decision(held, held)

    assert await stores.signup_steps.transition("c1", look_at_step) == SignupStep(START)


async def test_a_step_is_recorded_once_among_writers(writers: tuple[Stores, Stores]) -> None:
    """Of many records by two writers one is the first."""
    many = [w.signup_steps.transition("c1", recording) for _ in range(10) for w in writers]
    kinds = [type(outcome) for outcome in await asyncio.gather(*many)]
    assert (kinds.count(Recorded), kinds.count(AlreadyRecorded)) == (1, 19)


async def test_sessions_steps_and_families_are_kept_apart(stores: Stores) -> None:
    """One id may name a family, a session and a step: they are three things."""
    same = SESSION.value
    await stores.families.transition(same, beginning(same))
    assert await stores.signup_sessions.transition(SESSION, one_step_more) == 0
    assert await stores.signup_steps.transition(same, recording) == Recorded()
    assert await stores.signup_sessions.transition(SESSION, one_step_more) == 1


async def test_rows_of_signup_are_kept_too(stores: Stores) -> None:
    """Rows of decisions about sessions and steps, in the order of the steps."""
    await stores.signup_steps.transition(
        "c1", lambda held: Decision(None, held, (audit_row(request_id="r1"),))
    )
    await stores.signup_sessions.transition(
        SESSION, lambda held: Decision(None, held, (audit_row(request_id="r2"),))
    )
    assert [row.request_id for row in await stores.told()] == ["r1", "r2"]


async def test_rows_are_kept_when_a_transition_returns(stores: Stores) -> None:
    """Rows of a decision can be read as soon as its transition has returned."""
    rows = (send_row("c1"), audit_row())
    await stores.slots.transition(SLOT, (), lambda held: Decision(None, held, rows))
    assert await stores.sent() == ["c1"]
    assert await stores.told() == [
        Told(
            at=START,
            action="check",
            outcome="otp_expired",
            client="198.51.100.7",
            request_id="r1",
            count=1,
        )
    ]


async def test_a_message_that_was_taken_is_kept_with_its_send(stores: Stores) -> None:
    """Who took the message of a send, and what it is called there, stands beside the send."""
    await stores.audit.write(send_row("c1"), send_row("c2"), send_row("c3"))
    taken = [
        HandedOverRow(send_id="c1", sender="twilio", provider_message_id="SM1"),
        HandedOverRow(send_id="c3", sender="console", provider_message_id=None),
    ]
    for row in reversed(taken):
        await stores.audit.write(audit_row("sent"), row)
    assert await stores.handed_over() == taken
    assert await stores.sent() == ["c1", "c2", "c3"]
    assert [row.outcome for row in await stores.told()] == ["sent", "sent"]


async def test_a_flood_at_two_writers_is_one_row(writers: tuple[Stores, Stores]) -> None:
    """Refusals that several processes saw add to the same row."""
    floods = [
        attrs.evolve(audit_row("rate_limited", at=after(START, n)), folds=True) for n in range(40)
    ]
    await asyncio.gather(*(writer.audit.write(flood) for flood in floods for writer in writers))
    assert [row.count for row in await writers[0].told()] == [80]


async def test_rows_of_the_counter_and_of_families_are_kept_too(stores: Stores) -> None:
    """All three repositories keep the rows of their decisions, in the order of the steps."""
    await stores.usage.transition(
        (CHECKS,), lambda held: Decision(None, held, (audit_row(request_id="r1"),))
    )
    await stores.families.transition(
        "c1", lambda held: Decision(None, held, (audit_row(request_id="r2"),))
    )
    await stores.audit.write(audit_row(request_id="r3"))
    assert [row.request_id for row in await stores.told()] == ["r1", "r2", "r3"]


async def test_a_decision_that_raises_changes_nothing(stores: Stores) -> None:
    """An exception in a decision reaches its caller, and leaves the state as it was."""

    def stumble(held: Held) -> Decision[Held, None]:
        one_more(held)
        raise ZeroDivisionError

    await stores.slots.transition(SLOT, BOTH, one_more)
    with pytest.raises(ZeroDivisionError):
        await stores.slots.transition(SLOT, BOTH, stumble)
    held = await stores.slots.transition(SLOT, BOTH, look)
    assert held == Held(of_strangers(run=1), {PHONE_SENDS: (START,), CLIENT_SENDS: (START,)})


async def test_a_decision_that_raises_fails_no_neighbour(stores: Stores) -> None:
    """Steps that share a transaction with one that raises are done all the same."""

    def stumble(_: Held) -> Decision[Held, int]:
        raise ZeroDivisionError

    outcomes = await asyncio.gather(
        stores.slots.transition(SLOT, BOTH, one_more),
        stores.slots.transition(SLOT, BOTH, stumble),
        stores.slots.transition(SLOT, BOTH, one_more),
        return_exceptions=True,
    )
    assert outcomes[0] == 0
    assert isinstance(outcomes[1], ZeroDivisionError)
    assert outcomes[2] == 1
    assert (await stores.slots.transition(SLOT, (), look)).record.others.run == 2


async def test_an_interrupted_step_leaves_nobody_waiting(stores: Stores) -> None:
    """If a task of many steps is cancelled, all end, those behind them too, and the next works."""

    def cut(_: Held) -> Decision[Held, int]:
        raise asyncio.CancelledError

    async with asyncio.timeout(PATIENCE_SECONDS):
        outcomes = await asyncio.gather(
            stores.slots.transition(SLOT, BOTH, cut),
            *(stores.slots.transition(SLOT, BOTH, one_more) for _ in range(250)),
            return_exceptions=True,
        )
    assert isinstance(outcomes[0], Unavailable | asyncio.CancelledError)
    assert {type(outcome) for outcome in outcomes[1:]} <= {int, Unavailable}
    done = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert await stores.slots.transition(SLOT, (), one_more) >= len(done)


async def test_a_cancelled_caller_takes_nobody_along(stores: Stores) -> None:
    """Callers whose steps wait together do not depend on one another's patience."""
    tasks = [asyncio.create_task(stores.slots.transition(SLOT, BOTH, one_more)) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[2].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    done = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(done) >= 3
    assert len(set(done)) == len(done)
    run = (await stores.slots.transition(SLOT, (), look)).record.others.run
    assert len(done) <= run <= 5


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps may take as long as they do on a busy machine."""
    for module in (connections, client):
        monkeypatch.setattr(module, "DEADLINE_SECONDS", 60.0)


async def test_nothing_is_lost_under_concurrent_steps(stores: Stores) -> None:
    """Two hundred steps at once on the same keys all count."""
    many = [stores.slots.transition(SLOT, BOTH, one_more) for _ in range(200)]
    assert sorted(await asyncio.gather(*many)) == list(range(200))
    held = await stores.slots.transition(SLOT, BOTH, look)
    assert (
        held.record.others.run
        == len(held.usages[PHONE_SENDS])
        == len(held.usages[CLIENT_SENDS])
        == 200
    )


async def test_writers_lose_nothing_to_each_other(writers: tuple[Stores, Stores]) -> None:
    """Two hundred steps of two writers on the same keys all count, each seeing the others."""
    many = [w.slots.transition(SLOT, BOTH, one_more) for _ in range(100) for w in writers]
    assert sorted(await asyncio.gather(*many)) == list(range(200))
    held = await writers[0].slots.transition(SLOT, BOTH, look)
    assert (
        held.record.others.run
        == len(held.usages[PHONE_SENDS])
        == len(held.usages[CLIENT_SENDS])
        == 200
    )


async def test_a_writer_sees_what_another_has_committed(writers: tuple[Stores, Stores]) -> None:
    """A writer that held a state before sees what another writer made of it since."""
    one, other = writers
    assert await one.slots.transition(SLOT, BOTH, one_more) == 0
    assert await other.slots.transition(SLOT, BOTH, one_more) == 1
    assert await one.slots.transition(SLOT, BOTH, one_more) == 2


async def test_all_keys_are_one_step(writers: tuple[Stores, Stores]) -> None:
    """Nobody ever sees the usage of the number charged and that of the client not."""
    writing = [writers[0].slots.transition(SLOT, BOTH, one_more) for _ in range(20)]
    looking = [writers[1].slots.transition(SLOT, BOTH, look) for _ in range(20)]
    outcomes = await asyncio.gather(*writing, *looking)
    for held in outcomes:
        if isinstance(held, Held):
            counts = {held.record.others.run, *(len(usage) for usage in held.usages.values())}
            assert len(counts) == 1


async def test_the_counter_loses_nothing_to_another_writer(
    writers: tuple[Stores, Stores],
) -> None:
    """A hundred charges of two writers to one usage all count."""
    many = [w.usage.transition((CHECKS,), check_more) for _ in range(50) for w in writers]
    assert sorted(await asyncio.gather(*many)) == list(range(100))


async def test_a_family_begins_once_among_writers(writers: tuple[Stores, Stores]) -> None:
    """Of many beginnings by two writers one is the first."""
    many = [w.families.transition("c1", beginning("c1")) for _ in range(10) for w in writers]
    kinds = [type(outcome) for outcome in await asyncio.gather(*many)]
    assert (kinds.count(Began), kinds.count(AlreadyBegan)) == (1, 19)


async def test_passes_are_found_as_they_are_now(stores: Stores) -> None:
    """A pass is found with its user as both are now, and an unknown one is not."""
    await stores.add(a_pass())
    assert await stores.passes.find(PassCode("HSP-1234-5678")) == a_pass()
    await stores.add(a_pass(phone="+919812345678"))
    assert await stores.passes.find(PassCode("HSP-1234-5678")) == a_pass(phone="+919812345678")
    assert await stores.passes.find(PassCode("HSP-8765-4321")) is None


async def test_a_user_without_a_number_is_found_as_one(stores: Stores) -> None:
    """A pass of a user without a number is found, its number being None."""
    await stores.add(a_pass(phone=None))
    found = await stores.passes.find(PassCode("HSP-1234-5678"))
    assert found is not None
    assert found.user.phone is None


async def test_a_sign_in_can_be_written_twice(stores: Stores) -> None:
    """What a sign-in leaves at user and pass is the same the second time."""
    await stores.add(a_pass())
    marks = SignInRow(user_id="u1", pass_code="HSP-1234-5678", pass_ended=True)
    await stores.audit.write(marks)
    await stores.audit.write(marks)
    assert await stores.passes.find(PassCode("HSP-1234-5678")) == a_pass()
