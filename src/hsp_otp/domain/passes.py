"""Passes and the users who hold them."""

import enum
from datetime import date
from typing import ClassVar, Final, get_args

import attrs

from hsp_otp.domain.contact import Contact
from hsp_otp.domain.instant import DAY, SECOND, Instant, after, from_iso, last_day_before
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.phone import PhoneNumber


class PaymentStatus(enum.Enum):
    """Only `PAID` signs in."""

    PAID = "paid"
    PENDING = "pending"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


@attrs.frozen(kw_only=True)
class User:
    """
    Who holds a pass. Several users may share a number.

    Attributes:
        id: Random; the subject of tokens.
        email: In lower case; what a user is known by.
    """

    id: str
    email: str
    first_name: str = ""
    last_name: str = ""
    phone: PhoneNumber | None = None


@attrs.frozen(kw_only=True)
class Pass:
    """
    Attributes:
        expires_at: The first instant at which it is past its end; None where it has none.
            A pass past its end still signs in.
    """

    code: PassCode
    user: User
    payment_status: PaymentStatus
    plan_name: str = ""
    expires_at: Instant | None = None

    @property
    def last_day(self) -> date | None:
        """The day in UTC until which people are told that it is valid; None where it has no end."""
        return None if self.expires_at is None else last_day_before(self.expires_at)

    def is_expired(self, now: Instant) -> bool:
        """Whether its end has come."""
        return self.expires_at is not None and now >= self.expires_at

    def days_until_expiry(self, now: Instant) -> int | None:
        """Full days left, 0 once past; None where it has no end."""
        return None if self.expires_at is None else max(0, (self.expires_at - now) // DAY)


def end_of_pass(text: str) -> Instant:
    """
    When a pass ends by an ISO 8601 instant, or by a date, which is its last day.

    A date means its last second, so that the day which clients read in `Pass.expires_at` is that
    day.

    Raises:
        ValueError: It is neither.
    """
    given = from_iso(text)
    has_time = "T" in text or " " in text
    return given if has_time else after(given, DAY - SECOND)


@attrs.frozen
class UsablePass:
    """A paid pass of a user with a number: what every step of pass login needs."""

    word: ClassVar[str] = "valid"
    found: Pass
    contact: Contact


@attrs.frozen
class PassNotFound:
    """There is no pass of that code."""

    word: ClassVar[str] = "pass_not_found"


@attrs.frozen
class PassNotPaid:
    """The pass is pending, refunded or cancelled."""

    word: ClassVar[str] = "pass_not_paid"


@attrs.frozen
class NoPhone:
    """The user of the pass has no number."""

    word: ClassVar[str] = "no_phone"


UnusablePass = PassNotFound | PassNotPaid | NoPhone

MISSES: Final = frozenset(kind.word for kind in get_args(UnusablePass))
"""The words of look-ups that missed."""


def usable(found: Pass | None) -> UsablePass | UnusablePass:
    """What a look-up came to; everything but `UsablePass` is a miss."""
    if found is None:
        return PassNotFound()
    if found.payment_status is not PaymentStatus.PAID:
        return PassNotPaid()
    if found.user.phone is None:
        return NoPhone()
    return UsablePass(found, Contact.of_phone(found.user.phone))
