"""
How long the import of 100 000 passes takes, and how much memory.

Run it as ``.venv/bin/python bench/import_passes.py [LINES]``. The ratio compares with reading the
same file by `csv.DictReader` and parsing every number, in the same run: it says what the machine
is worth.
"""

# ruff: noqa: INP001, T201 - a script that prints

import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import phonenumbers

COMMAND = Path(sys.executable).with_name("hsp-otp")


def write_file(path: Path, lines: int) -> None:
    """*lines* passes of as many users."""
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
    """Seconds that the command takes, its start included."""
    began = time.perf_counter()
    environ = {**os.environ, "HSP_OTP_DATABASE_URL": url}
    done = subprocess.run(  # noqa: S603 - the command is ours
        [COMMAND, *arguments], env=environ, check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - began


def read_plainly(path: Path) -> float:
    """Seconds for reading the file and parsing its numbers, and nothing else."""
    began = time.perf_counter()
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            phonenumbers.parse(row["phone_number"], "IN")
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "passes.csv"
        url = f"sqlite+aiosqlite:///{folder}/bench.db"
        write_file(path, lines)
        run("db", "upgrade", url=url)
        first = run("passes", "import", str(path), url=url)
        again = run("passes", "import", str(path), url=url)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        plain = read_plainly(path)
    print(f"lines          {lines}")
    print(f"first import   {first:.1f} s, {first / plain:.1f} times reading and parsing alone")
    print(f"second import  {again:.1f} s, {again / plain:.1f} times")
    print(f"plain reading  {plain:.1f} s")
    print(f"peak memory    {peak:.0f} MiB")


if __name__ == "__main__":
    main()
