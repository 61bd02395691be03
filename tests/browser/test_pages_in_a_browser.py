"""What every state of every page is held to: docs/contract.md, section 5.3."""

import gzip
from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Response, Route

from tests.browser.conftest import House, Open
from tests.browser.visit import LOGIN, SIGNUP, Visit, at_every_width, shut_out, sideways
from tests.gateway import accept, decline

LANGUAGES: Final = {"en": "en-US", "es": "es-ES", "hi": "hi-IN"}
MOST_BYTES: Final = 60_000


def walk(visit: Visit, look: Callable[[str], None]) -> None:
    """Go through every state of every page, and look at each."""
    visit.go(LOGIN)
    look("login-start")
    visit.page.fill("#pass_code", "HSP-12")
    visit.press("Enter")
    visit.told("pass_code")
    look("login-start-refused")
    visit.page.fill("#pass_code", visit.pass_code)
    visit.gateway.behaviour = decline()
    visit.press("Enter")
    visit.told("send")
    visit.gateway.behaviour = accept
    look("login-found-unsent")
    visit.press("Enter")
    visit.reaches("code")
    look("login-code")
    visit.enter(visit.wrong)
    visit.told("code")
    look("login-code-refused")
    visit.enter(visit.code)
    visit.reaches("in")
    look("login-in")
    visit.go(SIGNUP)
    look("signup-number")
    visit.press("Enter")
    visit.told("phone")
    look("signup-number-refused")
    visit.page.fill("#phone", visit.number)
    visit.press("Enter")
    visit.reaches("code")
    look("signup-code")
    visit.page.click("summary")
    visit.page.fill("details #phone", visit.number)
    visit.press("Enter")
    visit.told("phone")
    look("signup-correction-refused")
    visit.page.reload()
    for _ in range(2):
        visit.enter(visit.wrong)
        visit.page.wait_for_selector("#code[aria-invalid]")
        visit.page.reload()
    look("signup-code-again")
    visit.enter(visit.wrong)
    visit.reaches("ended")
    look("signup-ended")
    visit.page.context.clear_cookies(name="csrftoken")
    visit.page.click("summary")
    visit.page.click("details button[value=send]")
    visit.reaches("failure")
    look("failure")


def verified(visit: Visit) -> None:
    """Go to the end of a signup."""
    visit.to_code(SIGNUP)
    visit.enter(visit.code)
    visit.reaches("verified")


def shown_badly(open_in: Open, house: House, language: str, name: str) -> list[str]:
    """Return what axe-core finds in any state, in either scheme, and what scrolls sideways."""
    # Nothing is on its way from one colour to another while it is looked at.
    still = {"locale": LANGUAGES[language], "reduced_motion": "reduce"}
    visit = open_in(house, **still)
    found: list[str] = []

    def look(state: str) -> None:
        assert visit.page.get_attribute("html", "lang") == language

        def judge(seen: str) -> None:
            if sideways(visit) > 0:
                found.append(f"{seen}: {sideways(visit)} pixels too wide")
            if seen.endswith("320"):
                found.extend(f"{seen}: {one}" for one in shut_out(visit))

        at_every_width(visit, f"{name}-{language}-{state}", judge)

    visit.go("/")
    look("front")
    walk(visit, look)
    visit = open_in(house, **still)
    verified(visit)
    look("signup-verified")
    return found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_is_shut_out(house: House, open_in: Open, language: str) -> None:
    """Every state is accessible, in either scheme, and none scrolls sideways."""
    assert shown_badly(open_in, house, language, "plain") == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_is_shut_out_of_a_brand(branded_house: House, open_in: Open, language: str) -> None:
    """So is every state with a logo, accents and links, and with the longest name."""
    assert shown_badly(open_in, branded_house, language, "branded") == []


@pytest.mark.parametrize("width", [320, 390])
def test_what_stands_in_line(house: House, open_in: Open, width: int) -> None:
    """Languages begin below the name, facts end at one edge, and no pass code is broken."""
    visit = open_in(house, locale="es-ES", viewport={"width": width, "height": 720})
    visit.go(LOGIN)
    assert visit.page.eval_on_selector_all(
        ".brand, .languages button:first-of-type",
        """found => found.map((one, place) => {
            const padding = place ? parseFloat(getComputedStyle(one).paddingLeft) : 0;
            return one.getBoundingClientRect().left + padding;
        })""",
    ) == [16, 16]
    visit.page.fill("#pass_code", "HSP-12")
    visit.press("Enter")
    visit.told("pass_code")
    lines = visit.page.locator("main b").evaluate_all(
        "all => all.map(b => b.getClientRects().length)"
    )
    assert lines == [1, 1]
    visit.to_code(LOGIN)
    visit.enter(visit.code)
    visit.reaches("in")
    ends = visit.page.locator(".facts dd").evaluate_all(
        "all => all.map(one => Math.round(one.getBoundingClientRect().right))"
    )
    assert len(set(ends)) == 1


def test_nothing_moves_where_that_is_unwanted(house: House, open_in: Open) -> None:
    """`prefers-reduced-motion` is honoured by everything."""
    visit = open_in(house, reduced_motion="reduce")
    visit.to_code(LOGIN)
    moving = visit.page.evaluate(
        """[...document.querySelectorAll("*")].filter(one => {
            const style = getComputedStyle(one);
            return style.animationName !== "none" || parseFloat(style.transitionDuration) > 0;
        }).length"""
    )
    assert moving == 0


def test_a_disabled_button_stays_legible(house: House, open_in: Open) -> None:
    """A button that is disabled while the mouse is over it looks like any other disabled one."""
    visit = open_in(house, reduced_motion="reduce")
    visit.go(LOGIN)
    button = visit.page.locator("button.primary")
    button.evaluate("button => button.setAttribute('aria-disabled', 'true')")
    colour = "button => getComputedStyle(button).backgroundColor"
    apart = button.evaluate(colour)
    button.hover()
    assert button.evaluate("button => button.matches(':hover')")
    assert button.evaluate(colour) == apart


def test_forced_colours(house: House, open_in: Open) -> None:
    """The boxes of the code have borders in colours that their reader chose."""
    visit = open_in(house, forced_colors="active")
    visit.to_code(LOGIN)
    for style in ("borderTopStyle", "borderTopWidth"):
        shown = visit.page.evaluate(f"getComputedStyle(document.querySelector('.code i')).{style}")
        assert shown not in {"none", "0px"}


@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
def test_a_page_is_light(branded_house: House, open_in: Open, path: str) -> None:
    """With all it loads it takes less than 60 kB compressed, in few requests."""
    visit = open_in(branded_house)
    answers: list[Response] = []
    visit.page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108
    visit.go(path)
    visit.page.wait_for_load_state("networkidle")
    assert sum(len(gzip.compress(answer.body())) for answer in answers) < MOST_BYTES
    assert len(answers) <= 6


def test_the_first_look_needs_no_script(house: House, open_in: Open) -> None:
    """The script is deferred, and only the style stands before the first paint."""
    visit = open_in(house)
    visit.page.route("**/page.js*", lambda route: route.abort())
    visit.go(LOGIN)
    assert visit.page.is_visible("#pass_code")
    assert visit.page.get_attribute("script", "defer") is not None
    visit.mishaps.clear()


def test_what_is_not_ours_does_not_run(house: House, open_in: Open) -> None:
    """The policy lets no script, style or request in that is not a file or route of ours."""
    visit = open_in(house)
    visit.go(LOGIN)
    visit.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            const image = document.createElement("img");
            image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
            document.body.append(image);
            document.body.setAttribute("style", "color: red");
        }"""
    )
    assert visit.page.evaluate("window.ran") is None
    colour = visit.page.evaluate("getComputedStyle(document.body).color")
    assert colour != "rgb(255, 0, 0)"
    assert visit.page.evaluate("fetch('http://127.0.0.1:9/').then(() => 1, () => 0)") == 0
    assert len(visit.mishaps) >= 3
    assert all("Content Security Policy" in one for one in visit.mishaps), visit.mishaps
    visit.mishaps.clear()


CALL: Final = """async ([path, headers]) => {
    const answer = await fetch(path, {
        method: "POST", headers: {"content-type": "application/json", ...headers},
        body: JSON.stringify({phone: "9876543210"}),
    });
    return [answer.status, (await answer.json()).error];
}"""


@pytest.mark.parametrize("headers", [{}, {"x-csrftoken": ""}, {"x-csrftoken": "nonsense"}])
def test_requests_without_the_token(house: House, open_in: Open, headers: dict[str, str]) -> None:
    """403 `csrf_failed`, and nothing is sent."""
    visit = open_in(house)
    visit.go(SIGNUP)
    before = len(house.gateway.to("+919876543210"))
    for path in ("/users/api/send-otp/", "/users/api/verify-otp/"):
        assert visit.page.evaluate(CALL, [path, headers]) == [403, "csrf_failed"]
    assert len(house.gateway.to("+919876543210")) == before


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_page_that_lost_its_token(house: House, open_in: Open, *, scripts: bool) -> None:
    """Whoever deletes cookies meanwhile is told so, and goes on from there."""
    visit = open_in(house, scripts=scripts)
    visit.go(LOGIN)
    visit.page.context.clear_cookies()
    visit.page.fill("#pass_code", visit.pass_code)
    visit.page.click("button[value=find]")
    visit.reaches("failure")
    visit.page.click("main a")
    visit.reaches("start")
    visit.to_code(LOGIN)
    assert len(visit.messages) == 1


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_cookies_that_no_neighbour_can_plant(
    https_house: House, open_in: Open, *, scripts: bool
) -> None:
    """By https all but two have the prefix `__Host-`, and browsers take them."""
    visit = open_in(https_house, scripts=scripts)
    visit.to_code(LOGIN)
    visit.enter(visit.code)
    visit.reaches("in")
    visit.to_code(SIGNUP)
    visit.enter(visit.code)
    visit.reaches("verified")
    cookies: dict[str, Any] = {one["name"]: one for one in visit.page.context.cookies()}
    names = ("csrftoken", "login_access", "login_refresh", "signup_session")
    assert set(cookies) == {f"__Host-{name}" for name in names} | {"otp_device"}
    assert all(one["secure"] for one in cookies.values())
    assert all(one["path"] == "/" for name, one in cookies.items() if name != "otp_device")


def test_enter_twice_on_a_slow_line(house: House, open_in: Open) -> None:
    """Without scripts the form is sent again, and the answer to the second one signs in."""
    visit = open_in(house, scripts=False)
    visit.to_code(LOGIN)
    served: list[int] = []

    def keep_back(route: Route) -> None:
        if route.request.method != "POST" or served:
            route.continue_()
            return
        # It arrives and is served; its answer is on its way for ever.
        served.append(route.fetch(max_redirects=0).status)

    visit.page.route("**/customer/login/", keep_back)
    visit.page.fill("#code", visit.code)
    visit.press("Enter")
    for _ in range(1_000):
        if served:
            break
        visit.page.wait_for_timeout(10)
    assert served == [303]
    visit.press("Enter")
    visit.reaches("in")


def test_cookies_in_a_browser(house: House, open_in: Open) -> None:
    """What a page keeps is kept from scripts; but for the token, which they do not need either."""
    visit = open_in(house)
    visit.to_code(LOGIN)
    visit.enter(visit.code)
    visit.reaches("in")
    verified(visit)
    cookies: dict[str, Any] = {one["name"]: one for one in visit.page.context.cookies()}
    tokens = {"login_access", "login_refresh", "otp_device"}
    assert set(cookies) == {"csrftoken", "signup_session"} | tokens
    assert [name for name in cookies if not cookies[name]["httpOnly"]] == ["csrftoken"]
    strict = {name for name in cookies if cookies[name]["sameSite"] == "Strict"}
    assert strict == tokens
    assert {one["sameSite"] for one in cookies.values()} == {"Strict", "Lax"}
