"""A browser, a service in production mode, and a provider that keeps its messages."""

import itertools
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from playwright.sync_api import Browser, sync_playwright

from hsp_otp.adapters.operator_accounts import new_account, text_of
from hsp_otp.entrypoints.private_files import write_private_file
from tests.browser.other_site import OtherSite
from tests.browser.visit import Visit
from tests.e2e.production import address, prepare, start
from tests.e2e.server import STRICT, Server, command
from tests.gateway import Gateway

PLAIN_HOST: Final = "otp.example"
"""Leads to this machine, and is no secure context as this machine's own names are."""

FLAGS: Final = (
    f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1",
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

PEOPLE: Final = 300

OPS_PASSWORD: Final = "correct horse battery staple"
OPERATOR: Final = "asha"
"""An operator with a name, whose password is the same."""

_OPS: Final = re.compile(r"/ops/((live|story|sign-out)/?)?(\?([a-z]+=[A-Za-z_]+&?)*)?")
"""URLs of the operators' page, with only words as filters."""

_NAMED: Final = re.compile(r"/nowhere/|/(customer/login|users/signup)/\?state=[a-z0-9]+")
"""The path of no page, and the links of another site."""

Open = Callable[..., Visit]
"""Opens a window, for a new visitor or for the same one."""


@attrs.frozen
class House:
    """
    A running service and the gateway with its messages.

    Attributes:
        other_site: The site that its pages lead back to, if there is one.
        api_key: The key of that site's backend.
    """

    server: Server
    gateway: Gateway
    other_site: OtherSite | None = None
    api_key: str = attrs.field(default="", repr=False)

    @property
    def origin(self) -> str:
        """The origin of the service's URLs."""
        return f"http://127.0.0.1:{self.server.port}"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    chromium = shutil.which("chromium")
    assert chromium, "there is no chromium on PATH: script/test-browser installs it"
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
    """Keys, and a folder with a database of people with passes."""

    folder: Path
    keys: dict[str, str]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Prepare the folder with the commands."""
    folder = tmp_path_factory.mktemp("prepared")
    return Prepared(folder, prepare(folder, PEOPLE))


@pytest.fixture(scope="session")
def house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """The service with the contract's default limits."""
    folder = tmp_path_factory.mktemp("house")
    yield from serve(folder, prepared, gateway, SIGNUP_REGIONS="IN,ES,GB", **STRICT)


@pytest.fixture(scope="session")
def hasty_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """A service with ten-digit codes that live five seconds and may be sent every three."""
    yield from serve(
        tmp_path_factory.mktemp("hasty"),
        prepared,
        gateway,
        LOGIN_CODE_SECONDS="5",
        SIGNUP_CODE_SECONDS="5",
        RESEND_COOLDOWN_SECONDS="3",
        CODE_DIGITS="10",
    )


@pytest.fixture(scope="session")
def eager_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """A service that sends the next code at once, and makes the work take several seconds."""
    yield from serve(
        tmp_path_factory.mktemp("eager"),
        prepared,
        gateway,
        RESEND_COOLDOWN_SECONDS="0",
        FRESH_CODE_SECONDS="0",
        WORK_SECONDS="2",
    )


@pytest.fixture(scope="session")
def locking_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """A service that locks after one wrong code, and has an address for help."""
    yield from serve(
        tmp_path_factory.mktemp("locking"),
        prepared,
        gateway,
        FAILED_GUESSES_PER_DAY="1",
        LOGIN_SUPPORT="help@example.com",
        SIGNUP_SUPPORT="help@example.com",
    )


@pytest.fixture(scope="session")
def https_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """A service configured for https; browsers accept this for the machine's own address."""
    folder = tmp_path_factory.mktemp("https")
    more = {"PUBLIC_URL": "https://otp.example.com", "OPS_PASSWORD": OPS_PASSWORD}
    yield from serve(folder, prepared, gateway, **more)


_MARK: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 24"><style>.a{{fill:#7a1f3d}}'
    "@media(prefers-color-scheme:dark){{.a{{fill:#ff9bbd}}}}</style>"
    '<rect class="a" width="{width}" height="24" rx="6"/>'
    '<circle cx="12" cy="12" r="6" fill="#fff"/></svg>'
)

LONGEST_NAME: Final = "Wiederherstellungsdienstversicherungen W"
"""Forty characters, with a word that no line of a phone has room for."""

NEEDY: Final = """\
pass_code,payment_status,plan_name,expires_at,email,first_name,last_name,phone_number
HSP-9000-0001,pending,Gold,,n1@example.com,A,B,+919000090001
HSP-9000-0002,paid,Gold,,n2@example.com,A,B,
HSP-9000-0003,paid,Gold,2020-12-31,n3@example.com,A,B,+919000090003
HSP-9000-0004,paid,Gold,2020-12-31,n4@example.com,A,B,+919000090004
"""
"""An unpaid pass, one without a number, and two expired ones."""

BRANDED_STEPS: Final = "en: Your details, Account; es: Sus datos, Cuenta; hi: आपका विवरण, खाता"


@pytest.fixture(scope="session")
def branded_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """A service with two brands: an icon beside the longest name, and a logo that is the name."""
    folder = tmp_path_factory.mktemp("branded")
    (folder / "icon.svg").write_text(_MARK.format(width=24), "utf-8")
    (folder / "wide.svg").write_text(_MARK.format(width=240), "utf-8")
    (folder / "brands.toml").write_text(
        f"""
        signup_steps = "{BRANDED_STEPS}"

        [branding.pass_login]
        name = "{LONGEST_NAME}"
        logo = "icon.svg"
        favicon = "icon.svg"
        accent = "#7a1f3d"
        support = "+91 80 1234 5678"

        [branding.signup]
        name = "{LONGEST_NAME[::-1]}"
        logo = "wide.svg"
        accent = "#0b6e4f"
        accent_dark = "#7fd8b4"
        support = "https://help.a-bank-with-a-long-name.example/customers/contact"
        terms_url = "https://bank.example/terms"
        privacy_url = "https://bank.example/privacy"
        """,
        "utf-8",
    )
    (folder / "more.csv").write_text(NEEDY, "utf-8")
    branded = {"CONFIG": "brands.toml", "SIGNUP_REGIONS": "IN,ES,GB"}
    for house in serve(folder, prepared, gateway, **branded):
        added = command(folder, "passes", "import", "more.csv", **prepared.keys)
        assert added.returncode == 0, added.stderr
        yield house


@pytest.fixture(scope="session")
def leading_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """A service whose pages lead back to another site."""
    folder = tmp_path_factory.mktemp("leading")
    with OtherSite() as other:
        more = {
            "MODE": "development",
            "LOGIN_RETURN_URL": f"{other.url}/signed-in/?from=otp",
            "SIGNUP_RETURN_URL": f"{other.url}/step-2/",
        }
        for house in serve(folder, prepared, gateway, **more):
            scopes = ("--name", "shop", "--scopes", "exchange")
            made = command(folder, "api-keys", "new", *scopes, **prepared.keys)
            assert made.returncode == 0, made.stderr
            found = re.search(r"hspotp_[0-9a-f]{32}_[A-Za-z0-9_-]{43}_[0-9a-f]{8}", made.stdout)
            assert found
            yield attrs.evolve(house, other_site=other, api_key=found[0])


@pytest.fixture(scope="session")
def ops_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """A service with the operators' page."""
    folder = tmp_path_factory.mktemp("ops")
    yield from serve(folder, prepared, gateway, OPS_PASSWORD=OPS_PASSWORD)


@attrs.frozen
class OwnPages:
    """A web server with pages that are not the service's: one port, and two sites."""

    port: int

    @property
    def beside(self) -> str:
        """The origin that is of one site with the service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def elsewhere(self) -> str:
        """The origin that is of another site; its pages are as secure as by https."""
        return f"http://localhost:{self.port}"


class _OwnPage(BaseHTTPRequestHandler):
    """Answers with an empty page, or with the script of docs/other-origins.md."""

    def do_GET(self) -> None:
        _, is_script, service = self.path.partition("/signup.js?")
        kind = "text/javascript" if is_script else "text/html"
        body = (signup_script(service) if is_script else "<!doctype html>").encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def signup_script(service: str) -> str:
    """The script of the guide, for the service at that origin."""
    guide = Path("docs/other-origins.md").read_text("utf-8")
    script: str
    (script,) = re.findall(r"^```js\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    named = 'const SERVICE = "https://otp.neobank.example";'
    assert script.count(named) == 1
    return script.replace(named, f'const SERVICE = "{service}";')


@pytest.fixture(scope="session")
def own_pages() -> Iterator[OwnPages]:
    """Serve the pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _OwnPage) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield OwnPages(server.server_port)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def http_open_house(
    tmp_path_factory: pytest.TempPathFactory,
    prepared: Prepared,
    gateway: Gateway,
    own_pages: OwnPages,
) -> Iterator[House]:
    """A service, reached by http, that names the origin of its own site."""
    folder = tmp_path_factory.mktemp("http-open")
    yield from serve(folder, prepared, gateway, CORS_ORIGINS=own_pages.beside)


@pytest.fixture(scope="session")
def https_open_house(
    tmp_path_factory: pytest.TempPathFactory,
    prepared: Prepared,
    gateway: Gateway,
    own_pages: OwnPages,
) -> Iterator[House]:
    """A service, configured for https, that names the origin of another site."""
    folder = tmp_path_factory.mktemp("https-open")
    named = {"PUBLIC_URL": "https://otp.example.com", "CORS_ORIGINS": own_pages.elsewhere}
    yield from serve(folder, prepared, gateway, **named)


@pytest.fixture(scope="session")
def named_house(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, gateway: Gateway
) -> Iterator[House]:
    """A service with the operators' page for operators with names, whose sender reports nothing."""
    folder = tmp_path_factory.mktemp("named")
    write_private_file(
        folder / "operators", text_of({OPERATOR: new_account(OPERATOR, OPS_PASSWORD)})
    )
    yield from serve(
        folder, prepared, gateway, OPS_PASSWORD=OPS_PASSWORD, OPS_USERS="operators", PUBLIC_URL=""
    )


def serve(folder: Path, prepared: Prepared, gateway: Gateway, **settings: str) -> Iterator[House]:
    """
    Serve with the prepared keys and database, in *folder*.

    Without the guard: hundreds of visitors have numbers of the same few ranges, and do not enter
    all their codes.
    """
    shutil.copytree(prepared.folder, folder, dirs_exist_ok=True)
    given = {"PUBLIC_URL": "", "WORKERS": "1", "GUARD": "off", **settings}
    with start(folder, prepared.keys, gateway, **given) as server:
        yield House(server, gateway)


_people = itertools.count(1)
"""The people, each used once so that the limits of one test do not affect another."""


@pytest.fixture
def open_in(browser: Browser) -> Iterator[Open]:
    """
    Open windows, and check at the end what must hold for every visit.

    The console had only the browser's own lines about 4xx answers, nothing was loaded from
    another host, and URLs contained only the names of pages and files.
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
        visit.other_site = house.other_site.url if house.other_site else ""
        visits.append(visit)
        return visit

    yield open_window
    for visit in visits:
        assert visit.mishaps == []
        for request in visit.requests:
            _, _, url = request.partition(" ")
            if visit.other_site and url.startswith(f"{visit.other_site}/"):
                continue
            path = url.removeprefix(visit.origin)
            assert path != url, "a request to another host"
            known = ("/", "/customer/login/", "/users/signup/", "/language/")
            api = ("/users/api/send-otp/", "/users/api/verify-otp/")
            files = path.startswith(("/static/", "/ops/static/"))
            told = _OPS.fullmatch(path) or _NAMED.fullmatch(path)
            assert path in (*known, *api) or files or told, path
    for context in contexts:
        context.close()
