"""
Measure the cost of a request in one process without a socket, and the most expensive functions.

Run it as ``PYTHONPATH=. .venv/bin/python bench/profiling.py [--store STORE] [--requests N]
[--functions]``. STORE is sqlite, postgres, redis (for counts) or challenges (in Redis too). 32
clients at once look up, ask and check, each for a different person and from a different address.
With ``--functions``, the ten most expensive functions of each layer are shown, by their own time.
"""

# ruff: noqa: INP001, PLR2004, S101 - a script that prints

import argparse
import asyncio
import contextlib
import cProfile
import io
import json
import os
import pstats
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import uvloop
from tests.e2e.production import address, number_of, pass_of, prepare
from tests.integration.postgres_server import Server as Postgres
from tests.integration.redis_server import RedisServer

BOX: Final = re.compile(r"SMS to (\+\d+).*?\|\s+(\d{6}) is your", re.DOTALL)
AT_ONCE: Final = 32
RESULTS: Final = sys.stdout

Job = tuple[str, dict[str, str], str]


async def call(app: Any, job: Job) -> None:  # noqa: ANN401 - ASGI
    """Make one request."""
    path, told, client = job
    sent: list[dict[str, Any]] = []
    body = json.dumps(told).encode()
    headers = {
        b"host": b"localhost",
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(body),
        b"x-forwarded-for": client.encode(),
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers.items()),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 200, sent


@contextlib.asynccontextmanager
async def served() -> Any:  # noqa: ANN401 - ASGI
    """The application, started."""
    from hsp_otp.entrypoints.server import run as serving  # noqa: PLC0415 - after the settings

    app = serving.app()
    asked: asyncio.Queue[Any] = asyncio.Queue()
    told: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(
        app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, asked.get, told.put)  # type: ignore[arg-type]
    )
    await asked.put({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    yield app
    await asked.put({"type": "lifespan.shutdown"})
    await life


async def phase(app: Any, name: str, jobs: list[Job], *, functions: bool) -> None:  # noqa: ANN401
    """Run *jobs*, and print their cost."""
    left = iter(jobs)

    async def work() -> None:
        for job in left:
            await call(app, job)

    profile = cProfile.Profile()
    if functions:
        profile.enable()
    cpu, clock = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    profile.disable()
    count = len(jobs)
    told = f"{name:9} {cpu / count * 1e6:6.0f} us of CPU, {count / clock:6.0f}/s"
    print(told, file=RESULTS, flush=True)
    if functions:
        _show(profile, count)


def _layer(path: str) -> str:
    if match := re.search(r"hsp_otp/(\w+)/(\w+)", path):
        return f"hsp_otp {match[1]}" + (f" {match[2]}" if match[1] != "domain" else "")
    if match := re.search(r"site-packages/(\w+)", path):
        return match[1]
    return "python" if path == "~" else "standard library"


def _show(profile: cProfile.Profile, jobs: int) -> None:
    stats: dict[Any, Any] = pstats.Stats(profile, stream=io.StringIO()).stats  # type: ignore[attr-defined]
    layers: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
    for (path, line, function), (_, calls, own, _, _) in stats.items():
        where = f"{Path(path).name}:{line} {function}" if path != "~" else function
        layers[_layer(path)].append((own / jobs * 1e6, calls, where))
    ordered = sorted(layers.items(), key=lambda one: -sum(own for own, _, _ in one[1]))
    for layer, functions in ordered:
        total = sum(own for own, _, _ in functions)
        if total < 2:
            continue
        calls = sum(calls for _, calls, _ in functions) / jobs
        print(f"  {layer}: {total:.0f} us, {calls:.0f} calls", file=RESULTS)
        for own, count, where in sorted(functions, reverse=True)[:10]:
            if own >= 1:
                print(f"    {own:6.1f} us {count / jobs:7.1f} calls  {where}", file=RESULTS)


@contextlib.contextmanager
def stored(store: str, folder: Path) -> Iterator[dict[str, str]]:
    """The settings of *store*."""
    with contextlib.ExitStack() as stack:
        settings: dict[str, str] = {}
        if store != "sqlite":
            postgres = stack.enter_context(Postgres("fsync=on", "shared_buffers=256MB"))
            settings["DATABASE_URL"] = postgres.url
        if store in {"redis", "challenges"}:
            redis = RedisServer.start()
            stack.callback(redis.stop)
            settings["REDIS_URL"] = redis.url
        if store == "challenges":
            settings["CHALLENGE_STORE"] = "redis"
        prepare(folder, 20_000, **settings)
        yield settings


async def measure(requests: int, console: io.StringIO, *, functions: bool) -> None:
    """Run all three phases, after a short warm-up."""

    def jobs(path: str, people: Iterable[int], salt: int) -> list[Job]:
        return [
            (f"/customer/{path}/", {"pass_code": pass_of(who)}, address(who + (salt << 17)))
            for who in people
        ]

    people = range(requests)
    async with served() as app:
        warm = range(19_000, 19_500)
        await phase(app, "warm", jobs("validate-pass", warm, 0), functions=False)
        await phase(app, "warm", jobs("send-otp", warm, 1), functions=False)
        await phase(app, "validate", jobs("validate-pass", people, 2), functions=functions)
        await phase(app, "send", jobs("send-otp", people, 3), functions=functions)
        codes = dict(BOX.findall(console.getvalue()))
        checks = [
            (path, told | {"otp": codes[number_of(who)]}, client)
            for who, (path, told, client) in zip(people, jobs("verify-otp", people, 4), strict=True)
        ]
        await phase(app, "verify", checks, functions=functions)


def main() -> None:
    """Measure one store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="postgres")
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--functions", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="otp-profile-"))
    try:
        with stored(asked.store, folder) as settings:
            os.chdir(folder)
            given = settings | {"MODE": "development", "TRUSTED_PROXIES": "127.0.0.1/32"}
            given["JWT_ALGORITHM"] = "EdDSA"
            os.environ.update({f"HSP_OTP_{name}": value for name, value in given.items()})
            console = io.StringIO()
            with (
                Path(os.devnull).open("w") as nowhere,
                contextlib.redirect_stdout(console),
                contextlib.redirect_stderr(nowhere),
            ):
                uvloop.run(measure(asked.requests, console, functions=asked.functions))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
