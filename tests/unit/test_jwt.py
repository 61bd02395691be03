"""Access tokens, and the keys that sign them."""

import base64
import hmac
import json
import re
from pathlib import Path
from typing import Any

import attrs
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
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.adapters.jwt import (
    Algorithm,
    JwtAccessTokens,
    JwtProofs,
    PemAlgorithm,
    SigningKey,
    key_set,
    new_signing_key_pem,
    parse_signing_keys,
)
from hsp_otp.domain.contact import Channel, Contact, ContactKind
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.purposes import Purpose
from hsp_otp.ports.tokens import Access, AppProof, Proof

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
    channel=Channel.SMS,
    issued_at=ISSUED_AT,
    expires_at=Instant(ISSUED_AT + 900_000_000),
)
READ_BACK = attrs.evolve(ACCESS, channel=None)
PROOF = Proof(
    session_id="a-session",
    phone=PhoneNumber("+919876543210"),
    token_id="a-proof",
    channel=Channel.SMS,
    purpose=Purpose.SIGNUP,
    issued_at=ISSUED_AT,
    expires_at=Instant(ISSUED_AT + 600_000_000),
)


APP_PROOF = AppProof(
    audience="acme-shop",
    subject="4711",
    verification_id="a-verification",
    contact=Contact(ContactKind.PHONE, "+919876543210"),
    channel=Channel.SMS,
    purpose=Purpose.LOGIN_VERIFICATION,
    issued_at=ISSUED_AT,
    expires_at=Instant(ISSUED_AT + 600_000_000),
)


def _signer(keys: tuple[SigningKey, ...]) -> JwtAccessTokens:
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


@pytest.mark.parametrize("with_email", [False, True])
def test_a_token_with_an_email(*, with_email: bool, tmp_path: Path) -> None:
    """Tokens have the user's e-mail address only if that is configured, and are read either way."""
    keys = _keys("ES256", tmp_path)
    signer = attrs.evolve(_signer(keys), with_email=with_email)
    token = signer.sign(attrs.evolve(ACCESS, email="asha@example.com"))
    claims = _opened(token, keys[0])["claims"]
    assert claims.get("email") == ("asha@example.com" if with_email else None)
    assert signer.verify(token, ISSUED_AT) == READ_BACK
    assert "email" not in _opened(signer.sign(ACCESS), keys[0])["claims"]


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "HS256"])
def test_what_a_proof_says(algorithm: Algorithm, tmp_path: Path) -> None:
    """A proof says which session holds which number, for ten minutes, in whole seconds."""
    keys = _keys(algorithm, tmp_path)
    proofs = JwtProofs(keys=keys, issuer="an issuer", audience="the next steps")
    late = attrs.evolve(
        PROOF,
        issued_at=Instant(ISSUED_AT + 999_999),
        expires_at=Instant(ISSUED_AT + 600_999_999),
    )
    for proof in (PROOF, late):
        assert _opened(proofs.sign(proof), keys[0]) == {
            "header": {"typ": "proof+jwt", "alg": algorithm, "kid": "k"},
            "claims": {
                "iss": "an issuer",
                "aud": "the next steps",
                "sub": "a-session",
                "iat": 1_767_225_600,
                "nbf": 1_767_225_600,
                "exp": 1_767_226_200,
                "jti": "a-proof",
                "token_type": "proof",
                "amr": ["otp", "sms"],
                "purpose": "signup",
                "phone_number": "+919876543210",
            },
        }


def test_what_a_proof_of_an_app_says() -> None:
    """It names the app's audience, the verification and the channel, and the number as verified."""
    key = SigningKey("k", "HS256", SECRET)
    proofs = JwtProofs(keys=(key,), issuer="an issuer", audience="the next steps")
    assert _opened(proofs.sign(APP_PROOF), key) == {
        "header": {"typ": "proof+jwt", "alg": "HS256", "kid": "k"},
        "claims": {
            "iss": "an issuer",
            "aud": "acme-shop",
            "sub": "4711",
            "iat": 1_767_225_600,
            "nbf": 1_767_225_600,
            "exp": 1_767_226_200,
            "jti": "a-verification",
            "token_type": "proof",
            "purpose": "login_verification",
            "verification_id": "a-verification",
            "phone_number": "+919876543210",
            "phone_number_verified": True,
            "channel": "sms",
            "amr": ["otp", "sms"],
        },
    }
    of_test = _opened(proofs.sign(attrs.evolve(APP_PROOF, test=True)), key)
    assert of_test["claims"]["test"] is True


@pytest.mark.parametrize(
    ("channel", "methods"),
    [
        (Channel.SMS, ["otp", "sms"]),
        (Channel.VOICE, ["otp", "tel"]),
        (Channel.WHATSAPP, ["otp"]),
        (Channel.EMAIL, ["otp"]),
    ],
)
def test_how_the_code_reached_its_holder(channel: Channel, methods: list[str]) -> None:
    """`amr` has the method of RFC 8176 for the channel, if there is one, in tokens of each kind."""
    key = SigningKey("k", "HS256", SECRET)
    proofs = JwtProofs(keys=(key,), issuer="an issuer", audience="the next steps")
    signed = (
        _signer((key,)).sign(attrs.evolve(ACCESS, channel=channel)),
        proofs.sign(attrs.evolve(PROOF, channel=channel)),
        proofs.sign(attrs.evolve(APP_PROOF, channel=channel)),
    )
    assert [_opened(token, key)["claims"]["amr"] for token in signed] == [methods] * 3


@pytest.mark.parametrize("audience", ["the next steps", "an audience"])
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "HS256"])
def test_a_proof_is_no_access_token(algorithm: Algorithm, audience: str, tmp_path: Path) -> None:
    """A proof signs nobody in, even where somebody has given both kinds the same audience."""
    keys = _keys(algorithm, tmp_path)
    proof = JwtProofs(keys=keys, issuer="an issuer", audience=audience).sign(PROOF)
    assert _signer(keys).verify(proof, ISSUED_AT) is None
    claims = jwt.PyJWT().decode(proof, options={"verify_signature": False})
    like_access = claims | {"aud": "an audience", "sid": "a-family"}
    # Its type alone would not be enough, nor what it says.
    for kind, said in (("at+jwt", like_access), ("proof+jwt", like_access | _access_claims(keys))):
        headers = {"typ": kind, "kid": "k"}
        forged = jwt.encode(said, keys[0].material, algorithm, headers)
        assert _signer(keys).verify(forged, ISSUED_AT) is None


def _access_claims(keys: tuple[SigningKey, ...]) -> dict[str, Any]:
    claims: dict[str, Any] = _opened(_signer(keys).sign(ACCESS), keys[0])["claims"]
    return claims


def test_the_first_key_signs_proofs_too(tmp_path: Path) -> None:
    """One key set verifies both, while keys rotate too."""
    (first,), (second,) = _keys("ES256", tmp_path), _keys("EdDSA", tmp_path)
    second = attrs.evolve(second, id="k2")
    proof = JwtProofs(keys=(second, first), issuer="an issuer", audience="a").sign(PROOF)
    assert _opened(proof, second)["header"]["kid"] == "k2"


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
            "the wrong kind of key: ES256 takes one on the curve P-256",
        ),
        (
            "ES256",
            _pem(ec.generate_private_key(ec.SECP256K1())),
            "the wrong kind of key: ES256 takes one on the curve P-256",
        ),
        (
            "ES256",
            _pem(ed25519.Ed25519PrivateKey.generate()),
            "the wrong kind of key: ES256 takes one on the curve P-256",
        ),
        (
            "EdDSA",
            _pem(ed448.Ed448PrivateKey.generate()),
            "the wrong kind of key: EdDSA takes one on the curve Ed25519",
        ),
        (
            "EdDSA",
            _pem(rsa.generate_private_key(65537, 2048)),
            "the wrong kind of key: EdDSA takes one on the curve Ed25519",
        ),
        (
            "ES256",
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a password")
            ),
            "an encrypted key, which cannot be read without its password",
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
        ("k:AAAA", "entry 1: 3 bytes long, but at least 32 are needed"),
        ("k:not base64", "entry 1: not base64"),
        (f"k:{BASE64},k:{BASE64}", "entry 2: its id is taken by an earlier entry"),
        (
            "",
            "entry 1: not of the form id:value, with an id of 1 to 32 of these: A-Za-z0-9_-",
        ),
        (
            f"k:{base64.b64encode(new_signing_key_pem('ES256')).decode()}",
            "entry 1: a key file in base64, but HS256 takes random bytes",
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


# Reading tokens back

ALGORITHMS: list[Algorithm] = ["ES256", "EdDSA", "HS256"]
NOW = ISSUED_AT
SECONDS = 1_767_225_600
"""NOW in whole seconds."""

CLAIMS: dict[str, Any] = {
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
}
"""Of the token that `ACCESS` becomes."""

PEMS: dict[PemAlgorithm, bytes] = {
    "ES256": new_signing_key_pem("ES256"),
    "EdDSA": new_signing_key_pem("EdDSA"),
}


def _key(algorithm: Algorithm, key_id: str = "k") -> SigningKey:
    """The same key of that algorithm in every test."""
    match algorithm:
        case "HS256":
            return SigningKey(key_id, algorithm, SECRET)
        case "ES256" | "EdDSA":
            loaded = load_pem_private_key(PEMS[algorithm], password=None)
            assert isinstance(loaded, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)
            return SigningKey(key_id, algorithm, loaded)


def _another(algorithm: PemAlgorithm) -> SigningKey:
    """Another key of that algorithm, under the same id."""
    loaded = load_pem_private_key(new_signing_key_pem(algorithm), password=None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)
    return SigningKey("k", algorithm, loaded)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _json(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def _compose(header: object, payload: object, key: SigningKey, algorithm: str = "") -> str:
    """A token with any header and payload, JSON or bytes, that *key* really signed."""
    told = f"{_base64url(_json(header))}.{_base64url(_json(payload))}"
    by = jwt.get_algorithm_by_name(algorithm or key.algorithm)
    return f"{told}.{_base64url(by.sign(told.encode(), key.material))}"


def _header(key: SigningKey, **changes: object) -> dict[str, object]:
    return {"typ": "at+jwt", "alg": key.algorithm, "kid": "k", **changes}


def _without(claim: str) -> dict[str, Any]:
    return {name: value for name, value in CLAIMS.items() if name != claim}


def _public_pem(key: SigningKey) -> bytes:
    assert not isinstance(key.verifying, bytes)
    return key.verifying.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_is_read_back(algorithm: Algorithm) -> None:
    """What was signed is read back whole, at once and to the last microsecond of its life."""
    tokens = _signer((_key(algorithm),))
    signed = tokens.sign(ACCESS)
    for now in (NOW, NOW + 899_999_999, NOW - 5_000_000):
        assert tokens.verify(signed, Instant(now)) == READ_BACK


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_the_tests_forge_would_be_read(algorithm: Algorithm) -> None:
    """The forgeries below are refused for what is forged: without it, they are read."""
    key = _key(algorithm)
    tokens = _signer((key,))
    assert tokens.verify(_compose(_header(key), CLAIMS, key), NOW) == READ_BACK
    more = {**CLAIMS, "another": [{}], "amr": ["otp"]}
    assert tokens.verify(_compose(_header(key, another=1), more, key), NOW) == READ_BACK


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000), st.integers(0, 900_000_000))
def test_what_was_signed_is_read_back(issued_at: int, later: int) -> None:
    """Whenever it was made, it lives from then on, rounded down to whole seconds."""
    access = attrs.evolve(
        READ_BACK, issued_at=Instant(issued_at), expires_at=Instant(issued_at + 900_000_000)
    )
    tokens = _signer((_key("HS256"),))
    read = tokens.verify(tokens.sign(access), Instant(issued_at + later))
    begun = issued_at - issued_at % 1_000_000
    lives = issued_at + later < begun + 900_000_000
    assert read == (
        attrs.evolve(access, issued_at=Instant(begun), expires_at=Instant(begun + 900_000_000))
        if lives
        else None
    )


HEADERS: dict[str, dict[str, object]] = {
    "algorithm none": {"alg": "none"},
    "algorithm None": {"alg": "None"},
    "no algorithm": {"alg": None},
    "an empty algorithm": {"alg": ""},
    "an unknown algorithm": {"alg": "ES257"},
    "an algorithm by another case": {"alg": "es256"},
    "an algorithm that is a list": {"alg": ["ES256", "EdDSA", "HS256"]},
    "an algorithm that is an object": {"alg": {"ES256": "ES256"}},
    "an algorithm that is a number": {"alg": 256},
    "RS256": {"alg": "RS256"},
    "HS512": {"alg": "HS512"},
    "an unknown key": {"kid": "unknown"},
    "an empty key id": {"kid": ""},
    "a key id that is a path": {"kid": "../../../../dev/null"},
    "a key id that is a file": {"kid": "file:///proc/self/environ"},
    "a key id that is SQL": {"kid": "k' OR '1'='1"},
    "a key id with NUL": {"kid": "k\x00"},
    "a key id by another case": {"kid": "K"},
    "a key id with space": {"kid": " k"},
    "a huge key id": {"kid": "k" * 2000},
    "no key id": {"kid": None},
    "a key id that is a number": {"kid": 0},
    "a key id that is a list": {"kid": ["k"]},
    "a key id that is an object": {"kid": {"k": "k"}},
    "a key id that is true": {"kid": True},
    "type JWT": {"typ": "JWT"},
    "type of a proof": {"typ": "proof+jwt"},
    "type by another case": {"typ": "AT+JWT"},
    "type as a media type": {"typ": "application/at+jwt"},
    "no type": {"typ": None},
    "a type that is a list": {"typ": ["at+jwt"]},
    "something critical": {"crit": ["exp"], "exp": 1},
    "nothing critical": {"crit": []},
    "critical null": {"crit": None},
    "unencoded": {"b64": False, "crit": ["b64"]},
    "unencoded and not critical": {"b64": False},
    "encoded and critical": {"b64": True, "crit": ["b64"]},
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("what", HEADERS)
def test_a_header_that_is_not_ours(algorithm: Algorithm, what: str) -> None:
    """Refused though the signature holds: the header chooses neither algorithm nor key."""
    key = _key(algorithm)
    header = _header(key, **HEADERS[what])
    assert _signer((key,)).verify(_compose(header, CLAIMS, key), NOW) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("member", ["typ", "alg", "kid"])
def test_a_header_without_a_member(algorithm: Algorithm, member: str) -> None:
    """Refused though the signature holds and one key would do."""
    key = _key(algorithm)
    header = _header(key)
    del header[member]
    assert _signer((key,)).verify(_compose(header, CLAIMS, key), NOW) is None


TIMES: dict[str, object] = {
    "huge": 10**30,
    "beyond every integer": b"9" * 5000,
    "far": 253_402_300_800,
    "a float": 1_767_226_500.0,
    "a float beyond measure": b"1e400",
    "not a number": b"NaN",
    "infinite": b"Infinity",
    "zero": 0,
    "negative": -1,
    "very negative": -(10**30),
    "a string": "1767226500",
    "true": True,
    "null": None,
    "a list": [1_767_226_500],
    "an object": {},
}


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("what", TIMES)
def test_a_time_that_is_absurd(claim: str, what: str) -> None:
    """A time is a whole number of seconds that makes sense; a start long past changes nothing."""
    key = _key("HS256")
    value = TIMES[what]
    if isinstance(value, bytes):
        payload: object = json.dumps({**CLAIMS, claim: "?"}).encode().replace(b'"?"', value)
    else:
        payload = {**CLAIMS, claim: value}
    started = claim == "nbf" and what in {"zero", "negative", "very negative"}
    read = _signer((key,)).verify(_compose(_header(key), payload, key), NOW)
    assert read == (READ_BACK if started else None)


CLAIM_CHANGES: dict[str, dict[str, object]] = {
    "another issuer": {"iss": "another"},
    "an issuer with space": {"iss": "an issuer "},
    "a list of issuers": {"iss": ["an issuer"]},
    "an empty issuer": {"iss": ""},
    "another audience": {"aud": "another"},
    "the audience of proofs": {"aud": "hsp-otp-signup"},
    "part of the audience": {"aud": "an"},
    "a list of audiences": {"aud": ["an audience"]},
    "a list with the audience": {"aud": ["another", "an audience"]},
    "an empty audience": {"aud": ""},
    "null for an audience": {"aud": None},
    "a proof": {"token_type": "proof"},
    "a refresh token": {"token_type": "refresh"},
    "an access token by another case": {"token_type": "Access"},
    "a list of kinds": {"token_type": ["access"]},
    "a subject that is a number": {"sub": 42},
    "a subject that is null": {"sub": None},
    "an id that is a number": {"jti": 1},
    "an id that is null": {"jti": None},
    "a family that is a number": {"sid": 1},
    "a family that is null": {"sid": None},
    "a family that is a list": {"sid": ["a-family"]},
    "another purpose": {"purpose": "password_reset"},
    "a purpose that is a list": {"purpose": ["phone_verification"]},
    "a purpose that is an object": {"purpose": {}},
    "a longer life": {"exp": SECONDS + 901},
    "an earlier beginning": {"iat": SECONDS - 1},
    "a day": {"exp": SECONDS + 86_400},
    "an end at once": {"exp": SECONDS},
    "an end before the beginning": {"exp": SECONDS - 1},
    "made 6 s ahead": {"iat": SECONDS + 6},
    "starting 6 s ahead": {"nbf": SECONDS + 6},
    "made and starting 6 s ahead": {"iat": SECONDS + 6, "nbf": SECONDS + 6},
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("what", CLAIM_CHANGES)
def test_a_claim_that_is_not_ours(algorithm: Algorithm, what: str) -> None:
    """Refused though the signature holds."""
    key = _key(algorithm)
    payload = {**CLAIMS, **CLAIM_CHANGES[what]}
    assert _signer((key,)).verify(_compose(_header(key), payload, key), NOW) is None


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_that_is_missing(claim: str) -> None:
    """Every claim has to be there."""
    key = _key("ES256")
    assert _signer((key,)).verify(_compose(_header(key), _without(claim), key), NOW) is None


@pytest.mark.parametrize(
    "payload",
    [b"", b"null", b"[]", b'"x"', b"17", b"{", b"\xff", b"[" * 1500, b'{"a":' * 500],
    ids=lambda payload: repr(payload[:8]),
)
def test_claims_that_are_no_object(payload: bytes) -> None:
    """Refused though the signature holds."""
    key = _key("EdDSA")
    assert _signer((key,)).verify(_compose(_header(key), payload, key), NOW) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_clocks_may_differ_by_five_seconds(algorithm: Algorithm) -> None:
    """Made up to exactly 5 s ahead of the verifier's clock is read, a microsecond more is not."""
    tokens = _signer((_key(algorithm),))
    signed = tokens.sign(ACCESS)
    assert tokens.verify(signed, Instant(NOW - 5_000_000)) == READ_BACK
    assert tokens.verify(signed, Instant(NOW - 5_000_001)) is None


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_each_of_the_beginnings_counts(claim: str) -> None:
    """5 s ahead is read for each of them alone."""
    key = _key("HS256")
    payload = {**CLAIMS, claim: SECONDS + 5}
    tokens = _signer((key,))
    signed = _compose(_header(key), payload, key)
    assert tokens.verify(signed, NOW) is not None
    assert tokens.verify(signed, Instant(NOW - 1)) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_ends_at_exp(algorithm: Algorithm) -> None:
    """It lives while `now < exp`: no leeway, not even a microsecond."""
    tokens = _signer((_key(algorithm),))
    signed = tokens.sign(ACCESS)
    assert tokens.verify(signed, Instant(NOW + 899_999_999)) == READ_BACK
    assert tokens.verify(signed, Instant(NOW + 900_000_000)) is None


def test_a_longer_life_than_configured() -> None:
    """A token that one setting made is refused under a shorter one."""
    keys = (_key("ES256"),)
    signed = _signer(keys).sign(ACCESS)
    for lifetime, read in ((900_000_000, READ_BACK), (899_999_999, None), (60_000_000, None)):
        shorter = JwtAccessTokens(
            keys=keys, issuer="an issuer", audience="an audience", lifetime=lifetime
        )
        assert shorter.verify(signed, NOW) == read


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_that_is_not_ours(algorithm: Algorithm) -> None:
    """Unsigned, another's, cut short, of a changed payload or of another algorithm: refused."""
    key = _key(algorithm)
    tokens = _signer((key,))
    header, payload, signature = tokens.sign(ACCESS).split(".")
    raised = _base64url(_json({**CLAIMS, "sub": "43"}))
    none = _base64url(_json(_header(key, alg="none")))
    others = SigningKey("k", "HS256", bytes(32))
    if algorithm != "HS256":
        others = _another(algorithm)
    forged = [
        f"{header}.{raised}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}..{signature}",
        f".{payload}.{signature}",
        f"{header}.{payload}.{signature[:-4]}",
        f"{header}.{payload}.{signature}AAAA",
        f"{header}.{payload}.{_base64url(bytes(64))}",
        f"{header}.{payload}.{_base64url(bytes(32))}",
        f"{header}.{payload}.{signature}.{signature}",
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        _compose(_header(key), CLAIMS, others),
        _compose(_header(key, alg=others.algorithm), CLAIMS, others),
    ]
    for other in ALGORITHMS:
        if other != algorithm:
            forged += [
                _compose(_header(key), CLAIMS, _key(other)),
                _compose(_header(_key(other)), CLAIMS, _key(other)),
            ]
    for token in forged:
        assert tokens.verify(token, NOW) is None, token
    assert tokens.verify(f"{header}.{payload}.{signature}", NOW) == READ_BACK


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
@pytest.mark.parametrize("told", ["HS256", "HS384", "HS512", "ES256", "EdDSA"])
def test_a_public_key_is_no_secret(algorithm: PemAlgorithm, told: str) -> None:
    """HMAC keyed by what everybody may read is refused, in whatever form it was read."""
    key = _key(algorithm)
    pem = _public_pem(key)
    jwk = json.dumps(key_set((key,))["keys"][0]).encode()
    header = _base64url(_json(_header(key, alg=told)))
    signed = f"{header}.{_base64url(_json(CLAIMS))}"
    for secret in (pem, pem.strip(), pem.replace(b"\n", b"\r\n"), jwk, b"", b"k"):
        for digest in ("sha256", "sha384", "sha512"):
            seal = hmac.digest(secret, signed.encode(), digest)
            assert _signer((key,)).verify(f"{signed}.{_base64url(seal)}", NOW) is None


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_a_key_that_a_token_brings_along(algorithm: PemAlgorithm) -> None:
    """Keys and addresses of keys inside the header are never used (RFC 8725, 3.10)."""
    thief = _another(algorithm)
    jwk = key_set((thief,))["keys"][0]
    for embedded in (
        {"jwk": jwk},
        {"jku": "https://thief.example/jwks.json"},
        {"x5u": "https://thief.example/key.pem"},
        {"x5c": [base64.b64encode(_public_pem(thief)).decode()]},
        {"jwk": jwk, "kid": "thief"},
        {"jwk": jwk, "jku": "https://thief.example/jwks.json", "kid": None},
    ):
        forged = _compose(_header(thief, **embedded), CLAIMS, thief)
        assert _signer((_key(algorithm),)).verify(forged, NOW) is None


DEEP = [b"[" * 50_000, b'{"a":' * 50_000, b'{"typ":' + b"[" * 800 + b"]" * 800 + b"}", b"[" * 2900]

NONSENSE = {
    "nothing": "",
    "a dot": ".",
    "two dots": "..",
    "a thousand dots": "." * 1000,
    "a word": "token",
    "not base64": "!!.!!.!!",
    "padding": "e30=.e30=.e30=",
    "empty objects": "e30.e30.e30",
    "beyond ASCII": "é.é.é",
    "a surrogate": "\ud800.\ud800.\ud800",
    "NUL": "\x00.\x00.\x00",
    "a megabyte": "A" * 1_000_000,
    "a megabyte of dots": "." * 1_000_000,
    "a megabyte in a part": f"e30.{'A' * 1_000_000}.e30",
    "a header in Latin-1": f"{_base64url(b'{}'[:1] + bytes([0xFF]))}.e30.e30",
    **{f"deep {n}": f"{_base64url(deep)}.e30.e30" for n, deep in enumerate(DEEP)},
}


@pytest.mark.parametrize("what", NONSENSE)
def test_what_is_no_token_at_all(what: str) -> None:
    """Refused, and never an error."""
    assert _signer((_key("ES256"),)).verify(NONSENSE[what], NOW) is None


def test_a_long_token_is_not_looked_at() -> None:
    """Beyond 4096 characters it is refused, whoever signed it."""
    key = _key("HS256")
    tokens = _signer((key,))
    short = _compose(_header(key), {**CLAIMS, "x": ""}, key)
    room = 4096 - len(short)
    for more, read in ((room * 3 // 4 - 2, READ_BACK), (room * 3 // 4 + 4, None)):
        long = _compose(_header(key), {**CLAIMS, "x": "x" * more}, key)
        assert (len(long) <= 4096) == (read is not None)
        assert abs(len(long) - 4096) < 10
        assert tokens.verify(long, NOW) == read


@given(st.text(), st.binary(max_size=200), st.binary(max_size=200))
def test_no_text_is_an_error(text: str, header: bytes, payload: bytes) -> None:
    """Whatever is presented is read or refused."""
    key = _key("HS256")
    tokens = _signer((key,))
    assert tokens.verify(text, NOW) is None
    assert tokens.verify(_compose(header, payload, key), NOW) is None
    assert tokens.verify(_compose(_header(key), payload, key), NOW) is None


SIGNED = _compose(_header(_key("HS256")), CLAIMS, _key("HS256"))


@given(st.integers(0, len(SIGNED) - 1), st.characters())
def test_no_changed_character_is_read(place: int, character: str) -> None:
    """A token is refused with another character in any one place."""
    changed = SIGNED[:place] + character + SIGNED[place + 1 :]
    read = _signer((_key("HS256"),)).verify(changed, NOW)
    assert read == (READ_BACK if changed == SIGNED else None)


# Keys that overlap, and the key set


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_overlap_while_they_rotate(algorithm: Algorithm) -> None:
    """Append, promote, drop: what a listed key signed is read, wherever it is listed."""
    old = _key(algorithm, "old")
    new = SigningKey("new", "HS256", bytes(32))
    if algorithm != "HS256":
        new = attrs.evolve(_another(algorithm), id="new")
    by_old, by_new = _signer((old,)).sign(ACCESS), _signer((new,)).sign(ACCESS)
    for keys, read in (
        ((old,), (READ_BACK, None)),
        ((old, new), (READ_BACK, READ_BACK)),
        ((new, old), (READ_BACK, READ_BACK)),
        ((new,), (None, READ_BACK)),
    ):
        tokens = _signer(keys)
        assert (tokens.verify(by_old, NOW), tokens.verify(by_new, NOW)) == read


def test_a_key_verifies_under_its_own_id_alone() -> None:
    """A token that names another listed key than the one that signed is refused."""
    mine, other = _key("ES256", "k"), attrs.evolve(_another("ES256"), id="other")
    tokens = _signer((other, mine))
    assert tokens.verify(_compose(_header(mine), CLAIMS, mine), NOW) == READ_BACK
    assert tokens.verify(_compose(_header(mine, kid="other"), CLAIMS, mine), NOW) is None


def test_the_key_set_of_es256() -> None:
    """Kind, curve, coordinates, use, algorithm and id (RFC 7517, RFC 7518), and nothing private."""
    key = _key("ES256", "one")
    (told,) = key_set((key,))["keys"]
    assert set(told) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert {name: told[name] for name in ("kty", "crv", "kid", "use", "alg")} == {
        "kty": "EC",
        "crv": "P-256",
        "kid": "one",
        "use": "sig",
        "alg": "ES256",
    }
    assert [len(base64.urlsafe_b64decode(told[name] + "=")) for name in ("x", "y")] == [32, 32]


def test_the_key_set_of_eddsa() -> None:
    """Kind, curve, coordinate, use, algorithm and id (RFC 8037), and nothing private."""
    key = _key("EdDSA", "one")
    (told,) = key_set((key,))["keys"]
    assert set(told) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert {name: told[name] for name in ("kty", "crv", "kid", "use", "alg")} == {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": "one",
        "use": "sig",
        "alg": "EdDSA",
    }
    assert len(base64.urlsafe_b64decode(told["x"] + "=")) == 32


def test_the_key_set_never_holds_a_secret() -> None:
    """Every public key in the order of the setting, and no secret of HS256 in any form."""
    secret = SigningKey("secret", "HS256", SECRET)
    assert key_set((secret,)) == {"keys": []}
    told = key_set((_key("EdDSA", "1"), secret, _key("ES256", "2")))
    assert [key["kid"] for key in told["keys"]] == ["1", "2"]
    for form in (BASE64, BASE64.rstrip("="), SECRET.hex()):
        assert form not in json.dumps(told)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_the_key_set_verifies_a_token(algorithm: PemAlgorithm) -> None:
    """Whoever reads the key set can check a token by the key that its header names."""
    old, new = _key(algorithm, "old"), attrs.evolve(_another(algorithm), id="new")
    signed = _signer((new, old)).sign(ACCESS)
    published = {key["kid"]: jwt.PyJWK(key) for key in key_set((new, old))["keys"]}
    named = jwt.get_unverified_header(signed)["kid"]
    jws = jwt.PyJWS()
    assert json.loads(jws.decode(signed, published[named], algorithms=[algorithm])) == CLAIMS
    with pytest.raises(jwt.InvalidSignatureError):
        jws.decode(signed, published["old"], algorithms=[algorithm])
