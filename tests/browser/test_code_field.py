"""The one field for the code, and what scripts do around it: docs/contract.md, section 5.3."""

import re
from typing import Final

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import House, Open
from tests.browser.visit import LOGIN, SIGNUP, Visit

ARRIVED = {LOGIN: "in", SIGNUP: "verified"}
BOTH = pytest.mark.parametrize("path", [LOGIN, SIGNUP])

PASTE: Final = """text => {
    const data = new DataTransfer();
    data.setData("text", text);
    document.querySelector("#code").dispatchEvent(
        new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
}"""

WEB_OTP: Final = """
window.OTPCredential = class OTPCredential {};
navigator.credentials.get = (options) => new Promise((found) => {
    window.asked = options.otp.transport;
    window.arrives ??= (code) => found({code});
    options.signal.addEventListener("abort", () => { window.aborted = true; });
});
"""


def checks(visit: Visit, path: str) -> int:
    """How often a code was presented."""
    return visit.posts.count(path) - 1  # the asking


@BOTH
@pytest.mark.parametrize(
    "message",
    [
        "{0}{1}",
        "  {0}{1}\n",
        "Your code is {0} {1}",
        "{0}{1} is your code. It expires in 10 minutes. Do not share it with anyone.",
        "It expires in 10 minutes: {0}-{1}.",
        "@example.com #{0}{1}",
        "\u2068{0}{1}\u2069 is your code, for 10 minutes",
        "In 10 minutes at most: {0}\u2011{1}",
        "In 10 minutes at most: {0}\u200b \u2013 {1}",
    ],
)
def test_pasting(house: House, open_in: Open, path: str, message: str) -> None:
    """The code is found in whatever was copied, and presented once."""
    visit = open_in(house)
    visit.to_code(path)
    visit.page.evaluate(PASTE, message.format(visit.code[:3], visit.code[3:]))
    visit.reaches(ARRIVED[path])
    assert checks(visit, path) == 1


def test_pasting_by_keys(house: House, open_in: Open) -> None:
    """What comes from the clipboard is not cut off before it is read."""
    visit = open_in(house, permissions=["clipboard-read", "clipboard-write"])
    visit.to_code(LOGIN)
    text = f"Your code is {visit.code[:3]} {visit.code[3:]}"
    visit.page.evaluate("text => navigator.clipboard.writeText(text)", text)
    visit.focused("#code")
    visit.press("Control+v")
    visit.reaches("in")


def test_pasting_a_part(house: House, open_in: Open) -> None:
    """It goes where the caret is; what is no digit is left out."""
    visit = open_in(house)
    visit.to_code(LOGIN)
    visit.focused("#code")
    visit.type("1x2")
    visit.page.evaluate(PASTE, "3 4")
    assert visit.page.input_value("#code") == "1234"
    visit.page.evaluate(PASTE, "no digit at all")
    assert visit.page.input_value("#code") == "1234"


@BOTH
@pytest.mark.parametrize("zero", ["٠", "۰", "०", "𝟘"])
def test_digits_of_other_scripts(house: House, open_in: Open, path: str, zero: str) -> None:
    """Arabic, Persian and Devanagari keyboards type codes too."""
    visit = open_in(house)
    visit.to_code(path)
    visit.focused("#code")
    for digit in visit.code:
        visit.page.keyboard.insert_text(chr(ord(zero) + int(digit)))
    visit.reaches(ARRIVED[path])
    assert checks(visit, path) == 1


@BOTH
def test_a_message_that_the_browser_reads(house: House, open_in: Open, path: str) -> None:
    """WebOTP: the page asks for the code of the message, and presents it once."""
    visit = open_in(house)
    visit.page.add_init_script(WEB_OTP)
    visit.to_code(path)
    assert visit.page.evaluate("window.asked") == ["sms"]
    visit.page.evaluate("code => window.arrives(code)", visit.code)
    visit.reaches(ARRIVED[path])
    assert checks(visit, path) == 1


@BOTH
def test_nobody_waits_for_a_message_any_more(house: House, open_in: Open, path: str) -> None:
    """WebOTP ends when a code is presented: what arrives later cannot present another."""
    visit = open_in(house)
    visit.page.add_init_script(WEB_OTP)
    visit.to_code(path)
    assert visit.page.evaluate("window.aborted") is None
    visit.enter(visit.wrong)
    visit.told("code")
    assert visit.page.evaluate("window.aborted") is True
    visit.page.evaluate("code => window.arrives(code)", visit.code)
    visit.page.wait_for_timeout(200)
    assert checks(visit, path) == 1
    assert visit.step == "code"
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])


@BOTH
def test_green(house: House, open_in: Open, path: str) -> None:
    """A right code is seen to be right before the page goes on."""
    visit = open_in(house)
    visit.to_code(path)
    visit.enter(visit.code)
    visit.page.wait_for_selector("main[data-step=code] .code.good")
    visit.reaches(ARRIVED[path])


@BOTH
def test_never_twice(house: House, open_in: Open, path: str) -> None:
    """While a code is judged neither keys nor clicks present another."""
    visit = open_in(house)
    visit.to_code(path)

    def slowly(route: Route) -> None:
        visit.page.wait_for_timeout(400)
        route.continue_()

    visit.page.route(f"**{path}", slowly)
    visit.focused("#code")
    visit.type(visit.code)
    visit.press("Enter", "Enter")
    button = visit.page.locator("button[value=verify]")
    button.dispatch_event("click")
    visit.reaches(ARRIVED[path])
    assert checks(visit, path) == 1


@BOTH
def test_one_message_for_two_clicks(house: House, open_in: Open, path: str) -> None:
    """A double click asks once, and the button says that it is busy."""
    visit = open_in(house)
    visit.go(path)
    if path == LOGIN:
        visit.page.fill("#pass_code", visit.pass_code)
    else:
        visit.page.fill("#phone", visit.number)
    button = "button[value=find]" if path == LOGIN else "button[value=send]"
    waiting: list[Route] = []
    visit.page.route(
        re.compile("(login|signup)/$"),
        lambda route: (
            waiting.append(route) if route.request.method == "POST" else route.continue_()
        ),
    )
    visit.page.dblclick(button)
    assert visit.page.get_attribute(button, "aria-busy") == "true"
    assert visit.page.inner_text(button) == "Sending…"
    visit.page.wait_for_timeout(200)
    (route,) = waiting
    route.continue_()
    visit.reaches("code")
    assert len(visit.messages) == 1


@BOTH
def test_without_a_connection(house: House, open_in: Open, path: str) -> None:
    """The page says so, keeps what was typed where it can, and works again afterwards."""
    visit = open_in(house)
    visit.to_code(path)
    visit.page.route("**/*", lambda route: route.abort())
    visit.enter(visit.code)
    visit.page.wait_for_selector("#toasts :text('We could not reach the service.')")
    assert visit.page.get_attribute("button[value=verify]", "aria-busy") is None
    visit.page.unroute_all()
    visit.page.click("button[value=verify]")
    visit.reaches(ARRIVED[path])
    assert [one for one in visit.mishaps if "ERR_FAILED" not in one] == []
    visit.mishaps.clear()


@BOTH
def test_what_is_told_aloud(house: House, open_in: Open, path: str) -> None:
    """News is a status, a refusal an alert at its field, and the field says which."""
    visit = open_in(house)
    visit.to_code(path)
    visit.page.wait_for_selector("[role=status] :text('We sent a code to')")
    visit.enter("1")
    visit.page.click("button[value=verify]")
    assert visit.told("code") == "Please enter all the digits of the code."
    assert visit.page.get_attribute("#code-error", "role") == "alert"
    visit.focused("#code[aria-invalid=true]")
    assert "code-error" in (visit.page.get_attribute("#code", "aria-describedby") or "")
    visit.type("2")
    assert visit.page.get_attribute("#code", "aria-invalid") is None


@BOTH
def test_ten_digits(hasty_house: House, open_in: Open, path: str) -> None:
    """The field has as many boxes as the policy has digits, and all stay in a small window."""
    visit = open_in(hasty_house, viewport={"width": 320, "height": 640})
    visit.to_code(path)
    assert visit.page.locator(".code i").count() == 10
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 320
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])


def test_digits_stand_in_their_boxes(house: House, open_in: Open) -> None:
    """The last digit is as visible as the first: the field does not scroll."""
    for width in (320, 1280):
        visit = open_in(house, viewport={"width": width, "height": 640})
        visit.to_code(SIGNUP)
        visit.page.route(f"**{SIGNUP}", lambda _: None)
        visit.focused("#code")
        visit.type("888888")
        assert visit.page.evaluate("document.querySelector('#code').scrollLeft") == 0
        assert visit.page.evaluate("document.querySelector('.code').scrollLeft") == 0
        visit.page.unroute_all(behavior="ignoreErrors")
