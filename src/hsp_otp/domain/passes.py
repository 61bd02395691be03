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
    """The payment status of a pass. Only a `PAID` pass can sign in."""

    PAID = "paid"
    PENDING = "pending"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


@attrs.frozen(kw_only=True)
class User:
    """
    The holder of a pass. Several users may share a number.

    Attributes:
        id: Random; what everything about the user is stored under.
        house_id: The house's own id; None if it has given none.
        email: In lower case; identifies a user who has no id of the house.
    """

    id: str
    house_id: str | None = None
    email: str
    first_name: str = ""
    last_name: str = ""
    phone: PhoneNumber | None = None

    @property
    def known_as(self) -> str:
        """The id that others see: the house's own if there is one. The subject of tokens."""
        return self.id if self.house_id is None else self.house_id


@attrs.frozen(kw_only=True)
class Pass:
    """
    A pass and its holder.

    Attributes:
        expires_at: The first instant at which the pass has expired; None if it never expires. An
            expired pass still signs in.
    """

    code: PassCode
    user: User
    payment_status: PaymentStatus
    plan_name: str = ""
    expires_at: Instant | None = None

    @property
    def last_day(self) -> date | None:
        """The last valid day that people are told, in UTC; None if the pass never expires."""
        return None if self.expires_at is None else last_day_before(self.expires_at)

    def is_expired(self, now: Instant) -> bool:
        """Whether the pass has expired."""
        return self.expires_at is not None and now >= self.expires_at

    def days_until_expiry(self, now: Instant) -> int | None:
        """Full days left, 0 once expired; None if the pass never expires."""
        return None if self.expires_at is None else max(0, (self.expires_at - now) // DAY)


@attrs.frozen
class KeptPass:
    """
    A pass, with the changes that sign-ins made.

    Attributes:
        status: ``active``, or ``expired`` once a sign-in found it expired.
        is_verified: Whether its user has proved the current number.
    """

    found: Pass
    status: str
    is_verified: bool


def end_of_pass(text: str) -> Instant:
    """
    The end of a pass, given as an ISO 8601 instant or as a date, its last day.

    A date stands for its last second, so that clients which read `Pass.expires_at` see the same
    day.

    Raises:
        ValueError: The text is neither.
    """
    given = from_iso(text)
    has_time = "T" in text or " " in text
    return given if has_time else after(given, DAY - SECOND)


@attrs.frozen
class UsablePass:
    """A paid pass of a user with a number, which every step of pass login needs."""

    word: ClassVar[str] = "valid"
    found: Pass
    contact: Contact


@attrs.frozen
class PassNotFound:
    """No pass has that code."""

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
    """The result of a look-up. Everything but `UsablePass` is a miss."""
    if found is None:
        return PassNotFound()
    if found.payment_status is not PaymentStatus.PAID:
        return PassNotPaid()
    if found.user.phone is None:
        return NoPhone()
    return UsablePass(found, Contact.of_phone(found.user.phone))
