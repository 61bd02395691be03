"""Each server has its own folder and a free port."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import NewServer, Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server in development mode, started by `hsp-otp dev`."""
    with NewServer(tmp_path) as found:
        yield found
