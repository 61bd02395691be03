"""Errors that end a command with one line. A module of its own, so that naming it loads nothing."""

from typing import Final

OK: Final = 0
FAILED: Final = 1
MISUSED: Final = 2


class CommandError(Exception):
    """One line for whoever typed the command."""


class SettingsError(ValueError):
    """One line that names the variable, what it got (secrets never) and what it takes."""
