"""Passes and users by API at running servers: docs/contract.md, 5.9."""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx2
import jwt
import pytest

from tests.e2e.server import PATIENCE_SECONDS, Answer, Server
from tests.e2e.sessions import NO_LIMITS, me, refresh, said, sign_in
from tests.e2e.test_api_keys import made
from tests.e2e.test_readme import ROOT, blocks, run, shape
from tests.integration.behind import LATE

CODE: Final = "HSP-2000-0001"
NUMBER: Final = "+919812345678"
PAGE: Final = (ROOT / "docs" / "passes-api.md").read_text("utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers over one database."""
    with Server(tmp_path_factory.mktemp("passes"), WORKERS="2", **NO_LIMITS) as found:
        yield found


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    """A key that opens the routes."""
    return made(server.folder, "passes", MODE="development")


def ask(server: Server, method: str, key: str, body: object = None, code: str = CODE) -> Answer:
    """Make a request on a connection of its own, so that any worker may answer it."""
    response = httpx2.request(
        method,
        f"http://127.0.0.1:{server.port}/v1/passes/{code}",
        headers={"Authorization": f"Bearer {key}"},
        json=body,
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    )
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, response.json(), headers)


def paid(name: str = "Ravi", **user: str) -> dict[str, Any]:
    """A pass of which every text has that content."""
    told = {"first_name": name, "last_name": name, "phone_number": NUMBER}
    return {
        "payment_status": "paid",
        "plan_name": name,
        "user": {"id": "4711", "email": f"{name}@example.com", **told, **user},
    }


def test_the_page_is_as_shown(tmp_path: Path) -> None:
    """Every command of docs/passes-api.md gets the answer that is shown."""
    with Server(tmp_path) as server:
        make, keep, put, look, finish, trail = blocks("sh", PAGE)
        stored, shown, ended = map(json.loads, blocks("json", PAGE))
        kept = re.sub("=.*", f"={run(server, make).strip()}", keep)
        assert json.loads(run(server, kept + put)) == stored
        assert json.loads(run(server, kept + put))["change"] == "unchanged"
        found = json.loads(run(server, kept + look))
        assert (shape(found), found["user"]) == (shape(shown), shown["user"])
        assert json.loads(run(server, kept + finish)) == ended
        (row,) = map(json.loads, run(server, trail).splitlines())
        assert (row["action"], row["pass_code"]) == ("end_pass", "HSP-****-0001")
        assert row["api_key_id"] == kept.split("_")[1]


def test_a_customer_who_has_just_paid(server: Server, key: str) -> None:
    """Every worker finds the pass; its holder signs in under the house's id, until it ends."""
    assert server.validate(CODE)["error"] == "pass_not_found"
    assert ask(server, "PUT", key, paid(id="")).body["change"] == "added"
    for _ in range(10):
        assert server.validate(CODE).body == {"valid": True, "phone_masked": "***-***-5678"}
    signed_in = sign_in(server, CODE, NUMBER)
    own_id = signed_in["user"]["id"]
    assert subject(signed_in["access_token"]) == own_id
    assert ask(server, "GET", key)["user"]["is_verified"]
    assert ask(server, "PUT", key, paid()).body["change"] == "changed"
    new = refresh(server, signed_in["refresh_token"])
    assert subject(new["access_token"]) == "4711"
    for token in (signed_in["access_token"], new["access_token"]):
        assert me(server, token)["user"]["id"] == "4711"
    assert ask(server, "PUT", key, paid(id="42")).status == 409
    assert ask(server, "DELETE", key).body == {"pass_code": CODE, "change": "ended"}
    for _ in range(10):
        assert server.validate(CODE)["error"] == "pass_not_found"
    assert ask(server, "GET", key).status == 404
    assert said(refresh(server, new["refresh_token"])) == (401, "invalid_token")
    assert ask(server, "DELETE", key).body["change"] == "unchanged"


def subject(token: str) -> str:
    """Whom an access token names."""
    named: str = jwt.decode(token, options={"verify_signature": False})["sub"]
    return named


def test_forty_puts_at_once(server: Server, key: str) -> None:
    """Of two contents, one is left, and whole; each change leaves a row."""
    code = "HSP-2000-0040"
    with ThreadPoolExecutor(40) as callers:
        puts = [
            callers.submit(ask, server, "PUT", key, paid(("ones", "twos")[n % 2], id="40"), code)
            for n in range(40)
        ]
        changes = [put.result().body["change"] for put in puts]
    found = ask(server, "GET", key, code=code).body
    (name,) = {found["plan_name"], found["user"]["first_name"], found["user"]["last_name"]}
    assert name in {"ones", "twos"}
    assert found["user"]["email"] == f"{name}@example.com"
    assert changes.count("added") == 1
    with closing(sqlite3.connect(server.folder / "hsp-otp.db")) as database:
        rows = database.execute(
            "SELECT outcome FROM audit WHERE pass_code = 'HSP-****-0040' AND action = 'put_pass'"
        ).fetchall()
    assert sorted(row[0] for row in rows) == sorted(one for one in changes if one != "unchanged")


def test_a_database_that_others_hold(tmp_path: Path) -> None:
    """A put that the database does not take is a 503 in time, and may be repeated."""
    with Server(tmp_path) as server:
        key = made(tmp_path, "passes", MODE="development")
        assert ask(server, "PUT", key, paid()).status == 200
        with closing(sqlite3.connect(tmp_path / "hsp-otp.db", isolation_level=None)) as holding:
            holding.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            answer = ask(server, "PUT", key, paid("Held"))
            assert (answer.status, answer["error"]) == (503, "unavailable")
            assert answer.headers["retry-after"] == "2"
            assert time.monotonic() - began < LATE
        assert ask(server, "PUT", key, paid("Held")).body["change"] == "changed"
        assert server.stop() == 0  # its log tells of the failure


def test_nothing_is_told(server: Server, key: str) -> None:
    """Neither the log nor the database has the key, and the log has nothing of pass or user."""
    ask(server, "PUT", key, paid("Secretive", phone_number="12"))
    secret = key[len("hspotp_") + 33 : -9]
    assert len(secret) == 43
    log = server.errors + server.output
    for word in (key, secret, "Secretive", "Ravi@", "ravi@", "2000-0001"):
        assert word not in log
    with closing(sqlite3.connect(server.folder / "hsp-otp.db")) as database:
        kept = "\n".join(database.iterdump())
    assert secret not in kept
