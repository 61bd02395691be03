"""The app's screens in Chromium, by react-native-web."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import House
from tests.browser.visit import SCHEMES, Visit, shut_out, sideways
from tests.clients.conftest import APP, Open
from tests.gateway import accept, break_down

LANGUAGES: Final = {"en": "en-US", "es": "es-ES", "hi": "hi-IN"}
WIDTHS: Final = (320, 390, 1280)
BRANDS: Final = {
    "plain": "",
    "branded": urlencode(
        {
            "name": "Acme Homes and Household Services Limited",
            "logo": "/static/icon.svg",
            "accent": "#8a1c5b",
            "support": "help@acme-homes.example",
            "terms": "https://acme-homes.example/terms",
            "privacy": "https://acme-homes.example/privacy",
        }
    ),
}
CODE: Final = "input[autocomplete=one-time-code]"
PASS: Final = "input[autocomplete=username]"
FIND: Final = "**/customer/validate-pass/"
SEND: Final = "**/customer/send-otp/"
VERIFY: Final = "**/customer/verify-otp/"
KEPT: Final = "Object.keys(JSON.parse(localStorage.getItem('hsp-otp')))"


def to_code(visit: Visit) -> None:
    """Go as far as the app waits for a code."""
    visit.focused(PASS)
    visit.type(visit.pass_code)
    visit.press("Enter")
    visit.focused(CODE)


def refused(visit: Visit) -> str:
    """What a refusal says, once there is one."""
    return visit.page.locator("[role=alert]").inner_text()


def signed_in(visit: Visit) -> None:
    """Wait until the pass is shown, and somebody's attention is there."""
    visit.page.wait_for_selector(f"text={visit.pass_code}")
    visit.focused("h1")


def focus(visit: Visit) -> str:
    """The text of what has the focus."""
    found: str = visit.page.evaluate("document.activeElement.innerText || ''")
    return found


def tab_to(visit: Visit, text: str) -> None:
    """Go on by the key until something with *text* has the focus."""
    for _ in range(12):
        visit.press("Tab")
        if focus(visit) == text:
            return
    pytest.fail(f"no key leads to {text}")


def test_the_whole_way_by_keys(visit: Open) -> None:
    """Pass code, code, in and out again without touching anything."""
    app = visit()
    to_code(app)
    app.type(app.wrong)
    assert refused(app) == (
        "This code is wrong. Please check the code and try again. 2 attempts left."
    )
    app.focused(CODE)
    app.type(app.code)
    signed_in(app)
    assert focus(app) == "Welcome, A"
    app.page.reload()
    app.page.wait_for_selector(f"text={app.pass_code}")
    tab_to(app, "Sign out")
    app.press("Enter")
    app.focused(PASS)
    assert app.page.evaluate(KEPT) == ["devices"]
    app.page.reload()
    app.focused(PASS)


def test_the_whole_way_by_pasting(visit: Open) -> None:
    """The code is found in a message that comes from the clipboard, and presented once."""
    app = visit(permissions=["clipboard-read", "clipboard-write"])
    copy = "text => navigator.clipboard.writeText(text)"
    app.page.evaluate(copy, f"  {app.pass_code}\n")
    app.focused(PASS)
    app.press("Control+v", "Enter")
    app.focused(CODE)
    app.page.evaluate(copy, f"{app.code} is your code. It expires in 10 minutes.")
    app.press("Control+v")
    signed_in(app)
    assert app.posts.count("/customer/verify-otp/") == 1


def test_a_pass_code_is_formatted_while_it_is_typed(visit: Open) -> None:
    """Digits are enough, and the caret stays where somebody corrects one."""
    app = visit()
    app.focused(PASS)
    app.type("12234567")
    field = app.page.locator(PASS)
    assert field.input_value() == "HSP-1223-4567"
    app.press(*["ArrowLeft"] * 6, "Backspace")
    assert field.input_value() == "HSP-1234-567"
    app.type("9")
    assert field.input_value() == "HSP-1293-4567"
    assert app.page.evaluate("document.activeElement.selectionStart") == 7
    app.press("ArrowRight", "ArrowRight", "Backspace")  # the dash, of which nothing is left
    assert field.input_value() == "HSP-1293-4567"
    app.press("Backspace")
    assert field.input_value() == "HSP-1294-567"
    field.fill(app.pass_code.removeprefix("HSP-").replace("-", ""))
    app.press("Enter")
    app.focused(CODE)


def test_the_field_is_one_a_browser_can_fill(visit: Open) -> None:
    """It asks for digits and for the code of a message, and takes what is filled in at once."""
    app = visit()
    to_code(app)
    assert app.page.locator("input").count() == 1
    assert app.page.get_attribute(CODE, "inputmode") == "numeric"
    assert app.page.get_attribute(CODE, "maxlength") is None
    app.page.fill(CODE, app.code)
    signed_in(app)


def test_there_is_no_way_back_to_the_code(visit: Open) -> None:
    """Signed in, going back leaves the app, and coming again shows who is signed in."""
    app = visit()
    to_code(app)
    app.type(app.code)
    signed_in(app)
    app.page.go_back()
    assert not app.page.url.startswith(app.origin)
    app.page.go_forward()
    app.page.wait_for_selector(f"text={app.pass_code}")
    assert app.page.locator(CODE).count() == 0


def test_while_it_waits(visit: Open) -> None:
    """While a code is judged, keys present no other, and the buttons say that they wait."""
    app = visit()
    to_code(app)
    waiting: list[Route] = []
    app.page.route(VERIFY, lambda route: waiting.append(route))  # noqa: PLW0108
    app.type(app.code)
    busy = app.page.get_by_role("button", name="Checking…")
    busy.wait_for()
    assert busy.get_attribute("aria-busy") == "true"
    app.press("Enter", "Enter", "1")
    app.page.wait_for_timeout(200)
    (route,) = waiting
    route.continue_()
    signed_in(app)


def test_without_a_connection(visit: Open) -> None:
    """The app says so, keeps what was typed, and works again afterwards."""
    app = visit()
    to_code(app)
    app.page.route(VERIFY, lambda route: route.abort())
    app.type(app.code)
    assert refused(app) == (
        "We could not reach the service. Please check your connection and try again."
    )
    app.page.unroute_all()
    app.page.get_by_role("button", name="Verify").click()
    signed_in(app)
    assert [one for one in app.mishaps if "ERR_FAILED" not in one] == []
    app.mishaps.clear()


def test_what_is_not_ours_does_not_run(visit: Open) -> None:
    """The policy of the pages holds for the app as well."""
    app = visit()
    app.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            document.body.setAttribute("style", "color: red");
        }"""
    )
    assert app.page.evaluate("window.ran") is None
    assert app.page.evaluate("fetch('http://127.0.0.1:9/').then(() => 1, () => 0)") == 0
    assert len(app.mishaps) >= 3
    assert all("Content Security Policy" in one for one in app.mishaps), app.mishaps
    app.mishaps.clear()


def resend(visit: Visit) -> None:
    """Ask for another code by keys, as soon as that is possible."""
    visit.page.get_by_role("button", name="Send a new code in").wait_for()
    visit.page.get_by_role("button", name="Send a new code", exact=True).focus()
    with visit.page.expect_response(SEND):
        visit.press("Enter")


def to_work(visit: Visit) -> None:
    """Ask for a third code."""
    to_code(visit)
    resend(visit)
    resend(visit)
    visit.page.wait_for_selector("[role=progressbar]")


def test_a_third_code_costs_work(hasty_visit: Open) -> None:
    """The browser does it, tells how far it is, and the code arrives; the focus stays."""
    app = hasty_visit()
    to_work(app)
    status = app.page.locator("[role=status][aria-live=polite]").last
    assert status.inner_text() == "Checking this device, about 4 seconds"
    app.page.wait_for_selector("[role=progressbar]:not([aria-valuenow='0'])")
    app.page.wait_for_selector("[role=progressbar]", state="detached", timeout=30_000)
    assert len(app.messages) == 3
    app.focused(CODE)
    app.page.fill(CODE, app.code)
    signed_in(app)


def test_work_can_be_cancelled_by_keys(hasty_visit: Open) -> None:
    """It sends nothing, says so, leaves the focus nearby, and the older code is good."""
    app = hasty_visit()
    to_work(app)
    tab_to(app, "Cancel")
    app.press("Enter")
    assert refused(app).startswith("Several codes have been requested.")
    assert app.page.locator("[role=progressbar]").count() == 0
    assert focus(app) == "Send a new code"
    assert len(app.messages) == 2
    app.page.fill(CODE, app.code)
    signed_in(app)


def test_a_known_device_does_no_work(hasty_visit: Open) -> None:
    """Signed in once, it gets a third code at once, even after a restart."""
    app = hasty_visit()
    enter(app)
    app.page.get_by_role("button", name="Sign out").click()
    app.page.locator(PASS).wait_for()  # until then, the app still holds its tokens
    app.go(APP)
    to_code(app)
    resend(app)
    resend(app)
    app.focused(CODE)
    app.page.get_by_role("button", name="Send a new code in").wait_for()
    assert len(app.messages) == 4


def endless(route: Route) -> None:
    """Ask for work that no counter solves."""
    parameters = {
        "algorithm": "PBKDF2/SHA-256",
        "cost": 2000,
        "data": {"level": 4},
        "expiresAt": 4102444800,
        "keyLength": 32,
        "keyPrefix": "f" * 32,
        "keySignature": "00",
        "nonce": "00",
        "salt": "00",
    }
    work = {"parameters": parameters, "signature": "00"}
    body = {"error": "work_required", "message": "", "work": work, "work_seconds": 8}
    route.fulfill(status=429, body=json.dumps(body), content_type="application/problem+json")


def unpaid(route: Route) -> None:
    """Say that a pass has not been paid for."""
    body = {"valid": False, "error": "pass_not_paid", "message": ""}
    route.fulfill(body=json.dumps(body), content_type="application/json")


def walk(app: Visit, look: Callable[[str], None]) -> None:
    """Go through every state of the app, and look at each."""
    look("pass")
    app.press("Enter")
    refused(app)
    look("pass-refused")
    app.page.route(FIND, unpaid)
    submit_pass(app)
    app.page.wait_for_selector("[aria-busy=true]", state="detached")
    look("pass-unpaid")
    app.page.unroute_all()
    walk_through_work(app, look)
    app.gateway.behaviour = break_down
    try:
        submit_pass(app)
        app.page.wait_for_selector("[aria-busy=true]", state="detached")
        look("pass-not-sent")
    finally:
        app.gateway.behaviour = accept
    submit_pass(app)
    app.page.wait_for_selector(CODE)
    app.page.wait_for_selector("[role=status]")
    look("code")
    to_other_pass(app)
    submit_pass(app)
    refused(app)
    look("code-too-soon")
    app.focused(CODE)
    app.type(app.code[:3])
    look("code-typed")
    app.page.route(VERIFY, lambda _: None)
    app.page.fill(CODE, app.wrong)
    app.page.wait_for_selector("[aria-busy=true]")
    look("code-busy")
    app.page.unroute_all(behavior="ignoreErrors")
    app.page.reload()
    submit_pass(app)
    app.page.wait_for_selector(CODE)
    guess(app)
    refused(app)
    look("code-refused")
    while app.page.locator(CODE).count():
        guess(app)
    look("ended")
    to_other_pass(app)
    submit_pass(app)
    app.page.locator("[role=alert] ~ *").wait_for()
    look("pass-waits")


def submit_pass(app: Visit) -> None:
    """Ask for a code."""
    app.page.fill(PASS, app.pass_code)
    app.press("Enter")


def to_other_pass(app: Visit) -> None:
    """Go back to the pass code, whatever language the app speaks."""
    app.page.get_by_role("button").last.click()
    app.page.wait_for_selector(PASS)


def walk_through_work(app: Visit, look: Callable[[str], None]) -> None:
    """Look at work, and at the screen after it was cancelled."""
    app.page.route(SEND, endless)
    submit_pass(app)
    app.page.wait_for_selector("[role=progressbar]")
    look("pass-works")
    app.page.get_by_role("button").last.click()
    refused(app)
    look("pass-cancelled")
    app.page.unroute_all()


def guess(app: Visit) -> None:
    """Present a code that did not come, and wait for what comes of it."""
    with app.page.expect_response(VERIFY):
        app.page.fill(CODE, app.wrong)
    app.page.wait_for_selector("[aria-busy=true]", state="detached")


def enter(app: Visit) -> None:
    """Sign in, whatever language the app speaks."""
    to_code(app)
    app.page.fill(CODE, app.code)
    signed_in(app)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("brand", BRANDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_is_shut_out(visit: Open, language: str, brand: str) -> None:
    """axe-core finds nothing in any state, in either scheme, and none scrolls sideways."""
    found: list[str] = []
    folder = os.environ.get("SCREENSHOTS")

    def looks_at(app: Visit) -> Callable[[str], None]:
        def look(name: str) -> None:
            assert app.page.get_attribute("html", "lang") == language
            for scheme in SCHEMES:
                app.page.emulate_media(color_scheme=scheme)
                for width in WIDTHS:
                    app.page.set_viewport_size({"width": width, "height": 800})
                    seen = f"app-{language}-{brand}-{name}-{scheme}-{width}"
                    if sideways(app) > 0:
                        found.append(f"{seen}: {sideways(app)} pixels too wide")
                    if folder:
                        app.page.screenshot(path=Path(folder) / f"{seen}.png", full_page=True)
                found.extend(f"{name} {scheme}: {one}" for one in shut_out(app))

        return look

    app = visit(BRANDS[brand], locale=LANGUAGES[language])
    walk(app, looks_at(app))
    app = visit(BRANDS[brand], locale=LANGUAGES[language])
    enter(app)
    looks_at(app)("in")
    app.page.route("**/customer/me/", lambda route: route.abort())
    app.page.reload()
    refused(app)
    looks_at(app)("in-offline")
    app.mishaps.clear()
    assert found == []


def test_the_language_of_messages(visit: Open, house: House) -> None:
    """What is chosen on the screen is the language of the text message, too."""
    app = visit()
    app.page.get_by_role("button", name="Español").click()
    app.page.focus(PASS)
    to_code(app)
    assert house.gateway.to(f"+91{app.number}")[-1].text.startswith(f"{app.code} es su clave")
