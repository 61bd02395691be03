"""The guard against toll fraud, at two workers: docs/contract.md, 3a."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.server import Answer, Server
from tests.e2e.sessions import csrf, csrf_token, generated_keys, said

PRICES = """\
dated = 2026-11-01
[console]
default = 0.159
"""

OPEN = {
    "WORKERS": "2",
    "TRUSTED_PROXIES": "127.0.0.1",
    "WORK_SECONDS": "0",
    "STRETCH_PER_REGION_DAY": "0",
}
"""Nobody is asked for work, and nothing is lent to groups that are full."""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def prices(tmp_path: Path) -> str:
    """A file of prices, in which messages cost something though nothing is sent."""
    file = tmp_path / "prices.toml"
    file.write_text(PRICES)
    return str(file)


def addresses() -> Iterator[str]:
    """Addresses of as many networks."""
    return (f"10.{one // 250}.{one % 250}.1" for one in range(10_000))


def ask(server: Server, phone: str, client: str, token: str) -> Answer:
    """Ask for a code in signup."""
    told = {"X-Forwarded-For": client, **csrf(token)}
    return server.post("/users/api/send-otp/", {"phone": phone}, **told)


def enter(server: Server, sent: Answer, phone: str, client: str, token: str) -> Answer:
    """Present the right code."""
    members = {"session_id": sent["session_id"], "otp_code": server.message_to(phone).code}
    told = {"X-Forwarded-For": client, **csrf(token)}
    return server.post("/users/api/verify-otp/", members, **told)


def test_many_addresses_for_the_numbers_of_one_operator(tmp_path: Path, prices: str) -> None:
    """They are stopped, while people who enter their codes are served; the rows say why."""
    with Server(tmp_path, PRICES=prices, **OPEN) as server:
        token, clients = csrf_token(generated_keys(tmp_path)), addresses()
        answers = [
            ask(server, f"+9198111{number:05}", next(clients), token) for number in range(40)
        ]
        assert [said(one) for one in answers[:3]] == [(200, "granted")] * 3
        assert {said(one) for one in answers[3:]} == {(429, "range_rate_limited")}
        refused = answers[-1]
        assert refused.body["other_ways"] == []
        assert refused["message"].startswith("Too many codes that nobody entered")
        assert 23 * 3600 < refused["retry_after_seconds"] <= 25 * 3600
        assert refused.headers["retry-after"] == str(refused["retry_after_seconds"])
        for number in range(12):
            phone, client = f"+9198765{number:05}", next(clients)
            sent = ask(server, phone, client, token)
            assert said(sent) == (200, "granted")
            assert said(enter(server, sent, phone, client, token)) == (200, "granted")
        assert server.complaints == []
    with closing(sqlite3.connect(tmp_path / "hsp-otp.db")) as connection:
        rows = connection.execute(
            "SELECT verdict, reasons, price, spent_by, sum(count) FROM audit "
            "WHERE outcome = 'range_rate_limited' GROUP BY 1, 2, 3, 4"
        ).fetchall()
        assert rows == [("refused", "range 4/3 24h", 159_000, "console", 37)]
        debts = connection.execute(
            "SELECT paid, count(*), sum(price) FROM debts GROUP BY 1 ORDER BY 1"
        ).fetchall()
        assert debts == [(None, 3, 477_000), ("verified", 12, 1_908_000)]


def test_a_cap_holds(tmp_path: Path, prices: str) -> None:
    """Pass login and signup have caps of their own, and no worker spends more than there is."""
    caps = {"SPEND_PER_DAY": "1", "SPEND_PER_REGION_DAY": "0.5", "LOGIN_SPEND_PER_DAY": "0.2"}
    caps["RESEND_COOLDOWN_SECONDS"] = "0"
    with Server(tmp_path, PRICES=prices, **OPEN, **caps) as server:
        token, clients = csrf_token(generated_keys(tmp_path)), addresses()
        words = [
            said(ask(server, f"+91981{number:07}", next(clients), token))
            for number in range(10_000, 120_000, 10_000)
        ]
        assert words.count((200, "granted")) == 3
        assert set(words[3:]) == {(429, "region_rate_limited")}
        login = server.send("HSP-1234-5678")
        assert said(login) == (200, "granted")
        again = server.send("HSP-1234-5678")
        assert said(again) == (429, "spend_limited")
        assert again.body["other_ways"] == []


def test_recording_and_nothing(tmp_path: Path, prices: str) -> None:
    """`record` writes what it would have said; `off` neither judges nor caps."""
    settings = {"PRICES": prices, **OPEN}
    for mode, verdicts in (("record", {"free", "refused"}), ("off", {None})):
        folder = tmp_path / mode
        folder.mkdir()
        with Server(folder, GUARD=mode, SPEND_PER_DAY="1", **settings) as server:
            token, clients = csrf_token(generated_keys(folder)), addresses()
            words = [
                said(ask(server, f"+9198111{number:05}", next(clients), token))
                for number in range(8)
            ]
        with closing(sqlite3.connect(folder / "hsp-otp.db")) as connection:
            rows = connection.execute("SELECT DISTINCT verdict FROM audit WHERE action = 'send'")
            assert {row[0] for row in rows} == verdicts
        refused = [(429, "spend_limited")] * 2 if mode == "record" else []
        assert words == [*[(200, "granted")] * (8 - len(refused)), *refused]
