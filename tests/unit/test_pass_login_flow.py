"""The journey of pass login: `docs/contract.md`, pass login and audit."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryAudit, MemoryRecords
from hsp_otp.domain.audit import Action, AuditRow, SignInRow
from hsp_otp.domain.challenge_outcomes import Exhausted, Issued, Locked, NoLiveCode, WrongCode
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, Instant
from hsp_otp.domain.lanes import Lane
from hsp_otp.domain.names import ClientAddress, PassCode
from hsp_otp.domain.passes import NoPhone, PassNotFound, PassNotPaid, PaymentStatus, UsablePass
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import ClientLimits, Policy
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.quota import Limit, Quota, Refusal, UsageKey
from hsp_otp.domain.refresh_tokens import Family, InvalidToken
from hsp_otp.domain.slot_record import Ended
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.otp import Undelivered
from hsp_otp.flows.pass_login import SignedIn
from hsp_otp.flows.sessions import Grant, Me
from hsp_otp.ports.failures import SendFailed, Unavailable
from hsp_otp.ports.tokens import Access
from tests.audit_rows import evolved, row_of
from tests.world import (
    CLIENT,
    OTHER_CLIENT,
    OTHER_PHONE,
    PASS_CODE,
    START,
    World,
    open_policy,
    other_than,
    ring,
    run,
)

COOLED = Instant(START + 30_000_000)
TIGHT = ClientLimits(checks=Quota(1, HOUR), lookups=Quota(0, HOUR), misses=Quota(0, HOUR))


def world_with_a_pass(**changes: Policy | ClientLimits) -> World:
    """A world in which one paid pass is held."""
    world = World(**changes)  # type: ignore[arg-type]
    world.add()
    return world


def ask(world: World, pass_code: str = PASS_CODE, *, client: str = CLIENT) -> tuple[str, str]:
    """The challenge id and the code of an ask that is admitted."""
    outcome = world.send(pass_code, client=client)
    assert isinstance(outcome, Issued)
    return outcome.challenge.id, world.outbox.codes[-1]


def last(world: World) -> AuditRow:
    """The latest audit row."""
    return world.audit.rows[-1]


# Looking a pass up


def test_a_usable_pass_is_found() -> None:
    """A paid pass of a user with a number is answered with the number to mask."""
    world = world_with_a_pass()
    found = world.validate()
    assert isinstance(found, UsablePass)
    assert found.contact.masked == "***-***-3210"
    assert world.charged("lookups") == 1
    assert world.charged("lookup_misses", "everybody") == 0


Answer = PassNotFound | PassNotPaid | NoPhone

UNUSABLE: list[tuple[Callable[[World], object], Answer]] = [
    (lambda _: None, PassNotFound()),
    (lambda world: world.add(payment=PaymentStatus.PENDING), PassNotPaid()),
    (lambda world: world.add(payment=PaymentStatus.REFUNDED, phone=None), PassNotPaid()),
    (lambda world: world.add(phone=None), NoPhone()),
]


@pytest.mark.parametrize(("arrange", "answer"), UNUSABLE)
def test_an_unusable_pass_is_a_miss_for_every_request(
    arrange: Callable[[World], object], answer: Answer
) -> None:
    """Unknown, unpaid and without a number: charged double, audited, and nothing is sent."""
    world = World()
    arrange(world)
    assert world.validate() == answer
    assert world.send() == answer
    assert world.verify("123456") == answer
    assert world.charged("lookups") == 6
    assert world.charged("checks") == 1
    assert world.charged("lookup_misses", "everybody") == 3
    assert world.outbox.sent == []
    assert [(row.facts.action, row.outcome) for row in world.audit.rows] == [
        (Action.LOOK_UP, answer.word),
        (Action.SEND, answer.word),
        (Action.CHECK, answer.word),
    ]
    assert {row.facts.contact for row in world.audit.rows} == {None}


def test_too_many_look_ups() -> None:
    """Look-ups are refused alike for every request, before the pass is told, and not charged."""
    world = world_with_a_pass(limits=ClientLimits(lookups=Quota(1, HOUR)))
    world.validate()
    refusal = Refusal(Limit.LOOKUPS, Instant(START + 3_600_000_000))
    for code in (PASS_CODE, "HSP-0000-0000"):
        assert world.validate(code) == refusal
        assert world.send(code) == refusal
        assert world.verify("123456", code) == refusal
    assert world.charged("lookups") == 1
    assert world.charged("checks") == 0
    assert world.outbox.sent == []
    refused = world.audit.rows[1:]
    assert [row.outcome for row in refused] == ["lookup_rate_limited"] * 6
    assert all(row.folds and row.facts.contact is None for row in refused)


def test_too_many_checks() -> None:
    """A client out of checks is refused before the code is judged; asking goes on."""
    world = world_with_a_pass(limits=TIGHT)
    _, code = ask(world)
    world.verify(other_than(code))
    assert world.verify(code) == Refusal(Limit.CLIENT, Instant(START + 3_600_000_000))
    assert last(world).outcome == "rate_limited"
    assert last(world).folds
    assert world.record().run == 1
    world.clock.advance(30 * SECOND)
    challenge_id, code = ask(world)
    assert isinstance(world.verify(code, challenge_id=challenge_id, client=OTHER_CLIENT), SignedIn)


# Sending


def test_a_code_is_sent() -> None:
    """The code goes to the holder's number, and the answer has the challenge and the wait."""
    world = world_with_a_pass()
    outcome = world.send()
    assert isinstance(outcome, Issued)
    assert outcome.challenge.contact.masked == "***-***-3210"
    assert outcome.challenge.expires_at - outcome.challenge.issued_at == 600_000_000
    assert outcome.resend_at == COOLED
    assert outcome.word == "sent"
    assert world.outbox.sent[0].to.value == "+919876543210"
    assert world.charged("lookups") == 1
    assert world.sends_charged(UsageKey("phone_sends", "+919876543210")) == (START,)
    assert world.sends_charged(UsageKey("pass_login_sends", "198.51.100.7")) == (START,)


def test_asking_too_soon_charges_the_look_up_alone() -> None:
    """A refused ask sends nothing and charges no send; its look-up was made."""
    world = world_with_a_pass()
    ask(world)
    assert world.send() == Refusal(Limit.COOLDOWN, COOLED, live=True)
    assert len(world.outbox.sent) == 1
    assert len(world.audit.sends) == 1
    assert world.charged("lookups") == 2
    assert world.sends_charged(UsageKey("phone_sends", "+919876543210")) == (START,)
    assert last(world).outcome == "resend_too_soon"


def test_a_client_out_of_sends() -> None:
    """The sixth send in an hour from one client is refused, whoever it is for."""
    world = World()
    for number in range(6):
        world.add(f"HSP-0000-000{number}", user=f"u{number}", phone=f"+91987654321{number}")
    for number in range(5):
        ask(world, pass_code=f"HSP-0000-000{number}")
    assert world.send("HSP-0000-0005") == Refusal(Limit.CLIENT, Instant(START + 3_600_000_000))
    assert last(world).outcome == "rate_limited"
    ask(world, pass_code="HSP-0000-0005", client=OTHER_CLIENT)


def test_a_number_out_of_sends() -> None:
    """Strangers get seven sends a day to one number, whichever users share it."""
    world = World(policy=Policy(asks_for_work=False))
    world.add("HSP-0000-0001", user="u1")
    world.add("HSP-0000-0002", user="u2")
    for number in range(7):
        ask(world, pass_code=f"HSP-0000-000{number % 2 + 1}", client=f"192.0.{number}.1")
        world.clock.advance(MINUTE)
    assert world.send("HSP-0000-0001") == Refusal(Limit.CONTACT_SENDS, Instant(START + DAY))
    assert last(world).outcome == "phone_rate_limited"


def test_an_undelivered_code() -> None:
    """Where no sender takes it, the code never succeeds, and the send counts."""
    world = world_with_a_pass()
    seen = list[str]()
    world.outbox.failure = SendFailed()
    world.outbox.witness = lambda: seen.append("handed over")
    assert world.send() == Undelivered(START)
    assert seen == ["handed over"]
    assert last(world).outcome == "sms_failed"
    assert last(world).sender is None
    assert world.sends_charged(UsageKey("phone_sends", "+919876543210")) == (START,)
    assert world.verify("123456") == NoLiveCode(START)
    world.outbox.failure = None
    assert isinstance(world.send(), Issued)


def test_a_bug_in_a_sender_withdraws_too() -> None:
    """An exception that nobody expects leaves no code that could succeed."""
    world = world_with_a_pass()
    world.outbox.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        world.send()
    challenge = world.record().challenge
    assert challenge is not None
    assert challenge.ended is Ended.WITHDRAWN


# Verifying


def test_the_right_code_signs_in() -> None:
    """Tokens, the user and the pass; the family bears the id of the challenge."""
    world = world_with_a_pass()
    challenge_id, code = ask(world)
    world.clock.advance(MINUTE)
    outcome = world.verify(code)
    assert isinstance(outcome, SignedIn)
    now = Instant(START + 60_000_000)
    assert outcome.grant.access_token == "access-1"
    key_id, family_id, _, _ = outcome.grant.refresh_token.split(".")
    assert (key_id, family_id) == ("k1", challenge_id)
    assert outcome.grant.expires_in == 900_000_000
    assert outcome.signed_in.user.id == "u1"
    assert outcome.at == now
    assert outcome.word == "verified"
    (access,) = world.access_tokens.signed
    assert access == Access(
        user_id="u1",
        email="u1@example.com",
        family_id=challenge_id,
        token_id=access.token_id,
        purpose=Purpose.PHONE_VERIFICATION,
        channel=Channel.SMS,
        issued_at=now,
        expires_at=Instant(now + 900_000_000),
    )
    assert len(access.token_id) == 22
    assert access.token_id != challenge_id
    assert world.audit.sign_ins == [
        SignInRow(user_id="u1", pass_code="HSP-1234-5678", pass_ended=False)
    ]
    assert "@" not in repr(access)
    assert "access-1" not in repr(outcome)
    assert family_id not in repr(outcome)
    assert "1234" not in repr(world.audit.sign_ins)


def test_a_code_signs_in_once() -> None:
    """The same code again finds no live code, and no second token is signed."""
    world = world_with_a_pass()
    _, code = ask(world)
    assert isinstance(world.verify(code), SignedIn)
    assert world.verify(code) == NoLiveCode(COOLED)
    assert len(world.access_tokens.signed) == 1
    assert len(world.audit.sign_ins) == 1


def test_wrong_codes() -> None:
    """Three guesses are judged and told, then the right code is refused as well."""
    world = world_with_a_pass()
    _, code = ask(world)
    wrong = other_than(code)
    assert [world.verify(wrong) for _ in range(3)] == [
        WrongCode(2, COOLED),
        WrongCode(1, COOLED),
        WrongCode(0, COOLED),
    ]
    assert world.verify(code) == Exhausted(COOLED)
    assert world.access_tokens.signed == []
    assert [row.outcome for row in world.audit.rows] == [
        "sent",
        "invalid_otp",
        "invalid_otp",
        "invalid_otp",
        "too_many_attempts",
    ]
    assert world.charged("checks") == 4
    assert world.charged("lookups") == 5


def test_no_code_was_sent() -> None:
    """Without a challenge there is no live code; the check and the look-up are charged."""
    world = world_with_a_pass()
    assert world.verify("123456") == NoLiveCode(START)
    assert last(world).outcome == "otp_expired"
    assert (world.charged("checks"), world.charged("lookups")) == (1, 1)


def test_an_expired_code() -> None:
    """At its expiry a code is no live code any more, a microsecond before it signs in."""
    for early, expected in ((1, SignedIn), (0, NoLiveCode)):
        world = world_with_a_pass()
        _, code = ask(world)
        world.clock.advance(600_000_000 - early)
        assert isinstance(world.verify(code), expected)


def test_another_challenges_id() -> None:
    """With another challenge's id no guess is charged, with its own the code signs in."""
    world = world_with_a_pass()
    challenge_id, code = ask(world)
    assert world.verify(code, challenge_id="another") == NoLiveCode(COOLED)
    assert world.record().run == 0
    assert (world.charged("checks"), world.charged("lookups")) == (1, 2)
    assert isinstance(world.verify(code, challenge_id=challenge_id), SignedIn)


def may_guess(world: World, challenge_id: str | None = None, client: str = CLIENT) -> bool:
    """Whether a guess from *client* would be judged."""
    caller = Caller(ClientAddress(client), "r")
    found = run(world.login.standing(PassCode(PASS_CODE), challenge_id, caller))
    return found is not None and found.expires_at is not None


@pytest.mark.parametrize(
    ("client", "own", "expected"),
    [
        (CLIENT, False, True),
        (CLIENT, True, True),
        (OTHER_CLIENT, True, True),
        (OTHER_CLIENT, False, False),
    ],
)
def test_whose_guess_would_be_judged(client: str, *, own: bool, expected: bool) -> None:
    """With the challenge's id or from the network that asked; looking charges nothing."""
    world = world_with_a_pass()
    challenge_id, code = ask(world)
    named = challenge_id if own else None
    charged, rows = world.charged("lookups", client), len(world.audit.rows)
    assert may_guess(world, named, client) == expected
    assert (world.charged("lookups", client), len(world.audit.rows)) == (charged, rows)
    outcome = world.verify(code, challenge_id=named, client=client)
    assert isinstance(outcome, SignedIn) == expected


def test_no_guess_would_be_judged() -> None:
    """Without a code, with another challenge's id, after the code's end, or without the pass."""
    world = world_with_a_pass()
    assert not may_guess(world)
    ask(world)
    assert may_guess(world)
    assert not may_guess(world, "another")
    world.add(payment=PaymentStatus.PENDING)
    assert not may_guess(world)
    world.add()
    world.clock.advance(600 * SECOND - 1)
    assert may_guess(world)
    world.clock.advance(1)
    assert not may_guess(world)


def test_any_usable_pass_of_the_same_user_signs_in() -> None:
    """A code asked for with one pass signs in with another, and the answer is that other pass."""
    world = world_with_a_pass()
    world.add("HSP-8765-4321")
    _, code = ask(world)
    outcome = world.verify(code, "HSP-8765-4321")
    assert isinstance(outcome, SignedIn)
    assert outcome.signed_in.code == PassCode("HSP-8765-4321")
    assert world.audit.sign_ins == [
        SignInRow(user_id="u1", pass_code="HSP-8765-4321", pass_ended=False)
    ]


def test_an_unusable_pass_of_the_same_user_does_not() -> None:
    """An unpaid pass signs nobody in, and charges the code nothing."""
    world = world_with_a_pass()
    world.add("HSP-8765-4321", payment=PaymentStatus.REFUNDED)
    _, code = ask(world)
    assert world.verify(code, "HSP-8765-4321") == PassNotPaid()
    assert isinstance(world.verify(code), SignedIn)


def test_another_users_code() -> None:
    """A code signs in nobody but the user it was sent to, even at the same number."""
    world = world_with_a_pass()
    world.add("HSP-8765-4321", user="u2")
    _, code = ask(world)
    assert world.verify(code, "HSP-8765-4321") == NoLiveCode(START)
    assert isinstance(world.verify(code), SignedIn)


def test_a_number_changed_meanwhile() -> None:
    """A code sent to the old number is a wrong one once the user has another."""
    world = world_with_a_pass()
    _, code = ask(world)
    world.add(phone=OTHER_PHONE)
    outcome = world.verify(code)
    assert isinstance(outcome, WrongCode)
    assert outcome.attempts_remaining == 2
    assert last(world).facts.contact == "***-***-5678"


def test_a_pass_past_its_end_signs_in() -> None:
    """It is marked as past its end in the same step."""
    world = World()
    world.add(expires_at=Instant(START + SECOND))
    _, code = ask(world)
    world.clock.advance(SECOND)
    assert isinstance(world.verify(code), SignedIn)
    assert world.audit.sign_ins == [
        SignInRow(user_id="u1", pass_code="HSP-1234-5678", pass_ended=True)
    ]


def test_a_locked_slot_neither_sends_nor_checks() -> None:
    """After too many failures both are refused, with the wait, and the client's look-up counts."""
    world = world_with_a_pass(policy=Policy(failures=(Quota(2, HOUR),)))
    _, code = ask(world)
    world.verify(other_than(code))
    assert world.verify(other_than(code)) == WrongCode(1, Instant(START + 3_600_000_000))
    locked = Locked(Instant(START + 3_600_000_000))
    assert world.verify(code) == locked
    assert world.send() == locked
    assert len(world.outbox.sent) == 1
    assert [row.outcome for row in world.audit.rows[-2:]] == ["locked_out", "locked_out"]


def test_keys_rotate_while_a_code_lives() -> None:
    """A code made before the first key changed signs in, one whose key is gone does not."""
    world = world_with_a_pass()
    _, code = ask(world)
    world.codes = ring("codes", "k2")
    assert world.verify(code) == NoLiveCode(COOLED)
    world.codes = ring("codes", "k2", "k1")
    assert isinstance(world.verify(code), SignedIn)


def test_a_success_stays_single_where_the_store_loses_it() -> None:
    """A challenge that led to a sign-in leads to no other, though its store forgot the use."""
    world = world_with_a_pass()
    _, code = ask(world)
    before = world.whole_record()
    assert isinstance(world.verify(code), SignedIn)
    world.restore(before)
    assert world.verify(code) == NoLiveCode(COOLED)
    assert len(world.audit.sign_ins) == 1
    assert [row.outcome for row in world.audit.rows] == ["sent", "verified", "otp_expired"]


# An answer that was lost


def test_a_right_code_again_in_the_same_browser() -> None:
    """2.6: the same sign-in, once: other tokens of the same family, and nothing of the first."""
    world = world_with_a_pass()
    challenge_id, code = ask(world)
    first = world.verify(code, browser="b")
    world.clock.advance(30 * SECOND)
    second = world.verify(code, challenge_id=challenge_id, browser="b")
    assert isinstance(first, SignedIn)
    assert isinstance(second, SignedIn)
    tokens = [outcome.grant.refresh_token for outcome in (first, second)]
    assert [token.split(".")[1] for token in tokens] == [challenge_id] * 2
    assert isinstance(world.me(second.grant.access_token), Me)
    assert world.refresh(tokens[0]) == InvalidToken()
    assert isinstance(world.refresh(tokens[1]), Grant)
    assert world.verify(code, browser="b") == NoLiveCode(COOLED)
    # It is charged as any check, marks nobody twice, and is no success that anybody counts.
    assert world.charged("checks") == 3
    assert len(world.audit.sign_ins) == 1
    assert [row.outcome for row in world.audit.rows] == [
        *("sent", "verified", "verified_again", "invalid_token", "refreshed", "otp_expired"),
    ]
    again = world.audit.rows[2]
    assert (again.facts.action, again.facts.contact, again.facts.region) == (
        Action.CHECK,
        "***-***-3210",
        "IN",
    )


@pytest.mark.parametrize("browser", [None, "another"])
def test_a_right_code_again_elsewhere(browser: str | None) -> None:
    """2.6: whoever else presents it finds it used, and takes nothing from the browser."""
    world = world_with_a_pass()
    _, code = ask(world)
    first = world.verify(code, browser="b")
    assert isinstance(first, SignedIn)
    assert world.verify(code, browser=browser) == NoLiveCode(COOLED)
    assert isinstance(world.refresh(first.grant.refresh_token), Grant)


def test_an_answer_that_was_seen_is_not_lost() -> None:
    """2.6: once the tokens were used, the code is used for everybody."""
    world = world_with_a_pass()
    _, code = ask(world)
    first = world.verify(code, browser="b")
    assert isinstance(first, SignedIn)
    refreshed = world.refresh(first.grant.refresh_token)
    assert world.verify(code, browser="b") == NoLiveCode(COOLED)
    assert isinstance(refreshed, Grant)
    assert isinstance(world.refresh(refreshed.refresh_token), Grant)


def test_signing_out_ends_it() -> None:
    """2.6: whoever signed out is not signed in by the same code."""
    world = world_with_a_pass()
    _, code = ask(world)
    first = world.verify(code, browser="b")
    assert isinstance(first, SignedIn)
    world.revoke(first.grant.refresh_token)
    assert world.verify(code, browser="b") == NoLiveCode(COOLED)


class Cut(MemoryRecords[str, Family]):
    """Families in a database that is away the first time."""

    is_away = True

    async def transition(self, key: str, decide: Any) -> Any:  # noqa: ANN401 - as the port
        """Keep the promise of `FamilyRepository.transition`, from the second time on."""
        if self.is_away:
            self.is_away = False
            raise Unavailable("away")
        return await super().transition(key, decide)


def test_a_sign_in_that_was_cut_off() -> None:
    """2.6: where the code was used and no sign-in recorded, the same browser's is."""
    audit = MemoryAudit()
    world = World(audit=audit, families=Cut(audit))
    world.add()
    _, code = ask(world)
    with pytest.raises(Unavailable):
        world.verify(code, browser="b")
    assert world.verify(code, browser="another") == NoLiveCode(COOLED)
    assert isinstance(world.verify(code, browser="b"), SignedIn)
    assert isinstance(world.verify(code, browser="b"), SignedIn)
    assert world.verify(code, browser="b") == NoLiveCode(COOLED)
    assert len(world.audit.sign_ins) == 1
    assert [row.outcome for row in audit.rows] == [
        *("sent", "unavailable", "otp_expired", "verified", "verified_again", "otp_expired"),
    ]


# What is written down


def test_one_row_for_every_request() -> None:
    """A row has the time, the journey, the action, the outcome, and all that may be told."""
    world = world_with_a_pass()
    world.validate()
    _, code = ask(world)
    world.clock.advance(SECOND)
    world.verify(other_than(code))
    world.verify(code)
    fingerprint = ring("fingerprints").fingerprint("+919876543210")
    prefix = ring("fingerprints").fingerprint("+91987654")
    row = row_of(
        at=START,
        flow=Flow.PASS_LOGIN,
        purpose=Purpose.PHONE_VERIFICATION,
        action=Action.LOOK_UP,
        outcome="valid",
        client=ClientAddress("198.51.100.7"),
        request_id="request-of-198.51.100.7",
        pass_code="HSP-****-5678",
        contact="***-***-3210",
        region="IN",
        contact_fingerprint=fingerprint,
        range_fingerprint=prefix,
        block_fingerprint=ring("fingerprints").fingerprint("+919876"),
        charged=("lookups",),
    )
    later = evolved(
        row,
        at=Instant(START + 1_000_000),
        action=Action.CHECK,
        charged=("lookups", "checks"),
        lane=Lane.OTHERS,
    )
    assert world.audit.rows == [
        row,
        evolved(
            row,
            action=Action.SEND,
            outcome="sent",
            lane=Lane.OTHERS,
            sender="outbox",
            provider_message_id="message-1",
        ),
        attrs.evolve(later, outcome="invalid_otp"),
        attrs.evolve(later, outcome="verified"),
    ]


def test_no_row_tells_a_secret() -> None:
    """No field of any row holds a code, a full number, a pass code or a token."""
    world = world_with_a_pass(policy=open_policy(failures=(Quota(4, HOUR),)))
    world.validate()
    world.validate("HSP-1111-2222")
    _, first = ask(world)
    for _ in range(4):
        world.verify(other_than(first))
    world.send()
    world.clock.advance(30 * SECOND)
    world.outbox.failure = SendFailed()
    world.send()
    world.outbox.failure = None
    world.clock.advance(30 * SECOND)
    _, second = ask(world)
    signed_in = world.verify(second)
    assert isinstance(signed_in, SignedIn)
    world.verify(second)
    world.verify(second, challenge_id="another")
    assert len(world.audit.rows) == 14
    told = " ".join(str(field) for row in world.audit.rows for field in attrs.astuple(row))
    for secret in (
        first,
        other_than(first),
        second,
        "9876543210",
        "HSP-1234",
        "HSP-1111",
        signed_in.grant.access_token,
        signed_in.grant.refresh_token,
    ):
        assert secret not in told


def test_users_do_not_share_a_slot() -> None:
    """What one user's guesses do is nothing to another's, though they share a number."""
    world = world_with_a_pass()
    world.add("HSP-8765-4321", user="u2")
    _, code = ask(world)
    ask(world, pass_code="HSP-8765-4321")
    for _ in range(3):
        world.verify(other_than(code))
    assert isinstance(world.verify(world.outbox.codes[1], "HSP-8765-4321"), SignedIn)
    assert world.record("u2").run == 0


def test_clients_do_not_share_their_limits() -> None:
    """What one client looks up is nothing to another's limit."""
    world = world_with_a_pass(limits=ClientLimits(lookups=Quota(1, HOUR)))
    world.validate()
    assert isinstance(world.validate(), Refusal)
    assert isinstance(world.validate(client=OTHER_CLIENT), UsablePass)
    assert world.audit.rows[-1].facts.client == ClientAddress(OTHER_CLIENT)


def test_an_outcome_shows_no_number() -> None:
    """No `repr` of an answer tells a number, a pass code or a token."""
    world = world_with_a_pass()
    shown = repr(world.validate()) + repr(world.send())
    signed_in = world.verify(world.outbox.codes[0])
    assert isinstance(signed_in, SignedIn)
    shown += repr(signed_in)
    for secret in ("9876543210", "1234-5678", signed_in.grant.refresh_token, world.outbox.codes[0]):
        assert secret not in shown
    assert signed_in.signed_in.user.phone == PhoneNumber("+919876543210")
