"""What answers carry."""

import msgspec

from hsp_otp.domain.instant import SECOND, Instant, to_iso
from hsp_otp.domain.passes import Pass
from hsp_otp.flows.pass_login import SignedIn
from hsp_otp.flows.sessions import Grant


class FoundBody(msgspec.Struct):
    """A usable pass; its code would go to the masked number."""

    phone_masked: str
    valid: bool = True


class SentBody(msgspec.Struct):
    """
    A code is on its way.

    Seconds: `expires_in` is the code's lifetime, `resend_in` the wait before another.
    """

    phone_masked: str
    expires_in: int
    challenge_id: str
    resend_in: int | msgspec.UnsetType = msgspec.UNSET
    sent: bool = True


class UserBody(msgspec.Struct):
    """A user, the number in full: only its holder is shown this."""

    id: str
    email: str
    first_name: str
    last_name: str
    phone_number: str | None

    @classmethod
    def of(cls, found: Pass) -> "UserBody":
        """The user who holds *found*."""
        user = found.user
        return cls(
            id=user.id,
            email=user.email,
            first_name=user.first_name,
            last_name=user.last_name,
            phone_number=user.phone.e164 if user.phone else None,
        )


class PassBody(msgspec.Struct):
    """A pass, as its holder sees it."""

    pass_code: str
    status: str
    plan_name: str
    expires_at: str | None
    days_until_expiry: int | None
    is_expired: bool

    @classmethod
    def of(cls, found: Pass, now: Instant) -> "PassBody":
        """*found* as it is at *now*."""
        expired = found.is_expired(now)
        return cls(
            pass_code=found.code.value,
            status="expired" if expired else "active",
            plan_name=found.plan_name,
            expires_at=None if found.expires_at is None else to_iso(found.expires_at),
            days_until_expiry=found.days_until_expiry(now),
            is_expired=expired,
        )


class TokensBody(msgspec.Struct):
    """A pair of tokens; `expires_in` is the access token's, in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the kind of token

    @classmethod
    def of(cls, grant: Grant) -> "TokensBody":
        """What *grant* gives."""
        return cls(grant.access_token, grant.refresh_token, grant.expires_in // SECOND)


class MeBody(msgspec.Struct, rename={"pass_": "pass"}):
    """Who is signed in, and by which pass."""

    user: UserBody
    pass_: PassBody

    @classmethod
    def of(cls, found: Pass, now: Instant) -> "MeBody":
        """The holder of *found*."""
        return cls(UserBody.of(found), PassBody.of(found, now))


class SignedInBody(TokensBody, kw_only=True, rename={"pass_": "pass"}):
    """The code was right."""

    user: UserBody
    pass_: PassBody
    success: bool = True

    @classmethod
    def of_sign_in(cls, outcome: SignedIn) -> "SignedInBody":
        """What *outcome* grants, and to whom."""
        return cls(
            access_token=outcome.grant.access_token,
            refresh_token=outcome.grant.refresh_token,
            expires_in=outcome.grant.expires_in // SECOND,
            user=UserBody.of(outcome.signed_in),
            pass_=PassBody.of(outcome.signed_in, outcome.at),
        )


class RevokedBody(msgspec.Struct):
    """Signed out, if anybody was signed in."""

    success: bool = True


class ProblemBody(msgspec.Struct, rename={"type_": "type"}, omit_defaults=True):
    """RFC 9457, with the members of the flow beside it."""

    status: int
    title: str
    detail: str
    error: str
    message: str
    request_id: str
    type_: str = "about:blank"
    valid: bool | None = None
    sent: bool | None = None
    success: bool | None = None
    retry_after_seconds: int | None = None
    resend_in: int | None = None
    attempts_remaining: int | None = None
