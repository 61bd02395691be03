"""What a running service tells of its spending: docs/fraud.md."""

import base64
import time
from pathlib import Path

from hsp_otp.adapters.sql.record_kinds import BUDGETS
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.budgets import Budget, BudgetKey, charged
from hsp_otp.domain.guard import Debt
from hsp_otp.domain.prices import DOLLAR
from tests.alert_receiver import AlertReceiver
from tests.e2e.server import Server, command, until
from tests.integration.behind import execute

KEY = bytes(range(32))
INDIA = BudgetKey("signup", "IN")


def spend(server: Server, dollars: int) -> None:
    """Let a budget have spent so much."""
    spent = charged(Budget(), Debt.ALL, dollars * DOLLAR, SystemClock().now())
    body = BUDGETS.format.encode(spent)
    execute(
        server.folder / "hsp-otp.db",
        "INSERT INTO records (key, body, version) VALUES (?, ?, 1)"
        " ON CONFLICT (key) DO UPDATE SET body = excluded.body, version = records.version + 1",
        BUDGETS.key(str(INDIA)),
        body,
    )


def test_operators_are_told_within_ten_seconds(tmp_path: Path) -> None:
    """Once by all workers, signed, and in the log; `spend` shows the same."""
    with AlertReceiver() as receiver:
        settings = {
            "WORKERS": "3",
            "SPEND_ALERT_URL": receiver.url,
            "WEBHOOK_SECRET": base64.b64encode(KEY).decode(),
        }
        with Server(tmp_path, **settings) as server:
            spend(server, 40)
            began = time.monotonic()
            until(lambda: receiver.received)
            assert time.monotonic() - began < 10
            spend(server, 50)
            until(lambda: len(receiver.received) > 1)
            server.wait_for_log("percent=100")
            told = [one.members["data"] for one in receiver.received]
            lines = [line for line in server.errors.splitlines() if "spend_cap" in line]
            shown = command(tmp_path, "spend", "--csv", MODE="development").stdout
    assert [(one["account"], one["region"], one["percent"]) for one in told] == [
        ("signup", "IN", 80),
        ("signup", "IN", 100),
    ]
    assert all(one.is_signed(KEY) for one in receiver.received)
    assert len(lines) == 2
    assert "budget,signup,IN,,,50.00,50.00,100,50.00,15.00" in shown.splitlines()
