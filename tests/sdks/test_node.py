"""Twilio's SDK for Node against the services: node.test.mjs."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

import attrs

from tests.sdks.refusals import ROWS, UNKNOWN
from tests.sdks.shop import ACCOUNT, SERVICES, Site

TESTS: Final = Path(__file__).with_name("node.test.mjs")


def test_node(sites: dict[str, Site]) -> None:
    """It verifies, and meets every refusal, as the SDK for Python does."""
    facts = {
        "account": ACCOUNT,
        "services": SERVICES,
        "unknown": UNKNOWN,
        "bases": {name: site.base for name, site in sites.items()},
        "keys": {name: site.keys for name, site in sites.items()},
        "rows": [attrs.asdict(row) for row in ROWS],
    }
    ran = subprocess.run(  # noqa: S603
        ["node", "--test", "--test-reporter=spec", TESTS],  # noqa: S607
        env=os.environ | {"FACTS": json.dumps(facts)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
