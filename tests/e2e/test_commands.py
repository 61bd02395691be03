"""What an operator types beside a server that runs: docs/contract.md, section 10."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server, command

DEMO = "HSP-1234-5678"
HEADER = "pass_code,payment_status,plan_name,expires_at,email,first_name,last_name,phone_number\n"
PASSES = (
    "HSP-2000-0001,paid,Silver,2020-03-31,ravi@example.com,Ravi,Kumar,98123 45678\n"
    "HSP-2000-0002,pending,Silver,,ravi@example.com,Ravi,Kumar,98123 45678\n"
    "HSP-2000-0003,paid,Gold,,meera@example.com,Meera,Nair,+91 98123 45678\n"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that locks after two wrong guesses, with more passes than the demo's."""
    (tmp_path / "passes.csv").write_text(HEADER + PASSES)
    settings = {"FAILED_GUESSES_PER_DAY": "2", "RESEND_COOLDOWN_SECONDS": "0"}
    with Server(tmp_path, **settings) as found:
        assert run(found, "passes", "import", "passes.csv") == ""
        yield found


def run(server: Server, *arguments: str) -> str:
    """Run a command beside *server*; what it complains of."""
    return command(server.folder, *arguments, MODE="development").stderr


def lock(server: Server, pass_code: str) -> None:
    """Guess wrong until nothing is judged any more."""
    assert server.send(pass_code).status == 200
    wrong = f"{(int(server.messages[-1].code) + 1) % 1_000_000:06d}"
    assert [server.verify(pass_code, wrong)["error"] for _ in range(3)] == [
        "invalid_otp",
        "invalid_otp",
        "locked_out",
    ]
    assert server.send(pass_code)["error"] == "locked_out"


def unlocks(server: Server) -> list[Any]:
    """The audit rows of unlocks."""
    with closing(sqlite3.connect(server.folder / "hsp-otp.db")) as connection:
        return connection.execute(
            "SELECT outcome, purpose, contact, region, reason, client, pass_code, count FROM audit"
            " WHERE action = 'unlock' ORDER BY id"
        ).fetchall()


def told(reason: str, phone: str, pass_code: str | None = None) -> tuple[object, ...]:
    """The audit row of an unlock."""
    return ("unlocked", "phone_verification", phone, "IN", reason, None, pass_code, 1)


def test_an_operator_unlocks_by_a_pass(server: Server) -> None:
    """`unlock --pass-code` lets its user ask and sign in again, and is audited with the reason."""
    lock(server, DEMO)
    lock(server, "HSP-2000-0001")
    done = command(
        server.folder,
        *("unlock", "--pass-code", DEMO.lower(), "--reason", " called back "),
        MODE="development",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "unlocked 1 user\n", "")
    assert unlocks(server) == [told("called back", "***-***-3210", "HSP-****-5678")]
    assert server.verify(DEMO, server.message_to("+919876543210").code).status == 200
    assert server.send("HSP-2000-0001")["error"] == "locked_out"


def test_an_operator_unlocks_by_a_number(server: Server) -> None:
    """`unlock --phone` unlocks all users with the number, in national form too, for one purpose."""
    lock(server, "HSP-2000-0001")
    lock(server, "HSP-2000-0003")
    done = command(
        server.folder,
        *("unlock", "--phone", "98123 45678", "--purpose", "phone_verification"),
        *("--reason", "both called"),
        MODE="development",
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "unlocked 2 users and verifications for apps\n",
        "",
    )
    assert unlocks(server) == [told("both called", "***-***-5678")] * 3
    assert server.send("HSP-2000-0001").status == 200
    assert server.send("HSP-2000-0003").status == 200


def test_an_operator_unlocks_a_number_for_signup(prepared: Path) -> None:
    """`unlock --phone` unlocks the number's signup too, whoever has the number or nobody."""
    arguments = ("unlock", "--phone", "+919812345679", "--reason", "called")
    done = command(prepared, *arguments, MODE="development")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "unlocked the number's signup\n"
    with closing(sqlite3.connect(prepared / "hsp-otp.db")) as connection:
        rows = connection.execute(
            "SELECT purpose, contact FROM audit WHERE action = 'unlock'"
        ).fetchall()
    assert rows == [("signup", "***-***-5679")]


def test_an_operator_forgets_known_devices(server: Server) -> None:
    """`unlock --devices` makes strangers of them, and its audit row says so."""
    assert server.send(DEMO).status == 200
    assert server.verify(DEMO, server.message_to("+919876543210").code).status == 200
    devices = "SELECT json_extract(body, '$.devices.until') FROM records WHERE key LIKE 'slot:%'"
    with closing(sqlite3.connect(server.folder / "hsp-otp.db")) as connection:
        assert connection.execute(devices).fetchone()[0] is not None
        arguments = ("unlock", "--pass-code", DEMO, "--reason", "phone stolen", "--devices")
        done = command(server.folder, *arguments, MODE="development")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "unlocked 1 user; no device is known any more\n"
        assert connection.execute(devices).fetchone()[0] is None
    (row,) = unlocks(server)
    assert (row[0], row[4]) == ("devices_forgotten", "phone stolen")


def test_an_operator_lets_an_address_in(server: Server) -> None:
    """`let` admits asks and guesses of that address past the lock, and says what and until when."""
    lock(server, DEMO)
    arguments = ("--pass-code", DEMO, "--address", "127.0.0.1", "--reason", " called, ticket 4711 ")
    done = command(server.folder, "let", *arguments, MODE="development")
    assert (done.returncode, done.stderr) == (0, "")
    first, line = done.stdout.splitlines()
    assert first == "let 127.0.0.1 in:"
    assert re.fullmatch(
        r"  phone_verification of user \S{22}: 3 sends and 6 guesses "
        r"until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC",
        line,
    )
    with closing(sqlite3.connect(server.folder / "hsp-otp.db")) as connection:
        rows = connection.execute(
            "SELECT outcome, purpose, client, contact, pass_code, reason FROM audit"
            " WHERE action = 'let'"
        ).fetchall()
    told = ("let_in", "phone_verification", "127.0.0.1", "***-***-3210", "HSP-****-5678")
    assert rows == [(*told, "called, ticket 4711")]
    assert server.send(DEMO).status == 200
    assert server.verify(DEMO, server.message_to("+919876543210").code).status == 200


def test_an_address_is_let_in_by_a_number(prepared: Path) -> None:
    """`let --phone` lists all its users and its signup; an IPv6 address counts as its /64."""
    arguments = ("let", "--phone", "98123 45678", "--address", "2001:db8::7", "--reason", "called")
    done = command(prepared, *arguments, MODE="development")
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines = done.stdout.splitlines()
    assert first == "let 2001:db8::/64 in:"
    assert [re.sub(r"user \S{22}$", "user", line.partition(":")[0]) for line in lines] == [
        "  phone_verification of user",
        "  phone_verification of user",
        "  signup of the number",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--address", "203.0.113.7", "--reason", "x"), "let takes either --pass-code or --phone"),
        (("--pass-code", DEMO, "--reason", "x"), "--address"),
        (("--pass-code", DEMO, "--address", "203.0.113.7"), "--reason"),
        (("--pass-code", DEMO, "--address", "here", "--reason", "x"), "--address: takes an IPv4"),
        (("--pass-code", DEMO, "--address", "unknown", "--reason", "x"), "--address: takes an"),
        (("--pass-code", DEMO, "--address", "203.0.113.0/24", "--reason", "x"), "--address"),
        (("--pass-code", DEMO, "--address", "203.0.113.7", "--reason", " "), "printable text"),
        (("--pass-code", "HSP-9999-9999", "--address", "203.0.113.7", "--reason", "x"), "no pass"),
        (("--phone", "12345", "--address", "203.0.113.7", "--reason", "x"), "--phone"),
    ],
    ids=[
        *("nobody", "no address", "no reason", "no address at all", "everybody's", "a network"),
        *("empty reason", "unknown pass", "malformed number"),
    ],
)
def test_a_mistaken_let_is_one_line(prepared: Path, arguments: tuple[str, ...], says: str) -> None:
    """A `let` that names nobody, no address or no reason is one line and changes nothing."""
    done = command(prepared, "let", *arguments, MODE="development")
    assert done.returncode in {1, 2}
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("hsp-otp: ")
    assert says in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--reason", "x"), "either --pass-code or --phone"),
        (("--pass-code", DEMO, "--phone", "9876543210", "--reason", "x"), "either --pass-code"),
        (("--pass-code", DEMO), "--reason"),
        (("--pass-code", DEMO, "--reason", " "), "reason"),
        (("--pass-code", "HSP-1", "--reason", "x"), "--pass-code"),
        (("--pass-code", "HSP-9999-9999", "--reason", "x"), "no pass"),
        (("--phone", "12345", "--reason", "x"), "--phone"),
        (
            ("--phone", "+919812345679", "--reason", "x", "--purpose", "phone_verification"),
            "nobody has that number",
        ),
        (("--pass-code", DEMO, "--reason", "x", "--purpose", "signup"), "--phone"),
        (("--phone", "9876543210", "--reason", "x", "--purpose", "payment"), "--purpose"),
        (("--pass-code", DEMO, "--reason", "x\udcff"), "reason"),
        (("--pass-code", DEMO, "--reason", "from 98765 43210"), "never holds"),
    ],
    ids=[
        *("nobody", "two ways", "no reason", "empty reason", "malformed pass", "unknown pass"),
        *(
            "malformed number",
            "unknown number",
            "signup of a pass",
            "unknown purpose",
            "reason that is no text",
            "reason with a number",
        ),
    ],
)
def test_a_mistaken_unlock_is_one_line(
    prepared: Path, arguments: tuple[str, ...], says: str
) -> None:
    """An unlock that names nobody, or gives no reason, is one line and changes nothing."""
    done = command(prepared, "unlock", *arguments, MODE="development")
    assert done.returncode in {1, 2}
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("hsp-otp: ")
    assert says in line


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database and passes, and no server."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "passes.csv").write_text(HEADER + PASSES + _DEMO_LINE)
    assert command(folder, "db", "upgrade", MODE="development").returncode == 0
    done = command(folder, "passes", "import", "passes.csv", MODE="development")
    assert (done.returncode, done.stderr) == (0, "")
    return folder


_DEMO_LINE = f"{DEMO},paid,Gold,2099-12-31,asha@example.com,Asha,Rao,+919876543210\n"


def test_a_pass_is_shown(prepared: Path) -> None:
    """`passes show` tells all that is kept of a pass, its number and code masked."""
    done = command(prepared, "passes", "show", "hsp-2000-0001", MODE="development")
    assert (done.returncode, done.stderr) == (0, "")
    shown = dict(re.split(r":\s*", line, maxsplit=1) for line in done.stdout.splitlines())
    assert {**shown, "user": ""} == {
        "pass": "HSP-****-0001",
        "plan": "Silver",
        "payment": "paid",
        "status": "active",
        "expires": "2020-03-31T23:59:59Z (past)",
        "user": "",
        "email": "ravi@example.com",
        "name": "Ravi Kumar",
        "phone": "***-***-5678 (not verified)",
    }


@pytest.mark.parametrize("code", ["HSP-9999-9999", "HSP-1"], ids=["unknown", "malformed"])
def test_a_pass_that_is_not_there_is_one_line(prepared: Path, code: str) -> None:
    """A pass that cannot be shown is one line on stderr."""
    done = command(prepared, "passes", "show", code, MODE="development")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_sign_in_marks_user_and_pass(server: Server) -> None:
    """After a sign-in its user is verified, and a pass past its end is marked expired."""
    assert server.send("HSP-2000-0001").status == 200
    answer = server.verify("HSP-2000-0001", server.message_to("+919812345678").code)
    assert answer["pass"]["is_expired"] is True
    assert answer["pass"]["status"] == "expired"
    shown = command(server.folder, "passes", "show", "HSP-2000-0001", MODE="development").stdout
    assert re.search(r"^status: +expired$", shown, re.MULTILINE)
    assert re.search(r"^phone: .* \(verified\)$", shown, re.MULTILINE)


def test_an_upgrade_can_be_repeated(tmp_path: Path) -> None:
    """`db upgrade` makes the schema, and says so again where it is there already."""
    for _ in range(2):
        done = command(tmp_path, "db", "upgrade")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "the database has the newest schema\n"


def test_nothing_that_is_made_is_open_to_others(tmp_path: Path) -> None:
    """Whatever the umask, a new database and new keys are for their owner alone."""
    made = tmp_path / "new" / "folder"
    before = os.umask(0)
    try:
        settings = {"DATABASE_URL": f"sqlite+aiosqlite:///{made}/otp.db"}
        with Server(tmp_path, "dev", **settings) as server:
            assert server.send(DEMO).status == 200
            running = {file.name for file in made.iterdir()}
        assert command(tmp_path, "keys", "new", "keys").returncode == 0
        assert command(tmp_path, "db", "upgrade").returncode == 0
        (tmp_path / "passes.csv").write_text(HEADER + PASSES)
        assert command(tmp_path, "passes", "import", "passes.csv").returncode == 0
    finally:
        os.umask(before)
    assert {"otp.db", "otp.db-wal", "otp.db-shm", "otp.db.keys"} <= running
    found = [made.parent, *made.parent.rglob("*"), *tmp_path.glob("hsp-otp.db*")]
    found += [tmp_path / "keys", *(tmp_path / "keys").iterdir()]
    assert len(found) >= 8
    assert [path for path in found if path.stat().st_mode & 0o077] == []


def test_an_operator_checks_prices(tmp_path: Path) -> None:
    """`prices check` says what a file lacks, and why another cannot be read."""
    settings = {"SENDERS": "twilio", "SIGNUP_REGIONS": "IN,US"}
    (tmp_path / "prices.toml").write_text("[twilio]\nIN = 0.0832\n")
    done = command(tmp_path, "prices", "check", "prices.toml", **settings)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "twilio: 1 region, and $0.25 for all others",
        "warning: the file does not say when its prices were right",
        "warning: twilio has no price for US: $0.25 a segment is taken",
    ]
    (tmp_path / "bad.toml").write_text("[twilio]\nIndia = 0.0832\n")
    done = command(tmp_path, "prices", "check", "bad.toml", **settings)
    assert done.returncode == 1
    assert done.stderr.startswith("hsp-otp: 'bad.toml' has 'twilio.India'; takes ISO 3166-1 ")
