"""Apps and their API keys at two running workers: docs/contract.md, 5.8, 11 and 12."""

import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.server import PATIENCE_SECONDS, Answer, Server, command, until
from tests.integration.postgres_server import DATABASES

START: Final = "/v1/verifications"
NUMBER: Final = "+919876543210"
LINES: Final = 20

SLACK: Final = 1.5
"""Seconds of a busy machine that are not a worker's memory."""

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
    found = {"MODE": "development", "WORKERS": "2", "TRUSTED_PROXIES": "127.0.0.1/32"}
    if request.param == "postgres":
        found["DATABASE_URL"] = asyncio.run(DATABASES.empty())
    yield found
    if request.param == "postgres":
        asyncio.run(DATABASES.drop([found["DATABASE_URL"]]))


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


class Line:
    """A connection of a backend, which stays with one worker."""

    def __init__(self, port: int, address: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self._address = address
        assert self._ask("GET", "/healthz", b"", "").status == 200

    def start(self, key: str, **members: object) -> tuple[int, str | None]:
        """Start a verification; the status, and the word of a refusal."""
        answer = self._ask("POST", START, json.dumps({"to": NUMBER} | members).encode(), key)
        return answer.status, answer.body.get("error")

    def _ask(self, method: str, path: str, body: bytes, key: str) -> Answer:
        headers = {"X-Forwarded-For": self._address, "Authorization": f"Bearer {key}"}
        if body:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return Answer(response.status, json.loads(response.read()), {})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def lines_to_both(server: Server) -> Iterator[list[Line]]:
    """Connections of which each worker has some."""
    before = server.connections()
    while True:
        with ExitStack() as stack:
            lines = [
                stack.enter_context(closing(Line(server.port, f"203.0.{number}.1")))
                for number in range(LINES)
            ]
            more = [now - then for now, then in zip(server.connections(), before, strict=True)]
            if len(more) == 2 and min(more) >= 2:
                yield lines
                return


def all_within_five_seconds(
    lines: list[Line], key: str, before: tuple[int, str], after: tuple[int, str]
) -> None:
    """Ask for a call until every connection is answered as *after*; the rest as *before*."""
    began, left = time.monotonic(), list(lines)
    while left:
        assert time.monotonic() - began < 5 + SLACK, f"{len(left)} lines are behind"
        answers = [(line, line.start(key, app="shop", channel="voice")) for line in left]
        assert {answer for _, answer in answers} <= {before, after}
        left = [line for line, answer in answers if answer == before]


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
            assert {line.start(one, app="shop", channel="voice") for line in lines} == {NO_VOICE}
        imported(server.folder, changed, settings)
        for one in (key, account):
            all_within_five_seconds(lines, one, NO_VOICE, (400, "region_not_allowed"))
        imported(server.folder, APPS, settings)
        all_within_five_seconds(lines, key, (400, "region_not_allowed"), NO_VOICE)


def test_a_revocation_reaches_both_workers_within_five_seconds(
    server: Server, settings: dict[str, str]
) -> None:
    """Both remember the key when it is revoked; neither accepts it for longer than 5 s."""
    key = made(server, settings, "--app", "shop")
    with lines_to_both(server) as lines:
        assert {line.start(key, channel="voice") for line in lines} == {NO_VOICE}
        revoked = command(server.folder, "api-keys", "revoke", key.split("_")[1], **settings)
        assert revoked.returncode == 0
        all_within_five_seconds(lines, key, NO_VOICE, (401, "unauthorized"))


def test_whom_keys_act_for(server: Server, settings: dict[str, str]) -> None:
    """The key of an app needs no name; that of an account names an app; others are not there."""
    shop, acme = (
        made(server, settings, "--app", "shop"),
        made(server, settings, "--account", "acme"),
    )
    reader = made(server, settings, "--app", "shop", "--scopes", "read,check")
    with closing(Line(server.port, "198.51.100.7")) as line:
        for app, answer in (("shop", NO_VOICE), ("club", NOT_THERE), ("bank", NOT_THERE)):
            assert line.start(shop, channel="voice", app=app) == answer
        for app, answer in (("shop", NO_VOICE), ("club", NO_VOICE), ("bank", NOT_THERE)):
            assert line.start(acme, channel="voice", app=app) == answer
        assert line.start(shop, channel="voice") == NO_VOICE
        assert line.start(acme, channel="voice") == NOT_THERE
        assert line.start(reader, channel="voice") == (403, "forbidden")


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
