"""Errors that end a command with one line; a separate module, so that it imports nothing else."""

from typing import Final

OK: Final = 0
FAILED: Final = 1
MISUSED: Final = 2


class CommandError(Exception):
    """A failure of a command; the message is one line for its user."""


class SettingsError(ValueError):
    """A wrong setting; one line with the variable, its value (never a secret) and what it takes."""
