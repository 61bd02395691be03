"""The number of rounds of each fault."""

import os

import pytest

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
"""The rounds of every fault; 20 in script/soak."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Scale each test's timeout with its length."""
    for item in items:
        if "faults" in item.path.parts:
            item.add_marker(pytest.mark.timeout(120 + 40 * ROUNDS))


@pytest.fixture(params=range(ROUNDS), ids=lambda number: f"round {number}")
def number(request: pytest.FixtureRequest) -> int:
    """The number of the round."""
    found: int = request.param
    return found
