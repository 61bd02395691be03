"""The servers that tests start, told of and stopped."""

import pytest

from tests.integration import servers


def pytest_report_header() -> str:
    """Say which PostgreSQL it is going to be."""
    return f"PostgreSQL: {servers.described()}"


def pytest_unconfigure() -> None:
    """Stop what this process has started."""
    servers.DATABASES.close()


@pytest.fixture
def postgres_url() -> str:
    """The URL of PostgreSQL."""
    return servers.DATABASES.url
