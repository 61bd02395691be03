"""Operators with names: `hsp-otp ops`, and the page beside it: docs/contract.md, 5.7 and 10."""

import os
import pty
import stat
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.production import query
from tests.e2e.server import COMMAND, PATIENCE_SECONDS, Server, environment, until
from tests.e2e.sessions import NUMBER
from tests.e2e.test_ops import PASSWORD, Browser

pytestmark = pytest.mark.timeout(240)

ASHAS = "a password that only Asha knows"
FILE = "private/operators"


def ops(
    folder: Path, *arguments: str, typed: bytes = ASHAS.encode() + b"\n", file: str = FILE
) -> subprocess.CompletedProcess[str]:
    """Run a command with something in the pipe to it."""
    done = subprocess.run(  # noqa: S603
        [COMMAND, "ops", *arguments],
        cwd=folder,
        env=environment({"OPS_USERS": file}),
        input=typed,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    out, errors = done.stdout.decode(), done.stderr.decode()
    assert ASHAS not in out + errors
    return subprocess.CompletedProcess(done.args, done.returncode, out, errors)


def test_accounts_come_and_go(tmp_path: Path) -> None:
    """The file and its folder are for their owner alone, and every change replaces the file."""
    assert ops(tmp_path, "add", "Asha").stdout == "asha may sign in at /ops/\n"
    file = tmp_path / FILE
    first = file.stat()
    assert stat.filemode(first.st_mode) == "-rw-------"
    assert stat.filemode(file.parent.stat().st_mode) == "drwx------"
    assert ops(tmp_path, "add", "ravi", typed=ASHAS.encode() + b"\r\nmore\n").returncode == 0
    assert ops(tmp_path, "add", "asha").stdout == "asha has a new password\n"
    assert file.stat().st_ino != first.st_ino
    assert ops(tmp_path, "list").stdout == "asha\nravi\n"
    assert ops(tmp_path, "remove", "ASHA").stdout == "asha may no longer sign in\n"
    assert ops(tmp_path, "list").stdout == "ravi\n"
    assert [one.name for one in file.parent.iterdir()] == [file.name]
    assert ASHAS not in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "typed", "says"),
    [
        (["add", "asha"], b"fifteen letters\n", "takes 16 printable characters or more"),
        (["add", "asha"], b"", "takes 16 printable characters or more"),
        (["add", "asha"], 16 * b"\xff", "takes 16 printable characters or more"),
        (["add", "asha@example.com"], b"", "NAME: takes 1 to 32 ASCII letters"),
        (["remove", "asha"], b"", "there is no operator asha; hsp-otp ops list lists them"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, arguments: list[str], typed: bytes, says: str
) -> None:
    """It says what is wrong, repeats no password, and changes nothing."""
    done = ops(tmp_path, *arguments, typed=typed)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("hsp-otp: ")
    assert says in line
    assert "fifteen" not in line
    assert not (tmp_path / FILE).exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The path is named."""
    (tmp_path / "private").touch()
    done = ops(tmp_path, "add", "asha")
    assert (done.returncode, done.stderr) == (
        1,
        f"hsp-otp: cannot write {FILE!r}: Not a directory\n",
    )


def typed_at_a_terminal(folder: Path, *lines: str) -> tuple[int, str]:
    """Run `ops add` at a terminal, answering each of its questions; the status and what is seen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(  # noqa: S603
        [COMMAND, "ops", "add", "asha"],
        cwd=folder,
        env=environment({"OPS_USERS": FILE}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,  # without a terminal of its own, it asks at standard input
    )
    os.close(theirs)
    seen = ""
    for line in lines:
        while not seen.endswith(": "):
            seen += os.read(ours, 1000).decode()
        os.write(ours, f"{line}\n".encode())
        seen += " "
    try:
        while told := os.read(ours, 1000):
            seen += told.decode()
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(PATIENCE_SECONDS), seen


def test_a_password_at_a_terminal(tmp_path: Path) -> None:
    """It is asked for twice and not shown; two different ones change nothing."""
    status, seen = typed_at_a_terminal(tmp_path, ASHAS, ASHAS + "!")
    assert (status, "the two passwords differ" in seen, ASHAS in seen) == (1, True, False)
    assert not (tmp_path / FILE).exists()
    status, seen = typed_at_a_terminal(tmp_path, "short")
    assert (status, "The same again" in seen) == (1, False)
    status, seen = typed_at_a_terminal(tmp_path, ASHAS, ASHAS)
    assert (status, "asha may sign in at /ops/" in seen, ASHAS in seen) == (0, True, False)


def test_many_are_added_at_once(tmp_path: Path) -> None:
    """None of the changes is lost."""
    names = [f"operator-{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as threads:
        done = [*threads.map(lambda name: ops(tmp_path, "add", name), names)]
    assert [one.returncode for one in done] == [0] * len(names)
    assert ops(tmp_path, "list").stdout.split() == sorted(names)


def test_the_page_and_its_operators(tmp_path: Path) -> None:
    """Both workers know who may sign in, from one request to the next, and the audit who did."""
    assert ops(tmp_path, "add", "asha").returncode == 0
    assert ops(tmp_path, "add", "ravi").returncode == 0
    with Server(tmp_path, WORKERS="2", OPS_PASSWORD=PASSWORD, OPS_USERS=FILE) as server:
        until(lambda: len(server.workers()) == 2)
        asha, ravi, shared = Browser(server), Browser(server), Browser(server)
        assert asha.sign_in(ASHAS, "Asha") == 303
        assert ravi.sign_in(ASHAS, "ravi") == 303
        assert shared.sign_in(PASSWORD) == 303
        assert Browser(server).sign_in(ASHAS, "nobody") == 403
        assert asha.ask("GET", "/ops/")[0] == 200
        status, story = asha.post("/ops/story/", contact=NUMBER)
        assert (status, "operator asha viewed its history" in story) == (200, True)
        assert query(tmp_path, "SELECT outcome, operator FROM audit ORDER BY id") == [
            *(("signed_in", "asha"), ("signed_in", "ravi"), ("signed_in", None)),
            *(("wrong_password", None), ("searched", "asha")),
        ]
        assert ops(tmp_path, "add", "asha", typed=ASHAS.encode() + b"!").returncode == 0
        assert ops(tmp_path, "remove", "ravi").returncode == 0
        held = dict(asha.cookies), dict(ravi.cookies)
        for _ in range(6):
            asha.cookies, ravi.cookies = map(dict, held)
            assert asha.ask("GET", "/ops/live/")[0] == 303
            assert ravi.ask("GET", "/ops/live/")[0] == 303
            assert shared.ask("GET", "/ops/live/")[0] == 200
        assert asha.sign_in(ASHAS, "asha") == 403
        assert asha.sign_in(ASHAS + "!", "asha") == 303
        assert ASHAS not in server.errors + server.output
        assert "scrypt" not in server.errors + server.output


def test_failures_by_name_count_together(tmp_path: Path) -> None:
    """Of twenty guesses at once exactly five are judged, whichever worker and name they are for."""
    assert ops(tmp_path, "add", "asha").returncode == 0
    with Server(tmp_path, WORKERS="2", OPS_USERS=FILE) as server:
        until(lambda: len(server.workers()) == 2)
        with ThreadPoolExecutor(20) as threads:
            names = ["asha", "nobody"] * 10
            told = [*threads.map(lambda name: Browser(server).sign_in("wrong", name), names)]
        assert sorted(told) == [403] * 5 + [429] * 15
        assert Browser(server).sign_in(ASHAS, "asha") == 429


def test_an_unknown_name_takes_as_long(tmp_path: Path) -> None:
    """The time of an answer does not tell which names there are."""
    assert ops(tmp_path, "add", "asha").returncode == 0
    with Server(tmp_path, OPS_USERS=FILE, TRUSTED_PROXIES="127.0.0.1") as server:

        def seconds(name: str, guesser: int) -> float:
            browser = Browser(server)
            browser.forwarded_for = f"192.0.2.{guesser}"
            browser.ask("GET", "/ops/")
            began = time.perf_counter()
            assert browser.post("/ops/", username=name, password="wrong")[0] == 403
            return time.perf_counter() - began

        pairs = [(seconds("asha", one), seconds("nobody", one)) for one in range(1, 12)]
    known, unknown = (statistics.median(one) for one in zip(*pairs, strict=True))
    assert known == pytest.approx(unknown, rel=0.4)
    assert known > 0.05
