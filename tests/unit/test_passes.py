"""Passes and who holds them: `docs/contract.md`, pass login."""

from datetime import date

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.contact import Contact
from hsp_otp.domain.instant import DAY, Instant, to_datetime
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import (
    NoPhone,
    Pass,
    PassNotFound,
    PassNotPaid,
    PaymentStatus,
    UsablePass,
    User,
    end_of_pass,
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
    assert usable(PAID) == UsablePass(PAID, Contact.of_phone(PHONE))


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


@pytest.mark.parametrize(
    ("text", "end", "last_day"),
    [
        ("2026-12-31", 1_798_761_599_000_000, "2026-12-31"),
        ("20261231", 1_798_761_599_000_000, "2026-12-31"),
        ("2026-W53-4", 1_798_761_599_000_000, "2026-12-31"),
        ("2026-12-31T00:00Z", 1_798_675_200_000_000, "2026-12-30"),
        ("2026-12-31 00:00:00.000001", 1_798_675_200_000_001, "2026-12-31"),
        ("2026-12-31T23:59:59.999999Z", 1_798_761_599_999_999, "2026-12-31"),
        ("2027-01-01T05:30+05:30", 1_798_761_600_000_000, "2026-12-31"),
        ("9999-12-31", 253_402_300_799_000_000, "9999-12-31"),
        ("0001-01-01T00:00Z", -62_135_596_800_000_000, "0001-01-01"),
    ],
)
def test_the_last_day_of_a_pass(text: str, end: int, last_day: str) -> None:
    """A date is the last day; an instant is exact, and midnight ends the day before."""
    ending = attrs.evolve(PAID, expires_at=end_of_pass(text))
    assert ending.expires_at == end
    assert ending.last_day == date.fromisoformat(last_day)


@given(at=st.integers(-62_135_596_799_999_999, 253_402_300_799_999_999))
def test_a_pass_is_good_on_its_last_day(at: int) -> None:
    """The last day is the day of the last microsecond at which the pass is not expired."""
    ending = attrs.evolve(PAID, expires_at=Instant(at))
    assert not ending.is_expired(Instant(at - 1))
    assert ending.is_expired(Instant(at))
    assert ending.last_day == to_datetime(Instant(at - 1)).date()


def test_a_pass_without_end() -> None:
    """A pass without an end is never expired and has no days to count."""
    assert PAID.last_day is None
    assert PAID.is_expired(START) is False
    assert PAID.days_until_expiry(START) is None


def test_words() -> None:
    """Every outcome of a look-up has its stable word."""
    words = [kind.word for kind in (UsablePass, PassNotFound, PassNotPaid, NoPhone)]
    assert words == ["valid", "pass_not_found", "pass_not_paid", "no_phone"]
