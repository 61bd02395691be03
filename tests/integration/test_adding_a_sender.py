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

CHANNELS = ("pigeon-email", "pigeon-whatsapp", "pigeon-voice")
"""The senders of other channels than text messages."""

pytestmark = pytest.mark.timeout(300)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the copy in *folder*."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HSP_OTP_")}
    return subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        cwd=folder,
        env=ours | {"PYTHONPATH": str(folder / "src"), "PYTEST_ADDOPTS": "-p no:randomly"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the guide's senders: their files and lines, and how they are played."""
    folder = tmp_path_factory.mktemp("copy")
    for part in ("src", "tests"):
        shutil.copytree(ROOT / part, folder / part)
    for name in ("pyproject.toml", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder / name)
    section = GUIDE.partition("## Adding a sender\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    file, play, channels, more_plays, calls, play_of_calls = blocks
    added = re.findall(r"^\+(.*\n)", section, re.MULTILINE)
    imports = "".join(line for line in added if line.startswith("from "))
    rows = "".join(line for line in added if not line.startswith("from "))
    source = folder / "src" / "hsp_otp"
    senders = source / "adapters" / "senders"
    (senders / "pigeon.py").write_text(file, "utf-8")
    (senders / "pigeon_channels.py").write_text(channels, "utf-8")
    (senders / "pigeon_voice.py").write_text(calls, "utf-8")
    table = source / "entrypoints" / "senders.py"
    before = table.read_text("utf-8")
    after = before.replace("    WEBHOOK,\n", f"    WEBHOOK,\n{rows}").replace(
        "from hsp_otp.adapters.senders.provider",
        f"{imports}from hsp_otp.adapters.senders.provider",
    )
    assert len(after.splitlines()) == len(before.splitlines()) + len(added)
    assert len(added) == 2 + 3 + 2
    table.write_text(after, "utf-8")
    with (folder / "tests" / "plays.py").open("a", encoding="utf-8") as plays:
        plays.write(f"\n\n{play}\n{more_plays}\n\n{play_of_calls}")
    return folder


def test_the_contract_tests_take_them_from_the_table(copied: Path) -> None:
    """The senders of the guide, one for each channel, go through every contract test."""
    chosen = ("tests/integration/test_senders.py", "-k", "pigeon or test_every_sender_is_played")
    done = run(copied, "-m", "pytest", "-v", *chosen)
    assert done.returncode == 0, done.stdout
    passed = [line for line in done.stdout.splitlines() if "PASSED" in line]
    of_channels = [sum(f"[{name}" in line for line in passed) for name in CHANNELS]
    assert min(of_channels) > 20
    assert sum("[pigeon" in line for line in passed) - sum(of_channels) > 20


def test_the_tests_of_calls_take_it(copied: Path) -> None:
    """The sender of calls is told of keys, says codes, and needs a public URL, as all others."""
    chosen = (
        "tests/unit/test_calls.py",
        "tests/integration/test_probes.py",
        "-k",
        "pigeon and not away",
    )
    done = run(copied, "-m", "pytest", "-v", *chosen)
    assert done.returncode == 0, done.stdout
    passed = [line for line in done.stdout.splitlines() if "PASSED" in line]
    assert sum("test_calls.py" in line for line in passed) > 12
    assert sum("test_probes.py" in line for line in passed) == 2


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
        "check_to_serve(load({'HSP_OTP_SENDERS': 'twilio,pigeon-email',\n"
        "    'HSP_OTP_TWILIO_FROM': '+1', 'HSP_OTP_TWILIO_ACCOUNT_SID': 'A',\n"
        "    'HSP_OTP_TWILIO_AUTH_TOKEN': 'T'}))\n"
    )
    done = run(copied, "-c", program)
    assert {"HSP_OTP_PIGEON_KEY", "HSP_OTP_PIGEON_BASE_URL"} <= set(done.stdout.split())
    assert done.stderr.splitlines()[-1].endswith(
        "HSP_OTP_PIGEON_KEY: missing; pigeon-email needs it"
    )
