"""What a text message costs: 3GPP TS 23.038 and 23.040."""

import pytest

from hsp_otp.domain.sms_segments import is_gsm_7, segments


@pytest.mark.parametrize("text", ["", "Code 12 @ £5", "é ñ Ω ß\n", "[a] {b} ~ | \\ ^ €"])
def test_gsm_7(text: str) -> None:
    """The basic alphabet and its extension are GSM-7."""
    assert is_gsm_7(text)


@pytest.mark.parametrize("text", ["á", "कोड", "`", "\t", "’", "😀"])
def test_other_letters(text: str) -> None:
    """Whatever else there is takes UCS-2."""
    assert not is_gsm_7(f"code {text}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 158 + "€", 1),
        ("a" * 159 + "€", 2),
        ("क" * 70, 1),
        ("क" * 71, 2),
        ("क" * 134, 2),
        ("क" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("\uffff" * 70, 1),
        ("\U00010000" * 36, 2),
    ],
)
def test_segments(text: str, found: int) -> None:
    """160 septets or 70 units of UTF-16 fit into one, 153 or 67 into each of several."""
    assert segments(text) == found
