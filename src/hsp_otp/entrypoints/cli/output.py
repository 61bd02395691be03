"""Output of commands: tables for people, JSON Lines or CSV for other programs."""

import csv
import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from hsp_otp.domain.typed_text import visible
from hsp_otp.entrypoints.errors import CommandError

Shown: TypeAlias = Mapping[str, object]
"""A row by the names of its columns, which all rows of a listing share."""

_LINE_BREAK: Final = re.compile(r"\r\n?")
_FORMULA: Final = frozenset("=+-@")
_SPACING: Final = frozenset("\t\r\n")
"""Characters that begin a formula, or that some programs drop before one."""

_WIDE: Final = 200
"""The width of output that does not go to a terminal."""


class Writer(Protocol):
    """Writes rows to standard output."""

    def write(self, row: Shown) -> None:
        """Write one row."""
        ...

    def close(self) -> None:
        """Finish after the last row."""
        ...


class JsonLines:
    """Writes one JSON object per line."""

    def write(self, row: Shown) -> None:
        """Keep the promise of `Writer.write`."""
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Keep the promise of `Writer.close`."""


class Csv:
    """
    Writes a header, then the rows; unknown values are empty.

    A text that a spreadsheet would read as a formula gets an apostrophe in front, because rows
    contain input from strangers. Numbers are written unchanged.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._out = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        self._out.writeheader()

    def write(self, row: Shown) -> None:
        """Keep the promise of `Writer.write`."""
        self._out.writerow({name: _as_text(value) for name, value in row.items()})

    def close(self) -> None:
        """Keep the promise of `Writer.close`."""


def _as_text(value: object) -> object:
    if not isinstance(value, str):
        return value
    # Some spreadsheets treat full-width signs like ASCII ones, and skip white space.
    shown = visible(value)
    first = unicodedata.normalize("NFKC", shown.lstrip()[:1])
    text = _LINE_BREAK.sub("\n", value)  # the only line break that the writer quotes
    return f"'{text}" if first in _FORMULA or shown[:1] in _SPACING else text


def structured(columns: Sequence[str], *, as_json: bool, as_csv: bool) -> Writer | None:
    """
    Return the writer of rows for other programs; None for a person.

    Raises:
        CommandError: Both formats are requested.
    """
    if as_json and as_csv:
        raise CommandError("takes either --json or --csv")
    if as_json:
        return JsonLines()
    return Csv(columns) if as_csv else None


def table(rows: Iterable[Sequence[object]], headings: Sequence[str], title: str = "") -> None:
    """Print a table for people, or a line that says there are no rows."""
    width = None if sys.stdout.isatty() else _WIDE
    console = Console(width=width, highlight=False, markup=False)
    if title:
        console.print(title)
    drawn = Table(box=None, pad_edge=False)
    for heading in headings:
        drawn.add_column(heading, overflow="fold")
    for row in rows:
        drawn.add_row(*("" if value is None else str(value) for value in row))
    if drawn.row_count:
        console.print(drawn)
    else:
        console.print("nothing")


FLAG: Final = Parameter(negative="")
"""A boolean option without a negative form."""
