"""The `settings` command."""

from hsp_otp.entrypoints.cli.output import table
from hsp_otp.entrypoints.settings.load import described


def settings() -> None:
    """
    Print every setting with its default, accepted values and meaning.

    Example: hsp-otp settings
    """
    table(described(), ("variable", "default", "takes", "meaning"))
