"""Generates keys, a demo pass and a demo app in development mode."""

import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from hsp_otp.adapters.jwt import Algorithm, new_signing_key_pem, parse_signing_keys
from hsp_otp.adapters.secret_keys import API_KEYS, new_secret_key, parse_secret_keys, ring
from hsp_otp.adapters.sql.api_keys import SqlApiKeys
from hsp_otp.adapters.sql.apps import SqlApps
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.pass_changes import import_passes
from hsp_otp.adapters.sql.passes import SqlPasses
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.domain.api_keys import OF_TENANTS, ApiKey, PresentedKey, Scope, authenticate
from hsp_otp.domain.app_changes import ListedApp
from hsp_otp.domain.apps import App, AppRules
from hsp_otp.domain.instant import from_datetime
from hsp_otp.domain.keys import Key
from hsp_otp.domain.listed_passes import ListedPass, ListedUser
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.private_files import make_private_folder, write_private_file
from hsp_otp.entrypoints.settings.model import PREFIX, Settings
from hsp_otp.flows.api_keys import make_api_key
from hsp_otp.flows.apps import import_apps
from hsp_otp.flows.caller import new_id

DEMO_PASS: Final = "HSP-1234-5678"  # noqa: S105 - a pass code, shown to all

DEMO_PHONE: Final = "+919876543210"
"""The number of the user who holds the demo pass."""

_DEMO: Final = "demo"
"""The name of the demo app, of its account and of its API key."""

_KEY_ID: Final = "dev"


def with_generated_keys(settings: Settings) -> Settings:
    """
    Return *settings* with generated keys in place of missing ones; kept beside the database.

    Raises:
        SettingsError: The keys cannot be written there, or a key file is damaged.
    """
    if not settings.in_development:
        return settings
    folder = settings.development_folder
    try:
        make_private_folder(folder)
        if not settings.secret_keys:
            settings = attrs.evolve(settings, secret_keys=_kept_secret(folder))
        if not settings.jwt_keys:
            settings = attrs.evolve(settings, jwt_keys=_kept_key(folder, settings.jwt_algorithm))
    except OSError as error:
        raise SettingsError(
            f"{PREFIX}SECRET_KEYS and {PREFIX}JWT_KEYS: not set, and new keys cannot be stored in "
            f"{str(folder)!r}: {error.strerror}"
        ) from None
    return settings


def _kept_secret(folder: Path) -> tuple[Key, ...]:
    file = _kept(folder / "secret", new_secret_key().encode())
    try:
        return parse_secret_keys(f"{_KEY_ID}:{file.read_text('ascii')}")
    except ValueError:
        raise SettingsError(_damaged("SECRET_KEYS", file)) from None


def _kept_key(folder: Path, algorithm: Algorithm) -> str:
    if algorithm == "HS256":
        file = _kept(folder / "hs256", new_secret_key().encode())
    else:
        file = _kept(folder / f"{algorithm}.pem", new_signing_key_pem(algorithm))
    try:
        keys = f"{_KEY_ID}:{file.read_text('ascii') if algorithm == 'HS256' else file}"
        parse_signing_keys(algorithm, keys)
    except ValueError:
        raise SettingsError(_damaged("JWT_KEYS", file)) from None
    return keys


def _damaged(name: str, file: Path) -> str:
    return (
        f"{PREFIX}{name}: not set, and {str(file)!r} holds no valid key; "
        "delete the file to generate a new one"
    )


async def add_demo_pass(database: Database) -> None:
    """Store the demo pass unless it is there; raises Unavailable if the database is away."""
    code = PassCode(DEMO_PASS)
    if await SqlPasses(database).find(code) is not None:
        return
    user = ListedUser(
        email="asha@example.com",
        first_name="Asha",
        last_name="Rao",
        phone=PhoneNumber(DEMO_PHONE),
    )
    listed = ListedPass(
        code=code,
        user=user,
        payment_status=PaymentStatus.PAID,
        plan_name="Gold",
        expires_at=from_datetime(datetime(2099, 12, 31, tzinfo=UTC)),
    )
    await import_passes(database, [listed], partial(new_id, SystemRandomness()), lambda _: None)


@attrs.frozen
class DemoApp:
    """The demo app, and the API key that it has."""

    app: App
    key: PresentedKey


async def add_demo_app(database: Database, settings: Settings) -> DemoApp:
    """
    Store the demo app and an API key for it, unless they are there, and return both.

    The key is kept with the generated keys, so that it is the same at the next start.

    Raises:
        Unavailable: The database is away.
        SettingsError: The key cannot be kept.
    """
    app, keys = await _demo_app(database, settings), SqlApiKeys(database)
    of_keys = ring(settings.secret_keys, API_KEYS)
    file = settings.development_folder / "api-key"
    try:
        kept = PresentedKey.read(file.read_text("ascii")) if file.exists() else None
        held = None if kept is None else await keys.find(kept.id)
        usable = authenticate(held, kept, Scope.START, of_keys)
        if kept is not None and isinstance(usable, ApiKey) and usable.app_id == app.id:
            return DemoApp(app, kept)
        made = await make_api_key(
            keys,
            of_keys,
            _DEMO,
            OF_TENANTS,
            app_id=app.id,
            clock=SystemClock(),
            randomness=SystemRandomness(),
        )
        write_private_file(file, made.reveal())
    except OSError as error:
        raise SettingsError(
            f"the API key of the demo app cannot be kept in {str(file)!r}: {error.strerror}"
        ) from None
    return DemoApp(app, made)


async def _demo_app(database: Database, settings: Settings) -> App:
    apps = SqlApps(database)
    while True:
        for one in (await apps.tenants()).apps:
            if one.name == _DEMO:
                return one
        rules = AppRules(service_name=settings.service_name, proof_audience=_DEMO)
        listed = ListedApp(name=_DEMO, account=_DEMO, rules=rules)
        await import_apps(apps, [listed], clock=SystemClock(), randomness=SystemRandomness())


def _kept(path: Path, fresh: bytes) -> Path:
    """Create *path* with *fresh* in it unless it exists; of two concurrent calls the first wins."""
    if not path.exists():
        made = path.with_name(f"{path.name}.{os.getpid()}")
        made.touch(mode=0o600)
        made.write_bytes(fresh)
        try:
            path.hardlink_to(made)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path
