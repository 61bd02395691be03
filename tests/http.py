# ruff: noqa: A005 - it is never imported but as tests.http
"""
The application over a test world, called like an ASGI server calls it.

There is no socket and no event loop: requests are driven like the flows, and a request that waits
for something outside fails its test. The routes are made once per process; each client has its own
middleware, and puts its services behind the routes for each request.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import attrs
from litestar import Litestar

from hsp_otp.adapters.messages import GettextMessages
from hsp_otp.adapters.opentelemetry.spans import Spans
from hsp_otp.domain.api_keys import Scope
from hsp_otp.domain.contact import Channel
from hsp_otp.domain.purposes import Purpose
from hsp_otp.entrypoints.app import create_routes
from hsp_otp.entrypoints.http.middleware import RequestMiddleware
from hsp_otp.entrypoints.services import Dashboard, Sandbox, Services
from hsp_otp.entrypoints.settings.model import NUMBERS, PREFIX, Settings, purpose_variables
from hsp_otp.entrypoints.wiring import calls, receipts, traced
from hsp_otp.flows.api_keys import make_api_key
from hsp_otp.flows.receipts import take_receipt
from tests.world import CLIENT, OTHER_CLIENT, PASS_CODE, PHONE, World, ring, run

T = TypeVar("T")

VALIDATE = "/customer/validate-pass/"
SEND = "/customer/send-otp/"
VERIFY = "/customer/verify-otp/"

CSRF = "/users/api/csrf/"
SIGNUP_SEND = "/users/api/send-otp/"
SIGNUP_VERIFY = "/users/api/verify-otp/"

REFRESH = "/token/refresh/"
REVOKE = "/token/revoke/"
EXCHANGE = "/token/exchange/"
ME = "/customer/me/"
KEY_SET = "/.well-known/jwks.json"

FLOW_MEMBERS = {
    VALIDATE: "valid",
    SEND: "sent",
    VERIFY: "success",
    SIGNUP_SEND: "success",
    SIGNUP_VERIFY: "success",
    EXCHANGE: "success",
}
"""The member that is false in every answer of the route except a success."""

REQUEST_ID = "r-1"
"""The id of the client's requests by default."""

CSRF_TOKEN = ring("csrf").seal("f00d")
"""A genuine token, as a page of the service would give to the browser."""

OPEN: Final[Mapping[str, Any]] = {
    "known_sends_per_day": 0,
    "others_per_network_day": 0,
    "work_seconds": 0,
    "fresh_code_seconds": 0,
    "bind_guesses": False,
}
"""Settings without what holds strangers back from each other and from known devices."""

Body = bytes | Sequence[bytes | None]


@attrs.frozen
class Reply:
    """
    An answer.

    Attributes:
        headers: The headers, by their lower-case names.
        cookies: The values of Set-Cookie.
        reads: The number of parts of the request's body that were read.
    """

    status: int
    headers: dict[str, str]
    cookies: tuple[str, ...]
    body: bytes
    reads: int

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """The parsed body."""
        return json.loads(self.body)


def problem(
    status: int, title: str, error: str, message: str, **members: bool | int | str
) -> dict[str, Any]:
    """Return the whole body of an error (docs/contract.md, section 5) with additional *members*."""
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": message,
        "error": error,
        "message": message,
        "request_id": REQUEST_ID,
        **members,
    }


def shared(routes: Sequence[str], inputs: Iterable[T]) -> list[tuple[str, T]]:
    """
    Make test parameters for a decision that one function makes on all *routes*.

    The first route gets every input, and each other route the first one, which is enough to show
    that it uses the function.
    """
    first, *others = inputs
    return [
        *((routes[0], one) for one in (first, *others)),
        *((route, first) for route in routes[1:]),
    ]


def csrf(
    cookie: str | None = CSRF_TOKEN, header: str | None = CSRF_TOKEN, name: str = "csrftoken"
) -> dict[str, str | None]:
    """Return the headers of a request from a page of the service; None omits a header."""
    return {"cookie": None if cookie is None else f"{name}={cookie}", "x-csrftoken": header}


async def _answers() -> bool:
    return True


@cache
def _routes(*, ops: bool, verify: bool, twilio_verify: bool, sandbox: bool) -> Litestar:
    """Return the routes, shared by all clients of the process because making them takes 20 ms."""
    return create_routes(ops=ops, verify=verify, twilio_verify=twilio_verify, sandbox=sandbox)


def _configured(given: Mapping[str, Any]) -> tuple[Settings, GettextMessages]:
    """Return settings with their texts, cached because reading the catalogues takes 10 ms."""
    try:
        return _read_once(**given)
    except TypeError:  # a value is a table, which cannot be cached
        return _read(**given)


def _read(**given: Any) -> tuple[Settings, GettextMessages]:  # noqa: ANN401 - of every kind
    numbers = {
        purpose: made(
            **{
                field.name: given.pop(name)
                for variable, field in purpose_variables(purpose)
                if (name := variable.removeprefix(PREFIX).lower()) in given
            }
        )
        for purpose, made in NUMBERS.items()
    }
    settings = Settings(**given, numbers=numbers)
    return settings, settings.texts


_read_once = lru_cache(maxsize=None, typed=True)(_read)


class Client:
    """
    A client of an application whose services use a test world.

    Every answer is checked against the rules for all answers in section 5 of docs/contract.md, and
    against 2.2: it never shows a code that was sent.

    Attributes:
        services: The services that answer.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        database_answers: Callable[[], Awaitable[bool]] = _answers,
        redis_answers: Callable[[], Awaitable[bool]] | None = None,
        key_set: Mapping[str, Any] | None = None,
        answered: Callable[[str, str, int, float], None] | None = None,
        spans: Spans | None = None,
        trial: Path | None = None,
        ops: Dashboard | None = None,
        sandbox: Sandbox | None = None,
        routes: Litestar | None = None,
        **settings: Any,  # noqa: ANN401 - of every kind
    ) -> None:
        """
        Create the services.

        Args:
            world: The test world, by default a new one; its limits are those of *settings*.
            key_set: The key set, empty by default.
            answered: Called for every request.
            spans: Makes the spans of requests and flows.
            trial: The folder with the app's screens.
            ops: The services of the operators' page.
            sandbox: The services of development mode.
            routes: Other routes than the service's.
            settings: Settings by name; the others have the contract's defaults.
        """
        self.world = world or World()
        self.settings, messages = _configured(settings)
        self.world.policy = self.settings.policies[Purpose.PHONE_VERIFICATION]
        self.world.signup_policy = self.settings.policies[Purpose.SIGNUP]
        self.world.limits = self.settings.client_limits
        services = Services(
            settings=self.settings,
            clock=self.world.clock,
            messages=messages,
            journeys=self.world.journeys,
            senders={Channel.SMS: self.world.outbox} | self.world.outboxes,
            take_receipt=partial(
                take_receipt,
                self.world.deliveries,
                early=self.world.early,
                clock=self.world.clock,
            ),
            receipts=receipts(self.settings, self.world.clock, self.world.randomness),
            calls=calls(self.settings, self.world.clock, self.world.randomness),
            call_texts=messages,
            key_set=key_set or {"keys": []},
            csrf_keys=ring("csrf"),
            page_keys=ring("pages"),
            database_answers=database_answers,
            redis_answers=redis_answers,
            answered=answered,
            dashboard=ops,
            sandbox=sandbox,
        )
        if spans is not None:
            services = traced(services, spans)

        self.services = services
        self._routes = routes or (
            _routes(
                ops=ops is not None,
                verify=self.settings.serves_verifications,
                twilio_verify=self.settings.serves_twilio_verify,
                sandbox=sandbox is not None,
            )
            if trial is None
            else create_routes(trial=trial)
        )
        self._app = RequestMiddleware(self._routes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: the world is in memory, and the routes are shared."""

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Body = b"",
        headers: Mapping[str, str | None] | None = None,
        more_headers: Sequence[tuple[str, str]] = (),
        client: str | None = CLIENT,
        query: str = "",
        scheme: str = "http",
        raw_path: str | None = None,
    ) -> Reply:
        """
        Send a request, with a CSRF token if a page of the service would send one.

        Args:
            body: The body; parts are sent without a length, and None means that the client leaves.
            headers: Headers that are added to or replace the usual ones; None omits a header.
            more_headers: Further headers, whose names may repeat.
            client: The socket's peer, if it has one.
            raw_path: The path as sent, if it was encoded.
        """
        parts = [body] if isinstance(body, bytes) else list(body)
        lines: dict[str, str | None] = {"host": "otp.example", "x-request-id": REQUEST_ID}
        if isinstance(body, bytes) and body:
            lines["content-length"] = str(len(body))
        if method == "POST" and path.startswith("/users/api/"):
            by_https = scheme == "https" or self.settings.public_url.startswith("https:")
            lines |= csrf(name="__Host-csrftoken" if by_https else "csrftoken")
        lines |= headers or {}
        scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": path,
            "raw_path": (path if raw_path is None else raw_path).encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in (*lines.items(), *more_headers)
                if value is not None
            ],
            "client": None if client is None else (client, 50_000),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        reads = 0
        sent: list[Any] = []

        async def receive() -> Any:  # noqa: ANN401 - ASGI
            nonlocal reads
            assert reads < len(parts), "it read on"
            reads += 1
            if parts[reads - 1] is None:
                return {"type": "http.disconnect"}
            return {
                "type": "http.request",
                "body": parts[reads - 1],
                "more_body": reads < len(parts),
            }

        async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
            sent.append(message)

        self._routes.state.services = self.services
        run(self._app(scope, receive, send))
        start, *rest = sent
        assert start["type"] == "http.response.start"
        pairs = [(name.decode().lower(), value.decode()) for name, value in start["headers"]]
        reply = Reply(
            status=start["status"],
            headers=dict(pairs),
            cookies=tuple(value for name, value in pairs if name == "set-cookie"),
            body=b"".join(message.get("body", b"") for message in rest),
            reads=reads,
        )
        once = [name for name, _ in pairs if name != "set-cookie"]
        assert len(once) == len(set(once)), "a header stands twice"
        self._hold(path.rstrip("/"), reply)
        return reply

    def _hold(self, path: str, reply: Reply) -> None:
        assert reply.headers["x-request-id"]
        if not path.startswith(("/static/", "/ops/static/")):
            cached = path == KEY_SET and reply.status == 200
            lasts = "public, max-age=300" if cached else "no-store"
            assert reply.headers["cache-control"] == lasts
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "server" not in reply.headers
        if not self.settings.cors_origins:
            assert not [name for name in reply.headers if name.startswith("access-control-")]
        if reply.status == 401 and path not in {REFRESH[:-1], ME[:-1]}:
            told = reply.json["details"] if path.startswith("/v2/") else reply.json
            assert told["error"] == "unauthorized"  # a backend without an API key
        assert ("www-authenticate" in reply.headers) == (reply.status == 401)
        told = reply.body.decode(errors="replace")
        assert not [code for code in self.world.outbox.codes if code in told]
        if path.startswith("/users"):
            assert not [sms for sms in self.world.outbox.sent if sms.to.value[3:] in told]
        if "json" not in reply.headers.get("content-type", ""):
            return
        steps = {CSRF[:-1], SIGNUP_SEND[:-1], SIGNUP_VERIFY[:-1]}
        assert bool(reply.cookies) == (path in steps and reply.status == 200)
        assert ("content-language" in reply.headers) == ("message" in reply.json)
        # What a start would meet is no error of the request that asks.
        if "error" in reply.json and "admitted" not in reply.json:
            assert reply.json["request_id"] == reply.headers["x-request-id"]
            assert reply.json["message"]

    def post(
        self,
        path: str,
        members: object = None,
        *,
        body: Body | None = None,
        headers: Mapping[str, str | None] | None = None,
        client: str | None = CLIENT,
    ) -> Reply:
        """Post *members*, or the bytes of *body*, as JSON."""
        return self.request(
            "POST",
            path,
            body=json.dumps(members).encode() if body is None else body,
            headers={"content-type": "application/json", **(headers or {})},
            client=client,
        )

    def validate(self, pass_code: str = PASS_CODE, *, client: str = CLIENT) -> Reply:
        """Look up a pass."""
        return self.post(VALIDATE, {"pass_code": pass_code}, client=client)

    def send(self, pass_code: str = PASS_CODE, *, client: str = CLIENT, **more: str) -> Reply:
        """Ask for a code."""
        return self.post(SEND, {"pass_code": pass_code, **more}, client=client)

    def verify(
        self, otp: str, pass_code: str = PASS_CODE, *, client: str = CLIENT, **more: str
    ) -> Reply:
        """Present a code."""
        return self.post(VERIFY, {"pass_code": pass_code, "otp": otp, **more}, client=client)

    def code(self, pass_code: str = PASS_CODE, *, client: str = CLIENT) -> str:
        """Ask for a code, and read it from the message."""
        assert self.send(pass_code, client=client).status == 200
        return self.world.outbox.codes[-1]

    def api_key(self, *scopes: Scope) -> str:
        """Make an API key, as its holder presents it."""
        world = self.world
        presented = make_api_key(
            world.api_keys,
            world.api_key_ring,
            "shop",
            frozenset(scopes),
            clock=world.clock,
            randomness=world.randomness,
        )
        return run(presented).reveal()

    def exchange(self, code: str, key: str) -> Reply:
        """Exchange the code of a sign-in, as another backend."""
        headers = {"authorization": f"Bearer {key}"}
        return self.post(EXCHANGE, {"code": code}, headers=headers, client=OTHER_CLIENT)

    def sign_up(
        self,
        phone: str = PHONE,
        session_id: str | None = None,
        *,
        client: str = CLIENT,
        **more: str,
    ) -> Reply:
        """Ask for a code in signup."""
        members = {"phone": phone} | ({} if session_id is None else {"session_id": session_id})
        return self.post(SIGNUP_SEND, members | more, client=client)

    def prove(self, session_id: str, otp_code: str, *, client: str = CLIENT) -> Reply:
        """Present a code in signup."""
        members = {"session_id": session_id, "otp_code": otp_code}
        return self.post(SIGNUP_VERIFY, members, client=client)

    def session(
        self, phone: str = PHONE, session_id: str | None = None, *, client: str = CLIENT
    ) -> tuple[str, str]:
        """Ask for a code in signup, and return the session and the code in the message."""
        reply = self.sign_up(phone, session_id, client=client)
        assert reply.status == 200
        return reply.json["session_id"], self.world.outbox.codes[-1]
