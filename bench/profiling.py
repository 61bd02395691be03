"""
Measure the cost of a request in one process without a socket, and the most expensive functions.

Run it as ``PYTHONPATH=. .venv/bin/python bench/profiling.py [--store STORE] [--requests N]
[--signup] [--provider] [--samples | --functions]``. STORE is sqlite, postgres, redis (for counts)
or challenges (in Redis too). 32 clients at once look up, ask and check, each for a different person
and from a different address; with ``--signup``, they ask and check there, where the spend guard
judges them. With ``--provider``, the service is in production mode and hands its messages to a
provider over HTTP. ``--samples`` tells what each part of a request costs, by samples of CPU time.
``--functions`` shows the ten most expensive functions of each layer, by their own time, which
measuring them makes longer.

``--guard N`` measures what the guard adds to a signup: it runs itself N times with the guard on and
off, in turn, and prints the ratios.
"""

# ruff: noqa: INP001, PLR2004, S101, T201 - a script that prints

import argparse
import asyncio
import base64
import contextlib
import cProfile
import io
import json
import os
import pstats
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvloop
from tests.e2e.production import address, number_of, pass_of, prepare
from tests.integration.postgres_server import Server as Postgres
from tests.integration.redis_server import RedisServer, free_port

BOX: Final = re.compile(r"SMS to (\+\d+).*?\|\s+(\d{6}) is your", re.DOTALL)
TAKEN: Final = re.compile(r"(\+\d+)\|[^\n]*?(\d{6}) is your")
PROVIDER: Final = Path(__file__).resolve().parent / "peers" / "provider.py"
AT_ONCE: Final = 32
SAMPLE_SECONDS: Final = 0.002

PARTS: Final = {
    "one line of the log": r"structlog/|entrypoints/logs|middleware.py:_log_request",
    "metrics and times of ports": r"prometheus|adapters/instrumentation/",
    "the message to the provider": r"adapters/senders/(?!console)|aiohttp/|yarl/|multidict/",
    "the console's box, in development": r"adapters/senders/console",
    "creating audit rows": r"flows/caller|domain[./](audit|funnel)|adapters/sql/rows",
    "HMACs of codes and fingerprints": r"domain/(keys|code|lanes)",
    "Redis: our records and scripts": r"adapters/redis/",
    "Redis: the library": r"/redis/",
    "statements and records: keys, JSON, batches": r"adapters/(sql/|record_format|early)",
    "asyncpg, SQLAlchemy and the pool": r"asyncpg/|sqlalchemy/",
    "limits and the challenge's rules": r"hsp_otp[./]domain",
    "flows: one step after another": r"hsp_otp[./]flows",
    "tokens": r"adapters/jwt|/jwt/|cryptography/",
    "Litestar: routing, request and response": r"litestar/|msgspec|multipart",
    "our own HTTP code: address, language, body, answer": r"hsp_otp[./]entrypoints",
    "everything else in adapters": r"hsp_otp/adapters/",
    "this program": r"bench/profiling",
}
"""The parts of a request, by the innermost function that belongs to one. What belongs to none is
the event loop's."""
RESULTS: Final = sys.stdout

Job = tuple[str, dict[str, str], str]
"""A path, a body, and the address of the client."""

GUARDED: Final = {
    # No run reaches these, and all of them are judged.
    **dict.fromkeys(("SPEND_PER_DAY", "SPEND_PER_REGION_DAY", "LOGIN_SPEND_PER_DAY"), "1000000"),
    "REGION_DEBT": "1000000",
    "BLOCK_DEBT": "1000+30%/24h,1000+15%/30d",
}


async def call(app: Any, job: Job, csrf: str = "") -> Any:  # noqa: ANN401 - ASGI, JSON
    """Make one request, and return its answer."""
    path, told, client = job
    sent: list[dict[str, Any]] = []
    body = json.dumps(told).encode() if told else b""
    headers = {
        b"host": b"localhost",
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(body),
        b"x-forwarded-for": client.encode(),
    }
    if csrf:
        headers |= {b"cookie": f"csrftoken={csrf}".encode(), b"x-csrftoken": csrf.encode()}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST" if told else "GET",
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
    return json.loads(sent[1]["body"])


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


async def phase(
    app: Any,  # noqa: ANN401 - ASGI
    name: str,
    jobs: list[Job],
    measure: str | None = None,
    csrf: str = "",
) -> list[Any]:
    """Run *jobs*, print their cost, and return their answers; *measure* is samples or functions."""
    left, answers = iter(enumerate(jobs)), list[Any]([None] * len(jobs))

    async def work() -> None:
        for place, job in left:
            answers[place] = await call(app, job, csrf)

    profile, samples = cProfile.Profile(), Counter[str]()
    if measure == "functions":
        profile.enable()
    if measure == "samples":
        signal.signal(signal.SIGPROF, lambda _, frame: samples.update([_part(frame)]))
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    cpu, clock = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    profile.disable()
    signal.setitimer(signal.ITIMER_PROF, 0)
    count = len(jobs)
    told = f"{name:9} {cpu / count * 1e6:6.0f} us of CPU, {count / clock:6.0f}/s"
    print(told, file=RESULTS, flush=True)
    if measure == "functions":
        _show(profile, count)
    for part, number in samples.most_common():
        print(f"  {number / samples.total() * cpu / count * 1e6:6.0f} us  {part}", file=RESULTS)
    return answers


def _part(frame: FrameType | None) -> str:
    """The part of a request that *frame* belongs to, or else the one that called it."""
    while frame is not None:
        part = _owner(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
        if part is not None:
            return part
        frame = frame.f_back
    return "uvloop, tasks and contexts"


@cache
def _owner(where: str) -> str | None:
    return next((part for part, pattern in PARTS.items() if re.search(pattern, where)), None)


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
    """The settings of *store*, with people in it."""
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


@contextlib.contextmanager
def provided(taken: Path) -> Iterator[dict[str, str]]:
    """The settings of production mode with a provider, which writes what it takes to a file."""
    port = free_port()
    taken.touch()
    provider = subprocess.Popen([sys.executable, str(PROVIDER), str(port), str(taken)])  # noqa: S603
    secrets = {name: base64.b64encode(name.encode() * 32).decode() for name in "wsj"}
    try:
        yield {
            "MODE": "production",
            "SENDERS": "webhook",
            "WEBHOOK_URL": f"http://127.0.0.1:{port}/",
            "WEBHOOK_SECRET": secrets["w"],
            "SECRET_KEYS": f"k1:{secrets['s']}",
            "JWT_ALGORITHM": "HS256",
            "JWT_KEYS": f"j1:{secrets['j']}",
        }
    finally:
        provider.kill()
        provider.wait()


async def run(requests: int, codes: Callable[[], dict[str, str]], measure: str | None) -> None:
    """Run all three phases, after a short warm-up; *codes* tells those sent by number."""

    def jobs(path: str, people: Iterable[int], salt: int) -> list[Job]:
        return [
            (f"/customer/{path}/", {"pass_code": pass_of(who)}, address(who + (salt << 17)))
            for who in people
        ]

    people = range(requests)
    async with served() as app:
        warm = range(19_000, 19_500)
        await phase(app, "warm", jobs("validate-pass", warm, 0))
        await phase(app, "warm", jobs("send-otp", warm, 1))
        await phase(app, "validate", jobs("validate-pass", people, 2), measure)
        await phase(app, "send", jobs("send-otp", people, 3), measure)
        sent = codes()
        checks = [
            (path, told | {"otp": sent[number_of(who)]}, client)
            for who, (path, told, client) in zip(people, jobs("verify-otp", people, 4), strict=True)
        ]
        await phase(app, "verify", checks, measure)


async def run_signup(
    requests: int, codes: Callable[[], dict[str, str]], measure: str | None
) -> None:
    """Run both phases of signup, after a short warm-up."""

    def asks(people: Iterable[int]) -> list[Job]:
        return [("/users/api/send-otp/", {"phone": number_of(who)}, address(who)) for who in people]

    people = range(requests)
    async with served() as app:
        csrf = (await call(app, ("/users/api/csrf/", {}, address(0))))["csrf_token"]
        await phase(app, "warm", asks(range(requests, requests + 500)), csrf=csrf)
        sessions = await phase(app, "ask", asks(people), measure, csrf)
        sent = codes()
        checks = [
            (
                "/users/api/verify-otp/",
                {"session_id": one["session_id"], "otp_code": sent[number_of(who)]},
                address(who),
            )
            for who, one in zip(people, sessions, strict=True)
        ]
        await phase(app, "check", checks, measure, csrf)


def compare_guard(asked: argparse.Namespace) -> None:
    """Measure signup with the guard and without it, in turn, and print the ratios."""
    found: dict[str, list[dict[str, float]]] = {"enforce": [], "off": []}
    command = [sys.executable, __file__, "--store", asked.store, "--requests", str(asked.requests)]
    for _ in range(asked.guard):
        for mode, results in found.items():
            done = subprocess.run(  # noqa: S603 - this very script
                [*command, "--signup"],
                env=os.environ | {"HSP_OTP_GUARD": mode},
                capture_output=True,
                text=True,
                check=True,
            )
            lines = (line.split() for line in done.stdout.splitlines())
            results.append({words[0]: float(words[1]) for words in lines})
            print(mode, results[-1], flush=True)
    for name in ("ask", "check"):
        on, off = ([one[name] for one in results] for results in found.values())
        ratios = sorted(a / b for a, b in zip(on, off, strict=True))
        middle = [statistics.median(one) for one in (on, off, ratios)]
        print(f"{asked.store} {name}: {middle[0]:.0f} us with the guard, {middle[1]:.0f} without")
        print(
            f"  {middle[2]:.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f} in {asked.guard} pairs)"
        )


def main() -> None:
    """Measure one store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="postgres")
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--signup", action="store_true")
    parser.add_argument("--guard", type=int, default=0, metavar="N", help="compare on and off")
    parser.add_argument("--provider", action="store_true")
    for measure in ("samples", "functions"):
        parser.add_argument(f"--{measure}", dest="measure", action="store_const", const=measure)
    asked = parser.parse_args()
    if asked.guard:
        compare_guard(asked)
        return
    folder = Path(tempfile.mkdtemp(prefix="otp-profile-"))
    taken, console = folder / "taken", io.StringIO()

    def codes() -> dict[str, str]:
        if asked.provider:
            return dict(TAKEN.findall(taken.read_text()))
        return dict(BOX.findall(console.getvalue()))

    try:
        with contextlib.ExitStack() as stack:
            given = {"MODE": "development", "JWT_ALGORITHM": "EdDSA"} | GUARDED
            given |= stack.enter_context(stored(asked.store, folder))
            if asked.provider:
                given |= stack.enter_context(provided(taken))
            given["TRUSTED_PROXIES"] = "127.0.0.1/32"
            os.chdir(folder)
            os.environ.update({f"HSP_OTP_{name}": value for name, value in given.items()})
            nowhere = stack.enter_context(Path(os.devnull).open("w"))
            stack.enter_context(contextlib.redirect_stdout(console))
            stack.enter_context(contextlib.redirect_stderr(nowhere))
            measured = run_signup if asked.signup else run
            uvloop.run(measured(asked.requests, codes, asked.measure))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
