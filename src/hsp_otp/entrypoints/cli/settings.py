"""The `settings` command."""

import sys

from rich.console import Console
from rich.table import Table

from hsp_otp.entrypoints.settings.load import described


def settings() -> None:
    """
    Print every setting with its default, accepted values and meaning.

    Example: hsp-otp settings
    """
    table = Table(box=None, show_lines=False, pad_edge=False)
    for heading in ("variable", "default", "takes", "meaning"):
        table.add_column(heading, overflow="fold")
    for row in described():
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False, markup=False).print(table)
