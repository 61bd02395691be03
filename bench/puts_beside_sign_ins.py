"""
Measure the effect on sign-ins of putting a thousand passes in ten seconds.

Run it as ``.venv/bin/python bench/puts_beside_sign_ins.py [PUTS]``, or with ``TEST_POSTGRES_URL``
for a PostgreSQL server of your own. Customers sign in at a server with two workers, one after
another, first alone and then while a backend puts 100 passes a second: half of them new, half of
them changes. Both are compared with the median alone, in the same run, so the ratios do not depend
on the speed of the machine. The status is 1 if the median beside the puts is more than twice the
one alone, or if a put fails.
"""

# ruff: noqa: INP001, T201 - a script that prints

import asyncio
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.e2e.server import PATIENCE_SECONDS, Server, command
from tests.e2e.sessions import DEMO, NO_LIMITS, NUMBER
from tests.integration.postgres_server import DATABASES

MOST: Final = 2.0
"""The highest permitted ratio of the medians."""

PER_SECOND: Final = 100
LINES: Final = 4
"""Connections of the backend."""

ALONE: Final = 200
"""Sign-ins before the puts."""


def sign_in(server: Server) -> float:
    """Seconds that the requests of one sign-in take."""
    took = 0.0
    for route in ("validate-pass", "send-otp", "verify-otp"):
        body = {"pass_code": DEMO}
        if route == "verify-otp":
            body["otp"] = server.message_to(NUMBER).code
        began = time.perf_counter()
        answer = server.post(f"/customer/{route}/", body)
        took += time.perf_counter() - began
        if answer.status != http.client.OK:
            sys.exit(f"{route} was answered {answer.status}")
    return took


def put_all(server: Server, key: str, numbers: range, failed: list[int]) -> None:
    """Put passes on one connection, evenly over the time."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    began = time.perf_counter()
    for turn, number in enumerate(numbers):
        time.sleep(max(0.0, began + turn * LINES / PER_SECOND - time.perf_counter()))
        person = number // 2
        user = {"id": f"u{person}", "email": f"u{person}@example.com", "first_name": str(number)}
        body = {"payment_status": "paid", "plan_name": str(number), "user": user}
        path = f"/v1/passes/HSP-{person // 10_000:04}-{person % 10_000:04}"
        line.request("PUT", path, json.dumps(body), headers)
        answer = line.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            failed.append(answer.status)
    line.close()


def measure(name: str, puts: int, **settings: str) -> bool:
    """Measure and print; returns whether sign-ins are not slowed too much."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder), WORKERS="2", **NO_LIMITS, **settings) as server,
    ):
        new = ("api-keys", "new", "--name", "bench", "--scopes", "passes")
        key = command(server.folder, *new, MODE="development", **settings).stdout.strip()
        alone = [sign_in(server) for _ in range(ALONE)]
        failed: list[int] = []
        each = puts // LINES
        backends = [
            threading.Thread(
                target=put_all, args=(server, key, range(at * each, (at + 1) * each), failed)
            )
            for at in range(LINES)
        ]
        began = time.perf_counter()
        for backend in backends:
            backend.start()
        beside: list[float] = []
        while any(backend.is_alive() for backend in backends):
            beside.append(sign_in(server))
        took = time.perf_counter() - began
    usual = statistics.median(alone)
    print(f"\n{name}: {each * LINES} puts in {took:.1f} s, {len(failed)} failed")
    print(f"  {len(beside)} sign-ins beside them; one alone takes {usual * 1000:.1f} ms")
    print("  times the median alone   median   95 %   99 %    all   beyond twice")
    for when, found in (("alone", alone), ("beside", beside)):
        parts = [statistics.median(found), *statistics.quantiles(found, n=100)[94:99:4], max(found)]
        told = "".join(f"{one / usual:7.2f}" for one in parts)
        slow = sum(one > MOST * usual for one in found) / len(found)
        print(f"  {when:<23}{told}{slow:14.1%}")
    return not failed and statistics.median(beside) <= MOST * usual


def main() -> None:
    """Measure on both databases."""
    puts = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    good = measure("SQLite", puts)
    url = asyncio.run(DATABASES.empty())
    try:
        good = measure("PostgreSQL", puts, DATABASE_URL=url) and good
    finally:
        asyncio.run(DATABASES.drop([url]))
    sys.exit(not good)


if __name__ == "__main__":
    main()
