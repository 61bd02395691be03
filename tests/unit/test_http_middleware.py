"""What holds for every request and answer: docs/contract.md, sections 3.7, 5, 5.6 and 8.3."""

import asyncio
import itertools
import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

import pytest
import structlog
from litestar.exceptions import ImproperlyConfiguredException

from hsp_otp.adapters.instrumentation.port_times import port_times
from hsp_otp.adapters.instrumentation.ports import Watch
from hsp_otp.domain.instant import HOUR, Duration
from hsp_otp.domain.names import PassCode
from hsp_otp.domain.passes import Pass
from hsp_otp.entrypoints import logs
from hsp_otp.entrypoints.client_address import parse_trusted_proxies
from hsp_otp.ports.failures import SendFailed, Unavailable
from hsp_otp.ports.sender import SEND_WITHIN, Message, Receipt
from tests.http import (
    FLOW_MEMBERS,
    KEY_SET,
    REFRESH,
    SEND,
    VALIDATE,
    VERIFY,
    Client,
    Reply,
    problem,
)
from tests.observed import Observed
from tests.world import PASS_CODE, Outbox, World, other_than

ROUTES = [VALIDATE, SEND, VERIFY]
PROXY = "10.0.0.1"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with the contract's numbers; one paid pass is held."""
    with Client() as opened:
        opened.world.add()
        yield opened


@contextmanager
def logged(*, for_people: bool) -> Iterator[StringIO]:
    """The real log, but for where it goes."""
    root = logging.getLogger()
    before, level, structured = root.handlers, root.level, structlog.get_config()
    stream = StringIO()
    with redirect_stderr(stream):
        logs.configure(for_people=for_people)
    yield stream
    root.handlers = before
    root.setLevel(level)
    structlog.configure(**structured)


@pytest.fixture(params=[False, True], ids=["JSON", "for people"])
def written(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[], str]]:
    """All that the service has written, to its log in both of its forms and anywhere else."""
    with logged(for_people=request.param) as stream:
        yield lambda: stream.getvalue() + "".join(capsys.readouterr())


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The log's lines since the last call."""
    with logged(for_people=False) as stream:

        def read() -> list[dict[str, Any]]:
            text = stream.getvalue()
            stream.seek(0)
            stream.truncate()
            return [json.loads(line) for line in text.splitlines()]

        yield read


def members(client: Client) -> dict[str, str]:
    """What every route takes."""
    codes = client.world.outbox.codes
    return {"pass_code": PASS_CODE, "otp": codes[-1] if codes else "123456"}


# Request ids


@pytest.mark.parametrize(
    "given",
    ["a", "0", "A.b_c-9", ".", "8d4f3c2e-8f6b-4f0e-9d8c-0a1b2c3d4e5f", "x" * 64],
    ids=lambda text: text[:8],
)
def test_a_request_id_is_taken_over(client: Client, lines: Lines, given: str) -> None:
    """Section 5: 1 to 64 of `A-Za-z0-9._-` are kept: header, body, audit and log."""
    reply = client.post(VALIDATE, {"pass_code": "HSP-0000-0000"}, headers={"x-request-id": given})
    assert reply.headers["x-request-id"] == given
    assert reply.json["request_id"] == given
    assert client.world.audit.rows[-1].request_id == given
    assert [line["request_id"] for line in lines()] == [given]


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        " ",
        "a b",
        " a",
        "a\n",
        "a/b",
        "a;b",
        'a"',
        "<a>",
        "é",
        "\x00",
        "x" * 65,
        "x" * 9000,
    ],
    ids=lambda text: f"{ascii(text)[:8]} of {len(text or '')}",
)
def test_another_request_id_is_made(client: Client, lines: Lines, given: str | None) -> None:
    """Section 5: anything else is replaced, and stands nowhere."""
    seen: set[str] = set()
    for _ in range(3):
        reply = client.post(
            VALIDATE, {"pass_code": "HSP-0000-0000"}, headers={"x-request-id": given}
        )
        made = reply.headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", made)
        assert reply.json["request_id"] == made
        assert client.world.audit.rows[-1].request_id == made
        assert [line["request_id"] for line in lines()] == [made]
        seen.add(made)
    assert len(seen) == 3


def test_two_request_ids_are_none(client: Client) -> None:
    """Section 5: a header that stands twice names nothing."""
    reply = client.request("GET", "/healthz", more_headers=[("x-request-id", "r-2")])
    assert re.fullmatch(r"[0-9a-f]{32}", reply.headers["x-request-id"])


# The headers of every answer


class Away:
    """A repository of passes whose database does not answer."""

    stored: dict[PassCode, Pass]

    def __init__(self) -> None:
        self.stored = {}

    async def find(self, code: PassCode) -> Pass | None:
        """Keep the promise of `Passes.find`."""
        driver = OSError(f"database is locked: {code.value}")
        raise Unavailable("the driver said so") from driver


class Broken(Away):
    """A repository of passes with a bug."""

    async def find(self, code: PassCode) -> Pass | None:
        """Keep no promise."""
        raise ZeroDivisionError(f"while looking for {code.value}")


def with_passes(passes: Away) -> World:
    """A world that looks passes up there."""
    return World(passes=passes)  # type: ignore[arg-type]


ANSWERS: dict[str, tuple[int, Callable[[Client], Reply]]] = {
    "a success": (200, lambda client: client.validate()),
    "a plain refusal": (200, lambda client: client.validate("HSP-0000-0000")),
    "a refusal": (400, lambda client: client.validate("nonsense")),
    "malformed": (400, lambda client: client.post(VALIDATE, body=b"{")),
    "an invalid host": (
        400,
        lambda client: client.request("GET", "/healthz", headers={"host": "a b"}),
    ),
    "no such route": (404, lambda client: client.request("GET", "/nowhere")),
    "no such route, posted": (404, lambda client: client.post("/customer/", {})),
    "another method": (405, lambda client: client.request("GET", VALIDATE)),
    "too large": (413, lambda client: client.post(VALIDATE, body=b" " * 20_000)),
    "another type": (415, lambda client: client.request("POST", VALIDATE, body=b"{}")),
    "alive": (200, lambda client: client.request("GET", "/healthz")),
    "ready": (200, lambda client: client.request("GET", "/readyz")),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_headers_of_every_answer(client: Client, name: str) -> None:
    """Section 5: exactly these headers; no banner, no CORS, nothing kept by a cache."""
    status, ask = ANSWERS[name]
    reply = ask(client)
    assert reply.status == status
    headers = dict(reply.headers)
    assert headers.pop("content-type") == (
        "application/json" if status == 200 else "application/problem+json"
    )
    assert headers.pop("content-length") == str(len(reply.body))
    if status == 405:
        assert headers.pop("allow") == "POST"
    if "message" in reply.json:
        assert headers.pop("content-language") == "en"
    assert headers == {
        "x-request-id": "r-1",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_there_is_no_cors(client: Client, method: str, origin: str) -> None:
    """Section 5: no origin is let in, not by a preflight either."""
    reply = client.request(
        method,
        VALIDATE,
        body=b"{}",
        headers={"origin": origin, "access-control-request-method": "POST"},
    )
    assert not [name for name in reply.headers if "access-control" in name]


NOT_THERE = [
    "/index.html",
    "*",
    "/customer",
    "/customer/",
    "/customer/validate-pass/x",
    "/customer/Validate-Pass/",
    "/customer/../healthz",
    "//evil.example/",
    "/HEALTHZ",
    "/a\x00b",
    "/\u00e9",
    "/docs",
    "/schema",
    "/schema/openapi.json",
    "/metrics",
    "/token/",
    "/.well-known/",
]


@pytest.mark.parametrize("path", NOT_THERE, ids=ascii)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
def test_what_is_not_there(client: Client, method: str, path: str) -> None:
    """Section 5: 404 `not_found`, whatever the method and the body."""
    reply = client.request(method, path, body=b"\xff")
    assert reply.status == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json == problem(404, "Not Found", "not_found", "There is nothing at this address.")


# The client's address


TRUSTED = parse_trusted_proxies("10.0.0.0/8, 2001:db8:ffff::/48")

FORWARDED: dict[str, tuple[str | None, list[str], str]] = {
    "no proxy": ("203.0.113.9", [], "203.0.113.9"),
    "a proxy without a word": (PROXY, [], "10.0.0.1"),
    "a proxy": (PROXY, ["203.0.113.9"], "203.0.113.9"),
    "two proxies": (PROXY, ["203.0.113.9, 10.9.9.9"], "203.0.113.9"),
    "lines are joined in order": (PROXY, ["203.0.113.9", "10.9.9.9"], "203.0.113.9"),
    "an invention on the left": (PROXY, ["192.0.2.1, 203.0.113.9"], "203.0.113.9"),
    "an invention in a line of its own": (PROXY, ["192.0.2.1", "203.0.113.9"], "203.0.113.9"),
    "nothing but proxies": (PROXY, ["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
    "no address": (PROXY, ["203.0.113.9, nonsense, 10.2.2.2"], "10.2.2.2"),
    "no address at all": (PROXY, ["nonsense"], "10.0.0.1"),
    "a port": (PROXY, ["203.0.113.9:4711"], "203.0.113.9"),
    "IPv6": (PROXY, ["[2001:db8:1:2:3::4]:443"], "2001:db8:1:2::/64"),
    "a mapped peer": (f"::ffff:{PROXY}", ["203.0.113.9"], "203.0.113.9"),
    "an IPv6 proxy": ("2001:db8:ffff::1", ["203.0.113.9"], "203.0.113.9"),
    "an untrusted peer": ("192.0.2.7", ["203.0.113.9"], "192.0.2.7"),
    "no peer": (None, ["203.0.113.9"], "unknown"),
}


@pytest.mark.parametrize("name", FORWARDED)
def test_the_same_address_reaches_limits_audit_and_log(lines: Lines, name: str) -> None:
    """3.7: one address for all three, walked from the right to the first that is not trusted."""
    peer, forwarded, address = FORWARDED[name]
    with Client(trusted_proxies=TRUSTED) as client:
        client.world.add()
        reply = client.request(
            "POST",
            VALIDATE,
            body=json.dumps({"pass_code": PASS_CODE}).encode(),
            headers={"content-type": "application/json"},
            more_headers=[("x-forwarded-for", line) for line in forwarded],
            client=peer,
        )
        assert reply.json["valid"]
        assert client.world.charged("lookups", address) == 1
        (row,) = client.world.audit.rows
        assert row.client is not None
        assert row.client.value == address
        assert lines()[-1]["client"] == address


@pytest.mark.parametrize(
    ("reads", "header"),
    [
        *(
            ("x-forwarded-for", one)
            for one in ("x-real-ip", "forwarded", "cf-connecting-ip", "true-client-ip")
        ),
        ("forwarded", "x-forwarded-for"),
    ],
)
def test_no_other_header_names_the_client(reads: str, header: str) -> None:
    """3.7: of a trusted proxy too, one header alone is believed."""
    with Client(trusted_proxies=TRUSTED, forwarded_header=reads) as client:
        client.world.add()
        for value in ("for=203.0.113.9", "203.0.113.9"):
            client.post(VALIDATE, {"pass_code": PASS_CODE}, headers={header: value}, client=PROXY)
        assert client.world.charged("lookups", PROXY) == 2


def test_forwarded_names_the_client_where_the_setting_says_so(lines: Lines) -> None:
    """3.7: with `HSP_OTP_FORWARDED_HEADER=forwarded` one address reaches limits, audit and log."""
    with Client(trusted_proxies=TRUSTED, forwarded_header="forwarded") as client:
        client.world.add()
        client.post(
            VALIDATE,
            {"pass_code": PASS_CODE},
            headers={
                "forwarded": 'for=192.0.2.1, For="[2001:db8:1:2:3::4]:443";by=x, for=10.9.9.9',
                "x-forwarded-for": "192.0.2.66",
            },
            client=PROXY,
        )
        assert client.world.charged("lookups", "2001:db8:1:2::/64") == 1
        assert str(client.world.audit.rows[-1].client) == "2001:db8:1:2::/64"
    (line,) = lines()
    assert line["client"] == "2001:db8:1:2::/64"


def warned(lines: Lines, event: str) -> list[dict[str, Any]]:
    """The warnings of that event since the log was read last; nothing that was sent is in it."""
    told = lines()
    assert "192.0.2.66" not in repr(told)
    found = [line for line in told if line["event"] == event]
    assert all(line["level"] == "warning" for line in found)
    return found


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_an_untrusted_forwarded_header_is_warned_of_once_an_hour(
    client: Client, lines: Lines, header: str
) -> None:
    """3.7: ignored, and a warning, once an hour, without what it said."""

    def count() -> int:
        headers = {header: "for=192.0.2.66" if header == "forwarded" else "192.0.2.66"}
        client.post(VALIDATE, {"pass_code": PASS_CODE}, headers=headers)
        return len(warned(lines, "forwarded_header_from_untrusted_peer"))

    assert [count() for _ in range(5)] == [1, 0, 0, 0, 0]
    client.world.clock.advance(HOUR - 1)
    assert count() == 0
    client.world.clock.advance(1)
    assert [count(), count()] == [1, 0]
    assert client.world.charged("lookups", "192.0.2.66") == 0


def test_a_trusted_forwarded_header_is_not_warned_of(lines: Lines) -> None:
    """3.7: what a trusted proxy says is worth no warning, nor is a caller without a proxy."""
    with Client(trusted_proxies=TRUSTED) as client:
        client.request("GET", "/docs", headers={"x-forwarded-for": "192.0.2.1"}, client=PROXY)
        client.request("GET", "/docs", client="192.0.2.1")
    assert [line["event"] for line in lines()] == ["request", "request"]


@pytest.mark.parametrize(
    ("reads", "headers", "sent"),
    [
        ("x-forwarded-for", {}, []),
        ("x-forwarded-for", {"forwarded": "for=192.0.2.66"}, ["forwarded"]),
        ("x-forwarded-for", {"x-forwarded-for": "unknown"}, ["x-forwarded-for"]),
        ("forwarded", {"x-forwarded-for": "192.0.2.66"}, ["x-forwarded-for"]),
        ("forwarded", {"forwarded": "proto=https"}, ["forwarded"]),
    ],
)
def test_a_silent_trusted_proxy_is_warned_of_once_an_hour(
    lines: Lines, reads: str, headers: dict[str, str], sent: list[str]
) -> None:
    """3.7: all its callers share its address; the warning names it, and what headers it sends."""
    with Client(trusted_proxies=TRUSTED, forwarded_header=reads) as client:

        def count() -> list[dict[str, Any]]:
            client.request("GET", "/docs", headers=headers, client=PROXY)
            return warned(lines, "trusted_proxy_names_no_client")

        (first,) = count()
        assert (first["proxy"], first["sent"], first["reads"]) == (PROXY, sent, reads)
        assert count() == []
        client.world.clock.advance(HOUR - 1)
        assert count() == []
        client.world.clock.advance(1)
        assert [len(count()), len(count())] == [1, 0]


def test_a_probe_of_a_trusted_proxy_is_not_warned_of(lines: Lines) -> None:
    """3.7: a load balancer looks after its servers in its own name."""
    with Client(trusted_proxies=TRUSTED) as client:
        for path in ("/healthz", "/readyz/"):
            assert client.request("GET", path, client=PROXY).status == 200
    assert lines() == []


# The log


def test_a_request_leaves_one_line(client: Client, lines: Lines) -> None:
    """Section 5 and 8.3: the route, the method, the outcome; and the request id to find it by."""
    client.validate()
    (line,) = lines()
    assert isinstance(line.pop("milliseconds"), float)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": "r-1",
        "route": "/customer/validate-pass",
        "method": "POST",
        "status": 200,
        "outcome": "ok",
        "client": "198.51.100.7",
        "ports": {},
    }


def test_the_line_tells_where_the_time_went(lines: Lines) -> None:
    """How long the request waited for each port, and how often it asked, where that was twice."""
    ticks = itertools.count(0, 0.0123)
    world = Observed(watch=Watch(timer=ticks.__next__))
    world.add()
    with Client(world) as client:
        code = client.code()
        client.verify(code)
        client.post(REFRESH, {"refresh_token": "nonsense"})
        world.outbox.failure = SendFailed("no")
        client.sign_up()
    sent, verified, refreshed, failed = lines()
    once = 12.3
    assert sent["ports"] == dict.fromkeys(("passes", "usage", "slots", "sender", "audit"), once)
    assert "calls" not in sent
    assert verified["ports"] == dict.fromkeys(("passes", "usage", "slots", "families"), once)
    assert refreshed["ports"] == {"usage": once}
    # A failed call counts as well; the code was withdrawn.
    assert failed["outcome"] == "sms_failed"
    assert failed["level"] == "info"
    assert failed["ports"] == {
        "slots": 24.6,
        "signup_sessions": once,
        "sender": once,
        "audit": once,
    }
    assert failed["calls"] == {"slots": 2}


def test_nobody_pays_for_another(lines: Lines) -> None:
    """Two requests at a time that wait for the same port are charged for what each awaited."""
    world = Observed()
    world.add()
    gate = asyncio.Event()
    waited: dict[str, dict[str, int]] = {}

    class Slow:
        async def find(self, code: PassCode) -> Pass | None:
            await gate.wait()
            return await world.passes.find(code)

    passes = world.observer.passes(Slow())

    async def ask(name: str, times: int) -> None:
        with port_times() as found:
            for _ in range(times):
                # What a request starts and awaits is its own.
                await asyncio.create_task(passes.find(PassCode(PASS_CODE)))
        waited[name] = found.calls

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ask("one", 1))
            group.create_task(ask("other", 2))
            group.create_task(passes.find(PassCode(PASS_CODE)))  # nobody's
            await asyncio.sleep(0)
            gate.set()

    asyncio.run(both())
    assert waited == {"one": {"passes": 1}, "other": {"passes": 2}}
    assert lines() == []


async def _away() -> bool:
    return False


def test_probes_that_find_all_well_leave_no_line(lines: Lines) -> None:
    """What machines ask every few seconds is told only where something is wrong."""
    with Client() as client:
        for path in ("/healthz", "/readyz", "/healthz/"):
            assert client.request("GET", path).status == 200
        assert client.request("HEAD", "/readyz").status == 200
        assert lines() == []
        assert client.request("POST", "/readyz").status == 405
        assert [line["status"] for line in lines()] == [405]
    with Client(database_answers=_away) as client:
        assert client.request("GET", "/readyz").status == 503
        (line,) = lines()
        assert (line["route"], line["outcome"]) == ("/readyz", "unavailable")


LOGGED: dict[str, tuple[Callable[[Client], Reply], dict[str, Any]]] = {
    "an outcome of a table": (
        lambda client: client.validate("HSP-0000-0000"),
        {"route": "/customer/validate-pass", "status": 200, "outcome": "pass_not_found"},
    ),
    "a malformed member": (
        lambda client: client.send("secret-value"),
        {"route": "/customer/send-otp", "status": 400, "outcome": "invalid_pass"},
    ),
    "a malformed body": (
        lambda client: client.post(VERIFY, body=b'{"secret-value'),
        {"route": "/customer/verify-otp", "status": 400, "outcome": "malformed_request"},
    ),
    "no such route": (
        lambda client: client.request("GET", "/secret-value/HSP-1234-5678"),
        {"route": "none", "method": "GET", "status": 404, "outcome": "not_found"},
    ),
    "another method": (
        lambda client: client.request("DELETE", VALIDATE),
        {"method": "DELETE", "status": 405, "outcome": "method_not_allowed"},
    ),
    "HEAD": (
        lambda client: client.request("HEAD", KEY_SET),
        {"route": KEY_SET, "method": "HEAD", "status": 200, "outcome": "ok"},
    ),
    "OPTIONS": (
        lambda client: client.request("OPTIONS", VALIDATE),
        {"method": "OPTIONS", "status": 405},
    ),
    "a method that nobody knows": (
        lambda client: client.request("SECRET-VALUE", VALIDATE),
        {"method": "other", "status": 405},
    ),
    "another type": (
        lambda client: client.request(
            "POST", VALIDATE, headers={"content-type": "secret-value", "user-agent": "secret-value"}
        ),
        {"status": 415, "outcome": "unsupported_media_type"},
    ),
    "too large": (
        lambda client: client.post(VALIDATE, body=b"secret-value" * 2000),
        {"status": 413, "outcome": "body_too_large"},
    ),
}


@pytest.mark.parametrize("name", LOGGED)
def test_the_line_tells_what_became_of_it(client: Client, lines: Lines, name: str) -> None:
    """5.5 and 8.3: bad input leaves a line too, and what was sent stands in none."""
    ask, told = LOGGED[name]
    ask(client)
    (line,) = lines()
    assert {field: line[field] for field in told} == told
    assert "secret-value" not in repr(line).lower()
    assert "1234-5678" not in repr(line)


def test_nothing_secret_is_written(client: Client, written: Callable[[], str]) -> None:
    """8.3: no code, token, full number or full pass code, through a whole journey."""
    client.world.add("HSP-8765-4321", user="u2", phone=None)
    client.validate()
    client.validate("HSP-8765-4321")
    code = client.code()
    client.send()
    client.verify(other_than(code))
    client.verify(f"{code}0")
    client.verify(code, challenge_id="another")
    success = client.verify(code)
    client.post(VERIFY, body=f'{{"otp": "{code}", "pass_code": "HSP-1234-5678"'.encode())
    client.request("GET", f"/customer/{code}/HSP-1234-5678/9876543210")
    client.request(f"GET{code}", VALIDATE)
    text = written()
    assert text.count("198.51.100.7") == 11
    for secret in (
        code,
        other_than(code),
        "1234-5678",
        "8765-4321",
        "9876543210",
        success.json["access_token"],
        success.json["refresh_token"],
        success.json["refresh_token"].split(".")[3],
        "u1@example.com",
    ):
        assert secret not in text


# A bug


class Leaking(Outbox):
    """A sender whose bug has the code and the number in its message, and in its locals."""

    async def send(
        self, message: Message, within: Duration = SEND_WITHIN, names: Sequence[str] = ()
    ) -> Receipt:
        """Keep no promise."""
        await super().send(message, within, names)
        code, number = self.codes[-1], message.to.value
        try:
            dict[tuple[str, str], str]()[code, number]
        except KeyError as inner:
            raise RuntimeError(f"{code} to {number}: {message.text}") from inner
        raise AssertionError


INTERNAL = "Something went wrong on our side. Please try again."


def test_a_bug_is_a_500_that_tells_nothing(written: Callable[[], str]) -> None:
    """2.2 and section 5: the log has the place and the request id, never the text or locals."""
    with Client(World(outbox=Leaking())) as client:
        client.world.add()
        reply = client.send()
        assert reply.status == 500
        assert reply.headers["content-type"] == "application/problem+json"
        assert "retry-after" not in reply.headers
        assert reply.json == problem(
            500, "Internal Server Error", "internal_error", INTERNAL, sent=False
        )
        text = written()
        (code,) = client.world.outbox.codes
        assert code not in text
        assert "9876543210" not in text
        assert "is your" not in text
        assert "bug" in text
        assert text.count("r-1") == 2
        assert "RuntimeError at test_http_middleware.py" in text
        assert "KeyError at test_http_middleware.py" in text
        assert client.verify(code).json["error"] == "otp_expired"


@pytest.mark.parametrize("path", ROUTES)
def test_a_bug_on_every_route(lines: Lines, path: str) -> None:
    """Section 5: 500 `internal_error` with the member of the flow; the next request is served."""
    with Client(with_passes(Broken())) as client:
        reply = client.post(path, members(client))
        assert reply.status == 500
        assert reply.json == problem(
            500,
            "Internal Server Error",
            "internal_error",
            INTERNAL,
            **{FLOW_MEMBERS[path]: False},
        )
        bug, line = lines()
        assert (bug["event"], bug["level"], bug["request_id"]) == ("bug", "error", "r-1")
        assert bug["error"][0].startswith("ZeroDivisionError at test_http_middleware.py:")
        assert "1234-5678" not in repr(bug)
        assert (line["status"], line["outcome"]) == (500, "internal_error")
        assert client.request("GET", "/healthz").status == 200


def test_a_bug_that_the_library_tells_of(lines: Lines) -> None:
    """Section 5: what the HTTP library calls a 500 is logged as a bug as well."""

    async def confused() -> bool:
        raise ImproperlyConfiguredException("S3CR3T")

    with Client(database_answers=confused) as client:
        reply = client.request("GET", "/readyz")
        assert reply.status == 500
        assert reply.json == problem(500, "Internal Server Error", "internal_error", INTERNAL)
        bug, line = lines()
        assert bug["event"] == "bug"
        assert "S3CR3T" not in repr(bug)
        assert line["status"] == 500


# A part that is away


@pytest.mark.parametrize("path", ROUTES)
def test_the_database_is_away(lines: Lines, path: str) -> None:
    """5.6: 503 `unavailable` with `Retry-After` and the flow's member; no limit is told."""
    with Client(with_passes(Away())) as client:
        reply = client.post(path, members(client))
        assert reply.status == 503
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers["retry-after"] == "2"
        assert reply.json == problem(
            503,
            "Service Unavailable",
            "unavailable",
            "The service is not available at the moment. Please try again soon.",
            **{FLOW_MEMBERS[path]: False},
        )
        assert client.world.outbox.sent == []
        away, line = lines()
        assert (away["event"], away["level"], away["request_id"]) == (
            "unavailable",
            "warning",
            "r-1",
        )
        assert [told.split(" at ")[0] for told in away["error"]] == ["Unavailable", "OSError"]
        assert "1234-5678" not in repr(away)
        assert "driver" not in repr(away)
        assert (line["status"], line["outcome"]) == (503, "unavailable")


def test_the_store_is_lost_while_a_message_is_sent() -> None:
    """5.6: 503, and no success; the send stays counted, and the next one is not held up."""

    class Cut(Outbox):
        async def send(
            self, message: Message, within: Duration = SEND_WITHIN, names: Sequence[str] = ()
        ) -> Receipt:
            await super().send(message, within, names)
            raise Unavailable

    with Client(World(outbox=Cut())) as client:
        client.world.add()
        reply = client.send()
        assert (reply.status, reply.json["error"], reply.json["sent"]) == (
            503,
            "unavailable",
            False,
        )
        assert reply.headers["retry-after"] == "2"
        errors = [client.send().json["error"] for _ in range(2)]
        assert errors == ["unavailable", "work_required"]
        assert client.verify(client.world.outbox.codes[0]).json["error"] == "otp_expired"
