"""Whose page it is, in a browser: docs/contract.md, section 5.11."""

import pytest

from tests.browser.conftest import LONGEST_NAME, House, Open
from tests.browser.visit import LOGIN, SCHEMES, SIGNUP, Visit, shut_out, sideways

ACCENTS = {
    (LOGIN, "light"): "rgb(122, 31, 61)",
    (LOGIN, "dark"): "rgb(213, 90, 130)",
    (SIGNUP, "light"): "rgb(11, 110, 79)",
    (SIGNUP, "dark"): "rgb(127, 216, 180)",
}


def colour(visit: Visit, selector: str, of: str = "color") -> str:
    """A colour that is shown."""
    found: str = visit.page.eval_on_selector(selector, f"element => getComputedStyle(element).{of}")
    return found


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
def test_the_accent_of_a_brand(branded_house: House, open_in: Open, path: str) -> None:
    """Buttons and links have the brand's accent in both schemes."""
    visit = open_in(branded_house, reduced_motion="reduce")
    visit.go(path)
    for scheme in SCHEMES:
        visit.page.emulate_media(color_scheme=scheme)
        assert colour(visit, ".primary", "backgroundColor") == ACCENTS[path, scheme]
        assert colour(visit, "footer a") == ACCENTS[path, scheme]


def test_the_logo_of_a_brand(branded_house: House, open_in: Open) -> None:
    """It is loaded; a narrow one stands beside the name, and a wide one is the name."""
    visit = open_in(branded_house)
    for path, text, name in ((LOGIN, LONGEST_NAME, ""), (SIGNUP, "", LONGEST_NAME[::-1])):
        visit.go(path)
        image = visit.page.locator("header img")
        assert image.evaluate("image => image.complete && image.naturalWidth > 0")
        assert image.get_attribute("alt") == name
        assert visit.page.locator(".brand").inner_text().strip() == text
        assert visit.page.title().endswith(f" · {name or text}")


def test_a_brand_runs_nothing(branded_house: House, open_in: Open) -> None:
    """A logo that is opened by itself is shown under a policy of its own."""
    visit = open_in(branded_house)
    visit.go(SIGNUP)
    answer = visit.page.goto(visit.origin + (visit.page.get_attribute("header img", "src") or ""))
    assert answer
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert all("Content Security Policy" in one for one in visit.mishaps), visit.mishaps
    visit.mishaps.clear()


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
@pytest.mark.parametrize("language", ["en", "es", "hi"])
def test_the_header_holds(branded_house: House, open_in: Open, path: str, language: str) -> None:
    """At 320 pixels, neither a long name nor a wide logo hides or moves anything."""
    visit = open_in(branded_house, locale=language, viewport={"width": 320, "height": 640})
    visit.go(path)
    assert sideways(visit) <= 0
    boxes = [
        visit.page.locator(selector).bounding_box()
        for selector in ("header .brand", "header .languages", "main")
    ]
    below = 0.0
    for box in boxes:
        assert box
        assert box["y"] >= below
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        below = box["y"] + box["height"]


def test_steps_of_its_own(branded_house: House, open_in: Open) -> None:
    """A signup counts the steps of the setting, and ends with their titles."""
    visit = open_in(branded_house, locale="es-ES")
    visit.to_code(SIGNUP)
    assert visit.page.inner_text(".steps") == "Paso 1 de 3"
    visit.enter(visit.code)
    visit.reaches("verified")
    assert visit.page.inner_text(".steps") == "Paso 2 de 3"
    assert visit.page.locator(".next li").all_inner_texts() == ["Sus datos", "Cuenta"]


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
def test_the_front_page_leads_on(leading_house: House, open_in: Open, path: str) -> None:
    """In development mode, it leads to both pages, and is as good as they are."""
    visit = open_in(leading_house, reduced_motion="reduce")
    visit.go("/")
    for scheme in SCHEMES:
        visit.page.emulate_media(color_scheme=scheme)
        assert shut_out(visit) == []
    visit.page.click(f"main a[href='{path}']")
    visit.page.wait_for_url(f"**{path}")
