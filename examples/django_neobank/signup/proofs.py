"""Checks proofs of phone numbers that hsp-otp has made, and takes each of them once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from django.conf import settings

from signup.models import UsedProof

LEEWAY_SECONDS = 5

# It keeps the key set for five minutes, and fetches it again for an unknown key.
_keys = jwt.PyJWKClient(f"{settings.HSP_OTP_URL}/.well-known/jwks.json", timeout=5)


def take_proof(proof: str, session_id: str, known: str | None) -> str:
    """
    Return the number that a proof is about, in E.164, the first time that it is presented.

    Args:
        known: The number that this visitor has proved already: the proof may be presented again.

    Raises:
        jwt.PyJWKClientConnectionError: The keys could not be fetched.
        jwt.PyJWTError: The proof must be refused.
    """
    claims = check_proof(proof)
    if claims["sub"] != session_id:
        raise jwt.InvalidTokenError("a proof of another session")
    ends = datetime.fromtimestamp(claims["exp"], UTC)
    # The primary key decides between requests at the same time.
    _, first = UsedProof.objects.get_or_create(jti=claims["jti"], defaults={"expires_at": ends})
    if not first and claims["phone_number"] != known:
        raise jwt.InvalidTokenError("a proof that has been used")
    # An hour later, its time alone refuses it.
    UsedProof.objects.filter(expires_at__lt=ends - timedelta(hours=1)).delete()
    return str(claims["phone_number"])


def check_proof(proof: str) -> dict[str, Any]:
    """Return the claims of a proof, or raise a jwt.PyJWTError if it must be refused."""
    if jwt.get_unverified_header(proof).get("typ") != "proof+jwt":
        raise jwt.InvalidTokenError("a token of another type")
    claims: dict[str, Any] = jwt.decode(
        proof,
        _keys.get_signing_key_from_jwt(proof),
        algorithms=[settings.HSP_OTP_ALGORITHM],
        issuer=settings.HSP_OTP_ISSUER,
        audience=settings.HSP_OTP_PROOF_AUDIENCE,
        leeway=LEEWAY_SECONDS,
        options={
            "require": ["sub", "iat", "nbf", "exp", "jti", "phone_number"],
            "strict_aud": True,
        },
    )
    if claims.get("token_type") != "proof":
        raise jwt.InvalidTokenError("a token of another type")
    return claims
