"""The exchange of a sign-in's code for tokens: docs/contract.md, section 5.10."""

import attrs
import pytest

from hsp_otp.domain.contact import Channel
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.exchange import (
    CodeReused,
    Exchanged,
    ExchangeOutcome,
    InvalidCode,
    PassUnusable,
    exchange,
    is_exchangeable,
)
from hsp_otp.domain.instant import DAY, Instant
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import Pass
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.refresh_tokens import (
    AlreadyBegan,
    Began,
    BeganAgain,
    BeginOutcome,
    Exchange,
    ExchangeCode,
    Family,
    InvalidToken,
    Parent,
    RefreshToken,
    Replaced,
    begin,
    refresh,
)
from tests.world import RETURN_URL, START, World, ring

CODES, TOKENS = ring("exchange"), ring("refresh")
CODE, OTHER_CODE = (ExchangeCode.mint(CODES.first, "c1", bytes([one]) * 32) for one in (1, 2))
TOKEN, OTHER_TOKEN = (RefreshToken.mint(TOKENS.first, "c1", bytes([one]) * 32) for one in (3, 4))
MADE = Exchange(RETURN_URL, Instant(START + 60_000_000))
BROWSER = b"b" * 32
PASS = World().add()


def begun(
    held: Family | None = None,
    code: RefreshToken = CODE,
    made: Exchange | None = MADE,
    *,
    at: int = 0,
) -> Decision[Family | None, BeginOutcome]:
    """Begin the family ``c1`` with a code, in a browser."""
    return begin(
        held,
        token=code,
        family_id="c1",
        user_id="u1",
        pass_code=PassCode("HSP-1234-5678"),
        purpose=Purpose.PHONE_VERIFICATION,
        channel=Channel.SMS,
        lifetime=30 * DAY,
        now=Instant(START + at),
        browser=BROWSER,
        exchange=made,
    )


def family() -> Family:
    """A family that waits for its code."""
    held = begun().becomes
    assert held is not None
    return held


def exchanged(
    held: Family | None,
    code: ExchangeCode = CODE,
    *,
    at: int = 0,
    return_url: str = RETURN_URL,
    usable: Pass | None = PASS,
) -> Decision[Family | None, ExchangeOutcome]:
    """Present *code*, *at* microseconds after the sign-in."""
    return exchange(
        held,
        presented=code,
        return_url=return_url,
        fresh=TOKEN,
        usable=usable,
        now=Instant(START + at),
    )


def used() -> Family:
    """A family whose code has been exchanged."""
    held = exchanged(family()).becomes
    assert held is not None
    return held


def test_a_code_and_a_token_are_never_read_as_each_other() -> None:
    """They look alike, and the keys of another ring seal each."""
    assert ExchangeCode.read(CODE.value, CODES) == CODE
    assert RefreshToken.read(CODE.value, TOKENS) is None
    assert ExchangeCode.read(TOKEN.value, CODES) is None


def test_a_family_begins_without_tokens() -> None:
    """Until the code is exchanged, the family has no token that could grant anything."""
    held = family()
    assert (held.digest, held.key_id, held.exchange) == (CODE.digest, "k1", MADE)
    assert not held.has_tokens
    decision = refresh(held, presented=TOKEN, fresh=OTHER_TOKEN, usable=True, now=START)
    assert decision == Decision(InvalidToken(), held)


def test_the_first_exchange_gives_the_first_token() -> None:
    """The refresh token is live, and the code is remembered as used."""
    held = family()
    after = attrs.evolve(held, digest=TOKEN.digest, exchange=attrs.evolve(MADE, used=CODE.digest))
    assert exchanged(held) == Decision(Exchanged(after, PASS), after)
    assert after.has_tokens
    decision = refresh(after, presented=TOKEN, fresh=OTHER_TOKEN, usable=True, now=START)
    assert decision.outcome.word == "refreshed"


@pytest.mark.parametrize(("at", "good"), [(59_999_999, True), (60_000_000, False)])
def test_a_code_lives_sixty_seconds(at: int, good: bool) -> None:  # noqa: FBT001 - a parameter
    """A microsecond before its end it is good, and at its end it is not; nothing changes then."""
    held = family()
    decision = exchanged(held, at=at)
    assert isinstance(decision.outcome, Exchanged) is good
    assert (decision.becomes is held) is not good
    assert is_exchangeable(held, CODE, RETURN_URL, Instant(START + at)) is good


@pytest.mark.parametrize("at", [1, 60_000_000, 29 * 86_400_000_000])
@pytest.mark.parametrize("return_url", [RETURN_URL, "https://other.example/"])
@pytest.mark.parametrize("usable", [PASS, None])
def test_a_second_use_ends_the_family(at: int, return_url: str, usable: Pass | None) -> None:
    """Whenever, for whatever address and with whatever pass it is presented."""
    held = used()
    decision = exchanged(held, at=at, return_url=return_url, usable=usable)
    assert decision == Decision(CodeReused(), attrs.evolve(held, ended_at=Instant(START + at)))
    assert not is_exchangeable(held, CODE, RETURN_URL, START)


def test_a_second_use_ends_a_family_that_was_refreshed_since() -> None:
    """The code stays known as long as the family lives."""
    held = refresh(used(), presented=TOKEN, fresh=OTHER_TOKEN, usable=True, now=START).becomes
    assert held is not None
    assert held.parent == Parent(TOKEN.digest, START)
    assert exchanged(held, at=1).outcome == CodeReused()


def test_codes_that_give_nothing() -> None:
    """For another address, replaced, of no family, of one that ended or had tokens at once."""
    held = family()
    for kept, code, url in (
        (held, CODE, "https://shop.example/signed-in/"),
        (held, CODE, ""),
        (held, OTHER_CODE, RETURN_URL),
        (used(), OTHER_CODE, RETURN_URL),
        (None, CODE, RETURN_URL),
        (attrs.evolve(held, ended_at=START), CODE, RETURN_URL),
        (attrs.evolve(used(), ended_at=START), CODE, RETURN_URL),
        (begun(code=TOKEN, made=None).becomes, CODE, RETURN_URL),
    ):
        assert exchanged(kept, code, return_url=url) == Decision(InvalidCode(), kept)
        assert not is_exchangeable(kept, code, url, START)


def test_a_code_of_a_clock_that_ran_ahead_gives_nothing() -> None:
    """A sign-in more than 5 s in the future is void: docs/contract.md, 2.4."""
    held = family()
    assert isinstance(exchanged(held, at=-5_000_000).outcome, Exchanged)
    assert exchanged(held, at=-5_000_001) == Decision(InvalidCode(), held)


def test_a_pass_that_is_no_longer_usable_ends_the_family() -> None:
    """Nobody gets tokens for it, not even once it is usable again."""
    held = family()
    ended = attrs.evolve(held, ended_at=START)
    assert exchanged(held, usable=None) == Decision(PassUnusable(), ended)
    assert exchanged(ended).outcome == InvalidCode()


def test_what_the_audit_calls_them() -> None:
    """Callers learn `invalid_code` of all three; the audit tells a reuse apart."""
    words = [one.word for one in (Exchanged, InvalidCode, PassUnusable, CodeReused)]
    assert words == ["exchanged", "invalid_code", "invalid_code", "code_reused"]


def test_an_answer_that_was_lost() -> None:
    """The browser that signed in gets another code in place of the first, once."""
    later = Exchange(RETURN_URL, Instant(START + 61_000_000))
    decision = begun(family(), OTHER_CODE, later, at=1_000_000)
    assert isinstance(decision.outcome, BeganAgain)
    again = decision.outcome.family
    assert (again.digest, again.exchange) == (OTHER_CODE.digest, later)
    assert again.replaced == (Replaced(CODE.digest, Instant(START + 30_000_000)),)
    assert exchanged(again, CODE, at=1_000_001) == Decision(InvalidCode(), again)
    assert isinstance(exchanged(again, OTHER_CODE, at=1_000_001).outcome, Exchanged)
    assert begun(again, CODE, MADE, at=2).outcome == AlreadyBegan()


def test_no_other_code_once_the_first_has_been_exchanged() -> None:
    """Somebody has its tokens already."""
    held = used()
    assert begun(held, OTHER_CODE, at=1) == Decision(AlreadyBegan(), held)


def test_nothing_secret_is_shown() -> None:
    """No `repr` tells a code, a digest or a token."""
    outcome = begun().outcome
    assert isinstance(outcome, Began)
    shown = repr((outcome, exchanged(family()), used(), CODE))
    for secret in (CODE.value, TOKEN.value, str(CODE.digest)[2:-1], str(TOKEN.digest)[2:-1]):
        assert secret not in shown
