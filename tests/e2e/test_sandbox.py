"""The sandbox of development mode at running servers: docs/contract.md, 12."""

import asyncio
import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.production import prepare, start
from tests.e2e.server import PATIENCE_SECONDS, Line, Server, command
from tests.gateway import Gateway
from tests.integration.postgres_server import DATABASES
from tests.plays import PLAYS

DEMO = "HSP-1234-5678"
NUMBER = "+919876543210"
CLOCK = "/dev/clock/"
OUTBOX = "/dev/outbox/"
LINES = 20


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Two workers over a database."""
    found = {"MODE": "development", "WORKERS": "2", "RESEND_COOLDOWN_SECONDS": "0"}
    if request.param == "postgres":
        found["DATABASE_URL"] = asyncio.run(DATABASES.empty())
    yield found
    if request.param == "postgres":
        asyncio.run(DATABASES.drop([found["DATABASE_URL"]]))


@pytest.fixture
def server(settings: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    """What is tested."""
    with Server(tmp_path, **settings) as found:
        yield found


def asked(server: Server, method: str, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
    """Make a request without a body; its status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    with closing(connection):
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


async def _times(server: Server, seconds: int) -> list[str]:
    """Turn the clock at one worker, and then ask both workers for the time."""
    lines = [await Line.open(server.port) for _ in range(LINES)]
    answers = [await lines[0].post(CLOCK, {"advance_seconds": seconds}, "")]
    answers += [await line.post(CLOCK, {"advance_seconds": 0}, "") for line in lines]
    for line in lines:
        await line.close()
    return [answer["now"] for answer in answers]


def test_the_clock_of_both_workers_is_turned(server: Server) -> None:
    """Each sees it before its next request after the answer, and codes and tokens expire by it."""
    assert server.send(DEMO).status == 200
    code = server.message_to(NUMBER).code
    before = server.post(CLOCK, {"advance_seconds": 0})["now"]
    turned, *times = asyncio.run(_times(server, 660))
    assert before < turned
    assert all(turned <= now for now in times)
    answers = [server.verify(DEMO, code) for _ in range(4)]
    assert {(answer.status, answer["error"]) for answer in answers} == {(400, "otp_expired")}
    assert server.send(DEMO).status == 200
    signed_in = server.verify(DEMO, server.message_to(NUMBER).code)
    assert signed_in.status == 200
    bearer = {"Authorization": f"Bearer {signed_in['access_token']}"}
    assert asked(server, "GET", "/customer/me/", **bearer)[0] == 200
    server.post(CLOCK, {"advance_seconds": 901})
    assert asked(server, "GET", "/customer/me/", **bearer)[0] == 401
    refreshed = server.post("/token/refresh/", {"refresh_token": signed_in["refresh_token"]})
    assert refreshed.status == 200


def test_commands_follow_the_clock(server: Server, settings: dict[str, str]) -> None:
    """A command beside a server reads the server's time."""
    now = server.post(CLOCK, {"advance_seconds": 30 * 86_400})["now"]
    text = '[shop]\naccount = "acme"\nservice_name = "Shop"\n'
    (server.folder / "apps.toml").write_text(text)
    command(server.folder, "apps", "import", "apps.toml", **settings)
    shown = command(server.folder, "apps", "show", "shop", **settings).stdout
    (made,) = re.findall(r"made: +(.*)", shown)
    assert now[:16].replace("T", " ") <= made


def test_the_outbox_of_both_workers(server: Server) -> None:
    """It has the messages of both, the newest first, until it is emptied."""
    sent = []
    for _ in range(4):
        assert server.send(DEMO).status == 200
        sent.append(server.message_to(NUMBER).code)
    found: list[dict[str, Any]] = server.get(f"{OUTBOX}?to=%2B919876543210")["messages"]
    assert [one["code"] for one in found] == sent[::-1]
    assert {one["to"] for one in found} == {NUMBER}
    assert server.get(f"{OUTBOX}?to=%2B919812345678")["messages"] == []
    assert asked(server, "DELETE", OUTBOX) == (200, {"messages": []})
    assert server.get(OUTBOX)["messages"] == []


def printed(server: Server) -> str:
    """The key that it has printed at its last start."""
    keys: list[str] = re.findall(r"Bearer (hspotp_\S+)'", server.output)
    return keys[-1]


def test_the_demo_app_and_its_key(tmp_path: Path) -> None:
    """They are made at the first start, and the same key is printed at the next one."""
    keys = []
    for _ in range(2):
        with Server(tmp_path) as server:
            keys.append(printed(server))
    assert keys[0] == keys[1]
    listed = command(tmp_path, "api-keys", "list", "--json", MODE="development").stdout
    (key,) = map(json.loads, listed.splitlines())
    assert (key["app"], key["scopes"]) == ("demo", ["check", "read", "start"])
    command(tmp_path, "api-keys", "revoke", key["id"], MODE="development")
    with Server(tmp_path) as server:
        assert printed(server) not in keys
    told = server.output.count("hspotp_")
    with Server(tmp_path, VERIFY_API="false", TWILIO_VERIFY="false") as server:
        assert server.output.count("hspotp_") == told


def test_production_has_no_sandbox(tmp_path: Path) -> None:
    """Its paths are unknown there, and its files are not made."""
    keys = prepare(tmp_path, 1)
    with Gateway(PLAYS["twilio"]) as gateway, start(tmp_path, keys, gateway) as server:
        for path in (CLOCK, OUTBOX):
            answer = server.get(path)
            assert (answer.status, answer["error"]) == (404, "not_found")
    assert not list(tmp_path.glob("*.keys"))
