"""Calls from running servers, to the end of a verification: docs/contract.md, 5.4 and 7.12."""

import asyncio
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from typing import Final

import attrs
import httpx2
import pytest

from tests.e2e.production import PUBLIC_URL, by, prepare, query, unexpected
from tests.e2e.server import PATIENCE_SECONDS, Server, command
from tests.gateway import Gateway, Taken
from tests.integration.postgres_server import DATABASES, execute
from tests.plays import PLAYS, VOICE_PLAYS

APPS: Final = """
[shop]
account = "acme"
service_name = "Acme Shop"
regions = ["IN"]
channels = { phone = ["voice"] }
"""

WORDS: Final = {
    "hi": ["शून्य", "एक", "दो", "तीन", "चार", "पाँच", "छह", "सात", "आठ", "नौ"],
    "es": ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
}

pytestmark = pytest.mark.timeout(180)


@attrs.frozen
class Site:
    """
    Two workers that call by one provider.

    Attributes:
        gateway: The provider.
        numbers: Numbers that no test has called yet.
        database: The URL of PostgreSQL's, otherwise nothing.
    """

    server: Server
    name: str
    gateway: Gateway
    key: str
    numbers: "count[int]"
    database: str

    def ask(self, method: str, path: str, members: object = None) -> httpx2.Response:
        """Make a request as the app's backend, on a connection of its own."""
        return httpx2.request(
            method,
            f"http://127.0.0.1:{self.server.port}{path}",
            headers={"Authorization": f"Bearer {self.key}"},
            json=members,
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def report(self, path: str, body: bytes, headers: dict[str, str]) -> httpx2.Response:
        """Make a request as the provider."""
        return httpx2.post(
            f"http://127.0.0.1:{self.server.port}{path}",
            content=body,
            headers=headers,
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def called(self, language: str) -> tuple[str, str, Taken]:
        """Start a verification; return its id, the path for its keys, and the call."""
        number = f"+9198765{next(self.numbers):05d}"
        answer = self.ask("POST", "/v1/verifications", {"to": number, "locale": language})
        assert answer.status_code == 200, answer.text
        (call,) = self.gateway.to(number)
        (path,) = re.findall(rf"{PUBLIC_URL}(/callbacks/[a-z-]+/calls/[\w-]{{22}}/)", call.text)
        return answer.json()["id"], path, call

    def press(self, path: str, call: Taken, key: str = "5") -> httpx2.Response:
        """Press a key in a call."""
        return self.report(path, *self.gateway.play.press(call.sid, key, PUBLIC_URL + path))

    def end(self, call: Taken) -> int:
        """End a call."""
        path = f"/callbacks/{self.name}/status/"
        signed = self.gateway.play.report(call.sid, "undelivered", PUBLIC_URL + path)
        return self.report(path, *signed).status_code

    def stored(self) -> str:
        """Every value in the database."""
        if self.database:
            rows = asyncio.run(_rows_of(self.database))
        else:
            named = query(self.server.folder, "SELECT name FROM sqlite_master WHERE type = 'table'")
            rows = [
                row
                for (table,) in named
                for row in query(self.server.folder, f'SELECT * FROM "{table}"')  # noqa: S608
            ]
        return "\n".join(
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            for row in rows
            for value in row
        )

    def state(self, verification_id: str) -> str:
        """What has become of the call."""
        (send,) = self.ask("GET", f"/v1/verifications/{verification_id}").json()["sends"]
        assert (send["channel"], send["sender"]) == ("voice", self.name)
        return str(send["state"])


async def _rows_of(url: str) -> list[tuple[object, ...]]:
    named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    tables = [row[0] for row in await execute(url, named)]
    return [
        tuple(row)
        for table in tables
        for row in await execute(url, f'SELECT * FROM "{table}"')  # noqa: S608
    ]


@pytest.fixture(
    scope="module",
    params=[("twilio-voice", "sqlite"), ("vonage-voice", "postgresql")],
    ids="-".join,
)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One with each provider, each over another database."""
    name, database = request.param
    folder = tmp_path_factory.mktemp("calls")
    settings: dict[str, str] = {}
    url = ""
    with ExitStack() as stack:
        if database == "postgresql":
            url = asyncio.run(DATABASES.empty())
            stack.callback(lambda: asyncio.run(DATABASES.drop([url])))
            # In development mode, for the server of the tests is not set up to keep anything.
            settings = {"DATABASE_URL": url, "MODE": "development"}
        keys = prepare(folder, people=1, **settings)
        (folder / "apps.toml").write_text(APPS)
        assert command(folder, "apps", "import", "apps.toml", **keys, **settings).returncode == 0
        new = ("api-keys", "new", "--name", "checkout", "--app", "shop")
        made = command(folder, *new, **keys, **settings)
        assert made.returncode == 0, made.stderr
        texts = stack.enter_context(Gateway(PLAYS["webhook"]))
        calls = stack.enter_context(Gateway(VOICE_PLAYS[name]))
        given = by(webhook=texts) | VOICE_PLAYS[name].settings(calls.url)
        given |= {"SENDERS": f"webhook,{name}", "PUBLIC_URL": PUBLIC_URL, "WORKERS": "2"}
        given |= {"VERIFY_API": "true", "METRICS_PORT": "0"}
        server = stack.enter_context(Server(folder, "serve", **(keys | given | settings)))
        yield Site(server, name, calls, made.stdout.strip(), count(), url)
        assert unexpected(server) == []


def code_in(text: str, language: str) -> str:
    """The code that a call says, which it says three times."""
    said = re.findall(r'<Say[^>]*>([^<]*)</Say>|"text": "([^"]*)"', text)
    words = ["".join(one) for one in said]
    digits = [str(WORDS[language].index(word)) for word in words if word in WORDS[language]]
    (code,) = {"".join(digits[place : place + 6]) for place in (0, 6, 12)}
    assert len(digits) == 18
    return code


@pytest.mark.parametrize("language", WORDS)
def test_a_call_says_the_code_after_a_key(site: Site, language: str) -> None:
    """The code is in no request to the provider, only in the answer to the key, and is right."""
    verification_id, path, call = site.called(language)
    assert "Acme Shop" in call.text
    assert site.state(verification_id) == "queued"
    answer = site.press(path, call)
    code = code_in(answer.text, language)
    assert code not in json.dumps(call.form)
    assert not [word for word in WORDS[language] if f">{word}<" in call.text]
    assert site.state(verification_id) == "delivered"
    assert site.end(call) == 200
    assert site.state(verification_id) == "delivered"
    checked = site.ask("POST", f"/v1/verifications/{verification_id}/check", {"code": code})
    assert checked.json()["status"] == "approved"
    over = site.press(path, call)
    assert over.status_code == 200
    assert not [word for word in WORDS[language] if f">{word}<" in over.text]
    for said in (site.server.output, site.server.errors):
        assert code not in said
        assert not [secret for secret in site.gateway.play.secrets if secret in said]


def says(text: str, code: str, language: str) -> bool:
    """
    Whether *text* has the words of a code in their order, with whatever a provider's format, a
    list or a log puts between two of them.
    """
    unescaped = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    words = [re.escape(WORDS[language][int(digit)]) for digit in code]
    return bool(re.search(".{0,80}?".join(words), unescaped, re.DOTALL))


@pytest.mark.parametrize("language", WORDS)
def test_the_code_of_a_call_is_left_nowhere(site: Site, language: str) -> None:
    """Neither outputs nor metrics nor the database have it, in digits or in words."""
    verification_id, path, call = site.called(language)
    answer = site.press(path, call)
    code = code_in(answer.text, language)
    assert says(answer.text, code, language)
    assert says(json.dumps(answer.text), code, language)
    assert site.press(path, call).text == answer.text
    assert site.report(path, answer.content, {}).status_code == 403
    number = call.to[1:]
    wrong = {"code": f"{(int(code) + 1) % 1_000_000:06d}"}
    checked = site.ask("POST", f"/v1/verifications/{verification_id}/check", wrong)
    assert checked.json()["error"] == "invalid_otp"
    assert site.end(call) == 200
    metrics, stored = str(site.server.metrics()), site.stored()
    logged = site.server.output + site.server.errors
    assert "'channel', 'voice'" in metrics
    assert verification_id in stored
    assert number in stored
    assert '"event"' in logged
    assert number not in logged + metrics
    for told in (logged, metrics, stored):
        # Elsewhere, six digits may be a part of an instant or of an id.
        assert not re.search(rf"(?<!\w){code}(?!\w)", told)
        assert not says(told, code, language)
        assert not [secret for secret in site.gateway.play.secrets if secret in told]


def test_a_call_without_a_key(site: Site) -> None:
    """It ends as undelivered, and has heard nothing of the code."""
    verification_id, path, call = site.called("es")
    answer = site.press(path, call, "")
    assert answer.status_code == 200
    assert not [word for word in WORDS["es"] if word in answer.text]
    assert site.end(call) == 200
    assert site.state(verification_id) == "undelivered"


def test_forgeries(site: Site) -> None:
    """A callback that the provider has not signed is 403, whatever it asks for."""
    verification_id, path, call = site.called("es")
    body, headers = site.gateway.play.press(call.sid, "5", PUBLIC_URL + path)
    kind = {"Content-Type": headers["Content-Type"]}
    for forged in (kind, kind | {"Authorization": "Bearer e30.e30.e30"}):
        answer = site.report(path, body, forged)
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert site.state(verification_id) == "queued"


def test_keys_at_both_workers_at_once(site: Site) -> None:
    """Twenty reports of one key, in parallel, get the same code, and the call is delivered."""
    verification_id, path, call = site.called("es")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: site.press(path, call), range(20)))
        ended = list(pool.map(lambda _: site.end(call), range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({code_in(answer.text, "es") for answer in answers}) == 1
    assert set(ended) == {200}
    assert site.state(verification_id) == "delivered"
