"""The page that shows the API: what of it is not ours, and where it is on."""

import hashlib
from pathlib import Path

import pytest

import hsp_otp.entrypoints.http
from hsp_otp.entrypoints.settings.model import Settings

FILES = Path(hsp_otp.entrypoints.http.__file__).with_name("swagger_ui")

VENDORED = {
    "LICENSE": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
    "NOTICE": "0d20d1adef18aee3f40dd258172155521ce702ac445cb5f7b7d60ed32dad2fb2",
    "favicon.png": "3ed612f41e050ca5e7000cad6f1cbe7e7da39f65fca99c02e99e6591056e5837",
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "a6a4cf68f069eb89984d5d43644e6a812e749df08d2b1320c6e06e6973847d10",
}
OURS = {"README.md", "index.html", "start.js"}


@pytest.mark.parametrize("name", VENDORED)
def test_vendored_files_are_as_they_came(name: str) -> None:
    """Nobody has changed a file of swagger-ui since it was taken."""
    assert hashlib.sha256((FILES / name).read_bytes()).hexdigest() == VENDORED[name]


def test_no_other_file_stands_beside_them() -> None:
    """Every file of the page is either ours or held to its hash."""
    assert {file.name for file in FILES.iterdir()} == OURS | VENDORED.keys()


@pytest.mark.parametrize(
    ("mode", "docs", "shown"),
    [
        ("production", None, False),
        ("production", True, True),
        ("production", False, False),
        ("development", None, True),
        ("development", True, True),
        ("development", False, False),
    ],
)
def test_where_the_api_is_described(mode: str, docs: bool | None, shown: bool) -> None:  # noqa: FBT001
    """Section 9: on in development, off in production, unless it is set."""
    assert Settings(mode=mode, docs=docs).shows_docs is shown
