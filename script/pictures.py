"""
Take the pictures of README.md: the sign-in page on a phone, and the operators' page.

Run it as ``.venv/bin/python script/pictures.py`` after ``sh script/set-up-browser``. It starts the
service in development mode on a database of its own, and writes into docs/images/.
"""

# ruff: noqa: INP001, T201 - a script that prints

import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for the tests' server and their day of traffic

from tests.browser.conftest import FLAGS, OPS_PASSWORD  # noqa: E402
from tests.browser.visit import LOGIN  # noqa: E402
from tests.day import Day, statements  # noqa: E402
from tests.e2e.server import Server  # noqa: E402

from hsp_otp.domain.instant import HOUR, MINUTE, Instant  # noqa: E402
from hsp_otp.entrypoints.development import DEMO_PASS  # noqa: E402

FOLDER = ROOT / "docs" / "images"
PHONE = {"width": 360, "height": 650}
DESKTOP = {"width": 1280, "height": 1072}
MOST_BYTES = 200_000
"""Of both pictures: everybody who clones the project gets them."""


def fill(database: Path) -> None:
    """Put a day of traffic into a database, with an attack that goes on."""
    now = Instant(time.time_ns() // 1000)  # noqa: TID251 - the service's own clock is it
    with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        for statement, rows in statements(Day(now, attack=(2 * HOUR, 5 * MINUTE))):
            connection.executemany(statement, rows)


def open_page(browser: Browser, width: int, height: int) -> Page:
    """A light window of that size, one pixel to a pixel."""
    return browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="light", locale="en-US"
    )


def take_login(browser: Browser, origin: str) -> Path:
    """The sign-in page of a phone, half-way through the code."""
    page = open_page(browser, **PHONE)
    page.goto(origin + LOGIN)
    page.fill("#pass_code", DEMO_PASS)
    page.click("button[value=find]")
    page.wait_for_selector("main[data-step=code]")
    page.wait_for_selector("#toasts p", state="detached")  # it says what the page says too
    page.fill("#code", "758")
    page.mouse.move(0, 0)  # no button looks as it does under the mouse
    return written(page, "login-page.png")


def take_operators(browser: Browser, origin: str) -> Path:
    """The operators' page, as they see it without scrolling."""
    page = open_page(browser, **DESKTOP)
    page.goto(origin + "/ops/")
    page.fill("#password", OPS_PASSWORD)
    page.click("button")
    page.wait_for_selector("#live .figures")
    return written(page, "operators-page.png")


def written(page: Page, name: str) -> Path:
    """What a window shows, in a file."""
    file = FOLDER / name
    page.screenshot(path=file, animations="disabled", caret="hide")
    return file


def main() -> None:
    """Take both, and see that they are small."""
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="otp-pictures-") as folder,
        Server(Path(folder), OPS_PASSWORD=OPS_PASSWORD) as server,
        sync_playwright() as playwright,
    ):
        fill(Path(folder) / "hsp-otp.db")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        origin = f"http://127.0.0.1:{server.port}"
        files = take_login(browser, origin), take_operators(browser, origin)
        browser.close()
    for file in files:
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1000} kB")
    if sum(file.stat().st_size for file in files) > MOST_BYTES:
        sys.exit(f"together they are larger than {MOST_BYTES // 1000} kB")


if __name__ == "__main__":
    main()
