"""A browser, a service in production mode, and a provider that keeps its messages."""

import itertools
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.visit import Visit
from tests.e2e.production import address, prepare, start
from tests.e2e.server import Server
from tests.gateway import Gateway

FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

PEOPLE: Final = 300

OPS_PASSWORD: Final = "correct horse battery staple"

_OPS: Final = re.compile(r"/ops/((live|story|sign-out)/?)?(\?([a-z]+=[A-Za-z_]+&?)*)?")
"""The operator's page, narrowed by words alone."""

Open = Callable[..., Visit]
"""Opens a window: of a new visitor, or another one of the same."""


@attrs.frozen
class House:
    """Where the service is, and what came of its messages."""

    server: Server
    gateway: Gateway

    @property
    def origin(self) -> str:
        """What addresses begin with."""
        return f"http://127.0.0.1:{self.server.port}"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    chromium = shutil.which("chromium")
    assert chromium, "there is no chromium on PATH: script/test-browser says how to get it"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield found
        found.close()


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """Plays the provider."""
    with Gateway() as found:
        yield found


@attrs.frozen
class Prepared:
    """Keys, and a folder with a database that knows the people."""

    folder: Path
    keys: dict[str, str]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Made by the commands."""
    folder = tmp_path_factory.mktemp("prepared")
    return Prepared(folder, prepare(folder, PEOPLE))


@pytest.fixture(scope="session")
def house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """The service with the numbers of the contract."""
    folder = tmp_path_factory.mktemp("house")
    yield from _serve(folder, prepared, gateway, SIGNUP_REGIONS="IN,ES,GB")


@pytest.fixture(scope="session")
def hasty_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """One whose codes live five seconds, have ten digits, and can be asked for every three."""
    yield from _serve(
        tmp_path_factory.mktemp("hasty"),
        prepared,
        gateway,
        LOGIN_CODE_SECONDS="5",
        SIGNUP_CODE_SECONDS="5",
        RESEND_COOLDOWN_SECONDS="3",
        CODE_DIGITS="10",
    )


@pytest.fixture(scope="session")
def https_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """One that is reached by https, as it thinks; for this machine's own address browsers agree."""
    folder = tmp_path_factory.mktemp("https")
    more = {"PUBLIC_URL": "https://otp.example.com", "OPS_PASSWORD": OPS_PASSWORD}
    yield from _serve(folder, prepared, gateway, **more)


@pytest.fixture(scope="session")
def ops_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """One with an operator's page."""
    folder = tmp_path_factory.mktemp("ops")
    yield from _serve(folder, prepared, gateway, OPS_PASSWORD=OPS_PASSWORD)


def _serve(folder: Path, prepared: Prepared, gateway: Gateway, **settings: str) -> Iterator[House]:
    shutil.copytree(prepared.folder, folder, dirs_exist_ok=True)
    given = {"PUBLIC_URL": "", "WORKERS": "1", **settings}
    with start(folder, prepared.keys, gateway, **given) as server:
        yield House(server, gateway)


_people = itertools.count(1)
"""Nobody visits twice, so that no limit of one test is felt by another."""


@pytest.fixture
def open_in(browser: Browser) -> Iterator[Open]:
    """
    Opens windows, and holds each in the end to what is true of all.

    Nothing stood in the console but its own lines about answers of 4xx, nothing came from
    elsewhere, and no address held anything but the names of pages and files.
    """
    contexts = []
    visits: list[Visit] = []

    def open_window(
        house: House,
        *,
        beside: Visit | None = None,
        scripts: bool = True,
        **more: Any,  # noqa: ANN401 - what a browser can be told
    ) -> Visit:
        if beside:
            context, person = beside.page.context, beside.person
        else:
            person = next(_people)
            more.setdefault("locale", "en-US")
            context = browser.new_context(
                java_script_enabled=scripts,
                extra_http_headers={"X-Forwarded-For": address(person)},
                **more,
            )
            context.set_default_timeout(10_000)
            contexts.append(context)
        visit = Visit.open(context, house.gateway, house.origin, person, scripts=scripts)
        visits.append(visit)
        return visit

    yield open_window
    for visit in visits:
        assert visit.mishaps == []
        for request in visit.requests:
            _, _, url = request.partition(" ")
            path = url.removeprefix(visit.origin)
            assert path != url, "it went elsewhere"
            known = ("/", "/customer/login/", "/users/signup/", "/language/")
            api = ("/users/api/send-otp/", "/users/api/verify-otp/")
            files = path.startswith(("/static/", "/ops/static/"))
            assert path in (*known, *api) or files or _OPS.fullmatch(path), path
    for context in contexts:
        context.close()
