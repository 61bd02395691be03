"""A customer signs in; the server is stopped, killed and started again meanwhile."""

import base64
import http.client
import json
import os
import shutil
import signal
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import PATIENCE_SECONDS, NewServer, Server, until
from tests.integration.behind import LATE

DEMO = "HSP-1234-5678"
NUMBER = "+919876543210"


def claims(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims of a JWT, unverified."""
    header, body, _ = (part + "=" * (-len(part) % 4) for part in token.split("."))
    return json.loads(base64.urlsafe_b64decode(header)), json.loads(base64.urlsafe_b64decode(body))


def wrong(code: str) -> str:
    """Another code."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


def parent_of(pid: int) -> int:
    """The pid of a process's parent."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(status.partition("PPid:")[2].split()[0])


def line_to(server: Server) -> http.client.HTTPConnection:
    """A connection that stays open."""
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)


def test_a_customer_signs_in(server: Server) -> None:
    """Validate, send, a wrong code, the right one, and the right one again."""
    assert (
        f"hsp-otp is running at http://127.0.0.1:{server.port} in development mode" in server.output
    )
    assert f"Demo pass: {DEMO}" in server.output
    assert server.validate(DEMO).body == {"valid": True, "phone_masked": "***-***-3210"}
    sent = server.send(DEMO).body
    challenge_id = sent.pop("challenge_id")
    assert sent == {
        "sent": True,
        "phone_masked": "***-***-3210",
        "expires_in": 600,
        "resend_in": 30,
    }
    (message,) = server.messages
    assert message.to == NUMBER
    assert "House Service Pass code. It expires in 10" in server.output
    answer = server.verify(DEMO, wrong(message.code))
    assert (answer.status, answer["error"], answer["attempts_remaining"]) == (400, "invalid_otp", 2)
    answer = server.verify(DEMO.lower(), f" {message.code[:3]}-{message.code[3:]} ")
    assert answer.status == 200
    body = answer.body
    assert (body["success"], body["token_type"], body["expires_in"]) == (True, "Bearer", 900)
    assert {**body["user"], "id": ""} == {
        "id": "",
        "email": "asha@example.com",
        "first_name": "Asha",
        "last_name": "Rao",
        "phone_number": NUMBER,
    }
    assert {**body["pass"], "days_until_expiry": 0} == {
        "pass_code": DEMO,
        "status": "active",
        "plan_name": "Gold",
        "expires_at": "2099-12-31T00:00:00Z",
        "days_until_expiry": 0,
        "is_expired": False,
    }
    header, found = claims(body["access_token"])
    assert header == {"alg": "ES256", "kid": "dev", "typ": "at+jwt"}
    assert found["sub"] == body["user"]["id"]
    assert found["sid"] == challenge_id
    assert found["exp"] - found["iat"] == 900
    answer = server.verify(DEMO, message.code)
    assert (answer.status, answer["error"]) == (400, "otp_expired")


def test_a_started_server_is_alive_and_ready(server: Server) -> None:
    """Health and readiness of a server that runs."""
    assert server.get("/healthz").body == {"status": "ok"}
    ready = server.get("/readyz")
    assert (ready.status, ready["status"]) == (200, "ready")
    assert ready["checks"]["database"] == "ok"


def test_a_code_outlives_a_kill(tmp_path: Path) -> None:
    """A server killed between send and verify is started again: the code works, and once."""
    with Server(tmp_path) as server:
        assert server.send(DEMO).status == 200
        server.kill()
    with Server(tmp_path) as server:
        (message,) = server.messages
        answer = server.send(DEMO)
        assert (answer.status, answer["error"]) == (429, "resend_too_soon")
        assert server.verify(DEMO, wrong(message.code))["attempts_remaining"] == 2
        server.kill()
    with Server(tmp_path) as server:
        assert server.verify(DEMO, wrong(message.code))["attempts_remaining"] == 1
        assert server.verify(DEMO, message.code).status == 200
        server.kill()
    with Server(tmp_path) as server:
        answer = server.verify(DEMO, message.code)
        assert (answer.status, answer["error"]) == (400, "otp_expired")


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    """One worker of two is killed: the code that it sent works at the others."""
    with NewServer(tmp_path, WORKERS="2") as server:
        if not server.workers():
            pytest.skip("this system does not tell a process's children")
        both = until(lambda: found if len(found := server.workers()) == 2 else None)
        assert server.send(DEMO).status == 200
        os.kill(both[0], signal.SIGKILL)
        until(lambda: len(now := server.workers()) == 2 and both[0] not in now)
        assert server.verify(DEMO, server.message_to(NUMBER).code).status == 200
        assert server.stop() == 0
        (complaint,) = server.complaints
        assert "worker_ended" in complaint


@pytest.mark.parametrize("which", ["the server", "what workers are copies of"])
def test_no_worker_is_left_behind(tmp_path: Path, which: str) -> None:
    """Where the server has gone, its workers stop; where it has lost them, others serve."""
    with NewServer(tmp_path, WORKERS="2") as server:
        both = until(lambda: found if len(found := server.workers()) == 2 else None)
        if which == "the server":
            os.kill(server.process.pid, signal.SIGKILL)
        else:
            os.kill(parent_of(both[0]), signal.SIGKILL)
            until(lambda: len(now := server.workers()) == 2 and not {*now} & {*both})
            assert server.send(DEMO).status == 200
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in both))
        if which == "the server":
            server.kill()
        else:
            assert server.stop() == 0
            assert all("worker_ended" in complaint for complaint in server.complaints)


def test_where_no_copy_is_to_be_had_a_worker_starts_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has tidied the temporary folder up, and then a worker ends."""
    with tempfile.TemporaryDirectory() as folder:  # a short path: a socket's takes 107 characters
        monkeypatch.setenv("TMPDIR", folder)
        with NewServer(tmp_path, WORKERS="2") as server:
            both = until(lambda: found if len(found := server.workers()) == 2 else None)
            for one in Path(folder).glob("pymp-*"):
                shutil.rmtree(one)
            os.kill(both[0], signal.SIGKILL)
            until(lambda: "worker_not_copied" in server.errors)
            until(lambda: server.errors.count("worker_ended") == 1)
            for _ in range(20):
                assert server.validate(DEMO).status == 200
            assert server.stop() == 0


def test_workers_share_what_was_loaded(tmp_path: Path) -> None:
    """They are copies of one process, whose memory counts once."""
    with NewServer(tmp_path, WORKERS="2") as server:
        until(lambda: len(server.workers()) == 2)
        for pid in server.workers():
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()
            kept = {
                name: rest.split()[0]
                for name, _, rest in (one.partition(":") for one in rollup[1:])
            }
            assert int(kept["Pss"]) < 0.8 * int(kept["Rss"])


@pytest.mark.parametrize(("workers", "tell"), [("1", os.kill), ("2", os.kill), ("2", os.killpg)])
def test_a_stop_lets_requests_in_flight_finish(
    tmp_path: Path, workers: str, tell: Callable[[int, int], None]
) -> None:
    """
    A send that waits when the server is told to stop is answered, and its exit status is 0.

    So it is where all of its processes are told at once.
    """
    with NewServer(tmp_path, WORKERS=workers) as server, closing(line_to(server)) as line:
        with closing(sqlite3.connect(tmp_path / "hsp-otp.db", isolation_level=None)) as holding:
            holding.execute("BEGIN IMMEDIATE")
            body = json.dumps({"pass_code": DEMO})
            line.request("POST", "/customer/send-otp/", body, {"Content-Type": "application/json"})
            port = line.sock.getsockname()[1]
            until(lambda: server.has_read(port))  # it is waiting for the lock now
            tell(server.process.pid, signal.SIGTERM)
            threading.Event().wait(0.3)
            assert server.process.poll() is None
        assert line.getresponse().status == 200
        assert server.process.wait(PATIENCE_SECONDS) == 0
        assert len(server.messages) == 1
        assert server.complaints == []


def test_a_stop_with_idle_connections_is_quick(server: Server) -> None:
    """Connections that clients keep open do not hold a stop up."""
    with closing(line_to(server)) as line:
        line.request("GET", "/healthz")
        line.getresponse().read()
        server.process.terminate()
        assert server.process.wait(LATE) == 0


def test_a_database_that_is_locked_is_503_in_time(tmp_path: Path) -> None:
    """While another process holds the database no code is sent, and all is well after it."""
    with Server(tmp_path) as server:
        with closing(sqlite3.connect(tmp_path / "hsp-otp.db", isolation_level=None)) as holding:
            holding.execute("BEGIN IMMEDIATE")
            answer = server.send(DEMO)
            assert (answer.status, answer["error"]) == (503, "unavailable")
            assert answer.headers["retry-after"] == "2"
            assert answer["sent"] is False
            assert "locked" not in str(answer.body)
        assert server.messages == []
        assert server.send(DEMO).status == 200
        assert server.stop() == 0
        assert [line for line in server.complaints if "unavailable" not in line] == []
