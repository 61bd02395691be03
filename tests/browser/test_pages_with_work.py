"""Codes that cost work, on both pages: the contract's rules for pages and for devices."""

import json
import re
from base64 import b64decode, b64encode
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qsl, urlencode

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import PLAIN_HOST, House, Open
from tests.browser.visit import LOGIN, SIGNUP, Visit, at_every_width, shut_out, sideways

ARRIVED = {LOGIN: "in", SIGNUP: "verified"}
BOTH = pytest.mark.parametrize("path", [LOGIN, SIGNUP])
LANGUAGES: Final = {"en": "en-US", "es": "es-ES", "hi": "hi-IN"}

NO_WORK: Final = (
    "Several codes have been requested. To get another one now, turn on JavaScript and use a secure"
    " connection (https). Otherwise, please try again later."
)
REASON: Final = (
    "Several codes have been requested. Before we send another one, this device has to do a short"
    " calculation."
)
SCRIPT: Final = (files("hsp_otp.entrypoints.pages") / "static" / "work.js").read_text("utf-8")
SEND: Final = "form.resend button[name=do]"
ANNOUNCED: Final = "Checking your browser, about 2 seconds"


def ask(visit: Visit) -> None:
    """Ask for one more code."""
    visit.page.click(SEND)


def to_third(visit: Visit, path: str) -> None:
    """Get two codes; the page offers a third one, which costs work."""
    visit.to_code(path)
    with visit.page.expect_response(lambda answer: answer.request.method == "GET" and answer.ok):
        ask(visit)
    visit.page.wait_for_selector(f"{SEND}:not([aria-busy])")
    visit.reaches("code")
    assert len(visit.messages) == 2


def working(visit: Visit) -> None:
    """Wait until the page does the work and says so."""
    visit.page.wait_for_selector(f"[role=status]:text-is('{ANNOUNCED}')")


def without_end(visit: Visit) -> None:
    """Let the worker never find what it looks for."""
    assert SCRIPT.count("place >= 0") == 1
    endless = SCRIPT.replace("place >= 0", "place > BATCH")
    visit.page.route(
        "**/work.js*",
        lambda route: route.fulfill(body=endless, content_type="text/javascript"),
    )


def with_end(visit: Visit) -> None:
    """Let the worker find it again."""
    visit.page.unroute("**/work.js*")


def sent(visit: Visit, messages: int) -> None:
    """Wait until the work is done and the page expects the code in that many messages."""
    visit.page.wait_for_selector("#code:focus", timeout=60_000)
    assert len(visit.messages) == messages


@BOTH
def test_the_page_does_the_work(eager_house: House, open_in: Open, path: str) -> None:
    """The third code costs work, which the page does by itself; the code arrives and is right."""
    visit = open_in(eager_house)
    to_third(visit, path)
    ask(visit)
    sent(visit, 3)
    assert visit.page.locator("progress").count() == 0
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])


@BOTH
def test_what_is_told_meanwhile(eager_house: House, open_in: Open, path: str) -> None:
    """The time and the progress are told, the focus stays, and nothing calls it an error."""
    visit = open_in(eager_house)
    to_third(visit, path)
    without_end(visit)
    ask(visit)
    working(visit)
    visit.page.wait_for_function("() => document.querySelector('progress').value > 0")
    assert visit.page.get_by_role("progressbar", name=ANNOUNCED).is_visible()
    visit.focused(SEND)
    assert visit.page.get_attribute(SEND, "aria-disabled") == "true"
    assert visit.page.inner_text("#send-error") == ""
    assert len(visit.messages) == 2


@BOTH
def test_the_work_is_done_once_a_press(eager_house: House, open_in: Open, path: str) -> None:
    """A page that is reloaded meanwhile does no work, asks for nothing and can be used."""
    visit = open_in(eager_house)
    to_third(visit, path)
    without_end(visit)
    ask(visit)
    working(visit)
    posts = len(visit.posts)
    with_end(visit)
    visit.page.reload()
    visit.reaches("code")
    assert visit.page.locator("progress").count() == 0
    assert visit.page.inner_text("#send-error") == ""
    assert (len(visit.posts), len(visit.messages)) == (posts, 2)
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])


@BOTH
def test_work_that_is_not_accepted(eager_house: House, open_in: Open, path: str) -> None:
    """The page does not begin again by itself: somebody presses the button."""
    visit = open_in(eager_house)
    to_third(visit, path)
    spoilt: list[str] = []

    def spoil(route: Route) -> None:
        fields = dict(parse_qsl(route.request.post_data or ""))
        if not fields.get("altcha"):
            route.continue_()
            return
        payload = json.loads(b64decode(fields["altcha"]))
        payload["solution"]["derivedKey"] = 64 * "0"
        spoilt.append(fields["altcha"])
        fields["altcha"] = b64encode(json.dumps(payload).encode()).decode()
        route.continue_(post_data=urlencode(fields))

    visit.page.route(f"**{path}", spoil)
    ask(visit)
    visit.page.wait_for_selector(f"#send-error:text-is('{REASON}')", timeout=60_000)
    visit.focused(SEND)
    assert not visit.page.is_visible("progress")
    assert len(spoilt) == 1
    visit.page.unroute(f"**{path}")
    ask(visit)
    sent(visit, 3)


def test_cancelling(eager_house: House, open_in: Open) -> None:
    """The button stops the work, the focus returns to where it began, and nothing is sent."""
    visit = open_in(eager_house)
    to_third(visit, LOGIN)
    without_end(visit)
    ask(visit)
    working(visit)
    assert len(visit.page.workers) == 1
    posts = len(visit.posts)
    with_end(visit)
    with visit.page.workers[0].expect_event("close"):
        visit.page.click("button:text-is('Cancel')")
    assert visit.told("send") == REASON
    visit.focused(SEND)
    assert visit.page.get_attribute(SEND, "aria-disabled") == "false"
    assert not visit.page.is_visible("progress")
    assert (len(visit.posts), len(visit.messages)) == (posts, 2)
    ask(visit)
    sent(visit, 3)


@BOTH
def test_by_keyboard(eager_house: House, open_in: Open, path: str) -> None:
    """From the button that asks, the next stop is the one that cancels; Enter asks again."""
    visit = open_in(eager_house)
    to_third(visit, path)
    visit.focused("#code")
    visit.press("Tab", "Tab")
    visit.focused(SEND)
    without_end(visit)
    visit.press("Enter")
    working(visit)
    visit.press("Tab")
    visit.focused("form.resend button[type=button]")
    visit.press("Enter")
    assert visit.told("send") == REASON
    visit.focused(SEND)
    with_end(visit)
    visit.press("Enter")
    sent(visit, 3)
    visit.type(visit.code)
    visit.reaches(ARRIVED[path])


def test_a_number_that_others_asked_for(eager_house: House, open_in: Open) -> None:
    """The work is done for the form as it was filled in, and its level is told."""
    first, other = open_in(eager_house), open_in(eager_house)
    to_third(first, SIGNUP)
    other.go(SIGNUP)
    other.page.fill("#phone", first.number)
    without_end(other)
    other.press("Enter")
    working(other)
    other.focused("#phone")
    assert other.page.get_attribute("#phone", "aria-invalid") is None
    with_end(other)
    other.page.click("button:text-is('Cancel')")
    other.focused("button[value=send]")
    other.press("Enter")
    other.page.wait_for_selector("main[data-step=code]", timeout=60_000)
    assert f"***-***-{first.number[-4:]}" in other.page.inner_text(".lead")
    assert len(first.messages) == 3
    without_end(other)
    ask(other)
    other.page.wait_for_selector("[role=status]:text-is('Checking your browser, about 4 seconds')")


def test_another_form_ends_the_work(eager_house: House, open_in: Open) -> None:
    """Who enters the code that has arrived meanwhile gets on, and no third one is sent."""
    visit = open_in(eager_house)
    to_third(visit, SIGNUP)
    without_end(visit)
    ask(visit)
    working(visit)
    visit.enter(visit.wrong)
    assert visit.told("code").startswith("This code is wrong.")
    assert not visit.page.is_visible("progress")
    assert visit.page.workers == []
    visit.enter(visit.code)
    visit.reaches("verified")
    assert len(visit.messages) == 2


def test_a_code_that_ends_meanwhile(eager_house: House, open_in: Open) -> None:
    """The page goes on with the work, and only after a cancel shows what has become of the code."""
    visit = open_in(eager_house)
    to_third(visit, LOGIN)
    without_end(visit)
    ask(visit)
    working(visit)
    visit.page.evaluate("document.querySelector('#code-hint .clock').ends = 0")
    visit.page.wait_for_selector("#code-hint .clock:text-is('0:00')")
    with visit.page.expect_response(lambda answer: answer.url.endswith(LOGIN)):
        visit.page.click("button:text-is('Cancel')")
    visit.page.wait_for_selector("#code-hint .clock:not(:text-is('0:00'))")
    assert len(visit.messages) == 2


@BOTH
def test_without_scripts(eager_house: House, open_in: Open, path: str) -> None:
    """The page says how this number can be had, and when; nothing of the work is shown."""
    visit = open_in(eager_house, scripts=False)
    to_third(visit, path)
    ask(visit)
    assert visit.told("send") == NO_WORK
    assert not visit.page.is_visible("progress")
    assert not visit.page.is_visible("text=Cancel")
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])


def test_without_the_worker(eager_house: House, open_in: Open) -> None:
    """If its script does not load, the page says what it says without scripts."""
    visit = open_in(eager_house)
    to_third(visit, LOGIN)
    visit.page.route("**/work.js*", lambda route: route.abort())
    ask(visit)
    assert visit.told("send") == NO_WORK
    visit.page.wait_for_selector("progress", state="hidden")
    visit.focused(SEND)
    visit.mishaps.clear()


def test_by_plain_http(eager_house: House, open_in: Open) -> None:
    """Browsers compute nothing there, and the page says what it says without scripts."""
    visit = open_in(eager_house)
    visit.origin = visit.origin.replace("127.0.0.1", PLAIN_HOST)
    to_third(visit, LOGIN)
    assert not visit.page.evaluate("isSecureContext")
    ask(visit)
    assert visit.told("send") == NO_WORK
    visit.focused(SEND)
    assert not visit.page.is_visible("progress")
    visit.enter(visit.code)
    visit.reaches("in")
    # One of the headers of the pages is for https alone.
    assert all("Cross-Origin-Opener-Policy" in line for line in visit.mishaps)
    visit.mishaps.clear()


def test_a_known_browser_does_no_work(eager_house: House, open_in: Open) -> None:
    """Who has signed in here gets codes without work, however often others ask."""
    visit = open_in(eager_house)
    to_third(visit, LOGIN)
    visit.enter(visit.code)
    visit.reaches("in")
    visit.page.click("button[value=sign_out]")
    visit.reaches("start")
    visit.to_code(LOGIN)
    assert len(visit.messages) == 3
    visit.enter(visit.code)
    visit.reaches("in")


def test_a_code_of_another_network(house: House, open_in: Open) -> None:
    """The page does not wait for a code that nobody may type there, and says when to ask."""
    visit, other = open_in(house), open_in(house)
    visit.to_code(LOGIN)
    other.go(LOGIN)
    other.page.fill("#pass_code", visit.pass_code)
    other.page.click("button[value=find]")
    assert re.fullmatch(
        r"A code was requested elsewhere a moment ago\. It can only be entered there\."
        r" You can try again in [12]:\d\d\.",
        other.told("send"),
    )
    assert other.step == "found"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_is_shut_out(eager_house: House, open_in: Open, language: str) -> None:
    """axe-core finds nothing while the page works, and the page does not scroll sideways."""
    found: list[str] = []
    still = {"locale": LANGUAGES[language], "reduced_motion": "reduce"}

    def look(visit: Visit, name: str) -> None:
        visit.page.wait_for_selector("[role=status]:text-matches('2')")
        visit.page.evaluate("document.querySelector('progress').value = 0.6")

        def judge(seen: str) -> None:
            if sideways(visit) > 0:
                found.append(f"{seen}: {sideways(visit)} pixels too wide")
            if seen.endswith("390"):
                found.extend(f"{seen}: {one}" for one in shut_out(visit))

        at_every_width(visit, f"{language}-{name}", judge)

    visit = open_in(eager_house, **still)
    to_third(visit, LOGIN)
    other = open_in(eager_house, **still)
    for one in (visit, other):
        # The worker never starts, so that a page can be looked at for as long as that takes.
        one.page.route("**/work.js*", lambda _: None)
    ask(visit)
    look(visit, "login-code-work")
    other.go(LOGIN)
    other.page.fill("#pass_code", visit.pass_code)
    other.page.click("button[value=find]")
    look(other, "login-found-work")
    other.go(SIGNUP)
    other.page.fill("#phone", visit.number)
    other.page.click("button[value=send]")
    look(other, "signup-number-work")
    assert found == []
