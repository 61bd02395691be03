"""Passes by API, as a journey: `docs/contract.md`, sections 5.9 and 8."""

from collections.abc import Coroutine
from typing import Any

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryAudit, MemoryPasses
from hsp_otp.domain.api_keys import ApiKey, Scope
from hsp_otp.domain.audit import Action, Row
from hsp_otp.domain.instant import Instant
from hsp_otp.domain.listed_passes import ListedPass, ListedUser
from hsp_otp.domain.names import ClientAddress, PassCode
from hsp_otp.domain.pass_changes import Change, PassPut, UserIdTaken
from hsp_otp.domain.passes import KeptPass, PassNotFound, PaymentStatus, UsablePass
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.domain.refresh_tokens import PassLapsed
from hsp_otp.flows.caller import Caller
from hsp_otp.flows.house_passes import HousePasses
from hsp_otp.ports.failures import Unavailable
from tests.audit_rows import evolved, row_of
from tests.world import CLIENT, PHONE, START, World, ring, run

CODE = PassCode("HSP-1234-5678")
CALLER = Caller(ClientAddress(CLIENT), "r1")
KEY = ApiKey(
    id=4 * "fcde2b2e",
    name="house",
    scopes=frozenset({Scope.PASSES}),
    made_at=START,
    ring_key_id="k1",
    digest=b"",
)
LISTED = ListedPass(
    code=CODE,
    payment_status=PaymentStatus.PAID,
    plan_name="Gold",
    expires_at=None,
    user=ListedUser(
        house_id="4711",
        email="asha@example.com",
        first_name="Asha",
        last_name="Rao",
        phone=PhoneNumber(PHONE),
    ),
)
ROW = row_of(
    at=START,
    flow=None,
    purpose=None,
    action=Action.PUT_PASS,
    outcome="added",
    client=ClientAddress(CLIENT),
    request_id="r1",
    pass_code="HSP-****-5678",
    contact="***-***-3210",
    region="IN",
    contact_fingerprint=ring("fingerprints").fingerprint(PHONE),
    range_fingerprint=ring("fingerprints").fingerprint("+91987654"),
    block_fingerprint=ring("fingerprints").fingerprint("+919876"),
    api_key_id=KEY.id,
)


def passes_of(world: World) -> HousePasses:
    """The journey."""
    return world.journeys.house_passes


def put(world: World, listed: ListedPass = LISTED) -> PassPut | UserIdTaken:
    """Put a pass."""
    return run(passes_of(world).put(listed, KEY, CALLER))


def with_user(**changes: str | PhoneNumber | None) -> ListedPass:
    """The listed pass with another user."""
    return attrs.evolve(LISTED, user=attrs.evolve(LISTED.user, **changes))  # type: ignore[arg-type]


def test_a_pass_signs_in_at_once() -> None:
    """A pass that was put is usable, and its holder is signed in under the house's id."""
    world = World()
    assert put(world) == PassPut(of_pass=Change.ADDED, of_user=Change.ADDED)
    assert isinstance(world.validate(), UsablePass)
    world.sign_in()
    assert [access.user_id for access in world.access_tokens.signed] == ["4711"]


def test_a_change_leaves_one_row() -> None:
    """It has the key's id, the masked pass and the number's fingerprints; repeating leaves none."""
    world = World()
    put(world)
    assert world.audit.rows == [ROW]
    put(world)
    assert world.audit.rows == [ROW]
    put(world, attrs.evolve(LISTED, plan_name="Silver"))
    assert world.audit.rows == [ROW, attrs.evolve(ROW, outcome="changed")]


def test_a_row_of_a_user_without_a_number() -> None:
    """It has nothing about a number."""
    world = World()
    put(world, with_user(phone=None))
    (row,) = world.audit.rows
    assert row == evolved(
        ROW,
        contact=None,
        region=None,
        contact_fingerprint=None,
        range_fingerprint=None,
        block_fingerprint=None,
    )


def test_an_id_that_is_taken_changes_nothing() -> None:
    """The pass stays as it was, and no row is left."""
    world = World()
    put(world)
    before = dict(world.passes.stored)
    assert put(world, with_user(house_id="42")) == UserIdTaken()
    assert world.passes.stored == before
    assert len(world.audit.rows) == 1


def test_the_house_finds_every_pass() -> None:
    """Also one that cannot sign in; whether the number is proved is told beside it."""
    world = World()
    found = world.add(payment=PaymentStatus.REFUNDED, phone=None)
    assert run(passes_of(world).find(CODE)) == KeptPass(found, "active", is_verified=False)
    world.passes.verified.add("u1")
    assert run(passes_of(world).find(CODE)) == KeptPass(found, "active", is_verified=True)
    assert run(passes_of(world).find(PassCode("HSP-0000-0000"))) == PassNotFound()
    assert world.audit.rows == []


def test_an_end() -> None:
    """The pass is found nowhere, its families end at their next refresh, and its user stays."""
    world = World()
    put(world)
    grant = world.sign_in()
    world.audit.rows.clear()
    assert run(passes_of(world).end(CODE, KEY, CALLER)) is Change.ENDED
    assert world.audit.rows == [evolved(ROW, action=Action.END_PASS, outcome="ended")]
    assert world.validate() == PassNotFound()
    assert world.refresh(grant.refresh_token) == PassLapsed()
    assert put(world) == PassPut(of_pass=Change.ADDED, of_user=Change.UNCHANGED)


def test_the_end_of_nothing() -> None:
    """It changes nothing and leaves no row."""
    world = World()
    assert run(passes_of(world).end(CODE, KEY, CALLER)) is Change.UNCHANGED
    assert world.audit.rows == []


def test_a_new_number_is_not_proved() -> None:
    """A change of the number resets the proof, and any other change keeps it."""
    world = World()
    put(world)
    (user_id,) = (one.user.id for one in world.passes.stored.values())
    world.passes.verified.add(user_id)
    put(world, with_user(first_name="Usha"))
    kept = run(passes_of(world).find(CODE))
    assert isinstance(kept, KeptPass)
    assert kept.is_verified
    put(world, with_user(phone=None))
    kept = run(passes_of(world).find(CODE))
    assert isinstance(kept, KeptPass)
    assert not kept.is_verified


class AwayAudit(MemoryAudit):
    """Rows that the database does not take."""

    async def write(self, *rows: Row) -> None:
        """Fail."""
        raise Unavailable(f"{len(rows)} rows too many")


@pytest.mark.parametrize("action", [Action.PUT_PASS, Action.END_PASS])
def test_a_database_that_is_away(action: Action) -> None:
    """8.1: a request that fails leaves a row that says so."""
    world = World()
    away = MemoryPasses(AwayAudit())
    away.stored = {CODE: world.add()}
    journey = attrs.evolve(passes_of(world), passes=away)
    asked: Coroutine[Any, Any, object] = (
        journey.put(LISTED, KEY, CALLER)
        if action is Action.PUT_PASS
        else journey.end(CODE, KEY, CALLER)
    )
    with pytest.raises(Unavailable):
        run(asked)
    (row,) = world.audit.rows
    assert (row.facts.action, row.outcome, row.facts.api_key_id) == (action, "unavailable", KEY.id)
    assert row.facts.at == Instant(START)
