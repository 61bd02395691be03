"""The service with apps of a shop, and the shop's backend, which uses Twilio's SDK for Python."""

import base64
import itertools
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import attrs
import httpx2
import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client
from twilio.rest.verify.v2.service import ServiceContext
from twilio.rest.verify.v2.service.verification import VerificationInstance
from twilio.rest.verify.v2.service.verification_check import VerificationCheckInstance

from tests.e2e.server import Server, command
from tests.sdks.refusals import UNKNOWN, Row, Step
from tests.world import other_than

ACCOUNT: Final = "ACf0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"

SERVICES: Final = {
    "shop": "VA000102030405060708090a0b0c0d0e0f",
    "kiosk": "VA101112131415161718191a1b1c1d1e1f",
    "stall": "VA202122232425262728292a2b2c2d2e2f",
    "bank": "VA303132333435363738393a3b3c3d3e3f",
}

APPS: Final = f"""
[shop]
account = "acme"
service_name = "Acme Shop"
regions = ["IN", "GB"]
sid = "{SERVICES["shop"]}"
account_sid = "{ACCOUNT}"
limits = {{ sends_per_minute = 0, sends_per_day = 0, sends_per_client_hour = 1 }}
named_limits = {{ user = ["1 in 600 s"] }}
proof_audience = "acme-shop"
purposes.login_verification = {{ email = true }}
[kiosk]
account = "acme"
service_name = "Acme Kiosk"
regions = ["IN"]
sid = "{SERVICES["kiosk"]}"
purposes.phone_verification = {{ sends_per_contact_day = 1, cooldown_seconds = 0 }}
purposes.email_verification = {{ sends_per_contact_day = 1, cooldown_seconds = 0 }}
[stall]
account = "acme"
service_name = "Acme Stall"
regions = ["IN"]
sid = "{SERVICES["stall"]}"
default_purposes = {{ email = "login_verification" }}
limits = {{ sends_per_minute = 1, checks_per_client_hour = 1 }}
[bank]
account = "bolt"
service_name = "Bank"
sid = "{SERVICES["bank"]}"
"""

KEYS: Final = {
    "acme": ("--account", "acme"),
    "shop": ("--app", "shop"),
    "checking": ("--account", "acme", "--scopes", "check,read"),
    "starting": ("--account", "acme", "--scopes", "start"),
}

UNKNOWN_KEY: Final = f"hspotp_{'0' * 32}_{'A' * 43}_00000000"

_numbers = itertools.count(1)


def new_number() -> str:
    """A mobile number in India that no other test has used."""
    return f"+9198765{next(_numbers):05d}"


def new_address() -> str:
    """An e-mail address that no other test has used."""
    return f"person-{next(_numbers)}@example.com"


@attrs.frozen(kw_only=True)
class Site:
    """A running service with the apps, and its keys by their names."""

    server: Server
    keys: dict[str, str] = attrs.field(repr=False)

    @classmethod
    def start(cls, folder: Path, **settings: str) -> Self:
        """Import the apps, make the keys, and start a server in *folder*, with two workers."""
        given = {"MODE": "development", "WORKERS": "2"} | settings
        (folder / "apps.toml").write_text(APPS, "utf-8")
        for arguments in (("db", "upgrade"), ("apps", "import", "apps.toml")):
            done = command(folder, *arguments, **given)
            assert done.returncode == 0, done.stderr
        keys = {"unknown": UNKNOWN_KEY}
        for name, owner in KEYS.items():
            done = command(folder, "api-keys", "new", "--name", name, *owner, **given)
            assert (done.returncode, done.stderr) == (0, "")
            keys[name] = done.stdout.strip()
        return cls(server=Server(folder, **given), keys=keys)

    @property
    def base(self) -> str:
        """What takes the place of https://verify.twilio.com."""
        return f"http://127.0.0.1:{self.server.port}"

    def client(self, key: str = "acme", **options: Any) -> Client:  # noqa: ANN401 - of the SDK
        """Make a client with an API key as its token; *options* are the SDK's."""
        client = Client(ACCOUNT, self.keys[key], **options)
        client.verify.base_url = self.base
        return client

    def backend(self, key: str = "acme", service: str = "shop", **options: Any) -> "Backend":  # noqa: ANN401 - of the SDK
        """Make a backend with a person to verify."""
        return Backend(site=self, client=self.client(key, **options), service_sid=SERVICES[service])

    def code(self, contact: str) -> str:
        """The code in the latest message to *contact*, from the sandbox."""
        return str(self._messages(contact)[0]["code"])

    def messages(self, contact: str) -> int:
        """How many messages were sent to *contact*."""
        return len(self._messages(contact))

    def _messages(self, contact: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.server.get(f"/dev/outbox/?to={quote(contact)}")[
            "messages"
        ]
        return found

    def wait(self, seconds: int) -> None:
        """Turn the sandbox's clock."""
        assert self.server.post("/dev/clock/", {"advance_seconds": seconds}).status == 200

    def native(self, path: str, key: str = "acme", **members: object) -> dict[str, Any]:
        """Post to the other API."""
        bearer = {"Authorization": f"Bearer {self.keys[key]}"}
        answer = self.server.post(f"/v1/{path}", members, **bearer)
        assert answer.status == 200, answer.body
        return answer.body

    def native_get(self, path: str) -> dict[str, Any]:
        """Get from the other API."""
        response = httpx2.get(
            f"{self.base}/v1/{path}",
            headers={"Authorization": f"Bearer {self.keys['acme']}"},
            trust_env=False,
        )
        assert response.status_code == 200
        found: dict[str, Any] = response.json()
        return found


@attrs.define(kw_only=True)
class Backend:
    """
    A backend that verifies a person.

    Attributes:
        number: The person's.
        first: The sid of the verification that was started first.
        sid: That of the one that was started last.
    """

    site: Site
    client: Client
    service_sid: str
    number: str = attrs.field(factory=new_number)
    first: str = UNKNOWN
    sid: str = UNKNOWN

    @property
    def context(self) -> ServiceContext:
        """The SDK's object for the service."""
        return self.client.verify.v2.services(self.service_sid)

    def start(
        self,
        to: str | None = None,
        channel: str = "sms",
        **more: Any,  # noqa: ANN401 - of the SDK
    ) -> VerificationInstance:
        """Start a verification, or send its code again."""
        to = self.number if to is None else to
        started = self.context.verifications.create(to=to, channel=channel, **more)
        assert started.sid is not None
        if self.first == UNKNOWN:
            self.first = started.sid
        self.sid = started.sid
        return started

    def fail(self) -> None:
        """Start a verification whose message no sender takes."""
        assert refused(self.start).status == 503

    def check(self, code: str = "right", **more: Any) -> VerificationCheckInstance:  # noqa: ANN401 - of the SDK
        """Present a code: the *right* one, a *wrong* one, or the given one."""
        if code in {"right", "wrong"}:
            sent = self.site.code(self.number)
            code = sent if code == "right" else other_than(sent)
        more = more or {"to": self.number}
        return self.context.verification_checks.create(code=code, **more)

    def fetch(self, sid: str | None = None) -> VerificationInstance:
        """Look at a verification; at the one that was started last, if none is named."""
        return self.context.verifications(self.sid if sid is None else sid).fetch()

    def wait(self, seconds: int) -> None:
        """Turn the sandbox's clock."""
        self.site.wait(seconds)

    def service(self) -> object:
        """Look at the service."""
        return self.context.fetch()

    def new_service(self) -> object:
        """Try to make a service."""
        return self.client.verify.v2.services.create(friendly_name="Another")

    def delete_service(self) -> object:
        """Try to delete the service."""
        return self.context.delete()

    def rate_limit(self) -> object:
        """Try something that only Twilio offers."""
        return self.context.rate_limits.create(unique_name="user")

    def update(self, status: Any) -> VerificationInstance:  # noqa: ANN401 - the SDK has a class of constants
        """Cancel the verification, or try what cannot be done."""
        return self.context.verifications(self.sid).update(status=status)


def refused(call: Callable[[], object]) -> TwilioRestException:
    """Make a call that is refused in the way that handlers of the SDK's errors know."""
    with pytest.raises(TwilioException) as caught:
        call()
    assert type(caught.value) is TwilioRestException
    return caught.value


def played(backend: Backend, row: Row) -> TwilioRestException:
    """Let a backend go through the steps of a row; the refusal of the last one."""
    other, address = new_number(), new_address()

    def do(step: Step) -> object:
        verb, given = step
        named = {"number": backend.number, "other": other, "first": backend.first, "mail": address}
        told = {
            name: named.get(value, value) if isinstance(value, str) else value
            for name, value in given.items()
        }
        return getattr(backend, verb)(**told)

    *before, last = row.steps
    for step in before:
        do(step)
    return refused(partial(do, last))


def sid_of(verification_id: str) -> str:
    """The SDK's form of a verification's id."""
    return "VE" + base64.urlsafe_b64decode(verification_id + "==").hex()


def id_of(sid: str) -> str:
    """The other API's form of a verification's sid."""
    return base64.urlsafe_b64encode(bytes.fromhex(sid[2:])).decode().rstrip("=")


def seconds_in(message: str) -> int:
    """The wait that a sentence tells."""
    (found,) = re.findall(r"Try again in (\d+) seconds?\.", message)
    return int(found)
