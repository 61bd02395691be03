"""The temporary folder in which all workers keep the values of their metrics."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hsp_otp.domain.instant import Instant
from hsp_otp.entrypoints.errors import CommandError

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that tells the library to keep values in files, and where."""

_BEGAN: Final = "began"
"""A file that is as old as the group of processes."""


def folder() -> Path:
    """Return the folder, in any of the processes, while `new_folder` is active."""
    return Path(os.environ[_FOLDER])


def began() -> Instant:
    """Return when the folder was made, which is when counting began."""
    return Instant((folder() / _BEGAN).stat().st_mtime_ns // 1_000)


@contextmanager
def new_folder() -> Generator[None]:
    """
    Make the folder, for this process and the processes that it starts meanwhile.

    Raises:
        CommandError: The folder cannot be made.
    """
    try:
        folder_made = TemporaryDirectory(prefix="hsp-otp-metrics-")
    except OSError as error:
        # Without any usable folder, the reason lists those that were tried.
        where = f" in {str(Path(error.filename).parent)!r}" if error.filename else ""
        raise CommandError(
            f"cannot make a temporary folder for metrics{where}: {error.strerror}"
        ) from None
    with folder_made as path:
        os.environ[_FOLDER] = path
        (folder() / _BEGAN).touch()
        try:
            yield
        finally:
            del os.environ[_FOLDER]
