"""How the house is built: `docs/architecture.md`, and what the unit tests themselves may do."""

import ast
import asyncio
import socket
from pathlib import Path

import pytest
import pytest_socket

import hsp_otp
from hsp_otp.domain.challenge_outcomes import Issued
from hsp_otp.flows.pass_login import SignedIn
from tests.world import ManualClock, ScriptedRandomness, World, run

ROOMS = Path(hsp_otp.__file__).parent
DOMAIN = sorted((ROOMS / "domain").glob("**/*.py"))


def name(file: Path) -> str:
    """The file within the package."""
    return str(file.relative_to(ROOMS))


@pytest.mark.parametrize("file", DOMAIN, ids=name)
def test_the_domain_reaches_nothing_outside(file: Path) -> None:
    """No rule waits, and none does I/O by what needs no import: those lint-imports holds."""
    tree = ast.parse(file.read_text("utf-8"))
    waits = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
    assert not [node for node in ast.walk(tree) if isinstance(node, waits)]
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {func.id for func in called if isinstance(func, ast.Name)}
    assert not names & {"open", "print", "input", "eval", "exec", "__import__"}


def test_the_domain_is_found() -> None:
    """The rule above looks at files that are there."""
    assert {"domain/challenge.py", "domain/quota.py"} <= {name(file) for file in DOMAIN}


def test_memory_flows_never_suspend() -> None:
    """A whole journey over memory ports runs without an event loop."""
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    world = World()
    world.add()
    assert isinstance(world.send(), Issued)
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
