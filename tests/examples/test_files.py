"""What docs/integrate-django.md says about the files of the examples."""

from pathlib import Path

from tests.examples.django_project import ROOT

EXAMPLES = ROOT / "examples"
GUIDE = (ROOT / "docs" / "integrate-django.md").read_text("utf-8")


def sources() -> list[Path]:
    """Return the Python files that people have written."""
    return [file for file in EXAMPLES.rglob("*.py") if file.parent.name != "migrations"]


def test_files_are_short() -> None:
    """Each file can be read in one sitting."""
    assert [file for file in sources() if len(file.read_text("utf-8").splitlines()) >= 120] == []


def test_the_way_back_is_the_same() -> None:
    """Both projects have the same file for the way to a page and back."""
    one, other = sorted(EXAMPLES.rglob("otp_pages.py"))
    assert one.read_bytes() == other.read_bytes()


def test_the_guide_names_every_file() -> None:
    """Every file that does something for the integration is in one of the guide's tables."""
    packages = {"accounts", "signup", "commands"}
    files = [file for file in sources() if file.parent.name in packages and file.stem != "__init__"]
    assert [file for file in files if f"{file.name}`" not in GUIDE] == []
