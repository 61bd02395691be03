"""What the image's build makes of the files that it is given, without an engine."""

import http.client
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.conftest import ROOT, public_folder
from tests.e2e.server import NewServer, Server, environment

DOCKERFILE: Final = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
USER: Final = "10001"

DEMO: Final = "HSP-1234-5678"

_READ_ONLY: Final = """
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro /
cd "$1"
shift
exec "$@"
"""


def instructions(name: str) -> list[str]:
    """What follows an instruction, each time."""
    return re.findall(rf"^{name}\s+(.*)$", DOCKERFILE, re.MULTILINE)


def is_ignored(path: Path) -> bool:
    """Whether .dockerignore keeps a file of the checkout out; the last line about it counts."""
    name, ignored = str(path.relative_to(ROOT)), False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#"):
            parts = [name, *(str(parent) for parent in path.relative_to(ROOT).parents)]
            if "**/" in line:
                parts = list(path.relative_to(ROOT).parts)
            if any(fnmatch(part, pattern) for part in parts):
                ignored = not line.startswith("!")
    return ignored


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """The folder of the image, made as its first stage makes it, where everybody may read it."""
    with public_folder() as folder:
        source = folder / "source"
        for words in instructions("COPY"):
            if not words.startswith("--"):
                *names, target = words.split()
                copy(names, source / target)
        (step,) = [step for step in instructions("RUN") if "script/install" in step]
        done = subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", step.replace("/opt/hsp-otp", shlex.quote(str(folder / "built")))],
            cwd=source,
            env=environment({}) | {"PYTHON": "/usr/bin/python3", "EXTRA": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        shutil.rmtree(source)
        yield folder / "built"


def copy(names: list[str], target: Path) -> None:
    """Do what COPY does: of a folder what is in it, and nothing that is ignored."""
    for name in names:
        whole = ROOT / name
        for file in (whole, *whole.rglob("*")):
            if not file.is_dir() and not is_ignored(file):
                place = target / (file.relative_to(whole) if whole.is_dir() else file.name)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)


class Contained(NewServer):
    """A server of the built folder, of the image's user, on a disk that cannot be written to."""

    built: Path

    def line(self, name: str) -> list[str | Path]:
        """The command line."""
        rights = ("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--clear-groups")
        user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", *rights)
        root = ("unshare", "--mount", "sh", "-euc", _READ_ONLY, "sh", self.folder)
        return [*root, *user, self.built / "bin" / "hsp-otp", name]


@pytest.mark.timeout(240)
def test_it_serves_from_the_wheel(built: Path, public: Path) -> None:
    """Templates, static files, catalogues and migrations are there; only its folder is written."""
    shutil.chown(public, int(USER))
    Contained.built = built
    with Contained(public, WORKERS="2") as server:
        spanish = server.post(
            "/customer/send-otp/", {"pass_code": DEMO}, **{"Accept-Language": "es"}
        )
        assert spanish["sent"] is True
        (code,) = re.findall(r"(\d{6}) es su clave", server.output)
        assert server.verify(DEMO, code)["success"] is True
        page = get(server, "/users/signup/")
        assets = re.findall(r"/static/[^\"]+", page)
        assert len(assets) >= 3
        assert all(get(server, asset) for asset in assets)
        assert json.loads(get(server, "/docs/openapi.json"))["openapi"].startswith("3.1")
        assert health(built, server.port) == 0
        assert {file.name for file in public.iterdir()} == {
            *("stdout.txt", "stderr.txt", "hsp-otp.db", "hsp-otp.db-wal", "hsp-otp.db-shm"),
            "hsp-otp.db.keys",
        }
    assert health(built, server.port) != 0


def test_nothing_to_develop_with(built: Path) -> None:
    """Neither tests nor installers are in the image, and the library is the wheel's."""
    python = built / "bin" / "python"
    for module in ("pytest", "hypothesis", "mypy", "pip", "setuptools", "uv"):
        found = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)  # noqa: S603
        assert found.returncode != 0, module
    where = "import hsp_otp; print(hsp_otp.__file__)"
    told = subprocess.run(  # noqa: S603
        [python, "-c", where], cwd="/", capture_output=True, text=True, check=True
    )
    assert str(built) in told.stdout


def test_what_gets_into_the_build() -> None:
    """Of the checkout's files those that the build needs, and no key, database or setting."""
    for name in (
        *("src/hsp_otp/py.typed", "script/install", "script/reachable.py"),
        *("requirements-runtime.lock", "requirements-traces.lock"),
    ):
        assert not is_ignored(ROOT / name)
    for name in (
        *(
            ".env",
            "hsp-otp.env",
            ".git/config",
            "keys/k1.pem",
            "hsp-otp.db",
            "src/hsp_otp/x.db",
            "compose.yaml",
        ),
        *("src/hsp_otp/__pycache__/x.pyc", "tests/gateway.py", ".venv/pyvenv.cfg"),
    ):
        assert is_ignored(ROOT / name), name


def get(server: Server, path: str) -> str:
    """What stands at an address."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    line.request("GET", path)
    answer = line.getresponse()
    assert answer.status == 200, path
    text = answer.read().decode()
    line.close()
    return text


def health(built: Path, port: int) -> int:
    """The status of the image's own check."""
    (words,) = re.findall(r"^HEALTHCHECK .*? CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    python, *rest = json.loads(words)
    assert python == "python"
    return subprocess.run(  # noqa: S603
        [built / "bin" / "python", *rest],
        env=environment({"PORT": str(port)}),
        capture_output=True,
        check=False,
    ).returncode
