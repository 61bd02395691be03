"""The command line: its commands, and how errors are reported."""

import os
import sys
from typing import Final, NoReturn

import cyclopts

from hsp_otp.entrypoints.errors import FAILED, MISUSED, OK, CommandError, SettingsError
from hsp_otp.ports.failures import Unavailable

BROKEN_PIPE: Final = 141
"""As the shell tells of whom SIGPIPE ended."""

COMMANDS: Final = {
    "serve": "Serve.",
    "dev": "Serve in development mode: SQLite, the console sender, generated keys, a pass to try.",
    "settings": "Print every setting: its default, what it takes, and what it means.",
    "keys": "Keys of the service.",
    "db": "The SQL database.",
    "passes": "Import passes, and look at them.",
    "unlock": "Unlock whom failed guesses locked: clear the windows and the run.",
    "purge": "Delete what is past its time: audit rows, sends, slots, usages, signups and "
    "sign-ins.",
    "audit": "Ask the audit: who asked what, and what it came to.",
    "erase": "Erase what is kept of a person by their number; without --yes only tell what "
    "that would be.",
    "doctor": "Compare the configuration with reality; a line for each check, and exit status "
    "1 if one fails.",
}
"""Each is imported when it is used: what it brings along takes its time."""


def made(*, listed: bool) -> cyclopts.App:
    """
    The command line.

    Args:
        listed: Only the list of commands is to be shown; each of them knows more of itself.
    """
    app = cyclopts.App(
        name="hsp-otp",
        help="Proves, with a one-time code, that somebody holds a phone number right now.",
        help_epilogue="Settings are environment variables: see `hsp-otp settings`.",
    )
    for name, what_for in COMMANDS.items():
        module = "serve" if name == "dev" else name
        told = {"help": what_for} if listed else {}
        app.command(f"hsp_otp.entrypoints.cli.{module}:{name}", name=name, **told)
    return app


def main() -> None:
    """Run the command that the arguments name; mistakes are one line on stderr."""
    app = made(listed=not {*sys.argv[1:]} - {"--help", "-h"})
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
        is_plain = told.startswith(("Redis", "the SQL"))
        _fail(told if is_plain else "the SQL database did not answer", FAILED)
    except BrokenPipeError:
        # Whoever read has seen enough; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


def _fail(line: str, status: int) -> NoReturn:
    print(f"hsp-otp: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(status)
