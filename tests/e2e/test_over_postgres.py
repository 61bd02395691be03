"""The commands and a server over PostgreSQL, and what becomes of requests when it is away."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.e2e.server import Server, command, until
from tests.integration import postgres_server
from tests.integration.behind import LATE

DEMO = "HSP-1234-5678"

HEADER = "pass_code,payment_status,plan_name,expires_at,email,first_name,last_name,phone_number\n"


@pytest.fixture(scope="module")
def postgres() -> Iterator[postgres_server.Server]:
    """A server that may be maltreated."""
    with postgres_server.Server("max_connections=30") as found:
        yield found


@pytest.fixture
def database(postgres: postgres_server.Server, request: pytest.FixtureRequest) -> str:
    """The URL of a new database with nothing in it."""
    name = f"t{abs(hash(request.node.name))}"
    asyncio.run(postgres_server.execute(postgres.url, f"CREATE DATABASE {name} TEMPLATE template0"))
    return make_url(postgres.url).set(database=name).render_as_string()


def query(url: str, statement: str) -> list[object]:
    """The first column of what is found."""
    return [row[0] for row in asyncio.run(postgres_server.execute(url, statement))]


@pytest.mark.timeout(180)
def test_away_and_back(postgres: postgres_server.Server, database: str, tmp_path: Path) -> None:
    """A server that freezes or dies is 503 in time, nothing is sent, and then all works."""
    with Server(tmp_path, "dev", DATABASE_URL=database, RESEND_COOLDOWN_SECONDS="0") as server:
        assert server.send(DEMO)["sent"] is True
        for leave, come_back in (
            (postgres.freeze, postgres.thaw),
            (postgres.kill, postgres.start),
        ):
            sent = len(server.messages)
            code = server.messages[-1].code
            leave()
            try:
                for path, body in (
                    ("send-otp", {"pass_code": DEMO}),
                    ("validate-pass", {"pass_code": DEMO}),
                    ("verify-otp", {"pass_code": DEMO, "otp": code}),
                ):
                    began = time.monotonic()
                    answer = server.post(f"/customer/{path}/", body)
                    assert time.monotonic() - began < LATE
                    assert (answer.status, answer["error"]) == (503, "unavailable")
                    assert "retry-after" in answer.headers
                until(lambda: server.get("/readyz").status == 503)
                assert server.get("/healthz").status == 200
                assert len(server.messages) == sent
            finally:
                come_back()
            until(lambda: server.get("/readyz").status == 200)
            assert server.verify(DEMO, code)["success"] is True
            assert server.send(DEMO)["sent"] is True
        assert server.complaints != []  # it told of what was away, without a word of whom
        for secret in ("+919876543210", *(message.code for message in server.messages)):
            assert secret not in server.errors
        assert server.stop() == 0


@pytest.mark.timeout(180)
def test_the_commands(database: str, tmp_path: Path) -> None:
    """Upgrade, import, show, unlock, let and purge do over PostgreSQL what they do over SQLite."""
    settings = {"DATABASE_URL": database, "MODE": "development"}
    early = command(tmp_path, "passes", "show", DEMO, **settings)
    assert (early.returncode, "hsp-otp db upgrade" in early.stderr) == (1, True)
    assert command(tmp_path, "db", "upgrade", **settings).returncode == 0
    line = f"{DEMO},paid,Gold,2099-12-31,Asha@example.com,Asha,Rao,+919876543210\n"
    (tmp_path / "passes.csv").write_text(HEADER + line + "HSP-1,paid,,,,,,\n")
    for told in ("1 added, 0 changed, 0 unchanged", "0 added, 0 changed, 1 unchanged"):
        done = command(tmp_path, "passes", "import", "passes.csv", **settings)
        assert done.returncode == 1
        assert f"passes: {told}\nusers: {told}\n" in done.stdout
        assert done.stderr.startswith("line 3: ")
    shown = command(tmp_path, "passes", "show", DEMO, **settings)
    assert "asha@example.com" in shown.stdout
    done = command(tmp_path, "unlock", "--pass-code", DEMO, "--reason", "called", **settings)
    assert (done.returncode, done.stdout) == (0, "unlocked 1 user\n")
    assert query(database, "SELECT reason FROM audit") == ["called"]
    let = ("let", "--pass-code", DEMO, "--address", "203.0.113.7", "--reason", "called")
    done = command(tmp_path, *let, **settings)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "let 203.0.113.7 in:")
    assert query(database, "SELECT client FROM audit WHERE action = 'let'") == ["203.0.113.7"]
    assert command(tmp_path, "purge", **settings).returncode == 0


@pytest.mark.timeout(120)
def test_a_large_file(database: str, tmp_path: Path) -> None:
    """A large file is imported within the patience of a test, and again without a change."""
    settings = {"DATABASE_URL": database}
    assert command(tmp_path, "db", "upgrade", **settings).returncode == 0
    lines = (
        f"HSP-{n // 10_000:04d}-{n % 10_000:04d},paid,Gold,,u{n}@example.com,A,B,+9198{n:08d}\n"
        for n in range(20_000)
    )
    (tmp_path / "passes.csv").write_text(HEADER + "".join(lines))
    done = command(tmp_path, "passes", "import", "passes.csv", **settings)
    assert done.returncode == 0, done.stderr
    assert query(database, "SELECT count(*) FROM passes") == [20_000]


@pytest.mark.timeout(180)
def test_a_server_that_would_forget(database: str, tmp_path: Path) -> None:
    """Production refuses a server that could forget a used code in a crash, in one line."""
    made = command(tmp_path, "keys", "new", "keys")
    lines = (line.removeprefix("HSP_OTP_").split("=", 1) for line in made.stdout.splitlines())
    settings = {
        **dict(lines),
        "DATABASE_URL": database,
        "SENDERS": "twilio",
        "TWILIO_ACCOUNT_SID": "AC1",
        "TWILIO_AUTH_TOKEN": "made-up",
        "TWILIO_FROM": "+15005550006",
    }
    assert command(tmp_path, "db", "upgrade", **settings).returncode == 0
    name = make_url(database).database
    for setting, told in (("off", "synchronous_commit is off"), ("local", "fsync is off")):
        query(database, f"ALTER DATABASE {name} SET synchronous_commit = {setting}")
        refused = command(tmp_path, "serve", **settings)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(f"hsp-otp: HSP_OTP_DATABASE_URL: {told} there, so ")
        assert len(refused.stderr.splitlines()) == 1


def test_a_server_of_another_encoding(postgres: postgres_server.Server, tmp_path: Path) -> None:
    """A database that cannot hold every name is refused, in any mode."""
    query(
        postgres.url,
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    url = make_url(postgres.url).set(database="latin").render_as_string()
    refused = command(tmp_path, "dev", DATABASE_URL=url)
    assert refused.returncode == 1
    assert "its encoding is LATIN1, but UTF8 is required" in refused.stderr
