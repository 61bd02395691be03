"""The operator's page over a day of traffic with an attack in it: docs/ops.md."""

import re
import sqlite3
import time
from contextlib import closing
from typing import Any, Final

import attrs
import pytest
from playwright.sync_api import Page

from hsp_otp.adapters.secret_keys import NUMBER_FINGERPRINTS, ops_ring, parse_secret_keys, ring
from hsp_otp.domain.instant import HOUR, MINUTE, Instant
from tests.browser.conftest import OPERATOR, OPS_PASSWORD, House, Open, Prepared
from tests.browser.visit import LOGIN, Visit, at_every_width, shut_out, sideways
from tests.day import Day, fingerprint, statements

OPS: Final = "/ops/"
COOKIE: Final = "hsp_otp_ops"

REFRESH: Final = "document.dispatchEvent(new Event('visibilitychange'))"


@attrs.frozen
class Busy:
    """
    A service whose database remembers a day.

    Attributes:
        keys: Its secret keys, as they are set.
    """

    house: House
    day: Day
    keys: str

    def write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Put rows into the database."""
        file = self.house.server.folder / "hsp-otp.db"
        with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
            connection.executemany(statement, rows)

    def cookie(self, minutes: int) -> str:
        """The cookie of a session that was used so many minutes ago."""
        used = self.day.ends - minutes * MINUTE
        sealing = ops_ring(parse_secret_keys(self.keys), OPS_PASSWORD)
        return sealing.seal(f"{used}.{used}.{'x' * 22}")


@pytest.fixture(scope="module")
def busy(ops_house: House, prepared: Prepared) -> Busy:
    """An attack goes on."""
    now = Instant(time.time_ns() // 1000)  # noqa: TID251 - the service's own clock is it
    busy = Busy(ops_house, Day(now, attack=(2 * HOUR, 5 * MINUTE)), prepared.keys["SECRET_KEYS"])
    for statement, rows in statements(busy.day):
        busy.write(statement, rows)
    return busy


def sign_in(visit: Visit, password: str = OPS_PASSWORD) -> None:
    """Go to the door and type a password."""
    visit.go(OPS)
    visit.focused("#password")
    visit.type(password)
    visit.press("Enter")


def inside(busy: Busy, open_in: Open, **more: Any) -> Visit:  # noqa: ANN401 - of the browser
    """Somebody who is in."""
    visit: Visit = open_in(busy.house, **more)
    visit.go(OPS)
    visit.page.fill("#password", OPS_PASSWORD)
    visit.page.click("button")
    visit.page.wait_for_selector("#live")
    return visit


def figure(page: Page, name: str) -> int:
    """A number of the funnel."""
    card = page.locator(".figures li", has=page.get_by_text(name, exact=True))
    return int(card.locator(".count").inner_text().replace(",", ""))


def test_every_state(busy: Busy, open_in: Open) -> None:
    """By axe, in both schemes and at every width, without a scroll to the side."""
    visit = open_in(busy.house)
    mistakes: list[str] = []

    def look(state: str) -> None:
        if (wide := sideways(visit)) > 0:
            mistakes.append(f"{state}: {wide} px too wide")
        mistakes.extend(f"{state}: {one}" for one in shut_out(visit))

    def see(name: str) -> None:
        at_every_width(visit, name, look)

    visit.go(OPS)
    see("ops-door")
    sign_in(visit, "wrong")
    visit.page.wait_for_selector("#password-error")
    see("ops-door-wrong")
    sign_in(visit)
    visit.page.wait_for_selector("#live")
    see("ops")
    # At once, since the page is renewed meanwhile.
    visit.page.evaluate("document.querySelectorAll('summary').forEach(one => one.click())")
    see("ops-numbers")
    visit.page.click("#range-hour")
    visit.page.wait_for_selector("#range-hour[aria-current]")
    see("ops-hour")
    visit.page.fill("#contact", "12")
    visit.press("Enter")
    visit.page.wait_for_selector("#contact-error")
    see("ops-story-refused")
    visit.page.fill("#contact", visit.number)
    visit.press("Enter")
    visit.page.wait_for_selector("#story-title")
    see("ops-story")
    assert mistakes == []


def test_every_state_with_names(named_house: House, open_in: Open) -> None:
    """The door asks for a name, the page says who is in, and that nobody reports deliveries."""
    visit = open_in(named_house)
    mistakes: list[str] = []

    def look(state: str) -> None:
        if (wide := sideways(visit)) > 0:
            mistakes.append(f"{state}: {wide} px too wide")
        mistakes.extend(f"{state}: {one}" for one in shut_out(visit))

    visit.go(OPS)
    visit.focused("#username")
    at_every_width(visit, "ops-named-door", look)
    for password, next_one in (("wrong", "#password-error"), (OPS_PASSWORD, "#live")):
        visit.page.fill("#username", OPERATOR.title())
        visit.page.fill("#password", password)
        visit.press("Enter")
        visit.page.wait_for_selector(next_one)
        at_every_width(visit, f"ops-named{next_one[1:]}", look)
    assert visit.page.inner_text("form.out p") == OPERATOR
    card = visit.page.locator(".figures li", has_text="Delivered")
    assert card.locator(".count").inner_text() == "not reported"
    assert mistakes == []


def test_copying(busy: Busy, open_in: Open) -> None:
    """By mouse and by keyboard, in the panel and in a story; what was copied is said aloud."""
    visit = inside(busy, open_in, permissions=["clipboard-read", "clipboard-write"])
    page = visit.page
    command = page.locator(".alarms .copy").nth(1)
    text = command.get_attribute("data-copy")
    assert text
    assert text.startswith("hsp-otp audit range --fingerprint ")
    command.click()
    page.wait_for_function(
        "text => document.querySelector('#said').textContent === text", arg=f"Copied: {text}"
    )
    assert page.evaluate("navigator.clipboard.readText()") == text
    assert command.inner_text().startswith("Copied\nthe command hsp-otp audit range ")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.copy span')]"
        ".every(one => one.textContent !== 'Copied')"
    )
    # The focus stays on a button when new figures come.
    page.focus("#copy-addresses-1")
    page.evaluate("document.activeElement.dataset.before = 'yes'")
    page.evaluate(REFRESH)
    page.wait_for_function(
        "() => document.activeElement.id === 'copy-addresses-1'"
        " && !document.activeElement.dataset.before"
    )
    visit.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('#said').textContent.match(/^Copied: [0-9.]+$/)"
    )
    page.fill("#contact", visit.number)
    visit.press("Enter")
    page.wait_for_selector("#story-title")
    button = page.locator(".story .copy").last
    request_id = button.get_attribute("data-copy")
    button.focus()
    visit.press("Space")
    page.wait_for_function(
        "text => document.querySelector('#said').textContent === text", arg=f"Copied: {request_id}"
    )
    assert page.evaluate("navigator.clipboard.readText()") == request_id


def test_copying_without_https(busy: Busy, open_in: Open) -> None:
    """Where the browser lends no clipboard, the older way copies, and the focus comes back."""
    visit = inside(busy, open_in)
    page = visit.page
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.focus(".alarms .copy >> nth=1")
    visit.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('#said').textContent.startsWith('Copied: hsp-otp')"
    )
    assert page.evaluate("document.activeElement.className") == "copy"
    page.evaluate("document.execCommand = () => false")
    visit.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('#said').textContent.startsWith('It could not')"
    )


def test_one_form_of_time(busy: Busy, open_in: Open) -> None:
    """Panel, header and tables tell time alike: year, month, day, hour, minute, in UTC."""
    page = inside(busy, open_in).page
    form = r"2[0-9]{3}-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]"
    for when in page.locator(".alarms .when").all_inner_texts():
        assert re.match(rf"{form}:[0-9]{{2}} to {form}:[0-9]{{2}} UTC", when)
    assert re.search(rf"As of\s+{form}:[0-9]{{2}}\s+UTC", page.inner_text(".asof"))
    page.click("#funnel-numbers summary")
    head, first = page.inner_text("#funnel-numbers thead"), page.inner_text("#funnel-numbers tbody")
    assert head.startswith("UTC")
    assert re.match(form, first)


@pytest.mark.parametrize("width", [390, 1280])
def test_what_stands_in_line(busy: Busy, open_in: Open, width: int) -> None:
    """The counts of a row are at one height, and errors begin below their heading."""
    page = inside(busy, open_in, viewport={"width": width, "height": 800}).page
    rows: dict[float, set[float]] = {}
    for card in page.locator(".stages li").all():
        box, count = card.bounding_box(), card.locator(".count").bounding_box()
        assert box
        assert count
        rows.setdefault(box["y"], set()).add(count["y"])
    assert [len(heights) for heights in rows.values()] == [1] * len(rows)
    aligned = page.locator(".words :is(th, td):nth-child(2)").evaluate_all(
        "all => all.map(one => getComputedStyle(one).textAlign)"
    )
    assert len(aligned) > 1
    assert set(aligned) == {"start"}


def test_the_attack_at_a_glance(busy: Busy, open_in: Open) -> None:
    """Without scrolling it is said that there is one, how large, and where it comes from."""
    visit = inside(busy, open_in, viewport={"width": 1280, "height": 800})
    alarm = visit.page.locator(".alarms")
    box = alarm.bounding_box()
    assert box is not None
    assert box["y"] < 200
    text = alarm.inner_text()
    assert "This looks like an attack" in text
    assert "times as many as usual" in text
    assert "in one range in Latvia" in text
    assert "203.0.113.7" in text
    # And the time of it is marked in the pictures.
    assert visit.page.locator("#live svg .mark").count() == 3
    counts = [figure(visit.page, name) for name in ("Asked for", "Sent", "Verified")]
    assert counts[0] > counts[1] > counts[2] > 0
    # In the country that nobody attacks there is none.
    visit.page.click("#country-IN")
    visit.page.wait_for_selector("#country-IN[aria-current]")
    assert "times as many as usual" not in visit.page.locator("#live").inner_text()


def test_wrong_and_right(busy: Busy, open_in: Open) -> None:
    """A wrong password stays outside, the right one leads in, and out again."""
    visit = open_in(busy.house)
    sign_in(visit, "wrong")
    assert visit.page.inner_text("#password-error") == "This password is wrong."
    visit.focused("#password")
    sign_in(visit)
    visit.page.wait_for_selector("#live")
    held = visit.page.context.cookies()
    visit.page.get_by_role("button", name="Sign out").click()
    visit.page.wait_for_selector("#password")
    visit.page.context.add_cookies([one for one in held if one["name"] == COOKIE])  # type: ignore[misc]
    visit.go(OPS)
    visit.page.wait_for_selector("#password")


def test_in_and_out_by_https(https_house: House, open_in: Open) -> None:
    """The page works by the cookie that no neighbour can plant."""
    visit = open_in(https_house)
    sign_in(visit)
    visit.page.wait_for_selector("#live")
    assert f"__Host-{COOKIE}" in [one["name"] for one in visit.page.context.cookies()]
    visit.page.fill("#contact", "9812345678")
    visit.page.get_by_role("button", name="Show its history").click()
    visit.page.wait_for_selector("#story-title")
    visit.page.get_by_role("button", name="Sign out").click()
    visit.page.wait_for_selector("#password")


def test_too_many(busy: Busy, open_in: Open) -> None:
    """After five wrong ones the page says when to try again."""
    visit = open_in(busy.house)
    for _ in range(6):
        sign_in(visit, "wrong")
        visit.page.wait_for_selector("#password-error")
    told = visit.page.inner_text("#password-error")
    assert re.fullmatch(r"Too many wrong passwords\. Try again in 1[45] minutes\.", told)


def test_an_expired_session(busy: Busy, open_in: Open) -> None:
    """It is no session; where the page is open meanwhile, it leads to the door by itself."""
    visit = inside(busy, open_in)
    where = {"name": COOKIE, "domain": "127.0.0.1", "path": "/ops"}
    visit.page.context.add_cookies([{**where, "value": busy.cookie(31)}])  # type: ignore[typeddict-item]
    visit.page.evaluate(REFRESH)
    visit.page.wait_for_selector("#password")
    visit.page.context.add_cookies([{**where, "value": busy.cookie(31)}])  # type: ignore[typeddict-item]
    visit.go(OPS)
    visit.page.wait_for_selector("#password")
    # One that is not over, made alike, is a session.
    visit.page.context.add_cookies([{**where, "value": busy.cookie(1)}])  # type: ignore[typeddict-item]
    visit.go(OPS)
    visit.page.wait_for_selector("#live")


@pytest.mark.parametrize("form", ["form.out", "form.search"])
def test_a_forged_token(busy: Busy, open_in: Open, form: str) -> None:
    """A form that another site could have sent is refused, and the session goes on."""
    visit = inside(busy, open_in)
    visit.page.evaluate(
        "form => { form = document.querySelector(form);"
        " form.csrftoken.value = form.csrftoken.value.slice(0, -1) + 'x';"
        " if (form.phone) form.phone.value = '9812345678'; form.submit(); }",
        form,
    )
    visit.page.wait_for_selector("[role=alert]")
    assert "****" not in visit.page.inner_text("body")
    visit.go(OPS)
    visit.page.wait_for_selector("#live")


def test_a_click_is_not_lost_to_new_figures(busy: Busy, open_in: Open) -> None:
    """What is pressed when they come is still there when it is let go."""
    page = inside(busy, open_in).page
    page.hover("#range-hour")
    with page.expect_response(lambda answer: "/ops/live" in answer.url, timeout=40_000) as coming:
        page.mouse.down()
    coming.value.finished()
    page.mouse.up()
    page.wait_for_selector("#range-hour[aria-current]")


def test_it_is_live(busy: Busy, open_in: Open) -> None:
    """New traffic appears by itself; what was open, scrolled to and focused stays so."""
    visit = inside(busy, open_in)
    page = visit.page
    page.click("#funnel-numbers summary")
    page.focus("#range-day")
    page.evaluate("document.querySelector('#funnel-numbers .scroll').scrollTop = 300")
    page.fill("#contact", "98")
    page.focus("#range-day")
    top = page.evaluate("scrollTo(0, 400), scrollY")
    before = figure(page, "Sent")
    now = time.time_ns() // 1000  # noqa: TID251 - the service's own clock is it
    busy.write(
        "INSERT INTO audit (at, flow, purpose, action, outcome, client, request_id, contact,"
        " region, contact_fingerprint, range_fingerprint, count)"
        " VALUES (?, 'signup', 'signup', 'send', 'sent', '192.0.2.1', ?, '***-***-1234', 'IN',"
        " ?, ?, 1)",
        [(now, f"r{place}", fingerprint(f"{place}"), fingerprint("")) for place in range(7)],
    )
    page.wait_for_function(
        "many => [...document.querySelectorAll('.figures .count')]"
        ".some(one => one.textContent === many)",
        arg=f"{before + 7:,}",
        timeout=40_000,
    )
    assert page.evaluate("document.activeElement.id") == "range-day"
    assert page.evaluate("document.querySelector('#funnel-numbers').open")
    assert page.evaluate("document.querySelector('#funnel-numbers .scroll').scrollTop") == 300
    assert page.evaluate("scrollY") == top
    assert page.input_value("#contact") == "98"


def test_it_works_without_scripts(busy: Busy, open_in: Open) -> None:
    """All of it but that it comes by itself."""
    visit = inside(busy, open_in, scripts=False)
    visit.page.click("#range-hour")
    visit.page.wait_for_selector("#range-hour[aria-current]")
    visit.page.fill("#contact", visit.number)
    visit.page.get_by_role("button", name="Show its history").click()
    assert visit.page.inner_text("#story-title").startswith("***-***-")
    visit.page.click("text=Back to the overview")
    visit.page.get_by_role("button", name="Sign out").click()
    visit.page.wait_for_selector("#password")


def test_a_story_of_an_address(busy: Busy, open_in: Open) -> None:
    """An e-mail address is searched for as typed, with its channel told, and shown masked."""
    keys = ring(parse_secret_keys(busy.keys), NUMBER_FINGERPRINTS)
    told = {
        "at": busy.day.ends,
        "flow": "verification",
        "purpose": "email_verification",
        "action": "send",
        "outcome": "sent",
        "app": "shop",
        "contact": "a***@example.com",
        "contact_fingerprint": keys.fingerprint("asha.rao@example.com"),
        "range_fingerprint": keys.fingerprint("example.com"),
        "sender": "smtp",
        "channel": "email",
        "count": 1,
    }
    marks = ", ".join("?" * len(told))
    busy.write(
        f"INSERT INTO audit ({', '.join(told)}) VALUES ({marks})",  # noqa: S608 - the names above
        [tuple(told.values())],
    )
    visit = inside(busy, open_in)
    visit.page.fill("#contact", "asha.rao@")
    visit.press("Enter")
    assert "not an e-mail address" in visit.page.inner_text("#contact-error")
    assert shut_out(visit) == []
    visit.page.fill("#contact", "Asha.Rao@Example.com")
    visit.press("Enter")
    visit.page.wait_for_selector("#story-title")
    assert visit.page.inner_text("#story-title") == "a***@example.com"
    story = visit.page.inner_text(".story")
    assert "asked for a code by e-mail: sent, through smtp, for the app shop" in story
    assert "an operator viewed its history" in story
    assert "asha.rao" not in visit.page.content().lower()
    assert "asha" not in visit.page.url


def test_a_story_and_no_secrets(busy: Busy, open_in: Open) -> None:
    """Somebody's sign-in is told, the sender that took the message too, and nothing secret."""
    customer = open_in(busy.house)
    customer.to_code(LOGIN)
    code = customer.code
    customer.enter(code)
    customer.reaches("in")
    visit = inside(busy, open_in)
    seen = [visit.page.content()]
    for word in ("hour", "week", "day"):
        visit.page.click(f"#range-{word}")
        visit.page.wait_for_selector(f"#range-{word}[aria-current]")
        seen.append(visit.page.content())
    sender = visit.page.locator(".health li", has_text="twilio")
    assert re.search(r"accepted\s+[1-9]", sender.inner_text())
    visit.page.fill("#contact", customer.number)
    visit.press("Enter")
    visit.page.wait_for_selector("#story-title")
    assert visit.page.inner_text("#story-title") == f"***-***-{customer.number[-4:]} IN"
    story = visit.page.inner_text(".story")
    assert "asked for a code on a device that is not known: sent, through twilio" in story
    assert "presented a code on a device that is not known: it was right" in story
    assert "an operator viewed its history" in story
    seen.append(visit.page.content())
    (session,) = (one["value"] for one in visit.page.context.cookies() if one["name"] == COOKIE)
    secrets = {code, customer.pass_code, customer.number, OPS_PASSWORD, session}
    secrets |= {number[1:] for number in busy.day.numbers}
    secrets |= {number[3:] for number in busy.day.numbers}
    for page in seen:
        assert not [one for one in secrets if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", page)]
