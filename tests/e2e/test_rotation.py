"""Keys rotate while codes and tokens live: docs/contract.md, 2.2 and 5.2, rule 10."""

import contextlib
import csv
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import attrs
import pytest

from tests.e2e.server import Server, command, until
from tests.e2e.sessions import NO_LIMITS, me, refresh, said, sign_in

PEOPLE: Final = 12

TRAVELLER: Final = 0
"""Whose session goes on all the time."""

pytestmark = pytest.mark.timeout(240)


def pass_of(person: int) -> str:
    """Everybody has a pass."""
    return f"HSP-0000-{person:04d}"


def number_of(person: int) -> str:
    """Everybody has a number."""
    return f"+9198{person:08d}"


@attrs.frozen
class NewKey:
    """What `hsp-otp keys new` says, without the names of the settings."""

    id: str
    secret: str
    signing: str


def new_key(folder: Path, algorithm: str) -> NewKey:
    """Another key: its id is the second in which it was made."""
    command_line = ("keys", "new", folder, "--algorithm", algorithm)
    made = until(lambda: found if (found := command(folder, *command_line)).stdout else None)
    lines = dict(line.split("=", 1) for line in made.stdout.splitlines())
    secret, signing = lines["HSP_OTP_SECRET_KEYS"], lines["HSP_OTP_JWT_KEYS"]
    return NewKey(secret.split(":")[0], secret, signing)


@attrs.frozen
class Deployment:
    """One service over one database: its servers come and go."""

    folder: Path
    algorithm: str

    def start(self, *keys: NewKey) -> Server:
        """A server with *keys*; the first writes and signs."""
        folder = self.folder / "-".join(key.id for key in keys)
        folder.mkdir()
        settings: Mapping[str, str] = {
            "MODE": "development",
            "DATABASE_URL": f"sqlite+aiosqlite:///{self.folder / 'hsp-otp.db'}",
            "JWT_ALGORITHM": self.algorithm,
            "JWT_KEYS": ",".join(key.signing for key in keys),
            "SECRET_KEYS": ",".join(key.secret for key in keys),
            **NO_LIMITS,
        }
        return Server(folder, "serve", **settings)


class Traffic:
    """Somebody who signs in over and over, and whose session goes on, at whatever server runs."""

    def __init__(self, *servers: Server) -> None:
        self._servers = servers
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._rounds = 0
        self._refused: list[str] = []

    def serve_by(self, *servers: Server) -> None:
        """Requests go to *servers* in turn; returns once they do, and were all accepted."""
        self._servers = servers
        # One round may have begun before; of the next two, each server begins one.
        enough = self._rounds + 3
        until(lambda: self._rounds >= enough or self._refused)
        assert self._refused == []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """It goes on until the block ends."""
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def _run(self) -> None:
        token = None
        try:
            while not self._over.is_set():
                servers = self._servers[:: -1 if self._rounds % 2 else 1]
                token = self._go_round(servers[0], servers[-1], token)
                self._rounds += 1
                self._over.wait(0.05)  # the servers have more to do than this
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is to fail by it
            self._refused.append(repr(error))

    def _go_round(self, here: Server, there: Server, token: str | None) -> str:
        """Two servers while one replaces the other: each finds good what the other gave."""
        assert here.send(pass_of(TRAVELLER)).status == 200
        code = here.message_to(number_of(TRAVELLER)).code
        signed_in = there.verify(pass_of(TRAVELLER), code)
        assert signed_in.status == 200, signed_in.body
        for server in (here, there):
            shown = me(server, signed_in["access_token"])
            assert shown.status == 200, shown.body
        refreshed = refresh(here, token or signed_in["refresh_token"])
        assert refreshed.status == 200, refreshed.body
        assert me(there, refreshed["access_token"]).status == 200
        again = refresh(there, refreshed["refresh_token"])
        assert again.status == 200, again.body
        newest = again["refresh_token"]
        assert isinstance(newest, str)
        return newest


class Holder:
    """Somebody who has a code or a session, and comes back to it after a roll."""

    def __init__(self, person: int, server: Server) -> None:
        self._pass_code, self._number = pass_of(person), number_of(person)
        assert server.send(self._pass_code).status == 200
        self.code = server.message_to(self._number).code
        other = pass_of(person + 1), number_of(person + 1)
        signed_in = sign_in(server, *other)
        self.access_token = signed_in["access_token"]
        self.refresh_token = signed_in["refresh_token"]

    def finds_all_good(self, server: Server) -> bool:
        """Present everything: each is accepted."""
        return (
            me(server, self.access_token).status == 200
            and refresh(server, self.refresh_token).status == 200
            and server.verify(self._pass_code, self.code).status == 200
        )

    def finds_all_gone(self, server: Server) -> bool:
        """Present everything: each is refused, and no harm done."""
        return (
            said(me(server, self.access_token)) == (401, "invalid_token")
            and said(refresh(server, self.refresh_token)) == (401, "invalid_token")
            and said(server.verify(self._pass_code, self.code)) == (400, "otp_expired")
        )


def kids(server: Server) -> list[str]:
    """The ids of the published keys, in their order."""
    return [key["kid"] for key in server.get("/.well-known/jwks.json")["keys"]]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with everybody's pass."""
    folder = tmp_path_factory.mktemp("prepared")
    heading = "pass_code payment_status plan_name expires_at email first_name last_name"
    with (folder / "passes.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*heading.split(), "phone_number"])
        for person in range(PEOPLE):
            email = f"u{person}@example.com"
            out.writerow([pass_of(person), "paid", "Gold", "", email, "A", "B", number_of(person)])
    assert command(folder, "db", "upgrade").returncode == 0
    assert command(folder, "passes", "import", "passes.csv").returncode == 0
    return folder / "hsp-otp.db"


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    """A folder with a database of its own."""
    with (
        closing(sqlite3.connect(prepared)) as source,
        closing(sqlite3.connect(tmp_path / "hsp-otp.db")) as copy,
    ):
        source.backup(copy)
    return tmp_path


def test_keys_rotate_under_traffic(folder: Path) -> None:
    """Append, roll, promote, roll, drop: nothing good is refused, and nothing dropped is good."""
    deployment = Deployment(folder, "ES256")
    old, new = (new_key(folder, deployment.algorithm) for _ in range(2))

    @contextlib.contextmanager
    def roll(before: Server, *keys: NewKey) -> Iterator[Server]:
        """Both serve for a while; then the former stops, and the latter serves on."""
        with deployment.start(*keys) as server:
            traffic.serve_by(before, server)
            traffic.serve_by(server)
            assert before.stop() == 0
            yield server

    with deployment.start(old) as first:
        assert kids(first) == [old.id]
        holder, leaver = Holder(1, first), Holder(3, first)
        traffic = Traffic(first)
        with traffic.running(), roll(first, old, new) as appended:
            assert kids(appended) == [old.id, new.id]
            assert holder.finds_all_good(appended)
            holder = Holder(5, appended)
            with roll(appended, new, old) as promoted:
                assert kids(promoted) == [new.id, old.id]
                assert holder.finds_all_good(promoted)
                assert me(promoted, leaver.access_token).status == 200
                holder = Holder(7, promoted)
                with roll(promoted, new) as dropped:
                    assert kids(dropped) == [new.id]
                    assert holder.finds_all_good(dropped)
                    assert leaver.finds_all_gone(dropped)
                    traffic.serve_by(dropped)


def test_a_new_key_that_writes_at_once_is_refused_elsewhere(folder: Path) -> None:
    """Why a key is appended first: servers that do not know it yet refuse what it made."""
    deployment = Deployment(folder, "EdDSA")
    old, new = (new_key(folder, deployment.algorithm) for _ in range(2))
    with deployment.start(old) as before, deployment.start(new, old) as after:
        assert Holder(1, after).finds_all_gone(before)
        assert Holder(3, before).finds_all_good(after)
