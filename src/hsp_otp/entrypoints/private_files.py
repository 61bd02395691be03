"""Files and folders that only their owner may open."""

import errno
import os
import stat
from pathlib import Path


def make_private_folder(folder: Path) -> None:
    """
    Make a folder and its parents for their owner alone; an existing folder stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not folder.parent.exists():
        make_private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def is_open_to_others(file: Path) -> bool:
    """Return whether the file's group or others have any access to it; may raise OSError."""
    return bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
