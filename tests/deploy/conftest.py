"""A test machine: a namespace whose changes to /etc, /opt and /var are invisible outside."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import pytest

ROOT: Final = Path(__file__).parents[2]

_SETUP: Final = """
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
for part in etc opt var; do
    mkdir -p "$1/$part/changed" "$1/$part/work"
    changed="upperdir=$1/$part/changed,workdir=$1/$part/work"
    mount -t overlay overlay -o "lowerdir=/$part,$changed" "/$part"
done
echo ready
exec sleep infinity
"""


class Machine:
    """Runs commands as root; their changes under /etc, /opt and /var disappear with it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("HSP_OTP_")
        } | environment
        mounted = folder / "mounted"
        mounted.mkdir()
        self._process = subprocess.Popen(  # noqa: S603
            ["unshare", "--mount", "sh", "-euc", _SETUP, "sh", mounted],  # noqa: S607
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", "needs root"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, text: str, *, cwd: Path | None = None) -> str:
        """
        Run a shell script, and return its output.

        Raises:
            AssertionError: It failed, or wrote to standard error.
        """
        done = subprocess.run(  # noqa: S603
            ["nsenter", f"--mount=/proc/{self._process.pid}/ns/mnt", "sh", "-eu"],  # noqa: S607
            input=f"cd {cwd or self.folder}\n{text}",
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@contextmanager
def public_folder() -> Iterator[Path]:
    """Make a folder that other users may enter; pytest's own folders are private."""
    with tempfile.TemporaryDirectory(prefix="otp-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def public() -> Iterator[Path]:
    """Make such a folder for one test."""
    with public_folder() as folder:
        yield folder


@pytest.fixture
def checkout(public: Path) -> Path:
    """Copy the project so that every user may read it."""
    left_out = shutil.ignore_patterns(".*_cache", ".git", ".venv", ".hypothesis", "node_modules")
    return shutil.copytree(ROOT, public / "checkout", ignore=left_out)
