"""A backend of an app, over HTTP in process."""

import json
from typing import Any, Final

import attrs

from hsp_otp.domain.api_keys import Scope
from hsp_otp.domain.app_changes import Tenants
from hsp_otp.domain.apps import App
from hsp_otp.flows.api_keys import make_api_key
from tests.backend import SHOP
from tests.http import Client, Reply
from tests.world import PHONE, World, run

VERIFICATIONS: Final = "/v1/verifications"
STANDING: Final = "/v1/standing"

STEPS: Final = ("check", "resend", "cancel")


@attrs.define
class BackendClient:
    """
    A backend with an API key.

    Attributes:
        key: The key, as it presents it.
    """

    client: Client
    key: str = attrs.field(repr=False)

    @property
    def world(self) -> World:
        """The world behind the service."""
        return self.client.world

    def request(
        self,
        method: str,
        path: str,
        members: object = None,
        *,
        body: bytes | None = None,
        idempotency_key: str | None = None,
        query: str = "",
        **headers: str | None,
    ) -> Reply:
        """Make a request; *headers* by their names with dashes as underscores."""
        lines: dict[str, str | None] = {"authorization": f"Bearer {self.key}"}
        if idempotency_key is not None:
            lines["idempotency-key"] = idempotency_key
        if members is not None or body is not None:
            lines["content-type"] = "application/json"
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = json.dumps(members).encode() if body is None and members is not None else body
        return self.client.request(method, path, body=sent or b"", headers=lines, query=query)

    def start(self, to: str = PHONE, key: str | None = None, **members: object) -> Reply:
        """Start a verification."""
        return self.post({"to": to, **members}, key)

    def post(self, members: object, key: str | None = None) -> Reply:
        """Start a verification with exactly these members."""
        return self.request("POST", VERIFICATIONS, members, idempotency_key=key)

    def started(self, to: str = PHONE, **members: object) -> tuple[str, str]:
        """Start a verification; return its id and its code."""
        reply = self.post({"to": to, **members})
        assert reply.status == 200, reply.json
        return reply.json["id"], self.world.outbox.codes[-1]

    def check(
        self, verification_id: str, code: str | None, key: str | None = None, **members: object
    ) -> Reply:
        """Check a code."""
        told = members if code is None else {"code": code, **members}
        return self.step(verification_id, "check", told, key)

    def step(
        self, verification_id: str, step: str, members: object = None, key: str | None = None
    ) -> Reply:
        """Check, send again or cancel."""
        path = f"{VERIFICATIONS}/{verification_id}/{step}"
        return self.request("POST", path, members, idempotency_key=key)

    def get(self, verification_id: str) -> Reply:
        """Ask what became of a verification."""
        return self.request("GET", f"{VERIFICATIONS}/{verification_id}")

    def standing(self, to: str = PHONE, **members: object) -> Reply:
        """Ask what a start would meet."""
        return self.request("POST", STANDING, {"to": to, **members})

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.world.clock.advance(seconds * 1_000_000)


def made_key(
    world: World,
    app: App | None = SHOP,
    scopes: frozenset[Scope] = frozenset({Scope.START, Scope.CHECK, Scope.READ}),
    account_id: str | None = None,
) -> str:
    """Make an API key of *app* or of an account."""
    presented = make_api_key(
        world.api_keys,
        world.api_key_ring,
        "checkout",
        scopes,
        app_id=None if app is None else app.id,
        account_id=account_id,
        clock=world.clock,
        randomness=world.randomness,
    )
    return run(presented).reveal()


def backend(world: World | None = None, app: App = SHOP, **settings: Any) -> BackendClient:  # noqa: ANN401 - of every kind
    """Make the backend of *app*, which is stored."""
    world = world or World()
    with_app(world, app)
    return BackendClient(Client(world, verify_api=True, **settings), made_key(world, app))


def with_app(world: World, app: App) -> None:
    """Store *app*, in place of one with the same id."""
    others = [one for one in world.apps.stored.apps if one.id != app.id]
    world.apps.stored = Tenants(apps=(*others, app))


def ruled(**rules: object) -> App:
    """The shop with other rules."""
    return attrs.evolve(SHOP, rules=attrs.evolve(SHOP.rules, **rules))  # type: ignore[arg-type]


def key_id(key: str) -> str:
    """The id of an API key."""
    return key.split("_")[1]
