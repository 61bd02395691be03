"""
The table of flows and purposes.

Policies, settings, texts, slots and the choices of operators are derived from its rows.
"""

import enum
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

import attrs

from hsp_otp.domain import policy
from hsp_otp.domain.contact import ContactKind
from hsp_otp.domain.instant import HOUR, MINUTE
from hsp_otp.domain.quota import Quota


class Flow(enum.Enum):
    """The journey that a request belongs to; described in `FLOWS`."""

    PASS_LOGIN = "pass_login"  # noqa: S105 - a name, not a password
    SIGNUP = "signup"
    VERIFICATION = "verification"


class SubjectKind(enum.Enum):
    """How a subject is identified."""

    USER = "user"
    PHONE = "phone"
    APP = "app"


class Purpose(enum.Enum):
    """The use that a proof is made for; described in `PURPOSES` and `APP_PURPOSES`."""

    PHONE_VERIFICATION = "phone_verification"
    SIGNUP = "signup"
    EMAIL_VERIFICATION = "email_verification"
    LOGIN_VERIFICATION = "login_verification"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a name, not a password


@attrs.frozen(kw_only=True)
class FlowRow:
    """
    The properties of a flow.

    Attributes:
        title: The name that operators see.
        signs_in: Success signs somebody in, which makes the client known.
        share_of_others: How much of the sends to one contact that others may use the flow may use;
            None means all.
        is_judged: The guard judges its asks by groups, since anybody may name any number.
        page: Prefix of the names of its page's settings: ``login`` makes ``HSP_OTP_LOGIN_LOGO``.
            Empty without a page.
        service_name: The setting that holds the service's name, for messages and the page.
    """

    title: str
    signs_in: bool = False
    share_of_others: Fraction | None = None
    is_judged: bool = False
    page: str = ""
    service_name: str = "service_name"


FLOWS: Final[Mapping[Flow, FlowRow]] = {
    Flow.PASS_LOGIN: FlowRow(title="Pass login", signs_in=True, page="login"),
    Flow.SIGNUP: FlowRow(
        title="Signup",
        share_of_others=policy.SIGNUP_SHARE_OF_OTHERS,
        is_judged=True,
        page="signup",
        service_name="signup_service_name",
    ),
    Flow.VERIFICATION: FlowRow(title="Verification", is_judged=True),
}


@attrs.frozen(kw_only=True)
class PurposeRow:
    """
    The properties of a purpose of the customers' own journeys.

    Attributes:
        title: The name that operators see.
        subject_kind: The kind of subject that the slots are about.
        flow: The flow that the purpose belongs to.
        settings: Prefix of its settings' names: ``signup`` and ``code_seconds`` make
            ``HSP_OTP_SIGNUP_CODE_SECONDS``.
        code_seconds: Default lifetime of a code.
        client_sends: Default sends from one client address, keyed by the end of the setting's name.
    """

    title: str
    subject_kind: SubjectKind
    flow: Flow
    settings: str
    code_seconds: int
    client_sends: Mapping[str, Quota]


PURPOSES: Final[Mapping[Purpose, PurposeRow]] = {
    Purpose.PHONE_VERIFICATION: PurposeRow(
        title="pass login",
        subject_kind=SubjectKind.USER,
        flow=Flow.PASS_LOGIN,
        settings="login",
        code_seconds=policy.LOGIN_CODE_SECONDS,
        client_sends={
            "sends_per_client_hour": Quota(policy.LOGIN_SENDS_PER_CLIENT_HOUR, HOUR),
        },
    ),
    Purpose.SIGNUP: PurposeRow(
        title="signup",
        subject_kind=SubjectKind.PHONE,
        flow=Flow.SIGNUP,
        settings="signup",
        code_seconds=policy.SIGNUP_CODE_SECONDS,
        client_sends={
            "sends_per_client_minute": Quota(policy.SIGNUP_SENDS_PER_CLIENT_MINUTE, MINUTE),
            "sends_per_client_hour": Quota(policy.SIGNUP_SENDS_PER_CLIENT_HOUR, HOUR),
        },
    ),
}


@attrs.frozen(kw_only=True)
class AppPurposeRow:
    """
    The properties of a purpose that apps may have contacts verified for.

    Attributes:
        title: The name that operators see.
        contacts: The kinds of contact that it can be for.
        off: Those of them for which an app has to allow it.
        code_seconds: Lifetime of a code, which an app may change.
    """

    title: str
    contacts: frozenset[ContactKind] = frozenset({ContactKind.PHONE})
    off: frozenset[ContactKind] = frozenset()
    code_seconds: int = policy.APP_CODE_SECONDS


APP_PURPOSES: Final[Mapping[Purpose, AppPurposeRow]] = {
    Purpose.PHONE_VERIFICATION: AppPurposeRow(title="verification of a number"),
    Purpose.EMAIL_VERIFICATION: AppPurposeRow(
        title="verification of an e-mail address", contacts=frozenset({ContactKind.EMAIL})
    ),
    Purpose.LOGIN_VERIFICATION: AppPurposeRow(
        title="login",
        contacts=frozenset(ContactKind),
        # A mailbox is no device that somebody has (NIST SP 800-63B-4, 3.1.3.1).
        off=frozenset({ContactKind.EMAIL}),
        code_seconds=policy.APP_LOGIN_CODE_SECONDS,
    ),
    Purpose.PASSWORD_RESET: AppPurposeRow(title="password reset", contacts=frozenset(ContactKind)),
}


@attrs.frozen
class Subject:
    """
    The user or contact that a proof is about.

    Attributes:
        id: Unique within *kind*. May be a full number, so `repr` leaves it out. Of an app, it is
            the app's id, a colon, and either the id that the app's backend gave or the contact.
    """

    kind: SubjectKind
    id: str = attrs.field(repr=False)


@attrs.frozen
class Slot:
    """The place of the one live challenge of a subject and purpose."""

    subject: Subject
    purpose: Purpose

    def __str__(self) -> str:
        return f"{self.purpose.value}:{self.subject.kind.value}:{self.subject.id}"

    @classmethod
    def stored(cls, text: str) -> "Slot":
        """The slot that is *text* as a string."""
        purpose, kind, subject_id = text.split(":", 2)
        return cls(Subject(SubjectKind(kind), subject_id), Purpose(purpose))
