"""Unit tests use nothing outside the process, and the same examples in every run."""

from collections.abc import Iterator

import pytest
import pytest_socket
import structlog
from hypothesis import settings

settings.register_profile("unit", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile("unit")

# The library's pretty tracebacks take 0.2 s each.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)


@pytest.fixture(autouse=True)
def _sockets_off() -> Iterator[None]:
    """Disable the network; an event loop may still wake itself over a socket pair."""
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()
