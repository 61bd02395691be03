"""Sign-ins that another backend completes: docs/contract.md, sections 5.10 and 8."""

from typing import Any

import attrs
import pytest

from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.challenge_outcomes import NoLiveCode, WrongCode
from hsp_otp.domain.exchange import CodeReused, InvalidCode, PassUnusable
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.refresh_tokens import ExchangeCode, InvalidToken
from hsp_otp.flows.pass_login import LedBack
from hsp_otp.flows.sessions import Grant, Me, Redeemed
from tests.audit_rows import evolved, row_of
from tests.world import (
    CLIENT,
    OTHER_CLIENT,
    OTHER_PHONE,
    PASS_CODE,
    RETURN_URL,
    START,
    World,
    other_than,
    ring,
    run,
)

UNREAD = row_of(
    at=START,
    flow=Flow.PASS_LOGIN,
    purpose=None,
    action=Action.EXCHANGE,
    outcome="invalid_code",
    client=ClientAddress(OTHER_CLIENT),
    request_id=f"request-of-{OTHER_CLIENT}",
    api_key_id="key1",
    folds=True,
)
"""The row of a code that belongs to no sign-in."""


def led_back(**facts: Any) -> tuple[World, LedBack]:  # noqa: ANN401 - of a pass
    """A world whose one customer was just led back."""
    world = World()
    world.add(**facts)
    world.send()
    outcome = world.lead_back(world.outbox.codes[-1])
    assert isinstance(outcome, LedBack)
    return world, outcome


def redeemed(world: World, code: str) -> Redeemed:
    """What an exchange that succeeds gives."""
    outcome = world.exchange(code)
    assert isinstance(outcome, Redeemed)
    return outcome


def with_phone(row: AuditRow, phone: str = "+919876543210") -> AuditRow:
    """*row* with what is told of the sign-in and its number."""
    fingerprints: KeyRing = ring("fingerprints")
    return evolved(
        row,
        purpose=Purpose.PHONE_VERIFICATION,
        pass_code="HSP-****-5678",
        contact="***-***-3210",
        region="IN",
        contact_fingerprint=fingerprints.fingerprint(phone),
        range_fingerprint=fingerprints.fingerprint(phone[:-4]),
        block_fingerprint=fingerprints.fingerprint(phone[:-6]),
    )


def is_exchangeable(world: World, code: str) -> bool:
    """Whether a page may still lead there with *code*."""
    return run(world.sessions.is_exchangeable(code, RETURN_URL))


def test_the_sign_in_is_recorded_with_the_right_code() -> None:
    """The row of the check and the marks of the user are those of any sign-in; no token is made."""
    world, outcome = led_back(expires_at=START)
    assert outcome.handed.until == START + 60_000_000
    row = world.audit.rows[-1]
    assert (row.facts.action, row.outcome) == (Action.CHECK, "verified")
    assert (row.facts.client, row.facts.api_key_id) == (ClientAddress(CLIENT), None)
    (marks,) = world.audit.sign_ins
    assert (marks.user_id, marks.pass_ended) == ("u1", True)
    assert world.access_tokens.signed == []


def test_the_exchange_gives_what_a_sign_in_gives() -> None:
    """Tokens that work, the pass with its user, and one row with the key's id."""
    world, outcome = led_back()
    world.clock.advance(1_000_000)
    given = redeemed(world, outcome.handed.code)
    assert given.grant.expires_in == 900_000_000
    assert given.signed_in == world.passes.stored[given.signed_in.code]
    assert given.at == START + 1_000_000
    assert isinstance(world.me(given.grant.access_token), Me)
    assert isinstance(world.refresh(given.grant.refresh_token), Grant)
    row = evolved(UNREAD, at=given.at, outcome="exchanged", folds=False)
    assert world.audit.rows[-2] == with_phone(row)
    assert len(world.audit.sign_ins) == 1


def test_a_second_exchange_ends_the_family() -> None:
    """The tokens of the first one grant nothing any more, and the audit tells why."""
    world, outcome = led_back()
    given = redeemed(world, outcome.handed.code)
    assert world.exchange(outcome.handed.code) == CodeReused()
    assert world.refresh(given.grant.refresh_token) == InvalidToken()
    assert world.me(given.grant.access_token) == InvalidToken()
    assert world.exchange(outcome.handed.code) == InvalidCode()
    told = [(row.outcome, row.folds) for row in world.audit.rows[-4:]]
    assert told == [
        ("exchanged", False),
        ("code_reused", False),
        ("invalid_token", True),
        ("invalid_code", True),
    ]


def test_a_page_knows_whether_its_code_is_good() -> None:
    """Until it is used or too old, and for that page's own address only; asking changes nothing."""
    world, outcome = led_back()
    code = outcome.handed.code
    rows = list(world.audit.rows)
    assert is_exchangeable(world, code)
    assert not is_exchangeable(world, "k1.x.y.z")
    assert not run(world.sessions.is_exchangeable(code, "https://other.example/"))
    assert world.audit.rows == rows
    redeemed(world, code)
    assert not is_exchangeable(world, code)


def test_a_code_for_another_address() -> None:
    """It gives nothing, and stays good for its own."""
    world, outcome = led_back()
    assert world.exchange(outcome.handed.code, "https://other.example/") == InvalidCode()
    redeemed(world, outcome.handed.code)


def test_texts_that_are_no_codes() -> None:
    """What was not made here, or for a family that is gone, gives nothing and leaves a row."""
    world, outcome = led_back()
    given = redeemed(world, outcome.handed.code)
    world.audit.rows.clear()
    gone = ExchangeCode.mint(ring("exchange").first, "gone", bytes(32)).value
    for text in ("", "nonsense", outcome.handed.code + "x", given.grant.refresh_token, gone):
        assert world.exchange(text) == InvalidCode()
    assert world.audit.rows == [UNREAD] * 5
    assert isinstance(world.refresh(given.grant.refresh_token), Grant)


@pytest.mark.parametrize(
    "change",
    [
        {"payment": PaymentStatus.REFUNDED},
        {"phone": None},
        {"user": "u2", "phone": OTHER_PHONE},
    ],
)
def test_a_pass_that_is_no_longer_usable(change: dict[str, Any]) -> None:
    """Nobody gets tokens for it, and the sign-in has ended."""
    world, outcome = led_back()
    world.add(**change)
    assert world.exchange(outcome.handed.code) == PassUnusable()
    row = world.audit.rows[-1]
    assert (row.outcome, row.facts.pass_code, row.facts.contact) == (
        "invalid_code",
        "HSP-****-5678",
        None,
    )
    assert not row.folds
    world.add()
    assert world.exchange(outcome.handed.code) == InvalidCode()


def test_a_wrong_code_leads_nowhere() -> None:
    """Everything but a right code ends as it does for a sign-in with tokens."""
    world = World()
    world.add()
    world.send()
    assert isinstance(world.lead_back(other_than(world.outbox.codes[-1])), WrongCode)
    assert world.audit.sign_ins == []


def test_a_code_that_is_sent_twice_leads_back_twice() -> None:
    """In the browser that signed in, the second answer has another code, and only that is good."""
    world = World()
    world.add()
    world.send()
    digits = world.outbox.codes[-1]
    first = world.lead_back(digits, browser="own")
    again = world.lead_back(digits, browser="own")
    assert isinstance(first, LedBack)
    assert isinstance(again, LedBack)
    assert world.exchange(first.handed.code) == InvalidCode()
    redeemed(world, again.handed.code)
    assert isinstance(world.lead_back(digits, browser="own"), NoLiveCode)
    assert isinstance(world.lead_back(digits), NoLiveCode)


def test_exchange_keys_rotate() -> None:
    """A code made under a key that has been removed gives nothing."""
    world, outcome = led_back()
    sessions = world.sessions
    rotated = attrs.evolve(sessions, exchange_keys=ring("exchange", "k2", "k1"))
    removed = attrs.evolve(sessions, exchange_keys=ring("exchange", "k2"))
    assert run(rotated.is_exchangeable(outcome.handed.code, RETURN_URL))
    assert not run(removed.is_exchangeable(outcome.handed.code, RETURN_URL))


def test_an_old_clock_gives_nothing() -> None:
    """A sign-in that a clock has left in the future is void: docs/contract.md, 2.4."""
    world, outcome = led_back()
    world.clock.instant = Instant(START - 5_000_001)
    assert world.exchange(outcome.handed.code) == InvalidCode()


def test_nothing_secret_is_shown() -> None:
    """No outcome, row or record tells a code or a token."""
    world, outcome = led_back()
    given = redeemed(world, outcome.handed.code)
    family = world.family(outcome.handed.code.split(".")[1])
    shown = repr((outcome, given.grant, family, world.audit.rows))
    secret = outcome.handed.code.split(".")[2]
    for text in (secret, given.grant.refresh_token, given.grant.access_token, PASS_CODE):
        assert text not in shown.replace(repr(family), "")
    assert secret not in repr(family)
