"""The `apps` commands: docs/contract.md, section 11."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final, assert_never, cast

import attrs
from cyclopts import App as Commands

from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.app_changes import AppsImported, Conflict, Conflicting, ListedApp, Tenants
from hsp_otp.domain.apps import (
    ACCOUNT,
    APP,
    MOST_APPS,
    Account,
    App,
    AppLimits,
    AppRules,
    PurposeNumbers,
)
from hsp_otp.domain.instant import SECOND
from hsp_otp.domain.names import sid_of
from hsp_otp.domain.quota import Quota
from hsp_otp.domain.wordings import Wording
from hsp_otp.entrypoints.cli.apps_file import UnusableError, read_apps
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.cli.output import table
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.entrypoints.wiring import clock_of, open_database
from hsp_otp.flows.apps import import_apps

apps = Commands(name="apps", help="Import and show the apps that other backends send codes for.")

_HEADINGS: Final = ("app", "account", "id", "sid", "changed")

_CONFLICTS: Final = {
    Conflict.OTHER_ID: "sid: the app has another, and ids never change",
    Conflict.OTHER_ACCOUNT_ID: "account_sid: the account has another, and ids never change",
    Conflict.TAKEN_ID: "sid: another app has it",
    Conflict.TAKEN_ACCOUNT_ID: "account_sid: another account has it",
    Conflict.TOO_MANY: f"account: it has {MOST_APPS} apps already",
}


@apps.command(name="import")
def import_(file: str, /) -> None:
    """
    Import apps and their accounts from a TOML file; servers may be running.

    Each table is an app. Servers follow within 5 seconds. A file that cannot be used in full is not
    imported at all, and importing the same file again changes nothing. Apps that are not in the
    file stay as they are.

    Example: hsp-otp apps import apps.toml

    Args:
        file: The TOML file.
    """
    settings = load()
    try:
        listed = read_apps(file, settings)
    except UnusableError as error:
        raise CommandError(f"{file!r}: {error}") from None
    outcome = asyncio.run(_import(listed, settings))
    match outcome:
        case Conflicting():
            raise CommandError(f"{file!r}: {outcome.app}.{_CONFLICTS[outcome.conflict]}")
        case AppsImported():
            _report(outcome)
        case _:
            assert_never(outcome)


@apps.command
def show(name: str | None = None, /) -> None:
    """
    List all apps, or show everything about one.

    Example: hsp-otp apps show shop

    Args:
        name: The name of an app.
    """
    tenants = asyncio.run(_tenants(load()))
    accounts = {one.id: one for one in tenants.accounts}
    if name is None:
        rows = [
            (
                *(one.name, accounts[one.account_id].name, one.id, sid_of(one.id, APP)),
                in_short(one.changed_at),
            )
            for one in tenants.apps
        ]
        table(rows, _HEADINGS)
        return
    found = next((one for one in tenants.apps if one.name == name), None)
    if found is None:
        raise CommandError(f"there is no app {name!r}")
    lines = list(_described(found, accounts[found.account_id]))
    width = max(len(label) for label, _ in lines) + 2
    for label, value in lines:
        print(f"{label + ':':<{width}}{value}")


async def _import(listed: Sequence[ListedApp], settings: Settings) -> AppsImported | Conflicting:
    async with open_database(settings) as database:
        await insist_on_newest(database)
        return await import_apps(
            SqlApps(database), listed, clock=clock_of(settings), randomness=SystemRandomness()
        )


async def _tenants(settings: Settings) -> Tenants:
    async with open_database(settings) as database:
        await insist_on_newest(database)
        return await SqlApps(database).tenants()


def _report(done: AppsImported) -> None:
    for account in done.accounts:
        print(f"new account {account.name}: {account.id}, {sid_of(account.id, ACCOUNT)}")
    for app in done.added:
        print(f"new app {app.name}: {app.id}, {sid_of(app.id, APP)}")
    for app in done.changed:
        print(f"changed app {app.name}")
    print(
        f"apps: {len(done.added)} added, {len(done.changed)} changed, "
        f"{len(done.unchanged)} unchanged"
    )
    for app in done.unlisted:
        print(
            f"app {app.name} is not in the file and stays as it is; to stop it, revoke its API "
            "keys: hsp-otp api-keys list",
            file=sys.stderr,
        )


def _described(app: App, account: Account) -> Iterator[tuple[str, str]]:
    yield "app", app.name
    yield "id", f"{app.id}, {sid_of(app.id, APP)}"
    yield "account", account.name
    yield "account's id", f"{account.id}, {sid_of(account.id, ACCOUNT)}"
    yield "made", in_short(app.made_at)
    yield "changed", in_short(app.changed_at)
    yield from _flat("", app.rules)


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    """The members of *value* in words, each with its place; none that is not set."""
    if isinstance(value, AppRules | AppLimits | PurposeNumbers | Wording):
        value = attrs.asdict(value, recurse=False)
    if isinstance(value, dict):
        for key, one in cast("dict[object, object]", value).items():
            yield from _flat(f"{name}.{_in_words(key)}" if name else _in_words(key), one)
    elif isinstance(value, tuple):
        if value:
            yield name, ", ".join(map(_in_words, cast("tuple[object, ...]", value)))
    elif value not in {None, ""}:
        yield name, _in_words(value)


def _in_words(value: object) -> str:
    match value:
        case Quota():
            return f"{value.limit} in {value.window // SECOND} s"
        case Enum():
            return str(value.value)
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value).replace("\n", "\\n")
