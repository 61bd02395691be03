"""The command line."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Final, NoReturn

import cyclopts
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from hsp_otp.adapters.jwt import PemAlgorithm, new_signing_key_pem
from hsp_otp.adapters.keys import new_secret_key
from hsp_otp.adapters.sql.schema import upgrade
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.instant import SECOND
from hsp_otp.entrypoints.command import (
    FAILED,
    OK,
    CommandError,
    insist_on_fit,
    insist_on_known,
)
from hsp_otp.entrypoints.private_files import make_private_folder
from hsp_otp.entrypoints.settings import PREFIX, Settings, SettingsError, described, load
from hsp_otp.entrypoints.wiring import open_database
from hsp_otp.ports.failures import Unavailable

MISUSED: Final = 2
BROKEN_PIPE: Final = 141
"""As the shell tells of whom SIGPIPE ended."""

app = cyclopts.App(
    name="hsp-otp",
    help="Proves that somebody holds a phone number right now, by a one-time code.",
    help_epilogue="Settings are environment variables: see `hsp-otp settings`.",
)
# Imported when they are used: what they bring along takes its time.
app.command("hsp_otp.entrypoints.serve_cli:serve", name="serve")
app.command("hsp_otp.entrypoints.serve_cli:dev", name="dev")
for name in ("passes", "unlock", "purge", "audit", "erase", "doctor"):
    app.command(f"hsp_otp.entrypoints.{name}_cli:{name}", name=name)
keys = cyclopts.App(name="keys", help="Keys of the service.")
app.command(keys)
db = cyclopts.App(name="db", help="The SQL database.")
app.command(db)


def main() -> None:
    """Run the command that the arguments name; mistakes are one line on stderr."""
    try:
        if not {*sys.argv[1:]} - {*app.help_flags}:
            app.resolved_commands()  # to say of each what it is for
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
        is_plain = told.startswith(("Redis", "the SQL"))
        _fail(told if is_plain else "the SQL database did not answer", FAILED)
    except BrokenPipeError:
        # Whoever read has seen enough; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


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
    /,
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
        make_private_folder(folder)
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


async def _upgrade(settings: Settings) -> None:
    async with open_database(settings) as database:
        await insist_on_fit(database)
        await insist_on_known(database)
        await upgrade(database)


def _fail(line: str, status: int) -> NoReturn:
    print(f"hsp-otp: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(status)
