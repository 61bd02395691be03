"""API keys over HTTP: docs/contract.md, 5.8."""

from functools import cache
from http import HTTPStatus
from typing import Any

import pytest
from litestar import Litestar, Response, get, post
from litestar.datastructures import State
from litestar.params import JSONBody

from hsp_otp.domain.api_keys import Scope
from hsp_otp.domain.instant import MINUTE, after
from hsp_otp.entrypoints.http.api_keys import KEY_REFUSALS, key_of
from hsp_otp.entrypoints.http.problems import Problem, answer
from hsp_otp.entrypoints.http.requests import AnyRequest
from hsp_otp.flows.api_keys import make_api_key
from tests.http import Client, problem
from tests.world import START, run

PATH = "/v1/things"

UNAUTHORIZED = problem(401, "Unauthorized", "unauthorized", "Authentication is required.")
FORBIDDEN = problem(403, "Forbidden", "forbidden", "This is not allowed.")


@get(PATH)
async def thing(request: AnyRequest) -> Response[Any]:
    """Tell the id of the key."""
    key = await key_of(request, Scope.PASSES)
    return answer(request, key) if isinstance(key, Problem) else Response({"id": key.id})


async def _with_key(request: AnyRequest) -> Response[Any] | None:
    key = await key_of(request, Scope.PASSES)
    return answer(request, key) if isinstance(key, Problem) else None


@post(PATH, status_code=200, before_request=_with_key)
async def change_thing(data: JSONBody[dict[str, str]]) -> Response[Any]:
    """Take a body."""
    return Response(data)


@cache
def _routes() -> Litestar:
    return Litestar(
        route_handlers=[thing, change_thing], state=State({"members": {}}), openapi_config=None
    )


@pytest.fixture
def client() -> Client:
    """A client of two routes that need a key."""
    return Client(routes=_routes())


def made(client: Client, *scopes: Scope) -> str:
    """A new key, as its holder presents it."""
    world = client.world
    presented = make_api_key(
        world.api_keys,
        world.api_key_ring,
        "shop",
        frozenset(scopes),
        clock=world.clock,
        randomness=world.randomness,
    )
    return run(presented).reveal()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_is_presented_as_bearer(client: Client, scheme: str) -> None:
    """The name of the scheme may be in any case, and white space around the key is ignored."""
    key = made(client, Scope.PASSES)
    for header in (f"{scheme} {key}", f"{scheme}  {key} "):
        reply = client.request("GET", PATH, headers={"authorization": header})
        assert (reply.status, reply.json) == (200, {"id": key.split("_")[1]})


def test_without_a_key(client: Client) -> None:
    """No key, one in another scheme and one that opens nothing have the same answer."""
    key = made(client, Scope.PASSES)
    wrong = f"Bearer {key[:-1]}{'0' if key[-1] != '0' else '1'}"
    basic = f"Basic {key}"
    for header in (None, "", "Bearer", "Bearer ", key, basic, wrong, "Bearer cl\xe9"):
        reply = client.request("GET", PATH, headers={"authorization": header})
        assert (reply.status, reply.json) == (401, UNAUTHORIZED)
        assert reply.headers["www-authenticate"] == "Bearer"


def test_a_key_elsewhere_is_not_looked_at(client: Client) -> None:
    """A key in the address or in the body opens nothing."""
    key = made(client, Scope.PASSES)
    assert client.request("GET", PATH, query=f"key={key}&authorization=Bearer+{key}").status == 401
    body = f'{{"api_key": "{key}"}}'.encode()
    headers = {"content-type": "application/json", "cookie": f"authorization=Bearer {key}"}
    assert client.request("POST", PATH, body=body, headers=headers).status == 401


def test_a_key_without_the_scope(client: Client) -> None:
    """It is known, and forbidden."""
    key = made(client, Scope.EXCHANGE)
    reply = client.request("GET", PATH, headers={"authorization": f"Bearer {key}"})
    assert (reply.status, reply.json) == (403, FORBIDDEN)
    assert "www-authenticate" not in reply.headers


def test_a_revoked_key(client: Client) -> None:
    """It is like an unknown one."""
    key = made(client, Scope.PASSES)
    assert run(client.world.api_keys.revoke(key.split("_")[1], START)) is not None
    reply = client.request("GET", PATH, headers={"authorization": f"Bearer {key}"})
    assert (reply.status, reply.json) == (401, UNAUTHORIZED)


def test_too_many_failures(client: Client) -> None:
    """The 31st request of a minute waits, with a right key too, and its body is not read."""
    key = made(client, Scope.PASSES)
    for _ in range(30):
        assert client.request("POST", PATH, body=b"{").reads == 0
    client.world.clock.advance(MINUTE // 2)
    reply = client.request("POST", PATH, body=b"{", headers={"authorization": f"Bearer {key}"})
    assert (reply.status, reply.reads) == (429, 0)
    assert reply.json["error"] == "rate_limited"
    assert reply.json["retry_after_seconds"] == 30
    assert reply.headers["retry-after"] == "30"
    client.world.clock.instant = after(START, MINUTE)
    reply = client.request("GET", PATH, headers={"authorization": f"Bearer {key}"})
    assert reply.status == HTTPStatus.OK


def test_what_the_document_says_of_keys() -> None:
    """Every refusal of a key has its status and word."""
    assert [(one.status, one.error) for one in KEY_REFUSALS] == [
        (401, "unauthorized"),
        (403, "forbidden"),
        (429, "rate_limited"),
        (503, "unavailable"),
    ]
