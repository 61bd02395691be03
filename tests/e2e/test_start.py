"""Mistakes at the start, each one line: docs/contract.md, 9 and 10."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hsp_otp.entrypoints.cli.main import INTERRUPTED, main
from hsp_otp.entrypoints.errors import FAILED, MISUSED, OK
from tests.e2e.server import (
    COMMAND,
    PATIENCE_SECONDS,
    NewServer,
    command,
    environment,
    until,
)

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "docs" / "contract.md"

SHORT = "czNjcjN0LXMzY3IzdC1zM2NyM3Q="
"""Twenty bytes in base64."""

LONG = "czNjcjN0LXMzY3IzdC1zM2NyM3QtczNjcjN0LXMzY3IzdA=="
"""Enough of them."""


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
"""The begin of one."""


@attrs.frozen
class Mistake:
    """
    Something that is not to be started.

    Attributes:
        says: What stands in the one line.
        files: Their contents by name.
        without: What does not stand in it.
    """

    says: str
    settings: dict[str, str]
    name: str = "dev"
    files: dict[str, bytes] = attrs.field(factory=dict)
    without: str = SHORT


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    """A key file."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def toml(text: str | bytes) -> dict[str, bytes]:
    """A file of settings."""
    return {"otp.toml": text if isinstance(text, bytes) else text.encode()}


CONFIG = {"CONFIG": "otp.toml"}

MISTAKES = {
    "unknown variable": Mistake("HSP_OTP_LIFETIME", {"LIFETIME": "600"}),
    "typo beside what Kubernetes sets": Mistake(
        "HSP_OTP_PROT: there is no such setting",
        {"PROT": "tcp://10.0.0.1:8000", "SERVICE_HOST": "10.0.0.1"},
    ),
    "port that is none": Mistake(
        "HSP_OTP_PORT: got 'x', takes a whole number from 0 to 65535", {"PORT": "x"}, without="off"
    ),
    "port in quotes": Mistake("(the quotes around it are part of the value)", {"PORT": "'8000'"}),
    "lifetime above ten minutes": Mistake(
        "HSP_OTP_LOGIN_CODE_SECONDS: got '601', takes a whole number from 1 to 600",
        {"LOGIN_CODE_SECONDS": "601"},
    ),
    "wildcard proxy": Mistake("HSP_OTP_TRUSTED_PROXIES: got '*'", {"TRUSTED_PROXIES": "*"}),
    "every IPv6 proxy": Mistake("HSP_OTP_TRUSTED_PROXIES", {"TRUSTED_PROXIES": "10.0.0.1,::/0"}),
    "unknown mode": Mistake("HSP_OTP_MODE", {"MODE": "test"}, "serve"),
    "link as a name": Mistake("HSP_OTP_SERVICE_NAME", {"SERVICE_NAME": "evil.example"}),
    "short secret key": Mistake("HSP_OTP_SECRET_KEYS", {"SECRET_KEYS": f"k1:{SHORT}"}),
    "secret key without an id": Mistake("HSP_OTP_SECRET_KEYS", {"SECRET_KEYS": LONG}, without=LONG),
    "short shared secret": Mistake(
        "HSP_OTP_JWT_KEYS", {"JWT_ALGORITHM": "HS256", "JWT_KEYS": f"k1:{SHORT}"}
    ),
    "secret where a path belongs": Mistake(
        "HSP_OTP_JWT_KEYS", {"JWT_KEYS": f"k1:{LONG}"}, without=LONG
    ),
    "key of another curve": Mistake(
        "HSP_OTP_JWT_KEYS",
        {"JWT_KEYS": "k1:key.pem"},
        files={"key.pem": pem(ec.generate_private_key(ec.SECP384R1()))},
    ),
    "key of another kind": Mistake(
        "HSP_OTP_JWT_KEYS",
        {"JWT_KEYS": "k1:key.pem"},
        files={"key.pem": pem(ed25519.Ed25519PrivateKey.generate())},
    ),
    "RSA key": Mistake(
        "HSP_OTP_JWT_KEYS",
        {"JWT_KEYS": "k1:key.pem", "JWT_ALGORITHM": "EdDSA"},
        files={"key.pem": pem(rsa.generate_private_key(65537, 2048))},
    ),
    "console in production": Mistake("HSP_OTP_SENDERS", {"SENDERS": "console"}, "serve"),
    "nothing set in production": Mistake("HSP_OTP_SENDERS", {}, "serve"),
    "memory in production": Mistake(
        "HSP_OTP_CHALLENGE_STORE", {"CHALLENGE_STORE": "memory"}, "serve"
    ),
    "challenges in the memory of two": Mistake(
        "HSP_OTP_CHALLENGE_STORE", {"CHALLENGE_STORE": "memory", "WORKERS": "2"}
    ),
    "challenges in no Redis": Mistake("HSP_OTP_REDIS_URL", {"CHALLENGE_STORE": "redis"}),
    "counts in no Redis": Mistake("HSP_OTP_REDIS_URL", {"USAGE_STORE": "redis"}),
    "no Redis": Mistake("HSP_OTP_REDIS_URL", {"REDIS_URL": f"http://:{SHORT}@localhost"}),
    "slash in the password of Redis": Mistake(
        "HSP_OTP_REDIS_URL: got a value that is not shown",
        {"REDIS_URL": "redis://:s3cr3t/s3cr3t@localhost"},
        without="s3cr3t",
    ),
    "sign-in in a public address": Mistake(
        "HSP_OTP_PUBLIC_URL: got a value that is not shown",
        {"PUBLIC_URL": "https://user:s3cr3t@otp.example.com"},
        without="s3cr3t",
    ),
    "several Redis": Mistake(
        "HSP_OTP_REDIS_URL", {"REDIS_URL": "redis://localhost,redis://127.0.0.1"}
    ),
    "sentinels without a service": Mistake(
        "HSP_OTP_REDIS_SENTINEL_SERVICE",
        {"REDIS_URL": "redis://localhost", "REDIS_TOPOLOGY": "sentinel"},
    ),
    "a cluster of nothing": Mistake("HSP_OTP_REDIS_URL", {"REDIS_TOPOLOGY": "cluster"}),
    "another database": Mistake(
        "HSP_OTP_DATABASE_URL",
        {"DATABASE_URL": f"postgresql+psycopg://otp:{SHORT}@localhost/otp"},
    ),
    "several servers": Mistake(
        "HSP_OTP_DATABASE_URL",
        {"DATABASE_URL": f"postgresql+asyncpg://otp:{SHORT}@one,two/otp"},
    ),
    "server without a name": Mistake(
        "HSP_OTP_DATABASE_URL", {"DATABASE_URL": f"postgresql+asyncpg://otp:{SHORT}@localhost"}
    ),
    "encryption that checks nothing": Mistake(
        "HSP_OTP_DATABASE_URL",
        {"DATABASE_URL": f"postgresql+asyncpg://otp:{SHORT}@localhost/otp?ssl=prefer"},
    ),
    "colon in the password": Mistake(
        "HSP_OTP_DATABASE_URL: got a value that is not shown",
        {"DATABASE_URL": "postgresql+asyncpg://otp:p@ss:s3cr3t@localhost/otp"},
        without="s3cr3t",
    ),
    "database in no folder": Mistake(
        "/none': No such file or directory",
        {"DATABASE_URL": "sqlite+aiosqlite:///none/otp.db"},
        "purge",
    ),
    "database in a folder that takes no file": Mistake(
        "hsp-otp: the SQL database cannot be opened in the folder '/proc': ",
        {"DATABASE_URL": "sqlite+aiosqlite:////proc/otp.db"},
        "purge",
    ),
    "database that is a folder": Mistake(
        "hsp-otp: the SQL database cannot be opened",
        {"DATABASE_URL": "sqlite+aiosqlite:///keys"},
        "purge",
        files={"keys/k1.pem": b""},
    ),
    "keys that cannot be kept": Mistake(
        "HSP_OTP_SECRET_KEYS and HSP_OTP_JWT_KEYS: not set, and new keys cannot be stored in "
        "'hsp-otp.db.keys': Not a directory",
        {},
        files={"hsp-otp.db.keys": b""},
    ),
    "kept keys that are damaged": Mistake(
        "HSP_OTP_SECRET_KEYS: not set, and 'hsp-otp.db.keys/secret' holds no valid key; delete",
        {},
        files={"hsp-otp.db.keys/secret": SHORT.encode()},
    ),
    "kept PEM file that is damaged": Mistake(
        "HSP_OTP_JWT_KEYS: not set, and 'hsp-otp.db.keys/ES256.pem' holds no valid key; delete",
        {},
        files={"hsp-otp.db.keys/ES256.pem": b"\xff"},
    ),
    "server that is not there": Mistake(
        "the SQL database did not answer",
        {"DATABASE_URL": f"postgresql+asyncpg://otp:{SHORT}@127.0.0.1:1/otp"},
    ),
    "database with options": Mistake(
        "HSP_OTP_DATABASE_URL", {"DATABASE_URL": "sqlite+aiosqlite:///otp.db?nope=1"}
    ),
    "database on a host": Mistake(
        "HSP_OTP_DATABASE_URL",
        {"DATABASE_URL": f"sqlite+aiosqlite://otp:{SHORT}@localhost/otp.db"},
    ),
    "older schema": Mistake(
        "hsp-otp db upgrade", {"MODE": "development"}, "serve", files={"hsp-otp.db": b""}
    ),
    "file that is no database": Mistake(
        "database", {"MODE": "development"}, files={"hsp-otp.db": b"pass_code\n" * 999}
    ),
    "host that is none": Mistake("cannot listen on", {"HOST": "256.256.256.256"}),
    "host that cannot be one": Mistake("cannot listen on", {"HOST": "a..b"}),
    "host of other letters": Mistake(
        "HSP_OTP_HOST: got 'ß..x', takes an address or a host name, in ASCII", {"HOST": "ß..x"}
    ),
    "no file of settings": Mistake("HSP_OTP_CONFIG", CONFIG),
    "file that is not TOML": Mistake(
        "HSP_OTP_CONFIG: 'otp.toml' is not TOML: line 2, column 15: Invalid value",
        CONFIG,
        files=toml(f"port = 8000\nsecret_keys = k1:{SHORT}"),
    ),
    "file that is not UTF-8": Mistake(
        "HSP_OTP_CONFIG: 'otp.toml' is not in UTF-8: line 1",
        CONFIG,
        files=toml(b"service_name = '\xff'"),
    ),
    "file in UTF-16": Mistake(
        "HSP_OTP_CONFIG: 'otp.toml' is in UTF-16 or UTF-32; it must be in UTF-8",
        CONFIG,
        files=toml("port = 8000".encode("utf-16")),
    ),
    "variable in the file": Mistake(
        "HSP_OTP_CONFIG: 'otp.toml' has 'HSP_OTP_PORT'; in a file, that setting is called port",
        CONFIG,
        files=toml("HSP_OTP_PORT = 8000"),
    ),
    "table for a text": Mistake(
        "HSP_OTP_JWT_ISSUER: got a table, takes a text; it is in 'otp.toml' as jwt_issuer",
        CONFIG,
        files=toml("jwt_issuer = {name = 'otp'}"),
    ),
    "template id without quotes": Mistake(
        "has template_id without quotes in signup.en)",
        {"WORDINGS": "otp.toml"},
        files=toml("[signup.en]\ntext = '{code}'\ntemplate_id = 1107161234567890123"),
    ),
    "unknown key in the file": Mistake("HSP_OTP_LIFETIME", CONFIG, files=toml("lifetime = 600")),
    "unknown key of two lines": Mistake("HSP_OTP_", CONFIG, files=toml('"life\\ntime" = 600')),
    "table in the file": Mistake("HSP_OTP_SERVER", CONFIG, files=toml("[server]\nport = 1")),
    "bad value in the file": Mistake(
        "HSP_OTP_PORT: got 'eighty', takes a whole number from 0 to 65535",
        CONFIG,
        files=toml("port = 'eighty'"),
    ),
    "metrics where the service is": Mistake(
        "HSP_OTP_METRICS_PORT: got 8000, which is HSP_OTP_PORT; takes another",
        {"METRICS_PORT": "8000"},
    ),
    "metrics on no port": Mistake(
        "HSP_OTP_METRICS_PORT: got 'on', takes a whole number from 0 to 65535",
        {"METRICS_PORT": "on"},
    ),
    "operators' password that is short": Mistake(
        "HSP_OTP_OPS_PASSWORD: got a value that is not shown, takes 16 printable characters",
        {"OPS_PASSWORD": "fifteen letters"},
    ),
    "operators that are nowhere": Mistake(
        "HSP_OTP_OPS_USERS: 'operators': there is no such file; hsp-otp ops add NAME makes it",
        {"OPS_USERS": "operators"},
    ),
    "operators' file with a password": Mistake(
        "HSP_OTP_OPS_USERS: 'operators': line 1 is not a new name, a colon and an scrypt hash",
        {"OPS_USERS": "operators"},
        files={"operators": b"asha:correct horse battery staple"},
        without="horse",
    ),
    "operators' file that is not set": Mistake(
        "HSP_OTP_OPS_USERS: missing; takes the path of the operators' file", {}, "ops list"
    ),
    "short key in the file": Mistake(
        "HSP_OTP_SECRET_KEYS", CONFIG, files=toml(f"secret_keys = ['k1:{SHORT}']")
    ),
    "accent that is hard to read": Mistake(
        "HSP_OTP_SIGNUP_ACCENT: got '#ffd400', takes # and six hexadecimal digits; its contrast "
        "with white text and with the light background is at least 4.5 (its contrast is 1.3)",
        {"SIGNUP_ACCENT": "#ffd400"},
    ),
    "script in the clothes of a logo": Mistake(
        "HSP_OTP_LOGIN_LOGO: got 'logo.svg', takes the path of a PNG file, or of an SVG file that "
        "only draws, of 100 kB at most (it has an element that does not draw, 'script', in line 2)",
        {"LOGIN_LOGO": "logo.svg"},
        files={"logo.svg": f"{SVG}\n<script>alert(1)</script></svg>".encode()},
    ),
    "logo that is too large": Mistake(
        "(it has more than 100000 bytes); it is in 'otp.toml' as branding.signup.logo",
        CONFIG,
        files={
            **toml("[branding.signup]\nlogo = 'logo.svg'"),
            "logo.svg": f"{SVG}{' ' * 100_000}</svg>".encode(),
        },
    ),
    "brand of no flow": Mistake(
        "HSP_OTP_CONFIG: 'otp.toml' has branding.'login'; takes pass_login and signup",
        CONFIG,
        files=toml("[branding.login]\nname = 'Pass'"),
    ),
    "mistyped command": Mistake("Unknown command", {}, "server"),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(
    mistake: Mistake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """
    A mistake ends the start with one line that names what is wrong, and repeats no secret.

    In this process: to start one for each would take a minute, and others here do.
    """
    for name, content in mistake.files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", environment(mistake.settings))
    monkeypatch.setattr(sys, "argv", ["hsp-otp", *mistake.name.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    out, errors = capfd.readouterr()
    assert ended.value.code in {FAILED, MISUSED}
    assert out == ""
    (line,) = errors.splitlines()
    assert line.startswith("hsp-otp: ")
    assert mistake.says in line
    assert mistake.without not in line


def test_a_mistake_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Nothing but that line is told by a command that somebody types."""
    mistake = MISTAKES["short secret key"]
    done = command(tmp_path, mistake.name, **mistake.settings)
    assert (done.returncode, done.stdout) == (MISUSED, "")
    assert re.fullmatch(r"hsp-otp: HSP_OTP_SECRET_KEYS.*\n", done.stderr)


def test_doctor_tells_a_mistake(tmp_path: Path) -> None:
    """The same line is what doctor has to say about the settings."""
    mistake = MISTAKES["accent that is hard to read"]
    done = command(tmp_path, "doctor", **mistake.settings)
    assert (done.returncode, done.stderr) == (1, "")
    assert mistake.says in done.stdout


@pytest.mark.parametrize("name", ["PORT", "METRICS_PORT"])
def test_a_port_in_use_is_one_line(tmp_path: Path, name: str) -> None:
    """A port that somebody else listens on is named, and nothing is served."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = command(tmp_path, "dev", **{"PORT": "0", name: str(port)})
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"hsp-otp: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_no_folder_for_metrics(tmp_path: Path) -> None:
    """The folder in which the metrics cannot be kept is named."""
    begin = (
        "import sys, tempfile; from hsp_otp.entrypoints.cli.main import main\n"
        "tempfile.tempdir = '/nowhere/at/all'; sys.argv = ['hsp-otp', 'dev', '--port', '0']; main()"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", begin],
        cwd=tmp_path,
        env=environment({"METRICS_PORT": "0"}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "hsp-otp: cannot make a temporary folder for metrics in '/nowhere/at/all': No such file or "
        "directory\n"
    )


@pytest.mark.timeout(180)
def test_a_later_schema(tmp_path: Path) -> None:
    """A server that runs goes on when the schema becomes a later one; none starts on it anew."""
    with NewServer(tmp_path) as server:
        with closing(sqlite3.connect(tmp_path / "hsp-otp.db")) as behind, behind:
            behind.execute("UPDATE alembic_version SET version_num = '9999'")
        assert server.send("HSP-1234-5678")["sent"] is True
        for name in (["serve"], ["db", "upgrade"]):
            refused = command(tmp_path, *name, MODE="development", PORT="0")
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr == (
                "hsp-otp: the database has the schema of a later version: run that version\n"
            )
        assert server.verify("HSP-1234-5678", server.messages[-1].code)["success"] is True


def _maps(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/maps").read_text("utf-8")
    except OSError:
        return ""


MOMENTS: dict[str, tuple[Callable[[int, Path], object], set[int]]] = {
    "the program is loading": (lambda pid, _: "_rust.abi3.so" in _maps(pid), {INTERRUPTED}),
    "keys are made": (lambda _, folder: any(folder.glob("*.keys")), {INTERRUPTED}),
    "the database is made": (lambda _, folder: any(folder.glob("*.db")), {INTERRUPTED, OK}),
    "it listens": (
        lambda _, folder: "listening" in (folder / "err").read_text(),
        {INTERRUPTED, OK},
    ),
}
"""What to look for in a process and its folder, and the exit statuses of Ctrl-C then."""


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_while_it_starts(tmp_path: Path, moment: str, workers: str) -> None:
    """It ends at once and without a word, workers included."""
    if moment != "it listens" and workers != "1":
        return  # there are none yet
    has_come, statuses = MOMENTS[moment]
    settings = environment({"PORT": "0", "WORKERS": workers})
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603
            [COMMAND, "dev"],
            cwd=tmp_path,
            env=settings,
            stdout=out,
            stderr=errors,
            start_new_session=True,
            # Tests that run in the background ignore it, and so would their processes.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
    try:
        until(lambda: has_come(process.pid, tmp_path))
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) in statuses
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)
    told = (tmp_path / "err").read_text().splitlines()
    ordinary = ("listening", "spending")
    assert [line for line in told if not any(word in line for word in ordinary)] == []


def test_a_port_of_ones_own(tmp_path: Path) -> None:
    """`dev --port` and `--host` win over the settings, whose rules they follow, in all workers."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = command(tmp_path, "dev", "--port", port, "--host", "127.0.0.1", PORT="0", HOST="x")
    assert done.stderr == f"hsp-otp: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    done = command(tmp_path, "dev", "--port", "eighty")
    assert (done.returncode, done.stderr) == (
        MISUSED,
        "hsp-otp: HSP_OTP_PORT: got 'eighty', takes a whole number from 0 to 65535\n",
    )


def test_the_script_passes_options_on(tmp_path: Path) -> None:
    """`sh script/server --port N` listens there."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = subprocess.run(  # noqa: S603
            ["sh", ROOT / "script" / "server", "--port", port],  # noqa: S607
            cwd=tmp_path,
            env=environment({"DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/otp.db"}),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert done.stderr == f"hsp-otp: cannot listen on 127.0.0.1:{port}: Address already in use\n"


TABLES = {
    "is empty: run hsp-otp db upgrade": (),
    "has tables, but none of hsp-otp: if it is the right one, run hsp-otp db upgrade": (
        "CREATE TABLE customers (id)",
    ),
    "has an older schema: run hsp-otp db upgrade": (
        "CREATE TABLE alembic_version (version_num)",
        "INSERT INTO alembic_version VALUES ('0009')",
    ),
    "has the schema of another program: name another in HSP_OTP_DATABASE_URL": (
        "CREATE TABLE alembic_version (version_num)",
        "INSERT INTO alembic_version VALUES ('ae1027a6acf5')",
    ),
}


@pytest.mark.parametrize("says", TABLES)
def test_a_database_without_the_schema(tmp_path: Path, says: str) -> None:
    """Empty, of others, older and foreign ones are told apart, with what to do; so does doctor."""
    with closing(sqlite3.connect(tmp_path / "hsp-otp.db")) as database, database:
        for statement in TABLES[says]:
            database.execute(statement)
    done = command(tmp_path, "serve", MODE="development", PORT="0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"hsp-otp: the database {says}\n"
    assert (
        f"wrong   database: it {says}\n" in command(tmp_path, "doctor", MODE="development").stdout
    )
    upgraded = command(tmp_path, "db", "upgrade")
    if "another program" in says:
        assert upgraded.stderr == done.stderr
    elif "older" not in says:  # that one only says that it is
        assert upgraded.returncode == 0


def test_doctor_knows_development_mode(tmp_path: Path) -> None:
    """Whoever has only run `dev` is told how to check that; in that mode, it says not to stay."""
    with NewServer(tmp_path):
        pass
    first, *_ = command(tmp_path, "doctor").stdout.splitlines()
    assert first.startswith("wrong   settings: HSP_OTP_SENDERS: missing; ")
    assert first.endswith("; for hsp-otp dev, run HSP_OTP_MODE=development hsp-otp doctor")
    done = command(tmp_path, "doctor", MODE="development")
    assert done.returncode == 0
    first, *_ = done.stdout.splitlines()
    assert first == "ok      settings: development mode: unset HSP_OTP_MODE for production"
    first, *_ = command(tmp_path, "doctor", SENDERS="twilio").stdout.splitlines()
    assert "development" not in first


def test_missing_keys_are_named(tmp_path: Path) -> None:
    """Production makes no keys of its own: what is missing is named, and how to make it."""
    command(tmp_path, "db", "upgrade")
    done = command(tmp_path, "unlock", "--phone", "+919876543210", "--reason", "called")
    assert done.returncode == 2
    assert done.stderr.startswith("hsp-otp: HSP_OTP_SECRET_KEYS: missing; hsp-otp keys new DIR ")
    assert len(done.stderr.splitlines()) == 1


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A setting stands in the file by its name in lower case, and the environment overrules it."""
    (tmp_path / "otp.toml").write_text(
        "service_name = 'Pass'\nresend_cooldown_seconds = 7\ncode_digits = 8\n"
    )
    with NewServer(tmp_path, CONFIG="otp.toml", RESEND_COOLDOWN_SECONDS="9") as server:
        assert server.send("HSP-1234-5678")["resend_in"] == 9
        assert len(server.messages[0].code) == 8
        assert "is your Pass code." in server.output


def test_a_server_in_kubernetes(tmp_path: Path) -> None:
    """A server starts beside Services of its name, and one line tells which settings they hide."""
    (tmp_path / "otp.toml").write_text("\ufeffport = 0\nworkers = 2\n", "utf-8")
    services = {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT_HTTP": "8000",
        "PORT": "tcp://10.0.0.1:8000",
        "PORT_8000_TCP_ADDR": "10.0.0.1",
        "REDIS_PORT_6379_TCP": "tcp://10.0.0.2:6379",
        "METRICS_PORT": "udp://[fd00::1]:9464",
    }
    with NewServer(tmp_path, CONFIG="otp.toml", **services) as server:
        assert server.send("HSP-1234-5678")["sent"] is True
        warnings = [line for line in server.errors.splitlines() if "hsp-otp: warning" in line]
    (line,) = warnings
    assert line == (
        "hsp-otp: warning: HSP_OTP_METRICS_PORT and HSP_OTP_PORT: set by Kubernetes for a Service, "
        "and ignored; set enableServiceLinks: false for the pod, or rename the Service"
    )
    told = command(tmp_path, "doctor", MODE="development", CONFIG="otp.toml", **services).stdout
    assert "warning settings: HSP_OTP_METRICS_PORT and HSP_OTP_PORT: set by Kubernetes" in told


def test_settings_are_described_without_any(tmp_path: Path) -> None:
    """`hsp-otp settings` needs no secret and no valid setting, and names every variable."""
    done = command(tmp_path, "settings", MODE="test", NOPE="1")
    assert (done.returncode, done.stderr) == (0, "")
    section = CONTRACT.read_text("utf-8").split("## 9. Settings")[1].split("## 10.")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    promised = {name for row in rows for name in re.findall(r"HSP_OTP_\w+", row)}
    assert len(promised) >= 31
    lines = done.stdout.splitlines()
    assert promised <= {line.split()[0] for line in lines if line.startswith("HSP_OTP_")}
    assert all(len(line.split()) > 3 for line in lines if line.startswith("HSP_OTP_"))


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_new_keys_start_a_server(tmp_path: Path, algorithm: str) -> None:
    """The lines that `keys new` prints are settings that a server starts with and signs by."""
    done = command(tmp_path, "keys", "new", "keys", "--algorithm", algorithm)
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert list(lines) == ["HSP_OTP_SECRET_KEYS", "HSP_OTP_JWT_ALGORITHM", "HSP_OTP_JWT_KEYS"]
    path = Path(lines["HSP_OTP_JWT_KEYS"].split(":", 1)[1])
    assert path.parent == tmp_path / "keys"
    assert path.stat().st_mode & 0o777 == 0o600
    settings = {name.removeprefix("HSP_OTP_"): value for name, value in lines.items()}
    assert command(tmp_path, "db", "upgrade").returncode == 0
    with NewServer(tmp_path, "serve", MODE="development", **settings) as server:
        assert server.get("/readyz").status == 200
    beside = {path.name for path in tmp_path.glob("*.keys/*")}
    assert beside == {"clock", "outbox"}  # the sandbox, and no generated key


COMMANDS = (
    *("dev", "serve", "settings", "keys new", "db upgrade"),
    *(
        "apps import",
        "apps show",
        "api-keys new",
        "test-contacts add",
        "verifications show",
        "passes import",
        "passes show",
        "unlock",
        "let",
        "purge",
        "spend",
        "replay",
        "prices check",
        "ops add",
        "ops remove",
        "ops list",
    ),
)


GROUPS = {"audit", "erase", "doctor", "report"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example(tmp_path: Path, name: str) -> None:
    """`--help` of every command shows a line to type, and asks for no setting."""
    done = command(tmp_path, *name.split(), "--help", NOPE="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"Example: (\w+=\w+ )?hsp-otp {name}\b", done.stdout)


@pytest.mark.parametrize("arguments", [(), ("--help",)], ids=["nothing", "help"])
def test_the_list_of_commands_says_what_each_is_for(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Who does not know a command finds it, those too that are imported when they are used."""
    done = command(tmp_path, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    told = dict(re.findall(r"^│ ([a-z][a-z-]*) +(\w.*?) *│$", done.stdout, re.MULTILINE))
    assert {name.split()[0] for name in COMMANDS} | GROUPS == told.keys()
