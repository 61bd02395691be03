"""The rules of API keys: docs/contract.md, 5.8."""

import pickle
import re

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.api_keys import (
    ApiKey,
    Forbidden,
    PresentedKey,
    Scope,
    Unauthorized,
    authenticate,
    use,
)
from hsp_otp.domain.instant import HOUR, Instant, after
from tests.world import START, ring

RING = ring("api keys")
RANDOM = bytes(range(48))
TEXT = (
    "hspotp_000102030405060708090a0b0c0d0e0f_EBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8_ddd37198"
)
PRESENTED = PresentedKey.mint(RANDOM)
HELD = ApiKey.make(PRESENTED, name="shop", scopes=frozenset({Scope.PASSES}), ring=RING, now=START)
"""The stored form of `PRESENTED`."""


def test_the_form_of_a_key() -> None:
    """A prefix, the id, 256 random bits, and a sum over everything before it."""
    assert PRESENTED.id == "000102030405060708090a0b0c0d0e0f"
    assert PRESENTED.reveal() == TEXT
    assert PresentedKey.read(TEXT) == PRESENTED


def test_a_secret_may_contain_underscores() -> None:
    """The parts have fixed lengths, so no character of a secret separates them."""
    presented = PresentedKey.mint(b"\xff" * 48)
    assert presented.secret == "_" * 42 + "8"
    assert PresentedKey.read(presented.reveal()) == presented


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hspotp_",
        TEXT[:-1],
        f"{TEXT}0",
        f"{TEXT}\n",
        f" {TEXT}",
        TEXT.upper(),
        TEXT.replace("hspotp", "otp"),
        TEXT.replace("EBES", "EBET"),
        TEXT.replace("0001", "0002"),
        TEXT.replace("ddd37198", "ddd37199"),
        TEXT.replace("EBES", "ÉBES"),
        TEXT.replace("0001", "٠٠٠١"),
    ],
)
def test_a_text_in_another_form_is_no_key(text: str) -> None:
    """A mistyped key is refused by its form or its sum, before anything is looked up."""
    assert PresentedKey.read(text) is None


@given(st.binary(min_size=48, max_size=48), st.integers(0, 90), st.characters(codec="ascii"))
def test_one_wrong_character_is_noticed(random: bytes, place: int, character: str) -> None:
    """Every key is read as it was made, and no key that differs in one character is read."""
    text = PresentedKey.mint(random).reveal()
    assert PresentedKey.read(text) == PresentedKey.mint(random)
    place %= len(text)
    wrong = f"{text[:place]}{character}{text[place + 1 :]}"
    assert (PresentedKey.read(wrong) is None) == (wrong != text)


def test_the_secret_is_not_shown() -> None:
    """No `repr` contains the secret or its digest, and the stored form holds neither."""
    shown = f"{PRESENTED!r} {HELD!r}"
    assert PRESENTED.secret not in shown
    assert HELD.digest.hex() not in shown
    assert str(HELD.digest) not in shown
    assert PRESENTED.secret.encode() not in pickle.dumps(HELD)
    assert not re.search(r"digest|secret", shown)


def test_what_is_stored_of_a_new_key() -> None:
    """The digest is made by the first key of the ring, whose id stands beside it."""
    assert (
        ApiKey(
            id=PRESENTED.id,
            name="shop",
            scopes=frozenset({Scope.PASSES}),
            made_at=START,
            last_used_at=None,
            revoked_at=None,
            ring_key_id="k1",
            digest=RING.first.digest(PRESENTED.id, PRESENTED.secret),
        )
        == HELD
    )


def test_a_key_opens_its_scopes() -> None:
    """A key of one scope is forbidden to use another one."""
    assert authenticate(HELD, PRESENTED, Scope.PASSES, RING) is HELD
    assert authenticate(HELD, PRESENTED, Scope.EXCHANGE, RING) == Forbidden(HELD.id)


OTHER = PresentedKey(PRESENTED.id, PRESENTED.secret[:-1] + "0")


@pytest.mark.parametrize(
    ("held", "presented"),
    [(None, None), (None, PRESENTED), (HELD, OTHER), (attrs.evolve(HELD, id="f" * 32), OTHER)],
)
def test_what_is_not_a_key_opens_nothing(
    held: ApiKey | None, presented: PresentedKey | None
) -> None:
    """No key, an unknown one and a wrong secret have the same outcome, which names no key."""
    assert authenticate(held, presented, Scope.PASSES, RING) == Unauthorized()


def test_a_revoked_key_opens_nothing() -> None:
    """The outcome names the key, so that the audit shows who still uses it, whatever the scope."""
    revoked = attrs.evolve(HELD, revoked_at=START)
    for scope in Scope:
        assert authenticate(revoked, PRESENTED, scope, RING) == Unauthorized(HELD.id)
    assert authenticate(revoked, OTHER, Scope.PASSES, RING) == Unauthorized()


def test_a_digest_counts_only_in_its_own_row() -> None:
    """A digest that was copied into the row of another key opens nothing."""
    other = PresentedKey("f" * 32, PRESENTED.secret)
    assert authenticate(attrs.evolve(HELD, id=other.id), other, Scope.PASSES, RING) == (
        Unauthorized()
    )


def test_every_key_of_the_ring_verifies() -> None:
    """A key outlives a rotation, and ends with the ring key that made its digest."""
    rotated, replaced = ring("api keys", "k2", "k1"), ring("api keys", "k2")
    assert authenticate(HELD, PRESENTED, Scope.PASSES, rotated) is HELD
    assert authenticate(HELD, PRESENTED, Scope.PASSES, replaced) == Unauthorized()


def test_the_last_use_is_kept_to_the_hour() -> None:
    """A second use within the hour changes nothing, and the hour is never turned back."""
    assert START % HOUR == 0
    used = use(HELD, PRESENTED, RING, after(START, HOUR - 1))
    assert used == attrs.evolve(HELD, last_used_at=START)
    assert use(used, PRESENTED, RING, START) is used
    assert use(used, PRESENTED, RING, after(START, HOUR - 1)) is used
    assert use(used, PRESENTED, RING, Instant(START - 1)) is used
    later = use(used, PRESENTED, RING, after(START, HOUR))
    assert later == attrs.evolve(HELD, last_used_at=after(START, HOUR))


def test_a_use_moves_the_digest_to_the_first_key() -> None:
    """After it, the older ring key may be removed."""
    rotated = ring("api keys", "k2", "k1")
    used = attrs.evolve(HELD, last_used_at=START)
    moved = use(used, PRESENTED, rotated, START)
    assert moved == attrs.evolve(
        used, ring_key_id="k2", digest=rotated.first.digest(PRESENTED.id, PRESENTED.secret)
    )
    assert use(moved, PRESENTED, rotated, START) is moved
    assert authenticate(moved, PRESENTED, Scope.PASSES, ring("api keys", "k2")) is moved
