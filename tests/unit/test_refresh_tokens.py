"""Refresh tokens and their families: `docs/contract.md`, section 5.2."""

import base64
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.domain.keys import Key, KeyRing
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.refresh_tokens import (
    AlreadyBegan,
    Began,
    BeganAgain,
    BeginOutcome,
    Family,
    InvalidToken,
    Parent,
    PassLapsed,
    Refreshed,
    RefreshOutcome,
    RefreshToken,
    Replaced,
    Revoked,
    TokenReused,
    begin,
    refresh,
    revoke,
)
from tests.world import START

KEY = Key("k1", bytes(range(32)))
RING = KeyRing((KEY,))
RANDOM = b"\x07" * 32


def family_of(held: Family | None, token: RefreshToken) -> BeginOutcome:
    """What beginning the family ``c1`` comes to."""
    return begin(
        held,
        token=token,
        family_id="c1",
        user_id="u1",
        pass_code=PassCode("HSP-1234-5678"),
        purpose=Purpose.PHONE_VERIFICATION,
        channel=Channel.SMS,
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


def test_a_token_and_its_digest_are_fixed() -> None:
    """Machines of two versions read each other's tokens, and find them by the same digest."""
    token = RefreshToken.mint(KEY, "c1", RANDOM)
    assert token.value == (
        "k1.c1.BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
        ".9ymsS57psh8XYqo7Hgh-HJ7gzBM8p8MO4D0zFyAd_xM"
    )
    assert token.digest == bytes.fromhex(
        "31087b0a2fc88dbdbc4f9876a858e5bd94359a723dda1a5a29a23688698a6c60"
    )


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
    outcome = family_of(None, token)
    assert isinstance(outcome, Began)
    assert "digest" not in repr(outcome)


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
        channel=Channel.SMS,
        lifetime=30 * DAY,
        now=Instant(START + 1),
    )
    assert decision.outcome == AlreadyBegan()
    assert decision.becomes is first.family
    assert (Began.word, AlreadyBegan.word) == ("verified", "otp_expired")


# An answer that was lost


BROWSER = b"b" * 32


def began(**changes: Any) -> Family:  # noqa: ANN401 - of every kind
    """A family that a browser has begun, and whose first token nobody has used."""
    decision = again(None)
    assert decision.becomes is not None
    return attrs.evolve(decision.becomes, digest=FIRST.digest, **changes)


def again(
    held: Family | None,
    at: int = 0,
    user: str = "u1",
    token: RefreshToken | None = None,
    browser: bytes | None = BROWSER,
) -> Decision[Family | None, BeginOutcome]:
    """Begin the family ``c1`` in a browser."""
    return begin(
        held,
        token=token or SECOND,
        family_id="c1",
        user_id=user,
        pass_code=PassCode("HSP-1234-5678"),
        purpose=Purpose.PHONE_VERIFICATION,
        channel=Channel.SMS,
        lifetime=30 * DAY,
        now=Instant(START + at),
        browser=browser,
    )


FIRST, SECOND, THIRD = (RefreshToken.mint(KEY, "c1", bytes([number]) * 32) for number in (7, 8, 9))


def test_a_family_knows_its_browser() -> None:
    """What tells the browser apart is kept with the family, and never shown."""
    family = began()
    assert family.browser == BROWSER
    assert "browser" not in repr(family)
    assert again(None, browser=None).becomes == attrs.evolve(
        family, digest=SECOND.digest, browser=None
    )


@pytest.mark.parametrize("at", [0, 30_000_000])
def test_a_sign_in_whose_answer_was_lost(at: int) -> None:
    """Within 30 seconds another token takes the place of the first, in the same family."""
    held = began()
    decision = again(held, at)
    family = attrs.evolve(
        held,
        digest=SECOND.digest,
        replaced=(Replaced(FIRST.digest, Instant(START + 30_000_000)),),
    )
    assert decision == Decision(BeganAgain(family), family)
    assert BeganAgain.word == "verified_again"


def test_another_key_makes_the_token_again() -> None:
    """Between the two the keys may have been rotated."""
    token = RefreshToken.mint(Key("k2", bytes(32)), "c1", RANDOM)
    family = again(began(), token=token).becomes
    assert family is not None
    assert (family.key_id, family.digest) == ("k2", token.digest)


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, {"at": 30_000_001}),
        ({}, {"user": "u2"}),
        ({}, {"browser": b"c" * 32}),
        ({}, {"browser": None}),
        ({"browser": None}, {}),
        ({"browser": None}, {"browser": None}),
        ({"ended_at": START}, {}),
        ({"expires_at": START}, {}),
        ({"parent": Parent(b"p", START)}, {}),
        ({"replaced": (Replaced(b"r", START),)}, {}),
    ],
)
def test_what_nobody_lost(changes: dict[str, Any], asked: dict[str, Any]) -> None:
    """Later, for others, or in a family that ended, was refreshed or begun again: nothing."""
    held = began(**changes)
    decision = again(held, **asked)
    assert decision.outcome == AlreadyBegan()
    assert decision.becomes is held


def test_once_is_enough() -> None:
    """A third time there is nothing to be had."""
    family = again(began()).becomes
    assert again(family, 1, token=THIRD).outcome == AlreadyBegan()


@pytest.mark.parametrize(
    ("at", "outcome", "lives"),
    [(30_000_000, InvalidToken, True), (30_000_001, TokenReused, False)],
)
def test_the_token_that_nobody_saw(at: int, outcome: type[object], *, lives: bool) -> None:
    """It is merely invalid for those 30 seconds, and a thief's afterwards."""
    now = Instant(START + at)
    decision = refresh(again(began()).becomes, presented=FIRST, fresh=THIRD, usable=True, now=now)
    assert isinstance(decision.outcome, outcome)
    assert decision.becomes is not None
    assert decision.becomes.lives(now) is lives


def test_the_token_that_was_seen() -> None:
    """The second one refreshes as any does."""
    decision = refresh(
        again(began()).becomes,
        presented=SECOND,
        fresh=THIRD,
        usable=True,
        now=Instant(START + 60_000_000),
    )
    assert isinstance(decision.outcome, Refreshed)


# Reading a token


def test_a_token_made_here_is_read() -> None:
    """What was minted is read back whole, under any key of the ring."""
    minted = RefreshToken.mint(KEY, "c1", RANDOM)
    read = RefreshToken.read(minted.value, KeyRing((Key("k2", bytes(32)), KEY)))
    assert read == minted
    assert read is not None
    assert (read.family_id, read.key_id) == ("c1", "k1")


MINTED = RefreshToken.mint(KEY, "c1", RANDOM).value
SECRET, SEAL = MINTED.split(".")[2:]
OTHERS_SEAL = RefreshToken.mint(KEY, "c2", RANDOM).value.split(".")[3]

NOT_OURS = {
    "nothing": "",
    "a dot": ".",
    "three dots": "...",
    "a thousand dots": "." * 1000,
    "a key id": "k1",
    "an empty family": "k1...",
    "no seal": f"k1.c1.{SECRET}",
    "an empty seal": f"k1.c1.{SECRET}.",
    "a seal of another length": f"k1.c1.{SECRET}.{SEAL[:-1]}",
    "another family's seal": f"k1.c1.{SECRET}.{OTHERS_SEAL}",
    "another family": f"k1.c2.{SECRET}.{SEAL}",
    "another secret": f"k1.c1.{'A' * 43}.{SEAL}",
    "parts that moved": f"k1.c.1{SECRET}.{SEAL}",
    "another key": f"k2.c1.{SECRET}.{SEAL}",
    "no key": f".c1.{SECRET}.{SEAL}",
    "a key by another case": f"K1.c1.{SECRET}.{SEAL}",
    "padding": f"{MINTED}=",
    "a fifth part": f"{MINTED}.x",
    "a part in front": f"x.{MINTED}",
    "a dot behind": f"{MINTED}.",
    "a newline behind": f"{MINTED}\n",
    "a space in front": f" {MINTED}",
    "NUL behind": f"{MINTED}\x00",
    "letters beyond ASCII": f"k1.cé.{SECRET}.{SEAL}",
    "digits of another script": MINTED.replace("1", "१"),
    "a key id beyond ASCII": f"ké.c1.{SECRET}.{SEAL}",
    "a surrogate as family": f"k1.\ud800.{SECRET}.{SEAL}",
    "a surrogate as secret": f"k1.c1.\udfff.{SEAL}",
    "a surrogate as seal": f"k1.c1.{SECRET}.\ud800",
    "a megabyte": f"k1.c1.{'A' * 1_000_000}.{SEAL}",
}


@pytest.mark.parametrize("name", NOT_OURS)
def test_only_a_token_made_here_is_read(name: str) -> None:
    """Anything else is no token, whatever it holds, and never an error."""
    assert RefreshToken.read(NOT_OURS[name], RING) is None


def test_a_token_whose_key_is_gone_is_not_read() -> None:
    """A dropped key id, and a key that merely bears its name, verify nothing."""
    assert RefreshToken.read(MINTED, RING) is not None
    assert RefreshToken.read(MINTED, KeyRing((Key("k2", KEY.secret),))) is None
    assert RefreshToken.read(MINTED, KeyRing((Key("k1", bytes(32)),))) is None


@given(st.integers(0, len(MINTED) - 1), st.characters())
def test_a_changed_token_is_not_read(place: int, character: str) -> None:
    """No other character in any one place makes a token of it."""
    changed = MINTED[:place] + character + MINTED[place + 1 :]
    assert (RefreshToken.read(changed, RING) is None) == (changed != MINTED)


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    """Reading is total."""
    assert RefreshToken.read(text, RING) is None
    assert RefreshToken.read(f"k1.c1.{text}", RING) is None


# Refreshing


def token(number: int) -> RefreshToken:
    """The token of that number of the family ``c1``; the first is 0."""
    return RefreshToken.mint(KEY, "c1", bytes([number]) * 32)


def first() -> Family:
    """The family as the sign-in leaves it, its token number 0."""
    began = family_of(None, token(0))
    assert isinstance(began, Began)
    return began.family


def present(
    held: Family | None, number: int, *, fresh: int = 99, at: int = 0, usable: bool = True
) -> Decision[Family | None, RefreshOutcome]:
    """What comes of presenting a token *at* so many microseconds after the sign-in."""
    return refresh(
        held,
        presented=token(number),
        fresh=token(fresh),
        usable=usable,
        now=Instant(START + at),
    )


def granted(held: Family, number: int, *, fresh: int, at: int = 0) -> Family:
    """The family after a refresh that is granted."""
    decision = present(held, number, fresh=fresh, at=at)
    assert isinstance(decision.outcome, Refreshed)
    assert decision.becomes == decision.outcome.family
    return decision.outcome.family


def test_the_live_token_is_exchanged() -> None:
    """The new token lives in the place of the old; nothing else of the family moves."""
    new_key = Key("k2", bytes(32))
    fresh = RefreshToken.mint(new_key, "c1", RANDOM)
    now = Instant(START + 7)
    decision = refresh(first(), presented=token(0), fresh=fresh, usable=True, now=now)
    expected = Family(
        id="c1",
        user_id="u1",
        pass_code=PassCode("HSP-1234-5678"),
        purpose=Purpose.PHONE_VERIFICATION,
        began_at=START,
        expires_at=Instant(START + 2_592_000_000_000),
        key_id="k2",
        digest=fresh.digest,
        parent=Parent(token(0).digest, now),
        replaced=(),
        ended_at=None,
    )
    assert decision == Decision(Refreshed(expected), expected)


def test_words() -> None:
    """The outcomes have the words of the contract."""
    outcomes = (Refreshed, InvalidToken, TokenReused, Revoked)
    assert [outcome.word for outcome in outcomes] == [
        "refreshed",
        "invalid_token",
        "token_reused",
        "revoked",
    ]


def test_there_is_nothing_to_refresh_without_a_family() -> None:
    """A token of a family that the store does not hold is invalid, and makes none."""
    assert present(None, 0) == Decision(InvalidToken(), None)


def test_the_end_of_a_family_is_absolute() -> None:
    """A family refreshes to the last microsecond of its thirty days, and not at their end."""
    held = granted(first(), 0, fresh=1, at=2_591_999_999_998)
    assert held.expires_at == START + 2_592_000_000_000
    last = granted(held, 1, fresh=2, at=2_591_999_999_999)
    for number in (0, 1, 2):
        decision = present(last, number, at=2_592_000_000_000)
        assert decision.outcome == InvalidToken()
        assert decision.becomes is last


@pytest.mark.parametrize("late", [-5_000_000, -1, 0, 1, 29_999_999, 30_000_000])
def test_the_answer_was_lost(late: int) -> None:
    """The direct parent is good for another child to the end of the 30 s, clocks apart or not."""
    held = granted(first(), 0, fresh=1, at=60_000_000)
    again = granted(held, 0, fresh=2, at=60_000_000 + late)
    assert again.digest == token(2).digest
    assert again.parent == held.parent == Parent(token(0).digest, Instant(START + 60_000_000))
    assert again.replaced == (Replaced(token(1).digest, Instant(START + 90_000_000)),)
    assert again.ended_at is None


@pytest.mark.parametrize("late", [30_000_001, 31_000_000, 86_400_000_000])
def test_the_parent_after_its_window_is_a_reuse(late: int) -> None:
    """A microsecond after the 30 s the family ends, its unused newest token included."""
    held = granted(first(), 0, fresh=1)
    decision = present(held, 0, at=late)
    assert decision.outcome == TokenReused()
    assert decision.becomes == attrs.evolve(held, ended_at=Instant(START + late))
    assert present(decision.becomes, 1, at=late) == Decision(InvalidToken(), decision.becomes)


def test_the_window_counts_from_the_first_use() -> None:
    """Another child does not prolong the 30 s of its parent."""
    held = granted(first(), 0, fresh=1, at=0)
    held = granted(held, 0, fresh=2, at=20_000_000)
    held = granted(held, 0, fresh=3, at=30_000_000)
    assert {old.until for old in held.replaced} == {START + 30_000_000}
    assert present(held, 0, at=30_000_001).outcome == TokenReused()


@pytest.mark.parametrize("at", [0, 1, 29_999_999, 30_000_000])
def test_a_replaced_token_is_invalid_within_the_window(at: int) -> None:
    """A replaced child is refused and nothing changes, however often; its sibling still lives."""
    held = granted(first(), 0, fresh=1)
    held = granted(held, 0, fresh=2)
    for _ in range(3):
        decision = present(held, 1, at=at)
        assert decision.outcome == InvalidToken()
        assert decision.becomes is held
    granted(held, 2, fresh=3, at=at)


def test_a_replaced_token_is_a_reuse_after_the_window() -> None:
    """From the first microsecond after the 30 s a replaced child ends the family."""
    held = granted(granted(first(), 0, fresh=1), 0, fresh=2)
    decision = present(held, 1, at=30_000_001)
    assert decision.outcome == TokenReused()
    assert present(decision.becomes, 2, at=30_000_001).outcome == InvalidToken()


def test_a_replaced_token_after_its_sibling_was_used() -> None:
    """The use of the second child shortens nothing, and prolongs nothing, for the first."""
    held = granted(granted(first(), 0, fresh=1), 0, fresh=2, at=10_000_000)
    held = granted(held, 2, fresh=3, at=20_000_000)
    within = present(held, 1, at=30_000_000)
    assert within == Decision(InvalidToken(), held)
    assert within.becomes is held
    assert present(held, 1, at=30_000_001).outcome == TokenReused()
    later = granted(held, 3, fresh=4, at=40_000_000)
    assert present(later, 1, at=40_000_000).outcome == TokenReused()


def test_the_parent_of_a_used_child_is_a_reuse() -> None:
    """Once the child was used its parent is a used token like any other, 30 s or not."""
    held = granted(granted(first(), 0, fresh=1), 1, fresh=2)
    assert present(held, 0, at=1).outcome == TokenReused()


def test_the_parent_of_a_used_second_child_is_a_reuse() -> None:
    """The exception asks for the latest child to be unused, not for the first."""
    held = granted(granted(first(), 0, fresh=1), 0, fresh=2)
    assert present(granted(held, 2, fresh=3), 0, at=1).outcome == TokenReused()


def test_every_ancestor_is_a_reuse() -> None:
    """Whatever was used before the parent ends the family, within any window."""
    held = first()
    for number in range(5):
        held = granted(held, number, fresh=number + 1, at=number)
    for ancestor in range(4):
        decision = present(held, ancestor, at=5)
        assert decision.outcome == TokenReused()
        assert decision.becomes == attrs.evolve(held, ended_at=Instant(START + 5))
    granted(held, 4, fresh=6, at=5)


def test_after_a_reuse_nothing_refreshes_and_nothing_moves() -> None:
    """An ended family answers `invalid_token` to every token, and keeps when it ended."""
    held = granted(granted(granted(first(), 0, fresh=1), 0, fresh=2), 2, fresh=3)
    ended = present(held, 0, at=1).becomes
    for number in range(5):
        for at in (0, 1, 30_000_000, 30_000_001, 2_592_000_000_000):
            decision = present(ended, number, at=at)
            assert decision.outcome == InvalidToken()
            assert decision.becomes is ended


@pytest.mark.parametrize("number", [0, 1], ids=["the parent", "the live one"])
def test_an_unusable_pass_ends_the_family(number: int) -> None:
    """A pass that is no longer usable ends its family at the next refresh: `invalid_token`."""
    held = granted(first(), 0, fresh=1)
    decision = present(held, number, at=9, usable=False)
    assert decision.outcome == PassLapsed()
    assert PassLapsed.word == "invalid_token"
    assert decision.becomes == attrs.evolve(held, ended_at=Instant(START + 9))


def test_an_unusable_pass_hides_no_reuse() -> None:
    """A used token is told as such whatever the pass, and a replaced one still ends nothing."""
    held = granted(granted(first(), 0, fresh=1), 0, fresh=2)
    assert present(held, 1, usable=False) == Decision(InvalidToken(), held)
    assert present(held, 1, at=30_000_001, usable=False).outcome == TokenReused()


def test_a_hundred_replaced_tokens_are_remembered() -> None:
    """Of more than a hundred replaced within 30 s the oldest counts as used, the safe mistake."""
    held = granted(first(), 0, fresh=1)
    for number in range(2, 102):
        held = granted(held, 0, fresh=number, at=30_000_000)
    assert len(held.replaced) == 100
    assert present(held, 1, at=30_000_000).outcome == InvalidToken()
    held = granted(held, 0, fresh=102, at=30_000_000)
    assert len(held.replaced) == 100
    assert present(held, 2, at=30_000_000).outcome == InvalidToken()
    assert present(held, 1, at=30_000_000).outcome == TokenReused()
    granted(held, 102, fresh=103, at=30_000_000)


def test_what_was_replaced_long_ago_is_forgotten() -> None:
    """A replaced token is kept to the end of its window, and no longer."""
    held = granted(granted(first(), 0, fresh=1), 0, fresh=2)
    assert len(granted(held, 2, fresh=3, at=30_000_000).replaced) == 1
    assert granted(held, 2, fresh=3, at=30_000_001).replaced == ()


def test_nothing_of_a_family_shows_a_digest() -> None:
    """No `repr` of a family that has been refreshed tells what is stored of its tokens."""
    held = granted(granted(first(), 0, fresh=1), 0, fresh=2)
    assert "digest" not in repr(held)
    assert repr(held.parent) == "Parent(used_at=1767225600000000)"
    assert repr(held.replaced) == "(Replaced(until=1767225630000000),)"


# Revoking


def test_revoking_ends_the_family() -> None:
    """Signing out ends the family at that instant, and says so once."""
    held = granted(first(), 0, fresh=1)
    decision = revoke(held, now=Instant(START + 3))
    assert decision == Decision(Revoked(), attrs.evolve(held, ended_at=Instant(START + 3)))
    again = revoke(decision.becomes, now=Instant(START + 4))
    assert again.outcome == InvalidToken()
    assert again.becomes is decision.becomes
    assert present(decision.becomes, 1, at=4).outcome == InvalidToken()


def test_there_is_nothing_to_revoke() -> None:
    """No family, and one past its end, are left as they are."""
    assert revoke(None, now=START) == Decision(InvalidToken(), None)
    held = first()
    decision = revoke(held, now=held.expires_at)
    assert decision.outcome == InvalidToken()
    assert decision.becomes is held


def test_a_family_lives_until_its_end() -> None:
    """It lives while `now < expires_at` and nobody ended it."""
    held = first()
    assert held.lives(START)
    assert held.lives(Instant(START + 2_591_999_999_999))
    assert not held.lives(Instant(START + 2_592_000_000_000))
    assert not attrs.evolve(held, ended_at=START).lives(START)


def test_a_sign_in_from_the_future_is_void() -> None:
    """What a clock noted that was more than five seconds ahead, until it is the time for it."""
    held = first()
    assert held.lives(Instant(START - 5_000_000))
    assert not held.lives(Instant(START - 5_000_001))
    assert present(held, 0, at=-5_000_001).outcome == InvalidToken()


def test_a_lost_answer_from_the_future_is_made_good_for_thirty_seconds() -> None:
    """The first use of a token is believed to be of now where a clock was ahead."""
    ahead = 7_200_000_000
    began = attrs.evolve(first(), began_at=Instant(START - ahead))
    held = granted(began, 0, fresh=1, at=ahead)
    held = granted(held, 0, fresh=2, at=0)
    assert held.parent is not None
    assert held.parent.used_at == START
    assert present(held, 0, fresh=3, at=30_000_000).outcome.word == "refreshed"
    assert present(held, 0, fresh=3, at=30_000_001).outcome == TokenReused()
    replaced = granted(granted(began, 0, fresh=1, at=ahead), 0, fresh=2, at=ahead)
    held = granted(replaced, 0, fresh=3, at=0)
    assert [old.until for old in held.replaced] == [START + 30_000_000] * 2
    assert replaced.replaced[0].digest in [old.digest for old in held.replaced]


# Laws

GAPS = st.sampled_from((0, 0, 0, 1, 29_999_999, 30_000_000, 30_000_001, -5_000_000))
PRESENTATIONS = st.lists(st.tuples(st.integers(0, 30), GAPS, st.booleans()), max_size=30)


@pytest.mark.slow
@given(PRESENTATIONS)
def test_one_live_branch(presentations: list[tuple[int, int, bool]]) -> None:
    """In any order of presentations only the latest grant and what it came from are good."""
    held, count, at, ended = first(), 1, 0, False
    allowed = {0}
    for drawn, gap, newest in presentations:
        number = count - 1 if newest else drawn % count
        at = max(at + gap, -5_000_000)  # no clock is further behind than that
        decision = present(held, number, fresh=count, at=at)
        assert decision == present(held, number, fresh=count, at=at)
        assert decision.becomes is not None
        match decision.outcome:
            case Refreshed():
                assert not ended
                allowed = {number, count}
                count += 1
            case TokenReused():
                assert not ended
                ended = True
            case InvalidToken():
                assert decision.becomes is held
            case PassLapsed():
                pytest.fail("the pass is usable")
        held = decision.becomes
        assert (held.id, held.user_id, held.expires_at) == ("c1", "u1", START + 2_592_000_000_000)
        good = {n for n in range(count) if isinstance(present(held, n, at=at).outcome, Refreshed)}
        assert good <= (set() if ended else allowed)
        assert ended or count - 1 in good


@given(st.integers(2, 50))
def test_fifty_at_once(times: int) -> None:
    """However many exchange one token at the same instant, the last answer alone lives on."""
    held = first()
    for number in range(1, times + 1):
        held = granted(held, 0, fresh=number)
    outcomes = [present(held, number).outcome for number in range(1, times + 1)]
    assert outcomes[:-1] == [InvalidToken()] * (times - 1)
    assert isinstance(outcomes[-1], Refreshed)
