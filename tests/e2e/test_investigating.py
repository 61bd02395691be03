"""What whoever investigates or operates types: docs/contract.md, section 10."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.instant import to_iso
from hsp_otp.entrypoints.cli.main import main
from tests.e2e.server import COMMAND, Server, command, environment
from tests.gateway import Gateway
from tests.plays import PLAYS

pytestmark = pytest.mark.timeout(240)

DEMO = "HSP-1234-5678"
NUMBER = "+919876543210"
MODE = {"MODE": "development"}
STRANGE = "on a device that is not known"


@attrs.frozen
class Run:
    """
    A day's work in short: a sign-in with a wrong guess and an ask too soon, and a scan.

    Attributes:
        secrets: What no command may show.
    """

    folder: Path
    secrets: tuple[str, ...]

    def ask(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command that succeeds."""
        done = command(self.folder, *arguments, **(MODE | settings))
        assert (done.returncode, done.stderr) == (0, "")
        assert [secret for secret in self.secrets if secret in done.stdout] == []
        return done

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command says in JSON Lines."""
        return [json.loads(line) for line in self.ask(*arguments, "--json").stdout.splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The server is gone by the time that questions are asked."""
    folder = tmp_path_factory.mktemp("investigated")
    with Server(folder) as server:
        server.validate(DEMO)
        server.send(DEMO)
        server.send(DEMO)
        code = server.message_to(NUMBER).code
        server.verify(DEMO, f"{(int(code) + 1) % 1_000_000:06d}")
        signed_in = server.verify(DEMO, code)
        assert signed_in.status == 200
        for number in range(20):
            server.validate(f"HSP-0000-{number:04d}")
    generated = [path.read_text().strip() for path in (folder / "hsp-otp.db.keys").iterdir()]
    keys = [text for text in generated if text]  # the outbox may be empty
    tokens = [signed_in["access_token"], signed_in["refresh_token"]]
    return Run(folder, ("9876543210", "1234-5678", *tokens, *keys))


Here = Callable[..., tuple[object, str, str]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Runs a command in this process, which is faster; its status, output and errors."""

    def called(folder: Path, *arguments: str) -> tuple[object, str, str]:
        for name in os.environ:
            if name.startswith("HSP_OTP_"):
                monkeypatch.delenv(name)
        monkeypatch.setenv("HSP_OTP_MODE", "development")
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["hsp-otp", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return called


def test_a_timeline(run: Run) -> None:
    """One number's story is told in order and in words, the number in national form too."""
    shown = run.ask("audit", "timeline", "--phone", "98765 43210").stdout
    assert shown.splitlines()[0] == "***-***-3210 (IN), times in UTC"
    told = [line["says"] for line in run.lines("audit", "timeline", "--phone", NUMBER)]
    assert all(line in shown for line in told)
    assert [re.sub(r"until [0-9: -]+", "until then", line) for line in told] == [
        "looked up the pass HSP-****-5678: it is usable, from 127.0.0.1",
        f"asked for a code {STRANGE}: sent, through console, from 127.0.0.1",
        (
            f"asked for a code {STRANGE}: refused, too soon after the last one, until then, "
            "from 127.0.0.1"
        ),
        f"presented a code {STRANGE}: it was wrong, from 127.0.0.1",
        f"presented a code {STRANGE}: it was right, from 127.0.0.1",
    ]


def test_lists(run: Run) -> None:
    """Rows are found by number, address, outcome and time, in three forms."""
    everything = run.lines("audit", "list")
    assert len(everything) == 25
    assert [row["at"] for row in everything] == sorted(row["at"] for row in everything)
    by = ("--phone", NUMBER, "--address", "127.0.0.1", "--outcome", "invalid_otp")
    (wrong,) = run.lines("audit", "list", *by, "--since", "1h")
    assert (wrong["phone"], wrong["pass_code"]) == ("***-***-3210", "HSP-****-5678")
    assert wrong["lane"] == "others"
    assert run.lines("audit", "list", *by, "--until", "1h") == []
    table = run.ask("audit", "list", *by).stdout
    assert wrong["request_id"] in table
    assert re.search(r" pass_login +others +check +invalid_otp ", table)
    rows = list(csv.DictReader(io.StringIO(run.ask("audit", "list", *by, "--csv").stdout)))
    assert [row["request_id"] for row in rows] == [wrong["request_id"]]
    assert list(rows[0]) == list(wrong)


def test_a_range(run: Run) -> None:
    """A neighbour's number finds the range, and so does the fingerprint that top shows."""
    (top,) = run.lines("audit", "top", "prefixes")
    assert (top["region"], top["sent"], top["verified"], top["numbers"]) == ("IN", 1, 1, 1)
    by_number = run.lines("audit", "range", "--phone", "+919876549999")
    by_fingerprint = run.lines("audit", "range", "--fingerprint", top["who"])
    assert len(by_number) == 5
    assert by_number == by_fingerprint


def test_tops_and_suspicions(run: Run) -> None:
    """Tallies and patterns come as tables too, and what was scanned is suspected."""
    shown = run.ask("audit", "top").stdout
    assert all(word in shown for word in ("addresses:", "prefixes:", "countries:", "127.0.0.1"))
    assert [line["kind"] for line in run.lines("audit", "top")] == ["address", "prefix", "country"]
    assert run.lines("audit", "top", "--until", "1h") == []
    (scan,) = run.lines("audit", "suspicious")
    assert (scan["kind"], scan["who"]) == ("lookups_that_miss", "127.0.0.1")
    assert (scan["missed"], scan["hits"]) == (20, 1)
    shown = run.ask("audit", "suspicious").stdout
    assert "20 misses and 1 hits" in shown
    assert run.ask("audit", "suspicious", "--until", "1h").stdout == "nothing\n"


def test_a_reader_that_has_seen_enough(run: Run) -> None:
    """Where the reader of a pipe goes, the command ends without a word."""
    with subprocess.Popen(  # noqa: S603
        [COMMAND, "audit", "list", "--json"],
        cwd=run.folder,
        env=environment(MODE),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("audit", "list", "--since", "soon"), "--since: got 'soon', takes"),
        (("audit", "list", "--since", "1h", "--until", "2h"), "not before"),
        (("audit", "list", "--phone", "12345"), "--phone"),
        (("audit", "list", "--address", "here"), "--address"),
        (("audit", "list", "--outcome", "WRONG"), "--outcome"),
        (("audit", "list", "--json", "--csv"), "either"),
        (("audit", "timeline"), "--phone"),
        (("audit", "range"), "either"),
        (("audit", "range", "--fingerprint", "x"), "--fingerprint"),
        (("audit", "top", "passes"), "KIND"),
        (("audit", "top", "--count", "0"), "--count"),
        (("erase", "12345"), "NUMBER"),
        (("erase", NUMBER, "--yes"), "--reason"),
        (("erase", NUMBER, "--yes", "--reason", f"call {NUMBER}"), "full number"),
        (("unlock", "--phone", NUMBER, "--reason", "she holds HSP-1234-5678"), "pass code"),
        (
            ("unlock", "--phone", NUMBER, "--reason", "she holds HSP\u20111234\u034f\u22125678"),
            "pass code",
        ),
        (
            ("unlock", "--phone", NUMBER, "--reason", "call 9\u200d8765\u22124321\ufe0f0"),
            "full number",
        ),
        (("unlock", "--phone", NUMBER, "--reason", "\u200d\u200b \u3164"), "printable text"),
        (("unlock", "--phone", NUMBER, "--reason", "called\x07"), "printable"),
    ],
)
def test_a_mistake_is_one_line(run: Run, here: Here, arguments: tuple[str, ...], says: str) -> None:
    """A mistake is one line on stderr, with a status that is not 0, and repeats no number."""
    status, out, error = here(run.folder, *arguments)
    assert status in {1, 2}
    assert out == ""
    (line,) = error.splitlines()
    assert line.startswith("hsp-otp: ")
    assert says in line
    assert "9876543210" not in line


@pytest.mark.parametrize(
    "name",
    [
        *("audit list", "audit range", "audit timeline", "audit top", "audit suspicious"),
        *("erase", "doctor", "api-keys new", "api-keys list", "api-keys revoke"),
    ],
)
def test_help_has_an_example(here: Here, tmp_path: Path, name: str) -> None:
    """Every command's help shows how to use it."""
    status, out, _ = here(tmp_path, *name.split(), "--help")
    assert status == 0
    assert f"Example: hsp-otp {name}" in out


def test_an_audit_without_a_database(tmp_path: Path) -> None:
    """Without the newest schema there is nothing to ask: one line names the command for it."""
    (tmp_path / "hsp-otp.db").write_bytes(b"")
    done = command(tmp_path, "audit", "list", **MODE)
    assert (done.returncode, done.stdout) == (1, "")
    assert "hsp-otp db upgrade" in done.stderr


# --- The doctor


def test_a_house_in_order(tmp_path: Path) -> None:
    """Where all is well, doctor says so line by line, and shows no secret."""
    made = command(tmp_path, "keys", "new", "keys").stdout
    keys = dict(line.removeprefix("HSP_OTP_").split("=", 1) for line in made.splitlines())
    today = to_iso(SystemClock().now())[:10]
    (tmp_path / "prices.toml").write_text(f"dated = {today}\n[webhook]\nIN = 0.08\n")
    with Gateway(PLAYS["webhook"]) as gateway:
        settings = {
            **keys,
            "PRICES": "prices.toml",
            **PLAYS["webhook"].settings(gateway.url),
            "SENDERS": "webhook",
            "PUBLIC_URL": "https://otp.example.com",
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        missing = command(tmp_path, "doctor", **settings)
        assert missing.returncode == 1
        assert "wrong   database: the file 'hsp-otp.db' does not exist: run hsp-otp db upgrade" in (
            missing.stdout.splitlines()
        )
        assert not (tmp_path / "hsp-otp.db").exists()
        assert command(tmp_path, "db", "upgrade").returncode == 0
        done = command(tmp_path, "doctor", **settings)
        assert gateway.taken == []
    assert (done.returncode, done.stderr) == (0, "")
    checks = [re.split(r" +", line, maxsplit=1) for line in done.stdout.splitlines()]
    assert {status for status, _ in checks} <= {"ok", "warning"}
    assert [told.split(":")[0] for status, told in checks if status == "warning"] in ([], ["disk"])
    for secret in (*PLAYS["webhook"].secrets, keys["SECRET_KEYS"].split(":")[1]):
        assert secret not in done.stdout + missing.stdout


def test_a_proxy_that_names_nobody(tmp_path: Path) -> None:
    """Doctor tells by the audit of a day that callers share the address of a trusted proxy."""
    settings = {"MODE": "development", "TRUSTED_PROXIES": "127.0.0.1/32"}
    with Server(tmp_path, **settings) as server:
        named = {"X-Forwarded-For": "10.1.1.1"}
        server.post("/customer/validate-pass/", {"pass_code": DEMO}, **named)
        before = command(tmp_path, "doctor", **settings).stdout
        server.post("/customer/validate-pass/", {"pass_code": DEMO})
    after = command(tmp_path, "doctor", **settings).stdout
    assert (
        "ok      callers: no request of the last 24 hours was charged to a trusted proxy" in before
    )
    (told,) = (line for line in after.splitlines() if " callers: " in line)
    assert told.startswith("warning callers: trusted proxies themselves, such as 127.0.0.1, were")
    assert "HSP_OTP_FORWARDED_HEADER" in told


def test_a_house_that_is_not(tmp_path: Path) -> None:
    """What is wrong is told as JSON with what to do, exit status 1, and no secret."""
    settings = {
        "SECRET_KEYS": "k1:" + "A" * 43 + "=",
        "DATABASE_URL": "postgresql+asyncpg://someone:pa55word@127.0.0.1:9/otp",
        "REDIS_URL": "redis://:pa55word@127.0.0.1:9",
        "CHALLENGE_STORE": "redis",
        "SENDERS": "twilio,vonage",
        **PLAYS["twilio"].settings("http://127.0.0.1:9"),
        **PLAYS["vonage"].settings("http://127.0.0.1:9"),
        "PUBLIC_URL": "http://10.0.0.1",
    }
    done = command(tmp_path, "doctor", "--json", **settings)
    assert (done.returncode, done.stderr) == (1, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    bad = {one["check"]: one for one in found if one["status"] == "wrong"}
    assert set(bad) == {
        *("settings", "keys", "public url", "database", "redis"),
        *("sender twilio", "sender vonage"),
    }
    assert all(one["do"] for one in bad.values())
    secrets = ("pa55word", "A" * 43, *PLAYS["twilio"].secrets, *PLAYS["vonage"].secrets)
    assert [secret for secret in secrets if secret in done.stdout] == []


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    """A setting that makes no sense is what doctor tells, and all it tells."""
    done = command(tmp_path, "doctor", PORT="high")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == (
        "wrong   settings: HSP_OTP_PORT: got 'high', takes a whole number from 0 to 65535: "
        "fix this and run hsp-otp doctor again\n"
    )


def test_keys_that_doctor_cannot_read(tmp_path: Path) -> None:
    """Why a key cannot be read is told as it is: a path where a secret belongs, a missing file."""
    keys = {"MODE": "development", "SECRET_KEYS": "k1:" + "eA" * 22}
    for given, says in (
        (
            {"JWT_ALGORITHM": "HS256", "JWT_KEYS": "k1:/etc/k1.pem"},
            "HSP_OTP_JWT_KEYS: entry 1: not base64",
        ),
        (
            {"JWT_KEYS": "k1:none.pem"},
            "cannot read a file of HSP_OTP_JWT_KEYS: No such file or directory",
        ),
    ):
        told = command(tmp_path, "doctor", **keys, **given).stdout
        assert f"wrong   keys: {says}: fix this and run hsp-otp doctor again\n" in told


def test_what_doctor_says_of_files_and_senders(tmp_path: Path) -> None:
    """Secrets in a file that others may open are told, and what a sender lacks by its variables."""
    file = tmp_path / "otp.toml"
    file.write_text("senders = ['twilio']\ntwilio_auth_token = 'made-up-token'\n")
    given = {"MODE": "development", "CONFIG": "otp.toml"}
    told: list[str] = []
    for mode in (0o644, 0o600):
        file.chmod(mode)
        told.append(command(tmp_path, "doctor", **given).stdout)
    opened, closed = told
    assert "warning settings: other users may access 'otp.toml': set its mode to 600\n" in opened
    assert "other users may access" not in closed
    assert (
        "wrong   sender twilio: its settings are incomplete: set HSP_OTP_TWILIO_ACCOUNT_SID\n"
        in closed
    )
    file.write_text("port = 8000\n")
    file.chmod(0o644)
    assert "other users may access" not in command(tmp_path, "doctor", **given).stdout
