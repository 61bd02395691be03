"""What doctor asks of providers, without sending anything: docs/contract.md, section 10."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import attrs
import pytest

from hsp_otp.adapters.senders.provider import Means, Probed
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.entrypoints.senders import SENDERS
from hsp_otp.entrypoints.settings.load import load
from tests.plays import ACCOUNT, META_NUMBER_ID, META_TOKEN, PLAYED, PLAYS, TOKEN

pytestmark = pytest.mark.anyio


@attrs.define
class Desk:
    """
    A provider that is asked about an account.

    Attributes:
        asked: Method, path and who signed in, of each request.
    """

    url: str = ""
    status: int = 200
    body: object = None
    asked: list[tuple[str, str, str]] = attrs.field(factory=list[tuple[str, str, str]])


@pytest.fixture
def desk() -> Iterator[Desk]:
    """One that answers."""
    found = Desk()

    class Handler(BaseHTTPRequestHandler):
        """Answers as the desk says."""

        def _answer(self) -> None:
            given = self.headers.get("Authorization", "")
            if given.startswith("Basic "):
                given = base64.b64decode(given.removeprefix("Basic ")).decode()
            found.asked.append((self.command, self.path, given))
            body = b"" if self.command == "HEAD" else json.dumps(found.body).encode()
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_POST = _answer  # noqa: N815 - the names of the library

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    # Overview every 20 ms whether to stop: the usual half a second is added to every test.
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


async def probe(name: str, url: str) -> Probed:
    """What a provider says of the account that tests use."""
    given = {f"HSP_OTP_{key}": value for key, value in PLAYED[name].settings(url).items()}
    means = Means(clock=SystemClock(), randomness=SystemRandomness(), callback=None)
    probed = await SENDERS[name].probe(load(given).accounts[name], means)
    assert not any(secret in repr(probed) for secret in PLAYED[name].secrets)
    return probed


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, {"sid": ACCOUNT, "status": "active"}, None),
        (200, {"sid": ACCOUNT, "status": "suspended"}, "as suspended"),
        (200, {"sid": ACCOUNT, "status": TOKEN}, "not active"),
        (401, {"code": 20003, "message": "no", "status": 401}, "HSP_OTP_TWILIO_AUTH_TOKEN"),
        (404, {"code": 20404, "message": "no", "status": 404}, "no such account"),
        (503, {"code": 20503, "message": TOKEN, "status": 503}, "answered 503"),
        (200, [TOKEN], "did not answer"),
    ],
)
async def test_twilio(desk: Desk, status: int, body: object, says: str | None) -> None:
    """Twilio's account is fetched, and nothing else is done."""
    desk.status, desk.body = status, body
    probed = await probe("twilio", desk.url)
    assert (probed.wrong is None) is (says is None)
    assert says is None or says in (probed.wrong or "")
    path = f"/2010-04-01/Accounts/{ACCOUNT}.json"
    assert desk.asked == [("GET", path, f"{ACCOUNT}:{TOKEN}")]


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, {"value": 3.14, "autoReload": False}, None),
        (200, {"value": 0, "autoReload": False}, "no credit left"),
        (401, {"error-code": "401"}, "HSP_OTP_VONAGE_API_SECRET"),
        (500, None, "answered 500"),
        (200, "rubbish", "answered 200"),
    ],
)
async def test_vonage(desk: Desk, status: int, body: object, says: str | None) -> None:
    """Vonage's balance is asked for, with no secret in the address."""
    desk.status, desk.body = status, body
    probed = await probe("vonage", desk.url)
    assert (probed.wrong is None) is (says is None)
    assert says is None or says in (probed.wrong or "")
    ((method, path, who),) = desk.asked
    assert (method, path) == ("GET", "/account/get-balance")
    assert who.split(":")[1] in PLAYS["vonage"].secrets


def _refused(code: int) -> dict[str, object]:
    return {"error": {"message": META_TOKEN, "type": "OAuthException", "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, {"id": META_NUMBER_ID}, None),
        (401, _refused(190), "HSP_OTP_META_ACCESS_TOKEN: Meta refuses it"),
        (400, _refused(190), "HSP_OTP_META_ACCESS_TOKEN: Meta refuses it"),
        (403, _refused(200), "HSP_OTP_META_ACCESS_TOKEN: Meta refuses it"),
        (400, _refused(100), "HSP_OTP_META_PHONE_NUMBER_ID: Meta has no such number"),
        (500, _refused(1), "Meta answered 500: check HSP_OTP_META_BASE_URL"),
        (404, None, "Meta answered 404: check HSP_OTP_META_BASE_URL"),
        (200, {"id": META_TOKEN}, "Meta answered 200: check HSP_OTP_META_BASE_URL"),
        (200, [META_TOKEN], "Meta answered 200: check HSP_OTP_META_BASE_URL"),
    ],
)
async def test_meta(desk: Desk, status: int, body: object, says: str | None) -> None:
    """The number at Meta is fetched, with no secret in the address, and nothing is sent."""
    desk.status, desk.body = status, body
    probed = await probe("meta-whatsapp", desk.url)
    assert (probed.wrong is None) is (says is None)
    assert says is None or (probed.wrong or "").startswith(says)
    assert desk.asked == [("GET", f"/v25.0/{META_NUMBER_ID}?fields=id", f"Bearer {META_TOKEN}")]


async def test_twilio_for_whatsapp(desk: Desk) -> None:
    """For WhatsApp, Twilio's account is fetched as for text messages."""
    desk.body = {"sid": ACCOUNT, "status": "active"}
    assert await probe("twilio-whatsapp", desk.url) == Probed(
        told="Twilio reports the account as active"
    )
    path = f"/2010-04-01/Accounts/{ACCOUNT}.json"
    assert desk.asked == [("GET", path, f"{ACCOUNT}:{TOKEN}")]


async def test_the_webhook(desk: Desk) -> None:
    """Whether anybody answers is all that can be asked of a webhook without a message."""
    desk.status = 405
    probed = await probe("webhook", desk.url)
    assert probed.wrong is None
    assert "only a message shows" in probed.told
    assert [method for method, _, _ in desk.asked] == ["HEAD"]


@pytest.mark.parametrize("name", [name for name in SENDERS if name in PLAYED])
async def test_a_provider_that_is_away(name: str) -> None:
    """Where nobody answers, a line says where to look."""
    probed = await probe(name, "http://127.0.0.1:9")
    assert probed.wrong is not None
    assert "did not answer" in probed.wrong


async def test_the_console() -> None:
    """The console has no account."""
    means = Means(clock=SystemClock(), randomness=SystemRandomness(), callback=None)
    assert (await SENDERS["console"].probe(None, means)).wrong is None
