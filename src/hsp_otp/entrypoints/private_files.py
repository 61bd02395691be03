"""Creates files and folders that only their owner may open."""

import errno
import os
import stat
from pathlib import Path


def make_private_folder(folder: Path) -> None:
    """
    Make a folder, and those above it, for their owner alone; one that is there stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not folder.parent.exists():
        make_private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def is_open_to_others(file: Path) -> bool:
    """
    Whether its group or everybody may do something with it.

    Raises:
        OSError: It cannot be looked at.
    """
    return bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
