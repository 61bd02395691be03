"""Reports and stops the servers that tests start."""

import pytest

from tests.integration import postgres_server, redis_server


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files with tests that take minutes first, so that no worker waits for them at the end."""
    items.sort(key=lambda item: "tests/integration/" in item.nodeid)  # otherwise in their order


def pytest_report_header() -> str:
    """Report which PostgreSQL and which Redis the tests use."""
    return f"PostgreSQL: {postgres_server.described()}\nRedis: {redis_server.described()}"


def pytest_unconfigure() -> None:
    """Stop the servers that this process has started."""
    postgres_server.DATABASES.close()


@pytest.fixture
def postgres_url() -> str:
    """The URL of PostgreSQL."""
    return postgres_server.DATABASES.url
