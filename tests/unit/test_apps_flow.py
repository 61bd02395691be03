"""The app that a request is for: docs/contract.md, 11."""

import attrs
import pytest

from hsp_otp.adapters.memory import MemoryApps
from hsp_otp.domain.api_keys import ApiKey, PresentedKey, Scope
from hsp_otp.domain.app_changes import AppsImported, ListedApp
from hsp_otp.domain.apps import App, AppNotFound, AppRules, app_named
from hsp_otp.domain.contact import Channel
from hsp_otp.flows.apps import Apps, import_apps
from hsp_otp.flows.verification_outcomes import NotDelivered, Sent
from tests.backend import shop
from tests.world import START, ManualClock, ScriptedRandomness, ring, run

KEY = ApiKey.make(
    PresentedKey.mint(bytes(48)),
    name="checkout",
    scopes=frozenset({Scope.START}),
    ring=ring("api keys"),
    now=START,
)
"""A key of the service itself."""


@attrs.frozen
class Shops:
    """Two apps of one account and one of another, each called by its name."""

    kept: MemoryApps
    apps: dict[str, App]

    def named(self, key: ApiKey, name: str | None) -> App | AppNotFound:
        """The app that a request with *key* is for."""
        return app_named(run(Apps(self.kept).of_key(key)), name, key.app_id)


@pytest.fixture
def shops() -> Shops:
    """The apps ``shop`` and ``club`` of acme, and ``bank`` of bolt."""
    kept = MemoryApps()
    rules = AppRules(service_name="Shop")
    owners = {"shop": "acme", "club": "acme", "bank": "bolt"}
    listed = [ListedApp(name=name, account=owner, rules=rules) for name, owner in owners.items()]
    done = run(import_apps(kept, listed, clock=ManualClock(), randomness=ScriptedRandomness()))
    assert isinstance(done, AppsImported)
    return Shops(kept, {one.name: one for one in done.added})


def test_an_import_makes_ids(shops: Shops) -> None:
    """Each app and account gets an id of its own."""
    tenants = run(shops.kept.tenants())
    ids = {one.id for one in tenants.accounts} | {one.id for one in tenants.apps}
    assert len(ids) == 5
    assert {len(one) for one in ids} == {22}
    assert {one.made_at for one in tenants.apps} == {START}


def test_the_key_of_an_app(shops: Shops) -> None:
    """It acts for its app, whether a request names it by name, by id or not at all."""
    shop = shops.apps["shop"]
    key = attrs.evolve(KEY, app_id=shop.id)
    for name in (None, "shop", shop.id):
        assert shops.named(key, name) == shop
    for other in ("club", shops.apps["club"].id, "bank", "", "nothing"):
        assert shops.named(key, other) == AppNotFound()


def test_the_key_of_an_account(shops: Shops) -> None:
    """It acts for all apps of the account, and a request has to name one of them."""
    key = attrs.evolve(KEY, account_id=shops.apps["shop"].account_id)
    for name in ("shop", "club"):
        assert shops.named(key, name) == shops.apps[name]
        assert shops.named(key, shops.apps[name].id) == shops.apps[name]
    for other in (None, "bank", shops.apps["bank"].id, "nothing"):
        assert shops.named(key, other) == AppNotFound()


def test_a_key_of_the_service_acts_for_no_app(shops: Shops) -> None:
    """It has neither app nor account."""
    for name in (None, "shop", shops.apps["shop"].id):
        assert shops.named(KEY, name) == AppNotFound()


def test_an_id_counts_before_a_name(shops: Shops) -> None:
    """An app whose name is the id of another cannot be taken for it."""
    shop = shops.apps["shop"]
    apps = {shop.id: shop, "other": attrs.evolve(shop, id="other", name=shop.id)}
    assert app_named(apps, shop.id, None) == shop


def test_an_app_that_is_gone(shops: Shops) -> None:
    """A key whose app was deleted by hand acts for nothing."""
    key = attrs.evolve(KEY, app_id="nothing")
    assert run(Apps(shops.kept).of_key(key)) == {}
    assert shops.named(key, None) == AppNotFound()


def test_the_senders_of_an_app() -> None:
    """Its messages are offered to its own senders, in its order, and to no others."""
    backend = shop(senders={Channel.SMS: ("vonage", "twilio")})
    assert isinstance(backend.start(), Sent)
    assert backend.world.outbox.chosen == [("vonage", "twilio")]


def test_an_app_whose_senders_are_skipped() -> None:
    """Nothing is sent, charged or stored, though the service has other senders."""
    backend = shop(senders={Channel.SMS: ("away",)})
    assert isinstance(backend.start(), NotDelivered)
    assert backend.world.outbox.chosen == []
    assert backend.world.audit.sends == []
