"""Setting up without a network: one line within ten seconds, in CONTRIBUTING's three scripts."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_start import ROOT

PATIENCE_SECONDS = 60
"""The scripts give up within ten on a machine that is not busy."""

UNSET = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
NO_PROXY = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing has been set up."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "script", folder / "script")
    for file in (*ROOT.glob("requirements*.lock"), ROOT / "pyproject.toml"):
        shutil.copy(file, folder)
    (folder / "tests" / "browser").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "browser" / "package-lock.json", folder / "tests" / "browser")
    return folder


@pytest.fixture
def silent() -> Iterator[int]:
    """A port at which connections are never made, as by a firewall that drops them."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = []
        for _ in range(4):  # more than the queue holds
            one = socket.socket()
            one.settimeout(0)
            one.connect_ex(server.getsockname())
            waiting.append(one)
        yield server.getsockname()[1]
        for one in waiting:
            one.close()


def run(folder: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a script until it ends."""
    return subprocess.run(  # noqa: S603
        command,
        cwd=folder,
        env={**os.environ, **UNSET, **NO_PROXY, **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


SCRIPTS = {
    "bootstrap": ("sh", "script/bootstrap"),
    "install": ("sh", "script/install", "/tmp/hsp-otp-that-is-not-made"),  # noqa: S108
    "set-up-browser": ("sh", "script/set-up-browser"),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_index_that_refuses(checkout: Path, name: str) -> None:
    """The host is named, without the password in front of it, and nothing is left behind."""
    index = "http://somebody:s3cret@127.0.0.1:1/simple"
    done = run(checkout, *SCRIPTS[name], PIP_INDEX_URL=index, PYTHON=sys.executable)
    assert (done.returncode, done.stdout) == (1, "")
    script = "bootstrap" if name == "set-up-browser" else name
    assert done.stderr == f"script/{script}: pip cannot reach 127.0.0.1:1: Connection refused\n"
    assert not (checkout / ".venv").exists()
    assert not Path(SCRIPTS["install"][-1]).exists()


def test_an_index_that_does_not_answer(checkout: Path, silent: int) -> None:
    """It is given up after four seconds."""
    index = f"http://127.0.0.1:{silent}/simple"
    done = run(checkout, *SCRIPTS["bootstrap"], PIP_INDEX_URL=index)
    assert done.stderr == (
        f"script/bootstrap: pip cannot reach 127.0.0.1:{silent}: no answer within 4 seconds\n"
    )


@pytest.mark.parametrize(
    ("environ", "reaches"),
    [
        ({"PIP_INDEX_URL": "http://127.0.0.1:1/simple"}, False),
        ({"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_NO_INDEX": "1"}, True),
        ({"PIP_INDEX_URL": "file:///srv/packages"}, True),
        ({"PIP_INDEX_URL": "http://192.0.2.1/simple", "PIP_PROXY": "http://127.0.0.1:1"}, False),
        ({"PIP_INDEX_URL": "http://192.0.2.1/simple", "http_proxy": "127.0.0.1:1"}, False),
    ],
)
def test_what_pip_is_configured_with(
    checkout: Path,
    environ: dict[str, str],
    reaches: bool,  # noqa: FBT001
) -> None:
    """The proxy counts instead of the index, and what needs no network passes."""
    done = run(checkout, sys.executable, "script/reachable.py", "pip", **environ)
    told = "" if reaches else "pip cannot reach 127.0.0.1:1: Connection refused\n"
    assert (done.returncode, done.stdout, done.stderr) == (0 if reaches else 1, told, "")


def test_a_registry_that_refuses(checkout: Path) -> None:
    """Where all but npm's packages are there, the line names npm's registry."""
    tools = checkout / "tools"
    answers = {"chromium": "", "node": "", "npm": "echo http://127.0.0.1:1/"}
    for name, does in answers.items():
        tools.mkdir(exist_ok=True)
        (tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (tools / name).chmod(0o755)
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    stamps = (
        "pwd -P >.venv/.bootstrapped;"
        "cksum requirements.lock pyproject.toml script/uv.txt script/bootstrap"
        " >>.venv/.bootstrapped;"
        "cat .venv/.bootstrapped >.venv/.browser; cksum requirements-browser.lock >>.venv/.browser"
    )
    assert run(checkout, "sh", "-c", stamps).returncode == 0
    done = run(checkout, *SCRIPTS["set-up-browser"], PATH=f"{tools}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == "script/set-up-browser: npm cannot reach 127.0.0.1:1: Connection refused\n"
    )
