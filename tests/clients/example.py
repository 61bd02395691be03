"""Extract the example app from clients/README.md, so that it is compiled and run unchanged."""

import re
from pathlib import Path
from typing import Final

CLIENTS: Final = Path(__file__).parents[2] / "clients"
FOLDER: Final = CLIENTS / "live" / "example"
FILES: Final = {"tsx": "App.tsx", "ts": "secure-storage.ts"}
MOST_LINES: Final = 60


def main() -> None:
    """Write each code block of the page to a file."""
    blocks = re.findall(
        r"^```(tsx?)\n(.*?)^```$",
        (CLIENTS / "README.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    found = dict(blocks)
    assert [kind for kind, _ in blocks] == list(FILES), "the page has one app and one storage"
    assert found["tsx"].count("\n") < MOST_LINES, "the app has grown"
    FOLDER.mkdir(exist_ok=True)
    for kind, name in FILES.items():
        (FOLDER / name).write_text(found[kind], "utf-8")


if __name__ == "__main__":
    main()
