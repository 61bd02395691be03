"""The service and both projects, started together, and a browser."""

import hashlib
import hmac
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urljoin, urlsplit

import attrs
import httpx2
import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from hsp_otp.adapters.jwt import JwtAccessTokens, SigningKey, parse_signing_keys
from hsp_otp.adapters.system import SystemClock
from hsp_otp.domain.instant import SECOND, Instant, after
from hsp_otp.domain.purposes import Purpose
from hsp_otp.ports.tokens import Access
from tests.browser.conftest import FLAGS
from tests.e2e.production import number_of, pass_of
from tests.e2e.server import Answer, Server, command
from tests.e2e.sessions import NO_LIMITS
from tests.examples.django_project import Project, listen

PEOPLE: Final = 40
PAYMENT_SECRET: Final = "the payment provider's"
KEY_SET_SECONDS: Final = 1


def id_of(person: int) -> str:
    """Return the primary key of a person in Django."""
    return str(uuid.UUID(int=person + 1))


@attrs.define(kw_only=True)
class Site:
    """The running services, and the settings to start the service again."""

    folder: Path
    settings: dict[str, str]
    signing: tuple[SigningKey, ...]
    server: Server
    house_pass: Project
    neobank: Project
    api_key: str

    @property
    def origin(self) -> str:
        """The origin of the service's pages."""
        return f"http://127.0.0.1:{self.server.port}"

    def restart(self, **settings: str) -> None:
        """Start the service again, at the same port."""
        self.settings |= settings
        self.server = Server(self.folder, "dev", **self.settings)

    def stop(self) -> None:
        """Stop the service."""
        with self.server:
            pass

    def pay(self, person: int) -> httpx2.Response:
        """Report as the payment provider that a person has paid."""
        body = json.dumps({"pass_code": pass_of(person)}).encode()
        signature = hmac.new(PAYMENT_SECRET.encode(), body, hashlib.sha256).hexdigest()
        with self.house_pass.client() as client:
            return client.post("/payments/", content=body, headers={"X-Signature": signature})

    def sign_in(self, person: int) -> Answer:
        """Sign in over the service's API with a code."""
        sent = self.server.send(pass_of(person))
        assert sent.status == 200, sent.body
        code = self.server.message_to(number_of(person)).code
        return self.server.verify(pass_of(person), code)

    def my_passes(self, access_token: str) -> httpx2.Response:
        """Request the protected view of the project."""
        with self.house_pass.client() as client:
            bearer = {"Authorization": f"Bearer {access_token}"}
            return client.get("/api/my-passes/", headers=bearer)

    def now(self) -> Instant:
        """Return the time by this machine's clock, which the projects read."""
        return SystemClock().now()

    def token(self, user_id: str, issued_at: Instant, **others: Any) -> str:  # noqa: ANN401
        """Make an access token as the service would at that instant, or with *others*."""
        signer = JwtAccessTokens(
            keys=self.signing[:1], issuer="hsp-otp", audience="hsp-otp", lifetime=900 * SECOND
        )
        return attrs.evolve(signer, **others).sign(
            Access(
                user_id=user_id,
                family_id="f1",
                token_id="t1",
                purpose=Purpose.PHONE_VERIFICATION,
                issued_at=issued_at,
                expires_at=after(issued_at, 900 * SECOND),
            )
        )


def state_of(address: str) -> str:
    """Return the state in the address that opens a page."""
    return dict(parse_qsl(urlsplit(address).query))["state"]


def new_keys(folder: Path, name: str) -> dict[str, str]:
    """Make keys with the service's command, in a folder of that name, and return their settings."""
    made = command(folder, "keys", "new", name)
    assert made.returncode == 0, made.stderr
    lines = dict(line.split("=", 1) for line in made.stdout.splitlines())
    return {setting.removeprefix("HSP_OTP_"): value for setting, value in lines.items()}


def people(folder: Path) -> Path:
    """Write a fixture of people whose passes are not paid yet."""
    rows: list[dict[str, object]] = [
        {"model": "accounts.plan", "pk": 1, "fields": {"name": "Gold"}}
    ]
    for person in range(PEOPLE):
        user = {
            "username": f"u{person}",
            "email": f"u{person}@example.com",
            "first_name": "Asha",
            "last_name": "Rao",
            "password": "!",
            "phone_number": number_of(person),
        }
        bought = {
            "user": id_of(person),
            "plan": 1,
            "pass_code": pass_of(person),
            "expires_at": "2099-12-31T18:30:00.5Z",
        }
        rows.append({"model": "accounts.user", "pk": id_of(person), "fields": user})
        rows.append({"model": "accounts.passpurchase", "pk": id_of(person), "fields": bought})
    file = folder / "people.json"
    file.write_text(json.dumps(rows))
    return file


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start all three of them, with keys of the service and of its API made by its commands."""
    folder = tmp_path_factory.mktemp("site")
    keys = new_keys(folder, "keys")
    (key,) = parse_signing_keys("ES256", keys["JWT_KEYS"].replace(":keys/", f":{folder}/keys/"))
    assert command(folder, "db", "upgrade", **keys).returncode == 0
    made = command(
        folder, "api-keys", "new", "--name", "django", "--scopes", "passes,exchange", **keys
    )
    assert made.returncode == 0, made.stderr
    api_key = next(word for word in made.stdout.split() if word.startswith("hspotp_"))
    with listen() as at_house_pass, listen() as at_neobank:
        house_pass, neobank = at_house_pass.getsockname()[1], at_neobank.getsockname()[1]
        settings = keys | NO_LIMITS
        settings["LOGIN_RETURN_URL"] = f"http://localhost:{house_pass}/login/return/"
        settings["SIGNUP_RETURN_URL"] = f"http://localhost:{neobank}/signup/step-2/"
        server = Server(folder, "dev", **settings)
        settings["PORT"] = str(server.port)
        otp = {"HSP_OTP_URL": f"http://127.0.0.1:{server.port}"}
        more = {
            "HSP_OTP_API_KEY": api_key,
            "HSP_OTP_KEY_SET_SECONDS": str(KEY_SET_SECONDS),
            "PAYMENT_SECRET": PAYMENT_SECRET,
        }
        with (
            Project("django_house_pass", at_house_pass, folder, **otp, **more) as one,
            Project("django_neobank", at_neobank, folder, **otp) as other,
        ):
            one.manage("loaddata", "-v", "0", people(folder))
            found = Site(
                folder=folder,
                settings=settings,
                signing=(key,),
                server=server,
                house_pass=one,
                neobank=other,
                api_key=api_key,
            )
            try:
                yield found
                found.stop()
            finally:
                found.server.kill()
        logs = one.log + other.log + found.server.errors
        assert api_key not in logs
        assert api_key[40:83] not in logs


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    chromium = shutil.which("chromium")
    assert chromium, "there is no chromium on PATH: script/test-examples installs it"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield found
        found.close()


@attrs.frozen
class Visit:
    """
    A browser window.

    Attributes:
        posts: The posts to a project from a page of another site.
        seen: The addresses and referrers of all requests.
    """

    page: Page
    scripts: bool
    posts: list[Request] = attrs.field(factory=list[Request])
    seen: list[str] = attrs.field(factory=list[str])

    def watch(self, request: Request) -> None:
        """Record a request."""
        self.seen.extend((request.url, request.headers.get("referer", "")))
        if request.method == "POST" and request.url.startswith("http://localhost:"):
            self.posts.append(request)

    def returned(self, number: int = -1) -> dict[str, str]:
        """Return the members of a post, the latest by default."""
        return dict(parse_qsl(self.posts[number].post_data or ""))

    def enter_code_to(self, site: Site, number: str) -> None:
        """Enter the code of the latest message, once the page asks for it."""
        self.page.wait_for_selector("main[data-step=code]")
        self.page.fill("#code", site.server.message_to(number).code)
        if not self.scripts:
            self.page.click("button[value=verify]")

    def post(self, address: str, members: Mapping[str, str]) -> None:
        """Post a form from a page of another site."""
        fields = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in members.items()
        )
        self.page.goto("about:blank")
        self.page.set_content(f'<form method="post" action="{address}">{fields}<button>Go</button>')
        self.page.get_by_role("button", name="Go").click()
        self.page.wait_for_url(f"{urljoin(address, '/')}**")

    def goes_on(self) -> None:
        """Press Continue; with scripts, wait until the page does it by itself."""
        if not self.scripts:
            self.page.get_by_role("button", name="Continue").click()
        self.page.wait_for_url("http://localhost:*/**", timeout=15_000)


Open = Callable[[bool], Visit]


@pytest.fixture
def open_window(browser: Browser, site: Site) -> Iterator[Open]:
    """
    Open a window, with scripts or without.

    At the end, nothing that was posted is in an address, a referrer or a log.
    """
    visits: list[Visit] = []

    def open_one(scripts: bool) -> Visit:  # noqa: FBT001 - a parameter of every test
        context = browser.new_context(java_script_enabled=scripts, locale="en-US")
        context.set_default_timeout(15_000)
        visit = Visit(context.new_page(), scripts)
        visit.page.on("request", lambda request: visit.watch(request))  # noqa: PLW0108
        visits.append(visit)
        return visit

    yield open_one
    for visit in visits:
        visit.page.context.close()
        for number in range(len(visit.posts)):
            for name in ("proof", "code"):
                if secret := visit.returned(number).get(name):
                    assert not [line for line in visit.seen if secret in line]
                    logs = site.house_pass.log + site.neobank.log + site.server.errors
                    assert secret not in logs
