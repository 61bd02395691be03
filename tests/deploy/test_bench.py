"""The numbers in docs/operations.md can be had again."""

import subprocess

from tests.deploy.conftest import ROOT
from tests.deploy.test_guide import BENCH, blocks


def test_what_a_sign_in_leaves() -> None:
    """The command of the guide measures, and finds as many rows as the guide says."""
    (block,) = [block for block in blocks() if BENCH in block]
    done = subprocess.run(
        ["/bin/sh", "-eu"],
        input=block.replace(BENCH, f"{BENCH} 5"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split()[:2] for line in done.stdout.splitlines() if "rows" in line]
    audit, sends = ["audit", "3.0"], ["sends", "1.0"]
    # Two records are those of the money of a day, however many people sign in.
    kept, later = ["records", f"{7 + 2 / 5}"], ["records", f"{1 + 2 / 5}"]
    assert rows == [audit, sends, kept, audit, sends, later]
