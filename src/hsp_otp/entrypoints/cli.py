"""The command line."""

import asyncio
import os
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Final, NoReturn

import cyclopts
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from hsp_otp.adapters.jwt import PemAlgorithm, new_signing_key_pem
from hsp_otp.adapters.keys import new_secret_key
from hsp_otp.adapters.redis.checks import unfitness
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.instant import SECOND
from hsp_otp.entrypoints import serving
from hsp_otp.entrypoints.command import (
    CommandError,
    insist_on_fit,
    insist_on_known,
    insist_on_newest,
)
from hsp_otp.entrypoints.development import DEMO_PASS, add_demo_pass, with_generated_keys
from hsp_otp.entrypoints.passes_cli import passes
from hsp_otp.entrypoints.purge_cli import purge
from hsp_otp.entrypoints.settings import (
    DEVELOPMENT,
    PREFIX,
    Settings,
    SettingsError,
    check_to_serve,
    described,
    load,
)
from hsp_otp.entrypoints.unlock_cli import unlock
from hsp_otp.entrypoints.wiring import open_database, open_redis_of
from hsp_otp.ports.failures import Unavailable

OK: Final = 0
FAILED: Final = 1
MISUSED: Final = 2
BROKEN_PIPE: Final = 141
"""As the shell tells of whom SIGPIPE ended."""

app = cyclopts.App(
    name="hsp-otp",
    help="Proves that somebody holds a phone number right now, by a one-time code.",
    help_epilogue="Settings are environment variables: see `hsp-otp settings`.",
)
app.command(passes)
app.command(unlock)
app.command(purge)
# Imported when they are used: what they bring along takes its time.
app.command("hsp_otp.entrypoints.audit_cli:audit", name="audit")
app.command("hsp_otp.entrypoints.erase_cli:erase", name="erase")
app.command("hsp_otp.entrypoints.doctor_cli:doctor", name="doctor")
keys = cyclopts.App(name="keys", help="Keys of the service.")
app.command(keys)
db = cyclopts.App(name="db", help="The SQL database.")
app.command(db)


BANNER: Final = """
hsp-otp is at {url} in development mode: codes are shown here, not sent.

  {url}/                  the front page
  {url}/customer/login/   sign in with a pass
  {url}/users/signup/     open an account
  {url}/docs              the API

A pass to try: {demo}

  curl {url}/customer/validate-pass/ --json '{{"pass_code": "{demo}"}}'
  curl {url}/customer/send-otp/ --json '{{"pass_code": "{demo}"}}'
  curl {url}/customer/verify-otp/ --json '{{"pass_code": "{demo}", "otp": "the code shown here"}}'

Passes of your own: .venv/bin/hsp-otp passes import FILE.csv
"""


def main() -> None:
    """Run the command that the arguments name; mistakes are one line on stderr."""
    try:
        status = app(sys.argv[1:], exit_on_error=False, print_error=False) or OK
        sys.stdout.flush()
        sys.exit(status)
    except cyclopts.CycloptsError as error:
        _fail(str(error), MISUSED)
    except SettingsError as error:
        _fail(str(error), MISUSED)
    except CommandError as error:
        _fail(str(error), FAILED)
    except Unavailable as error:
        told = str(error)
        # Of SQL a driver's name says less than what it is for.
        _fail(told if told.startswith("Redis") else "the SQL database did not answer", FAILED)
    except BrokenPipeError:
        # Whoever read has seen enough; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


@app.command
def serve() -> int:
    """
    Serve.

    Example: HSP_OTP_MODE=development hsp-otp serve
    """
    settings = _served(load())
    asyncio.run(_insist(settings))
    return _run(settings)


@app.command
def dev() -> int:
    """
    Serve in development mode: SQLite, the console sender, generated keys, a pass to try.

    Example: hsp-otp dev
    """
    # In the environment, because every worker reads the settings there.
    os.environ[f"{PREFIX}MODE"] = DEVELOPMENT
    settings = _served(load())
    asyncio.run(_prepare(settings))
    return _run(settings, banner=True)


@app.command(name="settings")
def show_settings() -> None:
    """
    Print every setting: its default, what it takes, and what it means.

    Example: hsp-otp settings
    """
    table = Table(box=None, show_lines=False, pad_edge=False)
    for heading in ("variable", "default", "takes", "meaning"):
        table.add_column(heading, overflow="fold")
    for row in described():
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False, markup=False).print(table)


@keys.command(name="new")
def new_keys(
    folder: Annotated[Path, Parameter(name="DIR")],
    *,
    algorithm: PemAlgorithm = "ES256",
) -> None:
    """
    Write a new signing key to DIR, and print the lines for the settings.

    Example: hsp-otp keys new /etc/hsp-otp

    Parameters
    ----------
    folder
        Where the PEM file goes; made where it is not there.
    algorithm
        What the key is for.
    """
    key_id = f"k{SystemClock().now() // SECOND}"
    path = folder / f"{key_id}.pem"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(new_signing_key_pem(algorithm))
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from None
    print(f"{PREFIX}SECRET_KEYS={key_id}:{new_secret_key()}")
    print(f"{PREFIX}JWT_ALGORITHM={algorithm}")
    print(f"{PREFIX}JWT_KEYS={key_id}:{path.resolve()}")


@db.command(name="upgrade")
def upgrade_database() -> None:
    """
    Bring the database to the newest schema.

    Example: hsp-otp db upgrade
    """
    asyncio.run(_upgrade(load()))
    print("the database has the newest schema")


async def _insist(settings: Settings) -> None:
    async with open_database(settings) as database:
        await insist_on_fit(database, for_good=not settings.in_development)
        await insist_on_newest(database)
    await _insist_on_redis(settings)


async def _insist_on_redis(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        redis = await open_redis_of(stack, settings)
        for found in await unfitness(redis) if redis else ():
            if found.is_fatal and settings.challenge_store == "redis":
                raise CommandError(found.what)
            print(f"hsp-otp: warning: {found.what}", file=sys.stderr)


async def _upgrade(settings: Settings) -> None:
    async with open_database(settings) as database:
        await insist_on_fit(database)
        await insist_on_known(database)
        await upgrade(database)


async def _prepare(settings: Settings) -> None:
    async with open_database(settings) as database:
        await insist_on_fit(database)
        await insist_on_known(database)
        await upgrade(database)
        await add_demo_pass(database)
    await _insist_on_redis(settings)


def _served(settings: Settings) -> Settings:
    """
    *settings* with all that serving needs.

    Raises:
        SettingsError: Something is missing.
    """
    settings = with_generated_keys(settings)
    check_to_serve(settings)
    return settings


def _run(settings: Settings, *, banner: bool = False) -> int:
    listening = _bind(settings.host, settings.port)
    showing = None
    if settings.metrics_port is not None:
        showing = _bind(settings.host, settings.metrics_port)
    if banner:
        host, port = listening.getsockname()[:2]
        print(BANNER.format(url=f"http://{host}:{port}", demo=DEMO_PASS), flush=True)
    return OK if serving.run(settings, listening, showing) else FAILED


def _bind(host: str, port: int) -> socket.socket:
    try:
        return serving.bind(host, port)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}") from None


def _fail(line: str, status: int) -> NoReturn:
    print(f"hsp-otp: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(status)
