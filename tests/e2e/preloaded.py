"""
Commands in processes that have the program loaded already.

A new Python needs a second of computing to load it, which is most of what a command takes, and
half of what a server takes to start. Where it is to be started as an operator does, a test says so.
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
    *("audit", "db", "doctor", "erase", "keys", "passes", "purge", "serve", "settings", "unlock"),
)

LOADED: Final = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload(
    [
        "hsp_otp.entrypoints.cli.main",
        *(f"hsp_otp.entrypoints.cli.{name}" for name in _COMMANDS),
        # What a command loads when it is sure to need it.
        *("alembic.command", "hsp_otp.adapters.sql.sqlite", "hsp_otp.adapters.sql.postgres"),
        *("hsp_otp.adapters.redis.fallback", "hsp_otp.adapters.redis.server_checks"),
    ]
)
"""Makes processes as copies of one that has loaded the program; they know its environment."""


class Preloaded:
    """A process that is the command, with what tests need of `subprocess.Popen`."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        out: Path,
        err: Path,
    ) -> None:
        """Start it in *folder*; what it says is added to two files."""
        self._process = LOADED.Process(
            target=_be_the_command, args=(list(arguments), folder, dict(environ), out, err)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its status; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """
        Its status, once it has ended.

        Raises:
            TimeoutExpired: It has not, after *timeout* seconds.
        """
        self._process.join(timeout)
        status = self.returncode
        if status is None:
            raise subprocess.TimeoutExpired("hsp-otp", timeout or 0)
        return status

    def terminate(self) -> None:
        """Tell it to stop."""
        self._process.terminate()

    def kill(self) -> None:
        """End it on the spot, and all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()  # it may have had no time yet to lead a group of its own


def run(
    arguments: Sequence[str], folder: Path, environ: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """
    Run `hsp-otp` with *arguments* to its end, in *folder*.

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
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as every process has it
    sys.argv = ["hsp-otp", *arguments]
    from hsp_otp.entrypoints.cli.main import main  # noqa: PLC0415 - where it is loaded already

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001 - as every process does that is not a copy
