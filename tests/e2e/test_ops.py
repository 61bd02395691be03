"""The operator's page of a started server with two workers: docs/contract.md, 5.7."""

import http.client
import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.e2e.production import query
from tests.e2e.server import PATIENCE_SECONDS, Server, until
from tests.e2e.sessions import DEMO, NUMBER

pytestmark = pytest.mark.timeout(120)

PASSWORD = "correct horse battery staple"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    """Two workers, and no listener for metrics; of one's own, for failures are remembered."""
    with Server(tmp_path, WORKERS="2", OPS_PASSWORD=PASSWORD) as server:
        until(lambda: len(server.workers()) == 2)
        yield server
        assert server.stop() == 0
        assert [one for one in server.complaints if "worker_ended" not in one] == []


class Browser:
    """A connection for each request, which the workers share out, cookies, and the page's token."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}
        self.token = ""
        self.forwarded_for = ""

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str]:
        """Make a request, and keep what cookies come."""
        port = self.server.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if self.forwarded_for:
            headers["X-Forwarded-For"] = self.forwarded_for
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, urlencode(fields or {}), headers)
            response = connection.getresponse()
            for name, value in response.getheaders():
                if name.lower() == "set-cookie":
                    pair, _, _ = value.partition(";")
                    key, _, text = pair.partition("=")
                    self.cookies[key] = text.strip('"')
            text = response.read().decode()
            found = re.search(r'name="csrftoken" value="([^"]+)"', text)
            self.token = found[1] if found else self.token
            return response.status, text
        finally:
            connection.close()

    def post(self, path: str, **fields: str) -> tuple[int, str]:
        """Send a form of the page."""
        return self.ask("POST", path, {"csrftoken": self.token, **fields})

    def sign_in(self, password: str = PASSWORD, name: str = "") -> int:
        """Try a password."""
        self.ask("GET", "/ops/")
        return self.post("/ops/", username=name, password=password)[0]


def test_whichever_worker_answers(served: Server) -> None:
    """A session, what a sender did, and that it was ended hold for both; so does a restart."""
    browser = Browser(served)
    assert browser.sign_in() == 303
    assert browser.ask("GET", "/ops/")[0] == 200
    assert served.send(DEMO).status == 200
    code = served.message_to(NUMBER).code
    assert served.verify(DEMO, code).status == 200
    for _ in range(12):
        status, page = browser.ask("GET", "/ops/live/")
        assert (status, "Senders" in page) == (200, True)
        assert re.search(r"accepted</dt><dd>1<", page)
    status, story = browser.post("/ops/story/", contact=NUMBER)
    assert status == 200
    assert "presented a code on a device that is not known: it was right" in story
    assert code not in story
    assert NUMBER[1:] not in story
    os.kill(served.workers()[0], signal.SIGKILL)
    until(lambda: len(served.workers()) == 2)
    until(lambda: browser.ask("GET", "/healthz")[0] == 200)
    held = dict(browser.cookies)
    for _ in range(6):
        status, page = browser.ask("GET", "/ops/live/")
        assert status == 200
        assert re.search(r"accepted</dt><dd>[01]<", page)
    assert browser.post("/ops/sign-out/")[0] == 303
    for _ in range(12):
        browser.cookies = dict(held)
        assert browser.ask("GET", "/ops/live/")[0] == 303
    assert PASSWORD not in served.errors + served.output
    assert held["hsp_otp_ops"] not in served.errors + served.output


def test_signing_out_while_the_lock_is_held(served: Server) -> None:
    """While somebody holds SQLite's lock it is a 503, and no worker shows its cookie anything."""
    browser = Browser(served)
    assert browser.sign_in() == 303
    other = Browser(served)
    assert other.sign_in() == 303
    database = sqlite3.connect(served.folder / "hsp-otp.db", isolation_level=None)
    with closing(database):
        database.execute("BEGIN IMMEDIATE")
        assert browser.ask("GET", "/ops/")[0] == 200
        held = dict(browser.cookies)
        status, page = browser.post("/ops/sign-out/")
        assert status == 503
        assert "Your session has ended on this machine" in page
        assert browser.cookies["hsp_otp_ops"] == ""

        def opens() -> bool:
            browser.cookies = dict(held)
            statuses = {browser.ask("GET", "/ops/live/")[0]}
            statuses.add(browser.post("/ops/story/", contact=NUMBER)[0])
            assert statuses <= {200, 303}
            return 200 in statuses

        assert [opens() for _ in range(12)] == [False] * 12
        # Whoever has not signed out still looks.
        assert other.ask("GET", "/ops/live/")[0] == 200
        database.execute("COMMIT")
        assert [opens() for _ in range(12)] == [False] * 12
    wanted = "SELECT count(*) FROM records WHERE key LIKE 'usage:ops_ended:%'"
    until(lambda: query(served.folder, wanted) == [(1,)])
    assert [opens() for _ in range(12)] == [False] * 12


def test_failures_count_together(served: Server) -> None:
    """However the workers share the guesses out, five are judged; the right one comes too late."""
    browser = Browser(served)
    assert [browser.sign_in(f"wrong {guess}") for guess in range(7)] == [403] * 5 + [429] * 2
    assert browser.sign_in() == 429


def test_it_is_not_there(tmp_path: Path) -> None:
    """Without a password the path is nobody's, and nothing of the page is loaded."""
    with Server(tmp_path) as server:
        assert server.get("/ops/").status == 404
        assert server.get("/ops/live/")["error"] == "not_found"
