"""What follows a sign-in: `docs/contract.md`, sections 5.2 and 8."""

from collections.abc import Callable

import attrs
import pytest

from hsp_otp.domain.audit import Action, AuditRow
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.keys import KeyRing
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.passes import Pass, PaymentStatus
from hsp_otp.domain.purposes import Flow, Purpose
from hsp_otp.domain.refresh_tokens import InvalidToken, PassLapsed, RefreshToken, TokenReused
from hsp_otp.flows.sessions import Grant, Me
from hsp_otp.ports.tokens import Access
from tests.audit_rows import evolved, row_of
from tests.world import CLIENT, OTHER_PHONE, PASS_CODE, START, World, ring

ROW = row_of(
    at=START,
    flow=Flow.PASS_LOGIN,
    purpose=Purpose.PHONE_VERIFICATION,
    action=Action.REFRESH,
    outcome="refreshed",
    client=ClientAddress(CLIENT),
    request_id=f"request-of-{CLIENT}",
    pass_code="HSP-****-5678",
)
"""The row of a refresh, without the number of the pass."""

INVALID = attrs.evolve(ROW, outcome="invalid_token", folds=True)
REJECTED = evolved(INVALID, purpose=None, pass_code=None, charged=("rejected_requests",))
"""What the row of a token tells that was good for nothing."""


def signed_in(refresh_keys: KeyRing | None = None) -> tuple[World, Grant]:
    """A world whose one customer has just signed in; its audit is empty."""
    world = World(refresh_keys=refresh_keys or ring("refresh"))
    world.add()
    grant = world.sign_in()
    world.audit.rows.clear()
    return world, grant


def refreshed(world: World, token: str) -> Grant:
    """What an exchange that succeeds grants."""
    outcome = world.refresh(token)
    assert isinstance(outcome, Grant)
    return outcome


def family_id(grant: Grant) -> str:
    """The family of a grant."""
    return grant.refresh_token.split(".")[1]


def with_phone(row: AuditRow) -> AuditRow:
    """*row* with what is told of the number of the pass."""
    fingerprints = ring("fingerprints")
    return evolved(
        row,
        contact="***-***-3210",
        region="IN",
        contact_fingerprint=fingerprints.fingerprint("+919876543210"),
        range_fingerprint=fingerprints.fingerprint("+91987654"),
        block_fingerprint=fingerprints.fingerprint("+919876"),
    )


# Refreshing


def test_a_refresh_grants_a_new_pair() -> None:
    """Both tokens are new, of the same family, and the access token lives 15 min from now."""
    world, grant = signed_in()
    world.clock.advance(60_000_000)
    new = refreshed(world, grant.refresh_token)
    assert new.expires_in == 900_000_000
    assert new.refresh_token != grant.refresh_token
    assert family_id(new) == family_id(grant)
    first, second = world.access_tokens.signed
    assert second == Access(
        user_id="u1",
        email="u1@example.com",
        family_id=family_id(grant),
        token_id=second.token_id,
        purpose=Purpose.PHONE_VERIFICATION,
        channel=Channel.SMS,
        issued_at=Instant(START + 60_000_000),
        expires_at=Instant(START + 960_000_000),
    )
    assert second.token_id != first.token_id
    assert len(second.token_id) == 22
    assert isinstance(world.me(new.access_token), Me)


def test_a_refresh_leaves_one_row() -> None:
    """One row, with the pass and the number masked, and the number's fingerprints."""
    world, grant = signed_in()
    refreshed(world, grant.refresh_token)
    assert world.audit.rows == [with_phone(ROW)]
    assert len(world.audit.sign_ins) == 1


def test_a_refresh_does_not_prolong_the_family() -> None:
    """Thirty days from the sign-in nothing refreshes, however lately it was refreshed."""
    world, grant = signed_in()
    world.clock.advance(2_591_999_999_999)
    grant = refreshed(world, grant.refresh_token)
    assert isinstance(world.me(grant.access_token), Me)
    world.clock.advance(1)
    assert world.refresh(grant.refresh_token) == InvalidToken()
    assert world.me(grant.access_token) == InvalidToken()
    assert [row.outcome for row in world.audit.rows] == ["refreshed", "invalid_token"]


def test_a_reuse_ends_the_family_and_leaves_one_row() -> None:
    """The reuse is told once, as `token_reused`; then every token of the family is invalid."""
    world, grant = signed_in()
    newest = refreshed(world, refreshed(world, grant.refresh_token).refresh_token)
    world.audit.rows.clear()
    assert world.refresh(grant.refresh_token) == TokenReused()
    assert world.audit.rows == [with_phone(attrs.evolve(ROW, outcome="token_reused"))]
    for token in (grant.refresh_token, newest.refresh_token):
        assert world.refresh(token) == InvalidToken()
    assert world.me(newest.access_token) == InvalidToken()
    assert [row.outcome for row in world.audit.rows[1:]] == ["invalid_token"] * 2


def test_a_lost_answer_is_made_good() -> None:
    """The parent gets another child within 30 s, and the one that was lost is merely invalid."""
    world, grant = signed_in()
    lost = refreshed(world, grant.refresh_token)
    world.clock.advance(30_000_000)
    found = refreshed(world, grant.refresh_token)
    assert world.refresh(lost.refresh_token) == InvalidToken()
    assert isinstance(world.me(lost.access_token), Me)
    refreshed(world, found.refresh_token)
    world.clock.advance(1)
    assert world.refresh(lost.refresh_token) == TokenReused()
    assert [row.outcome for row in world.audit.rows] == [
        "refreshed",
        "refreshed",
        "invalid_token",
        "refreshed",
        "token_reused",
    ]


def test_families_do_not_touch_each_other() -> None:
    """A reuse in one sign-in leaves the user's other one alone."""
    world, grant = signed_in()
    world.clock.advance(30_000_000)
    other = world.sign_in()
    first = refreshed(world, grant.refresh_token)
    refreshed(world, first.refresh_token)
    assert world.refresh(grant.refresh_token) == TokenReused()
    assert isinstance(world.me(other.access_token), Me)
    refreshed(world, other.refresh_token)


FORGERIES: dict[str, Callable[[str], str]] = {
    "nothing": lambda _: "",
    "dots": lambda _: "....",
    "not of ours": lambda _: "a-token",
    "longer": lambda token: f"{token}x",
    "shorter": lambda token: token[:-1],
    "another key": lambda token: token.replace("k1.", "k2."),
    "another family": lambda token: f"k1.a{token[3:]}",
    "beyond ASCII": lambda token: f"{token}é",
    "a surrogate": lambda token: f"k1.\ud800.{token}",
    "NUL": lambda token: f"{token}\x00",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_what_was_not_made_here_changes_nothing(name: str) -> None:
    """It is `invalid_token` to a refresh and to a sign-out, with a row that tells nothing of it."""
    world, grant = signed_in()
    before = world.family(family_id(grant))
    forged = FORGERIES[name](grant.refresh_token)
    assert world.refresh(forged) == InvalidToken()
    world.revoke(forged)
    assert world.audit.rows == [REJECTED, evolved(REJECTED, action=Action.REVOKE)]
    assert world.family(family_id(grant)) is before
    refreshed(world, grant.refresh_token)


def test_a_token_of_a_family_that_is_gone() -> None:
    """A token made here whose family has been purged is invalid, and makes no family."""
    world, _ = signed_in()
    stray = RefreshToken.mint(ring("refresh").first, "gone", bytes(32)).value
    assert world.refresh(stray) == InvalidToken()
    world.revoke(stray)
    assert world.audit.rows == [REJECTED, evolved(REJECTED, action=Action.REVOKE)]
    assert world.family("gone") is None


# The pass meanwhile


def gone(world: World) -> None:
    """The pass is not there any more."""
    world.passes.stored.clear()


MEANWHILE: dict[str, Callable[[World], object]] = {
    "gone": gone,
    "pending": lambda world: world.add(payment=PaymentStatus.PENDING),
    "refunded": lambda world: world.add(payment=PaymentStatus.REFUNDED),
    "cancelled": lambda world: world.add(payment=PaymentStatus.CANCELLED),
    "without a number": lambda world: world.add(phone=None),
    "of another user": lambda world: world.add(user="u2", phone=OTHER_PHONE),
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_an_unusable_pass_ends_its_family(what: str) -> None:
    """At the next refresh, for good, and with a row that tells of no number."""
    world, grant = signed_in()
    MEANWHILE[what](world)
    assert world.refresh(grant.refresh_token) == PassLapsed()
    assert world.audit.rows == [attrs.evolve(ROW, outcome="invalid_token")]
    world.add()
    assert world.refresh(grant.refresh_token) == InvalidToken()
    assert world.me(grant.access_token) == InvalidToken()
    assert len(world.access_tokens.signed) == 1


def test_an_unusable_pass_ends_every_family_of_it() -> None:
    """Each of its families ends at its own next refresh."""
    world, grant = signed_in()
    world.clock.advance(30_000_000)
    other = world.sign_in()
    world.add(payment=PaymentStatus.REFUNDED)
    assert world.refresh(grant.refresh_token) == PassLapsed()
    assert isinstance(world.me(other.access_token), Me)
    assert world.refresh(other.refresh_token) == PassLapsed()
    assert world.me(other.access_token) == InvalidToken()


def test_a_pass_past_its_end_still_refreshes() -> None:
    """Being past its end makes a pass no less usable."""
    world, grant = signed_in()
    world.add(expires_at=Instant(START - 1))
    refreshed(world, grant.refresh_token)


def test_a_number_changed_meanwhile_still_refreshes() -> None:
    """The user is who counts; the row tells of the number as it is now."""
    world, grant = signed_in()
    world.add(phone=OTHER_PHONE)
    refreshed(world, grant.refresh_token)
    assert world.audit.rows[0].facts.contact == "***-***-5678"


# Signing out


def test_signing_out_leaves_one_row_each() -> None:
    """The family ends; doing it again, with any of its tokens, is `invalid_token` in the audit."""
    world, grant = signed_in()
    new = refreshed(world, grant.refresh_token)
    world.audit.rows.clear()
    world.revoke(new.refresh_token)
    world.revoke(new.refresh_token)
    world.revoke(grant.refresh_token)
    row = evolved(ROW, action=Action.REVOKE, outcome="revoked")
    again = evolved(INVALID, action=Action.REVOKE)
    assert world.audit.rows == [row, again, again]
    assert world.refresh(new.refresh_token) == InvalidToken()
    assert world.me(new.access_token) == InvalidToken()


def test_signing_out_with_a_used_token() -> None:
    """Any token of the family signs out: whoever holds it wants it ended."""
    world, grant = signed_in()
    new = refreshed(world, grant.refresh_token)
    world.revoke(grant.refresh_token)
    assert world.audit.rows[-1].outcome == "revoked"
    assert world.refresh(new.refresh_token) == InvalidToken()


# Who is signed in


def test_who_is_signed_in() -> None:
    """The pass that signed in, as it is now, with its user."""
    world, grant = signed_in()
    stored = world.add(phone=OTHER_PHONE)
    world.add("HSP-8765-4321")
    world.clock.advance(1)
    assert world.me(grant.access_token) == Me(stored, Instant(START + 1))
    assert world.audit.rows == []


@pytest.mark.parametrize("token", ["", "access-0", "access-2", "é", "\ud800"])
def test_an_access_token_that_is_none(token: str) -> None:
    """What the tokens' port does not know shows nobody."""
    world, _ = signed_in()
    assert world.me(token) == InvalidToken()


def test_an_access_token_at_its_end() -> None:
    """It shows its holder to the last microsecond of its fifteen minutes."""
    world, grant = signed_in()
    world.clock.advance(899_999_999)
    assert isinstance(world.me(grant.access_token), Me)
    world.clock.advance(1)
    assert world.me(grant.access_token) == InvalidToken()


def test_an_access_token_after_a_refresh() -> None:
    """A refresh does not end the access tokens before it."""
    world, grant = signed_in()
    refreshed(world, grant.refresh_token)
    assert isinstance(world.me(grant.access_token), Me)


def test_an_access_token_of_no_family() -> None:
    """A well-signed token whose family is not there, or is another user's, shows nobody."""
    world, _ = signed_in()
    access = world.access_tokens.signed[0]
    for odd in (attrs.evolve(access, family_id="gone"), attrs.evolve(access, user_id="u2")):
        assert world.me(world.access_tokens.sign(odd)) == InvalidToken()


def moved(world: World) -> Pass:
    """The pass is another user's now."""
    return world.add(user="u2")


@pytest.mark.parametrize("change", [gone, moved])
def test_who_is_signed_in_by_a_pass_that_went(change: Callable[[World], object]) -> None:
    """A pass that is gone, or is another user's now, shows nobody."""
    world, grant = signed_in()
    change(world)
    assert world.me(grant.access_token) == InvalidToken()


def test_who_is_signed_in_by_a_pass_that_is_no_longer_paid() -> None:
    """The family ends at the next refresh; until then its holder is still shown."""
    world, grant = signed_in()
    stored = world.add(payment=PaymentStatus.REFUNDED)
    assert world.me(grant.access_token) == Me(stored, START)


# Keys


def test_refresh_keys_rotate_while_tokens_live() -> None:
    """Append, promote, drop: no token is refused that was refreshed in time."""
    world, grant = signed_in()
    world.refresh_keys = ring("refresh", "k1", "k2")
    grant = refreshed(world, grant.refresh_token)
    assert grant.refresh_token.startswith("k1.")
    world.refresh_keys = ring("refresh", "k2", "k1")
    lost = refreshed(world, grant.refresh_token)
    found = refreshed(world, grant.refresh_token)
    assert lost.refresh_token.startswith("k2.")
    assert world.refresh(lost.refresh_token) == InvalidToken()
    world.refresh_keys = ring("refresh", "k2")
    newest = refreshed(world, found.refresh_token)
    stored = world.family(family_id(newest))
    assert stored is not None
    assert stored.key_id == "k2"


def test_a_dropped_refresh_key_ends_nothing() -> None:
    """A token under a key that is gone is invalid and changes nothing: the key may come back."""
    world, grant = signed_in()
    world.refresh_keys = ring("refresh", "k2")
    assert world.refresh(grant.refresh_token) == InvalidToken()
    world.revoke(grant.refresh_token)
    world.refresh_keys = ring("refresh", "k2", "k1")
    refreshed(world, grant.refresh_token)


def test_a_reuse_is_found_across_a_rotation() -> None:
    """A used token under the older key is still a reuse."""
    world, grant = signed_in()
    world.refresh_keys = ring("refresh", "k2", "k1")
    new = refreshed(world, refreshed(world, grant.refresh_token).refresh_token)
    assert world.refresh(grant.refresh_token) == TokenReused()
    assert world.refresh(new.refresh_token) == InvalidToken()


# What is kept


def test_nothing_that_is_kept_holds_a_secret() -> None:
    """No row and no family holds a token, a full number, or a `repr` with a pass code."""
    world, grant = signed_in()
    lost = refreshed(world, grant.refresh_token)
    found = refreshed(world, grant.refresh_token)
    newest = refreshed(world, found.refresh_token)
    world.refresh(grant.refresh_token)
    world.revoke(newest.refresh_token)
    family = world.family(family_id(grant))
    assert family is not None
    rows = repr([attrs.astuple(row) for row in world.audit.rows])
    grants = (grant, lost, found, newest)
    for one in grants:
        assert one.access_token not in rows
        for part in (one.refresh_token, *one.refresh_token.split(".")[2:]):
            assert part not in rows
            assert part not in repr(attrs.astuple(family))
    assert "9876543210" not in rows
    for told in (rows, repr(family), repr(grants)):
        assert PASS_CODE not in told
    assert repr(grant) == "Grant(expires_in=900000000)"


# The house's own ids


def test_tokens_name_the_user_as_the_house_does() -> None:
    """5.2: an id that comes while somebody is signed in is the subject from the next token on."""
    world, grant = signed_in()
    world.add(house_id="4711")
    new = refreshed(world, grant.refresh_token)
    assert [access.user_id for access in world.access_tokens.signed] == ["u1", "4711"]
    for token in (grant.access_token, new.access_token):
        me = world.me(token)
        assert isinstance(me, Me)
        assert me.signed_in.user.known_as == "4711"


def test_a_sign_in_of_a_user_with_an_id() -> None:
    """The token names the house's id, and the family lives under the service's own."""
    world = World()
    world.add(house_id="4711")
    grant = world.sign_in()
    assert [access.user_id for access in world.access_tokens.signed] == ["4711"]
    family = world.family(family_id(grant))
    assert family is not None
    assert family.user_id == "u1"


def test_a_token_of_another_subject() -> None:
    """A token that names somebody else than its family grants nothing."""
    world, grant = signed_in()
    world.access_tokens.signed[0] = attrs.evolve(world.access_tokens.signed[0], user_id="u2")
    assert world.me(grant.access_token) == InvalidToken()
