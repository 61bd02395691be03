"""The page that describes the API, where its routes can be tried out: docs/contract.md, 5.4."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import House, Prepared, serve
from tests.gateway import Gateway


@pytest.fixture
def described_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """A service that shows its description."""
    yield from serve(
        tmp_path_factory.mktemp("described"), prepared, gateway, DOCS="true", SIGNUP_REGIONS="IN"
    )


def test_signup_can_be_tried_out(described_house: House, browser: Browser) -> None:
    """The page fetches the CSRF token that signup asks for, and sends it along."""
    context = browser.new_context(extra_http_headers={"X-Forwarded-For": "192.0.2.1"})
    page = context.new_page()
    page.goto(f"{described_house.origin}/docs")
    page.get_by_text("carries a CSRF token twice").wait_for()
    route = page.locator("#operations-signup-signupSendOtp")
    route.locator(".opblock-summary-control").click()
    route.get_by_role("button", name="Try it out").click()
    assert context.cookies() == []
    with page.expect_response("**/users/api/send-otp/") as answered:
        route.get_by_role("button", name="Execute").click()
    assert answered.value.status == 200
    (token,) = [one["value"] for one in context.cookies() if one["name"] == "csrftoken"]
    assert answered.value.request.headers["x-csrftoken"] == token
    context.close()
