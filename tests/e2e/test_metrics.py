"""A server that is asked for its metrics: docs/contract.md, 5.4, and docs/metrics.md."""

import http.client
import os
import random
import signal
import socket
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.production import wrong
from tests.e2e.server import PATIENCE_SECONDS, Server, environment, until
from tests.e2e.sessions import DEMO, NUMBER, csrf, csrf_token, generated_keys, prove, sign_up
from tests.integration.behind import LATE
from tests.monitoring import VALUES
from tests.world import OTHER_PHONE

pytestmark = pytest.mark.timeout(120)

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW", "NONE")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers that share a listener for metrics."""
    with Server(tmp_path_factory.mktemp("metrics"), WORKERS="2", METRICS_PORT="0") as server:
        until(lambda: server.metric("workers") == 2)
        yield server
        # Whoever reads slowly holds nobody up.
        with socket.create_connection(("127.0.0.1", server.metrics_port)) as slow:
            slow.sendall(b"GET /metr")
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 10 + LATE
        assert unexpected(server) == []


def unexpected(server: Server) -> list[str]:
    """What it complains of but for what is done to it here."""
    return [line for line in server.complaints if "worker_ended" not in line]


def ask(port: int, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Make a request of any kind."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def shown(server: Server) -> str:
    """The text of the metrics."""
    status, body = ask(server.metrics_port, "GET", "/metrics")
    assert status == 200
    return body.decode()


def test_one_listener_shows_all_workers(served: Server) -> None:
    """Requests that both workers answered are in one sum; what was kept secret stays so."""
    server, page = served, csrf_token(generated_keys(served.folder))
    before = server.metric("http_requests_total", route="/healthz", status="200")
    for _ in range(40):  # a connection each, which the workers share out
        assert server.get("/healthz").status == 200
    assert server.metric("http_requests_total", route="/healthz", status="200") == before + 40

    assert server.validate(DEMO).status == 200
    sent = server.send(DEMO)
    code = server.message_to(NUMBER).code
    assert server.verify(DEMO, wrong(code)).status == 400
    granted = server.verify(DEMO, code)
    assert granted.status == 200
    begun = sign_up(server, OTHER_PHONE, page)
    digits = server.message_to(OTHER_PHONE).code
    proved = prove(server, begun["session_id"], digits, page)
    assert proved.status == 200

    assert server.metric("checks_total", flow="pass_login", outcome="verified") == 1
    assert server.metric("checks_total", flow="pass_login", outcome="invalid_otp") == 1
    assert server.metric("checks_total", flow="signup", outcome="verified") == 1
    assert server.metric("messages_sent_total", region="IN", sender="console") == 2
    assert server.metric("time_to_verify_seconds_count") == 2
    assert server.metric("circuit_open", sender="console") == 0
    text = shown(server)
    secrets = (
        *(code, digits, NUMBER, OTHER_PHONE, DEMO, sent["challenge_id"], page),
        *(granted["access_token"], granted["refresh_token"]),
        *(begun["session_id"], proved["proof"], "127.0.0.1"),
    )
    assert [secret for secret in secrets if secret in text] == []


def test_a_scan_makes_no_series(tmp_path: Path) -> None:
    """
    Whatever somebody tries, labels are of what the service is made of, and soon all there.

    Paths, queries, methods, hosts, addresses, pass codes, numbers and tokens are all different.
    """
    settings = {"WORKERS": "2", "METRICS_PORT": "0", "TRUSTED_PROXIES": "127.0.0.1/32"}
    settings["LOOKUP_MISSES_PER_HOUR"] = "60"  # the half reaches it
    with Server(tmp_path, **settings) as server:
        scan_and_look(server, csrf_token(generated_keys(tmp_path)))
        assert server.stop() == 0
        assert unexpected(server) == []


def scan_and_look(server: Server, page: str) -> None:
    """Half of a scan shows all series that the whole makes."""
    chance = random.Random(7)  # noqa: S311 - any will do

    def scan() -> None:
        word = "".join(chance.choices(string.ascii_letters + string.digits + "+%/-.", k=12))
        front = chance.choice(
            ("/", "/customer/", "/customer/verify-otp/", "/static/", "/callbacks/")
        )
        method = chance.choice((*METHODS, word[:5].strip("+%/-.").upper() or "X"))
        ask(server.port, method, f"{front}{word}")
        ask(server.port, "GET", f"/healthz?{word}", Host=f"{word.strip('+%/-.')}.example.com")
        pass_code = f"HSP-{chance.randrange(10_000):04}-{chance.randrange(10_000):04}"
        number = f"+{chance.choice((1, 44, 49, 91))}{chance.randrange(10**10):010}"
        client = {"X-Forwarded-For": f"10.1.{chance.randrange(256)}.{chance.randrange(256)}"}
        for path, body in (
            ("/customer/validate-pass/", {"pass_code": pass_code}),
            ("/customer/send-otp/", {"pass_code": pass_code}),
            ("/customer/verify-otp/", {"pass_code": pass_code, "otp": f"{len(word):06}"}),
            ("/token/refresh/", {"refresh_token": word}),
            ("/token/revoke/", {"refresh_token": word}),
            ("/users/api/send-otp/", {"phone": number}),
            ("/users/api/verify-otp/", {"session_id": word, "otp_code": "123456"}),
        ):
            server.post(path, body, **client, **csrf(page))

    for _ in range(50):
        scan()
    # All methods where nothing is and where something is: chance may leave one out.
    for method in METHODS:
        for path in ("/nothing", "/customer/verify-otp/"):
            ask(server.port, method, path)
    known = server.metrics().keys()
    of_libraries = {"le", "version"}
    values = {label for _, labels in known for label in labels if label[0] not in of_libraries}
    assert [(name, value) for name, value in values if value not in VALUES[name]] == []
    for _ in range(50):
        scan()
    assert server.metrics().keys() - known == set()
    assert server.metric("http_requests_total", route="none") > 50


def test_a_killed_worker_is_still_counted(served: Server) -> None:
    """Counters do not fall when a worker is killed and another one takes its place."""
    server = served
    for _ in range(20):
        assert server.get("/healthz").status == 200
    before = server.metrics()
    os.kill(server.workers()[0], signal.SIGKILL)
    until(lambda: server.metric("workers") == 1)
    until(lambda: server.metric("workers") == 2)
    after = server.metrics()
    counted = [key for key in before if key[0].endswith(("_total", "_count", "_bucket"))]
    assert len(counted) > 10
    assert [key for key in counted if after[key] < before[key]] == []
    assert server.metric("http_requests_total", route="/healthz", status="200") >= 20


def test_nothing_else_is_there(served: Server) -> None:
    """The listener has one path, and survives what is not HTTP."""
    server = served
    port = server.metrics_port
    assert [ask(port, "GET", path)[0] for path in ("/", "/metrics/x", "/healthz", "/docs")] == [
        404
    ] * 4
    assert ask(port, "GET", "/metrics/?name[]=%ff")[0] == 200
    assert ask(port, "HEAD", "/metrics") == (200, b"")
    assert ask(port, "POST", "/metrics")[0] == 405
    for rubbish in (
        b"\x00\xff\x16\x03\x01\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/9\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as line:
            line.sendall(rubbish)
            assert line.recv(100).startswith(b"HTTP/1.1 400")
    assert server.metric("workers") == 2
    assert ask(server.port, "GET", "/metrics")[0] == 404


OFF = """
import asyncio, sys
from hsp_otp.entrypoints.server import run as serving
from hsp_otp.entrypoints.development import with_generated_keys
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.wiring import open_services

async def look():
    async with open_services(with_generated_keys(load())) as house:
        print(house.answered, house.journeys.pass_login.limiter.usage.meter.watch.listeners)

asyncio.run(look())
print("prometheus_client" in sys.modules)
"""


def test_off_nothing_is_measured(tmp_path: Path) -> None:
    """Without a port nobody but the request's line is told, and nobody loads the library."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", OFF],
        cwd=tmp_path,
        env=environment({"MODE": "development"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["None", "()", "False"], done.stderr
