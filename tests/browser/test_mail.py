"""The HTML of e-mails in Chromium: docs/contract.md, 7.9."""

import os
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from hsp_otp.adapters.messages import GettextMessages
from hsp_otp.domain.code import Code
from hsp_otp.domain.instant import MINUTE
from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Purpose
from hsp_otp.ports.messages import Letterhead

CODE = "0123456789"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "es", "hi"])
@pytest.mark.parametrize(
    "purpose", [Purpose.EMAIL_VERIFICATION, Purpose.LOGIN_VERIFICATION, Purpose.PASSWORD_RESET]
)
def test_a_message_on_a_small_screen(
    browser: Browser, purpose: Purpose, language: str, scheme: Literal["light", "dark"]
) -> None:
    """At 320 px it fits, light and dark, loads nothing, and the longest code is on one line."""
    mail = GettextMessages({}).mail(
        purpose, Code(CODE), 10 * MINUTE, Language(language), Letterhead(service_name="W" * 40)
    )
    loaded: list[str] = []
    context = browser.new_context(
        viewport={"width": 320, "height": 640}, color_scheme=scheme, java_script_enabled=True
    )
    page = context.new_page()
    page.on("request", lambda request: loaded.append(request.url))
    page.set_content(mail.html)
    seen = page.evaluate(
        """(code) => {
          const shown = [...document.querySelectorAll("p")].find((one) => one.innerText === code);
          const style = getComputedStyle(document.querySelector(".card"));
          const rects = document.createRange();
          rects.selectNodeContents(shown);
          return {
            width: document.documentElement.scrollWidth,
            lines: new Set([...rects.getClientRects()].map((one) => one.top)).size,
            right: rects.getBoundingClientRect().right,
            colours: [style.color, style.backgroundColor],
            links: document.links.length + document.images.length,
          };
        }""",
        CODE,
    )
    if folder := os.environ.get("SCREENSHOTS"):
        file = Path(folder) / f"mail-{purpose.value}-{language}-{scheme}.png"
        page.screenshot(path=file, full_page=True)
    context.close()
    assert loaded == []
    assert (seen["width"], seen["lines"], seen["links"]) == (320, 1, 0)
    assert seen["right"] <= 320
    dark = ["rgb(250, 250, 250)", "rgb(39, 39, 42)"]
    light = ["rgb(24, 24, 27)", "rgb(255, 255, 255)"]
    assert seen["colours"] == {"light": light, "dark": dark}[scheme]
