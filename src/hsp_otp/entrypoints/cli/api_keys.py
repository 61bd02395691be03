"""The `api-keys` commands, for the keys with which other backends authenticate."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Final

from cyclopts import App as Commands
from cyclopts import Parameter

from hsp_otp.adapters.secret_keys import API_KEYS, ring
from hsp_otp.adapters.sql.api_keys import SqlApiKeys
from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.api_keys import OF_TENANTS, ApiKey, PresentedKey, Scope
from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.apps import Account, App
from hsp_otp.domain.instant import Instant, to_iso
from hsp_otp.domain.typed_text import plain, visible, visible_in_names
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.cli.output import FLAG, JsonLines, table
from hsp_otp.entrypoints.cli.person import load_with_keys
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.entrypoints.wiring import clock_of, open_database
from hsp_otp.flows.api_keys import make_api_key

api_keys = Commands(name="api-keys", help="Make, list and revoke API keys for other backends.")

_LONGEST_NAME: Final = 64
_OF_SERVICE: Final = frozenset(Scope) - OF_TENANTS
_HEADINGS: Final = ("id", "name", "for", "scopes", "made", "last used", "revoked", "secret key")


@api_keys.command
def new(
    *,
    name: str,
    app: str | None = None,
    account: str | None = None,
    scopes: str | None = None,
) -> None:
    """
    Make an API key and print it; nothing can print it again.

    A key is for an app, for all apps of an account, or for the service's own passes and sign-ins.

    Example: hsp-otp api-keys new --app shop --name checkout
    Example: hsp-otp api-keys new --name house --scopes passes,exchange

    Args:
        name: A name by which people recognize the key, such as that of the backend.
        app: The name of the app that the key acts for.
        account: The name of the account for all of whose apps the key acts.
        scopes: What the key may be used for, separated by commas. With an app or account: start, to
            start, send again and cancel verifications; check, to check codes; read, to read
            verifications; all three by default. Otherwise: passes, to read, put and end passes;
            exchange, to exchange codes of sign-ins for tokens.
    """
    if app is not None and account is not None:
        raise CommandError("takes either --app or --account")
    owned = app is not None or account is not None
    called, wanted = _read_name(name), _read_scopes(scopes, OF_TENANTS if owned else _OF_SERVICE)
    settings = load_with_keys()

    async def work() -> PresentedKey:
        async with _open(settings) as database:
            tenants = await SqlApps(database).tenants()
            return await make_api_key(
                SqlApiKeys(database),
                ring(settings.secret_keys, API_KEYS),
                called,
                wanted,
                app_id=_id_of("app", app, tenants.apps),
                account_id=_id_of("account", account, tenants.accounts),
                clock=clock_of(settings),
                randomness=SystemRandomness(),
            )

    print(asyncio.run(work()).reveal())


@api_keys.command(name="list")
def list_(*, json: Annotated[bool, FLAG] = False) -> None:
    """
    List all API keys without their secrets, the oldest first.

    Example: hsp-otp api-keys list

    Args:
        json: Print one JSON object per line.
    """
    keys, tenants = asyncio.run(_all(load()))
    apps = {one.id: one.name for one in tenants.apps}
    accounts = {one.id: one.name for one in tenants.accounts}
    if json:
        writer = JsonLines()
        for key in keys:
            writer.write(
                {
                    "id": key.id,
                    "name": key.name,
                    "app": key.app_id and apps[key.app_id],
                    "account": key.account_id and accounts[key.account_id],
                    "scopes": _words(key),
                    "made_at": to_iso(key.made_at),
                    "last_used_at": _iso(key.last_used_at),
                    "revoked_at": _iso(key.revoked_at),
                    "secret_key": key.ring_key_id,
                }
            )
        return
    rows = (
        (
            *(key.id, key.name, _owner(key, apps, accounts), ",".join(_words(key))),
            in_short(key.made_at),
            *(None if at is None else in_short(at) for at in (key.last_used_at, key.revoked_at)),
            key.ring_key_id,
        )
        for key in keys
    )
    table(rows, _HEADINGS)


@api_keys.command
def revoke(key_id: Annotated[str, Parameter(name="ID")], /) -> None:
    """
    Revoke an API key; no server accepts it after 5 seconds.

    Example: hsp-otp api-keys revoke 9f86d081884c7d659a2feaa0c55ad015

    Args:
        key_id: The id of the key, as the list shows it.
    """
    key = asyncio.run(_revoke(key_id, load()))
    if key is None:
        raise CommandError("there is no API key with that id")
    print(f"revoked {key.name}")


@asynccontextmanager
async def _open(settings: Settings) -> AsyncGenerator[Database]:
    async with open_database(settings) as database:
        await insist_on_newest(database)
        yield database


async def _all(settings: Settings) -> tuple[list[ApiKey], Tenants]:
    async with _open(settings) as database:
        return await SqlApiKeys(database).list(), await SqlApps(database).tenants()


async def _revoke(key_id: str, settings: Settings) -> ApiKey | None:
    async with _open(settings) as database:
        return await SqlApiKeys(database).revoke(key_id, clock_of(settings).now())


def _read_name(text: str) -> str:
    name = visible_in_names(text).strip()
    if not plain(name) or not visible(name).isprintable() or len(name) > _LONGEST_NAME:
        raise CommandError(f"--name: takes printable text of {_LONGEST_NAME} characters at most")
    return name


def _read_scopes(text: str | None, scopes: frozenset[Scope]) -> frozenset[Scope]:
    """Read some of the *scopes* that a key of its kind can have."""
    by_word = {scope.value: scope for scope in Scope if scope in scopes}
    if text is None and scopes == OF_TENANTS:
        return scopes
    try:
        return frozenset(by_word[word.strip()] for word in (text or "").split(","))
    except KeyError:
        *others, last = by_word
        takes = f"{', '.join(others)} and {last}, separated by commas"
        whose = "of an app or account" if scopes == OF_TENANTS else "without --app or --account"
        raise CommandError(f"--scopes: takes {takes}, {whose}") from None


def _id_of(kind: str, name: str | None, among: Sequence[App | Account]) -> str | None:
    if name is None:
        return None
    for one in among:
        if one.name == name:
            return one.id
    raise CommandError(f"there is no {kind} {name!r}; hsp-otp apps show lists all")


def _owner(key: ApiKey, apps: Mapping[str, str], accounts: Mapping[str, str]) -> str | None:
    if key.app_id is not None:
        return f"app {apps[key.app_id]}"
    return None if key.account_id is None else f"account {accounts[key.account_id]}"


def _words(key: ApiKey) -> list[str]:
    return sorted(scope.value for scope in key.scopes)


def _iso(at: Instant | None) -> str | None:
    return None if at is None else to_iso(at)
