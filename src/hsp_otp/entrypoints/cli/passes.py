"""The `passes` commands: docs/contract.md, section 10."""

import asyncio
import sqlite3
import sys
from functools import partial
from pathlib import Path
from typing import BinaryIO

import attrs
from cyclopts import App
from rich.console import Console
from rich.progress import Progress

from hsp_otp.adapters.sql.pass_changes import Counts, import_passes
from hsp_otp.adapters.sql.passes import SqlPasses
from hsp_otp.adapters.system import SystemRandomness
from hsp_otp.domain.instant import Instant, to_iso
from hsp_otp.domain.names import MalformedPassCodeError, PassCode
from hsp_otp.domain.passes import KeptPass, Pass
from hsp_otp.entrypoints.cli.common import insist_on_newest
from hsp_otp.entrypoints.cli.csv_records import UnreadableError
from hsp_otp.entrypoints.cli.passes_batch import Listing
from hsp_otp.entrypoints.cli.passes_csv import BadLine, read
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.load import load
from hsp_otp.entrypoints.settings.model import Settings
from hsp_otp.entrypoints.wiring import clock_of, open_database
from hsp_otp.flows.caller import new_id

passes = App(name="passes", help="Import and show passes.")


@attrs.frozen
class _Result:
    good: int
    bad: int
    passes: Counts
    users: Counts


@passes.command(name="import")
def import_(file: Path, /) -> int:
    """
    Import passes and users from a CSV file; servers may be running.

    Columns, in any order: pass_code, payment_status (paid, pending, refunded or cancelled),
    plan_name, expires_at (empty, the last valid day such as 2026-12-31, or an ISO 8601 instant
    such as 2026-12-31T18:30:00Z), email, first_name, last_name and phone_number, and optionally
    user_id, your own id of the user. Commas, semicolons or tabs separate them. Bad lines are
    reported and skipped, and the exit status is then 1. Importing the same file again changes
    nothing.

    Example: hsp-otp passes import passes.csv

    Args:
        file: The CSV file, in UTF-8 or UTF-16.
    """
    settings = load()
    try:
        result = asyncio.run(_import(file, settings))
    except OSError as error:
        raise CommandError(f"cannot read {str(file)!r}: {error.strerror}") from None
    except UnreadableError as error:
        raise CommandError(f"cannot read {str(file)!r}: {error}") from None
    except sqlite3.Error as error:
        raise CommandError(f"the temporary file failed: {error}") from None
    print(f"lines: {result.good} good, {result.bad} bad")
    print(f"passes: {_in_words(result.passes)}")
    print(f"users: {_in_words(result.users)}")
    return 1 if result.bad else 0


@passes.command
def show(code: str, /) -> None:
    """
    Print a pass and the user who holds it.

    Example: hsp-otp passes show HSP-1234-5678

    Args:
        code: The pass code.
    """
    try:
        parsed = PassCode.parse(code)
    except MalformedPassCodeError as error:
        raise CommandError(f"the pass code is {error}") from None
    settings = load()
    kept = asyncio.run(_find(parsed, settings))
    if kept is None:
        raise CommandError(f"there is no pass {parsed}")
    for name, value in _described(kept, clock_of(settings).now()):
        print(f"{name + ':':<10}{value}")


async def _import(file: Path, settings: Settings) -> _Result:
    async with open_database(settings) as database:
        await insist_on_newest(database)
        # A line is parsed in 60 microseconds, and nothing else runs in this event loop.
        with Listing() as listing, _progress() as progress:
            with progress.open(file, "rb", description="Reading") as opened:
                good, bad = _list(opened, settings.default_region, listing)
            task = progress.add_task("Storing", total=listing.count())

            def stored(rows: int) -> None:
                progress.advance(task, rows)

            make_id = partial(new_id, SystemRandomness())
            result = await import_passes(database, listing.passes(), make_id, stored)
            refused = list(listing.refused(result.refused))
            for line in refused:
                _report(line)
            return _Result(good - len(refused), bad + len(refused), result.passes, result.users)


def _list(file: BinaryIO, default_region: str, listing: Listing) -> tuple[int, int]:
    """Read all lines and report the bad ones; return the numbers of good and bad lines."""
    good = bad = 0
    for line in read(file, default_region):
        refused = line if isinstance(line, BadLine) else listing.take(line)
        if refused is None:
            good += 1
        else:
            bad += 1
            _report(refused)
    # Lines that contradict each other are known only after all have been read.
    for refused in listing.disagreeing():
        good -= 1
        bad += 1
        _report(refused)
    return good, bad


def _report(line: BadLine) -> None:
    print(f"line {line.number}: {line.reason}", file=sys.stderr)


async def _find(code: PassCode, settings: Settings) -> KeptPass | None:
    async with open_database(settings) as database:
        await insist_on_newest(database)
        return await SqlPasses(database).find_kept(code)


def _described(kept: KeptPass, now: Instant) -> list[tuple[str, str]]:
    found, user = kept.found, kept.found.user
    verified = "verified" if kept.is_verified else "not verified"
    return [
        ("pass", found.code.masked),
        ("plan", found.plan_name),
        ("payment", found.payment_status.value),
        ("status", kept.status),
        ("expires", _end_in_words(found, now)),
        ("user", user.known_as),
        ("email", user.email),
        ("name", f"{user.first_name} {user.last_name}".strip()),
        ("phone", f"{user.phone.masked} ({verified})" if user.phone else "none"),
    ]


def _end_in_words(found: Pass, now: Instant) -> str:
    if found.expires_at is None:
        return "none"
    end, last_day = to_iso(found.expires_at), str(found.last_day)
    notes = ["past"] if found.is_expired(now) else []
    if not end.startswith(last_day):
        notes.append(f"last day {last_day}")
    return f"{end} ({', '.join(notes)})" if notes else end


def _in_words(counts: Counts) -> str:
    return f"{counts.added} added, {counts.changed} changed, {counts.unchanged} unchanged"


def _progress() -> Progress:
    """Make progress bars on a terminal, and nothing elsewhere."""
    console = Console(stderr=True)
    return Progress(console=console, disable=not console.is_terminal)
