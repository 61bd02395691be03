"""Dockerfile, compose.yaml and units are what their readers take."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.deploy.conftest import ROOT

UNITS = sorted((ROOT / "deploy").glob("*.*"))
BIN = Path(sys.executable).parent

MOST_EXPOSED = 12
"""Of 100, as `systemd-analyze security` has it: lower is safer."""


def run(*words: str | Path, **environment: str) -> str:
    """What a command says, which has to work."""
    done = subprocess.run(  # noqa: S603
        words,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_dockerfile() -> None:
    """The linter finds nothing, of the least importance included."""
    assert run(BIN / "hadolint", "--failure-threshold", "style", "Dockerfile") == ""


def test_compose_is_of_its_schema() -> None:
    """compose.yaml is what the specification of Compose says."""
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")


def test_compose_by_its_own_client(tmp_path: Path) -> None:
    """Where there is a client of Compose, it reads the file; else its parts refer to each other."""
    found = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services = found["services"]
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert set(service["networks"]) <= set(found["networks"]), name
        assert set(service.get("depends_on", ())) <= set(services), name
        for volume in service.get("volumes", ()):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            assert source.startswith("./") or source in found["volumes"], name
    assert [name for name, service in services.items() if "ports" in service] == ["hsp-otp"]
    assert found["networks"]["stores"]["internal"] is True
    docker = shutil.which("docker")
    if docker is None:
        return
    client = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)  # noqa: S603
    if client.returncode == 0:
        for file in ("compose.yaml", ".env.example"):
            shutil.copy(ROOT / file, tmp_path / file.removesuffix(".example"))
        run(
            docker,
            "compose",
            "--project-directory",
            tmp_path,
            "config",
            "-q",
            POSTGRES_PASSWORD="p",
        )


def test_the_units(tmp_path: Path) -> None:
    """Nothing is to be said of the units, with some program in the place of ours."""
    for unit in UNITS:
        if unit.suffix not in {".service", ".timer"}:
            continue
        text = unit.read_text()
        (tmp_path / unit.name).write_text(
            re.sub(r"^(ExecStart=)/opt/\S+", r"\1/bin/true", text, flags=re.MULTILINE)
        )
    assert run("systemd-analyze", "verify", *sorted(tmp_path.iterdir())) == ""


def test_how_exposed_the_units_are() -> None:
    """By systemd's own measure both services are shut in, and alike."""
    shut = {}
    for unit in UNITS:
        if unit.suffix == ".service":
            run(
                "systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit
            )
            text = unit.read_text()
            shut[unit.name] = (
                text[text.index("CapabilityBoundingSet") :].partition("\n\n")[0].strip()
            )
    assert len(shut) == 2
    assert len(set(shut.values())) == 1
