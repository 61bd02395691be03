"""How a server's processes are made."""

import pytest

from hsp_otp.entrypoints import serving


def _no_folder() -> str:
    raise FileNotFoundError


def test_workers_are_copies_where_there_is_a_temporary_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there is none, each loads the program for itself."""
    assert serving.processes().get_start_method() == "forkserver"
    monkeypatch.setattr(serving, "gettempdir", _no_folder)
    assert serving.processes().get_start_method() == "spawn"
