"""Unit tests reach nothing outside the process, and find the same examples every time."""

from collections.abc import Iterator

import pytest
import pytest_socket
from hypothesis import settings

settings.register_profile("unit", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _sockets_off() -> Iterator[None]:
    """No network; an event loop may still wake itself over a socket pair."""
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()
