"""What answers carry."""

import msgspec

from hsp_otp.domain.instant import SECOND, Instant, to_iso
from hsp_otp.domain.passes import Pass
from hsp_otp.domain.signup import NEXT_STEP
from hsp_otp.flows.pass_login import SignedIn
from hsp_otp.flows.sessions import Grant


class FoundBody(msgspec.Struct, kw_only=True):
    """A usable pass; its code would go to the masked number."""

    valid: bool = True
    phone_masked: str


class RefusedBody(msgspec.Struct, kw_only=True):
    """Not a usable pass, and not an error either."""

    valid: bool = False
    error: str
    message: str
    request_id: str


class SentBody(msgspec.Struct, kw_only=True):
    """
    A code is on its way.

    Seconds: `expires_in` is the code's lifetime, `resend_in` the wait before another.
    """

    sent: bool = True
    phone_masked: str
    expires_in: int
    resend_in: int | msgspec.UnsetType = msgspec.UNSET
    challenge_id: str


class SignupSentBody(msgspec.Struct, kw_only=True):
    """
    A code is on its way.

    Seconds: `expires_in` is the code's lifetime, `resend_in` the wait before another.
    """

    success: bool = True
    message: str
    session_id: str
    phone_masked: str
    expires_in: int
    resend_in: int | msgspec.UnsetType = msgspec.UNSET


class ProvedBody(msgspec.Struct, kw_only=True):
    """The number is proved; `proof` says so to the backend of the next steps."""

    success: bool = True
    message: str
    next_step: int = NEXT_STEP
    proof: str


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


class TokensBody(msgspec.Struct, kw_only=True):
    """A pair of tokens; `expires_in` is the access token's, in seconds."""

    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 - the kind of token
    expires_in: int

    @classmethod
    def of(cls, grant: Grant) -> "TokensBody":
        """What *grant* gives."""
        return cls(
            access_token=grant.access_token,
            refresh_token=grant.refresh_token,
            expires_in=grant.expires_in // SECOND,
        )


class MeBody(msgspec.Struct, rename={"pass_": "pass"}):
    """Who is signed in, and by which pass."""

    user: UserBody
    pass_: PassBody

    @classmethod
    def of(cls, found: Pass, now: Instant) -> "MeBody":
        """The holder of *found*."""
        return cls(UserBody.of(found), PassBody.of(found, now))


class SignedInBody(msgspec.Struct, kw_only=True, rename={"pass_": "pass"}):
    """The code was right."""

    success: bool = True
    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 - the kind of token
    expires_in: int
    user: UserBody
    pass_: PassBody

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


class Jwk(msgspec.Struct, omit_defaults=True):
    """A public key (RFC 7517); an Ed25519 one has no `y`."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str
    y: str | msgspec.UnsetType = msgspec.UNSET


class KeySetBody(msgspec.Struct):
    """The public keys of access tokens, the one that signs first."""

    keys: list[Jwk]


class RevokedBody(msgspec.Struct):
    """Signed out, if anybody was signed in."""

    success: bool = True


class AliveBody(msgspec.Struct):
    """The process lives."""

    status: str = "ok"


class ReadyBody(msgspec.Struct):
    """
    Whether requests can be served.

    `status` is ready, degraded or unavailable; each check is ok, away or not configured.
    """

    status: str
    checks: dict[str, str]


class ProblemBody(msgspec.Struct, rename={"type_": "type"}):
    """
    RFC 9457, with the members of the flow beside it.

    Seconds: `retry_after_seconds` until the same request may succeed, `resend_in` until a new
    code may be asked for.
    """

    type_: str
    title: str
    status: int
    detail: str
    error: str
    message: str
    request_id: str
    valid: bool | msgspec.UnsetType = msgspec.UNSET
    sent: bool | msgspec.UnsetType = msgspec.UNSET
    success: bool | msgspec.UnsetType = msgspec.UNSET
    retry_after_seconds: int | msgspec.UnsetType = msgspec.UNSET
    resend_in: int | msgspec.UnsetType = msgspec.UNSET
    attempts_remaining: int | msgspec.UnsetType = msgspec.UNSET
    next_step: int | msgspec.UnsetType = msgspec.UNSET
