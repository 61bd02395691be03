"""How commands show rows to other programs: docs/contract.md, section 10, audit."""

import csv
import io

import pytest

from hsp_otp.entrypoints.cli.output import structured


def written(value: object, capsys: pytest.CaptureFixture[str]) -> str:
    """What stands in the cell of *value*."""
    capsys.readouterr()
    writer = structured(["first", "second"], as_json=False, as_csv=True)
    assert writer is not None
    writer.write({"first": value, "second": "x"})
    writer.close()
    header, row = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert (header, row[1:]) == (["first", "second"], ["x"])
    return row[0]


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0-1", "-"),
        *("\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\ufe63", "\u200b=1", "\ufeff@x", "\tx"),
    ],
)
def test_a_text_that_begins_as_a_formula(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An apostrophe before it makes it a text for every spreadsheet."""
    assert written(text, capsys) == f"'{text}".replace("\r", "\n")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        *(("a=1", "a=1"), ("***-***-3210", "***-***-3210"), ("\u2014 called", "\u2014 called")),
        *(("'x", "'x"), ("", ""), (None, ""), (-5, "-5"), (0.5, "0.5"), ("5", "5"), (" x", " x")),
        *(("a\r\nb", "a\nb"), ("a\rb", "a\nb")),
        *(("k1:0a", "k1:0a"), ("2001:db8::/64", "2001:db8::/64")),
    ],
)
def test_other_cells(value: object, cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers are written as numbers, and other texts as they are."""
    assert written(value, capsys) == cell


def test_json_is_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is put before a text in JSON."""
    writer = structured(["first"], as_json=True, as_csv=False)
    assert writer is not None
    writer.write({"first": "=1"})
    assert capsys.readouterr().out == '{"first": "=1"}\n'
