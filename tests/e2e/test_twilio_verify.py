"""The surface for Twilio's clients at running servers: docs/contract.md, section 14."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlencode

import httpx2
import pytest

from tests.e2e.server import PATIENCE_SECONDS, Answer, Server
from tests.e2e.test_verifications import ask

SERVICES: Final = "/v2/Services"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers over one database, with the demo app."""
    with Server(tmp_path_factory.mktemp("twilio"), WORKERS="2") as found:
        yield found


@pytest.fixture(scope="module")
def key(server: Server) -> str:
    """The key of the demo app."""
    return (server.folder / "hsp-otp.db.keys" / "api-key").read_text("ascii")


@pytest.fixture(scope="module")
def service(server: Server, key: str) -> str:
    """The path of the demo app."""
    (found,) = ask(server, "GET", SERVICES, key)["services"]
    assert found["sid"] in server.output
    assert found["account_sid"] in server.output
    return f"{SERVICES}/{found['sid']}"


def post(server: Server, key: str, path: str, **form: str) -> Answer:
    """Post a form, as the account whose key it is, on a connection of its own."""
    response = httpx2.post(
        f"http://127.0.0.1:{server.port}{path}",
        auth=(f"SK{key.split('_')[1]}", key),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        content=urlencode(form),
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    )
    return Answer(response.status_code, json.loads(response.content), dict(response.headers))


def test_fifty_checks_at_once(server: Server, key: str, service: str) -> None:
    """Of fifty checks with the right code, one is approved, and 49 find nothing."""
    number = "+919876543230"
    assert post(server, key, f"{service}/Verifications", To=number, Channel="sms").status == 201
    code = server.message_to(number).code

    def check(_: int) -> tuple[int, object]:
        answer = post(server, key, f"{service}/VerificationCheck", To=number, Code=code)
        return answer.status, answer.body.get("status")

    with ThreadPoolExecutor(50) as pool:
        assert Counter(pool.map(check, range(50))) == {(200, "approved"): 1, (404, 404): 49}


def test_both_surfaces(server: Server, key: str, service: str) -> None:
    """What one surface starts, the other one checks, whichever worker answers."""
    native = ask(server, "POST", "/v1/verifications", key, {"to": "+919876543231"})
    code = server.message_to("+919876543231").code
    checked = post(server, key, f"{service}/VerificationCheck", To="+919876543231", Code=code)
    assert (checked["status"], checked["valid"]) == ("approved", True)
    assert ask(server, "GET", f"/v1/verifications/{native['id']}", key)["status"] == "approved"
    started = post(server, key, f"{service}/Verifications", To="+919876543232", Channel="auto")
    code = server.message_to("+919876543232").code
    fetched = ask(server, "GET", f"{service}/Verifications/+919876543232/", key)
    assert fetched.body == started.body
    (attempt,) = fetched["send_code_attempts"]
    assert (attempt["channel"], attempt["attempt_sid"][:2]) == ("SMS", "VL")
    canceled = post(server, key, f"{service}/Verifications/{started['sid']}", Status="canceled")
    assert canceled["status"] == "canceled"
    refused = post(server, key, f"{service}/VerificationCheck", To="+919876543232", Code=code)
    assert (refused.status, refused["code"], refused["details"]["status"]) == (
        404, 20404, "canceled",
    )  # fmt: skip
