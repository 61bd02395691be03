"""`POST /token/exchange/`: docs/contract.md, section 5.10."""

import pytest

from hsp_otp.domain.api_keys import Scope
from hsp_otp.flows.pass_login import LedBack
from tests.http import EXCHANGE, FLOW_MEMBERS, REFRESH, Client, problem
from tests.world import PASS_CODE, RETURN_URL, START, World, run

INVALID = problem(
    400,
    "Bad Request",
    "invalid_code",
    "This sign-in cannot be completed. Please sign in again.",
    success=False,
)


@pytest.fixture
def client() -> Client:
    """A service whose page of pass login leads back, with a pass."""
    world = World()
    world.add()
    return Client(world, login_return_url=RETURN_URL)


@pytest.fixture
def key(client: Client) -> str:
    """The key of the other site's backend."""
    return client.api_key(Scope.EXCHANGE)


def led_back(client: Client) -> str:
    """The code of a sign-in on the page."""
    world = client.world
    world.send()
    outcome = world.lead_back(world.outbox.codes[-1])
    assert isinstance(outcome, LedBack)
    return outcome.handed.code


def test_the_first_exchange_gives_what_verify_gives(client: Client, key: str) -> None:
    """All but the device token, which belongs to the browser that verified."""
    reply = client.exchange(led_back(client), key)
    assert reply.status == 200
    body = reply.json
    client.world.clock.advance(60_000_000)
    verified = client.verify(client.code()).json
    assert body.keys() == verified.keys() - {"device_token"}
    for name in ("success", "token_type", "expires_in", "user", "pass"):
        assert body[name] == verified[name]
    assert body["user"]["phone_number"] == "+919876543210"
    assert body["pass"]["pass_code"] == PASS_CODE
    assert client.post(REFRESH, {"refresh_token": body["refresh_token"]}).status == 200
    assert reply.cookies == ()


def test_a_second_exchange_signs_out(client: Client, key: str) -> None:
    """The code is invalid then, and so are the tokens that the first exchange gave."""
    code = led_back(client)
    token = client.exchange(code, key).json["refresh_token"]
    reply = client.exchange(code, key)
    assert (reply.status, reply.json) == (400, INVALID)
    assert client.post(REFRESH, {"refresh_token": token}).status == 401
    assert client.exchange(code, key).json == INVALID


def test_a_code_after_its_minute(client: Client, key: str) -> None:
    """Sixty seconds after the sign-in it is invalid."""
    code = led_back(client)
    client.world.clock.advance(60_000_000)
    assert client.exchange(code, key).json == INVALID


@pytest.mark.parametrize("configured", ["", "https://other.example/", f"{RETURN_URL}/"])
def test_a_code_for_another_address(client: Client, key: str, configured: str) -> None:
    """It is invalid where the service leads elsewhere now, or nowhere."""
    code = led_back(client)
    other = Client(client.world, login_return_url=configured)
    assert other.exchange(code, key).json == INVALID
    assert client.exchange(code, key).status == 200


@pytest.mark.parametrize("members", [{}, {"code": None}, {"code": " \u200b"}, {"CODE": "x"}])
def test_no_code(client: Client, key: str, members: dict[str, str | None]) -> None:
    """`missing_fields`."""
    reply = client.post(EXCHANGE, members, headers={"authorization": f"Bearer {key}"})
    assert (reply.status, reply.json["error"]) == (400, "missing_fields")
    assert reply.json[FLOW_MEMBERS[EXCHANGE]] is False


@pytest.mark.parametrize("code", ["x", "k1.x.y.z", "k1.x.y.\u0967", "\ud800\udc00", "a" * 9000])
def test_texts_that_are_no_codes(client: Client, key: str, code: str) -> None:
    """Any other text is `invalid_code`."""
    assert client.exchange(code, key).json == INVALID


def test_a_key_without_the_scope(client: Client) -> None:
    """It is 403, and the code stays good; a revoked key and none at all are 401."""
    code, key = led_back(client), client.api_key(Scope.EXCHANGE)
    assert client.exchange(code, client.api_key(Scope.PASSES)).status == 403
    run(client.world.api_keys.revoke(key.split("_")[1], START))
    assert client.exchange(code, key).status == 401
    assert client.post(EXCHANGE, {"code": code}).status == 401
    assert client.exchange(code, client.api_key(Scope.EXCHANGE)).status == 200


def test_the_key_is_judged_before_the_body(client: Client, key: str) -> None:
    """Nothing is read for a caller without one; with one, a body is held to section 5.5."""
    json = {"content-type": "application/json"}
    reply = client.request("POST", EXCHANGE, body=b"{", headers=json)
    assert (reply.status, reply.reads) == (401, 0)
    authorized = json | {"authorization": f"Bearer {key}"}
    assert client.request("POST", EXCHANGE, body=b"{", headers=authorized).status == 400
    form = authorized | {"content-type": "application/x-www-form-urlencoded"}
    assert client.request("POST", EXCHANGE, body=b"code=x", headers=form).status == 415
    assert client.request("GET", EXCHANGE).status == 405


def test_the_audit_names_the_key_and_holds_no_secret(client: Client, key: str) -> None:
    """Each exchange leaves a row with the id of its key."""
    code = led_back(client)
    token = client.exchange(code, key).json["refresh_token"]
    client.exchange(code, key)
    rows = [row for row in client.world.audit.rows if row.facts.action.value == "exchange"]
    assert [(row.outcome, row.facts.api_key_id) for row in rows] == [
        ("exchanged", key.split("_")[1]),
        ("code_reused", key.split("_")[1]),
    ]
    for secret in (code, code.split(".")[2], token, key, "9876543210"):
        assert secret not in repr(rows)
