"""The servers that tests start, told of and stopped."""

import pytest

from tests.integration import postgres_server, redis_server


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of which a few tests take minutes come first: nobody is to wait for one at the end."""
    items.sort(key=lambda item: "tests/integration/" in item.nodeid)  # in their order otherwise


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
