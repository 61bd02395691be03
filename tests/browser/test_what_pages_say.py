"""What pages say of codes, waits and help: docs/contract.md, 5.4."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import House, Open
from tests.browser.visit import LOGIN, SIGNUP, Visit, at_every_width, shut_out, sideways
from tests.gateway import Behaviour, accept, decline, refuse_number

ARRIVED = {LOGIN: "in", SIGNUP: "verified"}
BOTH = pytest.mark.parametrize("path", [LOGIN, SIGNUP])
HOWEVER = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
LANGUAGES = ("en", "es", "hi")
LOCKED = "There were too many wrong codes. Please try again later or contact support."
UNSENT = "We could not send the message. Please try again."
PHONES = {"width": 390, "height": 720}


@contextmanager
def provider(house: House, behaviour: Behaviour) -> Iterator[None]:
    """Let the provider react to messages in its own way."""
    house.gateway.behaviour = behaviour
    try:
        yield
    finally:
        house.gateway.behaviour = accept


def ask(visit: Visit, path: str) -> None:
    """Ask for a first code."""
    visit.go(path)
    field, typed = ("#pass_code", visit.pass_code) if path == LOGIN else ("#phone", visit.number)
    visit.page.fill(field, typed)
    visit.page.click("main .primary")


def claims_a_code(visit: Visit) -> bool:
    """Whether the page says that a code was sent or is on its way."""
    return bool(re.search(r"on its way|[Ww]e sent", visit.page.inner_text("body")))


# Codes that are on their way, and those that are not


@BOTH
@HOWEVER
def test_a_message_that_nobody_takes(
    house: House, open_in: Open, path: str, *, scripts: bool
) -> None:
    """No sentence claims a code, and the next one may be asked for at once."""
    visit = open_in(house, scripts=scripts)
    field = "send" if path == LOGIN else "phone"
    with provider(house, decline()):
        ask(visit, path)
        assert visit.told(field) == UNSENT
    assert visit.step == ("found" if path == LOGIN else "number")
    assert not claims_a_code(visit)
    button = visit.page.locator("button[value=send]")
    assert button.get_attribute("aria-disabled") != "true"
    button.click()
    visit.reaches("code")
    assert len(visit.messages) == 1
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])


@BOTH
@HOWEVER
def test_a_second_message_that_nobody_takes(
    hasty_house: House, open_in: Open, path: str, *, scripts: bool
) -> None:
    """The page says that the last code could not be sent, and its button does not wait."""
    visit = open_in(hasty_house, scripts=scripts)
    visit.to_code(path)
    if scripts:
        visit.page.wait_for_selector("form.resend button[aria-disabled=false]")
    else:
        visit.page.wait_for_timeout(3_000)
    with provider(hasty_house, decline()):
        visit.page.click("form.resend button")
        visit.reaches("ended")
    assert visit.told("code") == "We could not send the last code."
    assert visit.told("send") == UNSENT
    assert not claims_a_code(visit)
    button = visit.page.locator("form.resend button[name=do]")
    assert button.inner_text() == "Send a new code"
    assert button.get_attribute("aria-disabled") != "true"
    visit.focused("form.resend button[name=do]")


@BOTH
@HOWEVER
def test_three_wrong_codes_and_another_try(
    house: House, open_in: Open, path: str, *, scripts: bool
) -> None:
    """Whoever begins anew within the wait is not told of a code that is over."""
    visit = open_in(house, scripts=scripts)
    visit.to_code(path)
    for _ in range(3):
        visit.enter(visit.wrong)
        visit.page.wait_for_selector("#code-error:not(:empty)")
    visit.reaches("ended")
    assert not claims_a_code(visit)
    visit.page.context.clear_cookies()
    ask(visit, path)
    told = visit.told("send" if path == LOGIN else "phone")
    assert re.fullmatch(
        r"Please wait a moment before you ask for another code\."
        r" You can try again in 0:[0-3]\d\.",
        told,
    )
    assert not claims_a_code(visit)


@HOWEVER
def test_signing_out_and_in_again(house: House, open_in: Open, *, scripts: bool) -> None:
    """A known browser gets the next code at once; for another, none is on its way."""
    visit = open_in(house, scripts=scripts)
    visit.to_code(LOGIN)
    visit.enter(visit.code)
    visit.reaches("in")
    visit.page.click("button[value=sign_out]")
    visit.reaches("start")
    other = open_in(house, scripts=scripts)
    other.go(LOGIN)
    other.page.fill("#pass_code", visit.pass_code)
    other.page.click("button[value=find]")
    assert "Please wait a moment" in other.told("send")
    assert not claims_a_code(other)
    ask(visit, LOGIN)
    visit.reaches("code")
    assert len(visit.messages) == 2


# Help


def test_a_number_that_takes_no_messages(branded_house: House, open_in: Open) -> None:
    """Signup asks for another one, and pass login names the address of support."""
    visit = open_in(branded_house)
    with provider(branded_house, refuse_number()):
        ask(visit, SIGNUP)
        assert visit.told("phone") == (
            "We cannot send messages to this number. Please use another number."
        )
        visit.focused("#phone")
        ask(visit, LOGIN)
        assert visit.told("send") == (
            "We cannot send messages to the phone number of this pass. Please contact support."
            " Support: +91 80 1234 5678"
        )
    assert visit.page.get_attribute("#send-error a", "href") == "tel:+918012345678"


@pytest.mark.parametrize(("expired", "scripts"), [(3, True), (4, False)])
def test_passes_that_need_help(
    branded_house: House, open_in: Open, expired: int, *, scripts: bool
) -> None:
    """Unpaid: finish the purchase; without a number: support; expired: renew."""
    visit = open_in(branded_house, scripts=scripts)
    visit.go(LOGIN)
    for pass_code, sentence in (
        (
            "HSP-9000-0001",
            "This pass has not been paid for. Please complete the purchase, then try again.",
        ),
        (
            "HSP-9000-0002",
            "There is no phone number for this pass. Please contact support.",
        ),
    ):
        visit.page.fill("#pass_code", pass_code)
        visit.page.click("button[value=find]")
        visit.page.wait_for_selector(f"#pass_code-error:has-text('{sentence}')")
        assert visit.told("pass_code") == f"{sentence} Support: +91 80 1234 5678"
        assert visit.page.get_attribute("#pass_code-error a", "href") == "tel:+918012345678"
    visit.page.fill("#pass_code", f"HSP-9000-000{expired}")
    visit.page.click("button[value=find]")
    visit.reaches("code")
    (message,) = branded_house.gateway.to(f"+91900009000{expired}")
    visit.enter(message.code)
    visit.reaches("in")
    assert (
        "This pass has expired. Please renew it to keep using it. Support: +91 80 1234 5678"
        in " ".join(visit.page.inner_text("main").split())
    )


# Messages and buttons


@BOTH
def test_a_toast_goes_when_something_happens(house: House, open_in: Open, path: str) -> None:
    """With the first key or click, and with the next message."""
    visit = open_in(house)
    visit.to_code(path)
    visit.page.wait_for_selector("#toasts p")
    visit.type("1")
    assert visit.page.locator("#toasts p").count() == 0
    visit.page.route("**/*", lambda route: route.abort())
    visit.enter(visit.code)
    visit.page.wait_for_selector("#toasts :text('We could not reach the service')")
    visit.page.unroute_all()
    visit.page.click("h1")
    assert visit.page.locator("#toasts p").count() == 0
    visit.page.click("button[value=verify]")
    visit.reaches(ARRIVED[path])
    visit.mishaps.clear()


@pytest.mark.parametrize("width", [320, 390, 1280])
@BOTH
def test_a_toast_covers_no_header(
    branded_house: House, open_in: Open, path: str, width: int
) -> None:
    """It stands below the header, and still in the window once that has scrolled away."""
    still = {"viewport": {"width": width, "height": 500}, "reduced_motion": "reduce"}
    visit = open_in(branded_house, **still)
    visit.to_code(path)
    toast, header = visit.page.locator("#toasts p"), visit.page.locator("header")
    toast.wait_for()
    below = toast.bounding_box()
    above = header.bounding_box()
    assert below
    assert above
    assert below["y"] >= above["y"] + above["height"]
    assert below["x"] >= 0
    assert below["x"] + below["width"] <= width
    visit.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    box = toast.bounding_box()
    assert box
    assert box["y"] >= 0


@BOTH
def test_what_takes_long_is_told(house: House, open_in: Open, path: str) -> None:
    """The button says what is being done."""
    visit = open_in(house)
    visit.to_code(path)
    waiting: list[Route] = []
    visit.page.route(
        f"**{path}",
        lambda route: (
            waiting.append(route) if route.request.method == "POST" else route.continue_()
        ),
    )
    visit.enter(visit.code)
    visit.page.wait_for_selector("button[value=verify]:text-is('Checking…')")
    waiting[0].continue_()
    visit.reaches(ARRIVED[path])


@BOTH
@HOWEVER
def test_a_lock(locking_house: House, open_in: Open, path: str, *, scripts: bool) -> None:
    """The page promises no code, says how long the lock lasts, and names support."""
    visit = open_in(locking_house, scripts=scripts)
    visit.to_code(path)
    visit.enter(visit.wrong)
    visit.reaches("ended")
    assert visit.told("code") == f"{LOCKED} Support: help@example.com"
    wait = visit.page.inner_text("form.resend" if scripts else "#wait")
    said = "Send a new code in" if scripts else "You can ask for a new code in"
    assert re.fullmatch(rf"{said} 2[34]:[0-5]\d:[0-5]\d\.?", wait.strip())
    main = visit.page.inner_text("main")
    assert not re.search(r"New codes go to|try again in|attempt", main)
    if not scripts:
        visit.page.click("form.resend button")
        assert visit.page.inner_text("main").count(LOCKED) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_is_shut_out_by_a_lock(locking_house: House, open_in: Open, language: str) -> None:
    """axe-core finds nothing, and the page does not scroll sideways."""
    visit = open_in(locking_house, locale=language, reduced_motion="reduce")
    found: list[str] = []

    def judge(seen: str) -> None:
        if sideways(visit) > 0:
            found.append(f"{seen}: {sideways(visit)} pixels too wide")
        if seen.endswith("320"):
            found.extend(f"{seen}: {one}" for one in shut_out(visit))

    for path in (LOGIN, SIGNUP):
        visit.to_code(path)
        visit.enter(visit.wrong)
        visit.reaches("ended")
        at_every_width(visit, f"locked-{language}{path.replace('/', '-')}", judge)
    assert found == []


def test_a_button_that_waits_has_no_focus(house: House, open_in: Open) -> None:
    """It counts down by itself, cannot be pressed, and takes the focus from nobody."""
    visit = open_in(house, viewport=PHONES)
    visit.to_code(LOGIN)
    for _ in range(3):
        visit.enter(visit.wrong)
        visit.page.wait_for_selector("#code-error:not(:empty)")
    visit.reaches("ended")
    visit.focused("h1")
    button = visit.page.locator("form.resend button")
    assert re.fullmatch(r"Send a new code in 0:[0-3]\d", button.inner_text())
    button.evaluate("button => { button.querySelector('.clock').ends = 0; }")
    visit.page.wait_for_selector("form.resend button:text-is('Send a new code')")
    visit.focused("h1")
