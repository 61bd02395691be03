"""Verifications: starting them, and sending their codes again (docs/contract.md)."""

from hsp_otp.domain.challenge_outcomes import WrongCode
from hsp_otp.domain.instant import SECOND, after
from hsp_otp.domain.quota import Limit, Refusal
from hsp_otp.domain.verification_record import Status
from hsp_otp.flows.verification_outcomes import Over, Refused, Sent, Success
from tests.backend import Shop
from tests.world import START, other_than


def test_a_start_sends_a_code_that_is_right() -> None:
    """A start sends a code; the check of it approves the verification."""
    shop = Shop()
    sent = shop.sent()
    view = sent.view
    assert (view.status, sent.resent, view.attempts_remaining) == (Status.PENDING, False, 3)
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
    again = shop.resend(first.verification.id)
    assert isinstance(again, Sent)
    assert again.resent
    assert again.view.verification == first.verification
    assert again.view.attempts_remaining == 1
    assert shop.world.outbox.codes == [code, code]


def test_a_start_with_too_little_left_supersedes() -> None:
    """With less than 120 s left, a start issues another code, and the old one is replaced."""
    shop = Shop()
    first = shop.sent().view.verification
    shop.world.clock.advance(480 * SECOND)
    assert shop.sent().view.verification.id == first.id
    shop = Shop()
    first = shop.sent().view.verification
    shop.world.clock.advance(480 * SECOND + 1)
    second = shop.sent()
    assert not second.resent
    assert second.view.verification.id != first.id
    (old, _) = shop.world.outbox.codes
    outcome = shop.check(first.id, old)
    assert isinstance(outcome, Over)
    assert outcome.status is Status.REPLACED
    assert shop.found(first.id).view.status is Status.REPLACED
