"""Verifications: starting them, and sending their codes again (docs/contract.md)."""

from typing import Any

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryAudit, MemorySlots
from hsp_otp.domain.app_limits import MOST_NAMED
from hsp_otp.domain.apps import AppLimits, PurposeNumbers
from hsp_otp.domain.audit import UnsentRow
from hsp_otp.domain.challenge_outcomes import Exhausted, Locked, WrongCode
from hsp_otp.domain.contact import Channel, Contact
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, HOUR, MINUTE, SECOND, after
from hsp_otp.domain.names import ClientAddress, Language
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.purposes import Flow, Purpose, Slot
from hsp_otp.domain.quota import Limit, Quota, Refusal
from hsp_otp.domain.send_limits import contact_sends
from hsp_otp.domain.slot_record import Held, SlotRecord
from hsp_otp.domain.verification_record import Status
from hsp_otp.domain.verification_request import Flaw, Unacceptable
from hsp_otp.flows.verification_outcomes import (
    InProgress,
    Mismatch,
    NotDelivered,
    NotFound,
    Over,
    Prospect,
    Refused,
    Sent,
    Success,
)
from hsp_otp.ports.failures import SendFailed, Unavailable
from tests.backend import Shop, other_app, shop
from tests.world import CLIENT, OTHER_PHONE, PHONE, START, Brittle, World, other_than, ring, run


def test_a_start_sends_a_code_that_is_right() -> None:
    """A start sends a code; the check of it approves the verification."""
    shop = Shop()
    sent = shop.sent()
    view = sent.view
    assert (view.status, sent.resent, view.attempts_remaining) == (Status.PENDING, False, 3)
    assert view.next == {Channel.SMS: after(START, 30 * SECOND)}
    (code,) = shop.world.outbox.codes
    success = shop.check(view.verification.id, code)
    assert isinstance(success, Success)
    assert success.approved_at == START
    found = shop.found(view.verification.id)
    assert found.view.status is Status.APPROVED
    assert [send.sender for send in found.sends] == ["outbox"]
    assert [(event.event, event.outcome) for event in found.events] == [
        ("send", "sent"),
        ("check", "verified"),
    ]


def test_the_message_is_in_the_name_of_the_app() -> None:
    """A message names the app's service, and what is left of the code's life, in any language."""
    shop = Shop()
    shop.sent(language=Language("es"))
    shop.world.clock.advance(31 * SECOND)
    shop.sent()
    code = shop.world.outbox.codes[0]
    assert [message.text for message in shop.world.outbox.sent] == [
        f"{code} is your code in es of Acme Shop, for 10 min (phone_verification).",
        f"{code} is your code of Acme Shop, for 9 min (phone_verification).",
    ]


def test_a_send_leaves_its_rows() -> None:
    """A send has an id of its own, and its row names the app, the verification and the values."""
    shop_ = shop(named_limits={"user": (Quota(5, HOUR),)})
    sent = shop_.sent(client=ClientAddress(CLIENT), limits={"user": "ann"}, subject="u1")
    (row,) = shop_.world.audit.sends
    verification = sent.view.verification
    assert row.flow is Flow.VERIFICATION
    assert row.id != row.verification_id == verification.id
    assert (row.app_id, row.contact, row.client) == (shop_.app.id, PHONE, ClientAddress(CLIENT))
    assert [value.name for value in row.values] == ["user"]
    assert "ann" not in repr(row.values)
    (told,) = shop_.world.audit.rows
    assert (told.facts.app, told.facts.api_key_id, told.facts.client) == (
        "shop",
        "a" * 32,
        ClientAddress(CLIENT),
    )
    assert (told.facts.verification_id, told.facts.channel) == (verification.id, Channel.SMS)
    assert told.facts.subject_fingerprint == ring("fingerprints").fingerprint("u1")
    assert "9876543210" not in repr((told, row, verification))


def test_a_refused_start_names_no_verification() -> None:
    """The row of a refused start names the app, but no verification, as there is none."""
    shop = Shop()
    shop.sent()
    shop.start()
    told = shop.world.audit.rows[-1]
    assert (told.outcome, told.facts.app, told.facts.verification_id) == (
        "resend_too_soon",
        "shop",
        None,
    )
    assert len(shop.world.audit.sends) == 1


def test_a_malformed_start_leaves_nothing() -> None:
    """A start that cannot be read is charged nothing, and leaves no row."""
    shop = Shop()
    assert shop.start("12") == Unacceptable(Flaw.PHONE)
    assert shop.standing("12") == Unacceptable(Flaw.PHONE)
    assert shop.world.audit.rows == []


# The same code again


def test_a_resend_sends_the_same_code() -> None:
    """After the cooldown the same code is sent again; its life and its guesses go on."""
    shop = Shop()
    first = shop.sent().view
    (code,) = shop.world.outbox.codes
    for _ in range(2):
        assert isinstance(shop.check(first.verification.id, other_than(code)), WrongCode)
    assert shop.resend(first.verification.id) == Refused(
        Refusal(Limit.COOLDOWN, after(START, 30 * SECOND), live=True), first.next
    )
    shop.world.clock.advance(31 * SECOND)
    again = shop.resend(first.verification.id, "sms")
    assert isinstance(again, Sent)
    assert again.resent
    assert again.view.verification == first.verification
    assert again.view.attempts_remaining == 1
    assert shop.world.outbox.codes == [code, code]
    assert len(shop.found(first.verification.id).sends) == 2


def test_a_start_on_a_live_code_sends_it_again() -> None:
    """With 120 s left a start sends the same code; a microsecond later it issues another."""
    shop = Shop()
    first = shop.sent(metadata={"order": "1"}).view.verification
    shop.world.clock.advance(480 * SECOND)
    again = shop.sent(metadata={"order": "2"})
    assert (again.resent, again.view.verification) == (True, first)
    shop = Shop()
    first = shop.sent().view.verification
    shop.world.clock.advance(480 * SECOND + 1)
    second = shop.sent()
    assert not second.resent
    assert second.view.verification.id != first.id
    (old, _) = shop.world.outbox.codes
    assert shop.check(first.id, old) == Over(
        Status.REPLACED, after(shop.world.clock.now(), 30 * SECOND)
    )
    assert shop.found(first.id).view.status is Status.REPLACED


def test_another_number_of_a_user_gets_another_code() -> None:
    """A code is bound to its contact: a start of the same user for another number supersedes it."""
    shop = Shop()
    first = shop.sent(subject="u1").view.verification
    shop.world.clock.advance(MINUTE)
    second = shop.sent(OTHER_PHONE, subject="u1")
    assert not second.resent
    assert shop.found(first.id).view.status is Status.REPLACED


@pytest.mark.parametrize("what", ["digits", "key"])
def test_what_was_made_otherwise_is_not_sent_again(what: str) -> None:
    """A start issues another code if the app's digits or the first secret key have changed."""
    shop = Shop()
    first = shop.sent().view.verification
    shop.world.clock.advance(MINUTE)
    if what == "digits":
        numbers = {Purpose.PHONE_VERIFICATION: PurposeNumbers(digits=8)}
        shop.app = attrs.evolve(shop.app, rules=attrs.evolve(shop.app.rules, purposes=numbers))
    else:
        shop.world.codes = ring("codes", "k2", "k1")
    second = shop.sent()
    assert not second.resent
    assert len(shop.world.outbox.codes[-1]) == (8 if what == "digits" else 6)
    assert isinstance(shop.check(second.view.verification.id, shop.world.outbox.codes[-1]), Success)
    assert shop.found(first.id).view.status is Status.REPLACED


def test_a_resend_keeps_the_digits_of_its_code() -> None:
    """A code keeps its digits when the app's change, and may be sent again and checked."""
    shop = Shop()
    first = shop.sent().view.verification
    numbers = {Purpose.PHONE_VERIFICATION: PurposeNumbers(digits=8)}
    shop.app = attrs.evolve(shop.app, rules=attrs.evolve(shop.app.rules, purposes=numbers))
    shop.world.clock.advance(MINUTE)
    assert isinstance(shop.resend(first.id), Sent)
    code, again = shop.world.outbox.codes
    assert code == again
    assert isinstance(shop.check(first.id, again), Success)


def test_a_code_whose_key_is_gone_is_not_sent_again() -> None:
    """If the secret key of a code was removed, its verification has expired."""
    shop = Shop()
    first = shop.sent().view.verification
    shop.world.clock.advance(MINUTE)
    shop.world.codes = ring("codes", "k2")
    assert shop.resend(first.id) == Over(Status.EXPIRED, shop.world.clock.now())


def test_an_exhausted_code_stays_so() -> None:
    """An exhausted code is not sent again; a start supersedes it, and it stays exhausted."""
    shop = Shop()
    first = shop.sent().view.verification
    (code,) = shop.world.outbox.codes
    for _ in range(3):
        shop.check(first.id, other_than(code))
    shop.world.clock.advance(MINUTE)
    assert shop.resend(first.id) == Exhausted(shop.world.clock.now())
    assert not shop.sent().resent
    assert shop.found(first.id).view.status is Status.MAX_ATTEMPTS_REACHED
    assert isinstance(shop.check(first.id, code), Exhausted)


def test_what_has_expired_is_not_sent_again() -> None:
    """At the end of its life a verification has expired, whether or not another is started."""
    shop = Shop()
    first = shop.sent().view.verification
    shop.world.clock.advance(600 * SECOND)
    assert shop.resend(first.id) == Over(Status.EXPIRED, shop.world.clock.now())
    view = shop.found(first.id).view
    assert (view.status, view.updated_at) == (Status.EXPIRED, after(START, 600 * SECOND))
    shop.sent()
    assert shop.found(first.id).view.status is Status.EXPIRED


def test_a_resend_of_an_unknown_verification() -> None:
    """What another app has, or nobody, is not found; the audit tells of the request."""
    shop = Shop()
    first = shop.sent().view.verification
    shop.app = other_app("other")
    assert shop.resend(first.id) == NotFound()
    assert shop.resend("nothing") == NotFound()
    assert shop.world.audit.rows[-1].facts.app == "other"
    assert shop.world.audit.rows[-1].outcome == "verification_not_found"


def test_a_resend_by_a_channel_that_the_app_lacks() -> None:
    """A resend names one of the app's channels."""
    shop = Shop()
    assert shop.resend(shop.sent().view.verification.id, "voice") == Unacceptable(Flaw.CHANNEL)


# What no sender takes


def test_a_first_message_that_nobody_takes() -> None:
    """A verification whose first message no sender took has failed; no cooldown follows."""
    shop = Shop()
    shop.world.outbox.failure = SendFailed()
    assert shop.start() == NotDelivered(resend_at=START)
    (row,) = shop.world.audit.sends
    assert row.verification_id is not None
    assert shop.world.audit.unsent == [UnsentRow(send_id=row.id, at=START)]
    found = shop.found(row.verification_id)
    assert found.view.status is Status.FAILED
    assert [send.was_refused for send in found.sends] == [True]
    assert [event.outcome for event in found.events] == ["delivery_failed"]
    shop.world.outbox.failure = None
    assert not shop.sent().resent


def test_a_resend_that_nobody_takes_ends_nothing() -> None:
    """After a resend that no sender took, the code that was sent before is right."""
    shop = Shop()
    first = shop.sent().view.verification
    shop.world.clock.advance(MINUTE)
    shop.world.outbox.failure = SendFailed()
    now = shop.world.clock.now()
    assert shop.resend(first.id) == NotDelivered(resend_at=now)
    assert isinstance(shop.check(first.id, shop.world.outbox.codes[0]), Success)


def test_a_late_failure_ends_no_other_cooldown() -> None:
    """A resend that fails after the next ask leaves the cooldown of that one."""
    shop = Shop()
    first = shop.sent().view.verification
    shop.world.clock.advance(MINUTE)
    shop.world.outbox.failure = SendFailed()

    def meanwhile() -> None:
        shop.world.outbox.witness, shop.world.outbox.failure = None, None
        shop.world.clock.advance(MINUTE)
        assert isinstance(shop.resend(first.id), Sent)
        shop.world.outbox.failure = SendFailed()

    shop.world.outbox.witness = meanwhile
    now = after(START, 2 * MINUTE)
    assert shop.resend(first.id) == NotDelivered(resend_at=after(now, 30 * SECOND))


def test_a_bug_of_a_sender_ends_the_verification_too() -> None:
    """Whatever goes wrong with a message, its code can never succeed, and the request fails."""
    shop = Shop()
    shop.world.outbox.failure = RuntimeError("a bug")
    with pytest.raises(RuntimeError):
        shop.start()
    (row,) = shop.world.audit.sends
    assert row.verification_id is not None
    assert shop.found(row.verification_id).view.status is Status.FAILED


def test_nothing_is_charged_while_every_sender_is_skipped() -> None:
    """While no sender would try, a start is refused before anything is charged."""
    shop = Shop()
    shop.world.outbox.skipped = True
    assert shop.start() == NotDelivered(resend_at=None)
    assert shop.world.audit.sends == []
    shop.world.outbox.skipped = False
    shop.sent()


# Idempotency


def test_a_key_makes_one_send() -> None:
    """A repeated start with its key is told how its verification stands now; the audit says so."""
    shop = Shop()
    first = shop.sent(key="k1")
    shop.world.clock.advance(MINUTE)
    again = shop.sent(key="k1")
    assert (again.replayed, again.resent) == (True, False)
    assert again.view.verification == first.view.verification
    assert shop.world.outbox.codes == shop.world.outbox.codes[:1]
    shop.check(first.view.verification.id, shop.world.outbox.codes[0])
    assert shop.sent(key="k1").view.status is Status.APPROVED
    assert [row.outcome for row in shop.world.audit.rows] == [
        *("sent", "replayed", "verified", "replayed"),
    ]


def test_a_key_holds_across_secret_keys() -> None:
    """A key is recognized while the secret key that it was noted under is in the ring."""
    shop = Shop()
    shop.sent(key="k1")
    shop.world.idempotency_keys = ring("idempotency", "k2", "k1")
    assert shop.sent(key="k1").replayed


def test_a_key_belongs_to_one_request() -> None:
    """A key of a start is no key of another start, nor of a resend, nor of another app."""
    shop = Shop()
    first = shop.sent(key="k1").view.verification
    shop.world.clock.advance(MINUTE)
    assert shop.start(OTHER_PHONE, "k1") == Mismatch()
    assert shop.start(PHONE, "k1", subject="u1") == Mismatch()
    assert shop.start(PHONE, "k1", purpose="password_reset") == Mismatch()
    assert shop.resend(first.id, key="k1") == Mismatch()
    shop.app = other_app("other")
    assert not shop.sent(key="k1").replayed


def test_a_repeated_resend() -> None:
    """A resend with its key is told again as one that was sent again."""
    shop = Shop()
    first = shop.sent().view.verification
    shop.world.clock.advance(MINUTE)
    assert isinstance(shop.resend(first.id, key="k1"), Sent)
    again = shop.resend(first.id, key="k1")
    assert isinstance(again, Sent)
    assert (again.replayed, again.resent) == (True, True)
    assert len(shop.world.outbox.sent) == 2


def test_a_request_under_way() -> None:
    """Until the message is handed over, a repeated start is asked to wait, for 10 s at most."""
    shop = Shop()
    seen: list[object] = []

    def witness() -> None:
        shop.world.outbox.witness = None
        seen.append(shop.start(key="k1"))
        shop.world.clock.advance(10 * SECOND)
        seen.append(shop.start(key="k1"))

    shop.world.outbox.witness = witness
    shop.sent(key="k1")
    in_progress, as_it_stands = seen
    assert in_progress == InProgress()
    assert isinstance(as_it_stands, Sent)
    assert as_it_stands.replayed
    assert len(shop.world.outbox.sent) == 1


def test_a_claim_without_a_row() -> None:
    """
    A claim whose row is still to be written is under way. When it no longer can be (clocks may
    differ by 5 s), nothing was sent, so neither a limit nor the cooldown counts it.
    """
    audit = Brittle(MemoryAudit())
    shop = Shop(World(audit=audit.kept, slots=MemorySlots(audit)))
    audit.is_away = True
    with pytest.raises(Unavailable):
        shop.start(key="k1")
    assert shop.world.audit.rows[-1].outcome == "unavailable"
    audit.is_away = False
    assert shop.start(key="k1") == InProgress()
    shop.world.clock.advance(15 * SECOND - 1)
    assert shop.start(key="k1") == InProgress()
    shop.world.clock.advance(5 * SECOND + 1)
    assert not shop.sent(key="k1").replayed
    assert shop.world.sends_charged(contact_sends(Contact.stored(PHONE))) == (
        shop.world.clock.now(),
    )


def test_a_refusal_leaves_its_key_free() -> None:
    """A start that was refused is judged again under the same key."""
    shop = Shop()
    shop.sent()
    assert isinstance(shop.start(key="k1"), Refused)
    shop.world.clock.advance(30 * SECOND)
    assert not shop.sent(key="k1").replayed


def test_a_failed_delivery_is_told_again() -> None:
    """A start that no sender took is answered like that again, and tries nothing."""
    shop = Shop()
    shop.world.outbox.failure = SendFailed()
    shop.start(key="k1")
    shop.world.outbox.failure = None
    assert shop.start(key="k1") == NotDelivered(resend_at=START, replayed=True)
    assert shop.world.outbox.sent == []


def test_a_key_whose_verification_was_erased() -> None:
    """If the verification of a key was erased, the key belongs to another request."""
    shop = Shop()
    sent = shop.sent(key="k1")
    del shop.world.audit.verifications[sent.view.verification.id]
    assert shop.start(key="k1") == Mismatch()


def test_a_send_that_was_interrupted_is_stored_by_the_next() -> None:
    """If a verification was never stored, a start that sends its code again stores it."""
    shop = Shop()
    first = shop.sent().view.verification
    del shop.world.audit.verifications[first.id]
    shop.world.clock.advance(MINUTE)
    again = shop.sent()
    assert again.resent
    assert shop.found(first.id).view.verification == first


# What a start would meet


def test_the_standing_of_a_contact() -> None:
    """What a start would meet is told with every limit, and changes nothing."""
    shop_ = shop(named_limits={"user": (Quota(5, 600 * SECOND), Quota(20, DAY))})
    facts: dict[str, Any] = {"client": ClientAddress(CLIENT), "limits": {"user": "ann"}}
    shop_.sent(**facts)
    before = run(shop_.world.slots.transition(_slot(shop_), (), _record))
    standing = shop_.standing(**facts)
    assert isinstance(standing, Prospect)
    found = standing.prospects
    assert found.why == Refusal(Limit.COOLDOWN, after(START, 30 * SECOND), live=True)
    assert standing.next == {Channel.SMS: after(START, 30 * SECOND)}
    assert found.attempts_remaining == 3
    assert [(one.limit, one.name, one.remaining, one.window) for one in found.limits] == [
        (Limit.CONTACT_SENDS, None, 9, DAY),
        (Limit.APP, None, 59, MINUTE),
        (Limit.APP, None, 9_999, DAY),
        (Limit.CLIENT, None, 4, HOUR),
        (Limit.NAMED, "user", 4, 600 * SECOND),
        (Limit.NAMED, "user", 19, DAY),
    ]
    assert run(shop_.world.slots.transition(_slot(shop_), (), _record)) == before
    shop_.world.clock.advance(30 * SECOND)
    standing = shop_.standing(**facts)
    assert isinstance(standing, Prospect)
    assert standing.prospects.why is None
    other = shop_.standing(OTHER_PHONE)
    assert isinstance(other, Prospect)
    assert other.prospects.attempts_remaining is None


# Limits


def test_the_app_has_a_limit() -> None:
    """Sends of an app are limited together, whoever they are for."""
    shop_ = shop(limits=AppLimits(sends_per_minute=1))
    shop_.sent()
    refused = shop_.start(OTHER_PHONE)
    assert isinstance(refused, Refused)
    assert refused.why == Refusal(Limit.APP, after(START, MINUTE))
    assert refused.word == "app_rate_limited"


def test_a_high_limit_is_judged_apart() -> None:
    """Above 600 a minute the counter of checks judges the minute, before the slot."""
    shop_ = shop(limits=AppLimits(sends_per_minute=601), policy=Policy(cooldown=0))
    shop_.sent()
    assert shop_.world.charged("app_sends", shop_.app.id) == 1
    for _ in range(600):
        shop_.start()
    refused = shop_.start(OTHER_PHONE)
    assert isinstance(refused, Refused)
    assert refused.why == Refusal(Limit.APP, after(START, MINUTE))
    assert shop_.world.audit.rows[-1].outcome == "app_rate_limited"


def test_named_limits_count_values() -> None:
    """A named limit counts each value that it is given; a refusal names it."""
    shop_ = shop(named_limits={"user": (Quota(1, HOUR),), "card": (Quota(1, HOUR),)})
    shop_.sent(limits={"user": "ann", "card": "1"})
    refused = shop_.start(OTHER_PHONE, limits={"user": "bob", "card": "1"})
    assert isinstance(refused, Refused)
    assert refused.why == Refusal(Limit.NAMED, after(START, HOUR), name="card")
    shop_.sent(OTHER_PHONE, limits={"user": "bob", "card": "2"})
    assert MOST_NAMED == 4


def test_a_resend_is_charged_like_its_start() -> None:
    """A resend is charged to the client and to the named values of its start."""
    shop_ = shop(
        named_limits={"user": (Quota(1, HOUR),)}, limits=AppLimits(sends_per_client_hour=2)
    )
    facts: dict[str, Any] = {"client": ClientAddress(CLIENT), "limits": {"user": "ann"}}
    first = shop_.sent(**facts).view.verification
    shop_.world.clock.advance(MINUTE)
    refused = shop_.resend(first.id)
    assert isinstance(refused, Refused)
    assert refused.why == Refusal(Limit.NAMED, after(START, HOUR), name="user")
    rules = attrs.evolve(shop_.app.rules, named_limits={})
    shop_.app = attrs.evolve(shop_.app, rules=rules)
    assert isinstance(shop_.resend(first.id), Sent)
    shop_.world.clock.advance(MINUTE)
    refused = shop_.resend(first.id)
    assert isinstance(refused, Refused)
    assert refused.why == Refusal(Limit.CLIENT, after(START, HOUR))


def test_a_number_has_one_budget() -> None:
    """Ten codes a day reach one number, over all apps and flows; an app may allow fewer."""
    world = World(policy=Policy(cooldown=0))
    one, two = Shop(world), Shop(world, other_app("other"))
    for _ in range(5):
        one.sent()
        two.sent()
    refused = one.start()
    assert isinstance(refused, Refused)
    assert refused.why == Refusal(Limit.CONTACT_SENDS, after(START, DAY))
    numbers = {Purpose.PHONE_VERIFICATION: PurposeNumbers(sends_per_contact_day=1)}
    strict = Shop(World(policy=Policy(cooldown=0)), other_app("strict", {"purposes": numbers}))
    strict.sent()
    assert isinstance(strict.start(), Refused)


def test_the_lock_is_of_one_purpose() -> None:
    """Fifteen wrong guesses lock a user for one purpose, and the wait is until all limits admit."""
    shop_ = shop(policy=Policy(cooldown=0, contact_sends=Quota(0, DAY)))
    for _ in range(5):
        verification = shop_.sent().view.verification
        for _ in range(3):
            shop_.check(verification.id, other_than(shop_.world.outbox.codes[-1]))
    refused = shop_.start()
    assert isinstance(refused, Refused)
    assert refused.why == Locked(after(START, DAY))
    assert refused.next == {Channel.SMS: after(START, DAY)}
    shop_.sent(purpose="login_verification")


def _slot(shop: Shop) -> Slot:
    (row,) = shop.world.audit.verifications.values()
    return row.slot


def _record(held: Held) -> Decision[Held, SlotRecord]:
    return Decision(held.record, held)
