"""Signs in at our API with the access tokens of hsp-otp."""

from http import HTTPStatus
from typing import Any

import jwt
from django.conf import settings
from django.core.exceptions import ValidationError
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from accounts.models import User

LEEWAY_SECONDS = 5

# It keeps the key set, and fetches it again for an unknown key, at most every 30 s.
_keys = jwt.PyJWKClient(
    f"{settings.HSP_OTP_URL}/.well-known/jwks.json",
    lifespan=settings.HSP_OTP_KEY_SET_SECONDS,
    timeout=5,
)


class KeysUnavailable(APIException):
    """The token may be good, but the keys could not be fetched."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "Try again later."
    default_code = "keys_unavailable"


class HspOtpAuthentication(BaseAuthentication):
    """Takes `Authorization: Bearer` with an access token; `request.auth` has its claims."""

    def authenticate(self, request: Request) -> tuple[User, dict[str, Any]] | None:
        """Return the user and the claims, or None if there is no bearer token."""
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        try:
            claims = check_access_token(token.strip().decode("ascii"))
        except jwt.PyJWKClientConnectionError as error:
            raise KeysUnavailable from error
        except (jwt.PyJWTError, UnicodeDecodeError) as error:
            raise AuthenticationFailed("The access token is not valid.") from error
        user = find_user(claims["sub"])
        if user is None:
            raise AuthenticationFailed("There is no such user.")
        return user, claims

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - REST framework's
        """Make refusals 401, with this in `WWW-Authenticate`."""
        return "Bearer"


def find_user(known_as: str) -> User | None:
    """Return the active user that hsp-otp knows by this id, our own primary key."""
    try:
        return User.objects.filter(pk=known_as, is_active=True).first()
    except ValidationError:  # hsp-otp has made an id itself, for a user who came without ours
        return None


def check_access_token(token: str) -> dict[str, Any]:
    """
    Return the claims of an access token.

    Raises:
        jwt.PyJWKClientConnectionError: The keys could not be fetched.
        jwt.PyJWTError: The token must be refused.
    """
    if jwt.get_unverified_header(token).get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("a token of another type")
    claims: dict[str, Any] = jwt.decode(
        token,
        _keys.get_signing_key_from_jwt(token),
        algorithms=[settings.HSP_OTP_ALGORITHM],
        issuer=settings.HSP_OTP_ISSUER,
        audience=settings.HSP_OTP_AUDIENCE,
        leeway=LEEWAY_SECONDS,
        options={"require": ["sub", "iat", "nbf", "exp", "jti"], "strict_aud": True},
    )
    if claims.get("token_type") != "access":
        raise jwt.InvalidTokenError("a token of another type")
    return claims
