"""A browser, and a service in development mode that serves the app's screens."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import House, Prepared, browser, gateway, prepared
from tests.browser.visit import Visit
from tests.e2e.production import address, by
from tests.e2e.server import STRICT, Server
from tests.gateway import Gateway

__all__ = ["browser", "gateway", "prepared"]

APP: Final = "/app/"

Open = Callable[..., Visit]


@pytest.fixture(scope="session")
def house(
    tmp_path_factory: pytest.TempPathFactory,
    prepared: Prepared,
    gateway: Gateway,
) -> Iterator[House]:
    """The service with the contract's default limits, and a provider instead of the console."""
    with serve(tmp_path_factory.mktemp("house"), prepared, gateway) as found:
        yield found


@pytest.fixture(scope="module")
def hasty(
    tmp_path_factory: pytest.TempPathFactory,
    prepared: Prepared,
    gateway: Gateway,
) -> Iterator[House]:
    """A service with a wait of 3 s between codes, and more work than usual for the third."""
    given = STRICT | {"RESEND_COOLDOWN_SECONDS": "3", "WORK_SECONDS": "4"}
    with serve(tmp_path_factory.mktemp("hasty"), prepared, gateway, **given) as found:
        yield found


@contextmanager
def serve(folder: Path, prepared: Prepared, gateway: Gateway, **more: str) -> Iterator[House]:
    """Start a service in development mode with the settings *more*."""
    shutil.copytree(prepared.folder, folder, dirs_exist_ok=True)
    given = prepared.keys | by(twilio=gateway) | {"TRUSTED_PROXIES": "127.0.0.1/32"} | more
    with Server(folder, "dev", **given) as server:
        assert f"http://127.0.0.1:{server.port}{APP} " in server.output  # whoever starts it is told
        yield House(server, gateway)


_people = itertools.count(1)


@pytest.fixture
def visit(browser: Browser, house: House) -> Iterator[Open]:
    """Open the app of the service with the default limits."""
    yield from visits(browser, house)


@pytest.fixture
def hasty_visit(browser: Browser, hasty: House) -> Iterator[Open]:
    """Open the app of the hasty service."""
    yield from visits(browser, hasty)


def visits(browser: Browser, house: House) -> Iterator[Open]:
    """
    Open the app on a new phone, and check at the end what must hold for every visit.

    The console had only the browser's own lines about 4xx answers, nothing was loaded from
    another host, and URLs contained only the names of routes and files.
    """
    opened: list[Visit] = []

    def open_app(brand: str = "", **more: Any) -> Visit:  # noqa: ANN401 - what a browser can be told
        person = next(_people)
        told = {"locale": "en-US", "viewport": {"width": 375, "height": 720}} | more
        context = browser.new_context(
            extra_http_headers={"X-Forwarded-For": address(person)}, **told
        )
        context.set_default_timeout(10_000)
        found = Visit.open(context, house.gateway, house.origin, person, scripts=True)
        opened.append(found)
        found.go(f"{APP}?{brand}" if brand else APP)
        found.page.wait_for_selector("h1")
        return found

    yield open_app
    for one in opened:
        assert one.mishaps == []
        for request in one.requests:
            path = request.partition(" ")[2].removeprefix(one.origin)
            api = ("validate-pass", "send-otp", "verify-otp", "me")
            known = {f"/customer/{name}/" for name in api} | {"/token/refresh/", "/token/revoke/"}
            assert path in known or path.startswith(("/app/", "/static/icon.svg")), path
        one.page.context.close()
