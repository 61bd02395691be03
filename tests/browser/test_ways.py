"""Both ways from beginning to end: docs/contract.md, sections 5.1 and 5.3."""

import re

import pytest

from tests.browser.conftest import House, Open
from tests.browser.visit import LOGIN, SIGNUP

ARRIVED = {LOGIN: "in", SIGNUP: "verified"}
BOTH = pytest.mark.parametrize("path", [LOGIN, SIGNUP])
HOWEVER = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])


@BOTH
@HOWEVER
def test_by_mouse(house: House, open_in: Open, path: str, *, scripts: bool) -> None:
    """With one message and one code."""
    visit = open_in(house, scripts=scripts)
    visit.to_code(path)
    assert len(visit.messages) == 1
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])
    assert len(visit.messages) == 1
    if path == LOGIN:
        assert visit.pass_code in visit.page.inner_text("main")
        visit.page.click("button[value=sign_out]")
        visit.reaches("start")
    else:
        assert f"***-***-{visit.number[-4:]}" in visit.page.inner_text("main")
        visit.page.click("button[value=restart]")
        visit.reaches("number")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_login_by_keyboard(house: House, open_in: Open, *, scripts: bool) -> None:
    """The focus lands where the next key goes, so that hardly any other key is needed."""
    visit = open_in(house, scripts=scripts)
    visit.go(LOGIN)
    visit.focused("#pass_code")
    visit.type(visit.pass_code.lower())
    visit.press("Enter")
    visit.reaches("code")
    visit.focused("#code")
    visit.type(visit.code)
    if not scripts:
        visit.press("Enter")
    visit.reaches("in")
    if scripts:
        visit.focused("h1")
        visit.press("Tab")
        visit.focused("button[value=sign_out]")
        visit.press("Enter")
        visit.reaches("start")
        visit.focused("#pass_code")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_signup_by_keyboard(house: House, open_in: Open, *, scripts: bool) -> None:
    """The country is chosen by keys too; the code can be sent again, the number be changed."""
    visit = open_in(house, scripts=scripts)
    visit.go(SIGNUP)
    visit.focused("#phone")
    visit.press("Shift+Tab")
    visit.focused("#region")
    visit.type("Spa")
    visit.press("Tab")
    visit.type(visit.number)
    visit.press("Enter")
    assert "cannot send messages" in visit.told("phone")
    visit.focused("#phone")
    visit.press("Shift+Tab")
    visit.type("Ind")
    visit.press("Tab", "Enter")
    visit.reaches("code")
    visit.focused("#code")
    visit.press("Tab", "Tab")
    visit.focused("form.resend button")
    visit.press("Tab")
    visit.focused("summary")
    visit.press("Shift+Tab", "Shift+Tab", "Shift+Tab")
    visit.focused("#code")
    visit.type(visit.code)
    if not scripts:
        visit.press("Enter")
    visit.reaches("verified")


@BOTH
@HOWEVER
def test_three_wrong_codes(house: House, open_in: Open, path: str, *, scripts: bool) -> None:
    """Each is told in place, with what is left; after the third there is no field any more."""
    visit = open_in(house, scripts=scripts)
    visit.to_code(path)
    for left in ("2 attempts left.", "1 attempt left."):
        visit.enter(visit.wrong)
        visit.page.wait_for_selector(f"#code-error:has-text('{left}')")
        told = f"This code is wrong. Please check the code and try again. {left}"
        assert visit.told("code") == told
        visit.focused("#code[aria-invalid=true]")
        assert visit.page.input_value("#code") == ""
    visit.enter(visit.wrong)
    visit.reaches("ended")
    assert visit.told("code") == "Three wrong codes were entered."
    assert visit.page.locator("#code").count() == 0
    assert visit.page.locator("form.resend button:focus").count() == 0
    if scripts:
        visit.focused("h1")
        button = visit.page.locator("form.resend button")
        assert re.fullmatch(r"Send a new code in 0:[0-3]\d", button.inner_text())


@BOTH
def test_a_code_that_ends(hasty_house: House, open_in: Open, path: str) -> None:
    """The time that is left runs on the page; at its end the page says so by itself."""
    visit = open_in(hasty_house)
    visit.to_code(path)
    shown = visit.page.inner_text("#code-hint .clock")
    assert re.fullmatch(r"0:0[2-5]", shown)
    visit.page.wait_for_function(
        "before => document.querySelector('#code-hint .clock').textContent < before", arg=shown
    )
    visit.reaches("ended")
    assert visit.told("code") == "The last code has expired."
    assert len(visit.posts) == 1


@BOTH
def test_another_code(hasty_house: House, open_in: Open, path: str) -> None:
    """It can be asked for when the countdown has run out, and no earlier; the new one is right."""
    visit = open_in(hasty_house)
    visit.to_code(path)
    button = visit.page.locator("form.resend button")
    assert button.get_attribute("aria-disabled") == "true"
    shown = button.inner_text()
    assert re.fullmatch(r"Send a new code in 0:0[1-3]", shown)
    visit.page.wait_for_function(
        "before => document.querySelector('form.resend button').textContent !== before", arg=shown
    )
    before = len(visit.posts)
    button.click(force=True)
    assert len(visit.posts) == before
    visit.page.wait_for_selector("form.resend button[aria-disabled=false]")
    assert button.inner_text() == "Send a new code"
    assert visit.page.inner_text("#wait") == ""
    first = visit.code
    button.click()
    visit.page.wait_for_selector("form.resend button[aria-disabled=true]")
    visit.focused("#code")
    assert visit.messages[0].code == first
    assert len(visit.messages) == 2
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])


@HOWEVER
def test_another_number(house: House, open_in: Open, *, scripts: bool) -> None:
    """A wrong number is put right on the page of the code; what is refused changes nothing."""
    visit = open_in(house, scripts=scripts)
    visit.to_code(SIGNUP)
    first = visit.code
    visit.page.click("summary")
    visit.page.fill("details #phone", "123")
    visit.page.click("details button[value=send]")
    assert "cannot send messages" in visit.told("phone")
    assert f"***-***-{visit.number[-4:]}" in visit.page.inner_text(".lead")
    other = f"97{visit.person:08d}"
    visit.page.fill("details #phone", other)
    visit.page.click("details button[value=send]")
    visit.page.wait_for_selector(".lead:has-text('***-***-')")
    visit.page.wait_for_selector("details:not([open])")
    (message,) = visit.gateway.to(f"+91{other}")
    if message.code != first:
        visit.enter(first)
        assert visit.told("code").startswith("This code is wrong.")
    visit.enter(message.code)
    visit.reaches("verified")


@pytest.mark.parametrize(
    "typed",
    ["447400{0:06d}", "07400/{0:06d}", "\u202a\uff0b447400{0:06d}\u202c", "+44 44 7400 {0:06d}"],
)
@HOWEVER
def test_a_number_beside_its_country(
    house: House, open_in: Open, typed: str, *, scripts: bool
) -> None:
    """The server alone reads what was typed, by the country that was chosen beside it."""
    visit = open_in(house, scripts=scripts)
    visit.go(SIGNUP)
    visit.page.select_option("#region", "GB")
    visit.page.fill("#phone", typed.format(visit.person))
    visit.page.click("button[value=send]")
    visit.reaches("code")
    assert len(visit.gateway.to(f"+447400{visit.person:06d}")) == 1
    assert visit.posts == [SIGNUP]


@HOWEVER
def test_a_number_that_will_not_do(house: House, open_in: Open, *, scripts: bool) -> None:
    """It stays in its field with the country, and the sentence of the API stands beside it."""
    visit = open_in(house, scripts=scripts)
    visit.go(SIGNUP)
    visit.page.select_option("#region", "ES")
    visit.page.fill("#phone", "+44 12")
    visit.page.click("button[value=send]")
    assert visit.told("phone") == "We cannot send messages to this number. Please check it."
    visit.focused("#phone[aria-invalid=true]")
    assert visit.page.input_value("#phone") == "+44 12"
    assert visit.page.input_value("#region") == "ES"


@BOTH
@HOWEVER
def test_reloading(house: House, open_in: Open, path: str, *, scripts: bool) -> None:
    """Every state comes back where it was, and nothing is sent again."""
    visit = open_in(house, scripts=scripts)
    visit.to_code(path)
    for _ in range(2):
        visit.page.reload()
        assert visit.step == "code"
    visit.enter(visit.wrong)
    visit.told("code")
    visit.page.reload()
    assert visit.step == "code"
    assert visit.page.inner_text("#code-error") == ""
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])
    visit.page.reload()
    assert visit.step == ARRIVED[path]
    assert len(visit.messages) == 1


@BOTH
@HOWEVER
def test_going_back(house: House, open_in: Open, path: str, *, scripts: bool) -> None:
    """Back and forth leads to where one is now, and nothing is sent again."""
    visit = open_in(house, scripts=scripts)
    visit.go("/")
    visit.to_code(path)
    visit.page.go_back()
    visit.page.wait_for_load_state()
    while visit.page.url != f"{visit.origin}/":
        assert visit.step == "code"
        visit.page.go_back()
        visit.page.wait_for_load_state()
    visit.page.go_forward()
    visit.reaches("code")
    assert len(visit.messages) == 1
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])


@BOTH
@HOWEVER
def test_two_windows(house: House, open_in: Open, path: str, *, scripts: bool) -> None:
    """What one window did the other finds when it goes on, and nothing happens twice."""
    visit = open_in(house, scripts=scripts)
    visit.to_code(path)
    other = open_in(house, beside=visit, scripts=scripts)
    other.go(path)
    assert other.step == "code"
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])
    other.enter(other.code)
    other.reaches(ARRIVED[path])
    assert len(visit.messages) == 1


def test_signing_in_lasts(house: House, open_in: Open) -> None:
    """Another window is signed in as well, until one of them signs out."""
    visit = open_in(house)
    visit.to_code(LOGIN)
    visit.enter(visit.code)
    visit.reaches("in")
    other = open_in(house, beside=visit)
    other.go(LOGIN)
    assert other.step == "in"
    visit.page.click("button[value=sign_out]")
    visit.reaches("start")
    other.page.reload()
    assert other.step == "start"


@pytest.mark.parametrize(
    ("language", "name", "title"),
    [("es", "Español", "Iniciar sesión"), ("hi", "हिन्दी", "साइन इन करें")],
)
@HOWEVER
def test_choosing_a_language(
    house: House, open_in: Open, language: str, name: str, title: str, *, scripts: bool
) -> None:
    """The page stays where it is, in the other language, and so do its messages."""
    visit = open_in(house, scripts=scripts)
    visit.go(LOGIN)
    visit.page.click(f"button:text-is('{name}')")
    visit.page.wait_for_selector(f"html[lang={language}]")
    assert visit.page.inner_text("h1") == title
    visit.to_code(LOGIN)
    assert "code. It expires" not in visit.messages[0].form["Body"]
    visit.page.click("button:text-is('English')")
    visit.page.wait_for_selector("html[lang=en]")
    assert visit.step == "code"
    assert len(visit.messages) == 1
