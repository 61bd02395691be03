"""Reasons that operators give: docs/contract.md, rule 8.3."""

import pytest

from hsp_otp.entrypoints.cli.person import read_reason
from hsp_otp.entrypoints.errors import CommandError
from hsp_otp.entrypoints.settings.model import Settings


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" called twice\n", "called twice"),
        ("क\u094d\u200dष", "क\u094d\u200dष"),
        ("\ufeffcalled\u200b \u202etwice", "called twice"),
        ("ticket 4711 of 2026-08-01", "ticket 4711 of 2026-08-01"),
    ],
)
def test_a_reason(text: str, reason: str) -> None:
    """It is kept without what nobody sees, but for what spells a word."""
    assert read_reason(text, Settings()) == reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "printable text"),
        (" \u200b\u200d", "printable text"),
        ("called\x07", "printable"),
        ("x" * 501, "500 characters"),
        ("of 98765\u221243210", "full number"),
        ("of 9\u200d876543210", "full number"),
        ("of 0919876543210", "full number"),
        ("of HSP\u20111234\u20105678", "pass code"),
        ("of hsp-12\ufe0f34-5678", "pass code"),
    ],
)
def test_no_reason(text: str, words: str) -> None:
    """A number or pass code is found however it is written."""
    with pytest.raises(CommandError, match=words):
        read_reason(text, Settings())
