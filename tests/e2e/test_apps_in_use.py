"""Apps, and whom their API keys act for, at two workers: docs/contract.md, 5.8, 11 and 12."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.server import Server, command, until
from tests.e2e.two_workers import SLACK, Line, lines_to_both, settings_over

START: Final = "/v1/verifications"
NUMBER: Final = "+919876543210"

CALL: Final = {"app": "shop", "channel": "voice"}
"""Members that every app refuses."""

APPS: Final = """
[shop]
account = "acme"
service_name = "Acme Shop"
[club]
account = "acme"
service_name = "Club"
[bank]
account = "bolt"
service_name = "Bank"
"""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Two workers over a database."""
    with settings_over(request.param) as found:
        yield found


@pytest.fixture(scope="module")
def server(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with three apps of two accounts."""
    folder = tmp_path_factory.mktemp("apps")
    assert command(folder, "db", "upgrade", **settings).returncode == 0
    imported(folder, APPS, settings)
    with Server(folder, "serve", **settings) as found:
        yield found


def imported(folder: Path, text: str, settings: dict[str, str]) -> None:
    """Import *text*."""
    (folder / "apps.toml").write_text(text)
    done = command(folder, "apps", "import", "apps.toml", **settings)
    assert (done.returncode, done.stderr) == (0, "")


def made(server: Server, settings: dict[str, str], *arguments: str) -> str:
    """A new key."""
    new = ("api-keys", "new", "--name", "checkout", *arguments)
    done = command(server.folder, *new, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def started(line: Line, number: int, key: str, **members: object) -> tuple[int, str | None]:
    """Start a verification from client *number*; the status, and the word of a refusal."""
    answer = line.post(START, {"to": NUMBER} | members, key, f"203.0.{number}.1")
    return answer.status, answer.body.get("error")


def all_within_five_seconds(
    lines: list[Line], key: str, before: tuple[int, str], after: tuple[int, str]
) -> None:
    """Ask for a call until every connection is answered as *after*; the rest as *before*."""
    began, left = time.monotonic(), dict(enumerate(lines))
    while left:
        assert time.monotonic() - began < 5 + SLACK, f"{len(left)} lines are behind"
        answers = {number: started(line, number, key, **CALL) for number, line in left.items()}
        assert set(answers.values()) <= {before, after}
        left = {number: line for number, line in left.items() if answers[number] == before}


NO_VOICE: Final = (400, "channel_not_available")
NOT_THERE: Final = (404, "app_not_found")


def test_an_import_reaches_both_workers_within_five_seconds(
    server: Server, settings: dict[str, str]
) -> None:
    """Both remember the app when it is changed; neither goes by its old rules for over 5 s."""
    key = made(server, settings, "--app", "shop")
    account = made(server, settings, "--account", "acme")
    changed = APPS.replace('service_name = "Acme Shop"', 'service_name = "Shop"\nregions = ["GB"]')
    with lines_to_both(server) as lines:
        for one in (key, account):
            answers = {started(line, number, one, **CALL) for number, line in enumerate(lines)}
            assert answers == {NO_VOICE}
        imported(server.folder, changed, settings)
        for one in (key, account):
            all_within_five_seconds(lines, one, NO_VOICE, (400, "region_not_allowed"))
        imported(server.folder, APPS, settings)
        all_within_five_seconds(lines, key, (400, "region_not_allowed"), NO_VOICE)


def test_whom_keys_act_for(server: Server, settings: dict[str, str]) -> None:
    """The key of an app needs no name; that of an account names an app; others are not there."""
    shop, acme = (
        made(server, settings, "--app", "shop"),
        made(server, settings, "--account", "acme"),
    )
    reader = made(server, settings, "--app", "shop", "--scopes", "read,check")
    with closing(Line(server.port)) as line:
        for app, answer in (("shop", NO_VOICE), ("club", NOT_THERE), ("bank", NOT_THERE)):
            assert started(line, 0, shop, channel="voice", app=app) == answer
        for app, answer in (("shop", NO_VOICE), ("club", NO_VOICE), ("bank", NOT_THERE)):
            assert started(line, 0, acme, channel="voice", app=app) == answer
        assert started(line, 0, shop, channel="voice") == NO_VOICE
        assert started(line, 0, acme, channel="voice") == NOT_THERE
        assert started(line, 0, reader, channel="voice") == (403, "forbidden")


def test_a_code_expires_by_the_sandboxs_clock(server: Server, settings: dict[str, str]) -> None:
    """A test reads the code from the outbox, lets eleven minutes pass, and is refused."""
    bearer = {"Authorization": f"Bearer {made(server, settings, '--app', 'shop')}"}
    sent = server.post(START, {"to": NUMBER}, **bearer)
    assert sent.status == 200
    code = until(lambda: server.get("/dev/outbox/?to=%2B919876543210")["messages"])[0]["code"]
    server.post("/dev/clock/", {"advance_seconds": 660})
    answer = server.post(f"{START}/{sent['id']}/check", {"code": code}, **bearer)
    assert (answer.status, answer["error"]) == (400, "otp_expired")
    assert answer["verification_status"] == "expired"
    again = server.post(START, {"to": NUMBER}, **bearer)
    assert (again.status, again["resent"]) == (200, False)
    code = server.get("/dev/outbox/")["messages"][0]["code"]
    approved = server.post(f"{START}/{again['id']}/check", {"code": code}, **bearer)
    assert (approved.status, approved["status"]) == (200, "approved")
