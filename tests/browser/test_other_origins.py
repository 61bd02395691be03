"""A page of another origin signs people up: docs/contract.md, 5 and 5.3, and its guide's script."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs
import pytest
from playwright.sync_api import Browser, Error, Page

from tests.browser.conftest import House, OwnPages
from tests.browser.conftest import Open as OpenWindow
from tests.browser.visit import SIGNUP
from tests.e2e.production import pass_of

CALL: Final = """async ([service, name, told]) =>
    (await import(`/signup.js?${service}`))[name](...told)"""

FETCH: Final = """async ([url, options]) => {
    const answer = await fetch(url, options);
    const { status } = answer;
    return { status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
}"""

_people = itertools.count(1)


@attrs.frozen
class OwnPage:
    """A page of another origin in a browser of its own, and the service that it calls."""

    page: Page
    house: House
    phone: str

    def calls(self, name: str, *told: object) -> dict[str, Any]:
        """Call a function of the guide's script."""
        found: dict[str, Any] = self.page.evaluate(CALL, [self.house.origin, name, told])
        return found

    def fetches(self, path: str, **options: object) -> dict[str, Any]:
        """Request something as any script may; CORS decides what it sees."""
        url = self.house.origin + path
        found: dict[str, Any] = self.page.evaluate(FETCH, [url, options])
        return found

    @property
    def codes(self) -> list[str]:
        """The codes that were sent."""
        return [message.code for message in self.house.gateway.to(f"+91{self.phone}")]


Open = Callable[[House, str], OwnPage]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a page of an origin, in a private window, where no cookies of third parties are kept."""
    contexts = []

    def opened(house: House, origin: str) -> OwnPage:
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()
        page.goto(origin)
        return OwnPage(page, house, f"96{next(_people):08d}")

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(params=["one site by http", "two sites by https"])
def named(
    request: pytest.FixtureRequest,
    open_page: Open,
    own_pages: OwnPages,
    http_open_house: House,
    https_open_house: House,
) -> OwnPage:
    """A page of an origin that its service names."""
    if request.param == "one site by http":
        return open_page(http_open_house, own_pages.beside)
    return open_page(https_open_house, own_pages.elsewhere)


@pytest.fixture(params=["one site by http", "two sites by https"])
def unnamed(
    request: pytest.FixtureRequest,
    open_page: Open,
    own_pages: OwnPages,
    http_open_house: House,
    https_open_house: House,
) -> OwnPage:
    """A page of an origin that its service does not name."""
    if request.param == "one site by http":
        return open_page(https_open_house, own_pages.beside)
    return open_page(http_open_house, own_pages.elsewhere)


def other_than(code: str) -> str:
    """A wrong code."""
    return code[:-1] + str((int(code[-1]) + 1) % 10)


def test_a_page_of_a_named_origin_signs_up(named: OwnPage) -> None:
    """The whole way: a code, a wrong guess, the right one, a proof, and a known device."""
    sent = named.calls("sendCode", named.phone)
    assert (sent["success"], len(named.codes)) == (True, 1)
    session = sent["session_id"]
    wrong = named.calls("checkCode", session, other_than(named.codes[0]))
    assert (wrong["error"], wrong["attempts_remaining"]) == ("invalid_otp", 2)
    proved = named.calls("checkCode", session, named.codes[0])
    assert (proved["success"], proved["next_step"]) == (True, 2)
    assert proved["proof"].count(".") == 2
    # A stranger would have to wait for half a minute.
    known = {"device_token": proved["device_token"]}
    assert named.calls("sendCode", named.phone, known)["success"]
    assert len(named.codes) == 2


def test_a_page_that_has_lost_the_cookie(named: OwnPage) -> None:
    """The script fetches another token, and sends what it was to send."""
    assert named.calls("sendCode", "123")["error"] == "invalid_phone"
    named.page.context.clear_cookies()
    assert named.calls("sendCode", "123")["error"] == "invalid_phone"


def test_what_a_page_reads_of_refusals(named: OwnPage) -> None:
    """Status, body and the headers that clients need, of errors too."""
    me = named.fetches("/customer/me/", headers={"Authorization": "Bearer x"})
    assert me["status"] == 401
    assert me["headers"]["www-authenticate"] == 'Bearer error="invalid_token"'
    assert me["headers"]["x-request-id"]
    absent = named.fetches("/token/none/", method="POST", headers={"X-Request-Id": "r-1"})
    assert (absent["status"], absent["headers"]["x-request-id"]) == (404, "r-1")
    named.calls("sendCode", named.phone)
    token = named.fetches("/users/api/csrf/", credentials="include")
    again = named.fetches(
        "/users/api/send-otp/",
        method="POST",
        credentials="include",
        headers={
            "Content-Type": "application/json",
            "X-CSRFToken": token["body"].split('"')[3],
        },
        body=f'{{"phone": "{named.phone}"}}',
    )
    assert again["status"] == 429
    assert 0 < int(again["headers"]["retry-after"]) <= 30


def test_pass_login_from_a_named_origin(named: OwnPage) -> None:
    """No cookie is needed."""
    found = named.fetches(
        "/customer/validate-pass/",
        method="POST",
        headers={"Content-Type": "application/json"},
        body=f'{{"pass_code": "{pass_of(1)}"}}',
    )
    assert found["status"] == 200
    assert '"valid":true' in found["body"]


@pytest.mark.parametrize("path", ["/users/signup/", "/customer/login/", "/", "/healthz"])
def test_everything_else_stays_closed(named: OwnPage, path: str) -> None:
    """Pages and other routes are for no other origin."""
    with pytest.raises(Error, match="Failed to fetch"):
        named.fetches(path, credentials="include")


def test_a_page_of_another_origin_signs_nobody_up(unnamed: OwnPage) -> None:
    """Its script reads nothing, and what it sends without asking is refused."""
    with pytest.raises(Error, match="Failed to fetch"):
        unnamed.calls("sendCode", unnamed.phone)
    for path in ("/users/api/csrf/", "/customer/me/"):
        with pytest.raises(Error, match="Failed to fetch"):
            unnamed.fetches(path)
    sent = {"mode": "no-cors", "credentials": "include", "method": "POST"}
    blind = unnamed.fetches("/users/api/send-otp/", **sent, body=f'{{"phone":"{unnamed.phone}"}}')
    assert (blind["status"], blind["body"]) == (0, "")
    assert unnamed.codes == []


def test_the_services_own_pages_go_on(https_open_house: House, open_in: OpenWindow) -> None:
    """The cookie that pages of other sites need serves the service's own page as well."""
    own = open_in(https_open_house)
    own.to_code(SIGNUP)
    own.enter(own.code)
    own.reaches("verified")
