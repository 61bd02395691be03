"""A service in production mode: its keys, its database, its people, and its provider."""

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
from tests.plays import PLAYS

PEOPLE: Final = 2_000
PUBLIC_URL: Final = "https://otp.example.com"


def pass_of(person: int) -> str:
    """Everybody has a pass."""
    return f"HSP-{person // 10_000:04d}-{person % 10_000:04d}"


def number_of(person: int) -> str:
    """Everybody has a number; neighbours have numbers of different ranges."""
    return "+9198" + f"{person:08d}"[::-1]


def address(number: int) -> str:
    """An address behind the proxy; those of 65 536 neighbours are in different networks."""
    return f"10.{number & 255}.{number >> 8 & 255}.{number >> 16 & 255}"


def wrong(code: str) -> str:
    """Another code."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


def prepare(folder: Path, people: int = PEOPLE, **settings: str) -> dict[str, str]:
    """
    What an operator does before the first start, by the commands.

    Args:
        people: How many have passes.
        settings: Where the database is, if it is not SQLite in the folder.

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
    """The same with SQLite, once in each process that runs tests."""
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
    """Look into the database of *folder*."""
    with closing(sqlite3.connect(folder / "hsp-otp.db", timeout=10)) as connection:
        return connection.execute(statement, parameters).fetchall()


def by(**gateways: Gateway) -> dict[str, str]:
    """The settings of senders that are tried in that order."""
    given = {"SENDERS": ",".join(gateways)}
    for name, gateway in gateways.items():
        given |= PLAYS[name].settings(gateway.url)
    return given


def start(
    folder: Path,
    keys: dict[str, str],
    gateway: Gateway | dict[str, Gateway],
    **settings: str,
) -> Server:
    """
    Two workers in production mode behind a proxy.

    Args:
        gateway: Twilio, or senders by their names, in the order of trying.
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
    """Some connections, closed in the end whatever became of them."""
    lines: list[Line] = []
    try:
        lines += await asyncio.gather(*(Line.open(server.port) for _ in range(count)))
        yield lines
    finally:
        await asyncio.gather(*(line.close() for line in lines))


def unexpected(server: Server, *events: str) -> list[str]:
    """Lines of warnings and errors but for those *events*."""
    return [
        line
        for line in server.complaints
        if not line.startswith("{") or json.loads(line)["event"] not in events
    ]
