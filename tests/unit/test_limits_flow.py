"""Clients at their limits, through the journeys: `docs/contract.md`, section 3."""

import pytest

from hsp_otp.domain.audit import AuditRow
from hsp_otp.domain.challenge_outcomes import Issued, Locked, NoLiveCode
from hsp_otp.domain.instant import HOUR, SECOND, Instant
from hsp_otp.domain.names import SessionId
from hsp_otp.domain.passes import NoPhone, PassNotFound, PassNotPaid, PaymentStatus, UsablePass
from hsp_otp.domain.policy import ClientLimits
from hsp_otp.domain.quota import Limit, Quota, Refusal
from hsp_otp.domain.refresh_tokens import InvalidToken
from hsp_otp.domain.signup import SessionNotFound
from hsp_otp.flows.otp import Undelivered
from hsp_otp.flows.pass_login import SignedIn
from hsp_otp.flows.sessions import Grant
from hsp_otp.flows.signup import SignupCodeSent
from tests.world import (
    CLIENT,
    OTHER_CLIENT,
    OTHER_PHONE,
    PHONE,
    START,
    World,
    open_world,
    other_than,
)

UNKNOWN = "HSP-9999-9999"
UNPAID = "HSP-0000-0002"
WITHOUT_A_NUMBER = "HSP-0000-0003"

AN_HOUR_LATER = Instant(START + HOUR)


def rows_of(world: World, outcome: str) -> list[AuditRow]:
    """The audit rows of that outcome."""
    return [row for row in world.audit.rows if row.outcome == outcome]


def scanned() -> World:
    """A world with a usable pass and some that are not, where misses have reached the line."""
    world = open_world(limits=ClientLimits(misses=Quota(3, HOUR)))
    world.add()
    world.add(UNPAID, user="u2", payment=PaymentStatus.PENDING)
    world.add(WITHOUT_A_NUMBER, user="u3", phone=None)
    for number in range(3):
        assert isinstance(world.validate(UNKNOWN, client=f"192.0.{number}.1"), PassNotFound)
    return world


# Scans


def test_in_a_scan_every_newcomer_with_a_right_pass_code_signs_in() -> None:
    """Whatever others miss: the look-up, the code and the check are all admitted."""
    world = scanned()
    for number in range(9):
        client = f"203.0.{number}.9"
        assert isinstance(world.validate(client=client), UsablePass)
        assert isinstance(world.send(client=client), Issued)
        assert isinstance(world.verify(world.outbox.codes[-1], client=client), SignedIn)
        world.clock.advance(30 * SECOND)


@pytest.mark.parametrize("code", [UNKNOWN, UNPAID, WITHOUT_A_NUMBER])
def test_in_a_scan_a_newcomer_is_told_the_same_of_every_unusable_pass(code: str) -> None:
    """Validate and send call it unknown; a check is answered as one of a pass without a code."""
    world = scanned()
    assert world.validate(code) == PassNotFound()
    assert world.send(code) == PassNotFound()
    unknown = world.verify("123456", code)
    world.add("HSP-0000-0009", user="u9", phone=OTHER_PHONE)
    assert unknown == world.verify("123456", "HSP-0000-0009") == NoLiveCode(START)


def test_the_audit_of_a_scan_tells_what_was_asked() -> None:
    """What the caller is not told an investigator is."""
    world = scanned()
    world.validate(UNPAID)
    world.verify("123456", WITHOUT_A_NUMBER)
    assert [row.outcome for row in world.audit.rows[-2:]] == ["pass_not_paid", "no_phone"]


def test_in_a_scan_a_newcomer_may_miss_twice_and_a_known_client_goes_on() -> None:
    """Known is who has signed in within a day; a look-up that hits is not enough."""
    world = scanned()
    world.validate()
    assert [world.validate(UNKNOWN).word for _ in range(3)] == [
        "pass_not_found",
        "pass_not_found",
        "lookup_rate_limited",
    ]
    world.clock.advance(HOUR)
    world.sign_in()
    world.clock.advance(23 * HOUR)
    for number in range(3):
        world.validate(UNKNOWN, client=f"192.0.{number}.1")
    for _ in range(9):
        assert world.validate(UNPAID) == PassNotPaid()
    assert world.validate(WITHOUT_A_NUMBER) == NoPhone()
    world.clock.advance(HOUR)
    for number in range(3):
        world.validate(UNKNOWN, client=f"192.0.{number}.1")
    assert world.validate(UNPAID) == PassNotFound()


# Asks that nobody would send


def test_asking_while_every_sender_is_skipped_has_a_limit_of_its_own() -> None:
    """Thirty an hour of one client; no limit on sends is judged or charged."""
    world = World()
    world.add()
    world.outbox.skipped = True
    for number in range(30):
        assert world.sign_up(f"+9198765{number:05}") == Undelivered(None)
    assert world.sign_up() == Refusal(Limit.CLIENT, AN_HOUR_LATER)
    assert world.send() == Refusal(Limit.CLIENT, AN_HOUR_LATER)
    assert world.send(client=OTHER_CLIENT) == Undelivered(None)
    world.outbox.skipped = False
    assert isinstance(world.sign_up(), SignupCodeSent)
    assert len(rows_of(world, "sms_failed")) == 31
    assert all(
        not row.folds and "unsent_asks" in row.facts.charged for row in rows_of(world, "sms_failed")
    )
    assert all(row.folds for row in rows_of(world, "rate_limited"))


# Requests that are good for nothing


def test_rubbish_for_refresh_tokens_is_limited_and_folded() -> None:
    """From the 121st in an hour on it is refused; a genuine token of the same client is not."""
    world = World()
    world.add()
    token = world.sign_in().refresh_token
    for _ in range(60):
        assert world.refresh("rubbish") == InvalidToken()
        assert world.revoke("rubbish") is None
    assert world.refresh("rubbish") == Refusal(Limit.CLIENT, AN_HOUR_LATER)
    assert world.revoke("rubbish") == Refusal(Limit.CLIENT, AN_HOUR_LATER)
    granted = world.refresh(token)
    assert isinstance(granted, Grant)
    assert world.revoke(granted.refresh_token) is None
    rejected = rows_of(world, "invalid_token")
    assert len(rejected) == 120
    assert all(row.facts.charged == ("rejected_requests",) and row.folds for row in rejected)
    assert world.charged("rejected_requests") == 120


def test_tokens_of_a_family_are_not_charged() -> None:
    """
    However often: apps that share an address and are signed out learn it, and are told nothing
    else. The rows of it fold.
    """
    world = World()
    world.add()
    token = world.sign_in().refresh_token
    world.revoke(token)
    for _ in range(121):
        assert world.refresh(token) == InvalidToken()
        assert world.revoke(token) is None
    assert world.charged("rejected_requests") == 0
    assert len(rows_of(world, "revoked")) == 1
    assert all(row.folds and not row.facts.charged for row in rows_of(world, "invalid_token"))


def test_signup_sessions_that_are_not_good_are_limited() -> None:
    """An unknown one and one past its step are charged alike, and no send is charged."""
    world = World()
    sent = world.sign_up()
    assert isinstance(sent, SignupCodeSent)
    world.prove(world.outbox.codes[-1], sent.session_id)
    for _ in range(60):
        assert world.sign_up(OTHER_PHONE, SessionId("A" * 22)) == SessionNotFound()
        assert world.sign_up(OTHER_PHONE, sent.session_id).word == "already_verified"
    for session in (SessionId("A" * 22), sent.session_id):
        refused = world.sign_up(OTHER_PHONE, session)
        assert refused == Refusal(Limit.CLIENT, AN_HOUR_LATER)
    assert isinstance(world.sign_up(OTHER_PHONE), SignupCodeSent)


def test_asks_for_a_locked_number_are_limited_and_folded() -> None:
    """Nothing is granted or charged to the number; the client is charged."""
    world = open_world()
    sent = world.sign_up()
    assert isinstance(sent, SignupCodeSent)
    for _ in range(5):
        for _ in range(3):
            world.prove(other_than(world.outbox.codes[-1]), sent.session_id)
        world.clock.advance(60 * SECOND)
        world.sign_up(session=sent.session_id)
    locked = world.sign_up()
    assert isinstance(locked, Locked)
    assert rows_of(world, "locked_out")[-1].folds
    before = world.charged("rejected_requests")
    world.sign_up()
    assert world.charged("rejected_requests") == before + 1
    for _ in range(120 - before - 1):
        assert isinstance(world.sign_up(), Locked)
    assert world.sign_up().word == "rate_limited"
    assert isinstance(world.sign_up(client=OTHER_CLIENT), Locked)


def test_rows_tell_what_a_request_was_charged() -> None:
    """Whatever it came to: a store that forgot is filled again from them."""
    world = World()
    world.add()
    world.validate()
    world.send()
    world.verify(other_than(world.outbox.codes[-1]))
    world.verify("123456", UNKNOWN)
    world.send()  # too soon
    sent = world.sign_up(OTHER_PHONE)
    assert isinstance(sent, SignupCodeSent)
    world.prove(world.outbox.codes[-1], sent.session_id)
    assert [(row.outcome, row.facts.charged) for row in world.audit.rows] == [
        ("valid", ("lookups",)),
        ("sent", ("lookups",)),
        ("invalid_otp", ("lookups", "checks")),
        ("pass_not_found", ("lookups", "lookups", "lookup_misses", "checks")),
        ("resend_too_soon", ("lookups",)),
        ("sent", ()),
        ("verified", ("checks",)),
    ]
    assert world.charged("lookups", CLIENT) == 6
    assert world.charged("checks", CLIENT) == 3
    assert PHONE not in repr(world.audit.rows)
