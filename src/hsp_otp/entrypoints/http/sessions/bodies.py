"""The bodies of requests and answers for signed-in users."""

from typing import Any, Final, Self

import msgspec

from hsp_otp.domain.instant import SECOND, Instant, to_iso
from hsp_otp.domain.passes import Pass
from hsp_otp.flows.pass_login import SignedIn
from hsp_otp.flows.sessions import Grant, Redeemed

DEVICE_TOKEN: Final = "k1.1793001600." + 4 * "fcde2b2edba56bf4"

TOKENS: Final[dict[str, Any]] = {
    "access_token": "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiYXQrand0In0.e30.c2lnbmF0dXJl",
    "refresh_token": "k1.aI7HpmwPr-rSBiYSYhURXQ.4Cn6WgL-0JRSspBhpfzEFA.X9QnOH0FXgQCCGoxAl_sfA",
    "token_type": "Bearer",
    "expires_in": 900,
}
"""An example for the document, and so are those below."""

EXCHANGE_CODE: Final = (
    "k1.aI7HpmwPr-rSBiYSYhURXQ.BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
    ".9ymsS57psh8XYqo7Hgh-HJ7gzBM8p8MO4D0zFyAd_xM"
)

USER_AND_PASS: Final = {
    "user": {
        "id": "83NCwFdVFuCnoKygm8IHbw",
        "email": "asha@example.com",
        "first_name": "Asha",
        "last_name": "Rao",
        "phone_number": "+919876543210",
    },
    "pass": {
        "pass_code": "HSP-1234-5678",
        "status": "active",
        "plan_name": "Gold",
        "expires_at": "2099-12-31T00:00:00Z",
        "days_until_expiry": 26702,
        "is_expired": False,
    },
}

KEY_SET: Final = {
    "keys": [
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "6WKBBpCevds1vkfQSj7cyZspjBSGS5ubLR6aEuJgZZQ",
            "y": "S9yn7q2euREf8ThFepP9VznjCVHnAGyDwAtVqijb_EY",
            "kid": "k1",
            "use": "sig",
            "alg": "ES256",
        }
    ]
}


class TokenRequest(msgspec.Struct):
    """A refresh token."""

    refresh_token: str | None = None


class RefreshRequest(TokenRequest):
    """A refresh token, or by the name that clients of Django's JWT library give it: `refresh`."""

    refresh: str | None = None


class ExchangeRequest(msgspec.Struct):
    """The code that a page has posted."""

    code: str | None = None


class UserBody(msgspec.Struct):
    """A user with the full number, which only its holder sees."""

    id: str
    email: str
    first_name: str
    last_name: str
    phone_number: str | None

    @classmethod
    def of(cls, found: Pass) -> "UserBody":
        """Create the body for the holder of *found*."""
        user = found.user
        return cls(
            id=user.known_as,
            email=user.email,
            first_name=user.first_name,
            last_name=user.last_name,
            phone_number=user.phone.e164 if user.phone else None,
        )


class PassBody(msgspec.Struct):
    """A pass as its holder sees it."""

    pass_code: str
    status: str
    plan_name: str
    expires_at: str | None
    days_until_expiry: int | None
    is_expired: bool

    @classmethod
    def of(cls, found: Pass, now: Instant) -> "PassBody":
        """Create the body for *found* at the instant *now*."""
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
    """
    A pair of tokens; `expires_in` is the access token's lifetime in seconds.

    `access` and `refresh` are the same two tokens, for a request with `refresh`.
    """

    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 - the kind of token
    expires_in: int
    access: str | msgspec.UnsetType = msgspec.UNSET
    refresh: str | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, grant: Grant) -> "TokensBody":
        """Create the body for *grant*."""
        return cls(
            access_token=grant.access_token,
            refresh_token=grant.refresh_token,
            expires_in=grant.expires_in // SECOND,
        )


class MeBody(msgspec.Struct, rename={"pass_": "pass"}):
    """The signed-in user and the pass that was used."""

    user: UserBody
    pass_: PassBody

    @classmethod
    def of(cls, found: Pass, now: Instant) -> "MeBody":
        """Create the body for the holder of *found*."""
        return cls(UserBody.of(found), PassBody.of(found, now))


class RedeemedBody(msgspec.Struct, kw_only=True, rename={"pass_": "pass"}):
    """The holder of the pass is signed in. The device token stays with the browser."""

    success: bool = True
    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 - the kind of token
    expires_in: int
    user: UserBody
    pass_: PassBody

    @classmethod
    def of(cls, outcome: Redeemed | SignedIn, **more: Any) -> Self:  # noqa: ANN401 - of a subclass
        """Create the body for *outcome*."""
        return cls(
            access_token=outcome.grant.access_token,
            refresh_token=outcome.grant.refresh_token,
            expires_in=outcome.grant.expires_in // SECOND,
            user=UserBody.of(outcome.signed_in),
            pass_=PassBody.of(outcome.signed_in, outcome.at),
            **more,
        )


class Jwk(msgspec.Struct, omit_defaults=True):
    """A public key (RFC 7517); an Ed25519 key has no `y`."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str
    y: str | msgspec.UnsetType = msgspec.UNSET


class KeySetBody(msgspec.Struct):
    """The public keys of access tokens; the first one signs."""

    keys: list[Jwk]


class RevokedBody(msgspec.Struct):
    """The user is signed out, if anybody was signed in."""

    success: bool = True
