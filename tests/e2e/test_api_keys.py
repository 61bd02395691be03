"""API keys at running servers: docs/contract.md, 5.8."""

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.server import Answer, Server, command, until
from tests.e2e.sessions import NO_LIMITS
from tests.e2e.two_workers import SLACK, Line, lines_to_both, settings_over

PATH: Final = "/token/exchange/"
"""A route that needs a key with the scope `exchange`. No code that is presented here is good."""

OLD, NEW = (f"k{n}:{base64.b64encode(bytes(range(n, n + 32))).decode()}" for n in (1, 2))
"""Two secret keys."""


def made(folder: Path, scopes: str, **settings: str) -> str:
    """A new key, as it is printed."""
    done = command(folder, "api-keys", "new", "--name", "shop", "--scopes", scopes, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def listed(folder: Path, **settings: str) -> list[dict[str, Any]]:
    """The keys that the command lists."""
    done = command(folder, "api-keys", "list", "--json", **settings)
    assert done.returncode == 0
    return [json.loads(line) for line in done.stdout.splitlines()]


def present(server: Server, key: str) -> Answer:
    """Present a key with a code that is nobody's."""
    return server.post(PATH, {"code": "x"}, Authorization=f"Bearer {key}")


def said(answer: Answer) -> tuple[int, str]:
    """The status and the word of a refusal; with a good key the code is judged."""
    return answer.status, answer["error"]


OPENED: Final = (400, "invalid_code")
"""What a right key opens: the code is judged, and is nobody's."""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Two workers over a database."""
    with settings_over(request.param) as found:
        yield found


@pytest.fixture(scope="module")
def server(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What is tested."""
    folder = tmp_path_factory.mktemp("keys")
    assert command(folder, "db", "upgrade", **settings).returncode == 0
    with Server(folder, "serve", **settings) as found:
        yield found


def presented(line: Line, key: str, client: str) -> tuple[int, str]:
    """Present a key on behalf of *client*."""
    return said(line.post(PATH, {"code": "x"}, key, client))


def test_scopes(server: Server, settings: dict[str, str]) -> None:
    """A key opens its scopes alone; the list shows all of a key but its secret."""
    both = made(server.folder, "passes,exchange", **settings)
    one = made(server.folder, "passes", **settings)
    assert said(present(server, both)) == OPENED
    assert said(present(server, one)) == (403, "forbidden")
    answer = present(server, both[:-1])
    assert said(answer) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    found = {key["id"]: key for key in listed(server.folder, **settings)}
    ids = [text.split("_")[1] for text in (both, one)]
    assert [found[one]["scopes"] for one in ids] == [["exchange", "passes"], ["passes"]]
    assert found[ids[1]]["last_used_at"] is None
    for done in (("list",), ("list", "--json"), ("revoke", ids[1])):
        shown = command(server.folder, "api-keys", *done, **settings)
        assert shown.returncode == 0
        assert all(text.split("_", 2)[2][:43] not in shown.stdout for text in (both, one))
    used = until(lambda: _last_used(server.folder, ids[0], settings))
    assert used.endswith(":00:00Z")
    audited = command(
        server.folder, "audit", "list", "--outcome", "forbidden", "--json", **settings
    )
    assert [json.loads(line)["api_key_id"] for line in audited.stdout.splitlines()] == [ids[1]]


def _last_used(folder: Path, key_id: str, settings: dict[str, str]) -> str | None:
    (used,) = (key["last_used_at"] for key in listed(folder, **settings) if key["id"] == key_id)
    return None if used is None else str(used)


def test_a_revocation_reaches_both_workers_within_five_seconds(
    server: Server, settings: dict[str, str]
) -> None:
    """Both remember the key when it is revoked; neither accepts it for longer than 5 s."""
    key = made(server.folder, "exchange", **settings)
    with lines_to_both(server) as lines:
        for client, line in enumerate(lines):
            assert presented(line, key, f"203.0.113.{client}") == OPENED
        revoked = command(server.folder, "api-keys", "revoke", key.split("_")[1], **settings)
        at = time.monotonic()
        assert (revoked.returncode, revoked.stdout) == (0, "revoked shop\n")
        left = dict(enumerate(lines))
        while left:
            assert time.monotonic() - at < 5 + SLACK, f"{len(left)} lines still accept it"
            for client, line in list(left.items()):
                word = presented(line, key, f"203.0.113.{client}")
                assert word in {OPENED, (401, "unauthorized")}
                if word != OPENED:
                    del left[client]
        # It stays so, wherever it is presented.
        assert {presented(line, key, "198.51.100.1") for line in lines} == {(401, "unauthorized")}


def test_forty_failures_at_once(server: Server, settings: dict[str, str]) -> None:
    """Exactly thirty of one client are judged by both workers; then a right key is refused too."""
    key = made(server.folder, "exchange", **settings)

    with lines_to_both(server) as some, lines_to_both(server) as more:
        lines = some + more
        first = asyncio.run(_each_once(lines, "192.0.2.40"))
        assert first == {(401, "unauthorized"): 30, (429, "rate_limited"): 10}
        assert presented(lines[0], key, "192.0.2.40") == (429, "rate_limited")
        assert presented(lines[0], key, "203.0.113.40") == OPENED


async def _each_once(lines: list[Line], client: str) -> Counter[tuple[int, str]]:
    tries = (asyncio.to_thread(presented, line, "", client) for line in lines)
    return Counter(await asyncio.gather(*tries))


def test_keys_outlive_a_rotation_if_they_are_used(tmp_path: Path) -> None:
    """A key that was used under the new secret key goes on without the old one; others end."""
    settings = {"MODE": "development", **NO_LIMITS}
    old, both, new = ({"SECRET_KEYS": keys} for keys in (OLD, f"{NEW},{OLD}", NEW))
    assert command(tmp_path, "db", "upgrade", **settings).returncode == 0

    def doctor(**given: str) -> list[str]:
        lines = command(tmp_path, "doctor", **settings, **given).stdout.splitlines()
        return [line for line in lines if "api keys: " in line]

    used, idle = (made(tmp_path, "exchange", **settings, **old) for _ in range(2))
    assert doctor(**old) == ["ok      api keys: 2 in use"]
    with Server(tmp_path, "serve", **settings, **both) as server:
        assert said(present(server, used)) == OPENED
        first = used.split("_")[1]
        until(lambda: _secret_keys(tmp_path, settings)[first] == "k2")
        assert "1 API key would end with secret key 'k1'" in doctor(**both)[0]
        assert said(present(server, used)) == OPENED
    with Server(tmp_path, "serve", **settings, **new) as server:
        assert said(present(server, used)) == OPENED
        assert said(present(server, idle)) == (401, "unauthorized")
        assert "1 API key ended with secret key 'k1'" in doctor(**new)[0]
    revoked = command(tmp_path, "api-keys", "revoke", idle.split("_")[1], **settings)
    assert revoked.returncode == 0  # it needs no secret key
    assert doctor(**new) == ["ok      api keys: 1 in use"]


def _secret_keys(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    return {key["id"]: key["secret_key"] for key in listed(folder, **settings)}


def test_what_the_commands_refuse(tmp_path: Path) -> None:
    """One line says what is wrong, and nothing is made."""
    settings = {"MODE": "development"}
    assert command(tmp_path, "db", "upgrade", **settings).returncode == 0
    new = ("new", "--name")
    for arguments, line in (
        ((*new, "shop", "--scopes", "passes,start"), "--scopes: takes passes and exchange, "),
        ((*new, "shop", "--scopes", ""), "--scopes: takes passes and exchange, "),
        ((*new, "shop"), "--scopes: takes passes and exchange, separated by commas, without --app"),
        ((*new, "shop", "--app", "shop"), "there is no app 'shop'; hsp-otp apps show lists all"),
        ((*new, "shop", "--account", "acme"), "there is no account 'acme'; hsp-otp apps show"),
        ((*new, "shop", "--app", "a", "--account", "b"), "takes either --app or --account"),
        (
            (*new, "shop", "--app", "a", "--scopes", "start,passes"),
            "--scopes: takes start, check and read, separated by commas, of an app or account",
        ),
        ((*new, " ", "--scopes", "passes"), "--name: takes printable text of 64 characters"),
        ((*new, "a\tb", "--scopes", "passes"), "--name: takes printable text of 64 characters"),
        ((*new, "n" * 65, "--scopes", "passes"), "--name: takes printable text of 64 characters"),
        (("revoke", "f" * 32), "there is no API key with that id"),
    ):
        done = command(tmp_path, "api-keys", *arguments, **settings)
        assert done.returncode != 0
        assert done.stdout == ""
        assert done.stderr.startswith(f"hsp-otp: {line}")
    assert listed(tmp_path, **settings) == []
    assert command(tmp_path, "api-keys", "list", **settings).stdout == "nothing\n"
