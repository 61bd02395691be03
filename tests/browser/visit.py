"""A person at a browser, and everything that can be observed there."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

from tests.e2e.production import number_of, pass_of
from tests.gateway import Gateway, Taken

LOGIN: Final = "/customer/login/"
SIGNUP: Final = "/users/signup/"
AXE: Final = Path(__file__).with_name("node_modules") / "axe-core" / "axe.min.js"
WIDTHS: Final = (320, 390, 1280)
SCHEMES: Final = ("light", "dark")

_REFUSED: Final = re.compile(r"Failed to load resource: .* status of 4\d\d ")
_HASTE: Final = "Autofocus processing was blocked because a document already has a focused element."
"""The browser's line about a field that was used before the first frame, as tests do."""


@attrs.define
class Visit:
    """
    A browser window.

    Attributes:
        scripts: Whether it runs scripts.
        requests: The methods and URLs of its requests.
        mishaps: Lines that must not appear in the console.
        refused: Lines in the console about 4xx answers.
        other_site: The origin of the site that the pages lead back to, if there is one.
    """

    page: Page
    gateway: Gateway
    origin: str
    person: int
    scripts: bool = True
    requests: list[str] = attrs.field(factory=list[str])
    mishaps: list[str] = attrs.field(factory=list[str])
    refused: list[str] = attrs.field(factory=list[str])
    other_site: str = ""

    @classmethod
    def open(
        cls,
        context: BrowserContext,
        gateway: Gateway,
        origin: str,
        person: int,
        *,
        scripts: bool,
    ) -> "Visit":
        """Open a new window in *context*."""
        visit = cls(context.new_page(), gateway, origin, person, scripts)
        # The library stores an attribute on the object of a method, which this class cannot have.
        visit.page.on("console", lambda message: visit._heard(message))  # noqa: PLW0108
        visit.page.on("pageerror", lambda error: visit.mishaps.append(str(error)))
        visit.page.on("request", lambda request: visit._asked(request))  # noqa: PLW0108
        return visit

    def _heard(self, message: ConsoleMessage) -> None:
        if message.text != _HASTE:
            told = self.refused if _REFUSED.match(message.text) else self.mishaps
            told.append(message.text)

    def _asked(self, request: Request) -> None:
        self.requests.append(f"{request.method} {request.url}")

    @property
    def pass_code(self) -> str:
        """The pass code of the person."""
        return pass_of(self.person)

    @property
    def number(self) -> str:
        """The number of the person's phone, in national format."""
        return number_of(self.person).removeprefix("+91")

    @property
    def messages(self) -> list[Taken]:
        """The messages to that phone."""
        return self.gateway.to(f"+91{self.number}")

    @property
    def code(self) -> str:
        """The code in the latest message."""
        return self.messages[-1].code

    @property
    def wrong(self) -> str:
        """A wrong code."""
        digits = self.code
        return digits[:-1] + str((int(digits[-1]) + 1) % 10)

    @property
    def step(self) -> str:
        """The step that the page shows."""
        return self.page.locator("main").get_attribute("data-step") or ""

    @property
    def posts(self) -> list[str]:
        """The paths of all POST requests."""
        return [
            urlsplit(url).path
            for method, _, url in (request.partition(" ") for request in self.requests)
            if method == "POST"
        ]

    def go(self, path: str) -> None:
        """Open a page, and wait for its focus."""
        self.page.goto(self.origin + path)
        self._settles()

    def reaches(self, step: str) -> None:
        """Wait for a step and its focus."""
        self.page.wait_for_selector(f"main[data-step={step}]", timeout=15_000)
        self._settles()

    def _settles(self) -> None:
        if self.page.locator("[autofocus]").count():
            self.page.wait_for_selector(":focus", timeout=10_000)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        """Type into the element with the focus."""
        self.page.keyboard.type(text)

    def focused(self, selector: str) -> None:
        """Wait until the element *selector* has the focus."""
        self.page.wait_for_selector(f"{selector}:focus", timeout=5_000)

    def told(self, field: str) -> str:
        """Return the error at a field, once there is one."""
        place = self.page.locator(f"#{field}-error:not(:empty)")
        place.wait_for(timeout=10_000)
        return " ".join(place.inner_text().split())

    def to_code(self, path: str) -> None:
        """Go to the step at which the page expects a code."""
        self.go(path)
        if path.startswith(LOGIN):
            self.page.fill("#pass_code", self.pass_code)
            self.page.click("button[value=find]")
        else:
            self.page.fill("#phone", self.number)
            self.page.click("button[value=send]")
        self.reaches("code")

    def enter(self, code: str) -> None:
        """Type a code, and send it if the page does not send it by itself."""
        self.page.fill("#code", code)
        if not self.scripts:
            self.page.click("button[value=verify]")


def at_every_width(
    visit: Visit, name: str, look: Callable[[str], None], widths: Iterable[int] = WIDTHS
) -> None:
    """Check a page in both colour schemes and at every width; save screenshots if asked."""
    folder = os.environ.get("SCREENSHOTS")
    for scheme in SCHEMES:
        visit.page.emulate_media(color_scheme=scheme)
        for width in widths:
            visit.page.set_viewport_size({"width": width, "height": 720})
            look(f"{name} {scheme} {width}")
            if folder:
                path = Path(folder) / f"{name}-{scheme}-{width}.png"
                visit.page.screenshot(path=path, full_page=True)
    visit.page.emulate_media(color_scheme="light")


def sideways(visit: Visit) -> int:
    """Return by how many pixels a page is wider than its window."""
    found: int = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found


def shut_out(visit: Visit) -> list[str]:
    """Return the accessibility problems that axe-core finds on a page."""
    visit.page.evaluate(AXE.read_text("utf-8"))
    found: dict[str, Any] = visit.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
