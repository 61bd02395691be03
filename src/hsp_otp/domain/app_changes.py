"""Changes of accounts and apps, as an operator's file lists them."""

import enum
from collections.abc import Sequence

import attrs

from hsp_otp.domain.apps import MOST_APPS, Account, App, AppRules
from hsp_otp.domain.decision import Decision
from hsp_otp.domain.instant import Instant


@attrs.frozen(kw_only=True)
class ListedApp:
    """
    An app as a file lists it.

    Attributes:
        account: The name of its account.
        id: The id that it has elsewhere and is to keep; None to give it one.
        account_id: The same for its account.
    """

    name: str
    account: str
    id: str | None = None
    account_id: str | None = None
    rules: AppRules


@attrs.frozen(kw_only=True)
class Tenants:
    """All accounts and apps."""

    accounts: tuple[Account, ...] = ()
    apps: tuple[App, ...] = ()


class Conflict(enum.Enum):
    """How a listed app can contradict the others."""

    OTHER_ID = "the app has another id"
    OTHER_ACCOUNT_ID = "its account has another id"
    TAKEN_ID = "the id belongs to another app"
    TAKEN_ACCOUNT_ID = "the account's id belongs to another account"
    TOO_MANY = "its account has too many apps"


@attrs.frozen
class Conflicting:
    """
    Nothing was imported, because an app contradicts what is stored or listed before it.

    Attributes:
        app: The name of the app.
    """

    app: str
    conflict: Conflict


@attrs.frozen(kw_only=True)
class AppsImported:
    """
    The apps are stored as they are listed.

    Attributes:
        unlisted: Apps that are stored but not listed; they stay as they are.
    """

    accounts: tuple[Account, ...]
    added: tuple[App, ...]
    changed: tuple[App, ...]
    unchanged: tuple[App, ...]
    unlisted: tuple[App, ...]


def import_listed(
    held: Tenants, listed: Sequence[ListedApp], new_ids: Sequence[tuple[str, str]], now: Instant
) -> Decision[Tenants, AppsImported | Conflicting]:
    """
    Store all *listed* apps and their accounts, or none of them.

    An id never changes, because API keys and verifications refer to it.

    Args:
        new_ids: For each listed app, one for itself and one for its account, should it need any.
    """
    accounts = {one.name: one for one in held.accounts}
    apps = {one.name: one for one in held.apps}
    for one, (new_id, new_account_id) in zip(listed, new_ids, strict=True):
        conflict = _conflict(one, accounts, apps)
        if conflict is not None:
            return Decision(Conflicting(one.name, conflict), held)
        account = accounts.setdefault(
            one.account, Account(id=one.account_id or new_account_id, name=one.account, made_at=now)
        )
        before = apps.get(one.name)
        app = App(
            id=before.id if before else one.id or new_id,
            account_id=account.id,
            name=one.name,
            rules=one.rules,
            made_at=before.made_at if before else now,
            changed_at=before.changed_at if before else now,
        )
        apps[one.name] = app if app == before else attrs.evolve(app, changed_at=now)
    names = {one.name for one in listed}
    stored = {one.name: one for one in held.apps}
    outcome = AppsImported(
        accounts=tuple(one for one in accounts.values() if one not in held.accounts),
        added=tuple(one for one in apps.values() if one.name not in stored),
        changed=tuple(one for one in apps.values() if one != stored.get(one.name, one)),
        unchanged=tuple(one for one in held.apps if one.name in names and one == apps[one.name]),
        unlisted=tuple(one for one in held.apps if one.name not in names),
    )
    becomes = Tenants(accounts=tuple(accounts.values()), apps=tuple(apps.values()))
    return Decision(outcome, held if becomes == held else becomes)


def _conflict(
    listed: ListedApp, accounts: dict[str, Account], apps: dict[str, App]
) -> Conflict | None:
    before, account = apps.get(listed.name), accounts.get(listed.account)
    if listed.id is not None:
        if before is not None and before.id != listed.id:
            return Conflict.OTHER_ID
        if before is None and any(one.id == listed.id for one in apps.values()):
            return Conflict.TAKEN_ID
    if listed.account_id is not None:
        if account is not None and account.id != listed.account_id:
            return Conflict.OTHER_ACCOUNT_ID
        if account is None and any(one.id == listed.account_id for one in accounts.values()):
            return Conflict.TAKEN_ACCOUNT_ID
    siblings = [
        one
        for one in apps.values()
        if account and one.account_id == account.id and one.name != listed.name
    ]
    return Conflict.TOO_MANY if len(siblings) >= MOST_APPS else None
