"""The servers that tests start, told of and stopped."""

import pytest

from tests.integration import postgres_server, redis_server


def pytest_report_header() -> str:
    """Say which PostgreSQL and which Redis it is going to be."""
    return f"PostgreSQL: {postgres_server.described()}\nRedis: {redis_server.described()}"


def pytest_unconfigure() -> None:
    """Stop what this process has started."""
    postgres_server.DATABASES.close()


@pytest.fixture
def postgres_url() -> str:
    """The URL of PostgreSQL."""
    return postgres_server.DATABASES.url
