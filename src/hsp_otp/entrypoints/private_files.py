"""Files and folders that only their owner may open."""

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
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


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """
    Keep other processes that call this function out of *folder* meanwhile.

    Raises:
        OSError: It cannot be opened.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def write_private_file(file: Path, text: str) -> None:
    """
    Replace *file*, or make it, in one step and for its owner alone; an existing file keeps its
    owner.

    Raises:
        OSError: It cannot be written; it is as it was.
    """
    file = file.resolve()
    opened, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(opened, "w", encoding="utf-8") as made:
            made.write(text)
            made.flush()
            if file.exists() and file.stat().st_uid != os.geteuid():
                os.fchown(opened, file.stat().st_uid, file.stat().st_gid)
            os.fsync(opened)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def is_open_to_others(file: Path) -> bool:
    """Return whether the file's group or others have any access to it; may raise OSError."""
    return bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
