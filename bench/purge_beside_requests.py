"""
Measure the effect on requests of purging a million audit rows.

Run it as ``.venv/bin/python bench/purge_beside_requests.py [ROWS]``, or with ``TEST_POSTGRES_URL``
for a PostgreSQL server of your own. A server in development mode answers look-ups, asks and checks,
one after another, first idle and then while ``hsp-otp purge`` runs. For each kind, both are
compared with the idle median. The status is 1 if a median during the purge is more than twice the
idle one. SQLite syncs at every commit, even in development mode.
"""

# ruff: noqa: INP001, T201, S603 - a script that prints, and starts our own commands

import asyncio
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.audit_queries import fill_postgres, fill_sqlite
from tests.integration.postgres_server import DATABASES

from hsp_otp.adapters.sql.database import Database
from hsp_otp.adapters.sql.schema import upgrade

COMMAND = Path(sys.executable).with_name("hsp-otp")
DEMO = "HSP-1234-5678"
BODIES = {
    "validate-pass": {"pass_code": DEMO},
    "send-otp": {"pass_code": DEMO},
    "verify-otp": {"pass_code": DEMO, "otp": "000000"},
}
OFF = (
    *("LOOKUPS_PER_CLIENT_HOUR", "LOOKUP_MISSES_PER_HOUR", "CHECKS_PER_CLIENT_HOUR"),
    *("PHONE_SENDS_PER_DAY", "LOGIN_SENDS_PER_CLIENT_HOUR", "RESEND_COOLDOWN_SECONDS"),
    *("FAILED_GUESSES_PER_DAY", "FAILED_GUESSES_PER_30_DAYS", "FAILED_GUESSES_IN_A_ROW"),
)

MOST: Final = 2.0
"""The highest permitted ratio of a median during a purge to the idle median."""

Took = dict[str, list[float]]


@contextmanager
def serving(url: str) -> Iterator[int]:
    """The port of a server with its limits off."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = dict.fromkeys(OFF, "0")
    settings |= {"MODE": "development", "PORT": str(port), "DATABASE_URL": url}
    environ = os.environ | {f"HSP_OTP_{name}": value for name, value in settings.items()}
    server = subprocess.Popen(
        [COMMAND, "dev"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                ask(port, "validate-pass")
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()


def ask(port: int, route: str) -> float:
    """Seconds that one request takes."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    kind = {"Content-Type": "application/json"}
    connection.request("POST", f"/customer/{route}/", json.dumps(BODIES[route]), kind)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status >= http.client.INTERNAL_SERVER_ERROR:
        sys.exit(f"{route} was answered {answer.status}")
    return time.perf_counter() - began


def ask_all(port: int, took: Took) -> None:
    """Make one request of each kind, with pauses as between people."""
    for route in BODIES:
        took[route].append(ask(port, route))
        time.sleep(0.005)


def measure(name: str, url: str) -> bool:
    """Measure and print; returns whether no kind of request is slowed too much."""
    with serving(url) as port:
        idle: Took = {route: [] for route in BODIES}
        for _ in range(300):
            ask_all(port, idle)
        busy: Took = {route: [] for route in BODIES}
        began = time.perf_counter()
        # All generated rows are older than a day.
        environ = os.environ | {"HSP_OTP_DATABASE_URL": url, "HSP_OTP_AUDIT_DAYS": "1"}
        purge = subprocess.Popen([COMMAND, "purge"], env=environ, stdout=subprocess.PIPE, text=True)
        while purge.poll() is None:
            ask_all(port, busy)
        took = time.perf_counter() - began
    told = purge.stdout.read().splitlines()[0] if purge.stdout else ""
    print(f"\n{name}: {told}, in {took:.0f} s, beside {sum(map(len, busy.values()))} requests")
    print("  times the idle median            median   95 %   99 %    all")
    for route in BODIES:
        usual = statistics.median(idle[route])
        for when, found in (("idle", idle), ("beside", busy)):
            told = " ".join(f"{part / usual:6.2f}" for part in parts(found[route]))
            print(f"  {route:<14} {when:<7} {1000 * usual:6.2f} ms  {told}")
    return all(
        statistics.median(busy[route]) <= MOST * statistics.median(idle[route]) for route in BODIES
    )


def parts(took: list[float]) -> tuple[float, ...]:
    """The median, 95th and 99th percentile, and maximum."""
    percents = statistics.quantiles(took, n=100)
    return (statistics.median(took), percents[94], percents[98], max(took))


async def prepare_sqlite(url: str, path: Path, rows: int) -> None:
    """Create a filled SQLite file."""
    async with Database(url, durable=False) as database:
        await upgrade(database)
    fill_sqlite(path, rows)


async def prepare_postgres(rows: int) -> str:
    """Create a filled PostgreSQL database."""
    url = await DATABASES.new()
    await fill_postgres(url, rows)
    return url


def main() -> None:
    """Measure both kinds of database."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        url = f"sqlite+aiosqlite:///{path}"
        asyncio.run(prepare_sqlite(url, path, rows))
        fine = measure("SQLite", url)
    os.chdir(tempfile.gettempdir())
    try:
        fine &= measure("PostgreSQL", asyncio.run(prepare_postgres(rows)))
    finally:
        DATABASES.close()
    if not fine:
        sys.exit(f"a median beside the purge is more than {MOST:g} times the idle one")


if __name__ == "__main__":
    main()
