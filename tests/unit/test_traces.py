"""Which spans there are, and what is never in them: docs/traces.md."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from structlog.testing import capture_logs

from hsp_otp.adapters.instrumentation.ports import Watch
from hsp_otp.adapters.opentelemetry.export import Telling, provider
from hsp_otp.adapters.opentelemetry.spans import Spans
from hsp_otp.domain.delivery import DeliveryState
from hsp_otp.domain.instant import MINUTE, SECOND
from hsp_otp.domain.passes import Pass
from hsp_otp.entrypoints.client_address import parse_trusted_proxies
from hsp_otp.flows.receipts import take_receipt
from hsp_otp.ports.failures import SendFailed, SendRefusedHere, SendRejected, Unavailable
from tests.http import ME, REFRESH, REVOKE, SEND, VALIDATE, Client
from tests.observed import Observed
from tests.world import OTHER_PHONE, PASS_CODE, PHONE, START, ManualClock, other_than, run

DESCRIBED = Path(__file__).parents[2] / "docs" / "traces.md"

PROXY = "10.0.0.1"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@attrs.define(kw_only=True)
class Traced(Observed):
    """A world whose ports are traced; each call takes a quarter of a second."""

    percent: int = 100
    kept: InMemorySpanExporter = attrs.field(factory=InMemorySpanExporter)
    spans: Spans = attrs.field()
    watch: Watch = attrs.field()

    @spans.default
    def _spans(self) -> Spans:
        made: TracerProvider = provider(self.percent, "1.2.3")
        made.add_span_processor(SimpleSpanProcessor(self.kept))
        return Spans(made.get_tracer("test"), self.clock)

    @watch.default
    def _watch(self) -> Watch:
        def timer() -> float:
            self.clock.advance(SECOND // 4)
            return self.clock.now() / SECOND

        return Watch(listeners=(self.spans,), timer=timer)

    def read(self) -> list[ReadableSpan]:
        """The spans that have ended since the last call, in that order."""
        found = list(self.kept.get_finished_spans())
        self.kept.clear()
        return found


@pytest.fixture
def world() -> Traced:
    """A traced world with a pass."""
    world = Traced()
    world.add()
    return world


@pytest.fixture
def client(world: Traced) -> Iterator[Client]:
    """A client of a traced world."""
    trusted = parse_trusted_proxies(PROXY)
    with Client(world, spans=world.spans, trusted_proxies=trusted) as opened:
        yield opened


def told(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes, without the prefix of ours."""
    return {name.removeprefix("hsp_otp."): value for name, value in (span.attributes or {}).items()}


def tree(spans: list[ReadableSpan]) -> list[tuple[str, str | None]]:
    """Every span with its parent's name, in the order in which they ended."""
    names = {span.context.span_id: span.name for span in spans if span.context}
    return [(span.name, names[span.parent.span_id] if span.parent else None) for span in spans]


def test_a_request_its_journey_and_its_calls(client: Client, world: Traced) -> None:
    """One span for each, one within the other, and what each came to."""
    client.send()
    spans = world.read()
    journey = "pass_login.send"
    assert tree(spans) == [
        ("passes", journey),
        ("usage", journey),
        ("slots", journey),
        ("sender", journey),
        ("audit", journey),
        (journey, "POST /customer/send-otp"),
        ("POST /customer/send-otp", None),
    ]
    assert [told(span) for span in spans] == [
        {"port": "passes", "store": "sql"},
        {"port": "usage", "store": "memory"},
        {"port": "slots", "store": "memory"},
        {"port": "sender", "sender": "outbox", "result": "taken"},
        {"port": "audit", "store": "sql"},
        {"outcome": "sent"},
        {
            "http.request.method": "POST",
            "http.route": "/customer/send-otp",
            "http.response.status_code": 200,
            "outcome": "ok",
            "request_id": "r-1",
        },
    ]
    assert len({span.context.trace_id for span in spans if span.context}) == 1
    assert [span.kind for span in spans[-2:]] == [SpanKind.INTERNAL, SpanKind.SERVER]
    assert {span.status.status_code for span in spans} == {StatusCode.UNSET}
    for span in spans[:-2]:
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.end_time - span.start_time == 250_000_000
        assert spans[-2].start_time is not None
        assert spans[-2].start_time <= span.start_time
    assert spans[0].resource.attributes["service.name"] == "hsp-otp"
    assert spans[0].resource.attributes["service.version"] == "1.2.3"


def test_every_journey_has_a_span(client: Client, world: Traced) -> None:
    """Pass login, signup, sessions and receipts alike, with the word of the outcome."""
    code = client.code()
    client.validate()
    client.verify(other_than(code))
    granted = client.verify(code).json
    client.request("GET", ME, headers={"authorization": f"Bearer {granted['access_token']}"})
    client.post(REFRESH, {"refresh_token": granted["refresh_token"]})
    client.post(REVOKE, {"refresh_token": "nonsense"})
    session, digits = client.session(OTHER_PHONE)
    client.prove(session, digits)
    found = [
        (span.name, told(span)["outcome"])
        for span in world.read()
        if span.kind is SpanKind.INTERNAL and "." in span.name
    ]
    assert found == [
        ("pass_login.send", "sent"),
        ("pass_login.validate", "valid"),
        ("pass_login.verify", "invalid_otp"),
        ("pass_login.verify", "verified"),
        ("sessions.me", "ok"),
        ("sessions.refresh", "ok"),
        ("sessions.revoke", "ok"),
        ("signup.send", "sent"),
        ("signup.verify", "verified"),
    ]


def test_a_receipt_is_a_journey(world: Traced) -> None:
    """What a provider reports is traced as well."""
    deliveries = world.observer.deliveries(world.deliveries)
    take_it = partial(take_receipt, deliveries, early=world.early, clock=world.clock)
    walk = world.spans.journey("receipts.take_receipt", take_it)

    async def take() -> None:
        await walk("outbox", "unknown", DeliveryState.SENT)

    with world.spans.request(None):
        run(take())
    assert tree(world.read()) == [
        ("deliveries", "receipts.take_receipt"),
        ("deliveries", "receipts.take_receipt"),
        ("receipts.take_receipt", "request"),
        ("request", None),
    ]


def test_background_work_makes_no_trace(world: Traced) -> None:
    """What belongs to no request has no span."""
    world.send()
    assert world.read() == []


def test_probes_make_no_trace(client: Client, world: Traced) -> None:
    """Machines ask every few seconds."""
    client.request("GET", "/healthz")
    client.request("GET", "/readyz/")
    assert world.read() == []


def test_a_path_is_in_no_span(client: Client, world: Traced) -> None:
    """A request that no route takes is named so."""
    client.request("GET", "/users/HSP-1234-5678")
    client.request("BREW-+919876543210", SEND)
    assert [span.name for span in world.read()] == ["GET none", "other none"]


# --- Failures


class Away:
    """A pass port that raises."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def find(self, _: object) -> Pass | None:
        """Raise, as a driver does: with what it stumbled over."""
        raise self._failure from ValueError(f"near {PHONE}")


@pytest.mark.parametrize(
    ("failure", "status"), [(Unavailable(f"near {PHONE}"), 503), (RuntimeError(PHONE), 500)]
)
def test_a_failure_is_told_by_its_kind(world: Traced, failure: Exception, status: int) -> None:
    """Call, journey and request say that they failed, and none what the exception said."""
    world.found = Away(failure)
    with Client(world, spans=world.spans) as broken:
        assert broken.validate().status == status
    call, audit, journey, request = world.read()
    kind = type(failure).__name__
    assert told(call) == {"port": "passes", "store": "sql", "error.type": kind}
    assert told(audit) == {"port": "audit", "store": "sql"}
    assert told(journey) == {"error.type": kind}
    assert told(request)["http.response.status_code"] == status
    assert [span.status.status_code for span in (call, journey, request)] == [StatusCode.ERROR] * 3
    assert {span.status.description for span in (call, journey, request)} == {None}
    assert [span for span in (call, audit, journey, request) if span.events] == []


@pytest.mark.parametrize(
    ("failure", "result"),
    [
        (SendRejected(PHONE), "refused"),
        (SendRefusedHere(PHONE), "refused"),
        (SendFailed(PHONE), "failed"),
    ],
)
def test_a_message_that_is_not_taken(
    client: Client, world: Traced, failure: Exception, result: str
) -> None:
    """A sender's call says what it came to."""
    world.outbox.failure = failure
    client.send()
    (span,) = [span for span in world.read() if span.name == "sender"]
    assert told(span) == {"port": "sender", "sender": "outbox", "result": result}


def test_nothing_secret_is_in_any_span(client: Client, world: Traced) -> None:
    """A sign-in and a signup with failures of all kinds leave no secret in any part of a span."""
    code = client.code()
    client.verify(other_than(code))
    granted = client.verify(code).json
    client.verify(code)
    client.post(REFRESH, {"refresh_token": granted["refresh_token"]})
    client.post(REFRESH, {"refresh_token": granted["refresh_token"]})
    session, digits = client.session(OTHER_PHONE)
    client.prove(session, other_than(digits))
    proof = client.prove(session, digits).json["proof"]
    client.request("GET", f"/{code}/{PASS_CODE}", query=f"otp={code}", client=PROXY)
    client.post(f"{VALIDATE}{session}", {"pass_code": PASS_CODE})
    world.outbox.failure = SendFailed(f"{PHONE} {code}")
    client.sign_up(PHONE)
    world.found = Away(RuntimeError(f"{PASS_CODE} {granted['access_token']}"))
    with Client(world, spans=world.spans) as broken:
        assert broken.send().status == 500
    spans = world.read()
    assert len(spans) > 50
    # Ids and times are left out: they may have any digits.
    shown = repr(
        [
            (
                *(span.name, dict(span.attributes or {}), span.status.description),
                [(event.name, dict(event.attributes or {})) for event in span.events],
                [dict(link.attributes or {}) for link in span.links],
                dict(span.resource.attributes),
            )
            for span in spans
        ]
    )
    secrets = {
        "code": code,
        "code of signup": digits,
        "number": PHONE[-10:],
        "other number": OTHER_PHONE[-10:],
        "end of a number": PHONE[-4:],
        "pass code": PASS_CODE[4:],
        "session": session,
        "proof": proof,
        "access token": granted["access_token"],
        "refresh token": granted["refresh_token"],
        "address": PROXY,
        "user": "user-1",
    }
    assert [name for name, secret in secrets.items() if secret in shown] == []
    names = {name for span in spans for name in span.attributes or {}}
    assert names == {
        *("hsp_otp.port", "hsp_otp.store", "hsp_otp.sender", "hsp_otp.result"),
        *("hsp_otp.outcome", "hsp_otp.request_id", "error.type"),
        *("http.request.method", "http.route", "http.response.status_code"),
    }


# --- Whose trace it is


def parent(world: Traced) -> str | None:
    """The parent of the last request: its trace and its span."""
    span = world.read()[-1]
    if span.parent is None or span.context is None:
        return None
    assert span.context.trace_id == span.parent.trace_id
    return f"{format_trace_id(span.parent.trace_id)}-{format_span_id(span.parent.span_id)}"


def test_a_trace_is_taken_over_from_a_trusted_proxy(client: Client, world: Traced) -> None:
    """What a proxy that is believed has begun goes on here."""
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": f"x={PHONE}"}
    client.post(VALIDATE, {"pass_code": PASS_CODE}, headers=headers, client=PROXY)
    assert world.kept.get_finished_spans()[-1].to_json().count(PHONE) == 0
    assert parent(world) == f"{TRACE}-{PARENT}"


def test_nobody_else_says_what_is_kept(client: Client, world: Traced) -> None:
    """A caller can neither join a trace nor have one kept or left out."""
    for flags in ("00", "01"):
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-{flags}"}
        client.post(VALIDATE, {"pass_code": PASS_CODE}, headers=headers)
        assert parent(world) is None


def test_a_proxy_may_leave_a_trace_out(client: Client, world: Traced) -> None:
    """What a proxy does not keep is not kept here."""
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    client.post(VALIDATE, {"pass_code": PASS_CODE}, headers=headers, client=PROXY)
    assert world.read() == []


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"01-{TRACE}-{PARENT}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01",
    ],
)
def test_what_is_no_parent_begins_a_trace(client: Client, world: Traced, given: str) -> None:
    """Nonsense is as good as nothing."""
    headers = {"traceparent": given}
    client.post(VALIDATE, {"pass_code": PASS_CODE}, headers=headers, client=PROXY)
    assert parent(world) is None


def test_two_parents_are_none(client: Client, world: Traced) -> None:
    """Nobody knows which of the two would be meant."""
    line = ("traceparent", f"00-{TRACE}-{PARENT}-01")
    client.request("GET", "/docs", more_headers=(line, line), client=PROXY)
    assert parent(world) is None


def test_none_of_the_traces_that_begin_here() -> None:
    """At 0 percent only what a trusted proxy keeps is kept, and the log names no other."""
    world = Traced(percent=0)
    world.add()
    trusted = parse_trusted_proxies(PROXY)
    with (
        Client(world, spans=world.spans, trusted_proxies=trusted) as client,
        capture_logs([structlog.contextvars.merge_contextvars]) as lines,
    ):
        client.send()
        assert world.read() == []
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-forwarded-for": "203.0.113.9"}
        client.post(VALIDATE, {"pass_code": PASS_CODE}, headers=headers, client=PROXY)
        assert len(world.read()) == 4
    assert [line.get("trace_id") for line in lines] == [None, TRACE]


# --- The collector


class Collector(SpanExporter):
    """Takes spans while it is there."""

    def __init__(self) -> None:
        self.is_there = False
        self.taken = 0
        self.ended = False

    def export(self, spans: Any) -> SpanExportResult:  # noqa: ANN401 - as the library has it
        """Take *spans*."""
        if not self.is_there:
            return SpanExportResult.FAILURE
        self.taken += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """End."""
        self.ended = True


def test_what_is_not_taken_is_told_now_and_then() -> None:
    """One line in ten minutes at most, with how many it were since the last."""
    clock, collector = ManualClock(START), Collector()
    telling = Telling(collector, clock)
    spans: list[ReadableSpan] = [ReadableSpan("a"), ReadableSpan("b")]
    with capture_logs() as lines:
        for _ in range(3):
            telling.export(spans)
        clock.advance(10 * MINUTE - 1)
        telling.export(spans)
        assert [line["spans"] for line in lines] == [2]
        clock.advance(1)
        telling.export(spans)
        collector.is_there = True
        clock.advance(20 * MINUTE)
        telling.export(spans)
        telling.shutdown()
    event = {"event": "traces_not_taken", "log_level": "warning"}
    assert lines == [event | {"spans": 2}, event | {"spans": 8}]
    assert (collector.taken, collector.ended) == (2, True)


def test_the_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is usual for OpenTelemetry holds for the service's name."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "otp-east")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    found = provider(100, "1.2.3").resource.attributes
    assert found["service.name"] == "otp-east"
    assert found["deployment.environment.name"] == "test"


# --- What is written about it


def test_the_page_lists_every_attribute(client: Client, world: Traced) -> None:
    """docs/traces.md has every attribute that a span may have, and no other."""
    client.send()
    world.found = Away(Unavailable("x"))
    with Client(world, spans=world.spans) as broken:
        broken.send()
    names = {name for span in world.read() for name in span.attributes or {}}
    described = re.findall(r"^\| `([a-z_.]+)` \|", DESCRIBED.read_text("utf-8"), re.MULTILINE)
    assert len(described) == len(set(described))
    assert set(described) == names
