"""The page of pass login at a started server with two workers: docs/contract.md, 2.6 and 5.4."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator

import attrs
import httpx2
import pytest

from tests.e2e.server import PATIENCE_SECONDS, Server, until
from tests.e2e.sessions import DEMO, NO_LIMITS, NUMBER, refresh

pytestmark = pytest.mark.timeout(240)

LOGIN = "/customer/login/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers."""
    with Server(tmp_path_factory.mktemp("pages"), WORKERS="2", **NO_LIMITS) as found:
        until(lambda: len(found.workers()) == 2)
        yield found


@attrs.define
class Browser:
    """Without scripts: it has cookies, and the last page that it saw."""

    server: Server
    cookies: dict[str, str] = attrs.field(factory=dict[str, str])
    page: str = ""

    def form(self, **fields: str) -> dict[str, str]:
        """What a form of the page sends."""
        hidden = re.findall(r'name="(csrftoken|challenge_id)" value="([^"]*)"', self.page)
        return dict(hidden) | fields

    async def post(self, http: httpx2.AsyncClient, form: dict[str, str]) -> httpx2.Response:
        """Send a form with the cookies that there are now, on a connection of its own."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        return await http.post(
            f"http://127.0.0.1:{self.server.port}{LOGIN}", data=form, headers=headers
        )

    def take(self, answer: httpx2.Response) -> None:
        """Keep its cookies."""
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')

    async def look(self, http: httpx2.AsyncClient) -> str:
        """Look at the page: how far it has come."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        answer = await http.get(f"http://127.0.0.1:{self.server.port}{LOGIN}", headers=headers)
        self.take(answer)
        self.page = answer.text
        return str(re.findall(r'data-step="(\w+)"', self.page)[0])

    async def ask(self, http: httpx2.AsyncClient) -> str:
        """As far as the field for the code; the code that was sent."""
        await self.look(http)
        self.take(await self.post(http, self.form(do="find", pass_code=DEMO)))
        await self.look(http)
        return self.server.message_to(NUMBER).code


def token_in(answer: httpx2.Response) -> str | None:
    """The refresh token that an answer brings."""
    found = re.findall(r"login_refresh=([^;]+);", "\n".join(answer.headers.get_list("set-cookie")))
    return found[0].strip('"') if found else None


def open_http() -> httpx2.AsyncClient:
    """Which opens a connection for every request that waits."""
    return httpx2.AsyncClient(
        timeout=PATIENCE_SECONDS, limits=httpx2.Limits(max_connections=100), trust_env=False
    )


def test_enter_twice(server: Server) -> None:
    """2.6: of two forms that are sent before the first is answered, either answer signs in."""

    async def visit() -> None:
        async with open_http() as http:
            for seen in (0, 1):
                browser = Browser(server)
                form = browser.form
                code = await browser.ask(http)
                sent = form(do="verify", otp=code)
                answers = await asyncio.gather(*(browser.post(http, sent) for _ in range(2)))
                assert [answer.status_code for answer in answers] == [303, 303]
                assert all(token_in(answer) for answer in answers)
                browser.take(answers[seen])
                assert await browser.look(http) == "in"

    asyncio.run(visit())


def test_fifty_at_once(server: Server) -> None:
    """2.6: one family, one live refresh token, and the browser is signed in."""

    async def visit() -> None:
        async with open_http() as http:
            browser = Browser(server)
            code = await browser.ask(http)
            sent = browser.form(do="verify", otp=code)
            posts = [asyncio.ensure_future(browser.post(http, sent)) for _ in range(50)]
            tokens: list[str] = []
            for post in asyncio.as_completed(posts):
                answer = await post
                assert answer.status_code == 303
                if token := token_in(answer):
                    tokens.append(token)
                    browser.take(answer)
            assert len(tokens) == 2
            assert len({token.split(".")[1] for token in tokens}) == 1
            assert await browser.look(http) == "in"
            answers = Counter(refresh(server, token).status for token in tokens)
            assert answers == {200: 1, 401: 1}

    asyncio.run(visit())
