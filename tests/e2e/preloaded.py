"""
Commands in processes that have already loaded the program.

A new Python takes a second of CPU time to load it, which is most of the time of a command and half
of a server's start. A test says so if it needs to start the program like an operator does.
"""

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_COMMANDS: Final = (
    *(
        "api_keys",
        "audit",
        "db",
        "doctor",
        "erase",
        "keys",
        "let",
        "ops",
        "passes",
        "purge",
        "serve",
        "settings",
    ),
    "unlock",
)

LOADED: Final = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload(
    [
        "hsp_otp.entrypoints.cli.main",
        *(f"hsp_otp.entrypoints.cli.{name}" for name in _COMMANDS),
        # Modules that commands load on use.
        *("alembic.command", "hsp_otp.adapters.sql.sqlite", "hsp_otp.adapters.sql.postgres"),
        *("hsp_otp.adapters.redis.fallback", "hsp_otp.adapters.redis.server_checks"),
    ]
)
"""Forks processes from one that has loaded the program; they inherit its environment."""


class Preloaded:
    """A process that runs the command, with the parts of `subprocess.Popen` that tests need."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        out: Path,
        err: Path,
    ) -> None:
        """Start the command in *folder*; its output is appended to two files."""
        self._process = LOADED.Process(
            target=_be_the_command, args=(list(arguments), folder, dict(environ), out, err)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """
        Wait for its end, and return the exit status.

        Raises:
            TimeoutExpired: It has not ended after *timeout* seconds.
        """
        self._process.join(timeout)
        status = self.returncode
        if status is None:
            raise subprocess.TimeoutExpired("hsp-otp", timeout or 0)
        return status

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill it and all processes that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()  # it may not lead its own process group yet


def run(
    arguments: Sequence[str], folder: Path, environ: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """
    Run `hsp-otp` with *arguments* in *folder* until it ends.

    Raises:
        TimeoutExpired: It did not end in time.
    """
    with tempfile.TemporaryDirectory() as name:
        out, err = Path(name, "out"), Path(name, "err")
        process = Preloaded(arguments, folder, environ, out, err)
        try:
            status = process.wait(seconds)
        finally:
            process.kill()
        return subprocess.CompletedProcess(
            arguments, status, out.read_text("utf-8"), err.read_text("utf-8")
        )


def _be_the_command(
    arguments: list[str], folder: Path, environ: dict[str, str], out: Path, err: Path
) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for file, mode, number in ((Path(os.devnull), "rb", 0), (out, "ab", 1), (err, "ab", 2)):
        with file.open(mode) as opened:
            os.dup2(opened.fileno(), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - like in every process
    sys.argv = ["hsp-otp", *arguments]
    from hsp_otp.entrypoints.cli.main import main  # noqa: PLC0415 - already loaded here

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001 - like every process that is not forked
