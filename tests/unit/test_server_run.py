"""How a server's processes are made."""

import os
from collections.abc import Callable

import pytest

from hsp_otp.entrypoints.server import run as serving


def _no_folder() -> str:
    raise FileNotFoundError


def test_workers_are_copies() -> None:
    """Of one process that has loaded the program."""
    assert serving.processes().get_start_method() == "forkserver"


@pytest.mark.parametrize("found", [os.getcwd, _no_folder], ids=["the current one", "none"])
def test_without_a_temporary_folder_each_worker_loads_the_program(
    monkeypatch: pytest.MonkeyPatch, found: Callable[[], str]
) -> None:
    """Copies would have to be asked for through a file among ours."""
    monkeypatch.setattr(serving, "gettempdir", found)
    assert serving.processes().get_start_method() == "spawn"
