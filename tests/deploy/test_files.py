"""Dockerfile, compose.yaml and units are what their readers take."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.deploy.conftest import ROOT
from tests.integration import postgres_server

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
        for file in ("compose.yaml", ".env.example", "hsp-otp.env.example"):
            shutil.copy(ROOT / file, tmp_path / file.removesuffix(".example"))
        run(
            docker,
            "compose",
            "--project-directory",
            tmp_path,
            "config",
            "-q",
            POSTGRES_PASSWORD="p",
            POSTGRES_OWNER_PASSWORD="p",
            POSTGRES_SERVICE_PASSWORD="p",
        )


def test_compose_gives_no_container_more_than_it_needs() -> None:
    """A container has the password of its own user of PostgreSQL alone, and leaves no core dump."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    passwords = {
        name: set(re.findall(r"\$\{(POSTGRES_\w+):", str(service)))
        for name, service in services.items()
    }
    of_postgres = {"POSTGRES_PASSWORD", "POSTGRES_OWNER_PASSWORD", "POSTGRES_SERVICE_PASSWORD"}
    assert passwords == {
        "hsp-otp": {"POSTGRES_SERVICE_PASSWORD"},
        "purge": {"POSTGRES_SERVICE_PASSWORD"},
        "upgrade": {"POSTGRES_OWNER_PASSWORD"},
        "postgres": of_postgres,
        "valkey": set(),
    }
    files = {file for service in services.values() for file in service.get("env_file", ())}
    assert files == {"hsp-otp.env"}
    assert "POSTGRES" not in (ROOT / "hsp-otp.env.example").read_text()
    assert re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE) == [
        "POSTGRES_PASSWORD",
        "POSTGRES_OWNER_PASSWORD",
        "POSTGRES_SERVICE_PASSWORD",
    ]
    assert {service["ulimits"]["core"] for service in services.values()} == {0}


def test_the_users_that_compose_makes() -> None:
    """What PostgreSQL's image runs for a new volume makes an owner and a user with fewer rights."""
    with postgres_server.Server() as postgres:
        given = {"PGHOST": str(postgres.folder), "POSTGRES_USER": "postgres"}
        given |= {"POSTGRES_DB": "hsp-otp", "POSTGRES_OWNER_PASSWORD": "o'w\"n"}
        given |= {"POSTGRES_SERVICE_PASSWORD": "s", "PATH": path_with(postgres)}
        as_superuser = ("--quiet", "--set", "ON_ERROR_STOP=1", "--username", "postgres")
        run("psql", *as_superuser, "--command", 'CREATE DATABASE "hsp-otp"', **given)
        scripts = sorted((ROOT / "deploy" / "postgres").iterdir())
        assert [script.suffix for script in scripts] == [".sh", ".sql"]
        run(scripts[0], **given)
        run("psql", *as_superuser, "--dbname", "hsp-otp", "--file", scripts[1], **given)
        shown = ("--tuples-only", "--no-align", "--dbname", "hsp-otp", "--command")
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'hsp-otp'"
        assert run("psql", *as_superuser, *shown, owner, **given) == "hsp-otp-owner\n"
        roles = (
            "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolpassword IS NOT NULL"
            " FROM pg_authid WHERE rolname LIKE 'hsp-otp%' ORDER BY rolname"
        )
        assert run("psql", *as_superuser, *shown, roles, **given) == (
            "hsp-otp|f|f|f|t\nhsp-otp-owner|f|f|f|t\n"
        )


def path_with(postgres: postgres_server.Server) -> str:
    """Where programs are, those of the server first."""
    return f"{postgres.binaries.folder}:{os.environ['PATH']}"


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


def test_the_units_keep_keys_in_memory() -> None:
    """No unit may leave a core dump, or take all the memory of its machine."""
    for unit in UNITS:
        if unit.suffix == ".service":
            said = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line)
            assert said["LimitCORE"] == "0"
            high, most = (int(said[name].removesuffix("M")) for name in ("MemoryHigh", "MemoryMax"))
            assert 0 < high < most


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
