"""A client of Twilio Verify, over HTTP in process."""

import base64
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from hsp_otp.domain.apps import App
from hsp_otp.domain.names import id_of_sid
from tests.backend import RULES
from tests.http import Client, Reply
from tests.verifying import BackendClient, made_key, with_app
from tests.world import PHONE, START, World

ACCOUNT_SID: Final = "ACf0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
SERVICE_SID: Final = "VA000102030405060708090a0b0c0d0e0f"
SERVICES: Final = "/v2/Services"
VERIFICATIONS: Final = f"{SERVICES}/{SERVICE_SID}/Verifications"
CHECK: Final = f"{SERVICES}/{SERVICE_SID}/VerificationCheck"

SHOP: Final = App(
    id=id_of_sid(SERVICE_SID, "VA"),
    account_id=id_of_sid(ACCOUNT_SID, "AC"),
    name="shop",
    rules=RULES,
    made_at=START,
    changed_at=START,
)
"""An app with the ids that it had at Twilio."""


@attrs.define
class TwilioClient:
    """
    A client of Twilio's, pointed at this service.

    Attributes:
        key: Its API key.
        authorization: The header that it presents.
    """

    client: Client
    key: str = attrs.field(repr=False)
    authorization: str | None = attrs.field(repr=False)

    @property
    def world(self) -> World:
        """The world behind the service."""
        return self.client.world

    @property
    def native(self) -> BackendClient:
        """The same backend, as a client of the service's own API."""
        return BackendClient(self.client, self.key)

    def get(self, path: str, **headers: str | None) -> Reply:
        """Request *path*; the clients for Python name the type of a form here too."""
        return self._request("GET", path, b"", headers)

    def post(self, path: str, form: dict[str, str] | bytes, **headers: str | None) -> Reply:
        """Post a form, or the bytes of one."""
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        return self._request("POST", path, body, headers)

    def start(self, to: str = PHONE, channel: str = "sms", **more: str) -> Reply:
        """Start a verification."""
        return self.post(VERIFICATIONS, {"To": to, "Channel": channel, **more})

    def started(self, to: str = PHONE, **more: str) -> tuple[str, str]:
        """Start a verification; return its sid and its code."""
        reply = self.start(to, **more)
        assert reply.status == 201, reply.json
        return reply.json["sid"], self.world.outbox.codes[-1]

    def check(self, **form: str) -> Reply:
        """Check a code."""
        return self.post(CHECK, form)

    def fetch(self, sid: str) -> Reply:
        """Ask what became of a verification, or for the live one of a contact."""
        return self.get(f"{VERIFICATIONS}/{sid}")

    def update(self, sid: str, **form: str) -> Reply:
        """Change the status of a verification."""
        return self.post(f"{VERIFICATIONS}/{sid}", form)

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.world.clock.advance(seconds * 1_000_000)

    def _request(
        self, method: str, path: str, body: bytes, headers: dict[str, str | None]
    ) -> Reply:
        lines: dict[str, str | None] = {
            "authorization": self.authorization,
            "content-type": "application/x-www-form-urlencoded",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.client.request(method, path, body=body, headers=lines)


def basic(user: str, password: str) -> str:
    """The header of a name and a password."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def twilio(world: World | None = None, app: App = SHOP, **settings: Any) -> TwilioClient:  # noqa: ANN401 - of every kind
    """Make a client of *app*, which is stored."""
    world = world or World()
    with_app(world, app)
    client = Client(world, verify_api=True, twilio_verify=True, **settings)
    key = made_key(world, app)
    return TwilioClient(client, key, basic(ACCOUNT_SID, key))


def ruled(**rules: object) -> App:
    """The shop with other rules."""
    return attrs.evolve(SHOP, rules=attrs.evolve(RULES, **rules))  # type: ignore[arg-type]
