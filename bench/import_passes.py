"""
Measure the time and memory of importing 100 000 passes, and the effect on requests.

Run it as ``.venv/bin/python bench/import_passes.py [LINES]``. A server answers look-ups before and
during the first import; if any fails, the run ends with status 1. The ratios compare with reading
the same file by `csv.DictReader` and parsing every number, and with look-ups on the idle server, in
the same run, so they do not depend on the speed of the machine.
"""

# ruff: noqa: INP001, T201 - a script that prints

import csv
import http.client
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import phonenumbers

COMMAND = Path(sys.executable).with_name("hsp-otp")


def write_file(path: Path, lines: int) -> None:
    """Write *lines* passes, each of a different user."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(
            "pass_code,payment_status,plan_name,expires_at,email,first_name,last_name,phone_number\n"
        )
        for number in range(lines):
            file.write(
                f"HSP-{number // 10_000:04}-{number % 10_000:04},paid,Gold,2099-12-31,"
                f"asha.{number}@example.com,Asha,Rao,98{number:08}\n"
            )


def run(*arguments: str, url: str) -> float:
    """Seconds that the command takes, including its start."""
    began = time.perf_counter()
    environ = {**os.environ, "HSP_OTP_DATABASE_URL": url}
    done = subprocess.run(  # noqa: S603 - our own command
        [COMMAND, *arguments], env=environ, check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - began


def read_plainly(path: Path) -> float:
    """Seconds for only reading the file and parsing its numbers."""
    began = time.perf_counter()
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            phonenumbers.parse(row["phone_number"], "IN")
    return time.perf_counter() - began


@contextmanager
def serving(url: str) -> Iterator[int]:
    """The port of a server in development mode with its limits off."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "MODE": "development",
        "PORT": str(port),
        "LOOKUPS_PER_CLIENT_HOUR": "0",
        "LOOKUP_MISSES_PER_HOUR": "0",
        "DATABASE_URL": url,
    }
    environ = os.environ | {f"HSP_OTP_{name}": value for name, value in settings.items()}
    server = subprocess.Popen(  # noqa: S603 - our own command
        [COMMAND, "dev"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                look_up(port)
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()


def look_up(port: int) -> float:
    """Seconds that one look-up takes; raises `OSError` if it does not succeed."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    body = '{"pass_code": "HSP-1234-5678"}'
    connection.request(
        "POST", "/customer/validate-pass/", body, {"Content-Type": "application/json"}
    )
    status = connection.getresponse().status
    connection.close()
    if status != http.client.OK:
        raise ConnectionError(f"a look-up was answered {status}")
    return time.perf_counter() - began


class LookUps(threading.Thread):
    """Makes one look-up after another until stopped."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.over = threading.Event()
        self.took: list[float] = []
        self.failed: list[str] = []

    def run(self) -> None:
        """Make look-ups."""
        while not self.over.wait(0.02):
            try:
                self.took.append(look_up(self.port))
            except OSError as error:
                self.failed.append(str(error))


def main() -> None:
    """Measure and print."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "passes.csv"
        url = f"sqlite+aiosqlite:///{folder}/bench.db"
        write_file(path, lines)
        with serving(url) as port:
            idle = statistics.median(look_up(port) for _ in range(100))
            asking = LookUps(port)
            asking.start()
            first = run("passes", "import", str(path), url=url)
            asking.over.set()
            asking.join()
        # The server was a child process too, but it is smaller than an import.
        again = run("passes", "import", str(path), url=url)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        plain = read_plainly(path)
    print(f"lines          {lines}")
    print(f"first import   {first:.1f} s, {first / plain:.1f} times reading and parsing alone")
    print(f"second import  {again:.1f} s, {again / plain:.1f} times")
    print(f"plain reading  {plain:.1f} s")
    print(f"peak memory    {peak:.0f} MiB")
    asked, failed = len(asking.took), len(asking.failed)
    ratio = statistics.median(asking.took) / idle
    print(f"look-ups       {asked} during the first import, {failed} failed")
    print(f"               {ratio:.1f} times an idle server's at the median")
    print(f"               {max(asking.took):.2f} s at most")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
