"""The commands for test contacts, and what verifies them: docs/contract.md, 13.10."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Server, command, until
from tests.e2e.test_verifications import REVOKED_SECONDS, post
from tests.world import other_than

APPS = """
[shop]
account = "acme"
service_name = "Acme Shop"
regions = ["IN"]
purposes = { phone_verification = { digits = 8 } }
"""
MODE = {"MODE": "development"}
ADD = ("test-contacts", "add", "98765 43210", "--app", "shop", "--reason", "App Store review")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a database, and one app in it."""
    assert command(tmp_path, "db", "upgrade", **MODE).returncode == 0
    (tmp_path / "apps.toml").write_text(APPS, "utf-8")
    assert command(tmp_path, "apps", "import", "apps.toml", **MODE).returncode == 0
    return tmp_path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Two workers over one database, with the demo app."""
    with Server(tmp_path, WORKERS="2") as found:
        yield found


@pytest.fixture
def key(server: Server) -> str:
    """The key of the demo app."""
    return (server.folder / "hsp-otp.db.keys" / "api-key").read_text("ascii")


def complaint(folder: Path, *arguments: str) -> str:
    """What a command that fails says."""
    done = command(folder, *arguments, **MODE)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.strip()


def test_from_adding_to_removing(folder: Path) -> None:
    """The code is printed once, the list masks the number, and the audit has the reason."""
    done = command(folder, *ADD, "--days", "90", **MODE)
    assert (done.returncode, len(done.stdout)) == (0, 9)
    assert done.stdout.strip().isdecimal()
    assert done.stderr.startswith("***-***-3210 is a test contact of shop until ")
    listed = command(folder, "test-contacts", "list", "--json", **MODE).stdout
    (one,) = map(json.loads, listed.splitlines())
    assert (one["contact"], one["app"]) == ("***-***-3210", "shop")
    table = command(folder, "test-contacts", "list", **MODE).stdout
    assert "App Store review" in table
    assert done.stdout.strip() not in listed + table
    again = complaint(folder, *ADD)
    assert again.endswith("it is a test contact of the app already; remove it first")
    doctor = command(folder, "doctor", **MODE).stdout
    assert "warning test contacts: 1 with a fixed code is alive" in doctor
    removal = ("test-contacts", "remove", "+919876543210", "--app", "shop")
    assert command(folder, *removal, **MODE).stdout == "removed ***-***-3210\n"
    assert complaint(folder, *removal).endswith("it is not a test contact of shop")
    rows = command(folder, "audit", "list", "--json", "--app", "shop", **MODE).stdout
    told = [(one["outcome"], one["reason"]) for one in map(json.loads, rows.splitlines())]
    assert told == [("added", "App Store review"), ("removed", None)]


def test_a_code_of_ones_own(folder: Path) -> None:
    """A given code is taken unless it is guessable or has other digits than the app's codes."""
    assert complaint(folder, *ADD, "--code", "404042").endswith("--code: takes 8 digits")
    for guessable in ("12345678", "00000000", "12121212"):
        assert "runs and repeats are guessed first" in complaint(folder, *ADD, "--code", guessable)
    assert command(folder, *ADD, "--code", "4040 4242", **MODE).stdout == "40404242\n"


def test_what_is_refused(folder: Path) -> None:
    """Other arguments that do not do are refused, each in one line."""
    assert "--days: got 91" in complaint(folder, *ADD, "--days", "91")
    assert "there is no app 'club'" in complaint(folder, *ADD[:4], "club", *ADD[5:])
    for number, says in (
        ("ann@example", "it is not an e-mail address"),
        ("+12025550123", "its region is not one of the app's"),
        ("12", "it is not a phone number"),
    ):
        assert complaint(folder, *ADD[:2], number, *ADD[3:]).endswith(f"CONTACT: {says}")
    about_it = complaint(folder, *ADD[:-1], "for 98765 43210")
    assert "never holds a full number" in about_it


def test_an_unknown_verification(folder: Path) -> None:
    """There is nothing to show of an unknown id, also if it looks like an option."""
    for unknown in ("aI7HpmwPr-rSBiYSYhURXQ", "-I7HpmwPr-rSBiYSYhURXQ", "VE" + 32 * "0"):
        said = complaint(folder, "verifications", "show", unknown)
        assert said == "hsp-otp: there is no verification with that id"


def test_a_reviewer(server: Server, key: str) -> None:
    """
    A reviewer signs in thrice without a message, and the fourth wrong guess is refused; within five
    seconds after the removal, the number is an ordinary one on every worker.
    """
    number, contact = "+919812300042", ("98123 00042", "--app", "demo")
    added = command(server.folder, "test-contacts", "add", *contact, "--reason", "review", **MODE)
    code = added.stdout.strip()
    for _ in range(3):
        sent = post(server, key, "", {"to": number})
        assert (sent.status, sent["test"], sent["resend_in"]) == (200, True, 0)
        approved = post(server, key, f"/{sent['id']}/check", {"code": code})
        assert (approved.status, approved["test"]) == (200, True)
    sent = post(server, key, "", {"to": number})
    path = f"/{sent['id']}/check"
    wrong = [post(server, key, path, {"code": other_than(code)})["error"] for _ in range(4)]
    assert wrong == [*("invalid_otp",) * 3, "too_many_attempts"]
    assert server.messages == []
    # A worker may write its last line after its answer.
    assert until(lambda: server.errors.count("test_contact_used") == 11)
    assert not [secret for secret in (code, number) if secret in server.errors + server.output]
    done = command(server.folder, "verifications", "show", sent["id"], **MODE)
    assert "max_attempts_reached" in done.stdout
    assert "a test contact: used to present a code, for the app demo" in done.stdout
    assert command(server.folder, "test-contacts", "remove", *contact, **MODE).returncode == 0
    time.sleep(REVOKED_SECONDS)
    ordinary = post(server, key, "", {"to": number})
    assert (ordinary.status, "test" in ordinary.body) == (200, False)
    assert post(server, key, f"/{ordinary['id']}/check", {"code": code})["error"] == "invalid_otp"
    sent_code = server.message_to(number).code
    assert post(server, key, f"/{ordinary['id']}/check", {"code": sent_code}).status == 200
    refused = complaint(server.folder, "test-contacts", "add", *contact, "--reason", "review")
    assert refused.endswith("it has proved itself in the app, so it belongs to somebody")
