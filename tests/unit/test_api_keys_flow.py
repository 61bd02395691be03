"""Authentication by API keys: docs/contract.md, 5.8 and 8."""

from typing import TypeAlias

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryApiKeys
from hsp_otp.domain.api_keys import ApiKey, Forbidden, Scope, Unauthorized
from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.apps import App
from hsp_otp.domain.audit import Action
from hsp_otp.domain.instant import HOUR, MINUTE, SECOND, Instant, after
from hsp_otp.domain.names import ClientAddress
from hsp_otp.domain.quota import Limit, Quota, Refusal
from hsp_otp.flows.api_keys import make_api_key
from hsp_otp.flows.caller import Caller
from hsp_otp.ports.failures import Unavailable
from tests.audit_rows import evolved, row_of
from tests.backend import SHOP
from tests.world import CLIENT, OTHER_CLIENT, START, World, ring, run

Outcome: TypeAlias = ApiKey | Unauthorized | Forbidden | Refusal

ROW = row_of(
    at=START,
    flow=None,
    purpose=None,
    action=Action.AUTHENTICATE,
    outcome="unauthorized",
    client=ClientAddress(CLIENT),
    request_id="r-1",
    charged=("failed_authentications",),
    folds=True,
)
"""The row of a failed authentication."""


def made(world: World, *scopes: Scope) -> str:
    """A new key, as its holder presents it."""
    presented = run(
        make_api_key(
            world.api_keys,
            world.api_key_ring,
            "shop",
            frozenset(scopes or Scope),
            clock=world.clock,
            randomness=world.randomness,
        )
    )
    return presented.reveal()


def opened(
    world: World, text: str | None, scope: Scope = Scope.PASSES, client: str = CLIENT
) -> Outcome:
    """Present *text* as a key."""
    caller = Caller(ClientAddress(client), "r-1")
    return run(world.journeys.api_keys.authenticate(text, scope, caller))


def only_key(world: World) -> ApiKey:
    """The one stored key."""
    (key,) = run(world.api_keys.list())
    return key


def test_a_right_key_opens_what_it_is_for() -> None:
    """It is not charged and leaves no row of its own; the request that it opens leaves one."""
    world = World()
    text = made(world, Scope.PASSES)
    key = only_key(world)
    assert opened(world, text) == key
    assert world.audit.rows == []
    assert world.charged("failed_authentications") == 0


@pytest.mark.parametrize("text", [None, "", "rubbish", "hspotp_" + "0" * 84])
def test_what_is_not_a_key_is_charged(text: str | None) -> None:
    """A missing key and a malformed one leave a row that may be part of a flood."""
    world = World()
    assert opened(world, text) == Unauthorized()
    assert world.audit.rows == [ROW]
    assert world.charged("failed_authentications") == 1


def test_an_unknown_key_is_charged() -> None:
    """It has the form of a key, so it is looked up; the row does not name it."""
    world = World()
    elsewhere = made(World())
    assert opened(world, elsewhere) == Unauthorized()
    assert world.audit.rows == [ROW]


def test_a_revoked_key_is_named_in_the_audit() -> None:
    """It is charged like every other failure."""
    world = World()
    text = made(world)
    key = only_key(world)
    assert run(world.api_keys.revoke(key.id, after(START, SECOND))) == attrs.evolve(
        key, revoked_at=after(START, SECOND)
    )
    assert opened(world, text) == Unauthorized(key.id)
    assert world.audit.rows == [evolved(ROW, api_key_id=key.id)]


def test_a_key_without_the_scope_is_forbidden_and_not_charged() -> None:
    """Its row names the key."""
    world = World()
    text = made(world, Scope.EXCHANGE)
    key = only_key(world)
    assert opened(world, text) == Forbidden(key.id)
    forbidden = evolved(ROW, outcome="forbidden", charged=(), api_key_id=key.id)
    assert world.audit.rows == [forbidden]
    assert world.charged("failed_authentications") == 0
    assert only_key(world).last_used_at is None


def test_thirty_failures_a_minute_then_right_keys_are_refused_too() -> None:
    """Whoever waits as long as the refusal says is admitted, and not a microsecond earlier."""
    world = World()
    text = made(world)
    for second in range(30):
        assert isinstance(opened(world, text), ApiKey)
        assert opened(world, "rubbish") == Unauthorized()
        world.clock.instant = after(START, (second + 1) * SECOND)
    refused = Refusal(Limit.CLIENT, after(START, MINUTE))
    for presented in (text, "rubbish", None, made(World())):
        assert opened(world, presented) == refused
    assert opened(world, text, client=OTHER_CLIENT) == only_key(world)
    assert world.charged("failed_authentications") == 30
    world.clock.instant = Instant(START + MINUTE - 1)
    assert opened(world, text) == refused
    world.clock.instant = after(START, MINUTE)
    assert opened(world, text) == only_key(world)


def test_a_refusal_folds_and_names_the_key_that_was_right() -> None:
    """Operators see which backend is kept out."""
    world = World(limits=attrs.evolve(World().limits, authentications=Quota(1, MINUTE)))
    text = made(world)
    opened(world, None)
    opened(world, text)
    opened(world, "rubbish")
    refused = evolved(ROW, outcome="rate_limited", charged=(), retry_at=after(START, MINUTE))
    key = only_key(world)
    assert world.audit.rows[1:] == [evolved(refused, api_key_id=key.id), refused]


def test_a_network_has_ten_times_as_many_failures() -> None:
    """Neighbours share them."""
    world = World()
    for number in range(300):
        assert opened(world, None, client=f"198.51.100.{number % 10}") == Unauthorized()
    assert opened(world, None, client="198.51.100.200") == (
        Refusal(Limit.CLIENT, after(START, MINUTE))
    )
    assert opened(world, None, client=OTHER_CLIENT) == Unauthorized()


def test_a_limit_that_is_off_refuses_nobody() -> None:
    """With 0 nothing is counted."""
    world = World(limits=attrs.evolve(World().limits, authentications=Quota(0, MINUTE)))
    for _ in range(31):
        assert opened(world, None) == Unauthorized()
    assert world.charged("failed_authentications") == 0


def test_a_use_is_noted_to_the_hour() -> None:
    """It moves the digest of an older ring key to the first one."""
    world = World()
    text = made(world)
    key = only_key(world)
    world.clock.advance(HOUR + 1)
    opened(world, text)
    assert only_key(world) == attrs.evolve(key, last_used_at=after(START, HOUR))
    world.api_key_ring = ring("api keys", "k2", "k1")
    opened(world, text)
    assert only_key(world).ring_key_id == "k2"
    world.api_key_ring = ring("api keys", "k2")
    assert opened(world, text) == only_key(world)


def test_a_refused_use_is_not_noted() -> None:
    """The hour shows when the key last opened something."""
    world = World(limits=attrs.evolve(World().limits, authentications=Quota(1, MINUTE)))
    text = made(world)
    opened(world, None)
    opened(world, text)
    assert only_key(world).last_used_at is None


class _Away(MemoryApiKeys):
    """A repository that is away, or broken."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure

    async def find(self, key_id: str) -> ApiKey | None:
        """Fail."""
        assert key_id
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [(Unavailable("away"), "unavailable"), (RuntimeError(), "internal_error")],
)
def test_a_failure_is_audited(failure: Exception, outcome: str) -> None:
    """A key that cannot be looked up opens nothing, and nothing is charged."""
    world = World(api_keys=_Away(failure))
    with pytest.raises(type(failure)):
        opened(world, made(World()))
    assert world.audit.rows == [evolved(ROW, outcome=outcome, charged=(), folds=False)]
    assert world.charged("failed_authentications") == 0


def test_keys_are_made_of_randomness() -> None:
    """Two keys of one name are two keys, listed in the order of their making."""
    world = World()
    first = made(world)
    world.clock.advance(1)
    second = made(world)
    assert first != second
    keys = run(world.api_keys.list())
    assert [key.made_at for key in keys] == [START, START + 1]
    assert [key.id in text for key, text in zip(keys, (first, second), strict=True)] == [True] * 2


def test_revoking() -> None:
    """A key is revoked once, and the first instant stays; an unknown one is told apart."""
    world = World()
    made(world)
    key = only_key(world)
    revoked = attrs.evolve(key, revoked_at=START)
    assert run(world.api_keys.revoke(key.id, START)) == revoked
    assert run(world.api_keys.revoke(key.id, after(START, 1))) == revoked
    assert run(world.api_keys.revoke("f" * 32, START)) is None


# Keys that are presented for an account


def key_of(world: World, app: App | None, account_id: str | None = None) -> str:
    """A new key of an app, of an account or of the service itself."""
    presented = make_api_key(
        world.api_keys,
        world.api_key_ring,
        "shop",
        frozenset({Scope.READ}),
        app_id=None if app is None else app.id,
        account_id=account_id,
        clock=world.clock,
        randomness=world.randomness,
    )
    return run(presented).reveal()


@pytest.mark.parametrize(
    ("app", "account_id"), [(SHOP, None), (None, SHOP.account_id)], ids=["app", "account"]
)
def test_a_key_for_its_account(app: App | None, account_id: str | None) -> None:
    """The key of an account, or of one of its apps, opens for that account and for no other."""
    world = World()
    world.apps.stored = Tenants(apps=(SHOP,))
    text, caller = key_of(world, app, account_id), Caller(ClientAddress(CLIENT), "r-1")
    flow = world.journeys.api_keys
    opened = run(flow.authenticate(text, Scope.READ, caller, SHOP.account_id))
    assert isinstance(opened, ApiKey)
    assert opened.id == only_key(world).id
    assert world.charged("failed_authentications") == 0
    refused = run(flow.authenticate(text, Scope.READ, caller, "another"))
    assert refused == Unauthorized()
    assert run(flow.authenticate(text, Scope.PASSES, caller, "another")) == Unauthorized()
    assert world.charged("failed_authentications") == 2


@pytest.mark.parametrize("app", [None, SHOP], ids=["the service's", "of an app that is gone"])
def test_a_key_of_no_account(app: App | None) -> None:
    """It opens nothing for an account."""
    world = World()
    text, caller = key_of(world, app), Caller(ClientAddress(CLIENT), "r-1")
    flow = world.journeys.api_keys
    assert run(flow.authenticate(text, Scope.READ, caller, SHOP.account_id)) == Unauthorized()
