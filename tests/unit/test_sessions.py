"""Refresh tokens and their families: `docs/contract.md`, tokens."""

import base64

from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.domain.keys import Key
from hsp_otp.domain.names import PassCode, Purpose
from hsp_otp.domain.sessions import AlreadyBegan, Began, Family, RefreshToken, begin
from tests.world import START

KEY = Key("k1", bytes(range(32)))
RANDOM = b"\x07" * 32


def family_of(held: Family | None, token: RefreshToken) -> Began | AlreadyBegan:
    """What beginning the family ``c1`` comes to."""
    return begin(
        held,
        token=token,
        family_id="c1",
        user_id="u1",
        pass_code=PassCode("HSP-1234-5678"),
        purpose=Purpose.PHONE_VERIFICATION,
        lifetime=30 * DAY,
        now=START,
    ).outcome


def test_a_token_names_its_family_and_carries_a_seal() -> None:
    """A token is its key's id, its family, 256 random bits and a seal, and URL-safe."""
    token = RefreshToken.mint(KEY, "c1", RANDOM)
    key_id, family_id, secret, seal = token.value.split(".")
    assert (key_id, family_id) == ("k1", "c1")
    assert base64.urlsafe_b64decode(secret + "=") == RANDOM
    assert len(base64.urlsafe_b64decode(seal + "=")) == 32
    assert "=" not in token.value
    assert token.key_id == "k1"
    assert len(token.digest) == 32


def test_what_is_stored_is_a_keyed_hash() -> None:
    """The digest follows from key and token alone, and from no other key."""
    token = RefreshToken.mint(KEY, "c1", RANDOM)
    assert token == RefreshToken.mint(KEY, "c1", RANDOM)
    other_key = RefreshToken.mint(Key("k1", bytes(32)), "c1", RANDOM)
    other_family = RefreshToken.mint(KEY, "c2", RANDOM)
    other_random = RefreshToken.mint(KEY, "c1", b"\x08" * 32)
    assert len({t.digest for t in (token, other_key, other_family, other_random)}) == 4
    assert len({t.value.split(".")[3] for t in (token, other_key, other_family, other_random)}) == 4


def test_a_token_is_never_shown() -> None:
    """No `repr` tells a token or its digest."""
    token = RefreshToken.mint(KEY, "c1", RANDOM)
    assert repr(token) == "RefreshToken(key_id='k1')"
    began = family_of(None, token)
    assert isinstance(began, Began)
    assert "digest" not in repr(began)


def test_a_sign_in_begins_one_family() -> None:
    """The family bears the challenge's id and ends thirty days after the sign-in."""
    token = RefreshToken.mint(KEY, "c1", RANDOM)
    assert family_of(None, token) == Began(
        Family(
            id="c1",
            user_id="u1",
            pass_code=PassCode("HSP-1234-5678"),
            purpose=Purpose.PHONE_VERIFICATION,
            began_at=START,
            expires_at=Instant(START + 30 * 86_400_000_000),
            key_id="k1",
            digest=token.digest,
        )
    )


def test_a_challenge_leads_to_one_sign_in() -> None:
    """Where the family stands already, nothing is changed and the code counts as used."""
    first = family_of(None, RefreshToken.mint(KEY, "c1", RANDOM))
    assert isinstance(first, Began)
    decision = begin(
        first.family,
        token=RefreshToken.mint(KEY, "c1", b"\x08" * 32),
        family_id="c1",
        user_id="u1",
        pass_code=PassCode("HSP-1234-5678"),
        purpose=Purpose.PHONE_VERIFICATION,
        lifetime=30 * DAY,
        now=Instant(START + 1),
    )
    assert decision.outcome == AlreadyBegan()
    assert decision.becomes is first.family
    assert (Began.word, AlreadyBegan.word) == ("verified", "otp_expired")
