"""
Measure what a sign-in leaves in each store, and how much memory a worker process takes.

Run it as ``PYTHONPATH=. .venv/bin/python bench/growth.py [SIGN_INS]``. That many customers, each
from their own address, look up a pass, ask for a code and present it. The stores are PostgreSQL and
Redis, first with the challenges in SQL, then in Redis. Rows and bytes are per sign-in, include
indexes, and do not depend on the machine.
"""

# ruff: noqa: INP001, PLR2004, S101, T201 - a script that prints

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from tests.e2e.production import number_of, pass_of, prepare, start
from tests.e2e.server import STRICT, Server
from tests.gateway import Gateway
from tests.integration.postgres_server import Server as Postgres
from tests.integration.postgres_server import execute
from tests.integration.redis_server import RedisServer

TABLES = ("audit", "sends", "records")


def ask(url: str, statement: str) -> int:
    """The single number that a statement returns."""
    return int(asyncio.run(execute(url, statement))[0][0])


def sizes(url: str) -> dict[str, tuple[int, int]]:
    """Rows and bytes of the tables that grow."""
    return {
        table: (
            ask(url, f"SELECT count(*) FROM {table}"),  # noqa: S608 - a fixed name
            ask(url, f"SELECT pg_total_relation_size('{table}')"),
        )
        for table in TABLES
    }


def in_redis(redis: RedisServer) -> int:
    """Bytes that the records in Redis take."""
    found = re.search(rb"used_memory_dataset:(\d+)", redis.ask("INFO", "memory"))
    assert found
    return int(found[1])


def own_memory(pid: int) -> int:
    """Bytes of a process that it shares with no other process."""
    told = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", told)
    assert found
    return int(found[1]) * 1024


def sign_in(server: Server, gateway: Gateway, person: int) -> None:
    """Take one customer through a whole sign-in."""
    client = {"X-Forwarded-For": f"10.{person & 255}.{person >> 8}.1"}
    told = {"pass_code": pass_of(person)}
    for step in ("validate-pass", "send-otp"):
        assert server.post(f"/customer/{step}/", told, **client).status == 200
    told["otp"] = gateway.to(number_of(person))[-1].code
    assert server.post("/customer/verify-otp/", told, **client).status == 200


def measure(store: str, count: int) -> None:
    """Print what *count* sign-ins leave, with the challenges in *store*."""
    redis = RedisServer.start("--maxmemory-policy", "noeviction")
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Postgres("fsync=on", "synchronous_commit=local") as postgres,
            Gateway() as gateway,
        ):
            database = {"DATABASE_URL": postgres.url}
            keys = prepare(Path(folder), count, **database)
            given = {"CHALLENGE_STORE": store, "REDIS_URL": redis.url, **STRICT, **database}
            with start(Path(folder), keys, gateway, **given) as server:
                before, kept = sizes(postgres.url), in_redis(redis)
                for person in range(count):
                    sign_in(server, gateway, person)
                print(f"\nchallenges in {store}: a sign-in leaves")
                for table, (rows, size) in sizes(postgres.url).items():
                    more = (rows - before[table][0]) / count, (size - before[table][1]) / count
                    print(f"  {table:8} {more[0]:4.1f} rows {more[1]:7.0f} bytes")
                print(f"  Redis              {(in_redis(redis) - kept) / count:7.0f} bytes")
                workers = server.workers()
                most = max(own_memory(pid) for pid in workers)
                held = ask(
                    postgres.url,
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hsp-otp'",
                )
                print(f"a worker takes {most / 2**20:.0f} MB of its own")
                print(f"{len(workers)} workers hold {held} connections to PostgreSQL")
    finally:
        redis.stop()


def main() -> None:
    """Measure both stores."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    for store in ("sql", "redis"):
        measure(store, count)


if __name__ == "__main__":
    main()
