"""How often each fault is injected."""

import os

import pytest

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
"""Of every fault; the soak asks for twenty."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test is as patient as it is long."""
    for item in items:
        if "faults" in item.path.parts:
            item.add_marker(pytest.mark.timeout(120 + 40 * ROUNDS))


@pytest.fixture(params=range(ROUNDS), ids=lambda number: f"round {number}")
def number(request: pytest.FixtureRequest) -> int:
    """Which round it is."""
    found: int = request.param
    return found
