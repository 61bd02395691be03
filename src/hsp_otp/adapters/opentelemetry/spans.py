"""
Every span there is; docs/traces.md describes them.

No attribute holds anything but words and numbers of the service's own, a route's template and the
request's id. Of an exception a span has the type: its text may hold what it stumbled over.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, ParamSpec, TypeVar, cast

import attrs
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)

from hsp_otp.domain.instant import SECOND
from hsp_otp.ports.clock import Clock

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""Of W3C Trace Context's one version."""

_NANOSECONDS: Final = 1_000
"""In a microsecond."""

F = TypeVar("F")
P = ParamSpec("P")
T = TypeVar("T")


@attrs.frozen
class RequestSpan:
    """The span of a request that is being served."""

    _span: Span

    @property
    def trace_id(self) -> str | None:
        """By which the trace is found; None where nobody will find it."""
        if not self._span.is_recording():
            return None
        return format_trace_id(self._span.get_span_context().trace_id)

    def answered(
        self, route: str, method: str, status: int, *, outcome: str, request_id: str
    ) -> None:
        """
        Take note of the answer.

        Args:
            route: Its template.
        """
        self._span.update_name(f"{method} {route}")
        self._span.set_attributes(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                "hsp_otp.outcome": outcome,
                "hsp_otp.request_id": request_id,
            }
        )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._span.set_status(Status(StatusCode.ERROR))


@attrs.frozen
class Spans:
    """Makes spans of requests, of journeys and of calls of ports, one within the other."""

    tracer: Tracer
    clock: Clock

    @contextmanager
    def request(self, traceparent: str | None) -> Generator[RequestSpan]:
        """
        The span of what is done within the block.

        Args:
            traceparent: That of the span which the request belongs to, by somebody who is
                believed; where it is no such thing, a new trace begins.
        """
        span = self.tracer.start_span(
            "request",
            context=_remote(traceparent),
            kind=SpanKind.SERVER,
            start_time=self._now(),
        )
        with self._within(span):
            yield RequestSpan(span)

    def journeys(self, name: str, flow: F) -> F:
        """*flow*, with a span around each of its journeys."""
        return cast("F", _Journeys(name, flow, self))

    def journey(self, name: str, walk: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """*walk*, with a span around it."""

        async def walked(*args: P.args, **kwargs: P.kwargs) -> T:
            if not get_current_span().is_recording():
                return await walk(*args, **kwargs)
            span = self.tracer.start_span(name, start_time=self._now())
            with self._within(span):
                outcome = await walk(*args, **kwargs)
                span.set_attribute("hsp_otp.outcome", getattr(outcome, "word", "ok"))
                return outcome

        return walked

    def called(self, port: str, store: str, seconds: float, failure: BaseException | None) -> None:
        """Make the span of a call that has ended."""
        attributes = {"hsp_otp.port": port, "hsp_otp.store": store}
        self._past(port, seconds, attributes, failure)

    def attempted(self, sender: str, result: str, seconds: float) -> None:
        """Make the span of a message that was offered to *sender*."""
        attributes = {"hsp_otp.port": "sender", "hsp_otp.sender": sender, "hsp_otp.result": result}
        self._past("sender", seconds, attributes)

    def _past(
        self,
        name: str,
        seconds: float,
        attributes: dict[str, str],
        failure: BaseException | None = None,
    ) -> None:
        # Nothing is within these, so that they can be made when all is known.
        if not get_current_span().is_recording():
            return
        now = self._now()
        span = self.tracer.start_span(
            name,
            attributes=attributes,
            start_time=now - round(seconds * SECOND) * _NANOSECONDS,
        )
        if failure is not None:
            _fail(span, failure)
        span.end(now)

    @contextmanager
    def _within(self, span: Span) -> Generator[None]:
        # Not the library's own block: it writes down what exceptions say.
        token = attach(set_span_in_context(span))
        try:
            yield
        except BaseException as failure:
            _fail(span, failure)
            raise
        finally:
            detach(token)
            span.end(self._now())

    def _now(self) -> int:
        return self.clock.now() * _NANOSECONDS


class _Journeys:
    """Stands for a flow."""

    def __init__(self, name: str, flow: object, spans: Spans) -> None:
        self._name = name
        self._flow = flow
        self._spans = spans

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the flow has
        found = getattr(self._flow, name)
        if inspect.iscoroutinefunction(found):
            return self._spans.journey(f"{self._name}.{name}", found)
        return found


def _fail(span: Span, failure: BaseException) -> None:
    span.set_attribute("error.type", type(failure).__name__)
    span.set_status(Status(StatusCode.ERROR))


def _remote(traceparent: str | None) -> Context:
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is None:
        return Context()
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    parent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return set_span_in_context(NonRecordingSpan(parent), Context())
