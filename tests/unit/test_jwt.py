"""Access tokens, and the keys that sign them."""

import base64
import re
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.adapters.jwt import (
    Algorithm,
    JwtAccessTokens,
    PemAlgorithm,
    SigningKey,
    new_signing_key_pem,
    parse_signing_keys,
)
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.names import Purpose
from hsp_otp.ports.tokens import Access, AccessTokens

SECRET = bytes(range(32))
BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
# An Ed25519 key in PKCS #8 whose object identifier, 1.3.101.112, has become 1.3.101.1.
UNKNOWN_KIND = (
    b"-----BEGIN PRIVATE KEY-----\n"
    + base64.b64encode(bytes.fromhex("302e020100300506032b650104220420") + SECRET)
    + b"\n-----END PRIVATE KEY-----\n"
)
ISSUED_AT = Instant(1_767_225_600_000_000)
ACCESS = Access(
    user_id="42",
    family_id="a-family",
    token_id="a-token",
    purpose=Purpose.PHONE_VERIFICATION,
    issued_at=ISSUED_AT,
    expires_at=Instant(ISSUED_AT + 900_000_000),
)


def _signer(keys: tuple[SigningKey, ...]) -> AccessTokens:
    return JwtAccessTokens(
        keys=keys, issuer="an issuer", audience="an audience", lifetime=900_000_000
    )


def _opened(token: str, key: SigningKey) -> dict[str, Any]:
    """The header and the claims of a token whose signature holds; no clock is asked."""
    material = key.material if isinstance(key.material, bytes) else key.material.public_key()
    whole = jwt.PyJWS().decode_complete(token, material, algorithms=[key.algorithm])
    claims = jwt.PyJWT().decode(token, options={"verify_signature": False})
    return {"header": whole["header"], "claims": claims}


def _pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _written(folder: Path, pem: bytes) -> str:
    path = folder / "key.pem"
    path.write_bytes(pem)
    return f"k:{path}"


def _keys(algorithm: Algorithm, folder: Path) -> tuple[SigningKey, ...]:
    if algorithm == "HS256":
        return parse_signing_keys(algorithm, f"k:{BASE64}")
    return parse_signing_keys(algorithm, _written(folder, new_signing_key_pem(algorithm)))


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "HS256"])
def test_what_a_token_says(algorithm: Algorithm, tmp_path: Path) -> None:
    """A token says who, for whom, when and how it was proved, and its header which key signed."""
    keys = _keys(algorithm, tmp_path)
    token = _signer(keys).sign(ACCESS)
    assert _opened(token, keys[0]) == {
        "header": {"typ": "at+jwt", "alg": algorithm, "kid": "k"},
        "claims": {
            "iss": "an issuer",
            "aud": "an audience",
            "sub": "42",
            "iat": 1_767_225_600,
            "nbf": 1_767_225_600,
            "exp": 1_767_226_500,
            "jti": "a-token",
            "sid": "a-family",
            "token_type": "access",
            "amr": ["otp", "sms"],
            "purpose": "phone_verification",
        },
    }


@given(
    st.integers(min_value=0, max_value=4_000_000_000_000_000),
    st.integers(min_value=1_000_000, max_value=86_400_000_000),
)
def test_a_token_never_outlives_its_lifetime(issued_at: int, lifetime: int) -> None:
    """No token is issued in the future, and none is valid longer than it should be."""
    access = Access(
        user_id="42",
        family_id="a-family",
        token_id="a-token",
        purpose=Purpose.PHONE_VERIFICATION,
        issued_at=Instant(issued_at),
        expires_at=Instant(issued_at + lifetime),
    )
    key = SigningKey("k", "HS256", SECRET)
    claims = _opened(_signer((key,)).sign(access), key)["claims"]
    assert claims["nbf"] == claims["iat"]
    assert issued_at - 1_000_000 < claims["iat"] * 1_000_000 <= issued_at
    assert (claims["exp"] - claims["iat"]) * 1_000_000 <= lifetime
    assert lifetime < (claims["exp"] - claims["iat"] + 1) * 1_000_000


def test_parts_of_a_second_are_dropped() -> None:
    """The instant and the lifetime are each rounded down to whole seconds."""
    access = Access(
        user_id="42",
        family_id="a-family",
        token_id="a-token",
        purpose=Purpose.PHONE_VERIFICATION,
        issued_at=Instant(1_999_999),
        expires_at=Instant(4_999_998),
    )
    key = SigningKey("k", "HS256", SECRET)
    claims = _opened(_signer((key,)).sign(access), key)["claims"]
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (1, 1, 3)


def test_the_first_key_signs(tmp_path: Path) -> None:
    """The first of several keys signs, and all are read."""
    first, second = tmp_path / "1.pem", tmp_path / "2.pem"
    first.write_bytes(new_signing_key_pem("ES256"))
    second.write_bytes(new_signing_key_pem("ES256"))
    keys = parse_signing_keys("ES256", f"new:{first}, old:{second}")
    assert [key.id for key in keys] == ["new", "old"]
    assert _opened(_signer(keys).sign(ACCESS), keys[0])["header"]["kid"] == "new"


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "HS256"])
def test_keys_are_not_shown(algorithm: Algorithm, tmp_path: Path) -> None:
    """A signing key is never shown."""
    keys = _keys(algorithm, tmp_path)
    assert repr(keys) == f"(SigningKey(id='k', algorithm='{algorithm}'),)"


def test_what_openssl_writes_is_read(tmp_path: Path) -> None:
    """A key on P-256 in the older form of PEM is read too."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert [key.id for key in parse_signing_keys("ES256", _written(tmp_path, pem))] == ["k"]


@pytest.mark.parametrize(
    ("algorithm", "pem", "message"),
    [
        (
            "ES256",
            _pem(ec.generate_private_key(ec.SECP384R1())),
            "another kind of key: ES256 takes one on the curve P-256",
        ),
        (
            "ES256",
            _pem(ec.generate_private_key(ec.SECP256K1())),
            "another kind of key: ES256 takes one on the curve P-256",
        ),
        (
            "ES256",
            _pem(ed25519.Ed25519PrivateKey.generate()),
            "another kind of key: ES256 takes one on the curve P-256",
        ),
        (
            "EdDSA",
            _pem(ed448.Ed448PrivateKey.generate()),
            "another kind of key: EdDSA takes one on the curve Ed25519",
        ),
        (
            "EdDSA",
            _pem(rsa.generate_private_key(65537, 2048)),
            "another kind of key: EdDSA takes one on the curve Ed25519",
        ),
        (
            "ES256",
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a password")
            ),
            "an encrypted key, and there is no password to read it with",
        ),
        (
            "ES256",
            ec.generate_private_key(ec.SECP256R1())
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "not a private key in PEM",
        ),
        ("EdDSA", UNKNOWN_KIND, "a key of an unknown kind"),
        ("ES256", b"", "not a private key in PEM"),
        ("EdDSA", b"\xff\x00 nothing of the kind", "not a private key in PEM"),
    ],
)
def test_keys_that_cannot_sign_are_refused(
    algorithm: PemAlgorithm, pem: bytes, message: str, tmp_path: Path
) -> None:
    """A file without an open private key of the right kind is refused at once."""
    with pytest.raises(ValueError, match=f"^{re.escape(f'entry 1: {message}')}$"):
        parse_signing_keys(algorithm, _written(tmp_path, pem))


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    """A file that cannot be read is told by its entry and the reason, and its path is not."""
    with pytest.raises(
        ValueError, match=r"^entry 1: its file cannot be read: No such file or directory$"
    ):
        parse_signing_keys("ES256", f"k:{tmp_path / 'none.pem'}")
    with pytest.raises(ValueError, match=r"^entry 1: its file cannot be read: Is a directory$"):
        parse_signing_keys("ES256", f"k:{tmp_path}")


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_a_secret_under_the_wrong_algorithm_is_not_repeated(algorithm: Algorithm) -> None:
    """A secret given where a path belongs stays out of the message and of what it came from."""
    with pytest.raises(ValueError, match=r"^entry 1: its file cannot be read: ") as refusal:
        parse_signing_keys(algorithm, f"k:{BASE64}")
    assert BASE64 not in str(refusal.value)
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k:AAAA", "entry 1: 3 bytes long, and takes 32 or more"),
        ("k:not base64", "entry 1: not base64"),
        (f"k:{BASE64},k:{BASE64}", "entry 2: its id is taken by an earlier entry"),
        (
            "",
            "entry 1: not of the form id:value, with an id of 1 to 32 of A-Za-z0-9_-",
        ),
        (
            f"k:{base64.b64encode(new_signing_key_pem('ES256')).decode()}",
            "entry 1: a key file in base64, and HS256 takes random bytes",
        ),
    ],
)
def test_weak_secrets_are_refused(text: str, message: str) -> None:
    """A secret of HS256 is 32 random bytes or more, and no key file."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_signing_keys("HS256", text)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_a_new_key_is_another_each_time(algorithm: PemAlgorithm) -> None:
    """A new key is PKCS #8 in PEM, and another one each time."""
    first, second = new_signing_key_pem(algorithm), new_signing_key_pem(algorithm)
    assert first != second
    assert first.startswith(b"-----BEGIN PRIVATE KEY-----\n")
