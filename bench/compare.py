"""
Compare hsp-otp with the service that it replaces, the bare design, and servers that only echo.

Run it as ``sh bench/compare [--rounds N] [--only NAME,…] [--workers N] [--half]``. Each
server has CPU 0 to itself; the generator, PostgreSQL and Redis share CPU 1. In interleaved rounds,
32 connections ask each server to validate, send and verify. Every request is for a different person
and from a different address, and every answer is checked. The main result is CPU time per request,
read from /proc, which depends neither on pinning nor on idle time, and little on other load. It is
shown with the PostgreSQL statements and Redis commands per request, which concurrent requests
share. Results are medians; those of the last run are written to ``bench/results/``.

``--rows`` fills the tables first, including sends of a day and ten thousand misses of an hour.
``--restart`` stops Redis, and continues ten seconds after its return. ``--soak`` only looks up
passes, and prints the memory of the workers. ``--other PATH`` also measures the hsp-otp of another
checkout, where ``script/bootstrap`` has run, in the same rounds, and prints the ratios.
"""

# ruff: noqa: INP001, PLR2004, S101, S603, S607, T201 - a script that prints

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import attrs
from tests.e2e.production import address, number_of, pass_of
from tests.integration.postgres_server import Server as Postgres
from tests.integration.postgres_server import found
from tests.integration.redis_server import RedisServer, free_port

HERE: Final = Path(__file__).resolve().parent
BIN: Final = Path(sys.executable).parent
PEERS: Final = HERE / "peers"
PEOPLE: Final = 100_000
CONNECTIONS: Final = 32
TICKS: Final = os.sysconf("SC_CLK_TCK")
SERVER_CPU, OTHER_CPU = 0, 1
DATABASES: Final = ("pg", "pgr", "rr", "prod")
OTHER: Final = " of the other commit"
OTHER_DATABASES: Final = tuple(f"{one}_other" for one in DATABASES)

PATHS: Final = {
    "validate": "/customer/validate-pass/",
    "send": "/customer/send-otp/",
    "verify": "/customer/verify-otp/",
}
MARKERS: Final = {"validate": "phone_masked", "send": "expires_in", "verify": "access_token"}
BOX: Final = re.compile(r"SMS to (\+\d+).*?\|\s+(\d{6}) is your", re.DOTALL)
TAKEN: Final = re.compile(r"(\+\d+)\|[^\n]*?(\d{6}) is your")

Codes = Callable[["Target", range], dict[int, str]]


@attrs.define
class Target:
    """
    One server under test.

    Attributes:
        codes: Finds the codes that it sent, by person.
        phases: The requests that it supports.
    """

    name: str
    command: list[str]
    env: dict[str, str]
    folder: Path
    codes: Codes
    phases: tuple[str, ...] = ("validate", "send", "verify")
    port: int = attrs.field(factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    start_cpu: float = 0.0

    @property
    def log(self) -> Path:
        """The file with its output."""
        return self.folder / f"{self.name}.log"

    def start(self, cpus: set[int], workers: int) -> None:
        """Start the server, and wait until it listens."""
        arguments = [part.format(port=self.port, workers=workers) for part in self.command]
        env = {
            name: part.format(port=self.port, workers=workers) for name, part in self.env.items()
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", ",".join(map(str, cpus)), *arguments],
                cwd=self.folder,
                env=os.environ | env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        give_up = time.monotonic() + 60
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                break
            if self.process.poll() is not None or time.monotonic() > give_up:
                raise SystemExit(f"{self.name} did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.01)
        self.start_cpu = cpu(self.pids())

    def pids(self) -> set[int]:
        """The pids of the server and its children."""
        assert self.process is not None
        return family(self.process.pid)

    def stop(self) -> None:
        """Stop the server."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(8)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(5)


def family(pid: int) -> set[int]:
    """The pids of a process and its children."""
    todo, seen = [pid], set[int]()
    while todo:
        one = todo.pop()
        seen.add(one)
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
    return seen


def cpu(pids: Iterable[int]) -> float:
    """CPU seconds used by processes and their ended children."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            told = Path(f"/proc/{pid}/stat").read_text()
            total += sum(map(int, told[told.rindex(")") + 2 :].split()[11:15]))
    return total / TICKS


def memory(pids: Iterable[int], kind: str = "Pss") -> list[float]:
    """The memory share of each process in MB, largest first; ``Pss_Anon`` leaves out files."""
    found: list[float] = []
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found += [int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{kind}:")]
    return sorted((round(one, 1) for one in found), reverse=True)


def busy() -> float:
    """CPU seconds used by everything on the machine."""
    told = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _, _, irq, soft, steal = map(int, told)
    return (user + nice + system + irq + soft + steal) / TICKS


def own() -> float:
    """CPU seconds used by this process and the generator."""
    told = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in told)


def request(target: Target, phase: str, person: int, code: str, salt: int) -> bytes:
    """One complete request."""
    told = {"pass_code": pass_of(person)} | ({"otp": code} if code else {})
    body = json.dumps(told).encode()
    client = address(person + (salt << 17))
    return (
        f"POST {PATHS[phase]} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n"
        "Content-Type: application/json\r\nAccept: application/json\r\n"
        f"X-Forwarded-For: {client}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@attrs.frozen
class Bench:
    """
    The parts that a run has started.

    Attributes:
        counts: PostgreSQL can count its statements.
        rows: Rows in each table before the first request.
    """

    folder: Path
    postgres: Postgres
    redis: RedisServer
    seconds: float
    counts: bool
    rows: int

    def generate(self, target: Target, requests: Sequence[bytes], phase: str, rate: float) -> Any:  # noqa: ANN401
        """Send *requests*, and return the generator's report."""
        path = self.folder / "requests"
        with path.open("wb") as file:
            for one in requests:
                file.write(struct.pack("<I", len(one)) + one)
        done = subprocess.run(
            [
                *("taskset", "-c", str(OTHER_CPU), str(self.folder / "loadgen")),
                *("-p", str(target.port), "-c", str(CONNECTIONS), "-f", str(path)),
                *("-d", str(self.seconds), "-r", str(rate), "-m", MARKERS[phase]),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    def asked(self) -> dict[str, float]:
        """The number of PostgreSQL statements and Redis commands so far."""
        told = re.search(rb"total_commands_processed:(\d+)", self.redis.ask("INFO", "stats"))
        assert told
        calls = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements"
        statements = float(psql(self.postgres, "postgres", "-c", calls)) if self.counts else 0.0
        return {"statements": statements, "commands": float(told[1])}

    def redis_pids(self) -> set[int]:
        """The pids of Redis."""
        return family(self.redis.process.pid) if self.redis.process else set()

    def measure_half(
        self, target: Target, phase: str, people: range, full: dict[str, Any]
    ) -> dict[str, Any]:
        """Measure for the people who are left, at half the rate of *full*."""
        left = range(people.start + full["requests"] + CONNECTIONS, people.stop)
        return self.measure(target, phase, left, full["rps"] / 2)

    def measure(
        self, target: Target, phase: str, people: range, rate: float = 0, salt: int | None = None
    ) -> dict[str, Any]:
        """Measure one phase of *target* for *people*."""
        codes = target.codes(target, people) if phase == "verify" else dict.fromkeys(people, "")
        salt = list(PATHS).index(phase) if salt is None else salt
        requests = [request(target, phase, who, code, salt) for who, code in codes.items()]
        assert requests, f"{target.name} sent no codes"
        stores = {"redis": self.redis_pids(), "postgres": family(self.postgres.process.pid)}
        before = {"server": cpu(target.pids())} | {name: cpu(one) for name, one in stores.items()}
        asked_before = self.asked()
        began, all_before, own_before = time.monotonic(), busy(), own()
        result = self.generate(target, requests, phase, rate)
        took = time.monotonic() - began
        after = {"server": cpu(target.pids())} | {name: cpu(one) for name, one in stores.items()}
        used = {name: after[name] - before[name] for name in after}
        asked = self.asked()
        foreign = busy() - all_before - (own() - own_before) - sum(used.values())
        if result["bad"] or result["errors"]:
            print(f"{target.name} {phase}: {result['sample'][:300]}", file=sys.stderr)
        return {
            "rps": result["rps"],
            "p50_ms": result["p50_us"] / 1000,
            "p99_ms": result["p99_us"] / 1000,
            "cpu_us": {name: one / max(1, result["requests"]) * 1e6 for name, one in used.items()},
            "asked": {
                name: (asked[name] - asked_before[name]) / max(1, result["requests"])
                for name in asked
            },
            "requests": result["requests"],
            "bad": result["bad"] + result["errors"],
            "foreign": round(max(0.0, foreign) / took, 2),
            "memory_mb": memory(target.pids()),
        }


# Finding the codes that each server sent


def codes_in(text: str, pattern: re.Pattern[str], people: range) -> dict[int, str]:
    """The codes in a server's output."""
    found = dict(pattern.findall(text))
    return {who: found[number_of(who)] for who in people if number_of(who) in found}


def of_the_console(target: Target, people: range) -> dict[int, str]:
    """Development mode shows the codes in the log."""
    return codes_in(target.log.read_text(), BOX, people)


def of_the_provider(target: Target, people: range) -> dict[int, str]:
    """Production mode sends the codes to the provider."""
    return codes_in((target.folder / "taken").read_text(), TAKEN, people)


def of_the_spike(_: Target, people: range) -> dict[int, str]:
    """The spike's randomness is scripted."""
    key, codes = b"k" * 32, dict[int, str]()
    for who in people:
        phone = f"+1555{who:07d}".encode()
        nonce = hashlib.blake2s(phone, digest_size=16).digest()
        subject = f"00000000-0000-4000-8000-{who:012d}".encode()
        told = b"|".join((nonce, b"phone_verification", subject, phone))
        number = int.from_bytes(hmac.digest(key, told, "sha256")[:16], "big") % 1_000_000
        codes[who] = f"{number:06d}"
    return codes


def psql(postgres: Postgres, database: str, *arguments: str) -> str:
    """The output of a statement or a file of statements."""
    command = ["psql", "-h", str(postgres.folder), "-U", "postgres", "-qAt", "-d", database]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


# The servers to compare


def hsp_otp(bench: Bench, other: Path | None = None) -> list[Target]:
    """
    This service on each of its stores, in development mode and in production mode.

    Args:
        bench: The started stores.
        other: A bootstrapped checkout of another commit, measured instead of this one.
    """
    program = other / ".venv" / "bin" / "hsp-otp" if other else BIN / "hsp-otp"
    lines = [
        "pass_code,payment_status,plan_name,expires_at,email,first_name,last_name,phone_number"
    ]
    for who in range(PEOPLE):
        person = f"u{who}@example.com,First{who},Last{who},{number_of(who)}"
        lines.append(f"{pass_of(who)},paid,Gold,2099-12-31,{person}")
    file = bench.folder / "passes.csv"
    file.write_text("\n".join(lines) + "\n")
    secret = {name: base64.b64encode(name.encode() * 32).decode() for name in "skj"}
    provider = free_port()
    shared = {
        "HSP_OTP_MODE": "development",
        "HSP_OTP_PORT": "{port}",
        "HSP_OTP_WORKERS": "{workers}",
        "HSP_OTP_TRUSTED_PROXIES": "127.0.0.1/32",
        "HSP_OTP_JWT_ALGORITHM": "EdDSA",
    }
    redis = {"HSP_OTP_REDIS_URL": bench.redis.url}
    production = {
        "HSP_OTP_MODE": "production",
        "HSP_OTP_SENDERS": "webhook",
        "HSP_OTP_WEBHOOK_URL": f"http://127.0.0.1:{provider}/",
        "HSP_OTP_WEBHOOK_SECRET": secret["k"],
        "HSP_OTP_SECRET_KEYS": f"k1:{secret['s']}",
        "HSP_OTP_JWT_ALGORITHM": "HS256",
        "HSP_OTP_JWT_KEYS": f"j1:{secret['j']}",
        # No round reaches these.
        "HSP_OTP_LOGIN_SPEND_PER_DAY": "1000000",
        "HSP_OTP_SPEND_PER_REGION_DAY": "1000000",
    }
    kinds = {
        "hsp-otp sqlite": {},
        "hsp-otp postgres": {"database": "pg"},
        "hsp-otp postgres redis": {"database": "pgr"} | redis,
        "hsp-otp redis challenges": {
            "database": "rr",
            "HSP_OTP_REDIS_URL": f"{bench.redis.url}/2",
            "HSP_OTP_CHALLENGE_STORE": "redis",
        },
        "hsp-otp production": {"database": "prod"} | production,
    }
    targets: list[Target] = []
    for kind_name, kind in kinds.items():
        name = kind_name + (OTHER if other else "")
        folder = bench.folder / name.replace(" ", "-")
        folder.mkdir()
        env = shared | kind
        if database := env.pop("database", None):
            place = f"?host={bench.postgres.folder}"
            database += "_other" if other else ""
            env["HSP_OTP_DATABASE_URL"] = f"postgresql+asyncpg://postgres@/{database}{place}"
        codes = of_the_provider if "production" in name else of_the_console
        targets.append(Target(name, [str(program), "serve"], env, folder, codes))
    return targets


def prepare(bench: Bench, target: Target) -> None:
    """Fill the database of one of our targets."""
    env = os.environ | {k: v.format(port=target.port, workers=1) for k, v in target.env.items()}
    if url := target.env.get("HSP_OTP_DATABASE_URL"):
        database = url.split("/")[3].split("?")[0]
        made = psql(bench.postgres, "postgres", "-c", "SELECT datname FROM pg_database").split()
        same = OTHER_DATABASES if OTHER in target.name else DATABASES
        filled = next((one for one in made if one in same), None)
        template = f" TEMPLATE {filled}" if filled else ""
        psql(bench.postgres, "postgres", "-c", f"CREATE DATABASE {database}{template}")
        if filled:
            return
    for arguments in (["db", "upgrade"], ["passes", "import", str(bench.folder / "passes.csv")]):
        command = [target.command[0], *arguments]
        subprocess.run(command, env=env, cwd=target.folder, check=True, capture_output=True)
    if bench.rows and url:
        rows = ("-v", f"rows={bench.rows}", "-f", str(HERE / "rows.sql"))
        psql(bench.postgres, url.split("/")[3].split("?")[0], *rows)


def peers(bench: Bench) -> list[Target]:
    """The service that this one replaces, the bare design, and echo servers."""
    django = HERE / ".django"
    env = {
        "PGHOST": str(bench.postgres.folder),
        "PGDATABASE": "seed",
        "REDIS_URL": f"{bench.redis.url}/1",
        "REDIS_PORT": str(bench.redis.port),
        "DSN": f"postgresql+asyncpg://postgres@/seed?host={bench.postgres.folder}",
        "FULL": "1",
        "STORE": "pg",
        "PYTHONPATH": f"{PEERS}:{PEERS / 'spike'}:{PEERS / 'django_service'}",
    }
    gunicorn = [str(django / "bin" / "gunicorn"), "wsgi:application", "-b", "127.0.0.1:{port}"]
    gunicorn += ["-w", "{workers}", "-k", "gthread", "--threads", "4", "--log-level", "warning"]
    uvicorn = ["--port", "{port}", "--workers", "{workers}", "--loop", "uvloop"]
    uvicorn += ["--http", "httptools", "--no-access-log", "--log-level", "warning"]

    def of_django(_: Target, people: range) -> dict[int, str]:
        asked = (
            "SELECT substr(u.username, 2), o.otp_code FROM otp_verifications o "
            "JOIN users u ON u.id = o.user_id WHERE NOT o.is_used"
        )
        rows = (row.split("|") for row in psql(bench.postgres, "seed", "-c", asked).split())
        return {int(who): code for who, code in rows if int(who) in people}

    def served(app: str) -> list[str]:
        return [str(BIN / "uvicorn"), app, *uvicorn]

    def none(_: Target, __: range) -> dict[int, str]:
        return {}

    granian = [str(django / "bin" / "granian"), "--interface", "asgi", "--no-access-log"]
    granian += ["--host", "127.0.0.1", "--port", "{port}", "--workers", "{workers}"]
    granian += ["--log-level", "warning", "echo:litestar"]
    libraries = f"{env['PYTHONPATH']}:{sysconfig.get_path('purelib')}"

    return [
        Target("django", gunicorn, env, bench.folder, of_django),
        Target("spike", served("app:app"), env, bench.folder, of_the_spike, ("send", "verify")),
        Target("litestar echo", served("echo:litestar"), env, bench.folder, none, ("validate",)),
        Target("asgi echo", served("echo:app"), env, bench.folder, none, ("validate",)),
        Target(
            "litestar echo on granian",
            granian,
            env | {"PYTHONPATH": libraries},
            bench.folder,
            none,
            ("validate",),
        ),
    ]


def prepare_peers(bench: Bench) -> None:
    """Fill the database that the peers share."""
    psql(bench.postgres, "postgres", "-c", "CREATE DATABASE seed")
    env = os.environ | {
        "PGHOST": str(bench.postgres.folder),
        "PGDATABASE": "seed",
        "REDIS_URL": f"{bench.redis.url}/1",
        "LOG_LEVEL": "WARNING",
    }
    service = PEERS / "django_service"
    migrate = [str(HERE / ".django" / "bin" / "python"), str(service / "manage.py"), "migrate"]
    subprocess.run(migrate, env=env, check=True, capture_output=True)
    psql(bench.postgres, "seed", "-f", str(service / "preload.sql"))
    psql(bench.postgres, "seed", "-f", str(PEERS / "spike" / "tables.sql"))


def asked_for() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="for which each phase lasts")
    parser.add_argument("--only", default="", help="names of servers, with commas")
    parser.add_argument("--workers", type=int, default=1, help="2: everything on both CPUs")
    parser.add_argument("--half", action="store_true", help="open loop at half the saturation")
    parser.add_argument("--rows", type=int, default=0, help="in each table beforehand")
    parser.add_argument("--restart", action="store_true", help="of Redis, between two rounds")
    parser.add_argument("--soak", type=int, default=0, help="look-ups, to see what memory does")
    parser.add_argument("--other", type=Path, help="a checkout to measure beside this one")
    parser.add_argument("--keep", action="store_true", help="write bench/results")
    return parser.parse_args()


def opened(stack: ExitStack, seconds: float, rows: int) -> Bench:
    """Start the stores and build the generator."""
    folder = Path(tempfile.mkdtemp(prefix="otp-bench-"))
    folder.chmod(0o755)
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    compiler = ["cc", "-O2", "-o", str(folder / "loadgen"), str(HERE / "loadgen.c")]
    subprocess.run(compiler, check=True)
    durable = ("fsync=on", "synchronous_commit=on")
    sized = ("shared_buffers=256MB", "max_wal_size=4GB")
    counting = "pg_stat_statements"
    counts = any(found().folder.parent.rglob(f"{counting}.so"))
    counted = (f"shared_preload_libraries={counting}",) if counts else ()
    postgres = stack.enter_context(Postgres(*durable, *sized, *counted))
    if counts:
        psql(postgres, "postgres", "-c", f"CREATE EXTENSION {counting}")
    redis = RedisServer.start()
    stack.callback(redis.stop)
    return Bench(folder, postgres, redis, seconds, counts, rows)


def targets_of(bench: Bench, stack: ExitStack, only: set[str], other: Path | None) -> list[Target]:
    """The selected targets, with filled databases."""
    every = [*hsp_otp(bench), *(hsp_otp(bench, other) if other else [])]
    ours = [one for one in every if not only or one.name.removesuffix(OTHER) in only]
    others = [one for one in peers(bench) if not only or one.name in only]
    for target in ours:
        prepare(bench, target)
        if url := target.env.get("HSP_OTP_WEBHOOK_URL"):
            port = url.split(":")[2].strip("/")
            provider = [sys.executable, str(PEERS / "provider.py"), port]
            pinned = ["taskset", "-c", str(OTHER_CPU), *provider, str(target.folder / "taken")]
            stack.callback(subprocess.Popen(pinned).kill)
    if others:
        prepare_peers(bench)
    return [*ours, *others]


def started(bench: Bench, stack: ExitStack, targets: list[Target], workers: int) -> None:
    """Start the servers, and give each process its CPUs."""
    cpus = {SERVER_CPU} if workers == 1 else {SERVER_CPU, OTHER_CPU}
    rest = {OTHER_CPU} if workers == 1 else cpus
    os.sched_setaffinity(0, rest)
    for pid in bench.redis_pids() | family(bench.postgres.process.pid):
        with suppress(ProcessLookupError):  # PostgreSQL's helpers come and go
            os.sched_setaffinity(pid, rest)
    for target in targets:
        stack.callback(target.stop)
        target.start(cpus, workers)  # compiles what no start has compiled before
        target.stop()
        target.start(cpus, workers)


def main() -> None:
    """Measure, and print a table."""
    asked = asked_for()
    # With it, every start would compile the whole program.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with ExitStack() as stack:
        bench = opened(stack, asked.seconds, asked.rows)
        only = {name for name in asked.only.split(",") if name}
        targets = targets_of(bench, stack, only, asked.other)
        started(bench, stack, targets, asked.workers)
        if asked.soak:
            soak(bench, targets, asked.soak)
            return
        results: dict[tuple[str, str], list[dict[str, Any]]] = {}
        many = PEOPLE // (asked.rounds + 1)
        for number in range(asked.rounds + 1):  # the first warms up
            people = range(number * many, (number + 1) * many)
            if asked.restart and number == asked.rounds:
                show(summary(results), targets)
                results = {}
                bench.redis.kill()
                bench.redis.begin()
                time.sleep(10)
            for target, phase in ((one, phase) for one in targets for phase in one.phases):
                found = bench.measure(target, phase, people)
                if asked.half:
                    found = bench.measure_half(target, phase, people, found)
                if number:
                    results.setdefault((target.name, phase), []).append(found)
                    print(f"{number} {target.name:26} {phase:9} {told(found)}", flush=True)
        medians = summary(results)
        show(medians, targets)
        show_ratios(results)
        if asked.keep:
            keep(medians, targets, asked)


def soak(bench: Bench, targets: list[Target], most: int) -> None:
    """Look up passes repeatedly, each time from a different address."""
    for target in targets:
        done, salt = 0, 0
        while done < most:
            people = range(PEOPLE)
            done += bench.measure(target, "validate", people, salt=salt)["requests"]
            salt = (salt + 1) % 100
            share, own = memory(target.pids()), memory(target.pids(), "Pss_Anon")
            print(f"{target.name:26} {done:9} requests, {share} MB, own {own}", flush=True)


def summary(
    results: dict[tuple[str, str], list[dict[str, Any]]],
) -> dict[tuple[str, str], dict[str, Any]]:
    """The medians of every server and phase."""
    return {key: middle(rounds) for key, rounds in results.items()}


def told(found: dict[str, Any]) -> str:
    """One result as a line."""
    used = found["cpu_us"]
    rates = f"{found['rps']:8.0f}/s {used['server']:7.0f} {used['redis']:6.0f}"
    times = f"{used['postgres']:6.0f} us {found['p50_ms']:8.2f} {found['p99_ms']:8.2f} ms"
    asked = f"{found['asked']['statements']:5.2f} {found['asked']['commands']:5.2f}"
    kept = f"{asked} bad {found['bad']} of {found['requests']} foreign {found['foreign']}"
    return f"{rates} {times} {kept}"


def middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians, without rounds disturbed by other processes (a fifth of a core) if two remain."""
    quiet = [one for one in rounds if one["foreign"] < 0.2]
    used = quiet if len(quiet) > 1 else sorted(rounds, key=lambda one: one["foreign"])[:2]
    made: dict[str, Any] = {
        name: statistics.median(one[name] for one in used) for name in ("rps", "p50_ms", "p99_ms")
    }
    made["cpu_us"] = {
        name: round(statistics.median(one["cpu_us"][name] for one in used), 1)
        for name in ("server", "redis", "postgres")
    }
    made["asked"] = {
        name: round(statistics.median(one["asked"][name] for one in used), 2)
        for name in ("statements", "commands")
    }
    made["memory_mb"] = used[-1]["memory_mb"]
    made["bad"] = sum(one["bad"] for one in rounds)
    made["requests"] = sum(one["requests"] for one in rounds)
    made["foreign"] = max(one["foreign"] for one in used)
    return made


def show(summary: dict[tuple[str, str], dict[str, Any]], targets: list[Target]) -> None:
    """Print the table."""
    print(f"\n{'':36} requests/s    server  redis postgres us      p50      p99 ms  SQL Redis")
    for (name, phase), one in summary.items():
        print(f"{name:26} {phase:9} {told(one)}")
    for target in targets:
        sizes = next(one["memory_mb"] for (name, _), one in summary.items() if name == target.name)
        print(f"{target.name:26} start {target.start_cpu:5.2f} s of CPU, memory {sizes} MB")


def show_ratios(results: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    """Print this commit's CPU per request as a ratio of the other one's, round by round."""
    for (name, phase), rounds in results.items():
        before = results.get((name + OTHER, phase))
        if before is None:
            continue
        pairs = zip(rounds, before, strict=True)
        ratios = sorted(a["cpu_us"]["server"] / b["cpu_us"]["server"] for a, b in pairs)
        spread = f"{ratios[0]:.3f} to {ratios[-1]:.3f} in {len(ratios)} rounds"
        print(f"{name:26} {phase:9} {statistics.median(ratios):.3f} of the other's ({spread})")


def keep(
    summary: dict[tuple[str, str], dict[str, Any]], targets: list[Target], asked: argparse.Namespace
) -> None:
    """Write the results into the project."""
    found: dict[str, Any] = {}
    for (name, phase), one in summary.items():
        found.setdefault(name, {})[phase] = one
    for target in targets:
        found[target.name]["start_cpu_seconds"] = round(target.start_cpu, 2)
    name = "half" if asked.half else f"workers-{asked.workers}"
    name += f"-rows-{asked.rows}" if asked.rows else ""
    path = HERE / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
    if name == "workers-1":
        (HERE.parent / "docs" / "performance.svg").write_text(picture(summary))


def picture(summary: dict[tuple[str, str], dict[str, Any]]) -> str:
    """A bar chart of CPU time per request, for the documentation."""
    most = max(one["cpu_us"]["server"] for one in summary.values())
    rows: list[str] = []
    top = 10
    for phase in PATHS:
        rows.append(f'<text x="10" y="{top + 14}" class="phase">{phase}</text>')
        top += 22
        for (name, of), one in summary.items():
            if of != phase:
                continue
            used = one["cpu_us"]["server"]
            kind = "ours" if name.startswith("hsp-otp") else "theirs"
            width = max(1, round(400 * used / most))
            middle_of = top + 13
            rows.append(f'<text x="180" y="{middle_of}" class="name">{name}</text>')
            rows.append(f'<rect x="190" y="{top}" width="{width}" height="16" class="{kind}"/>')
            rows.append(f'<text x="{196 + width}" y="{middle_of}">{used:.0f}</text>')
            top += 20
        top += 8
    style = (
        "text{font:12px sans-serif;fill:#555}.phase{font-weight:bold}.name{text-anchor:end}"
        ".ours{fill:#2563eb}.theirs{fill:#9ca3af}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="680" height="{top}" role="img" '
        f'aria-label="CPU time per request in microseconds"><style>{style}</style>\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    main()
