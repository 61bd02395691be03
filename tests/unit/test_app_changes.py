"""Imports of apps: docs/contract.md, 11."""

from functools import partial
from typing import Any

import attrs
import pytest

from hsp_otp.domain.app_changes import (
    AppsImported,
    Conflict,
    Conflicting,
    ListedApp,
    Tenants,
    import_listed,
)
from hsp_otp.domain.apps import Account, App, AppNotFound, AppRules
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import SECOND, Instant, after
from tests.world import START

LATER = after(START, SECOND)
RULES = AppRules(service_name="Shop")
ACME = Account(id="account-0", name="acme", made_at=START)


def app(name: str, number: int, **changes: Any) -> App:  # noqa: ANN401 - of `App`
    """An app of `ACME`, as an import at `START` makes it."""
    made = App(
        id=f"app-{number}",
        account_id=ACME.id,
        name=name,
        rules=RULES,
        made_at=START,
        changed_at=START,
    )
    return attrs.evolve(made, **changes)


def imported(
    held: Tenants, *listed: ListedApp, now: Instant = START
) -> Decision[Tenants, AppsImported | Conflicting]:
    """Import *listed*, with ids that count upwards."""
    new_ids = [(f"app-{number}", f"account-{number}") for number, _ in enumerate(listed)]
    return import_listed(held, listed, new_ids, now)


listed = partial(ListedApp, account="acme", rules=RULES)


def test_a_first_import() -> None:
    """New apps and accounts are made, and an account that is named twice is made once."""
    decision = imported(Tenants(), listed(name="shop"), listed(name="app"))
    shop, other = app("shop", 0), app("app", 1)
    assert decision.becomes == Tenants(accounts=(ACME,), apps=(shop, other))
    assert decision.outcome == AppsImported(
        accounts=(ACME,), added=(shop, other), changed=(), unchanged=(), unlisted=()
    )


def test_the_same_import_again() -> None:
    """Importing the same file again changes nothing, not even when an app was last changed."""
    held = imported(Tenants(), listed(name="shop"), listed(name="app")).becomes
    decision = imported(held, listed(name="shop"), listed(name="app"), now=LATER)
    assert decision.becomes is held
    assert decision.outcome == AppsImported(
        accounts=(), added=(), changed=(), unchanged=held.apps, unlisted=()
    )


def test_a_changed_app() -> None:
    """An app keeps its id and the instant at which it was made."""
    held = Tenants(accounts=(ACME,), apps=(app("shop", 7),))
    rules = AppRules(service_name="Acme Shop")
    decision = imported(held, listed(name="shop", rules=rules), now=LATER)
    changed = app("shop", 7, rules=rules, changed_at=LATER)
    assert decision.becomes == Tenants(accounts=(ACME,), apps=(changed,))
    assert decision.outcome == AppsImported(
        accounts=(), added=(), changed=(changed,), unchanged=(), unlisted=()
    )


def test_an_app_that_moves() -> None:
    """An app of another account is the same app, and the keys of its former account lose it."""
    held = Tenants(accounts=(ACME,), apps=(app("shop", 7),))
    decision = imported(held, listed(name="x"), listed(name="shop", account="bolt"), now=LATER)
    bolt = Account(id="account-1", name="bolt", made_at=LATER)
    assert decision.becomes.accounts == (ACME, bolt)
    assert decision.becomes.apps[0] == app("shop", 7, account_id=bolt.id, changed_at=LATER)


def test_an_app_that_is_not_listed() -> None:
    """An app that is missing from the file stays as it is, and is reported."""
    held = Tenants(accounts=(ACME,), apps=(app("old", 7),))
    decision = imported(held, listed(name="shop"))
    assert decision.becomes.apps == (app("old", 7), app("shop", 0))
    assert isinstance(decision.outcome, AppsImported)
    assert decision.outcome.unlisted == (app("old", 7),)


def test_ids_are_taken_over() -> None:
    """An app and an account keep the ids that they have elsewhere, and may be listed with them."""
    given = listed(name="shop", id="V", account_id="A")
    decision = imported(Tenants(), given)
    held = decision.becomes
    assert [(one.id, one.account_id) for one in held.apps] == [("V", "A")]
    assert [one.id for one in held.accounts] == ["A"]
    assert imported(held, given, now=LATER).becomes is held
    assert imported(held, listed(name="shop"), now=LATER).becomes is held


@pytest.mark.parametrize(
    ("contradicting", "conflict"),
    [
        ({"name": "shop", "id": "V"}, Conflict.OTHER_ID),
        ({"name": "app", "id": "app-7"}, Conflict.TAKEN_ID),
        ({"name": "app", "account_id": "A"}, Conflict.OTHER_ACCOUNT_ID),
        (
            {"name": "app", "account": "bolt", "account_id": "account-0"},
            Conflict.TAKEN_ACCOUNT_ID,
        ),
    ],
)
def test_a_contradiction(contradicting: dict[str, Any], conflict: Conflict) -> None:
    """An id never changes and belongs to one; nothing of the file is imported otherwise."""
    held = Tenants(accounts=(ACME,), apps=(app("shop", 7),))
    decision = imported(held, listed(name="first"), listed(**contradicting))
    assert decision.becomes is held
    assert decision.outcome == Conflicting(contradicting["name"], conflict)


def test_a_contradiction_within_a_file() -> None:
    """The later of two apps with one id is refused."""
    decision = imported(Tenants(), listed(name="shop", id="V"), listed(name="app", id="V"))
    assert decision.outcome == Conflicting("app", Conflict.TAKEN_ID)


def test_a_hundred_apps() -> None:
    """An account has a hundred apps at most; those that it has can still be changed."""
    apps = tuple(app(f"shop-{number}", number) for number in range(100))
    held = Tenants(accounts=(ACME,), apps=apps)
    decision = imported(held, listed(name="shop-100"))
    assert decision.outcome == Conflicting("shop-100", Conflict.TOO_MANY)
    assert imported(held, listed(name="shop-99")).becomes is held
    assert isinstance(imported(held, listed(name="x", account="bolt")).outcome, AppsImported)


def test_words() -> None:
    """The word is part of the contract."""
    assert AppNotFound().word == "app_not_found"
