"""Accounts and apps over every store that keeps them: docs/contract.md, 11."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.app_changes import AppsImported, Conflicting, ListedApp
from hsp_otp.domain.apps import AppLimits, AppRules, PurposeNumbers
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.instant import DAY, MINUTE, SECOND, after
from hsp_otp.domain.purposes import Purpose
from hsp_otp.domain.quota import Quota
from hsp_otp.flows.apps import import_apps
from hsp_otp.ports.apps import AppRegister
from hsp_otp.ports.failures import Unavailable
from tests.integration.behind import execute
from tests.integration.stores import Stores
from tests.integration.test_api_keys import Timer
from tests.world import START, ManualClock

pytestmark = pytest.mark.anyio

RULES = AppRules(
    service_name="Café & Shop",
    regions=("IN", "GB"),
    proof_audience="acme-shop",
    client_ip_required=True,
    senders={Channel.SMS: ("vonage", "twilio")},
    web_origin="shop.example.com",
    limits=AppLimits(sends_per_minute=6),
    named_limits={"user": (Quota(5, 10 * MINUTE), Quota(20, DAY))},
    purposes={Purpose.PHONE_VERIFICATION: PurposeNumbers(digits=4, cooldown_seconds=0)},
)
SHOP = ListedApp(name="shop", account="acme", rules=RULES)
CLUB = ListedApp(name="club", account="acme", rules=AppRules(service_name="Club"))


async def imported(
    register: AppRegister, *listed: ListedApp, seconds: int = 0
) -> AppsImported | Conflicting:
    """Import *listed* some seconds after `START`."""
    clock = ManualClock(after(START, seconds * SECOND))
    return await import_apps(register, listed, clock=clock, randomness=SystemRandomness())


@asynccontextmanager
async def worker(url: str, timer: Timer | None = None) -> AsyncGenerator[SqlApps]:
    """A process of its own, as far as the database can tell."""
    async with Database(url, durable=False) as database:
        yield SqlApps(database, timer or Timer())


# --- Every store


async def test_an_app_is_found_as_it_was_imported(stores: Stores) -> None:
    """It is found by its id, and with the others of its account, with all its rules."""
    apps = stores.apps
    outcome = await imported(apps, SHOP, CLUB)
    assert isinstance(outcome, AppsImported)
    shop, club = outcome.added
    assert shop.rules == RULES
    assert [await apps.find(app_id) for app_id in (shop.id, club.id)] == [shop, club]
    assert await apps.find("shop") is None
    assert list(await apps.of_account(shop.account_id)) == [club, shop]
    assert list(await apps.of_account(shop.id)) == []
    tenants = await apps.tenants()
    assert (tenants.accounts, tenants.apps) == (outcome.accounts, (club, shop))
    again = await imported(apps, SHOP, CLUB, seconds=1)
    assert isinstance(again, AppsImported)
    assert (again.added, again.changed, again.unlisted) == ((), (), ())
    assert await apps.tenants() == tenants


async def test_a_change_is_stored(stores: Stores) -> None:
    """The app keeps its id, and others stay as they are."""
    apps = stores.apps
    first = await imported(apps, SHOP, CLUB)
    assert isinstance(first, AppsImported)
    shop, club = first.added
    second = await imported(apps, attrs.evolve(SHOP, rules=CLUB.rules), seconds=1)
    changed = attrs.evolve(shop, rules=CLUB.rules, changed_at=after(START, SECOND))
    assert isinstance(second, AppsImported)
    assert (second.changed, second.unlisted) == ((changed,), (club,))
    assert (await apps.tenants()).apps == (club, changed)


async def test_a_contradiction_stores_nothing(stores: Stores) -> None:
    """Not even the apps that are listed before it."""
    apps = stores.apps
    await imported(apps, SHOP)
    before = await apps.tenants()
    outcome = await imported(apps, CLUB, attrs.evolve(SHOP, id="A" * 22))
    assert isinstance(outcome, Conflicting)
    assert await apps.tenants() == before


# --- SQL


async def test_a_change_is_seen_after_five_seconds(url: str) -> None:
    """Until then a process may remember the app, and it asks nobody."""
    timer = Timer()
    async with worker(url, timer) as apps, worker(url) as other:
        first = await imported(other, SHOP)
        assert isinstance(first, AppsImported)
        (shop,) = first.added
        assert await apps.find(shop.id) == shop
        assert await apps.of_account(shop.account_id) == (shop,)
        timer.seconds += 4.99
        second = await imported(other, attrs.evolve(SHOP, rules=CLUB.rules), CLUB)
        assert isinstance(second, AppsImported)
        assert await apps.find(shop.id) == shop
        assert await apps.of_account(shop.account_id) == (shop,)
        timer.seconds += 0.01
        assert await apps.find(shop.id) == second.changed[0]
        both = (second.added[0], second.changed[0])
        assert await apps.of_account(shop.account_id) == both


async def test_an_unknown_app_is_not_remembered(url: str) -> None:
    """An app is found at once after it was imported, even if somebody has tried its id before."""
    async with worker(url) as apps, worker(url) as other:
        listed = attrs.evolve(SHOP, id="a" * 21 + "w", account_id="b" * 21 + "w")
        assert await apps.find("a" * 21 + "w") is None
        assert await apps.of_account("b" * 21 + "w") == ()
        await imported(other, listed)
        found = await apps.find("a" * 21 + "w")
        assert found is not None
        assert await apps.of_account("b" * 21 + "w") == (found,)


async def test_imports_at_once(url: str) -> None:
    """Of many imports of one file at once, one adds each app and account, and the rest nothing."""
    listed = [attrs.evolve(CLUB, name=f"club-{number}") for number in range(5)]
    async with worker(url) as one, worker(url) as other:
        outcomes = await asyncio.gather(
            *(imported(apps, *listed) for _ in range(4) for apps in (one, other))
        )
        told = [(len(done.accounts), len(done.added)) for done in map(_imported, outcomes)]
        assert sorted(told) == [*[(0, 0)] * 7, (1, 5)]
        tenants = await one.tenants()
    assert [one.name for one in tenants.apps] == [one.name for one in listed]
    assert len(tenants.accounts) == 1


async def test_a_database_that_is_away(url: str, file: Path) -> None:
    """An app that is not remembered cannot be found."""
    async with worker(url) as apps:
        execute(file, "DROP TABLE test_contacts")
        execute(file, "DROP TABLE apps")
        for call in (apps.find("shop"), apps.tenants(), imported(apps, SHOP)):
            with pytest.raises(Unavailable):
                await call


def _imported(outcome: AppsImported | Conflicting) -> AppsImported:
    assert isinstance(outcome, AppsImported)
    return outcome
