"""A service in production mode with keys, a database, people and a provider."""

import asyncio
import atexit
import csv
import json
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from functools import cache
from pathlib import Path
from typing import Final

from tests.e2e.server import Line, Server, command
from tests.gateway import Gateway
from tests.plays import PLAYED

PEOPLE: Final = 2_000
PUBLIC_URL: Final = "https://otp.example.com"


def pass_of(person: int) -> str:
    """Return the pass code of a person."""
    return f"HSP-{person // 10_000:04d}-{person % 10_000:04d}"


def number_of(person: int) -> str:
    """Return the number of a person; consecutive people have numbers in different ranges."""
    return "+9198" + f"{person:08d}"[::-1]


def address(number: int) -> str:
    """Return an address behind the proxy; 65 536 consecutive ones are in different networks."""
    return f"10.{number & 255}.{number >> 8 & 255}.{number >> 16 & 255}"


def wrong(code: str) -> str:
    """Return a code other than *code*."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


def prepare(folder: Path, people: int = PEOPLE, **settings: str) -> dict[str, str]:
    """
    Prepare the service with the commands that an operator runs before the first start.

    Args:
        people: The number of people with passes.
        settings: The database, if it is not SQLite in the folder.

    Returns:
        The settings that the commands printed.
    """
    if settings:
        return _prepare(folder, people, **settings)
    made, printed = _prepared(people)
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return dict(printed)


@cache
def _prepared(people: int) -> tuple[Path, dict[str, str]]:
    """Prepare a service with SQLite, once in each process that runs tests."""
    folder = Path(tempfile.mkdtemp(prefix="otp-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder, _prepare(folder, people)


def _prepare(folder: Path, people: int, **settings: str) -> dict[str, str]:
    made = command(folder, "keys", "new", "keys")
    assert made.returncode == 0, made.stderr
    assert command(folder, "db", "upgrade", **settings).returncode == 0
    with (folder / "passes.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(
            (
                *("pass_code", "payment_status", "plan_name", "expires_at"),
                *("email", "first_name", "last_name", "phone_number"),
            )
        )
        for person in range(people):
            email = f"u{person}@example.com"
            out.writerow([pass_of(person), "paid", "Gold", "", email, "A", "B", number_of(person)])
    imported = command(folder, "passes", "import", "passes.csv", **settings)
    assert imported.returncode == 0, imported.stderr
    lines = dict(line.split("=", 1) for line in made.stdout.splitlines())
    return {name.removeprefix("HSP_OTP_"): value for name, value in lines.items()}


def query(folder: Path, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    """Query the database in *folder*."""
    with closing(sqlite3.connect(folder / "hsp-otp.db", timeout=10)) as connection:
        return connection.execute(statement, parameters).fetchall()


def by(**gateways: Gateway) -> dict[str, str]:
    """Return the settings of senders, which are tried in the given order."""
    given = {"SENDERS": ",".join(gateways)}
    for name, gateway in gateways.items():
        given |= PLAYED[name].settings(gateway.url)
    return given


def start(
    folder: Path,
    keys: dict[str, str],
    gateway: Gateway | dict[str, Gateway],
    **settings: str,
) -> Server:
    """
    Start two workers in production mode behind a proxy.

    Args:
        gateway: Twilio's gateway, or gateways by senders' names in the order in which to try them.
    """
    given = {
        **(by(**gateway) if isinstance(gateway, dict) else by(twilio=gateway)),
        "PUBLIC_URL": PUBLIC_URL,
        "TRUSTED_PROXIES": "127.0.0.1/32",
        "WORKERS": "2",
    }
    return Server(folder, "serve", **(keys | given | settings))


@asynccontextmanager
async def open_lines(server: Server, count: int) -> AsyncGenerator[list[Line]]:
    """Open some connections, and close them at the end."""
    lines: list[Line] = []
    try:
        lines += await asyncio.gather(*(Line.open(server.port) for _ in range(count)))
        yield lines
    finally:
        await asyncio.gather(*(line.close() for line in lines))


def unexpected(server: Server, *events: str) -> list[str]:
    """Return the lines of warnings and errors, except for *events*."""
    return [
        line
        for line in server.complaints
        if not line.startswith("{") or json.loads(line)["event"] not in events
    ]
