"""The kinds of records: how each is decoded, when it expires, and whom it is about."""

from collections.abc import Callable, Collection
from typing import Any, Final, Generic, TypeVar

import attrs

from hsp_otp.adapters import record_format
from hsp_otp.adapters.record_format import RecordFormat
from hsp_otp.domain import challenge, quota
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, Instant, after
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Usage

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class RecordKind(Generic[T]):
    """
    A kind of records. A store keeps its records by one, so there is none that purging and erasing
    do not know of.

    Attributes:
        name: What stands before the colon of their keys.
        plural: What people call them.
        format: How its bodies are written and read.
        is_over: Whether a record means nothing any more, on whatever machine. It is given the
            policies of every purpose, and the instant.
        is_about: Whether a record is about one of the users of those ids, or the number. None where
            the keys say it (slots), and where limits count it (usages).
    """

    name: str
    plural: str
    format: RecordFormat[T]
    is_over: Callable[[T, Collection[Policy], Instant], bool]
    is_about: Callable[[T, Collection[str], PhoneNumber], bool] | None = None

    def key(self, name: str) -> str:
        """The key of the record that is filed under *name*."""
        return f"{self.name}:{name}"

    def over(self, policies: Collection[Policy], now: Instant) -> Callable[[T], bool]:
        """Tells of a record whether it means nothing any more."""
        return lambda record: self.is_over(record, policies, now)

    def about(self, users: Collection[str], phone: PhoneNumber) -> Callable[[T], bool] | None:
        """Tells of a record whether it is about these people; None where no record of it is."""
        is_about = self.is_about
        return None if is_about is None else lambda record: is_about(record, users, phone)


SLOTS: Final = RecordKind(
    name="slot",
    plural="slots",
    format=record_format.SLOT,
    is_over=lambda record, policies, now: all(
        challenge.is_over(record, policy, now) for policy in policies
    ),
)

USAGES: Final = RecordKind[Usage](
    name="usage",
    plural="usages",
    format=record_format.USAGE,
    is_over=lambda usage, _, now: quota.is_over(usage, now),
)

SIGNUP_SESSIONS: Final = RecordKind(
    name="signup",
    plural="signup sessions",
    format=record_format.SIGNUP_SESSION,
    is_over=lambda session, _, now: not session.lives(after(now, -CLOCK_SKEW)),
    is_about=lambda session, _, phone: session.phone == phone,
)

SIGNUP_STEPS: Final = RecordKind(
    name="signup_step",
    plural="signup steps",
    format=record_format.SIGNUP_STEP,
    is_over=lambda step, _, now: now >= after(step.at, DAY),
)

FAMILIES: Final = RecordKind(
    name="family",
    plural="sign-ins",
    format=record_format.FAMILY,
    is_over=lambda family, _, now: now >= after(family.expires_at, DAY),
    is_about=lambda family, users, _: family.user_id in users,
)

RECORD_KINDS: Final[tuple[RecordKind[Any], ...]] = (
    SLOTS,
    USAGES,
    FAMILIES,
    SIGNUP_SESSIONS,
    SIGNUP_STEPS,
)
