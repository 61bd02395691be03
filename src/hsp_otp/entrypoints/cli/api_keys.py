"""The `api-keys` commands, for the keys with which other backends authenticate."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Final

from cyclopts import App, Parameter

from hsp_otp.adapters.secret_keys import API_KEYS, ring
from hsp_otp.adapters.sql.api_keys import SqlApiKeys
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.api_keys import ApiKey, PresentedKey, Scope
from hsp_otp.domain.instant import Instant, to_iso
from hsp_otp.domain.typed_text import plain, visible, visible_in_names
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.cli.output import FLAG, JsonLines, table
from hsp_otp.entrypoints.cli.person import load_with_keys
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.time_range import in_short
from hsp_otp.entrypoints.wiring import open_database
from hsp_otp.flows.api_keys import make_api_key

api_keys = App(name="api-keys", help="Make, list and revoke API keys for other backends.")

_LONGEST_NAME: Final = 64
_SCOPES: Final = " and ".join(scope.value for scope in Scope)
_HEADINGS: Final = ("id", "name", "scopes", "made", "last used", "revoked", "secret key")


@api_keys.command
def new(*, name: str, scopes: str) -> None:
    """
    Make an API key and print it; nothing can print it again.

    Example: hsp-otp api-keys new --name shop --scopes passes,exchange

    Args:
        name: A name by which people recognize the key, such as that of the backend.
        scopes: What the key may be used for, separated by commas: passes, to read, put and end
            passes; exchange, to exchange codes of sign-ins for tokens.
    """
    called, wanted = _read_name(name), _read_scopes(scopes)
    settings = load_with_keys()

    async def work() -> PresentedKey:
        async with _open_keys(settings) as keys:
            return await make_api_key(
                keys,
                ring(settings.secret_keys, API_KEYS),
                called,
                wanted,
                clock=SystemClock(),
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
    keys = asyncio.run(_all(load()))
    if json:
        writer = JsonLines()
        for key in keys:
            writer.write(
                {
                    "id": key.id,
                    "name": key.name,
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
            *(key.id, key.name, ",".join(_words(key)), in_short(key.made_at)),
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
async def _open_keys(settings: Settings) -> AsyncGenerator[SqlApiKeys]:
    async with open_database(settings) as database:
        await insist_on_newest(database)
        yield SqlApiKeys(database)


async def _all(settings: Settings) -> list[ApiKey]:
    async with _open_keys(settings) as keys:
        return await keys.list()


async def _revoke(key_id: str, settings: Settings) -> ApiKey | None:
    async with _open_keys(settings) as keys:
        return await keys.revoke(key_id, SystemClock().now())


def _read_name(text: str) -> str:
    name = visible_in_names(text).strip()
    if not plain(name) or not visible(name).isprintable() or len(name) > _LONGEST_NAME:
        raise CommandError(f"--name: takes printable text of {_LONGEST_NAME} characters at most")
    return name


def _read_scopes(text: str) -> frozenset[Scope]:
    try:
        return frozenset(Scope(word.strip()) for word in text.split(","))
    except ValueError:
        raise CommandError(f"--scopes: takes {_SCOPES}, separated by commas") from None


def _words(key: ApiKey) -> list[str]:
    return sorted(scope.value for scope in key.scopes)


def _iso(at: Instant | None) -> str | None:
    return None if at is None else to_iso(at)
