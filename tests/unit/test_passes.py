"""Passes and who holds them: `docs/contract.md`, pass login."""

import attrs
import pytest

from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import (
    NoPhone,
    Pass,
    PassNotFound,
    PassNotPaid,
    PaymentStatus,
    UsablePass,
    User,
    usable,
)
from hsp_otp.domain.phone import PhoneNumber
from tests.world import START

PHONE = PhoneNumber("+919876543210")
PAID = Pass(
    code=PassCode("HSP-1234-5678"),
    user=User(id="u1", email="u1@example.com", phone=PHONE),
    payment_status=PaymentStatus.PAID,
)


def test_a_paid_pass_of_a_user_with_a_number_is_usable() -> None:
    """The number that the code goes to comes with the pass."""
    assert usable(PAID) == UsablePass(PAID, PHONE)


def test_no_pass() -> None:
    """Where there is none, the pass is not found."""
    assert usable(None) == PassNotFound()


@pytest.mark.parametrize(
    "status", [PaymentStatus.PENDING, PaymentStatus.REFUNDED, PaymentStatus.CANCELLED]
)
def test_only_paid_passes_are_usable(status: PaymentStatus) -> None:
    """A pass that is pending, refunded or cancelled is not paid, with or without a number."""
    unpaid = attrs.evolve(PAID, payment_status=status)
    assert usable(unpaid) == PassNotPaid()
    assert usable(attrs.evolve(unpaid, user=User(id="u1", email="a@b.c"))) == PassNotPaid()


def test_a_user_without_a_number() -> None:
    """A paid pass of a user without a number has nowhere to send a code to."""
    assert usable(attrs.evolve(PAID, user=User(id="u1", email="a@b.c"))) == NoPhone()


@pytest.mark.parametrize(
    ("left", "expired", "days"),
    [
        (-1, True, 0),
        (-40 * DAY, True, 0),
        (0, True, 0),
        (1, False, 0),
        (DAY - 1, False, 0),
        (DAY, False, 1),
        (30 * DAY + 1, False, 30),
    ],
)
def test_the_end_of_a_pass(left: int, expired: bool, days: int) -> None:  # noqa: FBT001 - a case
    """Full days are left, 0 once past, and the end itself is past."""
    ending = attrs.evolve(PAID, expires_at=Instant(START + left))
    assert ending.is_expired(START) is expired
    assert ending.days_until_expiry(START) == days


def test_a_pass_without_end() -> None:
    """A pass without an end is never expired and has no days to count."""
    assert PAID.is_expired(START) is False
    assert PAID.days_until_expiry(START) is None


def test_words() -> None:
    """Every outcome of a look-up has its stable word."""
    words = [kind.word for kind in (UsablePass, PassNotFound, PassNotPaid, NoPhone)]
    assert words == ["valid", "pass_not_found", "pass_not_paid", "no_phone"]
