"""The engine that the journeys share: `docs/contract.md`, rules of the code and senders."""

from collections.abc import Callable

import attrs
import pytest

from hsp_otp.domain.audit import Action, AuditFacts, AuditRow, HandedOverRow, SendRow
from hsp_otp.domain.challenge_outcomes import Forgotten, Issued, Locked, Verified, WrongCode
from hsp_otp.domain.code import Code
from hsp_otp.domain.contact import Contact, ContactKind
from hsp_otp.domain.instant import HOUR, Duration, Instant
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ENGLISH, ClientAddress, Language
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.quota import Limit, Quota, Refusal, UsageKey
from hsp_otp.domain.slot_record import Ended, Presented, Request, SlotRecord
from hsp_otp.flows.caller import about, new_id, with_outcome
from hsp_otp.flows.erase import forget_slot
from hsp_otp.flows.otp import Undelivered
from hsp_otp.flows.unlock import unlock_slot
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected, Unavailable
from hsp_otp.ports.messages import Letterhead, MailText, Text
from hsp_otp.ports.sender import Sms
from tests.world import (
    CLIENT,
    PHONE,
    START,
    ScriptedRandomness,
    World,
    other_than,
    ring,
    run,
    slot_of,
)

REQUEST = Request(
    slot=slot_of("u1"),
    flow=Flow.PASS_LOGIN,
    contact=Contact(ContactKind.PHONE, PHONE),
    client=ClientAddress(CLIENT),
)
FACTS = AuditFacts(
    at=START,
    flow=Flow.PASS_LOGIN,
    purpose=Purpose.PHONE_VERIFICATION,
    action=Action.SEND,
    client=ClientAddress(CLIENT),
    request_id="r1",
)


def test_an_ask_sends_the_code_that_checks() -> None:
    """The message goes to the number, carries the code once, and tells the minutes."""
    world = World()
    outcome = run(world.otp.ask(REQUEST, FACTS, ENGLISH))
    assert isinstance(outcome, Issued)
    (sms,) = world.outbox.sent
    assert sms.to.value == "+919876543210"
    (code,) = world.outbox.codes
    assert len(code) == 6
    assert sms.text == f"{code} is your code, for 10 min (phone_verification)."
    assert code not in repr(sms)


def test_a_message_is_in_the_language_of_the_request() -> None:
    """The texts are asked for the message in the caller's language."""
    world = World()
    run(world.otp.ask(REQUEST, FACTS, Language("hi")))
    (sms,) = world.outbox.sent
    assert " is your code in hi, " in sms.text


def test_the_challenge_and_the_send_stand_before_the_message_goes_out() -> None:
    """When the sender is called, the challenge is stored and its row is written."""
    world = World()
    seen = list[tuple[str, list[SendRow]]]()

    def witness() -> None:
        challenge = world.record().challenge
        assert challenge is not None
        seen.append((challenge.id, list(world.audit.sends)))

    world.outbox.witness = witness
    outcome = run(world.otp.ask(REQUEST, FACTS, ENGLISH))
    assert isinstance(outcome, Issued)
    ((challenge_id, sends),) = seen
    assert challenge_id == outcome.challenge.id
    assert sends == [
        SendRow(
            id=outcome.challenge.id,
            at=START,
            flow=Flow.PASS_LOGIN,
            purpose=Purpose.PHONE_VERIFICATION,
            slot="phone_verification:user:u1",
            contact="+919876543210",
            client=ClientAddress("198.51.100.7"),
        )
    ]
    assert "9876543210" not in repr(sends)


def test_a_taken_message_is_audited_with_its_sender() -> None:
    """The row of an ask names the sender and the provider's own id."""
    world = World()
    run(world.otp.ask(REQUEST, FACTS, ENGLISH))
    assert world.audit.rows == [
        AuditRow(
            facts=attrs.evolve(FACTS, lane=Lane.OTHERS),
            outcome="sent",
            sender="outbox",
            provider_message_id="message-1",
        )
    ]


def test_a_taken_message_is_found_by_its_receipts() -> None:
    """A row ties the send to the sender and the provider's name for the message."""
    world = World()
    outcome = run(world.otp.ask(REQUEST, FACTS, ENGLISH))
    assert isinstance(outcome, Issued)
    assert world.audit.handed_over == [
        HandedOverRow(
            send_id=outcome.challenge.id, sender="outbox", provider_message_id="message-1"
        )
    ]


def test_a_message_is_useful_for_what_is_left_of_the_code() -> None:
    """The sender is told how long the code lives on, counted from now and not from the asking."""
    world = World()

    def sms(purpose: Purpose, code: Code, lifetime: Duration) -> Text:
        world.clock.advance(1_500_000)
        return Text(text=f"{code.reveal()} {purpose.value} {lifetime}")

    otp = attrs.evolve(world.otp, messages=SlowMessages(sms))
    assert isinstance(run(otp.ask(REQUEST, FACTS, ENGLISH)), Issued)
    assert [sms.useful_for for sms in world.outbox.sent] == [598_500_000]


def test_the_ids_of_a_text_go_with_it() -> None:
    """What operators know a text by reaches the sender beside it."""
    world = World()
    assert isinstance(run(world.otp.ask(REQUEST, FACTS, ENGLISH)), Issued)
    (sms,) = world.outbox.sent
    assert isinstance(sms, Sms)
    assert (sms.template_id, sms.entity_id) == ("t1", "e1")


@attrs.frozen
class SlowMessages:
    """Texts that take their time."""

    told: Callable[[Purpose, Code, Duration], Text]

    def sms(
        self,
        purpose: Purpose,
        code: Code,
        lifetime: Duration,
        language: Language,
        letterhead: Letterhead | None = None,
    ) -> Text:
        """Keep the promise of `Messages.sms`."""
        assert (language, letterhead) == (ENGLISH, None)
        return self.told(purpose, code, lifetime)

    def mail(
        self,
        purpose: Purpose,
        code: Code,
        lifetime: Duration,
        language: Language,
        letterhead: Letterhead | None = None,
    ) -> MailText:
        """Keep the promise of `Messages.mail`."""
        raise AssertionError((purpose, code, lifetime, language, letterhead))

    def service_name(self, purpose: Purpose, letterhead: Letterhead | None = None) -> str:
        """Keep the promise of `Messages.service_name`."""
        raise AssertionError((purpose, letterhead))

    def explain(self, word: str, language: Language) -> str:
        """Keep the promise of `Messages.explain`."""
        return f"{word} in {language}"


def test_no_send_is_charged_while_every_sender_is_skipped() -> None:
    """While no sender would try, nothing is issued or sent; one row tells of it."""
    world = World()
    world.outbox.skipped = True
    assert run(world.otp.ask(REQUEST, FACTS, ENGLISH)) == Undelivered(None)
    assert world.whole_record() == SlotRecord()
    assert world.sends_charged(UsageKey("phone_sends", PHONE)) == ()
    assert world.sends_charged(UsageKey("pass_login_sends", CLIENT)) == ()
    assert (world.audit.sends, world.audit.handed_over, world.outbox.sent) == ([], [], [])
    facts = attrs.evolve(FACTS, charged=("unsent_asks",))
    assert world.audit.rows == [AuditRow(facts=facts, outcome="sms_failed")]
    world.outbox.skipped = False
    assert isinstance(run(world.otp.ask(REQUEST, FACTS, ENGLISH)), Issued)


def test_an_older_code_lives_on_while_every_sender_is_skipped() -> None:
    """An ask that nobody would deliver does not replace the code that was delivered."""
    world = World()
    run(world.otp.ask(REQUEST, FACTS, ENGLISH))
    world.clock.advance(30_000_000)
    world.outbox.skipped = True
    assert run(world.otp.ask(REQUEST, FACTS, ENGLISH)) == Undelivered(None)
    outcome = run(world.otp.check(REQUEST, Presented(Code(world.outbox.codes[0])), FACTS))
    assert isinstance(outcome, Verified)


@pytest.mark.parametrize(
    ("failure", "for_good"),
    [(SendFailed("away"), False), (SendRefusedHere("no route"), False), (SendRejected("no"), True)],
)
def test_a_failed_delivery_withdraws_the_challenge(failure: Exception, *, for_good: bool) -> None:
    """A code that no sender took can never succeed and counts as a send; rows tell of both."""
    world = World()
    world.outbox.failure = failure
    assert run(world.otp.ask(REQUEST, FACTS, ENGLISH)) == Undelivered(START, for_good)
    challenge = world.record().challenge
    assert challenge is not None
    assert challenge.ended is Ended.WITHDRAWN
    assert len(world.audit.sends) == 1
    assert world.audit.handed_over == []
    facts = attrs.evolve(FACTS, lane=Lane.OTHERS)
    assert world.audit.rows == [
        AuditRow(facts=attrs.evolve(facts, action=Action.WITHDRAW), outcome="withdrawn"),
        AuditRow(facts=facts, outcome="sms_failed"),
    ]
    assert Undelivered.word == "sms_failed"


@pytest.mark.parametrize(
    "failure", [Unavailable("away"), RuntimeError("a bug"), TimeoutError("slow")]
)
def test_an_unexpected_failure_withdraws_the_challenge_too(failure: Exception) -> None:
    """Whatever goes wrong after the challenge stands, it is withdrawn, and the failure stays."""
    world = World()
    world.outbox.failure = failure
    with pytest.raises(type(failure)) as caught:
        run(world.otp.ask(REQUEST, FACTS, ENGLISH))
    assert caught.value is failure
    challenge = world.record().challenge
    assert challenge is not None
    assert challenge.ended is Ended.WITHDRAWN


def test_a_late_withdrawal_leaves_a_newer_challenge_alone() -> None:
    """Where somebody asked again meanwhile, the newer code lives on."""
    world = World(policy=attrs.evolve(World().policy, cooldown=0))

    def ask_again() -> None:
        world.outbox.witness = None
        run(world.otp.ask(REQUEST, FACTS, ENGLISH))
        world.outbox.failure = SendFailed()

    world.outbox.witness = ask_again
    assert isinstance(run(world.otp.ask(REQUEST, FACTS, ENGLISH)), Undelivered)
    challenge = world.record().challenge
    assert challenge is not None
    assert challenge.ended is None
    assert [row.facts.action for row in world.audit.rows] == [Action.SEND, Action.SEND]
    assert len(world.outbox.sent) == 1


def test_two_challenges_share_nothing() -> None:
    """Ids and nonces are drawn anew for every ask, and the id is not the nonce."""
    world = World(policy=attrs.evolve(World().policy, cooldown=0))
    issued = [run(world.otp.ask(REQUEST, FACTS, ENGLISH)) for _ in range(2)]
    challenges = [outcome.challenge for outcome in issued if isinstance(outcome, Issued)]
    assert len({challenge.id for challenge in challenges}) == 2
    assert len({challenge.nonce for challenge in challenges}) == 2
    assert all(len(challenge.nonce) == 16 for challenge in challenges)
    assert len(set(world.outbox.codes)) == 2


@pytest.mark.parametrize("failures", [0, 2])
def test_an_operator_unlocks(failures: int) -> None:
    """Failures and run are cleared, and a row tells of it also where there was nothing to clear."""
    world = World(policy=attrs.evolve(World().policy, failures=(Quota(2, HOUR),)))
    run(world.otp.ask(REQUEST, FACTS, ENGLISH))
    for _ in range(failures):
        run(world.otp.check(REQUEST, Presented(Code(other_than(world.outbox.codes[0]))), FACTS))
    facts = attrs.evolve(FACTS, action=Action.UNLOCK, client=None, reason="asked by phone")
    row = AuditRow(facts=facts, outcome="unlocked")
    run(unlock_slot(world.slots, slot_of("u1"), row))
    assert world.audit.rows[-1] == row
    assert (world.record().failures, world.record().run) == ((), 0)
    outcome = run(world.otp.check(REQUEST, Presented(Code(world.outbox.codes[0])), FACTS))
    assert isinstance(outcome, Verified)


def test_a_slot_is_forgotten_or_only_looked_at() -> None:
    """Looking tells what forgetting would come to, and changes nothing; forgetting does."""
    world = World()
    world.add()
    world.send()
    policy, slot = world.otp.policies[Purpose.PHONE_VERIFICATION], slot_of("u1")
    told_before = run(forget_slot(world.slots, slot, policy, START, only_look=True))
    assert isinstance(told_before, Forgotten)
    assert world.record().challenge is not None
    assert run(forget_slot(world.slots, slot, policy, START)) == told_before
    assert world.record().challenge is None


def test_a_row_tells_until_when_it_is_refused() -> None:
    """A limit's refusal and a lock tell when they end; what is no refusal has nothing to tell."""
    soon = Instant(START + HOUR)
    refused = with_outcome(FACTS, Refusal(Limit.COOLDOWN, soon, live=True))
    assert (refused.outcome, refused.retry_at) == ("resend_too_soon", soon)
    locked = with_outcome(FACTS, Locked(soon))
    assert (locked.outcome, locked.retry_at) == ("locked_out", soon)
    assert with_outcome(FACTS, Locked(None)).retry_at is None
    unsent = with_outcome(FACTS, Undelivered(soon), changed=True)
    assert (unsent.outcome, unsent.retry_at) == ("sms_failed", None)


def test_what_granted_and_charged_nothing_may_be_one_of_a_flood() -> None:
    """So may a refusal; a row of anything else stands for one request."""
    soon = Instant(START + HOUR)
    paid = attrs.evolve(FACTS, charged=("lookups",))
    assert with_outcome(FACTS, Locked(soon)).folds
    assert not with_outcome(paid, Locked(soon)).folds
    assert not with_outcome(FACTS, WrongCode(2, soon), changed=True).folds
    assert with_outcome(paid, Refusal(Limit.COOLDOWN, soon, live=True)).folds


def test_no_row_is_without_an_outcome() -> None:
    """A row is made when the outcome of its request is known, and not before."""
    with pytest.raises(ValueError, match="'outcome'"):
        AuditRow(facts=FACTS, outcome="")


def test_an_id_has_128_bits() -> None:
    """A public id is 22 characters of URL-safe base64."""
    ids = [new_id(ScriptedRandomness(n)) for n in range(50)]
    assert all(len(id_) == 22 for id_ in ids)
    assert all(set(id_) <= set(f"{'-_'}{_ALPHANUMERIC}") for id_ in ids)
    assert len(set(ids)) == 50


_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def test_what_may_be_told_of_a_number() -> None:
    """A row tells a number masked, by region, and by fingerprints of it and of its prefix."""
    told = about(FACTS, Contact(ContactKind.PHONE, PHONE), ring("fingerprints", "f2", "f1"))
    assert told.contact == "***-***-3210"
    assert told.region == "IN"
    assert told.contact_fingerprint is not None
    assert told.range_fingerprint is not None
    assert told.contact_fingerprint.startswith("f2:")
    neighbour = about(
        FACTS, Contact(ContactKind.PHONE, "+919876549999"), ring("fingerprints", "f2", "f1")
    )
    assert neighbour.contact_fingerprint != told.contact_fingerprint
    assert neighbour.range_fingerprint == told.range_fingerprint
    assert "98765" not in repr(told)
