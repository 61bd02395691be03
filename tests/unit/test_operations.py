"""What stands in files for running it: names of settings and events that there are."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import hsp_otp
from hsp_otp.entrypoints.settings.load import described
from hsp_otp.entrypoints.settings.model import PREFIX

ROOT = Path(__file__).parents[2]
SOURCE = Path(hsp_otp.__file__).parent
GUIDE = (ROOT / "docs" / "operations.md").read_text("utf-8")
EXAMPLE = ROOT / "deploy" / "hsp-otp.toml.example"

NAMES = {name for name, *_ in described()}

FILES = [
    *("Dockerfile", "compose.yaml", ".env.example", "hsp-otp.env.example", "README.md"),
    *(f"docs/{name}.md" for name in ("operations", "alerts", "metrics", "traces")),
    *(str(file.relative_to(ROOT)) for file in sorted((ROOT / "deploy").rglob("*.*"))),
]

LOUD = {"warning", "error", "critical", "exception"}


def logged() -> Iterator[tuple[str, str]]:
    """Level and event of every line that the source logs."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"_log", "log"}
                and node.args
            ):
                event = node.args[0]
                assert isinstance(event, ast.Constant), file
                yield node.func.attr, str(event.value)


def locked(name: str) -> dict[str, str]:
    """The entries of a lock by package, without what led to them."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    entries = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    return {entry.split("==")[0]: entry.strip() for entry in entries if entry.strip()}


@pytest.mark.parametrize("name", FILES)
def test_every_setting_that_is_named_is_one(name: str) -> None:
    """A file for running it names no setting that the service would refuse."""
    named = re.findall(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]\b", (ROOT / name).read_text("utf-8"))
    assert set(named) <= NAMES


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE.read_text("utf-8"),
        *re.findall(r"^```toml\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE),
    ],
)
def test_every_setting_in_a_file_is_one(text: str) -> None:
    """So does no TOML that is shown."""
    assert {PREFIX + name.upper() for name in tomllib.loads(text)} <= NAMES


@pytest.mark.slow
def test_the_guide_names_every_alarm() -> None:
    """Each event of level warning and above stands in the table, with its level, and no other."""
    alarms = {(event, level) for level, event in logged() if level in LOUD}
    section = GUIDE.partition("level `warning` or `error`:")[2].partition("All other events")[0]
    told = set(re.findall(r"^\| `(\w+)` \| (warning|error)", section, re.MULTILINE))
    assert told == alarms
    assert {event for level, event in logged() if level == "info"} <= set(
        re.findall(r"`(\w+)`", GUIDE.partition("All other events")[2].partition("##")[0])
    )


def test_nothing_secret_is_filled_in() -> None:
    """What is to be copied and filled in does not work as it is."""
    secret = re.compile(r"password|secret|token|keys|sid|_from", re.IGNORECASE)
    example = tomllib.loads(EXAMPLE.read_text("utf-8"))
    files = (ROOT / ".env.example", ROOT / "hsp-otp.env.example")
    text = "".join(file.read_text("utf-8") for file in files)
    lines = re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)
    given = [*example.items(), *lines]
    assert len([name for name, _ in given if secret.search(name)]) >= 10
    assert [name for name, value in given if secret.search(name) and value] == []


def test_what_runs_is_what_is_tested() -> None:
    """The lock of what runs holds what the whole lock holds, for the same packages."""
    whole, runs = locked("requirements.lock"), locked("requirements-runtime.lock")
    assert runs.items() <= whole.items()
    assert {"litestar", "asyncpg", "async-timeout"} <= runs.keys()
    assert {"pytest", "mypy", "hypothesis", "uv"}.isdisjoint(runs)
    traced = locked("requirements-traces.lock")
    assert runs.items() <= traced.items() <= whole.items()
    more = {name for name in traced.keys() - runs.keys() if not name.startswith("opentelemetry-")}
    assert more == {"googleapis-common-protos", "protobuf"}


def test_time_to_stop() -> None:
    """Supervisors wait for longer than the 10 s that a stop may take (contract, 5.6)."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    unit = (ROOT / "deploy" / "hsp-otp.service").read_text("utf-8")
    waits = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    waits += re.findall(r"^(\d+)s$", compose["services"]["hsp-otp"]["stop_grace_period"])
    assert len(waits) == 2
    assert all(int(seconds) >= 12 for seconds in waits)


def test_browsers_are_told_to_use_https() -> None:
    """The proxy of the guide sends Strict-Transport-Security with every answer, errors included."""
    (server,) = re.findall(r"^server \{\n(.*?)^\}$", GUIDE, re.DOTALL | re.MULTILINE)
    outside, _, location = server.partition("location / {")
    (seconds,) = re.findall(
        r'^    add_header Strict-Transport-Security "max-age=(\d+)" always;$', outside, re.MULTILINE
    )
    assert int(seconds) >= 31_536_000
    # nginx leaves out what is said outside where something is said inside.
    assert "add_header" not in location


def test_links() -> None:
    """What the guide leads to is there."""
    for target in re.findall(r"\]\(([^)#]+)\)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target
