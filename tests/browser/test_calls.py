"""A call instead of a text message: docs/contract.md, section 5."""

import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.browser.conftest import House, Open, Prepared, serve
from tests.browser.test_pages_in_a_browser import LANGUAGES
from tests.browser.test_ways import ARRIVED, BOTH, HOWEVER
from tests.browser.visit import LOGIN, SIGNUP, Visit, at_every_width, shut_out, sideways
from tests.e2e.server import STRICT
from tests.gateway import Gateway

BUTTON: Final = "button[value=call]"
CALLS: Final = {"MODE": "development", "SENDERS": "twilio,console-voice"}
"""A sender of calls that prints what it says."""


@pytest.fixture(scope="module")
def calling_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """A service with calls and the contract's default limits."""
    folder = tmp_path_factory.mktemp("calling")
    yield from serve(folder, prepared, gateway, **CALLS, **STRICT)


@pytest.fixture(scope="module")
def hasty_calling_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """A service that calls at once."""
    folder = tmp_path_factory.mktemp("hasty-calling")
    yield from serve(folder, prepared, gateway, **CALLS, RESEND_COOLDOWN_SECONDS="0")


def heard(house: House, visit: Visit) -> str:
    """Return the code that the only call to the visitor's phone has said."""
    calls: list[str] = re.findall(
        rf"\| Call to \+91{visit.number} +\|\n\| +\|\n\| .* code is ((?:\d, )+\d)\.",
        house.server.output,
    )
    (said,) = calls
    return said.replace(", ", "")


@BOTH
@HOWEVER
def test_a_call_brings_the_code(
    hasty_calling_house: House, open_in: Open, path: str, *, scripts: bool
) -> None:
    """The page says that the phone rings, the older code is over, and the new one is right."""
    visit = open_in(hasty_calling_house, scripts=scripts)
    visit.to_code(path)
    visit.page.click(f"{BUTTON}:text-is('Call me instead')")
    visit.page.wait_for_selector("text=We are calling you.")
    visit.reaches("code")
    assert len(visit.messages) == 1
    visit.page.reload()
    visit.page.wait_for_selector("text=Press a key during the call to hear the code.")
    code = heard(hasty_calling_house, visit)
    visit.enter(code)
    visit.reaches(ARRIVED[path])


@BOTH
def test_the_button_counts_down(calling_house: House, open_in: Open, path: str) -> None:
    """It waits for a minute, longer than the button for a message, and cannot be pressed before."""
    visit = open_in(calling_house)
    visit.to_code(path)
    button = visit.page.locator(BUTTON)
    assert re.fullmatch(r"Call me in (1:00|0:[345]\d)", button.inner_text())
    assert button.get_attribute("aria-disabled") == "true"
    sent = len(visit.posts)
    button.click(force=True)
    assert len(visit.posts) == sent
    button.evaluate("button => { button.querySelector('.clock').ends = 0; }")
    visit.page.wait_for_selector(f"{BUTTON}:text-is('Call me instead')")
    assert button.get_attribute("aria-disabled") == "false"
    message = visit.page.locator("form.resend button").first
    assert message.inner_text().startswith("Send a new code in 0:")


@BOTH
@HOWEVER
def test_a_call_too_early(calling_house: House, open_in: Open, path: str, *, scripts: bool) -> None:
    """The service itself holds to the minute, and the button shows the time left."""
    visit = open_in(calling_house, scripts=scripts)
    visit.to_code(path)
    if scripts:
        clock = visit.page.locator(f"{BUTTON} .clock")
        clock.evaluate("clock => { clock.ends = 0; }")
    visit.page.click(f"{BUTTON}:text-is('Call me instead')")
    assert visit.told("call").startswith("A code is on its way.")
    waits = r"Call me in" if scripts else r"You can ask for a call in"
    wait = visit.page.locator(BUTTON if scripts else "#call-wait")
    assert re.match(rf"{waits} (1:00|0:[345]\d)", wait.inner_text())
    visit.enter(visit.code)
    visit.reaches(ARRIVED[path])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("path", [LOGIN, SIGNUP])
@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_is_shut_out_of_calls(
    calling_house: House, open_in: Open, language: str, path: str
) -> None:
    """The button while it waits, once it can be pressed, and once refused is accessible."""
    visit = open_in(calling_house, locale=LANGUAGES[language], reduced_motion="reduce")
    found: list[str] = []

    def judge(seen: str) -> None:
        if sideways(visit) > 0:
            found.append(f"{seen}: {sideways(visit)} pixels too wide")
        if seen.endswith("320"):
            found.extend(f"{seen}: {one}" for one in shut_out(visit))

    name = f"call-{language}{path.replace('/', '-')}"
    visit.to_code(path)
    at_every_width(visit, f"{name}waits", judge)
    visit.page.locator(f"{BUTTON} .clock").evaluate("clock => { clock.ends = 0; }")
    visit.page.wait_for_selector(f"{BUTTON}:not([data-held])")
    at_every_width(visit, f"{name}ready", judge)
    visit.page.click(BUTTON)
    visit.told("call")
    at_every_width(visit, f"{name}refused", judge)
    assert found == []
