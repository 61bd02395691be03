"""A started Django project, with its commands and clients."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from tests.e2e.server import PATIENCE_SECONDS

ROOT: Final = Path(__file__).parents[2]

SERVER: Final = Path(__file__).with_name("django_server.py")


def listen() -> socket.socket:
    """Open a socket on a free port, so that the port is known before the project starts."""
    return socket.create_server(("127.0.0.1", 0), backlog=64)


class Project:
    """
    A project in examples/, on its own port and database.

    Browsers take the host `localhost` for another site than the service's `127.0.0.1`, as they
    would with two sites on the internet.
    """

    def __init__(self, name: str, listening: socket.socket, folder: Path, **settings: str) -> None:
        self._folder = ROOT / "examples" / name
        self._log = folder / f"{name}.txt"
        self._settings = settings | {
            "DJANGO_SECRET_KEY": "only-for-tests",
            "DJANGO_DATABASE": str(folder / f"{name}.db"),
        }
        self.origin = f"http://localhost:{listening.getsockname()[1]}"
        self.manage("migrate", "-v", "0")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, SERVER, str(listening.fileno())],
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[listening.fileno()],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """End it, and check that no request failed."""
        self._process.kill()
        self._process.wait(PATIENCE_SECONDS)
        if kind is None:
            assert "Traceback" not in self.log

    def _environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
        return kept | {"PYTHONWARNINGS": "error"} | self._settings

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text("utf-8")

    def manage(self, *arguments: str | Path) -> str:
        """Run a command of the project, and return its output."""
        done = subprocess.run(  # noqa: S603
            [sys.executable, "manage.py", *arguments],
            cwd=self._folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def client(self, **more: Any) -> httpx2.Client:  # noqa: ANN401 - what the library takes
        """Make a client with cookies of its own; like browsers, it trusts this machine."""
        policy = DefaultCookiePolicy(secure_protocols=("http", "https"))
        return httpx2.Client(
            base_url=self.origin,
            cookies=CookieJar(policy),
            timeout=PATIENCE_SECONDS,
            trust_env=False,
            **more,
        )
