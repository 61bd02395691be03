"""The command line: its commands and error messages."""

import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final, NoReturn

from hsp_otp.entrypoints.errors import FAILED, MISUSED, OK, CommandError, SettingsError
from hsp_otp.ports.failures import Unavailable

if TYPE_CHECKING:
    import cyclopts

BROKEN_PIPE: Final = 141
"""The shell's exit status for a process that SIGPIPE ended."""

INTERRUPTED: Final = 130
"""The shell's exit status for a process that SIGINT ended."""

_COLLECTS_AFTER: Final = 20_000
"""Objects after which the garbage collector begins. Loading the program makes a hundred thousand;
searching them as often as by default would take a tenth of the time."""

COMMANDS: Final = {
    "serve": "Serve the API and the pages.",
    "dev": "Serve in development mode: SQLite, console sender, generated keys and a demo pass.",
    "settings": "Print every setting with its default, accepted values and meaning.",
    "keys": "Create keys for the service.",
    "apps": "Import and show the apps that other backends send codes for.",
    "api-keys": "Make, list and revoke API keys for other backends.",
    "test-contacts": "Add, list and remove contacts with a fixed code, for reviewers.",
    "verifications": "Show what happened to a verification of an app.",
    "db": "Manage the SQL database.",
    "passes": "Import and show passes.",
    "unlock": "Unlock a user or contact after failed guesses, and clear the failures counted.",
    "let": "Let one address past the limits and the lock of unknown devices, for an hour.",
    "purge": "Delete expired data: audit rows, sends, verifications, slots, usages and sign-ins.",
    "spend": "Show what messages cost by region, sender and flow, the caps, and what is owed.",
    "replay": "Judge past asks again, under these settings or others, and show what changes.",
    "prices": "Check a file of the prices of messages.",
    "report": "Report how many visitors reach each step of a flow.",
    "audit": "Query the audit: who requested what, and with which outcome.",
    "erase": "Erase a person's data; without --yes, only show what would be erased.",
    "ops": "Manage the operators who sign in at /ops/ by name.",
    "doctor": "Check the configuration, stores and senders; exit status 1 if a check fails.",
}
"""The commands and their help. Each is imported on use, because its dependencies load slowly."""


def made(*, listed: bool) -> "cyclopts.App":
    """
    Create the command line.

    Args:
        listed: Include only what the list of commands needs; each command has more help of its own.
    """
    import cyclopts  # noqa: PLC0415 - as in main

    app = cyclopts.App(
        name="hsp-otp",
        help="Proves, with a one-time code, that somebody holds a phone number right now.",
        help_epilogue="Settings are environment variables: see hsp-otp settings.",
        # Loading a parser of Markdown takes as long as all the rest.
        help_format="plaintext" if listed else "markdown",
    )
    for name, what_for in COMMANDS.items():
        module = "serve" if name == "dev" else name
        told = {"help": what_for} if listed else {}
        path = f"hsp_otp.entrypoints.cli.{module}:{name}".replace("-", "_")
        app.command(path, name=name, **told)
    return app


def main() -> None:
    """Run the command that the arguments name; errors are one line on stderr."""
    gc.set_threshold(_COLLECTS_AFTER)
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run() -> None:
    try:
        status = _called(sys.argv[1:]) or OK
        sys.stdout.flush()
        sys.exit(status)
    except SettingsError as error:
        _fail(str(error), MISUSED)
    except CommandError as error:
        _fail(str(error), FAILED)
    except Unavailable as error:
        told = str(error)
        # For SQL, "the SQL database" says more than the name of a driver.
        is_plain = told.startswith(("Redis", "the SQL"))
        _fail(told if is_plain else "the SQL database did not answer", FAILED)
    except BrokenPipeError:
        # The reader has closed the pipe; discard the rest of the buffer.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)


def _called(arguments: list[str]) -> int | None:
    """Run the command that *arguments* name, and return its exit status, if it has one."""
    # Imported late, because loading takes a while, in which somebody may press Ctrl-C.
    if arguments == ["serve"]:
        # A server needs no parser, which would take 5 MB of its memory.
        import_module("hsp_otp.entrypoints.server.lean_structlog")
        from hsp_otp.entrypoints.cli.serve import serve  # noqa: PLC0415

        return serve()
    import cyclopts  # noqa: PLC0415

    app = made(listed=not {*arguments} - {"--help", "-h"})
    try:
        status: int | None = app(arguments, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        _fail(str(error), MISUSED)
    return status


def _fail(line: str, status: int) -> NoReturn:
    print(f"hsp-otp: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(status)
