"""
Measure the effect on sign-ins of putting a thousand passes in ten seconds.

Run it as ``.venv/bin/python bench/puts_beside_sign_ins.py [PUTS]``, or with ``TEST_POSTGRES_URL``
for a PostgreSQL server of your own. Customers sign in at a server with two workers, one after
another: first alone, then while a backend, in a process of its own, puts 100 passes a second, half
of them new, half of them changes. It puts them first at another service with another database, and
then at the one where customers sign in. Customers, backend, workers and database share the CPUs, so
puts elsewhere show what waiting for a CPU costs, and the difference to puts at the same service
what sharing it costs. All times are compared with the median alone, and how many took more than
twice as long as usual with the median beside puts elsewhere as well. The status is 1 if the median
beside the puts is more than twice the one alone, or if a put fails.
"""

# ruff: noqa: INP001, T201 - a script that prints

import asyncio
import http.client
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.e2e.server import PATIENCE_SECONDS, Server, command
from tests.e2e.sessions import DEMO, NO_LIMITS, NUMBER
from tests.integration.postgres_server import DATABASES

MOST: Final = 2.0
"""The highest permitted ratio of the medians."""

PER_SECOND: Final = 100
LINES: Final = 10
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


def put_all(port: int, key: str, puts: int) -> int:
    """Put passes on all connections, evenly over the time; returns how many puts failed."""
    each = puts // LINES
    began = time.perf_counter()
    with ThreadPoolExecutor(LINES) as lines:
        return sum(
            lines.map(
                lambda at: put_part(
                    port, key, range(at * each, (at + 1) * each), began + at / PER_SECOND
                ),
                range(LINES),
            )
        )


def put_part(port: int, key: str, numbers: range, began: float) -> int:
    """Put passes on one connection, one every `LINES` / `PER_SECOND` seconds from *began* on."""
    failed = 0
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for turn, number in enumerate(numbers):
        time.sleep(max(0.0, began + turn * LINES / PER_SECOND - time.perf_counter()))
        person = number // 2
        user = {"id": f"u{person}", "email": f"u{person}@example.com", "first_name": str(number)}
        body = {"payment_status": "paid", "plan_name": str(number), "user": user}
        path = f"/v1/passes/HSP-{person // 10_000:04}-{person % 10_000:04}"
        line.request("PUT", path, json.dumps(body), headers)
        answer = line.getresponse()
        answer.read()
        failed += answer.status != http.client.OK
    line.close()
    return failed


def beside_puts(server: Server, port: int, key: str, puts: int) -> tuple[list[float], int]:
    """Sign in at *server* while passes are put at *port*; returns the times and failed puts."""
    times: list[float] = []
    with ProcessPoolExecutor(1) as backend:
        putting = backend.submit(put_all, port, key, puts)
        while not putting.done():
            times.append(sign_in(server))
        return times, putting.result()


def measure(name: str, puts: int, settings: dict[str, str], others: dict[str, str]) -> bool:
    """Measure and print; returns whether sign-ins are not slowed too much."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        servers: list[Server] = []
        keys: list[str] = []
        for part, given in (("one", settings), ("other", others)):
            place = Path(folder) / part
            place.mkdir()
            servers.append(stack.enter_context(Server(place, WORKERS="2", **NO_LIMITS, **given)))
            new = ("api-keys", "new", "--name", "bench", "--scopes", "passes")
            keys.append(command(place, *new, MODE="development", **given).stdout.strip())
        server, other = servers
        found = {"alone": [sign_in(server) for _ in range(ALONE)]}
        found["beside puts elsewhere"], failed = beside_puts(server, other.port, keys[1], puts)
        found["beside puts"], also = beside_puts(server, server.port, keys[0], puts)
    usual = statistics.median(found["alone"])
    print(f"\n{name}: {puts} puts, {failed + also} failed")
    print(f"  one sign-in alone takes {usual * 1000:.1f} ms")
    beside = statistics.median(found["beside puts elsewhere"])
    print(
        "  times the median alone          median   95 %   99 %    all   beyond twice   elsewhere"
    )
    for when, times in found.items():
        parts = [statistics.median(times), *statistics.quantiles(times, n=100)[94:99:4], max(times)]
        told = "".join(f"{one / usual:7.2f}" for one in parts)
        slow, slower = (
            sum(one > MOST * usual_one for one in times) / len(times)
            for usual_one in (usual, beside)
        )
        print(f"  {when:<22}{len(times):7}  {told}{slow:13.1%}{slower:11.1%}")
    return not failed + also and statistics.median(found["beside puts"]) <= MOST * usual


def main() -> None:
    """Measure on both databases."""
    puts = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    good = measure("SQLite", puts, {}, {})
    urls = [asyncio.run(DATABASES.empty()) for _ in range(2)]
    try:
        one, other = ({"DATABASE_URL": url} for url in urls)
        good = measure("PostgreSQL", puts, one, other) and good
    finally:
        asyncio.run(DATABASES.drop(urls))
    sys.exit(not good)


if __name__ == "__main__":
    main()
