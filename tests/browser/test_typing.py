"""What pages do with pass codes, numbers and codes while they are typed: docs/contract.md, 5.4."""

from typing import Final

import pytest
from playwright.sync_api import Locator

from tests.browser.conftest import House, Open
from tests.browser.visit import LOGIN, SIGNUP, Visit

BOTH = pytest.mark.parametrize("path", [LOGIN, SIGNUP])
HOWEVER = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])

CARET: Final = "input => [input.selectionStart, input.selectionEnd]"
BOXES: Final = "boxes => boxes.map(box => box.classList.contains('here'))"


def caret(field: Locator) -> int:
    """Where the next character goes."""
    start, end = field.evaluate(CARET)
    assert start == end
    return int(start)


def here(visit: Visit) -> list[int]:
    """Which of the boxes for a code is the active one."""
    marked: list[bool] = visit.page.locator(".code i").evaluate_all(BOXES)
    return [place for place, is_here in enumerate(marked) if is_here]


# The pass code


@HOWEVER
@pytest.mark.parametrize("typed", ["{0}{1}", "HSP {0} {1}", "hsp{0}{1}", "{0}\u2014{1}"])
def test_a_pass_code_as_people_type_it(
    house: House, open_in: Open, typed: str, *, scripts: bool
) -> None:
    """With or without the letters and the dashes, and with dashes of any kind."""
    visit = open_in(house, scripts=scripts)
    visit.go(LOGIN)
    _, first, last = visit.pass_code.split("-")
    visit.focused("#pass_code")
    visit.type(typed.format(first, last))
    if scripts:
        assert visit.page.input_value("#pass_code") == visit.pass_code
    visit.press("Enter")
    visit.reaches("code")
    assert len(visit.messages) == 1


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        *(("h", "H"), ("hsp", "HSP"), ("hsp-", "HSP-"), ("hsp2", "HSP-2"), ("2", "HSP-2")),
        *(("2000", "HSP-2000"), ("2000-", "HSP-2000-"), ("20000", "HSP-2000-0")),
        *(("१२", "HSP-12"), ("pass", "pass"), ("200000159", "HSP-2000-00159")),
    ],
)
def test_a_pass_code_is_formatted_while_it_is_typed(
    house: House, open_in: Open, typed: str, shown: str
) -> None:
    """Dashes come with the digits they stand between; other text is left alone."""
    visit = open_in(house)
    visit.go(LOGIN)
    visit.focused("#pass_code")
    visit.type(typed)
    assert visit.page.input_value("#pass_code") == shown


def test_the_caret_stays_where_it_was(house: House, open_in: Open) -> None:
    """A digit in the middle is corrected in place, and nothing has to be deleted twice."""
    visit = open_in(house)
    visit.go(LOGIN)
    field = visit.page.locator("#pass_code")
    visit.focused("#pass_code")
    visit.type("20000015")
    visit.press("ArrowLeft", "ArrowLeft", "Backspace")
    assert (field.input_value(), caret(field)) == ("HSP-2000-015", 10)
    visit.type("7")
    assert (field.input_value(), caret(field)) == ("HSP-2000-0715", 11)
    visit.press("Home", "ArrowRight", "ArrowRight", "ArrowRight", "Delete")
    assert (field.input_value(), caret(field)) == ("HSP-2000-0715", 4)
    visit.press("Delete")
    assert (field.input_value(), caret(field)) == ("HSP-0000-715", 4)
    visit.press("Control+a")
    visit.type("1")
    assert (field.input_value(), caret(field)) == ("HSP-1", 5)
    for left in ("HSP-", "HSP", "HS", "H", ""):
        visit.press("Backspace")
        assert field.input_value() == left


def test_a_pass_code_that_is_pasted(house: House, open_in: Open) -> None:
    """Spaces around it and dashes of another kind are put right at once."""
    visit = open_in(house, permissions=["clipboard-read", "clipboard-write"])
    visit.go(LOGIN)
    visit.focused("#pass_code")
    text = visit.pass_code.replace("-", "\u2011")
    visit.page.evaluate("text => navigator.clipboard.writeText(text)", f" {text}\u200b ")
    visit.press("Control+v")
    assert visit.page.input_value("#pass_code") == visit.pass_code


def test_a_keyboard_that_composes(house: House, open_in: Open) -> None:
    """Keyboards like Android's hold a word until it is complete; only then it is formatted."""
    visit = open_in(house)
    visit.go(LOGIN)
    visit.focused("#pass_code")
    keyboard = visit.page.context.new_cdp_session(visit.page)
    for text in ("h", "hs", "hsp", "hsp2"):
        place = {"selectionStart": len(text), "selectionEnd": len(text)}
        keyboard.send("Input.imeSetComposition", {"text": text, **place})
        assert visit.page.input_value("#pass_code") == text
    keyboard.send("Input.insertText", {"text": "hsp2"})
    assert visit.page.input_value("#pass_code") == "HSP-2"
    visit.type("0000015")
    assert visit.page.input_value("#pass_code") == "HSP-2000-0015"


# The number


@HOWEVER
def test_one_country(eager_house: House, open_in: Open, *, scripts: bool) -> None:
    """Its calling code stands before the field instead of a list, with an example below it."""
    visit = open_in(eager_house, scripts=scripts)
    visit.go(SIGNUP)
    assert visit.page.locator("select").count() == 0
    assert visit.page.inner_text(".prefix") == "+91"
    assert visit.page.inner_text("#phone-hint") == "For example, 81234 56789"
    visit.focused("#phone")
    visit.type(visit.number)
    number = f"{visit.number[:5]} {visit.number[5:]}" if scripts else visit.number
    assert visit.page.input_value("#phone") == number
    visit.press("Enter")
    visit.reaches("code")
    assert len(visit.messages) == 1


@pytest.mark.parametrize(
    ("region", "typed", "shown"),
    [
        ("IN", "9876543210", "98765 43210"),
        ("IN", "09876543210", "098765 43210"),
        ("IN", "98-76", "9876"),
        ("IN", "९८७६५४", "९८७६५ ४"),
        ("IN", "98765.43210.0", "98765.43210.0"),
        ("IN", "+4474001", "+4474001"),
        ("IN", "919876543210", "919876543210"),
        ("ES", "612345678", "612 34 56 78"),
        ("GB", "07400123456", "07400 123456"),
        ("GB", "7400123456", "7400 123456"),
    ],
)
def test_a_number_is_formatted_while_it_is_typed(
    house: House, open_in: Open, region: str, typed: str, shown: str
) -> None:
    """In the groups of its country; one with a calling code is left as it is."""
    visit = open_in(house)
    visit.go(SIGNUP)
    visit.page.select_option("#region", region)
    visit.page.focus("#phone")
    visit.type(typed)
    assert visit.page.input_value("#phone") == shown


def test_the_example_is_of_the_chosen_country(house: House, open_in: Open) -> None:
    """It changes with the list."""
    visit = open_in(house)
    visit.go(SIGNUP)
    for region, example in (("IN", "81234 56789"), ("ES", "612 34 56 78"), ("GB", "7400 123456")):
        visit.page.select_option("#region", region)
        assert visit.page.inner_text("#phone-hint") == f"For example, {example}"


# The boxes of the code


@BOTH
def test_the_active_box(house: House, open_in: Open, path: str) -> None:
    """The box of the next digit is marked and has a caret, as long as the field has the focus."""
    visit = open_in(house)
    visit.to_code(path)
    visit.focused("#code")
    assert here(visit) == [0]
    visit.type("12")
    assert here(visit) == [2]
    caret_drawn = "getComputedStyle(document.querySelector('.code i.here'), '::after').content"
    assert visit.page.evaluate(caret_drawn) == '""'
    visit.press("ArrowLeft")
    visit.page.wait_for_selector(".code i:nth-of-type(2).here")
    assert visit.page.evaluate(caret_drawn) == "none"
    visit.press("Tab")
    visit.page.wait_for_selector(".code:not(:has(.here))")


@BOTH
def test_an_error_empties_the_boxes(house: House, open_in: Open, path: str) -> None:
    """It says what to do, and the first box has the focus again."""
    visit = open_in(house)
    visit.to_code(path)
    visit.enter(visit.wrong)
    assert visit.told("code") == (
        "This code is wrong. Please check the code and try again. 2 attempts left."
    )
    visit.focused("#code[aria-invalid=true]")
    assert visit.page.input_value("#code") == ""
    assert here(visit) == [0]
    visit.type("12345")
    visit.press("Enter")
    visit.page.wait_for_selector("#code-error:has-text('all the digits')")
    assert visit.page.input_value("#code") == ""
    assert here(visit) == [0]
