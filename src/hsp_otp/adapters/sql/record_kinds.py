"""The kinds of records: the format of each, when it expires, and whose data it contains."""

from collections.abc import Callable, Collection
from typing import Any, Final, Generic, TypeVar

import attrs

from hsp_otp.adapters import record_format
from hsp_otp.adapters.record_format import RecordFormat
from hsp_otp.domain import budgets, challenge, ledger, quota
from hsp_otp.domain.instant import CLOCK_SKEW, DAY, Instant, after
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.policy import Policy
from hsp_otp.domain.quota import Usage
from hsp_otp.domain.verification import APPROVAL_LIFE

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class RecordKind(Generic[T]):
    """
    A kind of records. Stores need one for their records, so purge and erasure know all of them.

    Attributes:
        name: Prefix of its keys, before the colon.
        plural: Its name for people.
        format: Writes and reads its bodies.
        is_over: Whether a record no longer has any effect on any machine, given the policies of all
            purposes and the instant.
        is_about: Whether a record is about one of the users with those ids, or about the number.
            None if the keys show it (slots), or if limits count the record (usages).
    """

    name: str
    plural: str
    format: RecordFormat[T]
    is_over: Callable[[T, Collection[Policy], Instant], bool]
    is_about: Callable[[T, Collection[str], PhoneNumber], bool] | None = None

    def key(self, name: str) -> str:
        """The key of the record stored under *name*."""
        return f"{self.name}:{name}"

    def over(self, policies: Collection[Policy], now: Instant) -> Callable[[T], bool]:
        """A test for records that no longer have any effect."""
        return lambda record: self.is_over(record, policies, now)

    def about(self, users: Collection[str], phone: PhoneNumber) -> Callable[[T], bool] | None:
        """A test for records about these people; None if no record of this kind is."""
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

APPROVALS: Final = RecordKind(
    name="approval",
    plural="approvals",
    format=record_format.APPROVAL,
    is_over=lambda approval, _, now: now >= after(approval.at, APPROVAL_LIFE),
)

LEDGERS: Final = RecordKind(
    name="ledger",
    plural="ledgers",
    format=record_format.LEDGER,
    is_over=lambda one, _, now: ledger.is_over(one, now),
)

BUDGETS: Final = RecordKind(
    name="budget",
    plural="budgets",
    format=record_format.BUDGET,
    is_over=lambda budget, _, now: budgets.is_over(budget, now),
)

RECORD_KINDS: Final[tuple[RecordKind[Any], ...]] = (
    SLOTS,
    USAGES,
    FAMILIES,
    SIGNUP_SESSIONS,
    SIGNUP_STEPS,
    APPROVALS,
    LEDGERS,
    BUDGETS,
)
