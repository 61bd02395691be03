"""Past asks, judged again beside a service that told them their verdicts: docs/fraud.md."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server, command
from tests.e2e.sessions import csrf_token, generated_keys, said
from tests.e2e.test_guard_over_http import OPEN, PRICES, addresses, ask, enter

pytestmark = pytest.mark.timeout(180)

DAY_SECONDS = 86_400


def replayed(folder: Path, *arguments: str, **settings: str) -> list[dict[str, Any]]:
    """What `replay --json` writes."""
    done = command(folder, "replay", "--json", *arguments, MODE="development", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_replaying_what_a_service_has_judged(tmp_path: Path) -> None:
    """Under the policy that made them no verdict differs; under others it says what would have."""
    file = tmp_path / "prices.toml"
    file.write_text(PRICES)
    settings = OPEN | {
        "WORKERS": "1",
        "PRICES": str(file),
        "STRETCH_PER_REGION_DAY": "0.5",
        "SPEND_PER_REGION_DAY": "4",
        "SIGNUP_REGIONS": "IN,GB",
        "RESEND_COOLDOWN_SECONDS": "0",
        "SIGNUP_SENDS_PER_CLIENT_MINUTE": "0",
        "SIGNUP_SENDS_PER_CLIENT_HOUR": "0",
    }
    words: Counter[str] = Counter()
    with Server(tmp_path, **settings) as server:
        token, clients = csrf_token(generated_keys(tmp_path)), addresses()
        for day in range(3):
            for number in range(9):
                attacked = f"+9198111{day}{number:04}"
                words[said(ask(server, attacked, next(clients), token))[1]] += 1
                phone, client = f"+9198765{day}{number:04}", next(clients)
                sent = ask(server, phone, client, token)
                words[said(sent)[1]] += 1
                if said(sent)[1] == "granted":
                    assert said(enter(server, sent, phone, client, token)) == (200, "granted")
                british = f"+447{'4578'[number % 4]}11{day}{number}{number:04}"
                words[said(ask(server, british, "10.9.9.9", token))[1]] += 1
            server.post("/dev/clock/", {"advance_seconds": DAY_SECONDS // 2})
        shown = command(
            tmp_path, "spend", "--since", "30d", "--csv", MODE="development", **settings
        )
        same = replayed(tmp_path, **settings)
        (tmp_path / "off.toml").write_text('range_debt = "0"\nblock_debt = "0"\n')
        open_ = replayed(tmp_path, "--policy", "off.toml", "--region", "in", **settings)
        (tmp_path / "tight.toml").write_text("spend_per_region_day = 1.5")
        tight = replayed(tmp_path, "--policy", "tight.toml", **settings)
    assert {"granted", "range_rate_limited", "rate_limited"} <= words.keys()
    assert [one["kind"] for one in same] == ["country", "country"]
    assert sum(one["asks"] for one in same) == sum(words.values())
    assert sum(one["admitted"] + one["work"] for one in same) == words["granted"]
    dollars = f"{words['granted'] * 159 / 1000:.3f}"
    assert f"{sum(float(one['dollars']) for one in same):.3f}" == dollars
    spent = [line.split(",") for line in shown.stdout.splitlines() if line.startswith("spent,")]
    assert f"{sum(float(line[5]) for line in spent):.3f}" == dollars
    changes = [one for one in open_ if one["kind"] == "change"]
    assert {(one["region"], one["then"], one["now"]) for one in changes} >= {
        ("IN", "refused", "free")
    }
    assert all(len(one["request_id"]) == 32 for one in changes)
    lost = [one for one in tight if one["kind"] == "change" and one["verified"]]
    assert {(one["then"], one["now"]) for one in lost} == {("free", "refused")}
    assert all(one["reasons"] == "region-cap 1.59/1.50$ 24h" for one in lost)
    (india,) = (one for one in tight if one["kind"] == "country" and one["region"] == "IN")
    assert india["lost"] == len(lost) > 0


def test_a_policy_that_cannot_be_read(tmp_path: Path) -> None:
    """One line says what is wrong with it."""
    assert command(tmp_path, "db", "upgrade", MODE="development").returncode == 0
    for content, line in (
        ("spend = 1", "hsp-otp: 'policy.toml' has 'spend'; takes address_debt, block_debt, "),
        ("port = 80", "hsp-otp: 'policy.toml' has 'port'; takes address_debt, block_debt, "),
        ("range_debt = 1", "hsp-otp: HSP_OTP_RANGE_DEBT: got '1', takes messages, a share of "),
    ):
        (tmp_path / "policy.toml").write_text(content)
        done = command(tmp_path, "replay", "--policy", "policy.toml", MODE="development")
        assert done.returncode == 2
        assert done.stderr.startswith(line)


def test_nothing_to_replay(tmp_path: Path) -> None:
    """A table says so."""
    assert command(tmp_path, "db", "upgrade", MODE="development").returncode == 0
    done = command(tmp_path, "replay", MODE="development")
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing" in done.stdout.splitlines()
    assert "nobody whom it refuses tries" in done.stdout
