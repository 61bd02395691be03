"""What development mode makes by itself: keys beside the database, and a pass to try."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import attrs
from sqlalchemy import make_url

from hsp_otp.adapters.jwt import new_signing_key_pem
from hsp_otp.adapters.keys import new_secret_key, parse_secret_keys
from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.passes import ListedPass, ListedUser, SqlPasses, SqlPassImport
from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.instant import from_datetime
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import PaymentStatus
from hsp_otp.domain.phone import PhoneNumber
from hsp_otp.entrypoints.settings import Settings, SettingsError

DEMO_PASS: Final = "HSP-1234-5678"  # noqa: S105 - a pass code, shown to all

_KEY_ID: Final = "dev"


def with_generated_keys(settings: Settings) -> Settings:
    """
    *settings* with what it lacks of keys, sender included; made once, kept beside the database.

    Raises:
        SettingsError: They cannot be kept there.
    """
    if not settings.in_development:
        return settings
    url = make_url(settings.database_url)
    # A server's own folder is no place of ours: there it is the one that we run in.
    kept = url.database if url.get_backend_name() == "sqlite" else "hsp-otp"
    folder = Path(f"{kept}.keys")
    algorithm = settings.jwt_algorithm
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not settings.secret_keys:
            secret = _kept(folder / "secret", new_secret_key().encode()).read_text()
            settings = attrs.evolve(settings, secret_keys=parse_secret_keys(f"{_KEY_ID}:{secret}"))
        if settings.jwt_keys:
            return settings
        if algorithm == "HS256":
            value = _kept(folder / "hs256", new_secret_key().encode()).read_text()
        else:
            value = str(_kept(folder / f"{algorithm}.pem", new_signing_key_pem(algorithm)))
    except OSError as error:
        raise SettingsError(
            f"HSP_OTP_DATABASE_URL: keys cannot be kept beside the database: {error.strerror}"
        ) from None
    return attrs.evolve(settings, jwt_keys=f"{_KEY_ID}:{value}")


async def add_demo_pass(database: Database) -> None:
    """
    Store the pass to try, where nobody has it yet.

    Raises:
        Unavailable: The database did not answer.
    """
    code = PassCode(DEMO_PASS)
    if await SqlPasses(database).find(code) is not None:
        return
    imports = SqlPassImport(database, SystemRandomness())
    user = ListedUser(
        email="asha@example.com",
        first_name="Asha",
        last_name="Rao",
        phone=PhoneNumber("+919876543210"),
    )
    listed = ListedPass(
        code=code,
        email=user.email,
        payment_status=PaymentStatus.PAID,
        plan_name="Gold",
        expires_at=from_datetime(datetime(2099, 12, 31, tzinfo=UTC)),
    )
    await imports.store_users([user], lambda _: None)
    await imports.store_passes([listed], lambda _: None)


def _kept(path: Path, fresh: bytes) -> Path:
    """*path*, made with *fresh* where it is not there; of two makers at once the first wins."""
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
