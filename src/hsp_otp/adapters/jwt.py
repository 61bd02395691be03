"""Access tokens and proofs as signed JWTs (RFC 7519, RFC 8725, RFC 9068), and their keys."""

from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, assert_never

import attrs
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm
from msgspec import json

from hsp_otp.adapters.key_format import decode_secret, read_keys
from hsp_otp.domain.contact import Channel, ContactKind
from hsp_otp.domain.instant import CLOCK_SKEW, SECOND, Duration, Instant
from hsp_otp.domain.purposes import PURPOSES
from hsp_otp.ports.tokens import Access, AppProof, Proof

PemAlgorithm: TypeAlias = Literal["ES256", "EdDSA"]
"""Algorithms with key pairs, on the curves P-256 and Ed25519."""

Algorithm: TypeAlias = Literal[PemAlgorithm, "HS256"]
"""Algorithms for signing tokens. HS256 is for a backend that shares the secret."""

_TYPE: Final = "at+jwt"
_ACCESS: Final = "access"
_PROOF_TYPE: Final = "proof+jwt"
_PROOF: Final = "proof"
_JWS: Final = jwt.PyJWS()

_METHODS: Final[dict[Channel | None, list[str]]] = {
    Channel.SMS: ["otp", "sms"],
    Channel.VOICE: ["otp", "tel"],
    Channel.WHATSAPP: ["otp"],
    Channel.EMAIL: ["otp"],
    None: ["otp"],
}
"""
The claim `amr`: how the holder was authenticated (RFC 8176), by the channel of the code. There is
no value for WhatsApp and e-mail.
"""

_PURPOSES: Final = {purpose.value: purpose for purpose in PURPOSES}
"""Those of the customers' own journeys; codes of apps sign nobody in here."""

_LONGEST: Final = 4096
"""Maximum characters of a token: about five times the length of a token made here."""

_TAKES: Final[dict[PemAlgorithm, str]] = {
    "ES256": "one on the curve P-256",
    "EdDSA": "one on the curve Ed25519",
}


@attrs.frozen
class SigningKey:
    """
    A key that signs tokens.

    Attributes:
        id: The `kid` of the tokens that it signs.
        material: Of the kind that *algorithm* takes; an HS256 secret has at least 32 bytes.
    """

    id: str
    algorithm: Algorithm
    material: EllipticCurvePrivateKey | Ed25519PrivateKey | bytes = attrs.field(repr=False)

    @property
    def verifying(self) -> EllipticCurvePublicKey | Ed25519PublicKey | bytes:
        """The key that verifies its tokens: the public key, or the HS256 secret."""
        return self.material if isinstance(self.material, bytes) else self.material.public_key()


@attrs.frozen(kw_only=True)
class JwtAccessTokens:
    """
    Signs and verifies access tokens.

    Attributes:
        keys: The first one signs; at least one.
        issuer: The claim `iss`.
        audience: The claim `aud`.
        lifetime: The longest permitted lifetime; `verify` refuses tokens with a longer one.
        with_email: Whether tokens have the claim `email`.
    """

    keys: tuple[SigningKey, ...]
    issuer: str
    audience: str
    lifetime: Duration
    with_email: bool = False

    def sign(self, access: Access) -> str:
        """
        Implement `AccessTokens.sign`.

        Times in these JWTs are whole seconds. Both the instant and the lifetime are rounded down,
        so that no token is issued in the future or outlives its configured lifetime.
        """
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": access.user_id,
            **_times(access.issued_at, access.expires_at),
            "jti": access.token_id,
            "sid": access.family_id,
            "token_type": _ACCESS,
            "amr": _METHODS[access.channel],
            "purpose": access.purpose.value,
        }
        if self.with_email and access.email is not None:
            claims["email"] = access.email
        return _signed(self.keys[0], _TYPE, claims)

    def verify(self, token: str, now: Instant) -> Access | None:
        """
        Implement `AccessTokens.verify`.

        The library checks the form, signature, issuer and audience. Time-dependent claims are
        checked here, because the library would read the machine's clock.
        """
        try:
            claims = self._claims(token)
            return Access(
                user_id=_text(claims["sub"]),
                family_id=_text(claims["sid"]),
                token_id=_text(claims["jti"]),
                purpose=_PURPOSES[claims["purpose"]],
                issued_at=self._issued_at(claims, now),
                expires_at=Instant(claims["exp"] * SECOND),
            )
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, RecursionError):
            # Forged tokens can cause any of these errors; each is simply a refusal.
            return None

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > _LONGEST:
            raise ValueError
        header = jwt.get_unverified_header(token)
        key = next(key for key in (*self.keys, None) if key is None or key.id == header["kid"])
        if key is None or header["typ"] != _TYPE or "crit" in header:
            raise ValueError
        claims: dict[str, Any] = jwt.decode(
            token,
            key.verifying,
            algorithms=[key.algorithm],
            issuer=self.issuer,
            audience=self.audience,
            options={
                "require": ["amr"],  # every other claim is read anyway
                "strict_aud": True,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        if claims["token_type"] != _ACCESS:
            raise ValueError
        return claims

    def _issued_at(self, claims: dict[str, Any], now: Instant) -> Instant:
        """The instant of issue, after checking that all times are whole seconds and valid now."""
        issued, starts, expires = (claims[name] for name in ("iat", "nbf", "exp"))
        if {type(issued), type(starts), type(expires)} != {int}:
            raise ValueError
        early = max(issued, starts) * SECOND > now + CLOCK_SKEW
        if early or expires * SECOND <= now or (expires - issued) * SECOND > self.lifetime:
            raise ValueError
        return Instant(issued * SECOND)


@attrs.frozen(kw_only=True)
class JwtProofs:
    """
    Signs proofs.

    Attributes:
        keys: The first one signs; at least one.
        issuer: The claim `iss`.
        audience: The claim `aud` of signup's proofs; different from the access tokens' audience.
    """

    keys: tuple[SigningKey, ...]
    issuer: str
    audience: str

    def sign(self, proof: Proof | AppProof) -> str:
        """Implement `Proofs.sign`; times are rounded as for access tokens."""
        own = self._of_app(proof) if isinstance(proof, AppProof) else self._of_signup(proof)
        claims = {
            "iss": self.issuer,
            **_times(proof.issued_at, proof.expires_at),
            "token_type": _PROOF,
            "purpose": proof.purpose.value,
            **own,
        }
        return _signed(self.keys[0], _PROOF_TYPE, claims)

    def _of_signup(self, proof: Proof) -> dict[str, Any]:
        return {
            "aud": self.audience,
            "sub": proof.session_id,
            "jti": proof.token_id,
            "amr": _METHODS[proof.channel],
            "phone_number": proof.phone.e164,
        }

    def _of_app(self, proof: AppProof) -> dict[str, Any]:
        return {
            "aud": proof.audience,
            "sub": proof.subject,
            "jti": proof.verification_id,
            "verification_id": proof.verification_id,
            "channel": proof.channel.value,
            "amr": _METHODS[proof.channel],
            **_proved(proof),
            **({"test": True} if proof.test else {}),
        }


def key_set(keys: tuple[SigningKey, ...]) -> dict[str, list[dict[str, str]]]:
    """The public keys as a JWK set (RFC 7517); HS256 secrets are left out."""
    return {
        "keys": [
            {**_public_members(key.verifying), "kid": key.id, "use": "sig", "alg": key.algorithm}
            for key in keys
            if not isinstance(key.verifying, bytes)
        ]
    }


def parse_signing_keys(algorithm: Algorithm, text: str) -> tuple[SigningKey, ...]:
    """
    Read ``id:path-to-PEM,…``, or ``id:base64,…`` for HS256; the first key signs.

    Raises:
        ValueError: An entry is malformed or its id is not unique; its file cannot be read; its key
            is encrypted, too short, or of a kind that *algorithm* does not take. The message
            contains no part of *text*, because under the wrong algorithm a path may be a secret.
    """
    if algorithm == "HS256":
        return read_keys(text, _read_secret)
    return read_keys(text, partial(_read_file, algorithm))


def new_signing_key_pem(algorithm: PemAlgorithm) -> bytes:
    """A new private key as PEM (PKCS #8), not encrypted."""
    match algorithm:
        case "ES256":
            return _pem(generate_private_key(SECP256R1()))
        case "EdDSA":
            return _pem(Ed25519PrivateKey.generate())
        case _:
            assert_never(algorithm)


def _times(issued_at: Instant, expires_at: Instant) -> dict[str, int]:
    issued = issued_at // SECOND
    return {"iat": issued, "nbf": issued, "exp": issued + (expires_at - issued_at) // SECOND}


def _proved(proof: AppProof) -> dict[str, Any]:
    match proof.contact.kind:
        case ContactKind.PHONE:
            return {"phone_number": proof.contact.value, "phone_number_verified": True}
        case ContactKind.EMAIL:
            return {"email": proof.contact.destination, "email_verified": True}
        case _:
            assert_never(proof.contact.kind)


def _signed(key: SigningKey, kind: str, claims: dict[str, Any]) -> str:
    headers = {"typ": kind, "kid": key.id}
    # Encoding the claims takes the library several times as long.
    return _JWS.encode(json.encode(claims), key.material, key.algorithm, headers)


def _read_file(algorithm: PemAlgorithm, key_id: str, path: str) -> SigningKey:
    try:
        pem = Path(path).read_bytes()
    except OSError as error:
        # The original error contains the path.
        raise ValueError(f"its file cannot be read: {error.strerror}") from None
    return _read_pem(algorithm, key_id, pem)


def _read_pem(algorithm: PemAlgorithm, key_id: str, pem: bytes) -> SigningKey:
    match algorithm, _load(pem):
        case "ES256", EllipticCurvePrivateKey(curve=SECP256R1()) as key:
            return SigningKey(key_id, algorithm, key)
        case "EdDSA", Ed25519PrivateKey() as key:
            return SigningKey(key_id, algorithm, key)
        case _:
            raise ValueError(f"the wrong kind of key: {algorithm} takes {_TAKES[algorithm]}")


def _read_secret(key_id: str, value: str) -> SigningKey:
    secret = decode_secret(value)
    try:
        # The library refuses public keys and JWKs as secrets, but only when signing.
        jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except jwt.InvalidKeyError:
        raise ValueError("a key file in base64, but HS256 takes random bytes") from None
    return SigningKey(key_id, "HS256", secret)


def _load(pem: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("an encrypted key, which cannot be read without its password") from None
    except UnsupportedAlgorithm:
        raise ValueError("a key of an unknown kind") from None
    except ValueError:
        raise ValueError("not a private key in PEM") from None


def _public_members(key: EllipticCurvePublicKey | Ed25519PublicKey) -> dict[str, str]:
    if isinstance(key, EllipticCurvePublicKey):
        return ECAlgorithm.to_jwk(key, as_dict=True)
    return OKPAlgorithm.to_jwk(key, as_dict=True)


def _text(claim: object) -> str:
    if not isinstance(claim, str):
        raise TypeError
    return claim


def _pem(key: EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
