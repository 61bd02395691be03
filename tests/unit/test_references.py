"""Pages of docs/ that say what the code says."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_settings_and_the_life_of_a_code_are_told_as_they_are() -> None:
    """Run script/references.py where this fails."""
    command = [sys.executable, str(ROOT / "script" / "references.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
