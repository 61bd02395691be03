"""How the house is built: `docs/architecture.md`, and what the unit tests themselves may do."""

import ast
import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket

import hsp_otp
from hsp_otp.flows.pass_login import CodeSent, SignedIn
from tests.world import ManualClock, ScriptedRandomness, World, run

ROOMS = Path(hsp_otp.__file__).parent
CORE = sorted(
    file for room in ("domain", "ports", "flows") for file in (ROOMS / room).glob("**/*.py")
)
DOMAIN = [file for file in CORE if "domain" in file.relative_to(ROOMS).parts]

OUTSIDE = {
    "asyncio",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "sys",
    "threading",
    "time",
    "uuid",
    "warnings",
}


def name(file: Path) -> str:
    """The file within the package."""
    return str(file.relative_to(ROOMS))


def imported(file: Path) -> Iterator[str]:
    """Every module that *file* imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def public(body: list[ast.stmt], path: str) -> Iterator[tuple[str, ast.AST]]:
    """Every public class and function in *body*, and in its public classes."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_"):
                continue
            yield f"{path}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{path}.{node.name}")


@pytest.mark.parametrize("file", DOMAIN, ids=name)
def test_the_domain_reaches_nothing_outside(file: Path) -> None:
    """No rule reads a clock, draws randomness, logs, waits or does I/O."""
    tree = ast.parse(file.read_text("utf-8"))
    assert not {module.split(".")[0] for module in imported(file)} & OUTSIDE
    waits = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
    assert not [node for node in ast.walk(tree) if isinstance(node, waits)]
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {func.id for func in called if isinstance(func, ast.Name)}
    assert not names & {"open", "print", "input", "eval", "exec", "__import__"}


@pytest.mark.parametrize("file", CORE, ids=name)
def test_imports_point_down(file: Path) -> None:
    """The domain imports the domain, ports the domain too, and flows ports too."""
    room = file.relative_to(ROOMS).parts[0]
    below = {
        "domain": {"domain"},
        "ports": {"domain", "ports"},
        "flows": {"domain", "ports", "flows"},
    }
    used = {module.split(".")[1] for module in imported(file) if module.startswith("hsp_otp.")}
    assert used <= below[room]


@pytest.mark.parametrize("file", CORE, ids=name)
def test_what_is_public_is_described(file: Path) -> None:
    """Every module, public class and public function of the core has a docstring."""
    tree = ast.parse(file.read_text("utf-8"))
    assert ast.get_docstring(tree)
    bare = [
        path
        for path, node in public(tree.body, file.stem)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not ast.get_docstring(node)
    ]
    assert bare == []


def test_the_core_is_found() -> None:
    """The rules above look at files that are there."""
    assert {"domain/slot.py", "ports/slots.py", "flows/otp.py"} <= {name(file) for file in CORE}


def test_memory_flows_never_suspend() -> None:
    """A whole journey over memory ports runs without an event loop."""
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    world = World()
    world.add()
    assert isinstance(world.send(), CodeSent)
    assert isinstance(world.verify(world.outbox.codes[0]), SignedIn)


def test_what_suspends_is_caught() -> None:
    """A coroutine that waits for the world outside fails the test that runs it."""

    async def waits() -> None:
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="suspended"):
        run(waits())


def test_sockets_are_off() -> None:
    """A unit test that opens a connection fails."""
    with (
        pytest.warns(UserWarning, match="tried to use socket"),
        pytest.raises(pytest_socket.SocketBlockedError),
    ):
        socket.socket(socket.AF_INET)


def test_time_and_chance_are_the_tests_own() -> None:
    """The world's clock stands still until it is told, and its bytes are the same every time."""
    clock = ManualClock()
    assert clock.now() == clock.now() == 1_767_225_600_000_000
    clock.advance(5)
    assert clock.now() == 1_767_225_600_000_005
    once, again = ScriptedRandomness(), ScriptedRandomness()
    drawn = [once.draw(16) for _ in range(9)]
    assert drawn == [again.draw(16) for _ in range(9)]
    assert len(set(drawn)) == 9
    assert {len(data) for data in drawn} == {16}
