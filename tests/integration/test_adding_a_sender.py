"""What CONTRIBUTING.md says of adding a sender is all that it takes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

pytestmark = pytest.mark.timeout(180)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the copy in *folder*."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HSP_OTP_")}
    return subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        cwd=folder,
        env=ours | {"PYTHONPATH": str(folder / "src"), "PYTEST_ADDOPTS": "-p no:randomly"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the guide's sender: one file and one line, and how it is played."""
    folder = tmp_path_factory.mktemp("copy")
    for part in ("src", "tests"):
        shutil.copytree(ROOT / part, folder / part)
    for name in ("pyproject.toml", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder / name)
    section = GUIDE.partition("## Adding a sender\n")[2].partition("\n## ")[0]
    file, play = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    imported, line = re.findall(r"^\+(.*\n)", section, re.MULTILINE)
    source = folder / "src" / "hsp_otp"
    (source / "adapters" / "senders" / "pigeon.py").write_text(file, "utf-8")
    table = source / "entrypoints" / "senders.py"
    before = table.read_text("utf-8")
    after = before.replace("    WEBHOOK,\n", f"    WEBHOOK,\n{line}").replace(
        "from hsp_otp.adapters.senders.provider",
        f"{imported}from hsp_otp.adapters.senders.provider",
    )
    assert len(after.splitlines()) == len(before.splitlines()) + 2
    table.write_text(after, "utf-8")
    with (folder / "tests" / "plays.py").open("a", encoding="utf-8") as plays:
        plays.write(f"\n\n{play}")
    return folder


def test_the_contract_tests_take_it_from_the_table(copied: Path) -> None:
    """The sender of the guide goes through the contract tests, every one of them."""
    chosen = ("tests/integration/test_senders.py", "-k", "pigeon or test_every_sender_is_played")
    done = run(copied, "-m", "pytest", "-q", *chosen)
    assert done.returncode == 0, done.stdout
    found = re.search(r"([0-9]+) passed", done.stdout)
    assert found is not None
    assert int(found[1]) > 20


def test_a_sender_without_a_play_is_noticed(copied: Path) -> None:
    """The tests say so where the table has a sender that they know nothing of."""
    chosen = "tests/integration/test_senders.py::test_every_sender_is_played"
    plays = copied / "tests" / "plays.py"
    text = plays.read_text("utf-8")
    plays.write_text(text.replace('PLAYS["pigeon"]', "_unheard_of"), "utf-8")
    try:
        assert run(copied, "-m", "pytest", "-q", chosen).returncode == 1
    finally:
        plays.write_text(text, "utf-8")


def test_its_settings_are_known(copied: Path) -> None:
    """Its variables are described, read, and asked for where it is to send."""
    program = (
        "from hsp_otp.entrypoints.settings.checks import check_to_serve\n"
        "from hsp_otp.entrypoints.settings.load import described, load\n"
        "print(*(row[0] for row in described()))\n"
        "check_to_serve(load({'HSP_OTP_SENDERS': 'twilio,pigeon', 'HSP_OTP_TWILIO_FROM': '+1',\n"
        "    'HSP_OTP_TWILIO_ACCOUNT_SID': 'A', 'HSP_OTP_TWILIO_AUTH_TOKEN': 'T'}))\n"
    )
    done = run(copied, "-c", program)
    assert {"HSP_OTP_PIGEON_KEY", "HSP_OTP_PIGEON_BASE_URL"} <= set(done.stdout.split())
    assert done.stderr.splitlines()[-1].endswith("HSP_OTP_PIGEON_KEY: missing; pigeon needs it")
