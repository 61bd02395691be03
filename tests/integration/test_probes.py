"""What doctor asks of providers, without sending anything: docs/contract.md, section 10."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import attrs
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hsp_otp.adapters.senders.provider import Means, Probed
from hsp_otp.adapters.system import SystemClock, SystemRandomness
from hsp_otp.entrypoints.errors import SettingsError
from hsp_otp.entrypoints.senders import SENDERS
from hsp_otp.entrypoints.settings.checks import check_to_serve
from hsp_otp.entrypoints.settings.load import load
from tests.plays import ACCOUNT, META_NUMBER_ID, META_TOKEN, PLAYED, PLAYS, TOKEN, VOICE_PLAYS
from tests.unit.test_settings import KEYS

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


def pem(key: PrivateKeyTypes) -> bytes:
    """The PEM file of a key."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def rsa(bits: int) -> bytes:
    """A new RSA key."""
    return pem(generate_private_key(65_537, bits))


def ed25519() -> bytes:
    """A new key of another kind."""
    return pem(Ed25519PrivateKey.generate())


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


async def test_calls_by_twilio(desk: Desk) -> None:
    """The account is the same, and is asked about in the same way."""
    desk.body = {"sid": ACCOUNT, "status": "active"}
    assert (await probe("twilio-voice", desk.url)).wrong is None
    assert desk.asked == [("GET", f"/2010-04-01/Accounts/{ACCOUNT}.json", f"{ACCOUNT}:{TOKEN}")]


@pytest.mark.parametrize(
    ("status", "says"),
    [(200, None), (401, "HSP_OTP_VONAGE_PRIVATE_KEY"), (403, "refuses it"), (500, "answered 500")],
)
async def test_calls_by_vonage(desk: Desk, status: int, says: str | None) -> None:
    """The application's calls are asked for, under a token of its key that lasts a minute."""
    desk.status, desk.body = status, {"count": 0}
    probed = await probe("vonage-voice", desk.url)
    assert (probed.wrong is None) is (says is None)
    assert says is None or says in (probed.wrong or "")
    ((method, path, given),) = desk.asked
    scheme, _, token = given.partition(" ")
    assert (method, path, scheme) == ("GET", "/v1/calls?page_size=1", "Bearer")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 60
    assert jwt.get_unverified_header(token)["alg"] == "RS256"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "the file cannot be read: No such file or directory"),
        (b"no key", "takes the PEM file of a key without a password"),
        (ed25519(), "takes an RSA key of 2048 bits or more"),
        (rsa(1_024), "takes an RSA key of 2048 bits or more"),
    ],
    ids=["none", "rubbish", "another kind", "short"],
)
async def test_a_key_that_vonage_does_not_take(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    """The start and doctor refuse it with one line, which names the variable."""
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_bytes(content)
    given = VOICE_PLAYS["vonage-voice"].settings("http://127.0.0.1:9")
    given |= PLAYS["webhook"].settings("http://127.0.0.1:9")
    given |= {"VONAGE_PRIVATE_KEY": str(file), "SENDERS": "webhook,vonage-voice", **KEYS}
    given |= {"PUBLIC_URL": "https://otp.example.com"}
    settings = load({f"HSP_OTP_{key}": value for key, value in given.items()})
    with pytest.raises(SettingsError) as caught:
        check_to_serve(settings)
    assert str(caught.value) == f"HSP_OTP_VONAGE_PRIVATE_KEY: {says}"
    means = Means(clock=SystemClock(), randomness=SystemRandomness(), callback=None)
    probed = await SENDERS["vonage-voice"].probe(settings.accounts["vonage-voice"], means)
    assert probed.wrong == str(caught.value)


@pytest.mark.parametrize("name", VOICE_PLAYS)
def test_calls_need_a_public_url(name: str) -> None:
    """Without it, the start is refused with one line."""
    given = VOICE_PLAYS[name].settings("http://127.0.0.1:9") | {"SENDERS": f"webhook,{name}"}
    given |= PLAYS["webhook"].settings("http://127.0.0.1:9") | KEYS
    settings = load({f"HSP_OTP_{key}": value for key, value in given.items()})
    with pytest.raises(SettingsError) as caught:
        check_to_serve(settings)
    assert str(caught.value) == f"HSP_OTP_PUBLIC_URL: missing; {name} reports pressed keys there"


@pytest.mark.parametrize("name", VOICE_PLAYS)
async def test_no_sender_of_calls_without_a_public_url(name: str) -> None:
    """A sender that nobody has checked is not opened either."""
    given = VOICE_PLAYS[name].settings("http://127.0.0.1:9")
    account = load({f"HSP_OTP_{key}": value for key, value in given.items()}).accounts[name]
    means = Means(clock=SystemClock(), randomness=SystemRandomness(), callback=None)
    with pytest.raises(ValueError, match="HSP_OTP_PUBLIC_URL: missing"):
        await SENDERS[name].open(account, means).__aenter__()
    assert SENDERS[name].calls(account, means) is None


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
