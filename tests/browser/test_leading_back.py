"""Pages that lead back to another site: docs/contract.md, 5.4.12 and 5.10."""

import json
import re
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.browser.conftest import House, Open
from tests.browser.other_site import WELCOME, OtherSite, Posted
from tests.browser.test_pages_in_a_browser import LANGUAGES
from tests.browser.visit import LOGIN, SIGNUP, Visit, at_every_width, shut_out, sideways
from tests.e2e.server import until

BOTH = pytest.mark.parametrize("path", [LOGIN, SIGNUP])
HOWEVER = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
ARRIVED: Final = {LOGIN: "return", SIGNUP: "verified"}
WIDTHS: Final = (390, 1280)
CONTINUE: Final = "form[data-way] button"


def site_of(house: House) -> OtherSite:
    """The site that the pages lead back to."""
    assert house.other_site is not None
    house.other_site.posts.clear()
    return house.other_site


def enter(visit: Visit, path: str) -> None:
    """Enter the right code, and arrive where the page leads back."""
    visit.to_code(f"{path}?state=s1")
    assert visit.page.url == visit.origin + path
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])


def arrives(visit: Visit, site: OtherSite) -> Posted:
    """Wait for the page of the other site, and return the one form that it got."""
    visit.page.wait_for_url(f"{site.url}{WELCOME}", timeout=15_000)
    (posted,) = site.posts
    return posted


def exchange(house: House, code: str) -> tuple[int, Any]:
    """Exchange a code as the backend of the other site."""
    headers = {"authorization": f"Bearer {house.api_key}", "content-type": "application/json"}
    body = json.dumps({"code": code}).encode()
    asked = Request(f"{house.origin}/token/exchange/", body, headers)  # noqa: S310 - our own
    try:
        with urlopen(asked, timeout=10) as answer:  # noqa: S310 - our own
            return answer.status, json.load(answer)
    except HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


@BOTH
@HOWEVER
def test_the_way_back(leading_house: House, open_in: Open, path: str, *, scripts: bool) -> None:
    """By itself with scripts, by the button without; nothing else of the visitor goes along."""
    site = site_of(leading_house)
    visit = open_in(leading_house, scripts=scripts)
    enter(visit, path)
    if not scripts:
        visit.page.click(CONTINUE)
    posted = arrives(visit, site)
    assert posted.path == ("/signed-in/?from=otp" if path == LOGIN else "/step-2/")
    names = {"code"} if path == LOGIN else {"proof", "session_id"}
    assert posted.fields.keys() == {*names, "state"}
    assert posted.fields["state"] == "s1"
    assert posted.headers["origin"] == "null"
    assert posted.headers.keys() & {"referer", "cookie"} == set()
    secrets = [value for name, value in posted.fields.items() if name in {"code", "proof"}]
    addresses = " ".join(visit.requests)
    assert [secret for secret in secrets if secret in addresses] == []


@HOWEVER
def test_a_sign_in_that_was_completed(
    leading_house: House, open_in: Open, *, scripts: bool
) -> None:
    """Going back leads to the start of the page, and a second exchange signs out."""
    site = site_of(leading_house)
    visit = open_in(leading_house, scripts=scripts)
    enter(visit, LOGIN)
    if not scripts:
        visit.page.click(CONTINUE)
    code = arrives(visit, site).fields["code"]
    status, body = exchange(leading_house, code)
    assert (status, body["success"], body["pass"]["pass_code"]) == (200, True, visit.pass_code)
    visit.page.go_back()
    visit.reaches("start")
    assert "Your sign-in was completed elsewhere" in visit.page.inner_text("main")
    assert exchange(leading_house, code)[1]["error"] == "invalid_code"
    assert len(site.posts) == 1


@BOTH
@HOWEVER
def test_going_back_is_no_loop(
    leading_house: House, open_in: Open, path: str, *, scripts: bool
) -> None:
    """While the result can be used, the page has the button, and does not press it by itself."""
    site = site_of(leading_house)
    visit = open_in(leading_house, scripts=scripts)
    enter(visit, path)
    if not scripts:
        visit.page.click(CONTINUE)
    arrives(visit, site)
    visit.page.go_back()
    visit.page.wait_for_selector("form[data-way]:not([data-at-once], [data-sent])")
    visit.reaches(ARRIVED[path])
    if scripts:  # three seconds later nothing has happened
        later = _left(visit) - 3
        until(lambda: _left(visit) <= later)
    assert len(site.posts) == 1
    visit.page.click(CONTINUE)
    visit.page.wait_for_url(f"{site.url}{WELCOME}")
    first, second = site.posts
    if path == LOGIN:
        assert second.fields == first.fields


def _left(visit: Visit) -> int:
    """The seconds that the page counts down."""
    minutes, seconds = visit.page.inner_text(".clock").split(":")
    return int(minutes) * 60 + int(seconds)


@pytest.mark.parametrize("act", ["key", "pointer"])
def test_who_acts_stays(leading_house: House, open_in: Open, act: str) -> None:
    """A key or a touch within the second keeps the visitor on the page, until they continue."""
    site = site_of(leading_house)
    visit = open_in(leading_house)
    enter(visit, LOGIN)
    visit.focused(CONTINUE)
    if act == "key":
        visit.press("Shift")
    else:
        visit.page.mouse.click(2, 2)
    until(lambda: _left(visit) <= 56)
    assert site.posts == []
    visit.page.click(CONTINUE)
    arrives(visit, site)


def test_a_double_click_posts_once(leading_house: House, open_in: Open) -> None:
    """A code that were exchanged twice would sign its holder out."""
    site = site_of(leading_house)
    visit = open_in(leading_house)
    enter(visit, LOGIN)
    visit.page.dblclick(CONTINUE)
    arrives(visit, site)


def test_another_origin_is_not_posted_to(leading_house: House, open_in: Open) -> None:
    """Even a script that changed the form could not take the code elsewhere."""
    site = site_of(leading_house)
    visit = open_in(leading_house)
    enter(visit, LOGIN)
    visit.press("Shift")
    evil = site.url.replace("localhost", "127.0.0.1")
    visit.page.evaluate(f"document.querySelector('form[data-way]').action = '{evil}/steal'")
    visit.focused(CONTINUE)
    visit.press("Enter")
    until(lambda: visit.page.inner_text("h1") and visit.mishaps)
    assert re.search("form-action", visit.mishaps.pop())
    assert site.posts == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_is_shut_out(leading_house: House, open_in: Open, language: str) -> None:
    """axe-core finds nothing on the pages that lead back, nor where there is no page."""
    found: list[str] = []
    visit = open_in(leading_house, locale=LANGUAGES[language], reduced_motion="reduce")

    def look(name: str) -> None:
        assert visit.page.get_attribute("html", "lang") == language

        def judge(seen: str) -> None:
            if sideways(visit) > 0:
                found.append(f"{seen}: {sideways(visit)} pixels too wide")
            found.extend(f"{seen}: {one}" for one in shut_out(visit))

        at_every_width(visit, f"{language}-{name}", judge, WIDTHS)

    for path in (LOGIN, SIGNUP):
        enter(visit, path)
        visit.press("Shift")
        look(f"back-{ARRIVED[path]}")
    visit.page.goto(f"{visit.origin}/nowhere/")
    visit.reaches("failure")
    look("nowhere")
    assert found == []


def test_a_failure_leads_home(leading_house: House, open_in: Open) -> None:
    """The link on its page leads to a page that works."""
    visit = open_in(leading_house)
    visit.go("/nowhere/")
    visit.reaches("failure")
    visit.focused("a.button")
    visit.press("Enter")
    visit.reaches("front")
